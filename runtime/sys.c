/* sys: every lane has a reporter, a quiet light actor that describes its lane's actors; "sys" asks
 * them all and adds what the process shares. So no lane reads another lane's counters.
 *
 *     SysAsk ─▶ sys ── SysAsk ─▶ reporter of lane 1 … n ── SysReport ─▶ sys ── SysReport ─▶ asker
 */
#include "runtime/sys.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/link.h"
#include "runtime/memory.h"
#include "runtime/sys_security.h"
#include "runtime/trace.h"
#include "runtime/turn_state.h"
#include "runtime/watermark.h"
#include "schemas/sys.pb-c.h"

enum {
    ROWS_MAX = 2048, /* actors in one report: some 1 KiB each at worst, 4 MiB a message */
    PEERS_ROWS_MAX = 256,
    ASK_US = 2 * 1000 * 1000, /* a lane that does not answer by then is left out */
};

/* --- a lane's reporter
 * ----------------------------------------------------------------------------- */

struct reporter {
    struct core *core; /* borrowed */
};

#define REPORTER_ACCEPTS(X) X(struct reporter, SysAsk, sys_ask, on_lane_ask)
ACTOR_HANDLERS(reporter_handlers, REPORTER_ACCEPTS);

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
    [CELL_NEW] = "opening",       [CELL_OPEN] = "",
    [CELL_STOPPING] = "stopping", [CELL_WAITING] = "waiting to restart",
    [CELL_ASLEEP] = "asleep",     [CELL_HELD] = "held by its supervisor",
};

static SysActor *actor_row(struct turn *turn, const struct cell *cell) {
    char name[CELL_NAME_MAX];
    const struct mailbox *mailbox = &cell->mailbox;
    const struct actor_stats *stats = cell->stats;
    SysActor *row = turn_new(turn, SysActor, sys_actor);
    uint64_t oldest = mailbox_oldest_us(mailbox);
    uint64_t now = turn->lane->now_us;
    row->name = turn_printf(turn, "%s", cell_name(cell, name));
    row->kind = (char *)cell->kind->type->kind;
    row->handle = cell->handle;
    row->lane = cell->lane->index + 1;
    row->received = stats->received;
    row->sent = stats->sent;
    row->dropped = stats->dropped;
    row->expired = stats->expired;
    row->failed = stats->failed;
    row->restarts = cell->supervision.restarts;
    row->depth = mailbox->depth;
    row->depth_max = mailbox->depth_max;
    row->bytes = mailbox->bytes;
    row->oldest_us = oldest && now > oldest ? now - oldest : 0;
    row->busy_us = stats->busy_us;
    row->mailbox = histogram_row(turn, &stats->mailbox);
    row->handler = histogram_row(turn, &stats->handler);
    row->doing = (char *)state_names[cell->now];
    row->endpoint = (char *)cell->core->driver->endpoint(cell);
    return row;
}

/* Rows of this lane's actors, at most ROWS_MAX shared by all lanes; the newest actors first. */
static void add_actors(struct turn *turn, SysReport *report) {
    struct lane *lane = turn->lane;
    uint32_t max = ROWS_MAX / turn->core->n_lanes;
    uint32_t n = lane->n_cells < max ? lane->n_cells : max;
    report->actors = turn_alloc(turn, n * sizeof(SysActor *));
    if (!report->actors) return;
    for (struct cell *cell = lane->cells; cell && report->n_actors < n; cell = cell->next)
        report->actors[report->n_actors++] = actor_row(turn, cell);
}

static enum status on_lane_ask(struct reporter *self, const SysAsk *ask, struct turn *turn) {
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
    report->lanes = turn_alloc(turn, sizeof(SysLane *));
    if (!report->lanes) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for the report");
    report->lanes[0] = row;
    report->n_lanes = 1;
    if (ask->actors) add_actors(turn, report);
    turn_reply(turn, &report->base);
    return STATUS_OK;
}

static const struct actor_type reporter_types[] = {
    {.kind = "lane",
     .size = sizeof(struct reporter),
     .handlers = reporter_handlers,
     .lane = LANE_IO,
     .light = true,
     .quiet = true},
    {.kind = "lane",
     .size = sizeof(struct reporter),
     .handlers = reporter_handlers,
     .lane = LANE_COMPUTE,
     .light = true,
     .quiet = true},
};

/* --- sys
 * ------------------------------------------------------------------------------------------ */

