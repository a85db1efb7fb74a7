/* router: what edges talk to (schemas/internal/router.proto), named "router". It knows where the
 * shards of each collection are, spreads writes over them in order, asks all of them when
 * searching, and retries what may be retried inside the deadline. It keeps nothing that must
 * survive it. */
#ifndef ACTORS_ROUTER_ROUTER_H
#define ACTORS_ROUTER_ROUTER_H

#include "runtime/actor.h"

enum {
    ROUTER_CHUNK_POINTS = 1000,       /* of one ShardWrite */
    ROUTER_CHUNK_BYTES = 1024 * 1024, /* of one ShardWrite, plus its last point */
    ROUTER_PAGE_BYTES = 1024 * 1024,  /* of one RouterHits, plus its last hit */
    ROUTER_TOP_K_MAX = 10000,
    ROUTER_REQUESTS_MAX = 8192,           /* under way; beyond: BUSY */
    ROUTER_BYTES_MAX = 256 * 1024 * 1024, /* kept for requests under way; beyond: BUSY */
    ROUTER_ROUTES_MAX = 10000,
};

struct router_options {
    const char *pd; /* addresses of the placement driver, comma separated; "": this process */
};

extern const struct actor_type router_type;

#endif
