/* grace: numbers in an index that were replaced by newer ones, kept there until no search is left
 * that began before the replacement. A search looks at its index over some time: did the old number
 * vanish at once, a search that had passed the place of the new one would find neither, and an id
 * that was there all the time would be missing.
 *
 *     shard     append new ─▶ grace_replace(old) ─▶ applied ─▶ … grace_take ─▶ remove old
 *     search    grace_enter ─▶ reads applied ─▶ looks ─▶ drops what was replaced before ─▶
 * grace_leave
 *
 * Two phases, as in read-copy-update: numbers of one phase are taken once all searches of that
 * phase and of the one before have left. Thread-safe; nothing here waits. */
#ifndef ACTORS_GRACE_H
#define ACTORS_GRACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

/* Replaced numbers of a phase: an open table, by number. */
struct grace_numbers {
    struct grace_number *rows; /* owned */
    size_t size;               /* power of two, 0 at first */
    size_t n;
    size_t taken; /* rows looked at by grace_take */
};

struct grace {
    pthread_mutex_t lock;
    uint32_t phase;       /* of searches that begin now, 0 or 1 */
    uint32_t searches[2]; /* under way */
    struct grace_numbers numbers[2];
    _Atomic bool
        any; /* numbers are replaced and not taken: mostly none are, and no lock is needed */
};

/* NO_MEMORY. */
MUST_USE enum status grace_init(struct grace *grace);
void grace_reset(struct grace *grace);

/* A search begins; what is returned goes to grace_leave. */
uint32_t grace_enter(struct grace *grace);
void grace_leave(struct grace *grace, uint32_t phase);
/* `number` was replaced by the entry `index` of the log, and its successor is in the index.
 * NO_MEMORY: remove it at once. */
MUST_USE enum status grace_replace(struct grace *grace, uint64_t number, uint64_t index);
/* The log index that replaced the number; 0: it stands. */
uint64_t grace_replaced(struct grace *grace, uint64_t number);
/* Numbers nobody needs any more, at most n: remove them from the index, then ask again until it
 * gives none. What it gave before counts as removed then. */
size_t grace_take(struct grace *grace, uint64_t *numbers, size_t n);
/* Nothing is replaced, nothing to take. */
bool grace_empty(struct grace *grace);

#endif
