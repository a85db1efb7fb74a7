/* kernel_neon: four-lane fused multiply-add of AArch64, which every such processor has, and the dot
 * products of bytes, which most have. */
#include "index/kernel_isa.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <stdbool.h>

#include "runtime/poison.h"

#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))

static float total(const float32x4_t *sum) {
    return vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
}

static const float *next_row(const float *const *rows, size_t n_rows, size_t r) {
    return rows[r + 1 < n_rows ? r + 1 : r];
}

void euclidean_neon(
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

void dot_neon(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
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

void coarse_neon(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *row = rows[r], *next = rows[r + 1 < n_rows ? r + 1 : r];
        uint32x4_t sum[2] = {vdupq_n_u32(0), vdupq_n_u32(0)};
        for (size_t i = 0; i < n; i += 16) {
            __builtin_prefetch(next + i);
            uint8x16_t gap = vabdq_u8(vld1q_u8(query + i), vld1q_u8(row + i));
            sum[0] = vpadalq_u16(sum[0], vmull_u8(vget_low_u8(gap), vget_low_u8(gap)));
            sum[1] = vpadalq_u16(sum[1], vmull_high_u8(gap, gap));
        }
        out[r] = (float)vaddvq_u32(vaddq_u32(sum[0], sum[1]));
    }
}

/* Sixteen codes of four bits as bytes, in the middle of what each stands for. */
static inline uint8x16_t widened_neon(const uint8_t *row, bool high) {
    uint8x16_t both = vld1q_u8(row);
    uint8x16_t code = high ? vandq_u8(both, vdupq_n_u8(0xf0)) : vshlq_n_u8(both, 4);
    return vorrq_u8(code, vdupq_n_u8(8));
}

void nibbles_neon(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        uint32x4_t sum[2] = {vdupq_n_u32(0), vdupq_n_u32(0)};
        for (size_t i = 0; i < n; i += 16) {
            const uint8_t *row = rows[r] + i / 64 * 32 + i % 32;
            uint8x16_t gap = vabdq_u8(vld1q_u8(query + i), widened_neon(row, i % 64 >= 32));
            sum[0] = vpadalq_u16(sum[0], vmull_u8(vget_low_u8(gap), vget_low_u8(gap)));
            sum[1] = vpadalq_u16(sum[1], vmull_high_u8(gap, gap));
        }
        out[r] = (float)vaddvq_u32(vaddq_u32(sum[0], sum[1]));
    }
}

DOTPROD void coarse_dotprod(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *row = rows[r], *next = rows[r + 1 < n_rows ? r + 1 : r];
        uint32x4_t sum[2] = {vdupq_n_u32(0), vdupq_n_u32(0)};
        for (size_t i = 0; i < n; i += 32) {
            __builtin_prefetch(next + i);
            for (size_t half = 0; half < 2; half++) {
                size_t at = i + 16 * half;
                uint8x16_t gap = vabdq_u8(vld1q_u8(query + at), vld1q_u8(row + at));
                sum[half] = vdotq_u32(sum[half], gap, gap);
            }
        }
        out[r] = (float)vaddvq_u32(vaddq_u32(sum[0], sum[1]));
    }
}

DOTPROD void nibbles_dotprod(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        uint32x4_t sum[2] = {vdupq_n_u32(0), vdupq_n_u32(0)};
        for (size_t i = 0; i < n; i += 16) {
            const uint8_t *row = rows[r] + i / 64 * 32 + i % 32;
            uint8x16_t gap = vabdq_u8(vld1q_u8(query + i), widened_neon(row, i % 64 >= 32));
            sum[i / 16 % 2] = vdotq_u32(sum[i / 16 % 2], gap, gap);
        }
        out[r] = (float)vaddvq_u32(vaddq_u32(sum[0], sum[1]));
    }
}

void bits_neon(const uint8_t *planes,
               const uint8_t *const *rows,
               size_t n_rows,
               size_t n,
               uint32_t *sums,
               uint32_t *ones) {
    size_t bytes = n / 8;
    for (size_t r = 0; r < n_rows; r++) {
        uint32_t sum = 0, set = 0;
        for (size_t at = 0; at < bytes; at += 8) {
            uint8x8_t row = vld1_u8(rows[r] + at);
            set += vaddlv_u8(vcnt_u8(row));
            for (unsigned p = 0; p < KERNEL_PLANES; p++) {
                uint8x8_t both = vand_u8(row, vld1_u8(planes + p * bytes + at));
                sum += (uint32_t)vaddlv_u8(vcnt_u8(both)) << p;
            }
        }
        sums[r] = sum;
        ones[r] = set;
    }
}

