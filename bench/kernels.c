/* bench_kernels: every distance kernel this processor can run, beside the scalar one: nanoseconds a
 * vector where the rows are in the cache, and how much of the memory's bandwidth a scan through
 * rows that no cache holds gets, beside a plain read of the same bytes measured in turn with it.
 *
 *     bench_kernels [--quick] [--only CODE]
 *
 * One thread, CPU time, the best of some windows. Cosine is the dot product of unit vectors; of
 * codes squared L2 serves every metric (index/store.c). */
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "index/half.h"
#include "index/kernel.h"
#include "index/prefetch.h"
#include "runtime/rng.h"

enum { BATCH = 64, WINDOWS = 5, DIMENSION_MAX = 1536, CACHED_PASSES = 400 };
enum { AHEAD = 1536 /* bytes asked for before they are needed */ };

static const double enough_share = 0.7;
static size_t memory_bytes = (size_t)512 << 20;
static unsigned char *memory; /* rows beyond every cache */

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* --- what is measured
 * --------------------------------------------------------------------------------------- */

/* A query in every form a kernel takes it in. */
struct query {
    _Alignas(KERNEL_ALIGN) float floats[DIMENSION_MAX];
    _Alignas(KERNEL_ALIGN) uint16_t halves[DIMENSION_MAX];
    _Alignas(KERNEL_ALIGN) uint8_t bytes[DIMENSION_MAX];
    _Alignas(KERNEL_ALIGN) uint8_t planes[KERNEL_PLANES * DIMENSION_MAX / 8];
};
static struct query query;
static float sink[BATCH];
static uint32_t sums[BATCH], ones[BATCH];

typedef void (*measure)(const struct kernel *kernel, const void *const *rows, size_t n);

static void euclidean(const struct kernel *kernel, const void *const *rows, size_t n) {
    kernel->euclidean(query.floats, (const float *const *)rows, BATCH, n, sink);
}

static void dot(const struct kernel *kernel, const void *const *rows, size_t n) {
    kernel->dot(query.floats, (const float *const *)rows, BATCH, n, sink);
}

static void halves(const struct kernel *kernel, const void *const *rows, size_t n) {
    kernel->halves(query.floats, (const uint16_t *const *)rows, BATCH, n, sink);
}

static void half_pairs(const struct kernel *kernel, const void *const *rows, size_t n) {
    kernel->half_pairs(query.halves, (const uint16_t *const *)rows, BATCH, n, sink);
}

static void coarse(const struct kernel *kernel, const void *const *rows, size_t n) {
    kernel->coarse(query.bytes, (const uint8_t *const *)rows, BATCH, n, sink);
}

static void nibbles(const struct kernel *kernel, const void *const *rows, size_t n) {
    kernel->nibbles(query.bytes, (const uint8_t *const *)rows, BATCH, n, sink);
}

static void bits(const struct kernel *kernel, const void *const *rows, size_t n) {
    kernel->bits(query.planes, (const uint8_t *const *)rows, BATCH, n, sums, ones);
}

/* Whole codes of twelve bits, each row's last bits behind its first. */
static void fine(const struct kernel *kernel, const void *const *rows, size_t n) {
    size_t bytes = n * 3 / 2, later = bytes < AHEAD ? AHEAD / bytes : 1;
    for (size_t i = 0; i < BATCH; i++) {
        const uint8_t *row = rows[i];
        if (i + later < BATCH) prefetch_bytes(rows[i + later], bytes);
        sink[i] = kernel->fine(query.floats, row, row + n, n);
    }
}

static const struct code {
    const char *name;
    measure measure;
    unsigned bits; /* a dimension */
} codes[] = {
    {"f32-l2", euclidean, 32},    {"f32-dot", dot, 32},   {"f16-l2", halves, 16},
    {"f16-pair", half_pairs, 16}, {"12bit-l2", fine, 12}, {"8bit-l2", coarse, 8},
    {"4bit-l2", nibbles, 4},      {"1bit-dot", bits, 1},
};
enum { CODES = sizeof codes / sizeof *codes };

/* Numbers that no arithmetic is slow for: none is denormal. */
static void fill(const struct code *code) {
    struct rng rng;
    rng_init(&rng, 3);
    size_t n = memory_bytes / sizeof(uint64_t);
    uint64_t *words = (uint64_t *)(void *)memory;
    for (size_t i = 0; i < n; i++)
        words[i] = rng_next(&rng);
    if (code->bits == 32)
        for (size_t i = 0; i < n; i++)
            words[i] = (words[i] & UINT64_C(0x807fffff807fffff)) | UINT64_C(0x3f8000003f800000);
    if (code->bits == 16)
        for (size_t i = 0; i < n; i++)
            words[i] = (words[i] & UINT64_C(0x83ff83ff83ff83ff)) | UINT64_C(0x3c003c003c003c00);
}

