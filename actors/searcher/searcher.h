/* searcher: runs searches on the shards of its process, on a compute lane; one a lane, named
 * "searcher/<n>". Shards forward ShardSearch to it; it answers the caller with pages of ShardHits.
 * A search works on a view of the index, so it neither blocks writes nor ends with the shard. */
#ifndef ACTORS_SEARCHER_SEARCHER_H
#define ACTORS_SEARCHER_SEARCHER_H

#include "actors/shelf.h"
#include "runtime/actor.h"
#include "storage/point_store.h"

enum {
    SEARCHER_ACTIVE_MAX = 8,                   /* searches in turns; the others wait in line */
    SEARCHER_BUNDLE_MAX = 256,                 /* searches of one ShardSearches */
    SEARCHER_BUNDLES_MAX = 32,                 /* of those; beyond: BUSY */
    SEARCHER_WAITING_MAX = 1024,               /* beyond: BUSY */
    SEARCHER_WAITING_BYTES = 32 * 1024 * 1024, /* of waiting query vectors */
};

struct searcher_options {
    uint32_t n;          /* its number, from 0; of a near one nothing */
    struct shelf *shelf; /* borrowed, as the rest */
    struct point_store *points;
};

extern const struct actor_type searcher_type;
/* The same on an I/O lane, for its own shards: see shelf_take_near. */
extern const struct actor_type searcher_near_type;

#endif
