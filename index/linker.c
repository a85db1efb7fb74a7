/* linker: insertion (Malkov & Yashunin 2016, alg. 1) for one writer beside readers.
 *
 * A point's own rows are written before the first edge to it, and it leaves the tail after the last
 * one: at every moment a reader finds it in one of both. Levels are drawn from the seed and the
 * point's number, so the graph depends on the order of the points alone, not on threads. */
#include "index/linker.h"

#include <math.h>

#include "index/tree.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

enum {
    TUNE_EVERY = 8,     /* turns, when there is other work */
    TUNE_BUDGET = 2000, /* distances of a turn */
};

void linker_init(struct linker *linker, struct index_view *view) {
    *linker = (struct linker){.view = view, .root = SLOT_NONE};
    atomic_init(&linker->saving, false);
    handoff_init(&linker->removed);
    handoff_init(&linker->freed);
    walk_init(&linker->walk);
    linker->walk.graph = &view->graph;
    linker->walk.points = &view->points;
    repair_init(&linker->repair);
    recode_init(&linker->recode);
    tuner_init(&linker->tuner);
}

void linker_reset(struct linker *linker) {
    walk_reset(&linker->walk);
    recode_reset(&linker->recode);
    tuner_reset(&linker->tuner);
    mem_free(linker->candidates);
    linker->candidates = NULL;
}

enum status linker_reserve(struct linker *linker, size_t n_candidates) {
    if (n_candidates <= linker->candidates_room) return STATUS_OK;
    struct candidate *more = mem_resize(linker->candidates, n_candidates * sizeof *more);
    if (!more) return STATUS_NO_MEMORY;
    linker->candidates = more;
    linker->candidates_room = n_candidates;
    return STATUS_OK;
}

static unsigned draw_level(const struct index_view *view, uint32_t slot) {
    uint64_t number = points_at(&view->points, slot)->number;
    uint64_t bits = rng_mix(view->options.seed ^ rng_mix(number));
    double unit = ((double)(bits >> 11) + 1) / 9007199254740992.0; /* (0, 1] of 53 bits */
    double level = -log(unit) / log(view->options.M);
    return level < GRAPH_LEVEL_MAX ? (unsigned)level : GRAPH_LEVEL_MAX;
}

/* The walk's query is a point. */
static void linker_aim(struct linker *linker, uint32_t slot) {
    struct walk *walk = &linker->walk;
    walk->query = store_row(walk->store, slot);
    walk->paired = true;
    walk->point = slot;
}

enum status linker_explore(struct linker *linker, uint32_t slot, uint32_t from, unsigned level) {
    struct walk *walk = &linker->walk;
    const struct index_view *view = linker->view;
    size_t ef = view->options.ef_construction;
    uint32_t n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_acquire);
    enum status s = visited_begin(&walk->visited, n_slots);
    if (s == STATUS_OK) s = pool_begin(&walk->pool, ef, 2 * ef);
    if (s == STATUS_OK) s = linker_reserve(linker, 2 * ef);
    if (s != STATUS_OK) return s;
    walk->store = view_store(view);
    linker_aim(linker, slot);
    (void)visited_add(&walk->visited, slot); /* no neighbour of itself */
    walk_start(walk, from);
    while (walk_step(walk, level))
        continue;
    linker->distances += walk->distances;
    walk->distances = 0;
    return STATUS_OK;
}

/* A full row and one more edge: alg. 4 decides, over what is still live. */
static void prune(
    struct linker *linker, uint32_t slot, unsigned level, const uint32_t *edges, unsigned n_edges) {
    const struct points *points = &linker->view->points;
    const struct store *store = view_store(linker->view);
    struct graph *graph = &linker->view->graph;
    float distances[GRAPH_ROW_MAX + 1];
    struct candidate candidates[GRAPH_ROW_MAX + 1];
    size_t n = 0;
    store_pair(store, slot, edges, n_edges, distances);
    for (unsigned i = 0; i < n_edges; i++) {
        bool forced = level == 0 && tree_edge(graph, slot, edges[i]);
        if (!forced && !points_live(points, edges[i])) continue;
        candidates[n++] = (struct candidate){distances[i], edges[i], forced};
    }
    candidates_sort(candidates, n);
    struct selection selection;
    selection_init(&selection, store);
    selection_fill(&selection, candidates, n, graph_row_max(graph, level));
    graph_write(graph, slot, level, selection.slots, selection.n);
    linker->distances += n_edges + selection.distances;
}

