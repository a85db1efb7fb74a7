/* link: this process's connections to other processes over ZeroMQ. A plain object without a thread:
 * one I/O lane owns it, watches its descriptor and calls it; everything is for that thread only.
 *
 *     here ── two DEALERs a peer: control, data ──▶ one ROUTER bound a process ── there
 *
 * The second is made when LINK_NARROW_BYTES of data went by the first, which carries everything
 * until then: a first answer costs one handshake.
 * A peer is one connection: opened here by link_lookup, or there by the other side. Messages of one
 * turn to one peer are packed into frames of up to 64 messages or 64 KiB and flushed once a turn,
 * in order within the data class (data band) and within the control class (system and control
 * bands). Answers go back on the connection their question came from. Wire form: docs/protocol.md.
 *
 * ZeroMQ does not reconnect behind our back: a connection that breaks, or says nothing for
 * LINK_DEAD_MS, is lost for good: host.lost, and what waited for it is refused. The next lookup
 * connects anew, under a new peer number, to whatever incarnation is there then.
 * Input is from outside: everything is validated and bounded; a bad frame is dropped and counted,
 * and a peer that sends many is cut. */
#ifndef RUNTIME_LINK_H
#define RUNTIME_LINK_H

#include "runtime/keyring.h"
#include "runtime/parcel.h"

enum {
    LINK_PACK_MESSAGES = 64,
    LINK_PACK_BYTES = 64 * 1024,
    LINK_BEAT_MS = 500,
    LINK_DEAD_MS = 3000,
    LINK_REACH_MS = 1000, /* a lookup waits that long for a process that is not there (yet) */
    LINK_PEERS_MAX = 4096,
    LINK_NARROW_BYTES = 64 * 1024,
    LINK_QUEUE_BYTES = 64 * 1024 * 1024,   /* waiting for one peer; beyond it calls and casts of the
                                              data band are refused */
    LINK_QUEUE_RESERVE = 16 * 1024 * 1024, /* on top, for replies and the other bands */
    LINK_FRAME_MAX = 4 * 1024 * 1024 + LINK_PACK_BYTES, /* a peer that sends more is disconnected */
    LINK_NAME_MAX = 255,                                /* bytes of a name looked up */
    LINK_NAMES_MAX = 64,                                /* that a peer may give its actors here */
    LINK_LINGER_MS = 200,
};

#define LINK_FOREIGN "ext/" /* how they begin */

struct link;
struct rebuff;

/* What the link needs from its node. Called on the owning lane. */
struct link_host {
    void *node;
    /* Takes the parcel; envelope.from has the peer number in it, envelope.to is local. Whether a
     * reply's correlation is a call made to that very peer is for the node to check. */
    void (*deliver)(void *node, struct parcel *parcel);
    /* Handle of a local name, 0 = none. */
    actor_handle (*find)(void *node, const char *name);
    /* An actor of a peer gets a name here; EXISTS: it is taken. And loses it, with the connection
     * or before. */
    enum status (*name)(void *node, const char *name, actor_handle handle);
    void (*unname)(void *node, const char *name);
    /* Undeliverable: takes the parcel back with the reason (BUSY, LOST_PEER; EXPIRED: its deadline
     * passed while it waited for a slow peer). */
    void (*refuse)(void *node, struct parcel *parcel, enum status reason);
    /* Everything of this peer number is gone; it is not used again for a long time. */
    void (*lost)(void *node, uint16_t peer);
    /* Answer of link_lookup: handle with the peer number in it, or a failure. */
    void (*found)(void *node, uint64_t token, enum status status, actor_handle handle);
    uint64_t (*now_us)(void *node);
    /* A connection was refused, here or there: words for people. Now and then (rebuff.h). May be
     * NULL. */
    void (*alarm)(void *node, const char *words);
};

struct link_options {
    void *zmq_context;
    /* Where peers reach this process, NULL: nobody does. "tcp://127.0.0.1:9191" (port * or 0: a
     * free one), "ipc:///run/vectron/pd.sock" (its folder is made, 0700, when it is not there; the
     * socket is for this user only). */
    const char *address;
    const char *name;        /* of the node, told in the hello; cut at 63 bytes */
    uint64_t incarnation;    /* random, of this process's life */
    struct keyring *keyring; /* taken, also by a failure; NULL: plain links only */
    bool insecure;           /* plain links may leave this machine */
};
/* INVALID: the address is malformed; EXISTS: it is in use, or the context has another ZAP handler;
 * IO: not ours to bind; DENIED: it would be open to the network, without keys; NO_MEMORY. */
