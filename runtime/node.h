/* node: the runtime of one process: lanes, blocking pool, mailboxes, registry, links, sys actor.
 *
 *   node_open ─▶ node_spawn … ─▶ node_wait (until node_stop, from any thread or a signal) ─▶
 * node_close
 *
 * node_* calls are for the process's own threads (main, tests, tools), not for actors. */
#ifndef RUNTIME_NODE_H
#define RUNTIME_NODE_H

#include "runtime/gauge.h"
#include "runtime/keyring.h"
#include "runtime/permit.h"
#include "runtime/turn.h"

struct keyring;
struct node;

struct node_options {
    const char *name;        /* "gateway", for sys and traces */
    const char *role;        /* what it is for: up, pd, worker, gateway, tool; NULL: not told */
    uint32_t io_lanes;       /* 0 = max(1, cores / 4) */
    uint32_t compute_lanes;  /* 0 = cores */
    uint32_t blocking;       /* threads of the blocking pool; 0 = 4 */
    const char *link;        /* where peers reach this process: "tcp://127.0.0.1:9191",
                                "ipc://…"; NULL: nobody does. Port 0 or * picks a free one */
    uint64_t seed;           /* 0 = from the operating system */
    void *zmq_context;       /* of the program the node is a guest in: borrowed, in use until
                                node_close, never terminated or changed; nor are the process's
                                limits. The name is unique in it. NULL: one of the node's own */
    int32_t ring;            /* spans that a lane remembers; 0 = RING_DEFAULT, < 0 = none */
    uint32_t stall_limit_ms; /* a turn that takes longer ends the process (SIGABRT, on the lane's
                                thread); 0 = 60,000 */
    double sample_ratio;     /* 0 to 1: of traces that begin here */
    uint64_t slow_us;        /* traces of requests that took longer are kept; 0: above the p99 */
    struct keyring *keyring; /* who it is on its links and whom it lets in (keyring.h); taken, also
                                by a failure. NULL: plain links */
    bool insecure;           /* plain links may leave this machine */
    bool unwatched;          /* a tool that asks and ends: its stalls are nobody's matter, and no
                                lines between those it prints */
    bool spin;               /* lanes look for messages before they sleep: runtime/spin.h */
    enum sys_bodies bodies;
    enum sys_actions actions;
};
/* INVALID, IO, EXISTS (address in use …), DENIED (a link open to the network without keys),
 * NO_MEMORY: node_error has words. */
MUST_USE enum status node_open(const struct node_options *options, struct node **out);
const char *node_error(void);
/* Of the ZeroMQ that runs. */
void node_zmq_version(unsigned *major, unsigned *minor, unsigned *patch);
/* Stops actors in reverse order of spawning, joins the threads, frees everything. NULL is fine. */
void node_close(struct node *node);
/* Asks node_wait to return; async-signal-safe. */
void node_stop(struct node *node);
void node_wait(struct node *node);
/* True when a top-level actor failed beyond its restart intensity: the process should exit 1. */
bool node_failed(const struct node *node);

/* A top-level actor under the node's root supervisor; waits until it opened (or says why not). */
MUST_USE enum status node_spawn(struct node *node, const struct spawn *spawn, actor_handle *out);

/* One synchronous call from a plain thread. *reply is a protobuf-c message freed by
 * node_reply_free. text (may be NULL) gets the failure's words. address NULL: this process. */
struct node_call {
    const char *address;
    const char *name;
    const ProtobufCMessage *message;
    uint64_t timeout_ms;                     /* 0 = 10 s */
    const ProtobufCMessageDescriptor *reply; /* as in struct call */
    /* Parts of the answer but the last, on a lane; NULL: they are dropped. */
    void (*part)(void *context, const ProtobufCMessage *message);
    void *context;
    char *text;
    size_t text_size;
};
MUST_USE enum status
node_call(struct node *node, const struct node_call *call, ProtobufCMessage **reply);
void node_reply_free(ProtobufCMessage *reply);
/* The body as a message that node_reply_free frees. codec_decode's failures. */
MUST_USE enum status node_decode(const ProtobufCMessageDescriptor *type,
                                 const void *body,
                                 size_t size,
                                 ProtobufCMessage **out);

/* Runs `run` in a turn of the root actor (its self is nothing to touch) and waits until it ran:
 * what turns can do, for plain threads. */
void node_run(struct node *node, turn_fn run, void *context);

/* Shows the bytes of a component in sys's report from now on. */
void node_gauge(struct node *node, const struct gauge *gauge);

/* The address peers use, with the port that was picked; "" when there is none. */
const char *node_link(const struct node *node);
/* The keys from now on (taken), as link_renew_keys has it; says what became of the own pair. Waits
 * until it is so. */
enum keyring_change node_renew_keys(struct node *node, struct keyring *keyring);
/* How many I/O lanes it has. */
uint32_t node_io_lanes(const struct node *node);
/* The node's ZeroMQ context: foreign sockets may connect to inproc mailboxes through it. */
void *node_zmq_context(struct node *node);

#endif
