/* select: the pair distances of building are computed here. The first goes alone, the others in
 * small batches: most candidates are refused by the nearest of those kept, or soon after. As near
 * counts as nearer: of a clump of equal points a row keeps one, and has room for the ways out of
 * it. */
#include "index/select.h"

#include <stdlib.h>

#include "runtime/assert.h"
#include "runtime/poison.h"

enum { BATCH = 4, INSERTION_MAX = 64 };

void selection_init(struct selection *selection, const struct store *store) {
    selection->store = store;
    selection->n = 0;
    selection->distances = 0;
}

void selection_add(struct selection *selection, uint32_t slot) {
    assert(selection->n < GRAPH_ROW_MAX);
    selection->slots[selection->n] = slot;
    selection->n++;
}

static bool is_diverse(struct selection *selection, struct candidate candidate) {
    float distances[BATCH];
    unsigned n = 1;
    for (unsigned at = 0; at < selection->n; at += n) {
        if (at > 0) n = selection->n - at < BATCH ? selection->n - at : BATCH;
        store_pair(selection->store, candidate.slot, selection->slots + at, n, distances);
        selection->distances += n;
        for (unsigned i = 0; i < n; i++) {
            if (distances[i] <= candidate.distance) return false;
        }
    }
    return true;
}

void selection_fill(struct selection *selection,
                    const struct candidate *candidates,
                    size_t n_candidates,
                    unsigned limit) {
    unsigned n_forced = 0;
    for (size_t i = 0; i < n_candidates; i++)
        n_forced += candidates[i].forced;
    assert(selection->n + n_forced <= limit);
    for (size_t i = 0; i < n_candidates && selection->n < limit; i++) {
        if (candidates[i].forced)
            n_forced--;
        else if (selection->n + n_forced >= limit)
            continue;
        else if (!is_diverse(selection, candidates[i]))
            continue;
        selection_add(selection, candidates[i].slot);
    }
}

static int compare(const void *left, const void *right) {
    const struct candidate *a = left, *b = right;
    if (a->distance != b->distance) return a->distance < b->distance ? -1 : 1;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

void candidates_sort(struct candidate *candidates, size_t n) {
    if (n > INSERTION_MAX) {
        qsort(candidates, n, sizeof *candidates, compare);
        return;
    }
    /* Rows are nearly sorted already: pruning left them so. */
    for (size_t i = 1; i < n; i++) {
        struct candidate moved = candidates[i];
        size_t at = i;
        for (; at > 0 && compare(&candidates[at - 1], &moved) > 0; at--)
            candidates[at] = candidates[at - 1];
        candidates[at] = moved;
    }
}
