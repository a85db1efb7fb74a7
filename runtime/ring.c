/* ring: published by its head, without a lock.
 *
 *     records   … n-1 │ n ← being written        head = n
 *                      └─ holds record n - size until then
 *
 * A reader copies, then looks at the head again: what the writer may have touched meanwhile, number
 * head - size and below, is thrown away. All words are atomic, so a torn record is a wrong value
 * and never a data race. */
#include "runtime/ring.h"

#include <string.h>

#include "runtime/memory.h"

enum status ring_open(struct ring *ring, uint32_t records) {
    memset(ring, 0, sizeof *ring);
    if (records == 0) return STATUS_OK;
    uint64_t size = 2;
    while (size < records && size < RING_MAX)
        size *= 2;
    ring->records = mem_aligned(RING_RECORD, size * sizeof *ring->records);
    if (!ring->records) return STATUS_NO_MEMORY;
    ring->mask = size - 1;
    return STATUS_OK;
}

void ring_close(struct ring *ring) {
    mem_free(ring->records);
    memset(ring, 0, sizeof *ring);
}

static void copy(const struct ring *ring, uint64_t number, uint64_t out[RING_WORDS]) {
    const struct ring_record *record = &ring->records[number & ring->mask];
    for (int i = 0; i < RING_WORDS; i++)
        out[i] = atomic_load_explicit(&record->words[i], memory_order_acquire);
}

bool ring_back(const struct ring *ring, uint64_t nth, uint64_t out[RING_WORDS]) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (!ring->records || nth >= head || nth > ring->mask) return false;
    copy(ring, head - 1 - nth, out);
    return true;
}

/* The oldest record that no write under way can touch. */
static uint64_t oldest(const struct ring *ring) {
    uint64_t head = ring_head(ring);
    return head > ring->mask ? head - ring->mask : 0;
}

size_t ring_read(const struct ring *ring,
                 uint64_t *from,
                 uint64_t out[RING_COPY][RING_WORDS],
                 uint64_t *lost) {
    if (!ring->records) return 0;
    uint64_t first = oldest(ring);
    if (*from < first) {
        *lost += first - *from;
        *from = first;
    }
    uint64_t end = ring_head(ring);
    if (end - *from > RING_COPY) end = *from + RING_COPY;
    size_t n = (size_t)(end - *from);
    for (size_t i = 0; i < n; i++)
        copy(ring, *from + i, out[i]);
    uint64_t safe = oldest(ring);
    size_t torn = safe > *from ? (size_t)(safe - *from) : 0;
    if (torn > n) torn = n;
    *lost += torn;
    *from = end;
    if (torn > 0) memmove(out[0], out[torn], (n - torn) * sizeof out[0]);
    return n - torn;
}
