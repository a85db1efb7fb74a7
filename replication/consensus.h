/* consensus: one replica's part in Raft (Ongaro 2014): events and the clock go in, effects come
 * out. No I/O, no threads, no log content; libraft's raft_step core underneath, behind which
 * nothing of it shows.
 *
 *     receive, propose, persisted, tick, read … ──▶ consensus ──▶ effects: persist, send, apply,
 * install
 *
 * Each call fills in effects, also when it refuses, that the host carries out before the next call;
 * they are borrowed until then. One owner at a time. Sources: dissertation sections 3.4
 * to 3.10, 4.2.1 to 4.2.3, 6.4, 9.6.
 *
 * What the host owes (numbers of design page "raft", section 7):
 *  - H1  what `persist` says is made durable in the order of its numbers, then consensus_persisted;
 * messages leave when the write `after` is durable, in order
 *  - H2  entries from effects.first on replace all that the log had there
 *  - a call that fails with CORRUPT or NO_MEMORY leaves a replica that must not go on: close it and
 * open it again from what is durable */
#ifndef REPLICATION_CONSENSUS_H
#define REPLICATION_CONSENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"
#include "schemas/raft.pb-c.h"

struct buffer;
struct consensus;

enum consensus_kind {
    CONSENSUS_COMMAND = 1, /* the state machine's */
    CONSENSUS_BARRIER,     /* nothing to apply: a leader's first entry */
    CONSENSUS_CHANGE,      /* of the members; nothing to apply */
};

enum consensus_role { CONSENSUS_FOLLOWER, CONSENSUS_CANDIDATE, CONSENSUS_LEADER };

enum {
    CONSENSUS_MEMBERS_MAX = 64,
    CONSENSUS_READS_MAX = 4096,    /* waiting; beyond it BUSY */
    CONSENSUS_INFLIGHT_MAX = 4096, /* entries on their way to one follower */
    CONSENSUS_ADDRESS_MAX = 255,   /* bytes */
};

struct consensus_entry {
    uint64_t term;
    enum consensus_kind kind;
    const void *data; /* borrowed */
    size_t size;
};

/* What a replica knows of its durable state when it opens. */
struct consensus_options {
    uint64_t group;
    uint64_t id;           /* of this incarnation of the replica, never used before; not 0 */
    const char *address;   /* copied */
    uint64_t seed;         /* another one for each replica: election timers (H12) */
    uint32_t election_ms;  /* a follower waits 1 to 2 of them; 0 = 1,000 */
    uint32_t heartbeat_ms; /* 0 = election_ms / 10 */
    uint32_t install_ms;   /* longest transfer of a snapshot; 0 = 600,000 */
    uint64_t now_ms;       /* monotonic, the host's */
    uint64_t term, vote;   /* 0, 0: never was in a term */
    uint64_t snapshot_index, snapshot_term; /* 0: none */
    const RaftMembers *members;             /* as of the snapshot; NULL: none */
    uint64_t members_index;
    uint64_t first; /* index of entries[0]; a log without a snapshot begins at 1 */
    const struct consensus_entry *entries; /* data is read of changes only */
    uint32_t n_entries;
};

struct consensus_read {
    uint64_t token;
    enum status status; /* OK; NOT_LEADER: not any more, ask the new one */
    uint64_t index;     /* OK: serve once this is applied */
};

struct consensus_effects {
    /* To be made durable in one synced batch; then consensus_persisted(persist). 0: nothing. */
    uint64_t persist;
    bool hard; /* with term and vote */
    uint64_t term, vote;
    uint64_t first; /* 0: no entries. Else what the log holds from here on goes, then come: */
    const struct consensus_entry *entries;
    uint32_t n_entries;
    /* To be sent once write `after` is durable (0: at once). wanted[i] > 0: messages[i] is an
     * append to which the host adds up to that many entries behind prev_index (consensus_split). An
     * install gets its descriptor from the host. */
    uint64_t after;
    RaftMessage **messages;
    const uint32_t *wanted;
    uint32_t n_messages;
    /* Entries up to here may be applied: committed, and durable here. Never moves back. */
    uint64_t apply;
    /* A snapshot that must replace state and log; then consensus_installed. NULL: none. */
    const RaftInstall *install;
    uint64_t install_from;
    const struct consensus_read *reads; /* that ended */
    uint32_t n_reads;
    bool changed; /* role, leader or members: see consensus_state */
};

/* INVALID: the options contradict each other (words in *why, static; may be NULL); NO_MEMORY.
 * Effects of the start come with it. */
MUST_USE enum status consensus_open(const struct consensus_options *options,
                                    struct consensus **out,
                                    struct consensus_effects *effects,
                                    const char **why);
/* NULL is fine. */
void consensus_close(struct consensus *consensus);

/* The first entry of a new group's log, index 1 of term 1: the host makes it durable at every
 * founding member before it opens. Appends the encoded members to data. INVALID: no voter, an id
 * twice, … */
MUST_USE enum status
consensus_found(const RaftMembers *members, struct buffer *data, const char **why);

/* A message of the group for this replica. INVALID, and nothing happened, when it is not sound
 * (H10): a peer must not be able to break us. */
