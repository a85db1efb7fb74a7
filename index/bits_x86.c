/* bits_x86: products of rows of bits with queries in planes: counts of bits. With BITALG bytes are
 * counted side by side, and summed up by fours; else words are. */
#include "index/kernel_isa.h"

#if defined(__x86_64__)
#include <stdbool.h>
#include <string.h>

#include "index/lanes_x86.h"
#include "runtime/assert.h"
#include "runtime/poison.h"

#define BITALG __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bitalg")))
#define POPCNT __attribute__((target("popcnt")))

BITALG static inline __m128i load_128(const uint8_t *from) {
    return _mm_loadu_si128((const __m128i *)(const void *)from);
}

BITALG static inline __m128i load_64(const uint8_t *from) {
    return _mm_loadl_epi64((const __m128i *)(const void *)from);
}

/* Of bits, in 32-bit words: what the planes weigh where they are set, and how many are. The upper
 * planes have a sum of their own: an addition waits for the one before. */
struct counts {
    __m512i lower, upper, ones;
};

/* A part of rows, `size` bytes of each: 64 of one, or 16 of each of four, which then share the
 * part of a plane; 8 are half of that. */
BITALG static inline __m512i plane_of(const uint8_t *plane, size_t size) {
    if (size == LINE) return _mm512_loadu_si512(plane);
    return _mm512_broadcast_i32x4(size == LANE ? load_128(plane) : load_64(plane));
}

/* Bytes have at most eight bits set: they are summed up by fours, times what their plane weighs. */
BITALG static inline __m512i weigh(__m512i sum, __m512i bits, int weight) {
    return _mm512_dpbusd_epi32(sum, _mm512_popcnt_epi8(bits), _mm512_set1_epi8((char)weight));
}

BITALG static inline struct counts
add_bits(struct counts counts, __m512i bits, const uint8_t *planes, size_t bytes, size_t size) {
    counts.ones = weigh(counts.ones, bits, 1);
#pragma GCC unroll 4
    for (unsigned p = 0; p < KERNEL_PLANES; p++) {
        __m512i both = _mm512_and_si512(bits, plane_of(planes + p * bytes, size));
        __m512i *sum = p < KERNEL_PLANES / 2 ? &counts.lower : &counts.upper;
        *sum = weigh(*sum, both, 1 << p);
    }
    return counts;
}

BITALG static inline struct counts no_counts(void) {
    return (struct counts){_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
}

BITALG static inline __m512i sums_of(struct counts counts) {
    return _mm512_add_epi32(counts.lower, counts.upper);
}

/* The same part of four rows, side by side. */
BITALG static inline __m512i
side_by_side(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d, size_t size) {
    bool whole = size == LANE;
    __m512i all = _mm512_castsi128_si512(whole ? load_128(a) : load_64(a));
    all = _mm512_inserti32x4(all, whole ? load_128(b) : load_64(b), 1);
    all = _mm512_inserti32x4(all, whole ? load_128(c) : load_64(c), 2);
    return _mm512_inserti32x4(all, whole ? load_128(d) : load_64(d), 3);
}

/* Four sums, then four counts of ones, from lanes that are a row each. */
BITALG static inline __m256i totals_of_lanes(struct counts counts) {
    const __m512i order = _mm512_castsi256_si512(_mm256_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13));
    __m512i sums = sums_of(counts);
    __m512i both = _mm512_add_epi32(_mm512_unpacklo_epi32(sums, counts.ones),
                                    _mm512_unpackhi_epi32(sums, counts.ones));
    both = _mm512_add_epi32(both, _mm512_shuffle_epi32(both, _MM_PERM_BADC));
    return _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, both));
}

/* Whole lines of four rows: as totals_of_lanes. */
BITALG static inline __m256i
count_lines(const uint8_t *const *four, const uint8_t *planes, size_t bytes) {
    struct counts of_a = no_counts(), of_b = of_a, of_c = of_a, of_d = of_a;
    for (size_t at = 0; at + LINE <= bytes; at += LINE) {
        of_a = add_bits(of_a, _mm512_loadu_si512(four[0] + at), planes + at, bytes, LINE);
        of_b = add_bits(of_b, _mm512_loadu_si512(four[1] + at), planes + at, bytes, LINE);
        of_c = add_bits(of_c, _mm512_loadu_si512(four[2] + at), planes + at, bytes, LINE);
        of_d = add_bits(of_d, _mm512_loadu_si512(four[3] + at), planes + at, bytes, LINE);
    }
    return _mm256_setr_m128i(totals_512(sums_of(of_a), sums_of(of_b), sums_of(of_c), sums_of(of_d)),
                             totals_512(of_a.ones, of_b.ones, of_c.ones, of_d.ones));
}

