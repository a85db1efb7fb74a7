/* blocking: threads for work that may wait: disk reads, syncs. Work goes in as a PARCEL_WORKED and
 * comes home through the trunks. Private to runtime/. */
#ifndef RUNTIME_BLOCKING_H
#define RUNTIME_BLOCKING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/parcel.h"
#include "runtime/status.h"

enum { BLOCKING_WAITING_MAX = 65536 };

struct node;
struct blocking_thread;

struct blocking {
    struct node *node; /* borrowed */
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct parcel *first; /* owned list */
    struct parcel *last;
    uint32_t waiting;
    bool closing;
    struct blocking_thread *threads; /* owned */
    uint32_t n_threads;
};

MUST_USE enum status blocking_open(struct blocking *blocking, struct node *node, uint32_t threads);
/* Runs what waits, then joins. Fine on one that never opened. */
void blocking_close(struct blocking *blocking);
/* Any thread. False: BLOCKING_WAITING_MAX reached, the parcel stays the caller's. */
bool blocking_put(struct blocking *blocking, struct parcel *parcel);

#endif
