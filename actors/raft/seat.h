/* seat: a replica's place in its Raft group, as the actor that keeps the state has it. It hosts the
 * consensus core (replication/consensus.h) and carries its effects out: entries, term and vote to
 * the log actor, messages to the raft actor, committed entries to the machine, in order.
 *
 *     seat_push ─▶ waiting ─ gate ─▶ proposed ─▶ log + followers ─▶ committed: ready ─▶ seat_take
 *     seat_receive (from the raft actor), its own timer ─▶ the same effects
 *
 * Part of an actor: used in its turns only. At most one append to the log is under way; what comes
 * meanwhile is the next one. A group of one leads from its first turn on. */
#ifndef ACTORS_RAFT_SEAT_H
#define ACTORS_RAFT_SEAT_H

#include "actors/journal/journal.h"
#include "replication/consensus.h"
#include "storage/log_store.h"

enum {
    SEAT_ELECTION_MS = 500, /* a follower waits 1 to 2 of them */
    SEAT_HEARTBEAT_MS = 100,
    SEAT_INSTALL_MS = 10 * 1000,        /* then a snapshot is offered again */
    SEAT_CACHE_BYTES = 2 * 1024 * 1024, /* of entries kept in memory for followers */
    SEAT_TRAILING_MAX = 4096,           /* entries kept for followers that are behind */
    SEAT_APPEND_BYTES = 1024 * 1024,    /* of one message to a follower; an entry always fits */
};

/* What is durable of a replica, read on the blocking pool. */
struct seat_facts {
    struct log_state log;
    bool recorded; /* there is a snapshot: */
    uint64_t snapshot_index, snapshot_term, members_index, generation;
    struct buffer members;           /* encoded RaftMembers as of it */
    struct consensus_entry *entries; /* owned: all of the log, data of changes alone */
    uint32_t n_entries, room;
    struct buffer changes; /* that data */
    bool empty;            /* nothing was ever kept here */
    bool alone;            /* this replica is all the voters there are: what it has is committed */
    bool legacy;           /* a log from before there were groups */
};
/* Of replica `id`, whose log is store_id. Blocks. CORRUPT, IO, NO_MEMORY. */
MUST_USE enum status
seat_facts_read(struct seat_facts *facts, struct log_store *log, uint64_t store_id, uint64_t id);
void seat_facts_free(struct seat_facts *facts);

struct seat_snapshot;
/* What keeps the state. All of it is the owner's, in its turns. */
struct seat_machine {
    /* Committed entries wait to be taken. */
    void (*ready)(void *owner, struct turn *turn);
    /* The next proposal may not be logged yet (no room where it is applied). NULL: never. */
    bool (*gate)(void *owner, const struct proposal *next, struct turn *turn);
    /* One that passed the gate will not be applied as ours. NULL: nobody asks. */
    void (*dropped)(void *owner, const struct proposal *proposal);
    /* A read that seat_read began: OK: serve once index is applied. */
    void (*read)(
        void *owner, uint64_t token, enum status status, uint64_t index, struct turn *turn);
    /* The role, leader, term or members are others. */
    void (*changed)(void *owner, struct turn *turn);
    /* The log refused: DISK_FULL (seat_retry), else the seat is given up. */
    void (*failed)(void *owner, enum status status, const char *text, struct turn *turn);
    /* A follower needs a snapshot: seat_offer, when there is one. */
    void (*offer)(void *owner, uint64_t to, struct turn *turn);
    /* This replica needs the one offered by whoever is reached at link: seat_install once it is
     * durable under its generation. */
    void (*take)(void *owner,
                 const struct seat_snapshot *snapshot,
                 const char *link,
                 struct turn *turn);
    /* seat_install is durable: the actor is to begin anew. */
    void (*installed)(void *owner, struct turn *turn);
    /* The replica may take part from now on. */
    void (*opened)(void *owner, struct turn *turn);
};

