/* vectron-inproc: the index alone, in this process: the baseline of what a service adds.
 *
 *   vectron-inproc BASE QUERIES DIMENSION METRIC K EF SECONDS [HITS]
 *
 * BASE and QUERIES are raw little-endian float32 rows. Builds the graph, then, for each line on its
 * standard input, searches round robin on one thread for SECONDS and prints one JSON line:
 *   {"points","build_cpu_s","searches","cpu_us","p50_us","memory_bytes"}
 * So a bench can measure it in turn with something else. HITS gets K u64 point numbers (= rows) a
 * query. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "index/index.h"
#include "runtime/memory.h"

enum { LATENCIES_MAX = 1 << 20, STEP = 1 << 30 };

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double wall_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

_Noreturn static void die(const char *what, enum status status) {
    fprintf(stderr, "vectron-inproc: %s: %s\n", what, status_text(status));
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

static size_t search(struct index_reader *reader,
                     const struct index_view *view,
                     const struct index_query *query,
                     uint64_t *numbers) {
    enum status s = index_search_start(reader, view, query);
    for (bool done = false; s == STATUS_OK && !done;)
        s = index_search_step(reader, STEP, &done);
    if (s != STATUS_OK) die("search", s);
    size_t n;
    const struct index_hit *hits = index_search_hits(reader, &n);
    for (size_t i = 0; i < n; i++)
        numbers[i] = hits[i].number - 1;
    index_search_end(reader);
    return n;
}

static void write_hits(const char *path, const uint64_t *numbers, size_t n) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(numbers, sizeof *numbers, n, file) != n || fclose(file) != 0)
        die(path, STATUS_IO);
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

struct run {
    const struct index_view *view;
    struct index_reader *reader;
    const float *queries;
    size_t n_queries, dimension;
    uint32_t k, ef;
    double seconds;
    uint64_t *numbers; /* k a query */
    float *latencies;  /* LATENCIES_MAX */
};
struct figures {
    size_t searches;
    double cpu_us, p50_us;
};

static struct figures measure(struct run *run) {
    size_t searches = 0;
    double started = cpu_seconds(), until = wall_seconds() + run->seconds;
    while (searches < run->n_queries || wall_seconds() < until) {
        size_t q = searches % run->n_queries;
        struct index_query query = {
            .vector = run->queries + q * run->dimension, .k = run->k, .ef = run->ef};
        double at = wall_seconds();
        search(run->reader, run->view, &query, run->numbers + q * run->k);
        if (searches < LATENCIES_MAX)
            run->latencies[searches] = (float)((wall_seconds() - at) * 1e6);
        searches++;
    }
    double cpu = cpu_seconds() - started;
    size_t kept = searches < LATENCIES_MAX ? searches : LATENCIES_MAX;
    qsort(run->latencies, kept, sizeof *run->latencies, by_value);
    return (struct figures){searches, cpu / (double)searches * 1e6,
                            (double)run->latencies[kept / 2]};
}

int main(int argc, char **argv) {
    if (argc < 8) {
        fprintf(stderr,
                "usage: vectron-inproc BASE QUERIES DIMENSION METRIC K EF SECONDS [HITS]\n");
        return 2;
    }
    struct index_options options = {.dimension = (uint32_t)atoi(argv[3]), .seed = 1};
    if (index_metric_parse(argv[4], &options.metric) != STATUS_OK) die(argv[4], STATUS_INVALID);
    size_t n_base, n_queries, k = (size_t)atoi(argv[5]);
    float *base = read_rows(argv[1], options.dimension, &n_base);
    float *queries = read_rows(argv[2], options.dimension, &n_queries);

    double build_started = cpu_seconds();
    struct index *index = build(&options, base, n_base);
    double build_cpu = cpu_seconds() - build_started;
    const struct index_view *view = index_view_hold(index);
    struct index_reader *reader = NULL;
    if (index_reader_open(&reader) != STATUS_OK) die("reader", STATUS_NO_MEMORY);

    struct run run = {
        .view = view,
        .reader = reader,
        .queries = queries,
        .n_queries = n_queries,
        .dimension = options.dimension,
        .k = (uint32_t)k,
        .ef = (uint32_t)atoi(argv[6]),
        .seconds = atof(argv[7]),
        .numbers = mem_zero(n_queries * k, sizeof(uint64_t)),
        .latencies = mem_alloc(LATENCIES_MAX * sizeof(float)),
    };
    if (!run.numbers || !run.latencies) die("memory", STATUS_NO_MEMORY);
    char line[16];
    while (fgets(line, sizeof line, stdin)) {
        struct figures figures = measure(&run);
        printf("{\"points\":%zu,\"build_cpu_s\":%.2f,\"searches\":%zu,\"cpu_us\":%.2f,"
               "\"p50_us\":%.1f,\"memory_bytes\":%" PRIu64 "}\n",
               n_base, build_cpu, figures.searches, figures.cpu_us, figures.p50_us,
               index_stats(view).memory_bytes);
        fflush(stdout);
    }
    if (argc > 8) write_hits(argv[8], run.numbers, n_queries * k);
    index_reader_close(reader);
    index_view_drop(view);
    index_close(index);
    mem_free(run.latencies);
    mem_free(run.numbers);
    mem_free(queries);
    mem_free(base);
    return 0;
}
