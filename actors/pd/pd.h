/* pd: the placement driver (schemas/internal/pd.proto), named "pd". It owns the metadata of the
 * cluster: collections, workers, which worker keeps which replica; and it repairs, moves and evens
 * out. It is never on the path of a read or a write. */
#ifndef ACTORS_PD_PD_H
#define ACTORS_PD_PD_H

#include "runtime/actor.h"
#include "storage/log_store.h"

enum {
    PD_STORE_ID = 1, /* of its log */
    PD_BEAT_MS = 5000,
    PD_BEATS_MISSED_MAX = 3,    /* then a worker is suspected */
    PD_CREATE_MS = 20 * 1000,   /* for the shards of a new collection to open */
    PD_SNAPSHOT_ENTRIES = 1000, /* of log, until it is replaced by a snapshot */
    PD_GRACE_MS = 30 * 1000,    /* default of pd_options.grace_ms */
    PD_SHARDS_PAGE = 1000,      /* of one PdShards */
};

struct pd_options {
    struct log_store *log;   /* borrowed */
    uint32_t default_shards; /* of a collection that names none */
    uint32_t factor;         /* voters of a shard whose collection names none; 0 = 1 */
    uint32_t factor_max;     /* what a collection may name; 0 = 1 */
    uint32_t grace_ms; /* silent for longer, a worker is dead and its replicas are made anew; 0 =
                          PD_GRACE_MS */
    bool still;        /* nothing is moved only to even the load, unless asked (PdRebalance) */
    const char *link;  /* where others reach this process; NULL or "": they share it */
    const char *grpc_address; /* shown; NULL = "" */
};

extern const struct actor_type pd_type;

#endif
