/* supervise: how an actor stops, and what comes after.
 *
 *   stop ─▶ its waits end, its mailbox becomes dead letters, callers it owes get LOST_PEER
 *        ─▶ children stop, the last spawned first, each after the one spawned after it is gone
 *        ─▶ close, monitors fire
 *        ─▶ restart in place under the next incarnation (the first at once, then with backoff);
 *           held, until the supervisor's group lets it open (runtime/group.h);
 *           or gone for good; a failure beyond the intensity is the supervisor's failure
 *
 * Children go before their parent closes, because their options may point into its state. */
#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/bond.h"
#include "runtime/codec.h"
#include "runtime/group.h"
#include "runtime/log.h"
#include "runtime/memory.h"
#include "runtime/passive.h"
#include "runtime/span.h"
#include "runtime/trace.h"
#include "runtime/turn_state.h"
#include "schemas/runtime.pb-c.h"

actor_handle cell_any_life(actor_handle handle) {
    return handle_make(0, handle_slot(handle), HANDLE_ANY_INCARNATION);
}

/* A child is known by the handle it was born with, wherever it is now. */
struct parcel *cell_order_with(enum parcel_kind kind,
                               actor_handle to,
                               const struct cell *from,
                               const struct moved *moved) {
    struct parcel *parcel = parcel_local(kind, cell_any_life(to), moved, moved ? sizeof *moved : 0);
    parcel->envelope.from = from->handle;
    parcel->envelope.correlation = from->born;
    parcel->envelope.band = BAND_SYSTEM;
    return parcel;
}

struct parcel *cell_order(enum parcel_kind kind, actor_handle to, const struct cell *from) {
    return cell_order_with(kind, to, from, NULL);
}

