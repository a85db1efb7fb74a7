/* search: one query as a resumable state machine, on the scratch of its reader.
 *
 *     start ──▶ TAIL ──▶ DESCEND ──▶ GRAPH ──▶ RANK ──▶ DONE
 *                 │                                │ too few found: TAIL again, then
 *                 ├──── exact, or cheaper ──▶ SCAN ◀┘──▶ DONE
 *                 └──── few match the filter ─▶ LIST ──▶ DONE
 *
 * A search for all within a distance goes from GRAPH back to TAIL, too, with a wider pool, as long
 * as the farthest of the pool is still within it.
 *
 * A scan of what matches a filter measures coarsely, too, unless it must be exact: SCAN and LIST
 * then lead to RANK. A walk whose start has hardly a match around it is not begun. A graph of codes
 * is walked on their coarse distances; the best of the pool are then measured on the whole codes
 * (RANK), which is what hits are ordered by. The tail is copied before the entry of the graph is
 * read, so a point that moves from one to the other meanwhile is seen in at least one of them; tail
 * slots count as visited, so in at most one. The epoch, held from start to end, keeps every slot
 * that is met what it was. */
#include "index/search.h"
#include <math.h>

#include <string.h>

#include "index/best.h"
#include "index/hop.h"
#include "index/match.h"
#include "index/plan.h"
#include "index/view.h"
#include "index/walk.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum {
    SCAN_BATCH = STORE_BATCH,
    RANK_EXTRA_FAR = 64, /* candidates ranked besides four times k, of a coarse scan */
};
enum phase { TAIL, DESCEND, GRAPH, RANK, SCAN, LIST, DONE };

struct index_reader {
    const struct index_view *view; /* borrowed; NULL between searches */
    uint64_t ticket;               /* of the epoch */
    enum phase phase;
    uint32_t k;
    bool exact;
    const atomic_bool *cancel; /* borrowed */
    uint64_t n_matching;       /* live points the filter lets through, as planned */
    const struct store *store; /* borrowed; current when the search began */
    struct probe probe;
    struct cell **tail; /* owned; the copy of the tail */
    size_t tail_room, n_tail, tail_at;
    bool scans;  /* after the tail, instead of walking */
    bool lists;  /* … the matches' list, instead of everything */
    bool coarse; /* the scan ranks its candidates in the end */
    size_t rank_at, rank_left;
    uint32_t scan_word, scan_words; /* of live bits */
    bool ranged;                    /* only what is within a distance */
    float within;                   /* that distance */
    uint32_t ef;                    /* of this walk */
    struct walk walk;
    struct match match;
    struct hop hop;
    uint64_t list_at; /* next of the match's list */
    struct index_search_stats stats;
    struct best best;
    struct index_hit *hits; /* owned */
    size_t hits_room, n_hits;
};

enum status index_reader_open(struct index_reader **out) {
    struct index_reader *reader = mem_zero(1, sizeof *reader);
    if (!reader) return STATUS_NO_MEMORY;
    walk_init(&reader->walk);
    match_init(&reader->match);
    best_init(&reader->best);
    probe_init(&reader->probe);
    *out = reader;
    return STATUS_OK;
}

void index_reader_close(struct index_reader *reader) {
    if (!reader) return;
    assert(!reader->view);
    walk_reset(&reader->walk);
    match_reset(&reader->match);
    best_reset(&reader->best);
    probe_reset(&reader->probe);
    mem_free((void *)reader->tail);
    mem_free(reader->hits);
    mem_free(reader);
}

/* Live points that the bitmap lets through. */
static uint64_t count_matching(const struct points *points, const struct index_query *query) {
    if (!query->bitmap) return atomic_load_explicit(&points->n_live, memory_order_relaxed);
    uint64_t n = 0;
    uint32_t n_slots = atomic_load_explicit(&points->n_slots, memory_order_acquire);
    if (n_slots > query->bitmap_slots) n_slots = query->bitmap_slots;
    for (uint32_t word = 0; word < (n_slots + 63) / 64; word++)
        n += (unsigned)__builtin_popcountll(points_live_word(points, word) & query->bitmap[word]);
    return n;
}

/* A walk that must meet ef matching points among n expands about ef * n / matching nodes of M new
 * neighbours each; a scan measures every match. */
