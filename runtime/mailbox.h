/* mailbox: what waits for one actor, in three bands served in order: system, control, data; first
 * in, first out within a band. Control and data are bounded in messages and bytes. Replies to the
 * actor's own calls and notices of the runtime are reserved: their number is bounded where they are
 * asked for, so they are never refused. Only the actor's lane touches it. */
#ifndef RUNTIME_MAILBOX_H
#define RUNTIME_MAILBOX_H

#include <stdbool.h>

#include "runtime/parcel.h"

enum {
    MAILBOX_CONTROL_MESSAGES = 1024, /* bound of the control band */
    MAILBOX_CONTROL_BYTES = 4 * 1024 * 1024,
};

struct mailbox_band {
    struct parcel *first; /* owned list */
    struct parcel *last;
    uint32_t count; /* of bounded parcels: without the reserved ones */
    size_t bytes;   /* of bounded parcels */
};

struct mailbox {
    struct mailbox_band bands[BAND_COUNT];
    uint32_t messages_max; /* of the data band */
    size_t bytes_max;
    uint32_t depth; /* all parcels */
    uint32_t depth_max;
    size_t bytes; /* all bodies */
};

void mailbox_init(struct mailbox *mailbox, uint32_t messages_max, size_t bytes_max);
/* Takes the parcel (its queued_us is set by the caller); false: its band is full and the parcel
 * stays the caller's. Reserved parcels and the system band always fit. An empty band takes one
 * parcel of any size: a message larger than the bound is slow, not impossible. */
bool mailbox_push(struct mailbox *mailbox, struct parcel *parcel, bool reserved);
/* The next one, now the caller's; NULL: empty. */
struct parcel *mailbox_pop(struct mailbox *mailbox);
/* The same of an actor that is muted: neither requests of the data band nor PARCEL_LATER. */
struct parcel *mailbox_pop_muted(struct mailbox *mailbox);
/* Takes out the waiting call of this caller; NULL: it is not waiting. */
struct parcel *mailbox_take_call(struct mailbox *mailbox, actor_handle from, uint64_t correlation);
/* Takes out the first parcel of this kind and correlation (0: any); NULL: none waits. */
struct parcel *
mailbox_take_kind(struct mailbox *mailbox, enum parcel_kind kind, uint64_t correlation);
/* When the parcel that waits longest came; 0: empty. */
uint64_t mailbox_oldest_us(const struct mailbox *mailbox);

#endif
