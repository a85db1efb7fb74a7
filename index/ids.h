/* ids: the arena of external ids. Runs of cells of eight bytes, recycled by size, named by the
 * number of their first, so that the arena can be saved as it is. Nothing is given back before the
 * end, so a reader's borrowed id never leaves mapped memory. One thread, the appender's. */
#ifndef INDEX_IDS_H
#define INDEX_IDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"
#include "index/slots.h"

enum { IDS_CELL = 8, IDS_CLASSES = INDEX_ID_MAX / IDS_CELL };

struct ids {
    struct slots cells;
    _Atomic uint32_t n;             /* cells ever used; any thread may read it */
    uint32_t idle[IDS_CLASSES + 1]; /* recycled runs, by cells: first + 1, which holds the next */
    uint64_t some[IDS_CLASSES / 64 + 1]; /* bits: there are any */
};

void ids_init(struct ids *ids);
void ids_reset(struct ids *ids);
/* A copy of the id; gives its first cell. NO_MEMORY. size: 1..INDEX_ID_MAX. */
MUST_USE enum status ids_new(struct ids *ids, const char *id, size_t size, uint32_t *cell);
/* Takes back what ids_new gave for this size. */
void ids_recycle(struct ids *ids, uint32_t cell, size_t size);
/* Takes cells nobody uses into the free runs. */
void ids_recycle_cells(struct ids *ids, uint32_t first, uint32_t end);

static inline uint32_t ids_cells_of(size_t size) {
    return (uint32_t)((size + IDS_CELL - 1) / IDS_CELL);
}

/* May an id of this size begin there? No in a file that lies. Any thread. */
static inline bool ids_is_valid(const struct ids *ids, uint32_t cell, size_t size) {
    uint32_t n = atomic_load_explicit(&ids->n, memory_order_relaxed);
    if (size < 1 || size > INDEX_ID_MAX || cell >= n || ids_cells_of(size) > n - cell) return false;
    return slots_segment(cell) == slots_segment(cell + ids_cells_of(size) - 1);
}

static inline const char *ids_at(const struct ids *ids, uint32_t cell) {
    return slots_at(&ids->cells, cell);
}

#endif
