/* service_worker: requests that are one question to a shard of this process, and the table. The
 * caller says which epoch of the shard it knows: an old one is refused, so that a caller with old
 * routes cannot write past a move. */
#include "adapters/edge/service_worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/poison.h"

enum {
    READ_MS = 10 * 1000,
    WRITE_MS = 60 * 1000,
    SMALL_MAX = 1024 * 1024,
    BATCH_MAX = 64 * 1024 * 1024,
    STREAM_MAX = 256 * 1024, /* a message of a stream is decoded where it comes in */
};

#define V1(Type)            WORKER_V1(Type)
#define REQUEST(Type, call) ((const V1(Type) *)edge_call_request(call))

/* --- what all share -------------------------------------------------------------------------- */

static bool refuse(struct edge_call *call, enum status s, const char *words, struct turn *turn) {
    edge_fail(call, s, words, turn);
    return false;
}

bool worker_judge(struct edge_call *call,
                  const struct worker_lease *lease,
                  char name[WORKER_SHARD_NAME],
                  struct turn *turn) {
    char words[CHECK_WORDS_MAX];
    if (lease->shard == 0) return refuse(call, STATUS_INVALID, "shard_id is required", turn);
    if (lease->epoch == 0) return refuse(call, STATUS_STALE_EPOCH, "missing shard epoch", turn);
    if (lease->expiry_ms != 0 && lease->expiry_ms < (int64_t)turn_wall_ms(turn))
        return refuse(call, STATUS_STALE_EPOCH, "shard lease expired", turn);
    snprintf(name, WORKER_SHARD_NAME, "shard/%" PRIu64, lease->shard);
    if (turn_find(turn, name)) return true;
    snprintf(words, sizeof words, "shard %" PRIu64 " not ready: this worker does not keep it",
             lease->shard);
    return refuse(call, STATUS_NOT_READY, words, turn);
}

void worker_fail(struct edge_call *call, const struct outcome *outcome, struct turn *turn) {
    char words[CHECK_WORDS_MAX];
    if (outcome->status != STATUS_STALE_EPOCH) {
        question_fail(call, outcome, turn);
        return;
    }
    snprintf(words, sizeof words, "stale shard epoch: %s", outcome->text);
    edge_fail(call, STATUS_STALE_EPOCH, words, turn);
}

void worker_number(struct edge_call *call, ShardWrite *write, struct turn *turn) {
    struct worker_state *state = edge_call_state(call);
    if (state->router == 0) state->router = turn_random(turn) | 1;
    write->router = state->router;
    write->sequence = ++state->sequence;
}

struct asked {
    struct question question; /* first */
    char name[WORKER_SHARD_NAME];
};

/* The lease holds: asks its shard. */
static void ask(struct edge_call *call,
                const struct worker_lease *lease,
                const ProtobufCMessage *message,
                void (*done)(struct question *, const struct outcome *, struct turn *),
                struct turn *turn) {
    char name[WORKER_SHARD_NAME];
    if (!worker_judge(call, lease, name, turn)) return;
    struct asked *asked = question_new(call, sizeof *asked, turn);
    if (!asked) return;
    memcpy(asked->name, name, sizeof name);
    asked->question = (struct question){.call = call, .done = done, .to = asked->name};
    question_start(&asked->question, message, turn);
}

#define LEASE(request) \
    &(struct worker_lease) { \
        (request)->shard_id, (request)->shard_epoch, (request)->lease_expiry_unix_ms \
    }

static void write_one(struct edge_call *call,
                      const struct worker_lease *lease,
                      ShardOperation *operation,
                      void (*done)(struct question *, const struct outcome *, struct turn *),
                      struct turn *turn) {
    ShardWrite write = SHARD_WRITE__INIT;
    ShardOperation *operations[] = {operation};
    worker_number(call, &write, turn);
    write.epoch = lease->epoch;
    write.n_operations = 1;
    write.operations = operations;
    ask(call, lease, &write.base, done, turn);
}

