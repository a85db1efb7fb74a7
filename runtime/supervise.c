/* supervise: how an actor stops, and what comes after.
 *
 *   stop ─▶ its waits end, its mailbox becomes dead letters, callers it owes get LOST_PEER
 *        ─▶ children stop, the last spawned first, each after the one spawned after it is gone
 *        ─▶ close, monitors fire
 *        ─▶ restart in place under the next incarnation (the first at once, then with backoff),
 *           or gone for good; a failure beyond the intensity is the supervisor's failure
 *
 * Children go before their parent closes, because their options may point into its state. */
#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/cell.h"
#include "runtime/codec.h"
#include "runtime/log.h"
#include "runtime/memory.h"
#include "runtime/trace.h"
#include "runtime/turn_state.h"
#include "schemas/runtime.pb-c.h"

/* Delay of the second restart in a period; it doubles with each further one. */
enum { BACKOFF_FIRST_US = 10 * 1000, BACKOFF_MAX_US = 10 * 1000 * 1000 };

struct parcel *cell_order(enum parcel_kind kind, actor_handle to, const struct cell *from) {
    struct parcel *parcel =
        parcel_local(kind, handle_make(0, handle_slot(to), HANDLE_ANY_INCARNATION), NULL, 0);
    parcel->envelope.from = from->handle;
    parcel->envelope.band = BAND_SYSTEM;
    return parcel;
}

/* A notice with reason and words (Down) from this cell. */
static void notify(struct cell *cell,
                   enum parcel_kind kind,
                   actor_handle to,
                   uint64_t correlation,
                   enum status reason,
                   const char *words) {
    Down down = DOWN__INIT;
    struct buffer body;
    buffer_init(&body);
    down.handle = cell->handle;
    down.status = (uint32_t)reason;
    down.text = words ? (char *)words : (char *)protobuf_c_empty_string;
    if (codec_encode(&down.base, &body) != STATUS_OK) {
        down.text = (char *)protobuf_c_empty_string;
        buffer_clear(&body);
        enum status s = codec_encode(&down.base, &body);
        assert(s == STATUS_OK);
    }
    struct parcel *parcel = parcel_new(body.size);
    assert(parcel);
    memcpy(parcel->body, body.data, body.size);
    buffer_free(&body);
    parcel->envelope.kind = (uint8_t)kind;
    parcel->envelope.band = BAND_SYSTEM;
    parcel->envelope.op = codec_op(&down__descriptor);
    parcel->envelope.from = cell->handle;
    parcel->envelope.to = to;
    parcel->envelope.correlation = correlation;
    core_send(cell->core, cell->lane, parcel);
}

void cell_tell_opened(struct cell *cell, enum status status, const char *words) {
    uint64_t wait = cell->supervision.opened_wait;
    if (!wait) return;
    cell->supervision.opened_wait = 0;
    if (status != STATUS_OK) cell->stop_asked = true; /* the supervisor knows: no restart */
    notify(cell, PARCEL_OPENED, cell->supervisor, wait, status, words);
}

/* --- watchers
 * ------------------------------------------------------------------------------------- */

void cell_add_watcher(struct cell *cell, actor_handle handle, uint64_t correlation) {
    struct watcher *watcher = mem_alloc(sizeof *watcher);
    assert(watcher);
    *watcher = (struct watcher){cell->watchers, handle, correlation};
    cell->watchers = watcher;
}

void cell_remove_watcher(struct cell *cell, actor_handle handle, uint64_t correlation) {
    struct watcher **at = &cell->watchers;
    while (*at && ((*at)->handle != handle || (*at)->correlation != correlation))
        at = &(*at)->next;
    struct watcher *watcher = *at;
    if (!watcher) return;
    *at = watcher->next;
    mem_free(watcher);
}

void cell_forget_peer(struct cell *cell, uint16_t peer) {
    for (struct watcher **at = &cell->watchers; *at;) {
        struct watcher *watcher = *at;
        if (handle_peer(watcher->handle) == peer) {
            *at = watcher->next;
            mem_free(watcher);
        } else {
            at = &watcher->next;
        }
    }
}

