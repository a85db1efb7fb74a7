/* writes: upserts and deletes.
 *
 *     request ─▶ one lot (or more) a shard ─▶ the target's queue ─▶ chunk: what fits of the queue
 * ─▶ ShardWrite ▲ │ └───────────────────── each lot says what became of it
 * ◀───────────────────────────────────────┘
 *
 * One chunk a shard is under way, so writes of one shard stay in order across requests, and the
 * sequence tells the shard which one is a repeat. While a chunk is under way the next one gathers:
 * single points of many clients share an entry of the log. A chunk that may pass is repeated under
 * its sequence until nobody waits for it. */
#include <inttypes.h>
#include <string.h>

#include "actors/router/hub.h"
#include "actors/router/session.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    QUEUE_BYTES_MAX = 32 * 1024 * 1024, /* waiting for one shard; beyond: BUSY */
    ANSWER_MARGIN_US = 100 * 1000,      /* of the caller's deadline, kept for the words */
    TRY_US = 5 * 1000 * 1000,           /* then a chunk counts as lost and is repeated */
    POINT_BYTES = 32,       /* of an encoded operation, besides id, vector and payload */
    MEMORY_RETRY_MS = 1000, /* told to clients when a shard's memory is used up */
    WORDS_SHARDS_MAX = 16,  /* shards named in the words of a failure */
};

struct write {
    struct request base; /* first */
    char *collection;
    struct lot *lots;
    uint32_t n_lots;
    uint32_t n_open;
    uint32_t n_operations;
    bool deletes; /* answered RouterDeleted */
};

/* The operations of one request on one shard, or as many as fit one chunk. In the request's arena.
 */
struct lot {
    struct lot *next; /* of the target's queue, or of the chunk */
    struct write *write;
    struct target *target; /* held until the lot is done */
    uint64_t shard;
    ShardOperation **operations;
    uint32_t n_operations;
    size_t bytes;
    bool alone; /* it shared a chunk that was refused: the blame must find its owner */
    enum status status;
    const char *words; /* of a failure; in the arena */
};

struct chunk {
    struct ask ask;
    struct target *target; /* held */
    ShardWrite message;
    ShardOperation *operations[ROUTER_CHUNK_POINTS];
    struct lot *lots;
};

void chunk_free(struct chunk *chunk) {
    mem_free(chunk);
}

/* --- the answer
 * ----------------------------------------------------------------------------------------- */

static char *arena_string(struct arena *arena, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(arena, size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* All shards of the collection that we have written to: the last page's token covers every page. */
static const char *token(struct hub *self, const struct write *write, struct turn *turn) {
    struct buffer text;
    buffer_init(&text);
    const struct route *route = routes_find(self, write->collection);
    for (uint32_t i = 0; route && i < route->n_shards; i++) {
        const struct target *target = route->shards[i].target;
        if (target->acked > 0) session_put(&text, target->shard, target->acked);
    }
    bool fits = !text.failed && text.size < SESSION_TEXT_MAX;
    const char *copy = fits ? turn_printf(turn, "%.*s", (int)text.size, (char *)text.data) : NULL;
    buffer_free(&text);
    return copy ? copy : "";
}

static uint32_t written(const struct write *write) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < write->n_lots; i++)
        if (write->lots[i].status == STATUS_OK) n += write->lots[i].n_operations;
    return n;
}