static bool scan_is_cheaper(const struct index_view *view, uint64_t n_matching, uint64_t ef) {
    uint64_t n_linked = atomic_load_explicit(&view->graph.n_linked, memory_order_relaxed);
    if (graph_entry(&view->graph).slot == SLOT_NONE) return true;
    return n_matching * n_matching <= ef * view->graph.M * n_linked;
}

static enum status reserve_results(struct index_reader *reader, size_t k) {
    if (k > reader->hits_room) {
        struct index_hit *hits = mem_resize(reader->hits, k * sizeof *hits);
        if (!hits) return STATUS_NO_MEMORY;
        reader->hits = hits;
        reader->hits_room = k;
    }
    size_t limit = reader->view->tail.limit;
    if (limit > reader->tail_room) {
        struct cell **tail = mem_resize((void *)reader->tail, limit * sizeof *tail);
        if (!tail) return STATUS_NO_MEMORY;
        reader->tail = tail;
        reader->tail_room = limit;
    }
    return best_begin(&reader->best, k);
}

/* Tail slots are met here, and nowhere else. */
static enum status begin_tail(struct index_reader *reader, bool scans) {
    const struct index_view *view = reader->view;
    struct visited *visited = &reader->walk.visited;
    reader->n_tail = tail_copy(&view->tail, reader->tail);
    reader->tail_at = 0;
    reader->lists = reader->coarse = false;
    reader->phase = TAIL;
    reader->best.n = 0;
    reader->stats.within = 0;
    reader->scans = scans;
    uint32_t n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_acquire);
    reader->scan_word = 0;
    reader->scan_words = (n_slots + 63) / 64;
    enum status s = visited_begin(visited, n_slots);
    for (size_t i = 0; s == STATUS_OK && i < reader->n_tail; i++)
        (void)visited_add(visited, reader->tail[i]->slot);
    return s;
}

/* Candidates of a walk that the k best are surely among: the shorter what it measures, the more. */
static size_t rank_depth(const struct index_reader *reader) {
    static const struct {
        uint8_t halves, extra; /* of k, and besides */
    } depths[STORE_KINDS] = {{3, 8}, {3, 8}, {8, 24}, {20, 64}, {2, 0}};
    enum store_kind kind = reader->store->kind;
    return (size_t)reader->k * depths[kind].halves / 2 + depths[kind].extra;
}

/* Candidates that are measured whole in the end. What matches a filter may lie far from the query,
 * where more points have about the same distance. */
static size_t rank_count(const struct index_reader *reader) {
    if (reader->ranged) return reader->walk.pool.size;
    if (reader->coarse) return (size_t)reader->k * 4 + RANK_EXTRA_FAR;
    return rank_depth(reader);
}

/* Dead candidates that may lie between ef live ones: as many as the filter's share makes likely. */
static size_t pool_limit(const struct index_reader *reader, size_t ef) {
    uint64_t n_linked = atomic_load_explicit(&reader->view->graph.n_linked, memory_order_relaxed);
    uint64_t share = n_linked / (reader->n_matching ? reader->n_matching : 1) + 1;
    uint64_t limit = ef * (2 + 2 * share);
    return (size_t)(limit < n_linked + ef ? limit : n_linked + ef);
}

/* The filter's matches, and the way to go about them. */
static enum status
begin_filtered(struct index_reader *reader, const struct index_query *query, uint32_t ef) {
    const struct index_view *view = reader->view;
    struct match *match = &reader->match;
    if (query->bitmap) return STATUS_INVALID;
    enum status s = match_run(match, &(struct match_source){.columns = &view->columns,
                                                            .points = &view->points,
                                                            .filter = query->filter});
    if (s != STATUS_OK) return s;
    bool linked = graph_entry(&view->graph).slot != SLOT_NONE;
    reader->n_matching = match->n;
    reader->stats.matching = match->n;
    reader->stats.plan = plan_choose(&(struct plan_facts){
        .n_live = reader->stats.points,
        .n_linked = linked ? atomic_load_explicit(&view->graph.n_linked, memory_order_relaxed) : 0,
        .n_matching = match->n,
        .ef = ef,
        .row = graph_row_max(&view->graph, 0),
        .n_floats = (uint32_t)(view_store(view)->rows.stride / sizeof(float)),
        .exact = query->exact});
    return STATUS_OK;
}