struct lane_answer {
    void *body; /* owned, encoded SysReport; NULL: none came */
    size_t size;
};

/* One SysAsk in work. */
struct gathering {
    struct gathering *next; /* owned */
    struct sys *sys;
    struct promise promise;
    uint32_t open; /* lanes that did not answer yet */
    uint32_t n;
    struct lane_answer answers[];
};

struct sys {
    struct gathering *gatherings; /* owned */
};

#define SYS_ACCEPTS(X) X(struct sys, SysAsk, sys_ask, on_ask)
ACTOR_HANDLERS(sys_handlers, SYS_ACCEPTS);

static void free_gathering(struct gathering *gathering) {
    struct gathering **at = &gathering->sys->gatherings;
    while (*at != gathering)
        at = &(*at)->next;
    *at = gathering->next;
    for (uint32_t i = 0; i < gathering->n; i++)
        mem_free(gathering->answers[i].body);
    mem_free(gathering);
}

static uint64_t resident_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%*u %lu", &pages) != 1) pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint32_t thread_count(void) {
    uint32_t n = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return 0;
    for (struct dirent *entry; (entry = readdir(tasks));)
        n += entry->d_name[0] != '.';
    closedir(tasks);
    return n;
}

static void add_links(struct turn *turn, SysReport *report) {
    struct link_peer peer;
    report->links = turn_alloc(turn, PEERS_ROWS_MAX * sizeof(SysLink *));
    if (!report->links) return;
    while (report->n_links < PEERS_ROWS_MAX &&
           turn->core->driver->peer(turn->core, report->n_links, &peer)) {
        SysLink *row = turn_new(turn, SysLink, sys_link);
        row->name = turn_printf(turn, "%s", peer.name);
        row->address = turn_printf(turn, "%s", peer.address);
        row->connected = peer.connected;
        row->sent = peer.sent;
        row->received = peer.received;
        row->sent_bytes = peer.sent_bytes;
        row->received_bytes = peer.received_bytes;
        row->rtt_us = peer.rtt_us;
        row->queued_bytes = peer.queued_bytes;
        row->refused = peer.refused;
        row->bad_frames = peer.bad_frames;
        row->security = peer.curve ? "curve" : "plain";
        row->key_of = turn_printf(turn, "%s", peer.node);
        row->failures = peer.failures;
        row->last_failure = (char *)(peer.failure ? peer.failure : "");
        if (peer.failure) row->last_failure_ms = sys_unix_ms(turn, peer.failed_us);
        report->links[report->n_links++] = row;
    }
}

/* A handle as sys shows it: the name of a reporter's row is not at hand, slot and incarnation are.
 */
static char *handle_text(struct turn *turn, actor_handle handle) {
    if (handle == 0) return "nobody";
    return turn_printf(turn, "%s%u#%u", handle_peer(handle) ? "remote " : "", handle_slot(handle),
                       handle_incarnation(handle));
}

static void add_letters(struct turn *turn, SysReport *report) {
    struct dead_letter letters[DEAD_LETTERS_KEPT];
    size_t n = 0;
    report->dead_letters = core_letters(turn->core, letters, &n);
    report->letters = turn_alloc(turn, n * sizeof(SysDeadLetter *));
    if (!report->letters) return;
    for (size_t i = 0; i < n; i++) {
        const ProtobufCMessageDescriptor *type = codec_find(letters[i].op);
        SysDeadLetter *row = turn_new(turn, SysDeadLetter, sys_dead_letter);
        row->at_ms = letters[i].at_ms;
        row->to = handle_text(turn, letters[i].to);
        row->from = handle_text(turn, letters[i].from);
        row->message = type ? (char *)type->name : "unknown";
        row->reason = (char *)status_name(letters[i].reason);
        report->letters[report->n_letters++] = row;
    }
}

/* Joins the lanes' reports; their decoded rows live in the turn's arena. */
static void add_lanes(struct turn *turn, const struct gathering *gathering, SysReport *report) {
    report->lanes = turn_alloc(turn, gathering->n * sizeof(SysLane *));
    report->actors = turn_alloc(turn, ROWS_MAX * sizeof(SysActor *));
    if (!report->lanes || !report->actors) return;
    for (uint32_t i = 0; i < gathering->n; i++) {
        const struct lane_answer *answer = &gathering->answers[i];
        ProtobufCMessage *message = NULL;
        if (!answer->body || codec_decode(&sys_report__descriptor, answer->body, answer->size,
                                          &turn->lane->arena, &message, NULL) != STATUS_OK)
            continue;
        const SysReport *part = (const SysReport *)message;
        if (part->n_lanes == 1) {
            report->lanes[report->n_lanes++] = part->lanes[0];
            report->actors_total += part->lanes[0]->actors;
        }
        for (size_t j = 0; j < part->n_actors && report->n_actors < ROWS_MAX; j++)
            report->actors[report->n_actors++] = part->actors[j];
    }
}

