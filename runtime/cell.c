/* cell: making an actor and running its turns. Stopping and restarting are in runtime/supervise.c.
 */
#include "runtime/cell.h"

#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/bond.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/move.h"
#include "runtime/passive.h"
#include "runtime/raw.h"
#include "runtime/shed.h"
#include "runtime/span.h"
#include "runtime/trace.h"
#include "runtime/turn_state.h"
#include "schemas/runtime.pb-c.h"

/* --- making
 * --------------------------------------------------------------------------------------- */

struct lane *cell_choose_lane(struct core *core, const struct actor_type *type, int nth) {
    bool io = type->lane == LANE_IO || core->n_lanes == core->n_io;
    uint32_t n = io ? core->n_io : core->n_lanes - core->n_io;
    uint32_t at = nth > 0
                      ? (uint32_t)nth - 1
                      : atomic_fetch_add_explicit(&core->next_lane[io], 1, memory_order_relaxed);
    return &core->lanes[(io ? 0 : core->n_io) + at % n];
}

void cell_move(struct cell *cell, int lane) {
    cell->move_to = lane > 0 ? lane : MOVE_ANYWHERE;
    lane_ready(cell->lane, cell);
}

static void free_cell(struct cell *cell) {
    if (!cell->kind->type->light) mem_free(cell->stats);
    budget_free(&cell->supervision.budget);
    passive_forget(cell);
    mem_free(cell->passive);
    mem_free(cell->shed);
    forwards_free(&cell->forwards);
    mem_free(cell->name);
    mem_free(cell->words);
    mem_free(cell);
}

/* What only some types have. False: no memory. */
static bool equip(struct cell *cell) {
    const struct actor_type *type = cell->kind->type;
    if (!type->light) cell->stats = mem_zero(1, sizeof *cell->stats);
    if (type->shed_us) cell->shed = mem_zero(1, sizeof *cell->shed);
    if (passive_type(type)) cell->passive = mem_zero(1, sizeof *cell->passive);
    return (type->light || cell->stats) && (!type->shed_us || cell->shed) &&
           (!passive_type(type) || cell->passive);
}

/* A cell that no one knows yet. */
static struct cell *build(struct core *core, const struct spawn *spawn) {
    const struct kind *kind = kinds_get(&core->kinds, spawn->type);
    struct cell *cell = kind ? mem_zero(1, sizeof *cell) : NULL;
    if (!cell) return NULL;
    cell->core = core;
    cell->kind = kind;
    cell->lane = cell_choose_lane(core, spawn->type, spawn->lane);
    cell->options = spawn->options;
    cell->supervision.restart = spawn->restart;
    cell->supervision.stop_ms = spawn->stop_ms ? spawn->stop_ms : CELL_STOP_DEFAULT_MS;
    budget_init(&cell->supervision.budget, spawn->intensity, spawn->period_s);
    cell->name = spawn->name ? mem_string(spawn->name) : NULL;
    mailbox_init(&cell->mailbox, spawn->type->mailbox_messages, spawn->type->mailbox_bytes);
    if ((!spawn->name || cell->name) && equip(cell)) return cell;
    free_cell(cell);
    return NULL;
}

enum status cell_new(struct core *core,
                     const struct spawn *spawn,
                     actor_handle supervisor,
                     uint64_t opened_wait,
                     struct cell **out) {
    struct cell *cell = build(core, spawn);
    if (!cell) return STATUS_NO_MEMORY;
    cell->supervisor = supervisor;
    cell->supervision.opened_wait = opened_wait;
    enum status s = table_take(&core->table, (uint8_t)cell->lane->index, cell, &cell->handle);
    if (s == STATUS_OK)
        atomic_store_explicit(&table_slot(&core->table, handle_slot(cell->handle))->kind,
                              spawn->type->kind, memory_order_release);
    if (s == STATUS_OK && cell->name) {
        s = registry_add(&core->registry, cell->name, cell->handle);
        if (s != STATUS_OK) table_give(&core->table, cell->handle);
    }
    if (s != STATUS_OK) {
        free_cell(cell);
        return s;
    }
    cell->born = cell->handle;
    *out = cell;
    return STATUS_OK;
}

void cell_arrive(struct cell *cell) {
    if (cell->arrived) return;
    struct lane *lane = cell->lane;
    cell->arrived = true;
    if (cell->kind->type->light) cell->stats = lane_light_stats(lane, cell->kind->number);
    assert(cell->stats);
    struct cell **cells = &lane->cells[cell->kind->type->light];
    cell->next = *cells;
    if (cell->next) cell->next->previous = cell;
    *cells = cell;
    lane->n_cells++;
}

