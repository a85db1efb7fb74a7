/* mute: who overloads another actor waits (Pony's muting; opt-in by actor_type.mutes).
 *
 *     sender, mutes                                   receiver, data band
 *     a request ───────────────────────────────────▶  half full, or parked for credit
 *     takes no requests, puts off what it put off ◀── MUTE
 *     goes on                                     ◀── UNMUTE: a quarter full, or nothing parked
 *
 * So what would be refused (BUSY) waits with the sender, whose own mailbox fills, and so on back to
 * whoever asks or can slow down. Answers, the other bands and timers go on, so no call ends late by
 * it. Soft: a turn may send more before it is muted, and a mute is over after MUTE_US whatever
 * happened to its receiver, so actors that write to each other in a circle do not stop for good. On
 * the lane of the actor. Private to runtime/. */
#ifndef RUNTIME_MUTE_H
#define RUNTIME_MUTE_H

#include "runtime/parcel.h"

struct cell;
struct core;
struct lane;
struct wait;

enum {
    MUTE_US = 100 * 1000,
    MUTE_SENDERS_MAX = 64, /* that one receiver remembers; the others are not muted by it */
};

/* Those a receiver muted: of a cell, or of an account of credits. */
struct mute;
struct mutes {
    struct mute *first; /* owned */
    uint32_t n;
};

/* Mutes the sender of this request. Without memory it is not. */
void mutes_add(struct mutes *mutes, struct lane *lane, const struct envelope *request);
/* Lets all go. */
void mutes_end(struct mutes *mutes, struct lane *lane, actor_handle receiver);
/* Forgets them. */
void mutes_free(struct mutes *mutes);

/* A request of a sender that mutes is in the mailbox. */
void mute_look(struct cell *cell, const struct envelope *request);
/* After a batch of turns. */
void mute_settle(struct cell *cell);

/* Takes a PARCEL_MUTE or PARCEL_UNMUTE for this sender. */
void mute_take(struct cell *cell, struct parcel *parcel);
/* The time of its mute is over. */
void mute_over(struct cell *cell, struct wait *wait);
/* This life ends: it lets its senders go, and is let go. */
void mute_close(struct cell *cell);

#endif
