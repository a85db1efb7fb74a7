/* epoch: all operations are sequentially consistent; a search enters once, it is not the hot path.
 */
#include "index/epoch.h"

#include "runtime/poison.h"

void epoch_init(struct epoch *epoch) {
    atomic_init(&epoch->now, 1);
    for (int i = 0; i < 3; i++)
        atomic_init(&epoch->readers[i], 0);
}

uint64_t epoch_enter(struct epoch *epoch) {
    for (;;) {
        uint64_t now = atomic_load(&epoch->now);
        atomic_fetch_add(&epoch->readers[now % 3], 1);
        /* Unmoved: the writer cannot leave epoch now + 1 without seeing this reader. */
        if (atomic_load(&epoch->now) == now) return now;
        atomic_fetch_sub(&epoch->readers[now % 3], 1);
    }
}

void epoch_leave(struct epoch *epoch, uint64_t ticket) {
    atomic_fetch_sub(&epoch->readers[ticket % 3], 1);
}

uint64_t epoch_now(const struct epoch *epoch) {
    return atomic_load(&epoch->now);
}

bool epoch_passed(struct epoch *epoch, uint64_t since) {
    uint64_t now = atomic_load(&epoch->now);
    while (now < since + 2) {
        if (atomic_load(&epoch->readers[(now - 1) % 3]) != 0) return false;
        atomic_store(&epoch->now, ++now);
    }
    return true;
}
