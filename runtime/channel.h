/* channel: one connection to a peer, for one class of messages: a DEALER of ours, or a route
 * through the process's ROUTER. What is sent waits in order in a queue, is packed into frames, and
 * leaves as fast as the peer reads. */
#ifndef RUNTIME_CHANNEL_H
#define RUNTIME_CHANNEL_H

#include <zmq.h>

#include "runtime/frame.h"
#include "runtime/link.h"
#include "runtime/parcel.h"
#include "runtime/route.h"

struct channel {
    void *socket; /* NULL: not connected; a DEALER is owned by the peer, the ROUTER by the link */
    struct route *route;  /* owned; NULL: the socket is a DEALER */
    bool greeted;         /* the peer's hello is here */
    bool held;            /* frames of the link itself pass, messages wait */
    uint64_t heard_us;    /* when a sound frame last came */
    struct parcel *first; /* owned, waiting */
    struct parcel *last;
    size_t queued_bytes; /* of those, with their envelopes, and of the frame below */
    zmq_msg_t frame;     /* built but not taken by ZeroMQ yet */
    size_t frame_bytes;  /* 0 = there is none */
    uint64_t sent;       /* messages */
    uint64_t sent_bytes;
    uint64_t full; /* times ZeroMQ had no room */
};

/* Takes the parcel. */
void channel_push(struct channel *channel, struct parcel *parcel);
/* Queues a frame that is not messages. False: no memory. */
bool channel_say(struct channel *channel, const struct frame *frame);
/* Before all that waits. */
bool channel_greet(struct channel *channel, const struct frame *hello);

enum channel_state {
    CHANNEL_CLEAR,   /* all was sent */
    CHANNEL_BLOCKED, /* held, or the peer does not read fast enough: try again later */
    CHANNEL_GONE,    /* there is no such connection any more */
};
/* Sends what it can. Messages whose deadline is over are refused through the host instead. */
enum channel_state
channel_flush(struct channel *channel, const struct link_host *host, uint64_t now_us);
/* Refuses all that waits. */
void channel_drop(struct channel *channel, const struct link_host *host, enum status reason);

#endif
