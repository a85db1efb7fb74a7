/* raft: the one actor, named "raft", through which the replicas of a process speak to those of
 * others (schemas/internal/raft.proto). What they say in a turn to one peer process leaves as one
 * frame, so that the heartbeats of a thousand groups cost as much as one.
 *
 *     replica ─ RaftSend ─▶ raft ═ RaftFrame, one a turn and peer ═▶ raft ─ RaftReceive ─▶ replica
 *
 * Nothing is kept for a peer that cannot be reached, and nothing is sent again: consensus does. */
#ifndef ACTORS_RAFT_RAFT_H
#define ACTORS_RAFT_RAFT_H

#include "runtime/actor.h"

enum {
    RAFT_GROUP_PD = 0,                    /* of the placement driver; a shard's is its id */
    RAFT_FRAME_BYTES = 1024 * 1024,       /* a frame that reached this leaves at once */
    RAFT_FRAME_PARCELS = 8192,            /* … or this many messages */
    RAFT_WAITING_BYTES = 4 * 1024 * 1024, /* kept for a peer that is being looked up */
    RAFT_PEERS_MAX = 1024,
};

struct raft_options {
    const char *link; /* where others reach this process; borrowed; NULL or "": not told */
};

extern const struct actor_type raft_type; /* open takes struct raft_options */

#endif
