/* service_vectron: the methods that are one question and one answer, and the table of all. */
#include "adapters/edge/service_vectron.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/edge/check.h"
#include "adapters/edge/filter.h"
#include "adapters/edge/payload.h"
#include "adapters/edge/preset.h"
#include "adapters/edge/question.h"
#include "runtime/poison.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/router.pb-c.h"
#include "schemas/runtime.pb-c.h"

/* The request as its type; the transport decoded it as the table says. */
#define REQUEST(Type, call) ((const Type *)edge_call_request(call))

void service_session(struct edge_call *call, const char *session) {
    size_t size = strnlen(session, SESSION_HEADER_MAX + 1);
    if (size > 0 && size <= SESSION_HEADER_MAX) edge_call_set_header(call, SESSION_HEADER, session);
}

/* Asks and lets `done` answer the call. */
static void ask(struct edge_call *call,
                const ProtobufCMessage *message,
                void (*done)(struct question *, const struct outcome *, struct turn *),
                struct turn *turn) {
    struct question *question = question_new(call, sizeof *question, turn);
    if (!question) return;
    *question = (struct question){.call = call, .done = done};
    question_start(question, message, turn);
}

/* --- collections ----------------------------------------------------------------------------- */

static void
on_created(struct question *question, const struct outcome *outcome, struct turn *turn) {
    if (!outcome_as(outcome, Done, done)) {
        question_fail(question->call, outcome, turn);
        return;
    }
    Vectron__V1__CreateCollectionResponse response = VECTRON__V1__CREATE_COLLECTION_RESPONSE__INIT;
    response.success = true;
    edge_reply(question->call, &response.base, turn);
}

static void create_collection(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const Vectron__V1__CreateCollectionRequest *request =
        REQUEST(Vectron__V1__CreateCollectionRequest, call);
    struct check check;
    const char *distance;
    enum status s = check_new_name(&check, request->name);
    if (s == STATUS_OK) s = check_dimension(&check, request->dimension);
    struct filter_columns columns = {.n = 0};
    if (s == STATUS_OK) s = check_distance(&check, request->distance, &distance);
    if (s == STATUS_OK) s = check_keeping(&check, request);
    struct preset preset = {0};
    if (s == STATUS_OK) s = preset_read(request->preset, &preset, &check);
    if (s == STATUS_OK) s = filter_columns(request, edge_call_arena(call), &columns, &check);
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return;
    }
    RouterCreateCollection create = ROUTER_CREATE_COLLECTION__INIT;
    create.name = request->name;
    create.dimension = (uint32_t)request->dimension;
    create.distance = (char *)distance;
    create.shards = request->shards;
    create.replicas = request->replicas;
    create.storage = request->storage;
    create.originals = request->originals;
    create.target_recall = preset.target_recall > 0 ? preset.target_recall : request->target_recall;
    create.exact = preset.exact;
    create.rescore = request->rescore;
    create.n_payload_indexes = columns.n;
    create.payload_indexes = columns.columns;
    ask(call, &create.base, on_created, turn);
}

static void
on_collection_deleted(struct question *question, const struct outcome *outcome, struct turn *turn) {
    if (!outcome_as(outcome, Done, done)) {
        question_fail(question->call, outcome, turn);
        return;
    }
    Vectron__V1__DeleteCollectionResponse response = VECTRON__V1__DELETE_COLLECTION_RESPONSE__INIT;
    response.success = true;
    edge_reply(question->call, &response.base, turn);
}

static void delete_collection(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const char *name = REQUEST(Vectron__V1__DeleteCollectionRequest, call)->name;
    struct check check;
    enum status s = check_name(&check, name, "collection name cannot be empty");
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return;
    }
    RouterDeleteCollection drop = ROUTER_DELETE_COLLECTION__INIT;
    drop.name = (char *)name;
    ask(call, &drop.base, on_collection_deleted, turn);
}

static void
on_collections(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const RouterCollections *found = outcome_as(outcome, RouterCollections, router_collections);
    if (!found) {
        question_fail(question->call, outcome, turn);
        return;
    }
    Vectron__V1__ListCollectionsResponse response = VECTRON__V1__LIST_COLLECTIONS_RESPONSE__INIT;
    response.n_collections = found->n_names;
    response.collections = found->names;
    edge_reply(question->call, &response.base, turn);
}

static void list_collections(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    RouterListCollections list = ROUTER_LIST_COLLECTIONS__INIT;
    ask(call, &list.base, on_collections, turn);
}

