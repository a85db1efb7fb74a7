/* budget: one atomic counter. A process has one memory, so it has one budget. */
#include "adapters/edge/budget.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "runtime/assert.h"
#include "runtime/machine.h"
#include "runtime/watermark.h"

#define BUDGET_MAX ((uint64_t)1 << 30)
enum { MEMORY_SHARE = 4, KEPT_SHARE = 8 };

static _Atomic uint64_t size;
static _Atomic uint64_t used;

void budget_set(uint64_t bytes) {
    if (bytes == 0) {
        bytes = machine_memory() / MEMORY_SHARE;
        if (bytes > BUDGET_MAX) bytes = BUDGET_MAX;
    }
    uint64_t unset = 0;
    atomic_compare_exchange_strong(&size, &unset, bytes);
}

/* What there is at the moment. Near the watermark large bodies do not fit any more, but a share
 * stays: reads and removals have bodies, too. */
static uint64_t size_now(uint64_t in_use) {
    const struct watermark mark = watermark_now();
    uint64_t most = budget_size();
    uint64_t room = watermark_room(&mark);
    if (room >= most) return most;
    uint64_t kept =
        (mark.limit / MEMORY_SHARE < most ? mark.limit / MEMORY_SHARE : most) / KEPT_SHARE;
    uint64_t size_above = in_use + room < most ? in_use + room : most;
    return size_above > kept ? size_above : kept;
}

bool budget_take(size_t bytes) {
    uint64_t now = atomic_load_explicit(&used, memory_order_relaxed);
    uint64_t limit = bytes > BUDGET_SMALL ? size_now(now) : budget_size();
    do {
        bool fits = bytes <= limit && now <= limit - bytes;
        if (!fits && bytes > BUDGET_SMALL) return false;
    } while (!atomic_compare_exchange_weak_explicit(&used, &now, now + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void budget_explain(const char *what, uint64_t bytes, char *text, size_t text_size) {
    const struct watermark mark = watermark_now();
    uint64_t now = budget_used();
    if (now + bytes > budget_size())
        snprintf(text, text_size,
                 "no room for %s of %" PRIu64 " bytes: the edge's memory budget is %" PRIu64
                 " bytes, %" PRIu64 " in use; try again",
                 what, bytes, budget_size(), now);
    else
        snprintf(
            text, text_size,
            "no memory for %s of %" PRIu64 " bytes: %" PRIu64 " of %" PRIu64
            " MB are in use (VECTRON_MEMORY_LIMIT); remove points or collections, or send less "
            "at once",
            what, bytes, mark.used >> 20, mark.limit >> 20);
}

void budget_give(size_t bytes) {
    uint64_t before = atomic_fetch_sub_explicit(&used, bytes, memory_order_relaxed);
    assert(before >= bytes);
}

uint64_t budget_size(void) {
    return atomic_load_explicit(&size, memory_order_relaxed);
}

uint64_t budget_used(void) {
    return atomic_load_explicit(&used, memory_order_relaxed);
}
