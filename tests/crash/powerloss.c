/* powerloss JOURNAL [all|prefix|pages] [SEED]: after the process under hold.c was killed, takes its
 * data folder back to what a power loss would have left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/rollback.h"

int main(int argc, char **argv) {
    static const char *const names[] = {
        [LOSS_ALL] = "all", [LOSS_PREFIX] = "prefix", [LOSS_PAGES] = "pages"};
    int loss = LOSS_ALL;
    if (argc > 2)
        while (loss <= LOSS_PAGES && strcmp(argv[2], names[loss]) != 0)
            loss++;
    if (argc < 2 || loss > LOSS_PAGES) {
        fprintf(stderr, "usage: powerloss JOURNAL [all|prefix|pages] [SEED]\n");
        return 2;
    }
    struct rollback done;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    if (rollback(argv[1], (enum loss)loss, seed, &done) != 0) return 1;
    printf("powerloss: %llu unsynced writes, %llu unsynced names, %llu of them kept\n",
           (unsigned long long)done.writes, (unsigned long long)done.names,
           (unsigned long long)done.kept);
    return 0;
}
