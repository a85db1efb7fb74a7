/* epoch: tells the writer when every reader that might still see something has left.
 *
 * Readers count themselves into the current epoch's counter, so any number of them costs three
 * counters and no registration. What the writer unlinked in epoch e is unseen once epoch e + 2 has
 * come: moving from e + 1 needs the readers of e gone, moving from e those of e - 1. */
#ifndef INDEX_EPOCH_H
#define INDEX_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct epoch {
    _Atomic uint64_t now;
    _Atomic uint64_t readers[3]; /* of epoch e in readers[e % 3] */
};

void epoch_init(struct epoch *epoch);
/* Any thread; gives the ticket for epoch_leave. */
uint64_t epoch_enter(struct epoch *epoch);
void epoch_leave(struct epoch *epoch, uint64_t ticket);
/* The writer's: the epoch to wait for, after unlinking. */
uint64_t epoch_now(const struct epoch *epoch);
/* The writer's: true when everything unlinked before epoch_now gave `since` is unseen by all. Moves
 * the epoch on as far as readers let it; never waits. */
bool epoch_passed(struct epoch *epoch, uint64_t since);

#endif
