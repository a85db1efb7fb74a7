/* vectron: Vectron inside another program. Three things, alone or together:
 *
 *   a database    vectron_database_start: what `vectron up` runs but the edge, called through its
 *                 router (schemas/internal/router.proto), or one role of a cluster
 *   actors        vectron_actor_type, vectron_spawn: own actors in C on Vectron's runtime:
 * supervised, with bounded mailboxes, deadlines and names, reached from other processes ZeroMQ a
 * node on the program's own context (node_options.zmq_context), as a CZMQ zactor (vectron_zactor),
 * spoken to through its actors' mailboxes (vectron_mailbox)
 *
 *   vectron_node_open ─▶ vectron_database_start, vectron_node_spawn … ─▶ vectron_node_call …
 *                                                                    ─▶ vectron_node_close
 *
 * Messages are protobuf-c structs of the program's own .proto files (protoc-c), or of ours, which
 * are installed under share/vectron/schemas; or msgpack bytes (struct vectron_body). docs/embed.md
 * tells all this with programs; docs/protocol.md has the bytes.
 *
 * Rules that hold everywhere:
 * - vectron_node_* functions are for the program's own threads and may wait; functions that take a
 *   turn are for handlers and callbacks, on the thread that was given the turn and until it
 * returns, and never wait. A handler takes at most a millisecond and never blocks (vectron_block).
 * - Strings and messages are borrowed for the call unless a line here says otherwise.
 * - A failure is a status; vectron_error() has its words, for vectron_node_* and
 *   vectron_database_start, on the calling thread.
 * - Structs that begin with `size` want sizeof there: fields may be added behind in later versions.
 *   Fields left out are 0, which means the default.
 * - A node does not survive fork without exec. It raises no limits, sets no signal handlers and
 *   writes to stderr only what vectron_log did not take.
 *
 * The symbol version of each function is in vectron.map; what is in a released one stays. */
#ifndef VECTRON_H
#define VECTRON_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VECTRON_MUST_USE            __attribute__((warn_unused_result))
#define VECTRON_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* --- statuses ------------------------------------------------------------------------------------
 * The numbers travel between processes (docs/protocol.md); docs/errors.md says what they mean. */
enum vectron_status {
    VECTRON_OK,
    VECTRON_INVALID,
    VECTRON_NOT_FOUND,
    VECTRON_EXISTS,
    VECTRON_STALE_EPOCH,
    VECTRON_BUSY,
    VECTRON_NO_MEMORY,
    VECTRON_QUOTA,
    VECTRON_NOT_READY,
    VECTRON_NOT_LEADER,
    VECTRON_LOST_PEER,
    VECTRON_DISK_FULL,
    VECTRON_QUARANTINED,
    VECTRON_EXPIRED,
    VECTRON_CANCELLED,
    VECTRON_TOO_LARGE,
    VECTRON_CORRUPT,
    VECTRON_DENIED,
    VECTRON_UNAUTHENTICATED,
    VECTRON_UNIMPLEMENTED,
    VECTRON_IO,
    VECTRON_INTERNAL,
};
/* "BUSY"; "overloaded, try again". Static. */
const char *vectron_status_name(enum vectron_status status);
const char *vectron_status_text(enum vectron_status status);
/* Of the library that runs: "0.1.0". */
const char *vectron_version(void);
/* Words of this thread's last failure, "" before. */
const char *vectron_error(void);

/* Takes the lines the library would write to stderr; NULL: none at all. Any thread calls `write`;
 * line is borrowed. Before the first node. */
enum vectron_log_level { VECTRON_LOG_ERROR, VECTRON_LOG_INFO, VECTRON_LOG_TRACE };
typedef void (*vectron_log_fn)(void *context, enum vectron_log_level level, const char *line);
void vectron_log(enum vectron_log_level most, vectron_log_fn write, void *context);

/* --- messages ------------------------------------------------------------------------------------
 * A message's type is its full name in its .proto; its op is a hash of that. Where a function takes
 * a message it takes any of protobuf-c, and also a body: bytes that are msgpack already. */
