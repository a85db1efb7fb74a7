/* handoff: a list of slots one thread gives and another takes, linked through the slots themselves,
 * so that it needs no memory and cannot be full. Removed slots go to the linker, free ones come
 * back. */
#ifndef INDEX_HANDOFF_H
#define INDEX_HANDOFF_H

#include <stdatomic.h>
#include <stdint.h>

#include "index/points.h"

struct handoff {
    _Atomic uint32_t head; /* slot + 1; 0: empty */
};

void handoff_init(struct handoff *handoff);
/* The giver's. */
void handoff_push(struct handoff *handoff, struct points *points, uint32_t slot);
/* The taker's: all of them, in the order given; follow handoff_next to SLOT_NONE. */
uint32_t handoff_take(struct handoff *handoff, struct points *points);
uint32_t handoff_next(const struct points *points, uint32_t slot);
/* Puts a taken slot before a list the caller owns; gives the new first. */
uint32_t handoff_link(struct points *points, uint32_t slot, uint32_t first);

#endif
