/* replica: the state of a shard actor, shared by the files that make it up: shard.c (conversation),
 * load.c (from the stores to SERVING), apply.c (durable entries to points and index), fetch.c
 * (one point), columns.c (payload indexes on demand), upkeep.c (flush, cut, save). Nobody else
 * includes it. */
#ifndef ACTORS_SHARD_REPLICA_H
#define ACTORS_SHARD_REPLICA_H

#include "actors/journal/journal.h"
#include "actors/shard/shard.h"
#include "actors/shard/window.h"
#include "runtime/turn.h"

enum replica_state { REPLICA_LOADING, REPLICA_SERVING, REPLICA_DISK_FULL, REPLICA_QUARANTINED };

enum { REPLICA_WHY_SIZE = 256 };

struct apply;
struct load;

struct replica {
    struct shard_options options;
    enum replica_state state;
    char why[REPLICA_WHY_SIZE]; /* words, when not serving */
    struct holding *holding;    /* owned hold; NULL while an older one is in use */
    struct journal journal;
    struct window window;     /* as of the last entry that was applied */
    struct proposals durable; /* logged, not handed to apply yet */
    bool applying;            /* entries are being applied */
    struct apply *apply;      /* owned; they, while in the lane and not with the blocking job */
    struct load *load;        /* owned, while in the lane */
    uint64_t applied;         /* applied to points and index */
    uint32_t tail_limit;      /* points the index wants in its tail at most */
    uint32_t tail_extra;      /* room beyond the limit that loading needed; not for writers */
    uint32_t tail_loaded;     /* points that loading left there, as far as not linked yet */
    uint32_t reserved;        /* points of logged writes that the tail still has to take */
    uint64_t log_bytes;       /* applied since the last flush */
    uint64_t dirty_index;     /* entries from here on may not be flushed */
    uint64_t dirty_us;        /* since when there are any; 0: there are none */
    uint64_t truncated;       /* entries up to here are forgotten */
    uint64_t changes;         /* points added or removed since the index was saved */
    uint64_t changed_us;      /* the last of them */
    uint64_t saved_us;
    bool upkeep_armed;
    bool probing; /* of a full disk */
    bool probe_armed;
    bool flushing;
    bool saving;
    bool stopping;     /* exits when the index is saved */
    bool retire_armed; /* a timer looks whether replaced points may leave the index */
    bool filling;      /* payloads are read for new columns */
    bool fill_again;   /* once more: another began meanwhile */
    bool room_armed;   /* a timer looks for room in the tail */
};

/* shard.c */
void replica_move(struct replica *self, enum replica_state state, struct turn *turn);
/* Moves to QUARANTINED, or to DISK_FULL when that is what `status` says, with the words. */
void replica_fail(struct replica *self,
                  enum status status,
                  const char *what,
                  const char *text,
                  struct turn *turn);
/* The linker of this shard, 0 = there is none. */
actor_handle replica_linker(struct replica *self, struct turn *turn);
/* Asks it to look at the tail. */
void replica_link(struct replica *self, struct turn *turn);

/* load.c: starts loading; ends in replica_serve or replica_fail. */
void load_start(struct replica *self, struct turn *turn);
void load_free(struct load *load);
struct load_result {
    uint64_t first; /* of the log */
    uint64_t last;  /* of the log, applied to points and index */
    uint64_t term;
    uint32_t tail_limit; /* points the index wants in its tail at most */
    uint32_t tail_extra; /* room beyond that, for loading */
};
/* shard.c: loading is done. */
void replica_serve(struct replica *self, const struct load_result *result, struct turn *turn);

/* shard.c: everything handed to apply.c is applied. */
void replica_applied(struct replica *self, struct turn *turn);

/* apply.c: takes what is durable as far as nothing is being applied. */
void apply_start(struct replica *self, struct turn *turn);
void apply_free(struct apply *apply);

struct apply_entry {
    uint64_t index;
    uint64_t term;
    uint8_t type;      /* enum entry_type */
    struct bytes data; /* an encoded ShardWrite with ENTRY_DATA */
    bool repeated;     /* out: the window knew it, nothing was done */
    const void *write; /* out: the decoded ShardWrite, in the arena */
    uint64_t *removed; /* out: number each operation replaced or removed, 0 = none */
};
struct arena;
/* Applies one entry to the points, in one batch with the applied index and the window. Blocks.
 * CORRUPT for bytes that are no write. */
MUST_USE enum status apply_points(struct apply_entry *entry,
                                  struct window *window,
                                  struct point_batch *batch,
                                  struct arena *arena);

/* fetch.c: answers ShardPoint or NOT_FOUND for the request of this turn. */
MUST_USE enum status replica_get(struct replica *self, const char *id, struct turn *turn);

enum { COLUMNS_DEMAND_MAX = 64 };
/* columns.c: begins the payload indexes that a filter needs and that are not there. The search may
 * be forwarded: it waits for them. INVALID: no sound filter, or too many indexes. */
MUST_USE enum status
columns_demand(struct replica *self, FilterNode *const *nodes, size_t n_nodes, struct turn *turn);
/* Reads the payloads of all points for the columns that are not complete. */
void columns_fill(struct replica *self, struct turn *turn);

/* upkeep.c: something was applied. */
void upkeep_arm(struct replica *self, struct turn *turn);
/* The actor is to stop: saves an index that changed much, so that the next start need not link so
 * much again, then exits. False: there is nothing to wait for. */
bool upkeep_stop(struct replica *self, struct turn *turn);

#endif
