/* audit: what must hold while it runs, and when all is calm. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/cell.h"
#include "runtime/codec.h"
#include "runtime/sim/world.h"
#include "schemas/shard.pb-c.h"
#include "tests/sim/cluster/trial.h"

enum {
    PATIENCE_US = 30 * SECOND, /* for a healed cluster to answer */
    CALL_US = 5 * SECOND,
    ALL = 1000,
};

/* --- bounds --- */

static void look_at(const struct cell *cell) {
    const struct mailbox *mailbox = &cell->mailbox;
    for (int i = BAND_CONTROL; i < BAND_COUNT; i++) {
        uint32_t max = i == BAND_CONTROL ? MAILBOX_CONTROL_MESSAGES : mailbox->messages_max;
        if (mailbox->bands[i].count > max)
            trial_broken("the mailbox of %s holds %u messages, above %u", cell->name,
                         mailbox->bands[i].count, max);
    }
}

void audit_mailboxes(void) {
    const struct sim *sim = trial.world.sim;
    for (uint32_t i = 0; i < sim->n_nodes; i++)
        for (uint32_t j = 0; j < sim->nodes[i].core.n_lanes; j++)
            for (int light = 0; light < 2; light++)
                for (struct cell *cell = sim->nodes[i].core.lanes[j].cells[light]; cell;
                     cell = cell->next)
                    look_at(cell);
}

const void *audit_state(uint32_t node, const char *name) {
    const struct core *core = &trial.world.sim->nodes[node - 1].core;
    for (uint32_t i = 0; i < core->n_lanes; i++)
        for (const struct cell *cell = core->lanes[i].cells[0]; cell; cell = cell->next)
            if (cell->name && strcmp(cell->name, name) == 0) return cell->state;
    return NULL;
}

/* --- liveness and the last word on every key --- */

/* Asks a gateway again until it answers, for as long as a healed cluster may take. */
static enum status
ask(uint32_t gateway, const ProtobufCMessage *message, const ProtobufCMessage **reply) {
    struct sim *sim = trial.world.sim;
    uint64_t until = sim_now_us(sim) + PATIENCE_US;
    for (;;) {
        enum status s =
            sim_call_on(sim, trial.world.gateways[gateway].node, "router", message, CALL_US, reply);
        if (s == STATUS_OK || s == STATUS_NOT_FOUND || sim_now_us(sim) >= until) return s;
        sim_run(sim, 100 * MS);
    }
}

static void add_read(uint32_t key, uint32_t value, uint64_t invoke_us) {
    history_add(&trial.history, key,
                &(struct deed){.act = ACT_READ,
                               .client = CLIENTS_MAX,
                               .value = value,
                               .level = LEVEL_LINEARIZABLE,
                               .invoke_us = invoke_us,
                               .return_us = sim_now_us(trial.world.sim)});
}

static void get_key(uint32_t gateway, uint32_t key) {
    char name[16];
    const ProtobufCMessage *reply;
    key_name(key, name);
    uint64_t began = sim_now_us(trial.world.sim);
    enum status s = ask(gateway,
                        MESSAGE(RouterGet, router_get, .collection = "docs", .id = name,
                                .consistency = LEVEL_LINEARIZABLE),
                        &reply);
    if (s == STATUS_OK) {
        float at;
        memcpy(&at, (const void *)((const RouterPoint *)reply)->vector, sizeof at);
        add_read(key, (uint32_t)at, began);
    } else if (s == STATUS_NOT_FOUND && !strstr(sim_words(trial.world.sim), "collection")) {
        add_read(key, ABSENT, began);
    } else {
        trial_broken("healed, but a get of %s by gateway %u ends in %s: %s", name, gateway,
                     status_name(s), sim_words(trial.world.sim));
    }
}

