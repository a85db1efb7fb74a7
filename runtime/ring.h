/* ring: the newest records of one lane: what the flight recorder writes down and the collector
 * drains. One thread writes and never waits; any thread copies. A record is one cache line; its
 * words mean something to runtime/span.h only. */
#ifndef RUNTIME_RING_H
#define RUNTIME_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

enum {
    RING_WORDS = 8,
    RING_RECORD = RING_WORDS * 8, /* bytes */
    RING_DEFAULT = 16384,         /* records */
    RING_MAX = 1 << 22,
    RING_COPY = 256, /* records that ring_read gives at most */
};

struct ring_record {
    _Atomic uint64_t words[RING_WORDS];
};

struct ring {
    struct ring_record *records; /* owned; NULL: nothing is recorded */
    uint64_t mask;
    _Atomic uint64_t head; /* records ever written */
};

/* Room for `records`, rounded up to a power of two; 0: a ring that records nothing. NO_MEMORY. The
 * pages are touched as they fill. */
MUST_USE enum status ring_open(struct ring *ring, uint32_t records);
void ring_close(struct ring *ring);

/* On the writer's thread, while ring->records. The stores are releases so that no word of a record
 * is seen before the head of the one before it: a reader that saw half of it knows (ring.c). */
static inline void ring_put(struct ring *ring, const uint64_t words[RING_WORDS]) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    struct ring_record *record = &ring->records[head & ring->mask];
    for (int i = 0; i < RING_WORDS; i += 4) { /* by fours: compilers leave the loop as it is */
        atomic_store_explicit(&record->words[i], words[i], memory_order_release);
        atomic_store_explicit(&record->words[i + 1], words[i + 1], memory_order_release);
        atomic_store_explicit(&record->words[i + 2], words[i + 2], memory_order_release);
        atomic_store_explicit(&record->words[i + 3], words[i + 3], memory_order_release);
    }
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    __builtin_prefetch(&ring->records[(head + 2) & ring->mask], 1);
}

/* Copies up to RING_COPY records from number *from on, oldest first, moves *from behind them, and
 * returns how many there are; 0: no newer ones. *lost grows by what was overwritten before it could
 * be copied. Any thread. */
size_t ring_read(const struct ring *ring,
                 uint64_t *from,
                 uint64_t out[RING_COPY][RING_WORDS],
                 uint64_t *lost);
/* The nth newest record, from 0; false: overwritten, or there never were so many. On the writer's
 * thread. */
bool ring_back(const struct ring *ring, uint64_t nth, uint64_t out[RING_WORDS]);
/* Records written so far. Any thread. */
static inline uint64_t ring_head(const struct ring *ring) {
    return atomic_load_explicit(&ring->head, memory_order_acquire);
}

#endif
