/* route: which HTTP rule a verb and a path mean, and what its {fields} are bound to. */
#ifndef EDGE_ROUTE_H
#define EDGE_ROUTE_H

#include "adapters/edge/call.h"

enum { ROUTE_FIELDS_MAX = 8, ROUTE_NAME_MAX = 64 };

struct route_field {
    const char *name; /* not ended by NUL: of the pattern */
    size_t name_size;
    const char *value; /* decoded; in the arena */
};

struct route_match {
    const struct edge_route *route;
    struct route_field fields[ROUTE_FIELDS_MAX];
    size_t n_fields;
};

/* path ends at '?', if there is one. Segments are matched and bound after percent-decoding, so that
 * %2F is part of an id. NOT_FOUND; UNIMPLEMENTED: the path is known, with another verb; INVALID:
 * bad percent-encoding, or NUL or bytes that are not UTF-8 behind it; NO_MEMORY. */
MUST_USE enum status edge_route_match(const struct edge_route *routes,
                                      const char *verb,
                                      const char *path,
                                      struct arena *arena,
                                      struct route_match *out);

#endif
