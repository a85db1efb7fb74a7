/* lints: the thresholds of the issue, on the console's side for processes that do not know them,
 * and those that need more than one process: lost ones, unlike versions, cycles of calls across
 * links. */
#include "cli/console/lints.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/console/units.h"
#include "cli/console/wait_graph.h"
#include "runtime/memory.h"

enum { GROWING_MS = 10000, SLOW_US = 10000 };
#define EXPIRED_SHARE 0.01
#define BUSY_LANE     0.5
#define IDLE_LANE     0.1

struct finding {
    struct lint *out;
    size_t n;
};

static struct lint *add(struct finding *found,
                        const struct process *process,
                        const char *name,
                        const char *subject,
                        const char *format,
                        ...) __attribute__((format(printf, 5, 6)));
static struct lint *add(struct finding *found,
                        const struct process *process,
                        const char *name,
                        const char *subject,
                        const char *format,
                        ...) {
    for (size_t i = 0; i < found->n; i++) { /* the process told it */
        const struct lint *old = &found->out[i];
        if (old->process == process && strcmp(old->name, name) == 0 &&
            strcmp(old->subject, subject) == 0)
            return NULL;
    }
    if (found->n == LINTS_MAX) return NULL;
    struct lint *lint = &found->out[found->n++];
    *lint = (struct lint){.process = process, .name = name, .subject = subject, .own = true};
    va_list args;
    va_start(args, format);
    vsnprintf(lint->text, sizeof lint->text, format, args);
    va_end(args);
    return lint;
}

static void told(struct finding *found, const struct process *process) {
    for (size_t i = 0; i < process->report->n_alarms && found->n < LINTS_MAX; i++) {
        const SysAlarm *alarm = process->report->alarms[i];
        struct lint *lint = &found->out[found->n++];
        *lint = (struct lint){process,         alarm->name, alarm->subject, "",
                              alarm->since_ms, alarm->over, false};
        snprintf(lint->text, sizeof lint->text, "%s", alarm->text);
    }
}

static void
check_actor(struct finding *found, const struct model *model, const struct actor_row *row) {
    const SysActor *actor = row->actor;
    char a[UNITS_MAX], b[UNITS_MAX];
    struct lint *lint = NULL;
    if (row->growing_ms && model->now_ms >= row->growing_ms + GROWING_MS) {
        lint = add(found, row->process, "mailbox_growing", actor->name,
                   "%u waiting, %u %s ago; it takes in more than it handles", actor->depth,
                   row->grown_from, units_us(a, (double)(model->now_ms - row->growing_ms) * 1000));
        if (lint) lint->since_ms = row->growing_ms;
    }
    if (row->handler_p99 > SLOW_US)
        add(found, row->process, "slow_handler", actor->name,
            "p99 %s in its handler, p50 %s: it holds up its lane", units_us(a, row->handler_p99),
            units_us(b, row->handler_p50));
    if (row->expired_share > EXPIRED_SHARE)
        add(found, row->process, "expired", actor->name,
            "%s of its messages came too late to be handled", units_share(a, row->expired_share));
    if (actor->restarts_allowed > 1 && actor->restarts_recent + 1 >= actor->restarts_allowed)
        add(found, row->process, "restart_budget", actor->name,
            "%u of %u restarts within %u s used", actor->restarts_recent, actor->restarts_allowed,
            actor->restart_period_s);
}

static void check_lanes(struct finding *found, const struct process *process, const char *kind) {
    double most = 0, least = 2;
    unsigned n = 0, busiest = 0;
    for (size_t i = 0; i < process->report->n_lanes; i++) {
        const struct lane_row *row = &process->lanes[i];
        if (!row->rated || strcmp(row->lane->kind, kind) != 0) continue;
        n++;
        if (row->busy < least) least = row->busy;
        if (row->busy <= most) continue;
        most = row->busy;
        busiest = row->lane->lane;
    }
    char a[UNITS_MAX], b[UNITS_MAX];
    if (n > 1 && most > BUSY_LANE && least < IDLE_LANE)
        add(found, process, "unbalanced_lanes", kind, "lane %u is %s busy while another is %s",
            busiest, units_share(a, most), units_share(b, least));
}

static void
check_process(struct finding *found, const struct model *model, const struct process *process) {
    if (process->status != STATUS_OK && process->status != STATUS_NOT_READY) {
        char ago[UNITS_MAX];
        struct lint *lint =
            process->heard_ms
                ? add(found, process, "process_lost", "", "no answer for %s: %s %s",
                      units_us(ago, (double)(model->now_ms - process->heard_ms) * 1000),
                      status_name(process->status), process->text)
                : add(found, process, "process_lost", "", "it never answered: %s %s",
                      status_name(process->status), process->text);
        if (lint) lint->since_ms = process->heard_ms;
        return;
    }
    if (!process->report) return;
    for (size_t i = 0; i < process->n_actors; i++)
        check_actor(found, model, &process->actors[i]);
    check_lanes(found, process, "io");
    check_lanes(found, process, "compute");
    for (size_t i = 0; i < process->report->n_links; i++) {
        const SysLink *link = process->report->links[i];
        if (strcmp(link->security, "refused") == 0)
            add(found, process, "link_refused", link->name, "%s",
                *link->last_failure ? link->last_failure : "its key is not known here");
    }
}

static void check_versions(struct finding *found, const struct model *model) {
    const struct process *first = NULL;
    for (size_t i = 0; i < model->n_processes; i++) {
        const struct process *process = model->processes[i];
        if (process->same || !process->report || process->status != STATUS_OK) continue;
        if (!first) first = process;
        if (strcmp(first->report->version, process->report->version) == 0) continue;
        add(found, process, "unlike_versions", "", "it is %s, %s is %s", process->report->version,
            first->label, first->report->version);
    }
}

static void check_cycles(struct finding *found, const struct model *model) {
    struct wait_graph graph;
    if (wait_graph_build(&graph, model) != STATUS_OK) return;
    for (size_t i = 0; i < graph.n_cycles; i++) {
        const struct wait_edge *edge = &graph.edges[graph.cycles[i]];
        char path[LINT_TEXT_MAX];
        wait_graph_cycle(&graph, i, path, sizeof path);
        add(found, graph.nodes[edge->from].process, "call_cycle", edge->row->from,
            "%s: none of them can answer", path);
    }
    wait_graph_free(&graph);
}

size_t lints_find(const struct model *model, struct lint *out) {
    struct finding found = {out, 0};
    for (size_t i = 0; i < model->n_processes; i++)
        if (model->processes[i]->report && !model->processes[i]->same &&
            model->processes[i]->status == STATUS_OK)
            told(&found, model->processes[i]);
    for (size_t i = 0; i < model->n_processes; i++)
        if (!model->processes[i]->same) check_process(&found, model, model->processes[i]);
    check_versions(&found, model);
    check_cycles(&found, model);
    return found.n;
}

size_t lints_count(const struct model *model) {
    struct lint *lints = mem_alloc(LINTS_MAX * sizeof *lints);
    size_t n = lints ? lints_find(model, lints) : 0, open = 0;
    for (size_t i = 0; i < n; i++)
        open += !lints[i].over;
    mem_free(lints);
    return open;
}
