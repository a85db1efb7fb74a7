/* crew: between two rounds of tasks all wait at a barrier. */
#include "cli/index/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct member {
    struct crew *crew;
    struct index_bulk_worker *worker; /* owned */
    pthread_t thread;
};

struct crew {
    struct index_bulk *bulk; /* owned */
    unsigned n;
    struct member members[CREW_MAX];
    pthread_barrier_t barrier;
    _Atomic uint32_t next;
    uint32_t n_tasks; /* 0: the end */
};

static void run_tasks(const struct member *member) {
    struct crew *crew = member->crew;
    for (uint32_t task; (task = atomic_fetch_add(&crew->next, 1)) < crew->n_tasks;)
        index_bulk_run(member->worker, task);
}

static void *serve(void *context) {
    struct member *member = context;
    for (;;) {
        pthread_barrier_wait(&member->crew->barrier);
        if (member->crew->n_tasks == 0) return NULL;
        run_tasks(member);
        pthread_barrier_wait(&member->crew->barrier);
    }
}

static void free_all(struct crew *crew) {
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
    if (s == STATUS_OK && pthread_barrier_init(&crew->barrier, NULL, wanted) != 0)
        s = STATUS_NO_MEMORY;
    if (s != STATUS_OK) {
        free_all(crew);
        return s;
    }
    for (unsigned i = 1; i < crew->n; i++)
        if (pthread_create(&crew->members[i].thread, NULL, serve, &crew->members[i]) != 0)
            abort(); /* those that run wait for it at the barrier */
    *out = crew;
    return STATUS_OK;
}

void crew_close(struct crew *crew) {
    if (!crew) return;
    crew->n_tasks = 0;
    if (crew->n > 1) pthread_barrier_wait(&crew->barrier);
    for (unsigned i = 1; i < crew->n; i++)
        pthread_join(crew->members[i].thread, NULL);
    pthread_barrier_destroy(&crew->barrier);
    free_all(crew);
}

static void run_round(struct crew *crew) {
    atomic_store(&crew->next, 0);
    pthread_barrier_wait(&crew->barrier);
    run_tasks(&crew->members[0]);
    pthread_barrier_wait(&crew->barrier);
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
