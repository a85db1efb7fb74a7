/* lane: ready queue and timers, and what becomes of a parcel that arrives. Deliveries may happen
 * inside another actor's turn, so nothing here runs an actor's code except lane_run, lane_fire and
 * lane_event. */
#include "runtime/lane.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/bond.h"
#include "runtime/codec.h"
#include "runtime/group.h"
#include "runtime/log.h"
#include "runtime/memory.h"
#include "runtime/move.h"
#include "runtime/passive.h"
#include "runtime/span.h"
#include "runtime/trace.h"
#include "runtime/turn_state.h"

enum { PAUSED_US = 10 * 1000 }; /* until the timers of a paused actor are looked at again */
enum { PARTS_FACTOR = 4 };      /* parts of answers may fill this many times the mailbox's bytes */

void lane_init(struct lane *lane, struct core *core, uint32_t index, enum lane_kind kind) {
    *lane = (struct lane){.core = core, .index = index, .kind = kind};
    timers_init(&lane->timers);
    waits_init(&lane->waits, index);
    arena_init(&lane->arena, LANE_ARENA_MAX);
    rng_init(&lane->rng, core->seed + index * UINT64_C(0x9e3779b97f4a7c15));
    lane->last_span = rng_mix(rng_mix(core->seed) + index);
    if (core->driver->lane_clocks) clock_init(&lane->clock);
    lane->now_us = lane_time(lane);
}

void lane_free(struct lane *lane) {
    if (!lane->core) return;
    move_forget_all(lane);
    assert(!lane->cells[0] && !lane->cells[1] && lane->waits.alive == 0);
    for (uint32_t i = 0; i < lane->n_light; i++)
        mem_free(lane->light[i]);
    mem_free(lane->light);
    mem_free(lane->watched);
    ring_close(&lane->ring);
    timers_free(&lane->timers);
    waits_free(&lane->waits);
    runqueue_close(&lane->queue);
    arena_free(&lane->arena);
}

uint64_t lane_ask_time(struct lane *lane) {
    const struct core *core = lane->core;
    return core->driver->lane_clocks ? clock_read(&lane->clock) : core->driver->now_us(core);
}

struct lane_type *lane_type(struct lane *lane, const ProtobufCMessageDescriptor *type) {
    uint64_t hash = (uint64_t)(uintptr_t)type * UINT64_C(0x9e3779b97f4a7c15);
    struct lane_type *at = &lane->types[(hash >> 32) % LANE_TYPES];
    if (at->type != type) *at = (struct lane_type){.type = type, .op = codec_op(type)};
    return at;
}

uint32_t lane_op(struct lane *lane, const ProtobufCMessageDescriptor *type) {
    return lane_type(lane, type)->op;
}

enum status lane_room_to_watch(struct lane *lane, int fd) {
    uint32_t need = (uint32_t)fd + 1;
    if (need <= lane->n_watched) return STATUS_OK;
    uint32_t n = lane->n_watched ? lane->n_watched : 64;
    while (n < need)
        n *= 2;
    struct wait **watched = mem_resize(lane->watched, n * sizeof(struct wait *));
    if (!watched) return STATUS_NO_MEMORY;
    memset(watched + lane->n_watched, 0, (n - lane->n_watched) * sizeof(struct wait *));
    lane->watched = watched;
    lane->n_watched = n;
    return STATUS_OK;
}

struct actor_stats *lane_light_stats(struct lane *lane, uint32_t kind) {
    if (kind >= lane->n_light) {
        struct actor_stats **light = mem_resize(lane->light, (kind + 1) * sizeof *light);
        if (!light) return NULL;
        memset(light + lane->n_light, 0, (kind + 1 - lane->n_light) * sizeof *light);
        lane->light = light;
        lane->n_light = kind + 1;
    }
    if (!lane->light[kind]) lane->light[kind] = mem_zero(1, sizeof(struct actor_stats));
    return lane->light[kind];
}

uint64_t lane_held_us(const struct lane *lane, uint64_t us) {
    uint64_t before = atomic_load_explicit(&lane->waited_us, memory_order_relaxed);
    uint64_t now = runqueue_read(&lane->queue).waited_us;
    uint64_t waited = now > before ? now - before : 0;
    return us > waited ? us - waited : 0;
}

void lane_report_slow(struct lane *lane, const struct cell *cell, uint32_t op, uint64_t us) {
    us = lane_held_us(lane, us);
    if (us <= LANE_SLOW_US) return;
    struct lint *lint = &cell->stats->lint;
    lint->slow++;
    if (us > lint->slow_us) {
        lint->slow_us = us;
        lint->slow_op = op;
    }
    if (us <= LANE_STALL_US) return;
    if (lane->now_us - lane->stall_told_us < LANE_STALL_EVERY_US) return;
    lane->stall_told_us = lane->now_us;
    char name[CELL_NAME_MAX];
    const ProtobufCMessageDescriptor *type = codec_find(op);
    log_error("%s held lane %u for %" PRIu64 " ms in %s", cell_name(cell, name), lane->index + 1,
              us / 1000, type ? type->name : "a turn without a message");
}

