/* supervisor_report: what `vectron supervise status` shows. */
#include "cli/supervise/supervisor_state.h"

#include <stdio.h>
#include <unistd.h>

static const char *const state_names[] = {
    [WAITING] = "waiting",   [STARTING] = "starting",   [READY] = "ready",
    [STOPPING] = "stopping", [BACKOFF] = "backing off", [STOPPED] = "stopped",
};

static uint64_t resident_bytes(pid_t pid) {
    char path[64];
    unsigned long long all, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = pid ? fopen(path, "r") : NULL;
    if (!file) return 0;
    if (fscanf(file, "%llu %llu", &all, &resident) != 2) resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static SupervisorProcess *row_of(struct process *process, struct turn *turn) {
    SupervisorProcess *row = turn_new(turn, SupervisorProcess, supervisor_process);
    const struct cluster_process *spec = process->spec;
    uint64_t now_us = turn_now_us(turn);
    row->name = (char *)spec->name;
    row->group = (char *)spec->group;
    row->state = (char *)state_names[process->state];
    row->pid = (uint32_t)process->child.pid;
    row->uptime_ms = process->child.pid ? (now_us - process->started_us) / SUPERVISOR_MS : 0;
    row->restarts = process->restarts;
    row->spent = allowance_spent(&process->allowance, spec, now_us);
    row->intensity = spec->intensity;
    row->rss_bytes = resident_bytes(process->child.pid);
    row->last_exit = process->last_exit;
    row->lost_lines = process->output.lost;
    row->ready_ms = process->was_ready ? process->ready_us / SUPERVISOR_MS : 0;
    row->after = turn_alloc(turn, (spec->n_after + 1) * sizeof *row->after);
    for (uint32_t i = 0; row->after && i < spec->n_after; i++)
        row->after[row->n_after++] =
            (char *)process->supervisor->processes[spec->after[i]].spec->name;
    return row;
}

SupervisorReport *report_make(struct supervisor *self, struct turn *turn) {
    SupervisorReport *report = turn_new(turn, SupervisorReport, supervisor_report);
    report->file = (char *)self->options->file;
    report->uptime_ms = (turn_now_us(turn) - self->began_us) / SUPERVISOR_MS;
    report->doing = self->stopping      ? "stopping"
                    : self->rolling     ? "rolling"
                    : !self->told_ready ? "starting"
                                        : "running";
    report->processes = turn_alloc(turn, self->n * sizeof *report->processes);
    if (!report->processes) return NULL;
    for (uint32_t i = 0; i < self->n; i++)
        report->processes[report->n_processes++] = row_of(&self->processes[i], turn);
    return report;
}
