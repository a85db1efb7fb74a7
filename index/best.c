/* best: ids are compared only where distances are equal, which is seldom outside of duplicates. */
#include "index/best.h"

#include <string.h>

#include "runtime/memory.h"
#include "runtime/poison.h"

void best_init(struct best *best) {
    *best = (struct best){0};
}

void best_reset(struct best *best) {
    mem_free(best->heap);
    best_init(best);
}

enum status best_begin(struct best *best, size_t k) {
    if (k > best->room) {
        struct result *heap = mem_resize(best->heap, k * sizeof *heap);
        if (!heap) return STATUS_NO_MEMORY;
        best->heap = heap;
        best->room = k;
    }
    best->k = k;
    best->n = 0;
    return STATUS_OK;
}

int result_compare(const struct points *points, struct result a, struct result b) {
    if (a.distance != b.distance) return a.distance < b.distance ? -1 : 1;
    const struct point *left = points_at(points, a.slot), *right = points_at(points, b.slot);
    struct point_id one = points_id(points, left), other = points_id(points, right);
    int order = memcmp(one.data, other.data, one.size < other.size ? one.size : other.size);
    if (order != 0) return order;
    if (one.size != other.size) return one.size < other.size ? -1 : 1;
    /* Two points of one id live side by side while an update removes the older one. */
    return left->number < right->number ? -1 : left->number > right->number;
}

static void sink(struct best *best, const struct points *points, struct result result, size_t n) {
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n) break;
        if (child + 1 < n && result_compare(points, best->heap[child], best->heap[child + 1]) < 0)
            child++;
        if (result_compare(points, best->heap[child], result) <= 0) break;
        best->heap[at] = best->heap[child];
        at = child;
    }
    best->heap[at] = result;
}

void best_offer(struct best *best, const struct points *points, struct result result) {
    if (best->n == best->k) {
        if (result.distance > best->heap[0].distance) return;
        if (result_compare(points, result, best->heap[0]) >= 0) return;
        sink(best, points, result, best->n);
        return;
    }
    size_t at = best->n++;
    while (at > 0 && result_compare(points, best->heap[(at - 1) / 2], result) < 0) {
        best->heap[at] = best->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    best->heap[at] = result;
}

void best_sort(struct best *best, const struct points *points) {
    for (size_t n = best->n; n > 1; n--) {
        struct result worst = best->heap[0], last = best->heap[n - 1];
        sink(best, points, last, n - 1);
        best->heap[n - 1] = worst;
    }
}
