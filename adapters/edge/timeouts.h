/* timeouts: things that are due at a time, earliest first. Adding, moving and removing cost log n;
 * the things live in their owners. No clock: the caller says what time it is. */
#ifndef EDGE_TIMEOUTS_H
#define EDGE_TIMEOUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct turn;

struct timeout {
    uint64_t due_us;
    size_t position; /* in the heap, from 1; 0 = not in it */
    void (*run)(struct timeout *timeout, struct turn *turn);
};

struct timeouts {
    struct timeout **heap; /* owned; the timeouts are not */
    size_t n;
    size_t capacity;
};

void timeouts_init(struct timeouts *timeouts);
void timeouts_free(struct timeouts *timeouts);
/* Room for n timeouts at once, so that timeouts_set cannot fail for want of memory. */
bool timeouts_reserve(struct timeouts *timeouts, size_t n);
/* Puts it in, or moves it to another time. Room must be reserved. */
void timeouts_set(struct timeouts *timeouts, struct timeout *timeout, uint64_t due_us);
/* Not in it: fine. */
void timeouts_clear(struct timeouts *timeouts, struct timeout *timeout);
/* UINT64_MAX when empty. */
uint64_t timeouts_next(const struct timeouts *timeouts);
/* Takes out the first that is due; NULL when none is. The caller runs it. */
struct timeout *timeouts_pop(struct timeouts *timeouts, uint64_t now_us);

#endif
