/* Time without a core, on one core that several threads want. */
#include "runtime/runqueue.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <time.h>

#include "runtime/clock.h"

enum { RIVALS = 3, WORK_US = 100 * 1000 };

static atomic_bool over;

static uint64_t cpu_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void *spin(void *context) {
    while (!atomic_load(&over))
        continue;
    return context;
}

Test(runqueue, counts_waiting_for_a_core_and_nothing_else) {
    struct runqueue queue = {0};
    cr_expect_eq(runqueue_waited_us(&queue), 0, "not opened");
    runqueue_open(&queue);
    if (atomic_load(&queue.file) == 0) return; /* a kernel that does not tell */

    uint64_t began = clock_kernel_us(), waited = runqueue_waited_us(&queue);
    nanosleep(&(struct timespec){.tv_nsec = WORK_US * 1000}, NULL);
    uint64_t late = clock_kernel_us() - began - WORK_US; /* the wake-up may have to wait */
    cr_expect_leq(runqueue_waited_us(&queue) - waited, late + 1000, "sleeping is not waiting");

    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0); /* of this thread, and so of rivals */
    pthread_t rivals[RIVALS];
    for (int i = 0; i < RIVALS; i++)
        cr_assert_eq(pthread_create(&rivals[i], NULL, spin, NULL), 0);
    began = clock_kernel_us();
    waited = runqueue_waited_us(&queue);
    uint64_t worked = cpu_us();
    while (cpu_us() - worked < WORK_US)
        continue;
    uint64_t passed = clock_kernel_us() - began, mine = cpu_us() - worked;
    waited = runqueue_waited_us(&queue) - waited;
    atomic_store(&over, true);
    for (int i = 0; i < RIVALS; i++)
        pthread_join(rivals[i], NULL);
    cr_expect_gt(waited, passed / 3, "%lu of %lu us", (unsigned long)waited, (unsigned long)passed);
    cr_expect_leq(waited + mine, passed + passed / 10);
    runqueue_close(&queue);
    cr_expect_eq(runqueue_waited_us(&queue), 0);
}
