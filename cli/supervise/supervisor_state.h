/* supervisor_state: what the parts of the supervisor share: supervisor.c (what is wanted, what it
 * is asked), supervisor_process.c (one process from its start to its end), supervisor_roll.c (one
 * after the other), supervisor_report.c (its status). */
#ifndef CLI_SUPERVISE_SUPERVISOR_STATE_H
#define CLI_SUPERVISE_SUPERVISOR_STATE_H

#include "cli/supervise/allowance.h"
#include "cli/supervise/child.h"
#include "cli/supervise/output.h"
#include "cli/supervise/supervisor.h"
#include "schemas/supervisor.pb-c.h"

enum { SUPERVISOR_MS = 1000 }; /* in microseconds */

enum process_state { WAITING, STARTING, READY, STOPPING, BACKOFF, STOPPED };

struct process {
    struct supervisor *supervisor;
    const struct cluster_process *spec;
    struct child child;
    struct cage cage;
    unsigned long long cage_kills; /* told so far */
    struct output output;
    struct allowance allowance;
    enum process_state state;
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

/* --- supervisor.c --- */
/* Brings what is nearer to what is wanted; whenever something changed. */
void supervisor_pump(struct supervisor *self, struct turn *turn);
void supervisor_stop_all(struct supervisor *self, struct turn *turn);

/* --- supervisor_process.c --- */
bool process_runs(const struct process *process);
/* Its notify socket, watched, and its control group; turn_fail's words. */
MUST_USE enum status process_open(struct process *process, uint32_t number, struct turn *turn);
/* Ends it as it stands. */
void process_close(struct process *process);
void process_start(struct process *process, struct turn *turn);
/* SIGTERM, and SIGKILL when its time is up. */
void process_stop(struct process *process, struct turn *turn);
/* There is nothing to wait for in its state any more. */
void process_stop_timer(struct process *process, struct turn *turn);

/* --- supervisor_roll.c --- */
/* Begins to restart those of this name ("": all), one after the other; the turn's request is
 * answered at the end. */
void roll_begin(struct supervisor *self, const char *name, struct turn *turn);
/* The present one became ready, fell, or all is over; nothing when it is not the one. */
void roll_ready(struct process *process, struct turn *turn);
void roll_fell(struct process *process, const char *why, struct turn *turn);
void roll_cancel(struct supervisor *self, struct turn *turn);
bool roll_names(const struct process *process, const char *name);

/* --- supervisor_report.c --- */
/* In the turn's arena; NULL: no memory. */
SupervisorReport *report_make(struct supervisor *self, struct turn *turn);

#endif
