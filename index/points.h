/* points: what is known of each slot besides its edges: the vector, the number, the id, and whether
 * it is live. Grown and published by the appender; a slot is reused only after its last reader
 * left, so everything but the live bit is constant for whoever may look.
 *
 * The live bit is set after the slot is written and cleared by its removal: it is what makes a
 * point a result. */
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
    const char *id;   /* in the arena */
    uint32_t handoff; /* list link: handoff.h */
    uint32_t chain;   /* hash link: numbers.h */
    uint16_t id_size;
};

struct points {
    struct metric metric;
    struct slots vectors;
    struct slots records; /* struct point */
    struct slots live;    /* words of 64 slots; written by the appender only */
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

static inline float *points_vector(const struct points *points, uint32_t slot) {
    return slots_at(&points->vectors, slot);
}

static inline struct point *points_at(const struct points *points, uint32_t slot) {
    return slots_at(&points->records, slot);
}

/* 64 live bits, of the slots from word * 64 on. */
static inline uint64_t points_live_word(const struct points *points, uint32_t word) {
    const _Atomic uint64_t *at = slots_at(&points->live, word);
    return atomic_load_explicit(at, memory_order_acquire);
}

static inline bool points_live(const struct points *points, uint32_t slot) {
    return points_live_word(points, slot / 64) >> (slot % 64) & 1;
}

#endif
