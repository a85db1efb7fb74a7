/* codes_x86: distances of codes. With VNNI squares come apart into dot products of bytes; with AVX2
 * differences of bytes are taken without their signs and widened to words: one multiply-add squares
 * and sums two of them. */
#include "index/kernel_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "runtime/poison.h"

enum { LINE = 64, AHEAD_LINES = 4 };

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define VPOPCNT \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")))
#define POPCNT __attribute__((target("popcnt")))
#define AVX2   __attribute__((target("avx2,fma")))

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

/* The walk has asked for the first lines of every row already (walk.c); the others of the next four
 * rows are asked for here. */
static inline void ask_rest(const uint8_t *const *rows, size_t n_rows, size_t n) {
    for (size_t r = 0; r < 4 && r < n_rows; r++)
        for (size_t at = AHEAD_LINES * LINE; at < n; at += LINE)
            _mm_prefetch((const char *)rows[r] + at, _MM_HINT_T0);
}

VNNI static inline void put_totals(__m128i totals, size_t n_rows, float *out) {
    if (n_rows >= 4)
        _mm_storeu_ps(out, _mm_cvtepu32_ps(totals));
    else
        _mm_mask_storeu_ps(out, (__mmask8)((1u << n_rows) - 1), _mm_cvtepu32_ps(totals));
}

/* A row of codes x beside a query q: |q - x|² = q² + x·(x - 128) - 2 (x·(q - 128) + 64 x), in bytes
 * that are summed up by fours: one factor without a sign, one with. Where the sums pass 32 bits so
 * do their differences, and what is left fits (kernel.c). */
struct dots {
    __m512i own, query; /* the terms with x alone, and those with q */
};

VNNI static inline struct dots add_codes(struct dots dots, __m512i query, __m512i codes) {
    const __m512i middle = _mm512_set1_epi8((char)0x80), half = _mm512_set1_epi8(64);
    dots.own = _mm512_dpbusd_epi32(dots.own, codes, _mm512_xor_si512(codes, middle));
    dots.query = _mm512_dpbusd_epi32(dots.query, codes, query);
    dots.query = _mm512_dpbusd_epi32(dots.query, codes, half);
    return dots;
}

VNNI static inline __m512i gap_of_codes(struct dots dots) {
    return _mm512_sub_epi32(dots.own, _mm512_slli_epi32(dots.query, 1));
}

/* q², of which the sums are still without. */
VNNI static inline __m512i square_of(const uint8_t *query, size_t n) {
    __m512i sum = _mm512_setzero_si512(), zero = sum;
    for (size_t at = 0; at < n; at += LINE) {
        __m512i part = _mm512_load_si512(query + at);
        __m512i low = _mm512_unpacklo_epi8(part, zero), high = _mm512_unpackhi_epi8(part, zero);
        sum = _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(sum, low, low), high, high);
    }
    return sum;
}

/* Four rows at a time: they share the query's loads, and their misses overlap. They have names of
 * their own: see kernel_x86.c. */
VNNI void
coarse_vnni(const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    const __m512i middle = _mm512_set1_epi8((char)0x80), square = square_of(query, n);
    for (size_t r = 0; r < n_rows; r += 4) {
        const uint8_t *a = rows[r], *b = row_at(rows, n_rows, r + 1);
        const uint8_t *c = row_at(rows, n_rows, r + 2), *d = row_at(rows, n_rows, r + 3);
        struct dots of_a = {square, _mm512_setzero_si512()}, of_b = of_a, of_c = of_a, of_d = of_a;
        if (n > AHEAD_LINES * LINE && r + 4 < n_rows) ask_rest(rows + r + 4, n_rows - r - 4, n);
        for (size_t at = 0; at < n; at += LINE) {
            __m512i part = _mm512_xor_si512(_mm512_load_si512(query + at), middle);
            of_a = add_codes(of_a, part, _mm512_load_si512(a + at));
            of_b = add_codes(of_b, part, _mm512_load_si512(b + at));
            of_c = add_codes(of_c, part, _mm512_load_si512(c + at));
            of_d = add_codes(of_d, part, _mm512_load_si512(d + at));
        }
        put_totals(totals_512(gap_of_codes(of_a), gap_of_codes(of_b), gap_of_codes(of_c),
                              gap_of_codes(of_d)),
                   n_rows - r, out + r);
    }
}

/* 64 codes t of four bits as bytes. */
VNNI static inline __m512i widened_512(const uint8_t *row) {
    __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)row);
    const __m256i lower = _mm256_set1_epi8(15);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), lower);
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_and_si256(both, lower)), high, 1);
}