void lane_ready(struct lane *lane, struct cell *cell) {
    if (cell->ready) return;
    cell->ready = true;
    cell->next_ready = NULL;
    if (lane->last_ready)
        lane->last_ready->next_ready = cell;
    else
        lane->first_ready = cell;
    lane->last_ready = cell;
    lane->n_ready++;
}

/* Takes out the cell behind `before` (NULL: the first). */
static struct cell *take_ready(struct lane *lane, struct cell *before) {
    struct cell *cell = before ? before->next_ready : lane->first_ready;
    if (before)
        before->next_ready = cell->next_ready;
    else
        lane->first_ready = cell->next_ready;
    if (lane->last_ready == cell) lane->last_ready = before;
    lane->n_ready--;
    cell->ready = false;
    return cell;
}

void lane_unready(struct lane *lane, struct cell *cell) {
    struct cell *before = NULL;
    for (struct cell *at = lane->first_ready; at != cell; at = at->next_ready)
        before = at;
    take_ready(lane, before);
}

void lane_run(struct lane *lane, uint32_t nth) {
    assert(nth < lane->n_ready);
    struct cell *before = NULL;
    for (; nth > 0; nth--)
        before = before ? before->next_ready : lane->first_ready;
    cell_run(take_ready(lane, before));
}

/* --- arrivals
 * ------------------------------------------------------------------------------------- */

/* The caller gave up: a waiting call is taken out, one in work is marked, one handed on is
 * followed. */
static void cancel(struct lane *lane, struct cell *cell, struct parcel *parcel) {
    const struct envelope *asked = &parcel->envelope;
    struct parcel *waiting = mailbox_take_call(&cell->mailbox, asked->from, asked->correlation);
    if (waiting) {
        span_refused(lane, waiting, STATUS_CANCELLED);
        credit_owe(lane->core, lane, cell, waiting);
        if (cell->now != CELL_OPEN) credit_settle(cell); /* no batch will */
        parcel_free(waiting); /* its caller has the outcome CANCELLED already */
        parcel_free(parcel);
        return;
    }
    struct wait *wait = wait_served(&lane->waits, cell, asked->from, asked->correlation);
    if (wait)
        cell_cancelled(cell, wait);
    else
        forwards_cancel(&cell->forwards, cell, asked);
    parcel_free(parcel);
}

/* Parts have no room reserved: an actor that does not keep up gets its call ended instead of memory
 * without bound. */
static bool too_many_parts(const struct cell *cell, const struct parcel *parcel) {
    return parcel->envelope.kind == PARCEL_PART &&
           cell->mailbox.bytes + parcel->size > PARTS_FACTOR * cell->mailbox.bytes_max;
}

static void enqueue(struct lane *lane, struct cell *cell, struct parcel *parcel) {
    uint8_t kind = parcel->envelope.kind;
    bool asked = kind == PARCEL_CALL || kind == PARCEL_CAST;
    parcel->queued_us = lane->now_us;
    if (cell->now == CELL_STOPPING) {
        core_refuse(lane->core, lane, parcel, STATUS_LOST_PEER, "the actor is stopping");
        return;
    }
    if (too_many_parts(cell, parcel)) {
        parcel_fail(parcel, STATUS_BUSY, "too many parts wait for the caller", 0);
        parcel->envelope.kind = PARCEL_REPLY;
    }
    if (!mailbox_push(&cell->mailbox, parcel, !asked)) {
        cell->stats->dropped++;
        trace_dead(cell, parcel->envelope.op, STATUS_BUSY);
        core_refuse(lane->core, lane, parcel, STATUS_BUSY, "the mailbox is full");
        return;
    }
    lane_ready(lane, cell);
    if (parcel->envelope.flags & PARCEL_MUTES) mute_look(cell, &parcel->envelope);
}

void lane_deliver(struct lane *lane, struct parcel *parcel) {
    if (parcel->envelope.kind == PARCEL_LOST) {
        lane_lost(lane, (uint16_t)parcel->envelope.correlation);
        parcel_free(parcel);
        return;
    }
    if (parcel->envelope.kind == PARCEL_ARRIVE) {
        move_arrive(lane, parcel);
        return;
    }
    uint32_t index = 0;
    const struct slot *slot = table_find(&lane->core->table, parcel->envelope.to, &index);
    if (!slot) {
        core_refuse(lane->core, lane, parcel, STATUS_LOST_PEER, NULL);
        return;
    }
    assert(index == lane->index);
    lane_deliver_to(slot->cell, parcel);
}

