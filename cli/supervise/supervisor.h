/* supervisor: the actor that runs a cluster's processes.
 *
 *     WAITING ──▶ STARTING ──▶ READY ──▶ STOPPING ──▶ STOPPED
 *        ▲           │           │          │
 *        │           └─ ended ───┴──▶ BACKOFF ──▶ STARTING …      beyond the intensity: all stop,
 *        └────────────────── roll ──────────┘                     the supervisor ends with 1
 *
 * One is WAITING until those it comes after are READY; that holds for the first start only. What
 * it accepts: schemas/internal/supervisor.proto. It watches descriptors (pipes, pidfds), so it runs
 * on real lanes only, and its lane's thread is the parent of all processes. */
#ifndef CLI_SUPERVISE_SUPERVISOR_H
#define CLI_SUPERVISE_SUPERVISOR_H

#include "cli/supervise/cluster.h"
#include "runtime/actor.h"

struct supervisor_options {
    const struct cluster *cluster; /* borrowed */
    const char *file;              /* its name, for people */
    const char *program;           /* this binary */
    /* All processes are down, and the supervisor is to end with this exit code. On the lane. */
    void (*over)(void *context, int code);
    /* All processes were told to read their keys and certificates again: so is the supervisor's own
     * process. On the lane. */
    void (*reload)(void *context);
    void *context;
};
/* options: struct supervisor_options; never restarted. */
extern const struct actor_type supervisor_type;

#endif
