/* driver: the state of the pd actor, shared by the files that make it up. Nobody else includes it.
 *
 *   pd.c           what it accepts
 *   restore.c         from what is durable to a seat in the group
 *   founding.c     … of a founder that begins with nothing
 *   group.c        proposals in, committed commands applied; leading
 *   disk.c         a log that is refused
 *   slots.c        snapshots, durable beside the log
 *   courier.c     snapshots on their way between members
 *   members.c      who is in the group
 *   collections.c, workers.c, rerankers.c, requests.c (of administrators), steward.c (repairs) */
#ifndef ACTORS_PD_DRIVER_H
#define ACTORS_PD_DRIVER_H

#include "actors/pd/catalog.h"
#include "actors/pd/pd.h"
#include "actors/pd/reconcile.h"
#include "actors/raft/seat.h"

/* A collection that is being created: its client waits until every shard serves. */
struct creation {
    struct creation *next;
    struct promise promise;
    bool owed;
    uint64_t timer;
    bool logged;    /* it is in the catalog */
    uint64_t token; /* the client's */
    char name[CATALOG_NAME_MAX + 1];
};

struct driver;
typedef void (*slot_done)(struct driver *self, enum status status, struct turn *turn);

struct restore;
struct saving;
struct offer;
struct intake;

struct driver {
    struct pd_options options;
    bool ready;  /* it leads, and has applied all that was committed before */
    bool failed; /* it takes no part: why */
    char why[320];
    struct catalog catalog;
    struct seat *seat;       /* owned; NULL until it is loaded */
    struct restore *restore; /* owned, while in the lane */
    struct buffer founders;  /* encoded RaftMembers; empty: this one alone */
    bool founder;            /* this one is among them */
    bool leads;
    bool applying;      /* entries are being applied */
    bool apply_armed;   /* … more of them in a turn to come */
    uint64_t lead_from; /* the entry to be applied before it is ready */
    uint64_t lead_term;
    actor_handle leader;    /* the one that leads, in its process; 0: this one, or not found */
    uintptr_t leader_looks; /* lookups of it, the newest counts */
    uint64_t birth_term;    /* in which it proposed the birth of the cluster */
    uint64_t applied, applied_term;
    uint64_t generation;   /* of the log: another one for each snapshot from a peer */
    uint64_t slot;         /* store of the snapshot that counts; 0: none */
    struct saving *saving; /* owned; a snapshot on its way to a slot */
    struct offer *offer;   /* owned; … to a follower */
    struct intake *intake; /* owned; … from the leader */
    bool disk_full;        /* the log is refused */
    bool retry_armed;      /* … and is tried again */
    bool hand_armed;       /* … and leadership is to be given away */
    bool noting;           /* a row about a member is on its way to the log */
    uint32_t founding_rounds;
    uint64_t founder_ids[PD_FOUNDERS_MAX];
    uint32_t founders_heard;    /* bits, by their place: they said that this one is new */
    slot_done on_slot;          /* what is written to a slot, is */
    uint64_t entries;           /* applied since the last snapshot */
    struct creation *creations; /* owned */
    bool registering;           /* a worker's row is on its way to the log */
    /* Ids given; ahead of the catalog while a row is on its way. */
    uint64_t next_worker;
    uint64_t next_shard;
    uint64_t next_store;
    /* steward.c */
    uint64_t since_us; /* beats are heard since then */
    uint64_t look_timer;
    uint64_t look_us;       /* when it rings */
    uint32_t errands;       /* steps asked of leaders, not answered yet */
    uint64_t leaderless_us; /* since when some shards have no leader; 0: all have one */
    bool rebalance;         /* asked for: until nothing is left to even out */
    struct reconcile_output seen;
    /* rerankers.c */
    struct reranker *rerankers; /* owned */
    uint32_t n_rerankers;
    uint32_t next_reranker; /* whose turn it is */
};

/* group.c: OK while it is ready. NOT_LEADER names the leader; NOT_READY; QUARANTINED. */
MUST_USE enum status driver_judge(const struct driver *self, struct turn *turn);
/* Logs a command; its effect comes when it is applied. The promise (may be NULL) is rejected when
 * the log refuses, or this member leads no more, else settled by whoever handles the command. */
