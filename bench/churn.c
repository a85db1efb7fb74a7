/* bench_churn: an index whose points come and go. Rounds of (remove a tenth, append a tenth), all
 * of it linked; then the points that are there by then are also built afresh. How much recall at an
 * equal ef the old one lost beside the fresh one, how much larger it and its file are, and what a
 * replaced point costs beside one of a fresh build. CPU times of the thread.
 *
 *     bench_churn [--quick] [--only CASE] [--points N] [--rounds N] */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "index/index.h"
#include "runtime/rng.h"
#include "tests/data/vectors.h"

enum { K = 10, QUERIES = 1000, EFS = 4 };
static const uint32_t efs[EFS] = {16, 32, 64, 128};

struct churned {
    const struct vectors *set;
    struct index *index;
    uint64_t *rows; /* owned; number -> row of the set, from 1 */
    uint64_t next;
};

static void need(bool fine, const char *what) {
    if (fine) return;
    fprintf(stderr, "bench_churn: %s\n", what);
    exit(1);
}

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void link_all(struct index *index) {
    for (bool idle = false; !idle;)
        need(index_link_step(index, 1000000, &idle) == STATUS_OK, "link");
}

static void open_empty(struct churned *side, const struct vectors *set, size_t n_numbers) {
    struct index_options options = {.dimension = set->dimension, .metric = set->metric, .seed = 1};
    uint64_t applied;
    *side = (struct churned){.set = set, .next = 1};
    side->rows = calloc(n_numbers + 1, sizeof *side->rows);
    need(side->rows && index_open(&options, NULL, &side->index, &applied) == STATUS_OK, "open");
}

static void close_side(struct churned *side) {
    const struct index_view *view = index_view_hold(side->index);
    char text[256] = "";
    need(index_validate(view, text, sizeof text) == STATUS_OK, text);
    index_view_drop(view);
    index_close(side->index);
    free(side->rows);
}

static uint64_t add(struct churned *side, uint64_t row) {
    uint64_t number = side->next++;
    char id[24];
    int size = snprintf(id, sizeof id, "%" PRIu64, number);
    struct index_point point = {.number = number,
                                .vector = side->set->base + row * side->set->dimension,
                                .id = id,
                                .id_size = (uint32_t)size};
    side->rows[number] = row;
    if (index_tail_room(side->index) == 0) link_all(side->index);
    need(index_append(side->index, &point, 1) == STATUS_OK, "append");
    return number;
}

static size_t search(struct churned *side,
                     struct index_reader *reader,
                     const float *vector,
                     uint32_t ef,
                     uint64_t *numbers) {
    struct index_query query = {.vector = vector, .k = K, .ef = ef, .exact = ef == 0};
    const struct index_view *view = index_view_hold(side->index);
    bool done = false;
    size_t n;
    need(index_search_start(reader, view, &query) == STATUS_OK, "search");
    while (!done)
        need(index_search_step(reader, 100000, &done) == STATUS_OK, "search");
    const struct index_hit *hits = index_search_hits(reader, &n);
    for (size_t i = 0; i < n; i++)
        numbers[i] = hits[i].number;
    index_search_end(reader);
    index_view_drop(view);
    return n;
}

/* Share of what an exact scan of the same index finds, at each ef. */
static void measure_recall(struct churned *side, double *recalls) {
    const struct vectors *set = side->set;
    struct index_reader *reader;
    size_t n_found[EFS] = {0}, n_all = 0;
    need(index_reader_open(&reader) == STATUS_OK, "reader");
    for (size_t q = 0; q < set->n_queries; q++) {
        const float *vector = set->queries + q * set->dimension;
        uint64_t expected[K], found[K];
        size_t n_expected = search(side, reader, vector, 0, expected);
        n_all += n_expected;
        for (size_t e = 0; e < EFS; e++) {
            size_t n = search(side, reader, vector, efs[e], found);
            for (size_t i = 0; i < n * n_expected; i++)
                n_found[e] += found[i / n_expected] == expected[i % n_expected];
        }
    }
    for (size_t e = 0; e < EFS; e++)
        recalls[e] = (double)n_found[e] / (double)n_all;
    index_reader_close(reader);
}

static double file_bytes(struct index *index) {
    char path[] = "/tmp/vectron-bench-churn-XXXXXX";
    struct index_save *job;
    struct stat about;
    bool done = false;
    int fd = mkstemp(path);
    need(fd >= 0 && close(fd) == 0, path);
    need(index_save_start(index, path, 1, &job) == STATUS_OK, "save");
    while (!done)
        need(index_save_step(job, 4 << 20, &done) == STATUS_OK, "save");
    index_save_end(job);
    need(stat(path, &about) == 0 && unlink(path) == 0, path);
    return (double)about.st_size;
}

