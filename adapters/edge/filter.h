/* filter: a public Filter judged and turned into what travels inside. */
#ifndef EDGE_FILTER_H
#define EDGE_FILTER_H

#include "adapters/edge/check.h"
#include "runtime/arena.h"
#include "schemas/router.pb-c.h"

enum {
    CHECK_FILTER_LEVELS = 8, /* filters within filters */
    CHECK_INDEXES_MAX = 32,  /* payload indexes of a collection */
    CHECK_INDEX_KEY_MAX = 128,
};

struct filter_nodes {
    FilterNode **nodes; /* in the arena; none for a filter that lets everything through */
    size_t n;
};
/* INVALID: the words name the place in the filter, the limit and the remedy; NO_MEMORY. */
MUST_USE enum status filter_translate(const Vectron__V1__Filter *filter,
                                      struct arena *arena,
                                      struct filter_nodes *out,
                                      struct check *check);

/* One payload index; `place` names it in words. INVALID, NO_MEMORY. */
MUST_USE enum status filter_column(const Vectron__V1__PayloadIndex *index,
                                   const char *place,
                                   struct arena *arena,
                                   PayloadColumn **out,
                                   struct check *check);
struct filter_columns {
    PayloadColumn **columns; /* in the arena */
    size_t n;
};
/* The payload indexes of a new collection. INVALID, NO_MEMORY. */
MUST_USE enum status filter_columns(const Vectron__V1__CreateCollectionRequest *request,
                                    struct arena *arena,
                                    struct filter_columns *out,
                                    struct check *check);

#endif