/* What was written per shard, and why the rest was not. */
static void reject(struct write *write, const struct lot *first, struct turn *turn) {
    struct buffer text;
    buffer_init(&text);
    RouterUpserted some = ROUTER_UPSERTED__INIT;
    some.points = written(write);
    if (some.points > 0) turn_resolve_part(turn, &write->base.promise, &some.base);
    if (write->n_lots == 1) {
        buffer_printf(&text, "%s", first->words);
    } else {
        buffer_printf(&text, "%" PRIu32 " of %" PRIu32 " points written", written(write),
                      write->n_operations);
        for (uint32_t i = 0; i < write->n_lots && i < WORDS_SHARDS_MAX; i++) {
            const struct lot *lot = &write->lots[i];
            bool ok = lot->status == STATUS_OK;
            buffer_printf(&text, "; shard %" PRIu64 ": %" PRIu32 " of %" PRIu32 "%s%s", lot->shard,
                          ok ? lot->n_operations : 0, lot->n_operations, ok ? "" : " ",
                          ok ? "" : status_name(lot->status));
        }
        buffer_printf(&text, "; %s; repeating the request is safe", first->words);
    }
    turn_retry_after(turn, first->status == STATUS_NO_MEMORY ? MEMORY_RETRY_MS : 0);
    turn_reject(turn, &write->base.promise, first->status, "%.*s", (int)text.size,
                text.data ? (char *)text.data : "");
    buffer_free(&text);
}

static void answer(struct hub *self, struct write *write, struct turn *turn) {
    const struct lot *failed = NULL;
    for (uint32_t i = 0; i < write->n_lots && !failed; i++)
        if (write->lots[i].status != STATUS_OK) failed = &write->lots[i];
    if (failed) {
        reject(write, failed, turn);
    } else if (write->deletes) {
        RouterDeleted deleted = ROUTER_DELETED__INIT;
        deleted.session = (char *)(uintptr_t)token(self, write, turn);
        turn_resolve(turn, &write->base.promise, &deleted.base);
    } else {
        RouterUpserted upserted = ROUTER_UPSERTED__INIT;
        upserted.points = write->n_operations;
        upserted.session = (char *)(uintptr_t)token(self, write, turn);
        turn_resolve(turn, &write->base.promise, &upserted.base);
    }
}

static void lot_done(
    struct hub *self, struct lot *lot, enum status status, const char *words, struct turn *turn) {
    struct write *write = lot->write;
    lot->status = status;
    lot->words = status == STATUS_OK ? "" : arena_string(&write->base.arena, words);
    if (!lot->words) lot->words = status_text(status);
    target_drop(self, lot->target);
    if (--write->n_open > 0) return;
    answer(self, write, turn);
    request_end(self, &write->base);
}

/* --- chunks
 * --------------------------------------------------------------------------------------------- */

static void queue_push(struct target *target, struct lot *lot) {
    lot->next = NULL;
    if (target->last)
        target->last->next = lot;
    else
        target->first = lot;
    target->last = lot;
    target->lot_bytes += lot->bytes;
}

static struct lot *queue_pop(struct target *target) {
    struct lot *lot = target->first;
    target->first = lot->next;
    if (!target->first) target->last = NULL;
    target->lot_bytes -= lot->bytes;
    lot->next = NULL;
    return lot;
}

static bool fits(const struct chunk *chunk, const struct lot *lot, size_t bytes) {
    if (!chunk->lots) return true;
    return !lot->alone && !chunk->lots->alone &&
           chunk->message.n_operations + lot->n_operations <= ROUTER_CHUNK_POINTS &&
           bytes + lot->bytes <= ROUTER_CHUNK_BYTES;
}

/* When to give up, in time to say why. */
static uint64_t deadline_of(const struct request *request, struct turn *turn) {
    uint64_t now = turn_now_us(turn);
    uint64_t deadline = request->promise.deadline_us;
    if (deadline == NO_DEADLINE) return now + CALL_DEFAULT_US;
    return deadline > now + 2 * ANSWER_MARGIN_US ? deadline - ANSWER_MARGIN_US : deadline;
}

/* Time is up: because a process is gone, or because the shard is slow, of which clients are told in
 * another way. */
static enum status why_late(const struct target *target) {
    return target->lost ? STATUS_LOST_PEER : STATUS_EXPIRED;
}

