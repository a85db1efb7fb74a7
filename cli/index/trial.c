/* trial: the measuring half; trial_truth.c finds out what is true. */
#include "cli/index/trial.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/memory.h"

enum { PASSES_MAX = 50, BUDGET = 4096 };

static const double enough_seconds = 0.15, enough_recall = 0.9975;

int trial_search(struct trial *trial,
                 const struct opened *opened,
                 const struct index_query *query,
                 const struct index_hit **hits,
                 size_t *n) {
    enum status s = index_search_start(trial->reader, opened->view, query);
    bool done = false;
    while (s == STATUS_OK && !done)
        s = index_search_step(trial->reader, BUDGET, &done);
    if (s == STATUS_OK) {
        *hits = index_search_hits(trial->reader, n);
        return EXIT_OK;
    }
    index_search_end(trial->reader);
    return command_fail("%s: a search failed: %s", opened->path, status_text(s));
}

void trial_end(struct trial *trial) {
    index_search_end(trial->reader);
}

uint32_t trial_batch_size(const struct trial *trial, size_t from) {
    size_t left = trial->n - from;
    return (uint32_t)(left < TRIAL_BATCH ? left : TRIAL_BATCH);
}

int trial_batch(struct trial *trial,
                const struct opened *opened,
                size_t from,
                struct index_batch **out) {
    struct index_batch_query query = {.vectors = trial->queries + from * trial->dimension,
                                      .n = trial_batch_size(trial, from),
                                      .k = trial->k + (trial->self != NULL)};
    bool done = false;
    enum status s = index_batch_open(opened->view, &query, out);
    if (s != STATUS_OK) return command_fail("%s: %s", opened->path, status_text(s));
    while (s == STATUS_OK && !done)
        s = index_batch_step(*out, SIZE_MAX, &done);
    if (s == STATUS_OK) return EXIT_OK;
    index_batch_close(*out);
    return command_fail("%s: %s", opened->path, status_text(s));
}

static bool is_true(const struct trial *trial, size_t query, const struct index_hit *hit) {
    const uint64_t *truth = trial->truth + query * trial->k;
    for (uint32_t i = 0; i < trial->k && truth[i] != 0; i++)
        if (truth[i] == hit->number) return true;
    return trial->farthest && hit->distance <= trial->farthest[query];
}

void trial_count(const struct trial *trial,
                 size_t query,
                 const struct index_hit *hits,
                 size_t n,
                 uint64_t *found,
                 uint64_t *wanted) {
    uint32_t n_true = 0, taken = 0, right = 0;
    while (n_true < trial->k && trial->truth[query * trial->k + n_true] != 0)
        n_true++;
    for (size_t i = 0; i < n && taken < n_true; i++) {
        if (trial->self && hits[i].number == trial->self[query]) continue;
        taken++;
        right += is_true(trial, query, &hits[i]);
    }
    *found += right;
    *wanted += n_true;
}

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

struct pass {
    uint64_t found, wanted, distances, hops;
    double seconds;
};

static int run_pass(struct trial *trial,
                    const struct opened *opened,
                    uint32_t ef,
                    double *times,
                    struct pass *out) {
    double start = cpu_seconds();
    *out = (struct pass){0};
    for (size_t q = 0; q < trial->n; q++) {
        const struct index_hit *hits;
        size_t n;
        struct index_query query = {.vector = trial->queries + q * trial->dimension,
                                    .k = trial->k + (trial->self != NULL),
                                    .ef = ef};
        double begun = opened_clock();
        int code = trial_search(trial, opened, &query, &hits, &n);
        if (code != EXIT_OK) return code;
        struct index_search_stats stats = index_search_stats(trial->reader);
        if (trial->truth) trial_count(trial, q, hits, n, &out->found, &out->wanted);
        trial_end(trial);
        times[q] = opened_clock() - begun;
        out->distances += stats.distances;
        out->hops += stats.hops;
    }
    out->seconds = cpu_seconds() - start;
    return EXIT_OK;
}

static int rising(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

int trial_run(struct trial *trial,
              const struct opened *opened,
              uint32_t ef,
              struct trial_point *out) {
    double *times = mem_alloc(trial->n * sizeof *times), all = 0, best = 0;
    if (!times) return command_fail("out of memory");
    struct pass pass;
    int code = EXIT_OK;
    for (int i = 0; i < PASSES_MAX && (all < enough_seconds || i < 2); i++) {
        code = run_pass(trial, opened, ef, times, &pass);
        if (code != EXIT_OK) break;
        all += pass.seconds;
        if (best == 0 || pass.seconds < best) best = pass.seconds;
    }
    if (code == EXIT_OK) {
        double n = (double)trial->n;
        qsort(times, trial->n, sizeof *times, rising);
        *out = (struct trial_point){
            .ef = ef,
            .recall = pass.wanted ? (double)pass.found / (double)pass.wanted : -1,
            .qps = best > 0 ? n / best : 0,
            .median_us = times[trial->n / 2] * 1e6,
            .late_us = times[trial->n * 99 / 100] * 1e6,
            .distances = (double)pass.distances / n,
            .hops = (double)pass.hops / n,
        };
    }
    mem_free(times);
    return code;
}

int trial_curve(struct trial *trial, const struct opened *opened, struct trial_curve *out) {
    enum { POINTS = sizeof out->points / sizeof *out->points };
    out->n = 0;
    uint32_t ef = trial->k + (trial->self != NULL);
    while (out->n < POINTS && ef <= INDEX_EF_MAX) {
        struct trial_point *point = &out->points[out->n];
        int code = trial_run(trial, opened, ef, point);
        if (code != EXIT_OK) return code;
        out->n++;
        if (point->recall >= enough_recall) break;
        ef = ef * 3 / 2 + 1;
    }
    return EXIT_OK;
}

int trial_tune(struct trial *trial,
               const struct opened *opened,
               double target,
               const struct trial_curve *curve,
               struct trial_point *out) {
    size_t at = 0;
    while (at + 1 < curve->n && curve->points[at].recall < target)
        at++;
    *out = curve->points[at];
    if (at == 0 || out->recall < target) return EXIT_OK;
    /* Recall rises with ef, but for noise: what reaches it is kept. */
    uint32_t low = curve->points[at - 1].ef, high = out->ef;
    while (high - low > 1 + low / 20) {
        struct trial_point point;
        uint32_t middle = low + (high - low) / 2;
        int code = trial_run(trial, opened, middle, &point);
        if (code != EXIT_OK) return code;
        if (point.recall >= target) {
            high = middle;
            *out = point;
        } else {
            low = middle;
        }
    }
    return EXIT_OK;
}
