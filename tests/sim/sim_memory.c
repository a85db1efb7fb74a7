/* sim_memory [--at N] [--long] [--part K/N]: one town (tests/sim/town.h), in which the Nth
 * allocation of the runtime fails, for 60 of them spread over all; for 4,000 with VECTRON_LONG=1 or
 * --long; for every single one when all parts of --part ran: some 50 minutes of a core. What may
 * happen (docs/runtime.md): somebody is told NO_MEMORY and all rules hold, or the process ends by
 * an assertion on that very memory, because an outcome that was promised cannot be kept. Never a
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

/* In a child: 0, BROKEN, or an end by a signal. words: the end of what it said on stderr. */
static int try_at(uint64_t nth, char words[WORDS_MAX]) {
    int out[2];
    if (pipe(out) != 0) return -1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDERR_FILENO);
        mem_fail_at(nth);
        _exit(town_try(SEED, false) ? BROKEN : 0);
    }
    close(out[1]);
    size_t size = 0;
    ssize_t got;
    while ((got = read(out[0], words + size, WORDS_MAX - 1 - size)) > 0) {
        size += (size_t)got;
        if (size < WORDS_MAX - 1) continue;
        memmove(words, words + size / 2, size - size / 2);
        size -= size / 2;
    }
    words[size] = '\0';
    close(out[0]);
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

/* True: as documented. */
static bool judge(uint64_t nth, uint32_t *ended) {
    char words[WORDS_MAX] = "";
    int status = try_at(nth, words);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    bool asserted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && says_memory(words);
    *ended += asserted;
    if (!asserted)
        printf("allocation %llu: status %x; to see it again: sim_memory --at %llu\n%s\n",
               (unsigned long long)nth, status, (unsigned long long)nth, words);
    return asserted;
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
    uint64_t made = mem_counted().made - before, step = made / (all ? SAMPLES_LONG : SAMPLES) + 1;
    uint32_t tried = 0, ended = 0, failed = 0;
    if (part.step) step = part.step;
    for (uint64_t nth = part.first; nth <= made; nth += step) {
        failed += !judge(nth, &ended);
        tried++;
    }
    printf("%llu allocations, %u failed in turn: %u went on, %u ended with words, %u otherwise\n",
           (unsigned long long)made, tried, tried - ended - failed, ended, failed);
    return failed ? 1 : 0;
}