/* The shards' public form, in the turn's memory; NULL without any. */
static Vectron__V1__ShardStatus **public_shards(const RouterCollection *found, struct turn *turn) {
    Vectron__V1__ShardStatus **shards = turn_alloc(turn, (found->n_shards + 1) * sizeof *shards);
    for (size_t i = 0; shards && i < found->n_shards; i++) {
        const RouterShard *shard = found->shards[i];
        shards[i] = turn_new(turn, Vectron__V1__ShardStatus, vectron__v1__shard_status);
        if (!shards[i]) return NULL;
        shards[i]->shard_id = shard->shard;
        shards[i]->n_replicas = shard->n_replicas;
        shards[i]->replicas = shard->replicas;
        shards[i]->leader_id = shard->leader;
        shards[i]->ready = shard->ready;
        shards[i]->state = shard->state;
        shards[i]->points = shard->points;
        shards[i]->waiting = shard->waiting;
        shards[i]->memory_bytes = shard->memory_bytes;
        shards[i]->storage = shard->storage;
        shards[i]->recall = shard->recall;
        shards[i]->recall_live = shard->recall_live;
        shards[i]->ef = shard->ef;
    }
    return shards;
}

static int by_key(const void *left, const void *right) {
    const Vectron__V1__PayloadIndexStatus *a = *(Vectron__V1__PayloadIndexStatus *const *)left;
    const Vectron__V1__PayloadIndexStatus *b = *(Vectron__V1__PayloadIndexStatus *const *)right;
    int keys = strcmp(a->key, b->key);
    return keys ? keys : (a->type > b->type) - (a->type < b->type);
}

/* The same of the payload indexes. */
static Vectron__V1__PayloadIndexStatus **public_indexes(const RouterCollection *found,
                                                        struct turn *turn) {
    Vectron__V1__PayloadIndexStatus **indexes =
        turn_alloc(turn, (found->n_columns + 1) * sizeof *indexes);
    for (size_t i = 0; indexes && i < found->n_columns; i++) {
        const RouterColumn *column = found->columns[i];
        indexes[i] =
            turn_new(turn, Vectron__V1__PayloadIndexStatus, vectron__v1__payload_index_status);
        if (!indexes[i]) return NULL;
        indexes[i]->key = column->column->key;
        indexes[i]->type = (Vectron__V1__PayloadType)column->column->type;
        indexes[i]->values = column->values;
        indexes[i]->unparsed = column->unread;
        indexes[i]->bytes = column->bytes;
        indexes[i]->ready = column->complete;
        indexes[i]->declared = column->declared;
        indexes[i]->progress = column->complete ? 1
                               : column->points ? (float)column->filled / (float)column->points
                                                : 0;
    }
    if (indexes) qsort(indexes, found->n_columns, sizeof *indexes, by_key);
    return indexes;
}

static void on_status(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const RouterCollection *found = outcome_as(outcome, RouterCollection, router_collection);
    if (!found) {
        question_fail(question->call, outcome, turn);
        return;
    }
    Vectron__V1__GetCollectionStatusResponse response =
        VECTRON__V1__GET_COLLECTION_STATUS_RESPONSE__INIT;
    response.name = found->name;
    response.dimension = (int32_t)found->dimension;
    response.distance = found->distance;
    response.n_shards = found->n_shards;
    response.shards = public_shards(found, turn);
    response.preset = (char *)preset_name(found->target_recall, found->exact);
    response.target_recall = found->target_recall;
    response.rescore = found->rescore;
    response.n_payload_indexes = found->n_columns;
    response.payload_indexes = public_indexes(found, turn);
    if (response.shards && response.payload_indexes)
        edge_reply(question->call, &response.base, turn);
    else
        edge_fail(question->call, STATUS_NO_MEMORY, NULL, turn);
}

static void get_collection_status(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const char *name = REQUEST(Vectron__V1__GetCollectionStatusRequest, call)->name;
    struct check check;
    enum status s = check_name(&check, name, "collection name is required");
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return;
    }
    RouterDescribe describe = ROUTER_DESCRIBE__INIT;
    describe.name = (char *)name;
    describe.shards = true;
    ask(call, &describe.base, on_status, turn);
}

/* --- points ---------------------------------------------------------------------------------- */

static void on_point(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const RouterPoint *found = outcome_as(outcome, RouterPoint, router_point);
    if (!found) {
        question_fail(question->call, outcome, turn);
        return;
    }
    Vectron__V1__GetResponse response = VECTRON__V1__GET_RESPONSE__INIT;
    Vectron__V1__Point point = VECTRON__V1__POINT__INIT;
    ProtobufCMessage **entries;
    enum status s = payload_unpack(&found->payload, &vectron__v1__point__payload_entry__descriptor,
                                   edge_call_arena(question->call), &entries, &point.n_payload);
    /* The vector is a view into the message and may be misaligned: it is copied. */
    float *vector = arena_alloc(edge_call_arena(question->call), found->n_vector * sizeof *vector);
    if (s == STATUS_OK && !vector) s = STATUS_NO_MEMORY;
    if (s != STATUS_OK) {
        edge_fail(question->call, s,
                  s == STATUS_CORRUPT ? "stored payload is not a map of strings" : NULL, turn);
        return;
    }
    if (found->n_vector) memcpy(vector, found->vector, found->n_vector * sizeof *vector);
    point.id = found->id;
    point.vector = vector;
    point.n_vector = found->n_vector;
    point.payload = (Vectron__V1__Point__PayloadEntry **)entries;
    response.point = &point;
    edge_reply(question->call, &response.base, turn);
}

