/* steward: looks at the catalog, at each tick and soon after a beat or a change, and carries out
 * what reconcile says: rows go to the log, steps to the replica that leads.
 *
 *     tick, beat, row applied ─▶ reconcile ─▶ rows  ─▶ log ─▶ applied ─▶ keepers woken ─▶ …
 *                                    └─▶ steps ─▶ lookup shard/N at the leader ─▶ ShardChange ─▶ …
 *
 * A shard has one thing under way at a time (busy). Whether a step worked is seen in the leader's
 * beat, not in the answer: that only says when to ask again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/pd/driver.h"
#include "runtime/memory.h"
#include "schemas/runtime.pb-c.h"
#include "schemas/shard.pb-c.h"

#include "runtime/poison.h"

enum {
    TICK_US = 1000 * 1000,
    SOON_US = 20 * 1000,
    SOON_SHARD_US = 50, /* and so much for each shard: a look at many takes a while */
    STEP_US = 5 * 1000 * 1000,
    AGAIN_US = 200 * 1000,       /* until the next step of a shard: its leader is to beat first */
    REFUSED_US = 1000 * 1000,    /* … after one that was refused */
    HANDED_US = 5 * 1000 * 1000, /* … after leadership was to go: the heir may not have taken it */
    LEADERLESS_US = 10 * 1000 * 1000, /* that is more than an election */
    ERRANDS_MAX = 64,
    NAME_SIZE = 64,
};

/* --- looking
 * ------------------------------------------------------------------------------------------ */

struct reconcile_input steward_input(const struct driver *self, bool balance, struct turn *turn) {
    uint32_t grace_ms = self->options.grace_ms ? self->options.grace_ms : PD_GRACE_MS;
    return (struct reconcile_input){.catalog = &self->catalog,
                                    .now_us = turn_now_us(turn),
                                    .since_us = self->since_us,
                                    .grace_us = grace_ms * UINT64_C(1000),
                                    .wall_ms = turn_wall_ms(turn),
                                    .balance = balance};
}

static void tell_alarms(struct driver *self, struct turn *turn) {
    const struct reconcile_output *seen = &self->seen;
    uint64_t now = turn_now_us(turn);
    bool heard = now - self->since_us > CATALOG_PATIENCE_US;
    if (seen->leaderless == 0) self->leaderless_us = 0;
    if (seen->leaderless > 0 && self->leaderless_us == 0) self->leaderless_us = now;
    if (heard && self->leaderless_us != 0 && now - self->leaderless_us > LEADERLESS_US)
        turn_raise(turn, "leaderless",
                   "%" PRIu32 " shards have no leader and take no writes, the first is shard "
                   "%" PRIu64 ": start the workers that keep it (vectron admin shards)",
                   seen->leaderless, seen->leaderless_first);
    else if (seen->leaderless == 0)
        turn_clear(turn, "leaderless");
    if (seen->workers_dead > 0)
        turn_raise(turn, "worker_dead",
                   "%" PRIu32 " workers are dead, the first is worker %" PRIu64
                   ": start it, or forget it (vectron admin remove)",
                   seen->workers_dead, seen->dead_first);
    else
        turn_clear(turn, "worker_dead");
}

static void carry(struct driver *self, const struct action *action, struct turn *turn);
static void tick(void *actor, void *context, struct turn *turn);

static void arm(struct driver *self, uint64_t delay_us, struct turn *turn) {
    uint64_t due = turn_now_us(turn) + delay_us;
    if (self->look_timer != 0) {
        if (self->look_us <= due) return;
        turn_timer_cancel(turn, self->look_timer);
    }
    self->look_us = due;
    self->look_timer = turn_timer(turn, delay_us, tick, NULL);
}