/* Moves what fits from the queue to the chunk; lots nobody waits for any more end here. */
static void fill(struct hub *self, struct target *target, struct chunk *chunk, struct turn *turn) {
    struct lot **end = &chunk->lots;
    size_t bytes = 0;
    while (target->first && fits(chunk, target->first, bytes)) {
        struct lot *lot = queue_pop(target);
        uint64_t deadline = deadline_of(&lot->write->base, turn);
        if (!turn_wanted(turn, &lot->write->base.promise)) {
            lot_done(self, lot, why_late(target), "waited too long for the shard", turn);
            continue;
        }
        memcpy(chunk->operations + chunk->message.n_operations, lot->operations,
               lot->n_operations * sizeof *chunk->operations);
        chunk->message.n_operations += lot->n_operations;
        if (deadline > chunk->ask.deadline_us) chunk->ask.deadline_us = deadline;
        bytes += lot->bytes;
        *end = lot;
        end = &lot->next;
    }
}

static void
chunk_done(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn);

static void send_next(struct hub *self, struct target *target, struct turn *turn) {
    if (target->chunk || !target->first) return;
    struct chunk *chunk = mem_zero(1, sizeof *chunk);
    if (!chunk) {
        lot_done(self, queue_pop(target), STATUS_NO_MEMORY, "write", turn);
        return;
    }
    shard_write__init(&chunk->message);
    target_hold(target); /* the lots may be the last to hold it */
    fill(self, target, chunk, turn);
    if (!chunk->lots) {
        chunk_free(chunk);
        target_drop(self, target);
        return;
    }
    chunk->target = target;
    chunk->message.operations = chunk->operations;
    chunk->message.router = self->incarnation;
    chunk->message.sequence = ++target->sequence;
    chunk->ask.target = target;
    chunk->ask.message = &chunk->message.base;
    chunk->ask.epoch = &chunk->message.epoch;
    chunk->ask.patience_us = chunk->ask.deadline_us;
    chunk->ask.try_us = TRY_US;
    chunk->ask.done = chunk_done;
    chunk->ask.context = chunk;
    target->chunk = chunk;
    ask_start(self, &chunk->ask, turn);
}

static bool both_kinds(const struct chunk *chunk) {
    bool deletes = false, puts = false;
    for (const struct lot *lot = chunk->lots; lot; lot = lot->next)
        *(lot->write->deletes ? &deletes : &puts) = true;
    return deletes && puts;
}

/* A refusal of a chunk of several requests is one request's fault: each is asked for itself. So are
 * deletes that points without memory came with: they make room. */
static bool split(struct target *target, struct chunk *chunk, enum status status) {
    bool judged = status == STATUS_INVALID || status == STATUS_TOO_LARGE ||
                  (status == STATUS_NO_MEMORY && both_kinds(chunk));
    if (!judged || !chunk->lots->next) return false;
    struct lot *last = chunk->lots;
    for (struct lot *lot = chunk->lots; lot; lot = lot->next) {
        lot->alone = true;
        target->lot_bytes += lot->bytes;
        last = lot;
    }
    last->next = target->first;
    if (!target->last) target->last = last;
    target->first = chunk->lots;
    chunk->lots = NULL;
    return true;
}

static void
chunk_done(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct chunk *chunk = ask->context;
    struct target *target = chunk->target;
    enum status status = outcome->status;
    const ShardWritten *done = outcome_as(outcome, ShardWritten, shard_written);
    if (done && done->index > target->acked) target->acked = done->index;
    if (status == STATUS_OK && !done) status = STATUS_INTERNAL;
    if (status == STATUS_EXPIRED) status = why_late(target);
    const char *words =
        turn_printf(turn, "shard %" PRIu64 " of collection '%s': %s", target->shard,
                    target->collection, outcome->text[0] ? outcome->text : status_text(status));
    if (status == STATUS_NOT_FOUND) words = outcome->text; /* the collection is gone */
    target->chunk = NULL;
    if (!split(target, chunk, status)) {
        struct lot *lot = chunk->lots;
        while (lot) {
            struct lot *next = lot->next; /* lot_done may free it */
            lot_done(self, lot, status, words ? words : "", turn);
            lot = next;
        }
    }
    chunk_free(chunk);
    send_next(self, target, turn);
    target_drop(self, target);
}

