/* store: a squared L2 of codes serves all metrics. Cosine: half of it, for unit vectors. Dot:
 * q·x = (q² + x² - |q - x|²) / 2, where x² is that of the code, kept behind it, and the centre is
 * 0. */
#include "index/store.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "index/graph.h"
#include "index/prefetch.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

enum {
    ROW = 32,    /* bytes that rows of bits are padded to */
    PART = 1024, /* dimensions spread at a time */
    LINE = 64,
    GLANCE = 256, /* dimensions looked at first, of codes of */
    GLANCE_MIN = 512,
    PAIRS = 64,
    AHEAD_LINES = 24, /* of whole codes, fetched before they are measured … */
    AHEAD_LEAST = 3,  /* … or so many codes */
};

/* Two spreads. */
static const float glance_slack = 1.18f;

/* Units squared, that a query of halves is away at most: times the largest step still a number. */
#define HALF_FAR 1e14f

/* Times the bound: codes that cut off less are near enough. Short codes have a narrow bound. */
static const float too_far[STORE_KINDS] = {0, 1.25f, 1.75f, 1.75f, 60};

static enum status fresh(const struct metric *metric, struct store **out) {
    struct store *store = mem_zero(1, sizeof *store);
    if (!store) return STATUS_NO_MEMORY;
    store->metric = *metric;
    store->kernel = kernel_best();
    atomic_init(&store->n_kept, 0);
    slots_init(&store->kept, sizeof(store_whole_vector));
    *out = store;
    return STATUS_OK;
}

enum status store_new(const struct metric *metric, struct store **out) {
    enum status s = fresh(metric, out);
    if (s != STATUS_OK) return s;
    slots_init(&(*out)->rows, metric->n_floats * sizeof(float));
    slots_init(&(*out)->fine, 0);
    slots_track(&(*out)->rows);
    (*out)->near_bytes = (*out)->rows.stride;
    return STATUS_OK;
}

enum index_storage store_storage(enum store_kind kind) {
    static const enum index_storage storages[STORE_KINDS] = {INDEX_F32, INDEX_SQ8, INDEX_SQ4,
                                                             INDEX_RABITQ, INDEX_F16};
    return storages[kind];
}

unsigned store_bits(enum store_kind kind) {
    static const unsigned bits[STORE_KINDS] = {0, 12, 8, 5, CODER_HALVES};
    return bits[kind];
}

/* Are the last bits of its codes in an array of their own? */
static bool store_is_split(const struct store *store) {
    return store->kind == STORE_SQ8 || store->kind == STORE_SQ4;
}

/* Tops, or halves, and what dot needs behind them. */
static void lay_out(struct store *store, const struct coder *coder) {
    size_t square = store->metric.kind == INDEX_DOT ? LINE : 0, row = coder->n + square;
    store->near_bytes = row;
    if (store->kind == STORE_SQ4) store->near_bytes = row = coder->n / 2 + square / 2;
    if (store->kind == STORE_F16) store->near_bytes = row = 2 * coder->n + square;
    if (store->kind == STORE_RABITQ) {
        store->near_bytes = packed_bit_bytes(coder);
        row = (store->near_bytes + coder->n / 2 + ROW - 1) / ROW * ROW;
    }
    slots_init(&store->rows, row);
    slots_init(&store->fine, store_is_split(store) ? coder->n / 2 : 0);
    slots_track(&store->rows);
    if (store->fine.stride > 0) slots_track(&store->fine);
}

enum status store_new_codes(const struct metric *metric,
                            enum store_kind kind,
                            struct coder *coder,
                            struct store **out) {
    struct store *store;
    enum status s = fresh(metric, &store);
    if (s != STATUS_OK) return s;
    size_t bytes = coder->n * sizeof(float);
    assert(kind != STORE_F32 && coder->bits == store_bits(kind));
    store->kind = kind;
    lay_out(store, coder);
    store->tops = mem_aligned(KERNEL_ALIGN, coder->n);
    store->scratch = mem_aligned(KERNEL_ALIGN, bytes);
    store->stand_in = mem_aligned(KERNEL_ALIGN, bytes);
    if (!store->tops || !store->scratch || !store->stand_in) {
        store_free(store);
        return STATUS_NO_MEMORY;
    }
    store->coder = *coder;
    *coder = (struct coder){0};
    *out = store;
    return STATUS_OK;
}

