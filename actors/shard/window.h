/* window: which write of which router a shard applied last, so that a repeat is answered and not
 * applied again (architecture.md 1). Part of the replicated state: changed only by applying log
 * entries, kept as one small fact a router in the batch of its entry, the least recently applied
 * router leaving first. */
#ifndef ACTORS_SHARD_WINDOW_H
#define ACTORS_SHARD_WINDOW_H

#include "storage/point_store.h"

enum { WINDOW_ROUTERS = 64, WINDOW_NAME_SIZE = 16 };

struct window_row {
    uint64_t router;     /* 0 = free */
    uint64_t sequence;   /* the highest applied */
    uint64_t index;      /* log index of that write */
    uint32_t operations; /* its answer */
};
struct window {
    struct window_row rows[WINDOW_ROUTERS];
};

/* The row of a router, or NULL. */
const struct window_row *window_find(const struct window *window, uint64_t router);
/* The slot where a write of this router is to be remembered. */
uint32_t window_slot(const struct window *window, uint64_t router);
/* Puts the row of a slot into the batch of its entry; once written, window->rows[slot] = *row. */
void window_fact(const struct window_row *row, uint32_t slot, struct point_batch *batch);
/* Reads the rows of a replica. Blocks. CORRUPT. */
MUST_USE enum status
window_load(struct window *window, struct point_store *store, uint64_t store_id);

#endif
