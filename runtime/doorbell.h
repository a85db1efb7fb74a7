/* doorbell: waiting on ZeroMQ sockets by descriptor. A socket's descriptor rings once for what came
 * and is silenced by any call on the socket, also by a send (runtime.md 5.1): readiness lives in
 * the socket, not in the descriptor. So each socket has a doorbell here; one that rang, or whose
 * socket was seen to have input, is listed until its socket was read empty. One epoll descriptor
 * stands for all of them. */
#ifndef RUNTIME_DOORBELL_H
#define RUNTIME_DOORBELL_H

#include <stdbool.h>

#include "runtime/status.h"

struct peer;

enum doorbell_kind {
    DOORBELL_ROUTER,
    DOORBELL_DEALER,
    DOORBELL_MONITOR,  /* of a DEALER */
    DOORBELL_LISTENER, /* the ROUTER's monitor */
    DOORBELL_ZAP,
};

struct doorbell {
    enum doorbell_kind kind;
    void *socket;      /* borrowed; NULL: not watched */
    struct peer *peer; /* borrowed; NULL: one of the link itself */
    unsigned channel;  /* of the peer */
    bool listed;
    struct doorbell *next;
};

struct doorbells {
    int epoll; /* what the owner watches */
    int bell;  /* eventfd: rings while something is listed that no descriptor tells of */
    bool rung;
    struct doorbell *first; /* listed */
    struct doorbell *last;
};

MUST_USE enum status doorbells_open(struct doorbells *bells);
/* All doorbells must have been removed. */
void doorbells_close(struct doorbells *bells);
/* Watches bell->socket; listed at once, for what came before. */
MUST_USE enum status doorbell_add(struct doorbells *bells, struct doorbell *bell);
/* Before its socket is closed. Not watched: fine. */
void doorbell_remove(struct doorbells *bells, struct doorbell *bell);

/* Lists those that rang. */
void doorbells_poll(struct doorbells *bells);
/* Takes the first listed one; NULL when none is. List it again unless its socket was read empty. */
struct doorbell *doorbells_pop(struct doorbells *bells);
void doorbell_list(struct doorbells *bells, struct doorbell *bell);
/* After a call on the socket that may have silenced it: lists it when it has input, and rings. */
void doorbell_check(struct doorbells *bells, struct doorbell *bell);

#endif
