/* slots: segments from the heap while small, from mmap when large; large ones ask for huge pages,
 * because a graph search jumps and a miss of the translation costs as much as one of the cache. */
#include "index/slots.h"

#include <string.h>
#include <sys/mman.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum {
    HEAP_MAX = 256 << 10, /* bytes; below it lazily mapped pages save nothing */
    HUGE_PAGE = 2 << 20,
    HUGE_MIN = 4 << 20, /* bytes of a segment from which rounding to huge pages is small change */
    ALIGN = 64,
};

static uint64_t first_slot(unsigned segment) {
    return segment == 0 ? 0 : UINT64_C(1) << (SLOTS_FIRST_BITS + segment - 1);
}

static uint64_t end_slot(unsigned segment) {
    return UINT64_C(1) << (SLOTS_FIRST_BITS + segment);
}

static size_t segment_bytes(const struct slots *slots, unsigned segment) {
    return (size_t)(end_slot(segment) - first_slot(segment)) * slots->stride;
}

/* Whole huge pages, on their boundary: the unaligned ends of a larger mapping go back. */
static void *map_huge(size_t bytes) {
    char *memory = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    size_t before = (size_t)(-(uintptr_t)memory & (HUGE_PAGE - 1));
    if (before) munmap(memory, before);
    if (before != HUGE_PAGE) munmap(memory + before + bytes, HUGE_PAGE - before);
    (void)madvise(memory + before, bytes,
                  MADV_HUGEPAGE); /* a wish: kernels without it are right too */
    return memory + before;
}

static void *segment_new(size_t bytes, bool seldom) {
    if (bytes < HEAP_MAX) {
        void *memory = mem_aligned(ALIGN, bytes);
        if (memory) memset(memory, 0, bytes);
        return memory;
    }
    if (bytes >= HUGE_MIN && !seldom) return map_huge(bytes);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void segment_free(void *memory, size_t bytes) {
    if (bytes < HEAP_MAX)
        mem_free(memory);
    else
        munmap(memory, bytes);
}

void slots_init(struct slots *slots, size_t stride) {
    *slots = (struct slots){.stride = stride};
}

void slots_reset(struct slots *slots) {
    for (unsigned s = 0; slots->capacity > first_slot(s); s++) {
        uintptr_t memory = slots->base[s] + (uintptr_t)first_slot(s) * slots->stride;
        segment_free((void *)memory, segment_bytes(slots, s));
    }
    slots_init(slots, slots->stride);
}

enum status slots_grow(struct slots *slots, uint64_t n) {
    assert(n <= SLOTS_MAX);
    while (slots->capacity < n) {
        unsigned segment = 0;
        while (first_slot(segment) < slots->capacity || (segment == 0 && slots->capacity > 0))
            segment++;
        void *memory = segment_new(segment_bytes(slots, segment), slots->seldom);
        if (!memory) return STATUS_NO_MEMORY;
        slots->base[segment] = (uintptr_t)memory - (uintptr_t)first_slot(segment) * slots->stride;
        slots->capacity = end_slot(segment);
    }
    return STATUS_OK;
}