void cell_leave_lane(struct cell *cell) {
    struct lane *lane = cell->lane;
    assert(!cell->ready && !cell->waits);
    if (cell->previous)
        cell->previous->next = cell->next;
    else
        lane->cells[cell->kind->type->light] = cell->next;
    if (cell->next) cell->next->previous = cell->previous;
    cell->next = cell->previous = NULL;
    cell->arrived = false;
    lane->n_cells--;
}

void cell_free(struct cell *cell) {
    assert(!cell->children && cell->mailbox.depth == 0);
    cell_leave_lane(cell);
    free_cell(cell);
}

const char *cell_name(const struct cell *cell, char text[CELL_NAME_MAX]) {
    if (cell->name) return cell->name;
    snprintf(text, CELL_NAME_MAX, "%s/%u", cell->kind->type->kind, handle_slot(cell->handle));
    return text;
}

void cell_exit(struct cell *cell, enum status reason, const char *words) {
    if (cell->exiting || cell->now == CELL_STOPPING) return;
    cell->exiting = true;
    cell->reason = reason;
    mem_free(cell->words);
    cell->words = words && *words ? mem_string(words) : NULL;
    lane_ready(cell->lane, cell);
}

/* --- turns
 * ---------------------------------------------------------------------------------------- */

static void open_turn(struct cell *cell) {
    const struct actor_type *type = cell->kind->type;
    struct turn turn;
    turn_begin(&turn, cell, NULL);
    bool asleep = cell->now == CELL_ASLEEP;
    cell->now = CELL_OPEN;
    cell->state = mem_zero(1, type->size);
    const char *words = "out of memory";
    enum status s = cell->state ? cell->core->driver->bind(cell, &words) : STATUS_NO_MEMORY;
    if (s != STATUS_OK)
        words = turn_printf(&turn, "%s", words);
    else if (asleep || type->open) {
        s = asleep ? passive_wake(cell, &turn) : type->open(cell->state, cell->options, &turn);
        words = turn_words(&turn);
    }
    if (s != STATUS_OK)
        cell_exit(cell, s, words);
    else
        cell_opened(cell);
    passive_watch(cell);
    cell_tell_opened(cell, s, words);
    turn_end(&turn);
}

/* Asked to stop, an actor with a stop of its own does it, and has some time for it. */
static void stop_turn(struct cell *cell) {
    void (*stop)(void *, struct turn *) = cell->kind->type->stop;
    bool asked = cell->stop_asked || cell->hold_asked;
    if (!stop || !asked || cell->exiting || cell->drain != DRAIN_NOT) return;
    struct lane *lane = cell->lane;
    cell->drain = DRAIN_RUNS;
    struct wait *wait = wait_new(&lane->waits, cell, WAIT_STOP);
    timers_add(&lane->timers, &wait->timer,
               lane->now_us + (uint64_t)cell->supervision.stop_ms * 1000);
    struct turn turn;
    turn_begin(&turn, cell, NULL);
    stop(cell->state, &turn);
    turn_end(&turn);
}

void cell_run_fn(struct cell *cell, struct wait *wait) {
    turn_fn run = wait->run;
    void *context = wait->context;
    struct turn turn;
    turn_begin(&turn, cell, NULL);
    turn_resume(&turn, wait, SPAN_TIMER);
    wait_free(&cell->lane->waits, wait);
    run(cell->state, context, &turn);
    turn_end(&turn);
}

void cell_run_event(struct cell *cell, struct wait *wait, uint32_t events) {
    struct turn turn;
    turn_begin(&turn, cell, NULL);
    turn.cause = SPAN_EVENT;
    wait->watch(cell->state, wait->context, events, &turn);
    turn_end(&turn);
}

void cell_run_outcome(struct cell *cell,
                      struct wait *wait,
                      struct parcel *parcel,
                      const struct outcome *outcome) {
    outcome_fn done = wait->done;
    void *context = wait->context;
    struct turn turn;
    turn_begin(&turn, cell, parcel);
    turn_resume(&turn, wait, SPAN_REPLY);
    turn.outcome = (uint8_t)outcome->status;
    if (!outcome->more) cell_end_wait(cell, wait);
    if (done) done(cell->state, context, outcome, &turn);
    turn_end(&turn);
}

