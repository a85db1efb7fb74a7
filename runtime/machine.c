/* machine: reads the kernel's small files with plain system calls, so that it works, and costs the
 * same, when the heap is exhausted. */
#include "runtime/machine.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 16384 }; /* memory.stat of version 1 has some 2 KiB */

struct machine_files machine_files(void) {
    return (struct machine_files){
        .groups = "/proc/self/cgroup",
        .cgroup = "/sys/fs/cgroup",
        .ram_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE),
    };
}

/* The file as a text, cut at FILE_MAX - 1. */
static bool read_file(const char *path, char text[FILE_MAX]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t used = 0;
    ssize_t n = 1;
    while (n > 0 && used < FILE_MAX - 1) {
        n = read(fd, text + used, FILE_MAX - 1 - used);
        if (n > 0) used += (size_t)n;
    }
    close(fd);
    text[used] = '\0';
    return n >= 0;
}

/* A file with one number. False also for "max". */
static bool read_number(const char *folder, const char *name, uint64_t *out) {
    char path[FILE_MAX], text[FILE_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return read_file(path, text) && sscanf(text, "%" SCNu64, out) == 1;
}

/* --- control groups
 * -------------------------------------------------------------------------------------- */

/* Looks at the folder root/group and at all between it and root. A container may see its own group
 * as the root of the files, under a path that exists outside only: missing folders are passed. */
static void look_up(struct machine_group *best, const char *root, char *group, bool first) {
    for (;;) {
        char folder[sizeof best->path];
        int n = snprintf(folder, sizeof folder, "%s%s", root, group);
        uint64_t limit;
        bool fits = n > 0 && (size_t)n < sizeof folder;
        if (fits && read_number(folder, first ? "memory.limit_in_bytes" : "memory.max", &limit) &&
            limit < best->limit) {
            memcpy(best->path, folder, (size_t)n + 1);
            best->first = first;
            best->limit = limit;
        }
        char *slash = strrchr(group, '/');
        if (!slash) return;
        *slash = '\0';
    }
}

static bool has_word(const char *list, const char *word) {
    size_t size = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += size) {
        bool begins = at == list || at[-1] == ',';
        if (begins && (at[size] == '\0' || at[size] == ',')) return true;
    }
    return false;
}

/* A line is number:controllers:/path, number and controllers 0 and "" in version 2. */
static void
look_at_line(const struct machine_files *files, char *line, struct machine_group *best) {
    char root[sizeof best->path];
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return;
    *controllers++ = '\0';
    *group++ = '\0';
    bool first = has_word(controllers, "memory");
    if (!first && *controllers) return;
    snprintf(root, sizeof root, "%s%s", files->cgroup, first ? "/memory" : "");
    look_up(best, root, group, first);
}

void machine_group(const struct machine_files *files, struct machine_group *out) {
    char text[FILE_MAX], *rest = NULL;
    *out = (struct machine_group){.limit = files->ram_bytes};
    if (!read_file(files->groups, text)) return;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        look_at_line(files, line, out);
}

/* The number behind a key that begins a line. */
static uint64_t value_of(const char *text, const char *key) {
    size_t size = strlen(key);
    for (const char *at = text; (at = strstr(at, key)); at += size)
        if ((at == text || at[-1] == '\n') && at[size] == ' ') return strtoull(at + size, NULL, 10);
    return 0;
}

bool machine_group_used(const struct machine_group *group, uint64_t *out) {
    static const char *const giving[2][4] = {
        {"inactive_file", "active_file", "slab_reclaimable", NULL},
        {"total_inactive_file", "total_active_file", NULL}};
    const char *usage = group->first ? "memory.usage_in_bytes" : "memory.current";
    char path[FILE_MAX], text[FILE_MAX];
    uint64_t used;
    snprintf(path, sizeof path, "%s/memory.stat", group->path);
    if (!read_file(path, text) || !read_number(group->path, usage, &used)) return false;
    for (const char *const *key = giving[group->first]; *key; key++) {
        uint64_t gives = value_of(text, *key);
        used -= gives < used ? gives : used;
    }
    *out = used;
    return true;
}

/* --- this process
 * ---------------------------------------------------------------------------------------- */

uint32_t machine_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (uint32_t)CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN); /* more cores than the set can tell */
    return n > 0 ? (uint32_t)n : 1;
}

uint64_t machine_memory(void) {
    const struct machine_files files = machine_files();
    struct machine_group group;
    machine_group(&files, &group);
    return group.limit;
}

bool machine_used(uint64_t *out) {
    char text[FILE_MAX];
    uint64_t resident, shared; /* in pages; shared are those of files and shared memory */
    if (!read_file("/proc/self/statm", text) ||
        sscanf(text, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2)
        return false;
    *out = (resident > shared ? resident - shared : 0) * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}
