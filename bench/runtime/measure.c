/* measure: clocks, cores, percentiles, what a process holds. */
#include "bench/runtime/measure.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "runtime/assert.h"

static uint64_t read_ns(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t measure_now_ns(void) {
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t measure_cpu_ns(void) {
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void measure_pin(int core) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < n; i++)
        if (core < 0 || core % n == i) CPU_SET((size_t)i, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* What a duration of nothing measures: the least of many. */
static uint64_t reading_ns(void) {
    static uint64_t least;
    for (int i = 0; i < 1000 && least == 0; i++)
        for (int j = 0; j < 1000; j++) {
            uint64_t began = measure_now_ns(), took = measure_now_ns() - began;
            if (took > 0 && (least == 0 || took < least)) least = took;
        }
    return least;
}

double measure_us(uint64_t *ns, size_t n, double percentile) {
    qsort(ns, n, sizeof *ns, by_value);
    size_t at = (size_t)((double)n * (percentile > 0 ? percentile : 50) / 100);
    uint64_t found = ns[at < n ? at : n - 1], reading = reading_ns();
    return found > reading ? (double)(found - reading) / 1000 : 0;
}

double measure_rss_bytes(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert(file);
    int n = fscanf(file, "%*d %ld", &pages);
    assert(n == 1);
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

double measure_files(void) {
    double n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}
