/* call: one request at the edge, whatever it came over: gRPC, HTTP/2 JSON, HTTP/1.1 JSON. The
 * transport (edge.c and what is below it) makes it, a service's method (service_*.c) serves it, and
 * neither knows the other.
 *
 *   transport ──▶ method->run(call, turn) ──▶ edge_reply | edge_part … edge_end | edge_fail exactly
 * one end
 *
 * The call lives until it ended, also when the client is gone (then answers go nowhere); after its
 * end it must not be touched. Its memory is one arena. Used on the edge's lane only. */
#ifndef EDGE_CALL_H
#define EDGE_CALL_H

#include <protobuf-c/protobuf-c.h>

#include "runtime/arena.h"
#include "runtime/turn.h"

struct edge_call;

enum {
    EDGE_DEADLINE_DEFAULT_MS = 10 * 1000, /* of a call whose client gave none */
    EDGE_DETAILS_MAX = 4096,              /* bytes of status details */
};
#define EDGE_NO_DEADLINE UINT32_MAX
#define EDGE_BODY_MAX    ((size_t)256 * 1024 * 1024) /* contract 4.4: largest message, either way */

struct edge_method {
    const char *path; /* "/vectron.v1.VectronService/Search" */
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *response;
    bool stream; /* server streaming: edge_part any number of times, then edge_end */
    bool raw;    /* the transport does not decode the body: the method walks it (Upsert) */
    /* Both sides stream: run is called once a message of the client, one after the other, and
     * finish once the client has half-closed (NULL: the transport ends the call). */
    bool both;
    uint32_t deadline_ms; /* without a deadline of the client; 0 = EDGE_DEADLINE_DEFAULT_MS */
    size_t body_max;      /* bytes of one inflated message; 0 = EDGE_BODY_MAX */
    /* self is the edge actor's state, as in every callback of its turns; a service keeps its own in
     * edge_call_state. */
    void (*run)(void *self, struct edge_call *call, struct turn *turn);
    void (*finish)(void *self, struct edge_call *call, struct turn *turn);
};

/* One list of services makes gRPC dispatch, reflection, HTTP routes and /openapi.json. Health and
 * reflection are always served and need not be listed. */
struct edge_service {
    const char *name; /* "vectron.v1.VectronService" */
    const struct edge_method *methods;
    size_t n_methods;
    size_t state_size; /* of the service's state, one an edge, zeroed at start; 0 = none */
    /* The edge starts to drain: end what would last for ever. NULL: nothing to do. */
    void (*drain)(void *state, struct turn *turn);
};

/* An HTTP rule of a method: what google.api.http would say. */
struct edge_route {
    const char *verb;    /* "POST" */
    const char *pattern; /* "/v1/collections/{collection}/points/{id}"; {field} binds one segment
                            to a string field of the request */
    const char *method;  /* path of the gRPC method */
    bool body;           /* the JSON body is the whole message; path fields override it */
    bool events;         /* answer as text/event-stream */
};

enum edge_format { EDGE_PROTOBUF, EDGE_JSON };

/* The decoded request, owned by the call. NULL for raw methods. */
const ProtobufCMessage *edge_call_request(const struct edge_call *call);
/* raw methods: the body as it came (inflated), its format, and path fields bound by the route. */
const void *edge_call_body(const struct edge_call *call, size_t *size);
enum edge_format edge_call_format(const struct edge_call *call);
/* Value of a bound path field (decoded), NULL when the route has none of that name. */
const char *edge_call_field(const struct edge_call *call, const char *field);
/* Request metadata / header, lower-case name; NULL when absent. Over HTTP also what came as
 * Grpc-Metadata-NAME. */
const char *edge_call_header(const struct edge_call *call, const char *name);
/* Absolute, on the turn's clock; the client's deadline or the method's default. */
uint64_t edge_call_deadline_us(const struct edge_call *call);
struct arena *edge_call_arena(struct edge_call *call);
/* The service's state in this edge (edge_service.state_size bytes). */
void *edge_call_state(const struct edge_call *call);
/* What the service keeps with this call, of methods whose run is called more than once. NULL until
 * it is set. */
void edge_call_keep(struct edge_call *call, void *kept);
void *edge_call_kept(const struct edge_call *call);
/* Name of the actor this edge's services ask: edge_options.router. */
const char *edge_call_router(const struct edge_call *call);
/* False when the client is gone, cancelled or past its deadline: stop early (the call must still be
 * ended). */
bool edge_call_wanted(const struct edge_call *call);
/* run once when the client cancels, is lost or its deadline passes before the end. */
void edge_call_on_cancel(struct edge_call *call,
                         void (*run)(void *context, struct turn *turn),
                         void *context);
/* run once when the call's memory goes, whatever ended it, also when the edge itself stops: the
 * place to give back what does not live in the call's arena. No turn: nothing can be sent from
 * there. */
void edge_call_on_free(struct edge_call *call, void (*run)(void *context), void *context);
/* Response metadata (before the first answer). Copied. Over HTTP it goes out as Grpc-Metadata-NAME.
 */
void edge_call_set_header(struct edge_call *call, const char *name, const char *value);

void edge_reply(struct edge_call *call, const ProtobufCMessage *response, struct turn *turn);
void edge_part(struct edge_call *call, const ProtobufCMessage *response, struct turn *turn);
void edge_end(struct edge_call *call, struct turn *turn);
/* True while the client reads slower than we write: hold back, or send and be ended BUSY. A part
 * that finds more than EDGE_STREAM_MAX bytes waiting ends the answer with BUSY (the call must still
 * be ended). */
bool edge_call_clogged(const struct edge_call *call);
/* An encoded google.rpc.Status for grpc-status-details-bin, <= EDGE_DETAILS_MAX (larger ones are
 * left out). Before edge_fail. Copied. */
void edge_call_set_details(struct edge_call *call, const void *data, size_t size);
void edge_retry_after(struct edge_call *call, uint32_t ms); /* before edge_fail */
/* status is not STATUS_OK. text NULL or "": the status' own sentence. */
void edge_fail(struct edge_call *call, enum status status, const char *text, struct turn *turn);

/* --- written by the services (service_vectron.c …) ---------------------------------------- */
/* All services of the gateway, ended by NULL. */
extern const struct edge_service *const edge_gateway_services[];
/* All HTTP routes of the gateway, ended by {0}. */
extern const struct edge_route edge_gateway_routes[];

#endif
