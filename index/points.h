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
    uint32_t id;      /* first cell + 1 (ids.h); 0: none */
    uint32_t id_size; /* bytes */
};

/* Not kept in files: made anew from what is. */
struct point_links {
    uint32_t handoff; /* list link: handoff.h */
    uint32_t chain;   /* hash link: numbers.h */
};

struct points {
    struct metric metric;
    struct slots records; /* struct point */
    struct slots links;   /* struct point_links */
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
/* Gives up the id of such a slot, if it has one. */
void points_forget(struct points *points, uint32_t slot);
void points_set_live(struct points *points, uint32_t slot, bool live);
void points_set_placed(struct points *points, uint32_t slot, bool placed);

static inline struct point *points_at(const struct points *points, uint32_t slot) {
    return slots_at(&points->records, slot);
}

static inline struct point_links *points_links(const struct points *points, uint32_t slot) {
    return slots_at(&points->links, slot);
}

struct point_id {
    const char *data;
    uint32_t size; /* 0: a record of a file that lies */
};

static inline struct point_id points_id(const struct points *points, const struct point *point) {
    if (!ids_is_valid(&points->ids, point->id - 1, point->id_size)) return (struct point_id){"", 0};
    return (struct point_id){ids_at(&points->ids, point->id - 1), point->id_size};
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
