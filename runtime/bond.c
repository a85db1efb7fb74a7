/* bond: two records, and a PARCEL_EXIT from whoever ends first.
 *
 *     a ── LINK ──▶ b      both hold a record from the moment they know
 *     a ◀── EXIT ── b      b ended (or is not there): a's record goes, then a goes or is told
 *     a ── UNLINK ─▶ b     an exit that is under way then meets no record, and nothing happens
 *
 * An exit without a record is nothing, so nobody can end an actor it is not linked to. */
#include "runtime/bond.h"

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/trace.h"
#include "runtime/turn_state.h"
#include "schemas/runtime.pb-c.h"

/* Why somebody ended. */
struct ending {
    enum status reason;
    const char *words;
    bool stopped; /* by its supervisor */
};

/* The words live in the arena. What cannot be read came from another process. */
static void read_ending(const struct parcel *parcel, struct arena *arena, struct ending *out) {
    const ProtobufCMessageDescriptor *type = codec_find(parcel->envelope.op);
    ProtobufCMessage *message = NULL;
    *out = (struct ending){STATUS_INTERNAL, "", false};
    bool down = type == &down__descriptor;
    if (!down && type != &failed__descriptor) return;
    if (codec_decode(type, parcel->body, parcel->size, arena, &message, NULL) != STATUS_OK) return;
    uint32_t status = down ? ((Down *)message)->status : ((Failed *)message)->status;
    out->words = down ? ((Down *)message)->text : ((Failed *)message)->text;
    out->stopped = down && ((Down *)message)->stopped;
    if (status < STATUS_COUNT) out->reason = (enum status)status;
}

/* The other one's end, for an actor that does not trap it. */
static void follow(struct cell *cell, const struct ending *ending) {
    if (ending->reason != STATUS_OK) {
        cell_exit(cell, ending->reason, *ending->words ? ending->words : "a linked actor failed");
    } else if (ending->stopped && !cell->exiting) {
        cell->swept = true;
        cell_exit(cell, STATUS_OK, NULL);
    }
}

static void end(struct cell *cell, struct parcel *parcel) {
    if (!cell_remove_link(cell, parcel->envelope.from) || cell->now == CELL_STOPPING) {
        parcel_free(parcel);
        return;
    }
    if (cell->trap.exited) {
        parcel->envelope.band = BAND_SYSTEM;
        parcel->queued_us = cell->lane->now_us;
        mailbox_push(&cell->mailbox, parcel, true);
        lane_ready(cell->lane, cell);
        return;
    }
    struct arena arena;
    struct ending ending;
    arena_init(&arena, 0);
    read_ending(parcel, &arena, &ending);
    follow(cell, &ending);
    arena_free(&arena);
    parcel_free(parcel);
}

/* An actor that was asked to stop, or stops, ends as any other: its record makes it tell. */
static void begin(struct cell *cell, struct parcel *parcel) {
    actor_handle other = parcel->envelope.from;
    if (handle_peer(other) && !cell->kind->type->linkable) {
        core_refuse(cell->core, cell->lane, parcel, STATUS_DENIED,
                    "it takes no links from other processes");
        return;
    }
    if (!cell_has_link(cell, other)) cell_add_link(cell, other);
    parcel_free(parcel);
}

void bond_take(struct cell *cell, struct parcel *parcel) {
    switch (parcel->envelope.kind) {
    case PARCEL_LINK:
        begin(cell, parcel);
        return;
    case PARCEL_UNLINK:
        cell_remove_link(cell, parcel->envelope.from);
        parcel_free(parcel);
        return;
    default:
        end(cell, parcel);
    }
}

void bond_turn(struct cell *cell, struct parcel *parcel) {
    struct ending ending;
    struct turn turn;
    turn_begin(&turn, cell, parcel);
    read_ending(parcel, &cell->lane->arena, &ending);
    struct outcome outcome = {
        .status = ending.reason, .text = ending.words, .handle = parcel->envelope.from};
    if (cell->trap.exited)
        cell->trap.exited(cell->state, cell->trap.context, &outcome, &turn);
    else /* it stopped trapping meanwhile */
        follow(cell, &ending);
    turn_end(&turn);
}

void bond_lost(struct cell *cell, actor_handle other) {
    struct parcel *parcel = parcel_local(PARCEL_EXIT, cell->handle, NULL, 0);
    parcel->envelope.from = other;
    parcel_fail(parcel, STATUS_LOST_PEER, "the link to its process was lost", 0);
    parcel->envelope.kind = PARCEL_EXIT;
    end(cell, parcel);
}

/* --- asked by turns
 * ------------------------------------------------------------------------------------------- */

static void say(struct turn *turn, enum parcel_kind kind, actor_handle to) {
    struct parcel *parcel = parcel_local(kind, to, NULL, 0);
    parcel->envelope.from = turn->cell->handle;
    parcel->envelope.band = BAND_CONTROL;
    core_send(turn->core, turn->lane, parcel);
}

void turn_link(struct turn *turn, actor_handle other) {
    struct cell *cell = turn->cell;
    if (other == cell->handle || cell_has_link(cell, other)) return;
    cell_add_link(cell, other);
    say(turn, PARCEL_LINK, other);
}

void turn_unlink(struct turn *turn, actor_handle other) {
    if (cell_remove_link(turn->cell, other)) say(turn, PARCEL_UNLINK, other);
}

void turn_trap_exits(struct turn *turn, outcome_fn exited, void *context) {
    turn->cell->trap = (struct trap){exited, context};
}
