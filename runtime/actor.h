/* actor: what an actor type is. An actor is state owned by one lane, a mailbox, and typed handlers
 * that run to completion (<= 1 ms) and never block. It speaks only through its turn
 * (runtime/turn.h).
 *
 *     #define SHARD_ACCEPTS(X) \
 *         X(struct shard, ShardWrite, shard_write, on_write)
 *     ACTOR_HANDLERS(shard_handlers, SHARD_ACCEPTS);
 *     static enum status on_write(struct shard *self, const ShardWrite *msg, struct turn *turn) {…}
 *     const struct actor_type shard_type = {.kind = "shard", .size = sizeof(struct shard),
 *         .handlers = shard_handlers, .open = shard_open, .close = shard_close};
 *
 * What the table does not name is refused (UNIMPLEMENTED) before it reaches the actor. */
#ifndef RUNTIME_ACTOR_H
#define RUNTIME_ACTOR_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

struct buffer;
struct turn;

/* Where an actor is: peer 16 | slot 24 | incarnation 24. peer 0 is this process; other peers are
 * numbers of this process's link table. So a handle has a meaning only inside the process that
 * holds it: across processes names travel, not handles. 0 is nobody. */
typedef uint64_t actor_handle;

/* The message is borrowed from the turn and dies with it (promises do not keep it). OK without
 * turn_reply and without turn_defer answers Done; any other status answers Failed{status, text}. */
typedef enum status (*handler_fn)(void *self, const void *message, struct turn *turn);

struct handler {
    const ProtobufCMessageDescriptor *message; /* NULL ends the table; &raw__descriptor: whatever
                                                  no other row names, undecoded (runtime/raw.h) */
    handler_fn run;
};

#define ACTOR_DECLARE(Self, Msg, msg, fn) \
    static enum status fn(Self *self, const Msg *message, struct turn *turn); \
    static enum status fn##_any(void *self, const void *message, struct turn *turn) { \
        return fn(self, message, turn); \
    }
#define ACTOR_ENTRY(Self, Msg, msg, fn) {&msg##__descriptor, fn##_any},
#define ACTOR_HANDLERS(table, ACCEPTS) \
    ACCEPTS(ACTOR_DECLARE) \
    static const struct handler table[] = {ACCEPTS(ACTOR_ENTRY){NULL, NULL}}

enum lane_kind {
    LANE_IO,      /* short handlers: edge, router, replicas, pd, sys */
    LANE_COMPUTE, /* resumable work in steps of <= 1 ms: searchers, linkers, parsers; lower OS
                     priority */
};

enum {
    MAILBOX_MESSAGES = 1024,         /* default bound of the data band */
    MAILBOX_BYTES = 8 * 1024 * 1024, /* default bound of the data band */
    PASSIVE_BYTES_MAX = 64 * 1024,   /* of what passivate may keep */
};

struct actor_type {
    const char *kind; /* "shard": counters, names and traces use it */
    size_t size;      /* of the state; zeroed before open */
    const struct handler *handlers;
    /* options: the spawner's, borrowed; must stay valid as long as the actor can be restarted.
     * Failing stops the actor (reason = status; words by turn_fail). NULL: nothing to do. */
    enum status (*open)(void *self, const void *options, struct turn *turn);
    /* Asked to stop, by its supervisor: finish what is under way, then turn_exit(OK). It goes on
     * being served until then, at most spawn.stop_ms; after that it is stopped as it stands. NULL:
     * it stops at once. */
    void (*stop)(void *self, struct turn *turn);
    /* Releases everything, also after a half-done open. Must not wait. NULL: nothing to do. */
    void (*close)(void *self);
    /* The actor is on another lane (turn_move): turn_self and its mailbox's endpoint are others.
     * NULL: nothing to do. */
    void (*moved)(void *self, struct turn *turn);
    enum lane_kind lane;
    bool light;                /* no ZeroMQ mailbox of its own: children in thousands */
    uint32_t mailbox_messages; /* 0 = MAILBOX_MESSAGES */
    size_t mailbox_bytes;      /* 0 = MAILBOX_BYTES */
    /* Requests of the data band are refused (BUSY) while even the shortest wait of the last 100 ms
     * was longer than this (runtime/shed.h). 0: only a full mailbox refuses. */
    uint64_t shed_us;
    /* While an actor that it sent a request to is overloaded, this one takes no requests of the
     * data band and puts off what it put off (turn_later): runtime/mute.h. Answers, the other
     * bands and timers go on. For stages of a pipeline; without it, too much ends in BUSY. */
    bool mutes;
    /* Light actors: after so long without a turn, and with nothing open (calls, timers, monitors,
     * promises, children, a trap), the state is put away until the next message. 0: never. */
    uint64_t idle_us;
    /* What to keep of it, at most PASSIVE_BYTES_MAX; close runs after it. Not OK: stay awake, to be
     * asked again idle_us later. NULL: nothing is kept. */
    enum status (*passivate)(void *self, struct buffer *kept, struct turn *turn);
    /* Instead of open, to take it up again; failing is a failure of the actor. NULL: open. */
    enum status (*hydrate)(void *self,
                           const void *options,
                           const struct buffer *kept,
                           struct turn *turn);
    bool quiet;    /* not traced: the runtime's own actors */
    bool linkable; /* actors of other processes may link themselves to it (turn_link):
                      their failure is then its own */
};

#endif
