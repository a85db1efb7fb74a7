/* hit_list: the router's pages of hits as one public SearchResponse, in an arena. */
#ifndef EDGE_HIT_LIST_H
#define EDGE_HIT_LIST_H

#include <stdbool.h>

#include "runtime/arena.h"
#include "runtime/status.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/router.pb-c.h"

/* Of an answer with everything asked for: 10,000 hits of 1,500 values. */
#define HIT_LIST_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct hit_list {
    struct arena *arena; /* borrowed; its limit is that of the answer */
    uint32_t top_k;
    Vectron__V1__SearchResponse response; /* in the arena, as the next */
    Vectron__V1__Range range;
};

/* An empty one, for top_k results. TOO_LARGE, as the rest: over the arena's limit. */
MUST_USE enum status hit_list_open(struct hit_list *list, struct arena *arena, uint32_t top_k);
/* INTERNAL: more hits than were asked for, or no page. CORRUPT: a payload is none. */
MUST_USE enum status hit_list_add(struct hit_list *list, const RouterHits *hits);
/* What the last page says of all. */
MUST_USE enum status hit_list_end(struct hit_list *list, const RouterHits *hits, bool ranged);
/* Words for these failures. */
const char *hit_list_failure(enum status status);

#endif