static void tick(void *actor, void *context, struct turn *turn) {
    struct driver *self = actor;
    (void)context;
    self->look_timer = 0;
    if (self->since_us == 0) return;
    if (self->ready) {
        bool balance = !self->options.still || self->rebalance;
        struct reconcile_input input = steward_input(self, balance, turn);
        reconcile(&input, &self->seen);
        for (uint32_t i = 0; i < self->seen.n_actions; i++)
            carry(self, &self->seen.actions[i], turn);
        if (self->seen.moving + self->seen.moves + self->seen.transfers == 0)
            self->rebalance = false;
        tell_alarms(self, turn);
        members_look(self, turn);
    }
    arm(self, TICK_US, turn);
}

void steward_start(struct driver *self, struct turn *turn) {
    self->since_us = turn_now_us(turn) | 1;
    arm(self, TICK_US, turn);
}

void steward_stop(struct driver *self, struct turn *turn) {
    if (self->look_timer) turn_timer_cancel(turn, self->look_timer);
    self->look_timer = self->since_us = self->leaderless_us = 0;
    self->rebalance = false;
    turn_clear(turn, "leaderless");
    turn_clear(turn, "worker_dead");
}

void steward_soon(struct driver *self, struct turn *turn) {
    if (self->since_us == 0) return;
    arm(self, SOON_US + self->seen.shards * (uint64_t)SOON_SHARD_US, turn);
}

/* --- rows
 * --------------------------------------------------------------------------------------------- */

static enum status propose_row(struct driver *self,
                               struct catalog_shard *shard,
                               PdReplicaChange *change,
                               const struct promise *promise,
                               struct turn *turn) {
    PdCommand command = PD_COMMAND__INIT;
    change->shard = shard->id;
    command.command_case = PD_COMMAND__COMMAND_REPLICA;
    command.replica = change;
    enum status s = driver_propose(self, &command, promise, turn);
    if (s == STATUS_OK) shard->busy++;
    return s;
}

enum status steward_add(struct driver *self,
                        struct catalog_shard *shard,
                        const struct catalog_worker *worker,
                        struct turn *turn) {
    PdReplicaChange change = PD_REPLICA_CHANGE__INIT;
    PdReplicaRow row = PD_REPLICA_ROW__INIT;
    row.worker = worker->id;
    row.store_id = self->next_store++;
    row.role = 1;
    change.replica = &row;
    turn_note(turn, "shard %" PRIu64 ": replica %" PRIu64 " on worker %" PRIu64, shard->id,
              row.store_id, worker->id);
    return propose_row(self, shard, &change, NULL, turn);
}

enum status steward_change(struct driver *self,
                           struct catalog_shard *shard,
                           const struct catalog_replica *replica,
                           enum row_change what,
                           const struct promise *promise,
                           struct turn *turn) {
    static const char *const words[] = {"has started", "is a voter", "is to go", "stays",
                                        "is gone"};
    PdReplicaChange change = PD_REPLICA_CHANGE__INIT;
    PdReplicaRow row = PD_REPLICA_ROW__INIT;
    row.worker = replica->worker->id;
    row.store_id = replica->store_id;
    row.role = replica->learner && what != ROW_VOTER;
    row.founder = replica->founder;
    row.leaving = what == ROW_LEAVE || (replica->leaving && what != ROW_STAY);
    row.started = replica->started || what == ROW_STARTED;
    change.dropped = what == ROW_DROP;
    change.replica = &row;
    turn_note(turn, "shard %" PRIu64 ": replica %" PRIu64 " on worker %" PRIu64 " %s", shard->id,
              row.store_id, row.worker, words[what]);
    return propose_row(self, shard, &change, promise, turn);
}

enum status steward_worker(struct driver *self,
                           struct catalog_worker *worker,
                           enum catalog_worker_state state,
                           const struct promise *promise,
                           struct turn *turn) {
    PdCommand command = PD_COMMAND__INIT;
    PdWorkerState row = PD_WORKER_STATE__INIT;
    row.worker = worker->id;
    row.state = state;
    row.wall_ms = turn_wall_ms(turn);
    command.command_case = PD_COMMAND__COMMAND_WORKER_STATE;
    command.worker_state = &row;
    enum status s = driver_propose(self, &command, promise, turn);
    if (s == STATUS_OK) worker->changing = true;
    return s;
}

