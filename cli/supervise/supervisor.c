/* supervisor: see the header. `wanted` says whether a process should run; pump brings what is
 * nearer to what is wanted, whenever something changed. */
#include "cli/supervise/supervisor.h"

#include <string.h>

#include "cli/notify.h"
#include "cli/supervise/supervisor_state.h"
#include "runtime/memory.h"
#include "schemas/runtime.pb-c.h"

enum {
    NAME_COLUMN_MIN = 10, /* "supervisor" */
    COLORS = 5,
    FIRST_COLOR = 32,
};

/* --- what is wanted --- */

static bool all_in(const struct supervisor *self, enum process_state state) {
    for (uint32_t i = 0; i < self->n; i++)
        if (self->processes[i].state != state) return false;
    return true;
}

static bool any_in(const struct supervisor *self, enum process_state state) {
    for (uint32_t i = 0; i < self->n; i++)
        if (self->processes[i].state == state) return true;
    return false;
}

static bool those_before_are_ready(const struct process *process) {
    for (uint32_t i = 0; i < process->spec->n_after; i++)
        if (process->supervisor->processes[process->spec->after[i]].state != READY) return false;
    return true;
}

/* Somebody that comes after it still runs. */
static bool is_needed(const struct process *process) {
    const struct supervisor *self = process->supervisor;
    for (uint32_t i = 0; i < self->n; i++) {
        const struct process *other = &self->processes[i];
        for (uint32_t j = 0; process_runs(other) && j < other->spec->n_after; j++)
            if (&self->processes[other->spec->after[j]] == process) return true;
    }
    return false;
}

static void finish(struct supervisor *self, struct turn *turn) {
    Done done = DONE__INIT;
    if (self->over) return;
    self->over = true;
    if (self->stop_owed) turn_resolve(turn, &self->stop_promise, &done.base);
    self->stop_owed = false;
    roll_cancel(self, turn);
    self->options->over(self->options->context, self->code);
}

void supervisor_pump(struct supervisor *self, struct turn *turn) {
    for (uint32_t i = 0; i < self->n; i++) {
        struct process *process = &self->processes[self->order[i]];
        bool up = process->state == STARTING || process->state == READY;
        if (process->wanted && process->state == WAITING && those_before_are_ready(process))
            process_start(process, turn);
        else if (!process->wanted && up && !is_needed(process))
            process_stop(process, turn);
        else if (!process->wanted && !process_runs(process) && process->state != STOPPED) {
            process_stop_timer(process, turn);
            process->state = STOPPED;
        }
    }
    bool busy = any_in(self, WAITING) || any_in(self, STARTING) || any_in(self, BACKOFF);
    if (!self->told_ready && !self->stopping && !busy) {
        self->told_ready = true;
        notify_tell("READY=1\nSTATUS=all processes are ready");
        output_say(&self->own, "ready");
    }
    if (self->stopping && all_in(self, STOPPED)) finish(self, turn);
}

void supervisor_stop_all(struct supervisor *self, struct turn *turn) {
    self->stopping = true;
    for (uint32_t i = 0; i < self->n; i++)
        self->processes[i].wanted = false;
    notify_tell("STOPPING=1");
    supervisor_pump(self, turn);
}

/* --- what is asked of it --- */

#define SUPERVISOR_ACCEPTS(X) \
    X(struct supervisor, SupervisorAsk, supervisor_ask, on_ask) \
    X(struct supervisor, SupervisorRoll, supervisor_roll, on_roll) \
    X(struct supervisor, SupervisorReload, supervisor_reload, on_reload) \
    X(struct supervisor, SupervisorStop, supervisor_stop, on_stop)
ACTOR_HANDLERS(supervisor_handlers, SUPERVISOR_ACCEPTS);

static enum status on_ask(struct supervisor *self, const SupervisorAsk *ask, struct turn *turn) {
    (void)ask;
    SupervisorReport *report = report_make(self, turn);
    if (!report) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for the report");
    turn_reply(turn, &report->base);
    return STATUS_OK;
}