/* |q - (16 t + 8)|² = (q - 8)² + 256 t (t + 1) - 32 q t. */
VNNI static inline struct dots add_nibbles(struct dots dots, __m512i query, __m512i codes) {
    __m512i more = _mm512_add_epi8(codes, _mm512_set1_epi8(1));
    dots.own = _mm512_dpbusd_epi32(dots.own, codes, more);
    dots.query = _mm512_dpbusd_epi32(dots.query, query, codes);
    return dots;
}

VNNI static inline __m512i gap_of_nibbles(struct dots dots, __m512i square) {
    __m512i gap =
        _mm512_sub_epi32(_mm512_slli_epi32(dots.own, 8), _mm512_slli_epi32(dots.query, 5));
    return _mm512_add_epi32(square, gap);
}

/* (q - 8)² */
VNNI static inline __m512i moved_square_of(const uint8_t *query, size_t n) {
    __m512i sum = _mm512_setzero_si512(), zero = sum, eight = _mm512_set1_epi16(8);
    for (size_t at = 0; at < n; at += LINE) {
        __m512i part = _mm512_load_si512(query + at);
        __m512i low = _mm512_sub_epi16(_mm512_unpacklo_epi8(part, zero), eight);
        __m512i high = _mm512_sub_epi16(_mm512_unpackhi_epi8(part, zero), eight);
        sum = _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(sum, low, low), high, high);
    }
    return sum;
}

VNNI void nibbles_vnni(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    const __m512i square = moved_square_of(query, n);
    for (size_t r = 0; r < n_rows; r += 4) {
        const uint8_t *a = rows[r], *b = row_at(rows, n_rows, r + 1);
        const uint8_t *c = row_at(rows, n_rows, r + 2), *d = row_at(rows, n_rows, r + 3);
        struct dots of_a = {_mm512_setzero_si512(), _mm512_setzero_si512()};
        struct dots of_b = of_a, of_c = of_a, of_d = of_a;
        for (size_t at = 0; at < n; at += LINE) {
            __m512i part = _mm512_load_si512(query + at);
            of_a = add_nibbles(of_a, part, widened_512(a + at / 2));
            of_b = add_nibbles(of_b, part, widened_512(b + at / 2));
            of_c = add_nibbles(of_c, part, widened_512(c + at / 2));
            of_d = add_nibbles(of_d, part, widened_512(d + at / 2));
        }
        put_totals(totals_512(gap_of_nibbles(of_a, square), gap_of_nibbles(of_b, square),
                              gap_of_nibbles(of_c, square), gap_of_nibbles(of_d, square)),
                   n_rows - r, out + r);
    }
}