/* --- requests
 * ------------------------------------------------------------------------------------------- */

static enum status
copy_operation(struct arena *arena, const RouterPoint *point, ShardOperation *out) {
    shard_operation__init(out);
    out->id = arena_string(arena, point->id);
    out->n_vector = point->n_vector;
    out->vector = arena_alloc(arena, point->n_vector * sizeof(float) + 1);
    out->payload.len = point->payload.len;
    out->payload.data = arena_alloc(arena, point->payload.len + 1);
    if (!out->id || !out->vector || !out->payload.data) return STATUS_NO_MEMORY;
    if (point->n_vector > 0)
        memcpy((void *)out->vector, (const void *)point->vector, point->n_vector * sizeof(float));
    if (point->payload.len > 0) memcpy(out->payload.data, point->payload.data, point->payload.len);
    return STATUS_OK;
}

static size_t bytes_of(const ShardOperation *operation) {
    return strlen(operation->id) + operation->n_vector * sizeof(float) + operation->payload.len +
           POINT_BYTES;
}

/* Position of the id's shard in the route. */
static uint32_t place_of(const struct route *route, const char *id) {
    const struct target *target = route_target(route, id);
    uint32_t i = 0;
    while (route->shards[i].target != target)
        i++;
    return i;
}

/* Cuts the operations of one shard into lots. */
static void
cut(struct write *write, struct target *target, ShardOperation **operations, uint32_t n) {
    struct lot *lot = NULL;
    for (uint32_t i = 0; i < n; i++) {
        size_t bytes = bytes_of(operations[i]);
        if (!lot || lot->n_operations == ROUTER_CHUNK_POINTS ||
            lot->bytes + bytes > ROUTER_CHUNK_BYTES) {
            lot = &write->lots[write->n_lots++];
            *lot = (struct lot){.write = write,
                                .target = target,
                                .shard = target->shard,
                                .operations = operations + i};
        }
        lot->n_operations++;
        lot->bytes += bytes;
    }
}

/* Groups by shard, in the order of the request: of two equal ids the later wins. */
static enum status
group(struct write *write, const struct route *route, ShardOperation *operations, uint32_t n) {
    struct arena *arena = &write->base.arena;
    uint32_t *places = arena_alloc(arena, n * sizeof *places);
    uint32_t *ends = arena_zero(arena, (route->n_shards + 1) * sizeof *ends);
    ShardOperation **sorted = arena_alloc(arena, n * sizeof *sorted);
    write->lots = arena_alloc(arena, n * sizeof *write->lots);
    if (!places || !ends || !sorted || !write->lots) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        places[i] = place_of(route, operations[i].id);
        ends[places[i] + 1]++;
    }
    for (uint32_t i = 0; i < route->n_shards; i++)
        ends[i + 1] += ends[i];
    for (uint32_t i = 0; i < n; i++)
        sorted[ends[places[i]]++] = &operations[i];
    uint32_t start = 0;
    for (uint32_t i = 0; i < route->n_shards; i++) {
        cut(write, route->shards[i].target, sorted + start, ends[i] - start);
        start = ends[i];
    }
    return STATUS_OK;
}

static void enqueue(struct hub *self, struct write *write, struct turn *turn) {
    uint32_t n = write->n_lots;
    write->n_open = n + 1; /* one for this loop: lots may end before it does */
    for (uint32_t i = 0; i < n; i++) {
        struct lot *lot = &write->lots[i];
        target_hold(lot->target);
        if (lot->target->lot_bytes > QUEUE_BYTES_MAX)
            lot_done(self, lot, STATUS_BUSY, "too many writes wait for the shard", turn);
        else
            queue_push(lot->target, lot);
    }
    for (uint32_t i = 0; i < n; i++) {
        /* An ended lot's target may be gone; a queued one's cannot. */
        if (write->lots[i].status == STATUS_OK) send_next(self, write->lots[i].target, turn);
    }
    if (--write->n_open > 0) return;
    answer(self, write, turn);
    request_end(self, &write->base);
}

