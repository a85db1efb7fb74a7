/* validate: the invariants of an index, checked one by one, the cheap ones first. Reads what only
 * the writer may read, hence the contract that no writer call runs. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "index/view.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

struct check {
    const struct points *points;
    const struct graph *graph;
    const struct tail *tail;
    uint32_t n_slots;
    char *text; /* the caller's */
    size_t text_size;
};

__attribute__((format(printf, 2, 3))) static enum status
wrong(const struct check *check, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (check->text) (void)vsnprintf(check->text, check->text_size, format, arguments);
    va_end(arguments);
    return STATUS_CORRUPT;
}

static enum node_state state_of(const struct check *check, uint32_t slot) {
    return (enum node_state)graph_node(check->graph, slot)->state;
}

static enum status check_counts(const struct check *check) {
    uint32_t n_live = 0, n_linked = 0;
    for (uint32_t slot = 0; slot < check->n_slots; slot++) {
        bool live = points_live(check->points, slot);
        n_live += live;
        n_linked += state_of(check, slot) == NODE_LINKED;
        if (state_of(check, slot) == NODE_LINKED && !points_placed(check->points, slot))
            return wrong(check, "slot %" PRIu32 " is linked without a vector", slot);
        if (live && state_of(check, slot) != NODE_LINKED && state_of(check, slot) != NODE_NEW)
            return wrong(check, "slot %" PRIu32 " is live in state %d", slot,
                         (int)state_of(check, slot));
        if (live && points_at(check->points, slot)->id_size < 1)
            return wrong(check, "slot %" PRIu32 " is live without an id", slot);
    }
    uint32_t said_live = atomic_load(&check->points->n_live);
    uint32_t said_linked = atomic_load(&check->graph->n_linked);
    if (n_live != said_live)
        return wrong(check, "%" PRIu32 " live bits, count says %" PRIu32, n_live, said_live);
    if (n_linked != said_linked)
        return wrong(check, "%" PRIu32 " linked, count says %" PRIu32, n_linked, said_linked);
    return STATUS_OK;
}

static enum status check_row(const struct check *check, uint32_t slot, unsigned level) {
    uint32_t edges[GRAPH_ROW_MAX];
    unsigned n = graph_read(check->graph, slot, level, edges);
    for (unsigned i = 0; i < n; i++) {
        if (edges[i] >= check->n_slots || edges[i] == slot)
            return wrong(check, "slot %" PRIu32 " level %u has edge %" PRIu32, slot, level,
                         edges[i]);
        enum node_state state = state_of(check, edges[i]);
        if (state != NODE_LINKED && state != NODE_DETACHED)
            return wrong(check, "slot %" PRIu32 " level %u leads to %" PRIu32 " in state %d", slot,
                         level, edges[i], (int)state);
        if (graph_node(check->graph, edges[i])->level < level)
            return wrong(check, "slot %" PRIu32 " level %u leads to the lower %" PRIu32, slot,
                         level, edges[i]);
        for (unsigned j = 0; j < i; j++) {
            if (edges[j] == edges[i])
                return wrong(check, "slot %" PRIu32 " leads to %" PRIu32 " twice", slot, edges[i]);
        }
    }
    return STATUS_OK;
}

static enum status check_rows(const struct check *check) {
    for (uint32_t slot = 0; slot < check->n_slots; slot++) {
        const struct node *node = graph_node(check->graph, slot);
        if (node->state != NODE_LINKED) continue;
        if (node->level > GRAPH_LEVEL_MAX)
            return wrong(check, "slot %" PRIu32 " has level %u", slot, node->level);
        for (unsigned level = 0; level <= node->level; level++) {
            enum status s = check_row(check, slot, level);
            if (s != STATUS_OK) return s;
        }
    }
    struct graph_entry entry = graph_entry(check->graph);
    if ((entry.slot == SLOT_NONE) != (atomic_load(&check->graph->n_linked) == 0) &&
        (entry.slot == SLOT_NONE || state_of(check, entry.slot) != NODE_DETACHED))
        return wrong(check, "entry %" PRIu32 " of a graph that is not so", entry.slot);
    if (entry.slot != SLOT_NONE && graph_node(check->graph, entry.slot)->level != entry.level)
        return wrong(check, "entry %" PRIu32 " is not of level %u", entry.slot, entry.level);
    return STATUS_OK;
}

