/* coder: what is padded has code 0, in queries too, and adds nothing to a distance. */
#include "index/coder.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "index/half.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

/* Squares of steps and sums of them stay far from the ends of float32. */
static const float bound_min = 1e-15f, bound_max = 1e15f;
/* Of halves a bound is a large number, but not the largest by far: what lies beyond is seldom cut
 * off, and what is small has all its bits down to a 16 millionth of the bound. */
static const float half_span = 1024;

enum status coder_init(struct coder *coder, uint32_t dimension, unsigned bits, uint64_t seed) {
    *coder = (struct coder){
        .dimension = dimension,
        .n = (dimension + KERNEL_CODES - 1) / KERNEL_CODES * KERNEL_CODES,
        .bits = bits,
        .middle = bits == CODER_HALVES ? 0 : (float)((1u << bits) - 1) / 2,
        .span = bits == CODER_HALVES ? half_span : (float)((1u << bits) - 1) / 2,
        .seed = seed,
    };
    coder->centre = mem_zero(dimension, sizeof *coder->centre);
    if (!coder->centre) return STATUS_NO_MEMORY;
    enum status s = rotation_init(&coder->rotation, dimension, seed);
    if (s != STATUS_OK) coder_reset(coder);
    return s;
}

void coder_reset(struct coder *coder) {
    rotation_reset(&coder->rotation);
    mem_free(coder->centre);
    coder->centre = NULL;
}

static void turn(const struct coder *coder, const float *vector, float *out) {
    for (uint32_t i = 0; i < coder->dimension; i++)
        out[i] = vector[i] - coder->centre[i];
    rotation_turn(&coder->rotation, out);
}

float coder_reach(const struct coder *coder, const float *vector, float *scratch) {
    float reach = 0;
    turn(coder, vector, scratch);
    for (uint32_t i = 0; i < coder->dimension; i++) {
        float size = fabsf(scratch[i]);
        if (!(size <= reach)) reach = size; /* also takes a NaN, which no bound can be made of */
    }
    return reach;
}

bool coder_set_bound(struct coder *coder, float bound) {
    if (!(bound >= bound_min && bound <= bound_max)) return false;
    coder->bound = bound;
    coder->step = bound / coder->span;
    return true;
}

/* In units of the code, not cut off. */
static void to_units(const struct coder *coder, const float *vector, float *units) {
    float scale = 1 / coder->step, middle = coder->middle;
    turn(coder, vector, units);
    for (uint32_t i = 0; i < coder->dimension; i++)
        units[i] = units[i] * scale + middle;
    memset(units + coder->dimension, 0, (coder->n - coder->dimension) * sizeof *units);
}

/* How far from the middle the farthest is, 1 at the bound. */
static float farthest_of(const struct coder *coder, const float *units) {
    float middle = coder->middle, farthest = 0;
    for (uint32_t i = 0; i < coder->dimension; i++) {
        float size = fabsf(units[i] - middle);
        farthest = size <= farthest ? farthest : size; /* takes a NaN, and then no other */
    }
    return farthest <= FLT_MAX ? farthest / coder->span : INFINITY;
}

/* What is no number ends at 0. */
static inline uint32_t level_of(float unit, float last) {
    float cut = unit > 0 ? unit : 0;
    cut = cut < last ? cut : last;
    return (uint32_t)(int32_t)(cut + 0.5f);
}

float coder_encode(
    const struct coder *coder, const float *vector, float *units, uint8_t *top, uint8_t *fine) {
    float end = 2 * coder->middle;
    to_units(coder, vector, units);
    for (uint32_t block = 0; block < coder->n; block += KERNEL_CODES) {
        uint8_t last[KERNEL_CODES];
        for (uint32_t i = 0; i < KERNEL_CODES; i++) {
            uint32_t level = level_of(units[block + i], end);
            top[block + i] = (uint8_t)(level >> CODER_FINE_BITS);
            last[i] = level & 15;
        }
        for (uint32_t i = 0; i < KERNEL_CODES / 2; i++)
            fine[block / 2 + i] = (uint8_t)(last[i] | last[i + KERNEL_CODES / 2] << 4);
    }
    return farthest_of(coder, units);
}

float coder_encode_halves(const struct coder *coder,
                          const float *vector,
                          float *units,
                          uint16_t *halves) {
    to_units(coder, vector, units);
    half_write(units, coder->n, halves);
    return farthest_of(coder, units);
}

void coder_query(const struct coder *coder, const float *vector, float *units, uint8_t *codes) {
    uint32_t surplus = coder->bits > 8 ? coder->bits - 8 : 0;
    float end = 2 * coder->middle;
    to_units(coder, vector, units);
    for (uint32_t i = 0; codes && i < coder->n; i++)
        codes[i] = (uint8_t)(level_of(units[i], end) >> surplus);
}

void coder_stretch(const struct coder *coder, const float *units, float scale, uint8_t *codes) {
    uint32_t surplus = coder->bits > 8 ? coder->bits - 8 : 0;
    float end = 2 * coder->middle;
    for (uint32_t i = 0; i < coder->dimension; i++) {
        float unit = (units[i] - coder->middle) * scale + coder->middle;
        codes[i] = (uint8_t)(level_of(unit, end) >> surplus);
    }
    memset(codes + coder->dimension, 0, coder->n - coder->dimension);
}

void coder_coordinates(
    const struct coder *coder, const uint8_t *top, const uint8_t *fine, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) {
        uint32_t last = (uint32_t)fine[i / 64 * 32 + i % 32] >> (i % 64 < 32 ? 0u : 4u) & 15u;
        uint32_t level = (uint32_t)top[i] << CODER_FINE_BITS | last;
        out[i] = ((float)level - coder->middle) * coder->step;
    }
}

void coder_half_coordinates(const struct coder *coder,
                            const uint16_t *halves,
                            size_t n,
                            float *out) {
    half_read(halves, n, out);
    for (size_t i = 0; i < n; i++)
        out[i] *= coder->step;
}

void coder_undo(const struct coder *coder, float *vector) {
    rotation_undo(&coder->rotation, vector);
    for (uint32_t i = 0; i < coder->dimension; i++)
        vector[i] += coder->centre[i];
}

/* A coordinate is off by e, evenly within half a step: |q - x - e|² = |q - x|² - 2 (q - x)·e + e².
 * Of short codes a vector in ten loses what is beyond the bound, too. */
float coder_error(const struct coder *coder, float gap) {
    float n = (float)coder->dimension, lost = coder->bits < 12 ? 0.06f * coder->bound : 0;
    float square = n * coder->step * coder->step / 12 + lost * lost;
    return square + 5 * 2 * sqrtf(gap * square / n);
}
