/* keeper: one a worker process, named "keeper". It registers the process with the placement driver,
 * beats, and opens and stops shard replicas as it is told (schemas/internal/pd.proto). What it was
 * told last it keeps in a log of its own, so that after a restart its shards serve at once, also
 * while the PD is away. */
#ifndef ACTORS_KEEPER_KEEPER_H
#define ACTORS_KEEPER_KEEPER_H

#include "actors/shelf.h"
#include "runtime/actor.h"
#include "runtime/watermark.h"
#include "storage/log_store.h"
#include "storage/point_store.h"

enum { KEEPER_STORE_ID = 2 /* of its log */ };

struct keeper_options {
    struct log_store *log; /* borrowed, as the rest */
    struct point_store *points;
    struct shelf *shelf;
    const char *index_dir; /* folder of index files; NULL: none are kept */
    const char *pd;        /* addresses of the PD, comma separated; "": this process */
    const char *link;      /* of this process; "": whoever asks shares it */
    const char *grpc_address;
    const char *region;
    const char *zone;
    const char *rack;
    uint32_t cpu_cores;
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    bool search_only;                 /* it keeps learners only … */
    const char *collections;          /* … of these, comma separated; NULL or "": of all */
    struct watermark (*memory)(void); /* shard.h */
    uint32_t tail_max;                /* of the shards' indexes; 0 = the index's own */
    uint32_t flush_ms;                /* of the shards' points; 0 = SHARD_FLUSH_MS */
    uint32_t save_changes;            /* of the shards' indexes; 0 = SHARD_SAVE_CHANGES_MIN */
};

extern const struct actor_type keeper_type;

#endif
