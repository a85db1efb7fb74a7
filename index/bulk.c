/* bulk: a worker is a linker of its own, as far as it searches and prunes; the index's linker does
 * what needs an order. Points that find no parent with room are linked one by one when the batch is
 * done. */
#include "index/bulk.h"

#include <stdlib.h>

#include "index/tree.h"
#include "index/writer.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

enum {
    GRAPH_MIN = 512,  /* linked points from which batches begin */
    BATCH_SHARE = 16, /* a batch is at most one in so many of them: it does not see itself */
    BATCH_MIN = 32,
    BATCH_MAX = 8192,
    TASK_POINTS = 4,
    BUCKETS = 256,
};

struct bulk_point {
    uint32_t slot;
    uint8_t top;       /* highest level it has edges on */
    bool gone;         /* removed while it waited */
    bool late;         /* is linked alone */
    struct cell *cell; /* borrowed; of the tail */
};

struct bulk_edge {
    uint32_t target, source;
    uint32_t order; /* of the source in the batch */
    uint32_t level;
};

enum bulk_stage { BULK_REST, BULK_SEARCH, BULK_EDGES };

struct index_bulk {
    struct index *index;   /* borrowed */
    struct linker *linker; /* its */
    enum bulk_stage stage;
    uint32_t batch_max;
    bool bounded;
    struct graph_entry entry;  /* of the graph the batch looks at */
    struct bulk_point *points; /* owned; BATCH_MAX */
    uint32_t n, at;            /* at: next to leave the tail */
    struct bulk_edge *edges;   /* owned */
    size_t edges_room;
    size_t buckets[BUCKETS + 1]; /* where each begins in edges */
    uint16_t *pending;           /* owned; by slot: children that are not in the row yet */
    size_t pending_room;
};

struct index_bulk_worker {
    struct index_bulk *bulk; /* borrowed */
    struct linker linker;    /* walk and candidates are its own */
};

enum status index_bulk_open(struct index *index, struct index_bulk **out) {
    struct index_bulk *bulk = mem_zero(1, sizeof *bulk);
    if (!bulk) return STATUS_NO_MEMORY;
    bulk->index = index;
    bulk->linker = &index->linker;
    bulk->batch_max = BATCH_MAX;
    bulk->points = mem_alloc(BATCH_MAX * sizeof *bulk->points);
    if (!bulk->points) {
        mem_free(bulk);
        return STATUS_NO_MEMORY;
    }
    *out = bulk;
    return STATUS_OK;
}

void index_bulk_close(struct index_bulk *bulk) {
    if (!bulk) return;
    mem_free(bulk->points);
    mem_free(bulk->edges);
    mem_free(bulk->pending);
    mem_free(bulk);
}

enum status index_bulk_worker_open(struct index_bulk *bulk, struct index_bulk_worker **out) {
    struct index_bulk_worker *worker = mem_zero(1, sizeof *worker);
    if (!worker) return STATUS_NO_MEMORY;
    worker->bulk = bulk;
    linker_init(&worker->linker, bulk->index->view);
    *out = worker;
    return STATUS_OK;
}

void index_bulk_worker_close(struct index_bulk_worker *worker) {
    if (!worker) return;
    linker_reset(&worker->linker);
    mem_free(worker);
}

void index_bulk_bound(struct index_bulk *bulk, uint32_t most) {
    bulk->bounded = true;
    bulk->batch_max = most < BATCH_MAX ? most : BATCH_MAX;
}

/* --- a batch begins
 * --------------------------------------------------------------------------------------- */

static uint32_t batch_size(const struct index *index, uint32_t most) {
    const struct index_view *view = index->view;
    uint32_t n_linked = atomic_load_explicit(&view->graph.n_linked, memory_order_relaxed);
    size_t n = n_linked / BATCH_SHARE, n_tail = tail_size(&view->tail);
    if (n_linked < GRAPH_MIN || index->linker.root == SLOT_NONE) return 0;
    if (n > most) n = most;
    if (n > n_tail) n = n_tail;
    return n < BATCH_MIN ? 0 : (uint32_t)n;
}

bool index_bulk_pays(struct index *index) {
    struct linker *linker = &index->linker;
    if (!index->settled) return false;
    repair_collect(linker);
    return !recode_has_work(linker) && !repair_has_work(linker) && batch_size(index, BATCH_MAX) > 0;
}

