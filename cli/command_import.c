/* vectron import: the command line of import.h. */
#include <string.h>

#include "cli/import.h"
#include "cli/loader.h"

static const struct args_flag flags[] = {
    {"collection", "NAME", "where the vectors go (needed)"},
    {"create", NULL, "make the collection, with the file's dimension, when it is not there"},
    {"distance", "NAME", "cosine, euclidean or dot, with --create (default cosine)"},
    {"shards", "N", "parts of the collection, with --create (default: the server's)"},
    {"index", "KEY:TYPE,...", PAYLOAD_TEXT_HELP ", with --create"},
    {"format", "NAME",
     "npy, vecs, idx, hdf5, jsonl or csv (default: by the file's name, then its first bytes)"},
    {"dataset", "NAME", "of an HDF5 file (default train)"},
    {"id-prefix", "TEXT", "put before every id; rows without id are numbered from 0"},
    {"batch", "N", "points of one request, 1 to 10000 (default 500)"},
    {"concurrency", "N", "requests in flight, 1 to 64 (default 4)"},
    {"bulk", NULL, "linked on all cores though others search meanwhile; waits until all points are"},
    {"limit", "N", "read only the first N rows"},
    {"on-error", "stop|skip", "what a bad row does (default stop)"},
    {"resume", "PATH", "the journal; '' for none (default: one in the folder VECTRON_DATA_DIR.import)"},
    {"fresh", NULL, "forget the journal: send every row"},
    {"quiet", NULL, "no progress"},
    {"json", NULL, "print the counts as JSON"},
    {0},
};

/* False: why has words. */
static bool
read_numbers(const struct args *args, struct import_options *options, struct buffer *why) {
    int64_t batch, concurrency, limit, shards;
    bool ok =
        args_number(args, "batch", (struct args_bounds){500, 1, LOADER_BATCH_MAX}, &batch, why) ==
            STATUS_OK &&
        args_number(args, "concurrency", (struct args_bounds){4, 1, LOADER_CONCURRENCY_MAX},
                    &concurrency, why) == STATUS_OK &&
        args_number(args, "limit", (struct args_bounds){0, 1, INT64_MAX / 2048}, &limit, why) ==
            STATUS_OK &&
        args_number(args, "shards", (struct args_bounds){0, 1, 1024}, &shards, why) == STATUS_OK;
    if (!ok) return false;
    options->batch = (uint32_t)batch;
    options->concurrency = (uint32_t)concurrency;
    options->limit = (uint64_t)limit;
    options->collection.shards = (uint32_t)shards;
    return true;
}

static bool
read_options(const struct args *args, struct import_options *options, struct buffer *why) {
    const char *on_error = args_text(args, "on-error"), *prefix = args_text(args, "id-prefix");
    const char *distance = args_text(args, "distance");
    *options = (struct import_options){
        .path = args->n_words == 1 ? args->words[0] : NULL,
        .format = args_text(args, "format"),
        .dataset = args_text(args, "dataset"),
        .collection = {.name = args_text(args, "collection"),
                       .distance = distance ? distance : "cosine"},
        .create = args_on(args, "create"),
        .bulk = args_on(args, "bulk"),
        .id_prefix = prefix ? prefix : "",
        .skip_bad = on_error && strcmp(on_error, "skip") == 0,
        .journal = args_text(args, "resume"),
        .fresh = args_on(args, "fresh"),
        .quiet = args_on(args, "quiet"),
    };
    if (!options->path)
        buffer_printf(why, "give one FILE");
    else if (!options->collection.name)
        buffer_printf(why, "give --collection NAME");
    else if (on_error && !options->skip_bad && strcmp(on_error, "stop") != 0)
        buffer_printf(why, "--on-error: \"%s\" is neither stop nor skip", on_error);
    else
        return read_numbers(args, options, why);
    return false;
}

static void print_result(const struct import_result *result, bool json) {
    double rate = result->seconds > 0 ? (double)result->sent / result->seconds : 0;
    if (json) {
        printf(
            "{\"rows\":%llu,\"imported\":%llu,\"resumed\":%llu,\"bad\":%llu,\"retries\":%llu,\"seconds\":%.3f,\"linked_seconds\":%.3f}\n",
            (unsigned long long)result->rows, (unsigned long long)result->sent,
            (unsigned long long)result->resumed, (unsigned long long)result->bad,
            (unsigned long long)result->retries, result->seconds, result->linked_seconds);
        return;
    }
    printf("imported %llu vectors in %.1f s (%.0f/s)", (unsigned long long)result->sent,
           result->seconds, rate);
    if (result->resumed)
        printf(", %llu were there from an earlier run", (unsigned long long)result->resumed);
    if (result->linked_seconds > 0)
        printf(", all linked after %.1f s (%.0f/s)", result->linked_seconds,
               (double)result->sent / result->linked_seconds);
    if (result->bad) printf(", %llu bad rows left out", (unsigned long long)result->bad);
    putchar('\n');
}

static int import(const struct args *args, const struct import_options *options) {
    struct command_session session;
    if (!command_session_open(args, &session)) return EXIT_USAGE;
    struct import_result result;
    int code = import_run(&session, options, &result);
    if (code == EXIT_OK || result.sent > 0) print_result(&result, args_on(args, "json"));
    command_session_close(&session);
    return code;
}

static int run(const struct args *args) {
    struct import_options options;
    struct buffer why;
    struct arena arena; /* of the payload indexes */
    buffer_init(&why);
    arena_init(&arena, 0);
    bool ok = read_options(args, &options, &why) &&
              payload_text_read(args_text(args, "index"), &arena, &options.collection.indexes,
                                &why) == STATUS_OK;
    int code = ok ? import(args, &options) : command_misuse("import", "%s", (char *)why.data);
    buffer_free(&why);
    arena_free(&arena);
    return code;
}

const struct command command_import = {
    .name = "import",
    .arguments = "FILE --collection NAME",
    .summary = "load vectors from npy, fvecs, bvecs, IDX, HDF5, JSON lines or CSV, also .gz",
    .help =
        "  vectron import sift.fvecs --collection sift --create --distance euclidean\n"
        "  vectron import docs.jsonl.gz --collection docs --on-error skip\n\n"
        "An import that was interrupted goes on where it was when the same command is given again:\n"
        "rows that the server acknowledged are not sent twice. Of two equal ids in one file either\n"
        "may win unless --concurrency 1 is given; then the later one does.\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .way = ARGS_CALLS,
    .run = run,
};
