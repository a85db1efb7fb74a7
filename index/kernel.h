/* kernel: sums over one query and many rows, in the widest arithmetic this processor has.
 *
 * Rows are padded with zeros to a multiple of their lanes and 64-byte aligned, so the loops have no
 * tails. A batch is one indirect call, and fetches the next row while it computes this one.
 *
 * Codes have twelve bits a dimension in two arrays (coder.h): `coarse`, a byte with the upper
 * eight, and `fine`, the last four bits: of a block of 64 dimensions, byte j has dimension j below
 * and dimension 32 + j above. Rows of four bits lie like that, too. Rows of halves (half.h) are
 * padded like codes. Of codes and halves squared L2 is all there is: it serves every metric
 * (store.c). */
#ifndef INDEX_KERNEL_H
#define INDEX_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum {
    KERNEL_LANES = 16, /* floats a row is padded to */
    KERNEL_CODES = 64, /* dimensions a code is padded to */
    KERNEL_ALIGN = 64,
    KERNEL_PLANES = 4, /* bits of a query of bits */
};

/* out[i] = the measure of query and rows[i]; n_floats is the padded length. */
typedef void (*kernel_function)(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out);
/* out[i] = squared L2 of the eight-bit codes; n is the padded dimension. */
typedef void (*kernel_coarse)(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
/* Of bits: ones[i] = how many are set in rows[i], sums[i] = the sum over the KERNEL_PLANES planes
 * of the query, the lowest first and n / 8 bytes each, of 2^plane times the bits set in both. n is
 * a multiple of 64; any alignment. */
typedef void (*kernel_bits)(const uint8_t *planes,
                            const uint8_t *const *rows,
                            size_t n_rows,
                            size_t n,
                            uint32_t *sums,
                            uint32_t *ones);
/* out[i] = squared L2 of float32, or of halves, and rows of halves; n is the padded dimension. */
typedef void (*kernel_halves)(
    const float *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out);
typedef void (*kernel_half_pairs)(
    const uint16_t *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out);
/* Squared L2 of a query in units of the whole code, and one whole code. */
typedef float (*kernel_fine)(const float *query,
                             const uint8_t *coarse,
                             const uint8_t *fine,
                             size_t n);

struct kernel {
    const char *name;
    kernel_function euclidean; /* squared L2 */
    kernel_function dot;       /* inner product */
    kernel_coarse coarse;
    kernel_coarse nibbles; /* the same of four-bit rows: t stands for 16 t + 8 */
    kernel_bits bits;
    kernel_fine fine;
    kernel_halves halves;
    kernel_half_pairs half_pairs;
    /* Walsh-Hadamard transform in place, not scaled; n is a power of two, any alignment. */
    void (*hadamard)(float *vector, size_t n);
};

/* The best one of this processor. Any thread; static memory. */
const struct kernel *kernel_best(void);
/* The nth one this processor can run, scalar first; NULL after the last. For tests and benches. */
const struct kernel *kernel_nth(size_t n);

#endif
