/* sorter: a merge sort in steps, so that a long list can be sorted between other work. One thread.
 */
#ifndef INDEX_SORTER_H
#define INDEX_SORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

struct sort_item {
    uint64_t key;
    uint32_t slot;
};

/* < 0, 0, > 0 as keys come before, with or behind one another. */
typedef int (*sort_compare)(const void *context, uint64_t a, uint64_t b);

struct sorter {
    struct sort_item *items; /* owned; n of them */
    struct sort_item *spare; /* owned */
    size_t n, room;
    size_t width;         /* runs of this length are sorted */
    size_t left, right;   /* of the pair being merged: next of each run */
    size_t middle, end;   /* … and where they end */
    size_t at;            /* next place in spare */
    sort_compare compare; /* NULL: keys are numbers */
    const void *context;
};

void sorter_init(struct sorter *sorter);
void sorter_reset(struct sorter *sorter);
/* Empties it; room for n items. NO_MEMORY. */
MUST_USE enum status sorter_begin(struct sorter *sorter, size_t n);
static inline void sorter_add(struct sorter *sorter, uint64_t key, uint32_t slot) {
    sorter->items[sorter->n++] = (struct sort_item){key, slot};
}
/* All are added. Equal keys keep their order. */
void sorter_start(struct sorter *sorter, sort_compare compare, const void *context);
/* Moves about n_moves items; true when all are in order. */
bool sorter_step(struct sorter *sorter, size_t n_moves);

#endif
