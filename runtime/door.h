/* door: an actor's own ZeroMQ mailbox: a ROUTER bound to inproc://<node>/<name>#<incarnation>, for
 * ZeroMQ programs in this process (node_zmq_context). A foreign DEALER sends envelope and body
 * (docs/protocol.md); its messages enter the actor's mailbox as any other, and answers go back the
 * same way. On the actor's lane. Private to runtime/. */
#ifndef RUNTIME_DOOR_H
#define RUNTIME_DOOR_H

#include <stdint.h>

#include "runtime/status.h"

struct cell;
struct door;
struct worker;

enum {
    DOOR_MESSAGES = 1000, /* high water mark, each way */
    DOOR_GUESTS_MAX =
        1024, /* foreign sockets that may be answered; the oldest is forgotten beyond */
    DOOR_FILES_RESERVE = 256, /* descriptors that mailboxes leave to files and connections */
    DOOR_BATCH = 64,          /* messages taken before others have their turn */
};

/* QUOTA with words: no socket or descriptor left. The door is cell.socket. */
MUST_USE enum status door_open(struct cell *cell, const char **words);
/* Fine without one. */
void door_close(struct cell *cell);
const char *door_endpoint(const struct cell *cell);
/* The doorbell of the actor in this slot rang. */
void door_event(struct worker *worker, uint32_t slot);
/* Looks into the doors that may hold messages. */
void door_drain_pending(struct worker *worker);

#endif
