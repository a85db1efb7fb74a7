/* vectron index build: a data file into an index file.
 *
 *     reader ─▶ append ─▶ (tail is full) link … ─▶ link the rest ─▶ save, through a temporary file
 *
 * Linking goes on all cores, in batches.
 *
 * The point of row r has the number r + 1. */
#include <inttypes.h>
#include <string.h>

#include <unistd.h>

#include "cli/index/crew.h"
#include "cli/index/opened.h"
#include "cli/index/parts.h"
#include "cli/index/rows.h"
#include "cli/progress.h"

static const struct args_flag flags[] = {
    {"out", "PATH", "the index file (needed); an index that is there is replaced"},
    {"distance", "NAME", "cosine, euclidean or dot (default cosine)"},
    {"storage", "NAME", "auto, f32, f16, sq8, sq4 or rabitq: how vectors are kept (default auto)"},
    {"m", "N", "edges of a point above level 0, twice as many at 0: 2 to 128 (default 16)"},
    {"ef-construction", "N", "width of the search for neighbours, 1 to 20000 (default 128)"},
    {"threads", "N", "that link (default one a core); the graph is the same for any number"},
    {"seed", "N", "of the levels: the same seed and data give the same graph (default 1)"},
    ROWS_FLAGS,
    {"id-prefix", "TEXT", "put before every id; rows without id are numbered from 0"},
    {"limit", "N", "only the first N rows"},
    {"on-error", "stop|skip", "what a bad row does (default stop)"},
    {"quiet", NULL, "no progress"},
    {"json", NULL, "print what was built as JSON"},
    {0},
};

struct build {
    const char *out;
    struct index_options options;
    struct rows_options input;
    bool quiet, json;
    struct rows rows;
    struct progress progress;
    struct index *index;
    struct crew *crew;
    unsigned n_threads;
    uint64_t n; /* points */
    double link_seconds, save_seconds;
};

static bool read_numbers(const struct args *args, struct build *build, struct buffer *why) {
    int64_t m, ef, seed, limit, threads;
    int64_t n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (n_cores > CREW_MAX) n_cores = CREW_MAX;
    bool ok = args_number(args, "m", (struct args_bounds){16, 2, 128}, &m, why) == STATUS_OK &&
              args_number(args, "ef-construction", (struct args_bounds){128, 1, INDEX_EF_MAX}, &ef,
                          why) == STATUS_OK &&
              args_number(args, "seed", (struct args_bounds){1, 0, INT64_MAX / 2048}, &seed, why) ==
                  STATUS_OK &&
              args_number(args, "threads", (struct args_bounds){n_cores, 1, CREW_MAX}, &threads,
                          why) == STATUS_OK &&
              args_number(args, "limit", (struct args_bounds){0, 1, INT64_MAX / 2048}, &limit,
                          why) == STATUS_OK;
    if (!ok) return false;
    build->options.M = (uint32_t)m;
    build->options.ef_construction = (uint32_t)ef;
    build->options.seed = (uint64_t)seed;
    build->n_threads = (unsigned)threads;
    build->input.limit = (uint64_t)limit;
    return true;
}

/* False: why has words. */
static bool read_args(const struct args *args, struct build *build, struct buffer *why) {
    const char *distance = args_text(args, "distance"), *storage = args_text(args, "storage");
    const char *on_error = args_text(args, "on-error");
    build->out = args_text(args, "out");
    build->quiet = args_on(args, "quiet");
    build->json = args_on(args, "json");
    build->input = (struct rows_options){
        .path = args->n_words == 1 ? args->words[0] : NULL,
        .format = args_text(args, "format"),
        .dataset = args_text(args, "dataset"),
        .prefix = args_text(args, "id-prefix"),
        .skip_bad = on_error && strcmp(on_error, "skip") == 0,
    };
    if (!build->input.path)
        buffer_printf(why, "give one FILE");
    else if (!build->out)
        buffer_printf(why, "give --out PATH");
    else if (index_metric_parse(distance ? distance : "cosine", &build->options.metric) !=
             STATUS_OK)
        buffer_printf(why, "--distance: \"%s\" is none of cosine, euclidean, dot", distance);
    else if (index_storage_parse(storage ? storage : "auto", &build->options.storage) != STATUS_OK)
        buffer_printf(why, "--storage: \"%s\" is none of auto, f32, f16, sq8, sq4, rabitq", storage);
    else if (on_error && !build->input.skip_bad && strcmp(on_error, "stop") != 0)
        buffer_printf(why, "--on-error: \"%s\" is neither stop nor skip", on_error);
    else
        return read_numbers(args, build, why);
    return false;
}

/* A batch of many, or some one by one. */
static enum status link_more(struct build *build, bool *idle) {
    enum { STEP = 100000 };
    bool linked;
    enum status s = crew_link(build->crew, &linked);
    return s != STATUS_OK || linked ? s : index_link_step(build->index, STEP, idle);
}

/* Links until the tail has room for one more, or is empty. */
static int link_some(struct build *build, bool all) {
    bool idle = false;
    double start = opened_clock();
    enum status s = STATUS_OK;
    while (s == STATUS_OK && !idle && (all || index_tail_room(build->index) == 0)) {
        s = link_more(build, &idle);
        const struct index_view *view = index_view_hold(build->index);
        struct index_stats stats = index_stats(view);
        index_view_drop(view);
        double share = reader_progress(build->rows.reader);
        if (all) share = build->n ? 1 - (double)stats.tail / (double)build->n : 1;
        progress_show(&build->progress, build->n - stats.tail, share);
    }
    build->link_seconds += opened_clock() - start;
    return s == STATUS_OK ? EXIT_OK : command_fail("linking: %s", status_text(s));
}