/* Writes whose response is empty. */
#define ON_WRITTEN(name) \
    static void on_##name(struct question *question, const struct outcome *outcome, \
                          struct turn *turn) { \
        if (outcome_as(outcome, ShardWritten, shard_written)) \
            edge_reply(question->call, \
                       turn_message(turn, &vectron__worker__v1__##name##_response__descriptor), \
                       turn); \
        else \
            worker_fail(question->call, outcome, turn); \
    }
ON_WRITTEN(store_vector)
ON_WRITTEN(delete_vector)
ON_WRITTEN(put)
ON_WRITTEN(delete)

/* --- vectors --------------------------------------------------------------------------------- */

static void store_vector(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(StoreVectorRequest) *request = REQUEST(StoreVectorRequest, call);
    struct check check = {0};
    ShardOperation operation;
    if (!request->vector) {
        edge_fail(call, STATUS_INVALID, "vector is required", turn);
        return;
    }
    enum status s = worker_operation(request->vector, edge_call_arena(call), &operation, &check);
    if (s == STATUS_OK)
        write_one(call, LEASE(request), &operation, on_store_vector, turn);
    else
        edge_fail(call, s, check.words, turn);
}

static bool
remove_operation(struct edge_call *call, char *id, ShardOperation *out, struct turn *turn) {
    struct check check;
    enum status s = check_id(&check, id);
    if (s != STATUS_OK) return refuse(call, s, check.words, turn);
    shard_operation__init(out);
    out->id = id;
    out->remove = true;
    return true;
}

static void delete_vector(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(DeleteVectorRequest) *request = REQUEST(DeleteVectorRequest, call);
    ShardOperation operation;
    if (remove_operation(call, request->id, &operation, turn))
        write_one(call, LEASE(request), &operation, on_delete_vector, turn);
}

/* The point as a vector: its floats may be misaligned in the message, so they are copied. */
static enum status take_point(struct edge_call *call, const ShardPoint *point, V1(Vector) * out) {
    struct arena *arena = edge_call_arena(call);
    vectron__worker__v1__vector__init(out);
    out->id = point->id;
    out->vector = arena_alloc(arena, (point->n_vector + 1) * sizeof(float));
    if (!out->vector) return STATUS_NO_MEMORY;
    if (point->n_vector) memcpy(out->vector, point->vector, point->n_vector * sizeof(float));
    out->n_vector = point->n_vector;
    return worker_metadata(&point->payload, arena, &out->metadata);
}

static bool read_point(struct question *question,
                       const struct outcome *outcome,
                       V1(Vector) * out,
                       struct turn *turn) {
    const ShardPoint *point = outcome_as(outcome, ShardPoint, shard_point);
    if (!point) {
        worker_fail(question->call, outcome, turn);
        return false;
    }
    enum status s = take_point(question->call, point, out);
    return s == STATUS_OK || refuse(question->call, s, NULL, turn);
}

static void on_vector(struct question *question, const struct outcome *outcome, struct turn *turn) {
    V1(GetVectorResponse) response = VECTRON__WORKER__V1__GET_VECTOR_RESPONSE__INIT;
    V1(Vector) vector;
    if (!read_point(question, outcome, &vector, turn)) return;
    response.vector = &vector;
    edge_reply(question->call, &response.base, turn);
}

static void read_one(struct edge_call *call,
                     const struct worker_lease *lease,
                     const char *id,
                     void (*done)(struct question *, const struct outcome *, struct turn *),
                     struct turn *turn) {
    struct check check;
    enum status s = check_id(&check, id);
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return;
    }
    ShardGet get = SHARD_GET__INIT;
    get.epoch = lease->epoch;
    get.id = (char *)(uintptr_t)id;
    get.consistency = VECTRON__V1__CONSISTENCY__CONSISTENCY_LINEARIZABLE; /* contract 7.2 */
    ask(call, lease, &get.base, done, turn);
}

static void get_vector(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(GetVectorRequest) *request = REQUEST(GetVectorRequest, call);
    read_one(call, LEASE(request), request->id, on_vector, turn);
}

/* --- keys and values ------------------------------------------------------------------------- */

#define NO_KEY "a key is \"v_\" and the id of a point"

