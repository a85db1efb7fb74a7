/* ruler: a query and one vector at a time, as rows of the metric. */
#include "index/view.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

struct index_ruler {
    struct metric metric;
    float *query; /* owned; prepared, as the next */
    float *row;   /* owned */
};

enum status index_ruler_open(enum index_metric metric,
                             uint32_t dimension,
                             const void *query,
                             struct index_ruler **out) {
    struct index_ruler *ruler = mem_zero(1, sizeof *ruler);
    if (!ruler) return STATUS_NO_MEMORY;
    metric_init(&ruler->metric, metric, dimension);
    size_t bytes = ruler->metric.n_floats * sizeof(float);
    ruler->query = mem_aligned(KERNEL_ALIGN, bytes);
    ruler->row = mem_aligned(KERNEL_ALIGN, bytes);
    if (!ruler->query || !ruler->row) {
        index_ruler_close(ruler);
        return STATUS_NO_MEMORY;
    }
    metric_prepare(&ruler->metric, query, ruler->query);
    *out = ruler;
    return STATUS_OK;
}

void index_ruler_close(struct index_ruler *ruler) {
    if (!ruler) return;
    mem_free(ruler->query);
    mem_free(ruler->row);
    mem_free(ruler);
}

float index_ruler_distance(struct index_ruler *ruler, const void *vector) {
    metric_prepare(&ruler->metric, vector, ruler->row);
    return metric_distance(&ruler->metric, ruler->query, ruler->row);
}

float index_ruler_error(const struct index_ruler *ruler,
                        const struct index_view *view,
                        float distance) {
    struct epoch *epoch = view_epoch(view);
    uint64_t ticket = epoch_enter(epoch);
    float error = store_error(view_store(view), ruler->query, distance);
    epoch_leave(epoch, ticket);
    return error;
}
