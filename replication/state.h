/* state: what is behind struct consensus. Private to replication/.
 *
 *   consensus.c   open, events, what is known
 *   effects.c     one raft_step, its update into effects
 *   guard.c       what a peer may say
 *   writes.c      which of our writes are durable
 *   past.c        the configurations in the log
 *   membership.c  changes, transfer
 *   votes.c       what learners grant; terms that a refused pre-vote must learn; whose turn it is
 *   standing.c    what a follower certainly has
 *   reads.c       read index rounds */
#ifndef REPLICATION_STATE_H
#define REPLICATION_STATE_H

#include <raft.h>

#include "replication/consensus.h"
#include "replication/members.h"
#include "runtime/arena.h"
#include "runtime/buffer.h"

/* One message going out, with the body it may have. */
struct outgoing {
    RaftMessage message;
    union {
        RaftVote vote;
        RaftVoteResult vote_result;
        RaftAppend append;
        RaftAppendResult append_result;
        RaftInstall install;
        RaftTimeoutNow timeout_now;
        RaftRead read;
        RaftReadResult read_result;
    };
};

/* A write the host was told to make. */
struct write {
    uint64_t number;
    uint64_t last; /* index it makes durable, as far as it was not overwritten since; 0: none */
    bool hard;
};
struct writes {
    struct write *ring; /* owned */
    uint32_t first, count, capacity;
    uint64_t number; /* of the newest */
};
MUST_USE enum status writes_add(struct writes *writes, uint64_t last, bool hard);
/* The log is cut before index `first`: what was on its way there does not count any more. */
void writes_cut(struct writes *writes, uint64_t first);
/* Takes out what is durable by now; returns the last index among it, 0: none. */
uint64_t writes_done(struct writes *writes, uint64_t number);
/* The newest write of term or vote that is on its way, 0: none. */
uint64_t writes_hard(const struct writes *writes);
void writes_free(struct writes *writes);

/* A configuration in the log or in the snapshot. */
struct past {
    uint64_t index;
    struct raft_configuration members; /* owned */
    bool told;                         /* libraft knows that it is committed */
};

struct reads {
    uint64_t *waiting; /* owned: tokens for the next round */
    uint32_t n_waiting, waiting_capacity;
    uint64_t *asked; /* owned: tokens of the round under way */
    uint32_t n_asked, asked_capacity;
    uint64_t round;                         /* number of the newest */
    uint64_t index;                         /* commit index when it began */
    uint64_t asked_ms;                      /* when it was sent last */
    uint64_t voters[CONSENSUS_MEMBERS_MAX]; /* who granted it */
    uint32_t n_voters;
};

struct consensus {
    struct raft raft;
    bool started; /* raft_init was done */
    uint64_t group, id;
    uint32_t heartbeat_ms, election_ms;
    uint64_t heard_ms; /* of a leader */
    uint64_t now_ms;
    uint64_t commit;  /* never back (H7) */
    uint64_t durable; /* last index of the log that is durable */
    uint64_t applied; /* told to the host */
    uint64_t snapshot_index, snapshot_term;
    uint64_t last_term;      /* of the log's last entry */
    uint64_t own_term_index; /* first entry of the term we lead, 0: none yet */
    uint64_t told_term;      /* as of the last effects.changed … */
    uint64_t told_leader;
    unsigned short told_role;
    bool fatal; /* a call failed in a way that is not to be gone on from */
    struct writes writes;
    struct past *past; /* owned; by index */
    uint32_t n_past, past_capacity;
    struct raft_snapshot_metadata installing; /* its members owned while raft.snapshot.installing */
    RaftInstall *install;                     /* in install_arena */
    struct arena install_arena;
    struct buffer install_bytes; /* it, encoded */
    struct reads reads;
    /* of the effects */
    struct consensus_entry *entries; /* owned */
    uint32_t n_entries, entries_capacity;
    struct buffer changes; /* encoded members of changes among the entries */
    void **batches;        /* owned: libraft's, given back at the next call */
    uint32_t n_batches, batches_capacity;
    struct outgoing *outgoing; /* owned */
    RaftMessage **messages;    /* owned */
    uint32_t *wanted;          /* owned */
    uint32_t n_messages, messages_capacity;
    struct consensus_read *ended; /* owned */
    uint32_t n_ended, ended_capacity;
};

/* Here, since poison.h keeps the name of libraft's field from the sources. */
static inline void event_at(struct raft_event *event, uint64_t now_ms) {
    event->time = now_ms;
}

/* Forgets the effects of the last call; begins new ones. */
void effects_begin(struct consensus *self, uint64_t now_ms, struct consensus_effects *effects);
/* What is known at the end of a call. */
MUST_USE enum status effects_end(struct consensus *self, struct consensus_effects *effects);
/* One raft_step; its update is added to the effects. libraft's own refusals: NOT_LEADER, BUSY,
 * NO_MEMORY, else CORRUPT. */
MUST_USE enum status
effects_step(struct consensus *self, struct raft_event *event, struct consensus_effects *effects);
/* A message of ours, its body zeroed, in the effects. NULL: no memory. */
struct outgoing *effects_message(struct consensus *self, uint64_t to);
/* Room for one more element; NO_MEMORY. */
MUST_USE enum status effects_room(void **array, uint32_t n, uint32_t *capacity, size_t size);

/* Appends entries of ours to the log; the leader. */
MUST_USE enum status consensus_submit(struct consensus *self,
                                      struct raft_entry *entries,
                                      uint32_t n,
                                      struct consensus_effects *effects);
/* A leader needs a committed entry of its own term before a read or a change (H8, 6.4): appends one
 * where there is none and no transfer is under way. *committed: it is there. */
MUST_USE enum status
consensus_own_term(struct consensus *self, bool *committed, struct consensus_effects *effects);

MUST_USE enum status
past_add(struct consensus *self, uint64_t index, struct raft_configuration *members /* taken */);
void past_cut(struct consensus *self, uint64_t first);
/* Keeps what a snapshot of index needs. */
void past_forget(struct consensus *self, uint64_t index);
const struct past *past_at(const struct consensus *self, uint64_t index);

/* Sound, and of use now: false, and nothing is to happen, when the message is stale. */
MUST_USE enum status guard_judge(struct consensus *self, const RaftMessage *message, bool *wanted);

/* A group was founded, and nobody led it yet. */
void votes_first(struct consensus *self);
/* Before a vote is answered: a learner whose leader is silent, or asks for votes, has none. */
void votes_look(struct consensus *self, const RaftMessage *message);
/* A vote that libraft refused, since this replica is a learner by its own log. */
void votes_of_learner(struct consensus *self,
                      const RaftMessage *message,
                      struct consensus_effects *effects);

/* After a vote was answered: a refusal says in which term. */
void votes_refused(struct consensus *self, const RaftMessage *message);
/* A refusal in a later term than ours: it is ours from then on. */
bool votes_too_old(const struct consensus *self, const RaftMessage *message);
void votes_take_term(const RaftMessage *message, struct raft_message *out);

/* Behind an append that may have been refused: says before it what is certain. */
MUST_USE enum status standing_tell(struct consensus *self, const RaftMessage *message);

MUST_USE enum status reads_progress(struct consensus *self, struct consensus_effects *effects);
MUST_USE enum status
reads_answer(struct consensus *self, const RaftMessage *message, struct consensus_effects *effects);
MUST_USE enum status reads_ask_again(struct consensus *self);
uint64_t reads_due(const struct consensus *self);
MUST_USE enum status reads_end_all(struct consensus *self, enum status status);

#endif