static void put(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(PutRequest) *request = REQUEST(PutRequest, call);
    struct arena *arena = edge_call_arena(call);
    struct check check = {0};
    V1(Vector) vector = VECTRON__WORKER__V1__VECTOR__INIT;
    ShardOperation operation;
    vector.id = request->kv ? worker_key_id(&request->kv->key, arena) : NULL;
    if (!vector.id) {
        edge_fail(call, STATUS_INVALID, NO_KEY, turn);
        return;
    }
    enum status s = worker_value_read(&request->kv->value, arena, &vector, &check);
    if (s == STATUS_OK) s = worker_operation(&vector, arena, &operation, &check);
    if (s == STATUS_OK)
        write_one(call, LEASE(request), &operation, on_put, turn);
    else
        edge_fail(call, s, check.words, turn);
}

static void on_value(struct question *question, const struct outcome *outcome, struct turn *turn) {
    V1(GetResponse) response = VECTRON__WORKER__V1__GET_RESPONSE__INIT;
    V1(KeyValuePair) pair = VECTRON__WORKER__V1__KEY_VALUE_PAIR__INIT;
    V1(Vector) vector;
    if (!read_point(question, outcome, &vector, turn)) return;
    enum status s = worker_value_write(&vector, edge_call_arena(question->call), &pair.value);
    if (s != STATUS_OK) {
        edge_fail(question->call, s, NULL, turn);
        return;
    }
    pair.key = REQUEST(GetRequest, question->call)->key;
    response.kv = &pair;
    edge_reply(question->call, &response.base, turn);
}

static void get(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(GetRequest) *request = REQUEST(GetRequest, call);
    const char *id = worker_key_id(&request->key, edge_call_arena(call));
    if (id)
        read_one(call, LEASE(request), id, on_value, turn);
    else
        edge_fail(call, STATUS_INVALID, NO_KEY, turn);
}

static void delete (void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(DeleteRequest) *request = REQUEST(DeleteRequest, call);
    ShardOperation operation;
    char *id = worker_key_id(&request->key, edge_call_arena(call));
    if (!id)
        edge_fail(call, STATUS_INVALID, NO_KEY, turn);
    else if (remove_operation(call, id, &operation, turn))
        write_one(call, LEASE(request), &operation, on_delete, turn);
}

/* --- a shard's state ------------------------------------------------------------------------- */

static void on_state(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const ShardState *state = outcome_as(outcome, ShardState, shard_state);
    V1(StatusResponse) response = VECTRON__WORKER__V1__STATUS_RESPONSE__INIT;
    if (!state) {
        worker_fail(question->call, outcome, turn);
        return;
    }
    response.status = state->state;
    edge_reply(question->call, &response.base, turn);
}

static void status(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    ShardAsk message = SHARD_ASK__INIT;
    ask(call, LEASE(REQUEST(StatusRequest, call)), &message.base, on_state, turn);
}

/* What was acknowledged is synced: there is nothing to wait for but that the shard says it serves.
 */
static void
on_flushed(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const ShardState *state = outcome_as(outcome, ShardState, shard_state);
    V1(FlushResponse) response = VECTRON__WORKER__V1__FLUSH_RESPONSE__INIT;
    if (!state) {
        worker_fail(question->call, outcome, turn);
    } else if (strcmp(state->state, "serving") != 0) {
        char words[CHECK_WORDS_MAX];
        snprintf(words, sizeof words, "shard %" PRIu64 " is %.32s: %.200s", state->shard,
                 state->state, state->text);
        edge_fail(question->call, STATUS_NOT_READY, words, turn);
    } else {
        edge_reply(question->call, &response.base, turn);
    }
}

static void flush(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    ShardAsk message = SHARD_ASK__INIT;
    ask(call, LEASE(REQUEST(FlushRequest, call)), &message.base, on_flushed, turn);
}

/* --- streams of the original's index --------------------------------------------------------- */

static bool is_here(struct edge_call *call, uint64_t shard, struct turn *turn) {
    char name[WORKER_SHARD_NAME];
    return worker_judge(call, &(struct worker_lease){.shard = shard, .epoch = 1}, name, turn);
}

/* Its own index has another form, which replicas do not need: what the original sends by default,
 * one empty chunk that is the last. */
