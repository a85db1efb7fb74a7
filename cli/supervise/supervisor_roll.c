/* supervisor_roll: processes are restarted in the order of their start, the next one when the one
 * before is ready again. One roll at a time; it ends at the first that does not come back. */
#include "cli/supervise/supervisor_state.h"

#include <stdio.h>
#include <string.h>

#include "schemas/runtime.pb-c.h"

static void end(struct supervisor *self, enum status status, const char *why, struct turn *turn) {
    if (!self->rolling) return;
    self->rolling = false;
    Done done = DONE__INIT;
    if (status == STATUS_OK)
        output_say(&self->own, "rolled %s", *self->roll_name ? self->roll_name : "all");
    else
        output_say(&self->own, "the roll stopped: %s", why);
    if (!self->roll_owed) return;
    self->roll_owed = false;
    if (status == STATUS_OK)
        turn_resolve(turn, &self->roll_promise, &done.base);
    else
        turn_reject(turn, &self->roll_promise, status, "%s", why);
}

bool roll_names(const struct process *process, const char *name) {
    return !*name || strcmp(process->spec->name, name) == 0 ||
           strcmp(process->spec->group, name) == 0;
}

static bool is_rolled(const struct process *process) {
    const struct supervisor *self = process->supervisor;
    return self->rolling && &self->processes[self->order[self->roll_at]] == process;
}

/* The next of those that are rolled, from roll_at on. */
static void go_on(struct supervisor *self, struct turn *turn) {
    while (self->roll_at < self->n &&
           !roll_names(&self->processes[self->order[self->roll_at]], self->roll_name))
        self->roll_at++;
    if (self->roll_at == self->n) {
        self->roll_at = 0;
        end(self, STATUS_OK, "", turn);
        return;
    }
    struct process *process = &self->processes[self->order[self->roll_at]];
    process->wanted = true;
    if (process->state == STARTING || process->state == READY) {
        process_stop(process, turn);
    } else if (!process_runs(process)) {
        process_stop_timer(process, turn);
        process_start(process, turn);
    }
}

void roll_begin(struct supervisor *self, const char *name, struct turn *turn) {
    snprintf(self->roll_name, sizeof self->roll_name, "%s", name);
    self->rolling = self->roll_owed = true;
    self->roll_at = 0;
    self->roll_promise = turn_defer(turn);
    go_on(self, turn);
}

void roll_ready(struct process *process, struct turn *turn) {
    if (!is_rolled(process)) return;
    process->supervisor->roll_at++;
    go_on(process->supervisor, turn);
}

void roll_fell(struct process *process, const char *why, struct turn *turn) {
    char words[160];
    if (!is_rolled(process)) return;
    snprintf(words, sizeof words, "%s %s", process->spec->name, why);
    end(process->supervisor, STATUS_NOT_READY, words, turn);
}

void roll_cancel(struct supervisor *self, struct turn *turn) {
    end(self, STATUS_CANCELLED, "the supervisor stops", turn);
}
