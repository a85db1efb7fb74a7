/* move: the cell itself goes, by pointer, in one parcel. Nobody else holds it: its slot is given to
 * a forwarder, and the next slot is not to be found before it arrived.
 *
 *     lane 1                                          lane 2
 *     cell leaves; the forwarder takes its slot  ──ARRIVE──▶  slot published, waits and timers set
 *     forwarder keeps what comes …               ◀─SETTLED──  … and the world told
 *     … and sends it on, and all that follows    ─────────▶  mailbox
 *
 *     supervisor ◀─MOVED─┐   children ◀─ADOPT─┐   its monitors and links: made anew
 *
 * All that is sent to the old incarnation takes the way over the forwarder, so it keeps its order.
 * Records of waits keep the ids that the actor and its callees know (wait_adopt). */
#include "runtime/move.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/trace.h"
#include "runtime/turn_state.h"

/* What travels with the cell. */
struct passage {
    struct cell *cell;
    actor_handle from; /* the old incarnation */
    uint32_t n_waits;
    struct wait waits[]; /* copies; the oldest first */
};

/* --- the forwarder
 * ------------------------------------------------------------------------------------------- */

struct forwarder {
    actor_handle to;      /* 0: the actor is between two lanes */
    struct parcel *first; /* owned, waiting for it to arrive */
    struct parcel *last;
    uint32_t n_waiting;
    uint64_t used_us;
};

static const struct actor_type forwarder_types[] = {
    [LANE_IO] = {.kind = "moved", .size = 1, .lane = LANE_IO, .light = true, .quiet = true},
    [LANE_COMPUTE] =
        {.kind = "moved", .size = 1, .lane = LANE_COMPUTE, .light = true, .quiet = true},
};

/* Between supervisor and child the incarnation is left open. */
static void pass_on(struct cell *cell, struct parcel *parcel) {
    const struct forwarder *forwarder = cell->sink_context;
    credit_owe(cell->core, cell->lane, NULL, parcel); /* the account is of the old handle */
    bool any = handle_incarnation(parcel->envelope.to) == HANDLE_ANY_INCARNATION;
    parcel->envelope.to = any ? cell_any_life(forwarder->to) : forwarder->to;
    core_send(cell->core, cell->lane, parcel);
}

static void keep(struct cell *cell, struct parcel *parcel) {
    struct forwarder *forwarder = cell->sink_context;
    uint8_t kind = parcel->envelope.kind;
    bool asked = kind == PARCEL_CALL || kind == PARCEL_CAST;
    if (asked && forwarder->n_waiting >= MOVE_WAITING_MAX) {
        core_refuse(cell->core, cell->lane, parcel, STATUS_BUSY, "the actor is moving");
        return;
    }
    forwarder->n_waiting++;
    parcel->next = NULL;
    if (forwarder->last)
        forwarder->last->next = parcel;
    else
        forwarder->first = parcel;
    forwarder->last = parcel;
}

static void settle(struct cell *cell, actor_handle to) {
    struct forwarder *forwarder = cell->sink_context;
    struct parcel *parcel = forwarder->first;
    forwarder->to = to;
    forwarder->first = forwarder->last = NULL;
    while (parcel) {
        struct parcel *next = parcel->next;
        pass_on(cell, parcel);
        parcel = next;
    }
}

static void forward(struct cell *cell, struct parcel *parcel) {
    struct forwarder *forwarder = cell->sink_context;
    forwarder->used_us = cell->lane->now_us;
    if (parcel->envelope.kind == PARCEL_SETTLED) {
        settle(cell, parcel->envelope.from);
        parcel_free(parcel);
    } else if (forwarder->to == 0) {
        keep(cell, parcel);
    } else {
        pass_on(cell, parcel);
    }
}

static void look_at(struct cell *cell, uint64_t at_us) {
    struct lane *lane = cell->lane;
    struct wait *wait = wait_new(&lane->waits, cell, WAIT_FORWARDER);
    timers_add(&lane->timers, &wait->timer, at_us);
}

