/* shelf: the indexes of this process, the one structure that lanes share (architecture.md 8). A
 * shard puts a holding on it, searchers and linkers take it down by shard id, and whoever comes
 * last frees it:
 *
 *     shard     holding_open ─▶ holding_publish ─▶ … ─▶ holding_close
 *     others                    shelf_take ─▶ use ─▶ holding_drop
 *
 * So no pointer travels in a message, a dead letter leaks nothing, and an index outlives its shard
 * until the last search, link step, save or blocking job on it ended. Thread-safe; nothing here
 * waits. */
#ifndef ACTORS_SHELF_H
#define ACTORS_SHELF_H

#include <stdatomic.h>

#include "actors/grace.h"
#include "actors/linker/team.h"
#include "index/index.h"

struct shelf;
/* NO_MEMORY. */
MUST_USE enum status shelf_open(struct shelf **out);
/* Every holding must be gone: close it after the node. NULL is fine. */
void shelf_close(struct shelf *shelf);

/* A save of an index, which may outlive the linker that began it: while it starts, the index has no
 * linker; while it is written, none may start (index/index.h). */
enum holding_save { HOLDING_SAVED, HOLDING_SAVE_STARTS, HOLDING_SAVE_RUNS };

/* One replica of a shard in this process, from its opening until its last user let go. */
struct holding {
    uint64_t shard;
    uint64_t store_id;
    uint32_t dimension;
    enum index_metric metric;
    bool exact;    /* searches that say nothing else are */
    float rescore; /* … and measure so many candidates for each result; 0: as the storage wants */
    struct index *index;           /* NULL until published */
    const struct index_view *view; /* of index */
    atomic_bool closed;            /* the shard stopped: background work on it ends */
    atomic_bool linking;           /* the linker has it on its list */
    atomic_uint_fast64_t applied;  /* newest log index applied to store and index */
    atomic_uint_fast64_t requests; /* gets, searches and points written, so far … */
    atomic_uint_fast64_t bytes;    /* … and what was written: counted by the shard alone */
    struct grace grace;            /* replaced numbers that searches under way may need */
    struct team team;              /* linkers that build it together */
    atomic_int save;               /* enum holding_save; actors/linker/saving.c */
    /* The shelf's own. */
    struct shelf *shelf;
    struct holding *next;
    uint32_t holds;
    bool listed;
};

/* The shard's hold on a new, unpublished holding. `like` gives what is above
 * `index`. BUSY: an older holding of the same shard is still in use, ask again later. NO_MEMORY. */
MUST_USE enum status
holding_open(struct shelf *shelf, const struct holding *like, struct holding **out);
/* From now on shelf_take finds it. Takes the index. */
void holding_publish(struct holding *holding, struct index **index);
/* Off the shelf; drops the shard's hold. NULL is fine. */
void holding_close(struct holding *holding);

/* Counts what its shard served; on the shard's lane. */
static inline void holding_count(struct holding *holding, uint64_t requests, uint64_t bytes) {
    uint64_t before = atomic_load_explicit(&holding->requests, memory_order_relaxed);
    atomic_store_explicit(&holding->requests, before + requests, memory_order_relaxed);
    before = atomic_load_explicit(&holding->bytes, memory_order_relaxed);
    if (bytes > 0) atomic_store_explicit(&holding->bytes, before + bytes, memory_order_relaxed);
}

/* The published holding of a shard with one more hold, or NULL. */
struct holding *shelf_take(struct shelf *shelf, uint64_t shard);
struct holding *holding_again(struct holding *holding);
/* The last one closes the index. NULL is fine. */
void holding_drop(struct holding *holding);
/* True while anybody uses the shard's store: its files must stay. */
bool shelf_uses(struct shelf *shelf, uint64_t shard);

/* The shards that were to be opened at start are loaded, or say why they cannot be; stays so. */
void shelf_set_filled(struct shelf *shelf);
bool shelf_filled(const struct shelf *shelf);
/* Bytes a second that the process takes of snapshots, told once; 0: no bound. */
void shelf_set_snapshot_rate(struct shelf *shelf, uint64_t bytes);
/* How long the next piece is to wait after one of so many bytes. */
uint64_t shelf_snapshot_pause(struct shelf *shelf, size_t bytes, uint64_t now_us);
/* Bytes of all published indexes, estimated. */
uint64_t shelf_bytes(struct shelf *shelf);

/* --- searchers of the process
 * ------------------------------------------------------------------------- */

enum { SHELF_SEARCHERS_MAX = 256 };

/* How many searchers the process has ("searcher/0" …), told once before the first shard opens.
 * There are as many linkers ("linker/0" …): one of each a compute lane. */
void shelf_searchers(struct shelf *shelf, uint32_t n_searchers);
/* The name of one. */
const char *shelf_searcher_name(const struct shelf *shelf, uint32_t searcher);
uint32_t shelf_linkers(const struct shelf *shelf);
/* The linker of a shard. */
uint32_t shelf_linker(const struct shelf *shelf, uint64_t shard);
/* The searcher (from 0) with the least searches, counted as having one more from now on. */
uint32_t shelf_pick(struct shelf *shelf);
/* Searches that searchers were given so far; wraps. */
uint32_t shelf_searches(const struct shelf *shelf);
/* A search of this searcher ended. */
void shelf_ended(struct shelf *shelf, uint32_t searcher);
/* Searches lost on the way (dead letters) would bias the pick for ever: an idle searcher says so.
 */
void shelf_idle(struct shelf *shelf, uint32_t searcher);

/* An I/O lane may have a searcher too, for a small search of its own shards while nothing else is
 * to do: no other lane has to be woken twice. Its number follows from its lane's. */
enum { SHELF_NEAR_MAX = 128 };
static inline uint32_t shelf_near_number(uint32_t lane) {
    return SHELF_SEARCHERS_MAX + lane;
}
/* It opened, or (0) closed. */
void shelf_set_near(struct shelf *shelf, uint32_t lane, uint64_t handle);
/* The handle of this lane's, which has one search from now on; 0: there is none, it is busy, or
 * the others have searches enough for every core, which must not wait for younger ones. On the
 * lane. */
uint64_t shelf_take_near(struct shelf *shelf, uint32_t lane, uint64_t now_us);

#endif
