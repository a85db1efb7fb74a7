/* blocking: one queue under a lock; a piece of work costs a disk's time, so the lock does not show.
 */
#include "runtime/blocking.h"

#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/host.h"
#include "runtime/memory.h"
#include "runtime/turn_state.h"

struct blocking_thread {
    struct blocking *blocking;
    pthread_t thread;
};

static struct parcel *take(struct blocking *blocking) {
    pthread_mutex_lock(&blocking->lock);
    while (!blocking->first && !blocking->closing)
        pthread_cond_wait(&blocking->more, &blocking->lock);
    struct parcel *parcel = blocking->first;
    if (parcel) {
        blocking->first = parcel->next;
        if (!blocking->first) blocking->last = NULL;
        blocking->waiting--;
    }
    pthread_mutex_unlock(&blocking->lock);
    return parcel;
}

static void *run(void *context) {
    struct blocking_thread *thread = context;
    struct blocking *blocking = thread->blocking;
    struct parcel *parcel;
    pthread_setname_np(pthread_self(), "blocking");
    while ((parcel = take(blocking))) {
        struct work work;
        memcpy(&work, parcel->room, sizeof work);
        work.status = work.block.work(work.block.context);
        memcpy(parcel->room, &work, sizeof work);
        core_send(&blocking->node->core, NULL, parcel);
    }
    return NULL;
}

enum status blocking_open(struct blocking *blocking, struct node *node, uint32_t threads) {
    *blocking = (struct blocking){.node = node};
    blocking->threads = mem_zero(threads, sizeof *blocking->threads);
    if (!blocking->threads) return STATUS_NO_MEMORY;
    pthread_mutex_init(&blocking->lock, NULL);
    pthread_cond_init(&blocking->more, NULL);
    for (; blocking->n_threads < threads; blocking->n_threads++) {
        struct blocking_thread *thread = &blocking->threads[blocking->n_threads];
        thread->blocking = blocking;
        if (pthread_create(&thread->thread, NULL, run, thread) != 0) return STATUS_QUOTA;
    }
    return STATUS_OK;
}

void blocking_close(struct blocking *blocking) {
    if (!blocking->threads) return;
    pthread_mutex_lock(&blocking->lock);
    blocking->closing = true;
    pthread_cond_broadcast(&blocking->more);
    pthread_mutex_unlock(&blocking->lock);
    for (uint32_t i = 0; i < blocking->n_threads; i++)
        pthread_join(blocking->threads[i].thread, NULL);
    assert(!blocking->first);
    mem_free(blocking->threads);
    pthread_mutex_destroy(&blocking->lock);
    pthread_cond_destroy(&blocking->more);
    *blocking = (struct blocking){0};
}

bool blocking_put(struct blocking *blocking, struct parcel *parcel) {
    pthread_mutex_lock(&blocking->lock);
    bool fits = blocking->waiting < BLOCKING_WAITING_MAX;
    if (fits) {
        parcel->next = NULL;
        if (blocking->last)
            blocking->last->next = parcel;
        else
            blocking->first = parcel;
        blocking->last = parcel;
        blocking->waiting++;
        pthread_cond_signal(&blocking->more);
    }
    pthread_mutex_unlock(&blocking->lock);
    return fits;
}
