/* catalog: the metadata of a cluster: workers, collections, shards, who keeps which. A state
 * machine: it changes only by catalog_apply, from entries of the PD's log, so that replay gives the
 * same state. The fields marked soft are not in the log; workers tell them again after a restart.
 * No I/O, no clock. */
#ifndef ACTORS_PD_CATALOG_H
#define ACTORS_PD_CATALOG_H

#include "runtime/buffer.h"
#include "runtime/turn.h"
#include "schemas/pd.pb-c.h"

/* Three beats of 5 s missed. */
#define CATALOG_PATIENCE_US UINT64_C(15000000)

enum {
    CATALOG_COLLECTIONS_MAX = 10000,
    CATALOG_NAME_MAX = 128,           /* bytes of a collection's name */
    CATALOG_SHARDS_MAX = 1024,        /* of one collection */
    CATALOG_WORKER_SHARDS_MAX = 8192, /* of one worker: its assignments are one message */
    CATALOG_WORKERS_MAX = 1024,
    CATALOG_FACTOR_MAX = 5,    /* voters of a shard when nothing is on the move */
    CATALOG_REPLICAS_MAX = 16, /* of a shard, with learners and those that come and go */
    CATALOG_WORDS_MAX = 160,
    CATALOG_STORE_FIRST = 16, /* store ids below belong to the processes themselves */
    CATALOG_PEERS_MAX = 64,   /* members that the group of placement drivers ever had */
    CATALOG_ENDED_MAX = 1024, /* tokens of what is over; the oldest are forgotten */
};

/* As logged. Suspected is who is not heard of, drained who drains and has nothing left: both are
 * seen, not logged. */
enum catalog_worker_state {
    WORKER_JOINING, /* registered, has not beaten yet */
    WORKER_READY,
    WORKER_DEAD,     /* not heard of for longer than the grace: its replicas are made anew */
    WORKER_DRAINING, /* gets nothing new, gives all it has to others */
    WORKER_REMOVING, /* dead for good: forgotten once it has nothing left */
    WORKER_STATES,
};

struct catalog_worker {
    uint64_t id;
    PdRegister *facts; /* owned: addresses, capacity, labels */
    uint64_t registered_ms;
    enum catalog_worker_state state;
    uint64_t state_ms; /* since when, unix */
    uint32_t n_shards; /* replicas it keeps */
    uint32_t nth;      /* of the catalog's workers */
    /* soft */
    uint32_t n_planned;  /* replicas of creations on their way to the log */
    actor_handle keeper; /* 0 = not heard of yet */
    uint64_t heard_us;   /* last register or beat, on the turn's clock; 0 = never */
    uint64_t beat_ms;    /* last beat, unix; 0 = never */
    uint64_t beats;      /* heard */
    uint64_t number;     /* of the keeper's last beat; 0 = none, or it does not count */
    bool changing;       /* a row about it is on its way to the log */
};

enum catalog_member { MEMBER_NONE, MEMBER_LEARNER, MEMBER_VOTER };

/* What a replica was asked of late. */
struct catalog_pace {
    uint64_t requests_s, bytes_s; /* a second; smoothed */
    bool known;                   /* they were measured */
    uint64_t requests, bytes;     /* counters as they were … */
    uint64_t since_us;            /* … then, on the turn's clock; 0: never heard */
};

struct catalog_replica {
    uint64_t store_id; /* its id in the group */
    struct catalog_worker *worker;
    bool learner; /* as logged; what it is in the group its leader says */
    bool founder;
    bool leaving;
    bool started;
    char *link; /* owned; of a founder until its collection is born */
    /* soft */
    uint64_t beat; /* number of its worker's beat that told of it; 0 = none did */
    char state[16];
    enum catalog_member member;
    bool founded; /* it has been in a term: with its disk it would lose a vote */
    uint64_t applied;
    uint64_t points;
    uint64_t lag;
    struct catalog_pace pace;
    uint64_t lost_us; /* since when it says that it is quarantined; 0: it does not */
};

struct catalog_shard {
    uint64_t id;
    uint64_t epoch;                   /* one more with every replica that comes or goes */
    struct catalog_replica *replicas; /* owned, ascending by store_id */
    uint32_t n_replicas;
    uint32_t nth; /* of the collection */
    struct catalog_collection *collection;
    /* soft */
    uint64_t leader; /* store id of who said last that it leads; 0 = nobody */
    uint64_t term;   /* 0: it is alone and no group: its members cannot be changed */
    uint32_t n_voters;
    uint64_t stranger; /* a member that has no row; 0: none */
    bool stranger_votes;
    uint32_t busy;                 /* rows and steps under way */
    uint64_t retry_us;             /* no step before */
    char words[CATALOG_WORDS_MAX]; /* of the last step that was refused */
};

