/* cell: one actor as the runtime sees it: mailbox, state, what it waits for, its supervisor and
 * children.
 *
 *     NEW ──open ok──▶ OPEN ──exit, stop──▶ STOPPING ──children gone──▶ closed ──▶ given up, or
 *      ▲                                                                              │
 *      └───────────────────────── WAITING (backoff) ◀──────────────── restart ────────┘
 *
 * Belongs to its lane from the moment its handle is in the table. Private to runtime/. */
#ifndef RUNTIME_CELL_H
#define RUNTIME_CELL_H

#include "runtime/core.h"
#include "runtime/mailbox.h"

enum cell_state { CELL_NEW, CELL_OPEN, CELL_STOPPING, CELL_WAITING };

struct watcher {
    struct watcher *next; /* owned */
    actor_handle handle;
    uint64_t correlation;
};

struct child {
    struct child *next;  /* owned; newest first */
    actor_handle handle; /* as spawned: only its slot counts */
    bool told;           /* to stop */
};

struct supervision {
    enum restart restart;
    uint32_t intensity;
    uint64_t period_us;
    uint64_t *times; /* owned ring of the last `intensity` restarts */
    uint32_t n_times;
    uint32_t restarts;    /* in all */
    uint64_t opened_wait; /* of the supervisor, to tell it about the first open; 0 = told */
};

struct cell {
    struct core *core;
    struct lane *lane;
    const struct kind *kind;
    actor_handle handle;
    actor_handle supervisor; /* any incarnation; 0 = the root has none */
    char *name;              /* owned; NULL: kind/slot */
    const void *options;     /* borrowed from the spawner */
    void *state;             /* owned; NULL while closed */
    enum cell_state now;
    bool arrived;    /* in the lane's list */
    bool ready;      /* in the lane's queue */
    bool stop_asked; /* by the supervisor: no restart */
    bool exiting;    /* by itself or a failed child; reason and words below */
    enum status reason;
    char *words; /* owned; NULL = none */
    struct cell *next_ready;
    struct cell *next; /* of the lane */
    struct cell *previous;
    struct mailbox mailbox;
    struct wait *waits;       /* owned by the lane's slab */
    struct watcher *watchers; /* owned list */
    struct child *children;   /* owned list */
    struct supervision supervision;
    struct actor_stats *stats; /* owned unless light */
    void *socket;              /* the driver's mailbox socket, or NULL */
    /* Instead of a mailbox: takes the parcel at once (replies to foreign sockets). */
    void (*sink)(struct cell *cell, struct parcel *parcel);
    void *sink_context;
};

enum { CELL_NAME_MAX = 192, CELL_INTENSITY_MAX = 1000 };

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
/* The name, written to text unless it is stored. */
const char *cell_name(const struct cell *cell, char text[CELL_NAME_MAX]);
/* Asks it to stop when it is next run; the first reason stays. words may be NULL. */
void cell_exit(struct cell *cell, enum status reason, const char *words);
/* Answers the supervisor's WAIT_OPEN, once. */
void cell_tell_opened(struct cell *cell, enum status status, const char *words);
/* The cell's stop and restart; runtime/supervise.c. */
void cell_stop_begin(struct cell *cell);
void cell_stop_step(struct cell *cell);
/* A child is gone for good. */
void cell_child_gone(struct cell *cell, actor_handle child);
/* A child failed beyond its intensity; parcel: its Down, borrowed. */
void cell_child_failed(struct cell *cell, const struct parcel *parcel);
/* A parcel between supervisor and child: whatever their incarnations are by then. */
struct parcel *cell_order(enum parcel_kind kind, actor_handle to, const struct cell *from);
/* Who wants to know when it stops. */
void cell_add_watcher(struct cell *cell, actor_handle handle, uint64_t correlation);
void cell_remove_watcher(struct cell *cell, actor_handle handle, uint64_t correlation);
/* The watchers of that process are gone. */
void cell_forget_peer(struct cell *cell, uint16_t peer);
/* Ends a wait that holds something outside (timer, descriptor) and frees it. */
void cell_end_wait(struct cell *cell, struct wait *wait);

#endif