struct vectron_body {
    ProtobufCMessage base; /* set by vectron_body_init */
    uint32_t op;
    const void *bytes; /* a msgpack map by field number; borrowed */
    size_t size;       /* <= 4 MiB */
};
uint32_t vectron_op(const char *type);
/* body->base is then what functions take. */
void vectron_body_init(struct vectron_body *body, uint32_t op, const void *bytes, size_t size);
/* NULL when the message was decoded. */
const struct vectron_body *vectron_body_of(const ProtobufCMessage *message);
/* Encodes as bodies are; at most `size` bytes go to `out`. The size it has, 0: it cannot be encoded
 * (a string that is not UTF-8, more than 4 MiB). */
size_t vectron_encode(const ProtobufCMessage *message, void *out, size_t size);

/* --- actors --------------------------------------------------------------------------------------
 * An actor is a state, a mailbox and handlers that run one message at a time, to completion. */
struct vectron_turn;

/* Where an actor is, for the process that holds it. 0 is nobody. Names travel, handles do not. */
typedef uint64_t vectron_handle;

/* The message dies with the turn. VECTRON_OK without an answer answers `Done`; another status
 * answers `Failed` with it and the words of vectron_fail. */
typedef enum vectron_status (*vectron_handler_fn)(void *self,
                                                  const ProtobufCMessage *message,
                                                  struct vectron_turn *turn);
struct vectron_handler {
    const ProtobufCMessageDescriptor *message; /* NULL: all that no other row names, as a body */
    vectron_handler_fn run;                    /* NULL ends the table */
};

enum {
    VECTRON_COMPUTE = 1, /* steps of at most 1 ms that requeue themselves: a lane of low priority */
    VECTRON_LIGHT = 2,   /* no ZeroMQ mailbox of its own: children by the thousand */
    VECTRON_LINKABLE = 4, /* actors of other processes may link themselves to it */
    VECTRON_MUTES = 8,    /* while an actor it sent a request to is overloaded, it takes no requests
                           * itself: for stages of a pipeline; else too much ends in BUSY */
};

/* What an actor that is put away keeps of its state. */
struct vectron_kept;

struct vectron_actor_type {
    size_t size;
    const char *kind;  /* "tally": counters, names and traces use it */
    size_t state_size; /* of self; zeroed before open */
    const struct vectron_handler *handlers;
    /* options: the spawner's, borrowed, valid as long as the actor can be restarted. A failure
     * stops the actor. NULL: nothing to do. */
    enum vectron_status (*open)(void *self, const void *options, struct vectron_turn *turn);
    /* Asked to stop: finish what is under way, then vectron_exit(OK), within spawn.stop_ms. NULL:
     * it stops at once. */
    void (*stop)(void *self, struct vectron_turn *turn);
    void (*close)(void *self); /* also after a failed open; must not wait. NULL: nothing to do */
    uint32_t flags;
    uint32_t mailbox_messages; /* 0 = 1,024; a caller beyond it gets BUSY */
    size_t mailbox_bytes;      /* 0 = 8 MiB */
    /* Requests get BUSY while even the shortest wait of the last 100 ms was longer. 0: only when
     * the mailbox is full. */
    uint64_t shed_us;
    /* Light ones: after so long without a turn, and with nothing open (calls, timers, monitors,
     * promises, children), the state is put away until the next message. 0: never. */
    uint64_t idle_us;
    /* What to keep of it, by vectron_keep, at most 64 KiB; close runs after it. Not OK: stay awake,
     * to be asked again idle_us later. NULL: nothing is kept. */
    enum vectron_status (*passivate)(void *self,
                                     struct vectron_kept *kept,
                                     struct vectron_turn *turn);
    /* Instead of open, to take it up again: vectron_kept_bytes. NULL: open. */
    enum vectron_status (*hydrate)(void *self,
                                   const void *options,
                                   const struct vectron_kept *kept,
                                   struct vectron_turn *turn);
    /* It is on another lane: vectron_self and its mailbox are others. NULL: nothing to do. */
    void (*moved)(void *self, struct vectron_turn *turn);
};

