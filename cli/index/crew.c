/* crew: between two rounds of tasks all meet at a gate. The steps between rounds take about a
 * millisecond: who waits stays awake as long, giving its core to whoever wants it. Asleep, it would
 * be woken on the core of who wakes it, and both would share that one until the kernel looks again:
 * a fifth of all time. */
#include "cli/index/crew.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { AWAKE_NS = 5000000 };

struct member {
    struct crew *crew;
    struct index_bulk_worker *worker; /* owned */
    pthread_t thread;
};

struct gate {
    unsigned n; /* who meet */
    _Atomic unsigned n_there;
    _Atomic uint32_t round; /* how often they met */
    pthread_mutex_t lock;
    pthread_cond_t met;
};

struct crew {
    struct index_bulk *bulk; /* owned */
    unsigned n;
    struct member members[CREW_MAX];
    struct gate gate;
    _Atomic uint32_t next;
    uint32_t n_tasks; /* 0: the end */
};

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool stays_awake(struct gate *gate, uint32_t round) {
    for (uint64_t start = now_ns(); now_ns() - start < AWAKE_NS; (void)sched_yield())
        if (atomic_load(&gate->round) != round) return true;
    return false;
}

/* Returns when all are there. */
static void meet(struct gate *gate) {
    uint32_t round = atomic_load(&gate->round);
    bool last = atomic_fetch_add(&gate->n_there, 1) + 1 == gate->n;
    if (!last && stays_awake(gate, round)) return;
    pthread_mutex_lock(&gate->lock);
    if (last) {
        atomic_store(&gate->n_there, 0);
        atomic_store(&gate->round, round + 1);
        pthread_cond_broadcast(&gate->met);
    }
    while (atomic_load(&gate->round) == round)
        pthread_cond_wait(&gate->met, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void run_tasks(const struct member *member) {
    struct crew *crew = member->crew;
    for (uint32_t task; (task = atomic_fetch_add(&crew->next, 1)) < crew->n_tasks;)
        index_bulk_run(member->worker, task);
}

static void *serve(void *context) {
    struct member *member = context;
    for (;;) {
        meet(&member->crew->gate);
        if (member->crew->n_tasks == 0) return NULL;
        run_tasks(member);
        meet(&member->crew->gate);
    }
}

static void free_all(struct crew *crew) {
    pthread_mutex_destroy(&crew->gate.lock);
    pthread_cond_destroy(&crew->gate.met);
    for (unsigned i = 0; i < crew->n; i++)
        index_bulk_worker_close(crew->members[i].worker);
    index_bulk_close(crew->bulk);
    free(crew);
}

enum status crew_open(struct index *index, unsigned n_threads, struct crew **out) {
    struct crew *crew = calloc(1, sizeof *crew);
    if (!crew) return STATUS_NO_MEMORY;
    unsigned wanted = n_threads < 1 ? 1 : n_threads > CREW_MAX ? CREW_MAX : n_threads;
    enum status s = index_bulk_open(index, &crew->bulk);
    for (; s == STATUS_OK && crew->n < wanted; crew->n++) {
        crew->members[crew->n].crew = crew;
        s = index_bulk_worker_open(crew->bulk, &crew->members[crew->n].worker);
        if (s != STATUS_OK) break;
    }
    crew->gate.n = wanted;
    pthread_mutex_init(&crew->gate.lock, NULL);
    pthread_cond_init(&crew->gate.met, NULL);
    if (s != STATUS_OK) {
        free_all(crew);
        return s;
    }
    for (unsigned i = 1; i < crew->n; i++)
        if (pthread_create(&crew->members[i].thread, NULL, serve, &crew->members[i]) != 0)
            abort(); /* those that run wait for it at the gate */
    *out = crew;
    return STATUS_OK;
}

void crew_close(struct crew *crew) {
    if (!crew) return;
    crew->n_tasks = 0;
    if (crew->n > 1) meet(&crew->gate);
    for (unsigned i = 1; i < crew->n; i++)
        pthread_join(crew->members[i].thread, NULL);
    free_all(crew);
}

static void run_round(struct crew *crew) {
    atomic_store(&crew->next, 0);
    meet(&crew->gate);
    run_tasks(&crew->members[0]);
    meet(&crew->gate);
}

enum status crew_link(struct crew *crew, bool *linked) {
    *linked = false;
    for (int round = 0; round < 2; round++) { /* searches, then edges */
        enum status s = index_bulk_next(crew->bulk, &crew->n_tasks);
        if (s != STATUS_OK || crew->n_tasks == 0) return s;
        run_round(crew);
    }
    *linked = true;
    return STATUS_OK;
}
