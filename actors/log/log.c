/* log: group commit. While one round is being written and synced on the blocking pool, the next one
 * gathers:
 *
 *     LogAppend, LogDrop ─▶ gathering ─ nothing under way ─▶ written + synced as one batch ─▶ Done
 * each ▲                                        │ └────────── next round starts ◀──────────┘
 *
 * The first request of an idle log starts its round behind what already waits on this lane, so that
 * a burst shares one sync. A round belongs to the actor while it gathers and to the pool while it
 * is written. Entries are copied once here, into the batch; nothing is acknowledged before its
 * round is durable. A round outlives its actor: one that is late, on a disk that stood still, is
 * refused by the store once the next life writes there. */
#include "actors/log/log.h"

#include <stdio.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/turn.h"
#include "schemas/log.pb-c.h"
#include "schemas/runtime.pb-c.h"

#include "runtime/poison.h"

enum { RETRY_AFTER_MS = 20, WORDS_MAX = 512 };

/* A request of a round: who waits, and its operations in the batch. */
struct request {
    struct promise promise;
    size_t first_operation;
    size_t n_operations;
};

struct round {
    struct log_store *store;  /* borrowed */
    struct log_batch *batch;  /* owned */
    struct request *requests; /* owned */
    size_t n_requests;
    size_t capacity;
    char words[WORDS_MAX]; /* of a failed write: kv_error is the pool thread's */
};

struct log {
    struct round *gathering; /* owned */
    struct round *spare;     /* owned; NULL while it is being written */
    size_t waiting_bytes;
    size_t waiting_requests;
    bool starting; /* the gathering round starts in a later turn, or when the one under way is done
                    */
};

