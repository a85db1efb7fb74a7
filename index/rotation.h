/* rotation: turns vectors by a fixed random rotation, so that every coordinate of every data set
 * looks like a draw from one bell curve and one scale of codes fits all of them. Lengths and
 * distances stay.
 *
 * Rounds of random signs and a fast Hadamard transform of the largest power of two that fits, at
 * the front and at the back in turn (Ailon & Chazelle 2006): d log d instead of d². */
#ifndef INDEX_ROTATION_H
#define INDEX_ROTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/kernel.h"
#include "runtime/status.h"

struct rotation {
    uint32_t dimension;
    uint32_t block;  /* power of two, at most dimension */
    uint32_t rounds; /* two when the block is the whole vector, else four */
    float *factors;  /* owned; rounds * dimension: the signs, scaled where a transform follows */
    const struct kernel *kernel;
};

/* NO_MEMORY. */
MUST_USE enum status rotation_init(struct rotation *rotation, uint32_t dimension, uint64_t seed);
void rotation_reset(struct rotation *rotation);
void rotation_turn(const struct rotation *rotation, float *vector);
/* Turns back. */
void rotation_undo(const struct rotation *rotation, float *vector);

#endif
