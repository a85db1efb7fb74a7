/* vectron index search: the nearest points of an index file. */
#include <inttypes.h>
#include <string.h>

#include "cli/index/parts.h"
#include "cli/index/payloads.h"
#include "cli/index/rows.h"
#include "cli/index/trial.h"
#include "cli/table.h"
#include "cli/vector_text.h"
#include "runtime/memory.h"

static const struct args_flag flags[] = {
    {"vector", "JSON", "one query, '[0.1, 0.2]'"},
    {"row", "N", "one query: the row N, from 0, of --data"},
    TRIAL_FLAGS,
    {"format", "NAME", "of the queries (default: found out)"},
    {"dataset", "NAME", "of an HDF5 file (default train)"},
    {"ef", "N", "width of the search in the graph: higher finds more, slower (default 128)"},
    {"exact", NULL,
     "compare with every point instead of walking the graph; many queries share a scan"},
    {"one-by-one", NULL, "with --exact: a scan for each query, to compare"},
    {"within", "DISTANCE", "all points at most so far, up to -k of them (then default 1000)"},
    {"filter", "TEXT", "only points whose payload in --data meets this: 'price < 10'"},
    {"recall", NULL, "how many of the nearest were found, by an exact scan"},
    {"show", "N", "print the neighbours of the first N queries (default 3)"},
    {"json", NULL, "print all neighbours of all queries as JSON"},
    {0},
};

struct look {
    const struct args *args;
    struct opened opened;
    struct trial trial;
    struct arena arena;
    struct filter filter;
    bool filtered, exact, ranged;
    double within;
    int64_t ef, show;
};

static int take_vector(struct look *look, float *vector, size_t n) {
    look->trial.queries = vector;
    look->trial.dimension = (uint32_t)n;
    look->trial.n = 1;
    return EXIT_OK;
}

static int read_vector(struct look *look, const char *json) {
    struct buffer why;
    float *vector;
    size_t n;
    buffer_init(&why);
    enum status s = vector_text_read(json, strlen(json), &vector, &n, &why);
    int code = s == STATUS_OK ? take_vector(look, vector, n)
                              : command_misuse("index search", "%s", (char *)why.data);
    buffer_free(&why);
    return code;
}

static int read_row(struct look *look, int64_t wanted) {
    struct rows rows;
    const char *data = args_text(look->args, "data");
    if (!data) return command_misuse("index search", "--row needs --data FILE");
    int code = rows_open(&rows, &(struct rows_options){.path = data, .skip_bad = true});
    while (code == EXIT_OK) {
        struct reader_row row;
        code = rows_next(&rows, &row);
        if (code == EXIT_OK && row.end)
            code = command_fail("%s: no row %" PRId64 " that is good", data, wanted);
        if (code != EXIT_OK || row.row != (uint64_t)wanted) continue;
        float *copy = mem_copy(row.vector, row.dimension * sizeof *copy);
        code = copy ? take_vector(look, copy, row.dimension) : command_fail("out of memory");
        break;
    }
    rows_close(&rows);
    return code;
}

/* One query of the command line, or none. */
static int read_query(struct look *look) {
    struct buffer why;
    const char *json = args_text(look->args, "vector");
    int64_t row;
    buffer_init(&why);
    enum status s =
        args_number(look->args, "row", (struct args_bounds){-1, 0, INT64_MAX / 2048}, &row, &why);
    if (s == STATUS_OK)
        s = args_number(look->args, "ef", (struct args_bounds){0, 1, INDEX_EF_MAX}, &look->ef,
                        &why);
    if (s == STATUS_OK) s = args_real(look->args, "within", &look->within, &why);
    if (s == STATUS_OK)
        s = args_number(look->args, "show", (struct args_bounds){3, 0, TRIAL_QUERIES_MAX},
                        &look->show, &why);
    int code = s == STATUS_OK ? EXIT_OK : command_misuse("index search", "%s", (char *)why.data);
    buffer_free(&why);
    if (code != EXIT_OK) return code;
    if ((json != NULL) + (row >= 0) + (args_text(look->args, "queries") != NULL) > 1)
        return command_misuse("index search", "give one of --vector, --row and --queries");
    if (json) return read_vector(look, json);
    return row >= 0 ? read_row(look, row) : EXIT_OK;
}

