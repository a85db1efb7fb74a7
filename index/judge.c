/* judge: rows first, then the tree over them (tree.h), then what is free above level 0. */
#include "index/judge.h"

#include "index/linker.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

void judge_reset(struct judge *judge) {
    mem_free(judge->used);
    mem_free(judge->ended);
    mem_free(judge->n_children);
    *judge = (struct judge){0};
}

static enum status begin(struct judge *judge, const struct linker *linker) {
    const struct index_view *view = linker->view;
    uint32_t n_upper = atomic_load(&view->graph.n_upper);
    *judge = (struct judge){.open = true, .n_upper = n_upper};
    /* Points that came since are not in the graph. */
    judge->n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_acquire);
    judge->used = mem_zero((size_t)n_upper + 1, 1);
    judge->ended = mem_zero((size_t)judge->n_slots + 1, sizeof *judge->ended);
    judge->n_children = mem_zero((size_t)judge->n_slots + 1, sizeof *judge->n_children);
    if (judge->used && judge->ended && judge->n_children) return STATUS_OK;
    judge_reset(judge);
    return STATUS_NO_MEMORY;
}

static bool has_edges(const struct node *node) {
    return node->state == NODE_LINKED || node->state == NODE_DETACHED;
}

static bool row_is_valid(struct linker *linker, uint32_t slot, unsigned level, uint32_t n_slots) {
    const struct graph *graph = &linker->view->graph;
    struct visited *seen = &linker->walk.visited;
    uint32_t edges[GRAPH_ROW_MAX];
    unsigned n = graph_read(graph, slot, level, edges);
    visited_clear(seen);
    for (unsigned i = 0; i < n; i++) {
        if (edges[i] >= n_slots || edges[i] == slot || !visited_add(seen, edges[i])) return false;
        const struct node *node = graph_node(graph, edges[i]);
        if (!has_edges(node) || node->level < level) return false;
    }
    return true;
}

/* Rows above level 0 are there, and nobody else's. */
static bool take_upper(struct judge *judge, const struct node *node) {
    if (node->level > GRAPH_LEVEL_MAX) return false;
    if (node->level == 0) return true;
    if (node->upper >= judge->n_upper || node->level > judge->n_upper - node->upper) return false;
    for (uint32_t i = node->upper; i < node->upper + node->level; i++) {
        if (judge->used[i]) return false;
        judge->used[i] = 1;
    }
    return true;
}

static bool node_is_valid(struct judge *judge, struct linker *linker, uint32_t slot) {
    const struct node *node = graph_node(&linker->view->graph, slot);
    if (!has_edges(node)) return true;
    if (!take_upper(judge, node) || !store_row_is_valid(view_store(linker->view), slot))
        return false;
    for (unsigned level = 0; level <= node->level; level++)
        if (!row_is_valid(linker, slot, level, judge->n_slots)) return false;
    uint32_t parent = graph_parent(&linker->view->graph, slot);
    if (node->state != NODE_LINKED) return parent == SLOT_NONE;
    if (parent == SLOT_NONE) return slot == linker->root;
    return slot != linker->root && parent < judge->n_slots && parent != slot &&
           graph_node(&linker->view->graph, parent)->state == NODE_LINKED;
}

static bool has_edge(const struct graph *graph, uint32_t from, uint32_t to) {
    uint32_t edges[GRAPH_ROW_MAX];
    unsigned n = graph_read(graph, from, 0, edges);
    for (unsigned i = 0; i < n; i++)
        if (edges[i] == to) return true;
    return false;
}

/* Every way up must end: `ended` marks the nodes whose way is known to. */
static bool way_ends(const struct judge *judge, const struct graph *graph, uint32_t slot) {
    uint32_t at = slot, steps = 0;
    while (at != SLOT_NONE && !judge->ended[at]) {
        if (steps++ > judge->n_slots) return false;
        at = graph_parent(graph, at);
    }
    for (at = slot; at != SLOT_NONE && !judge->ended[at]; at = graph_parent(graph, at))
        judge->ended[at] = true;
    return true;
}

/* What tree.h promises: no circles, both edges between child and parent, M children at most. */
static bool hangs_well(struct judge *judge, const struct linker *linker, uint32_t slot) {
    const struct graph *graph = &linker->view->graph;
    if (graph_node(graph, slot)->state != NODE_LINKED) return true;
    if (!way_ends(judge, graph, slot)) return false;
    uint32_t parent = graph_parent(graph, slot);
    if (parent == SLOT_NONE) return true;
    if (++judge->n_children[parent] > graph->M) return false;
    return has_edge(graph, slot, parent) && has_edge(graph, parent, slot);
}

static void recycle_upper(const struct judge *judge, struct graph *graph) {
    for (uint32_t row = 0; row < judge->n_upper;) {
        uint32_t n = 0;
        while (row + n < judge->n_upper && n < GRAPH_LEVEL_MAX && !judge->used[row + n])
            n++;
        if (n > 0) graph_upper_recycle(graph, row, n);
        row += n > 0 ? n : 1;
    }
}

enum status judge_step(struct judge *judge, struct linker *linker, uint32_t n_nodes, bool *done) {
    enum status s = judge->open ? STATUS_OK : begin(judge, linker);
    if (s == STATUS_OK) s = visited_begin(&linker->walk.visited, judge->n_slots);
    if (s != STATUS_OK) return s;
    *done = false;
    for (uint32_t i = 0; i < n_nodes; i++) {
        if (judge->cursor == judge->n_slots && judge->tree) {
            recycle_upper(judge, &linker->view->graph);
            judge_reset(judge);
            *done = true;
            return STATUS_OK;
        }
        if (judge->cursor == judge->n_slots) {
            judge->cursor = 0;
            judge->tree = true;
            continue;
        }
        uint32_t slot = judge->cursor++;
        bool fine =
            judge->tree ? hangs_well(judge, linker, slot) : node_is_valid(judge, linker, slot);
        if (!fine) return STATUS_CORRUPT;
    }
    return STATUS_OK;
}