void store_free(struct store *store) {
    if (!store) return;
    for (uint32_t slot = 0; slot < store->kept_end; slot++)
        store_forget(store, slot);
    slots_reset(&store->kept);
    slots_reset(&store->rows);
    slots_reset(&store->fine);
    coder_reset(&store->coder);
    mem_free(store->tops);
    mem_free(store->scratch);
    mem_free(store->stand_in);
    mem_free(store);
}

enum status store_grow(struct store *store, uint64_t n) {
    enum status s = slots_grow(&store->rows, n);
    if (store->kind == STORE_F32) return s;
    if (s == STATUS_OK && store->fine.stride > 0) s = slots_grow(&store->fine, n);
    return s == STATUS_OK ? slots_grow(&store->kept, n) : s;
}

size_t store_stride(const struct store *store) {
    return store->rows.stride + store->fine.stride;
}

/* Where a code of dot ends in its row; of bits all is in the factors. */
static size_t dot_at(const struct store *store) {
    if (store->kind == STORE_F16) return 2 * (size_t)store->coder.n;
    return store->kind == STORE_SQ4 ? store->coder.n / 2 : store->coder.n;
}

static struct packed_factors row_factors(const struct store *store, const void *row) {
    struct packed_factors factors;
    memcpy(&factors, (const uint8_t *)row + store->coder.n / 8, sizeof factors);
    return factors;
}

static struct store_dot row_dot(const struct store *store, const void *row) {
    struct store_dot dot;
    if (store->kind == STORE_RABITQ) {
        struct packed_factors factors = row_factors(store, row);
        return (struct store_dot){factors.square, factors.whole, 1, -factors.square};
    }
    memcpy(&dot, (const uint8_t *)row + dot_at(store), sizeof dot);
    return dot;
}

static bool is_square(float square) {
    return square >= 0 && square <= FLT_MAX;
}

bool store_row_is_valid(const struct store *store, uint32_t slot) {
    const uint8_t *row = store_row(store, slot);
    if (store->kind == STORE_F32) return true;
    if (store->kind == STORE_RABITQ) {
        struct packed_factors factors = row_factors(store, row);
        return is_square(factors.square) && is_square(factors.factor) && is_square(factors.whole);
    }
    if (store->metric.kind != INDEX_DOT) return true;
    struct store_dot dot = row_dot(store, row);
    return is_square(dot.near_square) && is_square(dot.whole_square) && dot.scale == 1 &&
           dot.shift == -dot.near_square;
}

unsigned store_arrays(struct store *store, struct slots **out) {
    unsigned n = 0;
    out[n++] = &store->rows;
    if (store->fine.stride > 0) out[n++] = &store->fine;
    return n;
}

/* What the near distance of codes counts in: the root of it. */
static float near_unit(const struct store *store) {
    if (store->kind == STORE_RABITQ) return 1;
    return store->kind == STORE_SQ8 ? store->coder.step * (1 << CODER_FINE_BITS)
                                    : store->coder.step;
}

static float square_of(const float *coordinates, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)coordinates[i] * (double)coordinates[i];
    return sum < (double)FLT_MAX ? (float)sum : FLT_MAX;
}

/* What a query's codes and rows' tops count from: a level's middle is half a unit up. */
static const float near_zero = 127.5f;

/* Of the coordinates that a row of tops, or a query, has for near distances, in units. */
static float near_square(const uint8_t *codes, size_t n, unsigned times, unsigned plus) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        float x = (float)(codes[i] * times + plus) - near_zero;
        sum += x * x;
    }
    return sum;
}

/* Of dot. Takes the coordinates that the encoder left away. */
static struct store_dot squares_of(struct store *store, uint32_t slot, const uint8_t *row) {
    const struct coder *coder = &store->coder;
    size_t n = coder->dimension;
    float unit = near_unit(store) * near_unit(store);
    struct store_dot dot = {.scale = 1};
    if (store->kind == STORE_F16)
        coder_half_coordinates(coder, (const uint16_t *)(const void *)row, coder->n,
                               store->scratch);
    else
        coder_coordinates(coder, store->tops, store_fine(store, slot), coder->n, store->scratch);
    dot.near_square = dot.whole_square = square_of(store->scratch, n);
    if (store->kind == STORE_SQ8) dot.near_square = near_square(store->tops, n, 1, 0) * unit;
    if (store->kind == STORE_SQ4) dot.near_square = near_square(store->tops, n, 16, 8) * unit;
    dot.shift = -dot.near_square;
    return dot;
}

