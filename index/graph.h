/* graph: the edges of HNSW (Malkov & Yashunin 2016). Rows of slots, nearest neighbours in no
 * promised order; 2M edges a slot at level 0, M above it for the one in M points that has levels.
 *
 * One writer, the linker. Readers load a row edge by edge while it may change under them: every
 * edge they can meet leads to a slot that was completely written before (release on the edge,
 * acquire here) and that is not reused before they leave (epoch.h). A row half old and half new is
 * as good as either.
 *
 * `nodes` and `parents` (tree.h) are the linker's, besides a node's `upper`, which readers follow.
 */
#ifndef INDEX_GRAPH_H
#define INDEX_GRAPH_H

#include <stdatomic.h>
#include <stdint.h>

#include "index/points.h"
#include "index/slots.h"

enum {
    GRAPH_M_MIN = 2,
    GRAPH_M_MAX = 128,
    GRAPH_ROW_MAX = 2 * GRAPH_M_MAX,
    GRAPH_LEVEL_MAX = 15,
};

typedef _Atomic uint32_t graph_edge; /* slot + 1; 0 ends a row */

/* Where a slot is on its way, as the linker knows it. */
enum node_state {
    NODE_NEW,       /* free, or in the tail */
    NODE_FORGOTTEN, /* in the tail, and its removal was seen */
    NODE_SKIPPED,   /* left the tail removed, without edges */
    NODE_LINKED,    /* has edges, is in the tree; removed or not */
    NODE_DETACHED,  /* left the tree; waits for its last in-edge and reader */
};

struct node {
    uint32_t upper; /* first row above level 0 */
    uint8_t level;
    uint8_t state;
};

struct graph {
    uint32_t M;
    struct slots rows;        /* 2M edges */
    struct slots nodes;       /* struct node */
    struct slots upper;       /* M edges; a point's levels 1, 2, … lie side by side */
    struct slots parents;     /* u32 slot + 1; 0: none */
    _Atomic uint32_t n_upper; /* rows ever used above level 0 */
    uint32_t idle_upper[GRAPH_LEVEL_MAX + 1]; /* first free run + 1 of so many rows */
    _Atomic uint64_t entry;                   /* level << 32 | slot + 1; 0: the graph is empty */
    _Atomic uint32_t n_linked;
};

struct graph_entry {
    uint32_t slot; /* SLOT_NONE: nothing is linked */
    unsigned level;
};

void graph_init(struct graph *graph, uint32_t M);
void graph_reset(struct graph *graph);
/* Memory for n slots; with the other arrays, by the appender. */
MUST_USE enum status graph_grow(struct graph *graph, uint64_t n);

struct graph_entry graph_entry(const struct graph *graph);
void graph_set_entry(struct graph *graph, struct graph_entry entry);

/* `count` empty rows side by side, 1..GRAPH_LEVEL_MAX; and back. Linker. */
MUST_USE enum status graph_upper_new(struct graph *graph, unsigned count, uint32_t *first);
void graph_upper_recycle(struct graph *graph, uint32_t first, unsigned count);

static inline unsigned graph_row_max(const struct graph *graph, unsigned level) {
    return level == 0 ? 2 * graph->M : graph->M;
}

static inline struct node *graph_node(const struct graph *graph, uint32_t slot) {
    return slots_at(&graph->nodes, slot);
}

static inline graph_edge *graph_row(const struct graph *graph, uint32_t slot, unsigned level) {
    if (level == 0) return slots_at(&graph->rows, slot);
    return slots_at(&graph->upper, graph_node(graph, slot)->upper + level - 1);
}

/* The edges of a row into `out` (GRAPH_ROW_MAX); gives their number. Of a file that was not judged
 * yet (judge.h) they may be any, but the row is there. Any thread. */
unsigned graph_read(const struct graph *graph, uint32_t slot, unsigned level, uint32_t *out);
/* Replaces a row. Linker. */
void graph_write(
    struct graph *graph, uint32_t slot, unsigned level, const uint32_t *edges, unsigned n_edges);

/* Empties the rows of a slot nobody can reach, and makes it new. Linker. */
void graph_forget(struct graph *graph, uint32_t slot);

static inline uint32_t graph_parent(const struct graph *graph, uint32_t slot) {
    return *(const uint32_t *)slots_at(&graph->parents, slot) - 1;
}

static inline void graph_set_node(struct graph *graph, uint32_t slot, struct node node) {
    slots_touch(&graph->nodes, slot);
    *graph_node(graph, slot) = node;
}

static inline void graph_set_state(struct graph *graph, uint32_t slot, enum node_state state) {
    slots_touch(&graph->nodes, slot);
    graph_node(graph, slot)->state = (uint8_t)state;
}

static inline void graph_set_parent(struct graph *graph, uint32_t slot, uint32_t parent) {
    slots_touch(&graph->parents, slot);
    *(uint32_t *)slots_at(&graph->parents, slot) = parent + 1;
}

#endif
