/* pd: the placement driver (schemas/internal/pd.proto), named "pd". It owns the metadata of the
 * cluster: collections, workers, which worker keeps which shard. It is never on the path of a read
 * or a write. */
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
};

struct pd_options {
    struct log_store *log;   /* borrowed */
    uint32_t default_shards; /* of a collection that names none */
};

extern const struct actor_type pd_type;

#endif
