/* openapi: the HTTP interface as an OpenAPI 3.1 document, made from routes and message descriptors,
 * so that it cannot differ from what is served. */
#ifndef EDGE_OPENAPI_H
#define EDGE_OPENAPI_H

#include "adapters/edge/call.h"
#include "runtime/buffer.h"

/* Appends the document, without a NUL. buffer.failed tells of missing memory. */
void openapi_write(const struct edge_service *const *services,
                   const struct edge_route *routes,
                   struct buffer *out);
/* The gateway's document: edge_options.openapi. Made at the first call, static from then on, ""
 * without memory. Any thread. */
const char *edge_openapi(void);

#endif