/* A cell of this lane without a slot; NULL: no memory. */
static struct cell *new_forwarder(struct lane *lane) {
    struct forwarder *forwarder = mem_zero(1, sizeof *forwarder);
    struct cell *cell = forwarder ? mem_zero(1, sizeof *cell) : NULL;
    const struct kind *kind =
        cell ? kinds_get(&lane->core->kinds, &forwarder_types[lane->kind]) : NULL;
    if (!kind || !lane_light_stats(lane, kind->number)) {
        mem_free(forwarder);
        mem_free(cell);
        return NULL;
    }
    cell->core = lane->core;
    cell->lane = lane;
    cell->kind = kind;
    cell->now = CELL_OPEN;
    cell->sink = forward;
    cell->sink_context = forwarder;
    return cell;
}

static void bury(struct cell *cell) {
    struct forwarder *forwarder = cell->sink_context;
    assert(!forwarder->first);
    while (cell->waits)
        cell_end_wait(cell, cell->waits);
    table_give(&cell->core->table, cell->handle);
    if (cell->ready) lane_unready(cell->lane, cell);
    mem_free(forwarder);
    cell_free(cell);
}

void move_look(struct cell *cell) {
    const struct forwarder *forwarder = cell->sink_context;
    uint64_t over_us = forwarder->used_us + MOVE_FORWARD_US;
    if (over_us <= cell->lane->now_us && forwarder->to)
        bury(cell);
    else
        look_at(cell,
                over_us > cell->lane->now_us ? over_us : cell->lane->now_us + MOVE_FORWARD_US);
}

void move_forget_all(struct lane *lane) {
    for (int light = 0; light < 2; light++)
        for (struct cell *cell = lane->cells[light], *next; cell; cell = next) {
            next = cell->next;
            if (cell->sink == forward) bury(cell);
        }
}

/* --- leaving
 * ------------------------------------------------------------------------------------------- */

static bool watches(const struct cell *cell) {
    const struct wait *wait = cell->waits;
    while (wait && wait->kind != WAIT_WATCH)
        wait = wait->next;
    return wait;
}

static struct passage *pack(struct cell *cell) {
    uint32_t n = 0;
    for (const struct wait *wait = cell->waits; wait; wait = wait->next)
        n++;
    struct passage *passage = mem_alloc(sizeof *passage + n * sizeof(struct wait));
    if (!passage) return NULL;
    passage->cell = cell;
    passage->from = cell->handle;
    passage->n_waits = n;
    return passage;
}

/* Takes the records off this lane. The newest is first in the list. */
static void take_waits(struct passage *passage) {
    struct cell *cell = passage->cell;
    for (uint32_t i = passage->n_waits; i-- > 0;) {
        passage->waits[i] = *cell->waits;
        cell_end_wait(cell, cell->waits);
    }
}

bool move_leave(struct cell *cell) {
    struct lane *lane = cell->lane;
    struct core *core = cell->core;
    struct lane *to = cell_choose_lane(core, cell->kind->type, cell->move_to);
    if (to == lane && cell->move_to == MOVE_ANYWHERE)
        to = cell_choose_lane(core, cell->kind->type, MOVE_ANYWHERE);
    cell->move_to = 0;
    if (to == lane || cell == core->root || watches(cell)) return false;
    struct passage *passage = pack(cell);
    struct cell *forwarder = passage ? new_forwarder(lane) : NULL;
    actor_handle next = 0;
    if (!forwarder || table_reserve(&core->table, &next) != STATUS_OK) {
        if (forwarder) mem_free(forwarder->sink_context);
        mem_free(forwarder);
        mem_free(passage);
        return false;
    }
    trace_life(cell, "moves to lane %u", to->index + 1);
    core->driver->unbind(cell);
    credit_move(cell);
    mutes_end(&cell->muted, lane, cell->handle);
    take_waits(passage);
    cell_leave_lane(cell);
    forwarder->handle = cell->handle;
    table_replace(&core->table, cell->handle, forwarder);
    cell_arrive(forwarder);
    ((struct forwarder *)forwarder->sink_context)->used_us = lane->now_us;
    look_at(forwarder, lane->now_us + MOVE_FORWARD_US);
    cell->handle = next;
    cell->moves++;
    struct parcel *parcel = parcel_local(PARCEL_ARRIVE, 0, &passage, sizeof passage);
    parcel->envelope.band = BAND_SYSTEM;
    bool posted = core->driver->post(core, lane, to, parcel);
    assert(posted); /* only casts and calls are refused */
    return true;
}

/* --- arriving
 * ------------------------------------------------------------------------------------------- */

