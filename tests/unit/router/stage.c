/* stage: see stage.h. */
#include "tests/unit/router/stage.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "schemas/pd.pb-c.h"

enum { CALL_US = 10 * SECOND, PENDING_MAX = 4096 };

struct stage stage;

const char *stage_link(uint32_t replica) {
    static const char *const links[] = {"sim://2", "sim://3", "sim://4", "sim://5"};
    return links[replica];
}

/* --- a replica --- */

struct pending {
    struct promise promise;
    bool used;
    ProtobufCMessageDescriptor const *type;
};
struct actor {
    uint32_t n;
    struct pending pending[PENDING_MAX];
};

static void answer(struct actor *self, struct pending *pending, struct turn *turn) {
    struct part *part = &stage.parts[self->n];
    float distance = 0;
    if (!turn_wanted(turn, &pending->promise)) {
        part->cancelled++;
        turn_reject(turn, &pending->promise, STATUS_CANCELLED, "nobody waits");
    } else if (part->status != STATUS_OK) {
        turn_reject(turn, &pending->promise, part->status, "%s", part->words);
    } else if (pending->type == &shard_search__descriptor) {
        turn_resolve(turn, &pending->promise,
                     MESSAGE(ShardHits, shard_hits, .ids = {2, (uint8_t *)"a"}, .n_distances = 1,
                             .distances = &distance, .applied = stage.index));
    } else if (pending->type == &shard_get__descriptor) {
        turn_resolve(turn, &pending->promise, MESSAGE(ShardPoint, shard_point, .id = "a"));
    } else {
        turn_resolve(turn, &pending->promise,
                     MESSAGE(ShardWritten, shard_written, .operations = 1, .index = ++stage.index));
    }
    pending->used = false;
}

static void later(void *actor, void *context, struct turn *turn) {
    answer(actor, context, turn);
}

static enum status take(struct actor *self,
                        const ProtobufCMessageDescriptor *type,
                        uint64_t epoch,
                        struct turn *turn) {
    struct part *part = &stage.parts[self->n];
    struct pending *pending = self->pending;
    if (part->refusals > 0) {
        part->refusals--;
        return turn_fail(turn, STATUS_BUSY, "later");
    }
    if (part->epoch && part->epoch != epoch)
        return turn_fail(turn, STATUS_STALE_EPOCH, "at epoch %lu", (unsigned long)part->epoch);
    while (pending->used)
        pending++;
    *pending = (struct pending){.promise = turn_defer(turn), .used = true, .type = type};
    if (part->delay_us)
        turn_timer(turn, part->delay_us, later, pending);
    else
        answer(self, pending, turn);
    return STATUS_OK;
}

static enum status on_write(struct actor *self, const ShardWrite *msg, struct turn *turn) {
    struct part *part = &stage.parts[self->n];
    part->sequences[part->writes++ % SEQUENCES_MAX] = msg->sequence;
    return take(self, msg->base.descriptor, msg->epoch, turn);
}

static void note(struct part *part, uint32_t level, uint64_t index, uint32_t staleness) {
    part->level = level;
    part->session_index = index;
    part->max_staleness_ms = staleness;
}

static enum status on_get(struct actor *self, const ShardGet *msg, struct turn *turn) {
    struct part *part = &stage.parts[self->n];
    part->gets++;
    note(part, msg->consistency, msg->session_index, msg->max_staleness_ms);
    return take(self, msg->base.descriptor, msg->epoch, turn);
}

static enum status on_search(struct actor *self, const ShardSearch *msg, struct turn *turn) {
    struct part *part = &stage.parts[self->n];
    part->searches++;
    note(part, msg->consistency, msg->session_index, msg->max_staleness_ms);
    return take(self, msg->base.descriptor, msg->epoch, turn);
}

#define REPLICA_ACCEPTS(X) \
    X(struct actor, ShardWrite, shard_write, on_write) \
    X(struct actor, ShardGet, shard_get, on_get) \
    X(struct actor, ShardSearch, shard_search, on_search)
ACTOR_HANDLERS(replica_handlers, REPLICA_ACCEPTS);

static enum status replica_open(void *actor, const void *options, struct turn *turn) {
    (void)turn;
    ((struct actor *)actor)->n = *(const uint32_t *)options;
    return STATUS_OK;
}

static const struct actor_type replica_type = {.kind = "shard",
                                               .size = sizeof(struct actor),
                                               .handlers = replica_handlers,
                                               .open = replica_open,
                                               .lane = LANE_IO};

/* --- the placement driver --- */

struct driver {
    int unused;
};