/* Each call ends in exactly one of: an answer, a failure, EXPIRED, LOST_PEER, BUSY, CANCELLED. */
struct vectron_outcome {
    enum vectron_status status;
    const char *text;                /* words of a failure, never NULL */
    uint32_t retry_after_ms;         /* with BUSY; 0 = unknown */
    const ProtobufCMessage *message; /* of the turn; NULL unless OK from a call */
    vectron_handle handle;           /* of vectron_lookup */
    bool more;                       /* a part: the final outcome is still to come */
    uint64_t call;                   /* what vectron_call returned */
};
typedef void (*vectron_outcome_fn)(void *self,
                                   void *context,
                                   const struct vectron_outcome *outcome,
                                   struct vectron_turn *turn);
typedef void (*vectron_turn_fn)(void *self, void *context, struct vectron_turn *turn);

/* Restarted in place under the same name: whenever it ends, only after failures, never. */
enum vectron_restart { VECTRON_PERMANENT, VECTRON_TRANSIENT, VECTRON_TEMPORARY };
struct vectron_spawn {
    size_t size;
    const struct vectron_actor_type *type; /* for the life of the process */
    const char *name;                      /* unique in the node; NULL: "kind/number" */
    const void *options;
    enum vectron_restart restart;
    uint32_t intensity; /* restarts allowed in period_s before its spawner fails; 0 = 1 */
    uint32_t period_s;  /* 0 = 5 */
    uint32_t stop_ms;   /* for the type's stop; 0 = 5,000 */
};

/* --- who and when --- */
vectron_handle vectron_self(const struct vectron_turn *turn);
vectron_handle vectron_sender(const struct vectron_turn *turn); /* 0 outside handlers */
uint64_t vectron_now_us(const struct vectron_turn *turn);       /* monotonic */
uint64_t vectron_deadline_us(const struct vectron_turn *turn);  /* of the request, on that clock;
                                                                   UINT64_MAX: none */
/* --- memory of the turn --- */
void *vectron_alloc(struct vectron_turn *turn, size_t size); /* zeroed; NULL: none left */
/* --- answering --- */
VECTRON_MUST_USE enum vectron_status
vectron_fail(struct vectron_turn *turn, enum vectron_status status, const char *format, ...)
    VECTRON_PRINTF(3, 4);
/* Once a request. Encoded at once. */
void vectron_reply(struct vectron_turn *turn, const ProtobufCMessage *message);
/* An answer owed: copy it into the state; resolve or reject it exactly once. */
struct vectron_promise {
    uint64_t opaque[8];
};
struct vectron_promise vectron_defer(struct vectron_turn *turn);
void vectron_resolve_part(struct vectron_turn *turn,
                          const struct vectron_promise *promise,
                          const ProtobufCMessage *message);
void vectron_resolve(struct vectron_turn *turn,
                     const struct vectron_promise *promise,
                     const ProtobufCMessage *message);
void vectron_reject(struct vectron_turn *turn,
                    const struct vectron_promise *promise,
                    enum vectron_status status,
                    const char *format,
                    ...) VECTRON_PRINTF(4, 5);
/* False once the caller cancelled or its deadline passed: stop working, and still reject. */
bool vectron_wanted(struct vectron_turn *turn, const struct vectron_promise *promise);

/* --- asking --- */
/* At most once, no answer. */
void vectron_tell(struct vectron_turn *turn, vectron_handle to, const ProtobufCMessage *message);
struct vectron_call {
    size_t size;
    vectron_handle to;
    const ProtobufCMessage *message; /* encoded at once */
    /* What the answer is read as when it is of that name; NULL: it comes as a body. Another answer
     * comes as a body in any case. */
    const ProtobufCMessageDescriptor *reply;
    vectron_outcome_fn done;
    void *context;
    uint64_t timeout_us; /* 0 = until the deadline of the request, without one 60 s */
};
/* Never fails: an error is an outcome. When the actor stops there is none. */
uint64_t vectron_call(struct vectron_turn *turn, const struct vectron_call *call);
void vectron_cancel(struct vectron_turn *turn, uint64_t call);