/* The sums of four vectors of 64-bit words. */
VPOPCNT static inline __m256i totals_of_words(__m512i a, __m512i b, __m512i c, __m512i d) {
    __m512i ab = _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    __m512i cd = _mm512_add_epi64(_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
    __m512i four =
        _mm512_add_epi64(_mm512_shuffle_i64x2(ab, cd, 0x44), _mm512_shuffle_i64x2(ab, cd, 0xee));
    return _mm512_castsi512_si256(_mm512_add_epi64(_mm512_shuffle_i64x2(four, four, 0x88),
                                                   _mm512_shuffle_i64x2(four, four, 0xdd)));
}

/* A part of a row against the planes: the sum in the lower halves of the words, the ones above. */
VPOPCNT static inline __m512i
counts_512(__m512i sum, const uint8_t *row, const uint8_t *planes, size_t bytes, __mmask8 some) {
    __m512i bits = _mm512_maskz_loadu_epi64(some, row);
    sum = _mm512_add_epi64(sum, _mm512_slli_epi64(_mm512_popcnt_epi64(bits), 32));
    for (unsigned p = 0; p < KERNEL_PLANES; p++) {
        __m512i plane = _mm512_maskz_loadu_epi64(some, planes + p * bytes);
        __m512i both = _mm512_popcnt_epi64(_mm512_and_si512(bits, plane));
        sum = _mm512_add_epi64(sum, _mm512_slli_epi64(both, p));
    }
    return sum;
}

VPOPCNT void bits_vpopcnt(const uint8_t *planes,
                          const uint8_t *const *rows,
                          size_t n_rows,
                          size_t n,
                          uint32_t *sums,
                          uint32_t *ones) {
    size_t bytes = n / 8;
    for (size_t r = 0; r < n_rows; r += 4) {
        const uint8_t *a = rows[r], *b = row_at(rows, n_rows, r + 1);
        const uint8_t *c = row_at(rows, n_rows, r + 2), *d = row_at(rows, n_rows, r + 3);
        __m512i of_a = _mm512_setzero_si512(), of_b = of_a, of_c = of_a, of_d = of_a;
        for (size_t at = 0; at < bytes; at += LINE) {
            size_t words = (bytes - at) / sizeof(uint64_t);
            __mmask8 some = (__mmask8)(words < 8 ? (1u << words) - 1 : 0xff);
            of_a = counts_512(of_a, a + at, planes + at, bytes, some);
            of_b = counts_512(of_b, b + at, planes + at, bytes, some);
            of_c = counts_512(of_c, c + at, planes + at, bytes, some);
            of_d = counts_512(of_d, d + at, planes + at, bytes, some);
        }
        __m256i totals = totals_of_words(of_a, of_b, of_c, of_d);
        __mmask8 some = (__mmask8)((1u << (n_rows - r < 4 ? n_rows - r : 4)) - 1);
        _mm256_mask_cvtepi64_storeu_epi32(sums + r, some, totals);
        _mm256_mask_cvtepi64_storeu_epi32(ones + r, some, _mm256_srli_epi64(totals, 32));
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

/* Sixteen codes from 32-bit words to the sum of their gaps. */
VNNI static inline __m512 gap_512(__m512 sum, const float *query, __m512i code) {
    __m512 gap = _mm512_sub_ps(_mm512_loadu_ps(query), _mm512_cvtepi32_ps(code));
    return _mm512_fmadd_ps(gap, gap, sum);
}

/* 32 codes of twelve bits in 16-bit words. */
VNNI static inline __m512i whole_512(__m256i coarse, __m256i fine) {
    __m512i upper = _mm512_slli_epi16(_mm512_cvtepu8_epi16(coarse), 4);
    return _mm512_or_si512(upper, _mm512_cvtepu8_epi16(fine));
}

VNNI float fine_vnni(const float *query, const uint8_t *coarse, const uint8_t *fine, size_t n) {
    const __m256i nibble = _mm256_set1_epi8(15);
    __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                     _mm512_setzero_ps()};
    for (size_t at = 0; at < n; at += 64) {
        __m512i codes = _mm512_loadu_si512(coarse + at);
        __m256i last = _mm256_loadu_si256((const __m256i *)(const void *)(fine + at / 2));
        __m512i low = whole_512(_mm512_castsi512_si256(codes), _mm256_and_si256(last, nibble));
        __m512i high = whole_512(_mm512_extracti64x4_epi64(codes, 1),
                                 _mm256_and_si256(_mm256_srli_epi16(last, 4), nibble));
        sum[0] = gap_512(sum[0], query + at, _mm512_cvtepu16_epi32(_mm512_castsi512_si256(low)));
        sum[1] = gap_512(sum[1], query + at + 16,
                         _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(low, 1)));
        sum[2] =
            gap_512(sum[2], query + at + 32, _mm512_cvtepu16_epi32(_mm512_castsi512_si256(high)));
        sum[3] = gap_512(sum[3], query + at + 48,
                         _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(high, 1)));
    }
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

AVX2 static inline __m256i load_256(const uint8_t *from) {
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

AVX2 static inline __m256i square_256(__m256i sum, __m256i a, __m256i b) {
    __m256i gap = _mm256_sub_epi8(_mm256_max_epu8(a, b), _mm256_min_epu8(a, b));
    __m256i low = _mm256_unpacklo_epi8(gap, _mm256_setzero_si256());
    __m256i high = _mm256_unpackhi_epi8(gap, _mm256_setzero_si256());
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(low, low));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(high, high));
}

AVX2 static inline float total_256(__m256i a, __m256i b) {
    __m256i both = _mm256_add_epi32(a, b);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    return (float)(uint32_t)_mm_cvtsi128_si32(four);
}

AVX2 void
coarse_avx2(const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *row = rows[r], *next = rows[r + 1 < n_rows ? r + 1 : r];
        __m256i low_sum = _mm256_setzero_si256(), high_sum = low_sum;
        for (size_t at = 0; at < n; at += LINE) {
            if (at >= AHEAD_LINES * LINE) _mm_prefetch((const char *)next + at, _MM_HINT_T0);
            low_sum = square_256(low_sum, load_256(query + at), load_256(row + at));
            high_sum = square_256(high_sum, load_256(query + at + 32), load_256(row + at + 32));
        }
        out[r] = total_256(low_sum, high_sum);
    }
}

AVX2 void nibbles_avx2(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    const __m256i upper = _mm256_set1_epi8((char)0xf0), middle = _mm256_set1_epi8(8);
    for (size_t r = 0; r < n_rows; r++) {
        __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (size_t at = 0; at < n; at += LINE) {
            __m256i both = load_256(rows[r] + at / 2);
            __m256i low = _mm256_and_si256(_mm256_slli_epi16(both, 4), upper);
            __m256i high = _mm256_and_si256(both, upper);
            sum[0] = square_256(sum[0], load_256(query + at), _mm256_or_si256(low, middle));
            sum[1] = square_256(sum[1], load_256(query + at + 32), _mm256_or_si256(high, middle));
        }
        out[r] = total_256(sum[0], sum[1]);
    }
}