static enum status reserve(struct index_bulk *bulk, uint32_t n) {
    const struct index_view *view = bulk->index->view;
    uint32_t n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_acquire);
    size_t n_edges = (size_t)n * (view->options.M * 3);
    if (n_edges > bulk->edges_room) {
        struct bulk_edge *edges = mem_resize(bulk->edges, n_edges * sizeof *edges);
        if (!edges) return STATUS_NO_MEMORY;
        bulk->edges = edges;
        bulk->edges_room = n_edges;
    }
    if (n_slots > bulk->pending_room) {
        size_t room = (size_t)n_slots + n_slots / 2;
        uint16_t *pending = mem_zero(room, sizeof *pending);
        if (!pending) return STATUS_NO_MEMORY;
        mem_free(bulk->pending);
        bulk->pending = pending;
        bulk->pending_room = room;
    }
    return STATUS_OK;
}

/* The first n of the tail, with vector and empty rows. */
static enum status take_batch(struct index_bulk *bulk, uint32_t n) {
    struct index_view *view = bulk->index->view;
    const struct tail *tail = &view->tail;
    uint64_t head = atomic_load_explicit(&tail->head, memory_order_relaxed);
    bulk->n = bulk->at = 0;
    bulk->entry = graph_entry(&view->graph);
    for (uint32_t i = 0; i < n; i++) {
        struct cell *cell =
            atomic_load_explicit(&tail->ring[(head + i) & tail->mask], memory_order_acquire);
        struct bulk_point *point = &bulk->points[bulk->n];
        *point = (struct bulk_point){.slot = cell->slot, .cell = cell};
        point->gone = !points_live(&view->points, cell->slot);
        enum status s = point->gone ? STATUS_OK : linker_place(bulk->linker, cell);
        if (s != STATUS_OK) return bulk->n > 0 ? STATUS_OK : s;
        unsigned level = graph_node(&view->graph, cell->slot)->level;
        point->top = (uint8_t)(level < bulk->entry.level ? level : bulk->entry.level);
        bulk->n++;
    }
    return STATUS_OK;
}

static enum status begin_batch(struct index_bulk *bulk, uint32_t *n_tasks) {
    struct linker *linker = bulk->linker;
    *n_tasks = 0;
    repair_collect(linker);
    if (bulk->bounded && recode_has_work(linker)) return STATUS_OK;
    while (recode_has_work(linker)) {
        enum status s = recode_step(linker);
        if (s != STATUS_OK) return s;
    }
    uint32_t n = repair_has_work(linker) ? 0 : batch_size(bulk->index, bulk->batch_max);
    if (n == 0) return STATUS_OK;
    enum status s = reserve(bulk, n);
    if (s == STATUS_OK) s = take_batch(bulk, n);
    if (s != STATUS_OK) return s;
    bulk->stage = BULK_SEARCH;
    *n_tasks = (bulk->n + TASK_POINTS - 1) / TASK_POINTS;
    return STATUS_OK;
}

/* --- between searches and edges
 * --------------------------------------------------------------------------- */

/* As linker.c chooses it, with the children that wait for their edge. */
static bool choose_parent(struct index_bulk *bulk, const struct bulk_point *point) {
    struct graph *graph = &bulk->index->view->graph;
    uint32_t edges[GRAPH_ROW_MAX], children[GRAPH_ROW_MAX];
    unsigned n = graph_read(graph, point->slot, 0, edges);
    for (unsigned i = 0; i < n; i++) {
        unsigned n_children = tree_children(graph, edges[i], children);
        if (n_children + bulk->pending[edges[i]] >= graph->M) continue;
        bulk->pending[edges[i]]++;
        graph_set_parent(graph, point->slot, edges[i]);
        return true;
    }
    return false;
}

static unsigned bucket_of(uint32_t target) {
    return (unsigned)(rng_mix(target) % BUCKETS);
}

/* Counts the edges of each bucket, or puts them there. */
static void spread(struct index_bulk *bulk, size_t *ends, bool put) {
    const struct graph *graph = &bulk->index->view->graph;
    for (uint32_t i = 0; i < bulk->n; i++) {
        const struct bulk_point *point = &bulk->points[i];
        if (point->gone || point->late) continue;
        for (unsigned level = 0; level <= point->top; level++) {
            uint32_t edges[GRAPH_ROW_MAX];
            unsigned n = graph_read(graph, point->slot, level, edges);
            for (unsigned e = 0; e < n; e++) {
                size_t *end = &ends[bucket_of(edges[e])];
                if (put) bulk->edges[*end] = (struct bulk_edge){edges[e], point->slot, i, level};
                ++*end;
            }
        }
    }
}