static void fill_query(void) {
    struct rng rng;
    rng_init(&rng, 4);
    for (size_t i = 0; i < DIMENSION_MAX; i++) {
        query.floats[i] = (float)rng_normal(&rng);
        query.bytes[i] = (uint8_t)rng_next(&rng);
    }
    for (size_t i = 0; i < sizeof query.planes; i++)
        query.planes[i] = (uint8_t)rng_next(&rng);
    half_write(query.floats, DIMENSION_MAX, query.halves);
}

/* --- how it is measured
 * ------------------------------------------------------------------------------------- */

/* A pass through n_rows rows, batch by batch, each asking for the beginning of the next; the row's
 * place is what a scan has to find out, too. */
static void pass(const struct code *code, const struct kernel *kernel, size_t n, size_t n_rows) {
    size_t stride = n * code->bits / 8;
    const void *rows[BATCH];
    for (size_t at = 0; at < n_rows; at += BATCH) {
        for (size_t i = 0; i < BATCH; i++)
            rows[i] = memory + (at + i) * stride;
        if (at + BATCH < n_rows) prefetch_bytes(memory + (at + BATCH) * stride, AHEAD);
        code->measure(kernel, rows, n);
    }
}

/* Seconds a row that is in the cache. */
static double cached(const struct code *code, const struct kernel *kernel, size_t n) {
    double best = 1e9;
    for (int w = 0; w < WINDOWS; w++) {
        double start = cpu_seconds();
        for (int i = 0; i < CACHED_PASSES; i++)
            pass(code, kernel, n, BATCH);
        double seconds = (cpu_seconds() - start) / (CACHED_PASSES * BATCH);
        if (seconds < best) best = seconds;
    }
    return best;
}

/* Bytes a second of rows in memory. */
static double scanned(const struct code *code, size_t n) {
    size_t stride = n * code->bits / 8, n_rows = memory_bytes / stride / BATCH * BATCH;
    double start = cpu_seconds();
    pass(code, kernel_best(), n, n_rows);
    return (double)(n_rows * stride) / (cpu_seconds() - start);
}

typedef uint64_t wide __attribute__((vector_size(64)));

/* Bytes a second of a plain read of the memory. */
static double plain_read(void) {
    enum { SUMS = 4, WORDS = 32 };
    const wide *words = (const wide *)(const void *)memory;
    size_t n = memory_bytes / sizeof *words - WORDS - SUMS;
    wide some[SUMS] = {{0}};
    double start = cpu_seconds();
    for (size_t i = 0; i < n; i += SUMS)
        for (size_t j = 0; j < SUMS; j++) {
            __builtin_prefetch(&words[i + j + WORDS]);
            some[j] += words[i + j];
        }
    double rate = (double)n * sizeof *words / (cpu_seconds() - start);
    for (size_t j = 0; j < SUMS; j++)
        sink[0] += (float)some[j][0];
    return rate;
}

static void row(const char *name, size_t n, const char *metric, const char *unit, double ours) {
    printf(
        "{\"suite\":\"kernels\",\"case\":\"%s-%zu\",\"metric\":\"%s\",\"unit\":\"%s\",\"ours\":%.4g,",
        name, n, metric, unit, ours);
}

static void run(const struct code *code, size_t n) {
    double scalar = cached(code, kernel_nth(0), n);
    for (size_t k = 1; kernel_nth(k); k++) {
        const struct kernel *kernel = kernel_nth(k);
        double ours = cached(code, kernel, n);
        row(code->name, n, kernel->name, "ns", 1e9 * ours);
        printf("\"peer\":%.4g,\"peer_name\":\"scalar\",\"ratio\":%.3g}\n", 1e9 * scalar,
               scalar / ours);
    }
    double best = 0, most = 0;
    for (int w = 0; w < WINDOWS; w++) {
        double plain = plain_read();
        double rate = scanned(code, n);
        if (plain > most) most = plain;
        if (rate > best) best = rate;
    }
    row(code->name, n, "of_bandwidth", "B/s", best);
    printf("\"peer\":%.4g,\"peer_name\":\"plain read\",\"ratio\":%.3g,\"target\":%g,\"met\":%s}\n",
           most, best / most, enough_share, best >= enough_share * most ? "true" : "false");
    fflush(stdout);
}

int main(int argc, char **argv) {
    static const struct option longs[] = {
        {"quick", no_argument, NULL, 'q'}, {"only", required_argument, NULL, 'o'}, {0}};
    const char *only = NULL;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'q') memory_bytes = (size_t)64 << 20;
        if (c == 'o') only = optarg;
        if (c == '?') return 2;
    }
    memory = aligned_alloc(2 << 20, memory_bytes);
    if (!memory) return 1;
    (void)madvise(memory, memory_bytes, MADV_HUGEPAGE); /* as the index does */
    fill_query();
    for (size_t c = 0; c < CODES; c++) {
        if (only && strcmp(only, codes[c].name) != 0) continue;
        fill(&codes[c]);
        run(&codes[c], 128);
        run(&codes[c], 768);
    }
    free(memory);
    return 0;
}
