/* requests: what administrators ask for: shards and how they are, draining, removing, moving,
 * evening out. What is decided is a row in the log; the steward does it. */
#include <inttypes.h>
#include <string.h>

#include "actors/pd/driver.h"
#include "schemas/runtime.pb-c.h"

#include "runtime/poison.h"

static enum status
find_worker(struct driver *self, uint64_t id, struct catalog_worker **out, struct turn *turn) {
    *out = catalog_worker(&self->catalog, id);
    return *out ? STATUS_OK : turn_fail(turn, STATUS_NOT_FOUND, "worker %" PRIu64 " not found", id);
}

/* --- workers
 * ------------------------------------------------------------------------------------------ */

/* The state is logged, then Done; also when it is the same, as long as another one may be on its
 * way to the log: what is asked for last holds. */
static enum status become(struct driver *self,
                          struct catalog_worker *worker,
                          enum catalog_worker_state state,
                          struct turn *turn) {
    if (worker->state == state && !worker->changing) return STATUS_OK;
    struct promise promise = turn_defer(turn);
    enum status s = steward_worker(self, worker, state, &promise, turn);
    if (s != STATUS_OK) turn_reject(turn, &promise, s, "%s", turn_words(turn));
    return STATUS_OK;
}

enum status driver_drain(struct driver *self, const PdDrain *msg, struct turn *turn) {
    struct catalog_worker *worker;
    enum status s = find_worker(self, msg->worker, &worker, turn);
    if (s != STATUS_OK) return s;
    if (worker->state == WORKER_REMOVING)
        return turn_fail(turn, STATUS_INVALID, "%s is being removed", worker_words(worker, turn));
    if (!msg->stop) return become(self, worker, WORKER_DRAINING, turn);
    if (worker->state != WORKER_DRAINING && !worker->changing) return STATUS_OK;
    return become(self, worker, WORKER_READY, turn);
}

enum status driver_remove(struct driver *self, const PdRemove *msg, struct turn *turn) {
    struct catalog_worker *worker;
    enum status s = find_worker(self, msg->worker, &worker, turn);
    if (s != STATUS_OK) return s;
    if (worker->n_shards > 0 && catalog_heard(worker, turn_now_us(turn)))
        return turn_fail(turn, STATUS_NOT_READY,
                         "%s keeps %" PRIu32 " replicas: drain it first (vectron admin drain "
                         "%" PRIu64 ")",
                         worker_words(worker, turn), worker->n_shards, worker->id);
    return become(self, worker, WORKER_REMOVING, turn);
}

/* --- moves
 * -------------------------------------------------------------------------------------------- */

enum status driver_move(struct driver *self, const PdMove *msg, struct turn *turn) {
    struct catalog_worker *from, *to;
    struct catalog_shard *shard = catalog_shard(&self->catalog, msg->shard);
    if (!shard) return turn_fail(turn, STATUS_NOT_FOUND, "shard %" PRIu64 " not found", msg->shard);
    enum status s = find_worker(self, msg->from, &from, turn);
    if (s == STATUS_OK) s = find_worker(self, msg->to, &to, turn);
    if (s != STATUS_OK) return s;
    const char *refused = reconcile_move_refused(shard, from, to, turn_now_us(turn));
    if (refused)
        return turn_fail(turn, STATUS_INVALID, "shard %" PRIu64 " stays: %s", shard->id, refused);
    if (shard->busy > 0)
        return turn_fail(turn, STATUS_BUSY, "shard %" PRIu64 " is being changed", shard->id);
    s = steward_add(self, shard, to, turn);
    if (s != STATUS_OK) return s;
    struct promise promise = turn_defer(turn);
    s = steward_change(self, shard, catalog_replica_on(shard, from), ROW_LEAVE, &promise, turn);
    if (s != STATUS_OK) turn_reject(turn, &promise, s, "%s", turn_words(turn));
    return STATUS_OK;
}

