/* bench_scan: exact scans, one thread: how much of the memory's bandwidth a scan for one query
 * gets, and how many queries a second share a scan (index/batch.h) beside one scan each.
 *
 *     bench_scan [--quick]
 *
 * Bandwidth is measured here, by summing a buffer that no cache holds. CPU time of the thread. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "index/batch.h"
#include "runtime/rng.h"

enum { K = 10, QUERIES = 64, WINDOWS = 5 };

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void need(enum status s) {
    if (s == STATUS_OK) return;
    fprintf(stderr, "bench_scan: %s\n", status_text(s));
    exit(1);
}

typedef uint64_t wide __attribute__((vector_size(64)));

/* Bytes a second of a plain read, the best of some. */
static double bandwidth(void) {
    enum { N = 6 << 20, SUMS = 4, AHEAD = 32 }; /* 384 MiB */
    wide *words = aligned_alloc(2 << 20, (size_t)N * sizeof *words), all = {0};
    double best = 0;
    if (!words) exit(1);
    (void)madvise(words, (size_t)N * sizeof *words, MADV_HUGEPAGE); /* as the index does */
    memset(words, 1, (size_t)N * sizeof *words);
    for (int w = 0; w < WINDOWS; w++) {
        wide sums[SUMS] = {0};
        double start = cpu_seconds();
        for (size_t i = 0; i < N; i += SUMS)
            for (size_t j = 0; j < SUMS; j++) {
                __builtin_prefetch(&words[i + j + AHEAD]);
                sums[j] += words[i + j];
            }
        double rate = (double)N * sizeof *words / (cpu_seconds() - start);
        for (size_t j = 0; j < SUMS; j++)
            all += sums[j];
        if (rate > best) best = rate;
    }
    free(words);
    if (all[0] == 1) puts("");
    return best;
}

struct set {
    const char *name;
    uint32_t dimension, n;
    enum index_storage storage;
};

static struct index *build(const struct set *set, float *queries) {
    struct index_options options = {.dimension = set->dimension,
                                    .metric = INDEX_EUCLIDEAN,
                                    .M = 4,
                                    .ef_construction = 4,
                                    .storage = set->storage};
    struct index *index;
    struct rng rng;
    uint64_t applied;
    float *vector = malloc(set->dimension * sizeof *vector);
    if (!vector) exit(1);
    rng_init(&rng, 1);
    need(index_open(&options, NULL, &index, &applied));
    for (uint32_t i = 0; i <= set->n; i++) {
        bool idle = false;
        while ((i == set->n || index_tail_room(index) == 0) && !idle)
            need(index_link_step(index, 1000000, &idle));
        for (uint32_t d = 0; d < set->dimension; d++)
            vector[d] = (float)rng_unit(&rng);
        struct index_point point = {.number = i + 1, .vector = vector, .id = "x", .id_size = 1};
        if (i < set->n) need(index_append(index, &point, 1));
    }
    for (uint32_t i = 0; i < QUERIES * set->dimension; i++)
        queries[i] = (float)rng_unit(&rng);
    free(vector);
    return index;
}

static double
scan_each(const struct index_view *view, const struct set *set, const float *queries) {
    struct index_reader *reader;
    need(index_reader_open(&reader));
    double start = cpu_seconds();
    for (uint32_t q = 0; q < QUERIES / 4; q++) {
        struct index_query query = {.vector = queries + q * set->dimension, .k = K, .exact = true};
        bool done = false;
        need(index_search_start(reader, view, &query));
        while (!done)
            need(index_search_step(reader, 4096, &done));
        index_search_end(reader);
    }
    double rate = QUERIES / 4 / (cpu_seconds() - start);
    index_reader_close(reader);
    return rate;
}

static double scan_together(const struct index_view *view, const float *queries) {
    struct index_batch *batch;
    struct index_batch_query query = {.vectors = queries, .n = QUERIES, .k = K};
    bool done = false;
    double start = cpu_seconds();
    need(index_batch_open(view, &query, &batch));
    while (!done)
        need(index_batch_step(batch, SIZE_MAX, &done));
    double rate = QUERIES / (cpu_seconds() - start);
    index_batch_close(batch);
    return rate;
}

static void run(const struct set *set, double memory) {
    float *queries = malloc(QUERIES * set->dimension * sizeof *queries);
    if (!queries) exit(1);
    struct index *index = build(set, queries);
    const struct index_view *view = index_view_hold(index);
    double each = 0, together = 0;
    for (int w = 0; w < WINDOWS; w++) {
        double one = scan_each(view, set, queries), many = scan_together(view, queries);
        if (one > each) each = one;
        if (many > together) together = many;
    }
    double row = set->storage == INDEX_F32 ? 4 : 1.5;
    double bytes = each * set->n * set->dimension * row;
    printf("{\"suite\":\"scan\",\"case\":\"%s\",\"metric\":\"bandwidth\",\"unit\":\"B/s\","
           "\"ours\":%.4g,\"peer\":%.4g,\"peer_name\":\"plain read\",\"ratio\":%.3f}\n",
           set->name, bytes, memory, bytes / memory);
    printf("{\"suite\":\"scan\",\"case\":\"%s\",\"metric\":\"queries_together\",\"unit\":\"1/s\","
           "\"ours\":%.4g,\"peer\":%.4g,\"peer_name\":\"one by one\",\"ratio\":%.2f}\n",
           set->name, together, each, together / each);
    fflush(stdout);
    index_view_drop(view);
    index_close(index);
    free(queries);
}

int main(int argc, char **argv) {
    static const struct set sets[] = {
        {"f32-200k-128", 128, 200000, INDEX_F32},
        {"f32-40k-768", 768, 40000, INDEX_F32},
        {"sq8-200k-128", 128, 200000, INDEX_SQ8},
        {"sq8-40k-768", 768, 40000, INDEX_SQ8},
    };
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    if (argc > 1 && !quick) return 2;
    double memory = bandwidth();
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct set set = sets[i];
        if (quick) set.n /= 4;
        run(&set, memory);
    }
    return 0;
}