static double memory_bytes(struct index *index) {
    const struct index_view *view = index_view_hold(index);
    double bytes = (double)index_stats(view).memory_bytes;
    index_view_drop(view);
    return bytes;
}

/* A ratio above 1 is better than the limit. */
static void row(const char *name, const char *metric, const char *unit, double ours, double limit) {
    printf("{\"suite\":\"churn\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"ours\":%.4g,",
           name, metric, unit, ours);
    if (limit > 0)
        printf("\"peer\":%g,\"peer_name\":\"limit\",\"ratio\":%.4g,\"target\":1,\"met\":%s}\n",
               limit, ours > 0 ? limit / ours : 100, ours <= limit ? "true" : "false");
    else
        printf("\"peer\":null,\"peer_name\":null,\"ratio\":null}\n");
    fflush(stdout);
}

struct plan {
    const char *name;
    size_t n;
    unsigned rounds;
};

/* A tenth of the live ones, chosen at random, is replaced by the rows that follow. */
static void
replace(struct churned *old, uint64_t *live, size_t n, uint64_t *next_row, struct rng *rng) {
    for (size_t i = 0; i < n / 10; i++) {
        size_t at = i + rng_below(rng, n - i); /* moves the chosen to the front */
        uint64_t leaving = live[at];
        live[at] = live[i];
        need(index_remove(old->index, leaving) == STATUS_OK, "remove");
    }
    link_all(old->index);
    for (size_t i = 0; i < n / 10; i++)
        live[i] = add(old, (*next_row)++);
    link_all(old->index);
}

static void compare(const struct plan *plan, struct churned *old, struct churned *fresh) {
    double is[EFS], was[EFS];
    measure_recall(old, is);
    measure_recall(fresh, was);
    for (size_t e = 0; e < EFS; e++) {
        char metric[48];
        snprintf(metric, sizeof metric, "recall_lost_ef%" PRIu32, efs[e]);
        row(plan->name, metric, "points", 100 * (was[e] - is[e]), 0.5);
        fprintf(stderr, "%-14s ef %4" PRIu32 "  recall %.4f, fresh %.4f\n", plan->name, efs[e],
                is[e], was[e]);
    }
    row(plan->name, "memory", "of fresh", memory_bytes(old->index) / memory_bytes(fresh->index),
        1.1);
    row(plan->name, "file", "of fresh", file_bytes(old->index) / file_bytes(fresh->index), 1.1);
}

static void run(const struct plan *plan) {
    size_t n = plan->n, n_numbers = n + plan->rounds * (n / 10);
    struct vectors set;
    struct churned old, fresh;
    struct rng rng;
    uint64_t *live = calloc(n, sizeof *live), next_row = 0;
    if (!vectors_open(&set, plan->name, n_numbers, QUERIES) || set.n < n_numbers) {
        fprintf(stderr, "bench_churn: no data for %s, skipped\n", plan->name);
        free(live);
        return;
    }
    rng_init(&rng, 5);
    open_empty(&old, &set, n_numbers);
    for (size_t i = 0; i < n; i++)
        live[i] = add(&old, next_row++);
    link_all(old.index);
    double start = cpu_seconds();
    for (unsigned round = 0; round < plan->rounds; round++)
        replace(&old, live, n, &next_row, &rng);
    double replaced = (cpu_seconds() - start) / (double)(n_numbers - n);
    open_empty(&fresh, &set, n);
    start = cpu_seconds();
    for (size_t i = 0; i < n; i++)
        add(&fresh, old.rows[live[i]]);
    link_all(fresh.index);
    double built = (cpu_seconds() - start) / (double)n;
    compare(plan, &old, &fresh);
    row(plan->name, "cpu_of_replacement", "of adding", replaced / built, 0);
    close_side(&old);
    close_side(&fresh);
    vectors_close(&set);
    free(live);
}

int main(int argc, char **argv) {
    static const struct option longs[] = {{"quick", no_argument, NULL, 'q'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"points", required_argument, NULL, 'n'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {0}};
    struct plan plans[] = {{"gauss-32", 10000, 50},
                           {"hard-100", 10000, 50},
                           {"clusters-128", 10000, 50},
                           {"fashion-mnist", 10000, 50}};
    const char *only = NULL;
    size_t n = 0;
    unsigned rounds = 0;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'q') n = 2000;
        if (c == 'o') only = optarg;
        if (c == 'n') n = strtoull(optarg, NULL, 10);
        if (c == 'r') rounds = (unsigned)strtoul(optarg, NULL, 10);
        if (c == '?') return 2;
    }
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        if (n) plans[i].n = n;
        if (rounds) plans[i].rounds = rounds;
        if (!only || strcmp(only, plans[i].name) == 0) run(&plans[i]);
    }
    return 0;
}
