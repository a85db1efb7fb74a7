/* baseline: point n of the index is row n - 1 of the file. */
#include "baseline.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/memory.h"

enum { STEP = 1 << 30 };

_Noreturn static void die(const char *what, enum status status) {
    fprintf(stderr, "%s: %s\n", what, status_text(status));
    exit(1);
}

static float *read_rows(const char *path, size_t dimension, size_t *n) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) die(path, STATUS_IO);
    size_t size = (size_t)ftell(file);
    rewind(file);
    float *rows = mem_alloc(size);
    if (!rows || fread(rows, 1, size, file) != size) die(path, STATUS_IO);
    fclose(file);
    *n = size / (dimension * sizeof(float));
    return rows;
}

static void link_all(struct index *index) {
    for (bool idle = false; !idle;) {
        enum status s = index_link_step(index, STEP, &idle);
        if (s != STATUS_OK) die("link", s);
    }
}

static struct index *build(const struct index_options *options, const float *rows, size_t n) {
    struct index *index = NULL;
    uint64_t applied;
    enum status s = index_open(options, NULL, &index, &applied);
    if (s != STATUS_OK) die("open", s);
    for (size_t i = 0; i < n; i++) {
        char id[32];
        int size = snprintf(id, sizeof id, "%zu", i);
        struct index_point point = {.number = i + 1,
                                    .vector = rows + i * options->dimension,
                                    .id = id,
                                    .id_size = (uint32_t)size};
        if (index_tail_room(index) == 0) link_all(index);
        s = index_append(index, &point, 1);
        if (s != STATUS_OK) die("append", s);
    }
    link_all(index);
    return index;
}

void baseline_open(struct baseline *baseline, char **arguments) {
    struct index_options options = {.dimension = (uint32_t)atoi(arguments[2]), .seed = 1};
    if (index_metric_parse(arguments[3], &options.metric) != STATUS_OK)
        die(arguments[3], STATUS_INVALID);
    *baseline = (struct baseline){.dimension = options.dimension,
                                  .k = (uint32_t)atoi(arguments[4]),
                                  .ef = (uint32_t)atoi(arguments[5])};
    float *base = read_rows(arguments[0], options.dimension, &baseline->n_base);
    baseline->queries = read_rows(arguments[1], options.dimension, &baseline->n_queries);
    baseline->index = build(&options, base, baseline->n_base);
    baseline->view = index_view_hold(baseline->index);
    mem_free(base);
}

void baseline_close(struct baseline *baseline) {
    index_view_drop(baseline->view);
    index_close(baseline->index);
    mem_free(baseline->queries);
}

struct index_reader *baseline_reader(void) {
    struct index_reader *reader = NULL;
    if (index_reader_open(&reader) != STATUS_OK) die("reader", STATUS_NO_MEMORY);
    return reader;
}

void baseline_search(const struct baseline *baseline,
                     struct index_reader *reader,
                     size_t q,
                     uint64_t *numbers) {
    struct index_query query = {.vector = baseline->queries + q * baseline->dimension,
                                .k = baseline->k,
                                .ef = baseline->ef};
    enum status s = index_search_start(reader, baseline->view, &query);
    for (bool done = false; s == STATUS_OK && !done;)
        s = index_search_step(reader, STEP, &done);
    if (s != STATUS_OK) die("search", s);
    size_t n;
    const struct index_hit *hits = index_search_hits(reader, &n);
    for (size_t i = 0; i < n; i++)
        numbers[i] = hits[i].number - 1;
    index_search_end(reader);
}
