/* look: one run of reconcile, shared by reconcile.c (the whole), repair.c (the next step of one
 * shard) and balance.c (what is in order, more evenly). Nobody else includes it. */
#ifndef ACTORS_PD_LOOK_H
#define ACTORS_PD_LOOK_H

#include "actors/pd/load.h"
#include "actors/pd/placement.h"
#include "actors/pd/reconcile.h"

/* A worker that beats every 5 s is heard of within this, unless something is wrong. */
#define LOOK_FRESH_US UINT64_C(6000000)

struct look {
    const struct reconcile_input *in;
    struct reconcile_output *out;
    struct loads loads; /* with what is begun now */
    uint32_t moving;    /* shards on the move, with those begun now */
};

/* One shard as its rows and its leader's last beat have it. */
struct facts {
    struct catalog_replica *leader; /* NULL: nobody, and then no more is known */
    uint32_t wanted;                /* voters */
    uint32_t good;                  /* voters that stay and have no reason to go */
    uint32_t serving;               /* voters that serve, leaving ones too */
    uint32_t incoming;              /* no voters yet, but to be */
    bool moving;                    /* somebody comes or goes */
    bool surplus;                   /* somebody is to go, and is not told yet */
};

/* False: there is no room for more actions. */
bool look_add(struct look *look, const struct action *action);

/* repair.c */
void repair_facts(const struct look *look,
                  const struct catalog_shard *shard,
                  uint32_t wanted,
                  struct facts *out);
/* The next step, if one is due. */
void repair_shard(struct look *look, const struct catalog_shard *shard, const struct facts *facts);
/* Nothing is to be repaired, nobody comes or goes, and no step is under way. */
bool repair_settled(const struct look *look,
                    const struct catalog_shard *shard,
                    const struct facts *facts);

/* balance.c */
void balance(struct look *look);

#endif
