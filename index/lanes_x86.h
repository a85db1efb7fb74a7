/* lanes_x86: what kernels of codes on x86 share: four rows at a time, and what a scan asks for. */
#ifndef INDEX_LANES_X86_H
#define INDEX_LANES_X86_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE = 64, LANE = 16, LATER = 16 /* rows */, LATER_LINES = 4 };

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

/* The sums of four vectors side by side. */
VNNI static inline __m128i totals_512(__m512i a, __m512i b, __m512i c, __m512i d) {
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* The last row stands in for those after it. */
static inline const uint8_t *row_at(const uint8_t *const *rows, size_t n_rows, size_t r) {
    return rows[r < n_rows ? r : n_rows - 1];
}

/* In a scan rows follow one another, and the processor fetches ahead by itself, but never into the
 * next page: so they are asked for here, too. */
static inline void ask_later(const uint8_t *const *rows, size_t n_rows, size_t r, size_t bytes) {
    if (r + LATER + 4 > n_rows) return;
    const uint8_t *const *later = rows + r + LATER;
    for (size_t at = 0; at < bytes && at < LATER_LINES * LINE; at += LINE) {
        _mm_prefetch((const char *)later[0] + at, _MM_HINT_T0);
        _mm_prefetch((const char *)later[1] + at, _MM_HINT_T0);
        _mm_prefetch((const char *)later[2] + at, _MM_HINT_T0);
        _mm_prefetch((const char *)later[3] + at, _MM_HINT_T0);
    }
}

#endif
