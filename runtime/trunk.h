/* trunk: the way between lanes: each lane has an inbox, a list of batches (runtime/batch.h) that
 * any thread pushes to and the lane takes as a whole; senders push once a turn of their loop
 * (runtime.md 1, D4-B; decision 0028). */
#ifndef RUNTIME_TRUNK_H
#define RUNTIME_TRUNK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/parcel.h"
#include "runtime/status.h"

enum {
    TRUNK_BATCHES = 1000, /* on their way to one lane; beyond them senders keep theirs */
    TRUNK_WAITING =
        16384, /* parcels kept back while the trunk is full; beyond it data is refused */
};

struct inbox {
    _Alignas(128) _Atomic(struct parcel *) newest; /* owned list, newest first */
    _Atomic uint32_t count;                        /* of batches, those that were taken too */
    _Atomic bool asleep;                           /* the lane has to be rung for */
    _Atomic bool ended;
    _Alignas(128) struct parcel *taken; /* owned list, oldest first; the lane's */
    int bell;                           /* eventfd, written to and never read */
};

/* The receiving ends, all of a node. */
struct trunks {
    struct inbox *in; /* one a lane; owned */
    uint32_t n;
};

struct outbox {
    struct parcel *newest; /* owned list of batches, newest first */
    struct parcel *oldest;
    uint32_t batches;
    uint32_t count; /* parcels in them */
};

/* The sending end of one thread. */
struct trunk {
    const struct trunks *trunks; /* borrowed */
    struct outbox *boxes;        /* one a lane; owned */
    uint32_t n;
    uint32_t waiting; /* parcels in all boxes */
};

/* QUOTA: no descriptor left; NO_MEMORY. */
MUST_USE enum status trunks_open(struct trunks *trunks, uint32_t n);
/* Frees what is still on its way through refuse. */
void trunks_close(struct trunks *trunks,
                  void (*refuse)(void *node, struct parcel *parcel),
                  void *node);
/* For epoll, edge-triggered: rings when something comes to a lane that sleeps. */
int trunks_bell(const struct trunks *trunks, uint32_t lane);

/* The rest is for the lane's thread. */
/* trunks_take has something. */
static inline bool trunks_wait(const struct trunks *trunks, uint32_t lane) {
    const struct inbox *inbox = &trunks->in[lane];
    return inbox->taken || atomic_load_explicit(&inbox->newest, memory_order_relaxed) ||
           atomic_load_explicit(&inbox->ended, memory_order_relaxed);
}
/* The next batch for this lane; false: none now. *batch NULL: the lane's thread shall end. */
bool trunks_take(struct trunks *trunks, uint32_t lane, struct parcel **batch);
/* The bell rings for what comes from now on, until trunks_woke. False: something came already. */
bool trunks_sleep(struct trunks *trunks, uint32_t lane);
void trunks_woke(struct trunks *trunks, uint32_t lane);

MUST_USE enum status trunk_open(struct trunk *trunk, const struct trunks *trunks);
void trunk_close(struct trunk *trunk,
                 void (*refuse)(void *node, struct parcel *parcel),
                 void *node);
/* Queues until trunk_flush; false: full, the parcel stays the caller's. Answers and notices always
 * fit. */
bool trunk_put(struct trunk *trunk, uint32_t lane, struct parcel *parcel);
/* False: something could not leave yet; try again soon. */
bool trunk_flush(struct trunk *trunk);
/* Tells the lane's thread to end, behind what was flushed before. */
void trunk_end(struct trunk *trunk, uint32_t lane);

#endif