static bool has_edge(const struct check *check, uint32_t from, uint32_t to) {
    uint32_t edges[GRAPH_ROW_MAX];
    unsigned n = graph_read(check->graph, from, 0, edges);
    for (unsigned i = 0; i < n; i++) {
        if (edges[i] == to) return true;
    }
    return false;
}

/* Parents exist, with both edges, and there is one root; that all hang on it follows from
 * check_reach. */
static enum status check_tree(const struct check *check) {
    uint32_t n_roots = 0;
    for (uint32_t slot = 0; slot < check->n_slots; slot++) {
        if (state_of(check, slot) != NODE_LINKED) continue;
        uint32_t parent = graph_parent(check->graph, slot);
        n_roots += parent == SLOT_NONE;
        if (parent == SLOT_NONE) continue;
        if (parent >= check->n_slots || state_of(check, parent) != NODE_LINKED)
            return wrong(check, "slot %" PRIu32 " hangs on %" PRIu32, slot, parent);
        if (!has_edge(check, slot, parent) || !has_edge(check, parent, slot))
            return wrong(check, "no edge between %" PRIu32 " and its parent %" PRIu32, slot,
                         parent);
    }
    if (n_roots != (atomic_load(&check->graph->n_linked) > 0))
        return wrong(check, "%" PRIu32 " roots", n_roots);
    return STATUS_OK;
}

/* Walks level 0 from any linked node and from the tail; everything live must be met. */
static enum status check_reach(const struct check *check, bool *met, uint32_t *queue) {
    size_t head = 0, end = 0;
    for (uint32_t slot = 0; slot < check->n_slots && end == 0; slot++) {
        if (state_of(check, slot) != NODE_LINKED) continue;
        met[slot] = true;
        queue[end++] = slot;
    }
    while (head < end) {
        uint32_t edges[GRAPH_ROW_MAX];
        unsigned n = graph_read(check->graph, queue[head++], 0, edges);
        for (unsigned i = 0; i < n; i++) {
            if (met[edges[i]]) continue;
            met[edges[i]] = true;
            queue[end++] = edges[i];
        }
    }
    uint64_t tail_head = atomic_load(&check->tail->head), tail_end = atomic_load(&check->tail->end);
    for (uint64_t at = tail_head; at < tail_end; at++)
        met[atomic_load(&check->tail->ring[at & check->tail->mask])->slot] = true;
    for (uint32_t slot = 0; slot < check->n_slots; slot++) {
        bool due = points_live(check->points, slot) || state_of(check, slot) == NODE_LINKED;
        if (due && !met[slot]) return wrong(check, "slot %" PRIu32 " cannot be reached", slot);
    }
    return STATUS_OK;
}

enum status index_validate(const struct index_view *view, char *text, size_t text_size) {
    struct check check = {
        .points = &view->points,
        .graph = &view->graph,
        .tail = &view->tail,
        .n_slots = atomic_load(&view->points.n_slots),
        .text = text,
        .text_size = text_size,
    };
    enum status s = check_counts(&check);
    if (s == STATUS_OK) s = check_rows(&check);
    if (s == STATUS_OK) s = check_tree(&check);
    if (s != STATUS_OK) return s;
    bool *met = mem_zero(check.n_slots, sizeof *met);
    uint32_t *queue = mem_zero(check.n_slots, sizeof *queue);
    s = met && queue ? check_reach(&check, met, queue) : STATUS_NO_MEMORY;
    mem_free(met);
    mem_free(queue);
    return s;
}
