/* keeper: the conversation with the placement driver, and the ledger.
 *
 *     ledger ─▶ shards open ─▶ lookup "pd" ─▶ register ─▶ beat ─ every 5 s, or when something
 * changed ─▶ … ▲ └───── any failure: back off, start again ◀──┘    │ assignments ─▶ logged ─▶
 * shards open, stop
 *
 * Assignments are in force once they are in the ledger: a replica that has acknowledged a write is
 * remembered. Nothing here waits for the PD: without it the shards go on as the ledger says. */
#include "actors/keeper/keeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/keeper/house.h"
#include "actors/keeper/keeper_luggage.h"
#include "actors/pd/pd.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    BACKOFF_MIN_US = 50 * 1000,
    BACKOFF_MAX_US = 2 * 1000 * 1000,
    REFUSED_US = 10 * 1000 * 1000, /* pause after the PD denied us: a person must act */
    CALL_US = 5 * 1000 * 1000,
    RETRY_LOAD_US = 1000 * 1000,
    ADDRESS_SIZE = 256,
};

#define KEEPER_ACCEPTS(X) \
    X(struct house, KeeperWake, keeper_wake, on_wake) \
    X(struct house, KeeperShard, keeper_shard, on_shard) \
    X(struct house, KeeperAsk, keeper_ask, on_ask)
ACTOR_HANDLERS(keeper_handlers, KEEPER_ACCEPTS);

static enum status on_wake(struct house *self, const KeeperWake *msg, struct turn *turn) {
    (void)msg;
    house_beat_soon(self, turn);
    return STATUS_OK;
}

static enum status on_shard(struct house *self, const KeeperShard *msg, struct turn *turn) {
    struct tenant *tenant = tenant_find(self, msg->shard);
    if (!tenant) return STATUS_OK;
    tenant_heard(tenant, msg, turn);
    tenants_look(self);
    house_beat_soon(self, turn);
    return STATUS_OK;
}

static enum status on_ask(struct house *self, const KeeperAsk *msg, struct turn *turn) {
    size_t n = self->ledger ? self->ledger->n_assignments : 0;
    KeeperHas answer = KEEPER_HAS__INIT;
    answer.shards = turn_alloc(turn, (n + 1) * sizeof *answer.shards);
    answer.epochs = turn_alloc(turn, (n + 1) * sizeof *answer.epochs);
    if (!answer.shards || !answer.epochs) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const PdAssignment *given = self->by_shard[i];
        if (strcmp(given->collection, msg->collection) != 0) continue;
        answer.shards[answer.n_shards++] = given->shard;
        answer.epochs[answer.n_epochs++] = given->epoch;
    }
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

/* --- connecting
 * ------------------------------------------------------------------------------------------ */

static void connect(void *actor, void *context, struct turn *turn);

static void connect_later(struct house *self, struct turn *turn) {
    self->pd = 0;
    self->registered = false;
    self->beating = false;
    self->nth_address++;
    if (self->connecting) return;
    self->connecting = true;
    /* Jitter: a hundred workers that lost their PD at once do not come back at once. */
    uint64_t pause = self->backoff_us / 2 + turn_random(turn) % (self->backoff_us / 2 + 1);
    self->backoff_us =
        self->backoff_us * 2 < BACKOFF_MAX_US ? self->backoff_us * 2 : BACKOFF_MAX_US;
    turn_timer(turn, pause, connect, NULL);
}

static void
on_pd_down(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct house *self = actor;
    (void)context;
    turn_note(turn, "placement driver lost: %s", status_name(outcome->status));
    self->monitor = 0;
    self->backoff_us = BACKOFF_MIN_US;
    connect_later(self, turn);
}

static void leave(struct house *self, struct turn *turn);

