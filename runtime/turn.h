/* turn: one run of one handler, and the only door from an actor to the world: memory, time,
 * randomness, messages, timers, blocking work, other actors. The same calls work in a real process
 * and in the simulator (runtime/sim). Use only on the thread that was given the turn, never after
 * it ended. */
#ifndef RUNTIME_TURN_H
#define RUNTIME_TURN_H

#include <stdarg.h>

#include "runtime/actor.h"

struct buffer;
struct turn;

#define NO_DEADLINE         UINT64_MAX
#define PRINTF(text, first) __attribute__((format(printf, text, first)))

/* --- who and when -------------------------------------------------------------------------------
 */
actor_handle turn_self(const struct turn *turn);
actor_handle turn_sender(const struct turn *turn); /* 0 in open, timers and continuations */
uint32_t turn_lane(const struct turn *turn);       /* its number in this process, from 0 */
/* Nobody else waits on this lane, nor anything more for this actor: a little work holds nobody up.
 */
bool turn_alone(const struct turn *turn);
uint64_t turn_now_us(const struct turn *turn);      /* monotonic; virtual in the simulator */
uint64_t turn_wall_ms(const struct turn *turn);     /* unix time; virtual in the simulator */
uint64_t turn_deadline_us(const struct turn *turn); /* of the request being served, on turn_now_us's
                                                       scale; NO_DEADLINE when it has none */
uint64_t turn_random(struct turn *turn);            /* the node's seeded generator */

/* --- memory: an arena that lives until the turn ends ---------------------------------------------
 */
void *turn_alloc(struct turn *turn,
                 size_t size); /* zeroed, aligned for anything; NULL: no memory */
char *turn_printf(struct turn *turn, const char *format, ...) PRINTF(2, 3);
/* A fresh message: ShardHits *hits = turn_new(turn, ShardHits, shard_hits); */
#define turn_new(turn, Type, type) ((Type *)turn_message((turn), &type##__descriptor))
void *turn_message(struct turn *turn, const ProtobufCMessageDescriptor *type);

/* --- words: one line of the trace; the reply's text ----------------------------------------------
 */
void turn_note(struct turn *turn, const char *format, ...) PRINTF(2, 3);
/* Gives the words of a failure and returns `status`: return turn_fail(turn, STATUS_X, "…", …); */
MUST_USE enum status turn_fail(struct turn *turn, enum status status, const char *format, ...)
    PRINTF(3, 4);
/* Hint that goes with a BUSY failure of this turn. */
void turn_retry_after(struct turn *turn, uint32_t ms);
/* The words given by turn_fail in this turn, "" before. */
const char *turn_words(const struct turn *turn);

/* --- alarms: what a person should look at, until it is over; SysReport shows it, the log tells it
 * --- name: what is wrong ("disk_full"), one of this actor's; the words say the numbers and what to
 * do. */
void turn_raise(struct turn *turn, const char *name, const char *format, ...) PRINTF(3, 4);
/* The same, for who has written those words to the log itself. */
void turn_raise_told(struct turn *turn, const char *name, const char *format, ...) PRINTF(3, 4);
/* It is over; nothing when it was not raised. Alarms of an actor that stops for good end too. */
void turn_clear(struct turn *turn, const char *name);

/* --- answering
 * ------------------------------------------------------------------------------------ Every call
 * has exactly one final outcome at the caller: reply, Failed, EXPIRED, LOST_PEER (actor or link
 * gone), BUSY (mailbox full), CANCELLED. Encoded at once: the message may be changed after. */
void turn_reply(struct turn *turn, const ProtobufCMessage *message);

/* A reply owed: plain data, copy it into the state. Resolve or reject it exactly once. */
struct promise {
    actor_handle caller; /* 0: it was a cast; answering is a no-op */
    uint64_t correlation;
    uint64_t deadline_us;
    uint64_t trace[2];
    uint64_t span;
    uint8_t flags;   /* of the request: is it sampled */
    uint64_t record; /* the runtime's, of this reply owed */
};
/* The current request will be answered later. */
struct promise turn_defer(struct turn *turn);
/* A part of the answer; more follow, the final one by turn_resolve/turn_reject. */
void turn_resolve_part(struct turn *turn,
                       const struct promise *promise,
                       const ProtobufCMessage *message);
void turn_resolve(struct turn *turn,
                  const struct promise *promise,
                  const ProtobufCMessage *message);
void turn_reject(struct turn *turn,
                 const struct promise *promise,
                 enum status status,
                 const char *format,
                 ...) PRINTF(4, 5);
/* False once the caller cancelled or the deadline passed: stop working (and still reject it). Works
 * for deferred promises of this actor. */
bool turn_wanted(struct turn *turn, const struct promise *promise);
/* Hands the current request on, unread and uncopied: `to` answers the caller. Keeps the deadline; a
 * cancel follows. Not from another process to another process: the caller gets UNIMPLEMENTED. */
void turn_forward(struct turn *turn, actor_handle to);

/* --- asking
 * --------------------------------------------------------------------------------------- */
