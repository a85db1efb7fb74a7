/* supervisor: see the header. `wanted` says whether a process should run; pump brings what is
 * nearer to what is wanted, whenever something changed. */
#include "cli/supervise/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/notify.h"
#include "cli/supervise/allowance.h"
#include "cli/supervise/child.h"
#include "cli/supervise/output.h"
#include "cli/supervise/probe.h"
#include "runtime/memory.h"
#include "schemas/runtime.pb-c.h"
#include "schemas/supervisor.pb-c.h"

enum {
    MS = 1000,
    READ_MAX = 64 * 1024, /* of one pipe in one turn */
    PROBE_EVERY_US = 100 * MS,
    ABORT_US = 2000 * MS, /* a process that hangs may take that long to die of SIGABRT */
    NAME_COLUMN_MIN = 10, /* "supervisor" */
    COLORS = 5,
    FIRST_COLOR = 32,
};

enum state { WAITING, STARTING, READY, STOPPING, BACKOFF, STOPPED };
static const char *const state_names[] = {"waiting",  "starting",    "ready",
                                          "stopping", "backing off", "stopped"};

struct process {
    struct supervisor *supervisor;
    const struct cluster_process *spec;
    struct child child;
    struct cage cage;
    unsigned long long cage_kills; /* told so far */
    struct output output;
    struct allowance allowance;
    enum state state;
    bool wanted;
    bool spawning;     /* on the blocking pool; child comes with it */
    bool was_ready;    /* once */
    uint64_t timer;    /* of the state: ready or stop in time, the end of a backoff */
    uint64_t watchdog; /* timer */
    uint64_t life;     /* counts starts */
    uint64_t started_us;
    uint64_t ready_us; /* it took so long */
    uint32_t restarts;
    char last_exit[96];
};

struct supervisor {
    const struct supervisor_options *options;
    struct process *processes; /* owned; as in the cluster */
    uint32_t n;
    uint32_t order[CLUSTER_PROCESSES_MAX]; /* a process comes behind those it comes after */
    struct output own;
    uint64_t began_us;
    bool told_ready;
    bool stopping, over;
    int code;
    bool stop_owed, roll_owed;
    struct promise stop_promise, roll_promise;
    bool rolling;
    uint32_t roll_at; /* in order */
    char roll_name[CLUSTER_NAME_MAX + 1];
};

static void pump(struct supervisor *self, struct turn *turn);
static void on_end(void *actor, void *context, uint32_t events, struct turn *turn);
static void roll_next(struct supervisor *self, struct turn *turn);

/* --- small things --- */

static bool runs(const struct process *process) {
    return process->spawning || process->child.pid != 0;
}

static void stop_timer(uint64_t *timer, struct turn *turn) {
    if (*timer) turn_timer_cancel(turn, *timer);
    *timer = 0;
}

static void after(struct process *process, uint64_t delay_us, turn_fn run, struct turn *turn) {
    stop_timer(&process->timer, turn);
    process->timer = turn_timer(turn, delay_us, run, process);
}

static bool all_in(const struct supervisor *self, enum state state) {
    for (uint32_t i = 0; i < self->n; i++)
        if (self->processes[i].state != state) return false;
    return true;
}

static bool any_in(const struct supervisor *self, enum state state) {
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
        for (uint32_t j = 0; runs(other) && j < other->spec->n_after; j++)
            if (&self->processes[other->spec->after[j]] == process) return true;
    }
    return false;
}

static void stop_all(struct supervisor *self, struct turn *turn) {
    self->stopping = true;
    for (uint32_t i = 0; i < self->n; i++)
        self->processes[i].wanted = false;
    notify_tell("STOPPING=1");
    pump(self, turn);
}

/* --- rolling --- */