enum { COARSE_MIN = 256 }; /* matches; of fewer all are measured whole at once */

/* Begins with the tail; a list is walked as it is, all else asks the bitmap. */
static enum status begin_matches(struct index_reader *reader) {
    struct match *match = &reader->match;
    bool scan = reader->stats.plan == INDEX_PLAN_SCAN;
    enum status s = begin_tail(reader, scan);
    reader->lists = scan && match->listed;
    reader->list_at = 0;
    reader->coarse = scan && !reader->exact && !reader->ranged && match->n > COARSE_MIN;
    if (s != STATUS_OK || (reader->lists && reader->n_tail == 0)) return s;
    s = match_fill(match);
    if (s != STATUS_OK) return s;
    reader->walk.bitmap = match->words;
    reader->walk.bitmap_slots = match->n_slots;
    return s;
}

static enum status
begin_unfiltered(struct index_reader *reader, const struct index_query *query, uint32_t ef) {
    reader->n_matching = count_matching(&reader->view->points, query);
    bool scans = query->exact || scan_is_cheaper(reader->view, reader->n_matching, ef);
    if (scans) reader->stats.plan = INDEX_PLAN_SCAN;
    return begin_tail(reader, scans);
}

/* What was asked for; else what the recall takes, else the default. */
static uint32_t choose_ef(const struct index_view *view, const struct index_query *query) {
    float recall = query->target_recall > 0 ? query->target_recall : view->options.target_recall;
    if (query->ef) return query->ef;
    if (recall == 0) return INDEX_EF_DEFAULT;
    if (!query->exact) /* notes are the readers', like epochs */
        tuning_note((struct tuning *)(uintptr_t)&view->tuning, query->vector,
                    view->options.dimension);
    return tuning_ef(&view->tuning, recall, query->k);
}

static enum status begin(struct index_reader *reader, const struct index_query *query) {
    const struct index_view *view = reader->view;
    uint32_t ef = choose_ef(view, query);
    if (ef < query->k && !query->ranged) ef = query->k;
    enum status s = probe_set(&reader->probe, &view->points.metric, query->vector);
    if (s == STATUS_OK) s = reserve_results(reader, query->k);
    if (s != STATUS_OK) return s;
    struct walk *walk = &reader->walk;
    walk->graph = &view->graph;
    walk->points = &view->points;
    walk->bitmap = query->bitmap;
    walk->bitmap_slots = query->bitmap_slots;
    walk->distances = walk->hops = 0;
    reader->k = query->k;
    reader->cancel = query->cancel;
    reader->n_hits = 0;
    reader->lists = reader->coarse = false;
    reader->exact = query->exact;
    reader->ranged = query->ranged;
    reader->within = query->within;
    reader->ef = ef;
    reader->stats = (struct index_search_stats){
        .plan = INDEX_PLAN_WALK,
        .points = atomic_load_explicit(&view->points.n_live, memory_order_relaxed)};
    reader->stats.matching = reader->stats.points;
    reader->stats.ef = ef;
    reader->stats.recall = query->k <= TUNER_K ? tuning_recall(&view->tuning, ef) : 0;
    if (query->filter) s = begin_filtered(reader, query, ef);
    if (s == STATUS_OK)
        s = query->filter ? begin_matches(reader) : begin_unfiltered(reader, query, ef);
    if (s == STATUS_OK && reader->coarse) {
        size_t ranked = rank_count(reader);
        s = pool_begin(&walk->pool, ranked, ranked);
    } else if (s == STATUS_OK && !reader->scans) {
        s = pool_begin(&walk->pool, ef, pool_limit(reader, ef));
    }
    if (s != STATUS_OK) return s;
    reader->store = walk->store = view_store(view);
    reader->stats.coded = store_is_coded(reader->store) && !reader->store->keeps_all;
    store_probe(reader->store, &reader->probe);
    walk->query = reader->probe.near;
    walk->paired = false;
    return STATUS_OK;
}

