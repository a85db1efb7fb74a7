/* bench_life: an index through its life, without a server: built on one and two threads, saved,
 * opened, written to while it is searched and saved. Building is told in wall time, on a quiet
 * machine; reader, writer and opening in CPU time of their thread, so that other load costs little:
 * the reader takes no lock, and how often it gave its core away is told.
 *
 *     bench_life [--quick] [--points N] [--only bulk|open|reader|save] [--file PATH]
 *
 * What another core costs by itself is measured in turn with what the index costs: two builds that
 * have nothing to do with one another, a reader beside a writer of another index. --file: the index
 * is taken from there, or made and left there. */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/index/crew.h"
#include "index/index.h"
#include "runtime/rng.h"

enum { DIMENSION = 128, LATENT = 16, CLUSTERS = 1000, K = 10, EF = 64, STEP = 20000 };

static float centres[CLUSTERS][LATENT], axes[LATENT][DIMENSION];
static const char *path = "/tmp/vectron-bench-life.index";

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

struct row {
    const char *name, *metric, *unit;
    double ours, peer;
    const char *peer_name; /* NULL: none; "limit": the most, or the least, that ours may be */
    bool less;             /* is better */
};

static void print_row(const struct row *row) {
    bool limit = row->peer_name && strcmp(row->peer_name, "limit") == 0;
    double ratio = row->less ? row->peer / row->ours : row->ours / row->peer;
    printf("{\"suite\":\"life\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"ours\":%.4g,",
           row->name, row->metric, row->unit, row->ours);
    if (row->peer_name)
        printf("\"peer\":%.4g,\"peer_name\":\"%s\",\"ratio\":%.3f", row->peer, row->peer_name,
               ratio);
    else
        printf("\"peer\":null,\"peer_name\":null,\"ratio\":null");
    if (limit) printf(",\"target\":1,\"met\":%s", ratio >= 1 ? "true" : "false");
    printf("}\n");
    fflush(stdout);
}

static void row(const char *name, const char *metric, const char *unit, double ours) {
    print_row(&(struct row){name, metric, unit, ours, 0, NULL, false});
}

static void
at_least(const char *name, const char *metric, const char *unit, double ours, double limit) {
    print_row(&(struct row){name, metric, unit, ours, limit, "limit", false});
}

static void
at_most(const char *name, const char *metric, const char *unit, double ours, double limit) {
    print_row(&(struct row){name, metric, unit, ours, limit, "limit", true});
}

/* Of the thread. */
static double busy_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Of the process. */
static double cpu_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
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

static const struct index_options options = {
    .dimension = DIMENSION, .metric = INDEX_EUCLIDEAN, .seed = 1};

static struct index *fill(uint64_t n) {
    struct index_options bulk = options;
    struct index *index;
    uint64_t applied;
    bulk.tail_extra = (uint32_t)n;
    need(index_open(&bulk, NULL, &index, &applied) == STATUS_OK, "open");
    for (uint64_t number = 1; number <= n; number++)
        append(index, number);
    return index;
}

struct build {
    struct index *index; /* filled; closed in the end, unless `keep` */
    unsigned n_threads;
    bool keep;
    double seconds, cores; /* it took; it kept busy */
};

static void build(struct build *build) {
    double start = seconds_now(), cpu = cpu_now();
    link_all(build->index, build->n_threads);
    build->seconds = seconds_now() - start;
    build->cores = (cpu_now() - cpu) / build->seconds;
    if (!build->keep) index_close(build->index);
}

static void *build_apart(void *context) {
    build(context);
    return NULL;
}

