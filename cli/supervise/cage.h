/* cage: control groups of the kernel (cgroups) around one process and all that it starts: a bound
 * on its memory and on its processor time.
 *
 *     version 2   OURS/vectron-PID-NAME   memory.max, memory.swap.max, cpu.max
 *     version 1   OURS/vectron-PID-NAME   memory.limit_in_bytes       in the hierarchy of memory
 *                 OURS/vectron-PID-NAME   cpu.cfs_quota_us            in that of cpu
 *
 * OURS is the group that the supervisor (PID) runs in; it must be allowed to make groups there:
 * root, or a systemd unit with Delegate=yes. Files only: nothing is asked of systemd. */
#ifndef CLI_SUPERVISE_CAGE_H
#define CLI_SUPERVISE_CAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/supervise/cluster.h"
#include "runtime/buffer.h"

enum { CAGE_FOLDERS = 2, CAGE_PATH_MAX = 512 };

struct cage {
    size_t n; /* 0: no bound is wanted */
    char folders[CAGE_FOLDERS][CAGE_PATH_MAX];
};

/* Makes the groups that the process's limits want. DENIED, NOT_FOUND, IO: why says which file, and
 * what to do; nothing is left of them. */
MUST_USE enum status
cage_open(const struct cluster_process *process, struct cage *out, struct buffer *why);
/* Takes the groups away; their processes have ended. */
void cage_close(struct cage *cage);
/* The folders, one behind the other with ':' between, for cage_enter in the new process. */
void cage_list(const struct cage *cage, char *out, size_t size);
/* Moves the calling process in. False: errno says why. */
bool cage_enter(const char *list);
/* How many processes the kernel has killed in there for want of memory. */
unsigned long long cage_killed(const struct cage *cage);

/* The folder of our group for this controller ("memory", "cpu"), out of what /proc/self/mountinfo
 * and /proc/self/cgroup say; `second`: it is one of version 2. False: there is none. */
struct cage_place {
    char folder[CAGE_PATH_MAX];
    bool second;
};
bool cage_find(const char *mounts,
               const char *groups,
               const char *controller,
               struct cage_place *out);

#endif
