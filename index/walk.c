/* walk: gather the unseen neighbours, fetch their vectors, measure them in one batch, keep the good
 * ones. Memory latency decides: the first lines of every vector are asked for while the row is
 * still being read, the kernel asks for the rest. */
#include "index/walk.h"

#include "index/prefetch.h"
#include "runtime/assert.h"
#include "runtime/poison.h"

enum { PREFETCH_LINES = 4 };
static_assert((int)GRAPH_ROW_MAX <= (int)POOL_BATCH, "a row is one merge");

void walk_init(struct walk *walk) {
    *walk = (struct walk){0};
    visited_init(&walk->visited);
    pool_init(&walk->pool);
}

void walk_reset(struct walk *walk) {
    visited_reset(&walk->visited);
    pool_reset(&walk->pool);
}

__attribute__((always_inline)) static inline void prefetch(const struct walk *walk,
                                                           const void *row) {
    size_t bytes = walk->paired ? walk->store->rows.stride : walk->store->near_bytes,
           most = PREFETCH_LINES * PREFETCH_LINE;
    prefetch_bytes(row, bytes < most ? bytes : most);
}

static inline void gaps(const struct walk *walk,
                        const uint32_t *slots,
                        const void *const *rows,
                        size_t n,
                        float limit,
                        float *out) {
    if (walk->paired && walk->store->kind >= STORE_SQ4)
        store_pair(walk->store, walk->point, slots, n, out);
    else
        store_near_below(walk->store, walk->query, rows, n, limit, out);
}

static float measure_one(struct walk *walk, uint32_t slot) {
    const void *row = store_row(walk->store, slot);
    float distance;
    gaps(walk, &slot, &row, 1, FLT_MAX, &distance);
    walk->distances++;
    return distance;
}

/* The row of a level above 0. A page of a file that is not verified yet may say anything: edges
 * that lead nowhere are left out, as visited.h does at level 0. */
static unsigned read_known(const struct walk *walk, struct graph_entry from, uint32_t *edges) {
    unsigned n_all = graph_read(walk->graph, from.slot, from.level, edges), n = 0;
    uint32_t n_slots = atomic_load_explicit(&walk->points->n_slots, memory_order_acquire);
    for (unsigned i = 0; i < n_all; i++) {
        edges[n] = edges[i];
        n += edges[i] < n_slots;
    }
    return n;
}

struct graph_entry walk_descend(struct walk *walk, struct graph_entry from, unsigned level) {
    const void *rows[GRAPH_ROW_MAX];
    float distances[GRAPH_ROW_MAX];
    uint32_t edges[GRAPH_ROW_MAX];
    float best = measure_one(walk, from.slot);
    while (from.level > level) {
        unsigned n = read_known(walk, from, edges);
        for (unsigned i = 0; i < n; i++) {
            rows[i] = store_row(walk->store, edges[i]);
            prefetch(walk, rows[i]);
        }
        gaps(walk, edges, rows, n, FLT_MAX, distances);
        walk->distances += n;
        walk->hops++;
        uint32_t nearest = from.slot;
        for (unsigned i = 0; i < n; i++) {
            if (distances[i] >= best) continue;
            best = distances[i];
            nearest = edges[i];
        }
        if (nearest == from.slot) from.level--;
        from.slot = nearest;
    }
    return from;
}

/* The edges of who will be expanded next: asked for as soon as it is known, because nothing can be
 * done before they are there. */
__attribute__((always_inline)) static inline void
prefetch_row(const struct walk *walk, uint64_t entry, unsigned level) {
    prefetch_bytes(graph_row(walk->graph, pool_slot(entry), level),
                   graph_row_max(walk->graph, level) * sizeof(graph_edge));
}

/* Keeps the good ones. */
static void
offer(struct walk *walk, const float *distances, const uint32_t *slots, unsigned n_slots) {
    uint64_t entries[GRAPH_ROW_MAX], end = pool_end(&walk->pool);
    unsigned n = 0;
    for (unsigned i = 0; i < n_slots; i++) {
        entries[n] = pool_entry(distances[i], slots[i]);
        n += entries[n] < end;
    }
    for (unsigned i = 0; i < n; i++)
        if (!walk_is_live(walk, pool_slot(entries[i]))) entries[i] |= POOL_DEAD;
    pool_merge(&walk->pool, entries, n);
}