static void search_keys(uint32_t gateway) {
    static uint32_t seen[KEYS_MAX];
    float vector[2] = {0, 0};
    const ProtobufCMessage *reply;
    memset(seen, 0, sizeof seen);
    uint64_t began = sim_now_us(trial.world.sim);
    enum status s = ask(gateway,
                        MESSAGE(RouterSearch, router_search, .collection = "docs", .n_vector = 2,
                                .vector = vector, .top_k = ALL, .include_vectors = true,
                                .consistency = LEVEL_LINEARIZABLE),
                        &reply);
    if (s != STATUS_OK) {
        trial_broken("healed, but a search by gateway %u ends in %s: %s", gateway, status_name(s),
                     sim_words(trial.world.sim));
        return;
    }
    const RouterHits *hits = (const RouterHits *)reply;
    for (size_t i = 0; i < hits->n_hits; i++) {
        float at;
        uint32_t key = (uint32_t)strtoul(hits->hits[i]->id + 1, NULL, 10);
        memcpy(&at, (const void *)hits->hits[i]->vector, sizeof at);
        if (key < KEYS_MAX) seen[key] = (uint32_t)at;
    }
    for (uint32_t key = 0; key < trial.history.n_keys; key++)
        add_read(key, seen[key], began);
}

static void put_one(uint32_t gateway) {
    float vector[2] = {1, 1};
    RouterPoint point = ROUTER_POINT__INIT;
    RouterPoint *rows[] = {&point};
    point.id = "last";
    point.n_vector = 2;
    point.vector = vector;
    const ProtobufCMessage *reply;
    enum status s = ask(
        gateway,
        MESSAGE(RouterUpsert, router_upsert, .collection = "docs", .n_points = 1, .points = rows),
        &reply);
    if (s != STATUS_OK)
        trial_broken("healed, but an upsert by gateway %u ends in %s: %s", gateway, status_name(s),
                     sim_words(trial.world.sim));
    s = ask(gateway, MESSAGE(RouterDelete, router_delete, .collection = "docs", .id = "last"),
            &reply);
    if (s != STATUS_OK)
        trial_broken("healed, but a delete by gateway %u ends in %s: %s", gateway, status_name(s),
                     sim_words(trial.world.sim));
}

void audit_keys(void) {
    for (uint32_t i = 0; i < trial.world.n_gateways; i++) {
        put_one(i);
        search_keys(i);
        for (uint32_t key = 0; key < trial.history.n_keys; key++)
            get_key(i, key);
    }
}

/* --- replicas --- */

/* What a replica has of a key, asked directly. */
static bool held(uint32_t node, const PdShard *shard, uint32_t key, uint32_t *value) {
    char id[16], name[64];
    const ProtobufCMessage *reply;
    key_name(key, id);
    snprintf(name, sizeof name, "shard/%lu", (unsigned long)shard->shard);
    if (!registry_find(&trial.world.sim->nodes[node - 1].core.registry, name)) return false;
    enum status s = sim_call_on(trial.world.sim, node, name,
                                MESSAGE(ShardGet, shard_get, .epoch = shard->epoch, .id = id,
                                        .consistency = LEVEL_EVENTUAL),
                                CALL_US, &reply);
    *value = ABSENT;
    if (s == STATUS_NOT_FOUND) return true;
    if (s != STATUS_OK) return false;
    float at;
    memcpy(&at, (const void *)((const ShardPoint *)reply)->vector, sizeof at);
    *value = (uint32_t)at;
    return true;
}

static uint32_t node_of(const char *link) {
    unsigned node = 0;
    return sscanf(link, "sim://%u", &node) == 1 ? node : 0;
}

