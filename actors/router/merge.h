/* merge: the best k hits of all shards: by distance, then id; of equal ids the lower distance.
 * Memory is bounded by some 2k hits, however many shards answer. */
#ifndef ACTORS_ROUTER_MERGE_H
#define ACTORS_ROUTER_MERGE_H

#include <stdbool.h>

#include "actors/hits.h"
#include "runtime/status.h"

struct merge_hit {
    float distance;
    uint32_t id_size;
    uint32_t payload_size;
    uint32_t n_vector;
    char *id;      /* owned: the one allocation of the hit */
    void *payload; /* in it */
    float *vector; /* in it */
};

struct merge {
    struct merge_hit *hits; /* owned */
    size_t n;
    size_t room;
    uint32_t k;
    size_t bytes; /* of all hits */
    bool cut;     /* hits beyond k were left out */
};

void merge_init(struct merge *merge, uint32_t k);
void merge_free(struct merge *merge);
/* Copies the hit. NO_MEMORY. */
MUST_USE enum status merge_add(struct merge *merge, const struct hit *hit);
/* Sorts, takes out repeated ids, cuts at k. More may be added after. NO_MEMORY: nothing changed but
 * the order. */
MUST_USE enum status merge_settle(struct merge *merge);

#endif
