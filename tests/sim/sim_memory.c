/* sim_memory [--at N] [--long] [--part K/N]: one town (tests/sim/town.h), in which the Nth
 * allocation of the runtime fails, for 60 of them spread over all; for 4,000 with VECTRON_LONG=1 or
 * --long; for every single one when all parts of --part ran. The town runs once: at each of these
 * allocations it forks, in the child it fails, in the parent it does not. What may happen
 * (docs/runtime.md): somebody is told NO_MEMORY and all rules hold, or the process ends by an
 * assertion on that very memory, because an outcome that was promised cannot be kept. Never a
 * crash, a broken rule, or something lost in silence. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "tests/sim/part.h"
#include "tests/sim/town.h"

enum { SEED = 3, SAMPLES = 60, SAMPLES_LONG = 4000, BROKEN = 3, WORDS_MAX = 4096 };

static struct trial {
    struct part part;
    uint64_t made; /* allocations so far */
    uint32_t tried, ended, failed;
    bool child; /* this is one, and its allocation failed */
} trial;

/* What a child came to: 0, BROKEN, or an end by a signal. words: the end of what it said. */
static int hear(pid_t child, int out, char words[WORDS_MAX]) {
    size_t size = 0;
    ssize_t got;
    while ((got = read(out, words + size, WORDS_MAX - 1 - size)) > 0) {
        size += (size_t)got;
        if (size < WORDS_MAX - 1) continue;
        memmove(words, words + size / 2, size - size / 2);
        size -= size / 2;
    }
    words[size] = '\0';
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

/* An assertion on memory is on a name alone: "parcel", "account && words". */
static bool says_memory(const char *words) {
    static const char said[] = "assertion failed: ";
    const char *at = strstr(words, said);
    if (!at) return false;
    for (at += sizeof said - 1; *at && *at != '\n' && strncmp(at, " (actor", 7) != 0; at++)
        if (!isalnum((unsigned char)*at) && !strchr("_ &.->!", *at)) return false;
    return true;
}

static void judge(uint64_t nth, int status, const char *words) {
    trial.tried++;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    bool asserted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && says_memory(words);
    trial.ended += asserted;
    if (asserted) return;
    trial.failed++;
    printf("allocation %llu: status %x; to see it again: sim_memory --at %llu\n%s\n",
           (unsigned long long)nth, status, (unsigned long long)nth, words);
}

/* Before each allocation of the town. */
static void on_allocation(size_t bytes) {
    (void)bytes;
    uint64_t nth = ++trial.made;
    if (nth < trial.part.first || (nth - trial.part.first) % trial.part.step != 0) return;
    int out[2];
    fflush(NULL);
    pid_t child = pipe(out) == 0 ? fork() : -1;
    if (child < 0) {
        perror("sim_memory");
        exit(BROKEN);
    }
    if (child == 0) {
        dup2(out[1], STDERR_FILENO);
        close(out[0]);
        close(out[1]);
        trial.child = true;
        mem_watch(NULL);
        mem_fail_at(1);
        return;
    }
    close(out[1]);
    char words[WORDS_MAX] = "";
    int status = hear(child, out[0], words);
    close(out[0]);
    judge(nth, status, words);
}

int main(int count, char **arguments) {
    const char *wanted = getenv("VECTRON_LONG");
    bool all = wanted && *wanted == '1';
    if (count == 3 && !strcmp(arguments[1], "--at")) {
        mem_fail_at(strtoull(arguments[2], NULL, 10));
        return town_try(SEED, false) ? BROKEN : 0;
    }
    if (count == 2 && !strcmp(arguments[1], "--long")) all = true;
    struct part part = {1, 0};
    if (count == 3 && (strcmp(arguments[1], "--part") != 0 || !part_read(arguments[2], &part)))
        return 2;
    uint64_t before = mem_counted().made;
    if (town_try(SEED, false)) return BROKEN;
    uint64_t made = mem_counted().made - before;
    if (!part.step) part.step = made / (all ? SAMPLES_LONG : SAMPLES) + 1;
    trial.part = part;
    mem_watch(on_allocation);
    unsigned broken = town_try(SEED, false);
    if (trial.child) _exit(broken ? BROKEN : 0);
    mem_watch(NULL);
    if (trial.made != made) {
        printf("%llu allocations, then %llu: the town is not the same each time\n",
               (unsigned long long)made, (unsigned long long)trial.made);
        return BROKEN;
    }
    printf("%llu allocations, %u failed in turn: %u went on, %u ended with words, %u otherwise\n",
           (unsigned long long)made, trial.tried, trial.tried - trial.ended - trial.failed,
           trial.ended, trial.failed);
    return trial.failed || broken ? 1 : 0;
}
