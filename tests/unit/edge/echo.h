/* echo: a service to test transports with. Both methods take a SearchRequest; its fields say how
 * they behave:
 *
 *   Unary   results[0] = {id: collection, vector: vector}, after timeout_ms
 *   Stream  top_k such answers, one every timeout_ms
 *   Raw     takes an UpsertRequest undecoded; upserted = bytes of the body
 *
 *   query   "fail": NOT_FOUND, words with %, a newline and an umlaut, details, metadata "denied":
 * UNAUTHENTICATED "meta": the answer's id is the request's metadata "x-echo", sent back as metadata
 * too */
#ifndef TESTS_ECHO_H
#define TESTS_ECHO_H

#include "adapters/edge/call.h"

extern const struct edge_service *const echo_services[];
extern const struct edge_route echo_routes[];

/* How the service waits: the program's choice (a timer of the turn; a list in unit tests). */
extern void (*echo_wait)(struct edge_call *call,
                         uint32_t ms,
                         void (*run)(struct edge_call *call, struct turn *turn),
                         struct turn *turn);
/* Calls that heard of a cancellation. */
extern int echo_cancelled;

#endif