/* A notice with reason and words (Down) from this cell. */
static void notify(struct cell *cell,
                   enum parcel_kind kind,
                   actor_handle to,
                   uint64_t correlation,
                   enum status reason,
                   const char *words) {
    Down down = DOWN__INIT;
    size_t size = 0;
    down.handle = cell->handle;
    down.status = (uint32_t)reason;
    down.text = words ? (char *)words : (char *)protobuf_c_empty_string;
    down.stopped = reason == STATUS_OK && (cell->stop_asked || cell->hold_asked || cell->swept);
    if (codec_measure(&down.base, &size) != STATUS_OK) { /* words that are not UTF-8 */
        down.text = (char *)protobuf_c_empty_string;
        enum status s = codec_measure(&down.base, &size);
        assert(s == STATUS_OK);
    }
    struct parcel *parcel = parcel_new(size);
    assert(parcel);
    codec_write(&down.base, parcel->body);
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

static void add_watcher(struct cell *cell, const struct watcher *wanted) {
    struct watcher *watcher = mem_alloc(sizeof *watcher);
    assert(watcher);
    *watcher = *wanted;
    watcher->next = cell->watchers;
    cell->watchers = watcher;
}

/* The link that points at this record, or at NULL where there is none. */
static struct watcher **find_watcher(struct cell *cell, const struct watcher *wanted) {
    struct watcher **at = &cell->watchers;
    while (*at && ((*at)->handle != wanted->handle || (*at)->link != wanted->link ||
                   (*at)->correlation != wanted->correlation))
        at = &(*at)->next;
    return at;
}

static bool remove_watcher(struct cell *cell, const struct watcher *wanted) {
    struct watcher **at = find_watcher(cell, wanted);
    struct watcher *watcher = *at;
    if (!watcher) return false;
    *at = watcher->next;
    mem_free(watcher);
    return true;
}

void cell_add_watcher(struct cell *cell, actor_handle handle, uint64_t correlation) {
    add_watcher(cell, &(struct watcher){.handle = handle, .correlation = correlation});
}

void cell_remove_watcher(struct cell *cell, actor_handle handle, uint64_t correlation) {
    remove_watcher(cell, &(struct watcher){.handle = handle, .correlation = correlation});
}

void cell_add_link(struct cell *cell, actor_handle handle) {
    add_watcher(cell, &(struct watcher){.handle = handle, .link = true});
}

bool cell_has_link(const struct cell *cell, actor_handle handle) {
    const struct watcher *watcher = cell->watchers;
    while (watcher && (watcher->handle != handle || !watcher->link))
        watcher = watcher->next;
    return watcher;
}

bool cell_remove_link(struct cell *cell, actor_handle handle) {
    return remove_watcher(cell, &(struct watcher){.handle = handle, .link = true});
}

/* A linked one's end takes its record out, so the search begins anew. */
static actor_handle link_to_peer(const struct cell *cell, uint16_t peer) {
    const struct watcher *watcher = cell->watchers;
    while (watcher && (!watcher->link || handle_peer(watcher->handle) != peer))
        watcher = watcher->next;
    return watcher ? watcher->handle : 0;
}

void cell_forget_peer(struct cell *cell, uint16_t peer) {
    actor_handle linked;
    credit_forget(cell, peer);
    while ((linked = link_to_peer(cell, peer)))
        bond_lost(cell, linked);
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

/* --- calls that nobody wants any more
 * ------------------------------------------------------------------------------------- */

void cell_cancel_call(struct cell *cell, struct wait *call) {
    if (call->cancelled) return;
    call->cancelled = true;
    struct parcel *parcel = parcel_local(PARCEL_CANCEL, call->peer, NULL, 0);
    parcel->envelope.from = call->as ? call->as : cell->handle;
    parcel->envelope.correlation = wait_name(call);
    parcel->envelope.band = BAND_CONTROL;
    core_send(cell->core, cell->lane, parcel);
    parcel = parcel_local(PARCEL_REPLY, cell->handle, NULL, 0);
    parcel->envelope.from = cell->handle;
    parcel->envelope.correlation = wait_name(call);
    parcel_fail(parcel, STATUS_CANCELLED, NULL, 0);
    core_send(cell->core, cell->lane, parcel);
}

void cell_cancelled(struct cell *cell, struct wait *served) {
    if (served->cancelled) return;
    served->cancelled = true;
    for (struct wait *call = served->asked; call; call = call->next_asked)
        cell_cancel_call(cell, call);
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
    if (wait->kind == WAIT_SERVE) span_abandoned(wait);
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
        parcel->envelope.from = wait->as ? wait->as : cell->handle;
        parcel->envelope.correlation = wait_name(wait);
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
    char name[CELL_NAME_MAX];
    cell_tell_opened(cell, STATUS_LOST_PEER, "stopped before it opened");
    alarm_forget(core, cell_name(cell, name));
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

/* The same name, slot and counters; the next incarnation, which takes in messages from now on. */
static void renew(struct cell *cell) {
    cell->handle = table_renew(&cell->core->table, cell->handle);
    if (cell->name) registry_renew(&cell->core->registry, cell->name, cell->handle);
    cell->exiting = false;
    cell->hold_asked = false;
    cell->swept = false;
    cell->reason = STATUS_OK;
    mem_free(cell->words);
    cell->words = NULL;
}

/* In place, after a pause. */
static void restart(struct cell *cell, uint64_t pause_us) {
    struct lane *lane = cell->lane;
    renew(cell);
    cell->supervision.restarts++;
    trace_life(cell, "restarts");
    if (pause_us == 0) {
        cell->now = CELL_NEW;
        lane_ready(lane, cell);
        return;
    }
    cell->now = CELL_WAITING;
    struct wait *wait = wait_new(&lane->waits, cell, WAIT_RESTART);
    timers_add(&lane->timers, &wait->timer, lane->now_us + pause_us);
}

/* Until the supervisor's group lets it open again; that may be within the call that tells it. */
static void hold(struct cell *cell) {
    bool asked = cell->hold_asked;
    enum status reason = cell->reason;
    char *words = cell->words;
    cell->words = NULL;
    renew(cell);
    cell->now = CELL_HELD;
    if (asked) {
        trace_life(cell, "is held");
        core_send(cell->core, cell->lane, cell_order(PARCEL_HELD, cell->supervisor, cell));
    } else {
        notify(cell, PARCEL_FELL, cell_any_life(cell->supervisor), cell->born, reason, words);
    }
    mem_free(words);
}

static void resume(struct cell *cell) {
    if (cell->now != CELL_HELD) return;
    cell->now = CELL_NEW;
    cell->supervision.resuming = true;
    cell->supervision.restarts++;
    trace_life(cell, "restarts");
}

void cell_opened(struct cell *cell) {
    if (!cell->supervision.resuming) return;
    cell->supervision.resuming = false;
    core_send(cell->core, cell->lane, cell_order(PARCEL_RESUMED, cell->supervisor, cell));
}

static bool wants_restart(const struct cell *cell) {
    if (cell->stop_asked || !cell->supervisor) return false;
    if (cell->hold_asked) return cell->supervision.restart != RESTART_TEMPORARY;
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
    notify(cell, PARCEL_ESCALATE, cell_any_life(cell->supervisor), cell->born, reason, words);
}

/* Monitors fire, and linked actors go along. */
static void tell_watchers(struct cell *cell) {
    while (cell->watchers) {
        struct watcher *watcher = cell->watchers;
        cell->watchers = watcher->next;
        notify(cell, watcher->link ? PARCEL_EXIT : PARCEL_DOWN, watcher->handle,
               watcher->correlation, cell->reason, cell->words);
        mem_free(watcher);
    }
}

/* The children are gone: this life ends. */
static void end_life(struct cell *cell) {
    const struct actor_type *type = cell->kind->type;
    if (cell->state && type->close) type->close(cell->state);
    mem_free(cell->state);
    cell->state = NULL;
    cell->core->driver->unbind(cell);
    group_close(cell);
    passive_forget(cell);
    credit_close(cell);
    mute_close(cell);
    cell->trap = (struct trap){NULL, NULL};
    cell->drain = DRAIN_NOT;
    cell->move_to = 0;
    cell->moved = false;
    cell->supervision.resuming = false;
    tell_watchers(cell);
    uint64_t now = cell->lane->now_us, pause = 0;
    if (!wants_restart(cell)) {
        give_up(cell);
    } else if (cell->supervision.grouped) {
        hold(cell);
    } else if (budget_spend(&cell->supervision.budget, now, &cell->lane->rng, &pause)) {
        restart(cell, pause);
    } else {
        escalate(cell);
        give_up(cell);
    }
}

void cell_stop_late(struct cell *cell) {
    trace_life(cell, "did not stop in time");
    cell->drain = DRAIN_OVER;
    lane_ready(cell->lane, cell);
}

void cell_stop_step(struct cell *cell) {
    struct child *child = cell->children;
    if (!child) {
        end_life(cell);
    } else if (!child->told) {
        child->told = true;
        core_send(cell->core, cell->lane, cell_order(PARCEL_STOP, child->at, cell));
    }
}

/* --- orders
 * ------------------------------------------------------------------------------------------- */

static struct child **child_born(struct cell *cell, actor_handle born) {
    struct child **at = &cell->children;
    while (*at && (*at)->handle != born)
        at = &(*at)->next;
    return at;
}

struct child *cell_child(struct cell *cell, actor_handle handle) {
    uint32_t slot = handle_slot(handle);
    struct child *child = cell->children;
    while (child && handle_slot(child->at) != slot && handle_slot(child->handle) != slot)
        child = child->next;
    return child;
}

static void child_gone(struct cell *cell, actor_handle born) {
    struct child **at = child_born(cell, born);
    struct child *child = *at;
    assert(child);
    *at = child->next;
    mem_free(child);
    group_step(cell);
}

/* Words about moves may overtake each other: they come from different lanes. */
static void child_moved(struct cell *cell, const struct parcel *parcel) {
    struct child *child = *child_born(cell, parcel->envelope.correlation);
    struct moved moved;
    memcpy(&moved, parcel->room, sizeof moved);
    if (!child || moved.moves <= child->moves) return;
    child->at = moved.at;
    child->moves = moved.moves;
}

static void adopt(struct cell *cell, const struct parcel *parcel) {
    struct moved moved;
    memcpy(&moved, parcel->room, sizeof moved);
    if (moved.moves <= cell->supervisor_moves) return;
    cell->supervisor = moved.at;
    cell->supervisor_moves = moved.moves;
}

static void move(struct cell *cell, const struct parcel *parcel) {
    struct moved moved;
    memcpy(&moved, parcel->room, sizeof moved);
    cell_move(cell, (int)moved.at);
}

/* A child failed: beyond its intensity, or as one of a group. */
static void child_failed(struct cell *cell, const struct parcel *parcel) {
    struct arena arena;
    arena_init(&arena, 0);
    ProtobufCMessage *message = NULL;
    Down unread = DOWN__INIT;
    enum status s =
        codec_decode(&down__descriptor, parcel->body, parcel->size, &arena, &message, NULL);
    unread.status = (uint32_t)s; /* without memory for its words it failed all the same */
    unread.text = (char *)(uintptr_t)status_text(s);
    const Down *down = s == STATUS_OK ? (const Down *)message : &unread;
    if (parcel->envelope.kind == PARCEL_FELL) {
        group_tell(cell, &(struct group_event){.news = GROUP_FELL,
                                               .child = parcel->envelope.correlation,
                                               .reason = (enum status)down->status,
                                               .words = down->text});
    } else if (cell == cell->core->root) {
        log_error("%s", down->text);
        cell->core->driver->failed(cell->core);
    } else {
        cell_exit(cell, (enum status)down->status, down->text);
    }
    arena_free(&arena);
}

void cell_take_order(struct cell *cell, struct parcel *parcel) {
    struct group_event event = {.child = parcel->envelope.correlation};
    switch (parcel->envelope.kind) {
    case PARCEL_STOP:
        cell->stop_asked = true;
        break;
    case PARCEL_HOLD: /* one that fell meanwhile is held already, and has said so */
        if (cell->now != CELL_HELD) cell->hold_asked = true;
        break;
    case PARCEL_RESUME:
        resume(cell);
        break;
    case PARCEL_GONE:
        child_gone(cell, parcel->envelope.correlation);
        break;
    case PARCEL_ESCALATE:
    case PARCEL_FELL:
        child_failed(cell, parcel);
        break;
    case PARCEL_HELD:
    case PARCEL_RESUMED:
        event.news = parcel->envelope.kind == PARCEL_HELD ? GROUP_HELD : GROUP_RESUMED;
        group_tell(cell, &event);
        break;
    case PARCEL_MOVE:
        move(cell, parcel);
        break;
    case PARCEL_MOVED:
        child_moved(cell, parcel);
        break;
    case PARCEL_ADOPT:
        adopt(cell, parcel);
        break;
    default:
        assert(parcel->envelope.kind == PARCEL_START);
    }
    parcel_free(parcel);
    lane_ready(cell->lane, cell);
}
