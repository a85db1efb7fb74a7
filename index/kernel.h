/* kernel: distances from one query to many rows, in the widest arithmetic this processor has.
 *
 * Rows are padded with zeros to a multiple of KERNEL_LANES floats and 64-byte aligned, so the loops
 * have no tails. A batch is one indirect call, and fetches the next row while it computes this one.
 */
#ifndef INDEX_KERNEL_H
#define INDEX_KERNEL_H

#include <stddef.h>

enum { KERNEL_LANES = 16, KERNEL_ALIGN = 64 };

/* out[i] = the measure of query and rows[i]; n_floats is the padded length. */
typedef void (*kernel_function)(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out);

struct kernel {
    const char *name;
    kernel_function euclidean; /* squared L2 */
    kernel_function dot;       /* inner product */
};

/* The best one of this processor. Any thread; static memory. */
const struct kernel *kernel_best(void);
/* The nth one this processor can run, scalar first; NULL after the last. For tests and benches. */
const struct kernel *kernel_nth(size_t n);

#endif
