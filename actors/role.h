/* role: sets of actors as the command line starts them. A process opens a node and its stores, then
 * starts one or more roles on it; `vectron up` starts all three with no addresses.
 *
 *     node_open ─▶ role_storage_open ─▶ role_pd_start, role_worker_start, role_gateway_start …
 *                                                      … node_close ─▶ role_storage_close
 *
 * Called from the process's main thread. On failure role_error() has the words for the person at
 * the terminal. Strings are copied. Names of the actors that others may look up: "pd", "keeper",
 * "router", "log", "shard/<id>". */
#ifndef ACTORS_ROLE_H
#define ACTORS_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/node.h"

enum {
    ROLE_SHARDS_UP = 1,       /* default shards of a collection when all roles share a process */
    ROLE_SHARDS_CLUSTER = 16, /* … and in a cluster */
    ROLE_HEDGE_PERCENT = 5,   /* of reads: VECTRON_HEDGE_PERCENT */
    ROLE_SHARDS_MAX = 1024,   /* of one collection */
    ROLE_REPLICAS = 3,        /* copies of a shard, while there are as many workers */
    ROLE_REPLICAS_MAX = 5,
};

/* The stores of a process, shared by its roles: <data_dir>/log, <data_dir>/points,
 * <data_dir>/index. */
struct role_storage;

struct role_storage_options {
    const char *data_dir;    /* made when missing */
    uint64_t cache_bytes;    /* read cache of the points; 0 = the store's default */
    uint64_t write_bytes;    /* memtable of the points; 0 = the store's default */
    uint64_t snapshot_bytes; /* of snapshots, taken a second at most; 0 = no bound */
    bool log_only;           /* a process that only runs the placement driver keeps no points */
};
/* INVALID, IO (also: another process uses the folder), DISK_FULL, CORRUPT, NO_MEMORY. */
MUST_USE enum status role_storage_open(const struct role_storage_options *options,
                                       struct role_storage **out);
/* After node_close. Flushes the points, so that the next start has little to replay. NULL is fine.
 */
void role_storage_close(struct role_storage *storage);

/* The shards this process had when it started are loaded. Any thread. */
bool role_storage_ready(const struct role_storage *storage);

struct role_pd_options {
    struct role_storage *storage;
    uint64_t member; /* its id in the group of placement drivers; 0 = 1 */
    /* Who founds the group, "1:LINK,2:LINK,3:LINK"; NULL or "": this one alone (actors/pd/pd.h). */
    const char *founders;
    uint32_t default_shards;   /* of a collection that names none; 0 = ROLE_SHARDS_CLUSTER */
    uint32_t default_replicas; /* 0 = ROLE_REPLICAS; above ROLE_REPLICAS_MAX counts as that */
    uint32_t
        grace_ms;     /* a worker silent for longer is dead, its replicas are made anew; 0 = 30 s */
    bool still;       /* nothing moves only to even the load, unless asked */
    const char *link; /* where others reach this process; NULL or "": they share it */
    const char *grpc_address; /* told to clients; NULL = "" */
};
/* Spawns "log" and "raft" (unless there) and "pd". INVALID: founders are no such list. */
MUST_USE enum status role_pd_start(struct node *node, const struct role_pd_options *options);

struct role_worker_options {
    struct role_storage *storage; /* with points */
    const char *pd;   /* link addresses of the placement driver, comma separated, tried in turn;
                         NULL or "": this process */
    const char *link; /* where others reach this process (node_link); NULL or "": they share it */
    const char *grpc_address;         /* shown in lists of workers; NULL = "" */
    const char *region, *zone, *rack; /* placement labels; NULL = "" */
    uint32_t cpu_cores;      /* capacity told to the placement driver; 0 = of this machine */
    uint64_t memory_bytes;   /* 0 = of this machine (cgroup limits are respected) */
    uint64_t disk_bytes;     /* 0 = of data_dir's file system */
    uint32_t searchers;      /* 0 = one a core: as many as the node has compute lanes */
    bool search_only;        /* it keeps learners only … */
    const char *collections; /* … of these, comma separated; NULL or "": of all */
};
/* Spawns "log" and "raft" (unless there), the searchers, the linkers and "keeper". OK does not wait
 * for the placement driver: shards this worker remembers open at once, the keeper registers when it
 * can. */
MUST_USE enum status role_worker_start(struct node *node,
                                       const struct role_worker_options *options);

struct role_gateway_options {
    const char *pd;             /* as in role_worker_options */
    bool searches_linearizable; /* router.h has these three; levels must be well-formed */
    const char *levels;
    uint32_t hedge_percent;
};
/* Spawns "router". */
MUST_USE enum status role_gateway_start(struct node *node,
                                        const struct role_gateway_options *options);

/* Words of the last failure on this thread. Never NULL. */
const char *role_error(void);

#endif
