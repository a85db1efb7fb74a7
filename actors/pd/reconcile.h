/* reconcile: what is to be done next so that every shard has the voters it shall have, each on a
 * worker of its own, spread over failure domains, evenly loaded. A function of the catalog, of what
 * workers said in their beats, and of the time: no I/O, no memory of its own, so that a new
 * placement driver goes on where the old one stopped, and that a test can drive it through any
 * history. A step that failed, or whose end was not seen, is found again by the next look.
 *
 *     row (learner) ─▶ started ─▶ LEARN ─▶ PROMOTE ─▶ row (voter)
 *     row leaving ─▶ TRANSFER when it leads ─▶ REMOVE ─▶ row dropped
 *
 * What holds on the way:
 *  - a step that changes voters is asked for only when the voters that serve are a majority after
 * it
 *  - a voter that works leaves only once the others that stay are as many as wanted
 *  - the leader is neither removed nor made a learner: it hands leadership over first
 *  - nothing new is begun while RECONCILE_REPAIRS shards are on the move */
#ifndef ACTORS_PD_RECONCILE_H
#define ACTORS_PD_RECONCILE_H

#include "actors/pd/catalog.h"

enum {
    RECONCILE_ACTIONS_MAX = 32, /* of one look; more: the next one */
    RECONCILE_REPAIRS = 8,      /* shards on the move at a time, when something is missing … */
    RECONCILE_BALANCES = 2,     /* … and when nothing is, only to even the load */
};

enum action_kind {
    /* rows, to be logged */
    ACTION_STATE,   /* worker: state */
    ACTION_FORGET,  /* worker */
    ACTION_ADD,     /* a learner's row of the shard, on worker */
    ACTION_STARTED, /* store_id has opened its store */
    ACTION_VOTER,   /* store_id is a voter by now */
    ACTION_LEAVE,   /* store_id is to go */
    ACTION_STAY,    /* … or is not, after all */
    ACTION_DROP,    /* store_id is no member any more: its row goes */
    ACTION_MOVE,    /* ADD on worker and LEAVE of store_id */
    /* steps, asked of the replica `leader` */
    ACTION_LEARN,
    ACTION_PROMOTE,
    ACTION_REMOVE,
    ACTION_TRANSFER,
};

struct action {
    enum action_kind kind;
    uint64_t shard;
    uint64_t store_id;
    uint64_t worker;
    enum catalog_worker_state state;
    uint64_t leader; /* store id */
};

struct reconcile_input {
    const struct catalog *catalog;
    uint64_t now_us;
    uint64_t since_us; /* beats are heard since then: nobody is dead who was silent before */
    uint64_t grace_us; /* a worker is silent, or a replica lost, for longer: it is replaced */
    uint64_t wall_ms;
    bool balance; /* also even out what is in order */
};

struct reconcile_output {
    struct action actions[RECONCILE_ACTIONS_MAX];
    uint32_t n_actions;
    /* what was seen */
    uint32_t shards;     /* of born collections */
    uint32_t leaderless; /* nobody leads them */
    uint64_t leaderless_first;
    uint32_t short_of; /* fewer good voters than wanted */
    uint64_t short_first;
    uint32_t moving;    /* replicas of them come or go */
    uint32_t begun;     /* others of which a step begins now or is under way */
    uint32_t copies;    /* replicas of all of them … */
    uint32_t silent;    /* … that do not serve: unheard, being opened, without their data */
    uint32_t moves;     /* that would even the load, while nothing is in the way */
    uint32_t transfers; /* the same of leaders */
    uint32_t workers_dead;
    uint64_t dead_first;
};

/* out is filled in whole. */
void reconcile(const struct reconcile_input *input, struct reconcile_output *out);

/* Voters that a shard of this collection shall have now: its factor, or fewer while workers are. */
uint32_t reconcile_wanted(const struct catalog *catalog,
                          const struct catalog_collection *collection);
/* "ready", "moving", "short", "surplus", "leaderless", "opening" */
const char *reconcile_state(const struct reconcile_input *input, const struct catalog_shard *shard);
/* Why a replica of the shard may not go from one worker to another now; NULL: it may. Static words.
 */
const char *reconcile_move_refused(const struct catalog_shard *shard,
                                   const struct catalog_worker *from,
                                   const struct catalog_worker *to,
                                   uint64_t now_us);

#endif
