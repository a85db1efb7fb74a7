/* kernels: every kernel this processor can run beside the scalar one, at every length a row may
 * have up to 1,024 dimensions. A program of its own: it is built for AArch64 and run by qemu where
 * there is no such processor (test_arm.py). Prints the kernels; 1: one of them is wrong. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/kernel.h"

enum { ROWS = 5, MOST = 1024 };

static uint64_t state = 1;
static const struct kernel *scalar, *kernel;
static int wrong;

static uint32_t draw(void) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 32);
}

static void expect(int fine, const char *what, size_t n) {
    if (fine) return;
    printf("%s: %s of %zu\n", kernel->name, what, n);
    wrong = 1;
}

static int near(float got, float expected, double size) {
    return fabs((double)got - (double)expected) <= 1e-5 * size + 1e-6;
}

struct data {
    _Alignas(64) float query[MOST], floats[ROWS][MOST];
    _Alignas(64) uint16_t halves[ROWS][MOST];
    _Alignas(64) uint8_t codes[ROWS][MOST], wanted[MOST], fine[MOST / 2];
    _Alignas(64) uint8_t planes[KERNEL_PLANES * MOST / 8];
};

static void fill(struct data *data) {
    for (size_t i = 0; i < MOST; i++)
        data->query[i] = (float)(int32_t)draw() / 1e9f;
    for (size_t i = 0; i < ROWS * MOST; i++)
        data->floats[i / MOST][i % MOST] = (float)(int32_t)draw() / 1e9f;
    for (size_t i = 0; i < ROWS * MOST; i++)
        data->codes[i / MOST][i % MOST] = (uint8_t)draw();
    for (size_t i = 0; i < MOST; i++)
        data->wanted[i] = (uint8_t)draw();
    for (size_t i = 0; i < sizeof data->fine; i++)
        data->fine[i] = (uint8_t)draw();
    for (size_t i = 0; i < ROWS * MOST; i++)
        data->halves[i / MOST][i % MOST] = (uint16_t)(draw() & 0xbbff); /* below 1, and denormals */
    for (size_t i = 0; i < sizeof data->planes; i++)
        data->planes[i] = (uint8_t)draw();
}

static void check_floats(const struct data *data, size_t n) {
    const float *rows[ROWS];
    float got[ROWS], expected[ROWS];
    for (size_t r = 0; r < ROWS; r++)
        rows[r] = data->floats[r];
    kernel->euclidean(data->query, rows, ROWS, n, got);
    scalar->euclidean(data->query, rows, ROWS, n, expected);
    for (size_t r = 0; r < ROWS; r++)
        expect(near(got[r], expected[r], (double)expected[r]), "euclidean", n);
    kernel->dot(data->query, rows, ROWS, n, got);
    scalar->dot(data->query, rows, ROWS, n, expected);
    for (size_t r = 0; r < ROWS; r++)
        expect(near(got[r], expected[r], 5 * (double)n), "dot", n);
}

static void check_codes(const struct data *data, size_t n) {
    const uint8_t *rows[ROWS];
    float got[ROWS], expected[ROWS], units[MOST];
    uint32_t sums[2][ROWS], ones[2][ROWS];
    for (size_t r = 0; r < ROWS; r++)
        rows[r] = data->codes[r];
    for (size_t i = 0; i < n; i++)
        units[i] = 2000 + 700 * data->query[i];
    kernel->coarse(data->wanted, rows, ROWS, n, got);
    scalar->coarse(data->wanted, rows, ROWS, n, expected);
    expect(memcmp(got, expected, sizeof got) == 0, "coarse", n);
    kernel->nibbles(data->wanted, rows, ROWS, n, got);
    scalar->nibbles(data->wanted, rows, ROWS, n, expected);
    expect(memcmp(got, expected, sizeof got) == 0, "nibbles", n);
    kernel->bits(data->planes, rows, ROWS, n, sums[0], ones[0]);
    scalar->bits(data->planes, rows, ROWS, n, sums[1], ones[1]);
    expect(memcmp(sums[0], sums[1], sizeof sums[0]) == 0, "bits", n);
    expect(memcmp(ones[0], ones[1], sizeof ones[0]) == 0, "bits", n);
    float a = kernel->fine(units, rows[0], data->fine, n);
    float b = scalar->fine(units, rows[0], data->fine, n);
    expect(near(a, b, (double)b), "fine", n);
}

static void check_halves(const struct data *data, size_t n) {
    const uint16_t *rows[ROWS];
    float got[ROWS], expected[ROWS];
    for (size_t r = 0; r < ROWS; r++)
        rows[r] = data->halves[r];
    kernel->halves(data->query, rows, ROWS, n, got);
    scalar->halves(data->query, rows, ROWS, n, expected);
    for (size_t r = 0; r < ROWS; r++)
        expect(near(got[r], expected[r], (double)expected[r]), "halves", n);
    kernel->half_pairs(data->halves[0], rows, ROWS, n, got);
    scalar->half_pairs(data->halves[0], rows, ROWS, n, expected);
    for (size_t r = 0; r < ROWS; r++)
        expect(near(got[r], expected[r], (double)expected[r]), "half_pairs", n);
}

static void check_transform(const struct data *data, size_t n) {
    float got[MOST], expected[MOST];
    memcpy(got, data->query, n * sizeof *got);
    memcpy(expected, data->query, n * sizeof *got);
    kernel->hadamard(got, n);
    scalar->hadamard(expected, n);
    for (size_t i = 0; i < n; i++)
        expect(near(got[i], expected[i], 100), "hadamard", n);
}

int main(void) {
    static struct data data;
    fill(&data);
    scalar = kernel_nth(0);
    for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
        for (size_t n = KERNEL_LANES; n <= MOST; n += KERNEL_LANES)
            check_floats(&data, n);
        for (size_t n = KERNEL_CODES; n <= MOST; n += KERNEL_CODES)
            check_codes(&data, n);
        for (size_t n = KERNEL_CODES; n <= MOST; n += KERNEL_CODES)
            check_halves(&data, n);
        for (size_t n = 1; n <= MOST; n *= 2)
            check_transform(&data, n);
        printf("%s\n", kernel->name);
    }
    return wrong;
}
