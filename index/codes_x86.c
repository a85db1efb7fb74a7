/* codes_x86: distances of codes. With VNNI squares come apart into dot products of bytes; with AVX2
 * differences of bytes are taken without their signs and widened to words: one multiply-add squares
 * and sums two of them. */
#include "index/kernel_isa.h"

#if defined(__x86_64__)

#include "index/lanes_x86.h"
#include "runtime/poison.h"

enum { AHEAD_LINES = 4 };

#define AVX2 __attribute__((target("avx2,fma")))

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

/* 128 dimensions of a query in the order of 64 bytes of four-bit codes: those that lie below in
 * their bytes, and above. */
struct split {
    __m512i below, above;
};

VNNI static inline struct split split_query(__m512i first, __m512i second) {
    return (struct split){_mm512_shuffle_i64x2(first, second, 0x44),
                          _mm512_shuffle_i64x2(first, second, 0xee)};
}

/* |q - (16 t + 8)|² = (q - 8)² + 256 t (t + 1) - 32 q t, for codes t of four bits. */
VNNI static inline struct dots add_nibbles(struct dots dots, struct split query, __m512i both) {
    const __m512i lower = _mm512_set1_epi8(15), one = _mm512_set1_epi8(1);
    __m512i below = _mm512_and_si512(both, lower);
    __m512i above = _mm512_and_si512(_mm512_srli_epi16(both, 4), lower);
    dots.own = _mm512_dpbusd_epi32(dots.own, below, _mm512_add_epi8(below, one));
    dots.query = _mm512_dpbusd_epi32(dots.query, query.below, below);
    dots.own = _mm512_dpbusd_epi32(dots.own, above, _mm512_add_epi8(above, one));
    dots.query = _mm512_dpbusd_epi32(dots.query, query.above, above);
    return dots;
}

/* The last 64 dimensions, where they are alone. */
VNNI static inline __m512i last_nibbles(const uint8_t *row) {
    return _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)row));
}

VNNI static inline __m512i gap_of_nibbles(struct dots dots) {
    return _mm512_sub_epi32(_mm512_slli_epi32(dots.own, 3), dots.query); /* of 32 */
}

/* (q - 8)² */
VNNI static inline __m128i moved_square_of(const uint8_t *query, size_t n) {
    __m512i sum = _mm512_setzero_si512(), zero = sum, eight = _mm512_set1_epi16(8);
    for (size_t at = 0; at < n; at += LINE) {
        __m512i part = _mm512_load_si512(query + at);
        __m512i low = _mm512_sub_epi16(_mm512_unpacklo_epi8(part, zero), eight);
        __m512i high = _mm512_sub_epi16(_mm512_unpackhi_epi8(part, zero), eight);
        sum = _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(sum, low, low), high, high);
    }
    return _mm_set1_epi32(_mm512_reduce_add_epi32(sum));
}

VNNI void nibbles_vnni(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out) {
    const __m128i square = moved_square_of(query, n);
    for (size_t r = 0; r < n_rows; r += 4) {
        const uint8_t *a = rows[r], *b = row_at(rows, n_rows, r + 1);
        const uint8_t *c = row_at(rows, n_rows, r + 2), *d = row_at(rows, n_rows, r + 3);
        struct dots of_a = {_mm512_setzero_si512(), _mm512_setzero_si512()};
        struct dots of_b = of_a, of_c = of_a, of_d = of_a;
        size_t at = 0;
        ask_later(rows, n_rows, r, n / 2);
        for (; at + 2 * LINE <= n; at += 2 * LINE) {
            struct split part =
                split_query(_mm512_load_si512(query + at), _mm512_load_si512(query + at + LINE));
            of_a = add_nibbles(of_a, part, _mm512_loadu_si512(a + at / 2));
            of_b = add_nibbles(of_b, part, _mm512_loadu_si512(b + at / 2));
            of_c = add_nibbles(of_c, part, _mm512_loadu_si512(c + at / 2));
            of_d = add_nibbles(of_d, part, _mm512_loadu_si512(d + at / 2));
        }
        if (at < n) {
            struct split part = split_query(_mm512_load_si512(query + at), _mm512_setzero_si512());
            of_a = add_nibbles(of_a, part, last_nibbles(a + at / 2));
            of_b = add_nibbles(of_b, part, last_nibbles(b + at / 2));
            of_c = add_nibbles(of_c, part, last_nibbles(c + at / 2));
            of_d = add_nibbles(of_d, part, last_nibbles(d + at / 2));
        }
        __m128i totals = totals_512(gap_of_nibbles(of_a), gap_of_nibbles(of_b),
                                    gap_of_nibbles(of_c), gap_of_nibbles(of_d));
        put_totals(_mm_add_epi32(_mm_slli_epi32(totals, 5), square), n_rows - r, out + r);
    }
}

/* Sixteen whole codes, times 16, in 32-bit words, to the sum of their gaps. */
VNNI static inline __m512 gap_512(__m512 sum, const float *query, __m512i code) {
    const __m512 level = _mm512_set1_ps(1.0f / 16);
    __m512 gap = _mm512_fmsub_ps(_mm512_cvtepi32_ps(code), level, _mm512_loadu_ps(query));
    return _mm512_fmadd_ps(gap, gap, sum);
}

/* Lane i of a vector has the 16 dimensions from 16 i on; now every fourth of them, by fours, so
 * that what is unpacked from the lanes comes in order. */
VNNI static inline __m512i crossed(__m512i lanes) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, lanes);
}

/* A byte of the upper eight bits above one that has the last four in its upper half is the code
 * times 16. */
VNNI float fine_vnni(const float *query, const uint8_t *coarse, const uint8_t *fine, size_t n) {
    const __m512i upper = _mm512_set1_epi8((char)0xf0), zero = _mm512_setzero_si512();
    __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
    for (size_t at = 0; at < n; at += 64, query += 64) {
        __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)(fine + at / 2));
        __m512i last = _mm512_castsi256_si512(_mm256_slli_epi16(both, 4));
        last = _mm512_and_si512(_mm512_inserti64x4(last, both, 1), upper);
        __m512i tops = crossed(_mm512_loadu_si512(coarse + at));
        last = crossed(last);
        __m512i low = _mm512_unpacklo_epi8(last, tops), high = _mm512_unpackhi_epi8(last, tops);
        a = gap_512(a, query, _mm512_unpacklo_epi16(low, zero));
        b = gap_512(b, query + 16, _mm512_unpackhi_epi16(low, zero));
        c = gap_512(c, query + 32, _mm512_unpacklo_epi16(high, zero));
        d = gap_512(d, query + 48, _mm512_unpackhi_epi16(high, zero));
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
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
