/* kernel: the portable loops and the choice. The scalar loops keep one partial sum a lane, which
 * compilers turn into the baseline vectors of the platform and which loses less than one long sum.
 */
#include "index/kernel.h"

#include <stdbool.h>

#include "index/kernel_isa.h"
#include "runtime/poison.h"

static float sum_lanes(const float *lanes) {
    float sum[4] = {0};
    for (size_t i = 0; i < KERNEL_LANES; i++)
        sum[i & 3] += lanes[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void euclidean_scalar(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *row = rows[r];
        float lanes[KERNEL_LANES] = {0};
        for (size_t i = 0; i < n_floats; i += KERNEL_LANES) {
            for (size_t j = 0; j < KERNEL_LANES; j++) {
                float gap = query[i + j] - row[i + j];
                lanes[j] += gap * gap;
            }
        }
        out[r] = sum_lanes(lanes);
    }
}

static void dot_scalar(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *row = rows[r];
        float lanes[KERNEL_LANES] = {0};
        for (size_t i = 0; i < n_floats; i += KERNEL_LANES) {
            for (size_t j = 0; j < KERNEL_LANES; j++)
                lanes[j] += query[i + j] * row[i + j];
        }
        out[r] = sum_lanes(lanes);
    }
}

static const struct kernel scalar = {"scalar", euclidean_scalar, dot_scalar};

const struct kernel *kernel_nth(size_t n) {
    const struct kernel *able[4];
    size_t n_able = 0;
    able[n_able++] = &scalar;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        able[n_able++] = &kernel_avx2;
    if (__builtin_cpu_supports("avx512f")) able[n_able++] = &kernel_avx512;
#elif defined(__aarch64__)
    able[n_able++] = &kernel_neon;
#endif
    return n < n_able ? able[n] : NULL;
}

const struct kernel *kernel_best(void) {
    const struct kernel *best = &scalar;
    for (size_t n = 0; kernel_nth(n); n++)
        best = kernel_nth(n);
    return best;
}