/* --- stopping
 * ------------------------------------------------------------------------------------- */

void cell_end_wait(struct cell *cell, struct wait *wait) {
    struct lane *lane = cell->lane;
    timers_remove(&lane->timers, &wait->timer);
    if (wait->kind == WAIT_WATCH) {
        cell->core->driver->unwatch(lane, wait);
        lane->watched[wait->fd] = NULL;
    }
    wait_free(&lane->waits, wait);
}

/* Tells the callee that nobody waits any more, and callers that nobody answers any more. */
static void abandon_wait(struct cell *cell, struct wait *wait) {
    struct lane *lane = cell->lane;
    if (wait->kind == WAIT_SERVE && !wait->cancelled) {
        struct parcel *parcel = parcel_local(PARCEL_REPLY, wait->peer, NULL, 0);
        parcel->envelope.from = cell->handle;
        parcel->envelope.correlation = wait->correlation;
        parcel_fail(parcel, STATUS_LOST_PEER, "the actor stopped before it answered", 0);
        core_send(cell->core, lane, parcel);
    }
    if (wait->kind == WAIT_CALL || wait->kind == WAIT_MONITOR) {
        bool call = wait->kind == WAIT_CALL;
        struct parcel *parcel =
            parcel_local(call ? PARCEL_CANCEL : PARCEL_UNMONITOR, wait->peer, NULL, 0);
        parcel->envelope.from = cell->handle;
        parcel->envelope.correlation = wait->id;
        parcel->envelope.band = BAND_CONTROL;
        core_send(cell->core, lane, parcel);
    }
    cell_end_wait(cell, wait);
}

/* The waits that belong to a life, not to the restart between two. */
static void abandon_waits(struct cell *cell) {
    while (cell->waits)
        abandon_wait(cell, cell->waits);
}

static void refuse_waiting(struct cell *cell) {
    struct parcel *parcel;
    while ((parcel = mailbox_pop(&cell->mailbox)))
        core_refuse(cell->core, cell->lane, parcel, STATUS_LOST_PEER, "the actor stopped");
}

void cell_stop_begin(struct cell *cell) {
    bool waiting = cell->now == CELL_WAITING;
    bool failed = cell->exiting && cell->reason != STATUS_OK && !waiting;
    if (failed) {
        trace_life(cell, "failed %s%s%s", status_name(cell->reason), cell->words ? " " : "",
                   cell->words ? cell->words : "");
    }
    if (cell->stop_asked && !cell->exiting) cell->reason = STATUS_OK;
    cell->now = CELL_STOPPING;
    abandon_waits(cell);
    refuse_waiting(cell);
    cell_stop_step(cell);
}

/* --- afterwards
 * ----------------------------------------------------------------------------------- */

static void give_up(struct cell *cell) {
    struct core *core = cell->core;
    struct lane *lane = cell->lane;
    actor_handle supervisor = cell->supervisor;
    bool root = core->root == cell;
    cell_tell_opened(cell, STATUS_LOST_PEER, "stopped before it opened");
    if (cell->name) registry_remove(&core->registry, cell->name);
    if (supervisor) core_send(core, lane, cell_order(PARCEL_GONE, supervisor, cell));
    table_give(&core->table, cell->handle);
    if (cell->ready) lane_unready(lane, cell);
    cell_free(cell);
    if (root) {
        core->root = NULL;
        core->driver->stopped(core);
    }
}

/* Records a restart now; false: that is one too many within the period. */
static bool may_restart(struct cell *cell, uint32_t *recent) {
    struct supervision *own = &cell->supervision;
    uint64_t now = cell->lane->now_us;
    if (!own->times) own->times = mem_zero(own->intensity, sizeof *own->times);
    if (!own->times) return false;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < own->n_times; i++)
        if (now - own->times[i] < own->period_us) own->times[kept++] = own->times[i];
    own->n_times = kept;
    *recent = kept;
    if (kept >= own->intensity) return false;
    own->times[own->n_times++] = now;
    own->restarts++;
    return true;
}