struct vectron_lookup {
    size_t size;
    const char *address; /* link of its process, "tcp://127.0.0.1:7001"; NULL: this process */
    const char *name;
    vectron_outcome_fn done; /* OK: outcome->handle. NOT_FOUND, LOST_PEER, EXPIRED */
    void *context;
    uint64_t timeout_us; /* 0 = 5 s */
};
/* Keep the handle; look up again when a call ends in LOST_PEER. */
void vectron_lookup(struct vectron_turn *turn, const struct vectron_lookup *lookup);
vectron_handle vectron_find(struct vectron_turn *turn, const char *name); /* here; 0: nobody */
/* done runs once, when the actor stops or its process is lost. */
uint64_t vectron_monitor(struct vectron_turn *turn,
                         vectron_handle actor,
                         vectron_outcome_fn done,
                         void *context);
void vectron_unmonitor(struct vectron_turn *turn, uint64_t monitor);

/* --- time and long work --- */
uint64_t
vectron_timer(struct vectron_turn *turn, uint64_t delay_us, vectron_turn_fn run, void *context);
void vectron_timer_cancel(struct vectron_turn *turn, uint64_t timer); /* fired: fine */
/* Behind what already waits on this lane: the next step of long work. */
void vectron_later(struct vectron_turn *turn, vectron_turn_fn run, void *context);
struct vectron_block {
    size_t size;
    enum vectron_status (*work)(void *context); /* on a thread that may wait; no turn */
    vectron_outcome_fn done;                    /* status = work's */
    void (*abandon)(void *context); /* instead of done, the actor stopped; any thread; or NULL */
    void *context;
};
void vectron_block(struct vectron_turn *turn, const struct vectron_block *block);
/* events: EPOLLIN … on a descriptor, level triggered; watching again changes them; unwatch before
 * close. INVALID, QUOTA, NO_MEMORY. */
typedef void (*vectron_watch_fn)(void *self,
                                 void *context,
                                 uint32_t events,
                                 struct vectron_turn *turn);
VECTRON_MUST_USE enum vectron_status vectron_watch(
    struct vectron_turn *turn, int fd, uint32_t events, vectron_watch_fn run, void *context);
void vectron_unwatch(struct vectron_turn *turn, int fd);

/* --- others --- */
/* A child: restarted by this actor, stopped with it. Opens in a turn of its own, later. EXISTS: the
 * name is taken; INVALID: the type; QUOTA, NO_MEMORY. */
VECTRON_MUST_USE enum vectron_status
vectron_spawn(struct vectron_turn *turn, const struct vectron_spawn *spawn, vectron_handle *out);
void vectron_stop(struct vectron_turn *turn, vectron_handle child);
/* Children spawned from now on restart as a group: who failed, all of them, or who failed and those
 * spawned after it; `intensity` times in period_s together before this actor fails. To be asked for
 * in open. NO_MEMORY. */
enum vectron_strategy { VECTRON_ONE_FOR_ONE, VECTRON_ONE_FOR_ALL, VECTRON_REST_FOR_ONE };
VECTRON_MUST_USE enum vectron_status vectron_supervise(struct vectron_turn *turn,
                                                       enum vectron_strategy strategy,
                                                       uint32_t intensity,
                                                       uint32_t period_s);
/* Ties two lives together, both ways, until one ends: an actor that fails, whose process is lost,
 * or that is not there at all (LOST_PEER), fails the other with the same reason; one that its
 * supervisor stops ends the other normally; one that leaves by vectron_exit(OK) leaves it alone. In
 * another process only with a VECTRON_LINKABLE type (else: DENIED). */
void vectron_link(struct vectron_turn *turn, vectron_handle other);
void vectron_unlink(struct vectron_turn *turn, vectron_handle other);
/* Instead of ending with them, this actor is told of every end of a linked one (status = reason,
 * handle = who). NULL: no longer. To be asked for in open. */