static void on_told(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct house *self = actor;
    const PdLeader *told = outcome_as(outcome, PdLeader, pd_leader);
    (void)context;
    self->connecting = false;
    if (told && told->leader != told->member && told->link[0]) {
        snprintf(self->hint, sizeof self->hint, "%s", told->link);
        self->backoff_us = BACKOFF_MIN_US;
    }
    leave(self, turn);
}

/* It does not lead: it may know who does, also one that is not in our list. */
static void ask_for_leader(struct house *self, struct turn *turn) {
    PdAskLeader ask = PD_ASK_LEADER__INIT;
    self->registered = false;
    self->connecting = true;
    turn_call(turn, &(struct call){.to = self->pd,
                                   .message = &ask.base,
                                   .done = on_told,
                                   .deadline_us = turn_now_us(turn) + CALL_US});
}

static void leave(struct house *self, struct turn *turn) {
    if (self->monitor) turn_unmonitor(turn, self->monitor);
    self->monitor = 0;
    connect_later(self, turn);
}

static void beat(struct house *self, struct turn *turn);

static void
on_registered(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct house *self = actor;
    (void)context;
    self->connecting = false;
    const PdRegistered *answer = outcome_as(outcome, PdRegistered, pd_registered);
    if (!answer) {
        turn_note(turn, "register %s %s", status_name(outcome->status), outcome->text);
        if (outcome->status == STATUS_DENIED) self->backoff_us = REFUSED_US;
        if (outcome->status == STATUS_NOT_LEADER)
            ask_for_leader(self, turn);
        else
            leave(self, turn);
        return;
    }
    if (self->ledger->worker != answer->worker || self->ledger->cluster != answer->cluster)
        self->current = false; /* the list is to be logged even when it is the same */
    self->ledger->worker = answer->worker;
    self->ledger->cluster = answer->cluster;
    self->registered = true;
    self->backoff_us = BACKOFF_MIN_US;
    if (!self->monitor) self->monitor = turn_monitor(turn, self->pd, on_pd_down, NULL);
    beat(self, turn);
}

/* Of a comma separated list; what there is no memory for is left out. */
static char **split_names(const char *list, size_t *n, struct turn *turn) {
    *n = 0;
    if (!list || !list[0]) return NULL;
    size_t most = 1;
    for (const char *c = list; *c; c++)
        most += *c == ',';
    char **names = turn_alloc(turn, most * sizeof *names);
    while (names && *list) {
        size_t size = strcspn(list, ",");
        char *name = size ? turn_printf(turn, "%.*s", (int)size, list) : NULL;
        if (name) names[(*n)++] = name;
        list += size + (list[size] == ',');
    }
    return names;
}

static void enroll(struct house *self, struct turn *turn) {
    const struct keeper_options *options = &self->options;
    PdRegister facts = PD_REGISTER__INIT;
    facts.grpc_address = (char *)(uintptr_t)options->grpc_address;
    facts.link = (char *)(uintptr_t)options->link;
    facts.region = (char *)(uintptr_t)options->region;
    facts.zone = (char *)(uintptr_t)options->zone;
    facts.rack = (char *)(uintptr_t)options->rack;
    facts.cpu_cores = options->cpu_cores;
    facts.memory_bytes = options->memory_bytes;
    facts.disk_bytes = options->disk_bytes;
    facts.search_only = options->search_only;
    facts.collections = split_names(options->collections, &facts.n_collections, turn);
    facts.worker = self->ledger->worker;
    facts.cluster = self->ledger->cluster;
    self->connecting = true;
    turn_call(turn, &(struct call){.to = self->pd,
                                   .message = &facts.base,
                                   .done = on_registered,
                                   .deadline_us = turn_now_us(turn) + CALL_US});
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct house *self = actor;
    (void)context;
    self->connecting = false;
    if (outcome->status != STATUS_OK) {
        connect_later(self, turn);
        return;
    }
    self->pd = outcome->handle;
    enroll(self, turn);
}

