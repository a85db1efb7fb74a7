/* memory: malloc behind a counter and a failure hook. Two relaxed atomics a call. */
#include "runtime/memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAPPED_MIN = 4 << 20, /* larger blocks are mapped one by one and leave no hole behind */
    TOP_MAX = 8 << 20,    /* free bytes at the end of an arena */
};

typedef void (*mem_watch_fn)(size_t bytes);

static _Atomic uint64_t made;
static _Atomic uint64_t freed;
static _Atomic uint64_t fail_at;
static _Atomic(mem_watch_fn) watching;

/* True when this allocation must fail. Counting starts anew with mem_fail_at. */
static int fails(void) {
    atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (__builtin_expect(at == 0, 1)) return 0;
    return atomic_fetch_sub_explicit(&fail_at, 1, memory_order_relaxed) == 1;
}

static void watched(size_t bytes) {
    mem_watch_fn watch = atomic_load_explicit(&watching, memory_order_relaxed);
    if (__builtin_expect(watch != NULL, 0)) watch(bytes);
}

/* A failed allocation never existed. */
static void *counted(void *memory) {
    if (!memory) atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
    return memory;
}

void *mem_alloc(size_t size) {
    watched(size);
    return counted(fails() ? NULL : malloc(size ? size : 1));
}

void *mem_zero(size_t count, size_t size) {
    watched(count * size);
    return counted(fails() ? NULL : calloc(count ? count : 1, size ? size : 1));
}

void *mem_resize(void *memory, size_t size) {
    if (!memory) return mem_alloc(size);
    watched(size);
    void *moved = counted(fails() ? NULL : realloc(memory, size ? size : 1));
    if (moved) atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
    return moved;
}

void *mem_aligned(size_t alignment, size_t size) {
    void *memory = NULL;
    watched(size);
    if (fails() || posix_memalign(&memory, alignment, size ? size : 1) != 0) memory = NULL;
    return counted(memory);
}

void *mem_copy(const void *bytes, size_t size) {
    void *copy = mem_alloc(size);
    if (copy && size) memcpy(copy, bytes, size);
    return copy;
}

char *mem_string(const char *text) {
    return mem_copy(text, strlen(text) + 1);
}

void mem_free(void *memory) {
    if (!memory) return;
    atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
    free(memory);
}

void mem_settle(void) {
    mallopt(M_MMAP_THRESHOLD, MAPPED_MIN); /* also ends its growing by itself */
    mallopt(M_TRIM_THRESHOLD, TOP_MAX);
}

void mem_trim(void) {
    malloc_trim(0);
}

void mem_fail_at(uint64_t nth) {
    atomic_store(&fail_at, nth);
}

struct mem_count mem_counted(void) {
    uint64_t gone = atomic_load(&freed);
    uint64_t all = atomic_load(&made);
    return (struct mem_count){.alive = all - gone, .made = all};
}

void mem_watch(void (*watch)(size_t)) {
    atomic_store(&watching, watch);
}