static enum status begin_edges(struct index_bulk *bulk, uint32_t *n_tasks) {
    size_t ends[BUCKETS] = {0}, n = 0;
    for (uint32_t i = 0; i < bulk->n; i++) {
        struct bulk_point *point = &bulk->points[i];
        if (!point->gone && !point->late) point->late = !choose_parent(bulk, point);
    }
    spread(bulk, ends, false);
    for (unsigned b = 0; b < BUCKETS; b++) {
        size_t count = ends[b];
        bulk->buckets[b] = ends[b] = n;
        n += count;
    }
    bulk->buckets[BUCKETS] = n;
    if (n > bulk->edges_room) { /* many levels: more than was reserved */
        struct bulk_edge *edges = mem_resize(bulk->edges, n * sizeof *edges);
        if (!edges) return STATUS_NO_MEMORY;
        bulk->edges = edges;
        bulk->edges_room = n;
    }
    spread(bulk, ends, true);
    bulk->stage = BULK_EDGES;
    *n_tasks = BUCKETS;
    return STATUS_OK;
}

/* --- a batch ends
 * ----------------------------------------------------------------------------------------- */

static void forget_pending(struct index_bulk *bulk) {
    const struct graph *graph = &bulk->index->view->graph;
    for (uint32_t i = 0; i < bulk->n; i++) {
        const struct bulk_point *point = &bulk->points[i];
        if (point->gone || point->late) continue;
        bulk->pending[graph_parent(graph, point->slot)] = 0;
    }
}

/* In the order of the tail; one that was late is linked here. */
static enum status end_batch(struct index_bulk *bulk) {
    struct linker *linker = bulk->linker;
    struct index_view *view = bulk->index->view;
    if (bulk->at == 0) forget_pending(bulk);
    for (; bulk->at < bulk->n; bulk->at++) {
        const struct bulk_point *point = &bulk->points[bulk->at];
        if (point->gone) {
            repair_skip(linker, point->slot);
        } else {
            enum status s = point->late ? linker_connect(linker, point->slot) : STATUS_OK;
            if (s != STATUS_OK) return s;
            linker_linked(linker, point->slot);
        }
        tail_pop(&view->tail);
        cells_done(&view->cells, point->cell, &view->epoch);
    }
    if (!atomic_load_explicit(&linker->saving, memory_order_acquire))
        cells_free(&view->cells, &view->epoch);
    bulk->stage = BULK_REST;
    return STATUS_OK;
}

enum status index_bulk_next(struct index_bulk *bulk, uint32_t *n_tasks) {
    enum status s = STATUS_OK;
    *n_tasks = 0;
    if (!bulk->index->settled) return STATUS_OK;
    if (bulk->stage == BULK_SEARCH) return begin_edges(bulk, n_tasks);
    if (bulk->stage == BULK_EDGES) s = end_batch(bulk);
    return s == STATUS_OK ? begin_batch(bulk, n_tasks) : s;
}

/* --- tasks
 * ------------------------------------------------------------------------------------------------
 */

static void search(struct index_bulk_worker *worker, uint32_t task) {
    struct index_bulk *bulk = worker->bulk;
    uint32_t end = (task + 1) * TASK_POINTS < bulk->n ? (task + 1) * TASK_POINTS : bulk->n;
    for (uint32_t i = task * TASK_POINTS; i < end; i++) {
        struct bulk_point *point = &bulk->points[i];
        if (point->gone) continue;
        point->late = linker_find_rows(&worker->linker, point->slot, bulk->entry) != STATUS_OK;
    }
}

static int in_order(const void *left, const void *right) {
    const struct bulk_edge *a = left, *b = right;
    if (a->target != b->target) return a->target < b->target ? -1 : 1;
    if (a->level != b->level) return a->level < b->level ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void add_edges(struct index_bulk_worker *worker, uint32_t bucket) {
    const struct index_bulk *bulk = worker->bulk;
    struct bulk_edge *edges = bulk->edges + bulk->buckets[bucket];
    size_t n = bulk->buckets[bucket + 1] - bulk->buckets[bucket];
    qsort(edges, n, sizeof *edges, in_order);
    for (size_t i = 0; i < n; i++)
        linker_add_edge(&worker->linker, edges[i].target, edges[i].source, edges[i].level);
}

void index_bulk_run(struct index_bulk_worker *worker, uint32_t task) {
    if (worker->bulk->stage == BULK_SEARCH)
        search(worker, task);
    else
        add_edges(worker, task);
}