/* The type an answer is read as; NULL: nobody knows it. */
static const ProtobufCMessageDescriptor *
type_of_answer(struct lane *lane, const ProtobufCMessageDescriptor *wanted, uint32_t op) {
    if (!wanted) return codec_find(op);
    if (op == lane_op(lane, &failed__descriptor)) return &failed__descriptor;
    return op == lane_op(lane, wanted) ? wanted : &raw__descriptor;
}

/* Reads Failed or Down, or the reply itself, into an outcome. */
static void read_answer(struct cell *cell,
                        const struct wait *wait,
                        const struct parcel *parcel,
                        struct outcome *outcome) {
    const ProtobufCMessageDescriptor *type =
        type_of_answer(cell->lane, wait->reply, parcel->envelope.op);
    ProtobufCMessage *message = NULL;
    const char *why = "an answer of an unknown type";
    enum status s = STATUS_CORRUPT;
    if (type) s = turn_read(cell->lane, parcel, type, &message, &why);
    outcome->text = "";
    outcome->status = s;
    if (s != STATUS_OK) {
        outcome->text = why ? why : status_text(s);
    } else if (type == &failed__descriptor) {
        const Failed *failed = (const Failed *)message;
        bool known = failed->status != STATUS_OK && failed->status < STATUS_COUNT;
        outcome->status = known ? (enum status)failed->status : STATUS_INTERNAL;
        outcome->text = failed->text;
        outcome->retry_after_ms = failed->retry_after_ms;
    } else if (type == &down__descriptor) {
        const Down *down = (const Down *)message;
        outcome->status = down->status < STATUS_COUNT ? (enum status)down->status : STATUS_INTERNAL;
        outcome->text = down->text;
    } else {
        outcome->message = message;
    }
}

/* Another process answers only what it was asked. A local actor may have handed the call on to
 * anybody. */
static bool may_answer(const struct wait *wait, const struct envelope *envelope) {
    uint16_t peer = handle_peer(envelope->from);
    if (peer == 0) return true;
    return handle_peer(wait->peer) == peer ||
           (wait->kind == WAIT_CALL && handle_peer(wait->peer) == 0);
}

/* The answer to something this actor waits for; an answer that comes too late is dropped. */
static void answer_turn(struct cell *cell, struct parcel *parcel) {
    static const enum wait_kind wanted[] = {
        [PARCEL_REPLY] = WAIT_CALL,  [PARCEL_PART] = WAIT_CALL,    [PARCEL_DOWN] = WAIT_MONITOR,
        [PARCEL_OPENED] = WAIT_OPEN, [PARCEL_FOUND] = WAIT_LOOKUP,
    };
    const struct envelope *envelope = &parcel->envelope;
    struct wait *wait = wait_find(&cell->lane->waits, cell, envelope->correlation);
    if (!wait || wait->kind != wanted[envelope->kind] || !may_answer(wait, envelope)) {
        parcel_free(parcel);
        return;
    }
    struct outcome outcome = {
        .text = "", .call = wait_name(wait), .more = envelope->kind == PARCEL_PART};
    if (envelope->kind == PARCEL_FOUND) {
        struct found found;
        memcpy(&found, parcel->room, sizeof found);
        outcome.status = found.status;
        outcome.handle = found.handle;
        if (found.status != STATUS_OK) outcome.text = status_text(found.status);
    } else {
        read_answer(cell, wait, parcel, &outcome);
        if (outcome.status != STATUS_OK && envelope->kind == PARCEL_PART) outcome.more = false;
        if (envelope->kind != PARCEL_REPLY && envelope->kind != PARCEL_PART)
            outcome.handle = envelope->from;
    }
    cell_run_outcome(cell, wait, parcel, &outcome);
}

static void later_turn(struct cell *cell, struct parcel *parcel) {
    struct later later;
    memcpy(&later, parcel->room, sizeof later);
    struct turn turn;
    turn_begin(&turn, cell, parcel);
    later.run(cell->state, later.context, &turn);
    turn_end(&turn);
}

static void worked_turn(struct cell *cell, struct parcel *parcel) {
    struct work work;
    memcpy(&work, parcel->room, sizeof work);
    struct outcome outcome = {
        .status = work.status,
        .text = work.status == STATUS_OK ? "" : status_text(work.status),
    };
    struct turn turn;
    turn_begin(&turn, cell, parcel);
    turn.outcome = (uint8_t)work.status;
    if (work.block.done) work.block.done(cell->state, work.block.context, &outcome, &turn);
    turn_end(&turn);
}

