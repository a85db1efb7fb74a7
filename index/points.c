/* points: parallel arrays by slot. */
#include "index/points.h"

#include "runtime/assert.h"
#include "runtime/poison.h"

static_assert(sizeof(struct point) == 16, "a record has no padding");

void points_init(struct points *points, enum index_metric metric, uint32_t dimension) {
    metric_init(&points->metric, metric, dimension);
    slots_init(&points->records, sizeof(struct point));
    slots_init(&points->live, sizeof(uint64_t));
    slots_init(&points->placed, sizeof(uint64_t));
    slots_init(&points->links, sizeof(struct point_links));
    slots_track(&points->records);
    slots_track(&points->live);
    slots_track(&points->placed);
    ids_init(&points->ids);
    atomic_init(&points->n_slots, 0);
    atomic_init(&points->n_live, 0);
}

void points_reset(struct points *points) {
    slots_reset(&points->records);
    slots_reset(&points->live);
    slots_reset(&points->placed);
    slots_reset(&points->links);
    ids_reset(&points->ids);
}

enum status points_grow(struct points *points, uint64_t n) {
    enum status s = slots_grow(&points->records, n);
    if (s == STATUS_OK) s = slots_grow(&points->links, n);
    if (s == STATUS_OK) s = slots_grow(&points->live, (n + 63) / 64);
    if (s == STATUS_OK) s = slots_grow(&points->placed, (n + 63) / 64);
    return s;
}

enum status points_write(struct points *points, uint32_t slot, const struct index_point *point) {
    assert(point->id_size >= 1 && point->id_size <= INDEX_ID_MAX);
    uint32_t cell;
    enum status s = ids_new(&points->ids, point->id, point->id_size, &cell);
    if (s != STATUS_OK) return s;
    slots_touch(&points->records, slot);
    *points_at(points, slot) =
        (struct point){.number = point->number, .id = cell + 1, .id_size = point->id_size};
    return STATUS_OK;
}

void points_forget(struct points *points, uint32_t slot) {
    struct point *point = points_at(points, slot);
    if (!point->id) return;
    slots_touch(&points->records, slot);
    ids_recycle(&points->ids, point->id - 1, point->id_size);
    point->id = 0;
}

/* Turns one bit over; the only writer of these words. */
static void turn_bit(struct slots *words, uint32_t slot, bool on) {
    _Atomic uint64_t *at = slots_at(words, slot / 64);
    uint64_t bit = UINT64_C(1) << (slot % 64);
    uint64_t word = atomic_load_explicit(at, memory_order_relaxed);
    assert(on == !(word & bit));
    slots_touch(words, slot / 64);
    atomic_store_explicit(at, word ^ bit, memory_order_release);
}

void points_set_placed(struct points *points, uint32_t slot, bool placed) {
    turn_bit(&points->placed, slot, placed);
}

void points_set_live(struct points *points, uint32_t slot, bool live) {
    turn_bit(&points->live, slot, live);
    if (live)
        atomic_fetch_add_explicit(&points->n_live, 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&points->n_live, 1, memory_order_relaxed);
}