MUST_USE enum status driver_propose(struct driver *self,
                                    const PdCommand *command,
                                    const struct promise *promise,
                                    struct turn *turn);
/* True: it was handed on to the member that leads, who answers. */
bool group_forward(const struct driver *self, struct turn *turn);
/* Takes its seat with what restore.c found. */
void group_join(struct driver *self, struct seat_facts *facts, struct turn *turn);
/* It takes no part any more, and says why. */
void group_fail(struct driver *self, enum status status, const char *text, struct turn *turn);
enum status group_receive(struct driver *self, const RaftReceive *msg, struct turn *turn);

/* disk.c: the log refused. */
void disk_refused(struct driver *self, enum status status, const char *text, struct turn *turn);
/* While it is full: why nothing may be proposed. */
MUST_USE enum status disk_judge(const struct driver *self, struct turn *turn);

/* restore.c: ends in group_join or group_fail. */
void restore_start(struct driver *self, struct turn *turn);
/* What founding waited for is known. */
void restore_join(struct driver *self, struct turn *turn);
void restore_free(struct restore *restore);
/* founding.c: none but a founder that found no log. Ends in group_join or group_fail. */
void founding_start(struct driver *self, struct turn *turn);
enum status founding_answer(struct driver *self, const PdAskFounder *msg, struct turn *turn);

/* slots.c */
struct slot_part {
    uint64_t store;
    uint64_t nth; /* from 1 */
    struct bytes data;
    bool last;
    uint64_t index, term, generation; /* of the snapshot */
};
/* One part, synced; one at a time. The store holds no whole snapshot from the first one on until
 * the last. */
void slot_put(struct driver *self, const struct slot_part *part, slot_done done, struct turn *turn);
/* The store that may be written to. */
uint64_t slot_other(const struct driver *self);
/* The snapshot in the slot is durable, and counts. */
void slot_settled(struct driver *self, uint64_t store);
/* A catalog_emit into struct proposals. */
enum status slots_emit(void *context, struct buffer *entry);
/* Writes a snapshot when there are enough entries. */
void slots_look(struct driver *self, struct turn *turn);
void slots_free(struct driver *self);

/* courier.c: of the seat's machine, and the leader's answer. */
void courier_offer(void *owner, uint64_t to, struct turn *turn);
void courier_take(void *owner,
                  const struct seat_snapshot *snapshot,
                  const char *link,
                  struct turn *turn);
enum status courier_fetch(struct driver *self, const PdFetch *msg, struct turn *turn);
/* A slot is free again: an intake may have waited for it. */
void courier_go_on(struct driver *self, struct turn *turn);
void courier_free(struct driver *self);

/* members.c */
enum status members_change(struct driver *self, const PdChangeMember *msg, struct turn *turn);
/* Promotes who has caught up, notes who takes part; while it leads. */
void members_look(struct driver *self, struct turn *turn);
/* Fills in what the group is, as this member knows it. */
MUST_USE enum status members_tell(const struct driver *self, PdLeader *out, struct turn *turn);

/* collections.c */
MUST_USE enum status
driver_create(struct driver *self, const PdCreateCollection *msg, struct turn *turn);
MUST_USE enum status
driver_delete(struct driver *self, const PdDeleteCollection *msg, struct turn *turn);
MUST_USE enum status
driver_change_column(struct driver *self, const PdChangeColumn *msg, struct turn *turn);
MUST_USE enum status
driver_list(struct driver *self, const PdListCollections *msg, struct turn *turn);
MUST_USE enum status driver_route(struct driver *self, const PdRoute *msg, struct turn *turn);
/* A command on a collection was applied. */
void collection_applied(struct driver *self,
                        const PdCommand *command,
                        const struct promise *promise,
                        struct turn *turn);
/* Shards of this collection were heard of. */
void collection_heard(struct driver *self,
                      struct catalog_collection *collection,
                      struct turn *turn);
