/* hop: a walk over the points that match a filter alone. The neighbours of a node that do not match
 * are passed through: theirs are looked at instead (ACORN-1: Patel et al. 2024). It starts at
 * matches spread over the index beside the usual entry, as matches may lie in islands. */
#ifndef INDEX_HOP_H
#define INDEX_HOP_H

#include "index/walk.h"

struct hop {
    uint64_t n_looked; /* neighbours whose bit was looked at … */
    uint64_t n_passed; /* … and set */
};

/* Do matches lie around this node about as densely as everywhere (`share` of all points)? Where
 * they do not, the nearest of them are far away, and a walk towards the query leads away from them.
 */
bool hop_is_promising(const struct walk *walk, uint32_t start, double share);

/* Puts starts into the pool; visited and pool were begun. */
void hop_start(struct walk *walk, struct hop *hop, uint32_t entry);
/* Expands the best candidate; false when none is left. */
bool hop_step(struct walk *walk, struct hop *hop);

#endif
