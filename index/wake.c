/* wake: makes what a file does not have, out of what it has: the map of numbers, the lists of free
 * and of removed slots, the free cells of ids; and judges the records on the way. */
#include "index/writer.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

struct waking {
    struct index *index;
    uint32_t n_slots;
    uint32_t n_live, n_linked, n_tail;
    uint32_t detached; /* first of the list of those that repair left the tree with */
    uint64_t *tail;    /* owned; bits: slots that wait in the tail */
    uint64_t *cells;   /* owned; bits: cells of ids that are in use */
};

static bool take_bit(uint64_t *words, uint32_t at) {
    uint64_t bit = UINT64_C(1) << (at % 64), word = words[at / 64];
    words[at / 64] = word | bit;
    return !(word & bit);
}

/* The tail was opened as the file says it (load.c): each slot once. */
static bool note_tail(struct waking *waking) {
    const struct tail *tail = &waking->index->view->tail;
    uint64_t end = atomic_load(&tail->end);
    for (uint64_t at = atomic_load(&tail->head); at < end; at++) {
        uint32_t slot = atomic_load(&tail->ring[at & tail->mask])->slot;
        if (slot >= waking->n_slots || !take_bit(waking->tail, slot)) return false;
    }
    return true;
}

static bool name_is_valid(struct waking *waking, uint32_t slot) {
    const struct points *points = &waking->index->view->points;
    const struct point *point = points_at(points, slot);
    if (!ids_is_valid(&points->ids, point->id - 1, point->id_size)) return false;
    uint32_t first = point->id - 1, n = ids_cells_of(point->id_size);
    for (uint32_t i = 0; i < n; i++)
        if (!take_bit(waking->cells, first + i)) return false;
    return true;
}

static void give_free(struct waking *waking, uint32_t slot) {
    struct index *index = waking->index;
    struct graph *graph = &index->view->graph;
    if (graph_node(graph, slot)->state != NODE_NEW)
        graph_set_node(graph, slot, (struct node){.state = NODE_NEW});
    struct point *point = points_at(&index->view->points, slot);
    if (point->id) {
        slots_touch(&index->view->points.records, slot);
        point->id = 0; /* its cells are in nobody's use */
    }
    handoff_push(&index->linker.freed, &index->view->points, slot);
    atomic_fetch_add_explicit(&index->view->n_free, 1, memory_order_relaxed);
}

/* Live points are known by number, removed ones wait for repair, free slots for a new point. */
static bool place(struct waking *waking, uint32_t slot) {
    struct index *index = waking->index;
    struct points *points = &index->view->points;
    const struct node *node = graph_node(&index->view->graph, slot);
    bool live = points_live(points, slot), linked = node->state == NODE_LINKED;
    bool detached = node->state == NODE_DETACHED;
    bool waits = waking->tail[slot / 64] >> (slot % 64) & 1;
    if (points_placed(points, slot) != (linked || detached)) return false;
    if (live && !waits && !linked) return false;
    if (waits && (!live || node->state != NODE_NEW)) return false;
    waking->n_linked += linked;
    if (live) {
        uint64_t number = points_at(points, slot)->number;
        if (!name_is_valid(waking, slot)) return false;
        if (numbers_find(&index->numbers, points, number) != SLOT_NONE) return false;
        numbers_add(&index->numbers, points, slot);
        waking->n_live++;
    } else if (linked || detached) {
        if (!name_is_valid(waking, slot)) return false;
        if (linked) handoff_push(&index->linker.removed, points, slot);
        if (detached) waking->detached = handoff_link(points, slot, waking->detached);
    } else {
        give_free(waking, slot);
    }
    return true;
}

static bool entry_is_valid(const struct waking *waking) {
    const struct index_view *view = waking->index->view;
    struct graph_entry entry = graph_entry(&view->graph);
    uint32_t root = waking->index->linker.root;
    if (waking->n_linked != atomic_load(&view->graph.n_linked)) return false;
    if ((root == SLOT_NONE) != (waking->n_linked == 0)) return false;
    if (root != SLOT_NONE && graph_node(&view->graph, root)->state != NODE_LINKED) return false;
    if (entry.slot == SLOT_NONE) return waking->n_linked == 0;
    const struct node *node = graph_node(&view->graph, entry.slot);
    return (node->state == NODE_LINKED || node->state == NODE_DETACHED) &&
           node->level == entry.level;
}

static void recycle_cells(const struct waking *waking) {
    struct ids *ids = &waking->index->view->points.ids;
    uint32_t n = atomic_load(&ids->n);
    for (uint32_t cell = 0; cell < n;) {
        uint32_t end = cell;
        while (end < n && !(waking->cells[end / 64] >> (end % 64) & 1))
            end++;
        ids_recycle_cells(ids, cell, end);
        cell = end + 1;
    }
}

/* Repair was on its way: the sweep begins again. */
static void resume_repair(const struct waking *waking) {
    struct repair *repair = &waking->index->linker.repair;
    if (waking->detached == SLOT_NONE) return;
    repair->batch = waking->detached;
    repair->phase = REPAIR_SWEEP;
    repair->cursor = 0;
}

/* Numbers lie in no order in their map: each would be waited for. */
static void ask_ahead(const struct waking *waking, uint32_t slot) {
    const struct points *points = &waking->index->view->points;
    const struct numbers *numbers = &waking->index->numbers;
    if (slot + NUMBERS_FAR < waking->n_slots)
        numbers_ask(numbers, points_at(points, slot + NUMBERS_FAR)->number);
    if (slot + NUMBERS_NEAR < waking->n_slots)
        numbers_ask_first(numbers, points, points_at(points, slot + NUMBERS_NEAR)->number);
}

static enum status run(struct waking *waking) {
    struct index *index = waking->index;
    const struct points *points = &index->view->points;
    enum status s = numbers_reserve(&index->numbers, atomic_load(&points->n_live));
    if (s != STATUS_OK) return s;
    if (!note_tail(waking)) return STATUS_CORRUPT;
    for (uint32_t slot = 0; slot < waking->n_slots; slot++) {
        if (waking->n_live == atomic_load(&points->n_live) && points_live(points, slot))
            return STATUS_CORRUPT; /* more than there is room for */
        ask_ahead(waking, slot);
        if (!place(waking, slot)) return STATUS_CORRUPT;
    }
    if (waking->n_live != atomic_load(&points->n_live) || !entry_is_valid(waking))
        return STATUS_CORRUPT;
    recycle_cells(waking);
    resume_repair(waking);
    return STATUS_OK;
}

enum status wake(struct index *index) {
    struct index_view *view = index->view;
    if (atomic_load_explicit(&view->damaged, memory_order_relaxed)) return STATUS_CORRUPT;
    struct waking waking = {
        .index = index, .n_slots = atomic_load(&view->points.n_slots), .detached = SLOT_NONE};
    enum status s = settle_first(&view->settle, view);
    if (s != STATUS_OK) return s;
    waking.tail = mem_zero((size_t)waking.n_slots / 64 + 1, sizeof *waking.tail);
    waking.cells =
        mem_zero((size_t)atomic_load(&view->points.ids.n) / 64 + 1, sizeof *waking.cells);
    s = waking.tail && waking.cells ? run(&waking) : STATUS_NO_MEMORY;
    mem_free(waking.tail);
    mem_free(waking.cells);
    if (s == STATUS_CORRUPT) atomic_store(&view->damaged, true);
    if (s == STATUS_OK) atomic_store_explicit(&index->awake, true, memory_order_release);
    return s;
}
