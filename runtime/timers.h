/* timers: a 4-ary heap of timers embedded in their owners' records. Equal times fire in the order
 * they were added, so that a run replays. One thread. */
#ifndef RUNTIME_TIMERS_H
#define RUNTIME_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timer {
    uint64_t at_us;
    uint64_t order; /* of adding */
    size_t place;   /* in the heap, from 1; 0 = not in it */
};

struct timers {
    struct timer **heap; /* owned array of borrowed timers; heap[0] is unused */
    size_t count;
    size_t capacity;
    uint64_t order;
};

void timers_init(struct timers *timers);
void timers_free(struct timers *timers);
/* The timer must stay where it is until it fired or was removed. Ends the process without memory: a
 * lost timer would be a call that never ends. */
void timers_add(struct timers *timers, struct timer *timer, uint64_t at_us);
/* Fine when it is not in. */
void timers_remove(struct timers *timers, struct timer *timer);
/* The earliest, or NULL. */
struct timer *timers_first(const struct timers *timers);

#endif
