/* runqueue: how long a thread was ready to run and had no core, as the kernel counts it. It tells a
 * turn that is long from one that was only interrupted. */
#ifndef RUNTIME_RUNQUEUE_H
#define RUNTIME_RUNQUEUE_H

#include <stdatomic.h>
#include <stdint.h>

struct runqueue {
    atomic_int file; /* descriptor + 1; 0: not opened, or the kernel does not tell */
};

/* Of the calling thread. */
void runqueue_open(struct runqueue *queue);
void runqueue_close(struct runqueue *queue);
/* Since the thread began; 0 where it is not known. Any thread. */
uint64_t runqueue_waited_us(const struct runqueue *queue);

#endif