/* Sixteen codes: `fine` has them in the lower four bits of each byte. */
AVX2 static inline void
gaps_256(__m256 *sum, const float *query, const uint8_t *coarse, __m128i fine) {
    __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)coarse));
    __m256i whole = _mm256_or_si256(_mm256_slli_epi16(wide, 4), _mm256_cvtepu8_epi16(fine));
    for (int half = 0; half < 2; half++) {
        __m128i words = half ? _mm256_extracti128_si256(whole, 1) : _mm256_castsi256_si128(whole);
        __m256 gap = _mm256_sub_ps(_mm256_loadu_ps(query + 8 * half),
                                   _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(words)));
        sum[half] = _mm256_fmadd_ps(gap, gap, sum[half]);
    }
}

AVX2 float fine_avx2(const float *query, const uint8_t *coarse, const uint8_t *fine, size_t n) {
    const __m128i nibble = _mm_set1_epi8(15);
    __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t at = 0; at < n; at += 64) {
        for (size_t part = 0; part < 4; part++) {
            const uint8_t *from = fine + at / 2 + part % 2 * 16;
            __m128i last = _mm_loadu_si128((const __m128i *)(const void *)from);
            if (part >= 2) last = _mm_srli_epi16(last, 4);
            gaps_256(sum, query + at + part * 16, coarse + at + part * 16,
                     _mm_and_si128(last, nibble));
        }
    }
    __m256 both = _mm256_add_ps(sum[0], sum[1]);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

/* Sum and difference of two vectors that lie `span` apart. */
VNNI void hadamard_avx512(float *vector, size_t n) {
    if (n < 16) {
        hadamard_scalar(vector, n);
        return;
    }
    const __m512 zero = _mm512_set1_ps(-0.0f);
    for (size_t at = 0; at < n; at += 16) {
        __m512 v = _mm512_loadu_ps(vector + at);
        v = _mm512_add_ps(_mm512_permute_ps(v, 0xb1), _mm512_mask_xor_ps(v, 0xaaaa, v, zero));
        v = _mm512_add_ps(_mm512_permute_ps(v, 0x4e), _mm512_mask_xor_ps(v, 0xcccc, v, zero));
        v = _mm512_add_ps(_mm512_shuffle_f32x4(v, v, 0xb1), _mm512_mask_xor_ps(v, 0xf0f0, v, zero));
        v = _mm512_add_ps(_mm512_shuffle_f32x4(v, v, 0x4e), _mm512_mask_xor_ps(v, 0xff00, v, zero));
        _mm512_storeu_ps(vector + at, v);
    }
    for (size_t span = 16; span < n; span *= 2) {
        for (size_t block = 0; block < n; block += 2 * span) {
            for (float *low = vector + block; low < vector + block + span; low += 16) {
                __m512 a = _mm512_loadu_ps(low), b = _mm512_loadu_ps(low + span);
                _mm512_storeu_ps(low, _mm512_add_ps(a, b));
                _mm512_storeu_ps(low + span, _mm512_sub_ps(a, b));
            }
        }
    }
}

AVX2 static inline __m256 fold_256(__m256 swapped, __m256 v, __m256 signs) {
    return _mm256_add_ps(swapped, _mm256_xor_ps(v, signs));
}

AVX2 void hadamard_avx2(float *vector, size_t n) {
    if (n < 8) {
        hadamard_scalar(vector, n);
        return;
    }
    const __m256 one = _mm256_setr_ps(0, -0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f);
    const __m256 two = _mm256_setr_ps(0, 0, -0.0f, -0.0f, 0, 0, -0.0f, -0.0f);
    const __m256 four = _mm256_setr_ps(0, 0, 0, 0, -0.0f, -0.0f, -0.0f, -0.0f);
    for (size_t at = 0; at < n; at += 8) {
        __m256 v = _mm256_loadu_ps(vector + at);
        v = fold_256(_mm256_permute_ps(v, 0xb1), v, one);
        v = fold_256(_mm256_permute_ps(v, 0x4e), v, two);
        v = fold_256(_mm256_permute2f128_ps(v, v, 1), v, four);
        _mm256_storeu_ps(vector + at, v);
    }
    for (size_t span = 8; span < n; span *= 2) {
        for (size_t block = 0; block < n; block += 2 * span) {
            for (float *low = vector + block; low < vector + block + span; low += 8) {
                __m256 a = _mm256_loadu_ps(low), b = _mm256_loadu_ps(low + span);
                _mm256_storeu_ps(low, _mm256_add_ps(a, b));
                _mm256_storeu_ps(low + span, _mm256_sub_ps(a, b));
            }
        }
    }
}

#endif
