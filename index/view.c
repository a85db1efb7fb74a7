/* view: holds, growth and figures. */
#include "index/view.h"

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum {
    EF_CONSTRUCTION_DEFAULT = 128,
    M_DEFAULT = 16,
    TAIL_BYTES_MAX = 40 << 20, /* of vectors: a scan of about 5 ms at 8 GB/s */
    TAIL_MIN = 64,
    TAIL_EXTRA_MAX = 1 << 30,
    TRAIN_DEFAULT = 4096,
};

enum status view_options(const struct index_options *given, struct index_options *out) {
    struct index_options options = *given;
    if (options.dimension < 1 || options.dimension > INDEX_DIMENSION_MAX) return STATUS_INVALID;
    if (options.metric > INDEX_DOT) return STATUS_INVALID;
    if (options.M == 0) options.M = M_DEFAULT;
    if (options.M < GRAPH_M_MIN || options.M > GRAPH_M_MAX) return STATUS_INVALID;
    if (options.ef_construction == 0) options.ef_construction = EF_CONSTRUCTION_DEFAULT;
    if (options.ef_construction > INDEX_EF_MAX) return STATUS_INVALID;
    if (options.tail_extra > TAIL_EXTRA_MAX) return STATUS_INVALID;
    if (options.storage >= INDEX_STORAGES || options.originals >= INDEX_ORIGINALS_KINDS)
        return STATUS_INVALID;
    if (!(options.target_recall >= 0 && options.target_recall < 1)) return STATUS_INVALID;
    if (options.train_min == 0) options.train_min = TRAIN_DEFAULT;
    uint32_t fits = TAIL_BYTES_MAX / (options.dimension * (uint32_t)sizeof(float));
    if (options.tail_max == 0 || options.tail_max > INDEX_TAIL_MAX)
        options.tail_max = INDEX_TAIL_MAX;
    if (options.tail_max > fits) options.tail_max = fits > TAIL_MIN ? fits : TAIL_MIN;
    if (options.n_columns > INDEX_COLUMNS_MAX) return STATUS_INVALID;
    *out = options;
    return STATUS_OK;
}

/* The declared ones; the view has no points yet. */
static enum status add_columns(struct index_view *view) {
    enum status s = STATUS_OK;
    for (uint32_t i = 0; s == STATUS_OK && i < view->options.n_columns; i++) {
        const struct index_column *column = &view->options.columns[i];
        s = columns_add(&view->columns, &column->key, column->type, 0, true);
        if (s == STATUS_EXISTS) s = STATUS_INVALID;
    }
    view->options.columns = NULL; /* the caller's */
    view->options.n_columns = 0;
    return s;
}

enum status view_new(const struct index_options *options, struct index_view **out) {
    struct index_view *view = mem_zero(1, sizeof *view);
    if (!view) return STATUS_NO_MEMORY;
    atomic_init(&view->holds, 1);
    view->options = *options;
    points_init(&view->points, options->metric, options->dimension);
    graph_init(&view->graph, options->M);
    epoch_init(&view->epoch);
    atomic_init(&view->n_free, 0);
    settle_init(&view->settle);
    tuning_init(&view->tuning);
    atomic_init(&view->unverified, 0);
    atomic_init(&view->damaged, false);
    cells_init(&view->cells, view->points.metric.n_floats * sizeof(float));
    columns_init(&view->columns);
    struct store *store = NULL;
    enum status s = store_new(&view->points.metric, &store);
    atomic_init(&view->store, store);
    if (s == STATUS_OK) s = tail_init(&view->tail, options->tail_max + options->tail_extra);
    if (s == STATUS_OK) s = add_columns(view);
    if (s != STATUS_OK) {
        index_view_drop(view);
        return s;
    }
    *out = view;
    return STATUS_OK;
}

enum status view_grow(struct index_view *view, uint64_t n) {
    enum status s = points_grow(&view->points, n);
    if (s == STATUS_OK) s = graph_grow(&view->graph, n);
    return s == STATUS_OK ? columns_grow(&view->columns, n) : s;
}

/* Counting is the only thing done to a view through const. */
static struct index_view *counted(const struct index_view *view) {
    return (struct index_view *)(uintptr_t)view;
}

const struct index_view *index_view_again(const struct index_view *view) {
    atomic_fetch_add_explicit(&counted(view)->holds, 1, memory_order_relaxed);
    return view;
}

