/* sorter: bottom up; short runs by insertion, then pairs of runs from one array to the other. */
#include "index/sorter.h"

#include "runtime/memory.h"
#include "runtime/poison.h"

enum { RUN = 16 };

void sorter_init(struct sorter *sorter) {
    *sorter = (struct sorter){0};
}

void sorter_reset(struct sorter *sorter) {
    mem_free(sorter->items);
    mem_free(sorter->spare);
    sorter_init(sorter);
}

enum status sorter_begin(struct sorter *sorter, size_t n) {
    if (n > sorter->room) {
        sorter_reset(sorter);
        sorter->items = mem_alloc(n * sizeof *sorter->items);
        sorter->spare = mem_alloc(n * sizeof *sorter->spare);
        if (!sorter->items || !sorter->spare) {
            sorter_reset(sorter);
            return STATUS_NO_MEMORY;
        }
        sorter->room = n;
    }
    sorter->n = 0;
    return STATUS_OK;
}

static inline bool before(const struct sorter *sorter, uint64_t a, uint64_t b) {
    return sorter->compare ? sorter->compare(sorter->context, a, b) < 0 : a < b;
}

static void sort_run(struct sorter *sorter, size_t from, size_t to) {
    struct sort_item *items = sorter->items;
    for (size_t i = from + 1; i < to; i++) {
        struct sort_item item = items[i];
        size_t at = i;
        for (; at > from && before(sorter, item.key, items[at - 1].key); at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

void sorter_start(struct sorter *sorter, sort_compare compare, const void *context) {
    sorter->compare = compare;
    sorter->context = context;
    sorter->width = 0;
    sorter->at = 0;
}

static void begin_pair(struct sorter *sorter) {
    size_t from = sorter->at, n = sorter->n;
    sorter->left = from;
    sorter->middle = sorter->right = from + sorter->width < n ? from + sorter->width : n;
    sorter->end = sorter->middle + sorter->width < n ? sorter->middle + sorter->width : n;
}

static size_t step_runs(struct sorter *sorter) {
    size_t to = sorter->at + RUN < sorter->n ? sorter->at + RUN : sorter->n;
    sort_run(sorter, sorter->at, to);
    size_t moved = to - sorter->at;
    sorter->at = to;
    if (to < sorter->n) return moved;
    sorter->width = RUN;
    sorter->at = 0;
    begin_pair(sorter);
    return moved;
}

/* Up to n items of the pair. */
static size_t step_merge(struct sorter *sorter, size_t n) {
    const struct sort_item *items = sorter->items;
    size_t moved = 0;
    for (; moved < n && (sorter->left < sorter->middle || sorter->right < sorter->end); moved++) {
        bool right = sorter->left == sorter->middle ||
                     (sorter->right < sorter->end &&
                      before(sorter, items[sorter->right].key, items[sorter->left].key));
        sorter->spare[sorter->at++] = items[right ? sorter->right++ : sorter->left++];
    }
    if (sorter->left < sorter->middle || sorter->right < sorter->end) return moved;
    if (sorter->at == sorter->n) {
        struct sort_item *merged = sorter->spare;
        sorter->spare = sorter->items;
        sorter->items = merged;
        sorter->width *= 2;
        sorter->at = 0;
    }
    begin_pair(sorter);
    return moved;
}

bool sorter_step(struct sorter *sorter, size_t n_moves) {
    size_t moved = 0;
    if (sorter->n == 0) return true;
    while (moved < n_moves) {
        if (sorter->width == 0)
            moved += step_runs(sorter);
        else if (sorter->width >= sorter->n)
            return true;
        else
            moved += step_merge(sorter, n_moves - moved);
    }
    return false;
}
