/* trunk: the way between lanes: each lane has one PULL socket, each sending thread a PUSH to it,
 * and a message is one pointer to a list of batches (runtime/batch.h), sent once a turn of the
 * sender's loop (runtime.md 1, D4-B). */
#ifndef RUNTIME_TRUNK_H
#define RUNTIME_TRUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/parcel.h"
#include "runtime/status.h"

enum {
    TRUNK_BATCHES = 1000, /* on their way to one lane from one thread (ZeroMQ's high water mark) */
    TRUNK_WAITING =
        16384, /* parcels kept back while the trunk is full; beyond it data is refused */
};

/* The receiving ends, all of a node. */
struct trunks {
    void *context;   /* borrowed */
    uint64_t number; /* of the node in this process, in the endpoints */
    void **in;       /* PULL a lane; owned */
    uint32_t n;
};

struct outbox {
    void *push;           /* owned */
    struct parcel *first; /* owned list of batches */
    struct parcel *last;
    uint32_t count; /* parcels in them */
};

/* The sending end of one thread. */
struct trunk {
    struct outbox *boxes; /* one a lane; owned */
    uint32_t n;
    uint32_t waiting; /* parcels in all boxes */
};

/* QUOTA: no socket left; NO_MEMORY. */
MUST_USE enum status trunks_open(struct trunks *trunks, void *context, uint32_t n);
/* Frees what is still on its way through refuse. */
void trunks_close(struct trunks *trunks,
                  void (*refuse)(void *node, struct parcel *parcel),
                  void *node);
/* The next batches for this lane; false: none now, and the doorbell of trunks_fd rings for the next
 * one. *batch NULL: the lane's thread shall end. */
bool trunks_take(struct trunks *trunks, uint32_t lane, struct parcel **batch);
int trunks_fd(const struct trunks *trunks, uint32_t lane);

MUST_USE enum status trunk_open(struct trunk *trunk, const struct trunks *trunks);
void trunk_close(struct trunk *trunk,
                 void (*refuse)(void *node, struct parcel *parcel),
                 void *node);
/* Queues until trunk_flush; false: full, the parcel stays the caller's. Answers and notices always
 * fit. */
bool trunk_put(struct trunk *trunk, uint32_t lane, struct parcel *parcel);
/* False: something could not leave yet; try again soon. */
bool trunk_flush(struct trunk *trunk);
/* Tells the lane's thread to end. */
void trunk_end(struct trunk *trunk, uint32_t lane);

#endif
