/* driver: the state of the pd actor, shared by pd.c (life, log), collections.c, workers.c,
 * steward.c (repairs and moves) and requests.c (of administrators). Nobody else includes it. */
#ifndef ACTORS_PD_DRIVER_H
#define ACTORS_PD_DRIVER_H

#include "actors/journal/journal.h"
#include "actors/pd/catalog.h"
#include "actors/pd/pd.h"
#include "actors/pd/reconcile.h"

/* A collection that is being created: its client waits until every shard serves. */
struct creation {
    struct creation *next;
    struct promise promise;
    uint64_t timer;
    bool logged; /* it is in the catalog */
    char name[CATALOG_NAME_MAX + 1];
};

struct driver {
    struct pd_options options;
    bool ready;  /* the log was replayed */
    bool failed; /* it cannot be: why */
    char why[320];
    struct catalog catalog;
    struct journal journal;
    uint64_t entries;           /* of log since the last snapshot */
    uint64_t snapshot_at;       /* first index of the snapshot on its way, 0 = none */
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

/* pd.c: OK once the log was replayed, else NOT_READY with words. */
MUST_USE enum status driver_judge(const struct driver *self, struct turn *turn);
/* Logs a command; its effect comes by driver_applied. The promise (may be NULL) is rejected when
 * the log refuses, else settled by whoever handles the command. */
MUST_USE enum status driver_propose(struct driver *self,
                                    const PdCommand *command,
                                    const struct promise *promise,
                                    struct turn *turn);

/* collections.c */
MUST_USE enum status
driver_create(struct driver *self, const PdCreateCollection *msg, struct turn *turn);
MUST_USE enum status
driver_delete(struct driver *self, const PdDeleteCollection *msg, struct turn *turn);
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
/* The log refused what was on its way. */
void collections_refused(struct driver *self,
                         enum status status,
                         const char *text,
                         struct turn *turn);
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