void index_view_drop(const struct index_view *held) {
    if (!held) return;
    struct index_view *view = counted(held);
    uint32_t holds = atomic_fetch_sub_explicit(&view->holds, 1, memory_order_acq_rel);
    assert(holds >= 1);
    if (holds > 1) return;
    struct cell *cell;
    while (view->tail.ring && (cell = tail_first(&view->tail)) != NULL) {
        tail_pop(&view->tail);
        cells_done(&view->cells, cell, &view->epoch);
    }
    cells_reset(&view->cells);
    settle_reset(&view->settle);
    tuning_reset(&view->tuning);
    store_free(view_store(view));
    points_reset(&view->points);
    graph_reset(&view->graph);
    tail_reset(&view->tail);
    columns_reset(&view->columns);
    mem_free(view);
}

enum index_originals index_view_originals(const struct index_view *view) {
    return view->options.originals;
}

static uint64_t memory_bytes(const struct index_view *view, uint64_t n_slots, size_t vector) {
    const struct points *points = &view->points;
    const struct graph *graph = &view->graph;
    uint64_t slot = vector + points->records.stride + points->links.stride + graph->rows.stride +
                    graph->nodes.stride + graph->parents.stride + sizeof(uint32_t) /* of numbers */;
    uint64_t upper = atomic_load_explicit(&graph->n_upper, memory_order_relaxed);
    uint64_t waiting = tail_size(&view->tail) * sizeof(struct cell *);
    return n_slots * slot + n_slots / 4 + upper * graph->upper.stride + waiting +
           atomic_load_explicit(&points->ids.n, memory_order_relaxed) * (uint64_t)IDS_CELL +
           columns_bytes(&view->columns, n_slots) +
           atomic_load_explicit(&view->cells.bytes, memory_order_relaxed) + sizeof *view;
}

struct index_stats index_stats(const struct index_view *view) {
    uint64_t slots = atomic_load_explicit(&view->points.n_slots, memory_order_relaxed);
    uint64_t live = atomic_load_explicit(&view->points.n_live, memory_order_relaxed);
    uint64_t idle = atomic_load_explicit(&view->n_free, memory_order_relaxed);
    struct epoch *epoch = view_epoch(view);
    uint64_t ticket = epoch_enter(epoch);
    const struct store *store = view_store(view);
    size_t vector = store_stride(store);
    uint64_t kept = atomic_load_explicit(&store->n_kept, memory_order_relaxed);
    kept *= (store->metric.n_floats + 4) * sizeof(float); /* and the allocator's */
    enum store_kind kind = store->kind;
    float target = view->options.target_recall;
    struct index_stats stats = {
        .points = live,
        .tail = tail_size(&view->tail),
        .removed = slots > live + idle ? slots - live - idle : 0,
        .slots = slots,
        .memory_bytes = memory_bytes(view, slots, vector) + kept,
        .storage = store_storage(kind),
        .max_level = graph_entry(&view->graph).level,
        .columns = columns_count(&view->columns),
        .column_bytes = columns_bytes(&view->columns, slots),
        .unread = columns_unread(&view->columns),
        .unsorted = columns_behind(&view->columns, slots),
        .target_recall = view->options.target_recall,
        .target_ef = target > 0 ? tuning_ef(&view->tuning, target, TUNER_K) : 0,
        .recall = target > 0
                      ? tuning_recall(&view->tuning, tuning_ef(&view->tuning, target, TUNER_K))
                      : tuning_recall(&view->tuning, INDEX_EF_DEFAULT),
        .recall_live = atomic_load_explicit(&view->tuning.live, memory_order_relaxed),
        .unverified = atomic_load_explicit(&view->unverified, memory_order_relaxed),
        .damaged = atomic_load_explicit(&view->damaged, memory_order_relaxed),
    };
    epoch_leave(epoch, ticket);
    return stats;
}

size_t index_columns(const struct index_view *view, struct index_column_stats *out, size_t n) {
    uint64_t slots = atomic_load_explicit(&view->points.n_slots, memory_order_relaxed);
    struct epoch *epoch = view_epoch(view);
    uint64_t ticket = epoch_enter(epoch);
    n = columns_stats(&view->columns, slots, out, n);
    epoch_leave(epoch, ticket);
    return n;
}
