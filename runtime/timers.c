/* timers: the root is heap[1]; the children of i are 4i-2 … 4i+1. Most deadlines are added in
 * rising order, so that an insertion rarely moves anything. */
#include "runtime/timers.h"

#include <stdbool.h>

#include "runtime/assert.h"
#include "runtime/memory.h"

enum { ARITY = 4, TIMERS_MIN = 64 };

static bool earlier(const struct timer *a, const struct timer *b) {
    if (a->at_us != b->at_us) return a->at_us < b->at_us;
    return a->order < b->order;
}

static size_t parent_of(size_t place) {
    return (place + ARITY - 2) / ARITY;
}

static size_t first_child_of(size_t place) {
    return ARITY * place - (ARITY - 2);
}

static void put(struct timers *timers, size_t place, struct timer *timer) {
    timers->heap[place] = timer;
    timer->place = place;
}

static void rise(struct timers *timers, size_t place, struct timer *timer) {
    while (place > 1) {
        size_t parent = parent_of(place);
        if (!earlier(timer, timers->heap[parent])) break;
        put(timers, place, timers->heap[parent]);
        place = parent;
    }
    put(timers, place, timer);
}

static void sink(struct timers *timers, size_t place, struct timer *timer) {
    for (;;) {
        size_t child = first_child_of(place);
        if (child > timers->count) break;
        size_t end = child + ARITY - 1 < timers->count ? child + ARITY - 1 : timers->count;
        size_t least = child;
        for (size_t i = child + 1; i <= end; i++)
            if (earlier(timers->heap[i], timers->heap[least])) least = i;
        if (!earlier(timers->heap[least], timer)) break;
        put(timers, place, timers->heap[least]);
        place = least;
    }
    put(timers, place, timer);
}

void timers_init(struct timers *timers) {
    *timers = (struct timers){0};
}

void timers_free(struct timers *timers) {
    mem_free(timers->heap);
    timers_init(timers);
}

void timers_add(struct timers *timers, struct timer *timer, uint64_t at_us) {
    assert(timer->place == 0);
    if (timers->count + 1 >= timers->capacity) {
        size_t capacity = timers->capacity ? timers->capacity * 2 : TIMERS_MIN;
        struct timer **heap = mem_resize(timers->heap, capacity * sizeof(struct timer *));
        assert(heap);
        timers->heap = heap;
        timers->capacity = capacity;
    }
    timer->at_us = at_us;
    timer->order = ++timers->order;
    rise(timers, ++timers->count, timer);
}

void timers_remove(struct timers *timers, struct timer *timer) {
    size_t place = timer->place;
    if (place == 0) return;
    assert(timers->heap[place] == timer);
    timer->place = 0;
    struct timer *last = timers->heap[timers->count--];
    if (last == timer) return;
    if (place > 1 && earlier(last, timers->heap[parent_of(place)]))
        rise(timers, place, last);
    else
        sink(timers, place, last);
}

struct timer *timers_first(const struct timers *timers) {
    return timers->count ? timers->heap[1] : NULL;
}
