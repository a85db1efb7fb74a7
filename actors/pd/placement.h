/* placement: where a replica goes: spread over zones, racks and regions first, then to who has the
 * least for its capacity. Plain functions of a catalog. */
#ifndef ACTORS_PD_PLACEMENT_H
#define ACTORS_PD_PLACEMENT_H

#include "actors/pd/catalog.h"

/* How much a failure of a's rack, zone or region would hit b too; 0 without common labels. Same
 * zone outweighs any number of same racks, and that of same regions (CATALOG_REPLICAS_MAX). */
uint32_t placement_closeness(const struct catalog_worker *a, const struct catalog_worker *b);
/* Of cores, memory and disk (contract 6.3): 100 or more. */
uint32_t placement_capacity(const struct catalog_worker *worker);
/* It may be given replicas that vote: ready, heard of, no learner's worker, not full. */
bool placement_eligible(const struct catalog_worker *worker, uint64_t now_us);

struct placement_query {
    const struct catalog *catalog;
    const uint64_t *load; /* by catalog_worker.nth, with what is about to come (load.h) */
    const struct catalog_worker *const *beside; /* who has the others of the shard */
    uint32_t n_beside;
    const struct catalog_shard *without; /* nobody who has a replica of it; NULL: of none */
    uint64_t now_us;
};
/* The best eligible worker that is none of those. NULL: there is none. */
struct catalog_worker *placement_pick(const struct placement_query *query);

#endif
