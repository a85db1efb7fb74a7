/* heap: see the header. */
#include "replication/heap.h"

#include <pthread.h>
#include <raft.h>

#include "runtime/memory.h"

#include "runtime/poison.h"

static char batch;

void *heap_batch(void) {
    return &batch;
}

static void *take(void *data, size_t size) {
    (void)data;
    return mem_alloc(size);
}

static void give(void *data, void *memory) {
    (void)data;
    if (memory != &batch) mem_free(memory);
}

static void *take_zeroed(void *data, size_t count, size_t size) {
    (void)data;
    return mem_zero(count, size);
}

static void *resize(void *data, void *memory, size_t size) {
    (void)data;
    return mem_resize(memory, size);
}

static void *take_aligned(void *data, size_t alignment, size_t size) {
    (void)data;
    return mem_aligned(alignment, size);
}

static void give_aligned(void *data, size_t alignment, void *memory) {
    (void)data, (void)alignment;
    mem_free(memory);
}

static void set(void) {
    static struct raft_heap heap = {NULL,   take,         give,        take_zeroed,
                                    resize, take_aligned, give_aligned};
    raft_heap_set(&heap);
}

void heap_use(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set);
}