#define LOG_ACCEPTS(X) \
    X(struct log, LogAppend, log_append, on_append) \
    X(struct log, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(log_handlers, LOG_ACCEPTS);

/* --- a round --------------------------------------------------------------------------------- */

static void round_free(void *context) {
    struct round *round = context;
    if (!round) return;
    log_batch_free(round->batch);
    mem_free(round->requests);
    mem_free(round);
}

static struct round *round_new(struct log_store *store, uint64_t writer) {
    struct round *round = mem_zero(1, sizeof *round);
    if (!round) return NULL;
    round->store = store;
    round->batch = log_batch_new();
    if (!round->batch) {
        round_free(round);
        return NULL;
    }
    log_batch_sign(round->batch, writer);
    return round;
}

static void round_clear(struct round *round) {
    log_batch_clear(round->batch);
    round->n_requests = 0;
}

/* Room for one more request. */
static bool round_reserve(struct round *round) {
    if (round->n_requests < round->capacity) return true;
    size_t capacity = round->capacity ? round->capacity * 2 : 16;
    struct request *requests = mem_resize(round->requests, capacity * sizeof *requests);
    if (!requests) return false;
    round->requests = requests;
    round->capacity = capacity;
    return true;
}

/* On the blocking pool. */
static enum status round_write(void *context) {
    struct round *round = context;
    enum status s = log_store_write(round->store, round->batch);
    snprintf(round->words, sizeof round->words, "%s", s == STATUS_OK ? "" : kv_error());
    return s;
}

/* What became of a request: the first of its operations that was refused says so. */
static enum status round_outcome(const struct round *round, const struct request *request) {
    enum status s = STATUS_OK;
    for (size_t i = 0; i < request->n_operations && s == STATUS_OK; i++)
        s = log_batch_outcome(round->batch, request->first_operation + i);
    return s;
}

/* --- writing --------------------------------------------------------------------------------- */

static void on_written(void *self, void *context, const struct outcome *outcome, struct turn *turn);

static void start(void *actor, void *context, struct turn *turn) {
    (void)context;
    struct log *self = actor;
    struct round *round = self->gathering;
    assert(self->starting && self->spare && round->n_requests > 0);
    self->starting = false;
    self->gathering = self->spare;
    self->spare = NULL;
    turn_block(turn, &(struct block){.work = round_write,
                                     .done = on_written,
                                     .abandon = round_free,
                                     .context = round});
}

static void answer(const struct round *round, const struct request *request, struct turn *turn) {
    enum status s = round_outcome(round, request);
    const Done done = DONE__INIT;
    if (s == STATUS_OK)
        turn_resolve(turn, &request->promise, &done.base);
    else if (*round->words)
        turn_reject(turn, &request->promise, s, "%s", round->words);
    else
        turn_reject(turn, &request->promise, s, "entries do not follow the log that is stored");
}

static void
on_written(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct log *self = actor;
    struct round *round = context;
    if (outcome->status == STATUS_OK)
        turn_note(turn, "synced requests=%zu", round->n_requests);
    else
        turn_note(turn, "failed requests=%zu %s", round->n_requests, round->words);
    for (size_t i = 0; i < round->n_requests; i++)
        answer(round, &round->requests[i], turn);
    round_clear(round);
    self->spare = round;
    if (self->starting) start(self, NULL, turn);
}

/* --- gathering ------------------------------------------------------------------------------- */

/* Room for a request of about `bytes`, or the words why not. */
static enum status admit(struct log *self, size_t bytes, struct turn *turn) {
    struct round *round = self->gathering;
    size_t waiting = log_batch_bytes(round->batch);
    if (round->n_requests > 0 &&
        (round->n_requests >= self->waiting_requests || waiting + bytes > self->waiting_bytes)) {
        turn_retry_after(turn, RETRY_AFTER_MS);
        return turn_fail(turn, STATUS_BUSY, "%zu requests with %zu bytes wait for the log",
                         round->n_requests, waiting);
    }
    if (!round_reserve(round)) return turn_fail(turn, STATUS_NO_MEMORY, "no memory to log");
    return STATUS_OK;
}

/* The current request owns the operations from `first` on; its answer comes with the round. */
static void enlist(struct log *self, size_t first, struct turn *turn) {
    struct round *round = self->gathering;
    round->requests[round->n_requests++] =
        (struct request){.promise = turn_defer(turn),
                         .first_operation = first,
                         .n_operations = log_batch_count(round->batch) - first};
    if (self->starting) return;
    self->starting = true;
    if (self->spare) turn_later(turn, start, NULL);
}

/* The entries as the store wants them, in turn memory. */
static enum status entries_of(const LogAppend *message, struct turn *turn, struct log_entry **out) {
    struct log_entry *entries = turn_alloc(turn, message->n_entries * sizeof *entries);
    if (!entries) return turn_fail(turn, STATUS_NO_MEMORY, "no memory to log");
    for (size_t i = 0; i < message->n_entries; i++) {
        const LogEntry *from = message->entries[i];
        if (from->type > UINT8_MAX)
            return turn_fail(turn, STATUS_INVALID, "entry type %u is above 255", from->type);
        entries[i] = (struct log_entry){.index = from->index,
                                        .term = from->term,
                                        .type = (uint8_t)from->type,
                                        .data = {from->data.data, from->data.len}};
    }
    *out = entries;
    return STATUS_OK;
}

static size_t bytes_of(const LogAppend *message) {
    size_t bytes = message->record.len;
    for (size_t i = 0; i < message->n_entries; i++)
        bytes += message->entries[i]->data.len;
    return bytes;
}

static enum status
add_operations(struct log_batch *batch, const LogAppend *message, const struct log_entry *entries) {
    enum status s = STATUS_OK;
    uint64_t store = message->store;
    if (message->hard) s = log_batch_vote(batch, store, message->term, message->vote);
    if (s == STATUS_OK && message->record.len > 0)
        s = log_batch_record(batch, store,
                             (struct bytes){message->record.data, message->record.len});
    if (s == STATUS_OK && message->reset)
        s = log_batch_reset(batch, store, message->truncate_before);
    else if (s == STATUS_OK && message->truncate_before)
        s = log_batch_truncate(batch, store, message->truncate_before);
    if (s == STATUS_OK && message->n_entries)
        s = log_batch_append(batch, store, entries, message->n_entries);
    return s;
}

static enum status on_append(struct log *self, const LogAppend *message, struct turn *turn) {
    struct log_entry *entries = NULL;
    enum status s = admit(self, bytes_of(message), turn);
    if (s != STATUS_OK) return s;
    s = entries_of(message, turn, &entries);
    if (s != STATUS_OK) return s;
    if (message->n_entries == 0 && message->truncate_before == 0 && !message->hard &&
        message->record.len == 0)
        return turn_fail(turn, STATUS_INVALID, "nothing to append, to keep or to cut");

    struct log_batch *batch = self->gathering->batch;
    size_t first = log_batch_count(batch);
    s = add_operations(batch, message, entries);
    if (s != STATUS_OK) {
        log_batch_cut(batch, first);
        return turn_fail(turn, s, "%s", kv_error());
    }
    enlist(self, first, turn);
    return STATUS_OK;
}

static enum status on_drop(struct log *self, const LogDrop *message, struct turn *turn) {
    enum status s = admit(self, 0, turn);
    if (s != STATUS_OK) return s;
    size_t first = log_batch_count(self->gathering->batch);
    s = log_batch_drop(self->gathering->batch, message->store);
    if (s != STATUS_OK) return turn_fail(turn, s, "%s", kv_error());
    enlist(self, first, turn);
    return STATUS_OK;
}

/* --- open and close -------------------------------------------------------------------------- */

static enum status log_open(void *actor, const void *options, struct turn *turn) {
    const struct log_options *given = options;
    struct log *self = actor;
    self->waiting_bytes = given->waiting_bytes ? given->waiting_bytes : LOG_WAITING_BYTES;
    self->waiting_requests =
        given->waiting_requests ? given->waiting_requests : LOG_WAITING_REQUESTS;
    uint64_t writer = log_store_writer(given->store);
    self->gathering = round_new(given->store, writer);
    self->spare = round_new(given->store, writer);
    if (self->gathering && self->spare) return STATUS_OK;
    return turn_fail(turn, STATUS_NO_MEMORY, "no memory to open the log");
}

/* The round under way, if any, frees itself (abandon). */
static void log_close(void *actor) {
    struct log *self = actor;
    round_free(self->gathering);
    round_free(self->spare);
}

const struct actor_type log_type = {
    .kind = "log",
    .size = sizeof(struct log),
    .handlers = log_handlers,
    .open = log_open,
    .close = log_close,
    .lane = LANE_IO,
};