static enum status on_roll(struct supervisor *self, const SupervisorRoll *roll, struct turn *turn) {
    bool any = false;
    if (self->stopping) return turn_fail(turn, STATUS_NOT_READY, "the supervisor stops");
    if (self->rolling)
        return turn_fail(turn, STATUS_BUSY, "a roll is under way (%s)",
                         *self->roll_name ? self->roll_name : "all");
    for (uint32_t i = 0; i < self->n; i++)
        any |= roll_names(&self->processes[i], roll->name);
    if (!any || strlen(roll->name) > CLUSTER_NAME_MAX)
        return turn_fail(turn, STATUS_NOT_FOUND, "no process and no group is called \"%s\"",
                         roll->name);
    roll_begin(self, roll->name, turn);
    return STATUS_OK;
}

static enum status
on_reload(struct supervisor *self, const SupervisorReload *reload, struct turn *turn) {
    (void)reload, (void)turn;
    for (uint32_t i = 0; i < self->n; i++)
        child_signal(&self->processes[i].child, SIGHUP);
    self->options->reload(self->options->context);
    return STATUS_OK;
}

static enum status on_stop(struct supervisor *self, const SupervisorStop *stop, struct turn *turn) {
    (void)stop;
    if (self->stop_owed) return turn_fail(turn, STATUS_BUSY, "it stops already");
    self->stop_promise = turn_defer(turn);
    self->stop_owed = true;
    output_say(&self->own, "stopping");
    supervisor_stop_all(self, turn);
    return STATUS_OK;
}

/* --- life --- */

static void order(struct supervisor *self) {
    bool placed[CLUSTER_PROCESSES_MAX] = {false};
    uint32_t n = 0;
    while (n < self->n) { /* there is no circle: the file's reader saw to it */
        for (uint32_t i = 0; i < self->n; i++) {
            const struct cluster_process *spec = self->processes[i].spec;
            bool next = !placed[i];
            for (uint32_t j = 0; j < spec->n_after; j++)
                next &= placed[spec->after[j]];
            if (!next) continue;
            placed[i] = true;
            self->order[n++] = i;
        }
    }
}

static void bark(void *actor, void *context, struct turn *turn) {
    notify_tell("WATCHDOG=1");
    turn_timer(turn, notify_watchdog_us(), bark, context);
    (void)actor;
}

static enum status supervisor_open(void *actor, const void *options, struct turn *turn) {
    struct supervisor *self = actor;
    self->options = options;
    const struct cluster *cluster = self->options->cluster;
    int width = NAME_COLUMN_MIN;
    bool colors = output_colors();
    self->began_us = turn_now_us(turn);
    self->processes = mem_zero(cluster->n, sizeof *self->processes);
    if (!self->processes) return turn_fail(turn, STATUS_NO_MEMORY, "no memory");
    for (uint32_t i = 0; i < cluster->n; i++) {
        int size = (int)strlen(cluster->processes[i].name);
        if (size > width) width = size;
    }
    self->own = (struct output){.name = "supervisor", .width = width, .color = colors ? 37 : 0};
    for (; self->n < cluster->n; self->n++) {
        struct process *process = &self->processes[self->n];
        process->supervisor = self;
        process->spec = &cluster->processes[self->n];
        process->wanted = true;
        process->output.name = process->spec->name;
        process->output.width = width;
        process->output.color = colors ? FIRST_COLOR + (int)(self->n % COLORS) : 0;
        process->child = (struct child){0, CHILD_NONE, CHILD_NONE, CHILD_NONE};
    }
    for (uint32_t i = 0; i < self->n; i++) {
        enum status s = process_open(&self->processes[i], i, turn);
        if (s != STATUS_OK) return s;
    }
    order(self);
    if (notify_watchdog_us()) bark(self, NULL, turn);
    supervisor_pump(self, turn);
    return STATUS_OK;
}

/* Without a stop before: the node is torn down. */
static void supervisor_close(void *actor) {
    struct supervisor *self = actor;
    for (uint32_t i = 0; i < self->n; i++)
        process_close(&self->processes[i]);
    mem_free(self->processes);
}

const struct actor_type supervisor_type = {
    .kind = "supervisor",
    .size = sizeof(struct supervisor),
    .handlers = supervisor_handlers,
    .open = supervisor_open,
    .close = supervisor_close,
    .lane = LANE_IO,
};