static void
end_roll(struct supervisor *self, enum status status, const char *why, struct turn *turn) {
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

static bool is_called(const struct process *process, const char *name) {
    return !*name || strcmp(process->spec->name, name) == 0 ||
           strcmp(process->spec->group, name) == 0;
}

static struct process *rolled(struct supervisor *self) {
    return self->rolling ? &self->processes[self->order[self->roll_at]] : NULL;
}

static void roll_failed(struct process *process, const char *why, struct turn *turn) {
    char words[160];
    if (rolled(process->supervisor) != process) return;
    snprintf(words, sizeof words, "%s %s", process->spec->name, why);
    end_roll(process->supervisor, STATUS_NOT_READY, words, turn);
}

/* --- being ready --- */

static void starve(void *actor, void *context, struct turn *turn);

static void watch_over(struct process *process, struct turn *turn) {
    stop_timer(&process->watchdog, turn);
    if (process->spec->watchdog_ms)
        process->watchdog =
            turn_timer(turn, (uint64_t)process->spec->watchdog_ms * MS, starve, process);
}

static void kill_now(void *actor, void *context, struct turn *turn) {
    struct process *process = context;
    (void)actor, (void)turn;
    process->timer = 0;
    output_say(&process->output, "did not end in time: SIGKILL");
    child_signal(&process->child, SIGKILL);
}

/* Its watchdog bit: SIGABRT, so that it can leave a trace of where it hangs. */
static void starve(void *actor, void *context, struct turn *turn) {
    struct process *process = context;
    (void)actor;
    process->watchdog = 0;
    output_say(&process->output, "gave no sign of life for %u ms: SIGABRT",
               process->spec->watchdog_ms);
    child_signal(&process->child, SIGABRT);
    after(process, ABORT_US, kill_now, turn);
}

static void become_ready(struct process *process, struct turn *turn) {
    struct supervisor *self = process->supervisor;
    stop_timer(&process->timer, turn);
    process->state = READY;
    process->was_ready = true;
    process->ready_us = turn_now_us(turn) - process->started_us;
    watch_over(process, turn);
    if (rolled(self) == process) {
        self->roll_at++;
        roll_next(self, turn);
    }
    pump(self, turn);
}

struct probing {
    struct process *process;
    uint64_t life;
    const char *url; /* borrowed from the cluster */
};

static enum status probe(void *context) {
    return probe_answers(((const struct probing *)context)->url) ? STATUS_OK : STATUS_NOT_READY;
}

static void probe_again(void *actor, void *context, struct turn *turn);

static void probed(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct probing *probing = context;
    struct process *process = probing->process;
    bool fresh = process->state == STARTING && process->life == probing->life;
    (void)actor;
    if (fresh && outcome->status == STATUS_OK) {
        mem_free(probing);
        become_ready(process, turn);
    } else if (fresh) {
        turn_timer(turn, PROBE_EVERY_US, probe_again, probing);
    } else {
        mem_free(probing);
    }
}

static void probe_again(void *actor, void *context, struct turn *turn) {
    (void)actor;
    turn_block(turn, &(struct block){
                         .work = probe, .done = probed, .abandon = mem_free, .context = context});
}

/* It said that it is ready, or runs and needs to say nothing. */
static void seems_ready(struct process *process, struct turn *turn) {
    if (process->state != STARTING) return;
    struct probing *probing = *process->spec->readyz ? mem_alloc(sizeof *probing) : NULL;
    if (!probing) {
        become_ready(process, turn);
        return;
    }
    *probing = (struct probing){process, process->life, process->spec->readyz};
    probe_again(process->supervisor, probing, turn);
}

static bool has_line(const char *news, const char *line) {
    size_t size = strlen(line);
    for (; news; news = strchr(news, '\n')) {
        news += *news == '\n';
        if (strncmp(news, line, size) == 0 && (!news[size] || news[size] == '\n')) return true;
    }
    return false;
}

static void on_news(void *actor, void *context, uint32_t events, struct turn *turn) {
    struct process *process = context;
    char news[CHILD_NEWS_MAX];
    (void)actor, (void)events;
    while (child_news(&process->child, news)) {
        if (!runs(process)) continue; /* of a life before */
        if (has_line(news, "READY=1") && process->spec->ready == CLUSTER_NOTIFY)
            seems_ready(process, turn);
        if (has_line(news, "WATCHDOG=1") && process->state == READY) watch_over(process, turn);
    }
}

/* --- starting --- */

static void read_output(struct process *process) {
    char bytes[READ_MAX];
    if (process->child.output < 0) return;
    ssize_t size = read(process->child.output, bytes, sizeof bytes);
    if (size > 0) output_take(&process->output, bytes, (size_t)size);
}

static void on_output(void *actor, void *context, uint32_t events, struct turn *turn) {
    struct process *process = context;
    (void)actor;
    read_output(process);
    /* Nobody holds the other end any more: no more to come, and level triggered. */
    if ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN))
        turn_unwatch(turn, process->child.output);
}

