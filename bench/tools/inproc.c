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

#include "baseline.h"
#include "runtime/memory.h"

enum { LATENCIES_MAX = 1 << 20 };

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

static void write_hits(const char *path, const uint64_t *numbers, size_t n) {
    FILE *file = fopen(path, "wb");
    if (file && fwrite(numbers, sizeof *numbers, n, file) == n && fclose(file) == 0) return;
    perror(path);
    exit(1);
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

struct run {
    struct baseline baseline;
    struct index_reader *reader;
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
    const struct baseline *baseline = &run->baseline;
    while (searches < baseline->n_queries || wall_seconds() < until) {
        size_t q = searches % baseline->n_queries;
        double at = wall_seconds();
        baseline_search(baseline, run->reader, q, run->numbers + q * baseline->k);
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
    struct run run = {.seconds = atof(argv[7])};
    struct baseline *baseline = &run.baseline;
    double build_started = cpu_seconds();
    baseline_open(baseline, argv + 1);
    double build_cpu = cpu_seconds() - build_started;
    size_t n_numbers = baseline->n_queries * baseline->k;
    run.reader = baseline_reader();
    run.numbers = mem_zero(n_numbers, sizeof(uint64_t));
    run.latencies = mem_alloc(LATENCIES_MAX * sizeof(float));
    if (!run.numbers || !run.latencies) {
        fprintf(stderr, "vectron-inproc: no memory\n");
        return 1;
    }
    char line[16];
    while (fgets(line, sizeof line, stdin)) {
        struct figures figures = measure(&run);
        printf("{\"points\":%zu,\"build_cpu_s\":%.2f,\"searches\":%zu,\"cpu_us\":%.2f,"
               "\"p50_us\":%.1f,\"memory_bytes\":%" PRIu64 "}\n",
               baseline->n_base, build_cpu, figures.searches, figures.cpu_us, figures.p50_us,
               index_stats(baseline->view).memory_bytes);
        fflush(stdout);
    }
    if (argc > 8) write_hits(argv[8], run.numbers, n_numbers);
    index_reader_close(run.reader);
    baseline_close(baseline);
    mem_free(run.latencies);
    mem_free(run.numbers);
    return 0;
}
