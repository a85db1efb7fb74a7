/* ids: a run lies within one segment of the array, so that it is one piece of memory; what is left
 * of a segment that is too short for the next run becomes free runs. */
#include "index/ids.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/poison.h"

void ids_init(struct ids *ids) {
    *ids = (struct ids){0};
    slots_init(&ids->cells, IDS_CELL);
    slots_track(&ids->cells);
    atomic_init(&ids->n, 0);
}

void ids_reset(struct ids *ids) {
    slots_reset(&ids->cells);
    ids_init(ids);
}

/* What follows a free run, in its first cell. */
static uint32_t *next_of(const struct ids *ids, uint32_t cell) {
    return slots_at(&ids->cells, cell);
}

static void add_idle(struct ids *ids, uint32_t cell, uint32_t n_cells) {
    slots_touch(&ids->cells, cell);
    *next_of(ids, cell) = ids->idle[n_cells];
    ids->idle[n_cells] = cell + 1;
    ids->some[n_cells / 64] |= UINT64_C(1) << (n_cells % 64);
}

/* The shortest free runs of n_cells and more; 0: none. */
static uint32_t find_idle(const struct ids *ids, uint32_t n_cells) {
    uint64_t bits = ids->some[n_cells / 64] & ~UINT64_C(0) << (n_cells % 64);
    for (uint32_t word = n_cells / 64;; bits = ids->some[word]) {
        if (bits) return word * 64 + (uint32_t)__builtin_ctzll(bits);
        if (++word > IDS_CLASSES / 64) return 0;
    }
}

void ids_recycle(struct ids *ids, uint32_t cell, size_t size) {
    add_idle(ids, cell, ids_cells_of(size));
}

void ids_recycle_cells(struct ids *ids, uint32_t first, uint32_t end) {
    while (first < end) {
        uint32_t stop = slots_end(slots_segment(first));
        uint32_t n = (stop < end ? stop : end) - first;
        if (n > IDS_CLASSES) n = IDS_CLASSES;
        add_idle(ids, first, n);
        first += n;
    }
}

/* A free run, cut to size. */
static bool take_idle(struct ids *ids, uint32_t n_cells, uint32_t *cell) {
    uint32_t found = find_idle(ids, n_cells);
    if (found == 0) return false;
    *cell = ids->idle[found] - 1;
    ids->idle[found] = *next_of(ids, *cell);
    if (!ids->idle[found]) ids->some[found / 64] &= ~(UINT64_C(1) << (found % 64));
    if (found > n_cells) add_idle(ids, *cell + n_cells, found - n_cells);
    return true;
}

static enum status extend(struct ids *ids, uint32_t n_cells, uint32_t *cell) {
    uint32_t first = atomic_load_explicit(&ids->n, memory_order_relaxed), start = first;
    while (slots_end(slots_segment(start)) - start < n_cells)
        start = slots_end(slots_segment(start));
    if ((uint64_t)start + n_cells > SLOTS_MAX) return STATUS_NO_MEMORY;
    enum status s = slots_grow(&ids->cells, (uint64_t)start + n_cells);
    if (s != STATUS_OK) return s;
    atomic_store_explicit(&ids->n, start + n_cells, memory_order_release);
    ids_recycle_cells(ids, first, start);
    *cell = start;
    return STATUS_OK;
}

enum status ids_new(struct ids *ids, const char *id, size_t size, uint32_t *cell) {
    assert(size >= 1 && size <= INDEX_ID_MAX);
    uint32_t n_cells = ids_cells_of(size);
    enum status s = take_idle(ids, n_cells, cell) ? STATUS_OK : extend(ids, n_cells, cell);
    if (s != STATUS_OK) return s;
    slots_touch(&ids->cells, *cell);
    slots_touch(&ids->cells, *cell + n_cells - 1);
    memcpy(slots_at(&ids->cells, *cell), id, size);
    return STATUS_OK;
}
