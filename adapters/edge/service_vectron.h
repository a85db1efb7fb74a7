/* service_vectron: the gRPC service vectron.v1.VectronService: public requests become questions to
 * the router, its answers public responses. One file a conversation: service_vectron.c the short
 * ones, service_search.c, service_batch.c, service_upsert.c, service_indexes.c. */
#ifndef EDGE_SERVICE_VECTRON_H
#define EDGE_SERVICE_VECTRON_H

#include "adapters/edge/call.h"
#include "adapters/edge/check.h"
#include "schemas/router.pb-c.h"

#define SESSION_HEADER "vectron-session"
#define BULK_HEADER    "vectron-bulk" /* "1": points of a bulk ingest */
enum {
    SESSION_HEADER_MAX = 4096,    /* bytes; gRPC clients give up at 8 KiB of metadata */
    READ_DEADLINE_MS = 10 * 1000, /* of calls whose client gave none */
    WRITE_DEADLINE_MS = 60 * 1000,
    SMALL_BODY_MAX = 1024 * 1024,      /* of requests without a vector */
    VECTOR_BODY_MAX = 4 * 1024 * 1024, /* the largest vector as JSON, twice */
    BATCH_BODY_MAX = 32 * 1024 * 1024, /* 1,000 vectors of 1,536 values as JSON */
};

extern const struct edge_service vectron_service;

/* A session token as response metadata too, unless it is empty or more than clients take there. */
void service_session(struct edge_call *call, const char *session);

/* The request as the router's question, judged; it borrows from the request, and has the arena for
 * the filter. A failure's words are in check. */
MUST_USE enum status service_query(const Vectron__V1__SearchRequest *request,
                                   struct arena *arena,
                                   RouterSearch *query,
                                   struct check *check);
void service_batch_search(void *self, struct edge_call *call, struct turn *turn);
void service_search(void *self, struct edge_call *call, struct turn *turn);
void service_search_stream(void *self, struct edge_call *call, struct turn *turn);
void service_create_index(void *self, struct edge_call *call, struct turn *turn);
void service_drop_index(void *self, struct edge_call *call, struct turn *turn);
void service_upsert(void *self, struct edge_call *call, struct turn *turn);

#endif
