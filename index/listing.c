/* listing: the numbers of the live points, slot by slot. */
#include "index/points.h"
#include "index/view.h"

#include "runtime/poison.h"

size_t index_numbers(const struct index_view *view, uint32_t *slot, uint64_t *numbers, size_t n) {
    const struct points *points = &view->points;
    uint32_t n_slots = atomic_load_explicit(&points->n_slots, memory_order_acquire);
    size_t found = 0;
    for (; *slot < n_slots && found < n; (*slot)++)
        if (points_live(points, *slot)) numbers[found++] = points_at(points, *slot)->number;
    return found;
}