static enum status forget(struct driver *self, struct catalog_worker *worker, struct turn *turn) {
    PdCommand command = PD_COMMAND__INIT;
    command.command_case = PD_COMMAND__COMMAND_WORKER_REMOVED;
    command.worker_removed = worker->id;
    enum status s = driver_propose(self, &command, NULL, turn);
    if (s == STATUS_OK) worker->changing = true;
    return s;
}

static void row_applied(struct driver *self, const PdReplicaChange *change, struct turn *turn) {
    struct catalog_shard *shard = catalog_shard(&self->catalog, change->shard);
    if (!shard) return;
    if (shard->busy > 0) shard->busy--;
    for (uint32_t i = 0; i < shard->n_replicas; i++)
        worker_wake(self, shard->replicas[i].worker->id, turn); /* the epoch is another one */
    if (change->dropped) worker_wake(self, change->replica->worker, turn);
}

static void worker_changed(struct driver *self, const PdWorkerState *row, struct turn *turn) {
    struct catalog_worker *worker = catalog_worker(&self->catalog, row->worker);
    if (!worker) return;
    worker->changing = false;
    turn_note(turn, "%s is %s", worker_words(worker, turn),
              worker_state(worker, turn_now_us(turn)));
}

void steward_applied(struct driver *self,
                     const PdCommand *command,
                     const struct promise *promise,
                     struct turn *turn) {
    Done done = DONE__INIT;
    if (command->command_case == PD_COMMAND__COMMAND_REPLICA)
        row_applied(self, command->replica, turn);
    if (command->command_case == PD_COMMAND__COMMAND_WORKER_STATE)
        worker_changed(self, command->worker_state, turn);
    if (promise) turn_resolve(turn, promise, &done.base);
    steward_soon(self, turn);
}

void steward_refused(struct driver *self) {
    for (uint32_t i = 0; i < self->catalog.n_workers; i++)
        self->catalog.workers[i]->changing = false;
    for (uint32_t c = 0; c < self->catalog.n_collections; c++)
        for (uint32_t i = 0; i < self->catalog.collections[c]->n_shards; i++)
            self->catalog.collections[c]->shards[i].busy = 0;
}

/* --- steps
 * -------------------------------------------------------------------------------------------- */

/* One ShardChange. It names its shard, which may be deleted before the answer comes. */
struct errand {
    uint64_t shard;
    enum action_kind kind;
    uint64_t replica;
    char address[CATALOG_WORDS_MAX * 2]; /* of a learner */
};

static void
on_stepped(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct driver *self = actor;
    struct errand *errand = context;
    struct catalog_shard *shard = catalog_shard(&self->catalog, errand->shard);
    bool fine = outcome->status == STATUS_OK;
    self->errands--;
    if (shard) {
        if (shard->busy > 0) shard->busy--;
        uint64_t pause = errand->kind == ACTION_TRANSFER ? HANDED_US : AGAIN_US;
        shard->retry_us = turn_now_us(turn) + (fine ? pause : REFUSED_US);
        snprintf(shard->words, sizeof shard->words, "%s", fine ? "" : outcome->text);
        if (!fine && !shard->words[0])
            snprintf(shard->words, sizeof shard->words, "%s", status_text(outcome->status));
        if (!fine)
            turn_note(turn, "shard %" PRIu64 ": step %s %s", shard->id,
                      status_name(outcome->status), outcome->text);
    }
    mem_free(errand);
}

static uint32_t step_of(enum action_kind kind) {
    switch (kind) {
    case ACTION_LEARN:
        return 0;
    case ACTION_PROMOTE:
        return 1;
    case ACTION_REMOVE:
        return 2;
    default:
        return 3;
    }
}

