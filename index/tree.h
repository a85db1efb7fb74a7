/* tree: why every linked point can be reached.
 *
 * Pruning rows by alg. 4 alone can leave a point, or a clump of equal points, without any edge into
 * it. So every linked point but one, the root, has a parent, and the two edges between them are
 * never pruned. From any node the whole level 0 can be walked: up to the root and down again. A
 * node has at most M children, so the tree takes at most M + 1 of its 2M edges; usually two.
 *
 * Removing a node gives its children new parents before its edges go: repair.h. Linker. */
#ifndef INDEX_TREE_H
#define INDEX_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "index/graph.h"
#include "index/store.h"

/* Children of a node into `out` (GRAPH_ROW_MAX); gives their number. */
unsigned tree_children(const struct graph *graph, uint32_t slot, uint32_t *out);
bool tree_has_room(const struct graph *graph, uint32_t slot);
/* A node with room at or below `from`, descending towards `slot`; adds to *distances. */
uint32_t tree_descend(const struct graph *graph,
                      const struct store *store,
                      uint32_t from,
                      uint32_t slot,
                      uint64_t *distances);
/* Is the edge between two neighbours one of the tree? */
static inline bool tree_edge(const struct graph *graph, uint32_t a, uint32_t b) {
    return graph_parent(graph, a) == b || graph_parent(graph, b) == a;
}
/* Does the way up from `slot` end at the root? False also when it is longer than it is worth
 * walking. */
bool tree_leads_to(const struct graph *graph, uint32_t slot, uint32_t root);

#endif
