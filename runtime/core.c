/* core: the way of a parcel, and its end when there is nobody. */
#include "runtime/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/cell.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "runtime/span.h"
#include "runtime/sys.h"
#include "runtime/turn_state.h"
#include "schemas/runtime.pb-c.h"

enum { FAILED_WORDS_MAX = 90 };

/* --- sending
 * -------------------------------------------------------------------------------------- */

void core_send(struct core *core, struct lane *from, struct parcel *parcel) {
    actor_handle to = parcel->envelope.to;
    if (handle_peer(to) != 0) {
        core->driver->remote(core, from, parcel);
        return;
    }
    uint32_t index = 0;
    const struct slot *slot = table_find(&core->table, to, &index);
    if (!slot) {
        core_refuse(core, from, parcel, STATUS_LOST_PEER, NULL);
        return;
    }
    struct lane *lane = &core->lanes[index];
    if (lane == from)
        lane_deliver_to(slot->cell, parcel);
    else if (!core->driver->post(core, from, lane, parcel))
        core_refuse(core, from, parcel, STATUS_BUSY, "the actor's lane is overloaded");
}

void parcel_fail(struct parcel *parcel,
                 enum status status,
                 const char *text,
                 uint32_t retry_after_ms) {
    char cut[FAILED_WORDS_MAX];
    Failed failed = FAILED__INIT;
    unsigned char body[PARCEL_INLINE];
    size_t size = 0;
    snprintf(cut, sizeof cut, "%s", text ? text : status_text(status));
    failed.status = (uint32_t)status;
    failed.text = cut;
    failed.retry_after_ms = retry_after_ms;
    if (!codec_write_within(&failed.base, body, sizeof body,
                            &size)) { /* words cut within a character */
        failed.text = (char *)protobuf_c_empty_string;
        bool written = codec_write_within(&failed.base, body, sizeof body, &size);
        assert(written);
    }
    if (parcel->body != parcel->room && parcel->body != parcel->page) mem_free(parcel->body);
    parcel->body = parcel->room;
    parcel->size = size;
    memcpy(parcel->room, body, size);
    parcel->envelope.kind = PARCEL_REPLY;
    parcel->envelope.op = codec_op(&failed__descriptor);
}

/* Sends the parcel back as what it is to its sender. */
static void
answer(struct core *core, struct lane *from, struct parcel *parcel, const struct refusal *refusal) {
    bool monitor = parcel->envelope.kind == PARCEL_MONITOR;
    bool link = parcel->envelope.kind == PARCEL_LINK;
    actor_handle to = parcel->envelope.from;
    parcel->envelope.from = parcel->envelope.to;
    parcel->envelope.to = to;
    parcel->envelope.band = monitor || link ? BAND_SYSTEM : BAND_DATA;
    parcel_fail(parcel, refusal->reason, refusal->words, refusal->retry_after_ms);
    if (monitor) parcel->envelope.kind = PARCEL_DOWN;
    if (link) parcel->envelope.kind = PARCEL_EXIT;
    core_send(core, from, parcel);
}

void core_refuse(struct core *core,
                 struct lane *from,
                 struct parcel *parcel,
                 enum status reason,
                 const char *words) {
    core_refuse_as(core, from, parcel, &(struct refusal){reason, words, 0});
}

void core_refuse_as(struct core *core,
                    struct lane *from,
                    struct parcel *parcel,
                    const struct refusal *refusal) {
    struct work work;
    struct seek seek;
    credit_owe(core, from, NULL, parcel);
    switch (parcel->envelope.kind) {
    case PARCEL_CALL:
        span_refused(from, parcel, refusal->reason);
        letters_keep(core, parcel, refusal->reason);
        answer(core, from, parcel, refusal);
        return;
    case PARCEL_MONITOR:
    case PARCEL_LINK:
        answer(core, from, parcel, refusal);
        return;
    case PARCEL_CAST:
        span_refused(from, parcel, refusal->reason);
        letters_keep(core, parcel, refusal->reason);
        break;
    case PARCEL_WORKED:
        memcpy(&work, parcel->room, sizeof work);
        if (work.block.abandon) work.block.abandon(work.block.context);
        break;
    case PARCEL_LOOKUP:
        memcpy(&seek, parcel->room, sizeof seek);
        mem_free(seek.address);
        mem_free(seek.name);
        break;
    default: /* answers and notices that nobody waits for any more */
        break;
    }
    parcel_free(parcel);
}

void core_lost(struct core *core, struct lane *from, uint16_t peer) {
    for (uint32_t i = 0; i < core->n_lanes; i++) {
        struct parcel *parcel = parcel_local(PARCEL_LOST, 0, NULL, 0);
        parcel->envelope.correlation = peer;
        parcel->envelope.band = BAND_SYSTEM;
        struct lane *lane = &core->lanes[i];
        if (lane == from)
            lane_deliver(lane, parcel);
        else
            core->driver->post(core, from, lane, parcel);
    }
}

void core_order(struct core *core, struct lane *from, turn_fn run, void *context) {
    struct later later = {run, context};
    struct parcel *parcel = parcel_local(PARCEL_LATER, core->root_handle, &later, sizeof later);
    parcel->envelope.band = BAND_SYSTEM;
    core_send(core, from, parcel);
}

