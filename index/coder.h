/* coder: vectors as codes of twelve bits a dimension.
 *
 *     vector ─ centre ─▶ rotated (rotation.h) ─▶ v = round((x + bound) / step), 0..4095
 *     v = 8 bits | 4        coarse byte | fine nibble
 *
 * One scale for all dimensions: after the rotation they look alike, and the bound is the largest
 * coordinate of the sample and some more, so that nothing of it is cut off. Graphs are walked on
 * the eight bits, results measured on all twelve (kernel.h). Constant once it is trained; any
 * thread. */
#ifndef INDEX_CODER_H
#define INDEX_CODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/rotation.h"

enum { CODER_LEVELS = 4095, CODER_FINE_BITS = 4 };

struct coder {
    uint32_t dimension;
    uint32_t n; /* dimension padded to KERNEL_CODES */
    uint64_t seed;
    float bound;
    float step;
    float *centre; /* owned; dimension */
    struct rotation rotation;
};

/* With its centre at 0 and no bound. NO_MEMORY. */
MUST_USE enum status coder_init(struct coder *coder, uint32_t dimension, uint64_t seed);
void coder_reset(struct coder *coder);
/* The largest coordinate of a vector as it will be coded; `scratch`: dimension floats. */
float coder_reach(const struct coder *coder, const float *vector, float *scratch);
/* False: a bound codes cannot be made of, 0 and the ends of float32. */
bool coder_set_bound(struct coder *coder, float bound);

/* Writes n bytes and n / 2 bytes. Coordinates beyond the bound are cut off; gives how far the
 * farthest was, 1 at the bound. `scratch`: n floats. */
float coder_encode(
    const struct coder *coder, const float *vector, float *scratch, uint8_t *coarse, uint8_t *fine);
/* A query: n eight-bit codes (NULL: not wanted), and n floats in units of the twelve-bit code. */
void coder_query(const struct coder *coder, const float *vector, float *units, uint8_t *coarse);
/* The vector a code stands for; `vector` has room for n floats. */
void coder_decode(const struct coder *coder,
                  const uint8_t *coarse,
                  const uint8_t *fine,
                  float *vector);

#endif
