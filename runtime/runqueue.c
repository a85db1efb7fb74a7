/* runqueue: /proc/thread-self/schedstat, three numbers: ns on a core, ns waiting for one, turns;
 * and the state in /proc/self/task/N/stat, behind the name in brackets: R when it is ready or runs.
 */
#include "runtime/runqueue.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINE_SIZE = 96 };

void runqueue_open(struct runqueue *queue) {
    atomic_store(&queue->file, open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC) + 1);
    atomic_store(&queue->thread, (int)syscall(SYS_gettid));
}

void runqueue_close(struct runqueue *queue) {
    int file = atomic_exchange(&queue->file, 0);
    if (file > 0) close(file - 1);
}

struct runqueue_times runqueue_read(const struct runqueue *queue) {
    char line[LINE_SIZE] = "";
    uint64_t ran_ns = 0, waited_ns = 0;
    int file = atomic_load(&queue->file);
    if (file <= 0 || pread(file - 1, line, sizeof line - 1, 0) <= 0)
        return (struct runqueue_times){0};
    if (sscanf(line, "%" SCNu64 " %" SCNu64, &ran_ns, &waited_ns) != 2)
        return (struct runqueue_times){0};
    return (struct runqueue_times){ran_ns / 1000, waited_ns / 1000};
}

bool runqueue_is_ready(const struct runqueue *queue) {
    char path[LINE_SIZE], line[LINE_SIZE] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load(&queue->thread));
    int file = atomic_load(&queue->file) > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return false;
    ssize_t size = read(file, line, sizeof line - 1);
    close(file);
    const char *name_end = size > 0 ? strrchr(line, ')') : NULL;
    return name_end && strncmp(name_end, ") R", 3) == 0;
}
