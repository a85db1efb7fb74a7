/* cell: one actor as the runtime sees it: mailbox, state, what it waits for, its supervisor and
 * children.
 *
 *     NEW ──open ok──▶ OPEN ──exit, stop──▶ STOPPING ──children gone──▶ closed ──▶ given up, or
 *      ▲      ASLEEP ◀──idle── OPEN                                                   │
 *      └───────────────────────── WAITING (backoff) ◀──────────────── restart ────────┘
 *
 * Belongs to its lane from the moment its handle is in the table. Private to runtime/. */
#ifndef RUNTIME_CELL_H
#define RUNTIME_CELL_H

#include "runtime/budget.h"
#include "runtime/core.h"
#include "runtime/forward.h"
#include "runtime/mailbox.h"
#include "runtime/mute.h"

enum cell_state {
    CELL_NEW,
    CELL_OPEN,
    CELL_STOPPING,
    CELL_WAITING,
    CELL_HELD,
    CELL_ASLEEP,
    CELL_PAUSED
};

/* Who is told when this life ends. */
struct watcher {
    struct watcher *next; /* owned */
    actor_handle handle;
    uint64_t correlation; /* of its monitor */
    bool link;            /* no monitor: the other end of a link (runtime/bond.h) */
    bool renewed;         /* … that knows of the last move */
};

struct child {
    struct child *next;  /* owned; newest first */
    actor_handle handle; /* as spawned: what it is known by */
    actor_handle at;     /* where it is now: only the slot counts */
    uint32_t moves;      /* how often it had moved by then */
    bool told;           /* to stop */
    bool grouped;        /* restarts as its supervisor's group decides; below: runtime/group.h */
    bool wanted, held, asked;
};

struct supervision {
    enum restart restart;
    struct budget budget;
    uint32_t restarts;    /* in all */
    uint64_t opened_wait; /* of the supervisor, to tell it about the first open; 0 = told */
    uint32_t stop_ms;
    bool grouped;  /* the supervisor's group restarts it */
    bool resuming; /* … and wants to know when it opened */
};

/* What an actor does about the ends of actors it is linked to. */
struct trap {
    outcome_fn exited; /* NULL: their failure is its own */
    void *context;
};

/* An actor that was asked to stop and has a stop of its own. */
enum drain { DRAIN_NOT, DRAIN_RUNS, DRAIN_OVER };

struct group;
struct debt;
struct passive;
struct shed;

struct cell {
    struct core *core;
    struct lane *lane;
    const struct kind *kind;
    actor_handle handle;
    actor_handle born;       /* its first handle: what its supervisor knows it by */
    actor_handle supervisor; /* any incarnation; 0 = the root has none */
    uint32_t supervisor_moves;
    uint32_t moves;      /* how often it went to another lane */
    uint8_t steps;       /* messages that it may handle while it is CELL_PAUSED (sys_do.c) */
    int move_to;         /* lane to go to, from 1, or MOVE_ANYWHERE; 0 = none */
    bool moved;          /* it arrived on a lane: its turn about that comes first */
    char *name;          /* owned; NULL: kind/slot */
    const void *options; /* borrowed from the spawner */
    void *state;         /* owned; NULL while closed */
    enum cell_state now;
    bool arrived;    /* in the lane's list */
    bool ready;      /* in the lane's queue */
    bool stop_asked; /* by the supervisor: no restart */
    bool hold_asked; /* by the supervisor's group: stop, and wait for the next life */
    bool swept;      /* ends because a linked one was stopped: and so on */
    bool exiting;    /* by itself or a failed child; reason and words below */
    enum drain drain;
    enum status reason;
    char *words; /* owned; NULL = none */
    struct cell *next_ready;
    struct cell *next; /* of the lane */
    struct cell *previous;
    struct mailbox mailbox;
    struct wait *waits;       /* owned by the lane's slab */
    struct forwards forwards; /* actors it hands requests on to */
    uint32_t calls;           /* of these, open calls */
    struct watcher *watchers; /* owned list */
    struct child *children;   /* owned list */
    struct supervision supervision;
    struct group *group; /* owned; NULL: every child restarts by itself */
    struct trap trap;
    struct passive *passive;   /* owned; NULL: its state is never put away */
    struct debt *debts;        /* owned; credits it owes to other processes (runtime/credit.h) */
    struct shed *shed;         /* owned; NULL: only a full mailbox refuses */
    struct mutes muted;        /* senders that wait until its mailbox is shorter */
    uint32_t mutes;            /* by so many receivers it is muted itself */
    uint64_t muted_until_us;   /* … at the longest */
    bool mute_timed;           /* a WAIT_MUTED runs */
    struct actor_stats *stats; /* owned unless light */
    void *socket;              /* the driver's mailbox socket, or NULL */
    /* Instead of a mailbox: takes the parcel at once (replies to foreign sockets). */
    void (*sink)(struct cell *cell, struct parcel *parcel);
    void *sink_context;
};