/* Whether its mailbox is too long in time. */
static bool sheds(struct cell *cell, const struct parcel *parcel) {
    if (parcel->envelope.band != BAND_DATA) return false;
    bool alone = cell->mailbox.bands[BAND_DATA].count == 0;
    return shed_refuses(cell->shed, cell->kind->type->shed_us, cell->lane->now_us,
                        parcel->queued_us, alone);
}

static void request_turn(struct cell *cell, struct parcel *parcel) {
    struct lane *lane = cell->lane;
    cell->stats->received++;
    credit_owe(cell->core, lane, cell, parcel);
    if (lane->now_us >= parcel->envelope.deadline_us) { /* NO_DEADLINE is never reached */
        cell->stats->expired++;
        trace_dead(cell, parcel->envelope.op, STATUS_EXPIRED);
        core_refuse(cell->core, lane, parcel, STATUS_EXPIRED, NULL);
        return;
    }
    if (cell->shed && sheds(cell, parcel)) {
        struct refusal refusal = {STATUS_BUSY, "requests wait too long", SHED_INTERVAL_US / 1000};
        cell->stats->dropped++;
        trace_dead(cell, parcel->envelope.op, STATUS_BUSY);
        core_refuse_as(cell->core, lane, parcel, &refusal);
        return;
    }
    struct turn turn;
    turn_begin(&turn, cell, parcel);
    turn_serve(&turn);
    turn_end(&turn);
}

static void parcel_turn(struct cell *cell, struct parcel *parcel) {
    struct lane *lane = cell->lane;
    uint64_t queued = parcel->queued_us;
    histogram_add(&cell->stats->mailbox, lane->now_us > queued ? lane->now_us - queued : 0);
    switch (parcel->envelope.kind) {
    case PARCEL_CAST:
    case PARCEL_CALL:
        request_turn(cell, parcel);
        return;
    case PARCEL_LATER:
        later_turn(cell, parcel);
        return;
    case PARCEL_WORKED:
        worked_turn(cell, parcel);
        return;
    case PARCEL_EXIT:
        bond_turn(cell, parcel);
        return;
    default:
        answer_turn(cell, parcel);
    }
}

/* What waited when the batch began: what a turn puts off with turn_later runs behind the other
 * actors. */
static void run_batch(struct cell *cell) {
    struct lane *lane = cell->lane;
    uint64_t until = lane->now_us + LANE_BATCH_US;
    uint32_t n = cell->mailbox.depth < LANE_BATCH ? cell->mailbox.depth : LANE_BATCH;
    while (n-- > 0 && !cell_leaves(cell)) {
        struct parcel *parcel =
            cell->mutes > 0 ? mailbox_pop_muted(&cell->mailbox) : mailbox_pop(&cell->mailbox);
        if (!parcel) break;
        parcel_turn(cell, parcel);
        if (lane->now_us >= until) break;
    }
    if (cell->mailbox.depth > 0 && cell->mutes == 0) lane_ready(lane, cell);
    if (cell->muted.first) mute_settle(cell);
    if (cell->debts) credit_settle(cell);
    if (cell->passive) cell->passive->used_us = lane->now_us;
}

void cell_run_paused(struct cell *cell, struct parcel *parcel) {
    if (!parcel) parcel = mailbox_pop(&cell->mailbox);
    if (!parcel) return;
    cell->now = CELL_OPEN;
    parcel_turn(cell, parcel);
    if (cell->now == CELL_OPEN) cell->now = CELL_PAUSED;
}

/* One message of an actor that a person holds. */
static void run_step(struct cell *cell) {
    cell->steps--;
    cell_run_paused(cell, NULL);
    if (cell->steps > 0 || cell_leaves(cell)) lane_ready(cell->lane, cell);
}

void cell_run(struct cell *cell) {
    if (!cell->lane->fresh) lane_read_clock(cell->lane);
    cell->lane->fresh = false;
    if (cell->now == CELL_STOPPING) {
        cell_stop_step(cell);
        return;
    }
    if (cell->now == CELL_OPEN) stop_turn(cell);
    if (cell_leaves(cell)) {
        cell_stop_begin(cell);
        return;
    }
    if (cell->moved) move_turn(cell);
    if (cell->move_to && cell->now == CELL_OPEN && !cell_leaves(cell) && move_leave(cell)) return;
    bool wakes = cell->now == CELL_ASLEEP && cell->mailbox.depth > 0;
    if (cell->now == CELL_NEW || wakes) open_turn(cell);
    if (cell->now == CELL_OPEN && !cell_leaves(cell)) run_batch(cell);
    if (cell->now == CELL_PAUSED && cell->steps > 0) run_step(cell);
}
