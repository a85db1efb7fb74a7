/* storm: collections that come and go through gateways, and lists of them. To the judge a
 * collection is a register, too: creating writes that it is there, deleting that it is not, a list
 * reads all of them. What was asked for twice on its way (EXISTS, NOT_FOUND, or a failure) may have
 * happened or not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/cluster/trial.h"

enum {
    FIRST_KEY = KEYS_MAX - STORMS,
    THERE = 1,
    CALLS_MAX = 64, /* at once */
    CALL_US = 10 * SECOND,
};

struct storm_call {
    enum act act; /* ACT_READ: a list */
    uint32_t n;
    uint64_t invoke_us; /* 0 = free */
};
static struct storm_call calls[CALLS_MAX];

static void note(const struct storm_call *call, uint32_t n, uint32_t value, uint64_t return_us) {
    struct key *key = &trial.history.keys[FIRST_KEY + n];
    key->plain = true;
    if (call->act == ACT_READ && key->n >= DEEDS_RETIRE) return;
    history_add(&trial.history, FIRST_KEY + n,
                &(struct deed){.act = call->act,
                               .client = CLIENTS_MAX,
                               .value = value,
                               .level = LEVEL_LINEARIZABLE,
                               .invoke_us = call->invoke_us,
                               .return_us = return_us});
}

static void note_list(const struct storm_call *call, const RouterCollections *list, uint64_t now) {
    for (uint32_t n = 0; n < STORMS; n++) {
        char name[16];
        uint32_t value = ABSENT;
        snprintf(name, sizeof name, "storm%u", (unsigned)n);
        for (size_t i = 0; i < list->n_names; i++)
            if (strcmp(list->names[i], name) == 0) value = THERE;
        note(call, n, value, now);
    }
}

static void on_done(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    struct storm_call *call = context;
    const RouterCollections *list = outcome_as(outcome, RouterCollections, router_collections);
    uint64_t now = sim_now_us(trial.world.sim); /* the node's own clock may drift */
    (void)self, (void)turn;
    if (call->act != ACT_READ)
        note(call, call->n, call->act == ACT_PUT ? THERE : ABSENT,
             outcome->status == STATUS_OK ? now : NEVER);
    else if (list)
        note_list(call, list, now);
    call->invoke_us = 0;
}

static void ask(void *self, void *context, struct turn *turn) {
    struct storm_call *call = context;
    char name[16];
    (void)self;
    snprintf(name, sizeof name, "storm%u", (unsigned)call->n);
    const ProtobufCMessage *messages[] = {
        [ACT_PUT] =
            MESSAGE(RouterCreateCollection, router_create_collection, .name = name, .dimension = 2,
                    .distance = "dot", .shards = 2, .replicas = trial.profile->replicas),
        [ACT_DELETE] = MESSAGE(RouterDeleteCollection, router_delete_collection, .name = name),
        [ACT_READ] = MESSAGE(RouterListCollections, router_list_collections),
    };
    call->invoke_us = sim_now_us(trial.world.sim);
    turn_call(turn, &(struct call){.to = turn_find(turn, "router"),
                                   .message = messages[call->act],
                                   .done = on_done,
                                   .context = call,
                                   .deadline_us = turn_now_us(turn) + CALL_US});
}

void storm_begin(void) {
    memset(calls, 0, sizeof calls);
}

/* A name whose fate is unknown too often is only read. */
static bool may_write(uint32_t n) {
    return !history_full(&trial.history, FIRST_KEY + n);
}

void storm_blow(void) {
    uint32_t gateway = (uint32_t)rng_below(&trial.rng, trial.world.n_gateways);
    struct storm_call *call = calls;
    while (call < calls + CALLS_MAX && call->invoke_us)
        call++;
    if (!trial.world.gateways[gateway].up || call == calls + CALLS_MAX) return;
    call->act = (enum act)rng_below(&trial.rng, 3);
    call->n = (uint32_t)rng_below(&trial.rng, STORMS);
    if (!may_write(call->n)) call->act = ACT_READ;
    sim_order_on(trial.world.sim, trial.world.gateways[gateway].node, ask, call);
    trial.n_faults++;
}
