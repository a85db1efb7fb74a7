/* points: parallel arrays by slot. */
#include "index/points.h"

#include "runtime/assert.h"
#include "runtime/poison.h"

static_assert(sizeof(struct point) == 32, "a record stays half a cache line");

void points_init(struct points *points, enum index_metric metric, uint32_t dimension) {
    metric_init(&points->metric, metric, dimension);
    slots_init(&points->vectors, points->metric.n_floats * sizeof(float));
    slots_init(&points->records, sizeof(struct point));
    slots_init(&points->live, sizeof(uint64_t));
    ids_init(&points->ids);
    atomic_init(&points->n_slots, 0);
    atomic_init(&points->n_live, 0);
}

void points_reset(struct points *points) {
    slots_reset(&points->vectors);
    slots_reset(&points->records);
    slots_reset(&points->live);
    ids_reset(&points->ids);
}

enum status points_grow(struct points *points, uint64_t n) {
    enum status s = slots_grow(&points->vectors, n);
    if (s == STATUS_OK) s = slots_grow(&points->records, n);
    if (s == STATUS_OK) s = slots_grow(&points->live, (n + 63) / 64);
    return s;
}

enum status points_write(struct points *points, uint32_t slot, const struct index_point *point) {
    assert(point->id_size >= 1 && point->id_size <= INDEX_ID_MAX);
    const char *id = ids_new(&points->ids, point->id, point->id_size);
    if (!id) return STATUS_NO_MEMORY;
    metric_prepare(&points->metric, point->vector, points_vector(points, slot));
    *points_at(points, slot) = (struct point){
        .number = point->number,
        .id = id,
        .id_size = (uint16_t)point->id_size,
    };
    return STATUS_OK;
}

void points_set_live(struct points *points, uint32_t slot, bool live) {
    _Atomic uint64_t *at = slots_at(&points->live, slot / 64);
    uint64_t bit = UINT64_C(1) << (slot % 64);
    uint64_t word = atomic_load_explicit(at, memory_order_relaxed);
    assert(live == !(word & bit));
    atomic_store_explicit(at, word ^ bit, memory_order_release);
    if (live)
        atomic_fetch_add_explicit(&points->n_live, 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&points->n_live, 1, memory_order_relaxed);
}
