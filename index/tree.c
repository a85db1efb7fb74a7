/* tree: children are found in the row itself, so a node carries its parent and nothing else. */
#include "index/tree.h"

#include "runtime/poison.h"

/* Points inserted along a line make a chain; beyond this the caller's fallback is cheaper. */
enum { WAY_UP_MAX = 256 };

unsigned tree_children(const struct graph *graph, uint32_t slot, uint32_t *out) {
    uint32_t edges[GRAPH_ROW_MAX];
    unsigned n_edges = graph_read(graph, slot, 0, edges), n = 0;
    for (unsigned i = 0; i < n_edges; i++) {
        if (graph_parent(graph, edges[i]) == slot) out[n++] = edges[i];
    }
    return n;
}

bool tree_has_room(const struct graph *graph, uint32_t slot) {
    uint32_t children[GRAPH_ROW_MAX];
    return tree_children(graph, slot, children) < graph->M;
}

uint32_t tree_descend(const struct graph *graph,
                      const struct store *store,
                      uint32_t from,
                      uint32_t slot,
                      uint64_t *distances) {
    uint32_t children[GRAPH_ROW_MAX];
    for (;;) {
        unsigned n = tree_children(graph, from, children);
        if (n < graph->M) return from;
        float best = 0;
        for (unsigned i = 0; i < n; i++) {
            float d;
            store_pair(store, slot, &children[i], 1, &d);
            if (i > 0 && d >= best) continue;
            best = d;
            from = children[i];
        }
        *distances += n;
    }
}

bool tree_leads_to(const struct graph *graph, uint32_t slot, uint32_t root) {
    for (unsigned i = 0; i < WAY_UP_MAX && slot != SLOT_NONE; i++) {
        if (slot == root) return true;
        slot = graph_parent(graph, slot);
    }
    return false;
}
