/* rollback: plays the power loss that a journal of hold.c allows. */
#ifndef TESTS_CRASH_ROLLBACK_H
#define TESTS_CRASH_ROLLBACK_H

#include <stdint.h>

enum loss {
    LOSS_ALL,    /* everything that was not synced is gone */
    LOSS_PREFIX, /* each file keeps its first unsynced writes and a part of the next, and the first
                    changes of names are kept: what a file system that writes in order leaves */
    LOSS_PAGES,  /* as PREFIX, and behind that each 4 KiB page of the lost writes is there or not: a
                    disk that  reorders. Pages that are not there are as before, or zeros behind the
                    old end */
};

struct rollback {
    uint64_t writes; /* unsynced ones found */
    uint64_t names;
    uint64_t kept; /* of both, as if the disk had written them in time */
};
/* Takes the data back and empties the journal's folder. 0, or -1 with words on stderr. Nothing to
 * do without a journal. */
int rollback(const char *folder, enum loss loss, uint64_t seed, struct rollback *out);

#endif