static int prepare(struct look *look) {
    const struct args *args = look->args;
    const char *filter = args_text(args, "filter"), *data = args_text(args, "data");
    look->exact = args_on(args, "exact");
    look->filtered = filter != NULL;
    look->ranged = args_text(args, "within") != NULL;
    if (filter && !data)
        return command_misuse("index search", "--filter needs --data FILE: payloads are there");
    if (look->ranged && (args_text(args, "truth") || args_on(args, "recall")))
        return command_misuse("index search", "recall is of the k nearest: leave --within out");
    int code = trial_open(&look->trial, "index search", args);
    if (code == EXIT_OK) code = read_query(look);
    if (code == EXIT_OK) code = opened_open(args->words[0], &look->opened);
    if (code == EXIT_OK && filter)
        code = payloads_filter(&look->opened, filter, data, &look->arena, &look->filter);
    if (code == EXIT_OK) code = trial_fit(&look->trial, args, &look->opened);
    if (look->ranged && !args_text(args, "k")) look->trial.k = TRIAL_K_MAX;
    bool judged = args_text(args, "truth") || args_on(args, "recall");
    if (code != EXIT_OK || !judged) return code;
    look->trial.filter = look->filtered ? &look->filter : NULL;
    return trial_judge(&look->trial, args, &look->opened);
}

struct found {
    size_t query;
    const struct index_hit *hits;
    size_t n;
};

static bool is_itself(const struct trial *trial, const struct found *found, size_t i) {
    return trial->self && found->hits[i].number == trial->self[found->query];
}

static void add_rows(struct table *table, const struct trial *trial, const struct found *found) {
    uint32_t rank = 0;
    for (size_t i = 0; i < found->n && rank < trial->k; i++) {
        const struct index_hit *hit = &found->hits[i];
        if (is_itself(trial, found, i)) continue;
        table_row(table);
        table_cell(table, 0, "%zu", found->query);
        table_cell(table, 1, "%u", ++rank);
        table_cell(table, 2, "%.6g", (double)hit->distance);
        table_cell(table, 3, "%" PRIu64, hit->number - 1);
        table_cell(table, 4, "%.*s", (int)hit->id_size, hit->id);
    }
}

static void print_hits(const struct trial *trial, const struct found *found) {
    uint32_t rank = 0;
    printf("%s{\"query\":%zu,\"hits\":[", found->query ? "," : "", found->query);
    for (size_t i = 0; i < found->n && rank < trial->k; i++) {
        const struct index_hit *hit = &found->hits[i];
        if (is_itself(trial, found, i)) continue;
        printf("%s{\"id\":", rank++ ? "," : "");
        opened_json(hit->id, hit->id_size);
        printf(",\"row\":%" PRIu64 ",\"distance\":%.9g}", hit->number - 1, (double)hit->distance);
    }
    printf("]}");
}

struct outcome {
    uint64_t found, wanted, n_cut;
    double seconds;
};

static void take(struct look *look,
                 struct table *table,
                 const struct found *found, //
                 struct outcome *out) {
    struct trial *trial = &look->trial;
    if (trial->truth)
        trial_count(trial, found->query, found->hits, found->n, &out->found, &out->wanted);
    if (args_on(look->args, "json"))
        print_hits(trial, found);
    else if ((int64_t)found->query < look->show)
        add_rows(table, trial, found);
}

