/* kernel: the portable loops and the choice. The scalar loops keep one partial sum a lane, which
 * compilers turn into the baseline vectors of the platform and which loses less than one long sum.
 */
#include "index/kernel.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "index/half.h"
#include "index/kernel_isa.h"
#include "runtime/poison.h"

static float sum_lanes(const float *lanes) {
    float sum[4] = {0};
    for (size_t i = 0; i < KERNEL_LANES; i++)
        sum[i & 3] += lanes[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

void euclidean_scalar(
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

void dot_scalar(
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

void coarse_scalar(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        uint32_t sum = 0; /* of the longest vectors it just fits */
        for (size_t i = 0; i < n; i++) {
            int32_t gap = query[i] - rows[r][i];
            sum += (uint32_t)(gap * gap);
        }
        out[r] = (float)sum;
    }
}

void nibbles_scalar(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        uint32_t sum = 0;
        for (size_t i = 0; i < n; i++) {
            unsigned code =
                (unsigned)rows[r][i / 64 * 32 + i % 32] >> (i % 64 < 32 ? 0u : 4u) & 15u;
            int32_t gap = query[i] - (int32_t)(code << 4 | 8);
            sum += (uint32_t)(gap * gap);
        }
        out[r] = (float)sum;
    }
}

void bits_scalar(const uint8_t *planes,
                 const uint8_t *const *rows,
                 size_t n_rows,
                 size_t n,
                 uint32_t *sums,
                 uint32_t *ones) {
    size_t bytes = n / 8;
    for (size_t r = 0; r < n_rows; r++) {
        uint32_t sum = 0, set = 0;
        for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
            uint64_t row, plane;
            memcpy(&row, rows[r] + at, sizeof row);
            set += (uint32_t)__builtin_popcountll(row);
            for (size_t p = 0; p < KERNEL_PLANES; p++) {
                memcpy(&plane, planes + p * bytes + at, sizeof plane);
                sum += (uint32_t)__builtin_popcountll(row & plane) << p;
            }
        }
        sums[r] = sum;
        ones[r] = set;
    }
}

float fine_scalar(const float *query, const uint8_t *coarse, const uint8_t *fine, size_t n) {
    float lanes[KERNEL_LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        unsigned last = (unsigned)fine[i / 64 * 32 + i % 32] >> (i % 64 < 32 ? 0u : 4u) & 15u;
        unsigned whole = (unsigned)coarse[i] << 4 | last;
        float gap = query[i] - (float)whole;
        lanes[i % KERNEL_LANES] += gap * gap;
    }
    return sum_lanes(lanes);
}

void halves_scalar(
    const float *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        float lanes[KERNEL_LANES] = {0}, row[KERNEL_LANES];
        for (size_t i = 0; i < n; i += KERNEL_LANES) {
            half_read(rows[r] + i, KERNEL_LANES, row);
            for (size_t j = 0; j < KERNEL_LANES; j++) {
                float gap = query[i + j] - row[j];
                lanes[j] += gap * gap;
            }
        }
        out[r] = sum_lanes(lanes);
    }
}

void half_pairs_scalar(
    const uint16_t *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        float lanes[KERNEL_LANES] = {0}, one[KERNEL_LANES], other[KERNEL_LANES];
        for (size_t i = 0; i < n; i += KERNEL_LANES) {
            half_read(query + i, KERNEL_LANES, one);
            half_read(rows[r] + i, KERNEL_LANES, other);
            for (size_t j = 0; j < KERNEL_LANES; j++) {
                float gap = one[j] - other[j];
                lanes[j] += gap * gap;
            }
        }
        out[r] = sum_lanes(lanes);
    }
}

void hadamard_scalar(float *vector, size_t n) {
    for (size_t span = 1; span < n; span *= 2) {
        for (size_t block = 0; block < n; block += 2 * span) {
            for (size_t i = block; i < block + span; i++) {
                float a = vector[i], b = vector[i + span];
                vector[i] = a + b;
                vector[i + span] = a - b;
            }
        }
    }
}

