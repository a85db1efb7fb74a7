/* source_shards: where the placement driver is, it tells of workers, collections and routes; the
 * shards themselves tell how they are. Of many shards some are asked at each tick, by turns. */
#include <stdio.h>
#include <string.h>

#include "cli/console/source_state.h"
#include "runtime/memory.h"
#include "schemas/pd.pb-c.h"
#include "schemas/shard.pb-c.h"

enum {
    LOOKUP_US = 2 * 1000 * 1000,
    ANSWER_US = SOURCE_ANSWER_MS * 1000,
    COLLECTIONS_A_TICK = 256,
};

/* --- shards --- */

static struct shard_target *find_shard(struct source *self, const char *address, uint64_t shard) {
    for (size_t i = 0; i < self->n_shards; i++)
        if (self->shards[i]->shard == shard && strcmp(self->shards[i]->address, address) == 0)
            return self->shards[i];
    if (self->n_shards == SOURCE_SHARDS_MAX) return NULL;
    struct shard_target *target = mem_zero(1, sizeof *target);
    if (!target) return NULL;
    snprintf(target->address, sizeof target->address, "%s", address);
    target->shard = shard;
    return self->shards[self->n_shards++] = target;
}

static void on_shard(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct source *self = actor;
    struct asked *asked = context;
    source_tell(self, asked, outcome, turn);
    asked->shard->under_way = false;
    if (outcome->status == STATUS_LOST_PEER) asked->shard->handle = 0;
    source_free_asked(asked);
}

static void ask_shard(struct asked *asked, struct turn *turn) {
    turn_call(turn, &(struct call){.to = asked->shard->handle,
                                   .message = &turn_new(turn, ShardAsk, shard_ask)->base,
                                   .done = on_shard,
                                   .context = asked,
                                   .deadline_us = turn_now_us(turn) + ANSWER_US});
}

static void
on_shard_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct asked *asked = context;
    if (outcome->status != STATUS_OK) {
        on_shard(actor, context, outcome, turn);
        return;
    }
    asked->shard->handle = outcome->handle;
    ask_shard(asked, turn);
}

static void begin_shard(struct source *self, struct shard_target *shard, struct turn *turn) {
    size_t target = source_target_index(self, shard->address);
    if (shard->under_way || target >= self->n_targets) return;
    char name[32];
    snprintf(name, sizeof name, "shard/%llu", (unsigned long long)shard->shard);
    struct asked *asked = source_asked(self, target, QUESTION_SHARD, name);
    if (!asked) return;
    asked->shard = shard;
    asked->begun_us = turn_now_us(turn);
    shard->under_way = true;
    if (shard->handle) {
        ask_shard(asked, turn);
        return;
    }
    turn_lookup(turn, &(struct lookup){.address = shard->address,
                                       .name = turn_printf(turn, "%s", name),
                                       .done = on_shard_found,
                                       .context = asked,
                                       .deadline_us = turn_now_us(turn) + LOOKUP_US});
}

/* --- the placement driver --- */

static void
on_pd_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn);

static void ask_pd(struct source *self,
                   size_t index,
                   enum question question,
                   const char *key,
                   const ProtobufCMessage *message,
                   struct turn *turn) {
    struct target *target = self->targets[index];
    struct asked *asked = source_asked(self, index, question, key);
    if (!asked) return;
    asked->begun_us = turn_now_us(turn);
    turn_call(turn, &(struct call){.to = target->services[SERVICE_PD].handle,
                                   .message = message,
                                   .done = on_pd_answer,
                                   .context = asked,
                                   .deadline_us = turn_now_us(turn) + ANSWER_US});
}

static void take_routing(struct source *self, size_t pd, const PdRouting *routing) {
    for (size_t i = 0; i < routing->n_shards; i++)
        for (size_t j = 0; j < routing->shards[i]->n_replicas; j++) {
            const char *link = routing->shards[i]->replicas[j]->link;
            const char *address = *link ? link : self->targets[pd]->address;
            if (*link) source_target(self, link);
            find_shard(self, address, routing->shards[i]->shard);
        }
}

static void
on_pd_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct source *self = actor;
    struct asked *asked = context;
    struct target *target = self->targets[asked->target];
    source_tell(self, asked, outcome, turn);
    if (outcome->status == STATUS_LOST_PEER) target->services[SERVICE_PD].handle = 0;
    if (asked->question != QUESTION_ROUTE) target->under_way[asked->question] = false;
    const PdCollections *names = outcome_as(outcome, PdCollections, pd_collections);
    for (size_t i = 0; names && i < names->n_names && i < COLLECTIONS_A_TICK; i++) {
        PdRoute *route = turn_new(turn, PdRoute, pd_route);
        route->collection = names->names[i];
        ask_pd(self, asked->target, QUESTION_ROUTE, names->names[i], &route->base, turn);
    }
    const PdRouting *routing = outcome_as(outcome, PdRouting, pd_routing);
    if (routing) take_routing(self, asked->target, routing);
    source_free_asked(asked);
}

void source_ask_shards(struct source *self, struct turn *turn) {
    for (size_t i = 0; i < self->n_targets; i++) {
        struct target *target = self->targets[i];
        if (!target->services[SERVICE_SYS].handle || target->same) continue;
        if (!target->services[SERVICE_PD].handle) {
            source_look_up(&target->services[SERVICE_PD], turn);
            continue;
        }
        if (!target->under_way[QUESTION_WORKERS]) {
            target->under_way[QUESTION_WORKERS] = true;
            ask_pd(self, i, QUESTION_WORKERS, "",
                   &turn_new(turn, PdListWorkers, pd_list_workers)->base, turn);
        }
        if (!target->under_way[QUESTION_COLLECTIONS]) {
            target->under_way[QUESTION_COLLECTIONS] = true;
            ask_pd(self, i, QUESTION_COLLECTIONS, "",
                   &turn_new(turn, PdListCollections, pd_list_collections)->base, turn);
        }
    }
    for (size_t i = 0; i < self->n_shards && i < SOURCE_SHARDS_A_TICK; i++)
        begin_shard(self, self->shards[self->next_shard++ % self->n_shards], turn);
}