/* From the tops and coordinates that the encoder left; of halves, what else there is. */
static void write_row(struct store *store, uint32_t slot, uint8_t *row) {
    const struct coder *coder = &store->coder;
    bool products = store->metric.kind == INDEX_DOT;
    if (store->kind == STORE_RABITQ) {
        struct packed_factors factors = packed_factors(coder, store->scratch);
        packed_bits(store->tops, coder->n, row);
        if (products) factors.whole = squares_of(store, slot, row).whole_square;
        memcpy(row + coder->n / 8, &factors, sizeof factors);
        return;
    }
    if (store->kind == STORE_SQ8) memcpy(row, store->tops, coder->n);
    if (store->kind == STORE_SQ4) packed_nibbles(store->tops, coder->n, row);
    if (!products) return;
    struct store_dot dot = squares_of(store, slot, row);
    memcpy(row + dot_at(store), &dot, sizeof dot);
}

/* Dimensions of a code from `at` on, at most PART: a byte each. */
static const uint8_t *
tops_of(const struct store *store, const uint8_t *row, size_t at, uint8_t *spread) {
    size_t left = store->coder.n - at, n = left < PART ? left : PART;
    if (store->kind == STORE_SQ8) return row + at;
    if (store->kind == STORE_SQ4)
        packed_spread_nibbles(row + at / 2, n, spread);
    else
        packed_spread_bits(row + at / 8, n, spread);
    return spread;
}

/* A zero vector is as far from every other of cosine as one at a right angle; its code would be
 * nearer. One of any direction is as far from nearly all, and each has its own, so that no query
 * meets them together. */
static const float *direction_of(struct store *store, uint32_t slot) {
    uint32_t n = store->metric.n_floats;
    uint64_t dice = rng_mix(store->coder.seed ^ slot);
    memset(store->stand_in, 0, n * sizeof *store->stand_in);
    for (uint32_t i = 0; i < store->metric.dimension; i++) {
        dice = rng_mix(dice);
        store->stand_in[i] = (float)(dice >> 40) / (float)(1 << 23) - 1;
    }
    float square = metric_square(&store->metric, store->stand_in);
    for (uint32_t i = 0; i < n && square > 0; i++)
        store->stand_in[i] /= sqrtf(square);
    return store->stand_in;
}

enum status store_write(struct store *store, uint32_t slot, const float *prepared) {
    uint8_t *row = slots_at(&store->rows, slot);
    slots_touch(&store->rows, slot);
    if (store->kind == STORE_F32) {
        memcpy(row, prepared, store->rows.stride);
        return STATUS_OK;
    }
    if (store->fine.stride > 0) slots_touch(&store->fine, slot);
    bool zero = store->metric.kind == INDEX_COSINE && metric_square(&store->metric, prepared) == 0;
    const float *vector = zero ? direction_of(store, slot) : prepared;
    float farthest =
        store->kind == STORE_F16
            ? coder_encode_halves(&store->coder, vector, store->scratch, (uint16_t *)(void *)row)
            : coder_encode(&store->coder, vector, store->scratch, store->tops,
                           store_fine(store, slot));
    write_row(store, slot, row);
    bool keep = store->keeps_all || zero || farthest > too_far[store->kind];
    return keep ? store_keep(store, slot, prepared) : STATUS_OK;
}

void store_coordinates(const struct store *store, uint32_t slot, float *out) {
    _Alignas(KERNEL_ALIGN) uint8_t spread[PART];
    if (store->kind == STORE_F16) {
        coder_half_coordinates(&store->coder, store_row(store, slot), store->coder.n, out);
        return;
    }
    const uint8_t *row = store_row(store, slot), *fine = store_fine(store, slot);
    for (size_t at = 0; at < store->coder.n; at += PART) {
        size_t left = store->coder.n - at, n = left < PART ? left : PART;
        coder_coordinates(&store->coder, tops_of(store, row, at, spread), fine + at / 2, n,
                          out + at);
    }
}

void store_read(const struct store *store, uint32_t slot, float *out) {
    const void *row = store_row(store, slot);
    if (store->kind == STORE_F32) {
        memcpy(out, row, store->rows.stride);
        return;
    }
    const float *kept = store_kept(store, slot);
    if (kept) {
        memcpy(out, kept, store->metric.n_floats * sizeof *out);
        return;
    }
    store_coordinates(store, slot, out);
    coder_undo(&store->coder, out);
    for (uint32_t i = store->metric.dimension; i < store->metric.n_floats; i++)
        out[i] = 0;
}