static void stream_snapshot(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(HNSWSnapshotRequest) *request = REQUEST(HNSWSnapshotRequest, call);
    V1(HNSWSnapshotChunk) chunk = VECTRON__WORKER__V1__HNSWSNAPSHOT_CHUNK__INIT;
    if (!is_here(call, request->shard_id, turn)) return;
    chunk.shard_id = request->shard_id;
    chunk.snapshot_ts_unix_nano = (int64_t)turn_wall_ms(turn) * 1000000;
    chunk.done = true;
    edge_part(call, &chunk.base, turn);
    edge_end(call, turn);
}

static void stream_updates(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    if (!is_here(call, REQUEST(HNSWUpdatesRequest, call)->shard_id, turn)) return;
    edge_fail(call, STATUS_UNIMPLEMENTED,
              "there is no stream of index updates: replicas are fed by the Raft log", turn);
}

/* --- the table ------------------------------------------------------------------------------- */

#define METHOD(Name, name, ...) \
    { \
        .path = "/vectron.worker.v1.WorkerService/" #Name, \
        .request = &vectron__worker__v1__##name##_request__descriptor, \
        .response = &vectron__worker__v1__##name##_response__descriptor, __VA_ARGS__ \
    }

static const struct edge_method methods[] = {
    METHOD(StoreVector,
           store_vector,
           .run = store_vector,
           .deadline_ms = WRITE_MS,
           .body_max = SMALL_MAX),
    METHOD(BatchStoreVector,
           batch_store_vector,
           .run = worker_batch_store,
           .deadline_ms = WRITE_MS,
           .body_max = BATCH_MAX),
    METHOD(GetVector, get_vector, .run = get_vector, .deadline_ms = READ_MS, .body_max = SMALL_MAX),
    METHOD(DeleteVector,
           delete_vector,
           .run = delete_vector,
           .deadline_ms = WRITE_MS,
           .body_max = SMALL_MAX),
    METHOD(Search, search, .run = worker_search, .deadline_ms = READ_MS, .body_max = SMALL_MAX),
    METHOD(BatchSearch,
           batch_search,
           .run = worker_batch_search,
           .deadline_ms = READ_MS,
           .body_max = BATCH_MAX),
    METHOD(Put, put, .run = put, .deadline_ms = WRITE_MS, .body_max = SMALL_MAX),
    METHOD(Get, get, .run = get, .deadline_ms = READ_MS, .body_max = SMALL_MAX),
    METHOD(Delete, delete, .run = delete, .deadline_ms = WRITE_MS, .body_max = SMALL_MAX),
    METHOD(Status, status, .run = status, .deadline_ms = READ_MS, .body_max = SMALL_MAX),
    METHOD(Flush, flush, .run = flush, .deadline_ms = READ_MS, .body_max = SMALL_MAX),
    {
        .path = "/vectron.worker.v1.WorkerService/StreamBatchStoreVector",
        .request = &vectron__worker__v1__batch_store_vector_request__descriptor,
        .response = &vectron__worker__v1__batch_store_vector_response__descriptor,
        .both = true,
        .run = worker_stream_store,
        .finish = worker_stream_stored,
        .deadline_ms = WRITE_MS,
        .body_max = STREAM_MAX,
    },
    {
        .path = "/vectron.worker.v1.WorkerService/StreamHNSWSnapshot",
        .request = &vectron__worker__v1__hnswsnapshot_request__descriptor,
        .response = &vectron__worker__v1__hnswsnapshot_chunk__descriptor,
        .stream = true,
        .run = stream_snapshot,
        .deadline_ms = READ_MS,
        .body_max = SMALL_MAX,
    },
    {
        .path = "/vectron.worker.v1.WorkerService/StreamHNSWUpdates",
        .request = &vectron__worker__v1__hnswupdates_request__descriptor,
        .response = &vectron__worker__v1__hnswupdate_batch__descriptor,
        .stream = true,
        .run = stream_updates,
        .deadline_ms = READ_MS,
        .body_max = SMALL_MAX,
    },
};

const struct edge_service worker_service = {
    .name = "vectron.worker.v1.WorkerService",
    .methods = methods,
    .n_methods = sizeof methods / sizeof *methods,
    .state_size = sizeof(struct worker_state),
};

const struct edge_service *const edge_worker_services[] = {&worker_service, NULL};
