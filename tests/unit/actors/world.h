/* world: a simulated cluster for tests: stores in memory, one node for the placement driver and the
 * router, one for each worker; or everything in one node. Further placement drivers, of one group
 * with the first, have nodes of their own behind the gateways'. Workers can be stopped, lose their
 * power and come back. With gateways each of them has a node of its own, too, and the router's name
 * is found there. */
#ifndef TESTS_UNIT_ACTORS_WORLD_H
#define TESTS_UNIT_ACTORS_WORLD_H

#include "actors/keeper/keeper.h"
#include "actors/linker/linker.h"
#include "actors/log/log.h"
#include "actors/pd/pd.h"
#include "actors/raft/raft.h"
#include "actors/router/router.h"
#include "actors/searcher/searcher.h"
#include "runtime/sim/sim.h"
#include "schemas/pd.pb-c.h"
#include "schemas/router.pb-c.h"
#include "schemas/runtime.pb-c.h"

enum {
    WORLD_WORKERS_MAX = 8,
    WORLD_GATEWAYS_MAX = 4,
    WORLD_PDS_MAX = 5,
    WORLD_LINKS_SIZE = 160,
    WORLD_SEARCHERS = 2,
    SECOND = 1000 * 1000,
};

/* A process: its simulated disks, and what runs on them while it is up. */
struct place {
    uint32_t node;
    struct kv *log_disk; /* handles on the disks: stores come and go */
    struct kv *points_disk;
    struct log_store *log;
    struct point_store *points;
    struct shelf *shelf;
    struct log_options log_options;
    struct raft_options raft_options;
    struct keeper_options keeper_options;
    struct searcher_options searcher_options[WORLD_SEARCHERS];
    struct linker_options linker_options;
    struct pd_options pd_options;
    uint64_t member; /* of a placement driver: its id, for its next start */
    char link[32];
    char index_dir[64];
    bool search_only;
    bool up;
};

/* A process without disks. */
struct gateway {
    uint32_t node;
    struct router_options options;
    char link[32];
    bool up;
};

struct world {
    struct sim *sim;
    uint32_t n_workers;
    uint32_t n_pds;
    struct place pds[WORLD_PDS_MAX];
    char pd_links[WORLD_LINKS_SIZE];    /* of all, for who asks them */
    char pd_founders[WORLD_LINKS_SIZE]; /* the same with ids; "": one alone */
    struct place workers[WORLD_WORKERS_MAX];
    uint32_t n_gateways;
    struct gateway gateways[WORLD_GATEWAYS_MAX];
    struct pd_options pd_options;
    struct router_options router_options;
    uint32_t tail_max, flush_ms, save_changes;
    const char *index_dir;
    bool own_dirs;
    bool together; /* all roles in one node */
};

struct world_options {
    uint64_t seed;
    uint32_t workers;   /* 0 = all roles in one node */
    uint32_t searchers; /* search-only workers behind them, … */
    uint32_t later;     /* … and workers that world_worker_start starts first */
    uint32_t gateways;  /* 0 = a router beside the placement driver */
    uint32_t pds;       /* placement drivers; 0 = 1; more only with gateways */
    uint32_t others;    /* nodes without anything, behind the gateways' */
    uint32_t shards;    /* default of a collection; 0 = 1 */
    uint32_t factor;    /* voters of a shard; 0 = 1 */
    uint32_t grace_ms;  /* of the placement driver, for silent workers; 0 = its own */
    uint32_t tail_max;
    uint32_t flush_ms; /* of points, from the first that is not flushed; 0 = the shards' own */
    uint32_t drop_ppm;
    uint32_t full_ppm;
    uint32_t delay_us_max; /* 0 = 200 */
    uint32_t block_us;
    uint32_t lanes;
    bool reorder;
    bool quiet;
    bool trace_time;
    enum sys_actions actions;
    const char *index_dir; /* NULL: indexes are not saved */
    bool own_dirs;         /* in a folder in it, named as their worker's node; it is there */
    uint32_t save_changes; /* of an index, and it is saved; 0 = the shards' own */
};

void world_open(struct world *world, const struct world_options *options);
void world_close(struct world *world);
/* Workers are numbered from 0. */
void world_worker_stop(struct world *world, uint32_t n);
/* It is gone at once, with what was neither synced nor flushed. */
void world_worker_crash(struct world *world, uint32_t n);
/* The same, but the machine goes on: kill -9. */
void world_worker_kill(struct world *world, uint32_t n);
/* Its disks are replaced by empty ones; it is down. */
void world_worker_wipe(struct world *world, uint32_t n);
void world_worker_start(struct world *world, uint32_t n);
/* Placement drivers are numbered from 0; the id of a founder is one more. */
void world_pd_stop(struct world *world, uint32_t n);
/* At once and with what was not synced; only with gateways. */
void world_pd_crash(struct world *world, uint32_t n);
void world_pd_wipe(struct world *world, uint32_t n);
void world_pd_start(struct world *world, uint32_t n);
/* The one that leads and is ready; -1: none. */
int world_pd_leader(struct world *world);
void world_gateway_kill(struct world *world, uint32_t n);
void world_gateway_start(struct world *world, uint32_t n);
/* The first of world_options.others. */
uint32_t world_others(const struct world *world);

/* --- a client
 * ------------------------------------------------------------------------------------------- */

enum status
world_create(struct world *world, const char *name, uint32_t dimension, uint32_t shards);
/* Puts a point (x, y) with a payload. */
enum status world_put(struct world *world,
                      const char *collection,
                      const char *id,
                      float x,
                      float y,
                      const char *payload);
/* Puts points p0, p1, … at (0, 0), (1, 0), …, in thousands; clears the trace. */
void world_put_line(struct world *world, const char *collection, int n);
enum status world_delete(struct world *world, const char *collection, const char *id);
/* OK: *x and *y are the point's, the payload starts with `payload`. */
enum status
world_get(struct world *world, const char *collection, const char *id, float *x, float *y);
/* The k nearest of (x, y), borrowed until the next call. NULL: sim_words says why. */
const RouterHits *
world_search(struct world *world, const char *collection, float x, float y, uint32_t k);
const char *world_words(const struct world *world);

#endif
