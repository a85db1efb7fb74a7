/* cluster: what a cluster.toml says: processes, one for each instance, with everything filled in.
 * docs/supervise.md describes the file. Does not change once it was read. */
#ifndef CLI_SUPERVISE_CLUSTER_H
#define CLI_SUPERVISE_CLUSTER_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/buffer.h"
#include "runtime/status.h"
#include "runtime/turn.h"

enum {
    CLUSTER_PROCESSES_MAX = 256,
    CLUSTER_FILE_MAX = 1024 * 1024,
    CLUSTER_INTENSITY_MAX = 100,
    CLUSTER_NAME_MAX = 63,
};

enum cluster_ready {
    CLUSTER_NOTIFY,  /* it says READY=1 (sd_notify) */
    CLUSTER_SPAWNED, /* it runs */
};

/* All texts are owned by the cluster. */
struct cluster_process {
    const char *name;               /* "worker2" */
    const char *group;              /* "worker" */
    const char *const *argv;        /* ended by NULL */
    const char *const *environment; /* "KEY=value", ended by NULL */
    const char *folder;             /* to run in; "": ours */
    const uint32_t *after;          /* indexes of those that must be ready before it starts */
    uint32_t n_after;
    enum restart restart;
    uint32_t intensity; /* restarts allowed in period_ms */
    uint32_t period_ms, backoff_ms, backoff_max_ms;
    enum cluster_ready ready;
    const char *readyz; /* URL that must answer 200, then, too; "": none */
    uint32_t ready_ms, stop_ms;
    uint32_t watchdog_ms;   /* 0: none */
    uint64_t memory;        /* bytes; 0: no limit */
    uint64_t nofile;        /* 0: as ours */
    uint64_t cgroup_memory; /* bytes; 0: no limit */
    uint32_t cgroup_cpu;    /* percent of a core; 0: no limit */
    bool pinned;
    cpu_set_t cpus;
};

struct cluster {
    const char *link; /* of the supervisor */
    struct cluster_process *processes;
    uint32_t n;
};

/* program: what `role` runs, this binary. INVALID, NOT_FOUND, IO, NO_MEMORY: why says "FILE, line
 * N, KEY: …" and what is allowed. */
MUST_USE enum status
cluster_load(const char *path, const char *program, struct cluster **out, struct buffer *why);
MUST_USE enum status cluster_read(
    const char *text, size_t size, const char *program, struct cluster **out, struct buffer *why);
void cluster_free(struct cluster *cluster); /* NULL is fine */

/* "0-3,8" */
bool cluster_cpus(const char *text, cpu_set_t *out);

#endif