void lane_deliver_to(struct cell *cell, struct parcel *parcel) {
    struct lane *lane = cell->lane;
    if (!cell->arrived) cell_arrive(cell);
    if (cell->sink) {
        cell->sink(cell, parcel);
        return;
    }
    uint8_t kind = parcel->envelope.kind;
    if (kind >= PARCEL_START && kind <= PARCEL_ORDER_LAST) {
        cell_take_order(cell, parcel);
        return;
    }
    switch (kind) {
    case PARCEL_CANCEL:
        cancel(lane, cell, parcel);
        return;
    case PARCEL_MONITOR:
        cell_add_watcher(cell, parcel->envelope.from, parcel->envelope.correlation);
        parcel_free(parcel);
        return;
    case PARCEL_UNMONITOR:
        cell_remove_watcher(cell, parcel->envelope.from, parcel->envelope.correlation);
        parcel_free(parcel);
        return;
    case PARCEL_MUTE:
    case PARCEL_UNMUTE:
        mute_take(cell, parcel);
        return;
    case PARCEL_LINK:
    case PARCEL_UNLINK:
    case PARCEL_EXIT:
        bond_take(cell, parcel);
        return;
    default:
        enqueue(lane, cell, parcel);
    }
}

/* --- lost peers
 * ----------------------------------------------------------------------------------- */

struct loss {
    struct lane *lane;
    uint16_t peer;
};

/* The outcome comes through the mailbox, in a turn of its own. */
static void end_if_lost(struct wait *wait, void *context) {
    const struct loss *loss = context;
    if (wait->kind == WAIT_SERVE && handle_peer(wait->peer) == loss->peer)
        cell_cancelled(wait->cell, wait);
    if (wait->kind != WAIT_CALL && wait->kind != WAIT_MONITOR) return;
    if (handle_peer(wait->peer) != loss->peer) return;
    struct parcel *parcel = parcel_local(PARCEL_REPLY, wait->cell->handle, NULL, 0);
    parcel->envelope.from = wait->peer;
    parcel->envelope.correlation = wait_name(wait);
    parcel_fail(parcel, STATUS_LOST_PEER, "the link to its process was lost", 0);
    if (wait->kind == WAIT_MONITOR) parcel->envelope.kind = PARCEL_DOWN;
    lane_deliver(loss->lane, parcel);
}

void lane_lost(struct lane *lane, uint16_t peer) {
    struct loss loss = {lane, peer};
    waits_each(&lane->waits, end_if_lost, &loss);
    for (int light = 0; light < 2; light++)
        for (struct cell *cell = lane->cells[light]; cell; cell = cell->next)
            cell_forget_peer(cell, peer);
}

/* --- timers and descriptors
 * ------------------------------------------------------------------------ */

uint64_t lane_next_us(const struct lane *lane) {
    struct timer *timer = timers_first(&lane->timers);
    return timer ? timer->at_us : UINT64_MAX;
}

static void fire(struct lane *lane, struct wait *wait) {
    struct cell *cell = wait->cell;
    struct outcome late = {.status = STATUS_EXPIRED, .text = status_text(STATUS_EXPIRED)};
    if (cell->now == CELL_PAUSED && wait->kind != WAIT_STOP &&
        wait->kind != WAIT_MUTED) { /* its time stands still */
        timers_add(&lane->timers, &wait->timer, lane->now_us + PAUSED_US);
        return;
    }
    switch (wait->kind) {
    case WAIT_TIMER:
        cell_run_fn(cell, wait);
        break;
    case WAIT_CALL:
    case WAIT_LOOKUP:
        late.call = wait_name(wait);
        cell_run_outcome(cell, wait, NULL, &late);
        break;
    case WAIT_RESTART:
        cell->now = CELL_NEW;
        wait_free(&lane->waits, wait);
        lane_ready(lane, cell);
        break;
    case WAIT_GROUP:
        wait_free(&lane->waits, wait);
        cell->group->pausing = false;
        group_step(cell);
        break;
    case WAIT_IDLE:
        wait_free(&lane->waits, wait);
        passive_look(cell);
        break;
    case WAIT_FORWARDER:
        wait_free(&lane->waits, wait);
        move_look(cell);
        break;
    case WAIT_MUTED:
        mute_over(cell, wait);
        break;
    case WAIT_STOP:
        wait_free(&lane->waits, wait);
        cell_stop_late(cell);
        break;
    default:
        assert(!"only waits with an end have a timer");
    }
}

void lane_fire(struct lane *lane) {
    struct timer *timer;
    uint64_t now = lane_read_clock(lane);
    while ((timer = timers_first(&lane->timers)) && timer->at_us <= now) {
        timers_remove(&lane->timers, timer);
        fire(lane, (struct wait *)timer);
    }
}

void lane_event(struct lane *lane, int fd, uint32_t events) {
    struct wait *wait = (uint32_t)fd < lane->n_watched ? lane->watched[fd] : NULL;
    if (wait) cell_run_event(wait->cell, wait, events);
}
