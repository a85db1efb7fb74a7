/* bench_index: the index alone, one thread, beside hnswlib with the same M and ef_construction.
 *
 * Times are CPU times of the thread, so that other load costs little; queries per second at a
 * recall are read off a curve over ef, by interpolation between its neighbours. Each point of the
 * curve is the best of a few windows, ours and the peer's in turn. */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/index/hnswlib.h"
#include "index/index.h"
#include "tests/data/vectors.h"

enum { K = 10, M = 16, EF_CONSTRUCTION = 200, WINDOWS = 3, EFS = 10 };

static const uint32_t efs[EFS] = {10, 15, 20, 30, 50, 80, 128, 200, 400, 800};

struct side {
    const char *name;
    double build_seconds, memory;
    double recall[EFS], qps[EFS];
};

struct bench {
    struct vectors set;
    uint64_t *truth; /* owned */
    struct index *index;
    struct index_reader *reader;
    void *peer;
};

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double resident_bytes(void) {
    unsigned long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu %lu", &all, &resident) != 2) resident = 0;
    if (file) fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void need(enum status s) {
    if (s == STATUS_OK) return;
    fprintf(stderr, "bench_index: %s\n", status_text(s));
    exit(1);
}

static void build_ours(struct bench *bench, struct side *side) {
    const struct vectors *set = &bench->set;
    struct index_options options = {
        .dimension = set->dimension,
        .metric = set->metric,
        .M = M,
        .ef_construction = EF_CONSTRUCTION,
        .seed = 1,
    };
    uint64_t applied;
    double memory = resident_bytes(), start = cpu_seconds();
    need(index_open(&options, NULL, &bench->index, &applied));
    need(index_reader_open(&bench->reader));
    for (size_t i = 0; i <= set->n; i++) {
        bool idle = false;
        while ((i == set->n || index_tail_room(bench->index) == 0) && !idle)
            need(index_link_step(bench->index, 1000000, &idle));
        if (i == set->n) break;
        char id[17];
        snprintf(id, sizeof id, "%016zu", i);
        struct index_point point = {i + 1, set->base + i * set->dimension, id, 16};
        need(index_append(bench->index, &point, 1));
    }
    side->build_seconds = cpu_seconds() - start;
    side->memory = resident_bytes() - memory;
}

static void build_peer(struct bench *bench, struct side *side) {
    const struct vectors *set = &bench->set;
    struct hnswlib_options options = {
        .n = set->n,
        .dimension = set->dimension,
        .M = M,
        .ef_construction = EF_CONSTRUCTION,
        .inner_product = set->metric != INDEX_EUCLIDEAN, /* the sets with cosine have unit length */
    };
    double memory = resident_bytes(), start = cpu_seconds();
    bench->peer = hnswlib_new(&options);
    if (!bench->peer) {
        side->build_seconds = side->memory = NAN;
        return;
    }
    for (size_t i = 0; i < set->n; i++)
        hnswlib_add(bench->peer, set->base + i * set->dimension, i + 1);
    side->build_seconds = cpu_seconds() - start;
    side->memory = resident_bytes() - memory;
}

static size_t search_ours(struct bench *bench, const float *vector, uint32_t ef, uint64_t *out) {
    struct index_query query = {.vector = vector, .k = K, .ef = ef};
    const struct index_view *view = index_view_hold(bench->index);
    bool done = false;
    size_t n;
    need(index_search_start(bench->reader, view, &query));
    while (!done)
        need(index_search_step(bench->reader, 1000, &done));
    const struct index_hit *hits = index_search_hits(bench->reader, &n);
    for (size_t i = 0; i < n; i++)
        out[i] = hits[i].number;
    index_search_end(bench->reader);
    index_view_drop(view);
    return n;
}

/* One pass over the queries: raises the side's figures for this ef. */
static void run_window(struct bench *bench, struct side *side, size_t at, bool ours) {
    const struct vectors *set = &bench->set;
    uint64_t *found = calloc(set->n_queries * K, sizeof *found);
    double start = cpu_seconds();
    for (size_t q = 0; q < set->n_queries; q++) {
        const float *vector = set->queries + q * set->dimension;
        if (ours)
            (void)search_ours(bench, vector, efs[at], found + q * K);
        else
            (void)hnswlib_search(bench->peer, vector, K, efs[at], found + q * K);
    }
    double seconds = cpu_seconds() - start;
    size_t n_hit = 0;
    for (size_t q = 0; q < set->n_queries; q++) {
        for (size_t i = 0; i < K; i++) {
            for (size_t j = 0; j < K; j++)
                n_hit += found[q * K + i] == bench->truth[q * K + j];
        }
    }
    free(found);
    side->recall[at] = (double)n_hit / (double)(set->n_queries * K);
    double qps = (double)set->n_queries / seconds;
    if (qps > side->qps[at]) side->qps[at] = qps;
}

/* On the curve, between its neighbours, logarithmically; NAN when the curve does not get there. */
static double qps_at(const struct side *side, double recall) {
    if (side->recall[0] >= recall) return side->qps[0];
    for (size_t i = 1; i < EFS; i++) {
        if (side->recall[i] < recall) continue;
        double part = (recall - side->recall[i - 1]) / (side->recall[i] - side->recall[i - 1]);
        return exp(log(side->qps[i - 1]) * (1 - part) + log(side->qps[i]) * part);
    }
    return NAN;
}

static void print_number(double value) {
    if (isfinite(value))
        printf("%.6g", value);
    else
        printf("null");
}

/* ratio > 1: ours is better; `less`: smaller is better. */
static void print_row(const struct bench *bench,
                      const char *metric,
                      const char *unit,
                      double ours,
                      double peer,
                      bool less) {
    printf("{\"suite\":\"index\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"ours\":",
           bench->set.name, metric, unit);
    print_number(ours);
    printf(",\"peer\":");
    print_number(peer);
    printf(",\"peer_name\":%s,\"ratio\":", isfinite(peer) ? "\"hnswlib\"" : "null");
    print_number(less ? peer / ours : ours / peer);
    printf("}\n");
    fflush(stdout);
}

static void run_case(const char *name, size_t n, size_t n_queries) {
    struct bench bench = {0};
    struct side ours = {.name = "ours"}, peer = {.name = "hnswlib"};
    if (!vectors_open(&bench.set, name, n, n_queries)) {
        fprintf(stderr, "bench_index: no data for %s, skipped\n", name);
        return;
    }
    bench.truth = vectors_truth(&bench.set, K);
    build_ours(&bench, &ours);
    build_peer(&bench, &peer);
    for (size_t at = 0; at < EFS; at++) {
        for (int window = 0; window < WINDOWS; window++) {
            run_window(&bench, &ours, at, true);
            if (bench.peer) run_window(&bench, &peer, at, false);
        }
        fprintf(stderr, "%-14s ef %4" PRIu32 "  ours %.4f %8.0f/s  peer %.4f %8.0f/s\n", name,
                efs[at], ours.recall[at], ours.qps[at], peer.recall[at], peer.qps[at]);
    }
    print_row(&bench, "qps_at_0.95", "1/s", qps_at(&ours, 0.95), qps_at(&peer, 0.95), false);
    print_row(&bench, "qps_at_0.99", "1/s", qps_at(&ours, 0.99), qps_at(&peer, 0.99), false);
    print_row(&bench, "build_cpu", "s", ours.build_seconds, peer.build_seconds, true);
    print_row(&bench, "memory", "B", ours.memory, peer.memory, true);
    free(bench.truth);
    index_reader_close(bench.reader);
    index_close(bench.index);
    hnswlib_free(bench.peer);
    vectors_close(&bench.set);
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"quick", no_argument, NULL, 'q'}, {"only", required_argument, NULL, 'o'}, {0}};
    const char *only = NULL;
    bool quick = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'q')
            quick = true;
        else if (c == 'o')
            only = optarg;
        else
            return 2;
    }
    static const char *const cases[] = {"fashion-mnist", "beir-768", "clusters-128", "hard-100"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool slow = strcmp(cases[i], "fashion-mnist") == 0;
        if (only ? strcmp(only, cases[i]) != 0 : quick && slow) continue;
        run_case(cases[i], quick ? 20000 : 100000, quick ? 200 : 1000);
    }
    return 0;
}
