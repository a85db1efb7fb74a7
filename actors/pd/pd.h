/* pd: the placement driver (schemas/internal/pd.proto), named "pd". It owns the metadata of the
 * cluster: collections, workers, which worker keeps which replica; and it repairs, moves and evens
 * out. It is never on the path of a read or a write.
 *
 * Several of them are one Raft group (actors/raft/seat.h): the one that leads answers and acts, the
 * others answer NOT_LEADER and say where it is. One that leads anew has heard of no worker yet: it
 * waits a grace before it takes anybody for dead. */
#ifndef ACTORS_PD_PD_H
#define ACTORS_PD_PD_H

#include "runtime/actor.h"
#include "storage/log_store.h"

enum {
    PD_STORE_ID = 1,     /* of its log */
    PD_SLOT_ID = 3,      /* of its snapshots: this store and the next by turns */
    PD_IDENTITY_ID = 5,  /* of who it is */
    PD_FOUNDERS_MAX = 5, /* members a group may begin with */
    PD_BEAT_MS = 5000,
    PD_BEATS_MISSED_MAX = 3,    /* then a worker is suspected */
    PD_CREATE_MS = 20 * 1000,   /* for the shards of a new collection to open */
    PD_SNAPSHOT_ENTRIES = 1000, /* of log, until it is replaced by a snapshot */
    PD_GRACE_MS = 30 * 1000,    /* default of pd_options.grace_ms */
    PD_SHARDS_PAGE = 1000,      /* of one PdShards */
};

struct pd_options {
    uint64_t member; /* its id in the group, never used before with another disk; 0 = 1 */
    /* Who founds the group, "1:LINK,2:LINK,3:LINK", the same at each; a member that is not among
     * them waits to be added. NULL or "": this one alone. Borrowed, as all text. */
    const char *founders;
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

struct buffer;
/* Reads pd_options.founders: appends the encoded members (schemas/internal/raft.proto), in one
 * order for all. *among: this member is one of them. INVALID: *why has static words. */
MUST_USE enum status
pd_founders(const char *text, uint64_t member, struct buffer *out, bool *among, const char **why);

#endif