/* Of two threads on one index beside what two on an index each get done. */
static void measure_bulk(uint64_t n) {
    struct build one = {fill(n), 1, false, 0, 0}, two = {fill(n), 2, false, 0, 0};
    build(&one);
    build(&two);
    struct build left = {fill(n), 1, false, 0, 0}, right = {fill(n), 1, false, 0, 0};
    pthread_t thread;
    pthread_create(&thread, NULL, build_apart, &left);
    build(&right);
    pthread_join(thread, NULL);
    double apart = 2 * one.seconds / (left.seconds > right.seconds ? left.seconds : right.seconds);
    row("bulk", "points_per_second", "points/s", (double)n / one.seconds);
    at_least("bulk", "speed_up_on_2_threads", "ratio", one.seconds / two.seconds, 1.8);
    print_row(&(struct row){"bulk", "speed_up_on_2_threads", "ratio", one.seconds / two.seconds,
                            apart, "two builds apart", false});
    row("bulk", "cores_busy", "cores", two.cores);
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
search(struct index_reader *reader, const struct index_view *view, const float *vector) {
    struct index_query query = {.vector = vector, .k = K, .ef = EF};
    bool done = false;
    size_t n;
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

static struct index *open_file(void) {
    struct index *index;
    uint64_t applied;
    need(index_open(&options, path, &index, &applied) == STATUS_OK, "open");
    return index;
}

static void load(struct index *index) {
    const struct index_view *view = index_view_hold(index);
    for (bool idle = false; !idle && index_stats(view).unverified > 0;)
        need(index_link_step(index, STEP, &idle) == STATUS_OK, "verify");
    index_view_drop(view);
}

/* Takes memory from the system and gives it back; bytes a second. A virtual machine's host gives
 * memory more slowly than it is read: what it has not given yet would be all that is measured. */
static double take_memory(size_t bytes) {
    double start = busy_now();
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(memory != MAP_FAILED, "no memory");
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    for (size_t at = 0; at < bytes; at += 4096)
        memory[at] = 1;
    double rate = (double)bytes / (busy_now() - start);
    munmap(memory, bytes);
    return rate;
}

/* Mapped and answering; then all of it in memory of its own, compared with its sums. */
static void measure_open(void) {
    struct index_reader *reader;
    float vector[DIMENSION];
    vector_of(5, vector);
    row("open", "memory_from_the_host", "GB/s", take_memory(2 * (size_t)file_bytes()) / 1e9);
    row("open", "memory_taken_again", "GB/s", take_memory(2 * (size_t)file_bytes()) / 1e9);
    double start = busy_now();
    struct index *index = open_file();
    need(index_reader_open(&reader) == STATUS_OK, "reader");
    const struct index_view *view = index_view_hold(index);
    need(search(reader, view, vector) == 5, "the first answer is wrong");
    at_most("open", "first_answer", "ms", 1e3 * (busy_now() - start), 50);
    index_view_drop(view);
    index_reader_close(reader);
    start = busy_now();
    need(index_wake(index) == STATUS_OK, "wake");
    row("open", "first_writer", "ms", 1e3 * (busy_now() - start));
    load(index);
    at_least("open", "loaded_and_compared", "GB/s", file_bytes() / (busy_now() - start) / 1e9, 1);
    need(index_verify(index) == STATUS_OK, "verify");
    row("open", "edges_judged_too", "ms", 1e3 * (busy_now() - start));
    index_close(index);
}

/* --- one writer: appends and links as fast as it can
 * -------------------------------------------------------- */

struct writer {
    struct index *index;
    uint64_t next;
    atomic_bool stop;
    uint64_t n;     /* points it wrote … */
    double seconds; /* … busy for so long */
};

static void *write_points(void *context) {
    struct writer *writer = context;
    double start = busy_now();
    while (!atomic_load(&writer->stop)) {
        bool idle = false;
        for (int i = 0; i < 20; i++)
            append(writer->index, writer->next++);
        while (!idle && stats_of(writer->index).tail > 0)
            need(index_link_step(writer->index, 100, &idle) == STATUS_OK, "link");
        writer->n += 20;
    }
    writer->seconds += busy_now() - start;
    return NULL;
}

static int rising(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

struct pace {
    double per_second, p50, p99;
    long waits; /* times it gave its core away */
};

enum { QUERIES = 4096, ROUNDS = 7 };
static float queries[QUERIES][DIMENSION];

static long waits_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

static struct pace read_for(struct index *index, double seconds) {
    enum { MOST = 1 << 20 };
    static double times[MOST];
    const struct index_view *view = index_view_hold(index);
    struct index_reader *reader;
    size_t n = 0;
    need(index_reader_open(&reader) == STATUS_OK, "reader");
    long waits = waits_now();
    double start = busy_now(), last = start;
    while (last - start < seconds && n < MOST) {
        (void)search(reader, view, queries[n % QUERIES]);
        double now = busy_now();
        times[n++] = now - last;
        last = now;
    }
    index_reader_close(reader);
    index_view_drop(view);
    qsort(times, n, sizeof *times, rising);
    return (struct pace){(double)n / (last - start), times[n / 2], times[n - 1 - n / 100],
                         waits_now() - waits};
}

static void pin(pthread_t thread, int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    (void)pthread_setaffinity_np(thread, sizeof set, &set);
}

static struct pace read_beside(struct index *index, struct writer *writer, double seconds) {
    pthread_t thread;
    atomic_store(&writer->stop, false);
    pthread_create(&thread, NULL, write_points, writer);
    pin(thread, 1);
    struct pace pace = read_for(index, seconds);
    atomic_store(&writer->stop, true);
    pthread_join(thread, NULL);
    return pace;
}

static double median(double *of, size_t n) {
    qsort(of, n, sizeof *of, rising);
    return of[n / 2];
}

/* Alone, beside a writer of another index and beside one of its own, in turn. */
static void measure_beside(uint64_t n, double seconds) {
    struct index *index = open_file(), *other = open_file();
    struct writer own = {.index = index, .next = n + 1}, apart = {.index = other, .next = n + 1};
    double beside[ROUNDS], elsewhere[ROUNDS], tails[ROUNDS], tails_alone[ROUNDS];
    long waits = 0;
    load(index);
    load(other);
    for (uint64_t i = 0; i < QUERIES; i++)
        vector_of(20 * n + i, queries[i]);
    pin(pthread_self(), 0);
    (void)read_for(index, seconds / 4);
    for (size_t i = 0; i < ROUNDS; i++) {
        struct pace alone = read_for(index, seconds);
        struct pace at_other = read_beside(index, &apart, seconds);
        struct pace at_own = read_beside(index, &own, seconds);
        elsewhere[i] = at_other.per_second / alone.per_second;
        beside[i] = at_own.per_second / alone.per_second;
        tails[i] = at_own.p99 / at_own.p50;
        tails_alone[i] = alone.p99 / alone.p50;
        waits += at_own.waits;
        fprintf(stderr,
                "reader %.0f/s alone, %.0f/s beside another's writer, %.0f/s beside its own\n",
                alone.per_second, at_other.per_second, at_own.per_second);
    }
    double kept = median(beside, ROUNDS), tail = median(tails, ROUNDS);
    at_least("reader", "kept_beside_a_writer", "of alone", kept, 0.85);
    print_row(&(struct row){"reader", "kept_beside_a_writer", "of alone", kept,
                            median(elsewhere, ROUNDS), "another's writer", false});
    at_most("reader", "p99_of_p50", "ratio", tail, 3);
    print_row(&(struct row){"reader", "p99_of_p50", "ratio", tail, median(tails_alone, ROUNDS),
                            "alone", true});
    row("reader", "waits", "times", (double)waits);
    row("writer", "beside_a_reader", "points/s", (double)own.n / own.seconds);
    index_close(index);
    index_close(other);
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
static void measure_save(struct index *index, uint64_t *next, const char *to, const char *name) {
    struct index_save *job;
    pthread_t thread;
    write_some(index, next, 6000); /* arrays grow, pages are met for the first time */
    double start = busy_now();
    write_some(index, next, 6000);
    double alone = 6000 / (busy_now() - start), begun = seconds_now();
    start = busy_now();
    need(index_save_start(index, to, 1, &job) == STATUS_OK, "save");
    double stood = busy_now() - start;
    pthread_create(&thread, NULL, save_steps, job);
    pin(thread, 0);
    uint64_t first = *next;
    do
        write_some(index, next, 50);
    while (pthread_tryjoin_np(thread, NULL) != 0);
    double took = seconds_now() - begun, busy = busy_now() - start;
    struct index_save_stats stats = index_save_stats(job);
    index_save_end(job);
    row(name, "seconds", "s", took);
    row(name, "stood_still", "ms", 1e3 * stood);
    row(name, "written", "MB", (double)stats.bytes / 1e6);
    at_least(name, "writer_beside_it", "of alone", (double)(*next - first) / busy / alone, 0.8);
}

/* What changed goes behind the file that was opened, everything into a new one. */
static void measure_saves(uint64_t n) {
    struct index *index = open_file();
    char copy[512];
    uint64_t next = 10 * n;
    snprintf(copy, sizeof copy, "%s.whole", path);
    load(index);
    pin(pthread_self(), 1);
    measure_save(index, &next, copy, "save_whole");
    measure_save(index, &next, copy, "save_of_what_changed");
    index_close(index);
    (void)unlink(copy);
}

static void make_file(uint64_t n) {
    if (access(path, R_OK) == 0) return;
    struct build all = {fill(n), 2, true, 0, 0};
    double took;
    build(&all);
    row("bulk", "points_per_second_on_2_threads", "points/s", (double)n / all.seconds);
    struct index_save_stats stats = save(all.index, &took);
    row("save", "alone", "MB/s", (double)stats.bytes / took / 1e6);
    index_close(all.index);
}

int main(int argc, char **argv) {
    static const struct option longs[] = {{"quick", no_argument, NULL, 'q'},
                                          {"points", required_argument, NULL, 'n'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"file", required_argument, NULL, 'f'},
                                          {0}};
    enum { BULK_MOST = 100 * 1000 };
    uint64_t n = 1000 * 1000;
    const char *only = NULL, *file = NULL;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'q') n = 100 * 1000;
        if (c == 'n') n = strtoull(optarg, NULL, 10);
        if (c == 'o') only = optarg;
        if (c == 'f') file = optarg;
        if (c == '?') return 2;
    }
    if (file)
        path = file;
    else
        (void)unlink(path);
    set_up();
    if (!only || strcmp(only, "bulk") == 0) measure_bulk(n < BULK_MOST ? n : BULK_MOST);
    if (only && strcmp(only, "bulk") == 0) return 0;
    make_file(n);
    if (!only || strcmp(only, "open") == 0) measure_open();
    if (!only || strcmp(only, "reader") == 0) measure_beside(n, 1);
    if (!only || strcmp(only, "save") == 0) measure_saves(n);
    if (!file) (void)unlink(path);
    return 0;
}