/* At most once, no answer. What cannot be delivered becomes a dead letter. */
void turn_tell(struct turn *turn, actor_handle to, const ProtobufCMessage *message);
/* The same in the control band: ahead of data, with a bound of its own. First in, first out holds
 * for messages of one sender, one receiver and one band. */
void turn_tell_control(struct turn *turn, actor_handle to, const ProtobufCMessage *message);

struct outcome {
    enum status status;              /* OK: message is the reply */
    const char *text;                /* words of a failure, never NULL */
    uint32_t retry_after_ms;         /* with BUSY; 0 = unknown */
    const ProtobufCMessage *message; /* borrowed for this turn; NULL unless OK from a call */
    actor_handle handle;             /* of turn_lookup */
    bool more;                       /* a part: the final outcome is still to come */
    uint64_t call;                   /* what turn_call returned */
};
/* The reply as its type, or NULL when it is another. */
#define outcome_as(outcome, Type, type) \
    ((outcome)->message && (outcome)->message->descriptor == &type##__descriptor \
         ? (const Type *)(outcome)->message \
         : NULL)

typedef void (*outcome_fn)(void *self,
                           void *context,
                           const struct outcome *outcome,
                           struct turn *turn);

struct call {
    actor_handle to;
    const ProtobufCMessage *message; /* encoded at once */
    outcome_fn done;                 /* exactly one final outcome, in a turn of its own */
    void *context;                   /* the actor's */
    uint64_t deadline_us; /* absolute; 0 = the deadline of the current request, without one
                             now + CALL_DEFAULT_US; NO_DEADLINE is cut to CALL_MAX_US */
    bool control;         /* goes ahead of data: short messages that keep the system in order */
    /* NULL: the answer is of any type that codec_find knows. Else it is read as this one when it is
     * of that name, and comes undecoded (runtime/raw.h) when it is not: a program's own types. */
    const ProtobufCMessageDescriptor *reply;
    const struct promise *behalf; /* of a request this actor owes an answer: when its caller cancels
                                     or is lost, this call is cancelled too. NULL: nobody's */
};
#define CALL_DEFAULT_US UINT64_C(60000000)
#define CALL_MAX_US     UINT64_C(3600000000)
/* Never fails: an error is an outcome. When the actor stops, its calls are dropped without outcome.
 */
uint64_t turn_call(struct turn *turn, const struct call *call);
/* The outcome (CANCELLED, unless another was under way) still comes. The callee is told. */
void turn_cancel(struct turn *turn, uint64_t call);

/* --- time and long work
 * --------------------------------------------------------------------------- */
typedef void (*turn_fn)(void *self, void *context, struct turn *turn);
uint64_t turn_timer(struct turn *turn, uint64_t delay_us, turn_fn run, void *context);
void turn_timer_cancel(struct turn *turn, uint64_t timer); /* fired or unknown: fine */
/* Runs soon, behind what already waits on this lane: the next step of resumable work. */
void turn_later(struct turn *turn, turn_fn run, void *context);

struct block {
    enum status (*work)(void *context); /* on the blocking pool: no turn; may wait for the disk */
    outcome_fn done;                    /* status = work's */
    void (*abandon)(void *context);     /* instead of done when the actor stopped meanwhile; may be
                                           NULL; runs on any thread */
    void *context;
};
void turn_block(struct turn *turn, const struct block *block);

/* File descriptors on the lane's epoll (edge only; not in the simulator). events: EPOLLIN… level
 * triggered. One watch a descriptor; watching again changes events; unwatch before close(fd). */
typedef void (*watch_fn)(void *self, void *context, uint32_t events, struct turn *turn);
MUST_USE enum status
turn_watch(struct turn *turn, int fd, uint32_t events, watch_fn run, void *context);
void turn_unwatch(struct turn *turn, int fd);

/* --- traces
 * --------------------------------------------------------------------------------------- */
/* A request from outside: the root of what this process does for it. Plain data, the actor's. */
struct root_span {
    uint64_t trace[2]; /* as its 16 bytes lie in memory; both 0: none, or one is made */
    uint64_t span;
    uint64_t parent; /* of whoever sent the request; 0: nobody traced before */
    uint64_t began_us;
    bool sampled;
};
/* Begins a span now. In: trace, parent and sampled when the request came with them; without a
 * trace it gets one, sampled by the node's ratio. */
void turn_root_begin(struct turn *turn, struct root_span *root);
/* What this turn sends, waits for and puts off from now on is done for it; NULL: for nobody. */
void turn_root_enter(struct turn *turn, const struct root_span *root);
/* It is over. name: static words, as the route; text: words of a failure, else "". Once a root. */
void turn_root_end(struct turn *turn,
                   const struct root_span *root,
                   const char *name,
                   enum status outcome,
                   const char *text);

/* --- recordings (runtime/sim/replay.h)
 * ------------------------------------------------------------- */
/* What decides something and comes through none of the doors above: memory that the actor shares
 * with other lanes, what its blocking work met. Returns `value`; in a replay what it was then. */