/* What is left of them behind whole lines. */
BITALG static inline __m256i
count_rest(const uint8_t *const *four, const uint8_t *planes, size_t bytes) {
    const uint8_t *a = four[0], *b = four[1], *c = four[2], *d = four[3];
    struct counts counts = no_counts();
    size_t at = bytes / LINE * LINE;
    for (; at + LANE <= bytes; at += LANE)
        counts = add_bits(counts, side_by_side(a + at, b + at, c + at, d + at, LANE), planes + at,
                          bytes, LANE);
    if (at < bytes)
        counts = add_bits(counts, side_by_side(a + at, b + at, c + at, d + at, LANE / 2),
                          planes + at, bytes, LANE / 2);
    return totals_of_lanes(counts);
}

static_assert(KERNEL_PLANES == 4, "as many as bits_of_lanes has names for");

/* Rows of one lane, of 65 to 128 dimensions, as long as there are four: the planes stay in
 * registers. Gives how many it took. */
BITALG static size_t bits_of_lanes(const uint8_t *planes,
                                   const uint8_t *const *rows,
                                   size_t n_rows,
                                   uint32_t *sums,
                                   uint32_t *ones) {
    const __m512i p0 = plane_of(planes, LANE), p1 = plane_of(planes + LANE, LANE);
    const __m512i p2 = plane_of(planes + 2 * (size_t)LANE, LANE);
    const __m512i p3 = plane_of(planes + 3 * (size_t)LANE, LANE);
    size_t r = 0;
    for (; r + 4 <= n_rows; r += 4) {
        ask_later(rows, n_rows, r, LANE);
        __m512i bits = side_by_side(rows[r], rows[r + 1], rows[r + 2], rows[r + 3], LANE);
        struct counts counts = no_counts();
        counts.ones = weigh(counts.ones, bits, 1);
        counts.lower = weigh(counts.lower, _mm512_and_si512(bits, p0), 1);
        counts.upper = weigh(counts.upper, _mm512_and_si512(bits, p1), 2);
        counts.lower = weigh(counts.lower, _mm512_and_si512(bits, p2), 4);
        counts.upper = weigh(counts.upper, _mm512_and_si512(bits, p3), 8);
        __m256i totals = totals_of_lanes(counts);
        _mm_storeu_si128((__m128i *)(void *)(sums + r), _mm256_castsi256_si128(totals));
        _mm_storeu_si128((__m128i *)(void *)(ones + r), _mm256_extracti128_si256(totals, 1));
    }
    return r;
}

BITALG void bits_bitalg(const uint8_t *planes,
                        const uint8_t *const *rows,
                        size_t n_rows,
                        size_t n,
                        uint32_t *sums,
                        uint32_t *ones) {
    size_t bytes = n / 8, r = 0;
    if (bytes == LANE) r = bits_of_lanes(planes, rows, n_rows, sums, ones);
    for (; r < n_rows; r += 4) {
        const uint8_t *four[4] = {rows[r], row_at(rows, n_rows, r + 1), row_at(rows, n_rows, r + 2),
                                  row_at(rows, n_rows, r + 3)};
        __m256i totals = _mm256_setzero_si256();
        ask_later(rows, n_rows, r, bytes);
        if (bytes >= LINE) totals = count_lines(four, planes, bytes);
        if (bytes % LINE) totals = _mm256_add_epi32(totals, count_rest(four, planes, bytes));
        __mmask8 some = (__mmask8)((1u << (n_rows - r < 4 ? n_rows - r : 4)) - 1);
        _mm_mask_storeu_epi32(sums + r, some, _mm256_castsi256_si128(totals));
        _mm_mask_storeu_epi32(ones + r, some, _mm256_extracti128_si256(totals, 1));
    }
}

POPCNT void bits_popcnt(const uint8_t *planes,
                        const uint8_t *const *rows,
                        size_t n_rows,
                        size_t n,
                        uint32_t *sums,
                        uint32_t *ones) {
    size_t bytes = n / 8;
    for (size_t r = 0; r < n_rows; r++) {
        uint64_t each[KERNEL_PLANES] = {0}, set = 0, sum = 0;
        for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
            uint64_t row, plane;
            memcpy(&row, rows[r] + at, sizeof row);
            set += (uint64_t)__builtin_popcountll(row);
            for (size_t p = 0; p < KERNEL_PLANES; p++) {
                memcpy(&plane, planes + p * bytes + at, sizeof plane);
                each[p] += (uint64_t)__builtin_popcountll(row & plane);
            }
        }
        for (size_t p = 0; p < KERNEL_PLANES; p++)
            sum += each[p] << p;
        sums[r] = (uint32_t)sum;
        ones[r] = (uint32_t)set;
    }
}

#endif
