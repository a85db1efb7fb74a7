/* packed: rows of codes whose top is less than a byte a dimension: four bits (sq4), or one with
 * what makes an estimate of a distance of it (RaBitQ: Gao & Long 2024).
 *
 *     sq4      n / 2 nibbles                                   fine elsewhere; dot: struct store_dot
 *     rabitq   n / 8 bits | struct packed_factors | n / 2 fine
 *
 * An estimate: x is the coordinates of a vector, b their signs (±1), q those of a query. Then
 * q·x ≈ q·b x²/|x|₁, without bias after a random rotation. The query's coordinates are four bits
 * each, in planes, so that a product with signs is a count of bits. */
#ifndef INDEX_PACKED_H
#define INDEX_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "index/coder.h"
#include "index/kernel.h"

struct packed_factors {
    float square; /* of the coordinates */
    float factor; /* square over the sum of their sizes */
    float whole;  /* dot: of the coordinates of the whole code */
};

/* A query of bits. */
struct packed_query {
    float low, step; /* a coordinate: low + step * its four bits */
    float sum;       /* of the coordinates */
    float square;
    uint8_t *planes; /* owned by the probe; n / 8 bytes each */
};

void packed_nibbles(const uint8_t *top, size_t n, uint8_t *row);
void packed_bits(const uint8_t *top, size_t n, uint8_t *row);
/* Back to a byte a dimension, n of them, a multiple of KERNEL_CODES: from 0 on. */
void packed_spread_nibbles(const uint8_t *row, size_t n, uint8_t *top);
void packed_spread_bits(const uint8_t *row, size_t n, uint8_t *top);
/* Whole codes of at most eight bits, in a byte each. */
void packed_join(const uint8_t *top, const uint8_t *fine, size_t n, uint8_t *out);

/* From coordinates in units of the code; `whole` is 0, the caller's to set. */
struct packed_factors packed_factors(const struct coder *coder, const float *units);
void packed_query(const struct coder *coder, const float *units, struct packed_query *query);
/* Estimates of squared L2. */
void packed_estimate(const struct coder *coder,
                     const struct kernel *kernel,
                     const struct packed_query *query,
                     const uint8_t *const *rows,
                     size_t n_rows,
                     float *out);

static inline size_t packed_bit_bytes(const struct coder *coder) {
    return coder->n / 8 + sizeof(struct packed_factors);
}

#endif
