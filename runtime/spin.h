/* spin: whether a lane without work looks for more before it sleeps. A wake-up costs both sides
 * tens of microseconds; looking costs a core. So a lane looks only while messages came just now,
 * for SPIN_US at most, less and less often when it finds nothing, and not at all for a while when
 * the core was taken from it meanwhile: others want it. One lane's thread. Private to runtime/. */
#ifndef RUNTIME_SPIN_H
#define RUNTIME_SPIN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SPIN_US = 50,
    SPIN_TAKEN_US = 300,            /* between two looks: others ran on the core */
    SPIN_AWAY = 10,                 /* it is left to them for so many times as long … */
    SPIN_AWAY_MAX_US = 1000 * 1000, /* … but no longer */
    SPIN_MISSES_MAX = 6,            /* 2^6 - 1 chances are let pass after as many misses in a row */
};

struct spin {
    uint32_t misses; /* in a row, at most SPIN_MISSES_MAX */
    uint32_t pass;   /* chances to let pass */
    uint64_t away_until_us;
    uint64_t began_us;
    uint64_t looked_us;
};

/* The lane has nothing to do: may it look? */
bool spin_begin(struct spin *spin, uint64_t now_us);
/* It looked and found nothing: may it go on? Else it missed. */
bool spin_again(struct spin *spin, uint64_t now_us);
/* It found something. */
void spin_hit(struct spin *spin);

#endif