enum status index_search_start(struct index_reader *reader,
                               const struct index_view *view,
                               const struct index_query *query) {
    assert(!reader->view);
    uint32_t k_max = query->exact ? INDEX_EXACT_MAX : INDEX_K_MAX;
    if (query->k < 1 || query->k > k_max || query->ef > INDEX_EF_MAX) return STATUS_INVALID;
    if (!(query->target_recall >= 0 && query->target_recall < 1)) return STATUS_INVALID;
    if (query->ranged && !isfinite(query->within)) return STATUS_INVALID;
    reader->view = view;
    reader->ticket = epoch_enter((struct epoch *)(uintptr_t)&view->epoch); /* counts, no more */
    enum status s = begin(reader, query);
    if (s != STATUS_OK) index_search_end(reader);
    return s;
}

void search_without(struct index_reader *reader, uint32_t slot) {
    (void)visited_add(&reader->walk.visited, slot);
}

void index_search_end(struct index_reader *reader) {
    if (!reader->view) return;
    epoch_leave((struct epoch *)(uintptr_t)&reader->view->epoch, reader->ticket);
    visited_clear(&reader->walk.visited);
    reader->view = NULL;
    reader->n_hits = 0;
}

static void offer(struct index_reader *reader, float distance, uint32_t slot) {
    if (reader->ranged && distance > reader->within) return;
    reader->stats.within++;
    best_offer(&reader->best, &reader->view->points, (struct result){distance, slot});
}

static void
offer_all(struct index_reader *reader, const float *distances, const uint32_t *slots, size_t n) {
    for (size_t i = 0; i < n; i++)
        offer(reader, distances[i], slots[i]);
}

/* Measures up to SCAN_BATCH slots of the store and offers them. */
static void measure(struct index_reader *reader, uint32_t *slots, size_t n) {
    float distances[SCAN_BATCH];
    float limit = reader->ranged ? reader->within : best_limit(&reader->best);
    reader->walk.distances += n;
    n = store_sift(reader->store, &reader->probe, slots, n, limit);
    store_whole(reader->store, &reader->probe, slots, n, distances);
    offer_all(reader, distances, slots, n);
}

/* Measures up to SCAN_BATCH slots of a scan. */
static void scan_slots(struct index_reader *reader, uint32_t *slots, size_t n) {
    if (reader->coarse)
        walk_measure(&reader->walk, slots, (unsigned)n);
    else
        measure(reader, slots, n);
}

static enum phase after_tail(const struct index_reader *reader) {
    if (!reader->scans) return DESCEND;
    return reader->lists ? LIST : SCAN;
}

static void step_tail(struct index_reader *reader) {
    const float *rows[SCAN_BATCH];
    float distances[SCAN_BATCH];
    uint32_t slots[SCAN_BATCH];
    size_t n = 0;
    while (n < SCAN_BATCH && reader->tail_at < reader->n_tail) {
        const struct cell *cell = reader->tail[reader->tail_at++];
        if (!walk_is_live(&reader->walk, cell->slot)) continue;
        rows[n] = cell->vector;
        slots[n++] = cell->slot;
    }
    metric_distances(&reader->view->points.metric, reader->probe.floats, rows, n, distances);
    reader->walk.distances += n;
    offer_all(reader, distances, slots, n);
    if (reader->tail_at == reader->n_tail) reader->phase = after_tail(reader);
}

static double matching_share(const struct index_reader *reader) {
    uint64_t points = reader->stats.points ? reader->stats.points : 1;
    return (double)reader->stats.matching / (double)points;
}

static enum status step_descend(struct index_reader *reader) {
    struct graph_entry entry = graph_entry(&reader->view->graph);
    reader->phase = GRAPH;
    if (entry.slot == SLOT_NONE) return STATUS_OK;
    uint32_t start = walk_descend(&reader->walk, entry, 0).slot;
    if (reader->stats.plan != INDEX_PLAN_WALK &&
        !hop_is_promising(&reader->walk, start, matching_share(reader))) {
        reader->stats.plan = INDEX_PLAN_SCAN;
        return begin_tail(reader, true);
    }
    if (reader->stats.plan == INDEX_PLAN_HOP)
        hop_start(&reader->walk, &reader->hop, start);
    else
        walk_start(&reader->walk, start);
    return STATUS_OK;
}