static void too_late(void *actor, void *context, struct turn *turn) {
    struct process *process = context;
    (void)actor, (void)turn;
    process->timer = 0;
    output_say(&process->output, "was not ready within %u ms: SIGKILL", process->spec->ready_ms);
    child_signal(&process->child, SIGKILL);
}

static void give_up(struct process *process, struct turn *turn) {
    struct supervisor *self = process->supervisor;
    output_say(&self->own,
               "%s ended %u times within %u ms (intensity, period): giving up, all processes stop",
               process->spec->name, process->spec->intensity + 1, process->spec->period_ms);
    roll_failed(process, "ends again and again", turn);
    self->code = 1;
    stop_all(self, turn);
}

static void start(struct process *process, struct turn *turn);

static void start_again(void *actor, void *context, struct turn *turn) {
    struct process *process = context;
    (void)actor;
    process->timer = 0;
    start(process, turn);
}

/* It ended by itself, or could not be started. */
static void fell(struct process *process, bool good, struct turn *turn) {
    struct supervisor *self = process->supervisor;
    enum restart policy = process->spec->restart;
    uint64_t delay_us = 0;
    if (rolled(self) == process) roll_failed(process, process->last_exit, turn);
    if (!process->wanted || policy == RESTART_TEMPORARY || (policy == RESTART_TRANSIENT && good)) {
        process->state = STOPPED;
        process->wanted = false;
        return;
    }
    if (!allowance_spend(&process->allowance, process->spec, turn_now_us(turn), turn_random(turn),
                         &delay_us)) {
        process->state = STOPPED;
        process->wanted = false;
        give_up(process, turn);
        return;
    }
    process->state = BACKOFF;
    process->restarts++;
    if (delay_us)
        output_say(&process->output, "%s; restarted in %llu ms", process->last_exit,
                   (unsigned long long)delay_us / MS);
    else
        output_say(&process->output, "%s; restarted", process->last_exit);
    if (delay_us)
        after(process, delay_us, start_again, turn);
    else
        start(process, turn);
}

/* posix_spawn waits until the new process has its own memory, so it is for the blocking pool. Its
 * threads live as long as the node, and so are fit to be the process's parent. */
struct starting {
    struct process *process;
    const struct cluster_process *spec;
    const char *program;
    struct cage cage;
    struct child child;
    int error;
};

static enum status start_work(void *context) {
    struct starting *starting = context;
    enum status s = child_start(
        &starting->child, &(struct child_plan){starting->spec, starting->program, &starting->cage});
    starting->error = errno;
    return s;
}

/* The actor is gone: nobody is there to look after the process. */
static void start_abandoned(void *context) {
    struct starting *starting = context;
    child_signal(&starting->child, SIGKILL);
    if (starting->child.pid) waitpid(starting->child.pid, NULL, 0);
    child_forget(&starting->child);
    mem_free(starting);
}

static void not_started(struct process *process, int error, struct turn *turn) {
    snprintf(process->last_exit, sizeof process->last_exit, "not started: %s", strerror(error));
    output_say(&process->output, "%s", process->last_exit);
    if (process->state == STOPPING) {
        stop_timer(&process->timer, turn);
        process->state = STOPPED;
    } else {
        fell(process, false, turn);
    }
    pump(process->supervisor, turn);
}

static void started(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct starting *starting = context;
    struct process *process = starting->process;
    struct child *child = &process->child;
    int error = starting->error;
    *child = starting->child;
    mem_free(starting);
    process->spawning = false;
    enum status s = outcome->status;
    if (s == STATUS_OK) s = turn_watch(turn, child->output, EPOLLIN, on_output, process);
    if (s == STATUS_OK) s = turn_watch(turn, child->pidfd, EPOLLIN, on_end, process);
    if (s != STATUS_OK) {
        child_signal(child, SIGKILL);
        if (child->pid) waitpid(child->pid, NULL, 0);
        child->pid = 0;
        turn_unwatch(turn, child->output);
        child_forget(child);
        not_started(process, error, turn);
    } else if (process->state == STOPPING) {
        child_signal(child, SIGTERM); /* it was to stop meanwhile */
    } else if (process->spec->ready == CLUSTER_SPAWNED) {
        seems_ready(process, turn);
    }
    (void)actor;
}

