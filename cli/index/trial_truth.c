/* trial: where queries and what is true come from. */
#include "cli/index/trial.h"

#include <float.h>
#include <inttypes.h>
#include <string.h>

#include "cli/index/rows.h"
#include "cli/progress.h"
#include "runtime/memory.h"

static int read_numbers(const char *command, const struct args *args, int64_t *k, int64_t *limit) {
    struct buffer why;
    buffer_init(&why);
    int64_t fallback = args_text(args, "queries") ? 1000 : TRIAL_SAMPLE;
    bool ok =
        args_number(args, "k", (struct args_bounds){10, 1, TRIAL_K_MAX}, k, &why) == STATUS_OK &&
        args_number(args, "limit", (struct args_bounds){fallback, 1, TRIAL_QUERIES_MAX}, limit,
                    &why) == STATUS_OK;
    int code = ok ? EXIT_OK : command_misuse(command, "%s", (char *)why.data);
    buffer_free(&why);
    return code;
}

static int read_queries(struct trial *trial, const struct args *args, uint64_t limit) {
    struct rows rows;
    int code = rows_open(&rows, &(struct rows_options){.path = args_text(args, "queries"),
                                                       .format = args_text(args, "format"),
                                                       .dataset = args_text(args, "dataset"),
                                                       .limit = limit});
    size_t room = 0;
    while (code == EXIT_OK) {
        struct reader_row row;
        code = rows_next(&rows, &row);
        if (code != EXIT_OK || row.end) break;
        trial->dimension = row.dimension;
        if (trial->n == room) {
            room = room ? room * 2 : 256;
            float *more = mem_resize(trial->queries, room * row.dimension * sizeof *more);
            if (!more) {
                code = command_fail("out of memory");
                break;
            }
            trial->queries = more;
        }
        memcpy(trial->queries + trial->n++ * row.dimension, row.vector,
               row.dimension * sizeof *row.vector);
    }
    rows_close(&rows);
    if (code == EXIT_OK && trial->n == 0)
        return command_fail("%s: no queries in it", args_text(args, "queries"));
    return code;
}

int trial_open(struct trial *trial, const char *command, const struct args *args) {
    int64_t k, limit;
    *trial = (struct trial){.k = 0};
    int code = read_numbers(command, args, &k, &limit);
    if (code != EXIT_OK) return code;
    trial->k = (uint32_t)k;
    const char *truth = args_text(args, "truth"), *queries = args_text(args, "queries");
    if (truth && !queries)
        return command_misuse(command, "--truth needs --queries: it has a row for each of them");
    if (truth && args_text(args, "data"))
        return command_misuse(command, "give --truth or --data: both say what is true");
    if (index_reader_open(&trial->reader) != STATUS_OK) return command_fail("out of memory");
    return queries ? read_queries(trial, args, (uint64_t)limit) : EXIT_OK;
}

void trial_close(struct trial *trial) {
    index_reader_close(trial->reader);
    mem_free(trial->queries);
    mem_free(trial->self);
    mem_free(trial->truth);
    mem_free(trial->farthest);
    *trial = (struct trial){.k = 0};
}

int trial_fit(struct trial *trial, const struct args *args, const struct opened *opened) {
    uint32_t dimension = opened->info.options.dimension;
    if (trial->queries) {
        if (trial->dimension == dimension) return EXIT_OK;
        return command_fail("%s has vectors of %u components, the queries of %u", opened->path,
                            dimension, trial->dimension);
    }
    int64_t k, limit, seed;
    struct buffer why;
    buffer_init(&why);
    enum status s =
        args_number(args, "seed", (struct args_bounds){1, 0, INT64_MAX / 2048}, &seed, &why);
    int code = s == STATUS_OK ? read_numbers("index", args, &k, &limit)
                              : command_misuse("index", "%s", (char *)why.data);
    buffer_free(&why);
    if (code != EXIT_OK) return code;
    trial->dimension = dimension;
    trial->queries = mem_alloc((size_t)limit * dimension * sizeof *trial->queries);
    trial->self = mem_alloc((size_t)limit * sizeof *trial->self);
    if (!trial->queries || !trial->self) return command_fail("out of memory");
    trial->n = index_sample(opened->view, &(struct index_sample){.seed = (uint64_t)seed,
                                                                 .n = (size_t)limit,
                                                                 .numbers = trial->self,
                                                                 .vectors = trial->queries});
    if (trial->n > 0) return EXIT_OK;
    return command_fail("%s: no linked points to search for; give --queries", opened->path);
}

/* --- what is true --- */

static int reserve_truth(struct trial *trial) {
    trial->truth = mem_zero(trial->n * trial->k, sizeof *trial->truth);
    return trial->truth ? EXIT_OK : command_fail("out of memory");
}

/* Rows from 0, in the order of the queries. */
static int read_truth(struct trial *trial, const char *path) {
    struct rows rows;
    size_t n = 0;
    int code = reserve_truth(trial);
    if (code == EXIT_OK) code = rows_open(&rows, &(struct rows_options){.path = path});
    if (code != EXIT_OK) return code;
    for (; n < trial->n; n++) {
        struct reader_row row;
        code = rows_next(&rows, &row);
        if (code != EXIT_OK || row.end) break;
        if (row.dimension < trial->k) {
            code = command_fail("%s: %u neighbours of each query, -k asks for %u", path,
                                row.dimension, trial->k);
            break;
        }
        for (uint32_t i = 0; i < trial->k; i++)
            trial->truth[n * trial->k + i] = (uint64_t)(row.vector[i] < 0 ? 0 : row.vector[i]) + 1;
    }
    rows_close(&rows);
    if (code == EXIT_OK && n < trial->n)
        return command_fail("%s: neighbours of %zu queries, there are %zu", path, n, trial->n);
    return code;
}