uint64_t turn_saw(struct turn *turn, uint64_t value);
/* The same of an actor that such memory names. */
actor_handle turn_saw_actor(struct turn *turn, actor_handle actor);
/* Somebody records this actor: so many bytes of its disk may go along (turn_keep). 0: nobody. */
uint64_t turn_recorded(const struct turn *turn);
/* What the actor has on its disk as its life begins, for whoever records it: takes the bytes.
 * refused, unless NULL: instead of them why they do not go along. The first one of a recording
 * counts. */
void turn_keep(struct turn *turn, struct buffer *bytes, const char *refused);

/* --- others
 * --------------------------------------------------------------------------------------- */
/* A named actor of this process, or of a foreign program that gave it a name here ("ext/…"); 0 when
 * there is none. */
actor_handle turn_find(struct turn *turn, const char *name);

struct lookup {
    const char
        *address; /* link address of its process ("tcp://127.0.0.1:9191"); NULL or "": here */
    const char *name;
    outcome_fn done; /* OK: outcome->handle. NOT_FOUND, LOST_PEER, EXPIRED */
    void *context;
    uint64_t deadline_us; /* absolute; 0 = of the current request, else now + 5 s */
};
/* Finds an actor by name, connecting to its process when needed. Cache the handle; look up again
 * when a call ends in LOST_PEER. */
void turn_lookup(struct turn *turn, const struct lookup *lookup);

/* done runs once when the actor stops or its process is lost (status = reason). */
uint64_t turn_monitor(struct turn *turn, actor_handle actor, outcome_fn done, void *context);
void turn_unmonitor(struct turn *turn, uint64_t monitor);

/* Ties two lives together, both ways, until one ends (OTP's links). An actor that fails, whose
 * process is lost, or that is not there at all (LOST_PEER), fails the other with the same reason;
 * one that its supervisor stops ends the other normally; one that leaves by turn_exit(OK) leaves it
 * alone. An actor of another process is linked only when its type is linkable (else: DENIED).
 * Linking twice is linking once. */
void turn_link(struct turn *turn, actor_handle other);
/* An end that was under way does no harm any more. */
void turn_unlink(struct turn *turn, actor_handle other);
/* Instead of ending with them, this actor is told of every end of a linked actor (status = reason,
 * handle = who). NULL: no longer. A life's own: to be asked again in open. */
void turn_trap_exits(struct turn *turn, outcome_fn exited, void *context);

enum restart { RESTART_PERMANENT, RESTART_TRANSIENT, RESTART_TEMPORARY }; /* OTP's meanings */

enum strategy {
    ONE_FOR_ONE,  /* who failed restarts */
    ONE_FOR_ALL,  /* all of them do */
    REST_FOR_ONE, /* who failed and those spawned after it do */
};
struct policy {
    enum strategy strategy;
    uint32_t intensity; /* restarts allowed in period_s, of all children together, before this actor
                           itself fails; 0 = 1 (OTP) */
    uint32_t period_s;  /* 0 = 5 */
};
/* The children spawned from now on restart by this policy, no longer each by itself: those
 * concerned stop, the last spawned first, and open again, after a backoff, the first spawned first,
 * each when the one before it opened. Temporary ones do not come back. A life's own: to be asked
 * for in open. NO_MEMORY. */
MUST_USE enum status turn_supervise(struct turn *turn, const struct policy *policy);

struct spawn {
    const struct actor_type *type;
    const char *name;    /* unique in the process; NULL: "kind/slot". Copied */
    const void *options; /* see actor_type.open */
    enum restart restart;
    uint32_t intensity; /* restarts allowed in period_s before the spawner itself fails; 0 = 1
                           (OTP). Without meaning under turn_supervise, as is period_s */
    uint32_t period_s;  /* 0 = 5 */
    uint32_t stop_ms;   /* given to the type's stop; 0 = 5,000 */
    int lane;           /* 0 = any of the type's kind; n = the nth (1-based, wraps) */
    outcome_fn opened;  /* may be NULL: runs once when the first open is over; status and text are
                       its. With it a first open that fails is the spawner's to handle: the
                       actor is not restarted */
    void *context;      /* of opened */
};
/* The child is supervised by this actor: restarted in place with exponential backoff and jitter
 * under a new incarnation (same name), stopped with it. open runs in a turn of its own, later. */
MUST_USE enum status turn_spawn(struct turn *turn, const struct spawn *spawn, actor_handle *out);
/* Stops a child: by its type's stop, or at once; what is queued then becomes dead letters.
 * Asynchronous; monitor it to know. */
void turn_stop(struct turn *turn, actor_handle child);
/* Takes this actor, or a child of it, to the nth lane of its type's kind (as in struct spawn; 0:
 * the next one), soon, between two of its turns: state, mailbox, open calls, timers and promises go
 * along, under a new incarnation of the same name. Messages to the old one still reach it, in their
 * order. What a foreign socket sent to its ZeroMQ mailbox and was not taken in is lost. One that
 * watches descriptors stays where it is. */
void turn_move(struct turn *turn, actor_handle actor, int lane);
/* This actor stops when the turn ends: OK = normal exit, else a failure its supervisor acts on. */
void turn_exit(struct turn *turn, enum status reason, const char *format, ...) PRINTF(3, 4);

#endif