MUST_USE enum status
link_open(const struct link_options *options, const struct link_host *host, struct link **out);
/* Says goodbye to the peers; what was flushed has LINK_LINGER_MS to leave. Calls host.refuse for
 * what was not, and host.unname, nothing else. NULL is fine. */
void link_close(struct link *link);
/* As peers write it: with the port that was picked, and with this node's name when CURVE is
 * wanted; "" when there is none. */
const char *link_address(const struct link *link);

/* The one descriptor to watch for reading (level triggered, the same for the link's life): an epoll
 * set of all that the link waits for. ZeroMQ's own descriptors are doorbells that ring once
 * (runtime.md 5.1); the link takes care of that, also when input comes while it sends. */
int link_fd(const struct link *link);
/* Drains the sockets, within a bound; true: more is pending, call again without waiting. */
bool link_ready(struct link *link);
/* Takes the parcel; envelope.to names a remote actor. Queued until link_flush. May call
 * host.refuse. */
void link_send(struct link *link, struct parcel *parcel);
/* True: it had something to send. */
bool link_flush(struct link *link);
/* Finds `name` at `address`, connecting when needed; host.found is called once, later, not from
 * within this call (but for NO_MEMORY). NOT_FOUND; LOST_PEER: nobody was there within LINK_REACH_MS
 * or the deadline, or the connection broke; DENIED: it, or we, refused for want of the right
 * keys; EXPIRED: the peer is there but did not answer in time;
 * INVALID: address or name; NO_MEMORY; BUSY: too many peers. deadline_us on host.now_us's clock. */
void link_lookup(
    struct link *link, const char *address, const char *name, uint64_t token, uint64_t deadline_us);
/* When link_tick wants to be called next, on host.now_us's clock. Any call above can make it
 * earlier, so the lane asks before it sleeps. */
uint64_t link_due(const struct link *link);
/* Heartbeats, timeouts, retries. */
void link_tick(struct link *link);

/* Whether this peer keeps credits (runtime/credit.h): it is one for two connections, as Vectron
 * processes are; foreign programs have one. False when it is not open. */
bool link_keeps_ledger(const struct link *link, uint16_t number);

struct link_peer {
    uint16_t number;
    char name[64];
    char address[128];       /* where we connected to; when the peer opened: where it says it is
                                reached, "": nowhere */
    uint64_t sent, received; /* messages */
    uint64_t sent_bytes, received_bytes;
    uint64_t rtt_us; /* of heartbeats, smoothed */
    uint64_t queued_bytes;
    uint64_t refused, bad_frames;
    uint64_t full;  /* sends that met the high-water mark */
    bool connected; /* hellos are exchanged */
    bool opened;    /* by us; else by the peer */
    bool curve;
    char node[64];       /* whose key it has, "" on a plain connection */
    uint64_t failures;   /* connections to its address that were refused (of those opened here) */
    uint64_t failed_us;  /* the last one */
    const char *failure; /* why; NULL: none */
};
/* The nth peer, for sys. False beyond the last. */
bool link_peer(const struct link *link, size_t nth, struct link_peer *out);

/* The keys from now on (taken): peers whose key is not allowed any more are cut. With another own
 * pair of the same name the listener is bound anew, which cuts all that came in by tcp; they are
 * welcome again, who know the new key. A pair of another name is not taken. Without effect on a
 * link that was opened without keys. */
enum keyring_change link_renew_keys(struct link *link, struct keyring *keyring);

struct link_security {
    bool listens;
    bool curve;    /* the listener wants it */
    char node[64]; /* our name; "" without keys */
    size_t allowed_keys;
    uint64_t refused_incoming, refused_outgoing; /* connections */
};
void link_security(const struct link *link, struct link_security *out);
/* The nth row of what was refused, for sys; NULL beyond the last. Borrowed until the next call. */
const struct rebuff *link_rebuff(const struct link *link, size_t nth);

#endif