/* Sixteen codes: `fine` has them in the lower four bits of each byte. */
static inline void
gaps_neon(float32x4_t *sum, const float *query, const uint8_t *coarse, uint8x16_t fine) {
    uint8x16_t codes = vld1q_u8(coarse);
    uint16x8_t whole[2] = {
        vorrq_u16(vshll_n_u8(vget_low_u8(codes), 4), vmovl_u8(vget_low_u8(fine))),
        vorrq_u16(vshll_n_u8(vget_high_u8(codes), 4), vmovl_u8(vget_high_u8(fine))),
    };
    for (int half = 0; half < 2; half++) {
        uint32x4_t low = vmovl_u16(vget_low_u16(whole[half])), high = vmovl_high_u16(whole[half]);
        float32x4_t a = vsubq_f32(vld1q_f32(query + 8 * half), vcvtq_f32_u32(low));
        float32x4_t b = vsubq_f32(vld1q_f32(query + 8 * half + 4), vcvtq_f32_u32(high));
        sum[2 * half] = vfmaq_f32(sum[2 * half], a, a);
        sum[2 * half + 1] = vfmaq_f32(sum[2 * half + 1], b, b);
    }
}

float fine_neon(const float *query, const uint8_t *coarse, const uint8_t *fine, size_t n) {
    float32x4_t sum[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    for (size_t at = 0; at < n; at += 64) {
        for (size_t part = 0; part < 4; part++) {
            uint8x16_t both = vld1q_u8(fine + at / 2 + part % 2 * 16);
            uint8x16_t last = part < 2 ? vandq_u8(both, vdupq_n_u8(15)) : vshrq_n_u8(both, 4);
            gaps_neon(sum, query + at + part * 16, coarse + at + part * 16, last);
        }
    }
    return total(sum);
}

static inline void
squares_neon(float32x4_t *sum, float32x4_t query_low, float32x4_t query_high, uint16x8_t row) {
    float16x8_t halves = vreinterpretq_f16_u16(row);
    float32x4_t low = vsubq_f32(query_low, vcvt_f32_f16(vget_low_f16(halves)));
    float32x4_t high = vsubq_f32(query_high, vcvt_high_f32_f16(halves));
    sum[0] = vfmaq_f32(sum[0], low, low);
    sum[1] = vfmaq_f32(sum[1], high, high);
}

void halves_neon(
    const float *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint16_t *row = rows[r], *next = rows[r + 1 < n_rows ? r + 1 : r];
        float32x4_t sum[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
        for (size_t i = 0; i < n; i += 16) {
            __builtin_prefetch(next + i);
            for (size_t half = 0; half < 2; half++) {
                const float *from = query + i + 8 * half;
                squares_neon(sum + 2 * half, vld1q_f32(from), vld1q_f32(from + 4),
                             vld1q_u16(row + i + 8 * half));
            }
        }
        out[r] = total(sum);
    }
}

void half_pairs_neon(
    const uint16_t *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint16_t *row = rows[r], *next = rows[r + 1 < n_rows ? r + 1 : r];
        float32x4_t sum[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
        for (size_t i = 0; i < n; i += 16) {
            __builtin_prefetch(next + i);
            for (size_t half = 0; half < 2; half++) {
                float16x8_t from = vreinterpretq_f16_u16(vld1q_u16(query + i + 8 * half));
                squares_neon(sum + 2 * half, vcvt_f32_f16(vget_low_f16(from)),
                             vcvt_high_f32_f16(from), vld1q_u16(row + i + 8 * half));
            }
        }
        out[r] = total(sum);
    }
}

void hadamard_neon(float *vector, size_t n) {
    size_t inner = n < 4 ? n : 4;
    for (size_t at = 0; at < n; at += inner)
        hadamard_scalar(vector + at, inner);
    for (size_t span = 4; span < n; span *= 2) {
        for (size_t block = 0; block < n; block += 2 * span) {
            for (float *low = vector + block; low < vector + block + span; low += 4) {
                float32x4_t a = vld1q_f32(low), b = vld1q_f32(low + span);
                vst1q_f32(low, vaddq_f32(a, b));
                vst1q_f32(low + span, vsubq_f32(a, b));
            }
        }
    }
}

#endif
