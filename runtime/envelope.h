/* envelope: what is written on a message between processes, and between an actor's own ZeroMQ
 * mailbox and a foreign socket: a msgpack array in fixed order, the version first.
 *
 *   [1, kind, band | flags << 2, to, from, correlation, deadline, trace, span, op, parent]
 *
 * deadline: microseconds left, nil = none (a clock is not shared); trace: bin of 16 bytes, nil =
 * none. The rest are unsigned integers; parent is left out when it is 0. Handles are the receiver's
 * (to) and the sender's (from), without peer numbers. A longer array is a newer one of the same
 * version: what is behind is skipped. docs/protocol.md. */
#ifndef RUNTIME_ENVELOPE_H
#define RUNTIME_ENVELOPE_H

#include "runtime/pack.h"
#include "runtime/parcel.h"
#include "runtime/status.h"

enum {
    ENVELOPE_VERSION = 1,
    ENVELOPE_FIELDS = 10, /* at least; parent is one more */
    ENVELOPE_SIZE_MAX = 88,
};

/* Writes at most ENVELOPE_SIZE_MAX bytes and returns how many. The deadline becomes what is left at
 * now_us; the peer numbers of both handles are left out. */
size_t envelope_encode(const struct envelope *envelope, uint64_t now_us, void *out);
/* Reads one envelope at the cursor. INVALID with the reason in *why (static words, may be NULL). A
 * deadline becomes absolute on the clock of now_us. */
MUST_USE enum status envelope_decode(struct pack_cursor *cursor,
                                     uint64_t now_us,
                                     struct envelope *out,
                                     const char **why);

/* The two frames of one message on a foreign ZeroMQ socket that talks to an actor's inproc mailbox
 * (behind the routing id that the mailbox's ROUTER puts before them). */
struct envelope_frames {
    const void *envelope;
    size_t envelope_size;
    const void *body; /* an encoded message, runtime/codec.h; may be empty */
    size_t body_size;
};
/* A parcel of them; its envelope.to may be 0: the mailbox's owner. INVALID with *why, TOO_LARGE,
 * NO_MEMORY. */
MUST_USE enum status envelope_open(const struct envelope_frames *frames,
                                   uint64_t now_us,
                                   struct parcel **out,
                                   const char **why);

#endif
