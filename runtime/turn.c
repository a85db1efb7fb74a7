/* turn: one run of a handler: who and when, memory, words, and the answer of the request. What a
 * turn asks of others is in runtime/ask.c.
 *
 * A request is settled once: by turn_reply, turn_defer or turn_forward in the handler, else by the
 * status it returns. */
#include "runtime/turn_state.h"

#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/raw.h"
#include "runtime/span.h"
#include "runtime/tale.h"
#include "runtime/tap.h"
#include "runtime/trace.h"
#include "schemas/runtime.pb-c.h"

enum {
    NOTE_MAX = 1024,
    FAILED_TEXT_MAX = 4096,        /* words of a failure, cut beyond */
    PAGED_MIN = PARCEL_INLINE / 2, /* well below what may just not fit into the room */
};

/* --- begin and end
 * -------------------------------------------------------------------------------- */

void turn_begin(struct turn *turn, struct cell *cell, struct parcel *parcel) {
    struct lane *lane = cell->lane;
    assert(!lane->turn);
    turn->core = cell->core; /* field by field: clearing it as a whole costs as much as the rest */
    turn->lane = lane;
    turn->cell = cell;
    turn->parcel = parcel;
    turn->request = turn->settled = false;
    turn->cause = SPAN_OPEN;
    turn->outcome = STATUS_OK;
    turn->words = NULL;
    turn->retry_after_ms = 0;
    if (parcel) {
        turn->op = parcel->envelope.op;
        turn->trace[0] = parcel->envelope.trace[0];
        turn->trace[1] = parcel->envelope.trace[1];
        turn->span = parcel->envelope.span;
        turn->flags = parcel->envelope.flags & PARCEL_TRACED;
    } else {
        turn->op = 0;
        turn->trace[0] = turn->trace[1] = turn->span = 0;
        turn->flags = 0;
    }
    lane->turn = turn;
    struct lane_now *doing = &lane->doing;
    atomic_store_explicit(&doing->kind, cell->kind->type->kind, memory_order_relaxed);
    atomic_store_explicit(&doing->actor, cell->handle, memory_order_relaxed);
    atomic_store_explicit(&doing->op, turn->op, memory_order_relaxed);
    atomic_store_explicit(&doing->since_us, lane->now_us, memory_order_relaxed);
    uint64_t number = atomic_load_explicit(&doing->turn, memory_order_relaxed);
    atomic_store_explicit(&doing->turn, number + 1, memory_order_release);
}

void turn_resume(struct turn *turn, const struct wait *wait, uint8_t cause) {
    turn->trace[0] = wait->trace[0];
    turn->trace[1] = wait->trace[1];
    turn->span = wait->span;
    turn->flags = wait->flags;
    turn->cause = cause;
}

void turn_end(struct turn *turn) {
    struct lane *lane = turn->lane;
    uint64_t began = lane->now_us;
    uint64_t spent = lane_read_clock(lane) - began;
    lane->fresh = lane->clock.reach != 0;
    struct actor_stats *stats = turn->cell->stats;
    stats->busy_us += spent;
    histogram_add(&stats->handler, spent);
    lane->turns++;
    lane->busy_us += spent;
    if (spent > lane->stall_max_us) lane->stall_max_us = spent;
    if (spent > LANE_SLOW_US) lane_report_slow(lane, turn->cell, turn->op, spent);
    uint64_t number = atomic_load_explicit(&lane->doing.turn, memory_order_relaxed);
    atomic_store_explicit(&lane->doing.turn, number + 1, memory_order_release);
    span_turn(turn, began, spent);
    if (__builtin_expect(lane->taps != NULL, 0)) tap_look(turn, began, spent);
    lane->turn = NULL;
    parcel_free(turn->parcel);
    arena_settle(&lane->arena);
}

/* --- who and when
 * --------------------------------------------------------------------------------- */

actor_handle turn_self(const struct turn *turn) {
    return turn->cell->handle;
}

actor_handle turn_sender(const struct turn *turn) {
    return turn->request ? turn->parcel->envelope.from : 0;
}

uint32_t turn_lane(const struct turn *turn) {
    return turn->lane->index;
}

bool turn_alone(const struct turn *turn) {
    bool alone = turn->lane->n_ready == 0 && turn->cell->mailbox.depth == 0;
    return turn_saw((struct turn *)(uintptr_t)turn, alone) != 0;
}

