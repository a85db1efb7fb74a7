/* kernel_x86: AVX-512 and AVX2+FMA. Four sums hide the latency of the multiply-add; every iteration
 * also asks for the same lines of the next row, because rows of a graph search lie anywhere and the
 * hardware prefetcher needs a few misses to understand each of them. */
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

AVX512 static inline float total_512(const __m512 *sum) {
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

AVX512 void euclidean_avx512(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *row = rows[r], *next = next_row(rows, n_rows, r);
        __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                         _mm512_setzero_ps()};
        size_t i = 0;
        for (; i + 4 * LINE <= n_floats; i += 4 * LINE) {
            for (size_t j = 0; j < 4; j++) {
                _mm_prefetch((const char *)(next + i + j * LINE), _MM_HINT_T0);
                sum[j] = gap_512(query + i + j * LINE, row + i + j * LINE, sum[j]);
            }
        }
        for (size_t j = 0; i < n_floats; i += LINE, j++)
            sum[j] = gap_512(query + i, row + i, sum[j]);
        out[r] = total_512(sum);
    }
}

AVX512 void dot_avx512(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *row = rows[r], *next = next_row(rows, n_rows, r);
        __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                         _mm512_setzero_ps()};
        size_t i = 0;
        for (; i + 4 * LINE <= n_floats; i += 4 * LINE) {
            for (size_t j = 0; j < 4; j++) {
                _mm_prefetch((const char *)(next + i + j * LINE), _MM_HINT_T0);
                sum[j] = product_512(query + i + j * LINE, row + i + j * LINE, sum[j]);
            }
        }
        for (size_t j = 0; i < n_floats; i += LINE, j++)
            sum[j] = product_512(query + i, row + i, sum[j]);
        out[r] = total_512(sum);
    }
}

AVX2 static inline float total_256(const __m256 *sum) {
    __m256 all = _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
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

AVX2 void euclidean_avx2(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *row = rows[r], *next = next_row(rows, n_rows, r);
        __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                         _mm256_setzero_ps()};
        size_t i = 0;
        for (; i + 2 * LINE <= n_floats; i += 2 * LINE) {
            _mm_prefetch((const char *)(next + i), _MM_HINT_T0);
            _mm_prefetch((const char *)(next + i + LINE), _MM_HINT_T0);
            for (size_t j = 0; j < 4; j++)
                sum[j] = gap_256(query + i + j * 8, row + i + j * 8, sum[j]);
        }
        for (size_t j = 0; i < n_floats; i += 8, j++)
            sum[j] = gap_256(query + i, row + i, sum[j]);
        out[r] = total_256(sum);
    }
}

AVX2 void
dot_avx2(const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const float *row = rows[r], *next = next_row(rows, n_rows, r);
        __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                         _mm256_setzero_ps()};
        size_t i = 0;
        for (; i + 2 * LINE <= n_floats; i += 2 * LINE) {
            _mm_prefetch((const char *)(next + i), _MM_HINT_T0);
            _mm_prefetch((const char *)(next + i + LINE), _MM_HINT_T0);
            for (size_t j = 0; j < 4; j++)
                sum[j] = product_256(query + i + j * 8, row + i + j * 8, sum[j]);
        }
        for (size_t j = 0; i < n_floats; i += 8, j++)
            sum[j] = product_256(query + i, row + i, sum[j]);
        out[r] = total_256(sum);
    }
}

#endif
