/* pd: one state machine (catalog.c) behind one log.
 *
 *     LOADING (replay on the blocking pool) ─▶ born (first entry) ─▶ ready
 *     request ─▶ judged ─▶ command to the journal ─▶ durable ─▶ catalog_apply ─▶ answer
 *
 * Random numbers and times are put into the command by whoever proposes it. What workers say about
 * themselves every few seconds is not logged. After PD_SNAPSHOT_ENTRIES entries, when nothing is on
 * its way, the state itself is logged and everything before forgotten: the log stays bounded. */
#include "actors/pd/pd.h"

#include <stdio.h>
#include <string.h>

#include "actors/pd/driver.h"
#include "runtime/arena.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "schemas/runtime.pb-c.h"

#include "runtime/poison.h"

enum { RETRY_LOAD_US = 1000 * 1000 };

#define PD_ACCEPTS(X) \
    X(struct driver, PdCreateCollection, pd_create_collection, on_create) \
    X(struct driver, PdDeleteCollection, pd_delete_collection, on_delete) \
    X(struct driver, PdListCollections, pd_list_collections, on_list) \
    X(struct driver, PdRoute, pd_route, on_route) \
    X(struct driver, PdRegister, pd_register, on_register) \
    X(struct driver, PdBeat, pd_beat, on_beat) \
    X(struct driver, PdListWorkers, pd_list_workers, on_workers) \
    X(struct driver, PdListShards, pd_list_shards, on_shards) \
    X(struct driver, PdDrain, pd_drain, on_drain) \
    X(struct driver, PdRemove, pd_remove, on_remove) \
    X(struct driver, PdMove, pd_move, on_move) \
    X(struct driver, PdRebalance, pd_rebalance, on_rebalance) \
    X(struct driver, PdAskLeader, pd_ask_leader, on_leader) \
    X(struct driver, PdRegisterReranker, pd_register_reranker, on_register_reranker) \
    X(struct driver, PdRerankerBeat, pd_reranker_beat, on_beat_reranker) \
    X(struct driver, PdListRerankers, pd_list_rerankers, on_list_rerankers) \
    X(struct driver, PdPickReranker, pd_pick_reranker, on_pick_reranker)
ACTOR_HANDLERS(pd_handlers, PD_ACCEPTS);

enum status driver_judge(const struct driver *self, struct turn *turn) {
    if (self->ready) return STATUS_OK;
    if (self->failed)
        return turn_fail(turn, STATUS_QUARANTINED, "placement driver is stopped: %s", self->why);
    return turn_fail(turn, STATUS_NOT_READY, "placement driver is starting");
}

static enum status
on_create(struct driver *self, const PdCreateCollection *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_create(self, msg, turn) : s;
}

static enum status
on_delete(struct driver *self, const PdDeleteCollection *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_delete(self, msg, turn) : s;
}

static enum status on_list(struct driver *self, const PdListCollections *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_list(self, msg, turn) : s;
}

static enum status on_route(struct driver *self, const PdRoute *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_route(self, msg, turn) : s;
}

static enum status on_register(struct driver *self, const PdRegister *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_register(self, msg, turn) : s;
}

static enum status on_beat(struct driver *self, const PdBeat *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_beat(self, msg, turn) : s;
}

static enum status on_workers(struct driver *self, const PdListWorkers *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_workers(self, msg, turn) : s;
}

static enum status on_shards(struct driver *self, const PdListShards *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_shards(self, msg, turn) : s;
}

static enum status on_drain(struct driver *self, const PdDrain *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_drain(self, msg, turn) : s;
}

static enum status on_remove(struct driver *self, const PdRemove *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_remove(self, msg, turn) : s;
}

static enum status on_move(struct driver *self, const PdMove *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_move(self, msg, turn) : s;
}

static enum status on_rebalance(struct driver *self, const PdRebalance *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_rebalance(self, msg, turn) : s;
}

static enum status on_leader(struct driver *self, const PdAskLeader *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_leader(self, msg, turn) : s;
}

static enum status
on_register_reranker(struct driver *self, const PdRegisterReranker *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_register_reranker(self, msg, turn) : s;
}

static enum status
on_beat_reranker(struct driver *self, const PdRerankerBeat *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_beat_reranker(self, msg, turn) : s;
}

static enum status
on_list_rerankers(struct driver *self, const PdListRerankers *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_list_rerankers(self, msg, turn) : s;
}

static enum status
on_pick_reranker(struct driver *self, const PdPickReranker *msg, struct turn *turn) {
    enum status s = driver_judge(self, turn);
    return s == STATUS_OK ? driver_pick_reranker(self, msg, turn) : s;
}

