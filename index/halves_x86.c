/* halves_x86: squared L2 of rows of halves, in float32. What is loaded is half of what float32
 * takes, and one instruction makes sixteen, or eight, floats of it. */
#include "index/kernel_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "runtime/poison.h"

enum { LINE = 32 /* halves of a cache line */, LANES = 16, AHEAD_LINES = 4 };

#define AVX512 __attribute__((target("avx512f")))
#define AVX2   __attribute__((target("avx2,fma,f16c")))

AVX512 static inline __m512 load_512(const uint16_t *from) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from));
}

AVX512 static inline __m512 square_512(__m512 sum, __m512 query, const uint16_t *row) {
    __m512 gap = _mm512_sub_ps(query, load_512(row));
    return _mm512_fmadd_ps(gap, gap, sum);
}

/* The last row stands in for those after it. */
static inline const uint16_t *row_at(const uint16_t *const *rows, size_t n_rows, size_t r) {
    return rows[r < n_rows ? r : n_rows - 1];
}

/* Four rows at a time, as codes_x86.c measures them. */
struct four {
    const uint16_t *a, *b, *c, *d;
    __m512 of_a, of_b, of_c, of_d;
};

AVX512 static inline struct four begin_four(const uint16_t *const *rows, size_t n_rows, size_t n) {
    __m512 zero = _mm512_setzero_ps();
    for (size_t r = 4; r < 8 && r < n_rows; r++)
        for (size_t at = AHEAD_LINES * LINE; at < n; at += LINE)
            _mm_prefetch((const char *)(rows[r] + at), _MM_HINT_T0);
    return (struct four){rows[0],
                         row_at(rows, n_rows, 1),
                         row_at(rows, n_rows, 2),
                         row_at(rows, n_rows, 3),
                         zero,
                         zero,
                         zero,
                         zero};
}

AVX512 static inline struct four add_line(struct four four, __m512 query, size_t at) {
    four.of_a = square_512(four.of_a, query, four.a + at);
    four.of_b = square_512(four.of_b, query, four.b + at);
    four.of_c = square_512(four.of_c, query, four.c + at);
    four.of_d = square_512(four.of_d, query, four.d + at);
    return four;
}

AVX512 static inline void end_four(struct four four, size_t n_rows, float *out) {
    out[0] = _mm512_reduce_add_ps(four.of_a);
    if (n_rows > 1) out[1] = _mm512_reduce_add_ps(four.of_b);
    if (n_rows > 2) out[2] = _mm512_reduce_add_ps(four.of_c);
    if (n_rows > 3) out[3] = _mm512_reduce_add_ps(four.of_d);
}

AVX512 void halves_avx512(
    const float *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r += 4) {
        struct four four = begin_four(rows + r, n_rows - r, n);
        for (size_t at = 0; at < n; at += LANES)
            four = add_line(four, _mm512_loadu_ps(query + at), at);
        end_four(four, n_rows - r, out + r);
    }
}

AVX512 void half_pairs_avx512(
    const uint16_t *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r += 4) {
        struct four four = begin_four(rows + r, n_rows - r, n);
        for (size_t at = 0; at < n; at += LANES)
            four = add_line(four, load_512(query + at), at);
        end_four(four, n_rows - r, out + r);
    }
}

AVX2 static inline __m256 load_256(const uint16_t *from) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
}

AVX2 static inline __m256 square_256(__m256 sum, __m256 query, const uint16_t *row) {
    __m256 gap = _mm256_sub_ps(query, load_256(row));
    return _mm256_fmadd_ps(gap, gap, sum);
}

AVX2 static inline float total_256(__m256 a, __m256 b, __m256 c, __m256 d) {
    __m256 all = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

AVX2 void
halves_avx2(const float *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint16_t *row = rows[r], *next = row_at(rows, n_rows, r + 1);
        __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
        for (size_t at = 0; at < n; at += LINE) {
            _mm_prefetch((const char *)(next + at), _MM_HINT_T0);
            a = square_256(a, _mm256_loadu_ps(query + at), row + at);
            b = square_256(b, _mm256_loadu_ps(query + at + 8), row + at + 8);
            c = square_256(c, _mm256_loadu_ps(query + at + 16), row + at + 16);
            d = square_256(d, _mm256_loadu_ps(query + at + 24), row + at + 24);
        }
        out[r] = total_256(a, b, c, d);
    }
}

AVX2 void half_pairs_avx2(
    const uint16_t *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint16_t *row = rows[r], *next = row_at(rows, n_rows, r + 1);
        __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
        for (size_t at = 0; at < n; at += LINE) {
            _mm_prefetch((const char *)(next + at), _MM_HINT_T0);
            a = square_256(a, load_256(query + at), row + at);
            b = square_256(b, load_256(query + at + 8), row + at + 8);
            c = square_256(c, load_256(query + at + 16), row + at + 16);
            d = square_256(d, load_256(query + at + 24), row + at + 24);
        }
        out[r] = total_256(a, b, c, d);
    }
}

#endif
