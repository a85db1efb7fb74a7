/* service_placement: the gRPC service vectron.placementdriver.v1.PlacementService: each request is
 * one question to the actor "pd" of this process. */
#ifndef EDGE_SERVICE_PLACEMENT_H
#define EDGE_SERVICE_PLACEMENT_H

#include "adapters/edge/call.h"
#include "adapters/edge/question.h"
#include "schemas/pd.pb-c.h"
#include "schemas/placementdriver.pb-c.h"

struct buffer;

#define PLACEMENT_V1(Type)            Vectron__Placementdriver__V1__##Type
#define PLACEMENT_REQUEST(Type, call) ((const PLACEMENT_V1(Type) *)edge_call_request(call))
/* A fresh response in the turn's memory; NULL without any. */
#define PLACEMENT_RESPONSE(name, turn) \
    turn_message((turn), &vectron__placementdriver__v1__##name##__descriptor)

extern const struct edge_service placement_service;
/* Services of a placement driver's edge, ended by NULL. */
extern const struct edge_service *const edge_pd_services[];

/* The contract's JSON of what a worker shall run (6.6). Appended. */
void placement_assignments(const PdAssignments *assignments, struct buffer *out);

/* --- for the files of the service --- */
typedef void (*placement_answer)(struct question *question,
                                 const struct outcome *outcome,
                                 struct turn *turn);
/* Asks pd; done answers the call. */
void placement_ask(struct edge_call *call,
                   const ProtobufCMessage *message,
                   placement_answer done,
                   struct turn *turn);
/* NULL: the call is failed for want of memory. */
void placement_reply(struct edge_call *call, void *response, struct turn *turn);
/* Decimal, in the turn's memory; never NULL. */
char *placement_id_text(uint64_t id, struct turn *turn);
/* False, and the call is failed: it is no id. name: of the field. */
bool placement_read_id(
    struct edge_call *call, const char *name, const char *text, uint64_t *out, struct turn *turn);

/* service_placement_workers.c */
void placement_register_worker(void *self, struct edge_call *call, struct turn *turn);
void placement_heartbeat(void *self, struct edge_call *call, struct turn *turn);
void placement_list_workers(void *self, struct edge_call *call, struct turn *turn);
/* service_placement_rerankers.c */
void placement_register_reranker(void *self, struct edge_call *call, struct turn *turn);
void placement_reranker_heartbeat(void *self, struct edge_call *call, struct turn *turn);
void placement_list_rerankers(void *self, struct edge_call *call, struct turn *turn);
void placement_get_reranker(void *self, struct edge_call *call, struct turn *turn);

#endif