/* --- the log
 * -------------------------------------------------------------------------------------------- */

enum status driver_propose(struct driver *self,
                           const PdCommand *command,
                           const struct promise *promise,
                           struct turn *turn) {
    struct buffer data;
    buffer_init(&data);
    struct proposal *proposal;
    enum status s = codec_encode(&command->base, &data);
    if (s == STATUS_OK) s = proposal_new(ENTRY_DATA, &data, &proposal);
    if (s != STATUS_OK) {
        buffer_free(&data);
        return turn_fail(turn, s, "metadata");
    }
    if (promise) {
        proposal->promise = *promise;
        proposal->owed = true;
    }
    journal_push(&self->journal, &proposal, turn);
    return STATUS_OK;
}

static enum status emit_snapshot(void *context, struct buffer *entry) {
    struct proposals *parts = context;
    struct proposal *proposal;
    enum status s = proposal_new(ENTRY_DATA, entry, &proposal);
    if (s == STATUS_OK) proposals_push(parts, proposal);
    return s;
}

/* Only while nothing is on its way: the snapshot stands behind every entry it contains. */
static void snapshot(struct driver *self, struct turn *turn) {
    if (self->entries < PD_SNAPSHOT_ENTRIES || journal_pending(&self->journal) > 0) return;
    struct proposals parts = {0};
    if (catalog_snapshot(&self->catalog, emit_snapshot, &parts) != STATUS_OK) {
        proposals_free(&parts); /* no memory now: the next entry asks again */
        return;
    }
    turn_note(turn, "snapshot after %u entries", (unsigned)self->entries);
    self->entries = 0;
    self->snapshot_at = self->journal.next;
    struct proposal *part;
    while ((part = proposals_pop(&parts)))
        journal_push(&self->journal, &part, turn);
}

static void snapshot_applied(struct driver *self, const PdSnapshot *part, struct turn *turn) {
    if (!part->last || self->snapshot_at == 0) return;
    journal_truncate(&self->journal, self->snapshot_at, turn);
    self->snapshot_at = 0;
}

static void applied(struct driver *self,
                    const PdCommand *command,
                    const struct promise *promise,
                    struct turn *turn) {
    switch (command->command_case) {
    case PD_COMMAND__COMMAND_WORKER:
        worker_applied(self, command, promise, turn);
        break;
    case PD_COMMAND__COMMAND_REPLICA:
    case PD_COMMAND__COMMAND_WORKER_STATE:
    case PD_COMMAND__COMMAND_WORKER_REMOVED:
        steward_applied(self, command, promise, turn);
        break;
    default:
        collection_applied(self, command, promise, turn);
    }
}

/* The state changes and whoever waits is answered. */
static enum status apply(struct driver *self, const struct proposal *proposal, struct turn *turn) {
    struct arena arena;
    arena_init(&arena, 0);
    ProtobufCMessage *message;
    enum status s = codec_decode(&pd_command__descriptor, proposal->data.data, proposal->data.size,
                                 &arena, &message, NULL);
    if (s != STATUS_OK) {
        arena_free(&arena);
        return s;
    }
    const PdCommand *command = (const PdCommand *)message;
    const struct promise *promise = proposal->owed ? &proposal->promise : NULL;
    if (command->command_case == PD_COMMAND__COMMAND_SNAPSHOT) {
        snapshot_applied(self, command->snapshot, turn); /* it says what the state is already */
    } else {
        s = catalog_apply(&self->catalog, command);
        self->entries++;
    }
    if (s == STATUS_OK && command->command_case == PD_COMMAND__COMMAND_BIRTH) self->ready = true;
    if (s == STATUS_OK) applied(self, command, promise, turn);
    arena_free(&arena);
    return s;
}

static void on_durable(void *owner, struct proposals *done, struct turn *turn) {
    struct driver *self = owner;
    struct proposal *proposal;
    while ((proposal = proposals_pop(done))) {
        enum status s = apply(self, proposal, turn);
        proposal_free(proposal);
        if (s != STATUS_OK) { /* never skipped: start again from the log */
            proposals_reject(done, s, "metadata", turn);
            proposals_free(done);
            self->ready = false;
            turn_exit(turn, s, "metadata entry");
            return;
        }
    }
    snapshot(self, turn);
}

static void on_refused(void *owner, enum status status, const char *text, struct turn *turn) {
    struct driver *self = owner;
    turn_note(turn, "%s log: %s", status_name(status), text);
    journal_reject(&self->journal, status, text, turn);
    collections_refused(self, status, text, turn);
    journal_forget(&self->journal);
    journal_abandon(&self->journal);
    steward_refused(self);
    self->registering = false;
    self->snapshot_at = 0;
    journal_resume(&self->journal, turn); /* the next request tries again */
}

