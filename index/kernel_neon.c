/* kernel_neon: four-lane fused multiply-add of AArch64, which every such processor has. */
#include "index/kernel_isa.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "runtime/poison.h"

static float total(const float32x4_t *sum) {
    return vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
}

static const float *next_row(const float *const *rows, size_t n_rows, size_t r) {
    return rows[r + 1 < n_rows ? r + 1 : r];
}

static void euclidean_neon(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *row = rows[r], *next = next_row(rows, n_rows, r);
        float32x4_t sum[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
        for (size_t i = 0; i < n_floats; i += KERNEL_LANES) {
            __builtin_prefetch(next + i);
            for (size_t j = 0; j < 4; j++) {
                float32x4_t gap =
                    vsubq_f32(vld1q_f32(query + i + j * 4), vld1q_f32(row + i + j * 4));
                sum[j] = vfmaq_f32(sum[j], gap, gap);
            }
        }
        out[r] = total(sum);
    }
}

static void
dot_neon(const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *row = rows[r], *next = next_row(rows, n_rows, r);
        float32x4_t sum[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
        for (size_t i = 0; i < n_floats; i += KERNEL_LANES) {
            __builtin_prefetch(next + i);
            for (size_t j = 0; j < 4; j++)
                sum[j] =
                    vfmaq_f32(sum[j], vld1q_f32(query + i + j * 4), vld1q_f32(row + i + j * 4));
        }
        out[r] = total(sum);
    }
}

const struct kernel kernel_neon = {"neon", euclidean_neon, dot_neon};

#endif
