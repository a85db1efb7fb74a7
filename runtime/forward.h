/* forward: the actors one actor hands requests on to, so that a cancel can follow them. Nothing is
 * kept of a single request, which may live for an hour and is answered elsewhere: a cancel the
 * actor knows nothing of goes to all of them, and who has the request stops. One lane's thread. */
#ifndef RUNTIME_FORWARD_H
#define RUNTIME_FORWARD_H

#include "runtime/actor.h"

enum {
    FORWARDS_MAX = 256,   /* actors remembered; beyond, the longest known is forgotten */
    FORWARD_HOPS_MAX = 4, /* a cancel goes no further: actors may hand on to each other */
};

struct cell;
struct envelope;

struct forwards {
    actor_handle *to; /* owned */
    uint32_t n;
    uint32_t next; /* to be forgotten */
};

/* A restarted actor takes its old place. Ends the process without memory. */
void forwards_note(struct forwards *forwards, actor_handle to);
/* Passes on what a caller cancelled. */
void forwards_cancel(const struct forwards *forwards,
                     struct cell *cell,
                     const struct envelope *cancel);
void forwards_free(struct forwards *forwards);

#endif
