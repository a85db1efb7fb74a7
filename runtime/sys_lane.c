/* sys_lane: a lane's reporter, a quiet light actor that describes its lane's actors. So no lane
 * reads another lane's counters, and a question costs an actor nothing. */
#include "runtime/sys_state.h"

struct reporter {
    struct sys_taps taps;
};

#define REPORTER_ACCEPTS(X) \
    X(struct reporter, SysAsk, sys_ask, on_ask) \
    X(struct reporter, SysAskActor, sys_ask_actor, on_ask_actor) \
    X(struct reporter, SysAskWaits, sys_ask_waits, on_ask_waits) \
    X(struct reporter, SysTap, sys_tap, on_tap) \
    X(struct reporter, SysLint, sys_lint, on_lint) \
    X(struct reporter, SysDo, sys_do, on_do)
ACTOR_HANDLERS(reporter_handlers, REPORTER_ACCEPTS);

const char *sys_reporter_name(struct turn *turn, uint32_t lane) {
    return turn_printf(turn, "lane/%u", lane + 1);
}

/* Rows of this lane's actors, at most its share of SYS_ROWS_MAX: component actors, then light ones,
 * the newest first. */
static void add_actors(struct turn *turn, SysReport *report) {
    struct lane *lane = turn->lane;
    uint32_t max = SYS_ROWS_MAX / turn->core->n_lanes;
    uint32_t n = lane->n_cells < max ? lane->n_cells : max;
    report->actors = SYS_LIST(turn, n, SysActor);
    if (!report->actors) return;
    for (int light = 0; light < 2; light++)
        for (struct cell *cell = lane->cells[light]; cell && report->n_actors < n;
             cell = cell->next)
            report->actors[report->n_actors++] = sys_actor_row(turn, cell);
}

/* What the lane itself holds. Mailboxes: of the component actors. */
static void add_memory(struct turn *turn, SysReport *report) {
    const struct lane *lane = turn->lane;
    uint64_t mailboxes = 0;
    for (const struct cell *cell = lane->cells[0]; cell; cell = cell->next)
        mailboxes += cell->mailbox.bytes;
    const struct {
        char *component;
        uint64_t bytes;
    } rows[] = {
        {"mailboxes", mailboxes},
        {"waits", waits_bytes(&lane->waits)},
        {"spans", lane->ring.records ? (lane->ring.mask + 1) * RING_RECORD : 0},
    };
    report->memory = SYS_LIST(turn, sizeof rows / sizeof *rows, SysMemory);
    for (size_t i = 0; report->memory && i < sizeof rows / sizeof *rows; i++) {
        SysMemory *row = turn_new(turn, SysMemory, sys_memory);
        row->component = rows[i].component;
        row->bytes = rows[i].bytes;
        report->memory[report->n_memory++] = row;
    }
}

static enum status on_ask(struct reporter *self, const SysAsk *ask, struct turn *turn) {
    (void)self;
    const struct lane *lane = turn->lane;
    SysReport *report = turn_new(turn, SysReport, sys_report);
    SysLane *row = turn_new(turn, SysLane, sys_lane);
    row->lane = lane->index + 1;
    row->kind = lane->kind == LANE_IO ? "io" : "compute";
    row->turns = lane->turns;
    row->busy_us = lane->busy_us;
    row->wakes = lane->wakes;
    row->stall_max_us = lane->stall_max_us;
    row->ready = lane->n_ready;
    row->actors = lane->n_cells;
    row->clock_us = lane->now_us;
    row->trunk_full = lane->trunk_full;
    row->spins = lane->spins;
    report->lanes = SYS_LIST(turn, 1, SysLane);
    if (!report->lanes) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for the report");
    report->lanes[0] = row;
    report->n_lanes = 1;
    add_memory(turn, report);
    if (ask->actors) add_actors(turn, report);
    turn_reply(turn, &report->base);
    return STATUS_OK;
}

static enum status on_ask_actor(struct reporter *self, const SysAskActor *ask, struct turn *turn) {
    (void)self;
    struct cell *cell = sys_cell(turn, ask->handle);
    if (!cell)
        return turn_fail(turn, STATUS_NOT_FOUND, "the actor is gone, or moves at the moment");
    turn_reply(turn, &sys_view(turn, cell, ask->bodies)->base);
    return STATUS_OK;
}

static enum status on_ask_waits(struct reporter *self, const SysAskWaits *ask, struct turn *turn) {
    (void)self, (void)ask;
    turn_reply(turn, &sys_lane_waits(turn)->base);
    return STATUS_OK;
}

static enum status on_tap(struct reporter *self, const SysTap *ask, struct turn *turn) {
    return sys_lane_tap(&self->taps, ask, turn);
}

static enum status on_lint(struct reporter *self, const SysLint *ask, struct turn *turn) {
    (void)self, (void)ask;
    return sys_lane_lint(turn);
}

static enum status on_do(struct reporter *self, const SysDo *ask, struct turn *turn) {
    (void)self;
    return sys_lane_do(ask, turn);
}

static enum status reporter_open(void *actor, const void *options, struct turn *turn) {
    struct reporter *self = actor;
    (void)options;
    self->taps.lane = turn->lane;
    return STATUS_OK;
}

static void reporter_close(void *actor) {
    sys_lane_taps_close(&((struct reporter *)actor)->taps);
}

#define REPORTER(Lane) \
    { \
        .kind = "lane", .size = sizeof(struct reporter), .handlers = reporter_handlers, \
        .open = reporter_open, .close = reporter_close, .lane = (Lane), .light = true, \
        .quiet = true \
    }
const struct actor_type sys_reporter_types[2] = {REPORTER(LANE_IO), REPORTER(LANE_COMPUTE)};
