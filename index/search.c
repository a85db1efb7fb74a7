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

#include "index/reader.h"
#include "runtime/assert.h"
#include "runtime/poison.h"

enum { SCAN_BATCH = STORE_BATCH };

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

static enum search_phase after_tail(const struct index_reader *reader) {
    if (!reader->scans) return SEARCH_DESCEND;
    return reader->lists ? SEARCH_LIST : SEARCH_SCAN;
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
    reader->phase = SEARCH_GRAPH;
    if (entry.slot == SLOT_NONE) return STATUS_OK;
    uint32_t start = walk_descend(&reader->walk, entry, 0).slot;
    if (reader->stats.plan != INDEX_PLAN_WALK &&
        !hop_is_promising(&reader->walk, start, matching_share(reader))) {
        reader->stats.plan = INDEX_PLAN_SCAN;
        return search_begin_tail(reader, true);
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
    reader->phase = SEARCH_DONE;
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
    size_t ef = search_rank_depth(reader);
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
    return store_near_distance(reader->store, worst) <= reader->within + slack;
}

static enum status widen(struct index_reader *reader) {
    uint32_t ef = reader->ef * RANGE_WIDER, max = range_ef_max(reader);
    reader->ef = ef < max ? ef : max;
    enum status s =
        pool_begin(&reader->walk.pool, reader->ef, search_pool_limit(reader, reader->ef));
    if (s == STATUS_OK) s = search_begin_tail(reader, false);
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
    reader->phase = SEARCH_RANK;
    reader->rank_at = 0;
    reader->rank_left = search_rank_count(reader);
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
    return search_begin_tail(reader, true);
}

/* Of slots that nobody was found in, the linker may be making the rows just now. */
static void ask_next(const struct index_reader *reader) {
    uint32_t word = reader->scan_word;
    if (word == reader->scan_words || points_found_word(&reader->view->points, word) == 0) return;
    store_ask(reader->store, word * 64);
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
    ask_next(reader);
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
        case SEARCH_TAIL:
            step_tail(reader);
            break;
        case SEARCH_DESCEND:
            s = step_descend(reader);
            break;
        case SEARCH_GRAPH:
            s = step_graph(reader);
            break;
        case SEARCH_RANK:
            s = step_rank(reader);
            break;
        case SEARCH_SCAN:
            step_scan(reader);
            break;
        case SEARCH_LIST:
            step_list(reader);
            break;
        case SEARCH_DONE:
            break;
        }
    } while (s == STATUS_OK && reader->phase != SEARCH_DONE && reader->walk.distances < limit);
    *done = reader->phase == SEARCH_DONE;
    if (s == STATUS_OK && atomic_load_explicit(&reader->view->damaged, memory_order_relaxed))
        return STATUS_QUARANTINED;
    return s;
}

const struct index_hit *index_search_hits(const struct index_reader *reader, size_t *n_hits) {
    assert(reader->view && reader->phase == SEARCH_DONE);
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
    struct epoch *epoch = &((struct index_view *)(uintptr_t)view)->epoch;
    uint64_t ticket = epoch_enter(epoch);
    n = match_missing(&view->columns, filter, out, n);
    epoch_leave(epoch, ticket);
    return n;
}

bool index_has_column(const struct index_view *view, const struct index_column *column) {
    struct epoch *epoch = &((struct index_view *)(uintptr_t)view)->epoch;
    uint64_t ticket = epoch_enter(epoch);
    bool has = columns_find(&view->columns, &column->key, column->type) != NULL;
    epoch_leave(epoch, ticket);
    return has;
}

const char *index_plan_name(enum index_plan plan) {
    static const char *const names[INDEX_PLANS] = {"scan", "hop", "sweep", "walk"};
    return names[plan];
}
