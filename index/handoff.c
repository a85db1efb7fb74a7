/* handoff: a stack that is taken whole, so there is no ABA, then turned round. */
#include "index/handoff.h"

#include "runtime/poison.h"

void handoff_init(struct handoff *handoff) {
    atomic_init(&handoff->head, 0);
}

void handoff_push(struct handoff *handoff, struct points *points, uint32_t slot) {
    uint32_t head = atomic_load_explicit(&handoff->head, memory_order_relaxed);
    do {
        points_links(points, slot)->handoff = head;
    } while (!atomic_compare_exchange_weak_explicit(&handoff->head, &head, slot + 1,
                                                    memory_order_release, memory_order_relaxed));
}

uint32_t handoff_next(const struct points *points, uint32_t slot) {
    return points_links(points, slot)->handoff - 1; /* 0, the end, becomes SLOT_NONE */
}

uint32_t handoff_link(struct points *points, uint32_t slot, uint32_t first) {
    points_links(points, slot)->handoff = first + 1;
    return slot;
}

uint32_t handoff_take(struct handoff *handoff, struct points *points) {
    uint32_t slot = atomic_exchange_explicit(&handoff->head, 0, memory_order_acquire) - 1;
    uint32_t first = SLOT_NONE;
    while (slot != SLOT_NONE) {
        uint32_t next = handoff_next(points, slot);
        first = handoff_link(points, slot, first);
        slot = next;
    }
    return first;
}