/* The k nearest of one query so far, nearest first. */
static void
offer(struct trial *trial, float *distances, size_t query, uint64_t number, float distance) {
    uint32_t k = trial->k, at = k;
    float *best = distances + query * k;
    uint64_t *numbers = trial->truth + query * k;
    if (distance >= best[k - 1]) return;
    while (at > 0 && distance < best[at - 1])
        at--;
    memmove(best + at + 1, best + at, (k - 1 - at) * sizeof *best);
    memmove(numbers + at + 1, numbers + at, (k - 1 - at) * sizeof *numbers);
    best[at] = distance;
    numbers[at] = number;
}

static int scan_rows(struct trial *trial,
                     const char *path,
                     const struct opened *opened,
                     struct index_ruler **rulers,
                     float *distances) {
    struct rows rows;
    struct progress progress;
    int code = rows_open(&rows, &(struct rows_options){.path = path,
                                                       .dimension = opened->info.options.dimension,
                                                       .skip_bad = true});
    if (code != EXIT_OK) return code;
    progress_start(&progress, "rows scanned", false);
    for (;;) {
        struct reader_row row;
        code = rows_next(&rows, &row);
        if (code != EXIT_OK || row.end) break;
        for (size_t q = 0; q < trial->n; q++) {
            if (trial->self && trial->self[q] == row.row + 1) continue;
            offer(trial, distances, q, row.row + 1, index_ruler_distance(rulers[q], row.vector));
        }
        progress_show(&progress, rows.n_read, reader_progress(rows.reader));
    }
    progress_stop(&progress);
    rows_close(&rows);
    return code;
}

/* By the data itself, in float32; rows have the numbers that build gave them. */
static int scan_data(struct trial *trial, const char *path, const struct opened *opened) {
    const struct index_options *options = &opened->info.options;
    struct index_ruler **rulers = mem_zero(trial->n, sizeof *rulers);
    float *distances = mem_alloc(trial->n * trial->k * sizeof *distances);
    int code = reserve_truth(trial);
    bool ok = rulers && distances && code == EXIT_OK;
    for (size_t i = 0; ok && i < trial->n * trial->k; i++)
        distances[i] = FLT_MAX;
    for (size_t q = 0; ok && q < trial->n; q++)
        ok = index_ruler_open(options->metric, options->dimension,
                              trial->queries + q * trial->dimension, &rulers[q]) == STATUS_OK;
    if (ok)
        code = scan_rows(trial, path, opened, rulers, distances);
    else if (code == EXIT_OK)
        code = command_fail("out of memory");
    for (size_t q = 0; rulers && q < trial->n; q++)
        index_ruler_close(rulers[q]);
    mem_free((void *)rulers);
    mem_free(distances);
    return code;
}

static void take_truth(struct trial *trial, size_t q, const struct index_hit *hits, size_t n) {
    size_t taken = 0;
    for (size_t i = 0; i < n && taken < trial->k; i++) {
        if (trial->self && hits[i].number == trial->self[q]) continue;
        trial->farthest[q] = hits[i].distance;
        trial->truth[q * trial->k + taken++] = hits[i].number;
    }
}

static int scan_filtered(struct trial *trial, const struct opened *opened) {
    for (size_t q = 0; q < trial->n; q++) {
        const struct index_hit *hits;
        size_t n;
        struct index_query query = {.vector = trial->queries + q * trial->dimension,
                                    .k = trial->k + (trial->self != NULL),
                                    .exact = true,
                                    .filter = trial->filter};
        int code = trial_search(trial, opened, &query, &hits, &n);
        if (code != EXIT_OK) return code;
        take_truth(trial, q, hits, n);
        trial_end(trial);
    }
    return EXIT_OK;
}

static int scan_batches(struct trial *trial, const struct opened *opened) {
    for (size_t q = 0; q < trial->n; q += TRIAL_BATCH) {
        struct index_batch *batch;
        int code = trial_batch(trial, opened, q, &batch);
        if (code != EXIT_OK) return code;
        for (uint32_t i = 0; i < trial_batch_size(trial, q); i++) {
            size_t n;
            const struct index_hit *hits = index_batch_hits(batch, i, &n);
            take_truth(trial, q + i, hits, n);
        }
        index_batch_close(batch);
    }
    return EXIT_OK;
}

static int scan_index(struct trial *trial, const struct opened *opened) {
    trial->farthest = mem_zero(trial->n, sizeof *trial->farthest);
    if (!trial->farthest) return command_fail("out of memory");
    int code = reserve_truth(trial);
    if (code != EXIT_OK) return code;
    return trial->filter ? scan_filtered(trial, opened) : scan_batches(trial, opened);
}

int trial_judge(struct trial *trial, const struct args *args, const struct opened *opened) {
    const char *truth = args_text(args, "truth"), *data = args_text(args, "data");
    if (truth) {
        trial->against = truth;
        return trial->truth ? EXIT_OK : read_truth(trial, truth);
    }
    mem_free(trial->truth);
    mem_free(trial->farthest);
    trial->truth = NULL;
    trial->farthest = NULL;
    if (data && !trial->filter) {
        trial->against = "an exact scan of the data";
        return scan_data(trial, data, opened);
    }
    trial->against = "an exact scan of the index";
    return scan_index(trial, opened);
}