/* A query may be farther away than float32 goes. */
static void measure_halves(
    const struct store *store, const void *query, const void *const *rows, size_t n, float *out) {
    store->kernel->halves(query, (const uint16_t *const *)rows, n, store->coder.n, out);
    for (size_t i = 0; i < n; i++)
        out[i] = out[i] < HALF_FAR ? out[i] : HALF_FAR;
}

static float as_number(float value) {
    float low = value > -FLT_MAX ? value : -FLT_MAX;
    return value < FLT_MAX ? low : FLT_MAX; /* also what is none */
}

/* What lies behind a query; a row may be one. */
static struct store_dot query_dot(const struct store *store, const void *query) {
    struct store_dot dot = {.scale = 1};
    if (store->kind == STORE_RABITQ) {
        dot.shift = -((const struct packed_query *)query)->square;
        return dot;
    }
    size_t bytes = store->kind == STORE_F16 ? store->coder.n * sizeof(float) : store->coder.n;
    memcpy(&dot, (const uint8_t *)query + bytes, sizeof dot);
    return dot;
}

static void near_of_dot(
    const struct store *store, const void *query, const void *const *rows, size_t n, float *out) {
    struct store_dot asked = query_dot(store, query);
    float unit = near_unit(store);
    for (size_t i = 0; i < n; i++) {
        float gap = out[i] * (unit * unit) - row_dot(store, rows[i]).near_square;
        out[i] = as_number(gap / asked.scale + asked.shift);
    }
}

void store_near(
    const struct store *store, const void *query, const void *const *rows, size_t n, float *out) {
    if (store->kind == STORE_F32) {
        metric_distances(&store->metric, query, (const float *const *)rows, n, out);
        return;
    }
    const uint8_t *const *codes = (const uint8_t *const *)rows;
    if (store->kind == STORE_SQ8)
        store->kernel->coarse(query, codes, n, store->coder.n, out);
    else if (store->kind == STORE_SQ4)
        store->kernel->nibbles(query, codes, n, store->coder.n, out);
    else if (store->kind == STORE_F16)
        measure_halves(store, query, rows, n, out);
    else
        packed_estimate(&store->coder, store->kernel, query, codes, n, out);
    if (store->metric.kind == INDEX_DOT) near_of_dot(store, query, rows, n, out);
}

float store_near_distance(const struct store *store, float near) {
    if (store->kind == STORE_F32) return near;
    float unit = near_unit(store);
    switch (store->metric.kind) {
    case INDEX_COSINE:
        return near * (unit * unit) / 2;
    case INDEX_DOT:
        return near / 2;
    default:
        return near * (unit * unit);
    }
}

/* Codes of at most eight bits, a part of them after another: nothing is remembered, so that many
 * may build at once. */
static float joined_gap(const struct store *store, uint32_t a, uint32_t b) {
    _Alignas(KERNEL_ALIGN) uint8_t spread[PART], left[PART], right[PART];
    const uint8_t *rows[1] = {right};
    float sum = 0;
    for (size_t at = 0; at < store->coder.n; at += PART) {
        size_t rest = store->coder.n - at, n = rest < PART ? rest : PART;
        float gap;
        packed_join(tops_of(store, store_row(store, a), at, spread), store_fine(store, a) + at / 2,
                    n, left);
        packed_join(tops_of(store, store_row(store, b), at, spread), store_fine(store, b) + at / 2,
                    n, right);
        store->kernel->coarse(left, rows, 1, n, &gap);
        sum += gap;
    }
    return sum;
}

void store_pair(
    const struct store *store, uint32_t slot, const uint32_t *slots, size_t n, float *out) {
    const void *rows[PAIRS];
    bool dot = store->metric.kind == INDEX_DOT;
    float own =
        dot && store_is_coded(store) ? row_dot(store, store_row(store, slot)).whole_square : 0;
    for (size_t at = 0; at < n; at += PAIRS) {
        size_t some = n - at < PAIRS ? n - at : PAIRS;
        for (size_t i = 0; i < some; i++) {
            rows[i] = store_row(store, slots[at + i]);
            __builtin_prefetch(rows[i]);
        }
        if (store->kind == STORE_F32 || store->kind == STORE_SQ8) {
            store_near(store, store_row(store, slot), rows, some, out + at);
            continue;
        }
        float unit = store->coder.step * store->coder.step;
        if (store->kind == STORE_F16)
            store->kernel->half_pairs(store_row(store, slot), (const uint16_t *const *)rows, some,
                                      store->coder.n, out + at);
        for (size_t i = 0; i < some; i++) {
            if (store->kind != STORE_F16) out[at + i] = joined_gap(store, slot, slots[at + i]);
            out[at + i] *= unit;
            if (dot) out[at + i] -= own + row_dot(store, rows[i]).whole_square;
        }
    }
}

