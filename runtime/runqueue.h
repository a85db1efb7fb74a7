/* runqueue: how long a thread was ready to run and had no core, as the kernel counts it. It tells a
 * turn that is long from one that was only interrupted. */
#ifndef RUNTIME_RUNQUEUE_H
#define RUNTIME_RUNQUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct runqueue {
    atomic_int file;   /* descriptor + 1; 0: not opened, or the kernel does not tell */
    atomic_int thread; /* the kernel's number */
};
struct runqueue_times { /* since the thread began; 0 where it is not known */
    uint64_t ran_us;
    uint64_t waited_us; /* a wait that lasts still is counted when it ends */
};

/* Of the calling thread. */
void runqueue_open(struct runqueue *queue);
void runqueue_close(struct runqueue *queue);
/* Any thread. */
struct runqueue_times runqueue_read(const struct runqueue *queue);
/* The thread has a core or waits for one; false: it sleeps, or nobody knows. Any thread. */
bool runqueue_is_ready(const struct runqueue *queue);

#endif
