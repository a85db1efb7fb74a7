/* replay: what an actor was told in a running process (vectron record), told again in the
 * simulator, turn by turn in the order in which it happened, at the recorded times: messages,
 * answers, timers, what it drew from the random generator and read from the clocks. What it says is
 * compared with what it said. Those it talked to are stand-ins that say nothing: their answers are
 * in the recording; its children are stand-ins, too. What it has on a disk when its life begins is
 * in it as far as the actor gives it (turn_keep): whoever replays it makes a scratch copy of that.
 * Work on the blocking pool is done on that copy, at once. What it sees in memory that others write
 * is in it as far as the actor says so (turn_saw). Neighbours that write for the actor (its log)
 * can be there themselves: then they do what they are asked, and their answers are not heard.
 *
 * A recording: "VRECORD3", then SysTapped messages of a tap with steps (msgpack), each behind its
 * length of four bytes, little-endian. It replays from the first open of the actor in it; without
 * one what it knew before is missing. */
#ifndef RUNTIME_SIM_REPLAY_H
#define RUNTIME_SIM_REPLAY_H

#include "runtime/buffer.h"
#include "runtime/sim/sim.h"

#define REPLAY_MAGIC "VRECORD3"
enum { REPLAY_TURNS_MAX = 1 << 20, REPLAY_WORDS_MAX = 2048 };

struct replay_neighbour {
    const char *name;
    const struct actor_type *type;
    const void *options;
};

struct replay_options {
    const struct actor_type *type; /* of the actor */
    const void *options;           /* of its open; addresses in it are never reached */
    void (*line)(void *context, const char *line); /* each turn as it is played; may be NULL */
    void *context;
    const struct replay_neighbour *neighbours;
    size_t n_neighbours;
};

enum { REPLAY_NAME_MAX = 192 };

struct replay_result {
    char name[REPLAY_NAME_MAX]; /* of the actor */
    uint64_t turns;             /* played, and the same */
    uint64_t said;              /* messages that it sent in them */
    uint64_t asked;             /* random numbers and times that it was told */
    uint64_t missing; /* turns before the difference that the recording has only in part */
    bool from_start;  /* it begins with the actor's open */
    bool ended;       /* the actor failed there; what is behind that was not played */
    bool same;
    char difference[REPLAY_WORDS_MAX]; /* the first one; "" when same */
};

/* Whose recording it is, whether the actor spoke with other processes, and what of its disk is in
 * it; failures as of sim_replay. */
struct replay_about {
    char name[REPLAY_NAME_MAX];
    bool remote;
    struct buffer disk;             /* the caller's, to be freed */
    uint64_t disk_size;             /* of which this is the beginning, or all */
    char refused[REPLAY_WORDS_MAX]; /* why there is none; "": nobody said so */
};
MUST_USE enum status sim_replay_about(const void *recording,
                                      size_t size,
                                      struct replay_about *out,
                                      char why[REPLAY_WORDS_MAX]);
/* INVALID: it is no recording, or of messages unknown here, or the actor does not open;
 * out->difference says which. NO_MEMORY. */
MUST_USE enum status sim_replay(const struct replay_options *options,
                                const void *recording,
                                size_t size,
                                struct replay_result *out);

#endif
