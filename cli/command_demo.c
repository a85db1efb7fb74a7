/* vectron demo: what every Debian machine knows about its packages, as a collection to search in.
 */
#include <errno.h>
#include <string.h>

#include "cli/command.h"
#include "cli/corpus.h"
#include "cli/demo_text.h"
#include "cli/loader.h"
#include "cli/package.h"
#include "cli/progress.h"
#include "runtime/memory.h"

enum { BATCH = 500, CONCURRENCY = 4, PATIENCE_MS = 120 * 1000 };

static const struct args_flag flags[] = {
    {"collection", "NAME", "where the texts go (default packages)"},
    {"file", "PATH", "paragraphs as `apt-cache dumpavail` prints them, instead of its output"},
    {"bundled", NULL, "the small bundled text, not apt's lists"},
    {"limit", "N", "only the first N packages by name"},
    {"shards", "N", "parts of the collection (default: the server's)"},
    {"quiet", NULL, "no progress"},
    {0},
};

static enum status read_bundled(struct package_list *list) {
    for (size_t i = 0; demo_text[i]; i++) {
        FILE *file = fmemopen((char *)demo_text[i], strlen(demo_text[i]), "r");
        if (!file) return STATUS_NO_MEMORY;
        enum status status = package_list_read(list, file);
        fclose(file);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status read_apt(struct package_list *list) {
    FILE *pipe = popen("apt-cache dumpavail 2>/dev/null", "re");
    if (!pipe) return STATUS_IO;
    enum status status = package_list_read(list, pipe);
    pclose(pipe);
    return status;
}

static int read_packages(const struct args *args, struct package_list *list) {
    const char *path = args_text(args, "file");
    enum status status = STATUS_OK;
    if (path) {
        FILE *file = fopen(path, "re");
        if (!file) return command_fail("%s: %s", path, strerror(errno));
        status = package_list_read(list, file);
        fclose(file);
        if (status == STATUS_OK && list->n == 0)
            return command_fail("%s: there is no \"Package: …\" paragraph in it", path);
    } else if (!args_on(args, "bundled")) {
        status = read_apt(list);
        if (status != STATUS_NO_MEMORY && list->n == 0) {
            fputs(
                "This machine has no package descriptions (`apt-get update` fetches them): loading the small "
                "bundled text instead.\n",
                stderr);
            status = read_bundled(list);
        }
    } else {
        status = read_bundled(list);
    }
    if (status != STATUS_OK)
        return command_fail("the descriptions cannot be read: %s", status_text(status));
    package_list_sort(list);
    return EXIT_OK;
}

static struct embed_weights *learn(const struct package_list *list) {
    struct embed_counts *counts = embed_counts_new();
    struct embed_weights *weights = mem_alloc(sizeof *weights);
    if (counts && weights) {
        for (size_t i = 0; i < list->n; i++) {
            struct embed_part parts[PACKAGE_PARTS];
            package_parts(&list->packages[i], parts);
            embed_counts_add(counts, parts, PACKAGE_PARTS);
        }
        embed_weights_learn(counts, weights);
    } else {
        mem_free(weights);
        weights = NULL;
    }
    embed_counts_free(counts);
    return weights;
}

static enum status add_package(struct loader *loader,
                               const struct embed_weights *weights,
                               const struct package *package,
                               uint64_t row) {
    float vector[EMBED_DIMENSION];
    struct embed_part parts[PACKAGE_PARTS];
    package_parts(package, parts);
    enum status status = embed_text(weights, parts, PACKAGE_PARTS, vector);
    if (status == STATUS_INVALID) return STATUS_OK; /* no word that counts: nobody could find it */
    if (status != STATUS_OK) return status;
    const struct reader_pair pairs[] = {
        {"name", package->name},
        {"section", package->section},
        {"summary", package->summary},
    };
    struct loader_point point = {row, package->name, vector, EMBED_DIMENSION, pairs, 3};
    return loader_add(loader, &point);
}

struct load {
    const char *collection;
    uint64_t limit;
    bool quiet;
};

static int load(struct command_session *session,
                const struct load *options,
                const struct package_list *list,
                const struct embed_weights *weights) {
    struct loader_options to = {
        .client = session->client,
        .collection = options->collection,
        .batch = BATCH,
        .concurrency = CONCURRENCY,
        .patience_ms = PATIENCE_MS,
    };
    struct loader *loader;
    if (loader_open(&to, &loader) != STATUS_OK) return command_fail("out of memory");
    struct progress progress;
    progress_start(&progress, "texts", options->quiet);
    size_t n = options->limit && options->limit < list->n ? (size_t)options->limit : list->n;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        status = add_package(loader, weights, &list->packages[i], i);
        progress_show(&progress, i + 1, (double)(i + 1) / (double)n);
    }
    if (status == STATUS_OK) status = loader_finish(loader);
    double seconds = progress_stop(&progress);
    int code = EXIT_OK;
    if (status != STATUS_OK)
        code =
            command_fail("%s", *loader_words(loader) ? loader_words(loader) : status_text(status));
    else
        printf(
            "loaded %zu texts into \"%s\" in %.1f s (%.0f/s)\ntry: vectron search %s \"play music in a terminal\"\n",
            n, options->collection, seconds, (double)n / seconds, options->collection);
    loader_close(loader);
    return code;
}

static int fill(struct command_session *session,
                const struct args *args,
                const struct load *options,
                uint32_t shards) {
    struct package_list list;
    package_list_init(&list);
    int code = read_packages(args, &list);
    struct embed_weights *weights = code == EXIT_OK ? learn(&list) : NULL;
    if (code == EXIT_OK && !weights) code = command_fail("out of memory");
    struct corpus_collection about = {
        .name = options->collection,
        .dimension = EMBED_DIMENSION,
        .distance = "cosine",
        .shards = shards,
    };
    if (code == EXIT_OK) code = corpus_create(session, &about);
    if (code == EXIT_OK) code = corpus_save(session, options->collection, weights);
    if (code == EXIT_OK) code = load(session, options, &list, weights);
    mem_free(weights);
    package_list_reset(&list);
    return code;
}

static int run(const struct args *args) {
    if (args->n_words) return command_misuse("demo", "too many arguments");
    const char *collection = args_text(args, "collection");
    int64_t limit, shards;
    struct buffer why;
    buffer_init(&why);
    int code = EXIT_OK;
    if (args_number(args, "limit", (struct args_bounds){0, 1, INT32_MAX}, &limit, &why) !=
            STATUS_OK ||
        args_number(args, "shards", (struct args_bounds){0, 1, 1024}, &shards, &why) != STATUS_OK)
        code = command_misuse("demo", "%s", (char *)why.data);
    buffer_free(&why);
    if (code != EXIT_OK) return code;
    struct load options = {
        .collection = collection ? collection : "packages",
        .limit = (uint64_t)limit,
        .quiet = args_on(args, "quiet"),
    };
    struct command_session session;
    if (!command_session_open(args, &session)) return EXIT_USAGE;
    code = fill(&session, args, &options, (uint32_t)shards);
    command_session_close(&session);
    return code;
}

const struct command command_demo = {
    .name = "demo",
    .arguments = "",
    .summary = "load the package descriptions of this machine as a collection to search in",
    .help =
        "Reads `apt-cache dumpavail` (some 60,000 texts), turns each into a vector with the built-in\n"
        "embedder and loads them as collection \"packages\". The embedder counts words: it is lexical, no\n"
        "model. Its word weights are kept in \"packages.idf\", so that every client embeds alike.\n\n"
        "  vectron demo\n"
        "  vectron search packages \"play music in a terminal\"\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .way = ARGS_CALLS,
    .run = run,
};
