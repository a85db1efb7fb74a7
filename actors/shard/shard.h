/* shard: one replica of one partition of a collection (schemas/internal/shard.proto). It owns the
 * log, the points and the index of its store id, is a child of the keeper, and is found by others
 * under the name "shard/<id>".
 *
 *     LOADING ──▶ SERVING ◀──▶ DISK_FULL (reads only)
 *        └────────────┴────────────┴──▶ QUARANTINED (nothing; reopened by a restart)
 *
 * An acknowledged write was logged and synced, applied to the points and appended to the index. */
#ifndef ACTORS_SHARD_SHARD_H
#define ACTORS_SHARD_SHARD_H

#include "actors/filters.h"
#include "actors/shelf.h"
#include "runtime/actor.h"
#include "runtime/watermark.h"
#include "storage/log_store.h"
#include "storage/point_store.h"

enum {
    SHARD_OPERATIONS_MAX = 1000,                /* of one ShardWrite */
    SHARD_PAYLOAD_MAX = 80 * 1024,              /* encoded bytes of one point's payload */
    SHARD_PENDING_MAX = 256,                    /* writes not durable yet */
    SHARD_PENDING_BYTES_MAX = 16 * 1024 * 1024, /* … and their bytes */
    SHARD_FLUSH_BYTES = 64 * 1024 * 1024, /* of log, until points are flushed and log is cut */
    SHARD_FLUSH_MS = 60 * 1000,           /* the same by time */
    /* An index that changed less is not saved: rebuilding that little costs less than keeping it.
     * Above, it is saved when a quarter changed (so all saves of a growing index together write it
     * some five times), or when it rests. */
    SHARD_SAVE_CHANGES_MIN = 10 * 1000,
    SHARD_SAVE_RESTS_MS = 10 * 1000,
    SHARD_SAVE_MS = 5 * 1000,  /* between two saves */
    SHARD_STOP_MS = 20 * 1000, /* for the last save, at a stop */
};

struct shard_options {
    uint64_t shard;
    uint64_t store_id;
    uint64_t epoch;
    uint32_t dimension;
    enum index_metric metric;
    struct payload_columns columns; /* declared payload indexes */
    bool born;                      /* it had data or a vote before: an empty log is then a loss */
    const char *address;   /* link of this process, for its peers; NULL or "": they need none */
    struct bytes founders; /* encoded RaftMembers of the founding; none: this replica alone */
    bool founder;          /* it is one of them */
    struct log_store *log; /* borrowed, as the rest */
    struct point_store *points;
    struct shelf *shelf;
    const char *index_dir; /* folder of index files; NULL: the index is rebuilt at every start */
    uint32_t tail_max;     /* 0 = the index's own */
    uint32_t flush_ms;     /* 0 = SHARD_FLUSH_MS */
    uint32_t save_changes; /* 0 = SHARD_SAVE_CHANGES_MIN */
    /* Tells how near the process is to the end of its memory: at the mark points are refused
     * (NO_MEMORY), reads and removals are not. NULL: there is no mark. */
    struct watermark (*memory)(void);
    const atomic_bool *doomed; /* set before a stop: the data goes, nothing is kept. NULL: never */
};

/* Names of actors and files that belong to a shard; `size` 64 is always enough. */
void shard_name(uint64_t shard, char *text, size_t size);
/* Where the points of a replica are: another store for each snapshot it got. */
uint64_t shard_data_id(uint64_t store_id, uint64_t generation);
/* The replica whose points are there. */
uint64_t shard_store_of(uint64_t data_id);
void shard_index_path(const char *index_dir, uint64_t store_id, char *text, size_t size);
/* The file of the payload indexes, beside it. */
void shard_columns_path(const char *index_dir, uint64_t store_id, char *text, size_t size);
/* An index file that came whole with a snapshot takes the place of the replica's own. NULL: there
 * are no files. Blocks. */
void shard_take_index(const char *index_dir, uint64_t store_id);
/* The files of a replica that is gone. Blocks. */
void shard_drop_index(const char *index_dir, uint64_t store_id);

extern const struct actor_type shard_type;

#endif
