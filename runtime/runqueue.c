/* runqueue: /proc/thread-self/schedstat, three numbers: ns on a core, ns waiting for one, turns. */
#include "runtime/runqueue.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_SIZE = 96 };

void runqueue_open(struct runqueue *queue) {
    atomic_store(&queue->file, open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC) + 1);
}

void runqueue_close(struct runqueue *queue) {
    int file = atomic_exchange(&queue->file, 0);
    if (file > 0) close(file - 1);
}

uint64_t runqueue_waited_us(const struct runqueue *queue) {
    char line[LINE_SIZE] = "";
    uint64_t ran_ns = 0, waited_ns = 0;
    int file = atomic_load(&queue->file);
    if (file <= 0 || pread(file - 1, line, sizeof line - 1, 0) <= 0) return 0;
    if (sscanf(line, "%" SCNu64 " %" SCNu64, &ran_ns, &waited_ns) != 2) return 0;
    return waited_ns / 1000;
}