/* Copies the results out; those removed meanwhile stay behind. */
static void write_hits(struct index_reader *reader) {
    const struct points *points = &reader->view->points;
    best_sort(&reader->best, points);
    reader->n_hits = 0;
    for (size_t i = 0; i < reader->best.n; i++) {
        struct result result = reader->best.heap[i];
        if (!points_live(points, result.slot)) continue;
        const struct point *point = points_at(points, result.slot);
        struct point_id id = points_id(points, point);
        reader->hits[reader->n_hits++] = (struct index_hit){
            .number = point->number,
            .distance = result.distance,
            .slot = result.slot,
            .id_size = id.size,
            .id = id.data,
        };
    }
    reader->phase = DONE;
}

/* Too few although there are more: everything near was removed or refused by the filter. */
static bool fell_short(const struct index_reader *reader) {
    uint64_t n_live = atomic_load_explicit(&reader->view->points.n_live, memory_order_relaxed);
    uint64_t expected = n_live < reader->n_matching ? n_live : reader->n_matching;
    if (reader->ranged) {
        size_t n_met = reader->walk.pool.n_live + reader->n_tail;
        return n_met < (expected < reader->ef ? expected : reader->ef);
    }
    return reader->n_hits < (expected < reader->k ? expected : reader->k);
}

/* The farthest point of a walk is within the distance, so there may be more: it begins anew with a
 * wider pool, four times each, so that all walks together cost a third more than the last one. */
enum { RANGE_WIDER = 4 };
static const float range_slack[STORE_KINDS] = {0, 0.03f, 0.2f, 0.6f,
                                               0.002f}; /* of near distances */

static uint32_t range_ef_max(const struct index_reader *reader) {
    size_t ef = rank_depth(reader);
    return ef < INDEX_EF_MAX ? (uint32_t)ef : INDEX_EF_MAX;
}

static bool ends_within(const struct index_reader *reader) {
    const struct probe *probe = &reader->probe;
    float worst = pool_worst(&reader->walk.pool), slack = 0;
    if (worst == FLT_MAX) return false; /* there was room for more */
    if (store_is_coded(reader->store)) {
        slack = fabsf(reader->within);
        if (reader->view->options.metric == INDEX_DOT) slack += probe->square;
        slack *= range_slack[reader->store->kind];
    }
    return store_near_distance(reader->store, probe, worst) <= reader->within + slack;
}

static enum status widen(struct index_reader *reader) {
    uint32_t ef = reader->ef * RANGE_WIDER, max = range_ef_max(reader);
    reader->ef = ef < max ? ef : max;
    enum status s = pool_begin(&reader->walk.pool, reader->ef, pool_limit(reader, reader->ef));
    if (s == STATUS_OK) s = begin_tail(reader, false);
    return s;
}

/* What was found in float32 is measured already. */
static void take_pool(struct index_reader *reader) {
    const struct pool *pool = &reader->walk.pool;
    for (size_t i = 0; i < pool->size; i++) {
        uint64_t entry = pool->entries[i];
        if (!pool_is_live(entry) || !points_live(&reader->view->points, pool_slot(entry))) continue;
        offer(reader, pool_distance(entry), pool_slot(entry));
    }
    reader->rank_left = 0;
}

static void begin_rank(struct index_reader *reader) {
    reader->phase = RANK;
    reader->rank_at = 0;
    reader->rank_left = rank_count(reader);
    if (reader->store->kind == STORE_F32) take_pool(reader);
}

/* Everything was scanned. */
static void end_scan(struct index_reader *reader) {
    if (reader->coarse)
        begin_rank(reader);
    else
        write_hits(reader);
}

static enum status step_graph(struct index_reader *reader) {
    bool hop = reader->stats.plan == INDEX_PLAN_HOP;
    if (hop ? hop_step(&reader->walk, &reader->hop) : walk_step(&reader->walk, 0)) return STATUS_OK;
    if (reader->ranged && ends_within(reader)) {
        if (reader->ef < range_ef_max(reader)) return widen(reader);
        reader->stats.cut = true;
    }
    begin_rank(reader);
    return STATUS_OK;
}

