/* service_worker: the gRPC service vectron.worker.v1.WorkerService: the shards of this process one
 * by one. service_worker.c has what is one question, service_worker_store.c writes of any size,
 * service_worker_search.c searches, worker_vector.c the form of vectors. */
#ifndef EDGE_SERVICE_WORKER_H
#define EDGE_SERVICE_WORKER_H

#include "adapters/edge/call.h"
#include "adapters/edge/check.h"
#include "adapters/edge/question.h"
#include "schemas/shard.pb-c.h"
#include "schemas/worker.pb-c.h"

#define WORKER_V1(Type) Vectron__Worker__V1__##Type

enum { WORKER_SHARD_NAME = 32 };

extern const struct edge_service worker_service;
/* Services of a worker's edge, ended by NULL. */
extern const struct edge_service *const edge_worker_services[];

/* Of one edge: under whose name it writes. */
struct worker_state {
    uint64_t router;
    uint64_t sequence;
};

/* Which shard a request is for, and what the caller knows of it. */
struct worker_lease {
    uint64_t shard;
    uint64_t epoch;
    int64_t expiry_ms; /* 0: none */
};
/* False, and the call is failed: the lease does not hold (contract 7.2), or the shard is not here.
 * name has its actor's name. */
bool worker_judge(struct edge_call *call,
                  const struct worker_lease *lease,
                  char name[WORKER_SHARD_NAME],
                  struct turn *turn);
/* Ends the call with what the shard said. */
void worker_fail(struct edge_call *call, const struct outcome *outcome, struct turn *turn);
/* A write's number, unique to this edge and ascending. */
void worker_number(struct edge_call *call, ShardWrite *write, struct turn *turn);

/* --- worker_vector.c --- */
/* An operation that puts the vector. INVALID with words. */
MUST_USE enum status worker_operation(const WORKER_V1(Vector) * vector,
                                      struct arena *arena,
                                      ShardOperation *out,
                                      struct check *check);
/* Metadata as clients have it, of a stored payload. CORRUPT, NO_MEMORY. */
MUST_USE enum status
worker_metadata(const ProtobufCBinaryData *payload, struct arena *arena, ProtobufCBinaryData *out);
/* The id of a key "v_id", or NULL. In the arena. */
char *worker_key_id(const ProtobufCBinaryData *key, struct arena *arena);
/* The vector of a stored value, and back. INVALID with words; NO_MEMORY. */
MUST_USE enum status worker_value_read(const ProtobufCBinaryData *value,
                                       struct arena *arena,
                                       WORKER_V1(Vector) * out,
                                       struct check *check);
MUST_USE enum status
worker_value_write(const WORKER_V1(Vector) * vector, struct arena *arena, ProtobufCBinaryData *out);

/* --- service_worker_store.c, service_worker_search.c --- */
void worker_batch_store(void *self, struct edge_call *call, struct turn *turn);
void worker_stream_store(void *self, struct edge_call *call, struct turn *turn);
void worker_stream_stored(void *self, struct edge_call *call, struct turn *turn);
void worker_search(void *self, struct edge_call *call, struct turn *turn);
void worker_batch_search(void *self, struct edge_call *call, struct turn *turn);

#endif