void vectron_trap_exits(struct vectron_turn *turn, vectron_outcome_fn exited, void *context);
/* Takes this actor, or a child of it, to the nth lane of its kind (from 1, wraps; 0: the next one),
 * soon, between two turns, with all that is open, under a new handle; the old one still reaches it.
 * One that watches descriptors stays. */
void vectron_move(struct vectron_turn *turn, vectron_handle actor, uint32_t lane);
/* In passivate: more of what is kept. NO_MEMORY; TOO_LARGE, above 64 KiB. */
VECTRON_MUST_USE enum vectron_status
vectron_keep(struct vectron_kept *kept, const void *bytes, size_t size);
/* In hydrate: what was kept, borrowed from the turn. */
const void *vectron_kept_bytes(const struct vectron_kept *kept, size_t *size);
/* This actor ends with the turn; any status but OK is a failure its supervisor acts on. */
void vectron_exit(struct vectron_turn *turn, enum vectron_status reason, const char *format, ...)
    VECTRON_PRINTF(3, 4);

/* --- nodes ---------------------------------------------------------------------------------------
 * A node is threads that run actors. Several may live in a process. */
struct vectron_node;
struct vectron_node_options {
    size_t size;
    const char *name;       /* for peers and tools; NULL = "embedded" */
    uint32_t io_lanes;      /* threads for short handlers; 0 = max(1, cores / 4) */
    uint32_t compute_lanes; /* threads for VECTRON_COMPUTE and searches; 0 = cores */
    uint32_t blocking;      /* threads of vectron_block; 0 = 4 */
    const char *link;       /* where other processes reach it: "tcp://127.0.0.1:9191" (port 0: any),
                               "ipc:///run/x.sock"; NULL: they do not. Whoever reaches it may call
                               its actors */
    void *zmq_context; /* the program's own: borrowed, must not end before vectron_node_close, never
                          changed by the node, which takes a socket and a descriptor for each actor
                          that is not light (ZMQ_MAX_SOCKETS). The node's name is unique in it.
                          NULL: one of the node's own */
    /* Links over tcp are encrypted, and let in only who is allowed: files that `vectron admin
     * keygen` makes (docs/security.md). Both or neither; NULL: plain links, not beyond this machine
     * unless `insecure`. */
    const char *key_file;
    const char *allowed_keys; /* a file, or a folder of *.pub files */
    bool insecure;
    uint32_t stall_limit_ms; /* a handler that takes longer ends the process; 0 = 60,000 */
};
/* INVALID; EXISTS: the link's address is in use; DENIED: a link open to the network without keys,
 * or a key file that others may read; NOT_FOUND: it is not there; IO, QUOTA, NO_MEMORY. */
VECTRON_MUST_USE enum vectron_status vectron_node_open(const struct vectron_node_options *options,
                                                       struct vectron_node **out);
/* Stops the actors, last spawned first, and the threads; closes the database. NULL is fine. Not
 * from an actor, not while another thread uses the node. */
void vectron_node_close(struct vectron_node *node);
/* An actor under the node's root; waits until it opened. */
VECTRON_MUST_USE enum vectron_status vectron_node_spawn(struct vectron_node *node,
                                                        const struct vectron_spawn *spawn,
                                                        vectron_handle *out);
/* Asks it to stop; does not wait. A handle of somebody else: nothing happens. */
void vectron_node_stop(struct vectron_node *node, vectron_handle actor);
struct vectron_node_call {
    size_t size;
    const char *address; /* link of its process; NULL: this node */
    const char *name;
    const ProtobufCMessage *message;
    const ProtobufCMessageDescriptor *reply; /* as in struct vectron_call */
    uint64_t timeout_ms;                     /* 0 = 10 s */
    /* For answers in parts, all but the last: on a thread of the node, which must not wait. NULL:
     * parts are dropped. */
    void (*part)(void *context, const ProtobufCMessage *message);
    void *context;
};
/* Waits for the outcome. *reply (may be NULL) is then the program's, for vectron_reply_free. */
VECTRON_MUST_USE enum vectron_status vectron_node_call(struct vectron_node *node,
                                                       const struct vectron_node_call *call,
                                                       ProtobufCMessage **reply);
