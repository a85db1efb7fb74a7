/* memory: the one door to the heap outside foreign libraries. Tests can make the nth allocation
 * fail; everything is counted. Any thread. */
#ifndef RUNTIME_MEMORY_H
#define RUNTIME_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Like malloc/calloc/realloc; NULL when there is no memory or a test said so. size 0 counts as 1.
 * The caller owns the result and gives it to mem_free. */
void *mem_alloc(size_t size) __attribute__((malloc, warn_unused_result));
void *mem_zero(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
void *mem_resize(void *memory, size_t size) __attribute__((warn_unused_result));
/* alignment: a power of two >= sizeof(void *). Freed by mem_free. */
void *mem_aligned(size_t alignment, size_t size) __attribute__((malloc, warn_unused_result));
char *mem_string(const char *text) __attribute__((malloc, warn_unused_result));
void *mem_copy(const void *bytes, size_t size) __attribute__((malloc, warn_unused_result));
/* NULL is fine. */
void mem_free(void *memory);

/* For servers, before the first thread: freed memory goes back to the kernel sooner than glibc
 * would by itself, which after one large upload keeps up to 64 MB in each of its arenas. */
void mem_settle(void);
/* Gives the heap's free pages back to the kernel, as far as it can. Milliseconds and more. */
void mem_trim(void);

/* From now on called with the bytes of each allocation, before it is made; NULL: nobody. For
 * profiles: it must not allocate. */
void mem_watch(void (*watch)(size_t bytes));

/* Test hook: the nth allocation of this process from now on returns NULL (0 = never). */
void mem_fail_at(uint64_t nth);
/* Allocations alive and made since start. Approximate while other threads run. */
struct mem_count {
    uint64_t alive;
    uint64_t made;
};
struct mem_count mem_counted(void);

#endif