uint64_t turn_now_us(const struct turn *turn) {
    uint64_t now = lane_time(turn->lane);
    if (__builtin_expect(turn->lane->tale != NULL, 0))
        return tale_ask((struct turn *)(uintptr_t)turn, TALE_CLOCK, now);
    return now;
}

uint64_t turn_wall_ms(const struct turn *turn) {
    uint64_t now = turn->core->driver->wall_ms(turn->core);
    if (__builtin_expect(turn->lane->tale != NULL, 0))
        return tale_ask((struct turn *)(uintptr_t)turn, TALE_WALL, now);
    return now;
}

uint64_t turn_deadline_us(const struct turn *turn) {
    return turn->request ? turn->parcel->envelope.deadline_us : NO_DEADLINE;
}

uint64_t turn_random(struct turn *turn) {
    uint64_t drawn = rng_next(&turn->lane->rng);
    if (__builtin_expect(turn->lane->tale != NULL, 0)) return tale_ask(turn, TALE_RANDOM, drawn);
    return drawn;
}

/* --- recordings
 * ----------------------------------------------------------------------------------- */

uint64_t turn_saw(struct turn *turn, uint64_t value) {
    if (__builtin_expect(turn->lane->tale != NULL, 0)) return tale_ask(turn, TALE_SAW, value);
    return value;
}

actor_handle turn_saw_actor(struct turn *turn, actor_handle actor) {
    if (__builtin_expect(turn->lane->tale != NULL, 0)) return tale_meet(turn, actor);
    return actor;
}

uint64_t turn_recorded(const struct turn *turn) {
    const struct tale *tale = turn->lane->tale;
    return tale && !tale->only ? tap_disk_max(turn) : 0;
}

void turn_keep(struct turn *turn, struct buffer *bytes, const char *refused) {
    struct tale *tale = turn->lane->tale;
    if (tale && !tale->only && !tale->kept) {
        tale->kept = true;
        tale->disk = *bytes;
        tale->refused = refused ? turn_printf(turn, "%s", refused) : NULL;
        buffer_init(bytes);
    }
    buffer_free(bytes);
}

/* --- memory
 * --------------------------------------------------------------------------------------- */

void *turn_alloc(struct turn *turn, size_t size) {
    return arena_zero(&turn->lane->arena, size);
}

