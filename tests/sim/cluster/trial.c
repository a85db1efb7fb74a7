/* trial: see trial.h. */
#include "tests/sim/cluster/trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "tests/sim/cluster/files.h"

enum {
    CALM_US = 30 * SECOND, /* beyond every deadline of a client */
    SETTLE_US = 10 * SECOND,
};

struct trial trial;

void trial_broken(const char *format, ...) {
    va_list args;
    if (++trial.violations > VIOLATIONS_SHOWN) return;
    fprintf(stderr, "seed %llu broken at %llu us: ", (unsigned long long)trial.seed,
            (unsigned long long)(trial.world.sim ? sim_now_us(trial.world.sim) : 0));
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static void open_world(bool trace) {
    const struct profile *profile = trial.profile;
    world_open(&trial.world,
               &(struct world_options){
                   .seed = trial.seed,
                   .workers = profile->workers + (uint32_t)rng_below(&trial.rng, WORKERS_MORE),
                   .searchers = profile->searchers,
                   .later = profile->later,
                   .gateways = profile->gateways,
                   .others = 1,
                   .pds = profile->pds,
                   .factor = profile->replicas,
                   .grace_ms = profile->grace_ms,
                   .tail_max = profile->tail_max,
                   .flush_ms = profile->flush_ms,
                   .index_dir = profile->save_changes ? files_folder() : NULL,
                   .own_dirs = true,
                   .save_changes = profile->save_changes,
                   .drop_ppm = profile->drop,
                   .full_ppm = profile->full,
                   .delay_us_max = 200 + (uint32_t)rng_below(&trial.rng, profile->delay_us + 1),
                   .block_us = (uint32_t)rng_below(&trial.rng, profile->block_us + 1),
                   .lanes = 1 + (uint32_t)rng_below(&trial.rng, 2),
                   .reorder = profile->reorder && rng_below(&trial.rng, 2),
                   .actions = SYS_ACTIONS_TEST,
                   .trace_time = trace,
                   .quiet = !trace});
}

static bool create(void) {
    const ProtobufCMessage *reply;
    if (trial.profile->replicas > 1)
        sim_run(trial.world.sim, SETTLE_US); /* all workers are there */
    for (int i = 0; i < 20; i++) {           /* the network may lose what it says */
        enum status s =
            sim_call_on(trial.world.sim, trial.world.gateways[0].node, "router",
                        MESSAGE(RouterCreateCollection, router_create_collection, .name = "docs",
                                .dimension = 2, .distance = "euclidean", .shards = trial.shards,
                                .replicas = trial.profile->replicas),
                        30 * SECOND, &reply);
        if (s == STATUS_OK || s == STATUS_EXISTS) return true;
        sim_run(trial.world.sim, SECOND);
    }
    trial_broken("no collection: %s", sim_words(trial.world.sim));
    return false;
}

static void start_clients(struct client_options options[CLIENTS_MAX]) {
    for (uint32_t i = 0; i < trial.profile->clients; i++) {
        char name[32];
        snprintf(name, sizeof name, "client/%u", i);
        options[i] = (struct client_options){
            .id = i, .gateway = i % trial.profile->gateways, .seed = rng_next(&trial.rng)};
        actor_handle client = sim_spawn_on(trial.world.sim, world_others(&trial.world), name,
                                           &client_type, &options[i]);
        assert(client != 0);
    }
}

static void run(uint32_t seconds) {
    nemesis_begin();
    for (uint32_t i = 0; i < seconds * 1000 / STEP_MS; i++) {
        nemesis_step();
        sim_run(trial.world.sim, STEP_MS * MS);
        audit_mailboxes();
        drivers_look();
    }
    nemesis_heal();
    trial.calm = true;
    sim_run(trial.world.sim, CALM_US);
    /* Clients end in spite of loss. But with so short a grace one lost beat is a dead worker, and
     * the cluster would not come to rest. */
    sim_drop(trial.world.sim, 0);
    if (trial.n_calls != trial.n_outcomes)
        trial_broken("%u calls had %u outcomes", trial.n_calls, trial.n_outcomes);
}

static void judge(void) {
    for (uint32_t key = 0; key < KEYS_MAX; key++) {
        const struct key *row = &trial.history.keys[key];
        const char *words = judge_levels(row);
        if (words) trial_broken("k%u: %s", key, words);
        enum verdict verdict = judge_order(row);
        if (verdict == VERDICT_BROKEN)
            trial_broken("k%u: no order of its %u deeds explains what was read", key, row->n);
        if (verdict == VERDICT_UNKNOWN)
            fprintf(stderr, "seed %llu: k%u has too many orders to look at\n",
                    (unsigned long long)trial.seed, key);
        if (verdict == VERDICT_BROKEN && trial.tell) history_print(row, key);
    }
}

unsigned trial_run(uint64_t seed, const struct profile *profile, uint32_t seconds, bool trace) {
    static struct client_options clients[CLIENTS_MAX];
    memset(&trial, 0, sizeof trial);
    trial.seed = seed;
    trial.profile = profile;
    trial.tell = trace;
    rng_init(&trial.rng, seed * UINT64_C(0x9e3779b97f4a7c15));
    for (uint32_t i = 0; i < ACTIVE_KEYS; i++)
        trial.active[i] = i;
    trial.shards = 1 + (uint32_t)rng_below(&trial.rng, SHARDS_MAX);
    watch_begin();
    drivers_begin();
    files_begin(seed);
    open_world(trace);
    if (create()) {
        start_clients(clients);
        run(seconds);
        sim_run(trial.world.sim, SETTLE_US);
        audit_keys();
        audit_replicas();
        audit_epochs();
        drivers_rest();
        drivers_calm();
        judge();
    }
    if (sim_failed(trial.world.sim)) trial_broken("a process failed for good");
    if (trace) fputs(sim_trace(trial.world.sim), stdout);
    world_close(&trial.world);
    files_end();
    return trial.violations;
}
