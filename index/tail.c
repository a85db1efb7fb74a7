/* tail: positions only grow; position p lives in ring[p & mask]. A reader cannot stop the ring from
 * turning, so it checks after copying that no position it copied was being reused; `reserved` moves
 * before the first cell is written, and cells are written with release, so who saw a reused cell
 * also sees that. */
#include "index/tail.h"

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum status tail_init(struct tail *tail, uint32_t limit) {
    assert(limit >= 1);
    uint32_t size = 1;
    while (size <= limit + limit / 4) /* slack: a copy is rarely overtaken */
        size *= 2;
    tail->ring = mem_zero(size, sizeof *tail->ring);
    if (!tail->ring) return STATUS_NO_MEMORY;
    tail->mask = size - 1;
    tail->limit = limit;
    atomic_init(&tail->head, 0);
    atomic_init(&tail->end, 0);
    atomic_init(&tail->reserved, 0);
    return STATUS_OK;
}

void tail_reset(struct tail *tail) {
    mem_free((void *)tail->ring);
    tail->ring = NULL;
}

size_t tail_size(const struct tail *tail) {
    uint64_t head = atomic_load_explicit(&tail->head, memory_order_acquire);
    return (size_t)(atomic_load_explicit(&tail->end, memory_order_acquire) - head);
}

size_t tail_room(const struct tail *tail) {
    size_t size = tail_size(tail);
    return size < tail->limit ? tail->limit - size : 0;
}

void tail_push(struct tail *tail, struct cell *const *cells, size_t n) {
    assert(n <= tail_room(tail));
    uint64_t end = atomic_load_explicit(&tail->end, memory_order_relaxed);
    atomic_store_explicit(&tail->reserved, end + n, memory_order_relaxed);
    for (size_t i = 0; i < n; i++)
        atomic_store_explicit(&tail->ring[(end + i) & tail->mask], cells[i], memory_order_release);
    atomic_store_explicit(&tail->end, end + n, memory_order_release);
}

struct cell *tail_first(const struct tail *tail) {
    uint64_t head = atomic_load_explicit(&tail->head, memory_order_relaxed);
    if (head == atomic_load_explicit(&tail->end, memory_order_acquire)) return NULL;
    return atomic_load_explicit(&tail->ring[head & tail->mask], memory_order_relaxed);
}

void tail_pop(struct tail *tail) {
    uint64_t head = atomic_load_explicit(&tail->head, memory_order_relaxed);
    atomic_store_explicit(&tail->head, head + 1, memory_order_release);
}

size_t tail_copy(const struct tail *tail, struct cell **out) {
    for (;;) {
        uint64_t head = atomic_load_explicit(&tail->head, memory_order_acquire);
        uint64_t end = atomic_load_explicit(&tail->end, memory_order_acquire);
        if (end - head > tail->limit) continue; /* head is older than end by a whole tail */
        for (uint64_t p = head; p < end; p++)
            out[p - head] = atomic_load_explicit(&tail->ring[p & tail->mask], memory_order_acquire);
        uint64_t reserved = atomic_load_explicit(&tail->reserved, memory_order_acquire);
        if (reserved - head <= (uint64_t)tail->mask + 1) return (size_t)(end - head);
    }
}
