/* replay: what an actor was told in a running process (vectron record), told again in the
 * simulator: its requests at their times, and in the name of those it asked, their answers in the
 * order in which they came. So it does again what it did, as far as that follows from messages and
 * their times: what it drew from the random generator is not in a recording.
 *
 * A recording: "VRECORD1", then SysTapped messages (msgpack), each behind its length of four bytes,
 * little-endian. */
#ifndef RUNTIME_SIM_REPLAY_H
#define RUNTIME_SIM_REPLAY_H

#include "runtime/sim/sim.h"

#define REPLAY_MAGIC "VRECORD1"

struct replay_counts {
    uint64_t requests; /* told again */
    uint64_t answers;  /* given by stand-ins */
    uint64_t bodiless; /* left out: recorded without their body */
};
/* Plays the recording to the actor `name` of node 1, which is there already; those it asks are not:
 * stand-ins are spawned under their names. INVALID: it is no recording, or of messages unknown
 * here. NO_MEMORY. */
MUST_USE enum status sim_replay(struct sim *sim,
                                const char *name,
                                const void *recording,
                                size_t size,
                                struct replay_counts *out);

#endif
