/* vectron index info: what an index file is. */
#include <inttypes.h>

#include "cli/index/opened.h"
#include "cli/index/parts.h"

static const struct args_flag flags[] = {
    {"head", NULL, "only what the head of the file says: the rest is not read"},
    {"json", NULL, "print it as JSON"},
    {0},
};

enum { BARS = 16, BAR_WIDTH = 40 };

static void print_head(const struct index_file_info *info) {
    printf("version     %u\n", info->version);
    printf("dimension   %u\n", info->options.dimension);
    printf("distance    %s\n", index_metric_name(info->options.metric));
    printf("storage     %s\n", index_storage_name(info->options.storage));
    printf("M           %u\n", info->options.M);
    printf("slots       %" PRIu64 ", of them %" PRIu64 " not linked when it was saved\n",
           info->slots, info->tail);
    printf("applied     %" PRIu64 "\n", info->applied);
    printf("file        %s\n", opened_bytes((double)info->bytes));
}

static uint64_t degrees_of(const struct index_shape *shape, uint32_t low, uint32_t high) {
    uint64_t n = 0;
    for (uint32_t d = low; d <= high && d <= shape->degree_max; d++)
        n += shape->degrees[d];
    return n;
}

static double mean_degree(const struct index_shape *shape) {
    double sum = 0;
    for (uint32_t d = 0; d <= shape->degree_max; d++)
        sum += (double)d * (double)shape->degrees[d];
    return shape->linked ? sum / (double)shape->linked : 0;
}

static void print_shape(const struct index_shape *shape) {
    uint32_t width = shape->degree_max / BARS + 1;
    printf("\nlevels (points whose highest one it is)\n");
    for (unsigned level = 0; level < INDEX_LEVELS; level++)
        if (shape->levels[level]) printf("  %2u  %10" PRIu64 "\n", level, shape->levels[level]);
    printf("edges at level 0 (points that have so many; %.1f on average, %u at most)\n",
           mean_degree(shape), shape->degree_max);
    for (uint32_t low = 0; low <= shape->degree_max; low += width) {
        uint32_t high = low + width - 1 < shape->degree_max ? low + width - 1 : shape->degree_max;
        uint64_t n = degrees_of(shape, low, high);
        int bar = shape->linked ? (int)(n * BAR_WIDTH / shape->linked) : 0;
        printf("  %3u-%-3u  %10" PRIu64 "  ", low, high, n);
        for (int i = 0; i < bar; i++)
            putchar('#');
        putchar('\n');
    }
}

static void print_all(const struct opened *opened) {
    struct index_stats stats = index_stats(opened->view);
    struct index_shape shape;
    index_shape(opened->view, &shape);
    print_head(&opened->info);
    printf("points      %" PRIu64 " live, %" PRIu64 " in the tail, %" PRIu64 " removed\n",
           stats.points, stats.tail, stats.removed);
    printf("memory      %s, %.0f bytes a point\n", opened_bytes((double)stats.memory_bytes),
           stats.points ? (double)stats.memory_bytes / (double)stats.points : 0);
    print_shape(&shape);
}

static void print_list(const char *name, const uint64_t *numbers, size_t n) {
    printf(",\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        printf("%s%" PRIu64, i ? "," : "", numbers[i]);
    putchar(']');
}

static void print_json(const struct index_file_info *info, const struct opened *opened) {
    printf("{\"version\":%u,\"dimension\":%u,\"distance\":\"%s\",\"storage\":\"%s\",\"m\":%u,"
           "\"slots\":%" PRIu64 ",\"tailSaved\":%" PRIu64 ",\"applied\":%" PRIu64
           ",\"fileBytes\":%" PRIu64,
           info->version, info->options.dimension, index_metric_name(info->options.metric),
           index_storage_name(info->options.storage), info->options.M, info->slots, info->tail,
           info->applied, info->bytes);
    if (opened) {
        struct index_stats stats = index_stats(opened->view);
        struct index_shape shape;
        index_shape(opened->view, &shape);
        unsigned levels = 0;
        for (unsigned level = 0; level < INDEX_LEVELS; level++)
            if (shape.levels[level]) levels = level + 1;
        printf(",\"points\":%" PRIu64 ",\"tail\":%" PRIu64 ",\"removed\":%" PRIu64
               ",\"linked\":%" PRIu64 ",\"memoryBytes\":%" PRIu64,
               stats.points, stats.tail, stats.removed, shape.linked, stats.memory_bytes);
        print_list("levels", shape.levels, levels);
        print_list("degrees", shape.degrees, shape.degree_max + 1);
    }
    printf("}\n");
}

static int run(const struct args *args) {
    if (args->n_words != 1) return command_misuse("index info", "give one index FILE");
    bool json = args_on(args, "json");
    if (args_on(args, "head")) {
        struct index_file_info info;
        int code = opened_info(args->words[0], &info);
        if (code == EXIT_OK && json) print_json(&info, NULL);
        if (code == EXIT_OK && !json) print_head(&info);
        return code;
    }
    struct opened opened;
    int code = opened_open(args->words[0], &opened);
    if (code == EXIT_OK && json) print_json(&opened.info, &opened);
    if (code == EXIT_OK && !json) print_all(&opened);
    opened_close(&opened);
    return code;
}

const struct command command_index_info = {
    .of = "index",
    .name = "info",
    .arguments = "FILE",
    .summary = "what an index file is: head, sizes, codes, levels, edges",
    .help =
        "Reads an index of build, or one of a server's shard (DATA_DIR/…/index): such a file must\n"
        "not be replaced meanwhile, so look at a copy of it.\n",
    .flags = flags,
    .run = run,
};