void core_stop(struct core *core, struct lane *from) {
    struct parcel *parcel = parcel_local(PARCEL_STOP, core->root_handle, NULL, 0);
    parcel->envelope.band = BAND_SYSTEM;
    core_send(core, from, parcel);
}

void core_actor_name(struct core *core, uint32_t slot, char *text) {
    const struct slot *at = table_slot(&core->table, slot);
    const char *kind = at ? atomic_load_explicit(&at->kind, memory_order_acquire) : NULL;
    if (!registry_name(&core->registry, slot, text, CELL_NAME_MAX))
        snprintf(text, CELL_NAME_MAX, "%s/%u", kind ? kind : "actor", slot);
}

bool core_name(struct core *core, actor_handle handle, char out[CORE_NAME_MAX]) {
    uint32_t lane = 0;
    actor_handle any = handle_make(0, handle_slot(handle), HANDLE_ANY_INCARNATION);
    if (handle_peer(handle) != 0 || !table_find(&core->table, any, &lane)) return false;
    core_actor_name(core, handle_slot(handle), out);
    return true;
}

actor_handle core_find(struct core *core, const char *name) {
    actor_handle handle = registry_find(&core->registry, name);
    const char *number = strrchr(name, '/');
    if (handle || !number) return handle;
    char *end = NULL, found[CORE_NAME_MAX];
    unsigned long slot = strtoul(number + 1, &end, 10);
    if (end == number + 1 || *end || slot >= TABLE_SLOTS) return 0;
    handle = handle_make(0, (uint32_t)slot, HANDLE_ANY_INCARNATION);
    return core_name(core, handle, found) && strcmp(found, name) == 0 ? handle : 0;
}

/* --- open and close
 * ------------------------------------------------------------------------------- */

/* The root: a supervisor of last resort. The world outside runs its turns through core_order. */
struct root {
    char unused; /* an actor's state has a size */
};
static const struct actor_type root_type = {
    .kind = "root",
    .size = sizeof(struct root),
    .lane = LANE_IO,
    .light = true,
    .quiet = true,
};

static enum status open_root(struct core *core) {
    struct spawn spawn = {
        .type = &root_type, .name = "root", .restart = RESTART_TEMPORARY, .lane = 1};
    struct cell *cell = NULL;
    enum status s = cell_new(core, &spawn, 0, 0, &cell);
    if (s != STATUS_OK) return s;
    core->root = cell;
    core->root_handle = cell->handle;
    return STATUS_OK;
}

static void spawn_built_in(void *self, void *context, struct turn *turn) {
    (void)self;
    struct core *core = context;
    sys_spawn(core, turn);
}

enum status core_open(struct core *core, const struct core_options *options) {
    memset(core, 0, sizeof *core);
    core->driver = options->driver;
    core->host = options->host;
    snprintf(core->name, sizeof core->name, "%s", options->name ? options->name : "node");
    snprintf(core->role, sizeof core->role, "%s", options->role ? options->role : "");
    core->seed = options->seed;
    core->incarnation = rng_mix(options->seed);
    core->tracing = options->tracing;
    core->ring_records = options->ring_records;
    core->collecting = options->collecting;
    core->sample_below =
        options->sample_ratio >= 1 ? UINT64_MAX : (uint64_t)(options->sample_ratio * 0x1p64);
    core->bodies = options->bodies;
    core->actions = options->actions;
    core->linting = options->linting;
    core->started_us = core->driver->now_us(core);
    core->n_io = options->io_lanes;
    core->n_lanes = options->io_lanes + options->compute_lanes;
    table_open(&core->table);
    kinds_open(&core->kinds);
    alarms_open(&core->alarms);
    gauges_open(&core->gauges);
    letters_open(&core->letters);
    reasons_open(&core->reasons);
    enum status s = registry_open(&core->registry);
    if (s != STATUS_OK) return s;
    core->lanes = mem_zero(core->n_lanes, sizeof(struct lane));
    if (!core->lanes) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < core->n_lanes; i++)
        lane_init(&core->lanes[i], core, i, i < core->n_io ? LANE_IO : LANE_COMPUTE);
    for (uint32_t i = 0; i < core->n_lanes && s == STATUS_OK; i++)
        s = ring_open(&core->lanes[i].ring, options->ring_records);
    if (s == STATUS_OK) s = open_root(core);
    if (s != STATUS_OK) return s;
    struct later later = {spawn_built_in, core};
    lane_deliver(&core->lanes[0],
                 parcel_local(PARCEL_LATER, core->root_handle, &later, sizeof later));
    return STATUS_OK;
}

void core_close(struct core *core) {
    if (!core->driver) return;
    for (uint32_t i = 0; core->lanes && i < core->n_lanes; i++)
        lane_free(&core->lanes[i]);
    mem_free(core->lanes);
    credits_free(&core->credits);
    registry_close(&core->registry);
    kinds_close(&core->kinds);
    table_close(&core->table);
    alarms_close(&core->alarms);
    gauges_close(&core->gauges);
    letters_close(&core->letters);
    reasons_close(&core->reasons);
    memset(core, 0, sizeof *core);
}