/* The request and its operations; NULL: the promise was rejected. */
static struct write *write_new(struct hub *self,
                               const char *collection,
                               size_t bytes,
                               const struct promise *promise,
                               struct turn *turn) {
    struct write *write = request_new(self, sizeof *write, promise, turn);
    if (!write) return NULL;
    write->collection = arena_string(&write->base.arena, collection);
    enum status s = write->collection ? STATUS_OK : STATUS_NO_MEMORY;
    if (s == STATUS_OK && !request_keep(self, &write->base, bytes)) s = STATUS_BUSY;
    if (s == STATUS_OK) return write;
    turn_reject(turn, promise, s, "the router keeps too much for requests under way");
    request_end(self, &write->base);
    return NULL;
}

static void start_write(struct hub *self,
                        struct write *write,
                        const struct route *route,
                        RouterPoint *const *points,
                        size_t n,
                        struct turn *turn) {
    ShardOperation *operations = arena_alloc(&write->base.arena, n * sizeof *operations);
    enum status s = operations ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; s == STATUS_OK && i < n; i++) {
        s = copy_operation(&write->base.arena, points[i], &operations[i]);
        if (s == STATUS_OK) operations[i].remove = write->deletes;
    }
    if (s == STATUS_OK) s = group(write, route, operations, (uint32_t)n);
    if (s != STATUS_OK) {
        turn_reject(turn, &write->base.promise, s, "write of %zu points", n);
        request_end(self, &write->base);
        return;
    }
    write->n_operations = (uint32_t)n;
    enqueue(self, write, turn);
}

bool start_upsert(struct hub *self,
                  const void *message,
                  const struct promise *promise,
                  struct route *route,
                  bool fresh,
                  struct turn *turn) {
    const RouterUpsert *msg = message;
    size_t bytes = 0;
    if (msg->n_points == 0) {
        turn_reject(turn, promise, STATUS_INVALID, "at least one point is required for upsert");
        return true;
    }
    for (size_t i = 0; i < msg->n_points; i++) {
        const RouterPoint *point = msg->points[i];
        if (point->n_vector != route->dimension) {
            if (!fresh) return false; /* the collection may be another one by now */
            turn_reject(turn, promise, STATUS_INVALID,
                        "vector dimension %zu does not match index dimension %" PRIu32
                        " of collection \"%s\"",
                        point->n_vector, route->dimension, route->name);
            return true;
        }
        size_t id_size = strlen(point->id);
        if (id_size == 0 || id_size > INDEX_ID_MAX) {
            turn_reject(turn, promise, STATUS_INVALID, "point id has %zu bytes, not 1 to %d",
                        id_size, INDEX_ID_MAX);
            return true;
        }
        bytes +=
            id_size + point->n_vector * sizeof(float) + point->payload.len + sizeof(ShardOperation);
    }
    struct write *write = write_new(self, msg->collection, bytes, promise, turn);
    if (write) start_write(self, write, route, msg->points, msg->n_points, turn);
    return true;
}

bool start_delete(struct hub *self,
                  const void *message,
                  const struct promise *promise,
                  struct route *route,
                  bool fresh,
                  struct turn *turn) {
    const RouterDelete *msg = message;
    size_t id_size = strlen(msg->id);
    (void)fresh;
    if (id_size == 0 || id_size > INDEX_ID_MAX) {
        turn_reject(turn, promise, STATUS_INVALID, "point id has %zu bytes, not 1 to %d", id_size,
                    INDEX_ID_MAX);
        return true;
    }
    struct write *write = write_new(self, msg->collection, id_size, promise, turn);
    if (!write) return true;
    write->deletes = true;
    RouterPoint point = ROUTER_POINT__INIT;
    point.id = msg->id;
    RouterPoint *points[] = {&point};
    start_write(self, write, route, points, 1, turn);
    return true;
}