static void start(struct process *process, struct turn *turn) {
    struct starting *starting = mem_alloc(sizeof *starting);
    process->life++;
    process->started_us = turn_now_us(turn);
    process->state = STARTING;
    if (!starting) {
        not_started(process, ENOMEM, turn);
        return;
    }
    *starting = (struct starting){.process = process,
                                  .spec = process->spec,
                                  .program = process->supervisor->options->program,
                                  .cage = process->cage,
                                  .child = process->child};
    process->spawning = true;
    after(process, (uint64_t)process->spec->ready_ms * MS, too_late, turn);
    turn_block(turn, &(struct block){.work = start_work,
                                     .done = started,
                                     .abandon = start_abandoned,
                                     .context = starting});
}

/* --- ending --- */

/* With the kernel's reason, when it ended it for want of memory. */
static void note_end(struct process *process, const struct child_end *end) {
    unsigned long long killed = cage_killed(&process->cage);
    snprintf(process->last_exit, sizeof process->last_exit, "%s%s", end->words,
             killed > process->cage_kills ? ": out of cgroup_memory" : "");
    process->cage_kills = killed;
}

static void on_end(void *actor, void *context, uint32_t events, struct turn *turn) {
    struct process *process = context;
    struct child_end end;
    (void)events;
    if (!child_ended(&process->child, &end)) return;
    read_output(process);
    output_end(&process->output);
    turn_unwatch(turn, process->child.pidfd);
    turn_unwatch(turn, process->child.output);
    child_forget(&process->child);
    stop_timer(&process->timer, turn);
    stop_timer(&process->watchdog, turn);
    note_end(process, &end);
    if (process->state != STOPPING) {
        fell(process, end.good, turn);
    } else if (process->wanted) {
        start(process, turn);
    } else {
        process->state = STOPPED;
        output_say(&process->output, "%s", process->last_exit);
    }
    pump(actor, turn);
}

static void begin_stop(struct process *process, struct turn *turn) {
    process->state = STOPPING;
    stop_timer(&process->watchdog, turn);
    child_signal(&process->child, SIGTERM);
    after(process, (uint64_t)process->spec->stop_ms * MS, kill_now, turn);
}

static void finish(struct supervisor *self, struct turn *turn) {
    Done done = DONE__INIT;
    if (self->over) return;
    self->over = true;
    if (self->stop_owed) turn_resolve(turn, &self->stop_promise, &done.base);
    self->stop_owed = false;
    end_roll(self, STATUS_CANCELLED, "the supervisor stops", turn);
    self->options->over(self->options->context, self->code);
}

