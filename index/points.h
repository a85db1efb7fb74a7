/* points: what is known of each slot besides its edges and its vector: the number, the id, and
 * whether it is live. Grown and published by the appender; a slot is reused only after its last
 * reader left, so everything but the bits is constant for whoever may look.
 *
 * The live bit is set after the slot is written and cleared by its removal: it is what makes a
 * point a result. The placed bit is the linker's: set after the vector is in the store (store.h),
 * cleared before the slot is free. */
#ifndef INDEX_POINTS_H
#define INDEX_POINTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "index/ids.h"
#include "index/metric.h"
#include "index/slots.h"

enum { SLOT_NONE = 0xffffffff };

struct point {
    uint64_t number;
    uint64_t id : 48; /* address in the arena; no address of a process has more bits */
    uint64_t id_size : 16;
    uint32_t handoff; /* list link: handoff.h */
    uint32_t chain;   /* hash link: numbers.h */
};

struct points {
    struct metric metric;
    struct slots records; /* struct point */
    struct slots live;    /* words of 64 slots; written by the appender only */
    struct slots placed;  /* the same, written by the linker only */
    struct ids ids;
    _Atomic uint32_t n_slots; /* ever used */
    _Atomic uint32_t n_live;
};

void points_init(struct points *points, enum index_metric metric, uint32_t dimension);
void points_reset(struct points *points);
/* Memory for n slots in all. */
MUST_USE enum status points_grow(struct points *points, uint64_t n);
/* Fills a slot nobody looks at; not live yet. NO_MEMORY for the id. */
MUST_USE enum status
points_write(struct points *points, uint32_t slot, const struct index_point *point);
void points_set_live(struct points *points, uint32_t slot, bool live);
void points_set_placed(struct points *points, uint32_t slot, bool placed);

static inline struct point *points_at(const struct points *points, uint32_t slot) {
    return slots_at(&points->records, slot);
}

static inline const char *point_id(const struct point *point) {
    return (const char *)(uintptr_t)point->id;
}

/* 64 live bits, of the slots from word * 64 on. */
static inline uint64_t points_live_word(const struct points *points, uint32_t word) {
    const _Atomic uint64_t *at = slots_at(&points->live, word);
    return atomic_load_explicit(at, memory_order_acquire);
}

/* 64 bits of those that are live and in the store. */
static inline uint64_t points_found_word(const struct points *points, uint32_t word) {
    const _Atomic uint64_t *at = slots_at(&points->placed, word);
    return points_live_word(points, word) & atomic_load_explicit(at, memory_order_acquire);
}

/* Linker. */
static inline bool points_placed(const struct points *points, uint32_t slot) {
    const _Atomic uint64_t *at = slots_at(&points->placed, slot / 64);
    return atomic_load_explicit(at, memory_order_relaxed) >> (slot % 64) & 1;
}

static inline bool points_live(const struct points *points, uint32_t slot) {
    return points_live_word(points, slot / 64) >> (slot % 64) & 1;
}

#endif
