/* sys_row: actors and messages as SysReport and SysActorView show them. An actor's row is made on
 * its lane, so that nobody reads counters while they change. */
#include <string.h>

#include "runtime/link.h"
#include "runtime/sys_state.h"

enum { OPERATION_WALK = 256 }; /* of an actor's waits, the newest, that are looked at */

const char *sys_type_name(uint32_t op) {
    const char *name = span_op_name(op);
    return name ? name : "";
}

/* --- names
 * ---------------------------------------------------------------------------------------- */

static bool peer_name(struct core *core, uint16_t number, struct link_peer *peer) {
    for (size_t i = 0; core->driver->peer(core, i, peer); i++)
        if (peer->number == number) return true;
    return false;
}

void sys_name_peer(struct turn *turn, char **name, actor_handle handle) {
    struct link_peer peer;
    char *text = NULL;
    if (handle_peer(handle) == 0 || turn->lane->index != 0) return;
    if (peer_name(turn->core, handle_peer(handle), &peer))
        text = turn_printf(turn, "%s/%u#%u", peer.name, handle_slot(handle),
                           handle_incarnation(handle));
    if (text) *name = text;
}

char *sys_name(struct turn *turn, actor_handle handle) {
    char text[CORE_NAME_MAX];
    char *name = NULL;
    if (handle_peer(handle))
        name = turn_printf(turn, "peer %u/%u#%u", handle_peer(handle), handle_slot(handle),
                           handle_incarnation(handle));
    else if (handle && core_name(turn->core, handle, text))
        name = turn_printf(turn, "%s", text);
    else if (handle)
        name = turn_printf(turn, "%u#%u", handle_slot(handle), handle_incarnation(handle));
    if (!name) return (char *)protobuf_c_empty_string;
    sys_name_peer(turn, &name, handle);
    return name;
}

/* --- actors
 * --------------------------------------------------------------------------------------- */

static SysHistogram *histogram_row(struct turn *turn, const struct histogram *histogram) {
    SysHistogram *row = turn_new(turn, SysHistogram, sys_histogram);
    row->n_counts = HISTOGRAM_BUCKETS;
    while (row->n_counts > 0 && histogram->counts[row->n_counts - 1] == 0)
        row->n_counts--;
    row->counts = turn_alloc(turn, row->n_counts * sizeof *row->counts);
    if (!row->counts)
        row->n_counts = 0;
    else
        memcpy(row->counts, histogram->counts, row->n_counts * sizeof *row->counts);
    return row;
}

static const char *const state_names[] = {
    [CELL_NEW] = "opening",
    [CELL_OPEN] = "",
    [CELL_STOPPING] = "stopping",
    [CELL_WAITING] = "waiting to restart",
    [CELL_ASLEEP] = "passive",
    [CELL_PAUSED] = "paused",
    [CELL_HELD] = "held by its supervisor",
};

/* What waits in each band. Those that are reserved are not counted as they come, so they are
 * counted here; the few beyond SYS_WALK_MAX are taken for data. */
static void add_depths(struct turn *turn, const struct mailbox *mailbox, SysActor *row) {
    row->depths = turn_alloc(turn, BAND_COUNT * sizeof *row->depths);
    if (!row->depths) return;
    row->n_depths = BAND_COUNT;
    uint32_t seen = 0;
    for (int band = 0; band < BAND_COUNT; band++) {
        const struct parcel *parcel = mailbox->bands[band].first;
        for (; parcel && seen < SYS_WALK_MAX; parcel = parcel->next, seen++)
            row->depths[band]++;
    }
    row->depths[BAND_DATA] += mailbox->depth - seen;
}

/* The request that is in work for longest, among the newest waits. */
static void add_operation(const struct cell *cell, uint64_t now, SysActor *row) {
    const struct wait *wait = cell->waits, *oldest = NULL;
    for (uint32_t n = 0; wait && n < OPERATION_WALK; wait = wait->next, n++)
        if (wait->kind == WAIT_SERVE && wait->op) oldest = wait;
    if (!oldest) return;
    row->operation = (char *)sys_type_name(oldest->op);
    row->operation_us = now > oldest->since_us ? now - oldest->since_us : 0;
}

static void add_supervision(struct turn *turn, const struct cell *cell, SysActor *row) {
    const struct supervision *own = &cell->supervision;
    uint64_t now = turn->lane->now_us;
    row->restarts = own->restarts;
    row->restarts_allowed = own->budget.intensity;
    row->restart_period_s = (uint32_t)(own->budget.period_us / 1000000);
    row->restarts_recent = budget_spent(&own->budget, now);
    row->supervisor = sys_name(turn, cell->supervisor);
}

