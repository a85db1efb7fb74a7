/* service_placement: the gRPC service vectron.placementdriver.v1.PlacementService: each request is
 * one question to the actor "pd" of this process. */
#ifndef EDGE_SERVICE_PLACEMENT_H
#define EDGE_SERVICE_PLACEMENT_H

#include "adapters/edge/call.h"
#include "schemas/pd.pb-c.h"

extern const struct edge_service placement_service;
/* Services of a placement driver's edge, ended by NULL. */
extern const struct edge_service *const edge_pd_services[];

/* The contract's JSON of what a worker shall run (6.6). Appended. */
void placement_assignments(const PdAssignments *assignments, struct buffer *out);

#endif
