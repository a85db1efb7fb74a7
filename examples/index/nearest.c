/* nearest: libvectron-index in one page: points with payloads go in, a file comes out, is opened
 * again and searched, nearly, exactly and with a filter.
 *
 *     nearest FILE */
#include <index/index.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIMENSION = 32, POINTS = 10000, K = 3 };

static void need(enum status s, const char *what) {
    if (s == STATUS_OK) return;
    fprintf(stderr, "nearest: %s: %s\n", what, status_text(s));
    exit(1);
}

/* Some numbers between -1 and 1 that are the same everywhere (xorshift, Marsaglia 2003). */
static float next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (float)(*state >> 40) / (float)(1 << 23) - 1;
}

/* Point i has the number i + 1 and a payload {"size": "small"} or {"size": "large"}. */
static void append(struct index *index, uint64_t i, const float *vector) {
    static const char small[] = "\x81\xa4size\xa5small", large[] = "\x81\xa4size\xa5large";
    char id[24];
    struct index_point point = {
        .number = i + 1,
        .vector = vector,
        .id = id,
        .id_size = (uint32_t)snprintf(id, sizeof id, "point-%llu", (unsigned long long)i),
        .payload = i % 100 ? large : small,
        .payload_size = sizeof small - 1,
    };
    while (index_tail_room(index) == 0) { /* this program is its own linker */
        bool idle;
        need(index_link_step(index, 100000, &idle), "link");
    }
    need(index_append(index, &point, 1), "append");
}

static void fill(struct index *index) {
    uint64_t state = 1;
    bool idle = false;
    for (uint64_t i = 0; i < POINTS; i++) {
        float vector[DIMENSION];
        for (int d = 0; d < DIMENSION; d++)
            vector[d] = next(&state);
        append(index, i, vector);
    }
    while (!idle)
        need(index_link_step(index, 100000, &idle), "link");
}

static void save(struct index *index, const char *path) {
    struct index_save *saving;
    bool done = false;
    need(index_save_start(index, path, POINTS, &saving), path);
    while (!done)
        need(index_save_step(saving, 1 << 20, &done), path);
    index_save_end(saving);
}

static void search(const struct index_view *view, const char *what, struct index_query query) {
    static const float vector[DIMENSION] = {0.5f, -0.5f, 0.25f};
    struct index_reader *reader;
    bool done = false;
    size_t n;
    query.vector = vector;
    query.k = K;
    need(index_reader_open(&reader), "reader");
    need(index_search_start(reader, view, &query), what);
    while (!done)
        need(index_search_step(reader, 1000, &done), what);
    const struct index_hit *hits = index_search_hits(reader, &n);
    printf("%s, %s of %llu points:\n", what, index_plan_name(index_search_stats(reader).plan),
           (unsigned long long)index_search_stats(reader).matching);
    for (size_t i = 0; i < n; i++)
        printf("  %.*s %.4f\n", (int)hits[i].id_size, hits[i].id, (double)hits[i].distance);
    index_search_end(reader);
    index_reader_close(reader);
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: nearest FILE\n"), 2;
    struct index_column size = {.key = {"size", 4}, .type = FILTER_KEYWORD};
    struct index_options options = {
        .dimension = DIMENSION,
        .metric = INDEX_EUCLIDEAN,
        .seed = 1,
        .columns = &size,
        .n_columns = 1,
    };
    struct index *index, *again;
    uint64_t applied;
    need(index_open(&options, NULL, &index, &applied), "open");
    fill(index);
    const struct index_view *view = index_view_hold(index);
    search(view, "graph", (struct index_query){.ef = 200});
    search(view, "exact", (struct index_query){.exact = true});
    struct filter_text value = {"small", 5};
    struct filter_node node = {.op = FILTER_IN, .n = 1, .key = size.key, .texts = &value};
    struct filter filter = {&node, 1};
    search(view, "small", (struct index_query){.filter = &filter});
    index_view_drop(view);
    save(index, argv[1]);
    index_close(index);

    options.n_columns = 0; /* payloads are not in the file */
    need(index_open(&options, argv[1], &again, &applied), argv[1]);
    view = index_view_hold(again);
    search(view, "again", (struct index_query){.ef = 200});
    index_view_drop(view);
    index_close(again);
    return 0;
}
