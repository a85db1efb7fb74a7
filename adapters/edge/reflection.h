/* reflection: grpc.reflection.v1 and v1alpha, from the schemas the binary carries. Served by every
 * edge. */
#ifndef EDGE_REFLECTION_H
#define EDGE_REFLECTION_H

#include "adapters/edge/call.h"

extern const struct edge_service edge_reflection_v1;
extern const struct edge_service edge_reflection_v1alpha;

#endif
