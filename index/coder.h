/* coder: vectors as codes of twelve, eight or five bits a dimension, or as halves (half.h).
 *
 *     vector ─ centre ─▶ rotated (rotation.h) ─▶ v = round((x + bound) / step), 0..2^bits - 1
 *     v = 8, 4 or 1 bits | 4        top | fine
 *     halves: v = x / step, 1,024 at the bound, where a step is what they tell apart
 *
 * One scale for all dimensions: after the rotation they look alike, and the bound is the largest
 * coordinate of the sample and some more, so that nothing of it is cut off. Graphs are walked on
 * the top, results measured on all (kernel.h). Constant once it is trained; any
 * thread. */
#ifndef INDEX_CODER_H
#define INDEX_CODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/rotation.h"

enum { CODER_FINE_BITS = 4, CODER_HALVES = 16 /* bits */ };

struct coder {
    uint32_t dimension;
    uint32_t n; /* dimension padded to KERNEL_CODES */
    uint32_t bits;
    float middle; /* of the levels; 0 of halves */
    float span;   /* from it to the bound, in units */
    uint64_t seed;
    float bound;
    float step;
    float *centre; /* owned; dimension */
    struct rotation rotation;
};

/* With its centre at 0 and no bound. NO_MEMORY. */
MUST_USE enum status
coder_init(struct coder *coder, uint32_t dimension, unsigned bits, uint64_t seed);
void coder_reset(struct coder *coder);
/* The largest coordinate of a vector as it will be coded; `scratch`: dimension floats. */
float coder_reach(const struct coder *coder, const float *vector, float *scratch);
/* False: a bound codes cannot be made of, 0 and the ends of float32. */
bool coder_set_bound(struct coder *coder, float bound);

/* Writes the top of each code into a byte of `top` (n) and the rest into n / 2 bytes of `fine`, and
 * leaves the coordinates, in units, in `units` (n floats). Coordinates beyond the bound are cut
 * off; gives how far the farthest was, 1 at the bound. */
float coder_encode(
    const struct coder *coder, const float *vector, float *units, uint8_t *top, uint8_t *fine);
/* The same as halves, n of them. */
float coder_encode_halves(const struct coder *coder,
                          const float *vector,
                          float *units,
                          uint16_t *halves);
/* A query: n codes of eight bits, all there are of shorter ones (NULL: not wanted), and n floats in
 * units of the code. */
void coder_query(const struct coder *coder, const float *vector, float *units, uint8_t *codes);
/* The codes of a query whose coordinates, as coder_query gave them, are taken times `scale`. */
void coder_stretch(const struct coder *coder, const float *units, float scale, uint8_t *codes);
/* The coordinates that `n` codes stand for, a multiple of KERNEL_CODES. */
void coder_coordinates(
    const struct coder *coder, const uint8_t *top, const uint8_t *fine, size_t n, float *out);
/* … and n halves. */
void coder_half_coordinates(const struct coder *coder,
                            const uint16_t *halves,
                            size_t n,
                            float *out);
/* How far the squared distance of a query to a code may be from that to its vector, where neither
 * is beyond the bound: five standard deviations of the rounding, and what it adds. */
float coder_error(const struct coder *coder, float gap);
/* From coordinates to the vector, in place. */
void coder_undo(const struct coder *coder, float *vector);

#endif
