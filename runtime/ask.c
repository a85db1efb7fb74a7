/* ask: what a turn asks of others: calls, casts, timers, blocking work, descriptors, names,
 * monitors, children. Everything that is answered later is a struct wait of the lane, or a record
 * that travels in a parcel and comes back. */
#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/group.h"
#include "runtime/memory.h"
#include "runtime/raw.h"
#include "runtime/tale.h"
#include "runtime/trace.h"
#include "runtime/turn_state.h"
#include "schemas/runtime.pb-c.h"

enum { LOOKUP_DEFAULT_US = 5000000 };

/* A wait that carries the turn's trace on to its outcome. */
static struct wait *new_wait(struct turn *turn, enum wait_kind kind) {
    struct wait *wait = wait_new(&turn->lane->waits, turn->cell, kind);
    wait->trace[0] = turn->trace[0];
    wait->trace[1] = turn->trace[1];
    wait->span = turn->span;
    wait->flags = turn->flags;
    return wait;
}

/* --- messages
 * ------------------------------------------------------------------------------------- */

static void
tell(struct turn *turn, actor_handle to, const ProtobufCMessage *message, enum parcel_band band) {
    enum status s = STATUS_OK;
    struct parcel *parcel = turn_encode(turn, PARCEL_CAST, message, &s);
    if (!parcel) { /* never sent, but lost all the same: counted as any other loss */
        parcel = parcel_local(PARCEL_CAST, to, NULL, 0);
        parcel->envelope.from = turn->cell->handle;
        const struct raw *raw = raw_of(message);
        parcel->envelope.op = raw ? raw->op : lane_op(turn->lane, message->descriptor);
        turn->cell->stats->sent++;
        core_refuse(turn->core, turn->lane, parcel, s, NULL);
        return;
    }
    parcel->envelope.to = to;
    parcel->envelope.band = (uint8_t)band;
    turn_send(turn, parcel);
}

void turn_tell(struct turn *turn, actor_handle to, const ProtobufCMessage *message) {
    tell(turn, to, message, BAND_DATA);
}

void turn_tell_control(struct turn *turn, actor_handle to, const ProtobufCMessage *message) {
    tell(turn, to, message, BAND_CONTROL);
}

static uint64_t call_deadline(const struct turn *turn, uint64_t wanted) {
    uint64_t now = turn->lane->now_us;
    if (wanted == 0)
        wanted = turn_deadline_us(turn);
    else if (wanted == NO_DEADLINE)
        return now + CALL_MAX_US;
    if (wanted == NO_DEADLINE) return now + CALL_DEFAULT_US;
    return wanted < now + CALL_MAX_US ? wanted : now + CALL_MAX_US;
}

/* A failure of this actor's own call, in a turn of its own. */
static void fail_call(struct turn *turn, uint64_t call, enum status status, const char *text) {
    turn_send_failed(turn, turn->cell->handle, call, status, text, 0);
}

/* Ties a call to the request it is made for. A cast has no caller who could cancel. */
static void ask_on_behalf(struct turn *turn, struct wait *wait, const struct promise *promise) {
    if (promise->caller == 0) return;
    struct wait *served = wait_find(&turn->lane->waits, turn->cell, promise->record);
    assert(served && served->kind == WAIT_SERVE);
    wait_ask(served, wait);
}

uint64_t turn_call(struct turn *turn, const struct call *call) {
    struct lane *lane = turn->lane;
    enum status s = STATUS_OK;
    struct parcel *parcel = turn_encode(turn, PARCEL_CALL, call->message, &s);
    struct wait *wait = new_wait(turn, WAIT_CALL);
    wait->done = call->done;
    wait->context = call->context;
    wait->peer = call->to;
    wait->reply = call->reply;
    if (call->behalf) ask_on_behalf(turn, wait, call->behalf);
    wait->op = lane_op(lane, call->message->descriptor);
    uint64_t deadline = call_deadline(turn, call->deadline_us);
    timers_add(&lane->timers, &wait->timer, deadline);
    if (!parcel) {
        turn->cell->stats->sent++;
        fail_call(turn, wait->id, s, "the message could not be encoded");
        return wait->id;
    }
    parcel->envelope.to = call->to;
    parcel->envelope.correlation = wait->id;
    parcel->envelope.deadline_us = deadline;
    if (call->control) parcel->envelope.band = BAND_CONTROL;
    uint64_t id = wait->id;
    turn_send(turn, parcel);
    return id;
}

void turn_cancel(struct turn *turn, uint64_t call) {
    struct wait *wait = wait_find(&turn->lane->waits, turn->cell, call);
    if (wait && wait->kind == WAIT_CALL) cell_cancel_call(turn->cell, wait);
}