/* After the rotation every part of a code is a fair sample of it: of d coordinates, a sum over m is
 * m/d of the whole, with a spread of about √(2/m) (Gao & Long 2023). Three in four of the points a
 * walk meets are seen to be too far from a third of their code, which saves the memory traffic that
 * walks of long codes are bound by. */
void store_near_below(const struct store *store,
                      const void *query,
                      const void *const *rows,
                      size_t n,
                      float limit,
                      float *out) {
    size_t length = store->coder.n;
    if (store->kind != STORE_SQ8 || store->metric.kind == INDEX_DOT || length < GLANCE_MIN ||
        limit == FLT_MAX) {
        store_near(store, query, rows, n, out);
        return;
    }
    const uint8_t *rest[GRAPH_ROW_MAX];
    uint16_t at[GRAPH_ROW_MAX];
    float more[GRAPH_ROW_MAX];
    size_t n_rest = 0;
    assert_hot(n <= GRAPH_ROW_MAX);
    store->kernel->coarse(query, (const uint8_t *const *)rows, n, GLANCE, out);
    float far = limit * ((float)GLANCE / (float)store->metric.dimension) * glance_slack;
    for (size_t i = 0; i < n; i++) {
        if (out[i] > far) {
            out[i] = FLT_MAX;
            continue;
        }
        rest[n_rest] = (const uint8_t *)rows[i] + GLANCE;
        for (size_t line = 0; line < length - GLANCE; line += LINE)
            __builtin_prefetch(rest[n_rest] + line);
        at[n_rest++] = (uint16_t)i;
    }
    store->kernel->coarse((const uint8_t *)query + GLANCE, rest, n_rest, length - GLANCE, more);
    for (size_t i = 0; i < n_rest; i++)
        out[at[i]] += more[i];
}

/* A query of dot may have any length: its codes are stretched until they take all levels. */
static float stretch(const struct store *store, struct probe *probe) {
    const struct coder *coder = &store->coder;
    float far = 0;
    for (uint32_t i = 0; i < coder->dimension; i++) {
        float size = fabsf(probe->units[i] - coder->middle);
        far = size <= far ? far : size;
    }
    float scale = far > 0 && far <= FLT_MAX ? coder->span / far : 1;
    coder_stretch(coder, probe->units, scale, probe->codes);
    return scale;
}

static void probe_dot(const struct store *store, struct probe *probe) {
    const struct coder *coder = &store->coder;
    float unit = near_unit(store);
    struct store_dot dot = {.scale = 1, .shift = -probe->square};
    if (store->kind == STORE_F16) {
        memcpy(probe->units + coder->n, &dot, sizeof dot);
        return;
    }
    dot.scale = stretch(store, probe);
    float square = near_square(probe->codes, coder->dimension, 1, 0) * unit * unit;
    dot.shift = as_number(-square / dot.scale);
    memcpy(probe->codes + coder->n, &dot, sizeof dot);
}

void store_probe(const struct store *store, struct probe *probe) {
    if (store->kind == STORE_F32) {
        probe->near = probe->floats;
        return;
    }
    bool halves = store->kind == STORE_F16;
    coder_query(&store->coder, probe->floats, probe->units, halves ? NULL : probe->codes);
    probe->near = halves ? (const void *)probe->units : probe->codes;
    if (store->kind == STORE_RABITQ) {
        packed_query(&store->coder, probe->units, &probe->bits);
        probe->near = &probe->bits;
    }
    probe->square = metric_square(&store->metric, probe->floats);
    probe->slack = 0;
    if (store->metric.kind == INDEX_DOT && store->kind != STORE_RABITQ) probe_dot(store, probe);
}

