/* worker: the thread of a lane: waits for trunks, descriptors, mailbox sockets and timers, runs the
 * lane, sends what it wrote. Private to runtime/. */
#ifndef RUNTIME_WORKER_H
#define RUNTIME_WORKER_H

#include <pthread.h>

#include "runtime/lane.h"
#include "runtime/spin.h"
#include "runtime/trunk.h"

struct node;
struct door;

struct worker {
    struct node *node; /* borrowed */
    struct lane *lane; /* borrowed */
    pthread_t thread;
    struct trunk trunk;
    struct parcel_pool *pool; /* owned */
    struct arena_stash stash;
    int epoll;
    bool ending;
    struct door *doors; /* mailbox sockets to look into before sleeping */
    uint64_t flushed_us;
    uint64_t asked_us; /* when epoll was asked last */
    bool busy;         /* messages came since the lane was idle last */
    struct spin spin;
};

/* What an epoll event is about. */
enum worker_source { WORKER_TRUNK, WORKER_RELAY, WORKER_WATCH, WORKER_DOOR };

/* Sockets and memory; on the opening thread, before start. */
MUST_USE enum status worker_open(struct worker *worker, struct node *node, struct lane *lane);
MUST_USE enum status worker_start(struct worker *worker);
/* After its thread ended or when it never started. */
void worker_close(struct worker *worker);
/* Adds, changes (again) or removes a descriptor; number: fd of a watch, slot of a door. On the
 * thread. */
MUST_USE enum status worker_watch(struct worker *worker,
                                  int fd,
                                  uint32_t events,
                                  enum worker_source source,
                                  uint32_t number,
                                  bool again);
void worker_unwatch(struct worker *worker, int fd);

#endif
