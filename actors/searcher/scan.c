/* scan: open ─▶ steps of the index's batch ─▶ hits to one search after the other ─▶ over. The order
 * of things at the start is that of search_start: what is replaced after `applied` was read stays
 * in the index until the scan is over. */
#include "actors/searcher/scan.h"

#include <string.h>

#include "index/batch.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    STEP_COST = 1 << 19,        /* of a step, in floats compared */
    STEP_MOST = 1 << 20,        /* of the smallest step the index takes: ROWS against all */
    ROWS = 64,                  /* of such a step */
    SCAN_MAX = 256,             /* searches */
    CANDIDATES_MAX = 512 * 1024 /* of all of them together */
};

struct scan {
    struct search *leader; /* it owns the scan */
    struct search *first;  /* owned: those that joined, in order */
    struct search *last;
    struct index_batch *batch; /* owned; while it is looked for hits, and they are given out */
    uint32_t phase;            /* of the holding's grace, with it */
    struct search *next;       /* whose hits are given out next, when all were found */
    uint32_t place;            /* of it in the batch */
    bool found;
    uint32_t n; /* searches */
};

bool scan_is_exact(const struct holding *holding, const ShardSearch *query) {
    return query->exact || (holding->exact && query->ef == 0 && query->target_recall == 0);
}

/* A search alone sees from the first bits of most codes that they are too far; a scan of many
 * decodes every one, which costs more than what it saves (docs/index.md). */
bool scan_takes(const struct holding *holding, const ShardSearch *query) {
    if (!scan_is_exact(holding, query) || query->n_filter > 0 || query->ranged) return false;
    return index_stats(holding->view).storage == INDEX_F32;
}

uint32_t scan_room(uint32_t dimension, uint32_t k) {
    uint64_t candidates = (uint64_t)k + measure_margin(k);
    uint64_t n = STEP_MOST / ((uint64_t)ROWS * (dimension + 1));
    if (n > CANDIDATES_MAX / candidates) n = CANDIDATES_MAX / candidates;
    return n < 1 ? 1 : n > SCAN_MAX ? SCAN_MAX : (uint32_t)n;
}

enum status scan_lead(struct search *leader) {
    struct scan *scan = mem_zero(1, sizeof *scan);
    if (!scan) return STATUS_NO_MEMORY;
    scan->leader = leader;
    scan->n = 1;
    leader->scan = scan;
    return STATUS_OK;
}

void scan_join(struct scan *scan, struct search *search) {
    search->next = NULL;
    if (scan->last)
        scan->last->next = search;
    else
        scan->first = search;
    scan->last = search;
    scan->n++;
}

uint32_t scan_size(const struct scan *scan) {
    return scan->n;
}

void scan_owe(struct scan *scan, const struct promise *promise) {
    for (struct search *search = scan->first; search; search = search->next)
        search->promise = *promise;
}

struct search *scan_pop(struct scan *scan) {
    struct search *search = scan->first;
    if (!search) return NULL;
    scan->first = search->next;
    if (!scan->first) scan->last = NULL;
    search->next = NULL;
    return search;
}

static void close_batch(struct scan *scan) {
    if (!scan->batch) return;
    index_batch_close(scan->batch);
    grace_leave(&scan->leader->holding->grace, scan->phase);
    scan->batch = NULL;
}

void scan_free(struct scan *scan) {
    if (!scan) return;
    assert(!scan->first);
    close_batch(scan);
    mem_free(scan);
}

static void copy_vector(const struct search *search, float *vectors, uint32_t *k, size_t place) {
    size_t dimension = search->holding->dimension;
    uint32_t wanted = search->k + search->measure.margin;
    memcpy(vectors + place * dimension, search->vector, dimension * sizeof *vectors);
    if (wanted > *k) *k = wanted < INDEX_EXACT_MAX ? wanted : INDEX_EXACT_MAX;
}

static void begin_look(struct search *search, uint64_t applied, uint32_t asked) {
    search->applied = applied;
    search->asked = asked;
    search->attempts++;
    search->unsettled = false;
}

enum status scan_start(struct scan *scan) {
    struct holding *holding = scan->leader->holding;
    float *vectors = mem_alloc((size_t)scan->n * holding->dimension * sizeof *vectors);
    if (!vectors) return STATUS_NO_MEMORY;
    struct index_batch_query query = {.vectors = vectors, .n = scan->n};
    size_t place = 0;
    copy_vector(scan->leader, vectors, &query.k, place++);
    for (struct search *search = scan->first; search; search = search->next)
        copy_vector(search, vectors, &query.k, place++);
    scan->phase = grace_enter(&holding->grace);
    uint64_t applied = atomic_load_explicit(&holding->applied, memory_order_acquire);
    enum status s = index_batch_open(holding->view, &query, &scan->batch);
    mem_free(vectors);
    if (s != STATUS_OK) {
        grace_leave(&holding->grace, scan->phase);
        return s;
    }
    begin_look(scan->leader, applied, query.k);
    for (struct search *search = scan->first; search; search = search->next)
        begin_look(search, applied, query.k);
    scan->leader->stage = SEARCH_SCANNING;
    return STATUS_OK;
}

/* The leader's last: it is SCANNING until all have their hits. */
static enum status give_hits(struct scan *scan) {
    struct search *search = scan->next ? scan->next : scan->leader;
    size_t n;
    const struct index_hit *hits = index_batch_hits(scan->batch, scan->next ? scan->place : 0, &n);
    search->stats = index_batch_stats(scan->batch);
    if (scan->next) {
        scan->next = scan->next->next;
        scan->place++;
    }
    enum status s = search_found(search, hits, n);
    if (search == scan->leader) close_batch(scan);
    return s;
}

enum status scan_step(struct scan *scan) {
    if (scan->found) return give_hits(scan);
    size_t budget = STEP_COST / (scan->leader->holding->dimension + 1) + 1;
    enum status s = index_batch_step(scan->batch, budget, &scan->found);
    if (s != STATUS_OK) close_batch(scan);
    scan->next = scan->first;
    scan->place = 1;
    return s;
}
