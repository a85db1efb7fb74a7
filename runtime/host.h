/* host: what is behind struct node: a core with threads, sockets and a clock under it. Private to
 * runtime/. */
#ifndef RUNTIME_HOST_H
#define RUNTIME_HOST_H

#include <semaphore.h>

#include "runtime/blocking.h"
#include "runtime/core.h"
#include "runtime/node.h"
#include "runtime/trunk.h"
#include "runtime/worker.h"

struct relay;

struct node {
    struct core core;
    void *context; /* ZeroMQ's */
    bool guest;    /* in another program, whose the context is */
    struct trunks trunks;
    struct worker *workers; /* one a lane; owned */
    uint32_t n_started;
    struct blocking blocking;
    struct relay *relay; /* owned; on the first lane */
    pthread_t watchdog;
    bool watching;
    uint32_t stall_limit_ms;
    _Atomic bool closing;
    pthread_mutex_t outside_lock;
    struct trunk outside; /* of threads that are no lane, under the lock */
    sem_t stop_asked;
    sem_t stopped;
    _Atomic bool failed;
    bool spin;
    bool unwatched;
    uint32_t cores;         /* that the process may use */
    _Atomic uint32_t awake; /* lanes that do not sleep */
    int files_max;          /* RLIMIT_NOFILE */
};

/* What node_error says on this thread. */
void node_set_error(const char *words);
/* Sends from a thread that is no lane. */
bool node_post_outside(struct node *node, struct lane *to, struct parcel *parcel);

#endif
