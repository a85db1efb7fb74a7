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
    cr_expect_eq(runqueue_read(&queue).waited_us, 0, "not opened");
    cr_expect_not(runqueue_is_ready(&queue), "nobody knows");
    runqueue_open(&queue);
    if (atomic_load(&queue.file) == 0) return; /* a kernel that does not tell */

    uint64_t began = clock_kernel_us(), waited = runqueue_read(&queue).waited_us;
    nanosleep(&(struct timespec){.tv_nsec = WORK_US * 1000}, NULL);
    uint64_t late = clock_kernel_us() - began - WORK_US; /* the wake-up may have to wait */
    cr_expect_leq(runqueue_read(&queue).waited_us - waited, late + 1000, "sleeping is not waiting");

    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0); /* of this thread, and so of rivals */
    pthread_t rivals[RIVALS];
    for (int i = 0; i < RIVALS; i++)
        cr_assert_eq(pthread_create(&rivals[i], NULL, spin, NULL), 0);
    began = clock_kernel_us();
    waited = runqueue_read(&queue).waited_us;
    uint64_t worked = cpu_us();
    while (cpu_us() - worked < WORK_US)
        continue;
    uint64_t passed = clock_kernel_us() - began, mine = cpu_us() - worked;
    waited = runqueue_read(&queue).waited_us - waited;
    atomic_store(&over, true);
    for (int i = 0; i < RIVALS; i++)
        pthread_join(rivals[i], NULL);
    cr_expect_gt(waited, passed / 3, "%lu of %lu us", (unsigned long)waited, (unsigned long)passed);
    cr_expect_leq(waited + mine, passed + passed / 10);
    runqueue_close(&queue);
    cr_expect_eq(runqueue_read(&queue).waited_us, 0);
}

/* A thread that waits to be let go on. */
struct sleeper {
    struct runqueue queue;
    pthread_barrier_t began;
    pthread_mutex_t gate;
};

static void *sleep_at_gate(void *context) {
    struct sleeper *sleeper = context;
    runqueue_open(&sleeper->queue);
    pthread_barrier_wait(&sleeper->began);
    pthread_mutex_lock(&sleeper->gate);
    pthread_mutex_unlock(&sleeper->gate);
    return NULL;
}

Test(runqueue, knows_who_is_ready) {
    struct runqueue mine = {0};
    runqueue_open(&mine);
    if (atomic_load(&mine.file) == 0) return; /* a kernel that does not tell */
    cr_expect(runqueue_is_ready(&mine), "it runs");
    struct sleeper sleeper = {.gate = PTHREAD_MUTEX_INITIALIZER};
    pthread_barrier_init(&sleeper.began, NULL, 2);
    pthread_mutex_lock(&sleeper.gate);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, sleep_at_gate, &sleeper), 0);
    pthread_barrier_wait(&sleeper.began);
    while (runqueue_is_ready(&sleeper.queue)) /* until it sleeps at the gate */
        sched_yield();
    pthread_mutex_unlock(&sleeper.gate);
    pthread_join(thread, NULL);
    cr_expect_not(runqueue_is_ready(&sleeper.queue), "it is gone");
    runqueue_close(&sleeper.queue);
    runqueue_close(&mine);
}
