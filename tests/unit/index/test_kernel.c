/* Every kernel this processor can run, beside sums in double. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "index/half.h"
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

static uint8_t *random_bytes(struct rng *rng, size_t n) {
    uint8_t *bytes = aligned_alloc(KERNEL_ALIGN, (n + 63) / 64 * 64);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)rng_next(rng);
    return bytes;
}

static void check_bits(const struct kernel *kernel,
                       const uint8_t *planes,
                       const uint8_t *const *rows,
                       size_t n_rows,
                       size_t n) {
    uint32_t sums[ROWS], ones[ROWS];
    const uint8_t *odd[ROWS]; /* any alignment will do */
    for (size_t r = 0; r < n_rows; r++)
        odd[r] = rows[r] + 4;
    kernel->bits(planes, odd, n_rows, n, sums, ones);
    for (size_t r = 0; r < n_rows; r++) {
        uint32_t sum = 0, set = 0;
        for (size_t i = 0; i < n; i++) {
            if (!(odd[r][i / 8] >> i % 8 & 1)) continue;
            set++;
            for (size_t p = 0; p < KERNEL_PLANES; p++)
                sum += (uint32_t)(planes[p * n / 8 + i / 8] >> i % 8 & 1) << p;
        }
        cr_expect_eq(sums[r], sum, "%s %zu", kernel->name, n);
        cr_expect_eq(ones[r], set, "%s %zu", kernel->name, n);
    }
}

/* Whole numbers: the same to the last bit, as far as float32 tells them apart. */
Test(kernel, codes_are_measured_as_the_scalar_one_does) {
    const struct kernel *scalar = kernel_nth(0);
    struct rng rng;
    rng_init(&rng, 2);
    for (size_t n = KERNEL_CODES; n <= FLOATS_MAX; n += n < 1000 ? KERNEL_CODES : n) {
        uint8_t *query = random_bytes(&rng, n), *codes = random_bytes(&rng, n * ROWS);
        uint8_t *fine = random_bytes(&rng, n / 2);
        uint8_t *planes = random_bytes(&rng, KERNEL_PLANES * n / 8);
        float *units = random_floats(&rng, n);
        const uint8_t *rows[ROWS];
        for (size_t i = 0; i < n; i++)
            units[i] = 2000 + 700 * units[i];
        for (size_t r = 0; r < ROWS; r++)
            rows[r] = codes + r * n;
        for (size_t k = 0; kernel_nth(k); k++) {
            const struct kernel *kernel = kernel_nth(k);
            for (size_t n_rows = 0; n_rows <= ROWS; n_rows++) {
                float expected[ROWS] = {0}, got[ROWS] = {0};
                scalar->coarse(query, rows, n_rows, n, expected);
                kernel->coarse(query, rows, n_rows, n, got);
                for (size_t r = 0; r < ROWS; r++)
                    cr_expect_eq(got[r], expected[r], "%s %zu %zu", kernel->name, n, r);
                scalar->nibbles(query, rows, n_rows, n, expected);
                kernel->nibbles(query, rows, n_rows, n, got);
                for (size_t r = 0; r < ROWS; r++)
                    cr_expect_eq(got[r], expected[r], "%s %zu %zu", kernel->name, n, r);
                check_bits(kernel, planes, rows, n_rows, n);
            }
            float expected = scalar->fine(units, codes, fine, n);
            float got = kernel->fine(units, codes, fine, n);
            cr_expect_leq(fabsf(got - expected), 1e-5f * expected, "%s %zu", kernel->name, n);
        }
        free(query);
        free(codes);
        free(fine);
        free(planes);
        free(units);
    }
}

static void
expect_near(const struct kernel *kernel, const float *got, const double *sums, size_t n) {
    for (size_t r = 0; r < ROWS; r++)
        cr_expect_leq(fabs((double)got[r] - sums[r]), 2e-6 * sums[r] + 1e-30, "%s %zu: %g %g",
                      kernel->name, n, (double)got[r], sums[r]);
}

/* Of a query in float32, or of halves, and rows of halves. */
static void check_halves(const struct kernel *kernel,
                         const float *query,
                         const uint16_t *halves,
                         const uint16_t *const *rows,
                         size_t n) {
    double gaps[ROWS] = {0}, pairs[ROWS] = {0};
    float got[ROWS];
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < n; i++) {
            double is = half_float(rows[r][i]), half = half_float(halves[i]);
            gaps[r] += ((double)query[i] - is) * ((double)query[i] - is);
            pairs[r] += (half - is) * (half - is);
        }
    }
    kernel->halves(query, rows, ROWS, n, got);
    expect_near(kernel, got, gaps, n);
    kernel->half_pairs(halves, rows, ROWS, n, got);
    expect_near(kernel, got, pairs, n);
    for (size_t n_rows = 0; n_rows < ROWS; n_rows++) { /* and no more than that is written */
        for (size_t r = 0; r < ROWS; r++)
            got[r] = -1;
        kernel->halves(query, rows, n_rows, n, got);
        for (size_t r = 0; r < ROWS; r++)
            cr_expect_eq(got[r] >= 0, r < n_rows, "%s %zu", kernel->name, n);
    }
}