static void add_counters(struct turn *turn, const struct actor_stats *stats, SysActor *row) {
    row->received = stats->received;
    row->sent = stats->sent;
    row->dropped = stats->dropped;
    row->expired = stats->expired;
    row->failed = stats->failed;
    row->busy_us = stats->busy_us;
    row->mailbox = histogram_row(turn, &stats->mailbox);
    row->handler = histogram_row(turn, &stats->handler);
}

SysActor *sys_actor_row(struct turn *turn, struct cell *cell) {
    char name[CELL_NAME_MAX];
    const struct mailbox *mailbox = &cell->mailbox;
    SysActor *row = turn_new(turn, SysActor, sys_actor);
    uint64_t oldest = mailbox_oldest_us(mailbox);
    uint64_t now = turn->lane->now_us;
    row->name = turn_printf(turn, "%s", cell_name(cell, name));
    row->kind = (char *)cell->kind->type->kind;
    row->handle = cell->handle;
    row->lane = cell->lane->index + 1;
    row->light = cell->kind->type->light;
    row->depth = mailbox->depth;
    row->depth_max = mailbox->depth_max;
    row->bytes = mailbox->bytes;
    row->oldest_us = oldest && now > oldest ? now - oldest : 0;
    row->doing = (char *)(cell->drain == DRAIN_RUNS ? "stopping"
                          : cell->mutes > 0         ? "muted"
                                                    : state_names[cell->now]);
    row->endpoint = (char *)cell->core->driver->endpoint(cell);
    row->calls = cell->calls;
    add_counters(turn, cell->stats, row);
    add_depths(turn, mailbox, row);
    add_operation(cell, now, row);
    add_supervision(turn, cell, row);
    return row;
}

/* --- messages
 * ------------------------------------------------------------------------------------- */

static const char *const kind_names[PARCEL_WIRE_COUNT] = {
    [PARCEL_CAST] = "cast",       [PARCEL_CALL] = "call",           [PARCEL_REPLY] = "reply",
    [PARCEL_PART] = "part",       [PARCEL_CANCEL] = "cancel",       [PARCEL_DOWN] = "down",
    [PARCEL_MONITOR] = "monitor", [PARCEL_UNMONITOR] = "unmonitor", [PARCEL_LINK] = "link",
    [PARCEL_UNLINK] = "unlink",   [PARCEL_EXIT] = "exit",
};

void sys_trace(struct turn *turn, const uint64_t trace[2], ProtobufCBinaryData *out) {
    if (!(trace[0] | trace[1])) return;
    out->data = turn_alloc(turn, 16);
    if (!out->data) return;
    out->len = 16;
    memcpy(out->data, trace, 16);
}

SysMessage *sys_queued_row(struct turn *turn, const struct parcel *parcel) {
    const struct envelope *envelope = &parcel->envelope;
    SysMessage *row = turn_new(turn, SysMessage, sys_message);
    uint64_t now = turn->lane->now_us;
    bool wire = envelope->kind < PARCEL_WIRE_COUNT;
    row->at_us = parcel->queued_us;
    row->kind = (char *)(wire ? kind_names[envelope->kind] : "step");
    row->message = (char *)sys_type_name(envelope->op);
    row->from = sys_name(turn, envelope->from);
    row->from_handle = envelope->from;
    row->to_handle = envelope->to;
    row->correlation = envelope->correlation;
    row->band = envelope->band;
    row->size = parcel->size;
    row->span = envelope->span;
    row->parent = envelope->parent;
    row->waited_us = now > parcel->queued_us ? now - parcel->queued_us : 0;
    if (envelope->deadline_us != NO_DEADLINE)
        row->deadline_us = envelope->deadline_us > now ? envelope->deadline_us - now : 1;
    sys_trace(turn, envelope->trace, &row->trace);
    return row;
}

SysMessage *sys_span_row(struct turn *turn, const struct span_record *record) {
    SysMessage *row = turn_new(turn, SysMessage, sys_message);
    row->at_us = record->began_us;
    row->kind = (char *)span_kind_name(record->kind);
    row->message = (char *)sys_type_name(record->op);
    row->from = sys_name(turn, record->from);
    row->from_handle = record->from;
    row->band = record->band;
    row->size = record->size;
    row->span = record->span;
    row->parent = record->parent;
    row->waited_us = record->waited_us;
    row->ran_us = record->ran_us;
    row->outcome = (char *)span_outcome_name(record->outcome);
    sys_trace(turn, record->trace, &row->trace);
    return row;
}
