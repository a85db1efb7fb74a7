/* select: which neighbours a row keeps (Malkov & Yashunin 2016, alg. 4): one is kept when it is
 * nearer to the row's owner than to every neighbour kept before, so that edges point in all
 * directions and not only into the nearest cluster. Edges of the tree (tree.h) are kept in any
 * case. Linker. */
#ifndef INDEX_SELECT_H
#define INDEX_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/graph.h"
#include "index/store.h"

struct candidate {
    float distance; /* from the row's owner */
    uint32_t slot;
    bool forced; /* kept whatever the others are */
};

struct selection {
    const struct store *store; /* borrowed */
    uint32_t slots[GRAPH_ROW_MAX];
    unsigned n;
    uint64_t distances; /* computed */
};

void selection_init(struct selection *selection, const struct store *store);
/* Keeps without asking. */
void selection_add(struct selection *selection, uint32_t slot);
/* Candidates nearest first; keeps diverse ones until there are `limit`, leaving room for the
 * forced. */
void selection_fill(struct selection *selection,
                    const struct candidate *candidates,
                    size_t n_candidates,
                    unsigned limit);
/* Nearest first, equal distances by slot, so that runs repeat. */
void candidates_sort(struct candidate *candidates, size_t n);

#endif
