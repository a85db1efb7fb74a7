/* wait: what an actor waits for, or owes: an open call, a timer, a monitor, a deferred answer.
 * Records come from a slab of the lane; an id names its place and its use, so that finding one is
 * an index and a late answer meets nothing. One lane's thread. */
#ifndef RUNTIME_WAIT_H
#define RUNTIME_WAIT_H

#include "runtime/timers.h"
#include "runtime/turn.h"

struct cell;

enum wait_kind {
    WAIT_FREE,
    WAIT_CALL,
    WAIT_TIMER,
    WAIT_MONITOR,
    WAIT_LOOKUP,
    WAIT_OPEN,      /* a child's first open */
    WAIT_WATCH,     /* a descriptor */
    WAIT_SERVE,     /* a deferred answer of this actor */
    WAIT_RESTART,   /* the backoff of the actor itself */
    WAIT_GROUP,     /* the backoff of its group of children */
    WAIT_IDLE,      /* when it may have been idle for long enough */
    WAIT_FORWARDER, /* when what is left of an actor that moved on may go */
    WAIT_STOP,      /* how long it may take to stop */
    WAIT_MUTED,     /* how long it may be muted */
};

struct wait {
    struct timer timer; /* first: a timer is its wait */
    uint64_t id;
    uint64_t alias; /* the id that others know: it came from another lane; 0 = they know `id` */
    enum wait_kind kind;
    struct cell *cell; /* borrowed */
    struct wait *next; /* of the cell */
    struct wait *previous;
    union {
        outcome_fn done;
        turn_fn run;
        watch_fn watch;
    };
    void *context;
    const ProtobufCMessageDescriptor *reply; /* of a call */
    actor_handle peer;                       /* called, monitored; caller of a served request */
    uint64_t correlation;                    /* of a served request */
    actor_handle as;         /* who asked, of a call made before its actor moved; 0: as it is now */
    uint64_t behalf;         /* of a call: the WAIT_SERVE whose cancel cancels it too, or 0 */
    struct wait *asked;      /* of a served request: the first of the calls on its behalf */
    struct wait *next_asked; /* of such a call */
    struct wait **at_asked;  /* … what points at it; NULL: it is none, or the request is over */
    struct wait *next_served;
    struct wait *next_alias;
    int fd;
    bool cancelled;
    uint8_t flags;     /* PARCEL_TRACED */
    uint32_t op;       /* of the call, or of the request owed; 0 = none */
    uint64_t since_us; /* when it began */
    uint64_t trace[2];
    uint64_t span;
};

struct wait_chunk;
enum {
    WAIT_CHUNK = 256,
    WAIT_CHUNKS_MAX = 1 << 16,
    WAIT_SERVED_BUCKETS = 1024,
    WAIT_ALIAS_BUCKETS = 64,
};

/* The id that the actor and the world know. */
static inline uint64_t wait_name(const struct wait *wait) {
    return wait->alias ? wait->alias : wait->id;
}

struct waits {
    struct wait_chunk **chunks; /* owned */
    uint32_t n_chunks;
    struct wait *free;
    uint32_t alive;
    uint32_t calls; /* of kind WAIT_CALL: a lane may spin while there are some */
    struct wait *served[WAIT_SERVED_BUCKETS]; /* WAIT_SERVE by caller and correlation */
    struct wait *aliases[WAIT_ALIAS_BUCKETS]; /* those with an alias, by it */
    uint32_t n_aliases;
    uint32_t lane; /* ids of different lanes are different */
};

void waits_init(struct waits *waits, uint32_t lane);
void waits_free(struct waits *waits);
/* A zeroed record on the cell's list. Ends the process without memory: the callers promise an
 * outcome. */
struct wait *wait_new(struct waits *waits, struct cell *cell, enum wait_kind kind);
/* The record of an actor that came from another lane, as it was there but for its timer. */
struct wait *wait_adopt(struct waits *waits, struct cell *cell, const struct wait *was);
/* The call is made on behalf of the served request: wait->behalf, and in its list. */
void wait_ask(struct wait *served, struct wait *call);
/* Also leaves the cell's list, and that of a request; its timer must be out. */
void wait_free(struct waits *waits, struct wait *wait);
/* The cell's record of this id; NULL: over, another's, or never was. */
struct wait *wait_find(const struct waits *waits, const struct cell *cell, uint64_t id);
/* Makes a WAIT_SERVE findable by its peer and correlation. */
void wait_serve(struct waits *waits, struct wait *wait, actor_handle caller, uint64_t correlation);
struct wait *wait_served(const struct waits *waits,
                         const struct cell *cell,
                         actor_handle caller,
                         uint64_t correlation);
/* Calls visit for every record in use. visit may free the record it is given. */
void waits_each(struct waits *waits,
                void (*visit)(struct wait *wait, void *context),
                void *context);
/* Bytes of the slab. */
size_t waits_bytes(const struct waits *waits);
/* The same for the first n records of one kind; only looks. */
void waits_look(const struct waits *waits,
                enum wait_kind kind,
                uint32_t n,
                void (*visit)(const struct wait *wait, void *context),
                void *context);

#endif
