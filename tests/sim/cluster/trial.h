/* trial: one seed of the cluster simulator: a world (tests/unit/actors/world.h), clients, faults,
 * and the rules.
 *
 *     open ─▶ create "docs" ─▶ faults and clients for a while, rules looked at after every step
 *          ─▶ heal everything ─▶ clients end ─▶ every key read everywhere ─▶ histories judged
 *
 * Nodes: 1 the placement driver, then workers, gateways, the other placement drivers, and one for
 * the clients. */
#ifndef TESTS_SIM_CLUSTER_TRIAL_H
#define TESTS_SIM_CLUSTER_TRIAL_H

#include "runtime/rng.h"
#include "tests/sim/cluster/history.h"
#include "tests/unit/actors/world.h"

enum {
    MS = 1000,
    CLIENTS_MAX = 8,
    ACTIVE_KEYS = 10,
    SHARDS_MAX = 6,   /* of "docs" */
    WORKERS_MORE = 3, /* than the profile says, at most */
    STORMS = 4,       /* collections that come and go; their keys are the last ones */
    VIOLATIONS_SHOWN = 10,
    DRIFT_PPM = 20000, /* clocks are that much faster or slower, at most */
};

/* What may go wrong, in a million a step of STEP_MS unless said otherwise. 0: it does not. */
struct profile {
    const char *name;
    const char *words;
    uint32_t workers, replicas, gateways, clients;
    uint32_t pds;       /* placement drivers; 0: one */
    uint32_t searchers; /* search-only workers */
    uint32_t later;     /* workers that join while it runs */
    uint32_t drop;      /* of messages, of a million; as the next two */
    uint32_t twin;
    uint32_t full;
    bool reorder;
    uint32_t delay_us;  /* at most */
    uint32_t block_us;  /* at most: time of a disk job */
    uint32_t cut;       /* both ways */
    uint32_t cut_way;   /* one way */
    uint32_t snap;      /* the connections between two nodes break, and are made anew */
    uint32_t clog;      /* messages of one way take up to CLOG_US longer */
    uint32_t crash;     /* a worker loses its power */
    uint32_t kill;      /* a worker ends, its machine does not */
    uint32_t wipe;      /* of crashes, of a million: its disks are lost, too */
    uint32_t pd;        /* a placement driver loses its power */
    uint32_t gateway;   /* one ends */
    uint32_t full_disk; /* of a worker, for a while */
    uint32_t bad_write; /* of writes, of a million, while a disk is bad */
    uint32_t bad_disk;
    uint32_t pd_disk;  /* of a placement driver: full, bad or stalled */
    uint32_t cut_file; /* a worker loses its power in the midst of writing an index file */
    uint32_t stall;    /* a disk job takes up to STALL_US longer */
    uint32_t skew;     /* a wall clock jumps */
    uint32_t drift;    /* another speed of a node's clocks, up to DRIFT_PPM */
    uint32_t actor;    /* one actor restarts, moves to another lane, or stands still for a while */
    uint32_t replica;  /* a shard's actor restarts */
    uint32_t depose;   /* of leaders, of a million: cut off from the others at once */
    uint32_t alone;    /* of messages with a leader's first own entries, of a million: lost */
    uint32_t freeze;   /* a shard's leader stands still, and is cut off for longer than that */
    uint32_t storm;    /* a collection is made, or removed */
    uint32_t drain;    /* a worker is emptied for a while */
    uint32_t even;     /* replicas and leaders are evened out */
    uint32_t grace_ms; /* of silent workers; 0: the placement driver's own */
    bool named;        /* only when asked for by its name */
    uint32_t tail_max;
    uint32_t save_changes; /* of an index, and it is saved; 0: indexes have no files */
    uint32_t flush_ms; /* points are flushed and logs cut so often: new replicas need snapshots */
};
const struct profile *profile_find(const char *name);
/* The nth; NULL: there are no more. */
const struct profile *profile_nth(uint32_t n);

struct trial {
    uint64_t seed;
    const struct profile *profile;
    uint32_t shards; /* of "docs" */
    struct rng rng;  /* of the faults */
    struct world world;
    struct history history;
    uint32_t active[ACTIVE_KEYS];
    uint64_t gateway_since_us[WORLD_GATEWAYS_MAX]; /* its present life began */
    bool tell;                                     /* the history of what broke */
    bool wiped;                                    /* a worker's disks were lost */
    bool calm;                                     /* clients begin nothing new */
    uint32_t n_calls, n_outcomes, n_acknowledged, n_reads, n_faults;
    unsigned violations;
};
extern struct trial trial;

/* One seed, `seconds` of faults. Returns the number of broken rules, told on stderr. */
unsigned trial_run(uint64_t seed, const struct profile *profile, uint32_t seconds, bool trace);
/* A rule is broken. */
void trial_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- nemesis.c: breaks and repairs by the profile; nemesis_heal repairs everything. --- */
enum { STEP_MS = 20 };
void nemesis_begin(void);
void nemesis_step(void);
void nemesis_heal(void);
/* This node leads a group since now, or applies its first entry as leader. */
void nemesis_crowned(uint32_t node, uint64_t group);

/* --- watch.c: Raft's own promises, with every event: one leader a term; what is applied at an
 * index is the same everywhere. --- */
void watch_begin(void);

/* --- drivers.c: placement drivers that have applied the same have the same catalog: looked at all
 * the time; when all is calm they have all applied the same. --- */
void drivers_begin(void);
void drivers_look(void);
void drivers_calm(void);
/* Repairs and moves come to an end, and none is begun after that. */
void drivers_rest(void);
/* The one that leads knows so many voters, and not fewer, of every shard, and all of them have
 * opened and said that they have their data. */
bool drivers_whole(uint32_t voters);

/* --- storm.c: one more creation, deletion or list of collections. --- */
void storm_begin(void);
void storm_blow(void);

/* --- client.c --- */
struct client_options {
    uint32_t id;
    uint32_t gateway; /* from 0 */
    uint64_t seed;
};
extern const struct actor_type client_type;
/* Name and vector of a key's point: (value, key). */
void key_name(uint32_t key, char name[16]);

/* --- audit.c: when all is calm --- */
void audit_mailboxes(void);
/* The state of an actor; NULL: there is none of this name. */
const void *audit_state(uint32_t node, const char *name);
void audit_replicas(void);
/* A route that is older than the members is refused by every replica. */
void audit_epochs(void);
/* Reads every key through every gateway; what they see goes into the history. */
void audit_keys(void);

#endif
