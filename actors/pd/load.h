/* load: how much a replica is to its worker: as much for being there as for each of points,
 * requests and bytes written when they are the mean replica's. Measured from beats; so a cluster
 * without load is evened out by numbers alone, and one hot shard counts for many cold ones.
 * Functions of a catalog. */
#ifndef ACTORS_PD_LOAD_H
#define ACTORS_PD_LOAD_H

#include "actors/pd/catalog.h"

enum {
    LOAD_REPLICA = 1000,       /* of a replica without points or requests */
    LOAD_PART_MAX = 64 * 1000, /* of points, of requests, of bytes */
};

struct loads {
    /* What the mean replica has, and at least what would be little: below that nothing is made of
     * differences. */
    uint64_t points, requests, bytes; /* the last two a second */
    uint64_t leading;                 /* requests a second that leaders have beyond the others' */
    /* By catalog_worker.nth, of replicas that stay; and how many they are. */
    uint64_t replicas[CATALOG_WORKERS_MAX];
    uint64_t leaders[CATALOG_WORKERS_MAX];
    uint32_t n_replicas[CATALOG_WORKERS_MAX];
    uint32_t n_leaders[CATALOG_WORKERS_MAX];
};

/* leaders: also who leads, of born collections. */
void loads_measure(const struct catalog *catalog, uint64_t now_us, struct loads *out);
/* Of one replica of the shard, whichever: they share its requests. */
uint64_t loads_replica(const struct loads *loads, const struct catalog_shard *shard);
/* Of leading it, besides. */
uint64_t loads_leader(const struct loads *loads, const struct catalog_shard *shard);
/* A replica of this weight comes to a worker, or leaves it. */
void loads_add(struct loads *loads, const struct catalog_worker *worker, uint64_t weight);
void loads_take(struct loads *loads, const struct catalog_worker *worker, uint64_t weight);

/* A beat's row: counters of all that the replica served, into the rates of late. */
void load_hear(struct catalog_replica *replica, const PdBeatShard *said, uint64_t now_us);

#endif