void walk_measure(struct walk *walk, const uint32_t *slots, unsigned n) {
    const void *rows[GRAPH_ROW_MAX];
    float distances[GRAPH_ROW_MAX];
    if (n == 0) return;
    for (unsigned i = 0; i < n; i++) {
        rows[i] = store_row(walk->store, slots[i]);
        prefetch(walk, rows[i]);
    }
    gaps(walk, slots, rows, n, FLT_MAX, distances);
    walk->distances += n;
    offer(walk, distances, slots, n);
    size_t next = pool_next(&walk->pool);
    if (next < walk->pool.size) prefetch_row(walk, walk->pool.entries[next], 0);
}

void walk_start(struct walk *walk, uint32_t slot) {
    uint64_t entry = pool_entry(measure_one(walk, slot), slot);
    walk->batches[0].n = walk->batches[1].n = 0;
    walk->planned = SLOT_NONE;
    /* A start met before, in the tail, is a result already and only a way to others now. */
    if (!visited_add(&walk->visited, slot) || !walk_is_live(walk, slot)) entry |= POOL_DEAD;
    pool_merge(&walk->pool, &entry, 1);
}

/* The best candidate that nobody expanded; its edges are asked for. SLOT_NONE: none is left. */
static uint32_t plan(struct walk *walk, unsigned level) {
    struct pool *pool = &walk->pool;
    size_t at = pool_next(pool);
    if (at == pool->size) return SLOT_NONE;
    pool->entries[at] |= POOL_EXPANDED;
    prefetch_row(walk, pool->entries[at], level);
    return pool_slot(pool->entries[at]);
}

/* The visited set is copied to where nothing can be said to lie in the same memory: its count stays
 * in a register, else each neighbour would wait for the store of the one before. */
static void gather(struct walk *walk, uint32_t slot, unsigned level, struct walk_batch *batch) {
    const graph_edge *row = graph_row(walk->graph, slot, level);
    unsigned max = graph_row_max(walk->graph, level), n = 0;
    struct visited visited = walk->visited;
    for (unsigned i = 0; i < max; i++) {
        uint32_t edge = atomic_load_explicit(&row[i], memory_order_acquire);
        if (edge == 0) break;
        batch->slots[n] = edge - 1;
        n += visited_add(&visited, edge - 1);
    }
    walk->visited.n_touched = visited.n_touched;
    for (unsigned i = 0; i < n; i++) {
        batch->rows[i] = store_row(walk->store, batch->slots[i]);
        prefetch(walk, batch->rows[i]);
    }
    batch->n = n;
    walk->hops++;
}

static void measure(struct walk *walk, const struct walk_batch *batch) {
    float distances[GRAPH_ROW_MAX];
    gaps(walk, batch->slots, batch->rows, batch->n, pool_worst(&walk->pool), distances);
    walk->distances += batch->n;
    offer(walk, distances, batch->slots, batch->n);
}

/* Three nodes are under way: of one the edges come, of the second the neighbours' vectors, those of
 * the third are measured. So a walk is two nodes behind in what it knows, which costs it a few more
 * distances, and seldom waits for memory. */
bool walk_step(struct walk *walk, unsigned level) {
    struct walk_batch *fresh = &walk->batches[walk->turn], *due = &walk->batches[!walk->turn];
    fresh->n = 0;
    if (walk->planned == SLOT_NONE) walk->planned = plan(walk, level);
    if (walk->planned != SLOT_NONE) {
        gather(walk, walk->planned, level, fresh);
        walk->planned = plan(walk, level);
    }
    if (due->n > 0) measure(walk, due);
    due->n = 0;
    walk->turn = !walk->turn;
    return fresh->n > 0 || walk->planned != SLOT_NONE || pool_next(&walk->pool) < walk->pool.size;
}