static enum status step_rank(struct index_reader *reader) {
    const struct pool *pool = &reader->walk.pool;
    uint32_t slots[SCAN_BATCH];
    size_t n = 0;
    while (n < SCAN_BATCH && n < reader->rank_left && reader->rank_at < pool->size) {
        uint64_t entry = pool->entries[reader->rank_at++];
        if (!pool_is_live(entry) || !points_live(&reader->view->points, pool_slot(entry))) continue;
        slots[n++] = pool_slot(entry);
    }
    measure(reader, slots, n);
    reader->rank_left -= n;
    if (n > 0) return STATUS_OK;
    write_hits(reader);
    if (!fell_short(reader)) return STATUS_OK;
    reader->stats.fell_back = true;
    reader->stats.cut = false;
    return begin_tail(reader, true);
}

static void step_scan(struct index_reader *reader) {
    if (reader->scan_word == reader->scan_words) {
        end_scan(reader);
        return;
    }
    const struct walk *walk = &reader->walk;
    uint32_t word = reader->scan_word++, slots[SCAN_BATCH];
    uint64_t bits = points_found_word(&reader->view->points, word);
    if (walk->bitmap && word > walk->bitmap_slots / 64) bits = 0;
    size_t n = 0;
    if (reader->scan_word < reader->scan_words) store_ask(reader->store, (word + 1) * 64);
    for (; bits; bits &= bits - 1) {
        uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(bits);
        if (walk->bitmap && !walk_is_live(walk, slot)) continue;
        slots[n] = slot;
        n += visited_add(&reader->walk.visited, slot);
    }
    scan_slots(reader, slots, n);
}

/* What is in the tail was measured there. */
static void step_list(struct index_reader *reader) {
    const struct match *match = &reader->match;
    const struct points *points = &reader->view->points;
    uint32_t slots[SCAN_BATCH];
    size_t n = 0;
    if (reader->list_at == match->n) {
        end_scan(reader);
        return;
    }
    for (size_t i = 0; i < SCAN_BATCH && reader->list_at < match->n; i++) {
        uint32_t slot = match->list[reader->list_at++];
        if (!(points_found_word(points, slot / 64) >> (slot % 64) & 1)) continue;
        slots[n] = slot;
        n += visited_add(&reader->walk.visited, slot);
    }
    scan_slots(reader, slots, n);
}

enum status index_search_step(struct index_reader *reader, size_t budget, bool *done) {
    assert(reader->view);
    uint64_t limit = reader->walk.distances + budget;
    enum status s = STATUS_OK;
    do {
        if (reader->cancel && atomic_load_explicit(reader->cancel, memory_order_relaxed))
            return STATUS_CANCELLED;
        switch (reader->phase) {
        case TAIL:
            step_tail(reader);
            break;
        case DESCEND:
            s = step_descend(reader);
            break;
        case GRAPH:
            s = step_graph(reader);
            break;
        case RANK:
            s = step_rank(reader);
            break;
        case SCAN:
            step_scan(reader);
            break;
        case LIST:
            step_list(reader);
            break;
        case DONE:
            break;
        }
    } while (s == STATUS_OK && reader->phase != DONE && reader->walk.distances < limit);
    *done = reader->phase == DONE;
    if (s == STATUS_OK && atomic_load_explicit(&reader->view->damaged, memory_order_relaxed))
        return STATUS_QUARANTINED;
    return s;
}

const struct index_hit *index_search_hits(const struct index_reader *reader, size_t *n_hits) {
    assert(reader->view && reader->phase == DONE);
    *n_hits = reader->n_hits;
    return reader->hits;
}

struct index_search_stats index_search_stats(const struct index_reader *reader) {
    struct index_search_stats stats = reader->stats;
    stats.distances = reader->walk.distances;
    stats.hops = reader->walk.hops;
    if (!reader->ranged)
        stats.within = 0;
    else if (stats.within > reader->k)
        stats.cut = true;
    return stats;
}

size_t index_columns_missing(const struct index_view *view,
                             const struct filter *filter,
                             struct index_column *out,
                             size_t n) {
    return match_missing(&view->columns, filter, out, n);
}

const char *index_plan_name(enum index_plan plan) {
    static const char *const names[INDEX_PLANS] = {"scan", "hop", "sweep", "walk"};
    return names[plan];
}
