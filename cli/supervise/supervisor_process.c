/* supervisor_process: one process, from its start to its end.
 *
 *     start ─▶ posix_spawn (blocking pool) ─▶ STARTING ─▶ READY=1, /readyz answers ─▶ READY
 *                                               │ too late: SIGKILL      silent: SIGABRT │
 *     restarted at once, after a backoff, or never ◀── fell ◀── its pidfd: it ended ─────┘
 */
#include "cli/supervise/supervisor_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/supervise/probe.h"
#include "runtime/memory.h"

enum {
    READ_MAX = 64 * 1024, /* of one pipe in one turn */
    PROBE_EVERY_US = 100 * SUPERVISOR_MS,
    ABORT_US = 2000 * SUPERVISOR_MS, /* a process that hangs may take that long to die of SIGABRT */
};

static void on_end(void *actor, void *context, uint32_t events, struct turn *turn);

/* --- small things --- */

bool process_runs(const struct process *process) {
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

void process_stop_timer(struct process *process, struct turn *turn) {
    stop_timer(&process->timer, turn);
}

/* --- being ready --- */

static void starve(void *actor, void *context, struct turn *turn);

static void watch_over(struct process *process, struct turn *turn) {
    stop_timer(&process->watchdog, turn);
    if (process->spec->watchdog_ms)
        process->watchdog =
            turn_timer(turn, (uint64_t)process->spec->watchdog_ms * SUPERVISOR_MS, starve, process);
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
    stop_timer(&process->timer, turn);
    process->state = READY;
    process->was_ready = true;
    process->ready_us = turn_now_us(turn) - process->started_us;
    watch_over(process, turn);
    roll_ready(process, turn);
    supervisor_pump(process->supervisor, turn);
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
        if (!process_runs(process)) continue; /* of a life before */
        if (has_line(news, "READY=1") && process->spec->ready == CLUSTER_NOTIFY)
            seems_ready(process, turn);
        if (has_line(news, "WATCHDOG=1") && process->state == READY) watch_over(process, turn);
    }
}

/* --- opening and closing --- */

enum status process_open(struct process *process, uint32_t number, struct turn *turn) {
    enum status s = child_open(&process->child, number);
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

void process_close(struct process *process) {
    child_signal(&process->child, SIGKILL);
    if (process->child.pid) waitpid(process->child.pid, NULL, 0);
    child_close(&process->child);
    cage_close(&process->cage);
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
    roll_fell(process, "ends again and again", turn);
    self->code = 1;
    supervisor_stop_all(self, turn);
}

static void start_again(void *actor, void *context, struct turn *turn) {
    struct process *process = context;
    (void)actor;
    process->timer = 0;
    process_start(process, turn);
}

/* It ended by itself, or could not be started. */
static void fell(struct process *process, bool good, struct turn *turn) {
    enum restart policy = process->spec->restart;
    uint64_t delay_us = 0;
    roll_fell(process, process->last_exit, turn);
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
                   (unsigned long long)delay_us / SUPERVISOR_MS);
    else
        output_say(&process->output, "%s; restarted", process->last_exit);
    if (delay_us)
        after(process, delay_us, start_again, turn);
    else
        process_start(process, turn);
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
    supervisor_pump(process->supervisor, turn);
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

void process_start(struct process *process, struct turn *turn) {
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
    after(process, (uint64_t)process->spec->ready_ms * SUPERVISOR_MS, too_late, turn);
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
        process_start(process, turn);
    } else {
        process->state = STOPPED;
        output_say(&process->output, "%s", process->last_exit);
    }
    supervisor_pump(actor, turn);
}

void process_stop(struct process *process, struct turn *turn) {
    process->state = STOPPING;
    stop_timer(&process->watchdog, turn);
    child_signal(&process->child, SIGTERM);
    after(process, (uint64_t)process->spec->stop_ms * SUPERVISOR_MS, kill_now, turn);
}
