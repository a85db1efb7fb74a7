/* Every kernel this processor can run, beside sums in double. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "index/kernel.h"
#include "runtime/rng.h"

enum { ROWS = 5, FLOATS_MAX = 4096 };

static float *random_floats(struct rng *rng, size_t n) {
    float *floats = aligned_alloc(KERNEL_ALIGN, n * sizeof *floats);
    for (size_t i = 0; i < n; i++)
        floats[i] = (float)rng_normal(rng);
    return floats;
}

static void
check(const struct kernel *kernel, const float *query, const float *const *rows, size_t n) {
    float gaps[ROWS], dots[ROWS];
    kernel->euclidean(query, rows, ROWS, n, gaps);
    kernel->dot(query, rows, ROWS, n, dots);
    for (size_t r = 0; r < ROWS; r++) {
        double gap = 0, dot = 0, size = 0;
        for (size_t i = 0; i < n; i++) {
            gap += ((double)query[i] - rows[r][i]) * ((double)query[i] - rows[r][i]);
            dot += (double)query[i] * rows[r][i];
            size += fabs((double)query[i] * rows[r][i]);
        }
        cr_expect_leq(fabs(gaps[r] - gap), 1e-5 * gap, "%s %zu", kernel->name, n);
        cr_expect_leq(fabs(dots[r] - dot), 1e-5 * size, "%s %zu", kernel->name, n);
    }
}

Test(kernel, every_one_agrees_with_double) {
    struct rng rng;
    rng_init(&rng, 1);
    cr_assert_not_null(kernel_nth(0));
    for (size_t k = 0; kernel_nth(k); k++) {
        for (size_t n = KERNEL_LANES; n <= FLOATS_MAX; n += n < 200 ? KERNEL_LANES : n) {
            const float *rows[ROWS];
            float *query = random_floats(&rng, n), *all = random_floats(&rng, n * ROWS);
            for (size_t r = 0; r < ROWS; r++)
                rows[r] = all + r * n;
            check(kernel_nth(k), query, rows, n);
            free(query);
            free(all);
        }
    }
}

Test(kernel, the_best_is_the_last) {
    size_t n = 0;
    while (kernel_nth(n))
        n++;
    cr_expect_eq(kernel_best(), kernel_nth(n - 1));
}
