/* repair: the batch is a list of slots linked through the points themselves. */
#include "index/repair.h"

#include "index/linker.h"
#include "index/tree.h"
#include "runtime/assert.h"
#include "runtime/poison.h"

enum { BATCH_SHARE = 16 /* a batch is at least one in so many linked points */ };

void repair_init(struct repair *repair) {
    *repair =
        (struct repair){.waiting = SLOT_NONE, .batch = SLOT_NONE, .entry = {.slot = SLOT_NONE}};
}

static void wait_for_batch(struct linker *linker, uint32_t slot) {
    struct repair *repair = &linker->repair;
    repair->waiting = handoff_link(&linker->view->points, slot, repair->waiting);
    repair->n_waiting++;
}

void repair_collect(struct linker *linker) {
    struct points *points = &linker->view->points;
    uint32_t slot = handoff_take(&linker->removed, points);
    while (slot != SLOT_NONE) {
        uint32_t next = handoff_next(points, slot);
        struct graph *graph = &linker->view->graph;
        if (graph_node(graph, slot)->state == NODE_NEW)
            graph_set_state(graph, slot, NODE_FORGOTTEN);
        else
            wait_for_batch(linker, slot);
        slot = next;
    }
}

void repair_skip(struct linker *linker, uint32_t slot) {
    struct graph *graph = &linker->view->graph;
    if (graph_node(graph, slot)->state == NODE_FORGOTTEN) wait_for_batch(linker, slot);
    graph_set_state(graph, slot, NODE_SKIPPED);
}

static uint64_t n_linked(const struct linker *linker) {
    return atomic_load_explicit(&linker->view->graph.n_linked, memory_order_relaxed);
}

bool repair_has_work(const struct linker *linker) {
    const struct repair *repair = &linker->repair;
    switch (repair->phase) {
    case REPAIR_REST:
        return repair->n_waiting > 0 &&
               (uint64_t)repair->n_waiting * BATCH_SHARE >= n_linked(linker);
    case REPAIR_DETACH:
    case REPAIR_SWEEP:
        return true;
    case REPAIR_GRACE:
        break;
    }
    return !atomic_load_explicit(&linker->saving, memory_order_acquire) &&
           epoch_passed(&linker->view->epoch, repair->epoch);
}

void repair_saw(struct repair *repair, struct graph_entry node) {
    if (repair->entry.slot == SLOT_NONE || node.level > repair->entry.level) repair->entry = node;
}

static void begin_batch(struct repair *repair) {
    repair->batch = repair->cursor = repair->waiting;
    repair->waiting = SLOT_NONE;
    repair->n_waiting = 0;
    repair->phase = REPAIR_DETACH;
}

/* A live neighbour of the orphan that still hangs on the root and has room, nearest first; else a
 * place below `keeper`, which does. */
static uint32_t find_parent(struct linker *linker, uint32_t orphan, uint32_t keeper) {
    const struct graph *graph = &linker->view->graph;
    const struct points *points = &linker->view->points;
    const struct store *store = view_store(linker->view);
    float distances[GRAPH_ROW_MAX];
    struct candidate candidates[GRAPH_ROW_MAX];
    uint32_t edges[GRAPH_ROW_MAX];
    unsigned n = graph_read(graph, orphan, 0, edges);
    store_pair(store, orphan, edges, n, distances);
    linker->distances += n;
    for (unsigned i = 0; i < n; i++)
        candidates[i] = (struct candidate){distances[i], edges[i], false};
    candidates_sort(candidates, n);
    for (unsigned i = 0; i < n; i++) {
        uint32_t slot = candidates[i].slot;
        if (points_live(points, slot) && tree_has_room(graph, slot) &&
            tree_leads_to(graph, slot, linker->root))
            return slot;
    }
    return tree_descend(graph, store, keeper, orphan, &linker->distances);
}

/* Takes a node out of the tree. Its children are cut off first, all of them, so that none of their
 * descendants is mistaken for a way to the root. */
