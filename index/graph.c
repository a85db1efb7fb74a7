/* graph: rows are stored as slot + 1, so that the zeros of fresh memory are empty rows. */
#include "index/graph.h"

#include <stdbool.h>

#include "runtime/assert.h"
#include "runtime/poison.h"

void graph_init(struct graph *graph, uint32_t M) {
    assert(M >= GRAPH_M_MIN && M <= GRAPH_M_MAX);
    *graph = (struct graph){.M = M};
    slots_init(&graph->rows, 2 * M * sizeof(graph_edge));
    slots_init(&graph->nodes, sizeof(struct node));
    slots_init(&graph->upper, M * sizeof(graph_edge));
    slots_init(&graph->parents, sizeof(uint32_t));
    slots_track(&graph->rows);
    slots_track(&graph->nodes);
    slots_track(&graph->upper);
    slots_track(&graph->parents);
    atomic_init(&graph->n_upper, 0);
    atomic_init(&graph->entry, 0);
    atomic_init(&graph->n_linked, 0);
}

void graph_reset(struct graph *graph) {
    slots_reset(&graph->rows);
    slots_reset(&graph->nodes);
    slots_reset(&graph->upper);
    slots_reset(&graph->parents);
}

enum status graph_grow(struct graph *graph, uint64_t n) {
    enum status s = slots_grow(&graph->rows, n);
    if (s == STATUS_OK) s = slots_grow(&graph->nodes, n);
    if (s == STATUS_OK) s = slots_grow(&graph->parents, n);
    return s;
}

struct graph_entry graph_entry(const struct graph *graph) {
    uint64_t entry = atomic_load_explicit(&graph->entry, memory_order_acquire);
    return (struct graph_entry){(uint32_t)entry - 1, (unsigned)(entry >> 32)};
}

void graph_set_entry(struct graph *graph, struct graph_entry entry) {
    uint64_t packed = (uint64_t)entry.level << 32 | (uint32_t)(entry.slot + 1);
    atomic_store_explicit(&graph->entry, packed, memory_order_release);
}

/* A free run keeps the next one of its size in its first edge. */
enum status graph_upper_new(struct graph *graph, unsigned count, uint32_t *first) {
    assert(count >= 1 && count <= GRAPH_LEVEL_MAX);
    uint32_t idle = graph->idle_upper[count];
    if (idle) {
        *first = idle - 1;
        graph_edge *row = slots_at(&graph->upper, *first);
        slots_touch(&graph->upper, *first);
        graph->idle_upper[count] = atomic_load_explicit(row, memory_order_relaxed);
        atomic_store_explicit(row, 0, memory_order_relaxed);
        return STATUS_OK;
    }
    uint32_t n = atomic_load_explicit(&graph->n_upper, memory_order_relaxed);
    enum status s = slots_grow(&graph->upper, (uint64_t)n + count);
    if (s != STATUS_OK) return s;
    *first = n;
    atomic_store_explicit(&graph->n_upper, n + count, memory_order_relaxed);
    return STATUS_OK;
}

void graph_upper_recycle(struct graph *graph, uint32_t first, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        graph_edge *row = slots_at(&graph->upper, first + i);
        slots_touch(&graph->upper, first + i);
        for (unsigned j = 0; j < graph->M; j++)
            atomic_store_explicit(&row[j], 0, memory_order_relaxed);
    }
    graph_edge *row = slots_at(&graph->upper, first);
    atomic_store_explicit(row, graph->idle_upper[count], memory_order_relaxed);
    graph->idle_upper[count] = first + 1;
}

unsigned graph_read(const struct graph *graph, uint32_t slot, unsigned level, uint32_t *out) {
    unsigned n = 0, max = graph_row_max(graph, level);
    if (level > 0) {
        uint64_t at = (uint64_t)graph_node(graph, slot)->upper + level - 1;
        if (at >= atomic_load_explicit(&graph->n_upper, memory_order_relaxed)) return 0;
    }
    const graph_edge *row = graph_row(graph, slot, level);
    for (; n < max; n++) {
        uint32_t edge = atomic_load_explicit(&row[n], memory_order_acquire);
        if (edge == 0) break;
        out[n] = edge - 1;
    }
    return n;
}

static void touch_row(struct graph *graph, uint32_t slot, unsigned level) {
    if (level == 0)
        slots_touch(&graph->rows, slot);
    else
        slots_touch(&graph->upper, graph_node(graph, slot)->upper + level - 1);
}

void graph_write(
    struct graph *graph, uint32_t slot, unsigned level, const uint32_t *edges, unsigned n_edges) {
    graph_edge *row = graph_row(graph, slot, level);
    unsigned max = graph_row_max(graph, level);
    bool touched = false;
    assert(n_edges <= max);
    for (unsigned i = 0; i < max; i++) {
        uint32_t edge = i < n_edges ? edges[i] + 1 : 0;
        if (atomic_load_explicit(&row[i], memory_order_relaxed) == edge) continue;
        if (!touched) touch_row(graph, slot, level);
        touched = true;
        atomic_store_explicit(&row[i], edge, memory_order_release);
    }
}

void graph_forget(struct graph *graph, uint32_t slot) {
    const struct node *node = graph_node(graph, slot);
    graph_write(graph, slot, 0, NULL, 0);
    if (node->level > 0) graph_upper_recycle(graph, node->upper, node->level);
    graph_set_node(graph, slot, (struct node){.state = NODE_NEW});
}
