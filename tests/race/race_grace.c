/* race_grace SECONDS: one shard that replaces numbers and takes those nobody needs, three searches
 * that ask for them, for ThreadSanitizer; it also proves what searches are promised. Number n is
 * replaced by entry n + 1, so whatever is said can be judged. Now and then all are taken, so that
 * the flag which saves searches the lock goes down and up again all the while. */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "actors/grace.h"
#include "runtime/rng.h"

enum { RING = 4096, OLD_MAX = RING / 2, LOOKS = 16, REACH = 200, BATCH = 32, SEARCHES = 3 };

static struct grace grace;
static _Atomic uint64_t applied;
static _Atomic uint64_t in_index[RING]; /* the number at its place; 0: it was removed */
static _Atomic uint64_t n_searches, n_replaced, n_drained;
static atomic_bool stop;

static void fail(const char *what, uint64_t number) {
    fprintf(stderr, "race_grace: %s (number %" PRIu64 ")\n", what, number);
    _exit(1);
}

static bool is_in(uint64_t number) {
    return atomic_load(&in_index[number % RING]) == number;
}

static uint64_t take(void) {
    uint64_t numbers[BATCH], taken = 0;
    size_t n;
    while ((n = grace_take(&grace, numbers, BATCH)) > 0)
        for (size_t i = 0; i < n; i++, taken++) {
            if (!is_in(numbers[i])) fail("taken twice", numbers[i]);
            atomic_store(&in_index[numbers[i] % RING], 0);
        }
    return taken;
}

static void *write_points(void *unused) {
    uint64_t n_old = 0;
    atomic_store(&in_index[1], 1);
    atomic_store(&applied, 1);
    for (uint64_t number = 2; !atomic_load(&stop); number++) {
        atomic_store(&in_index[number % RING], number);
        if (grace_replace(&grace, number - 1, number) != STATUS_OK) fail("replace", number);
        n_old++;
        atomic_store(&applied, number);
        if (number % 8 == 0) n_old -= take();
        bool drain = number % 1024 == 0;
        while ((drain ? !grace_empty(&grace) : n_old > OLD_MAX) && !atomic_load(&stop)) {
            n_old -= take();
            sched_yield();
        }
        atomic_fetch_add(&n_drained, drain);
    }
    return unused;
}

/* One that is in the index after it was looked up was there all the time. */
static void look(uint64_t number, uint64_t seen) {
    uint64_t replaced = grace_replaced(&grace, number);
    if (replaced != 0 && replaced != number + 1) fail("replaced by another entry", number);
    if (replaced == 0 && number < seen && is_in(number)) fail("stands though replaced", number);
    atomic_fetch_add(&n_replaced, replaced != 0);
}

static void *search(void *seed) {
    struct rng rng;
    rng_init(&rng, (uint64_t)(uintptr_t)seed);
    while (!atomic_load(&stop)) {
        uint32_t phase = grace_enter(&grace);
        uint64_t seen = atomic_load_explicit(&applied, memory_order_acquire);
        for (int i = 0; i < LOOKS && seen > REACH; i++)
            look(seen - rng_below(&rng, REACH), seen);
        if (seen > 0 && !is_in(seen)) fail("gone though a search may need it", seen);
        grace_leave(&grace, phase);
        atomic_fetch_add(&n_searches, 1);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[1 + SEARCHES];
    if (grace_init(&grace) != STATUS_OK) fail("no memory", 0);
    pthread_create(&threads[0], NULL, write_points, NULL);
    for (uintptr_t i = 0; i < SEARCHES; i++)
        pthread_create(&threads[1 + i], NULL, search, (void *)(i + 1));
    sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 5);
    atomic_store(&stop, true);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        pthread_join(threads[i], NULL);
    grace_reset(&grace);
    printf("%" PRIu64 " numbers, all taken %" PRIu64 " times, %" PRIu64 " searches, %" PRIu64
           " found replaced\n",
           atomic_load(&applied), atomic_load(&n_drained), atomic_load(&n_searches),
           atomic_load(&n_replaced));
    if (atomic_load(&n_replaced) == 0) fail("no search met a replaced number", 0);
    return 0;
}
