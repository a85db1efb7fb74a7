/* walk: gather the unseen neighbours, fetch their vectors, measure them in one batch, keep the good
 * ones. Memory latency decides: the first lines of every vector are asked for while the row is
 * still being read, the kernel asks for the rest. */
#include "index/walk.h"

#include "runtime/poison.h"

enum { PREFETCH_LINES = 4, LINE = 64 };

void walk_init(struct walk *walk) {
    *walk = (struct walk){0};
    visited_init(&walk->visited);
    pool_init(&walk->pool);
}

void walk_reset(struct walk *walk) {
    visited_reset(&walk->visited);
    pool_reset(&walk->pool);
}

static inline void prefetch(const struct walk *walk, const void *row) {
    for (size_t at = 0; at < walk->store->rows.stride && at < PREFETCH_LINES * LINE; at += LINE)
        __builtin_prefetch((const char *)row + at);
}

static float measure_one(struct walk *walk, uint32_t slot) {
    const void *row = store_row(walk->store, slot);
    float distance;
    store_near(walk->store, walk->query, &row, 1, &distance);
    walk->distances++;
    return distance;
}

struct graph_entry walk_descend(struct walk *walk, struct graph_entry from, unsigned level) {
    const void *rows[GRAPH_ROW_MAX];
    float distances[GRAPH_ROW_MAX];
    uint32_t edges[GRAPH_ROW_MAX];
    float best = measure_one(walk, from.slot);
    while (from.level > level) {
        unsigned n = graph_read(walk->graph, from.slot, from.level, edges);
        for (unsigned i = 0; i < n; i++) {
            rows[i] = store_row(walk->store, edges[i]);
            prefetch(walk, rows[i]);
        }
        store_near(walk->store, walk->query, rows, n, distances);
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
static inline void prefetch_row(const struct walk *walk, uint64_t entry, unsigned level) {
    const char *row = (const char *)graph_row(walk->graph, pool_slot(entry), level);
    size_t bytes = graph_row_max(walk->graph, level) * sizeof(graph_edge);
    for (size_t at = 0; at < bytes; at += LINE)
        __builtin_prefetch(row + at);
}

/* `fresh`: not among the results already. */
static inline void
offer(struct walk *walk, float distance, uint32_t slot, unsigned level, bool fresh) {
    struct pool *pool = &walk->pool;
    uint64_t entry = pool_entry(distance, slot);
    if (!pool_wants(pool, entry)) return;
    if (!fresh || !walk_is_live(walk, slot)) entry |= POOL_DEAD;
    pool_insert(pool, entry);
    if (pool->next < pool->size && pool->entries[pool->next] == entry)
        prefetch_row(walk, entry, level);
}

void walk_measure(struct walk *walk, const uint32_t *slots, unsigned n) {
    const void *rows[GRAPH_ROW_MAX];
    float distances[GRAPH_ROW_MAX];
    if (n == 0) return;
    for (unsigned i = 0; i < n; i++) {
        rows[i] = store_row(walk->store, slots[i]);
        prefetch(walk, rows[i]);
    }
    store_near(walk->store, walk->query, rows, n, distances);
    walk->distances += n;
    for (unsigned i = 0; i < n; i++)
        offer(walk, distances[i], slots[i], 0, true);
}

void walk_start(struct walk *walk, uint32_t slot) {
    float distance = measure_one(walk, slot);
    /* A start met before, in the tail, is a result already and only a way to others now. */
    offer(walk, distance, slot, 0, visited_add(&walk->visited, slot));
}

bool walk_step(struct walk *walk, unsigned level) {
    struct pool *pool = &walk->pool;
    size_t at = pool_next(pool);
    if (at == pool->size) return false;
    pool->entries[at] |= POOL_EXPANDED;
    const void *rows[GRAPH_ROW_MAX];
    float distances[GRAPH_ROW_MAX];
    uint32_t slots[GRAPH_ROW_MAX];
    const graph_edge *row = graph_row(walk->graph, pool_slot(pool->entries[at]), level);
    unsigned max = graph_row_max(walk->graph, level), n = 0;
    for (unsigned i = 0; i < max; i++) {
        uint32_t edge = atomic_load_explicit(&row[i], memory_order_acquire);
        if (edge == 0) break;
        slots[n] = edge - 1;
        n += visited_add(&walk->visited, edge - 1);
    }
    for (unsigned i = 0; i < n; i++) {
        rows[i] = store_row(walk->store, slots[i]);
        prefetch(walk, rows[i]);
    }
    size_t ahead = pool_next(pool);
    if (ahead < pool->size) prefetch_row(walk, pool->entries[ahead], level);
    store_near_below(walk->store, walk->query, rows, n, pool_worst(pool), distances);
    walk->distances += n;
    walk->hops++;
    for (unsigned i = 0; i < n; i++)
        offer(walk, distances[i], slots[i], level, true);
    return pool_next(pool) < pool->size;
}
