/* slots: an array by slot number that grows and never moves.
 *
 * Segment 0 holds 64 slots, every further one as many as all before it together: a reader finds
 * any slot with one count of leading zeros, a hundred slots cost a hundred, and nothing is reserved
 * that a larger neighbour could miss. Segments of megabytes are mapped, so pages nobody wrote cost
 * nothing.
 *
 * Grown by one thread. Others may use a slot once they learnt its number through an acquire of what
 * the grower released. */
#ifndef INDEX_SLOTS_H
#define INDEX_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

enum {
    SLOTS_FIRST_BITS = 6,
    SLOTS_SEGMENTS = 25,
    SLOTS_MAX = 1 << 30, /* two bits of a u32 are left to the pool's flags */
};

struct slots {
    size_t stride;                  /* bytes of a slot */
    bool seldom;                    /* read: pages stay small, their rounding too */
    uint64_t capacity;              /* slots there is memory for */
    uintptr_t base[SLOTS_SEGMENTS]; /* address of slot 0, were the segment to reach down to it */
};

void slots_init(struct slots *slots, size_t stride);
/* NULL pointers and half-grown ones are fine. */
void slots_reset(struct slots *slots);
/* Room for n slots; new ones read as zero. NO_MEMORY leaves what was there. */
MUST_USE enum status slots_grow(struct slots *slots, uint64_t n);

static inline void *slots_at(const struct slots *slots, uint32_t slot) {
    unsigned segment = 31 - (unsigned)__builtin_clz((slot >> SLOTS_FIRST_BITS) << 1 | 1);
    return (void *)(slots->base[segment] + (uintptr_t)slot * slots->stride);
}

#endif