static void detach(struct linker *linker, uint32_t slot) {
    struct graph *graph = &linker->view->graph;
    uint32_t children[GRAPH_ROW_MAX];
    unsigned n = tree_children(graph, slot, children), first = 0;
    uint32_t keeper = graph_parent(graph, slot);
    graph_set_parent(graph, slot, SLOT_NONE);
    for (unsigned i = 0; i < n; i++)
        graph_set_parent(graph, children[i], SLOT_NONE);
    if (slot == linker->root) {
        keeper = linker->root = n > 0 ? children[0] : SLOT_NONE;
        first = 1;
    }
    for (unsigned i = first; i < n; i++)
        linker_attach(linker, children[i], find_parent(linker, children[i], keeper));
    atomic_fetch_sub_explicit(&graph->n_linked, 1, memory_order_relaxed);
}

static void step_detach(struct linker *linker) {
    struct repair *repair = &linker->repair;
    if (repair->cursor != SLOT_NONE) {
        struct graph *graph = &linker->view->graph;
        if (graph_node(graph, repair->cursor)->state == NODE_LINKED) detach(linker, repair->cursor);
        graph_set_state(graph, repair->cursor, NODE_DETACHED);
        repair->cursor = handoff_next(&linker->view->points, repair->cursor);
        return;
    }
    repair->phase = REPAIR_SWEEP;
    repair->cursor = 0;
    repair->entry.slot = SLOT_NONE;
}

/* The row as it stays, into `kept`, and the detached nodes it led to, into `gone`. */
static unsigned split_row(const struct graph *graph,
                          uint32_t slot,
                          unsigned level,
                          struct selection *kept,
                          uint32_t *gone) {
    uint32_t edges[GRAPH_ROW_MAX];
    unsigned n = graph_read(graph, slot, level, edges), n_gone = 0;
    for (unsigned i = 0; i < n; i++) {
        if (graph_node(graph, edges[i])->state == NODE_DETACHED)
            gone[n_gone++] = edges[i];
        else
            selection_add(kept, edges[i]);
    }
    return n_gone;
}

/* Live neighbours of the gone nodes that the row does not have, nearest first. */
static enum status gather(struct linker *linker,
                          uint32_t slot,
                          unsigned level,
                          const struct selection *kept,
                          const uint32_t *gone,
                          unsigned n_gone,
                          size_t *n_candidates) {
    const struct points *points = &linker->view->points;
    const struct store *store = view_store(linker->view);
    const struct graph *graph = &linker->view->graph;
    struct visited *seen = &linker->walk.visited;
    uint32_t n_slots = atomic_load_explicit(&points->n_slots, memory_order_acquire);
    enum status s = visited_begin(seen, n_slots);
    if (s == STATUS_OK) s = linker_reserve(linker, (size_t)n_gone * graph_row_max(graph, level));
    if (s != STATUS_OK) return s;
    (void)visited_add(seen, slot);
    for (unsigned i = 0; i < kept->n; i++)
        (void)visited_add(seen, kept->slots[i]);
    size_t n = 0;
    for (unsigned g = 0; g < n_gone; g++) {
        uint32_t edges[GRAPH_ROW_MAX];
        unsigned n_edges = graph_read(graph, gone[g], level, edges);
        for (unsigned i = 0; i < n_edges; i++) {
            if (!points_live(points, edges[i]) || !visited_add(seen, edges[i])) continue;
            float d;
            store_pair(store, slot, &edges[i], 1, &d);
            linker->candidates[n++] = (struct candidate){d, edges[i], false};
        }
    }
    linker->distances += n;
    candidates_sort(linker->candidates, n);
    *n_candidates = n;
    return STATUS_OK;
}

/* Neighbours from a search of the whole graph, for a row whose neighbourhood is gone. */
static enum status
search_again(struct linker *linker, uint32_t slot, struct selection *kept, unsigned limit) {
    enum status s = linker_explore(linker, slot, slot, 0);
    if (s != STATUS_OK) return s;
    const struct pool *pool = &linker->walk.pool;
    size_t n = 0;
    for (size_t i = 0; i < pool->size; i++) {
        uint64_t entry = pool->entries[i];
        bool known = !pool_is_live(entry);
        for (unsigned j = 0; j < kept->n && !known; j++)
            known = kept->slots[j] == pool_slot(entry);
        if (known) continue;
        linker->candidates[n++] = (struct candidate){pool_distance(entry), pool_slot(entry), false};
    }
    selection_fill(kept, linker->candidates, n, limit);
    return STATUS_OK;
}