enum { CELL_NAME_MAX = 192, CELL_STOP_DEFAULT_MS = 5000 };

/* It runs no more turns of this life. */
static inline bool cell_leaves(const struct cell *cell) {
    return cell->exiting || ((cell->stop_asked || cell->hold_asked) && cell->drain != DRAIN_RUNS);
}

/* Made by any thread, told to open by PARCEL_START. supervisor 0: the root. QUOTA, NO_MEMORY,
 * EXISTS (name). */
MUST_USE enum status cell_new(struct core *core,
                              const struct spawn *spawn,
                              actor_handle supervisor,
                              uint64_t opened_wait,
                              struct cell **out);
/* Leaves the lane's list; everything it held is gone already. */
void cell_free(struct cell *cell);
/* Runs up to a batch of turns. On its lane; may free the cell. */
void cell_run(struct cell *cell);
/* One turn of an actor that is CELL_PAUSED, with this parcel (taken) or, NULL, the next that waits.
 */
void cell_run_paused(struct cell *cell, struct parcel *parcel);
/* Turns outside the mailbox; all end the wait, and stop the actor when it asked for that. */
void cell_run_fn(struct cell *cell, struct wait *wait);
/* parcel (taken) may be NULL. A part leaves the wait open. */
void cell_run_outcome(struct cell *cell,
                      struct wait *wait,
                      struct parcel *parcel,
                      const struct outcome *outcome);
/* The wait stays. */
void cell_run_event(struct cell *cell, struct wait *wait, uint32_t events);
/* Joins the lane's list with the first parcel that reaches it. */
void cell_arrive(struct cell *cell);
/* Leaves it, alive. */
void cell_leave_lane(struct cell *cell);
/* The nth lane of the type's kind (1-based, wraps); 0: the next one. */
struct lane *cell_choose_lane(struct core *core, const struct actor_type *type, int nth);
/* Asks it to go to that lane when it is next run. */
void cell_move(struct cell *cell, int lane);
/* The name, written to text unless it is stored. */
const char *cell_name(const struct cell *cell, char text[CELL_NAME_MAX]);
/* Asks it to stop when it is next run; the first reason stays. words may be NULL. */
void cell_exit(struct cell *cell, enum status reason, const char *words);
/* Answers the supervisor's WAIT_OPEN, once. */
void cell_tell_opened(struct cell *cell, enum status status, const char *words);
/* The cell's stop and restart; runtime/supervise.c. */
void cell_stop_begin(struct cell *cell);
void cell_stop_step(struct cell *cell);
/* Takes what supervisor and child say to each other: PARCEL_START to PARCEL_ORDER_LAST. */
void cell_take_order(struct cell *cell, struct parcel *parcel);
/* The time to stop in is over. */
void cell_stop_late(struct cell *cell);
/* The actor opened, in the first or a later life. */
void cell_opened(struct cell *cell);
/* A parcel between supervisor and child: whatever their incarnations are by then. */
struct parcel *cell_order(enum parcel_kind kind, actor_handle to, const struct cell *from);
struct moved;
struct parcel *cell_order_with(enum parcel_kind kind,
                               actor_handle to,
                               const struct cell *from,
                               const struct moved *moved);
/* The same slot, whatever incarnation it has by then. */
actor_handle cell_any_life(actor_handle handle);
/* The child that is, or was born, in the slot of this handle; NULL: none. */
struct child *cell_child(struct cell *cell, actor_handle handle);
/* Who wants to know when it stops. */
void cell_add_watcher(struct cell *cell, actor_handle handle, uint64_t correlation);
void cell_remove_watcher(struct cell *cell, actor_handle handle, uint64_t correlation);
void cell_add_link(struct cell *cell, actor_handle handle);
bool cell_has_link(const struct cell *cell, actor_handle handle);
/* False: there was none. */
bool cell_remove_link(struct cell *cell, actor_handle handle);
/* The watchers of that process are gone. */
void cell_forget_peer(struct cell *cell, uint16_t peer);
/* The caller of this served request wants no answer: marks it, and cancels what was asked on its
 * behalf. */
void cell_cancelled(struct cell *cell, struct wait *served);
/* Cancels an open call: tells the callee, and gives the outcome CANCELLED. */
void cell_cancel_call(struct cell *cell, struct wait *call);
/* Ends a wait that holds something outside (timer, descriptor) and frees it. */
void cell_end_wait(struct cell *cell, struct wait *wait);

#endif