static void compare(const PdShard *shard, uint32_t key) {
    uint32_t first = 0, first_node = 0;
    bool known = false;
    for (size_t i = 0; i < shard->n_replicas; i++) {
        uint32_t value, node = node_of(shard->replicas[i]->link);
        if (node == 0 || !held(node, shard, key, &value)) continue;
        /* One that has just come, and is behind the others in the list, has a while to catch up. */
        uint64_t until = sim_now_us(trial.world.sim) + PATIENCE_US;
        bool there = true;
        while (there && known && value != first && shard->replicas[i]->learner &&
               sim_now_us(trial.world.sim) < until) {
            sim_run(trial.world.sim, SECOND);
            there = held(node, shard, key, &value);
        }
        if (!there) continue;
        if (known && value != first)
            trial_broken("shard %lu: on node %u k%u is %u, on node %u %u",
                         (unsigned long)shard->shard, first_node, key, first, node, value);
        first = value;
        first_node = node;
        known = true;
    }
}

/* Does this replica refuse a route of one epoch before? One that is not there does. It hears of a
 * new epoch by its keeper's next beat. */
static void fence(const PdShard *shard, uint32_t node) {
    struct sim *sim = trial.world.sim;
    uint64_t until = sim_now_us(sim) + PATIENCE_US;
    char name[64];
    const ProtobufCMessage *reply;
    snprintf(name, sizeof name, "shard/%lu", (unsigned long)shard->shard);
    while (registry_find(&sim->nodes[node - 1].core.registry, name)) {
        enum status s = sim_call_on(sim, node, name,
                                    MESSAGE(ShardGet, shard_get, .epoch = shard->epoch - 1,
                                            .id = "k0", .consistency = LEVEL_EVENTUAL),
                                    CALL_US, &reply);
        if (s != STATUS_OK && s != STATUS_NOT_FOUND) return;
        if (sim_now_us(sim) >= until) {
            trial_broken("shard %lu is at epoch %lu, and node %u takes a route of the one before",
                         (unsigned long)shard->shard, (unsigned long)shard->epoch, node);
            return;
        }
        sim_run(sim, SECOND);
    }
}

static void fence_all(const PdShard *shard) {
    for (size_t i = 0; i < shard->n_replicas; i++)
        if (node_of(shard->replicas[i]->link) != 0) fence(shard, node_of(shard->replicas[i]->link));
}

static void compare_all(const PdShard *shard) {
    for (uint32_t key = 0; key < trial.history.n_keys; key++)
        compare(shard, key);
}

/* The route of "docs", from the placement driver that leads: full mailboxes and elections last a
 * while. NULL: told. */
static const PdRouting *route(void) {
    struct sim *sim = trial.world.sim;
    uint64_t until = sim_now_us(sim) + PATIENCE_US;
    enum status s = STATUS_NOT_LEADER;
    do {
        const ProtobufCMessage *reply;
        int leader = world_pd_leader(&trial.world);
        if (leader >= 0)
            s = sim_call_on(sim, trial.world.pds[leader].node, "pd",
                            MESSAGE(PdRoute, pd_route, .collection = "docs"), CALL_US, &reply);
        if (leader >= 0 && s == STATUS_OK) return (const PdRouting *)reply;
        sim_run(sim, 100 * MS);
    } while (sim_now_us(sim) < until);
    trial_broken("healed, but there is no route: %s %s", status_name(s), sim_words(sim));
    return NULL;
}

static void each_shard(void (*look)(const PdShard *shard)) {
    const PdRouting *reply = route();
    if (!reply) return;
    struct buffer body;
    struct arena arena;
    ProtobufCMessage *copy;
    buffer_init(&body);
    arena_init(&arena, 0);
    enum status s = codec_encode(&reply->base, &body);
    if (s == STATUS_OK)
        s = codec_decode(reply->base.descriptor, body.data, body.size, &arena, &copy, NULL);
    assert(s == STATUS_OK);
    const PdRouting *routing = (const PdRouting *)copy;
    for (size_t i = 0; i < routing->n_shards; i++)
        look(routing->shards[i]);
    arena_free(&arena);
    buffer_free(&body);
}

void audit_replicas(void) {
    if (trial.profile->replicas > 1) each_shard(compare_all);
}

void audit_epochs(void) {
    if (trial.profile->replicas > 1) each_shard(fence_all);
}