static uint64_t backoff_us(struct cell *cell, uint32_t recent) {
    if (recent == 0) return 0;
    uint64_t us = recent > 10 ? BACKOFF_MAX_US : (uint64_t)BACKOFF_FIRST_US << (recent - 1);
    if (us > BACKOFF_MAX_US) us = BACKOFF_MAX_US;
    return us / 2 + rng_below(&cell->lane->rng, us); /* half to one and a half */
}

/* In place: the same name, slot and counters; the next incarnation. */
static void restart(struct cell *cell, uint32_t recent) {
    struct lane *lane = cell->lane;
    cell->handle = table_renew(&cell->core->table, cell->handle);
    if (cell->name) registry_renew(&cell->core->registry, cell->name, cell->handle);
    cell->exiting = false;
    cell->reason = STATUS_OK;
    mem_free(cell->words);
    cell->words = NULL;
    uint64_t delay = backoff_us(cell, recent);
    trace_life(cell, "restarts");
    if (delay == 0) {
        cell->now = CELL_NEW;
        lane_ready(lane, cell);
        return;
    }
    cell->now = CELL_WAITING;
    struct wait *wait = wait_new(&lane->waits, cell, WAIT_RESTART);
    timers_add(&lane->timers, &wait->timer, lane->now_us + delay);
}

static bool wants_restart(const struct cell *cell) {
    if (cell->stop_asked || !cell->supervisor) return false;
    switch (cell->supervision.restart) {
    case RESTART_PERMANENT:
        return true;
    case RESTART_TRANSIENT:
        return cell->reason != STATUS_OK;
    default:
        return false;
    }
}

static void escalate(struct cell *cell) {
    char name[CELL_NAME_MAX], words[512];
    trace_life(cell, "gave up");
    snprintf(words, sizeof words, "%s failed too often: %s%s%s", cell_name(cell, name),
             status_name(cell->reason), cell->words ? " " : "", cell->words ? cell->words : "");
    enum status reason = cell->reason == STATUS_OK ? STATUS_INTERNAL : cell->reason;
    actor_handle to = handle_make(0, handle_slot(cell->supervisor), HANDLE_ANY_INCARNATION);
    notify(cell, PARCEL_ESCALATE, to, 0, reason, words);
}

/* The children are gone: this life ends. */
static void end_life(struct cell *cell) {
    const struct actor_type *type = cell->kind->type;
    if (cell->state && type->close) type->close(cell->state);
    mem_free(cell->state);
    cell->state = NULL;
    cell->core->driver->unbind(cell);
    while (cell->watchers) {
        struct watcher *watcher = cell->watchers;
        cell->watchers = watcher->next;
        notify(cell, PARCEL_DOWN, watcher->handle, watcher->correlation, cell->reason, cell->words);
        mem_free(watcher);
    }
    uint32_t recent = 0;
    if (!wants_restart(cell)) {
        give_up(cell);
    } else if (may_restart(cell, &recent)) {
        restart(cell, recent);
    } else {
        escalate(cell);
        give_up(cell);
    }
}

void cell_stop_step(struct cell *cell) {
    struct child *child = cell->children;
    if (!child) {
        end_life(cell);
    } else if (!child->told) {
        child->told = true;
        core_send(cell->core, cell->lane, cell_order(PARCEL_STOP, child->handle, cell));
    }
}

/* --- children
 * ------------------------------------------------------------------------------------- */

void cell_child_gone(struct cell *cell, actor_handle handle) {
    struct child **at = &cell->children;
    while (*at && handle_slot((*at)->handle) != handle_slot(handle))
        at = &(*at)->next;
    struct child *child = *at;
    assert(child);
    *at = child->next;
    mem_free(child);
}

void cell_child_failed(struct cell *cell, const struct parcel *parcel) {
    struct arena arena;
    arena_init(&arena, 0);
    ProtobufCMessage *message = NULL;
    enum status s =
        codec_decode(&down__descriptor, parcel->body, parcel->size, &arena, &message, NULL);
    assert(s == STATUS_OK);
    const Down *down = (const Down *)message;
    if (cell == cell->core->root) {
        log_error("%s", down->text);
        cell->core->driver->failed(cell->core);
    } else {
        cell_exit(cell, (enum status)down->status, down->text);
    }
    arena_free(&arena);
}
