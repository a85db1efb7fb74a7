/* vectron-sim [--seeds A..B] [--profile NAME] [--seconds N] [--jobs N] [--trace] [--plants]: whole
 * clusters in one thread each, with faults by the seed, held against the rules of
 * docs/simulator.md. A process for each seed, so that whatever breaks in one is told with the
 * command that replays it. Exit 0: all held. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/log.h"
#include "runtime/parcel.h"
#include "tests/sim/cluster/files.h"
#include "tests/sim/cluster/plant.h"
#include "tests/sim/cluster/trial.h"

enum {
    SECONDS = 60,
    JOBS_MAX = 16,
    HANGS_S = 300,
    TEST_SEEDS = 24, /* of --test … */
    TEST_SECONDS = 30,
    LONG_SEEDS = 10000,
    PLANT_SEEDS = 500, /* a planted bug is found by then */
};

struct order {
    uint64_t first, last;
    const struct profile *profile; /* NULL: each in turn */
    uint32_t seconds;
    uint32_t jobs;
    bool trace;
    bool silent; /* what breaks is wanted */
    bool plants;
    const char *program;
};

/* What a seed tells its parent. */
struct tally {
    uint64_t calls, acknowledged, reads, deeds, faults, wipes;
};

static struct tally total;
static uint64_t n_failed;

static void usage(void) {
    puts("vectron-sim [--seeds A..B] [--profile NAME] [--seconds N] [--jobs N] [--trace]\n"
         "vectron-sim --plants\n"
         "  replays whole clusters under faults; each seed is another history\n"
         "  --seeds A..B    which (default 1..20); a single number is that seed\n"
         "  --profile NAME  what goes wrong (default: each in turn)\n"
         "  --seconds N     simulated seconds of faults in each (default 60)\n"
         "  --jobs N        seeds at a time (default 1)\n"
         "  --plant NAME    a planted bug; --plants: each in turn, until it is found\n"
         "  --test          as many seeds as a test run looks at; 10,000 with VECTRON_LONG=1\n"
         "  --trace         of one seed: every message, and the history of what broke");
    for (uint32_t i = 0; profile_nth(i); i++)
        printf("    profile %-16s %s\n", profile_nth(i)->name, profile_nth(i)->words);
    for (uint32_t i = 0; plant_nth(i); i++)
        printf("    plant   %-16s %s\n", plant_nth(i)->name, plant_nth(i)->words);
}

static const struct profile *profile_of(const struct order *order, uint64_t seed) {
    if (order->profile) return order->profile;
    uint32_t n = 0;
    while (profile_nth(n) && !profile_nth(n)->named)
        n++; /* those that are only named come last */
    return profile_nth((uint32_t)(seed % n));
}

/* What actors log is expected here: processes lose their disks. */
static void nothing(void *context, enum log_level level, const char *line) {
    (void)context, (void)level, (void)line;
}

/* Sanitizers are to see who keeps what was freed. */
static void take_parcels_from_a_pool(void) {
#ifndef __SANITIZE_ADDRESS__
    parcel_pool_enter(parcel_pool_new());
#endif
}

static int run_here(const struct order *order, uint64_t seed, struct tally *tally) {
    take_parcels_from_a_pool();
    if (!order->trace) log_to(nothing, NULL);
    unsigned broken = trial_run(seed, profile_of(order, seed), order->seconds, order->trace);
    *tally = (struct tally){trial.n_calls,         trial.n_acknowledged, trial.n_reads,
                            trial.history.n_deeds, trial.n_faults,       trial.wiped};
    return broken ? 1 : 0;
}

/* --- a process for each seed --- */

struct job {
    pid_t child; /* 0: none */
    int told;
    uint64_t seed;
};

static void start(const struct order *order, struct job *job, uint64_t seed) {
    int ends[2];
    fflush(NULL);
    if (pipe(ends) != 0) exit(2);
    *job = (struct job){.child = fork(), .told = ends[0], .seed = seed};
    if (job->child < 0) exit(2);
    if (job->child == 0) {
        struct tally tally;
        alarm(HANGS_S);
        if (order->silent) fclose(stderr);
        int code = run_here(order, seed, &tally);
        if (write(ends[1], &tally, sizeof tally) != sizeof tally) code = 2;
        _exit(code);
    }
    close(ends[1]);
}

static void add(const struct tally *tally) {
    total.calls += tally->calls;
    total.acknowledged += tally->acknowledged;
    total.reads += tally->reads;
    total.deeds += tally->deeds;
    total.faults += tally->faults;
    total.wipes += tally->wipes;
}

static void finish(const struct order *order, struct job *job) {
    struct tally tally;
    int status = 0;
    if (read(job->told, &tally, sizeof tally) == sizeof tally) add(&tally);
    close(job->told);
    waitpid(job->child, &status, 0);
    files_sweep(job->child);
    job->child = 0;
    if (status == 0) return;
    n_failed++;
    if (order->silent) return;
    if (WIFSIGNALED(status))
        printf("seed %llu ended by signal %d (%s)\n", (unsigned long long)job->seed,
               WTERMSIG(status), strsignal(WTERMSIG(status)));
    printf("seed %llu failed; to see it again: %s --seeds %llu --profile %s --seconds %u --trace\n",
           (unsigned long long)job->seed, order->program, (unsigned long long)job->seed,
           profile_of(order, job->seed)->name, order->seconds);
}