static char *format_in(struct arena *arena, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

char *turn_printf(struct turn *turn, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = format_in(&turn->lane->arena, format, args);
    va_end(args);
    return text;
}

void *turn_message(struct turn *turn, const ProtobufCMessageDescriptor *type) {
    ProtobufCMessage *message = arena_alloc(&turn->lane->arena, type->sizeof_message);
    assert(message); /* of one struct's size: a turn near its limit is a broken turn */
    type->message_init(message);
    return message;
}

/* --- words
 * ---------------------------------------------------------------------------------------- */

void turn_note(struct turn *turn, const char *format, ...) {
    if (!trace_on(turn->cell)) return;
    char text[NOTE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    trace_words(turn->cell, ' ', "%s", text);
}

static void set_words(struct turn *turn, const char *format, va_list args) {
    const char *text = format_in(&turn->lane->arena, format, args);
    turn->words = text ? text : "";
}

enum status turn_fail(struct turn *turn, enum status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    set_words(turn, format, args);
    va_end(args);
    return status;
}

void turn_retry_after(struct turn *turn, uint32_t ms) {
    turn->retry_after_ms = ms;
}

const char *turn_words(const struct turn *turn) {
    return turn->words ? turn->words : "";
}

/* --- alarms
 * ---------------------------------------------------------------------------------------- */

void turn_raise(struct turn *turn, const char *name, const char *format, ...) {
    char subject[CELL_NAME_MAX];
    va_list args;
    va_start(args, format);
    const char *text = format_in(&turn->lane->arena, format, args);
    va_end(args);
    alarm_raise(turn->core, name, cell_name(turn->cell, subject), "%s", text ? text : "");
}

void turn_raise_told(struct turn *turn, const char *name, const char *format, ...) {
    char subject[CELL_NAME_MAX];
    va_list args;
    va_start(args, format);
    const char *text = format_in(&turn->lane->arena, format, args);
    va_end(args);
    alarm_raise_told(turn->core, name, cell_name(turn->cell, subject), "%s", text ? text : "");
}

void turn_clear(struct turn *turn, const char *name) {
    char subject[CELL_NAME_MAX];
    alarm_clear(turn->core, name, cell_name(turn->cell, subject));
}

/* --- encoding
 * ------------------------------------------------------------------------------------- */

static struct parcel *copy_raw(const struct raw *raw, enum status *status) {
    *status = STATUS_TOO_LARGE;
    if (raw->size > CODEC_MESSAGE_MAX) return NULL;
    struct parcel *parcel = parcel_new(raw->size);
    *status = parcel ? STATUS_OK : STATUS_NO_MEMORY;
    if (parcel && raw->size) memcpy(parcel->body, raw->body, raw->size);
    if (parcel) parcel->size = raw->size;
    return parcel;
}

/* NULL: it does not fit, or something else is wrong. */
static struct parcel *write_within(const ProtobufCMessage *message, size_t room) {
    struct parcel *parcel = parcel_new(room);
    if (!parcel || codec_write_within(message, parcel->body, room, &parcel->size)) return parcel;
    parcel_free(parcel);
    return NULL;
}

/* A parcel with the encoded message. NULL: *status says why. Most are written in one walk: what did
 * not fit into a parcel's room is tried in its page from the start the next time. */
static struct parcel *
encode(struct lane *lane, const ProtobufCMessage *message, enum status *status) {
    struct lane_type *type = lane_type(lane, message->descriptor);
    *status = STATUS_NO_MEMORY;
    struct parcel *parcel = type->paged ? NULL : write_within(message, PARCEL_INLINE);
    if (parcel) return parcel;
    parcel = write_within(message, PARCEL_PAGE);
    type->paged = parcel && parcel->size > PAGED_MIN;
    if (parcel) return parcel;
    size_t size = 0;
    *status = codec_measure(message, &size);
    if (*status != STATUS_OK) return NULL;
    parcel = parcel_new(size);
    if (parcel)
        codec_write(message, parcel->body);
    else
        *status = STATUS_NO_MEMORY;
    return parcel;
}

struct parcel *turn_encode(struct turn *turn,
                           enum parcel_kind kind,
                           const ProtobufCMessage *message,
                           enum status *status) {
    const struct raw *raw = raw_of(message);
    struct parcel *parcel = raw ? copy_raw(raw, status) : encode(turn->lane, message, status);
    if (!parcel) return NULL;
    struct envelope *envelope = &parcel->envelope;
    envelope->kind = (uint8_t)kind;
    envelope->op = raw ? raw->op : lane_op(turn->lane, message->descriptor);
    envelope->from = turn->cell->handle;
    envelope->trace[0] = turn->trace[0];
    envelope->trace[1] = turn->trace[1];
    envelope->span = turn->span;
    envelope->flags = turn->flags;
    if (kind == PARCEL_CALL || kind == PARCEL_CAST) {
        envelope->parent = turn->span;
        envelope->span = span_new(turn->lane);
        if (turn->cell->kind->type->mutes) envelope->flags |= PARCEL_MUTES;
    }
    return parcel;
}

struct parcel *
parcel_local(enum parcel_kind kind, actor_handle to, const void *record, size_t size) {
    assert(size <= PARCEL_INLINE);
    struct parcel *parcel = parcel_new(size);
    assert(parcel);
    parcel->envelope.kind = (uint8_t)kind;
    parcel->envelope.to = to;
    if (size) memcpy(parcel->room, record, size);
    return parcel;
}

/* --- answering
 * ------------------------------------------------------------------------------------ */

void turn_send(struct turn *turn, struct parcel *parcel) {
    turn->cell->stats->sent++;
    if (__builtin_expect(turn->lane->tale != NULL, 0)) tale_say(turn, parcel);
    core_send(turn->core, turn->lane, parcel);
}

static void send_answer(struct turn *turn,
                        enum parcel_kind kind,
                        actor_handle to,
                        uint64_t correlation,
                        const ProtobufCMessage *message) {
    enum status s = STATUS_OK;
    struct parcel *parcel = turn_encode(turn, kind, message, &s);
    if (!parcel) {
        turn_send_failed(turn, to, correlation, s, "the reply could not be encoded", 0);
        return;
    }
    parcel->envelope.to = to;
    parcel->envelope.correlation = correlation;
    turn_send(turn, parcel);
}

void turn_send_failed(struct turn *turn,
                      actor_handle to,
                      uint64_t correlation,
                      enum status status,
                      const char *text,
                      uint32_t retry_after_ms) {
    Failed failed = FAILED__INIT;
    char cut[FAILED_TEXT_MAX];
    snprintf(cut, sizeof cut, "%s", text);
    failed.status = (uint32_t)status;
    failed.text = cut;
    failed.retry_after_ms = retry_after_ms;
    enum status s = STATUS_OK;
    struct parcel *parcel = turn_encode(turn, PARCEL_REPLY, &failed.base, &s);
    if (!parcel) { /* words that are not UTF-8, or cut within a character */
        failed.text = (char *)protobuf_c_empty_string;
        parcel = turn_encode(turn, PARCEL_REPLY, &failed.base, &s);
    }
    assert(parcel);
    parcel->envelope.to = to;
    parcel->envelope.correlation = correlation;
    turn_send(turn, parcel);
}

static bool owes(const struct turn *turn) {
    return turn->request && turn->parcel->envelope.kind == PARCEL_CALL;
}

void turn_reply(struct turn *turn, const ProtobufCMessage *message) {
    assert(turn->request && !turn->settled);
    turn->settled = true;
    if (trace_on(turn->cell)) trace_message(turn->cell, '>', message);
    if (!owes(turn)) return;
    const struct envelope *asked = &turn->parcel->envelope;
    send_answer(turn, PARCEL_REPLY, asked->from, asked->correlation, message);
}

struct promise turn_defer(struct turn *turn) {
    assert(turn->request && !turn->settled);
    turn->settled = true;
    turn->outcome = SPAN_DEFERRED;
    const struct envelope *asked = &turn->parcel->envelope;
    struct promise promise = {
        .deadline_us = asked->deadline_us,
        .trace = {asked->trace[0], asked->trace[1]},
        .span = turn->span,
        .flags = turn->flags,
    };
    if (!owes(turn)) return promise;
    struct wait *wait = wait_new(&turn->lane->waits, turn->cell, WAIT_SERVE);
    wait->op = turn->op;
    wait_serve(&turn->lane->waits, wait, asked->from, asked->correlation);
    wait->trace[0] = asked->trace[0];
    wait->trace[1] = asked->trace[1];
    wait->span = turn->span;
    wait->flags = turn->flags;
    promise.caller = asked->from;
    promise.correlation = asked->correlation;
    promise.record = wait->id;
    return promise;
}

/* The record of a promise to a caller; a promise that was kept already is a broken actor. */
static struct wait *owed(struct turn *turn, const struct promise *promise) {
    struct wait *wait = wait_find(&turn->lane->waits, turn->cell, promise->record);
    assert(wait && wait->kind == WAIT_SERVE);
    return wait;
}

/* Its caller wants it no more: nothing is sent. */
static bool is_cancelled(struct turn *turn, const struct wait *owed) {
    bool wanted = !owed->cancelled;
    if (__builtin_expect(turn->lane->tale != NULL, 0))
        wanted = tale_ask(turn, TALE_WANTED, wanted) != 0;
    return !wanted;
}

void turn_resolve_part(struct turn *turn,
                       const struct promise *promise,
                       const ProtobufCMessage *message) {
    if (trace_on(turn->cell)) trace_message(turn->cell, '>', message);
    if (promise->caller == 0) return;
    if (is_cancelled(turn, owed(turn, promise))) return;
    send_answer(turn, PARCEL_PART, promise->caller, promise->correlation, message);
}

void turn_resolve(struct turn *turn,
                  const struct promise *promise,
                  const ProtobufCMessage *message) {
    if (trace_on(turn->cell)) trace_message(turn->cell, '>', message);
    span_answered(turn, promise, STATUS_OK);
    if (promise->caller == 0) return;
    struct wait *wait = owed(turn, promise);
    bool cancelled = is_cancelled(turn, wait);
    wait_free(&turn->lane->waits, wait);
    if (cancelled) return;
    send_answer(turn, PARCEL_REPLY, promise->caller, promise->correlation, message);
}

/* Into the trace of lines, and kept for the spans of requests that are traced. */
static void
trace_failed(const struct turn *turn, uint64_t span, enum status status, const char *text) {
    if (turn->trace[0] | turn->trace[1]) reasons_put(&turn->core->reasons, span, text);
    trace_words(turn->cell, '!', "%s%s%s", status_name(status), *text ? " " : "", text);
}

void turn_reject(
    struct turn *turn, const struct promise *promise, enum status status, const char *format, ...) {
    assert(status != STATUS_OK);
    va_list args;
    va_start(args, format);
    const char *text = format_in(&turn->lane->arena, format, args);
    va_end(args);
    if (!text) text = "";
    trace_failed(turn, promise->span, status, text);
    span_answered(turn, promise, status);
    turn->cell->stats->failed++;
    if (promise->caller == 0) return;
    struct wait *wait = owed(turn, promise);
    bool cancelled = is_cancelled(turn, wait);
    wait_free(&turn->lane->waits, wait);
    if (cancelled) return;
    turn_send_failed(turn, promise->caller, promise->correlation, status, text,
                     turn->retry_after_ms);
}

bool turn_wanted(struct turn *turn, const struct promise *promise) {
    if (promise->deadline_us != NO_DEADLINE && turn_now_us(turn) >= promise->deadline_us)
        return false;
    bool wanted = promise->caller == 0 || !owed(turn, promise)->cancelled;
    if (__builtin_expect(turn->lane->tale != NULL, 0))
        return tale_ask(turn, TALE_WANTED, wanted) != 0;
    return wanted;
}

/* What the handler's status means for the caller. */
static void settle(struct turn *turn, enum status s) {
    if (s == STATUS_OK) {
        if (turn->settled || !owes(turn)) return;
        Done done = DONE__INIT;
        turn_reply(turn, &done.base);
        return;
    }
    assert(!turn->settled); /* an answer and a failure: the caller would get two outcomes */
    turn->settled = true;
    turn->outcome = (uint8_t)s;
    turn->cell->stats->failed++;
    const char *text = turn_words(turn);
    trace_failed(turn, turn->span, s, text);
    if (!owes(turn)) return;
    const struct envelope *asked = &turn->parcel->envelope;
    turn_send_failed(turn, asked->from, asked->correlation, s, text, turn->retry_after_ms);
}

void turn_forward(struct turn *turn, actor_handle to) {
    assert(turn->request && !turn->settled);
    struct lane *lane = turn->lane;
    struct parcel *parcel = turn->parcel;
    if (handle_peer(parcel->envelope.from) && handle_peer(to)) {
        settle(turn,
               turn_fail(turn, STATUS_UNIMPLEMENTED, "cannot hand on from process to process"));
        return;
    }
    turn->settled = true;
    turn->outcome = SPAN_FORWARDED;
    if (owes(turn)) forwards_note(&turn->cell->forwards, to);
    /* The rest of the turn may still look at its request, so the turn keeps a header of its own. */
    turn->parcel = parcel_new(lane->taps ? parcel->size : 0);
    assert(turn->parcel);
    if (lane->taps) memcpy(turn->parcel->body, parcel->body, parcel->size);
    turn->parcel->envelope = parcel->envelope;
    turn->parcel->queued_us = parcel->queued_us;
    parcel->envelope.to = to;
    parcel->envelope.parent = turn->span;
    parcel->envelope.span = span_new(lane);
    turn_send(turn, parcel);
}

/* --- serving
 * -------------------------------------------------------------------------------------- */

enum status turn_read(struct lane *lane,
                      const struct parcel *parcel,
                      const ProtobufCMessageDescriptor *type,
                      ProtobufCMessage **out,
                      const char **why) {
    struct arena *arena = &lane->arena;
    if (type != &raw__descriptor)
        return codec_decode(type, parcel->body, parcel->size, arena, out, why);
    struct raw *raw = arena_alloc(arena, sizeof *raw);
    if (!raw) return STATUS_NO_MEMORY;
    raw_init(raw, parcel->envelope.op, parcel->body, parcel->size);
    *out = &raw->base;
    return STATUS_OK;
}

void turn_serve(struct turn *turn) {
    turn->request = true;
    if (turn->span == 0) turn->span = span_new(turn->lane); /* of a sender that has none */
    struct cell *cell = turn->cell;
    struct parcel *parcel = turn->parcel;
    const struct handler *handler = kind_handler(cell->kind, parcel->envelope.op);
    if (!handler) {
        const ProtobufCMessageDescriptor *type = codec_find(parcel->envelope.op);
        settle(turn, turn_fail(turn, STATUS_UNIMPLEMENTED, "%s does not accept %s",
                               cell->kind->type->kind, type ? type->name : "this message"));
        return;
    }
    ProtobufCMessage *message = NULL;
    const char *why = "";
    enum status s = turn_read(turn->lane, parcel, handler->message, &message, &why);
    if (s != STATUS_OK) {
        settle(turn, turn_fail(turn, s, "%s: %s", handler->message->name, why));
        return;
    }
    if (trace_on(cell)) trace_message(cell, '<', message);
    settle(turn, handler->run(cell->state, message, turn));
}
