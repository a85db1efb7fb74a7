/* sys_report: joins the lanes' rows and adds what the process shares. On the first lane, which has
 * the link. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/codec.h"
#include "runtime/credit.h"
#include "runtime/link.h"
#include "runtime/sys_security.h"
#include "runtime/sys_state.h"
#include "runtime/watermark.h"

static uint64_t resident_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%*u %lu", &pages) != 1) pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Of the process's own line, not by listing its task folder: ThreadSanitizer does not see opendir
 * open a descriptor, and calls its closing a race with whoever had the number before. */
static uint32_t thread_count(void) {
    char line[512];
    uint32_t n = 0;
    FILE *file = fopen("/proc/self/stat", "r");
    if (!file) return 0;
    const char *after = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    if (!after ||
        sscanf(after + 1,
               "%*s %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %" SCNu32,
               &n) != 1)
        n = 0;
    fclose(file);
    return n;
}

static uint64_t cpu_us(void) {
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) != 0) return 0;
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static void add_links(struct turn *turn, SysReport *report) {
    struct link_peer peer;
    report->links = SYS_LIST(turn, SYS_LINKS_MAX, SysLink);
    if (!report->links) return;
    while (report->n_links < SYS_LINKS_MAX &&
           turn->core->driver->peer(turn->core, report->n_links, &peer)) {
        SysLink *row = turn_new(turn, SysLink, sys_link);
        row->name = turn_printf(turn, "%s", peer.name);
        row->address = turn_printf(turn, "%s", peer.address);
        row->node = peer.number;
        row->opened = peer.opened;
        row->connected = peer.connected;
        row->sent = peer.sent;
        row->received = peer.received;
        row->sent_bytes = peer.sent_bytes;
        row->received_bytes = peer.received_bytes;
        row->rtt_us = peer.rtt_us;
        row->queued_bytes = peer.queued_bytes;
        row->refused = peer.refused;
        row->bad_frames = peer.bad_frames;
        row->full = peer.full;
        row->parked = credit_parked(turn->core, peer.number);
        row->security = peer.curve ? "curve" : "plain";
        row->key_of = turn_printf(turn, "%s", peer.node);
        row->failures = peer.failures;
        row->last_failure = (char *)(peer.failure ? peer.failure : "");
        if (peer.failure) row->last_failure_ms = sys_unix_ms(turn, peer.failed_us);
        report->links[report->n_links++] = row;
    }
}

static void add_alarms(struct turn *turn, SysReport *report) {
    struct alarm *alarms = turn_alloc(turn, ALARMS_MAX * sizeof *alarms);
    report->alarms = SYS_LIST(turn, ALARMS_MAX, SysAlarm);
    if (!alarms || !report->alarms) return;
    size_t n = alarms_copy(turn->core, alarms, ALARMS_MAX);
    for (size_t i = 0; i < n; i++) {
        SysAlarm *row = turn_new(turn, SysAlarm, sys_alarm);
        row->name = alarms[i].name;
        row->subject = alarms[i].subject;
        row->text = alarms[i].text;
        row->since_ms = alarms[i].since_ms;
        row->over = alarms[i].over_ms != 0;
        report->alarms[report->n_alarms++] = row;
    }
}

/* --- lanes
 * ---------------------------------------------------------------------------------------- */

/* The row of a lane that does not answer: what it publishes for the watchdog. */
static SysLane *silent_lane(struct turn *turn, const struct lane *lane) {
    const struct lane_now *doing = &lane->doing;
    SysLane *row = turn_new(turn, SysLane, sys_lane);
    row->lane = lane->index + 1;
    row->kind = lane->kind == LANE_IO ? "io" : "compute";
    row->clock_us = turn->lane->now_us;
    row->silent = true;
    uint64_t number = atomic_load_explicit(&doing->turn, memory_order_acquire);
    uint64_t since = atomic_load_explicit(&doing->since_us, memory_order_relaxed);
    actor_handle actor = atomic_load_explicit(&doing->actor, memory_order_relaxed);
    uint32_t op = atomic_load_explicit(&doing->op, memory_order_relaxed);
    if (number % 2 == 0)
        return row; /* between two turns: ready actors, or the kernel, come first */
    row->doing = turn_printf(turn, "%s %s", sys_name(turn, actor), sys_type_name(op));
    row->doing_us = row->clock_us > since ? row->clock_us - since : 0;
    return row;
}

