/* health: grpc.health.v1.Health of this edge: SERVING until it drains. Served by every edge. */
#ifndef EDGE_HEALTH_H
#define EDGE_HEALTH_H

#include "adapters/edge/call.h"

extern const struct edge_service edge_health;

#endif