/* What is not in the catalog yet will not come: the log refused it, or another member leads. */
void collections_refused(struct driver *self,
                         enum status status,
                         const char *text,
                         struct turn *turn);
/* Another member leads: whoever waits is told. */
void collections_leave(struct driver *self, const char *text, struct turn *turn);
/* This member leads: creations that the one before began go on. */
void collections_lead(struct driver *self, struct turn *turn);
void collections_free(struct driver *self);

/* workers.c */
MUST_USE enum status driver_register(struct driver *self, const PdRegister *msg, struct turn *turn);
MUST_USE enum status driver_beat(struct driver *self, const PdBeat *msg, struct turn *turn);
MUST_USE enum status
driver_workers(struct driver *self, const PdListWorkers *msg, struct turn *turn);
void worker_applied(struct driver *self,
                    const PdCommand *command,
                    const struct promise *promise,
                    struct turn *turn);
/* What a person is told: joining, ready, suspected, dead, draining, drained, removing. */
const char *worker_state(const struct catalog_worker *worker, uint64_t now_us);
/* Its keeper fetches its assignments now and not at the next beat. */
void worker_wake(const struct driver *self, uint64_t worker, struct turn *turn);
/* Says "worker 2 (127.0.0.1:9090)". Turn memory. */
const char *worker_words(const struct catalog_worker *worker, struct turn *turn);

/* steward.c: carries out what reconcile asks for. */
void steward_start(struct driver *self, struct turn *turn);
/* Something changed: looks soon, not only at the next tick. */
void steward_soon(struct driver *self, struct turn *turn);
/* A row it proposed, or an administrator's, was applied. */
void steward_applied(struct driver *self,
                     const PdCommand *command,
                     const struct promise *promise,
                     struct turn *turn);
/* The log refused what was on its way. */
void steward_refused(struct driver *self);
/* Another member leads. */
void steward_stop(struct driver *self, struct turn *turn);
/* A replica's row: added under a new id. */
MUST_USE enum status steward_add(struct driver *self,
                                 struct catalog_shard *shard,
                                 const struct catalog_worker *worker,
                                 struct turn *turn);
/* A change of a replica's row. The promise (may be NULL) is answered Done, or rejected. */
enum row_change { ROW_STARTED, ROW_VOTER, ROW_LEAVE, ROW_STAY, ROW_DROP };
MUST_USE enum status steward_change(struct driver *self,
                                    struct catalog_shard *shard,
                                    const struct catalog_replica *replica,
                                    enum row_change change,
                                    const struct promise *promise,
                                    struct turn *turn);
MUST_USE enum status steward_worker(struct driver *self,
                                    struct catalog_worker *worker,
                                    enum catalog_worker_state state,
                                    const struct promise *promise,
                                    struct turn *turn);
struct reconcile_input steward_input(const struct driver *self, bool balance, struct turn *turn);

/* requests.c: of administrators. */
MUST_USE enum status driver_drain(struct driver *self, const PdDrain *msg, struct turn *turn);
MUST_USE enum status driver_remove(struct driver *self, const PdRemove *msg, struct turn *turn);
MUST_USE enum status driver_move(struct driver *self, const PdMove *msg, struct turn *turn);
MUST_USE enum status
driver_rebalance(struct driver *self, const PdRebalance *msg, struct turn *turn);
MUST_USE enum status driver_leader(struct driver *self, const PdAskLeader *msg, struct turn *turn);
MUST_USE enum status driver_shards(struct driver *self, const PdListShards *msg, struct turn *turn);

/* rerankers.c: who reranks: found by clients through the placement driver. */
MUST_USE enum status
driver_register_reranker(struct driver *self, const PdRegisterReranker *msg, struct turn *turn);
MUST_USE enum status
driver_beat_reranker(struct driver *self, const PdRerankerBeat *msg, struct turn *turn);
MUST_USE enum status
driver_list_rerankers(struct driver *self, const PdListRerankers *msg, struct turn *turn);
MUST_USE enum status
driver_pick_reranker(struct driver *self, const PdPickReranker *msg, struct turn *turn);
void rerankers_free(struct driver *self);

#endif