/* Adds to the component's row, or makes it. */
static void add_bytes(struct turn *turn, SysReport *report, const char *component, uint64_t bytes) {
    size_t i = 0;
    while (i < report->n_memory && strcmp(report->memory[i]->component, component) != 0)
        i++;
    if (i == SYS_MEMORY_MAX) return;
    if (i == report->n_memory) {
        report->memory[report->n_memory++] = turn_new(turn, SysMemory, sys_memory);
        report->memory[i]->component = (char *)component;
    }
    report->memory[i]->bytes += bytes;
}

static void add_gauges(struct turn *turn, SysReport *report) {
    struct gauge gauges[GAUGES_MAX];
    size_t n = gauges_copy(&turn->core->gauges, gauges);
    for (size_t i = 0; i < n; i++)
        add_bytes(turn, report, gauges[i].component, gauges[i].bytes(gauges[i].context));
}

static void add_lanes(struct turn *turn, const struct gathering *gathering, SysReport *report) {
    report->lanes = SYS_LIST(turn, gathering->n, SysLane);
    report->actors = SYS_LIST(turn, SYS_ROWS_MAX, SysActor);
    if (!report->lanes || !report->actors) return;
    for (uint32_t i = 0; i < gathering->n; i++) {
        const SysReport *part =
            (SysReport *)sys_answer(turn, gathering, i, &sys_report__descriptor);
        if (!part || part->n_lanes != 1) {
            report->lanes[report->n_lanes++] = silent_lane(turn, &turn->core->lanes[i]);
            continue;
        }
        report->lanes[report->n_lanes++] = part->lanes[0];
        report->actors_total += part->lanes[0]->actors;
        for (size_t j = 0; j < part->n_memory; j++)
            add_bytes(turn, report, part->memory[j]->component, part->memory[j]->bytes);
        for (size_t j = 0; j < part->n_actors && report->n_actors < SYS_ROWS_MAX; j++)
            report->actors[report->n_actors++] = part->actors[j];
    }
}

static void add_process(struct turn *turn, SysReport *report) {
    struct core *core = turn->core;
    const struct watermark mark = watermark_now();
    report->api = SYS_API;
    report->node = core->name;
    report->role = core->role;
    report->version = VECTRON_VERSION;
    report->incarnation = core->incarnation;
    report->link = (char *)core->driver->link(core);
    report->uptime_ms = (turn_now_us(turn) - core->started_us) / 1000;
    report->wall_ms = turn_wall_ms(turn);
    report->clock_us = turn_now_us(turn);
    report->cpu_us = cpu_us();
    report->rss_bytes = resident_bytes();
    report->threads = thread_count();
    report->memory_limit = mark.limit;
    report->memory_used = mark.used;
    report->bodies = core->bodies != SYS_BODIES_OFF;
    report->actions = core->actions != SYS_ACTIONS_OFF;
}

static void add_spans(const struct core *core, SysReport *report) {
    const struct collector_counts *counts = &core->collected;
    for (uint32_t i = 0; i < core->n_lanes; i++)
        report->spans += ring_head(&core->lanes[i].ring);
    report->spans_lost = atomic_load(&counts->spans_lost);
    report->exported = atomic_load(&counts->exported);
    report->export_lost = atomic_load(&counts->export_lost);
}

void sys_report_finish(struct gathering *gathering, struct turn *turn) {
    SysReport *report = turn_new(turn, SysReport, sys_report);
    add_process(turn, report);
    report->memory = SYS_LIST(turn, SYS_MEMORY_MAX, SysMemory);
    if (report->memory) add_lanes(turn, gathering, report);
    if (report->memory) add_gauges(turn, report);
    add_links(turn, report);
    report->dead_letters = letters_count(&turn->core->letters);
    report->n_letters = sys_letter_rows(turn, 0, SYS_LETTERS_REPORTED, false, &report->letters);
    add_alarms(turn, report);
    sys_add_security(turn, report); /* behind the alarms: it adds to them */
    add_spans(turn->core, report);
    turn_resolve(turn, &gathering->promise, &report->base);
}
