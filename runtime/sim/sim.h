/* sim: a whole node (or several, joined by a simulated network) in one thread: seeded scheduler,
 * virtual clock, trace. The same actor types run here unchanged.
 *
 * The trace has one line an event, without the virtual time unless asked for:
 *     shard/0 < ShardWrite epoch=1 …        received
 *     shard/0 > ShardWritten operations=1   replied (or sent a call/tell: "> router ShardX …" is not
 *                                           printed; the receiver's line is)
 *     shard/0   words of turn_note, and state changes
 *     shard/0 ! BUSY tail is full           replied Failed
 * sim_expect compares with and clears what was traced since the last call. */
#ifndef RUNTIME_SIM_H
#define RUNTIME_SIM_H

#include "runtime/turn.h"

struct sim;

struct sim_options {
    uint64_t seed;
    uint32_t nodes;        /* 0 = 1; the nth is reached at link address "sim://n" (from 1) */
    uint32_t delay_us_min; /* of the network between nodes */
    uint32_t delay_us_max;
    uint32_t drop_ppm;     /* messages lost between nodes */
    bool shuffle;          /* pick the next ready actor by the seed (else first ready, first run) */
    bool trace_time;       /* prefix lines with the virtual time in us */
};

struct sim *sim_open(const struct sim_options *options);
/* Stops every actor; asserts that no actor kept runtime memory. */
void sim_close(struct sim **sim);
/* Spawns under the root of node 1 (sim_spawn_on: of the nth) and runs until it opened. */
actor_handle sim_spawn(struct sim *sim, const char *name, const struct actor_type *type,
                       const void *options);
actor_handle sim_spawn_on(struct sim *sim, uint32_t node, const char *name,
                          const struct actor_type *type, const void *options);
void sim_stop(struct sim *sim, const char *name);
/* A cast to a named actor of node 1, then runs until nothing is ready (timers do not count). */
void sim_tell(struct sim *sim, const char *name, const ProtobufCMessage *message);
/* A call with a deadline from a driver actor; runs until its final outcome. The reply (last part) is owned
 * by the sim until the next sim_call. */
enum status sim_call(struct sim *sim, const char *name, const ProtobufCMessage *message,
                     uint64_t timeout_us, const ProtobufCMessage **reply);
/* The words of the last failed sim_call. */
const char *sim_words(const struct sim *sim);
/* Runs ready work, then timers in order, for `us` of virtual time. */
void sim_run(struct sim *sim, uint64_t us);
uint64_t sim_now_us(const struct sim *sim);
/* Network faults between two nodes, both directions. */
void sim_cut(struct sim *sim, uint32_t a, uint32_t b);
void sim_heal(struct sim *sim, uint32_t a, uint32_t b);
/* What was traced since the last expect/trace, borrowed until the next sim call. */
const char *sim_trace(struct sim *sim);
void sim_trace_clear(struct sim *sim);
/* Compares line by line, prints a diff and the seed, and aborts on a difference (a Criterion test fails). */
void sim_expect(struct sim *sim, const char *expected);

/* A message on the stack for tests: MESSAGE(ShardWrite, shard_write, .epoch = 1) */
#define MESSAGE(Type, type, ...)                                                                   \
    ((const ProtobufCMessage *)&(Type){.base = PROTOBUF_C_MESSAGE_INIT(&type##__descriptor),       \
                                       __VA_ARGS__})

#endif