void vectron_reply_free(ProtobufCMessage *reply); /* NULL is fine */
/* At most once, without an answer, to an actor of this node. NOT_FOUND. */
VECTRON_MUST_USE enum vectron_status
vectron_node_tell(struct vectron_node *node, const char *name, const ProtobufCMessage *message);
/* Runs `run` in a turn of the node's root actor (self is not to be touched) and waits until it did.
 */
void vectron_node_run(struct vectron_node *node, vectron_turn_fn run, void *context);
/* True once a top-level actor failed beyond its intensity. */
bool vectron_node_failed(const struct vectron_node *node);
/* With the port that was picked; "" when there is none. */
const char *vectron_node_link(const struct vectron_node *node);
void *vectron_node_zmq_context(struct vectron_node *node);

/* --- the simulator -------------------------------------------------------------------------------
 * The same actors for tests: one or more nodes in the calling thread, with a virtual clock and a
 * seeded order of events, so that a run is the same whenever its seed is. Nodes are numbered from
 * 1; the nth is looked up at "sim://n". Descriptors are not in this world, and blocking work runs
 * when nothing else is ready. Wrong use (a name that nobody has) and want of memory end the
 * program: it is a test. */
struct vectron_sim;
struct vectron_sim_options {
    size_t size;
    uint64_t seed;
    uint32_t nodes;        /* 0 = 1 */
    uint32_t io_lanes;     /* of each; 0 = 1 */
    uint32_t delay_us_min; /* of the network between nodes */
    uint32_t delay_us_max;
    uint32_t drop_ppm; /* messages lost between nodes */
    bool shuffle; /* who is ready runs in an order of the seed's; else first ready, first run */
};
struct vectron_sim *vectron_sim_open(const struct vectron_sim_options *options);
/* Stops all actors, and ends the program if one kept memory of the runtime. NULL is fine. */
void vectron_sim_close(struct vectron_sim *sim);
/* Runs until it opened; 0: its open failed. */
vectron_handle
vectron_sim_spawn(struct vectron_sim *sim, uint32_t node, const struct vectron_spawn *spawn);
void vectron_sim_stop(struct vectron_sim *sim, uint32_t node, const char *name);
/* To an actor of node 1, and what follows at this instant. */
void vectron_sim_tell(struct vectron_sim *sim, const char *name, const ProtobufCMessage *message);
struct vectron_sim_call {
    size_t size;
    const ProtobufCMessage *message;
    const ProtobufCMessageDescriptor *reply; /* as in struct vectron_call */
    uint64_t timeout_us;                     /* of the virtual clock; 0 = 60 s */
};
/* To an actor of node 1; runs until the outcome. *reply: until the next call. */
VECTRON_MUST_USE enum vectron_status vectron_sim_call(struct vectron_sim *sim,
                                                      const char *name,
                                                      const struct vectron_sim_call *call,
                                                      const ProtobufCMessage **reply);
/* Of the last call that failed. */
const char *vectron_sim_words(const struct vectron_sim *sim);
/* So long on the virtual clock. */
void vectron_sim_run(struct vectron_sim *sim, uint64_t us);
uint64_t vectron_sim_now_us(const struct vectron_sim *sim);
/* The network between two nodes, both ways; after 3 s both have lost their peer. */
void vectron_sim_cut(struct vectron_sim *sim, uint32_t a, uint32_t b, bool cut);
/* A line an event since it was cleared: "tally < tally.Add by=2" received, ">" answered, "!"
 * failed,
 * "*" of its life, "x" never handled; with several nodes after "2:". Until the next use of sim. */
const char *vectron_sim_trace(struct vectron_sim *sim);
void vectron_sim_trace_clear(struct vectron_sim *sim);

/* --- the database --------------------------------------------------------------------------------
 * Its actors, by name: "router" (RouterCreateCollection, RouterUpsert, RouterSearch …), "pd",
 * "keeper", "log". One a process. */