void linker_add_edge(struct linker *linker, uint32_t from, uint32_t to, unsigned level) {
    struct graph *graph = &linker->view->graph;
    uint32_t edges[GRAPH_ROW_MAX + 1];
    unsigned n = graph_read(graph, from, level, edges);
    for (unsigned i = 0; i < n; i++) {
        if (edges[i] == to) return;
    }
    edges[n] = to;
    if (n < graph_row_max(graph, level))
        graph_write(graph, from, level, edges, n + 1);
    else
        prune(linker, from, level, edges, n + 1);
}

void linker_attach(struct linker *linker, uint32_t slot, uint32_t parent) {
    graph_set_parent(&linker->view->graph, slot, parent);
    linker_add_edge(linker, slot, parent, 0);
    linker_add_edge(linker, parent, slot, 0);
}

/* What the walk found becomes the row of a new point; nobody can see it yet. */
static void choose_row(struct linker *linker, uint32_t slot, unsigned level) {
    const struct pool *pool = &linker->walk.pool;
    struct graph *graph = &linker->view->graph;
    struct selection selection;
    size_t n = 0;
    for (size_t i = 0; i < pool->size; i++) {
        uint64_t entry = pool->entries[i];
        if (!pool_is_live(entry)) continue;
        linker->candidates[n++] = (struct candidate){pool_distance(entry), pool_slot(entry), false};
    }
    selection_init(&selection, view_store(linker->view));
    selection_fill(&selection, linker->candidates, n, graph->M);
    graph_write(graph, slot, level, selection.slots, selection.n);
    linker->distances += selection.distances;
}

/* The nearest neighbour with room for a child, else a node below the nearest. */
static uint32_t choose_parent(struct linker *linker, uint32_t slot) {
    const struct graph *graph = &linker->view->graph;
    const struct store *store = view_store(linker->view);
    uint32_t edges[GRAPH_ROW_MAX];
    unsigned n = graph_read(graph, slot, 0, edges);
    for (unsigned i = 0; i < n; i++) {
        if (tree_has_room(graph, edges[i])) return edges[i];
    }
    uint32_t from = n > 0 ? edges[0] : linker->root;
    return tree_descend(graph, store, from, slot, &linker->distances);
}

/* The edges towards a new point: from here on readers meet it. */
static void publish(struct linker *linker, uint32_t slot, unsigned top) {
    uint32_t edges[GRAPH_ROW_MAX];
    linker_attach(linker, slot, choose_parent(linker, slot));
    for (unsigned level = 0; level <= top; level++) {
        unsigned n = graph_read(&linker->view->graph, slot, level, edges);
        for (unsigned i = 0; i < n; i++)
            linker_add_edge(linker, edges[i], slot, level);
    }
}

enum status linker_find_rows(struct linker *linker, uint32_t slot, struct graph_entry entry) {
    unsigned level = graph_node(&linker->view->graph, slot)->level;
    unsigned top = level < entry.level ? level : entry.level;
    linker->walk.store = view_store(linker->view);
    linker_aim(linker, slot);
    uint32_t from = walk_descend(&linker->walk, entry, top).slot;
    for (unsigned l = top + 1; l-- > 0;) {
        enum status s = linker_explore(linker, slot, from, l);
        if (s != STATUS_OK) return s;
        choose_row(linker, slot, l);
        from = pool_slot(linker->walk.pool.entries[0]);
    }
    return STATUS_OK;
}

