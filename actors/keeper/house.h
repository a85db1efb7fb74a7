/* house: the state of the keeper actor, shared by keeper.c (PD, ledger), tenants.c (shards that
 * run) and removal.c (stores that go). Nobody else includes it. */
#ifndef ACTORS_KEEPER_HOUSE_H
#define ACTORS_KEEPER_HOUSE_H

#include <stdatomic.h>

#include "actors/journal/journal.h"
#include "actors/keeper/keeper.h"
#include "actors/pd/catalog.h"
#include "actors/shard/shard.h"
#include "runtime/arena.h"
#include "schemas/pd.pb-c.h"

struct tenant_member {
    uint64_t id;
    uint64_t match;
    bool voter;
};

/* A replica that runs here, or is being stopped. */
struct tenant {
    struct shard_options options; /* the actor's, on another lane: never changed */
    struct buffer founders;       /* owned: encoded, of the options */
    struct buffer columns;        /* owned: encoded, of the assignment in force */
    bool columns_changed;         /* … and others than the options say */
    char state[16];               /* as the shard said last */
    uint64_t epoch;               /* of the assignment in force */
    uint64_t term;                /* of its group, as the shard said last; 0: it is alone */
    uint64_t leader;
    uint64_t lag;
    bool is_leader;
    uint32_t n_members;
    struct tenant_member members[CATALOG_REPLICAS_MAX]; /* of the leader */
    bool stopping;
    atomic_bool doomed; /* its data is to be removed: read by the actor when it stops */
};

struct house {
    struct keeper_options options;
    struct journal journal;
    /* What this worker shall run, as logged. The ledger lives in the arena. */
    struct arena arena;
    KeeperLedger *ledger;    /* NULL until the log was read */
    PdAssignment **by_shard; /* its assignments, ascending */
    bool current;            /* the ledger in the log names the worker that we are */
    struct tenant **tenants; /* owned, ascending by shard */
    uint32_t n_tenants;
    /* the placement driver */
    actor_handle pd; /* 0 = not connected */
    uint64_t monitor;
    uint32_t nth_address; /* of options.pd, the one in use */
    char hint[256];       /* where the leader is, as another one said; "": not known */
    uint64_t backoff_us;
    bool connecting; /* a lookup, a register or the pause before the next is under way */
    bool registered;
    bool beating;    /* a beat or what it brought is under way */
    bool beat_again; /* something changed meanwhile */
    uint64_t beat_timer;
    uint64_t beats; /* begun */
    uint64_t epoch; /* of the assignments that are in force */
    bool swept;
};

/* keeper.c */
void house_beat_soon(struct house *self, struct turn *turn);

/* tenants.c: opens what the ledger says and stops the rest; again whenever a tenant is gone. */
void tenants_settle(struct house *self, struct turn *turn);
/* Tells the replicas their epoch and payload indexes again: what they were told may have found a
 * full mailbox. */
void tenants_remind(const struct house *self, struct turn *turn);
/* Says on the shelf that it is filled, once no tenant is loading. */
void tenants_look(const struct house *self);
struct tenant *tenant_find(const struct house *self, uint64_t shard);
/* What the shard said of itself; it hears what its options may be behind: epoch, payload indexes.
 */
void tenant_heard(struct tenant *tenant, const KeeperShard *said, struct turn *turn);
/* Fills in one row a running tenant. */
MUST_USE enum status tenants_report(const struct house *self, PdBeat *beat, struct turn *turn);
void tenants_free(struct house *self);

/* removal.c: gives the disk of a store back: points, index file, log. The tenant (NULL: an orphan)
 * leaves the house at the end. */
void removal_start(struct house *self, struct tenant *tenant, uint64_t store_id, struct turn *turn);
/* Removes the stores nobody was told to keep. Only with a list from the PD itself. */
void removal_sweep(struct house *self, struct turn *turn);
/* tenants.c: removal is done. */
void tenant_gone(struct house *self, struct tenant *tenant, struct turn *turn);

#endif
