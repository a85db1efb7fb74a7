/* catalog_parts: what catalog.c has from roster.c (workers), peers.c and replicas.c (of shards).
 * Nobody else includes it. */
#ifndef ACTORS_PD_CATALOG_PARTS_H
#define ACTORS_PD_CATALOG_PARTS_H

#include "actors/pd/catalog.h"

/* roster.c: rows of workers. */
MUST_USE enum status roster_put(struct catalog *catalog, const PdWorkerRow *row);
MUST_USE enum status roster_state(struct catalog *catalog, const PdWorkerState *row);
/* One that keeps something stays. */
void roster_remove(struct catalog *catalog, uint64_t id);
void roster_free(struct catalog *catalog);

/* peers.c: rows of the group's members. */
MUST_USE enum status peers_put(struct catalog *catalog, const PdPeerRow *row);
void peers_free(struct catalog *catalog);

/* replicas.c: of one shard. CORRUPT: rows that fit no state. */
MUST_USE enum status
replicas_take(struct catalog *catalog, struct catalog_shard *shard, const PdShardRow *row);
/* One comes, changes, or goes. What does not fit any more, as its worker or shard is gone, changes
 * nothing. */
MUST_USE enum status replicas_change(struct catalog *catalog, const PdReplicaChange *change);
/* Founding links are for the time before birth. */
void replicas_born(struct catalog_shard *shard);
void replicas_free(struct catalog_shard *shard);
/* A worker lost its disk: what founds there may have voted already, and is not to found again. */
void replicas_anew(struct catalog *catalog, const struct catalog_worker *worker);
/* … and would make a difference. */
bool replicas_found_on(const struct catalog *catalog, const struct catalog_worker *worker);

#endif