/* --- time and long work
 * ---------------------------------------------------------------------------- */

uint64_t turn_timer(struct turn *turn, uint64_t delay_us, turn_fn run, void *context) {
    struct wait *wait = new_wait(turn, WAIT_TIMER);
    wait->run = run;
    wait->context = context;
    uint64_t now = turn_now_us(turn);
    timers_add(&turn->lane->timers, &wait->timer,
               delay_us < NO_DEADLINE - now ? now + delay_us : NO_DEADLINE);
    return wait->id;
}

void turn_timer_cancel(struct turn *turn, uint64_t timer) {
    struct wait *wait = wait_find(&turn->lane->waits, turn->cell, timer);
    if (wait && wait->kind == WAIT_TIMER) cell_end_wait(turn->cell, wait);
}

/* Sends a local record to this actor itself. */
static struct parcel *
to_self(struct turn *turn, enum parcel_kind kind, const void *record, size_t size) {
    struct parcel *parcel = parcel_local(kind, turn->cell->handle, record, size);
    parcel->envelope.from = turn->cell->handle;
    parcel->envelope.trace[0] = turn->trace[0];
    parcel->envelope.trace[1] = turn->trace[1];
    parcel->envelope.span = turn->span;
    parcel->envelope.flags = turn->flags;
    return parcel;
}

void turn_later(struct turn *turn, turn_fn run, void *context) {
    struct later later = {run, context};
    core_send(turn->core, turn->lane, to_self(turn, PARCEL_LATER, &later, sizeof later));
}

void turn_block(struct turn *turn, const struct block *block) {
    struct work work = {.block = *block, .status = STATUS_BUSY};
    struct parcel *parcel = to_self(turn, PARCEL_WORKED, &work, sizeof work);
    parcel->envelope.correlation = ++turn->lane->works;
    if (__builtin_expect(turn->lane->tale != NULL, 0))
        tale_begin(turn, PARCEL_WORKED, turn->lane->works, 0, "");
    /* A pool with too much to do: the work was not run and its outcome is BUSY. */
    if (!turn->core->driver->block(turn->core, parcel)) core_send(turn->core, turn->lane, parcel);
}

/* This actor's watch of fd, or NULL. */
static struct wait *watch_of(struct turn *turn, int fd) {
    assert(fd >= 0);
    struct lane *lane = turn->lane;
    struct wait *wait = (uint32_t)fd < lane->n_watched ? lane->watched[fd] : NULL;
    return wait && wait->cell == turn->cell ? wait : NULL;
}

enum status turn_watch(struct turn *turn, int fd, uint32_t events, watch_fn run, void *context) {
    struct lane *lane = turn->lane;
    struct wait *wait = watch_of(turn, fd);
    bool again = wait != NULL;
    if (!again) {
        enum status s = lane_room_to_watch(lane, fd);
        if (s != STATUS_OK) return s;
        wait = new_wait(turn, WAIT_WATCH);
        wait->fd = fd;
    }
    wait->watch = run;
    wait->context = context;
    enum status s = turn->core->driver->watch(lane, wait, events, again);
    if (s == STATUS_OK)
        lane->watched[fd] = wait;
    else if (!again)
        wait_free(&lane->waits, wait);
    return s;
}

void turn_unwatch(struct turn *turn, int fd) {
    struct wait *wait = watch_of(turn, fd);
    if (wait) cell_end_wait(turn->cell, wait);
}

/* --- others
 * --------------------------------------------------------------------------------------- */

actor_handle turn_find(struct turn *turn, const char *name) {
    return turn_saw_actor(turn, registry_find(&turn->core->registry, name));
}

/* The answer of a lookup that needs no other process. */
static void found_here(struct turn *turn, uint64_t wait, enum status status, actor_handle handle) {
    struct found found = {status, handle};
    struct parcel *parcel = to_self(turn, PARCEL_FOUND, &found, sizeof found);
    parcel->envelope.correlation = wait;
    core_send(turn->core, turn->lane, parcel);
}

