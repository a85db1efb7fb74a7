/* hop: bits before vectors: what does not match is never measured. A neighbour that was passed
 * through once is not again, so a node's cost stays bounded by its row. */
#include "index/hop.h"

#include "runtime/poison.h"

enum {
    MATCHES_ENOUGH = 48,
    STARTS = 32,
    LINE = 64,
    LEAST_PART = 4, /* of the share that matches overall, one in so many around the start */
};

static inline bool matches(const struct walk *walk, uint32_t slot) {
    return slot < walk->bitmap_slots && (walk->bitmap[slot / 64] >> (slot % 64) & 1);
}

void hop_start(struct walk *walk, struct hop *hop, uint32_t entry) {
    uint32_t starts[STARTS], n = 0, n_words = (walk->bitmap_slots + 63) / 64;
    *hop = (struct hop){0};
    walk_start(walk, entry);
    for (uint32_t i = 0; i < STARTS; i++) {
        uint32_t word = (uint32_t)((uint64_t)n_words * i / STARTS);
        uint32_t end = (uint32_t)((uint64_t)n_words * (i + 1) / STARTS);
        uint64_t bits = 0;
        for (; word < end && bits == 0; word++)
            bits = walk->bitmap[word] & points_found_word(walk->points, word);
        if (bits == 0) continue;
        uint32_t slot = (word - 1) * 64 + (uint32_t)__builtin_ctzll(bits);
        if (visited_add(&walk->visited, slot)) starts[n++] = slot;
    }
    walk_measure(walk, starts, n);
}

struct gather {
    uint32_t slots[GRAPH_ROW_MAX + 1]; /* one more, for what turns out to be known */
    unsigned n;
};

/* The neighbours of one that did not match. */
static void gather_behind(struct walk *walk, struct hop *hop, uint32_t slot, struct gather *out) {
    const graph_edge *row = graph_row(walk->graph, slot, 0);
    unsigned max = graph_row_max(walk->graph, 0);
    for (unsigned i = 0; i < max && out->n < MATCHES_ENOUGH; i++) {
        uint32_t edge = atomic_load_explicit(&row[i], memory_order_acquire);
        if (edge == 0) return;
        hop->n_looked++;
        if (!matches(walk, edge - 1)) continue;
        hop->n_passed++;
        out->slots[out->n] = edge - 1;
        out->n += visited_add(&walk->visited, edge - 1);
    }
}

bool hop_step(struct walk *walk, struct hop *hop) {
    struct pool *pool = &walk->pool;
    size_t at = pool_next(pool);
    if (at == pool->size) return false;
    pool->entries[at] |= POOL_EXPANDED;
    const graph_edge *row = graph_row(walk->graph, pool_slot(pool->entries[at]), 0);
    unsigned max = graph_row_max(walk->graph, 0), n_failing = 0;
    uint32_t failing[GRAPH_ROW_MAX];
    struct gather found = {.n = 0};
    for (unsigned i = 0; i < max; i++) {
        uint32_t edge = atomic_load_explicit(&row[i], memory_order_acquire);
        if (edge == 0) break;
        hop->n_looked++;
        bool match = matches(walk, edge - 1);
        hop->n_passed += match;
        if (!visited_add(&walk->visited, edge - 1)) continue;
        if (match) {
            found.slots[found.n++] = edge - 1;
            continue;
        }
        failing[n_failing++] = edge - 1;
        const graph_edge *next = graph_row(walk->graph, edge - 1, 0);
        __builtin_prefetch(next);
        __builtin_prefetch((const char *)next + LINE);
    }
    for (unsigned i = 0; i < n_failing && found.n < MATCHES_ENOUGH; i++)
        gather_behind(walk, hop, failing[i], &found);
    walk_measure(walk, found.slots, found.n);
    walk->hops++;
    return pool_next(pool) < pool->size;
}

/* Bits set among the neighbours of a node. */
static void count_row(const struct walk *walk, uint32_t slot, struct hop *count) {
    const graph_edge *row = graph_row(walk->graph, slot, 0);
    unsigned max = graph_row_max(walk->graph, 0);
    for (unsigned i = 0; i < max; i++) {
        uint32_t edge = atomic_load_explicit(&row[i], memory_order_acquire);
        if (edge == 0) return;
        count->n_looked++;
        count->n_passed += matches(walk, edge - 1);
    }
}

bool hop_is_promising(const struct walk *walk, uint32_t start, double share) {
    struct hop count = {0};
    const graph_edge *row = graph_row(walk->graph, start, 0);
    unsigned max = graph_row_max(walk->graph, 0);
    for (unsigned i = 0; i < max; i++) {
        uint32_t edge = atomic_load_explicit(&row[i], memory_order_acquire);
        if (edge == 0) break;
        if ((edge - 1) / 64 < walk->visited.n_words) count_row(walk, edge - 1, &count);
    }
    return (double)count.n_passed * LEAST_PART >= share * (double)count.n_looked;
}
