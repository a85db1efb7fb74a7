/* parcel: one message on its way: envelope and encoded body. Made by the sender's lane, handed over by
 * pointer, read in the receiver's turn, then returned to its home lane's pool in lots (cross-thread
 * malloc/free is the main cost of messaging: runtime.md 1). */
#ifndef RUNTIME_PARCEL_H
#define RUNTIME_PARCEL_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/actor.h"

enum parcel_kind {
    PARCEL_CAST,
    PARCEL_CALL,
    PARCEL_REPLY,  /* final answer of a call: body is the reply, or Failed */
    PARCEL_PART,   /* an answer with more to follow */
    PARCEL_CANCEL, /* the caller of `correlation` no longer wants it */
    PARCEL_DOWN,   /* a monitored actor stopped: body is Down */
    PARCEL_MONITOR,
    PARCEL_UNMONITOR,
};

/* Three bands a mailbox: the system band is never dropped and has a reserve of its own. */
enum parcel_band { BAND_SYSTEM, BAND_CONTROL, BAND_DATA, BAND_COUNT };

struct envelope {
    uint8_t kind;         /* enum parcel_kind */
    uint8_t band;         /* enum parcel_band */
    uint8_t flags;        /* PARCEL_TRACED */
    uint32_t op;          /* codec_op of the body's type */
    actor_handle to;
    actor_handle from;
    uint64_t correlation; /* the caller's call id, echoed by its answers */
    uint64_t deadline_us; /* absolute on this process's clock; relative on the wire; NO_DEADLINE */
    uint64_t trace[2];    /* W3C trace id, 0 = none */
    uint64_t span;
};
enum { PARCEL_TRACED = 1, PARCEL_INLINE = 128 };

struct parcel {
    struct parcel *next;
    struct envelope envelope;
    uint64_t queued_us; /* when it entered the mailbox */
    void *home;         /* pool it returns to; NULL = heap */
    size_t size;        /* of body */
    unsigned char *body;
    _Alignas(16) unsigned char room[PARCEL_INLINE]; /* small bodies live here */
};

/* A parcel with room for `size` body bytes, from the calling lane's pool or the heap. NULL: no memory. */
struct parcel *parcel_new(size_t size);
void parcel_free(struct parcel *parcel); /* NULL is fine; any thread */

#endif
