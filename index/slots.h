/* slots: an array by slot number that grows and never moves.
 *
 * Segment 0 holds 64 slots, every further one as many as all before it together: a reader finds
 * any slot with one count of leading zeros, a hundred slots cost a hundred, and nothing is reserved
 * that a larger neighbour could miss. Segments of megabytes are mapped, so pages nobody wrote cost
 * nothing.
 *
 * Of mapped segments, what is in use is in huge pages, as far as it fills them: the last part of an
 * array stays in small ones until it does, so that a page is rounded up to, and not two megabytes.
 *
 * Grown by one thread. Others may use a slot once they learnt its number through an acquire of what
 * the grower released.
 *
 * A tracked array knows which of its pages changed since they were saved. Who writes a slot touches
 * it first:
 *
 *     CLEAN ──touch──▶ DIRTY ──a save starts──▶ PENDING ──it copied the page──▶ CLEAN
 *                        ▲                         └──touch: its image is kept for the save──┐
 *                        └───────────────────────────────────────────────────────────────────┘
 *
 * So a save has every page as it was when it started, while writers go on (save.c). */
#ifndef INDEX_SLOTS_H
#define INDEX_SLOTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

enum {
    SLOTS_FIRST_BITS = 6,
    SLOTS_SEGMENTS = 25,
    SLOTS_MAX = 1 << 30, /* two bits of a u32 are left to the pool's flags */
};

enum slots_state { SLOTS_CLEAN, SLOTS_DIRTY, SLOTS_PENDING, SLOTS_BUSY /* being copied */ };

struct slots_page {
    _Atomic uint8_t state;
    uint32_t size; /* bytes of it in the file; this and the next two are the saver's */
    uint64_t at;   /* where; 0: it was never written, and is zero */
    uint64_t sum;
};

/* Pages as they were when a save started, of those that were written to before it came to them. */
struct slots_image {
    struct slots_image *next;
    struct slots_page *page; /* borrowed */
    unsigned char bytes[];
};
struct slots_images {
    struct slots_image *_Atomic first; /* owned */
    atomic_bool lost;                  /* there was no memory for one: the save is of no use */
};

struct slots {
    size_t stride;                  /* bytes of a slot */
    uint64_t capacity;              /* slots there is memory for */
    uint64_t full_at;               /* slots in use that fill the next huge page */
    unsigned wide_segment;          /* the one it is in … */
    size_t wide_bytes;              /* … and so many bytes before it */
    uintptr_t base[SLOTS_SEGMENTS]; /* address of slot 0, were the segment to reach down to it */
    unsigned shift;                 /* tracked: a page is 1 << shift slots, or a whole segment */
    struct slots_page *pages[SLOTS_SEGMENTS]; /* owned; tracked: of each segment */
    struct slots_images *images;              /* borrowed; of the save that runs */
    bool tracked;
};

void slots_init(struct slots *slots, size_t stride);
/* Of an empty array. */
void slots_track(struct slots *slots);
/* NULL pointers and half-grown ones are fine. */
void slots_reset(struct slots *slots);
/* Room for n slots; new ones read as zero. NO_MEMORY leaves what was there. */
MUST_USE enum status slots_grow(struct slots *slots, uint64_t n);

static inline unsigned slots_segment(uint32_t slot) {
    return 31 - (unsigned)__builtin_clz((slot >> SLOTS_FIRST_BITS) << 1 | 1);
}

static inline void *slots_at(const struct slots *slots, uint32_t slot) {
    return (void *)(slots->base[slots_segment(slot)] + (uintptr_t)slot * slots->stride);
}

static inline uint32_t slots_first(unsigned segment) {
    return segment == 0 ? 0 : UINT32_C(1) << (SLOTS_FIRST_BITS + segment - 1);
}

static inline uint32_t slots_end(unsigned segment) {
    return UINT32_C(1) << (SLOTS_FIRST_BITS + segment);
}

/* Bytes of a segment's memory; is it mapped, on page boundaries? */
size_t slots_segment_bytes(const struct slots *slots, unsigned segment);
bool slots_is_mapped(const struct slots *slots, unsigned segment);

/* --- of tracked arrays
 * ---------------------------------------------------------------------------------- */

void slots_touch_slowly(struct slots *slots, struct slots_page *page, uint32_t slot);

static inline struct slots_page *slots_page(const struct slots *slots, uint32_t slot) {
    unsigned segment = slots_segment(slot);
    return &slots->pages[segment][(slot - slots_first(segment)) >> slots->shift];
}

/* Before a slot is written to. */
static inline void slots_touch(struct slots *slots, uint32_t slot) {
    struct slots_page *page = slots_page(slots, slot);
    if (atomic_load_explicit(&page->state, memory_order_acquire) != SLOTS_DIRTY)
        slots_touch_slowly(slots, page, slot);
}

/* A page, as something to walk over: slots [first, end) of the first n. */
struct slots_piece {
    uint32_t first, end;
    struct slots_page *page;
    void *memory;
    size_t size; /* bytes of the slots below n */
};
/* The page that `slot`, below n, is in. */
struct slots_piece slots_piece(const struct slots *slots, uint32_t slot, uint32_t n);

#endif
