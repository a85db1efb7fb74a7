/* vectron index stats: what an index takes: memory, time to open, and what searches cost. */
#include <inttypes.h>

#include "cli/index/parts.h"
#include "cli/index/trial.h"

static const struct args_flag flags[] = {
    {"ef", "N", "width of the searches (default 128)"},
    {"queries", "FILE", "query vectors, as import reads them (default: points of the index)"},
    {"format", "NAME", "of the queries (default: found out)"},
    {"dataset", "NAME", "of an HDF5 file (default train)"},
    {"limit", "N", "at most so many queries (default 1000; of the index's own points 200)"},
    {"k", "N", "neighbours that are looked for, 1 to 1000 (default 10)"},
    {"seed", "N", "chooses the index's own points (default 1)"},
    {"json", NULL, "print it as JSON"},
    {0},
};

static void print_text(const struct opened *opened,
                       const struct trial *trial,
                       const struct trial_point *point) {
    struct index_stats stats = index_stats(opened->view);
    double n = stats.points ? (double)stats.points : 1;
    printf("points      %" PRIu64 " live, %" PRIu64 " in the tail, %" PRIu64 " removed, %" PRIu64
           " slots\n",
           stats.points, stats.tail, stats.removed, stats.slots);
    printf("kept as     %s, levels 0 to %u\n", index_storage_name(stats.storage), stats.max_level);
    printf("memory      %s, %.0f bytes a point\n", opened_bytes((double)stats.memory_bytes),
           (double)stats.memory_bytes / n);
    printf("file        %s, %.0f bytes a point; opened in %.1f ms\n",
           opened_bytes((double)opened->info.bytes), (double)opened->info.bytes / n,
           opened->seconds * 1e3);
    printf(
        "searches    %zu queries, k %u, ef %u: %.0f/s of one thread; 50 %% within %.0f us, 99 %% "
        "within %.0f us\n",
        trial->n, trial->k, point->ef, point->qps, point->median_us, point->late_us);
    printf("a search    %.0f distances, %.0f points expanded\n", point->distances, point->hops);
}

static void print_json(const struct opened *opened,
                       const struct trial *trial,
                       const struct trial_point *point) {
    struct index_stats stats = index_stats(opened->view);
    printf("{\"points\":%" PRIu64 ",\"tail\":%" PRIu64 ",\"removed\":%" PRIu64 ",\"slots\":%" PRIu64
           ",\"storage\":\"%s\",\"maxLevel\":%u,\"memoryBytes\":%" PRIu64 ",\"fileBytes\":%" PRIu64
           ",\"openSeconds\":%.6f,",
           stats.points, stats.tail, stats.removed, stats.slots, index_storage_name(stats.storage),
           stats.max_level, stats.memory_bytes, opened->info.bytes, opened->seconds);
    printf("\"searches\":{\"queries\":%zu,\"k\":%u,\"ef\":%u,\"perSecond\":%.1f,\"medianUs\":%.1f,"
           "\"p99Us\":%.1f,\"distances\":%.1f,\"expanded\":%.1f}}\n",
           trial->n, trial->k, point->ef, point->qps, point->median_us, point->late_us,
           point->distances, point->hops);
}

static int measure(const struct args *args, struct trial *trial, struct opened *opened) {
    struct buffer why;
    struct trial_point point;
    int64_t ef;
    buffer_init(&why);
    bool ok = args_number(args, "ef", (struct args_bounds){INDEX_EF_DEFAULT, 1, INDEX_EF_MAX}, &ef,
                          &why) == STATUS_OK;
    int code = ok ? EXIT_OK : command_misuse("index stats", "%s", (char *)why.data);
    buffer_free(&why);
    if (code == EXIT_OK) code = trial_open(trial, "index stats", args);
    if (code == EXIT_OK) code = opened_open(args->words[0], opened);
    if (code == EXIT_OK) code = trial_fit(trial, args, opened);
    if (code == EXIT_OK) code = trial_run(trial, opened, (uint32_t)ef, &point);
    if (code == EXIT_OK && args_on(args, "json")) print_json(opened, trial, &point);
    if (code == EXIT_OK && !args_on(args, "json")) print_text(opened, trial, &point);
    return code;
}

static int run(const struct args *args) {
    if (args->n_words != 1) return command_misuse("index stats", "give one index FILE");
    struct opened opened = {0};
    struct trial trial = {0};
    int code = measure(args, &trial, &opened);
    trial_close(&trial);
    opened_close(&opened);
    return code;
}

const struct command command_index_stats = {
    .of = "index",
    .name = "stats",
    .arguments = "FILE",
    .summary = "what an index takes: memory, time to open, the work of a search",
    .flags = flags,
    .run = run,
};
