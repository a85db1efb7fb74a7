/* chunks: the writes of a shard on their way.
 *
 *     request ─▶ one lot (or more) a shard ─▶ the target's queue ─▶ chunk: what fits of the queue
 * ─▶ ShardWrite ▲ │ └───────────────────── each lot says what became of it
 * ◀───────────────────────────────────────┘
 *
 * One chunk a shard is under way, so writes of one shard stay in order across requests, and the
 * sequence tells the shard which one is a repeat. While a chunk is under way the next one gathers:
 * single points of many clients share an entry of the log. A chunk that may pass is repeated under
 * its sequence until nobody waits for it.
 *
 * Each request is answered in its own time, whatever it waits behind: in the queue it is known not
 * to be written; in a chunk that is under way it is not known, and the chunk keeps its operations
 * until it has ended. */
#include <inttypes.h>
#include <string.h>

#include "actors/router/writes.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    QUEUE_BYTES_MAX = 32 * 1024 * 1024, /* waiting for one shard; beyond: BUSY */
    ANSWER_MARGIN_US = 100 * 1000,      /* of the caller's deadline, kept for the words */
    TRY_US = 5 * 1000 * 1000,           /* then a chunk counts as lost and is repeated */
};

void chunk_free(struct chunk *chunk) {
    mem_free(chunk);
}

/* --- a lot's end
 * -------------------------------------------------------------------------------------------- */

/* The last one answers. */
static void lot_say(
    struct hub *self, struct lot *lot, enum status status, const char *words, struct turn *turn) {
    struct write *write = lot->write;
    if (lot->said) return;
    lot->said = true;
    lot->status = status;
    lot->words = status == STATUS_OK ? "" : arena_string(&write->base.arena, words);
    if (!lot->words) lot->words = status_text(status);
    if (--write->n_open == 0) write_answer(self, write, turn);
}

static void write_let_go(struct hub *self, struct write *write) {
    if (--write->n_kept == 0) request_end(self, &write->base);
}

/* Neither a queue nor a chunk has it any more. */
static void lot_done(
    struct hub *self, struct lot *lot, enum status status, const char *words, struct turn *turn) {
    lot_say(self, lot, status, words, turn);
    target_drop(self, lot->target);
    write_let_go(self, lot->write);
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

/* Time is up: because nobody takes writes, or because the shard is slow, of which clients are told
 * in another way. */
static enum status why_late(const struct target *target) {
    bool silent = target->refusal == STATUS_EXPIRED;
    if (target->refusal == STATUS_OK) return STATUS_EXPIRED;
    return silent ? STATUS_LOST_PEER : target->refusal;
}

static const char *late_words(const struct target *target, bool queued, struct turn *turn) {
    const char *why = target->refusal == STATUS_OK ? "takes longer than this deadline allows"
                                                   : "found no leader with a majority in this time";
    const char *text = turn_printf(
        turn, "shard %" PRIu64 " of collection '%s' %s: %s", target->shard, target->collection, why,
        queued ? "the write waited behind others and was not begun" : "it may be written yet");
    return text ? text : "";
}

/* Moves what fits from the queue to the chunk; lots nobody waits for any more end here. */
static void fill(struct hub *self, struct target *target, struct chunk *chunk, struct turn *turn) {
    struct lot **end = &chunk->lots;
    size_t bytes = 0;
    while (target->first && fits(chunk, target->first, bytes)) {
        struct lot *lot = queue_pop(target);
        if (lot->said || !turn_wanted(turn, &lot->write->base.promise)) {
            lot_done(self, lot, why_late(target), late_words(target, true, turn), turn);
            continue;
        }
        memcpy(chunk->operations + chunk->message.n_operations, lot->operations,
               lot->n_operations * sizeof *chunk->operations);
        chunk->message.n_operations += lot->n_operations;
        chunk->message.bulk |= lot->write->bulk;
        if (lot->write->due_us > chunk->ask.deadline_us)
            chunk->ask.deadline_us = lot->write->due_us;
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

/* --- late ones
 * ------------------------------------------------------------------------------------------ */

static void look_for_late(void *actor, void *context, struct turn *turn);

/* The timer stays with the earliest: of those that come one after the other few set it anew. */
static void watch(struct target *target, uint64_t due_us, struct turn *turn) {
    uint64_t now = turn_now_us(turn);
    if (target->late_timer && target->late_us <= due_us) return;
    if (target->late_timer)
        turn_timer_cancel(turn, target->late_timer);
    else
        target_hold(target);
    target->late_us = due_us;
    target->late_timer = turn_timer(turn, due_us > now ? due_us - now : 0, look_for_late, target);
}

/* The earliest of those whose time is not up. */
static void earliest(const struct lot *lot, uint64_t now, uint64_t *due_us) {
    for (; lot; lot = lot->next)
        if (lot->write->due_us > now && lot->write->due_us < *due_us) *due_us = lot->write->due_us;
}

static void drop_late(struct hub *self, struct target *target, uint64_t now, struct turn *turn) {
    struct lot *rest = target->first;
    target->first = target->last = NULL;
    target->lot_bytes = 0;
    while (rest) {
        struct lot *lot = rest;
        rest = lot->next;
        if (lot->write->due_us > now)
            queue_push(target, lot);
        else
            lot_done(self, lot, why_late(target), late_words(target, true, turn), turn);
    }
}

static void look_for_late(void *actor, void *context, struct turn *turn) {
    struct hub *self = actor;
    struct target *target = context;
    uint64_t now = turn_now_us(turn), due = UINT64_MAX;
    target->late_timer = 0;
    drop_late(self, target, now, turn);
    struct lot *lot = target->chunk ? target->chunk->lots : NULL;
    for (; lot; lot = lot->next)
        if (lot->write->due_us <= now)
            lot_say(self, lot, why_late(target), late_words(target, false, turn), turn);
    earliest(target->chunk ? target->chunk->lots : NULL, now, &due);
    earliest(target->first, now, &due);
    if (due != UINT64_MAX) watch(target, due, turn);
    target_drop(self, target);
}

/* --- in
 * -------------------------------------------------------------------------------------------- */

/* When to give up, in time to say why. */
static uint64_t due_of(const struct request *request, struct turn *turn) {
    uint64_t now = turn_now_us(turn);
    uint64_t deadline = request->promise.deadline_us;
    if (deadline == NO_DEADLINE) return now + CALL_DEFAULT_US;
    return deadline > now + 2 * ANSWER_MARGIN_US ? deadline - ANSWER_MARGIN_US : deadline;
}

void lots_enqueue(struct hub *self, struct write *write, struct turn *turn) {
    uint32_t n = write->n_lots;
    write->due_us = due_of(&write->base, turn);
    write->n_open = n;
    write->n_kept = n + 1; /* one for this loop: lots may end before it does */
    for (uint32_t i = 0; i < n; i++) {
        struct lot *lot = &write->lots[i];
        struct target *target = lot->target;
        target_hold(target);
        if (target->lot_bytes > QUEUE_BYTES_MAX) {
            enum status s = target->refusal == STATUS_OK ? STATUS_BUSY : why_late(target);
            lot_done(self, lot, s, "too many writes wait for the shard", turn);
        } else {
            queue_push(target, lot);
            watch(target, write->due_us, turn);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        /* An ended lot's target may be gone; a queued one's cannot. */
        if (write->lots[i].status == STATUS_OK) send_next(self, write->lots[i].target, turn);
    }
    write_let_go(self, write);
}