enum status driver_rebalance(struct driver *self, const PdRebalance *msg, struct turn *turn) {
    (void)msg;
    struct reconcile_output *seen = turn_alloc(turn, sizeof *seen);
    if (!seen) return STATUS_NO_MEMORY;
    struct reconcile_input input = steward_input(self, false, turn);
    reconcile(&input, seen);
    self->rebalance = true;
    steward_soon(self, turn);
    PdRebalancing answer = PD_REBALANCING__INIT;
    answer.replicas = seen->moves;
    answer.leaders = seen->transfers;
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

/* --- the driver itself
 * -------------------------------------------------------------------------------- */

enum status driver_leader(struct driver *self, const PdAskLeader *msg, struct turn *turn) {
    (void)msg;
    PdLeader answer = PD_LEADER__INIT;
    const struct catalog *catalog = &self->catalog;
    enum status s = members_tell(self, &answer, turn);
    if (s != STATUS_OK) return s;
    if (!self->ready) { /* what workers say the leader alone hears */
        turn_reply(turn, &answer.base);
        return STATUS_OK;
    }
    struct reconcile_output *seen = turn_alloc(turn, sizeof *seen);
    if (!seen) return STATUS_NO_MEMORY;
    struct reconcile_input input = steward_input(self, false, turn);
    reconcile(&input, seen);
    answer.cluster = catalog->cluster;
    answer.epoch = catalog->epoch;
    answer.factor = self->options.factor ? self->options.factor : 1;
    answer.workers = catalog->n_workers;
    for (uint32_t i = 0; i < catalog->n_workers; i++)
        answer.workers_ready +=
            !strcmp(worker_state(catalog->workers[i], turn_now_us(turn)), "ready");
    answer.collections = catalog->n_collections;
    answer.shards = seen->shards;
    answer.leaderless = seen->leaderless;
    answer.short_of = seen->short_of;
    answer.moving = seen->moving + seen->begun;
    answer.copies = seen->copies;
    answer.silent = seen->silent;
    answer.moves = seen->moves;
    answer.transfers = seen->transfers;
    answer.in_order = seen->leaderless + seen->short_of + answer.moving + seen->silent +
                          seen->moves + seen->transfers ==
                      0;
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

/* --- shards
 * ------------------------------------------------------------------------------------------- */

static void list_replica(const struct catalog_shard *shard,
                         const struct catalog_replica *replica,
                         PdReplicaState *out,
                         uint64_t now_us) {
    const char *role = replica->learner ? "learner" : "voter";
    if (catalog_leader(shard, now_us) == replica) role = "leader";
    pd_replica_state__init(out);
    out->worker = replica->worker->id;
    out->store_id = replica->store_id;
    out->role = (char *)(uintptr_t)role;
    out->state = (char *)(uintptr_t) "away";
    if (catalog_heard(replica->worker, now_us))
        out->state = replica->beat == 0 || replica->beat != replica->worker->beats
                         ? (char *)(uintptr_t) "opening"
                         : (char *)(uintptr_t)replica->state;
    out->leaving = replica->leaving;
    out->applied = replica->applied;
    out->points = replica->points;
    out->lag = replica->lag;
}

static PdShardState *
list_shard(const struct driver *self, const struct catalog_shard *shard, struct turn *turn) {
    struct reconcile_input input = steward_input(self, false, turn);
    uint64_t now = input.now_us;
    PdShardState *out = turn_new(turn, PdShardState, pd_shard_state);
    PdReplicaState *rows = turn_alloc(turn, shard->n_replicas * sizeof *rows);
    PdReplicaState **list = turn_alloc(turn, shard->n_replicas * sizeof *list);
    if (!out || !rows || !list) return NULL;
    const struct catalog_replica *leader = catalog_leader(shard, now);
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        list_replica(shard, &shard->replicas[i], &rows[i], now);
        list[i] = &rows[i];
    }
    out->shard = shard->id;
    out->collection = shard->collection->name;
    out->epoch = shard->epoch;
    out->leader = leader ? leader->worker->id : 0;
    out->state = (char *)(uintptr_t)reconcile_state(&input, shard);
    out->wanted = reconcile_wanted(&self->catalog, shard->collection);
    out->n_replicas = shard->n_replicas;
    out->replicas = list;
    bool over = !strcmp(out->state, "ready"); /* what was refused on the way there */
    out->last_error = (char *)(uintptr_t)(over ? "" : shard->words);
    return out;
}

enum status driver_shards(struct driver *self, const PdListShards *msg, struct turn *turn) {
    const struct catalog *catalog = &self->catalog;
    if (msg->collection[0] && !catalog_find(catalog, msg->collection))
        return turn_fail(turn, STATUS_NOT_FOUND, "collection '%s' not found", msg->collection);
    PdShards answer = PD_SHARDS__INIT;
    answer.shards = turn_alloc(turn, PD_SHARDS_PAGE * sizeof *answer.shards);
    if (!answer.shards) return STATUS_NO_MEMORY;
    for (uint32_t c = 0; c < catalog->n_collections; c++) {
        const struct catalog_collection *collection = catalog->by_shard[c];
        if (msg->collection[0] && strcmp(collection->name, msg->collection) != 0) continue;
        for (uint32_t i = 0; i < collection->n_shards; i++) {
            const struct catalog_shard *shard = &collection->shards[i];
            if (shard->id <= msg->after) continue;
            if (answer.n_shards == PD_SHARDS_PAGE) {
                answer.next = answer.shards[PD_SHARDS_PAGE - 1]->shard;
                turn_reply(turn, &answer.base);
                return STATUS_OK;
            }
            answer.shards[answer.n_shards] = list_shard(self, shard, turn);
            if (!answer.shards[answer.n_shards]) return STATUS_NO_MEMORY;
            answer.n_shards++;
        }
    }
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}