/* Large ones, small ones and denormal ones. */
Test(kernel, halves_agree_with_double) {
    static const float scales[] = {1, 20000, 1e-3f, 1e-7f};
    struct rng rng;
    rng_init(&rng, 4);
    for (size_t n = KERNEL_CODES; n <= FLOATS_MAX; n += n < 1000 ? KERNEL_CODES : n) {
        for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
            float *query = random_floats(&rng, n), *all = random_floats(&rng, n * ROWS);
            uint16_t *halves = aligned_alloc(KERNEL_ALIGN, n * (ROWS + 1) * sizeof *halves);
            const uint16_t *rows[ROWS];
            for (size_t i = 0; i < n * ROWS; i++)
                all[i] *= scales[s];
            for (size_t i = 0; i < n; i++)
                query[i] *= scales[s];
            half_write(query, n, halves);
            half_write(all, n * ROWS, halves + n);
            for (size_t r = 0; r < ROWS; r++)
                rows[r] = halves + n * (r + 1);
            for (size_t k = 0; kernel_nth(k); k++)
                check_halves(kernel_nth(k), query, halves, rows, n);
            free(query);
            free(all);
            free(halves);
        }
    }
}

/* Each of them and back; and between two of them the nearer one, the even one of two as near. */
Test(kernel, halves_are_rounded_to_the_nearest) {
    for (uint32_t bits = 0; bits < 0x7bff; bits++) {
        float low = half_float((uint16_t)bits), high = half_float((uint16_t)(bits + 1));
        float middle = low + (high - low) / 2;
        float values[] = {low, nextafterf(middle, 0), middle, nextafterf(middle, INFINITY), -low};
        uint16_t out[5], even = (uint16_t)(bits + (bits & 1));
        half_write(values, 5, out);
        cr_assert(out[0] == bits && out[1] == bits && out[2] == even && out[3] == bits + 1,
                  "%04x: %04x %04x %04x %04x", bits, out[0], out[1], out[2], out[3]);
        cr_assert_eq(out[4], bits | 0x8000);
    }
    const float ends[] = {65504, 65519, 1e30f, INFINITY, -INFINITY, NAN};
    const uint16_t expected[] = {0x7bff, 0x7bff, 0x7bff, 0x7bff, 0xfbff, 0};
    uint16_t out[6];
    float back[2];
    half_write(ends, 6, out);
    cr_expect_arr_eq(out, expected, sizeof out);
    half_read((const uint16_t[]){0x7c00, 0x7e00}, 2, back); /* only a broken file has such */
    cr_expect(isinf(back[0]) && isnan(back[1]));
}

/* The farthest codes there are must not overflow. */
Test(kernel, codes_of_the_longest_vectors_fit) {
    enum { LONGEST = 65536 };
    uint8_t *low = aligned_alloc(64, LONGEST), *high = aligned_alloc(64, LONGEST);
    const uint8_t *rows[1] = {high};
    memset(low, 0, LONGEST);
    memset(high, 255, LONGEST);
    for (size_t k = 0; kernel_nth(k); k++) {
        float got;
        kernel_nth(k)->coarse(low, rows, 1, LONGEST, &got);
        cr_expect_eq(got, 255.0f * 255 * LONGEST, "%s", kernel_nth(k)->name);
    }
    free(low);
    free(high);
}

Test(kernel, transforms_of_every_size_agree) {
    struct rng rng;
    rng_init(&rng, 3);
    for (size_t n = 1; n <= 4096; n *= 2) {
        float *vector = random_floats(&rng, n < 16 ? 16 : n);
        for (size_t k = 0; kernel_nth(k); k++) {
            float *expected = malloc((n + 1) * sizeof *expected);
            float *got = malloc((n + 1) * sizeof *got); /* + 1: any alignment will do */
            memcpy(expected + 1, vector, n * sizeof *vector);
            memcpy(got + 1, vector, n * sizeof *vector);
            kernel_nth(0)->hadamard(expected + 1, n);
            kernel_nth(k)->hadamard(got + 1, n);
            for (size_t i = 1; i <= n; i++)
                cr_assert_float_eq(got[i], expected[i], 1e-3, "%s %zu", kernel_nth(k)->name, n);
            free(expected);
            free(got);
        }
        free(vector);
    }
}

Test(kernel, the_best_is_the_last) {
    size_t n = 0;
    while (kernel_nth(n))
        n++;
    cr_expect_eq(kernel_best(), kernel_nth(n - 1));
}
