/* window: a ring of entries by index. */
#include <string.h>

#include "actors/raft/state.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

static uint32_t count(const struct window *window) {
    return (uint32_t)(window->last + 1 - window->first);
}

static struct proposal **slot(const struct window *window, uint64_t index) {
    uint32_t at = window->head + (uint32_t)(index - window->first);
    return &window->ring[at & (window->capacity - 1)];
}

static bool grow(struct window *window) {
    uint32_t n = count(window), capacity = window->capacity ? 2 * window->capacity : 16;
    struct proposal **ring = mem_alloc(capacity * sizeof *ring);
    if (!ring) return false;
    for (uint32_t i = 0; i < n; i++)
        ring[i] = *slot(window, window->first + i);
    mem_free(window->ring);
    window->ring = ring;
    window->capacity = capacity;
    window->head = 0;
    return true;
}

enum status window_add(struct window *window, struct proposal *proposal) {
    if (count(window) == window->capacity && !grow(window)) {
        proposal_free(proposal);
        return STATUS_NO_MEMORY;
    }
    window->last++;
    *slot(window, window->last) = proposal;
    window->bytes += proposal->data.size;
    return STATUS_OK;
}

struct proposal *window_at(const struct window *window, uint64_t index) {
    if (index < window->first || index > window->last) return NULL;
    return *slot(window, index);
}

struct proposal *window_pop(struct window *window) {
    struct proposal *proposal = window_at(window, window->last);
    if (!proposal) return NULL;
    window->bytes -= proposal->data.size;
    window->last--;
    return proposal;
}

void window_shift(struct window *window) {
    struct proposal *proposal = window_at(window, window->first);
    if (!proposal) return;
    window->bytes -= proposal->data.size;
    window->first++;
    window->head = (window->head + 1) & (window->capacity - 1);
    proposal_free(proposal);
}

void window_free(struct window *window) {
    while (window->last >= window->first)
        window_shift(window);
    mem_free(window->ring);
    window->ring = NULL;
    window->capacity = 0;
}