static void set_waits(struct passage *passage) {
    struct cell *cell = passage->cell;
    struct lane *lane = cell->lane;
    for (uint32_t i = 0; i < passage->n_waits; i++) {
        const struct wait *was = &passage->waits[i];
        struct wait *wait = wait_adopt(&lane->waits, cell, was);
        if (wait->kind == WAIT_CALL && !wait->as) wait->as = passage->from;
        if (was->timer.place) timers_add(&lane->timers, &wait->timer, was->timer.at_us);
    }
    for (struct wait *wait = cell->waits; wait; wait = wait->next) {
        struct wait *served = wait->behalf ? wait_find(&lane->waits, cell, wait->behalf) : NULL;
        if (served) wait_ask(served, wait);
    }
}

static void say(const struct cell *cell,
                enum parcel_kind kind,
                actor_handle from,
                actor_handle to,
                uint64_t correlation) {
    struct parcel *parcel = parcel_local(kind, to, NULL, 0);
    parcel->envelope.from = from;
    parcel->envelope.correlation = correlation;
    parcel->envelope.band = BAND_CONTROL;
    core_send(cell->core, cell->lane, parcel);
}

/* The next link that is to be made anew; 0: none. Saying so may end a link at once. */
static actor_handle next_link(struct cell *cell) {
    struct watcher *watcher = cell->watchers;
    while (watcher && (!watcher->link || watcher->renewed))
        watcher = watcher->next;
    if (!watcher) return 0;
    watcher->renewed = true;
    return watcher->handle;
}

/* Monitors and links name an incarnation: the new one first, so that no end goes by unnoticed; an
 * end that is told twice is one. */
static void renew_bonds(struct cell *cell, actor_handle old) {
    for (struct wait *wait = cell->waits; wait; wait = wait->next) {
        if (wait->kind != WAIT_MONITOR) continue;
        say(cell, PARCEL_MONITOR, cell->handle, wait->peer, wait_name(wait));
        say(cell, PARCEL_UNMONITOR, old, wait->peer, wait_name(wait));
    }
    for (struct watcher *watcher = cell->watchers; watcher; watcher = watcher->next)
        watcher->renewed = false;
    actor_handle linked;
    while ((linked = next_link(cell))) {
        say(cell, PARCEL_LINK, cell->handle, linked, 0);
        say(cell, PARCEL_UNLINK, old, linked, 0);
    }
}

static void tell_family(struct cell *cell) {
    struct moved moved = {cell->handle, cell->moves};
    if (cell->supervisor)
        core_send(cell->core, cell->lane,
                  cell_order_with(PARCEL_MOVED, cell->supervisor, cell, &moved));
    for (struct child *child = cell->children; child; child = child->next)
        core_send(cell->core, cell->lane, cell_order_with(PARCEL_ADOPT, child->at, cell, &moved));
}

void move_arrive(struct lane *lane, struct parcel *parcel) {
    struct passage *passage;
    memcpy(&passage, parcel->room, sizeof passage);
    struct cell *cell = passage->cell;
    cell->lane = lane;
    cell_arrive(cell);
    table_publish(&lane->core->table, cell->handle, (uint8_t)lane->index, cell);
    if (cell->name) registry_renew(&lane->core->registry, cell->name, cell->handle);
    set_waits(passage);
    say(cell, PARCEL_SETTLED, cell->handle, passage->from, 0);
    tell_family(cell);
    renew_bonds(cell, passage->from);
    cell->moved = true;
    lane_ready(lane, cell);
    mem_free(passage);
    parcel_free(parcel);
}

void move_turn(struct cell *cell) {
    const struct actor_type *type = cell->kind->type;
    const char *words = "";
    cell->moved = false;
    enum status s = cell->core->driver->bind(cell, &words);
    if (s != STATUS_OK) {
        cell_exit(cell, s, words);
        return;
    }
    if (!type->moved) return;
    struct turn turn;
    turn_begin(&turn, cell, NULL);
    type->moved(cell->state, &turn);
    turn_end(&turn);
}

/* --- asked by turns
 * ------------------------------------------------------------------------------------------- */

void turn_move(struct turn *turn, actor_handle actor, int lane) {
    struct cell *cell = turn->cell;
    if (actor == cell->handle) {
        cell_move(cell, lane);
        return;
    }
    const struct child *child = cell_child(cell, actor);
    if (!child) return;
    struct moved moved = {.at = (actor_handle)(lane > 0 ? lane : 0)};
    core_send(turn->core, turn->lane, cell_order_with(PARCEL_MOVE, child->at, cell, &moved));
}