/* The address whose turn it is. */
static void pick_address(const struct house *self, char address[ADDRESS_SIZE]) {
    const char *list = self->hint[0] ? self->hint : self->options.pd;
    uint32_t n = 1;
    for (const char *c = list; *c; c++)
        n += *c == ',';
    uint32_t nth = self->nth_address % n;
    while (nth-- > 0)
        list = strchr(list, ',') + 1;
    size_t size = strcspn(list, ",");
    snprintf(address, ADDRESS_SIZE, "%.*s", (int)(size < ADDRESS_SIZE ? size : 0), list);
}

static void connect(void *actor, void *context, struct turn *turn) {
    struct house *self = actor;
    (void)context;
    char address[ADDRESS_SIZE];
    pick_address(self, address);
    self->hint[0] = '\0'; /* should it be wrong, the list is right */
    turn_lookup(turn, &(struct lookup){.address = address,
                                       .name = "pd",
                                       .done = on_found,
                                       .deadline_us = turn_now_us(turn) + CALL_US});
}

/* --- beating
 * --------------------------------------------------------------------------------------------- */

static void on_beat_timer(void *actor, void *context, struct turn *turn) {
    struct house *self = actor;
    (void)context;
    self->beat_timer = 0;
    beat(self, turn);
}

static void beat_done(struct house *self, struct turn *turn) {
    self->beating = false;
    if (!self->registered) return;
    if (self->beat_again) {
        beat(self, turn);
        return;
    }
    if (self->beat_timer) turn_timer_cancel(turn, self->beat_timer);
    self->beat_timer = turn_timer(turn, PD_BEAT_MS * UINT64_C(1000), on_beat_timer, NULL);
}

void house_beat_soon(struct house *self, struct turn *turn) {
    self->beat_again = true;
    if (self->registered && !self->beating) beat(self, turn);
}

