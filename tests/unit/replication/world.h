/* world: several replicas of one group with disks and a network between them, in one thread, under
 * a seed. Each step is checked; what is wrong is printed with its seed and ends the test.
 *
 *     disks     writes wait, are done in order, and a crash loses what was not done
 *     network   delays, reorders, drops, doubles; partitions of any shape, also one way
 *
 * Checked: one leader a term, equal logs where committed, nothing committed is lost or overwritten,
 * a new leader has all of it, reads see everything acknowledged before them, terms never go back on
 * disk. */
#ifndef TESTS_UNIT_REPLICATION_WORLD_H
#define TESTS_UNIT_REPLICATION_WORLD_H

#include "replication/consensus.h"
#include "runtime/rng.h"

enum {
    REPLICAS_MAX = 12, /* incarnations that a run may see */
    LOG_MAX = 1 << 15,
};

struct faults {
    uint32_t drop, twice; /* of 1,000 messages */
    uint32_t delay_ms;    /* up to */
    uint32_t slow_ms;     /* one in 100 messages takes up to that long */
    uint32_t disk_ms;     /* up to */
    uint32_t crash_every_ms, cut_every_ms, change_every_ms; /* 0: never */
    uint32_t
        pause_every_ms; /* a process stands still for up to 3 s, then meets what came meanwhile */
    uint32_t snapshot_every; /* entries */
};

struct world;
struct world *world_new(uint64_t seed, uint32_t voters, const struct faults *faults);
void world_free(struct world *world);
/* Lets time pass; proposes and reads as clients would. */
void world_run(struct world *world, uint64_t ms);
/* No more faults: everybody is up and connected. True once all members have all that is committed
 * and a new command went through, within limit_ms. */
bool world_heal(struct world *world, uint64_t limit_ms);

/* For tests of single rules. */
uint32_t world_leader(const struct world *world); /* slot, or REPLICAS_MAX */
struct consensus *world_consensus(struct world *world, uint32_t slot);
void world_crash(struct world *world, uint32_t slot);
/* The connection of one to another breaks. */
void world_lost(struct world *world, uint32_t by, uint32_t slot);
void world_start(struct world *world, uint32_t slot);
void world_cut(struct world *world, uint32_t from, uint32_t to, bool cut);

struct world_counts {
    uint64_t committed, elections, crashes, snapshots, installs, reads, changes, messages, refused;
};
struct world_counts world_counts(const struct world *world);

#endif
