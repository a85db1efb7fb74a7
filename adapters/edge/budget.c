/* budget: one atomic counter. A process has one memory, so it has one budget. */
#include "adapters/edge/budget.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/assert.h"

#define BUDGET_MAX ((uint64_t)1 << 30)
enum { CGROUP_PATH_MAX = 4096 };

static _Atomic uint64_t size;
static _Atomic uint64_t used;

/* A number in a file; files that are not there or say "max" set no limit. */
static uint64_t limit_in(const char *path) {
    uint64_t limit = UINT64_MAX;
    FILE *file = fopen(path, "re");
    if (!file) return limit;
    if (fscanf(file, "%" SCNu64, &limit) != 1) limit = UINT64_MAX;
    fclose(file);
    return limit;
}

/* The tightest memory.max from the process's group up to the root (cgroup v2). */
static uint64_t limit_of_group(char *group) {
    uint64_t limit = UINT64_MAX;
    for (;;) {
        char path[CGROUP_PATH_MAX + 64];
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
        uint64_t here = limit_in(path);
        if (here < limit) limit = here;
        char *slash = strrchr(group, '/');
        if (!slash) return limit;
        *slash = 0;
    }
}

static uint64_t group_limit(void) {
    uint64_t limit = limit_in("/sys/fs/cgroup/memory/memory.limit_in_bytes"); /* v1 */
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[CGROUP_PATH_MAX];
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "0::", 3) != 0) continue;
        line[strcspn(line, "\n")] = 0;
        uint64_t here = limit_of_group(line + 3);
        if (here < limit) limit = here;
    }
    if (file) fclose(file);
    return limit;
}

uint64_t budget_memory(void) {
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t group = group_limit();
    return group < memory ? group : memory;
}

void budget_init(uint64_t bytes) {
    if (bytes == 0) {
        bytes = budget_memory() / 4;
        if (bytes > BUDGET_MAX) bytes = BUDGET_MAX;
    }
    uint64_t unset = 0;
    atomic_compare_exchange_strong(&size, &unset, bytes);
}

bool budget_take(size_t bytes) {
    uint64_t limit = budget_size();
    uint64_t now = atomic_load_explicit(&used, memory_order_relaxed);
    do {
        bool fits = bytes <= limit && now <= limit - bytes;
        if (!fits && bytes > BUDGET_SMALL) return false;
    } while (!atomic_compare_exchange_weak_explicit(&used, &now, now + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void budget_give(size_t bytes) {
    uint64_t before = atomic_fetch_sub_explicit(&used, bytes, memory_order_relaxed);
    assert(before >= bytes);
}

uint64_t budget_size(void) {
    return atomic_load_explicit(&size, memory_order_relaxed);
}

uint64_t budget_used(void) {
    return atomic_load_explicit(&used, memory_order_relaxed);
}
