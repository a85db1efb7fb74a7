/* machine: what this process may use of the computer it runs on, and what it uses now. The memory
 * limits of control groups are respected: of its own group and of all above it, v1 and v2, in the
 * place where Linux mounts them. Any thread; nothing is kept between two calls. */
#ifndef RUNTIME_MACHINE_H
#define RUNTIME_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/* The kernel's files, for tests that bring their own. */
struct machine_files {
    const char *groups; /* "/proc/self/cgroup" */
    const char *cgroup; /* "/sys/fs/cgroup" */
    uint64_t ram_bytes; /* of the machine */
};
/* The real ones. */
struct machine_files machine_files(void);

/* The tightest control group with a memory limit below the machine's RAM. */
struct machine_group {
    char path[4096]; /* its folder; "": none limits us */
    bool first;      /* of version 1: its files have other names */
    uint64_t limit;
};
void machine_group(const struct machine_files *files, struct machine_group *out);
/* What the processes of the group use together, without the page cache, which gives way. False:
 * the kernel does not tell. */
bool machine_group_used(const struct machine_group *group, uint64_t *out);

/* Cores this process may run on, at least 1. */
uint32_t machine_cores(void);
/* Bytes it may use: RAM, or what its control groups allow. */
uint64_t machine_memory(void);
/* Bytes of its own that are in RAM now: not the files it maps. False: the kernel does not tell.
 * Some 5 us. */
bool machine_used(uint64_t *out);

#endif
