/* lane: runs the turns of its actors, one at a time: ready queue, timers, waits, turn memory. It
 * has no thread of its own: a driver calls it from one. Private to runtime/. */
#ifndef RUNTIME_LANE_H
#define RUNTIME_LANE_H

#include <stdatomic.h>

#include "runtime/arena.h"
#include "runtime/clock.h"
#include "runtime/histogram.h"
#include "runtime/lint.h"
#include "runtime/parcel.h"
#include "runtime/ring.h"
#include "runtime/rng.h"
#include "runtime/runqueue.h"
#include "runtime/timers.h"
#include "runtime/wait.h"

struct cell;
struct core;
struct link_peer;
struct tap;
struct turn;

enum {
    LANE_BATCH = 64,               /* messages an actor may handle before the next one's turn */
    LANE_BATCH_US = 200,           /* and time */
    LANE_TYPES = 256,              /* message types something is remembered of */
    LANE_SLOW_US = 10000,          /* a longer turn is an alarm (runtime/lint.h) */
    LANE_STALL_US = 50000,         /* a longer turn is reported … */
    LANE_STALL_EVERY_US = 1000000, /* … but not more often a lane */
    LANE_ARENA_MAX = 256 * 1024 * 1024, /* memory of one turn */
};

/* Counters of one actor, or of all light ones of a kind on a lane. Written and read by the lane
 * only. */
struct actor_stats {
    uint64_t received, sent, dropped, expired, failed;
    uint64_t busy_us;
    struct histogram mailbox; /* time waiting */
    struct histogram handler; /* time in the handler */
    struct lint lint;         /* what is watched of a component actor */
};

/* What a lane remembers of a message type. */
struct lane_type {
    const ProtobufCMessageDescriptor *type;
    uint32_t op;
    bool paged; /* the last one was written into a page, and not much too small for it */
};

/* What the lane is doing, for watchers on other threads: static words and numbers only. */
struct lane_now {
    _Atomic uint64_t turn; /* counts up; odd while a turn runs */
    _Atomic uint64_t since_us;
    _Atomic(const char *) kind;
    _Atomic actor_handle actor;
    _Atomic uint32_t op;
};

struct lane {
    struct core *core;
    uint32_t index; /* in core.lanes */
    enum lane_kind kind;
    struct cell *first_ready;
    struct cell *last_ready;
    uint32_t n_ready;
    struct cell *cells[2]; /* owned lists: component actors, light ones; newest first */
    uint32_t n_cells;
    struct timers timers;
    struct waits waits;
    struct arena arena;
    struct rng rng;
    struct ring ring; /* of spans; runtime/span.h */
    uint64_t last_span;
    struct tap *taps;  /* who looks on; the reporter's. NULL: nobody */
    uint64_t works;    /* pieces of blocking work begun: the number of the last */
    struct tale *tale; /* of the turn that runs, for those taps that want it; or NULL */
    struct lane_type types[LANE_TYPES];
    struct wait **watched; /* by descriptor; owned array of borrowed records */
    uint32_t n_watched;
    struct actor_stats **light; /* by kind number; owned */
    uint32_t n_light;
    struct clock clock; /* unused without driver.lane_clocks */
    uint64_t now_us;    /* as of the running, or the last, turn */
    bool fresh;         /* it was read when the last turn ended, and nothing was waited for since */
    struct turn *turn;  /* running, or NULL */
    struct lane_now doing;
    uint64_t turns, busy_us, wakes, stall_max_us;
    uint64_t trunk_full, spins; /* counted by the driver */
    uint64_t stall_told_us;     /* when a stall was reported last */
    struct runqueue queue;      /* of its thread */
    _Atomic uint64_t waited_us; /* of queue, when the watchdog last looked before the turn that
                                   runs, or before the last one it saw */
    void *driver;               /* the driver's own */
};

void lane_init(struct lane *lane, struct core *core, uint32_t index, enum lane_kind kind);
/* Fine on a zeroed lane. */
void lane_free(struct lane *lane);
/* Takes a parcel for an actor of this lane into its mailbox, or acts on it. On the lane's thread.
 */
void lane_deliver(struct lane *lane, struct parcel *parcel);
/* The same for an actor that was found already. */
void lane_deliver_to(struct cell *cell, struct parcel *parcel);
/* Queues the actor to run. */
void lane_ready(struct lane *lane, struct cell *cell);
/* Takes it out of the queue again. */
void lane_unready(struct lane *lane, struct cell *cell);
/* A process is gone: open calls to it end, monitors fire, its watchers are forgotten. */
void lane_lost(struct lane *lane, uint16_t peer);
/* Runs the nth ready actor (0: the first): one batch of turns. */
void lane_run(struct lane *lane, uint32_t nth);
/* Fires the timers that are due. */
void lane_fire(struct lane *lane);
/* When the next timer is due; UINT64_MAX: there is none. */
uint64_t lane_next_us(const struct lane *lane);
/* A watched descriptor has events; nothing when it is not watched any more. */
void lane_event(struct lane *lane, int fd, uint32_t events);
/* Room for fd in lane.watched. NO_MEMORY. */
MUST_USE enum status lane_room_to_watch(struct lane *lane, int fd);
/* The counters that light actors of this kind share here; NULL: no memory. */
struct actor_stats *lane_light_stats(struct lane *lane, uint32_t kind);
/* Perhaps a fresh entry; until the next call. */
struct lane_type *lane_type(struct lane *lane, const ProtobufCMessageDescriptor *type);
/* codec_op, remembered. */
uint32_t lane_op(struct lane *lane, const ProtobufCMessageDescriptor *type);
/* Of `us` that a turn took so far, what it did not spend waiting for a core. Any thread. */
uint64_t lane_held_us(const struct lane *lane, uint64_t us);
/* A turn took longer than LANE_SLOW_US; one above LANE_STALL_US is logged, too. Nothing when it
 * was interrupted for most of it. */
void lane_report_slow(struct lane *lane, const struct cell *cell, uint32_t op, uint64_t us);
/* Where the lane's own clock does not know the time. */
uint64_t lane_ask_time(struct lane *lane);
/* The time now, on this lane; not remembered. */
static inline uint64_t lane_time(struct lane *lane) {
    return lane->clock.reach ? clock_read(&lane->clock) : lane_ask_time(lane);
}
/* The time now, remembered in now_us. */
static inline uint64_t lane_read_clock(struct lane *lane) {
    return lane->now_us = lane_time(lane);
}

#endif
