/* spin: counts misses. */
#include "runtime/spin.h"

bool spin_begin(struct spin *spin, uint64_t now_us) {
    if (now_us < spin->away_until_us) return false;
    if (spin->pass > 0) {
        spin->pass--;
        return false;
    }
    spin->began_us = spin->looked_us = now_us;
    return true;
}

static bool miss(struct spin *spin) {
    if (spin->misses < SPIN_MISSES_MAX) spin->misses++;
    spin->pass = (1u << spin->misses) - 1;
    return false;
}

bool spin_again(struct spin *spin, uint64_t now_us) {
    uint64_t taken = now_us - spin->looked_us;
    if (taken > SPIN_TAKEN_US) {
        uint64_t away = taken * SPIN_AWAY;
        spin->away_until_us = now_us + (away < SPIN_AWAY_MAX_US ? away : SPIN_AWAY_MAX_US);
        return miss(spin);
    }
    spin->looked_us = now_us;
    return now_us - spin->began_us < SPIN_US || miss(spin);
}

void spin_hit(struct spin *spin) {
    spin->misses = 0;
}
