/* truth: a cluster as it is, for placement's tests, beside a catalog that knows of it by beats
 * alone: processes that are up, groups with their members and leaders, what clients ask for. Each
 * tick a second passes: groups elect, workers beat, reconcile looks, and what it asks for is
 * carried out, or refused; what must hold at every step is asserted. */
#ifndef TESTS_UNIT_ACTORS_TRUTH_H
#define TESTS_UNIT_ACTORS_TRUTH_H

#include "actors/pd/reconcile.h"
#include "runtime/rng.h"

enum {
    WORKERS_MAX = 24,
    HISTORY_WORKERS = 12, /* of a random one */
    SHARDS_MAX = 10000,
    STORES_MAX = 32768,
    MEMBERS_MAX = 24,
    TICK_US = 1000 * 1000,
    GRACE_US = 30 * 1000 * 1000,
    SETTLE_TICKS = 3000,
    HISTORY_TICKS = 400,
};

struct process {
    uint64_t id;
    bool up;
    bool known; /* in the catalog */
};

struct group {
    struct {
        uint64_t id;
        bool voter;
    } members[MEMBERS_MAX];
    uint32_t n;
    uint64_t leader;
    uint64_t term;
};

/* What clients ask of a shard. */
struct demand {
    uint64_t requests, bytes; /* a second, of each replica */
    uint64_t leading;         /* requests that its leader has besides */
    uint64_t points;
};

struct truth {
    struct catalog catalog;
    struct process processes[WORKERS_MAX];
    uint32_t n_processes;
    struct group groups[SHARDS_MAX];
    uint32_t n_shards;
    struct demand demands[SHARDS_MAX];
    uint32_t noise;        /* of a hundred: so much more or less is asked each second */
    bool lost[STORES_MAX]; /* by store id: its disk was wiped */
    uint64_t requests[STORES_MAX], bytes[STORES_MAX]; /* … its counters */
    uint32_t begun;                                   /* moves and transfers, so far */
    uint64_t now_us;
    uint64_t next_store;
    struct rng rng;
};

struct labels {
    const char *region, *zone, *rack;
    bool search_only;
    uint32_t cpu_cores;
};

void truth_open(struct truth *truth, uint64_t seed);
/* labels: NULL: none. Returns its id. */
uint64_t truth_join(struct truth *truth, const struct labels *labels);
/* A collection of so many shards, founded on the workers that placement picks; born at once. */
void truth_found(struct truth *truth, const char *name, uint32_t shards, uint32_t factor);
struct reconcile_output *truth_tick(struct truth *truth);
/* Until nothing is done any more. */
void truth_settle(struct truth *truth);
void truth_set_state(struct truth *truth, uint64_t worker, enum catalog_worker_state state);

struct group *truth_group(struct truth *truth, uint64_t shard);
struct process *truth_process(struct truth *truth, uint64_t worker);
const struct catalog_replica *truth_replica(struct truth *truth, uint64_t shard, uint64_t store_id);
uint32_t truth_voters(const struct group *group);
uint32_t truth_working(struct truth *truth, uint64_t shard);
uint32_t truth_replicas_on(struct truth *truth, uint64_t worker);
struct reconcile_input truth_input(struct truth *truth);

#endif
