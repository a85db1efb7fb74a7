/* kernel_x86: AVX-512 and AVX2+FMA. Four sums hide the latency of the multiply-add; every iteration
 * also asks for the same lines of the next row, because rows of a graph search lie anywhere and the
 * hardware prefetcher needs a few misses to understand each of them. Sums have names of their own:
 * gcc keeps an array of them in memory at -O2, and every addition then waits for the last one's
 * store. */
#include "index/kernel_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "runtime/poison.h"

enum { LINE = 16 /* floats of a cache line */ };

#define AVX512 __attribute__((target("avx512f")))
#define AVX2   __attribute__((target("avx2,fma")))

static const float *next_row(const float *const *rows, size_t n_rows, size_t r) {
    return rows[r + 1 < n_rows ? r + 1 : r];
}

AVX512 static inline __m512 gap_512(const float *query, const float *row, __m512 sum) {
    __m512 gap = _mm512_sub_ps(_mm512_load_ps(query), _mm512_load_ps(row));
    return _mm512_fmadd_ps(gap, gap, sum);
}

AVX512 static inline __m512 product_512(const float *query, const float *row, __m512 sum) {
    return _mm512_fmadd_ps(_mm512_load_ps(query), _mm512_load_ps(row), sum);
}

AVX512 static inline float total_512(__m512 a, __m512 b, __m512 c, __m512 d) {
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
}

/* Four lines of the next row. */
static inline void ask_512(const float *next) {
    _mm_prefetch((const char *)next, _MM_HINT_T0);
    _mm_prefetch((const char *)(next + LINE), _MM_HINT_T0);
    _mm_prefetch((const char *)(next + 2 * LINE), _MM_HINT_T0);
    _mm_prefetch((const char *)(next + 3 * LINE), _MM_HINT_T0);
}

AVX512 void euclidean_avx512(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *q = query, *row = rows[r], *next = next_row(rows, n_rows, r);
        const float *end = row + n_floats, *end_of_fours = row + n_floats / (4 * LINE) * 4 * LINE;
        __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
        for (; row < end_of_fours; row += 4 * LINE, q += 4 * LINE, next += 4 * LINE) {
            ask_512(next);
            a = gap_512(q, row, a);
            b = gap_512(q + LINE, row + LINE, b);
            c = gap_512(q + 2 * LINE, row + 2 * LINE, c);
            d = gap_512(q + 3 * LINE, row + 3 * LINE, d);
        }
        for (; row < end; row += LINE, q += LINE)
            a = gap_512(q, row, a);
        out[r] = total_512(a, b, c, d);
    }
}

AVX512 void dot_avx512(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *q = query, *row = rows[r], *next = next_row(rows, n_rows, r);
        const float *end = row + n_floats, *end_of_fours = row + n_floats / (4 * LINE) * 4 * LINE;
        __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
        for (; row < end_of_fours; row += 4 * LINE, q += 4 * LINE, next += 4 * LINE) {
            ask_512(next);
            a = product_512(q, row, a);
            b = product_512(q + LINE, row + LINE, b);
            c = product_512(q + 2 * LINE, row + 2 * LINE, c);
            d = product_512(q + 3 * LINE, row + 3 * LINE, d);
        }
        for (; row < end; row += LINE, q += LINE)
            a = product_512(q, row, a);
        out[r] = total_512(a, b, c, d);
    }
}

AVX2 static inline float total_256(__m256 a, __m256 b, __m256 c, __m256 d) {
    __m256 all = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

AVX2 static inline __m256 gap_256(const float *query, const float *row, __m256 sum) {
    __m256 gap = _mm256_sub_ps(_mm256_load_ps(query), _mm256_load_ps(row));
    return _mm256_fmadd_ps(gap, gap, sum);
}

AVX2 static inline __m256 product_256(const float *query, const float *row, __m256 sum) {
    return _mm256_fmadd_ps(_mm256_load_ps(query), _mm256_load_ps(row), sum);
}

/* Two lines of the next row. */
static inline void ask_256(const float *next) {
    _mm_prefetch((const char *)next, _MM_HINT_T0);
    _mm_prefetch((const char *)(next + LINE), _MM_HINT_T0);
}

AVX2 void euclidean_avx2(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *q = query, *row = rows[r], *next = next_row(rows, n_rows, r);
        const float *end = row + n_floats, *end_of_twos = row + n_floats / (2 * LINE) * 2 * LINE;
        __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
        for (; row < end_of_twos; row += 2 * LINE, q += 2 * LINE, next += 2 * LINE) {
            ask_256(next);
            a = gap_256(q, row, a);
            b = gap_256(q + 8, row + 8, b);
            c = gap_256(q + 16, row + 16, c);
            d = gap_256(q + 24, row + 24, d);
        }
        for (; row < end; row += LINE, q += LINE) {
            a = gap_256(q, row, a);
            b = gap_256(q + 8, row + 8, b);
        }
        out[r] = total_256(a, b, c, d);
    }
}

AVX2 void
dot_avx2(const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *q = query, *row = rows[r], *next = next_row(rows, n_rows, r);
        const float *end = row + n_floats, *end_of_twos = row + n_floats / (2 * LINE) * 2 * LINE;
        __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
        for (; row < end_of_twos; row += 2 * LINE, q += 2 * LINE, next += 2 * LINE) {
            ask_256(next);
            a = product_256(q, row, a);
            b = product_256(q + 8, row + 8, b);
            c = product_256(q + 16, row + 16, c);
            d = product_256(q + 24, row + 24, d);
        }
        for (; row < end; row += LINE, q += LINE) {
            a = product_256(q, row, a);
            b = product_256(q + 8, row + 8, b);
        }
        out[r] = total_256(a, b, c, d);
    }
}

#endif