/* --- starting
 * ------------------------------------------------------------------------------------------- */

struct replay {
    struct log_store *log;
    struct catalog catalog;
    struct log_state state;
    uint64_t entries;
    char text[256];
};

static void replay_free(void *context) {
    struct replay *replay = context;
    catalog_reset(&replay->catalog);
    mem_free(replay);
}

static enum status replay_entry(void *context, const struct log_entry *entry) {
    struct replay *replay = context;
    struct arena arena;
    arena_init(&arena, 0);
    ProtobufCMessage *message;
    enum status s = codec_decode(&pd_command__descriptor, entry->data.data, entry->data.size,
                                 &arena, &message, NULL);
    if (s == STATUS_OK) s = catalog_apply(&replay->catalog, (const PdCommand *)message);
    arena_free(&arena);
    replay->entries++;
    return s;
}

static enum status replay_work(void *context) {
    struct replay *replay = context;
    enum status s = log_store_state(replay->log, PD_STORE_ID, &replay->state);
    if (s == STATUS_OK && replay->state.last >= replay->state.first)
        s = log_store_read(replay->log, PD_STORE_ID, replay->state.first, replay->state.last,
                           replay_entry, replay);
    if (s == STATUS_OK && replay->state.last > 0 && replay->catalog.cluster == 0)
        s = STATUS_CORRUPT;
    if (s != STATUS_OK) snprintf(replay->text, sizeof replay->text, "metadata log: %s", kv_error());
    return s;
}

static void start_load(void *actor, void *context, struct turn *turn);

/* A cluster begins: its number tells it from every other one. */
static void be_born(struct driver *self, struct turn *turn) {
    PdCommand command = PD_COMMAND__INIT;
    PdBirth birth = PD_BIRTH__INIT;
    birth.cluster = turn_random(turn) | 1;
    birth.wall_ms = turn_wall_ms(turn);
    command.command_case = PD_COMMAND__COMMAND_BIRTH;
    command.birth = &birth;
    if (driver_propose(self, &command, NULL, turn) != STATUS_OK)
        turn_exit(turn, STATUS_NO_MEMORY, "birth");
}

static void
on_loaded(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct driver *self = actor;
    struct replay *replay = context;
    if (outcome->status != STATUS_OK) {
        self->failed = true;
        snprintf(self->why, sizeof self->why, "%s (%s)", replay->text,
                 status_text(outcome->status));
        turn_note(turn, "%s", self->why);
        replay_free(replay);
        return;
    }
    catalog_reset(&self->catalog);
    self->catalog = replay->catalog;
    catalog_init(&replay->catalog);
    self->entries = replay->entries;
    self->next_worker = self->catalog.next_worker;
    self->next_shard = self->catalog.next_shard;
    self->next_store = self->catalog.next_store;
    journal_init(&self->journal, &(struct journal_options){.store_id = PD_STORE_ID,
                                                           .last = replay->state.last,
                                                           .term = 1,
                                                           .owner = self,
                                                           .durable = on_durable,
                                                           .failed = on_refused});
    replay_free(replay);
    turn_note(turn, "%u collections, %u workers", (unsigned)self->catalog.n_collections,
              (unsigned)self->catalog.n_workers);
    self->ready = self->catalog.cluster != 0;
    if (!self->ready) be_born(self, turn);
    steward_start(self, turn);
}

static void start_load(void *actor, void *context, struct turn *turn) {
    struct driver *self = actor;
    (void)context;
    struct replay *replay = mem_zero(1, sizeof *replay);
    if (!replay) {
        turn_timer(turn, RETRY_LOAD_US, start_load, NULL);
        return;
    }
    catalog_init(&replay->catalog);
    replay->log = self->options.log;
    turn_block(turn, &(struct block){.work = replay_work,
                                     .done = on_loaded,
                                     .abandon = replay_free,
                                     .context = replay});
}

static enum status pd_open(void *actor, const void *options, struct turn *turn) {
    struct driver *self = actor;
    self->options = *(const struct pd_options *)options;
    catalog_init(&self->catalog);
    start_load(self, NULL, turn);
    return STATUS_OK;
}

static void pd_close(void *actor) {
    struct driver *self = actor;
    journal_free(&self->journal);
    collections_free(self);
    rerankers_free(self);
    catalog_reset(&self->catalog);
}

const struct actor_type pd_type = {
    .kind = "pd",
    .size = sizeof(struct driver),
    .handlers = pd_handlers,
    .open = pd_open,
    .close = pd_close,
    .lane = LANE_IO,
};
