/* turn_state: what is behind struct turn. Private to runtime/. */
#ifndef RUNTIME_TURN_STATE_H
#define RUNTIME_TURN_STATE_H

#include "runtime/cell.h"
#include "runtime/turn.h"

struct turn {
    struct core *core;
    struct lane *lane;
    struct cell *cell;
    struct parcel *parcel; /* owned: what the turn is about; NULL in open and timers */
    bool request;          /* the parcel is a cast or call */
    bool settled;          /* answered, deferred or handed on */
    uint32_t op;           /* of the parcel, 0 = none */
    uint64_t trace[2];
    uint64_t span;
    uint8_t flags;     /* PARCEL_TRACED */
    uint8_t cause;     /* enum span_kind of a turn without a parcel */
    uint8_t outcome;   /* for its span: enum status, SPAN_DEFERRED … */
    const char *words; /* of turn_fail, in the arena */
    uint32_t retry_after_ms;
};

/* A turn of cell about parcel (taken, may be NULL). Turns do not nest. */
void turn_begin(struct turn *turn, struct cell *cell, struct parcel *parcel);
/* Goes on in the trace and span in which the wait began. */
void turn_resume(struct turn *turn, const struct wait *wait, uint8_t cause);
/* Counts, frees what the turn borrowed. Reads the clock once. */
void turn_end(struct turn *turn);
/* Runs the handler of a cast or call and settles its answer. */
void turn_serve(struct turn *turn);
/* Sends Failed to whoever is owed an answer of this kind. */
void turn_send_failed(struct turn *turn,
                      actor_handle to,
                      uint64_t correlation,
                      enum status status,
                      const char *text,
                      uint32_t retry_after_ms);
/* Sends what the turn says: counted, and told to who records it. */
void turn_send(struct turn *turn, struct parcel *parcel);
/* A parcel of kind with the encoded message. NULL: *status says why. */
struct parcel *turn_encode(struct turn *turn,
                           enum parcel_kind kind,
                           const ProtobufCMessage *message,
                           enum status *status);
/* The parcel's body as a message of type, which may be raw__descriptor, in the lane's arena;
 * codec_decode's failures. */
MUST_USE enum status turn_read(struct lane *lane,
                               const struct parcel *parcel,
                               const ProtobufCMessageDescriptor *type,
                               ProtobufCMessage **out,
                               const char **why);
/* A parcel without a body of its own, carrying `size` bytes of a local record in its room. Ends the
 * process without memory. */
struct parcel *
parcel_local(enum parcel_kind kind, actor_handle to, const void *record, size_t size);

/* Records that travel in the room of local parcels. */
struct moved {
    actor_handle at; /* its handle; of PARCEL_MOVE: the lane, as in struct spawn */
    uint32_t moves;  /* so many times it had moved then: an older word is none */
};
struct later {
    turn_fn run;
    void *context;
};
struct found {
    enum status status;
    actor_handle handle;
};
struct work {
    struct block block;
    enum status status;
};
struct seek {
    char *address; /* owned */
    char *name;    /* owned */
    uint64_t deadline_us;
};

#endif