void turn_lookup(struct turn *turn, const struct lookup *lookup) {
    struct core *core = turn->core;
    struct lane *lane = turn->lane;
    struct wait *wait = new_wait(turn, WAIT_LOOKUP);
    wait->done = lookup->done;
    wait->context = lookup->context;
    uint64_t deadline = lookup->deadline_us ? lookup->deadline_us : turn_deadline_us(turn);
    if (deadline == NO_DEADLINE) deadline = lane->now_us + LOOKUP_DEFAULT_US;
    timers_add(&lane->timers, &wait->timer, deadline);
    if (__builtin_expect(lane->tale != NULL, 0))
        tale_begin(turn, PARCEL_LOOKUP, wait->id, 0, lookup->name);
    if (!lookup->address || !*lookup->address) {
        actor_handle handle = registry_find(&core->registry, lookup->name);
        found_here(turn, wait->id, handle ? STATUS_OK : STATUS_NOT_FOUND, handle);
        return;
    }
    struct seek seek = {mem_string(lookup->address), mem_string(lookup->name),
                        .deadline_us = deadline};
    if (!seek.address || !seek.name) {
        mem_free(seek.address);
        mem_free(seek.name);
        found_here(turn, wait->id, STATUS_NO_MEMORY, 0);
        return;
    }
    struct parcel *parcel = to_self(turn, PARCEL_LOOKUP, &seek, sizeof seek);
    parcel->envelope.correlation = wait->id;
    core->driver->lookup(core, lane, parcel);
}

uint64_t turn_monitor(struct turn *turn, actor_handle actor, outcome_fn done, void *context) {
    struct wait *wait = new_wait(turn, WAIT_MONITOR);
    wait->done = done;
    wait->context = context;
    wait->peer = actor;
    uint64_t id = wait->id;
    if (__builtin_expect(turn->lane->tale != NULL, 0))
        tale_begin(turn, PARCEL_MONITOR, id, actor, "");
    struct parcel *parcel = parcel_local(PARCEL_MONITOR, actor, NULL, 0);
    parcel->envelope.from = turn->cell->handle;
    parcel->envelope.correlation = id;
    parcel->envelope.band = BAND_CONTROL;
    core_send(turn->core, turn->lane, parcel);
    return id;
}

void turn_unmonitor(struct turn *turn, uint64_t monitor) {
    struct wait *wait = wait_find(&turn->lane->waits, turn->cell, monitor);
    if (!wait || wait->kind != WAIT_MONITOR) return;
    struct parcel *parcel = parcel_local(PARCEL_UNMONITOR, wait->peer, NULL, 0);
    parcel->envelope.from = turn->cell->handle;
    parcel->envelope.correlation = monitor;
    parcel->envelope.band = BAND_CONTROL;
    wait_free(&turn->lane->waits, wait);
    core_send(turn->core, turn->lane, parcel);
}

/* Of an actor that is replayed: children are stand-ins. */
static const struct spawn *
stand_in(struct turn *turn, const struct spawn *spawn, struct spawn *room) {
    const struct tale *tale = turn->lane->tale;
    if (!tale || !tale->only || turn->cell->kind->type != tale->only) return spawn;
    *room = *spawn;
    room->type = tale->children;
    room->options = NULL;
    return room;
}

enum status turn_spawn(struct turn *turn, const struct spawn *spawn, actor_handle *out) {
    struct cell *self = turn->cell;
    struct spawn other;
    spawn = stand_in(turn, spawn, &other);
    struct child *child = mem_zero(1, sizeof *child);
    if (!child) return STATUS_NO_MEMORY;
    struct wait *wait = NULL;
    if (spawn->opened) {
        wait = new_wait(turn, WAIT_OPEN);
        wait->done = spawn->opened;
        wait->context = spawn->context;
    }
    struct cell *cell = NULL;
    enum status s = cell_new(turn->core, spawn, self->handle, wait ? wait->id : 0, &cell);
    if (s != STATUS_OK) {
        if (wait) wait_free(&turn->lane->waits, wait);
        mem_free(child);
        return s;
    }
    child->handle = child->at = cell->handle;
    child->grouped = cell->supervision.grouped = self->group != NULL;
    child->next = self->children;
    self->children = child;
    *out = cell->handle;
    if (__builtin_expect(turn->lane->tale != NULL, 0))
        tale_begin(turn, PARCEL_START, wait ? wait->id : 0, cell->handle,
                   spawn->name ? spawn->name : "");
    core_send(turn->core, turn->lane, parcel_local(PARCEL_START, cell->handle, NULL, 0));
    return STATUS_OK;
}

enum status turn_supervise(struct turn *turn, const struct policy *policy) {
    return group_open(turn->cell, policy);
}

void turn_stop(struct turn *turn, actor_handle handle) {
    struct child *child = cell_child(turn->cell, handle);
    if (!child || child->told) return;
    child->told = true;
    if (__builtin_expect(turn->lane->tale != NULL, 0))
        tale_begin(turn, PARCEL_STOP, 0, child->at, "");
    core_send(turn->core, turn->lane, cell_order(PARCEL_STOP, child->at, turn->cell));
}

void turn_exit(struct turn *turn, enum status reason, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (__builtin_expect(turn->lane->tale != NULL, 0))
        tale_begin(turn, TALE_EXIT, 0, 0, status_name(reason));
    cell_exit(turn->cell, reason, text);
}
