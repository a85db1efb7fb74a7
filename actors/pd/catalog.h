/* catalog: the metadata of a cluster: workers, collections, shards, who keeps which. A state
 * machine: it changes only by catalog_apply, from entries of the PD's log, so that replay gives the
 * same state. The fields marked soft are not in the log; workers tell them again after a restart.
 * No I/O, no clock. */
#ifndef ACTORS_PD_CATALOG_H
#define ACTORS_PD_CATALOG_H

#include "runtime/buffer.h"
#include "runtime/turn.h"
#include "schemas/pd.pb-c.h"

enum {
    CATALOG_COLLECTIONS_MAX = 10000,
    CATALOG_NAME_MAX = 128,           /* bytes of a collection's name */
    CATALOG_SHARDS_MAX = 1024,        /* of one collection */
    CATALOG_WORKER_SHARDS_MAX = 8192, /* of one worker: its assignments are one message */
    CATALOG_WORKERS_MAX = 1024,
    CATALOG_REPLICAS_MAX = 16, /* of a shard, with learners and those that come and go */
    CATALOG_STORE_FIRST = 16,  /* store ids below belong to the processes themselves */
};

struct catalog_worker {
    uint64_t id;
    PdRegister *facts; /* owned: addresses, capacity, labels */
    uint64_t registered_ms;
    uint32_t n_shards;
    /* soft */
    uint32_t n_planned;  /* shards of creations on their way to the log */
    actor_handle keeper; /* 0 = not heard of yet */
    uint64_t heard_us;   /* last register or beat, on the turn's clock; 0 = never */
    uint64_t beat_ms;    /* last beat, unix; 0 = never */
    uint64_t beats;      /* heard */
};

struct catalog_shard {
    uint64_t id;
    uint64_t epoch;
    uint64_t store_id;
    uint64_t worker; /* the one replica */
    struct catalog_collection *collection;
    uint32_t nth; /* of the collection */
    /* soft */
    bool serving;
    uint64_t beat; /* number of its worker's beat that said so */
    uint64_t applied;
    uint64_t points;
};

struct catalog_collection {
    char *name;     /* owned */
    char *distance; /* owned */
    uint32_t dimension;
    uint64_t created_ms;
    bool born; /* every shard has served once: the collection is there for clients */
    struct catalog_shard *shards; /* owned, n_shards */
    uint32_t n_shards;
    /* soft */
    bool birth_proposed;
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
    struct catalog_collection **collections; /* owned, ascending by name */
    uint32_t n_collections;
    struct catalog_collection **by_shard; /* owned; the same, ascending by their shards' ids */
    struct catalog *building;             /* owned: a snapshot that is being read; NULL: none */
    uint64_t final_epoch;                 /* of a snapshot that is being read */
};

void catalog_init(struct catalog *catalog);
void catalog_reset(struct catalog *catalog);
/* One entry. CORRUPT: it does not fit the state. NO_MEMORY: the state may be half changed, stop. */
MUST_USE enum status catalog_apply(struct catalog *catalog, const PdCommand *command);

struct catalog_worker *catalog_worker(const struct catalog *catalog, uint64_t id);
/* By both addresses. */
struct catalog_worker *
catalog_worker_at(const struct catalog *catalog, const char *grpc_address, const char *link);
struct catalog_collection *catalog_find(const struct catalog *catalog, const char *name);
struct catalog_shard *catalog_shard(const struct catalog *catalog, uint64_t id);
/* The hash range of the nth of n shards: equal widths, the last one to the end (contract 6.5). */
void catalog_range(uint32_t nth, uint32_t n_shards, uint64_t *start, uint64_t *end);

/* The state as entries that rebuild it: emit is called with each encoded PdCommand, in order, and
 * takes the buffer's memory. What emit returns other than OK ends it. */
typedef enum status (*catalog_emit)(void *context, struct buffer *entry);
MUST_USE enum status
catalog_snapshot(const struct catalog *catalog, catalog_emit emit, void *context);

#endif
