/* parcel: one message on its way: envelope and encoded body. Made by the sender's lane, handed over
 * by pointer, read in the receiver's turn, then returned to its home lane's pool in lots
 * (cross-thread malloc/free is the main cost of messaging: runtime.md 1). */
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
    PARCEL_LINK,       /* tie my life to yours */
    PARCEL_UNLINK,     /* no longer */
    PARCEL_EXIT,       /* a linked actor ended: body is Down, or Failed when it was not there */
    PARCEL_CREDIT,     /* `correlation` more requests may go to `from` (runtime/credit.h) */
    PARCEL_WIRE_COUNT, /* the kinds above travel between processes, the ones below stay in theirs */
    PARCEL_START = PARCEL_WIRE_COUNT, /* the actor may open */
    PARCEL_STOP,                      /* supervisor → child */
    PARCEL_GONE,                      /* child → supervisor: stopped for good */
    PARCEL_ESCALATE,                  /* child → supervisor: failed too often; body is Down */
    PARCEL_HOLD,    /* supervisor → child of its group: end this life, wait for the next */
    PARCEL_FELL,    /* child of a group → supervisor: failed, and is held; body is Down */
    PARCEL_HELD,    /* … is held, as it was asked */
    PARCEL_RESUME,  /* supervisor → held child: open again */
    PARCEL_RESUMED, /* … it opened */
    PARCEL_MOVE,    /* supervisor → child: go to another lane; room holds struct moved */
    PARCEL_MOVED,   /* child → supervisor: is there; room holds struct moved */
    PARCEL_ADOPT,   /* supervisor → child: the supervisor moved; room holds struct moved */
    PARCEL_ORDER_LAST = PARCEL_ADOPT, /* from PARCEL_START on: between supervisor and child */
    PARCEL_MUTE,                      /* receiver → sender: it is overloaded (runtime/mute.h) */
    PARCEL_UNMUTE,                    /* … no longer */
    PARCEL_OPENED,                    /* child → supervisor: first open is over; body is Down */
    PARCEL_FOUND,                     /* answer of a lookup: room holds struct found */
    PARCEL_LATER,                     /* a turn of its own: room holds struct later */
    PARCEL_WORKED,                    /* blocking work is over: room holds struct work */
    PARCEL_LOOKUP,                    /* actor → the link's lane: room holds struct seek */
    PARCEL_ARRIVE,                    /* lane → lane: an actor that moves (runtime/move.c) */
    PARCEL_SETTLED,                   /* moved actor → its forwarder: it is there */
    PARCEL_LOST,                      /* link → every lane: peer `correlation` is gone */
};

/* Three bands a mailbox: the system band is never dropped and has a reserve of its own. */
enum parcel_band { BAND_SYSTEM, BAND_CONTROL, BAND_DATA, BAND_COUNT };

struct envelope {
    uint8_t kind;  /* enum parcel_kind */
    uint8_t band;  /* enum parcel_band */
    uint8_t flags; /* PARCEL_TRACED */
    uint32_t op;   /* codec_op of the body's type */
    actor_handle to;
    actor_handle from;
    uint64_t correlation; /* the caller's call id, echoed by its answers */
    uint64_t deadline_us; /* absolute on this process's clock; relative on the wire; NO_DEADLINE */
    uint64_t trace[2];    /* W3C trace id, 0 = none */
    uint64_t span;        /* of a request: its own; else the one in whose service it was sent */
    uint64_t parent;      /* of a request: the span in which it was sent, 0 = none */
};
enum {
    PARCEL_TRACED = 1,      /* sampled: every process keeps the trace */
    PARCEL_MUTES = 0x20,    /* of a request: its sender waits for who is overloaded */
    PARCEL_OWES = 0x40,     /* its sender's process gets a credit for it; never on the wire */
    PARCEL_RESERVED = 0x80, /* in a mailbox: not counted against its bound; never on the wire */
    PARCEL_INLINE = 128,
    PARCEL_PAGE = 4096,
    PARCEL_CACHE_LINE = 64,
};

/* Aligned to the lines of the cache; lists and pools touch the first one only. */
struct parcel {
    _Alignas(PARCEL_CACHE_LINE) struct parcel *next;
    void *home;          /* pool it returns to; NULL = heap */
    unsigned char *body; /* room, page, or owned heap memory */
    size_t size;         /* of body */
    struct envelope envelope;
    unsigned char *page; /* PARCEL_PAGE bytes that stay with the parcel, or NULL */
    uint64_t queued_us;  /* when it entered the mailbox */
    _Alignas(16) unsigned char room[PARCEL_INLINE]; /* small bodies live here */
};

/* Starts to fetch a parcel into the cache: another core wrote it last, and it is used soon. NULL is
 * fine. */
static inline void parcel_prefetch(const struct parcel *parcel) {
    for (size_t at = 0; parcel && at < sizeof *parcel; at += PARCEL_CACHE_LINE)
        __builtin_prefetch((const char *)parcel + at, 1);
}

/* A parcel with room for `size` body bytes, from the calling lane's pool or the heap; the envelope
 * is zeroed but for its deadline (none). NULL: no memory. */
struct parcel *parcel_new(size_t size);
void parcel_free(struct parcel *parcel); /* NULL is fine; any thread */
/* Turns any parcel into a final answer Failed{status, text}; its envelope but for kind and op
 * stays. Words beyond some 90 bytes are cut. */
void parcel_fail(struct parcel *parcel,
                 enum status status,
                 const char *text,
                 uint32_t retry_after_ms);
/* Parcels alive in this process, pooled ones not counted; approximate while other threads run. */
int64_t parcel_alive(void);

/* A pool belongs to one thread. Parcels freed by another lane come home in lots of PARCEL_LOT. */
enum { PARCEL_LOT = 32, PARCEL_POOLS_MAX = 256 };
struct parcel_pool;
/* Perhaps one that was given back. NULL: no memory or PARCEL_POOLS_MAX in use. */
struct parcel_pool *parcel_pool_new(void);
/* The calling thread's pool from now on; NULL: the heap. */
void parcel_pool_enter(struct parcel_pool *pool);
/* Sends incomplete lots home: before the thread sleeps. */
void parcel_pool_settle(struct parcel_pool *pool);
/* Gives it back, settled, after its thread ended; parcels that are still elsewhere come home to
 * whoever takes it next. NULL is fine. */
void parcel_pool_free(struct parcel_pool *pool);

#endif
