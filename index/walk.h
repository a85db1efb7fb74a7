/* walk: greedy best-first search of one level, for readers and for the linker alike (Malkov &
 * Yashunin 2016, alg. 2), one expansion a call. Also the scratch it needs. One thread. */
#ifndef INDEX_WALK_H
#define INDEX_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/graph.h"
#include "index/points.h"
#include "index/pool.h"
#include "index/store.h"
#include "index/visited.h"

/* The unseen neighbours of one node, on their way into the cache. */
struct walk_batch {
    uint32_t slots[GRAPH_ROW_MAX];
    const void *rows[GRAPH_ROW_MAX];
    unsigned n;
};

struct walk {
    const struct graph *graph;   /* borrowed */
    const struct points *points; /* borrowed */
    const struct store *store;   /* borrowed */
    const void *query;           /* borrowed; of store_near */
    bool paired;                 /* … or it is a point, `point`, and distances are store_pair's */
    uint32_t point;
    const uint64_t *bitmap; /* borrowed; NULL, or only set slots are live */
    uint32_t bitmap_slots;
    struct visited visited;
    struct pool pool;
    struct walk_batch batches[2]; /* gathered in the last step, and in this one */
    unsigned turn;                /* which of them this one fills */
    uint32_t planned;             /* node whose edges were asked for; SLOT_NONE */
    uint64_t distances;           /* computed since someone set it to 0 */
    uint64_t hops;
};

void walk_init(struct walk *walk);
void walk_reset(struct walk *walk);
/* Goes down greedily from the entry to the best node found on `level`. */
struct graph_entry walk_descend(struct walk *walk, struct graph_entry from, unsigned level);
/* Puts a start into the pool; visited and pool were begun. */
void walk_start(struct walk *walk, uint32_t slot);
/* Gathers the neighbours of the best candidate and measures those gathered in the step before;
 * false when nothing is left. */
bool walk_step(struct walk *walk, unsigned level);
/* Measures slots that were not met before and keeps the good ones; at most GRAPH_ROW_MAX. */
void walk_measure(struct walk *walk, const uint32_t *slots, unsigned n);
/* May this slot be a result? */
static inline bool walk_is_live(const struct walk *walk, uint32_t slot) {
    if (!points_live(walk->points, slot)) return false;
    if (!walk->bitmap) return true;
    return slot < walk->bitmap_slots && (walk->bitmap[slot / 64] >> (slot % 64) & 1);
}

#endif