static const struct kernel scalar = {
    .name = "scalar",
    .euclidean = euclidean_scalar,
    .dot = dot_scalar,
    .coarse = coarse_scalar,
    .nibbles = nibbles_scalar,
    .bits = bits_scalar,
    .fine = fine_scalar,
    .halves = halves_scalar,
    .half_pairs = half_pairs_scalar,
    .hadamard = hadamard_scalar,
};
#if defined(__x86_64__)
static const struct kernel avx2 = {
    .name = "avx2",
    .euclidean = euclidean_avx2,
    .dot = dot_avx2,
    .coarse = coarse_avx2,
    .nibbles = nibbles_avx2,
    .bits = bits_popcnt,
    .fine = fine_avx2,
    .halves = halves_avx2,
    .half_pairs = half_pairs_avx2,
    .hadamard = hadamard_avx2,
};
static const struct kernel avx512 = {
    .name = "avx512",
    .euclidean = euclidean_avx512,
    .dot = dot_avx512,
    .coarse = coarse_avx2,
    .nibbles = nibbles_avx2,
    .bits = bits_popcnt,
    .fine = fine_avx2,
    .halves = halves_avx512,
    .half_pairs = half_pairs_avx512,
    .hadamard = hadamard_avx2,
};
static const struct kernel vnni = {
    .name = "avx512-vnni",
    .euclidean = euclidean_avx512,
    .dot = dot_avx512,
    .coarse = coarse_vnni,
    .nibbles = nibbles_vnni,
    .bits = bits_popcnt,
    .fine = fine_vnni,
    .halves = halves_avx512,
    .half_pairs = half_pairs_avx512,
    .hadamard = hadamard_avx512,
};
static const struct kernel bitalg = {
    .name = "avx512-bitalg",
    .euclidean = euclidean_avx512,
    .dot = dot_avx512,
    .coarse = coarse_vnni,
    .nibbles = nibbles_vnni,
    .bits = bits_bitalg,
    .fine = fine_vnni,
    .halves = halves_avx512,
    .half_pairs = half_pairs_avx512,
    .hadamard = hadamard_avx512,
};

/* Asked once: a virtual machine stops for the answer, which takes longer than opening an index. */
static bool has_f16c(void) {
    enum { UNKNOWN, NO, YES, BIT = 1 << 29 };
    static atomic_int known = UNKNOWN;
    int now = atomic_load_explicit(&known, memory_order_relaxed);
    if (now == UNKNOWN) {
        unsigned a, b, c = 0, d;
        now = __get_cpuid(1, &a, &b, &c, &d) && (c & BIT) ? YES : NO;
        atomic_store_explicit(&known, now, memory_order_relaxed);
    }
    return now == YES;
}

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("popcnt") && has_f16c();
}

static bool has_vnni(void) {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}
#elif defined(__aarch64__)
static const struct kernel neon = {
    .name = "neon",
    .euclidean = euclidean_neon,
    .dot = dot_neon,
    .coarse = coarse_neon,
    .nibbles = nibbles_neon,
    .bits = bits_neon,
    .fine = fine_neon,
    .halves = halves_neon,
    .half_pairs = half_pairs_neon,
    .hadamard = hadamard_neon,
};
static const struct kernel dotprod = {
    .name = "neon-dotprod",
    .euclidean = euclidean_neon,
    .dot = dot_neon,
    .coarse = coarse_dotprod,
    .nibbles = nibbles_dotprod,
    .bits = bits_neon,
    .fine = fine_neon,
    .halves = halves_neon,
    .half_pairs = half_pairs_neon,
    .hadamard = hadamard_neon,
};
#endif

const struct kernel *kernel_nth(size_t n) {
    const struct kernel *able[5];
    size_t n_able = 0;
    able[n_able++] = &scalar;
#if defined(__x86_64__)
    if (has_avx2()) able[n_able++] = &avx2;
    if (has_avx2() && __builtin_cpu_supports("avx512f")) {
        able[n_able++] = &avx512;
        if (has_vnni()) able[n_able++] = &vnni;
        if (has_vnni() && __builtin_cpu_supports("avx512bitalg")) able[n_able++] = &bitalg;
    }
#elif defined(__aarch64__)
    able[n_able++] = &neon;
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) able[n_able++] = &dotprod;
#endif
    return n < n_able ? able[n] : NULL;
}

const struct kernel *kernel_best(void) {
    const struct kernel *best = &scalar;
    for (size_t n = 0; kernel_nth(n); n++)
        best = kernel_nth(n);
    return best;
}