static void add_spans(const struct core *core, SysReport *report) {
    const struct collector_counts *counts = &core->collected;
    for (uint32_t i = 0; i < core->n_lanes; i++)
        report->spans += ring_head(&core->lanes[i].ring);
    report->spans_lost = atomic_load(&counts->spans_lost);
    report->exported = atomic_load(&counts->exported);
    report->export_lost = atomic_load(&counts->export_lost);
}

static void finish(struct gathering *gathering, struct turn *turn) {
    struct core *core = turn->core;
    SysReport *report = turn_new(turn, SysReport, sys_report);
    report->node = core->name;
    report->version = VECTRON_VERSION;
    report->uptime_ms = (turn_now_us(turn) - core->started_us) / 1000;
    report->rss_bytes = resident_bytes();
    report->threads = thread_count();
    const struct watermark mark = watermark_now();
    report->memory_limit = mark.limit;
    report->memory_used = mark.used;
    add_lanes(turn, gathering, report);
    add_links(turn, report);
    sys_add_security(turn, report);
    add_letters(turn, report);
    add_spans(core, report);
    turn_resolve(turn, &gathering->promise, &report->base);
    free_gathering(gathering);
}

static void
on_lane_report(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self;
    struct gathering *gathering = context;
    if (outcome_as(outcome, SysReport, sys_report)) {
        const struct parcel *parcel = turn->parcel;
        struct lane_answer *answer = &gathering->answers[gathering->open - 1];
        answer->body = mem_copy(parcel->body, parcel->size);
        answer->size = answer->body ? parcel->size : 0;
    }
    if (--gathering->open == 0) finish(gathering, turn);
}

static const char *reporter_name(struct turn *turn, uint32_t lane) {
    return turn_printf(turn, "lane/%u", lane + 1);
}

static enum status on_ask(struct sys *self, const SysAsk *ask, struct turn *turn) {
    uint32_t n = turn->core->n_lanes;
    struct gathering *gathering = mem_zero(1, sizeof *gathering + n * sizeof(struct lane_answer));
    if (!gathering) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for the report");
    gathering->sys = self;
    gathering->n = gathering->open = n;
    gathering->next = self->gatherings;
    self->gatherings = gathering;
    gathering->promise = turn_defer(turn);
    for (uint32_t i = 0; i < n; i++)
        turn_call(turn, &(struct call){
                            .to = turn_find(turn, reporter_name(turn, i)),
                            .message = &ask->base,
                            .done = on_lane_report,
                            .context = gathering,
                            .deadline_us = turn_now_us(turn) + ASK_US,
                            .control = true,
                        });
    return STATUS_OK;
}

static void sys_close(void *actor) {
    struct sys *self = actor;
    while (self->gatherings)
        free_gathering(self->gatherings);
}

static const struct actor_type sys_type = {
    .kind = "sys",
    .size = sizeof(struct sys),
    .handlers = sys_handlers,
    .close = sys_close,
    .lane = LANE_IO,
};

void sys_spawn(struct core *core, struct turn *turn) {
    actor_handle handle = 0;
    for (uint32_t i = 0; i < core->n_lanes; i++) {
        bool compute = i >= core->n_io;
        struct spawn spawn = {
            .type = &reporter_types[compute],
            .name = reporter_name(turn, i),
            .lane = (int)(compute ? i - core->n_io : i) + 1,
        };
        enum status s = turn_spawn(turn, &spawn, &handle);
        assert(s == STATUS_OK);
    }
    struct spawn spawn = {.type = &sys_type, .name = "sys", .lane = 1, .intensity = 10};
    enum status s = turn_spawn(turn, &spawn, &handle);
    assert(s == STATUS_OK);
    if (core->collecting.period_min == 0 || core->ring_records == 0) return;
    spawn = (struct spawn){
        .type = &collector_type, .name = "traces", .options = &core->collecting, .lane = 1};
    s = turn_spawn(turn, &spawn, &handle);
    assert(s == STATUS_OK);
}