static int append(struct build *build, const struct reader_row *row) {
    uint64_t applied;
    enum status s = STATUS_OK;
    if (!build->index) {
        build->options.dimension = row->dimension;
        s = index_open(&build->options, NULL, &build->index, &applied);
        if (s == STATUS_OK) s = crew_open(build->index, build->n_threads, &build->crew);
    }
    if (s != STATUS_OK) return command_fail("%s", status_text(s));
    struct index_point point = {.number = row->row + 1,
                                .vector = row->vector,
                                .id = row->id,
                                .id_size = (uint32_t)strlen(row->id)};
    if (index_tail_room(build->index) == 0) {
        int code = link_some(build, false);
        if (code != EXIT_OK) return code;
    }
    s = index_append(build->index, &point, 1);
    if (s != STATUS_OK) return command_fail("row %" PRIu64 ": %s", row->row, status_text(s));
    build->n++;
    return EXIT_OK;
}

static int fill(struct build *build) {
    for (;;) {
        struct reader_row row;
        int code = rows_next(&build->rows, &row);
        if (code != EXIT_OK) return code;
        if (row.end) break;
        code = append(build, &row);
        if (code != EXIT_OK) return code;
    }
    if (build->n == 0) return command_fail("%s: no rows in it", build->input.path);
    return link_some(build, true);
}

static int save(struct build *build) {
    enum { STEP = 64 << 20 };
    struct index_save *saving;
    bool done = false;
    double start = opened_clock();
    enum status s = index_save_start(build->index, build->out, build->n, &saving);
    if (s == STATUS_OK) {
        while (s == STATUS_OK && !done)
            s = index_save_step(saving, STEP, &done);
        index_save_end(saving);
    }
    build->save_seconds = opened_clock() - start;
    return s == STATUS_OK ? EXIT_OK : command_fail("%s: %s", build->out, status_text(s));
}

static int print(const struct build *build, double seconds) {
    struct index_file_info info;
    int code = opened_info(build->out, &info);
    if (code != EXIT_OK) return code;
    const struct index_view *view = index_view_hold(build->index);
    struct index_stats stats = index_stats(view);
    index_view_drop(view);
    if (build->json) {
        printf("{\"points\":%" PRIu64 ",\"bad\":%" PRIu64 ",\"dimension\":%u,\"storage\":\"%s\","
               "\"fileBytes\":%" PRIu64 ",\"memoryBytes\":%" PRIu64
               ",\"seconds\":%.3f,\"linkSeconds\":%.3f,\"saveSeconds\":%.3f}\n",
               build->n, build->rows.n_bad, info.options.dimension,
               index_storage_name(stats.storage), info.bytes, stats.memory_bytes, seconds,
               build->link_seconds, build->save_seconds);
        return EXIT_OK;
    }
    printf("%s: %" PRIu64 " points, %u dimensions, %s, kept as %s\n", build->out, build->n,
           info.options.dimension, index_metric_name(info.options.metric),
           index_storage_name(stats.storage));
    printf("%s in the file, %s in memory; built in %.1f s (%.0f/s)", //
           opened_bytes((double)info.bytes), opened_bytes((double)stats.memory_bytes), seconds,
           seconds > 0 ? (double)build->n / seconds : 0);
    if (build->rows.n_bad) printf(", %" PRIu64 " bad rows left out", build->rows.n_bad);
    putchar('\n');
    return EXIT_OK;
}

/* What is there and is no index is nobody's to replace. */
static int may_write(const char *path) {
    struct index_file_info info;
    enum status s = index_file_info(path, &info);
    if (s == STATUS_OK || s == STATUS_NOT_FOUND || s == STATUS_UNIMPLEMENTED) return EXIT_OK;
    return command_fail("%s is there, and is no index file: remove it first", path);
}

static int run_build(struct build *build) {
    int code = may_write(build->out);
    if (code == EXIT_OK) code = rows_open(&build->rows, &build->input);
    if (code != EXIT_OK) return code;
    progress_start(&build->progress, "points linked", build->quiet);
    code = fill(build);
    if (code == EXIT_OK) code = save(build);
    double seconds = progress_stop(&build->progress);
    if (code == EXIT_OK) code = print(build, seconds);
    rows_close(&build->rows);
    crew_close(build->crew);
    index_close(build->index);
    return code;
}

static int run(const struct args *args) {
    struct build build = {0};
    struct buffer why;
    buffer_init(&why);
    bool ok = read_args(args, &build, &why);
    int code = ok ? EXIT_OK : command_misuse("index build", "%s", (char *)why.data);
    buffer_free(&why);
    return code == EXIT_OK ? run_build(&build) : code;
}

const struct command command_index_build = {
    .of = "index",
    .name = "build",
    .arguments = "FILE --out PATH",
    .summary =
        "build an index file from vectors in npy, fvecs, bvecs, IDX, HDF5, JSON lines or CSV",
    .help =
        "  vectron index build sift.fvecs --out sift.index --distance euclidean\n"
        "  vectron index build docs.jsonl.gz --out docs.index --ef-construction 200\n\n"
        "Ids are those of the file, or the number of the row. Payloads are not in an index file.\n",
    .flags = flags,
    .run = run,
};
