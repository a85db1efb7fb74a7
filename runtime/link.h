/* link: this process's connections to other processes over ZeroMQ. A plain object without a thread:
 * one I/O lane owns it, watches its descriptors and calls it; everything below is for that thread
 * only.
 *
 *   here ── DEALER (one a peer and class: control, data) ──▶ ROUTER there   one ROUTER bound a
 * process
 *
 * Messages of one turn to one peer are packed into frames of up to 64 messages or 64 KiB and
 * flushed once a turn. Both directions of a conversation use the opener's DEALER pair or the other
 * side's own: answers go back through the peer's entry in the table. Wire form: docs/protocol.md
 * (hello, envelope as fixed msgpack array, bodies of runtime/codec.h, name lookup, heartbeats). A
 * peer that says nothing for LINK_DEAD_MS is lost: its open calls end in LOST_PEER, its monitors
 * fire; a new hello is a new peer number (incarnation). Input is from outside: everything is
 * validated and bounded; a bad frame is dropped and counted, and a peer that sends many is cut. */
#ifndef RUNTIME_LINK_H
#define RUNTIME_LINK_H

#include "runtime/parcel.h"

enum {
    LINK_PACK_MESSAGES = 64,
    LINK_PACK_BYTES = 64 * 1024,
    LINK_BEAT_MS = 500,
    LINK_DEAD_MS = 3000,
    LINK_PEERS_MAX = 4096,
    LINK_QUEUE_BYTES = 64 * 1024 * 1024, /* waiting for one peer; beyond it calls end in BUSY */
};

struct link;

/* What the link needs from its node. Called on the owning lane. */
struct link_host {
    void *node;
    /* Takes the parcel; envelope.from has the peer number in it, envelope.to is local. */
    void (*deliver)(void *node, struct parcel *parcel);
    /* Handle of a local name, 0 = none. */
    actor_handle (*find)(void *node, const char *name);
    /* Undeliverable: takes the parcel back with the reason (BUSY, LOST_PEER). */
    void (*refuse)(void *node, struct parcel *parcel, enum status reason);
    /* Everything of this peer number is gone. */
    void (*lost)(void *node, uint16_t peer);
    /* Answer of link_lookup: handle with the peer number in it, or a failure. */
    void (*found)(void *node, uint64_t token, enum status status, actor_handle handle);
    uint64_t (*now_us)(void *node);
};

struct link_options {
    void *zmq_context;
    const char *address;  /* NULL: only outgoing */
    const char *name;     /* of the node, told in the hello */
    uint64_t incarnation; /* random, of this process's life */
};
MUST_USE enum status
link_open(const struct link_options *options, const struct link_host *host, struct link **out);
void link_close(struct link *link); /* NULL is fine; linger bounded */
const char *link_address(const struct link *link);

/* The one descriptor to watch for reading (level triggered, the same for the link's life): an epoll
 * set of all that the link waits for. ZeroMQ's own descriptors are doorbells that ring once
 * (runtime.md 5.1); the link takes care of that, also when input comes while it sends. */
int link_fd(const struct link *link);
/* Drains the sockets, within a bound; true: more is pending, call again without waiting. */
bool link_ready(struct link *link);
/* Takes the parcel; envelope.to names a remote actor. Queued until link_flush. */
void link_send(struct link *link, struct parcel *parcel);
void link_flush(struct link *link);
/* Finds `name` at `address`, connecting when needed; host.found is called once, later. */
void link_lookup(
    struct link *link, const char *address, const char *name, uint64_t token, uint64_t deadline_us);
/* Heartbeats, timeouts, retries. Returns the time of the next one. */
uint64_t link_tick(struct link *link);

struct link_peer {
    uint16_t number;
    char name[64];
    char address[128];
    uint64_t sent, received; /* messages */
    uint64_t sent_bytes, received_bytes;
    uint64_t rtt_us; /* of heartbeats, smoothed */
    uint64_t queued_bytes;
    uint64_t refused, bad_frames;
    bool connected;
};
/* The nth peer, for sys. False beyond the last. */
bool link_peer(const struct link *link, size_t nth, struct link_peer *out);

#endif
