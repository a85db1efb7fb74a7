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
    bool searches_linearizable; /* where neither the request nor the collection says otherwise */
    const char *levels;         /* of collections: "name=linearizable,name=eventual"; NULL: none */
    uint32_t hedge_percent;     /* of reads that may be asked of a second replica; 0: never */
};

/* Whether the text is a list of levels as above: INVALID and the place that is wrong. */
MUST_USE enum status router_levels_check(const char *levels, const char **wrong);

extern const struct actor_type router_type;

#endif