enum status linker_connect(struct linker *linker, uint32_t slot) {
    struct graph *graph = &linker->view->graph;
    struct graph_entry entry = graph_entry(graph);
    enum status s = linker_find_rows(linker, slot, entry);
    if (s != STATUS_OK) return s;
    unsigned level = graph_node(graph, slot)->level;
    publish(linker, slot, level < entry.level ? level : entry.level);
    return STATUS_OK;
}

enum status linker_place(struct linker *linker, const struct cell *cell) {
    uint32_t slot = cell->slot, upper = 0;
    struct graph *graph = &linker->view->graph;
    unsigned level = draw_level(linker->view, slot);
    enum status s = recode_place(linker, slot, cell->vector);
    if (s == STATUS_OK && level > 0) s = graph_upper_new(graph, level, &upper);
    if (s != STATUS_OK) return s;
    graph_set_node(graph, slot, (struct node){upper, (uint8_t)level, NODE_LINKED});
    graph_set_parent(graph, slot, SLOT_NONE);
    return STATUS_OK;
}

void linker_linked(struct linker *linker, uint32_t slot) {
    struct graph *graph = &linker->view->graph;
    struct graph_entry entry = graph_entry(graph), self = {slot, graph_node(graph, slot)->level};
    bool first = linker->root == SLOT_NONE;
    points_set_placed(&linker->view->points, slot, true);
    if (first) linker->root = slot;
    if (first || self.level > entry.level) graph_set_entry(graph, self);
    repair_saw(&linker->repair, self);
    atomic_fetch_add_explicit(&graph->n_linked, 1, memory_order_relaxed);
    linker->distances++;
}

static enum status link_point(struct linker *linker, const struct cell *cell) {
    enum status s = linker_place(linker, cell);
    if (s != STATUS_OK) return s;
    /* Without a root all there is has been removed, even if an entry is left. */
    if (linker->root != SLOT_NONE) s = linker_connect(linker, cell->slot);
    if (s != STATUS_OK) {
        recode_forget(linker, cell->slot);
        graph_forget(&linker->view->graph, cell->slot);
        return s;
    }
    linker_linked(linker, cell->slot);
    return STATUS_OK;
}

static enum status link_next(struct linker *linker) {
    struct index_view *view = linker->view;
    struct cell *cell = tail_first(&view->tail);
    if (points_live(&view->points, cell->slot)) {
        enum status s = link_point(linker, cell);
        if (s != STATUS_OK) return s;
    } else {
        repair_skip(linker, cell->slot);
    }
    tail_pop(&view->tail);
    cells_done(&view->cells, cell, &view->epoch);
    return STATUS_OK;
}

enum status linker_step(struct linker *linker, size_t budget, bool *idle) {
    uint64_t limit = linker->distances + budget;
    do {
        repair_collect(linker);
        uint64_t before = linker->distances;
        if (!atomic_load_explicit(&linker->saving, memory_order_acquire))
            cells_free(&linker->view->cells, &linker->view->epoch);
        bool link = tail_first(&linker->view->tail) != NULL;
        bool recode = recode_has_work(linker);
        bool repair = recode || repair_has_work(linker);
        bool tune = tuner_has_work(linker);
        *idle = !link && !repair && !tune;
        if (*idle) break;
        if (tune && ((!link && !repair) || linker->n_turns++ % TUNE_EVERY == 0)) {
            enum status s = tuner_step(linker, TUNE_BUDGET);
            if (s != STATUS_OK) return s;
            continue;
        }
        /* With both to do, each gets half of the work. */
        if (!link || !repair) linker->balance = 0;
        bool turn_to_link = link && (!repair || linker->balance <= 0);
        enum status s = turn_to_link ? link_next(linker)
                        : recode     ? recode_step(linker)
                                     : repair_step(linker);
        if (s != STATUS_OK) return s;
        int64_t spent = (int64_t)(linker->distances - before);
        linker->balance += turn_to_link ? spent : -spent;
    } while (linker->distances < limit);
    return STATUS_OK;
}
