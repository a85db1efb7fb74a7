/* best: the k best results so far, of an exact scan: by distance, then by id, as hits are ordered.
 * A binary heap with the worst on top. One thread. */
#ifndef INDEX_BEST_H
#define INDEX_BEST_H

#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/points.h"

struct result {
    float distance;
    uint32_t slot;
};

struct best {
    struct result *heap; /* owned */
    size_t room;
    size_t k;
    size_t n;
};

void best_init(struct best *best);
void best_reset(struct best *best);
MUST_USE enum status best_begin(struct best *best, size_t k);
void best_offer(struct best *best, const struct points *points, struct result result);
/* What is above it is not wanted; FLT_MAX while there is room. */
static inline float best_limit(const struct best *best) {
    return best->n == best->k ? best->heap[0].distance : FLT_MAX;
}
/* Sorts the results, best first; nothing can be offered after. */
void best_sort(struct best *best, const struct points *points);
/* < 0: a comes before b. The order of all hits. */
int result_compare(const struct points *points, struct result a, struct result b);

#endif