static int search_each(struct look *look, struct table *table, struct outcome *out) {
    struct trial *trial = &look->trial;
    for (size_t q = 0; q < trial->n; q++) {
        struct index_query query = {
            .vector = trial->queries + q * trial->dimension,
            .k = trial->k + (trial->self != NULL),
            .ef = (uint32_t)look->ef,
            .exact = look->exact,
            .ranged = look->ranged,
            .within = (float)look->within,
            .filter = look->filtered ? &look->filter : NULL,
        };
        struct found found = {.query = q};
        double start = opened_clock();
        int code = trial_search(trial, &look->opened, &query, &found.hits, &found.n);
        if (code != EXIT_OK) return code;
        out->seconds += opened_clock() - start;
        out->n_cut += index_search_stats(trial->reader).cut;
        take(look, table, &found, out);
        trial_end(trial);
    }
    return EXIT_OK;
}

/* Exact searches share the scan. */
static int search_batches(struct look *look, struct table *table, struct outcome *out) {
    struct trial *trial = &look->trial;
    for (size_t q = 0; q < trial->n; q += TRIAL_BATCH) {
        struct index_batch *batch;
        double start = opened_clock();
        int code = trial_batch(trial, &look->opened, q, &batch);
        if (code != EXIT_OK) return code;
        out->seconds += opened_clock() - start;
        for (uint32_t i = 0; i < trial_batch_size(trial, q); i++) {
            struct found found = {.query = q + i};
            found.hits = index_batch_hits(batch, i, &found.n);
            take(look, table, &found, out);
        }
        index_batch_close(batch);
    }
    return EXIT_OK;
}

static int search_all(struct look *look, struct table *table, struct outcome *out) {
    bool together = look->exact && !look->ranged && !look->filtered && look->trial.n > 1 &&
                    !args_on(look->args, "one-by-one");
    *out = (struct outcome){0};
    return together ? search_batches(look, table, out) : search_each(look, table, out);
}

static void print_outcome(const struct look *look, const struct outcome *outcome) {
    const struct trial *trial = &look->trial;
    printf("%zu %s in %.1f ms (%.0f/s)", trial->n, trial->n == 1 ? "query" : "queries",
           outcome->seconds * 1e3, (double)trial->n / outcome->seconds);
    if (outcome->wanted)
        printf(", recall@%u %.4f, held against %s", trial->k,
               (double)outcome->found / (double)outcome->wanted, trial->against);
    if (outcome->n_cut) printf(", %" PRIu64 " cut at %u nearest", outcome->n_cut, trial->k);
    putchar('\n');
}

static int search(struct look *look) {
    static const char *const heads[] = {">QUERY", ">#", ">DISTANCE", ">ROW", "ID", NULL};
    bool json = args_on(look->args, "json");
    struct table table;
    struct outcome outcome;
    int code = prepare(look);
    if (code != EXIT_OK) return code;
    table_init(&table, heads);
    if (json) printf("{\"queries\":[");
    code = search_all(look, &table, &outcome);
    if (json) printf("],\"seconds\":%.6f", outcome.seconds);
    if (json && outcome.wanted)
        printf(",\"recall\":%.5f", (double)outcome.found / (double)outcome.wanted);
    if (json) printf("}\n");
    if (!json && code == EXIT_OK) {
        if (table.n_rows) table_print(&table, stdout);
        print_outcome(look, &outcome);
    }
    table_reset(&table);
    return code;
}

static int run(const struct args *args) {
    if (args->n_words != 1) return command_misuse("index search", "give one index FILE");
    struct look look = {.args = args};
    arena_init(&look.arena, 0);
    int code = search(&look);
    arena_free(&look.arena);
    trial_close(&look.trial);
    opened_close(&look.opened);
    return code;
}

const struct command command_index_search = {
    .of = "index",
    .name = "search",
    .arguments = "FILE",
    .summary = "nearest points of an index file, by vector, row or a file of queries",
    .help =
        "  vectron index search docs.index --vector '[0.1, 0.2, 0.3]' -k 5\n"
        "  vectron index search sift.index --queries query.fvecs --truth groundtruth.ivecs\n"
        "  vectron index search docs.index --data docs.jsonl --row 7 --filter 'year >= 2020'\n\n"
        "Distances are those that the index keeps: of codes, right to some 0.04 %.\n",
    .flags = flags,
    .run = run,
};
