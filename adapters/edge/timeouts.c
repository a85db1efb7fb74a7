/* timeouts: a binary heap of pointers; each timeout knows its place, so that it can leave early. */
#include "adapters/edge/timeouts.h"

#include "runtime/assert.h"
#include "runtime/memory.h"

enum { TIMEOUTS_MIN = 64 };

void timeouts_init(struct timeouts *timeouts) {
    *timeouts = (struct timeouts){0};
}

void timeouts_free(struct timeouts *timeouts) {
    mem_free(timeouts->heap);
    timeouts_init(timeouts);
}

bool timeouts_reserve(struct timeouts *timeouts, size_t n) {
    if (n <= timeouts->capacity) return true;
    size_t capacity = timeouts->capacity ? timeouts->capacity : TIMEOUTS_MIN;
    while (capacity < n)
        capacity *= 2;
    struct timeout **heap = mem_resize(timeouts->heap, capacity * sizeof(struct timeout *));
    if (!heap) return false;
    timeouts->heap = heap;
    timeouts->capacity = capacity;
    return true;
}

static void place(struct timeouts *timeouts, struct timeout *timeout, size_t position) {
    timeouts->heap[position - 1] = timeout;
    timeout->position = position;
}

static void rise(struct timeouts *timeouts, struct timeout *timeout) {
    size_t at = timeout->position;
    while (at > 1 && timeouts->heap[at / 2 - 1]->due_us > timeout->due_us) {
        place(timeouts, timeouts->heap[at / 2 - 1], at);
        at /= 2;
    }
    place(timeouts, timeout, at);
}

static void sink(struct timeouts *timeouts, struct timeout *timeout) {
    size_t at = timeout->position;
    for (;;) {
        size_t child = at * 2;
        if (child > timeouts->n) break;
        if (child < timeouts->n &&
            timeouts->heap[child]->due_us < timeouts->heap[child - 1]->due_us)
            child++;
        if (timeouts->heap[child - 1]->due_us >= timeout->due_us) break;
        place(timeouts, timeouts->heap[child - 1], at);
        at = child;
    }
    place(timeouts, timeout, at);
}

void timeouts_set(struct timeouts *timeouts, struct timeout *timeout, uint64_t due_us) {
    timeout->due_us = due_us;
    if (timeout->position == 0) {
        assert(timeouts->n < timeouts->capacity);
        place(timeouts, timeout, ++timeouts->n);
    }
    rise(timeouts, timeout);
    sink(timeouts, timeout);
}

void timeouts_clear(struct timeouts *timeouts, struct timeout *timeout) {
    size_t at = timeout->position;
    if (at == 0) return;
    struct timeout *last = timeouts->heap[--timeouts->n];
    timeout->position = 0;
    if (last == timeout) return;
    place(timeouts, last, at);
    rise(timeouts, last);
    sink(timeouts, last);
}

uint64_t timeouts_next(const struct timeouts *timeouts) {
    return timeouts->n ? timeouts->heap[0]->due_us : UINT64_MAX;
}

struct timeout *timeouts_pop(struct timeouts *timeouts, uint64_t now_us) {
    if (timeouts_next(timeouts) > now_us) return NULL;
    struct timeout *first = timeouts->heap[0];
    timeouts_clear(timeouts, first);
    return first;
}
