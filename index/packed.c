/* packed: loops over codes, for the compiler to widen. */
#include "index/packed.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "runtime/poison.h"

enum { HALF = KERNEL_CODES / 2, ESTIMATES = 64 };

void packed_nibbles(const uint8_t *top, size_t n, uint8_t *row) {
    for (size_t block = 0; block < n; block += KERNEL_CODES) {
        for (size_t i = 0; i < HALF; i++)
            row[block / 2 + i] = (uint8_t)(top[block + i] | top[block + HALF + i] << 4);
    }
}

void packed_bits(const uint8_t *top, size_t n, uint8_t *row) {
    for (size_t i = 0; i < n; i += 8) {
        unsigned byte = 0;
        for (size_t j = 0; j < 8; j++)
            byte |= (unsigned)(top[i + j] & 1) << j;
        row[i / 8] = (uint8_t)byte;
    }
}

void packed_spread_nibbles(const uint8_t *row, size_t n, uint8_t *top) {
    for (size_t block = 0; block < n; block += KERNEL_CODES) {
        for (size_t i = 0; i < HALF; i++) {
            top[block + i] = row[block / 2 + i] & 15;
            top[block + HALF + i] = row[block / 2 + i] >> 4;
        }
    }
}

/* Eight at a time: a multiplication copies the byte, a mask keeps one bit of each copy. */
void packed_spread_bits(const uint8_t *row, size_t n, uint8_t *top) {
    for (size_t i = 0; i < n; i += 8) {
        uint64_t copies = row[i / 8] * UINT64_C(0x0101010101010101);
        uint64_t kept = copies & UINT64_C(0x8040201008040201);
        uint64_t ones = (kept + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
        memcpy(top + i, &ones, sizeof ones);
    }
}

void packed_join(const uint8_t *top, const uint8_t *fine, size_t n, uint8_t *out) {
    for (size_t block = 0; block < n; block += KERNEL_CODES) {
        for (size_t i = 0; i < HALF; i++) {
            uint8_t last = fine[block / 2 + i];
            out[block + i] = (uint8_t)(top[block + i] << CODER_FINE_BITS | (last & 15));
            out[block + HALF + i] = (uint8_t)(top[block + HALF + i] << CODER_FINE_BITS | last >> 4);
        }
    }
}

struct packed_factors packed_factors(const struct coder *coder, const float *units) {
    double square = 0, size = 0;
    for (uint32_t i = 0; i < coder->dimension; i++) {
        double x = ((double)units[i] - (double)coder->middle) * (double)coder->step;
        square += x * x;
        size += fabs(x);
    }
    struct packed_factors factors = {.square = FLT_MAX};
    if (square <= (double)FLT_MAX) factors.square = (float)square;
    if (size > 0 && square / size <= (double)FLT_MAX) factors.factor = (float)(square / size);
    return factors;
}

void packed_query(const struct coder *coder, const float *units, struct packed_query *query) {
    const float last = (1 << KERNEL_PLANES) - 1;
    size_t bytes = coder->n / 8;
    float low = FLT_MAX, high = -FLT_MAX;
    double sum = 0, square = 0;
    for (uint32_t i = 0; i < coder->dimension; i++) {
        float x = (units[i] - coder->middle) * coder->step;
        low = x < low ? x : low;
        high = x > high ? x : high;
        sum += (double)x;
        square += (double)x * (double)x;
    }
    memset(query->planes, 0, KERNEL_PLANES * bytes);
    *query = (struct packed_query){.planes = query->planes};
    if (!(square <= (double)FLT_MAX)) { /* too far from everything for one to be nearer */
        query->square = FLT_MAX;
        return;
    }
    query->low = low;
    query->step = (high - low) / last;
    query->sum = (float)sum;
    query->square = (float)square;
    float scale = query->step > 0 ? 1 / query->step : 0;
    for (uint32_t i = 0; i < coder->dimension; i++) {
        float x = (units[i] - coder->middle) * coder->step, level = (x - low) * scale + 0.5f;
        unsigned bits = (unsigned)(int)(level < last ? level : last);
        for (unsigned p = 0; p < KERNEL_PLANES; p++)
            query->planes[p * bytes + i / 8] |= (uint8_t)((bits >> p & 1) << i % 8);
    }
}

void packed_estimate(const struct coder *coder,
                     const struct kernel *kernel,
                     const struct packed_query *query,
                     const uint8_t *const *rows,
                     size_t n_rows,
                     float *out) {
    uint32_t sums[ESTIMATES], ones[ESTIMATES];
    for (size_t at = 0; at < n_rows; at += ESTIMATES) {
        size_t n = n_rows - at < ESTIMATES ? n_rows - at : ESTIMATES;
        kernel->bits(query->planes, rows + at, n, coder->n, sums, ones);
        for (size_t i = 0; i < n; i++) {
            struct packed_factors factors;
            memcpy(&factors, rows[at + i] + coder->n / 8, sizeof factors);
            float set = query->low * (float)ones[i] + query->step * (float)sums[i];
            float product = (2 * set - query->sum) * factors.factor;
            float gap = factors.square + query->square - 2 * product;
            out[at + i] = gap < FLT_MAX ? gap : FLT_MAX;
        }
    }
}
