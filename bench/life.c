/* bench_life: an index through its life, without a server: built on one and two threads, saved,
 * opened, written to while it is saved and searched, churned. Wall times: run it on a quiet
 * machine.
 *
 *     bench_life [--quick] [--points N] */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/index/crew.h"
#include "index/index.h"
#include "runtime/rng.h"

enum { DIMENSION = 128, LATENT = 16, CLUSTERS = 1000, K = 10, EF = 64, STEP = 20000 };

static float centres[CLUSTERS][LATENT], axes[LATENT][DIMENSION];
static const char path[] = "/tmp/vectron-bench-life.index";

static void need(bool fine, const char *what) {
    if (fine) return;
    fprintf(stderr, "bench_life: %s\n", what);
    exit(1);
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void row(const char *name, const char *metric, const char *unit, double ours) {
    printf(
        "{\"suite\":\"life\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"ours\":%g,\"peer\":null,"
        "\"peer_name\":null,\"ratio\":null}\n",
        name, metric, unit, ours);
    fflush(stdout);
}

static void set_up(void) {
    struct rng rng;
    rng_init(&rng, 1);
    for (int c = 0; c < CLUSTERS; c++)
        for (int i = 0; i < LATENT; i++)
            centres[c][i] = (float)rng_normal(&rng);
    for (int i = 0; i < LATENT; i++)
        for (int d = 0; d < DIMENSION; d++)
            axes[i][d] = (float)rng_normal(&rng);
}

/* The vector of a number: a cluster of a space of few dimensions, and some noise. */
static void vector_of(uint64_t number, float *out) {
    struct rng rng;
    rng_init(&rng, number + 7);
    const float *centre = centres[rng_below(&rng, CLUSTERS)];
    for (int d = 0; d < DIMENSION; d++)
        out[d] = 0.1f * ((float)rng_below(&rng, 2001) / 1000 - 1);
    for (int i = 0; i < LATENT; i++) {
        float at = centre[i] + 0.4f * (float)rng_normal(&rng);
        for (int d = 0; d < DIMENSION; d++)
            out[d] += at * axes[i][d];
    }
}

static struct index_stats stats_of(struct index *index) {
    const struct index_view *view = index_view_hold(index);
    struct index_stats stats = index_stats(view);
    index_view_drop(view);
    return stats;
}

static void append(struct index *index, uint64_t number) {
    float vector[DIMENSION];
    char id[24];
    int size = snprintf(id, sizeof id, "%" PRIu64, number);
    vector_of(number, vector);
    struct index_point point = {
        .number = number, .vector = vector, .id = id, .id_size = (uint32_t)size};
    need(index_append(index, &point, 1) == STATUS_OK, "append");
}

static void link_all(struct index *index, unsigned n_threads) {
    struct crew *crew;
    need(crew_open(index, n_threads, &crew) == STATUS_OK, "crew");
    for (bool idle = false, linked; !idle;) {
        need(crew_link(crew, &linked) == STATUS_OK, "link");
        if (!linked) need(index_link_step(index, STEP, &idle) == STATUS_OK, "link");
    }
    crew_close(crew);
}

static struct index_options options = {
    .dimension = DIMENSION, .metric = INDEX_EUCLIDEAN, .seed = 1};

static struct index *build(uint64_t n, unsigned n_threads, double *seconds) {
    struct index *index;
    uint64_t applied;
    options.tail_extra = (uint32_t)n;
    need(index_open(&options, NULL, &index, &applied) == STATUS_OK, "open");
    for (uint64_t number = 1; number <= n; number++)
        append(index, number);
    double start = seconds_now();
    link_all(index, n_threads);
    *seconds = seconds_now() - start;
    return index;
}

static struct index_save_stats save(struct index *index, double *seconds) {
    struct index_save *job;
    bool done = false;
    double start = seconds_now();
    need(index_save_start(index, path, 1, &job) == STATUS_OK, "save");
    while (!done)
        need(index_save_step(job, 4 << 20, &done) == STATUS_OK, "save");
    struct index_save_stats stats = index_save_stats(job);
    index_save_end(job);
    *seconds = seconds_now() - start;
    return stats;
}

static uint64_t
search(struct index_reader *reader, const struct index_view *view, uint64_t number) {
    float vector[DIMENSION];
    struct index_query query = {.vector = vector, .k = K, .ef = EF};
    bool done = false;
    size_t n;
    vector_of(number, vector);
    need(index_search_start(reader, view, &query) == STATUS_OK, "search");
    while (!done)
        need(index_search_step(reader, 100000, &done) == STATUS_OK, "search");
    const struct index_hit *hits = index_search_hits(reader, &n);
    uint64_t first = n ? hits[0].number : 0;
    index_search_end(reader);
    return first;
}

static double file_bytes(void) {
    struct stat about;
    return stat(path, &about) == 0 ? (double)about.st_size : 0;
}

static struct index *measure_open(void) {
    struct index *index;
    struct index_reader *reader;
    uint64_t applied;
    double start = seconds_now();
    need(index_open(&options, path, &index, &applied) == STATUS_OK, "open");
    need(index_reader_open(&reader) == STATUS_OK, "reader");
    const struct index_view *view = index_view_hold(index);
    need(search(reader, view, 5) == 5, "the first answer is wrong");
    row("open", "first_answer", "ms", 1e3 * (seconds_now() - start));
    start = seconds_now();
    need(index_wake(index) == STATUS_OK, "wake");
    row("open", "first_writer", "ms", 1e3 * (seconds_now() - start));
    bool idle = false;
    while (!idle && index_stats(view).unverified > 0)
        need(index_link_step(index, STEP, &idle) == STATUS_OK, "verify");
    row("open", "loaded_and_compared", "GB/s", file_bytes() / (seconds_now() - start) / 1e9);
    need(index_verify(index) == STATUS_OK, "verify");
    row("open", "judged", "ms", 1e3 * (seconds_now() - start));
    index_view_drop(view);
    index_reader_close(reader);
    return index;
}

/* --- one writer: appends and links as fast as it can
 * -------------------------------------------------------- */

struct writer {
    struct index *index;
    uint64_t next;
    atomic_bool stop;
    _Atomic uint64_t n;
};

static void *write_points(void *context) {
    struct writer *writer = context;
    while (!atomic_load(&writer->stop)) {
        bool idle = false;
        for (int i = 0; i < 20; i++)
            append(writer->index, writer->next++);
        while (!idle && stats_of(writer->index).tail > 0)
            need(index_link_step(writer->index, 100, &idle) == STATUS_OK, "link");
        atomic_fetch_add(&writer->n, 20);
    }
    return NULL;
}

static double rate_during(struct writer *writer, double seconds) {
    uint64_t before = atomic_load(&writer->n);
    double start = seconds_now();
    usleep((useconds_t)(1e6 * seconds));
    return (double)(atomic_load(&writer->n) - before) / (seconds_now() - start);
}

static int rising(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

struct pace {
    double per_second, p50, p99;
};

static struct pace read_for(struct index *index, uint64_t n_points, double seconds) {
    enum { MOST = 1 << 20 };
    static double times[MOST];
    const struct index_view *view = index_view_hold(index);
    struct index_reader *reader;
    size_t n = 0;
    need(index_reader_open(&reader) == STATUS_OK, "reader");
    double start = seconds_now(), last = start;
    while (last - start < seconds && n < MOST) {
        (void)search(reader, view, 1 + n * 7919 % n_points);
        double now = seconds_now();
        times[n++] = now - last;
        last = now;
    }
    index_reader_close(reader);
    index_view_drop(view);
    qsort(times, n, sizeof *times, rising);
    return (struct pace){(double)n / (last - start), times[n / 2], times[n - 1 - n / 100]};
}

static void pin(pthread_t thread, int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    (void)pthread_setaffinity_np(thread, sizeof set, &set);
}

static void measure_beside(struct index *index, uint64_t n, double seconds) {
    struct writer writer = {.index = index, .next = n + 1};
    pthread_t thread;
    pin(pthread_self(), 0);
    struct pace idle = read_for(index, n, seconds);
    pthread_create(&thread, NULL, write_points, &writer);
    pin(thread, 1);
    struct pace busy = read_for(index, n, seconds);
    row("reader", "beside_a_writer", "ratio", busy.per_second / idle.per_second);
    row("reader", "p99_of_p50_beside_a_writer", "ratio", busy.p99 / busy.p50);
    row("writer", "beside_a_reader", "points/s", rate_during(&writer, seconds));
    atomic_store(&writer.stop, true);
    pthread_join(thread, NULL);
}

/* --- saving while a writer goes on
 * -------------------------------------------------------------------------- */

static void *save_steps(void *context) {
    bool done = false;
    while (!done)
        need(index_save_step(context, 4 << 20, &done) == STATUS_OK, "save");
    return NULL;
}

static void write_some(struct index *index, uint64_t *next, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        bool idle = false;
        append(index, (*next)++);
        while (!idle && stats_of(index).tail > 0)
            need(index_link_step(index, 100, &idle) == STATUS_OK, "link");
    }
}

/* The writer's rate while the file is written on the other core; its start counts too. */
static void measure_save(struct index *index, uint64_t *next, const char *name) {
    struct index_save *job;
    pthread_t thread;
    double start = seconds_now();
    write_some(index, next, 3000);
    double alone = 3000 / (seconds_now() - start);
    start = seconds_now();
    need(index_save_start(index, path, 1, &job) == STATUS_OK, "save");
    double stood = seconds_now() - start;
    pthread_create(&thread, NULL, save_steps, job);
    uint64_t first = *next;
    do
        write_some(index, next, 50);
    while (pthread_tryjoin_np(thread, NULL) != 0);
    double took = seconds_now() - start;
    struct index_save_stats stats = index_save_stats(job);
    index_save_end(job);
    row(name, "seconds", "s", took);
    row(name, "stood_still", "ms", 1e3 * stood);
    row(name, "written", "MB", (double)stats.bytes / 1e6);
    row(name, "writer_beside_it", "ratio", (double)(*next - first) / took / alone);
}

int main(int argc, char **argv) {
    static const struct option longs[] = {{"quick", no_argument, NULL, 'q'},
                                          {"points", required_argument, NULL, 'n'},
                                          {"only", required_argument, NULL, 'o'},
                                          {0}};
    uint64_t n = 1000 * 1000;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'q') n = 100 * 1000;
        if (c == 'n') n = strtoull(optarg, NULL, 10);
        if (c == '?') return 2;
    }
    uint64_t n_speed = n < 100 * 1000 ? n : 100 * 1000;
    double one, two, took;
    set_up();
    index_close(build(n_speed, 1, &one));
    struct index *index = build(n_speed, 2, &two);
    row("bulk", "speed_up_on_2_threads", "ratio", one / two);
    if (n > n_speed) {
        index_close(index);
        index = build(n, 2, &two);
        row("bulk", "points_per_second_on_2_threads", "points/s", (double)n / two);
    }
    struct index_save_stats stats = save(index, &took);
    row("save", "whole", "MB/s", (double)stats.bytes / took / 1e6);
    index_close(index);
    options.tail_extra = 0;
    index = measure_open();
    measure_beside(index, n, 3);
    uint64_t next = 10 * n;
    measure_save(index, &next, "save_of_what_changed");
    (void)unlink(path);
    measure_save(index, &next, "save_whole");
    index_close(index);
    (void)unlink(path);
    return 0;
}
