/* sim: a whole node (or several, joined by a simulated network) in one thread: seeded scheduler,
 * virtual clock, trace. The same actor types run here unchanged.
 *
 * The trace has one line an event, without the virtual time unless asked for:
 *     shard/0 < ShardWrite epoch=1 …        received
 *     shard/0 > ShardWritten operations=1   replied (or sent a call/tell: "> router ShardX …" is
 * not printed; the receiver's line is) shard/0   words of turn_note, and state changes shard/0 !
 * BUSY tail is full           replied Failed shard/0 x ShardWrite: BUSY            a message that
 * was not handled: mailbox full, EXPIRED shard/0 * failed IO disk is gone      stopped by
 * turn_exit, a failed open or a failed child shard/0 * restarts                    … by its
 * supervisor; "gave up": once too often With several nodes each line starts with the node's number:
 * "2:shard/0 < …". sim_expect compares with and clears what was traced since the last call. */
#ifndef RUNTIME_SIM_H
#define RUNTIME_SIM_H

#include "runtime/permit.h"
#include "runtime/turn.h"

struct sim;

struct sim_options {
    uint64_t seed;
    uint32_t nodes;        /* 0 = 1; the nth is reached at link address "sim://n" (from 1) */
    uint32_t delay_us_min; /* of the network between nodes */
    uint32_t delay_us_max;
    uint32_t drop_ppm; /* messages lost between nodes */
    bool reorder;      /* messages between nodes overtake each other (ZeroMQ's do not) */
    uint32_t full_ppm; /* sends between lanes and nodes that meet a full way: calls and casts end in
                          BUSY there, the rest waits */
    uint32_t lanes;    /* I/O lanes of a node; 0 = 1. With shuffle actors get lanes by the seed */
    uint32_t block_us; /* virtual time that a piece of blocking work takes; 0: it runs when
                          nothing else is ready */
    bool shuffle;      /* pick the next ready actor by the seed (else first ready, first run) */
    enum sys_bodies bodies;
    enum sys_actions actions;
    bool linting;    /* sys looks for what is wrong once a second */
    bool trace_time; /* prefix lines with the virtual time in us */
    bool quiet;      /* nothing is traced: long runs */
};
enum { SIM_TWIN_US = 5 * 1000 * 1000 };

struct sim *sim_open(const struct sim_options *options);
/* Stops every actor; asserts that no actor kept runtime memory. */
void sim_close(struct sim **sim);
/* Spawns under the root of node 1 (sim_spawn_on: of the nth), never to be restarted, and runs until
 * it opened; 0: its open failed. sim_spawn_as: with all of turn_spawn's options but opened and
 * context. */
actor_handle
sim_spawn(struct sim *sim, const char *name, const struct actor_type *type, const void *options);
actor_handle sim_spawn_on(struct sim *sim,
                          uint32_t node,
                          const char *name,
                          const struct actor_type *type,
                          const void *options);
actor_handle sim_spawn_as(struct sim *sim, uint32_t node, const struct spawn *spawn);
/* Stops a top-level actor of node 1 (sim_stop_on: of the nth). */
void sim_stop(struct sim *sim, const char *name);
void sim_stop_on(struct sim *sim, uint32_t node, const char *name);
/* A top-level actor failed for good, on any node. */
bool sim_failed(const struct sim *sim);
/* A cast to a named actor of node 1, then runs until nothing is ready (timers do not count). */
void sim_tell(struct sim *sim, const char *name, const ProtobufCMessage *message);
/* A call with a deadline from a driver actor; runs until its final outcome. The reply (last part)
 * is owned by the sim until the next sim_call. */
enum status sim_call(struct sim *sim,
                     const char *name,
                     const ProtobufCMessage *message,
                     uint64_t timeout_us,
                     const ProtobufCMessage **reply);
/* The same to an actor of the nth node, from that node. */
enum status sim_call_on(struct sim *sim,
                        uint32_t node,
                        const char *name,
                        const ProtobufCMessage *message,
                        uint64_t timeout_us,
                        const ProtobufCMessage **reply);
/* Runs fn in a turn of node 1's root, and what follows at this instant. */
void sim_order(struct sim *sim, turn_fn fn, void *context);
void sim_order_on(struct sim *sim, uint32_t node, turn_fn fn, void *context);
/* The words of the last failed sim_call. */
const char *sim_words(const struct sim *sim);
/* Runs ready work, then timers in order, for `us` of virtual time. */
void sim_run(struct sim *sim, uint64_t us);
uint64_t sim_now_us(const struct sim *sim);
/* Virtual time passes within the running turn: an actor of the test works that long. */
void sim_spend(struct sim *sim, uint64_t us);
/* Network faults between two nodes, both directions. After LINK_DEAD_MS of a cut both lose their
 * peer. */
void sim_cut(struct sim *sim, uint32_t a, uint32_t b);
/* What a sends does not reach b; the other way is as it was. Both lose their peer all the same. */
void sim_cut_way(struct sim *sim, uint32_t a, uint32_t b);
void sim_heal(struct sim *sim, uint32_t a, uint32_t b);
/* The connections between two nodes break, and may be made anew at once: both lose their peer now.
 */
void sim_snap(struct sim *sim, uint32_t a, uint32_t b);
/* What a sends to b takes this much longer from now on; 0: no longer. */
void sim_slow(struct sim *sim, uint32_t a, uint32_t b, uint64_t us);
/* So many of a million messages between nodes are lost from now on. */
void sim_drop(struct sim *sim, uint32_t ppm);
/* So many of a million requests that the node sends to others from now on arrive a second time, up
 * to SIM_TWIN_US later: whoever repeats them does not know that they came. */
void sim_twin(struct sim *sim, uint32_t node, uint32_t ppm);
/* The process of a node is gone: nothing leaves it or reaches it, until sim_on. The others lose
 * their peer after LINK_DEAD_MS, or when it is back. Its actors are the test's to stop. */
void sim_off(struct sim *sim, uint32_t node);
void sim_on(struct sim *sim, uint32_t node);
/* Blocking work that begins on the node takes this much longer from now on: a disk that stalls. */
void sim_stall(struct sim *sim, uint32_t node, uint64_t us);
/* Pieces of blocking work under way on the node. */
uint32_t sim_working(const struct sim *sim, uint32_t node);
/* The node's wall clock is so far ahead of the others'. */
void sim_skew(struct sim *sim, uint32_t node, int64_t ms);
/* Both clocks of the node, and with them its timers, run so many millionths faster from now on;
 * below 0: slower. */
void sim_drift(struct sim *sim, uint32_t node, int32_t ppm);
/* What was traced since the last expect/trace, borrowed until the next sim call. */
const char *sim_trace(struct sim *sim);
void sim_trace_clear(struct sim *sim);
/* Compares line by line, prints a diff and the seed, and aborts on a difference (a Criterion test
 * fails). */
void sim_expect(struct sim *sim, const char *expected);

/* A message on the stack for tests: MESSAGE(ShardWrite, shard_write, .epoch = 1) */
#define MESSAGE(Type, type, ...) \
    ((const ProtobufCMessage *)&(Type){.base = PROTOBUF_C_MESSAGE_INIT(&type##__descriptor), \
                                       __VA_ARGS__})

#endif
