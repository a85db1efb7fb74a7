/* call: one request at the edge, whatever it came over: gRPC, HTTP/2 JSON, HTTP/1.1 JSON. The transport
 * (server.c and friends) makes it, a service's method (service_*.c) serves it, and neither knows the other.
 *
 *   transport ──▶ method->run(call, turn) ──▶ edge_reply | edge_part … edge_end | edge_fail   exactly one end
 *
 * The call lives until it ended, also when the client is gone (then answers go nowhere). Its memory is one
 * arena. Used on the edge's lane only. */
#ifndef EDGE_CALL_H
#define EDGE_CALL_H

#include <protobuf-c/protobuf-c.h>

#include "runtime/arena.h"
#include "runtime/turn.h"

struct edge_call;

struct edge_method {
    const char *path; /* "/vectron.v1.VectronService/Search" */
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *response;
    bool stream;      /* server streaming: edge_part any number of times, then edge_end */
    bool raw;         /* the transport does not decode the body: the method walks it (Upsert) */
    void (*run)(void *self, struct edge_call *call, struct turn *turn);
};

/* One list of services makes gRPC dispatch, reflection, HTTP routes and /openapi.json. */
struct edge_service {
    const char *name; /* "vectron.v1.VectronService" */
    const struct edge_method *methods;
    size_t n_methods;
};

/* An HTTP rule of a method: what google.api.http would say. */
struct edge_route {
    const char *verb;     /* "POST" */
    const char *pattern;  /* "/v1/collections/{collection}/points/{id}"; {field} binds one segment */
    const char *method;   /* path of the gRPC method */
    bool body;            /* the JSON body is the whole message; path fields override it */
    bool events;          /* answer as text/event-stream */
};

enum edge_format { EDGE_PROTOBUF, EDGE_JSON };

/* The decoded request, owned by the call. NULL for raw methods. */
const ProtobufCMessage *edge_call_request(const struct edge_call *call);
/* raw methods: the body as it came (inflated), its format, and path fields bound by the route. */
const void *edge_call_body(const struct edge_call *call, size_t *size);
enum edge_format edge_call_format(const struct edge_call *call);
/* Value of a bound path field (decoded), NULL when the route has none of that name. */
const char *edge_call_field(const struct edge_call *call, const char *field);
/* Request metadata / header, lower-case name; NULL when absent. */
const char *edge_call_header(const struct edge_call *call, const char *name);
/* Absolute, on the turn's clock; the client's deadline or the method's default. */
uint64_t edge_call_deadline_us(const struct edge_call *call);
struct arena *edge_call_arena(struct edge_call *call);
/* False when the client is gone or cancelled: stop early (the call must still be ended). */
bool edge_call_wanted(const struct edge_call *call);
/* run once when the client cancels or is lost before the end. */
void edge_call_on_cancel(struct edge_call *call, void (*run)(void *context, struct turn *turn),
                         void *context);
/* Response metadata (before the first answer). Copied. */
void edge_call_set_header(struct edge_call *call, const char *name, const char *value);

void edge_reply(struct edge_call *call, const ProtobufCMessage *response, struct turn *turn);
void edge_part(struct edge_call *call, const ProtobufCMessage *response, struct turn *turn);
void edge_end(struct edge_call *call, struct turn *turn);
/* True while the client reads slower than we write: parts beyond the bound end the call BUSY. */
bool edge_call_clogged(const struct edge_call *call);
/* details (may be NULL): an encoded google.rpc.Status for grpc-status-details-bin, <= 4 KiB. */
void edge_fail(struct edge_call *call, enum status status, const char *text, struct turn *turn);
void edge_retry_after(struct edge_call *call, uint32_t ms); /* before edge_fail */

/* --- written by the services (service_vectron.c, service_health.c …) ------------------------------ */
/* All services of the gateway, NULL-terminated by name. */
extern const struct edge_service *const edge_gateway_services[];
/* All HTTP routes of the gateway, ended by {0}. */
extern const struct edge_route edge_gateway_routes[];

#endif