/* Empty ones have no data. */
static bool same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b) {
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static bool same_assignments(const KeeperLedger *ledger, const PdAssignments *given) {
    if (ledger->n_assignments != given->n_assignments) return false;
    for (size_t i = 0; i < given->n_assignments; i++) {
        const PdAssignment *a = ledger->assignments[i];
        const PdAssignment *b = given->assignments[i];
        if (a->shard != b->shard || a->store_id != b->store_id || a->epoch != b->epoch ||
            a->born != b->born || !same_bytes(&a->payload_indexes, &b->payload_indexes))
            return false;
    }
    return true;
}

/* The PD's list, as a whole, replaces what the ledger says. */
static enum status log_ledger(struct house *self, const PdAssignments *given, struct turn *turn) {
    KeeperLedger ledger = KEEPER_LEDGER__INIT;
    ledger.cluster = self->ledger->cluster;
    ledger.worker = self->ledger->worker;
    ledger.epoch = given->epoch;
    ledger.n_assignments = given->n_assignments;
    ledger.assignments = given->assignments;
    struct buffer data;
    buffer_init(&data);
    struct proposal *proposal;
    enum status s = codec_encode(&ledger.base, &data);
    if (s == STATUS_OK && data.size > JOURNAL_ENTRY_MAX) s = STATUS_TOO_LARGE;
    if (s == STATUS_OK) s = proposal_new(ENTRY_DATA, &data, &proposal);
    if (s != STATUS_OK) {
        buffer_free(&data);
        return s;
    }
    /* The entry before this one goes with this one: there are two at most. */
    self->journal.truncate_before = self->journal.next - 1;
    journal_push(&self->journal, &proposal, turn);
    return STATUS_OK;
}

static void in_force(struct house *self, uint64_t epoch, struct turn *turn) {
    self->epoch = epoch;
    tenants_settle(self, turn);
    if (!self->swept) removal_sweep(self, turn);
    self->swept = true;
    beat_done(self, turn);
}

static void
on_beaten(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct house *self = actor;
    (void)context;
    if (!self->registered) return; /* the PD was lost meanwhile */
    const PdAssignments *given = outcome_as(outcome, PdAssignments, pd_assignments);
    if (!given) {
        turn_note(turn, "beat %s %s", status_name(outcome->status), outcome->text);
        if (outcome->status == STATUS_NOT_LEADER)
            ask_for_leader(self, turn);
        else
            leave(self, turn);
        return;
    }
    if (given->same) {
        beat_done(self, turn);
        return;
    }
    if (self->current && same_assignments(self->ledger, given)) {
        in_force(self, given->epoch, turn);
        return;
    }
    enum status s = log_ledger(self, given, turn);
    if (s == STATUS_OK) return; /* on_logged goes on */
    turn_note(turn, "ledger %s", status_name(s));
    beat_done(self, turn);
}

static void beat(struct house *self, struct turn *turn) {
    if (self->beating || !self->registered) return;
    PdBeat message = PD_BEAT__INIT;
    message.worker = self->ledger->worker;
    message.epoch = self->epoch;
    message.number = ++self->beats;
    self->beating = true;
    self->beat_again = false;
    tenants_remind(self, turn);
    if (tenants_report(self, &message, turn) != STATUS_OK) {
        beat_done(self, turn);
        return;
    }
    turn_call(turn, &(struct call){.to = self->pd,
                                   .message = &message.base,
                                   .done = on_beaten,
                                   .deadline_us = turn_now_us(turn) + CALL_US});
}

/* --- the ledger
 * ------------------------------------------------------------------------------------------ */

static int compare_shards(const void *a, const void *b) {
    uint64_t left = (*(PdAssignment *const *)a)->shard;
    uint64_t right = (*(PdAssignment *const *)b)->shard;
    return (left > right) - (left < right);
}

/* NULL: no memory, or no ledger. No bytes at all are the ledger of a new worker. */
static KeeperLedger *decode_ledger(const void *data, size_t size, struct arena *arena) {
    if (size == 0) {
        KeeperLedger *ledger = arena_alloc(arena, sizeof *ledger);
        if (ledger) keeper_ledger__init(ledger);
        return ledger;
    }
    /* Strings and bytes of the message are borrowed from its encoded form: so that is copied. */
    void *copy = arena_alloc(arena, size);
    ProtobufCMessage *message = NULL;
    if (!copy) return NULL;
    memcpy(copy, data, size);
    enum status s = codec_decode(&keeper_ledger__descriptor, copy, size, arena, &message, NULL);
    return s == STATUS_OK ? (KeeperLedger *)message : NULL;
}

/* Makes the encoded ledger the one in force. */
static enum status adopt(struct house *self, const void *data, size_t size) {
    struct arena arena;
    arena_init(&arena, 0);
    KeeperLedger *ledger = decode_ledger(data, size, &arena);
    size_t n = ledger ? ledger->n_assignments : 0;
    PdAssignment **by_shard = arena_alloc(&arena, (n + 1) * sizeof *by_shard);
    if (!ledger || !by_shard) {
        arena_free(&arena);
        return STATUS_CORRUPT;
    }
    if (n > 0) memcpy(by_shard, ledger->assignments, n * sizeof *by_shard);
    qsort(by_shard, n, sizeof *by_shard, compare_shards);
    arena_free(&self->arena);
    self->arena = arena;
    self->ledger = ledger;
    self->by_shard = by_shard;
    return STATUS_OK;
}

static void on_logged(void *owner, struct proposals *done, struct turn *turn) {
    struct house *self = owner;
    struct proposal *proposal;
    enum status s = STATUS_OK;
    while ((proposal = proposals_pop(done))) {
        s = adopt(self, proposal->data.data, proposal->data.size);
        proposal_free(proposal);
    }
    if (s != STATUS_OK) {
        turn_note(turn, "ledger %s", status_name(s));
        beat_done(self, turn); /* the epoch stays: the next beat brings the list again */
        return;
    }
    self->current = true;
    in_force(self, self->ledger->epoch, turn);
}

static void on_refused(void *owner, enum status status, const char *text, struct turn *turn) {
    struct house *self = owner;
    turn_note(turn, "ledger %s %s", status_name(status), text);
    journal_forget(&self->journal);
    journal_abandon(&self->journal);
    journal_resume(&self->journal, turn);
    beat_done(self, turn);
}

struct reading {
    struct log_store *log;
    struct log_state state;
    struct buffer newest; /* owned */
    struct keeper_options options;
    struct luggage luggage; /* for whoever records this life; max 0: nobody */
};

static void reading_free(void *context) {
    struct reading *reading = context;
    buffer_free(&reading->newest);
    luggage_free(&reading->luggage);
    mem_free(reading);
}

static enum status read_entry(void *context, const struct log_entry *entry) {
    struct reading *reading = context;
    buffer_append(&reading->newest, entry->data.data, entry->data.size);
    return reading->newest.failed ? STATUS_NO_MEMORY : STATUS_OK;
}

static enum status read_work(void *context) {
    struct reading *reading = context;
    if (reading->luggage.max) keeper_luggage_pack(&reading->options, &reading->luggage);
    enum status s = log_store_state(reading->log, KEEPER_STORE_ID, &reading->state);
    uint64_t last = reading->state.last;
    if (s == STATUS_OK && last >= reading->state.first && last > 0)
        s = log_store_read(reading->log, KEEPER_STORE_ID, last, last, read_entry, reading);
    return s;
}

static void start_reading(void *actor, void *context, struct turn *turn);

static void on_read(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct house *self = actor;
    struct reading *reading = context;
    enum status s = outcome->status;
    if (reading->luggage.max) {
        bool refused = reading->luggage.status != STATUS_OK;
        turn_keep(turn, &reading->luggage.bytes, refused ? reading->luggage.why : NULL);
    }
    if (s == STATUS_OK) s = adopt(self, reading->newest.data, reading->newest.size);
    if (s != STATUS_OK) {
        turn_note(turn, "ledger %s", status_name(s));
        reading_free(reading);
        turn_timer(turn, RETRY_LOAD_US, start_reading, NULL);
        return;
    }
    journal_init(&self->journal, &(struct journal_options){.store_id = KEEPER_STORE_ID,
                                                           .last = reading->state.last,
                                                           .term = 1,
                                                           .owner = self,
                                                           .durable = on_logged,
                                                           .failed = on_refused});
    self->current = reading->state.last > 0;
    reading_free(reading);
    tenants_settle(self, turn);
    self->connecting = true;
    connect(self, NULL, turn);
}

static void start_reading(void *actor, void *context, struct turn *turn) {
    struct house *self = actor;
    (void)context;
    struct reading *reading = mem_zero(1, sizeof *reading);
    if (!reading) {
        turn_timer(turn, RETRY_LOAD_US, start_reading, NULL);
        return;
    }
    reading->log = self->options.log;
    reading->options = self->options;
    luggage_init(&reading->luggage, turn_recorded(turn));
    turn_block(
        turn, &(struct block){
                  .work = read_work, .done = on_read, .abandon = reading_free, .context = reading});
}

/* --- opening and closing
 * --------------------------------------------------------------------------------- */

static enum status keeper_open(void *actor, const void *options, struct turn *turn) {
    struct house *self = actor;
    self->options = *(const struct keeper_options *)options;
    self->backoff_us = BACKOFF_MIN_US;
    arena_init(&self->arena, 0);
    start_reading(self, NULL, turn);
    return STATUS_OK;
}

static void keeper_close(void *actor) {
    struct house *self = actor;
    journal_free(&self->journal);
    tenants_free(self);
    arena_free(&self->arena);
}

const struct actor_type keeper_type = {
    .kind = "keeper",
    .size = sizeof(struct house),
    .handlers = keeper_handlers,
    .open = keeper_open,
    .close = keeper_close,
    .lane = LANE_IO,
};