struct catalog_collection {
    char *name;     /* owned */
    char *distance; /* owned */
    uint32_t dimension;
    uint32_t factor;       /* voters its shards shall have */
    void *payload_indexes; /* owned; bytes that shards read */
    size_t payload_indexes_size;
    uint64_t created_ms;
    uint64_t token; /* of the creation; 0: none */
    bool born;      /* every shard has served once: the collection is there for clients */
    struct catalog_shard *shards; /* owned, n_shards */
    uint32_t n_shards;
    /* soft */
    bool birth_proposed;
};

/* A member of the group of placement drivers. */
struct catalog_peer {
    uint64_t id;
    bool started;       /* its log has counted for a majority */
    char *grpc_address; /* owned; "": it has not led yet */
    char *link;         /* owned */
};

struct catalog {
    uint64_t cluster; /* 0 = not born yet */
    uint64_t born_ms;
    uint64_t epoch; /* of all assignments; every change is one more */
    uint64_t next_worker;
    uint64_t next_shard;
    uint64_t next_store;
    struct catalog_worker **workers; /* owned, ascending by id */
    uint32_t n_workers;
    struct catalog_peer *peers; /* owned, in the order in which they came */
    uint32_t n_peers;
    struct catalog_collection **collections; /* owned, ascending by name */
    uint32_t n_collections;
    struct catalog_collection **by_shard; /* owned; the same, ascending by their shards' ids */
    uint64_t ended[CATALOG_ENDED_MAX];    /* tokens of creations and deletions, oldest first */
    uint32_t n_ended;
    struct catalog *building; /* owned: a snapshot that is being read; NULL: none */
    uint64_t final_epoch;     /* of a snapshot that is being read */
};

void catalog_init(struct catalog *catalog);
void catalog_reset(struct catalog *catalog);
/* One entry. CORRUPT: it does not fit the state. NO_MEMORY: the state may be half changed, stop. */
MUST_USE enum status catalog_apply(struct catalog *catalog, const PdCommand *command);

/* Forgets what beats said, and what was on its way: whoever leads next hears it anew. */
void catalog_forget(struct catalog *catalog);

/* NULL: nothing is known beside its id. */
const struct catalog_peer *catalog_peer(const struct catalog *catalog, uint64_t id);
struct catalog_worker *catalog_worker(const struct catalog *catalog, uint64_t id);
/* By both addresses. */
struct catalog_worker *
catalog_worker_at(const struct catalog *catalog, const char *grpc_address, const char *link);
struct catalog_collection *catalog_find(const struct catalog *catalog, const char *name);
/* A collection of this token was there for clients, and was deleted; or this token deleted one. */
bool catalog_ended(const struct catalog *catalog, uint64_t token);
struct catalog_shard *catalog_shard(const struct catalog *catalog, uint64_t id);
/* The hash range of the nth of n shards: equal widths, the last one to the end (contract 6.5). */
void catalog_range(uint32_t nth, uint32_t n_shards, uint64_t *start, uint64_t *end);

struct catalog_replica *catalog_replica(const struct catalog_shard *shard, uint64_t store_id);
/* The replica on this worker, or NULL. */
struct catalog_replica *catalog_replica_on(const struct catalog_shard *shard,
                                           const struct catalog_worker *worker);

/* --- what beats say: soft --- */

/* It was heard of within CATALOG_PATIENCE_US. */
bool catalog_heard(const struct catalog_worker *worker, uint64_t now_us);
/* It said so in its worker's last beat, and that is heard of. */
bool catalog_serves(const struct catalog_replica *replica, uint64_t now_us);
/* The replica that leads, as far as its last beat is still believed; NULL: none. */
struct catalog_replica *catalog_leader(const struct catalog_shard *shard, uint64_t now_us);
/* One row of a worker's beat. NULL: no such replica. */
struct catalog_shard *catalog_hear(struct catalog *catalog,
                                   const struct catalog_worker *worker,
                                   const PdBeatShard *said,
                                   uint64_t now_us);

/* The state as entries that rebuild it: emit is called with each encoded PdCommand, in order, and
 * takes the buffer's memory. What emit returns other than OK ends it. */
typedef enum status (*catalog_emit)(void *context, struct buffer *entry);
MUST_USE enum status
catalog_snapshot(const struct catalog *catalog, catalog_emit emit, void *context);

#endif