static void run_all(const struct order *order) {
    struct job jobs[JOBS_MAX] = {{0}};
    for (uint64_t seed = order->first; seed <= order->last; seed++) {
        struct job *job = &jobs[seed % order->jobs];
        if (job->child) finish(order, job);
        start(order, job, seed);
    }
    for (uint32_t i = 0; i < order->jobs; i++)
        if (jobs[i].child) finish(order, &jobs[i]);
}

static bool is_long(void) {
    const char *wanted = getenv("VECTRON_LONG");
    return wanted && *wanted == '1';
}

/* Seeds until one sees the bug. */
static bool find_plant(const struct order *order, const struct plant *plant) {
    struct order one = *order;
    one.silent = true;
    one.profile = profile_find(plant->profile);
    one.seconds = plant->seconds;
    plant_choose(plant->name);
    for (uint64_t seed = 1; seed <= PLANT_SEEDS; seed++) {
        struct job job;
        uint64_t before = n_failed;
        start(&one, &job, seed);
        finish(&one, &job);
        if (n_failed == before) continue;
        printf("%-16s found by seed %llu of %s: %s\n", plant->name, (unsigned long long)seed,
               plant->profile, plant->words);
        return true;
    }
    printf("%-16s not found in %d seeds of %s: %s\n", plant->name, PLANT_SEEDS, plant->profile,
           plant->words);
    return false;
}

static int find_plants(const struct order *order) {
    uint32_t n = 0, found = 0;
    for (uint32_t i = 0; plant_nth(i); i++) {
        found += find_plant(order, plant_nth(i));
        n++;
    }
    printf("%u planted bugs, %u found\n", n, found);
    return found == n ? 0 : 1;
}

/* --- arguments --- */

static bool read_seeds(struct order *order, const char *text) {
    char *end;
    order->first = order->last = strtoull(text, &end, 10);
    if (strncmp(end, "..", 2) == 0) order->last = strtoull(end + 2, &end, 10);
    return *end == '\0' && order->first <= order->last;
}

static bool read_number(uint32_t *out, const char *text, uint32_t max) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *out = (uint32_t)n;
    return *end == '\0' && n > 0 && n <= max;
}

static void choose_test(struct order *order) {
    order->last = is_long() ? LONG_SEEDS : TEST_SEEDS;
    order->seconds = is_long() ? SECONDS : TEST_SECONDS;
}

static bool read_arguments(struct order *order, int count, char **arguments) {
    static const struct option options[] = {
        {"seeds", required_argument, NULL, 's'},   {"profile", required_argument, NULL, 'p'},
        {"seconds", required_argument, NULL, 'n'}, {"jobs", required_argument, NULL, 'j'},
        {"plant", required_argument, NULL, 'b'},   {"trace", no_argument, NULL, 't'},
        {"plants", no_argument, NULL, 'a'},        {"test", no_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    bool fine = true;
    for (int c; fine && (c = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (c == 's')
            fine = read_seeds(order, optarg);
        else if (c == 'p')
            fine = (order->profile = profile_find(optarg)) != NULL;
        else if (c == 'n')
            fine = read_number(&order->seconds, optarg, 3600);
        else if (c == 'j')
            fine = read_number(&order->jobs, optarg, JOBS_MAX);
        else if (c == 'b')
            fine = plant_choose(optarg);
        else if (c == 'a')
            order->plants = true;
        else if (c == 'c')
            choose_test(order);
        else if (c == 't')
            order->trace = true;
        else
            fine = false;
    }
    return fine && optind == count && (!order->trace || order->first == order->last);
}

int main(int count, char **arguments) {
    struct order order = {
        .first = 1, .last = 20, .seconds = SECONDS, .jobs = 1, .program = arguments[0]};
    if (!read_arguments(&order, count, arguments)) {
        usage();
        return 2;
    }
    if (order.plants) return find_plants(&order);
    if (order.trace) return run_here(&order, order.first, &total);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    run_all(&order);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    uint64_t n = order.last - order.first + 1;
    double wall =
        (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
    printf(
        "%llu seeds of %u s with faults, %llu failed; %llu calls, %llu points acknowledged, %llu "
        "reads, %llu deeds judged, %llu faults, %llu lost disks; %.1f s, %.0f times real time\n",
        (unsigned long long)n, order.seconds, (unsigned long long)n_failed,
        (unsigned long long)total.calls, (unsigned long long)total.acknowledged,
        (unsigned long long)total.reads, (unsigned long long)total.deeds,
        (unsigned long long)total.faults, (unsigned long long)total.wipes, wall,
        (double)(n * order.seconds) / wall);
    return n_failed ? 1 : 0;
}
