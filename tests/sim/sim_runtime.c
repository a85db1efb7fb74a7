/* sim_runtime [--seed N [--trace]] [--seeds COUNT] [--long] [--part K/N]: the runtime under random
 * towns (tests/sim/town.h), a process for each seed, so that whatever breaks in one is told with
 * its number. 300 seeds; 5,000 with --long or VECTRON_LONG=1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/part.h"
#include "tests/sim/town.h"

enum { SEEDS = 300, SEEDS_LONG = 5000 };

static int run_seed(uint64_t seed, bool talk, bool trace) {
    unsigned broken = town_try(seed, trace);
    if (talk)
        printf(
            "seed %llu: %u nodes, %u lanes, %u people, %u lives, %u calls, %u monitors, %u links, "
            "%llu served, %llu moves, %llu sleeps; OK %llu, BUSY %llu, EXPIRED %llu, CANCELLED "
            "%llu, LOST_PEER %llu\n",
            (unsigned long long)seed, town.options.nodes, town.options.lanes, town.n_people,
            town.n_lives, town.calls.n, town.monitors.n, town.links.n,
            (unsigned long long)town.served, (unsigned long long)town.moves,
            (unsigned long long)town.sleeps, (unsigned long long)town.outcomes[STATUS_OK],
            (unsigned long long)town.outcomes[STATUS_BUSY],
            (unsigned long long)town.outcomes[STATUS_EXPIRED],
            (unsigned long long)town.outcomes[STATUS_CANCELLED],
            (unsigned long long)town.outcomes[STATUS_LOST_PEER]);
    return broken ? 1 : 0;
}

/* The seed in a process of its own; 0: all rules held. */
static int run_apart(uint64_t seed) {
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) _exit(run_seed(seed, false, false));
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

int main(int count, char **arguments) {
    const char *wanted = getenv("VECTRON_LONG");
    uint64_t seeds = wanted && *wanted == '1' ? SEEDS_LONG : SEEDS, failed = 0, tried = 0;
    struct part part = {1, 1};
    for (int i = 1; i < count; i++) {
        if (!strcmp(arguments[i], "--long"))
            seeds = SEEDS_LONG;
        else if (!strcmp(arguments[i], "--seeds") && i + 1 < count)
            seeds = strtoull(arguments[++i], NULL, 10);
        else if (!strcmp(arguments[i], "--part") && i + 1 < count &&
                 part_read(arguments[i + 1], &part))
            i++;
        else if (!strcmp(arguments[i], "--seed") && i + 1 < count)
            return run_seed(strtoull(arguments[i + 1], NULL, 10), true, i + 2 < count);
        else
            return 2;
    }
    for (uint64_t seed = part.first; seed <= seeds; seed += part.step) {
        tried++;
        if (run_apart(seed) == 0) continue;
        failed++;
        printf("seed %llu failed; to see it again: %s --seed %llu\n", (unsigned long long)seed,
               arguments[0], (unsigned long long)seed);
    }
    printf("%llu seeds, %llu failed\n", (unsigned long long)tried, (unsigned long long)failed);
    return failed ? 1 : 0;
}
