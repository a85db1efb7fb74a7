/* span: what became of a message: when it was queued, how long it waited and ran, for whom, and its
 * outcome. One record a turn in the lane's ring, and one more where a request ends outside its own
 * turn. A message keeps its span id from its sender on; the parent is the span in which it was
 * sent. Private to runtime/.
 *
 * In the ring (runtime/ring.h), eight words, most significant bits first:
 *
 *     0, 1  trace, as its bytes lie in memory
 *     2     span
 *     3     parent
 *     4     began 48 | outcome 8 | kind 5 | band 2 | sampled 1
 *     5     waited 28 | ran 28 | size, low 8
 *     6     from, a handle
 *     7     op 32 | slot 24 | size, high 8
 *
 * size is a small float: exponent 4 | mantissa 12, exact below 4,096. */
#ifndef RUNTIME_SPAN_H
#define RUNTIME_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/actor.h"
#include "runtime/ring.h"
#include "runtime/status.h"

struct envelope;
struct lane;
struct parcel;
struct promise;
struct turn;
struct wait;

/* What a record is about; the number is kept in files (runtime/flight.h). */
enum span_kind {
    SPAN_CALL,
    SPAN_CAST,
    SPAN_REPLY, /* an outcome, also one that no message brought: a deadline */
    SPAN_PART,
    SPAN_DOWN,
    SPAN_LATER,  /* a step of the actor's own */
    SPAN_WORKED, /* the outcome of blocking work */
    SPAN_FOUND,  /* the outcome of a lookup, of a child's open */
    SPAN_TIMER,
    SPAN_EVENT, /* of a descriptor */
    SPAN_OPEN,
    SPAN_ANSWERED, /* a deferred request got its final answer: ends SPAN_CALL's or SPAN_CAST's */
    SPAN_REFUSED,  /* a request ended before its turn: full, expired, cancelled, nobody there */
    SPAN_EDGE,     /* a request from outside */
    SPAN_KINDS
};
/* Outcomes besides enum status. */
enum { SPAN_DEFERRED = 0xfe, SPAN_FORWARDED = 0xff };

/* A record as it is read. */
struct span_record {
    uint64_t trace[2]; /* 0: none */
    uint64_t span; /* the message's own; of all kinds but call, cast and edge: in whose service */
    uint64_t parent;
    uint64_t began_us;  /* the turn began; SPAN_ANSWERED, SPAN_REFUSED: it ended */
    uint64_t waited_us; /* in the mailbox; some 268 s at most */
    uint64_t ran_us;    /* as much; SPAN_EDGE: until its end, without that limit */
    actor_handle from;
    uint32_t slot; /* of the actor: handle_slot */
    uint32_t op;   /* 0: none */
    uint32_t size; /* of the body, within 1 of 4,096 */
    uint8_t kind;  /* enum span_kind */
    uint8_t band;
    uint8_t outcome; /* enum status, SPAN_DEFERRED or SPAN_FORWARDED */
    bool sampled;
};
void span_pack(const struct span_record *record, uint64_t words[RING_WORDS]);
/* Any words give some record: kind < SPAN_KINDS is for the caller to check. */
void span_unpack(const uint64_t words[RING_WORDS], struct span_record *out);
/* The slot of a packed record's actor, for those who look for one among many. */
static inline uint32_t span_slot(const uint64_t words[RING_WORDS]) {
    return (uint32_t)(words[RING_WORDS - 1] >> 8) & 0xffffff;
}
/* "call", "reply" … Static. */
const char *span_kind_name(uint8_t kind);
/* "OK", "BUSY" …, "DEFERRED", "FORWARDED". Static. */
const char *span_outcome_name(uint8_t outcome);

/* A number for words that are not a message's name, such as a route of the edge: an op for
 * span_op_name. The words must stay. Any thread; at most SPAN_NAMES_MAX names, 0 beyond. */
enum { SPAN_NAMES_MAX = 256 };
uint32_t span_name(const char *words);
/* The message type's name, or the words of span_name; NULL: unknown. Any thread; safe in a signal
 * handler once one message was ever found. */
const char *span_op_name(uint32_t op);

/* The nth of span_name's words, and its op; NULL behind the last. Safe in a signal handler. */
const char *span_nth_name(uint32_t n, uint32_t *op);

/* --- for the turn: all on the lane, and nothing when its ring records nothing -------------------
 */
/* A span id that no other message has. */
uint64_t span_new(struct lane *lane);
/* What its record is about. */
enum span_kind span_turn_kind(const struct turn *turn);
/* The turn that began at began_us is over. */
void span_turn(const struct turn *turn, uint64_t began_us, uint64_t ran_us);
/* A deferred request has its final answer. */
void span_answered(const struct turn *turn, const struct promise *promise, enum status outcome);
/* The actor stopped before it answered: a WAIT_SERVE. */
void span_abandoned(const struct wait *wait);
/* A call or cast ends without a turn. lane may be NULL: on no lane, and not recorded. */
void span_refused(struct lane *lane, const struct parcel *parcel, enum status reason);

#endif
