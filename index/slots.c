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
    ALIGN = 64,
    PAGE_ALIGN = 4096,     /* of pages, so that a file of them can be mapped */
    PAGE_BYTES = 16 << 10, /* of a page, at least */
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

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; older headers do not have it */
#endif

/* On a boundary of huge pages: the unaligned ends of a larger mapping go back. */
static void *map_aligned(size_t bytes) {
    char *memory = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    size_t before = (size_t)(-(uintptr_t)memory & (HUGE_PAGE - 1));
    if (before) munmap(memory, before);
    if (before != HUGE_PAGE) munmap(memory + before + bytes, HUGE_PAGE - before);
    return memory + before;
}

static void *segment_new(size_t bytes) {
    if (bytes < HEAP_MAX) {
        void *memory = mem_aligned(ALIGN, bytes);
        if (memory) memset(memory, 0, bytes);
        return memory;
    }
    if (bytes >= HUGE_PAGE) return map_aligned(bytes);
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

/* A power of two of slots that is a whole number of the file system's pages. */
void slots_track(struct slots *slots) {
    assert(slots->capacity == 0);
    slots->tracked = true;
    slots->shift = 0;
    if (slots->stride == 0) return;
    while ((slots->stride << slots->shift) % PAGE_ALIGN != 0 ||
           (slots->stride << slots->shift) < PAGE_BYTES)
        slots->shift++;
}

size_t slots_segment_bytes(const struct slots *slots, unsigned segment) {
    return segment_bytes(slots, segment);
}

bool slots_is_mapped(const struct slots *slots, unsigned segment) {
    return segment_bytes(slots, segment) >= HEAP_MAX;
}

void slots_reset(struct slots *slots) {
    for (unsigned s = 0; slots->capacity > first_slot(s); s++) {
        uintptr_t memory = slots->base[s] + (uintptr_t)first_slot(s) * slots->stride;
        segment_free((void *)memory, segment_bytes(slots, s));
        mem_free(slots->pages[s]);
    }
    bool tracked = slots->tracked;
    slots_init(slots, slots->stride);
    if (tracked) slots_track(slots);
}

static size_t n_pages(const struct slots *slots, unsigned segment) {
    uint64_t n = end_slot(segment) - first_slot(segment);
    return (size_t)((n + (UINT64_C(1) << slots->shift) - 1) >> slots->shift);
}

/* Wishes: kernels that do not know them are right too, and those before 6.1 make huge pages of what
 * is written already in their own time. */
static void ask_huge(void *memory, size_t bytes, bool written) {
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    if (written) (void)madvise(memory, bytes, MADV_COLLAPSE);
}

/* Huge pages for what n slots fill; nothing was written yet to the slots from `fresh` on. */
static void widen(struct slots *slots, uint64_t n, uint64_t fresh) {
    while (n >= slots->full_at) {
        unsigned s = slots->wide_segment;
        uint64_t first = first_slot(s), end = end_slot(s) < n ? end_slot(s) : n;
        size_t full = (size_t)(end - first) * slots->stride / HUGE_PAGE * HUGE_PAGE;
        if (full > slots->wide_bytes) {
            char *memory = slots_at(slots, (uint32_t)first);
            ask_huge(memory + slots->wide_bytes, full - slots->wide_bytes, first < fresh);
            slots->wide_bytes = full;
        }
        if (n >= end_slot(s)) {
            slots->wide_segment++;
            slots->wide_bytes = 0;
        }
        s = slots->wide_segment;
        size_t next = slots->wide_bytes + HUGE_PAGE + slots->stride - 1;
        slots->full_at = first_slot(s) + next / slots->stride;
        if (slots->full_at > end_slot(s)) slots->full_at = end_slot(s);
    }
}

enum status slots_grow(struct slots *slots, uint64_t n) {
    uint64_t fresh = slots->capacity;
    assert(n <= SLOTS_MAX);
    while (slots->capacity < n) {
        unsigned segment = 0;
        while (first_slot(segment) < slots->capacity || (segment == 0 && slots->capacity > 0))
            segment++;
        void *memory = segment_new(segment_bytes(slots, segment));
        if (!memory) return STATUS_NO_MEMORY;
        if (slots->tracked) {
            slots->pages[segment] = mem_zero(n_pages(slots, segment), sizeof(struct slots_page));
            if (!slots->pages[segment]) {
                segment_free(memory, segment_bytes(slots, segment));
                return STATUS_NO_MEMORY;
            }
        }
        slots->base[segment] = (uintptr_t)memory - (uintptr_t)first_slot(segment) * slots->stride;
        slots->capacity = end_slot(segment);
    }
    if (n >= slots->full_at) widen(slots, n, fresh);
    return STATUS_OK;
}

/* --- pages
 * ------------------------------------------------------------------------------------------------
 */

struct slots_piece slots_piece(const struct slots *slots, uint32_t slot, uint32_t n) {
    unsigned segment = slots_segment(slot);
    uint32_t start = slots_first(segment), mask = (UINT32_C(1) << slots->shift) - 1;
    uint32_t first = start + ((slot - start) & ~mask);
    uint64_t end = (uint64_t)first + mask + 1;
    if (end > slots_end(segment)) end = slots_end(segment);
    uint32_t used = n < end ? n : (uint32_t)end;
    return (struct slots_piece){
        .first = first,
        .end = (uint32_t)end,
        .page = slots_page(slots, slot),
        .memory = slots_at(slots, first),
        .size = (size_t)(used - first) * slots->stride,
    };
}

/* The writer comes before the saver: it copies the page for it. */
static void keep_image(struct slots *slots, struct slots_page *page, uint32_t slot) {
    struct slots_images *images = slots->images;
    struct slots_piece piece = slots_piece(slots, slot, SLOTS_MAX);
    struct slots_image *image = mem_alloc(sizeof *image + piece.size);
    if (!image) {
        atomic_store_explicit(&images->lost, true, memory_order_relaxed);
        return;
    }
    memcpy(image->bytes, piece.memory, piece.size);
    image->page = page;
    image->next = atomic_load_explicit(&images->first, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&images->first, &image->next, image,
                                                  memory_order_release, memory_order_relaxed))
        continue;
}

void slots_touch_slowly(struct slots *slots, struct slots_page *page, uint32_t slot) {
    for (;;) {
        uint8_t state = atomic_load_explicit(&page->state, memory_order_acquire);
        if (state == SLOTS_DIRTY) return;
        if (state == SLOTS_BUSY) continue; /* a page is copied in a microsecond */
        uint8_t next = state == SLOTS_PENDING ? SLOTS_BUSY : SLOTS_DIRTY;
        if (!atomic_compare_exchange_weak_explicit(&page->state, &state, next, memory_order_acquire,
                                                   memory_order_relaxed))
            continue;
        if (next == SLOTS_DIRTY) return;
        keep_image(slots, page, slot);
        atomic_store_explicit(&page->state, SLOTS_DIRTY, memory_order_release);
        return;
    }
}