MUST_USE enum status consensus_receive(struct consensus *consensus,
                                       uint64_t now_ms,
                                       const RaftMessage *message,
                                       struct consensus_effects *effects);
/* The connection to this member broke. When it leads, its voice must come soon: the others do not
 * wait for it as long as for one that is only silent. consensus_due may be sooner now. */
void consensus_lost(struct consensus *consensus, uint64_t now_ms, uint64_t id);
/* All writes up to this number are durable. */
MUST_USE enum status consensus_persisted(struct consensus *consensus,
                                         uint64_t now_ms,
                                         uint64_t persist,
                                         struct consensus_effects *effects);
/* The time consensus_due named has come. Early or late is fine. */
MUST_USE enum status
consensus_tick(struct consensus *consensus, uint64_t now_ms, struct consensus_effects *effects);
uint64_t consensus_due(const struct consensus *consensus);

/* New commands, appended as one write; *first gets the index of the first. NOT_LEADER. */
MUST_USE enum status consensus_propose(struct consensus *consensus,
                                       uint64_t now_ms,
                                       const struct consensus_entry *commands,
                                       uint32_t n,
                                       uint64_t *first,
                                       struct consensus_effects *effects);

/* A read that must see everything acknowledged before it: ends as an effect, exactly once, OK or
 * NOT_LEADER (6.4, without a log write). Reads that come while a round is under way share the next
 * one. Failing at once: NOT_LEADER, BUSY. */
MUST_USE enum status consensus_read(struct consensus *consensus,
                                    uint64_t now_ms,
                                    uint64_t token,
                                    struct consensus_effects *effects);

/* For a reader that asks the voters itself, after its read began, whether any of them knows a later
 * term: what was acknowledged before the read is at or below *index, when a majority of the members
 * of now, this one among them, knows none. False: this is not the leader, or it has no entry of its
 * term committed yet. */
bool consensus_unasked(const struct consensus *consensus, uint64_t *index);

enum consensus_step { CONSENSUS_ADD_LEARNER, CONSENSUS_PROMOTE, CONSENSUS_REMOVE };
struct consensus_change {
    enum consensus_step step;
    uint64_t id;
    const char *address; /* of ADD_LEARNER */
};
/* One member at a time (4.1), on the leader. Done when consensus_state shows the member so and
 * changing is false. NOT_LEADER; BUSY: another change is under way; NOT_READY: no entry of the own
 * term is committed yet, or the learner to promote is still catching up (which this call starts):
 * again later; EXISTS, NOT_FOUND; INVALID: the leader itself (transfer first), the last voter, the
 * address. */
MUST_USE enum status consensus_change(struct consensus *consensus,
                                      uint64_t now_ms,
                                      const struct consensus_change *change,
                                      struct consensus_effects *effects);
/* Hands leadership to a voter that has the whole log (3.10), and nothing else. NOT_LEADER;
 * NOT_READY: it has not, or no entry of the own term is committed yet (which this call adds): again
 * later; INVALID: not another voter; BUSY: a transfer is under way. */
MUST_USE enum status consensus_transfer(struct consensus *consensus,
                                        uint64_t now_ms,
                                        uint64_t id,
                                        struct consensus_effects *effects);

/* The host has a durable snapshot of state as of index (applied already); entries up to index -
 * trailing may leave the log. */
MUST_USE enum status consensus_snapshot(struct consensus *consensus,
                                        uint64_t now_ms,
                                        uint64_t index,
                                        uint64_t term,
                                        uint32_t trailing,
                                        struct consensus_effects *effects);
/* effects.install is durable, log and state are as it says. */
MUST_USE enum status consensus_installed(struct consensus *consensus,
                                         uint64_t now_ms,
                                         struct consensus_effects *effects);
/* Members as of an applied index, for a snapshot: appended to data encoded, *index is theirs. */
MUST_USE enum status consensus_members_at(const struct consensus *consensus,
                                          uint64_t applied,
                                          struct buffer *data,
                                          uint64_t *index);

struct consensus_state {
    enum consensus_role role;
    uint64_t term;
    uint64_t leader; /* 0: unknown */
    uint64_t last;   /* index of the log's last entry */
    uint64_t commit;
    uint64_t durable;
    bool voter;
    bool changing; /* a change of the members is not committed yet */
    bool installing;
    uint64_t transferee; /* 0: no transfer is under way */
};
void consensus_state(const struct consensus *consensus, struct consensus_state *out);
/* The nth member by the newest configuration; false beyond the last. The address is borrowed until
 * the next call. *match: the last index known to be there, on the leader. */
struct consensus_member {
    uint64_t id;
    const char *address;
    bool voter;
    uint64_t match;
};
bool consensus_member(const struct consensus *consensus, size_t nth, struct consensus_member *out);

/* How many of the first n entries that follow a message's prev_index may travel in it: at most
 * max_bytes of data (but at least one entry), and a change travels only as the first (H9). The host
 * sends the rest in messages of their own, each with the prev_index and prev_term of the entry
 * before it. */
uint32_t consensus_split(const struct consensus_entry *entries, uint32_t n, size_t max_bytes);

#endif