static void
on_leader(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct errand *errand = context;
    if (outcome->status != STATUS_OK) {
        on_stepped(actor, context, outcome, turn);
        return;
    }
    ShardChange change = SHARD_CHANGE__INIT;
    change.step = step_of(errand->kind);
    change.replica = errand->replica;
    change.address = errand->address;
    turn_call(turn, &(struct call){.to = outcome->handle,
                                   .message = &change.base,
                                   .done = on_stepped,
                                   .context = errand,
                                   .control = true,
                                   .deadline_us = turn_now_us(turn) + STEP_US});
}

static void step(struct driver *self,
                 struct catalog_shard *shard,
                 const struct action *action,
                 struct turn *turn) {
    const struct catalog_replica *leader = catalog_replica(shard, action->leader);
    const struct catalog_replica *replica = catalog_replica(shard, action->store_id);
    if (!leader || self->errands == ERRANDS_MAX) return;
    struct errand *errand = mem_zero(1, sizeof *errand);
    if (!errand) return; /* the next look asks again */
    errand->shard = shard->id;
    errand->kind = action->kind;
    errand->replica = action->store_id;
    if (replica)
        snprintf(errand->address, sizeof errand->address, "%s", replica->worker->facts->link);
    turn_note(turn, "shard %" PRIu64 ": step %" PRIu32 " of replica %" PRIu64, shard->id,
              step_of(action->kind), action->store_id);
    shard->busy++;
    self->errands++;
    turn_lookup(turn, &(struct lookup){.address = leader->worker->facts->link,
                                       .name = turn_printf(turn, "shard/%" PRIu64, shard->id),
                                       .done = on_leader,
                                       .context = errand,
                                       .deadline_us = turn_now_us(turn) + STEP_US});
}

/* --- both
 * --------------------------------------------------------------------------------------------- */

static enum row_change change_of(enum action_kind kind) {
    switch (kind) {
    case ACTION_STARTED:
        return ROW_STARTED;
    case ACTION_VOTER:
        return ROW_VOTER;
    case ACTION_STAY:
        return ROW_STAY;
    case ACTION_DROP:
        return ROW_DROP;
    default:
        return ROW_LEAVE;
    }
}

static void carry_row(struct driver *self,
                      struct catalog_shard *shard,
                      const struct action *action,
                      struct turn *turn) {
    const struct catalog_worker *worker = catalog_worker(&self->catalog, action->worker);
    const struct catalog_replica *replica = catalog_replica(shard, action->store_id);
    enum status s = STATUS_OK;
    if (action->kind == ACTION_ADD || action->kind == ACTION_MOVE)
        s = worker ? steward_add(self, shard, worker, turn) : STATUS_NOT_FOUND;
    if (s == STATUS_OK && action->kind != ACTION_ADD && replica)
        s = steward_change(self, shard, replica, change_of(action->kind), NULL, turn);
    if (s != STATUS_OK) turn_note(turn, "shard %" PRIu64 ": %s", shard->id, status_name(s));
}

static void carry(struct driver *self, const struct action *action, struct turn *turn) {
    struct catalog_worker *worker = catalog_worker(&self->catalog, action->worker);
    struct catalog_shard *shard = catalog_shard(&self->catalog, action->shard);
    enum status s = STATUS_OK;
    switch (action->kind) {
    case ACTION_STATE:
        if (worker) s = steward_worker(self, worker, action->state, NULL, turn);
        break;
    case ACTION_FORGET:
        if (worker) s = forget(self, worker, turn);
        break;
    case ACTION_LEARN:
    case ACTION_PROMOTE:
    case ACTION_REMOVE:
    case ACTION_TRANSFER:
        if (shard) step(self, shard, action, turn);
        break;
    default:
        if (shard) carry_row(self, shard, action, turn);
    }
    if (s != STATUS_OK) turn_note(turn, "worker %" PRIu64 ": %s", action->worker, status_name(s));
}