static enum status on_route(struct driver *self, const PdRoute *msg, struct turn *turn) {
    PdReplica replicas[REPLICAS], *rows[REPLICAS];
    PdShard shard = PD_SHARD__INIT;
    PdShard *shards[] = {&shard};
    (void)self;
    stage.routes++;
    for (uint32_t i = 0; i < REPLICAS; i++) {
        pd_replica__init(&replicas[i]);
        replicas[i].worker = i + 2;
        replicas[i].link = (char *)(uintptr_t)stage_link(i);
        replicas[i].learner = replicas[i].search_only = i == LEARNER;
        replicas[i].ready = true;
        rows[i] = &replicas[i];
    }
    shard.shard = 1;
    shard.range_end = UINT64_MAX;
    shard.epoch = stage.epoch;
    shard.leader = stage.leader;
    shard.ready = true;
    shard.n_replicas = REPLICAS;
    shard.replicas = rows;
    turn_reply(turn, MESSAGE(PdRouting, pd_routing, .collection = msg->collection, .dimension = 1,
                             .distance = "dot", .n_shards = 1, .shards = shards));
    return STATUS_OK;
}

#define DRIVER_ACCEPTS(X) X(struct driver, PdRoute, pd_route, on_route)
ACTOR_HANDLERS(driver_handlers, DRIVER_ACCEPTS);

static const struct actor_type driver_type = {
    .kind = "pd", .size = sizeof(struct driver), .handlers = driver_handlers, .lane = LANE_IO};

/* --- open and close --- */

void stage_open(uint64_t seed, const struct router_options *options) {
    static struct router_options router;
    static uint32_t numbers[REPLICAS];
    memset(&stage, 0, sizeof stage);
    stage.epoch = 1;
    stage.leader = 2;
    stage.sim = sim_open(&(struct sim_options){.seed = seed,
                                               .nodes = REPLICAS + 1,
                                               .delay_us_min = 50,
                                               .delay_us_max = 200,
                                               .shuffle = true,
                                               .quiet = true});
    sim_spawn(stage.sim, "pd", &driver_type, NULL);
    for (uint32_t i = 0; i < REPLICAS; i++) {
        numbers[i] = i;
        sim_spawn_on(stage.sim, i + 2, "shard/1", &replica_type, &numbers[i]);
    }
    router = *options;
    router.pd = "";
    sim_spawn(stage.sim, "router", &router_type, &router);
}

void stage_close(void) {
    sim_close(&stage.sim);
}

void stage_leads(uint32_t replica) {
    for (uint32_t i = 0; i < VOTERS; i++) {
        struct part *part = &stage.parts[i];
        part->status = i == replica ? STATUS_OK : STATUS_NOT_LEADER;
        snprintf(part->words, sizeof part->words, "the leader is at %s", stage_link(replica));
    }
}

/* --- requests --- */

static enum status call(const ProtobufCMessage *message) {
    const ProtobufCMessage *reply;
    return sim_call(stage.sim, "router", message, CALL_US, &reply);
}

enum status stage_put(const char *id) {
    float vector[] = {1};
    RouterPoint point = ROUTER_POINT__INIT;
    RouterPoint *points[] = {&point};
    point.id = (char *)(uintptr_t)id;
    point.n_vector = 1;
    point.vector = vector;
    return call(MESSAGE(RouterUpsert, router_upsert, .collection = "docs", .n_points = 1,
                        .points = points));
}

enum status stage_get(uint32_t consistency) {
    return call(MESSAGE(RouterGet, router_get, .collection = "docs", .id = "a",
                        .consistency = consistency));
}

enum status stage_search(uint32_t consistency) {
    float vector[] = {1};
    return call(MESSAGE(RouterSearch, router_search, .collection = "docs", .n_vector = 1,
                        .vector = vector, .top_k = 5, .consistency = consistency));
}

static uint32_t finals, with_hit;

static void on_hits(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    const RouterHits *hits = outcome_as(outcome, RouterHits, router_hits);
    (void)self, (void)context, (void)turn;
    finals += !outcome->more;
    with_hit += hits && hits->n_hits == 1;
}

static void ask(void *self, void *context, struct turn *turn) {
    float vector[] = {1};
    (void)self, (void)context;
    turn_call(turn,
              &(struct call){.to = turn_find(turn, "router"),
                             .message = MESSAGE(RouterSearch, router_search, .collection = "docs",
                                                .n_vector = 1, .vector = vector, .top_k = 5),
                             .done = on_hits,
                             .deadline_us = turn_now_us(turn) + CALL_US});
}

uint32_t stage_searches(uint32_t n) {
    finals = with_hit = 0;
    for (uint32_t i = 0; i < n; i++) {
        sim_order(stage.sim, ask, NULL);
        sim_run(stage.sim, MS);
    }
    sim_run(stage.sim, CALL_US);
    cr_assert_eq(finals, n, "%u searches had %u outcomes", n, finals);
    return with_hit;
}

uint32_t stage_asked(void) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < REPLICAS; i++)
        n += stage.parts[i].searches;
    return n;
}