/* An id that no point can have is not found, as the contract has it for "". */
static enum status check_get(struct check *check, const Vectron__V1__GetRequest *request) {
    enum status s = check_name(check, request->collection, "collection name cannot be empty");
    if (s == STATUS_OK) s = check_consistency(check, (int)request->consistency);
    if (s != STATUS_OK || request->id[0]) return s == STATUS_OK ? check_id(check, request->id) : s;
    snprintf(check->words, sizeof check->words, "vector with id  not found");
    return STATUS_NOT_FOUND;
}

static void get(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const Vectron__V1__GetRequest *request = REQUEST(Vectron__V1__GetRequest, call);
    const char *session = edge_call_header(call, SESSION_HEADER);
    struct check check;
    enum status s = check_get(&check, request);
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return;
    }
    RouterGet get = ROUTER_GET__INIT;
    get.collection = request->collection;
    get.id = request->id;
    get.consistency = (uint32_t)request->consistency;
    get.max_staleness_ms = request->max_staleness_ms;
    if (session) get.session = (char *)session;
    ask(call, &get.base, on_point, turn);
}

static void
on_deleted(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const RouterDeleted *deleted = outcome_as(outcome, RouterDeleted, router_deleted);
    if (!deleted) {
        question_fail(question->call, outcome, turn);
        return;
    }
    service_session(question->call, deleted->session);
    Vectron__V1__DeleteResponse response = VECTRON__V1__DELETE_RESPONSE__INIT;
    edge_reply(question->call, &response.base, turn);
}

static void delete_point(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const Vectron__V1__DeleteRequest *request = REQUEST(Vectron__V1__DeleteRequest, call);
    struct check check;
    enum status s = check_name(&check, request->collection, "collection name cannot be empty");
    if (s == STATUS_OK) s = check_id(&check, request->id);
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return;
    }
    RouterDelete drop = ROUTER_DELETE__INIT;
    drop.collection = request->collection;
    drop.id = request->id;
    ask(call, &drop.base, on_deleted, turn);
}

/* --- not in this version --------------------------------------------------------------------- */

static void update_user_profile(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    edge_fail(call, STATUS_UNIMPLEMENTED,
              "UpdateUserProfile needs the auth service, which this version does not have: every "
              "caller may do everything, and tokens are ignored",
              turn);
}

static void submit_feedback(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    edge_fail(call, STATUS_UNIMPLEMENTED,
              "SubmitFeedback needs the feedback store, which this version does not have", turn);
}

/* --- the table ------------------------------------------------------------------------------- */

#define METHOD(Name, name, ...) \
    { \
        .path = "/vectron.v1.VectronService/" #Name, \
        .request = &vectron__v1__##name##_request__descriptor, \
        .response = &vectron__v1__##name##_response__descriptor, __VA_ARGS__ \
    }
#define READ   .deadline_ms = READ_DEADLINE_MS, .body_max = SMALL_BODY_MAX
#define SEARCH .deadline_ms = READ_DEADLINE_MS, .body_max = VECTOR_BODY_MAX
#define WRITE  .deadline_ms = WRITE_DEADLINE_MS, .body_max = SMALL_BODY_MAX

static const struct edge_method methods[] = {
    METHOD(CreateCollection, create_collection, .run = create_collection, WRITE),
    METHOD(DeleteCollection, delete_collection, .run = delete_collection, WRITE),
    METHOD(ListCollections, list_collections, .run = list_collections, READ),
    METHOD(GetCollectionStatus, get_collection_status, .run = get_collection_status, READ),
    METHOD(CreatePayloadIndex, create_payload_index, .run = service_create_index, WRITE),
    METHOD(DropPayloadIndex, drop_payload_index, .run = service_drop_index, WRITE),
    METHOD(Upsert, upsert, .run = service_upsert, .raw = true, .deadline_ms = WRITE_DEADLINE_MS),
    METHOD(Get, get, .run = get, READ),
    METHOD(Delete, delete, .run = delete_point, WRITE),
    METHOD(Search, search, .run = service_search, SEARCH),
    {
        .path = "/vectron.v1.VectronService/SearchStream",
        .request = &vectron__v1__search_request__descriptor,
        .response = &vectron__v1__search_response__descriptor,
        .run = service_search_stream,
        .stream = true,
        SEARCH,
    },
    METHOD(BatchSearch,
           batch_search,
           .run = service_batch_search,
           .deadline_ms = WRITE_DEADLINE_MS,
           .body_max = BATCH_BODY_MAX),
    METHOD(UpdateUserProfile, update_user_profile, .run = update_user_profile, READ),
    METHOD(SubmitFeedback, submit_feedback, .run = submit_feedback, READ),
};

const struct edge_service vectron_service = {
    .name = "vectron.v1.VectronService",
    .methods = methods,
    .n_methods = sizeof methods / sizeof *methods,
};