static void pump(struct supervisor *self, struct turn *turn) {
    for (uint32_t i = 0; i < self->n; i++) {
        struct process *process = &self->processes[self->order[i]];
        bool up = process->state == STARTING || process->state == READY;
        if (process->wanted && process->state == WAITING && those_before_are_ready(process))
            start(process, turn);
        else if (!process->wanted && up && !is_needed(process))
            begin_stop(process, turn);
        else if (!process->wanted && !runs(process) && process->state != STOPPED) {
            stop_timer(&process->timer, turn);
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

/* The next of those that are rolled; the process at roll_at is the one under way. */
static void roll_next(struct supervisor *self, struct turn *turn) {
    while (self->roll_at < self->n &&
           !is_called(&self->processes[self->order[self->roll_at]], self->roll_name))
        self->roll_at++;
    if (self->roll_at == self->n) {
        self->roll_at = 0;
        end_roll(self, STATUS_OK, "", turn);
        return;
    }
    struct process *process = rolled(self);
    process->wanted = true;
    if (process->state == STARTING || process->state == READY) {
        begin_stop(process, turn);
    } else if (!runs(process)) {
        stop_timer(&process->timer, turn);
        start(process, turn);
    }
}

/* --- what is asked of it --- */

#define SUPERVISOR_ACCEPTS(X) \
    X(struct supervisor, SupervisorAsk, supervisor_ask, on_ask) \
    X(struct supervisor, SupervisorRoll, supervisor_roll, on_roll) \
    X(struct supervisor, SupervisorReload, supervisor_reload, on_reload) \
    X(struct supervisor, SupervisorStop, supervisor_stop, on_stop)
ACTOR_HANDLERS(supervisor_handlers, SUPERVISOR_ACCEPTS);

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
    row->uptime_ms = process->child.pid ? (now_us - process->started_us) / MS : 0;
    row->restarts = process->restarts;
    row->spent = allowance_spent(&process->allowance, spec, now_us);
    row->intensity = spec->intensity;
    row->rss_bytes = resident_bytes(process->child.pid);
    row->last_exit = process->last_exit;
    row->lost_lines = process->output.lost;
    row->ready_ms = process->was_ready ? process->ready_us / MS : 0;
    row->after = turn_alloc(turn, (spec->n_after + 1) * sizeof *row->after);
    for (uint32_t i = 0; row->after && i < spec->n_after; i++)
        row->after[row->n_after++] =
            (char *)process->supervisor->processes[spec->after[i]].spec->name;
    return row;
}

static enum status on_ask(struct supervisor *self, const SupervisorAsk *ask, struct turn *turn) {
    (void)ask;
    SupervisorReport *report = turn_new(turn, SupervisorReport, supervisor_report);
    report->file = (char *)self->options->file;
    report->uptime_ms = (turn_now_us(turn) - self->began_us) / MS;
    report->doing = self->stopping      ? "stopping"
                    : self->rolling     ? "rolling"
                    : !self->told_ready ? "starting"
                                        : "running";
    report->processes = turn_alloc(turn, self->n * sizeof *report->processes);
    if (!report->processes) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for the report");
    for (uint32_t i = 0; i < self->n; i++)
        report->processes[report->n_processes++] = row_of(&self->processes[i], turn);
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
        any |= is_called(&self->processes[i], roll->name);
    if (!any || strlen(roll->name) > CLUSTER_NAME_MAX)
        return turn_fail(turn, STATUS_NOT_FOUND, "no process and no group is called \"%s\"",
                         roll->name);
    snprintf(self->roll_name, sizeof self->roll_name, "%s", roll->name);
    self->rolling = self->roll_owed = true;
    self->roll_at = 0;
    self->roll_promise = turn_defer(turn);
    roll_next(self, turn);
    return STATUS_OK;
}

static enum status
on_reload(struct supervisor *self, const SupervisorReload *reload, struct turn *turn) {
    (void)reload, (void)turn;
    for (uint32_t i = 0; i < self->n; i++)
        child_signal(&self->processes[i].child, SIGHUP);
    return STATUS_OK;
}

static enum status on_stop(struct supervisor *self, const SupervisorStop *stop, struct turn *turn) {
    (void)stop;
    if (self->stop_owed) return turn_fail(turn, STATUS_BUSY, "it stops already");
    self->stop_promise = turn_defer(turn);
    self->stop_owed = true;
    output_say(&self->own, "stopping");
    stop_all(self, turn);
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

static enum status open_process(struct supervisor *self, uint32_t i, struct turn *turn) {
    struct process *process = &self->processes[i];
    enum status s = child_open(&process->child, i);
    if (s != STATUS_OK) return turn_fail(turn, s, "notify socket: %s", strerror(errno));
    struct buffer why;
    buffer_init(&why);
    s = cage_open(process->spec, &process->cage, &why);
    if (s != STATUS_OK)
        s = turn_fail(turn, s, "%s: %.*s", process->spec->name, (int)why.size,
                      why.size ? (const char *)why.data : "");
    buffer_free(&why);
    if (s != STATUS_OK) return s;
    return turn_watch(turn, process->child.notify, EPOLLIN, on_news, process);
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
        enum status s = open_process(self, i, turn);
        if (s != STATUS_OK) return s;
    }
    order(self);
    if (notify_watchdog_us()) bark(self, NULL, turn);
    pump(self, turn);
    return STATUS_OK;
}

/* Without a stop before: the node is torn down. */
static void supervisor_close(void *actor) {
    struct supervisor *self = actor;
    for (uint32_t i = 0; i < self->n; i++) {
        struct child *child = &self->processes[i].child;
        child_signal(child, SIGKILL);
        if (child->pid) waitpid(child->pid, NULL, 0);
        child_close(child);
        cage_close(&self->processes[i].cage);
    }
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