enum {
    VECTRON_PD = 1,      /* places collections on workers */
    VECTRON_WORKER = 2,  /* keeps shards and searches them */
    VECTRON_GATEWAY = 4, /* the router */
    VECTRON_ALL = 7,
};
struct vectron_database_options {
    size_t size;
    const char *data_dir;  /* made when missing, used by one process at a time. Not for a gateway */
    uint32_t roles;        /* 0 = VECTRON_ALL */
    const char *pd;        /* links of the cluster's placement driver, comma separated, for roles
                              without VECTRON_PD: "tcp://127.0.0.1:7001" */
    uint32_t shards;       /* default of a collection; 0 = 1 with VECTRON_ALL, else 16 */
    uint32_t searchers;    /* 0 = one a core */
    uint64_t cache_bytes;  /* of payloads and vectors read; 0 = 32 MiB */
    uint64_t write_bytes;  /* buffer of written points; 0 = 16 MiB */
    uint64_t memory_limit; /* of the whole process: above it points are refused. 0 = none */
};
/* EXISTS: there is one in this process; INVALID; IO: also when another process uses the folder;
 * DISK_FULL, CORRUPT, NO_MEMORY. After a failure the node is only good for vectron_node_close. */
VECTRON_MUST_USE enum vectron_status
vectron_database_start(struct vectron_node *node, const struct vectron_database_options *options);

/* --- mailboxes: ZeroMQ inside the process --------------------------------------------------------
 * A DEALER on the node's context that connects to an actor's mailbox sends two frames, envelope and
 * body, and gets answers as two frames (docs/protocol.md, section 6). */
enum { VECTRON_MAILBOX_MAX = 320, VECTRON_ENVELOPE_MAX = 128 };
/* "inproc://…" of a named actor; another one after it was restarted. NOT_FOUND: nobody, or it is
 * light. */
VECTRON_MUST_USE enum vectron_status
vectron_mailbox(struct vectron_node *node, const char *name, char out[VECTRON_MAILBOX_MAX]);
enum vectron_envelope_kind {
    VECTRON_CAST,
    VECTRON_CALL,
    VECTRON_REPLY,
    VECTRON_PART,
    VECTRON_CANCEL
};
struct vectron_envelope {
    enum vectron_envelope_kind kind;
    uint32_t op;          /* vectron_op of the body's type */
    uint64_t correlation; /* the caller's number of the call; its answers carry it */
    uint64_t timeout_us;  /* 0 = none */
};
/* The first frame of a request to a mailbox; how many bytes it has. */
size_t vectron_envelope_write(const struct vectron_envelope *envelope,
                              unsigned char out[VECTRON_ENVELOPE_MAX]);
/* Reads the first frame of an answer. INVALID. */
VECTRON_MUST_USE enum vectron_status
vectron_envelope_read(const void *bytes, size_t size, struct vectron_envelope *out);
/* A body as a message of `type`, for vectron_reply_free. INVALID, NO_MEMORY. */
VECTRON_MUST_USE enum vectron_status vectron_decode(const ProtobufCMessageDescriptor *type,
                                                    const void *bytes,
                                                    size_t size,
                                                    ProtobufCMessage **out);

/* --- CZMQ ----------------------------------------------------------------------------------------
 * A zactor_fn: zactor_new(vectron_zactor, &args) opens a node on CZMQ's context, runs `setup`, and
 * returns when both are done, well or not: look at args.status. zactor_destroy closes the node. The
 * pipe says "FAILED" when a top-level actor failed for good. Needs a program that links CZMQ;
 * libvectron itself does not. */
struct vectron_zactor {
    size_t size;
    const struct vectron_node_options *node; /* its zmq_context is CZMQ's whatever it says */
    enum vectron_status (*setup)(struct vectron_node *node, void *context); /* or NULL */
    void *context;
    /* Written before zactor_new returns. */
    enum vectron_status status;
    char error[256];           /* words of a failure */
    struct vectron_node *open; /* for vectron_node_call …, until zactor_destroy */
};
struct _zsock_t;
void vectron_zactor(struct _zsock_t *pipe, void *args);

#ifdef __cplusplus
}
#endif

#endif
