/* search_start: a search begins (search.c says how it goes on): its ef, its plan, its room. */
#include <math.h>

#include "index/plan.h"
#include "index/reader.h"
#include "index/search.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum { RANK_EXTRA_FAR = 64 /* candidates ranked besides four times k, of a coarse scan */ };

static const float filtered_recall = 0.97f; /* that the ef of a filtered walk is good for */

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

enum status search_begin_tail(struct index_reader *reader, bool scans) {
    const struct index_view *view = reader->view;
    struct visited *visited = &reader->walk.visited;
    reader->n_tail = tail_copy(&view->tail, reader->tail);
    reader->tail_at = 0;
    reader->lists = reader->coarse = false;
    reader->phase = SEARCH_TAIL;
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

/* As the query says it. */
static size_t wanted_depth(const struct index_reader *reader) {
    size_t depth = (size_t)ceilf((float)reader->k * reader->rescore);
    if (depth > INDEX_EXACT_MAX) depth = INDEX_EXACT_MAX;
    return depth > reader->k ? depth : reader->k;
}

size_t search_rank_depth(const struct index_reader *reader) {
    static const struct {
        uint8_t halves, extra; /* of k, and besides */
    } depths[STORE_KINDS] = {{3, 8}, {3, 8}, {8, 24}, {20, 64}, {2, 0}};
    if (reader->rescore > 0) return wanted_depth(reader);
    enum store_kind kind = reader->store->kind;
    return (size_t)reader->k * depths[kind].halves / 2 + depths[kind].extra;
}

/* What matches a filter may lie far from the query, where more points have about the same distance.
 */
size_t search_rank_count(const struct index_reader *reader) {
    if (reader->ranged) return reader->walk.pool.size;
    if (reader->coarse && reader->rescore == 0) return (size_t)reader->k * 4 + RANK_EXTRA_FAR;
    return search_rank_depth(reader);
}

size_t search_pool_limit(const struct index_reader *reader, size_t ef) {
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
    enum status s = search_begin_tail(reader, scan);
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
    return search_begin_tail(reader, scans);
}

/* The ef of a recall; notes are the readers', like epochs. */
static uint32_t
ef_of(const struct index_view *view, const struct index_query *query, float recall) {
    if (!query->exact)
        tuning_note((struct tuning *)(uintptr_t)&view->tuning, query->vector,
                    view->options.dimension);
    return tuning_ef(&view->tuning, recall, query->k);
}

/* What was asked for; else what the recall takes, else the default. With a filter, the matches of
 * which may lie in any way to the query, no less than what finds most without one. */
static uint32_t choose_ef(const struct index_view *view, const struct index_query *query) {
    float recall = query->target_recall > 0 ? query->target_recall : view->options.target_recall;
    uint32_t ef = query->ef;
    if (ef == 0) ef = recall > 0 ? ef_of(view, query, recall) : INDEX_EF_DEFAULT;
    if (!query->filter || query->exact || query->ranged || ef >= INDEX_EF_DEFAULT) return ef;
    bool known = tuning_recall(&view->tuning, INDEX_EF_DEFAULT) > 0;
    uint32_t least = ef_of(view, query, filtered_recall);
    least = known ? least + least / 2 : INDEX_EF_DEFAULT; /* the queries measured had no filter */
    return ef > least ? ef : least;
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
    reader->rescore = query->rescore;
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
        size_t ranked = search_rank_count(reader);
        s = pool_begin(&walk->pool, ranked, ranked);
    } else if (s == STATUS_OK && !reader->scans) {
        s = pool_begin(&walk->pool, ef, search_pool_limit(reader, ef));
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
    bool rescored = query->rescore >= 1 && query->rescore <= INDEX_RESCORE_MAX;
    if (query->rescore != 0 && !rescored) return STATUS_INVALID;
    reader->view = view;
    reader->ticket = epoch_enter((struct epoch *)(uintptr_t)&view->epoch); /* counts, no more */
    enum status s = begin(reader, query);
    if (s != STATUS_OK) index_search_end(reader);
    return s;
}