/* The new neighbours of a row lead back to it, as those of a new point do; without this points
 * become harder to find with every neighbour they lose. */
static enum status repair_row(struct linker *linker, uint32_t slot, unsigned level) {
    struct graph *graph = &linker->view->graph;
    struct selection kept;
    uint32_t gone[GRAPH_ROW_MAX];
    selection_init(&kept, view_store(linker->view));
    unsigned n_gone = split_row(graph, slot, level, &kept, gone);
    if (n_gone == 0) return STATUS_OK;
    unsigned n_kept = kept.n;
    size_t n_candidates;
    enum status s = gather(linker, slot, level, &kept, gone, n_gone, &n_candidates);
    if (s != STATUS_OK) return s;
    unsigned limit = graph_row_max(graph, level);
    selection_fill(&kept, linker->candidates, n_candidates, limit);
    if (level == 0 && kept.n < graph->M / 2) s = search_again(linker, slot, &kept, limit);
    if (s != STATUS_OK) return s;
    graph_write(graph, slot, level, kept.slots, kept.n);
    linker->distances += kept.distances;
    if (!points_live(&linker->view->points, slot)) return STATUS_OK;
    for (unsigned i = n_kept; i < kept.n; i++)
        linker_add_edge(linker, kept.slots[i], slot, level);
    return STATUS_OK;
}

static void end_sweep(struct linker *linker) {
    struct repair *repair = &linker->repair;
    struct graph *graph = &linker->view->graph;
    uint32_t entry = graph_entry(graph).slot;
    if (entry != SLOT_NONE && graph_node(graph, entry)->state == NODE_DETACHED)
        graph_set_entry(graph, repair->entry);
    repair->epoch = epoch_now(&linker->view->epoch);
    repair->phase = REPAIR_GRACE;
    repair->cursor = repair->batch;
}

static enum status step_sweep(struct linker *linker) {
    struct repair *repair = &linker->repair;
    const struct graph *graph = &linker->view->graph;
    uint32_t n_slots = atomic_load_explicit(&linker->view->points.n_slots, memory_order_acquire);
    if (repair->cursor >= n_slots) {
        end_sweep(linker);
        return STATUS_OK;
    }
    const struct node *node = graph_node(graph, repair->cursor);
    if (node->state == NODE_LINKED) {
        for (unsigned level = 0; level <= node->level; level++) {
            enum status s = repair_row(linker, repair->cursor, level);
            if (s != STATUS_OK) return s;
        }
        repair_saw(repair, (struct graph_entry){repair->cursor, node->level});
    }
    repair->cursor++;
    return STATUS_OK;
}

static void step_free(struct linker *linker) {
    struct repair *repair = &linker->repair;
    struct index_view *view = linker->view;
    if (repair->cursor == SLOT_NONE) {
        repair->batch = SLOT_NONE;
        repair->phase = REPAIR_REST;
        return;
    }
    uint32_t slot = repair->cursor;
    repair->cursor = handoff_next(&view->points, slot);
    if (points_placed(&view->points, slot)) points_set_placed(&view->points, slot, false);
    recode_forget(linker, slot);
    graph_forget(&view->graph, slot);
    atomic_fetch_add_explicit(&view->n_free, 1, memory_order_relaxed);
    handoff_push(&linker->freed, &view->points, slot);
}

enum status repair_step(struct linker *linker) {
    linker->distances++;
    switch (linker->repair.phase) {
    case REPAIR_REST:
        begin_batch(&linker->repair);
        break;
    case REPAIR_DETACH:
        step_detach(linker);
        break;
    case REPAIR_SWEEP:
        return step_sweep(linker);
    case REPAIR_GRACE:
        step_free(linker);
        break;
    }
    return STATUS_OK;
}