/* Squared L2 of a query and a whole code. */
static float fine_gap(const struct store *store, const float *units, uint32_t slot) {
    _Alignas(KERNEL_ALIGN) uint8_t spread[PART];
    const struct coder *coder = &store->coder;
    float sum = 0;
    if (store->kind == STORE_F16) {
        const uint16_t *halves = store_row(store, slot);
        store->kernel->halves(units, &halves, 1, coder->n, &sum);
        return sum * coder->step * coder->step;
    }
    const uint8_t *row = store_row(store, slot), *fine = store_fine(store, slot);
    if (store->kind == STORE_SQ8)
        return store->kernel->fine(units, row, fine, coder->n) * coder->step * coder->step;
    for (size_t at = 0; at < coder->n; at += PART) {
        size_t left = coder->n - at, n = left < PART ? left : PART;
        sum += store->kernel->fine(units + at, tops_of(store, row, at, spread), fine + at / 2, n);
    }
    return sum * coder->step * coder->step;
}

/* A few codes ahead: each is some dozen lines, from anywhere. */
__attribute__((always_inline)) static inline void prefetch_code(const struct store *store,
                                                                uint32_t slot) {
    prefetch_bytes(store_row(store, slot), store->rows.stride);
    if (store->fine.stride > 0) prefetch_bytes(slots_at(&store->fine, slot), store->fine.stride);
}

/* The whole distance of a code that lies so far from the probe, squared. */
__attribute__((always_inline)) static inline float
gap_distance(const struct store *store, const struct probe *probe, uint32_t slot, float gap) {
    switch (store->metric.kind) {
    case INDEX_EUCLIDEAN:
        break;
    case INDEX_COSINE:
        gap = probe->square == 0 ? 1 : gap / 2; /* zero vectors are kept whole */
        break;
    case INDEX_DOT:
        gap =
            gap / 2 - (probe->square / 2 + row_dot(store, store_row(store, slot)).whole_square / 2);
        break;
    }
    return gap < FLT_MAX ? gap : FLT_MAX;
}

/* What the rounding of a code is multiplied with: of products the query alone. */
static float gap_at(const struct store *store, const float *query, float distance) {
    if (store->metric.kind == INDEX_EUCLIDEAN) return distance;
    if (store->metric.kind == INDEX_COSINE) return 2 * distance;
    return metric_square(&store->metric, query);
}

float store_error(const struct store *store, const float *query, float distance) {
    if (store->kind == STORE_F32) return 0;
    float gap = gap_at(store, query, distance);
    float error = coder_error(&store->coder, gap > 0 ? gap : 0);
    if (store->metric.kind != INDEX_EUCLIDEAN) error /= 2;
    return error < FLT_MAX ? error : FLT_MAX;
}

static float whole_code(const struct store *store, const struct probe *probe, uint32_t slot) {
    const float *kept = store_kept(store, slot);
    if (kept) return metric_distance(&store->metric, probe->floats, kept);
    return gap_distance(store, probe, slot, fine_gap(store, probe->units, slot));
}

void store_probe_coordinates(const struct store *store, const struct probe *probe, float *out) {
    const struct coder *coder = &store->coder;
    for (uint32_t i = 0; i < coder->n; i++)
        out[i] = (probe->units[i] - coder->middle) * coder->step;
}

void store_whole_spread(const struct store *store,
                        const struct probe *probe,
                        const struct store_spread *spread,
                        float *out) {
    store->kernel->euclidean(spread->query, spread->rows, spread->n, store->coder.n, out);
    for (size_t i = 0; i < spread->n; i++) {
        const float *kept = store_kept(store, spread->slots[i]);
        out[i] = kept ? metric_distance(&store->metric, probe->floats, kept)
                      : gap_distance(store, probe, spread->slots[i], out[i]);
    }
}

void store_whole(const struct store *store,
                 const struct probe *probe,
                 const uint32_t *slots,
                 size_t n,
                 float *out) {
    assert(n <= STORE_BATCH);
    if (store->kind == STORE_F32) {
        const void *rows[STORE_BATCH];
        for (size_t i = 0; i < n; i++)
            rows[i] = store_row(store, slots[i]);
        store_near(store, probe->near, rows, n, out);
        return;
    }
    size_t ahead = AHEAD_LINES * LINE / store_stride(store);
    if (ahead < AHEAD_LEAST) ahead = AHEAD_LEAST;
    for (size_t i = 0; i < n && i < ahead; i++)
        prefetch_code(store, slots[i]);
    for (size_t i = 0; i < n; i++) {
        if (i + ahead < n) prefetch_code(store, slots[i + ahead]);
        out[i] = whole_code(store, probe, slots[i]);
    }
}