struct seat_options {
    uint64_t group;
    uint64_t id;           /* of the replica: never used before */
    uint64_t store;        /* its log; 0: it is called like the replica */
    const char *address;   /* link of this process; "": it is reached by nobody. Borrowed */
    struct bytes founders; /* encoded RaftMembers, borrowed; nothing: this replica alone */
    bool founder;          /* of them: an empty log is to be founded */
    struct log_store *log; /* borrowed */
    uint64_t applied;      /* by the machine */
    const struct seat_machine *machine;
    void *owner;
};

/* A snapshot on its way. */
struct seat_snapshot {
    uint64_t index, term;
    uint64_t number;     /* the leader's, of its offer */
    uint64_t generation; /* of the store it is to go to */
};

struct seat;
/* Takes what the facts hold. NO_MEMORY. */
MUST_USE enum status seat_open(const struct seat_options *options,
                               struct seat_facts *facts,
                               struct turn *turn,
                               struct seat **out);
/* Promises of a stopping actor are the runtime's. NULL is fine. */
void seat_close(struct seat *seat);

/* Takes the proposal; it is rejected NOT_LEADER when this replica does not lead. */
void seat_push(struct seat *seat, struct proposal **proposal, struct turn *turn);
/* Looks at the gate again. */
void seat_pump(struct seat *seat, struct turn *turn);
/* What waits at the gate: proposals, bytes, weight. */
const struct proposals *seat_waiting(const struct seat *seat);
/* Proposals that are not committed yet, and their bytes. */
uint32_t seat_pending(const struct seat *seat);
size_t seat_pending_bytes(const struct seat *seat);
bool seat_writing(const struct seat *seat);
/* Rejects all that is owed, also of what is in the log already. */
void seat_reject(struct seat *seat, enum status status, const char *text, struct turn *turn);
/* After DISK_FULL: tries again what was refused. */
void seat_retry(struct seat *seat, struct turn *turn);
/* The state is broken: takes no part in the group any more. */
void seat_leave(struct seat *seat);

/* Committed entries that follow what was taken before, at most n and bytes (one always fits). */
void seat_take(
    struct seat *seat, uint32_t n, size_t bytes, struct proposals *out, struct turn *turn);

/* From the raft actor. */
void seat_receive(struct seat *seat, const RaftReceive *message, struct turn *turn);

/* Begins a read that must see all that was acknowledged; ends in machine.read, perhaps at once.
 * NOT_LEADER, BUSY. */
MUST_USE enum status seat_read(struct seat *seat, uint64_t token, struct turn *turn);
/* See consensus_unasked. */
bool seat_unasked(const struct seat *seat, uint64_t *index);
/* It leads and is all the voters there are: what it applied is all there is to see. */
bool seat_alone(const struct seat *seat);
/* False: it is not open (yet). */
bool seat_state(const struct seat *seat, struct consensus_state *out);
bool seat_member(const struct seat *seat, size_t nth, struct consensus_member *out);
/* When a message of that replica came last, on the turn's clock; 0: never. */
uint64_t seat_heard_us(const struct seat *seat, uint64_t id);
/* Link of the leader; "" when it is not known. */
const char *seat_leader(const struct seat *seat);
/* One step of changing members, or a transfer; see consensus_change. */
MUST_USE enum status
seat_change(struct seat *seat, const struct consensus_change *change, struct turn *turn);
MUST_USE enum status seat_transfer(struct seat *seat, uint64_t id, struct turn *turn);
/* At a leader: the other voter that has most of the log; 0: there is none. */
uint64_t seat_heir(const struct seat *seat);

/* Offers a snapshot to a follower; its index is applied here. */
void seat_offer(struct seat *seat,
                const struct seat_snapshot *snapshot,
                uint64_t to,
                struct turn *turn);
/* The snapshot that machine.take was given is durable: it becomes what the log stands on. */
void seat_install(struct seat *seat, struct turn *turn);

/* The machine's state is durable as of index: the log is cut below, but for what followers need. */
void seat_snapshot(struct seat *seat, uint64_t index, uint64_t term, struct turn *turn);

#endif
