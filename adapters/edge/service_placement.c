/* service_placement: requests become questions to pd, its answers responses. Ids are decimal text
 * outside. Errors are told, where the original said success (contract 6.7). */
#include "adapters/edge/service_placement.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/edge/check.h"
#include "adapters/edge/question.h"
#include "runtime/buffer.h"
#include "runtime/poison.h"
#include "schemas/placementdriver.pb-c.h"
#include "schemas/runtime.pb-c.h"

#define V1(Type)             PLACEMENT_V1(Type)
#define REQUEST(Type, call)  PLACEMENT_REQUEST(Type, call)
#define RESPONSE(name, turn) PLACEMENT_RESPONSE(name, turn)

enum { LEASE_MS = 20 * 1000, READ_MS = 10 * 1000, WRITE_MS = 60 * 1000, BODY_MAX = 1024 * 1024 };

void placement_ask(struct edge_call *call,
                   const ProtobufCMessage *message,
                   placement_answer done,
                   struct turn *turn) {
    struct question *question = question_new(call, sizeof *question, turn);
    if (!question) return;
    *question = (struct question){.call = call, .done = done, .to = "pd"};
    question_start(question, message, turn);
}

void placement_reply(struct edge_call *call, void *response, struct turn *turn) {
    if (response)
        edge_reply(call, response, turn);
    else
        edge_fail(call, STATUS_NO_MEMORY, NULL, turn);
}

char *placement_id_text(uint64_t id, struct turn *turn) {
    char *text = turn_printf(turn, "%" PRIu64, id);
    return text ? text : (char *)(uintptr_t) "";
}

bool placement_read_id(
    struct edge_call *call, const char *name, const char *text, uint64_t *out, struct turn *turn) {
    char words[CHECK_WORDS_MAX], *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out > 0) return true;
    snprintf(words, sizeof words, "%s \"%.64s\" is not a number from 1", name, text);
    edge_fail(call, STATUS_INVALID, words, turn);
    return false;
}

/* Calls whose answer is Done and whose response says success. */
#define ON_DONE(name, response_name) \
    static void on_##name(struct question *question, const struct outcome *outcome, \
                          struct turn *turn) { \
        if (!outcome_as(outcome, Done, done)) { \
            question_fail(question->call, outcome, turn); \
            return; \
        } \
        Vectron__Placementdriver__V1__##response_name *response = RESPONSE(name##_response, turn); \
        if (response) response->success = true; \
        placement_reply(question->call, response, turn); \
    }
ON_DONE(create_collection, CreateCollectionResponse)
ON_DONE(delete_collection, DeleteCollectionResponse)
ON_DONE(drain_worker, DrainWorkerResponse)
ON_DONE(remove_worker, RemoveWorkerResponse)

/* --- the driver ------------------------------------------------------------------------------ */

static void on_leader(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdLeader *leader = outcome_as(outcome, PdLeader, pd_leader);
    if (!leader) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(GetLeaderResponse) *response = RESPONSE(get_leader_response, turn);
    if (response) response->leader_address = leader->grpc_address;
    placement_reply(question->call, response, turn);
}

static void get_leader(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdAskLeader message = PD_ASK_LEADER__INIT;
    placement_ask(call, &message.base, on_leader, turn);
}

static void
on_rebalancing(struct question *question, const struct outcome *outcome, struct turn *turn) {
    if (!outcome_as(outcome, PdRebalancing, pd_rebalancing)) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(RebalanceResponse) *response = RESPONSE(rebalance_response, turn);
    if (response) response->started = true;
    placement_reply(question->call, response, turn);
}

static void rebalance(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdRebalance message = PD_REBALANCE__INIT;
    placement_ask(call, &message.base, on_rebalancing, turn);
}

/* --- workers --------------------------------------------------------------------------------- */

static void drain_worker(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdDrain message = PD_DRAIN__INIT;
    const char *text = REQUEST(DrainWorkerRequest, call)->worker_id;
    if (placement_read_id(call, "worker_id", text, &message.worker, turn))
        placement_ask(call, &message.base, on_drain_worker, turn);
}

static void remove_worker(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdRemove message = PD_REMOVE__INIT;
    const char *text = REQUEST(RemoveWorkerRequest, call)->worker_id;
    if (placement_read_id(call, "worker_id", text, &message.worker, turn))
        placement_ask(call, &message.base, on_remove_worker, turn);
}

/* --- routes ---------------------------------------------------------------------------------- */

static bool ask_route(struct edge_call *call,
                      const char *collection,
                      const char *id,
                      placement_answer done,
                      struct turn *turn) {
    struct check check;
    enum status s = check_name(&check, collection, "collection name is required");
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return false;
    }
    PdRoute message = PD_ROUTE__INIT;
    message.collection = (char *)(uintptr_t)collection;
    message.id = (char *)(uintptr_t)id;
    placement_ask(call, &message.base, done, turn);
    return true;
}

/* The leader when it serves, else any voter that does. */
static const PdReplica *pick_replica(const PdShard *shard) {
    const PdReplica *found = NULL;
    for (size_t i = 0; i < shard->n_replicas; i++) {
        const PdReplica *replica = shard->replicas[i];
        if (!replica->ready || replica->learner) continue;
        if (!found || replica->worker == shard->leader) found = replica;
    }
    return found;
}

static void on_route(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdRouting *routing = outcome_as(outcome, PdRouting, pd_routing);
    if (!routing || routing->n_shards == 0) {
        question_fail(question->call, outcome, turn);
        return;
    }
    const PdShard *shard = routing->shards[0];
    const PdReplica *replica = pick_replica(shard);
    if (!replica) {
        char words[CHECK_WORDS_MAX];
        snprintf(words, sizeof words, "no healthy replica of shard %" PRIu64 " of collection '%s'",
                 shard->shard, routing->collection);
        edge_fail(question->call, STATUS_NOT_READY, words, turn);
        return;
    }
    V1(GetWorkerResponse) *response = RESPONSE(get_worker_response, turn);
    if (response) {
        response->grpc_address = replica->grpc_address;
        response->shard_id = (uint32_t)shard->shard;
        response->shard_epoch = shard->epoch;
        response->lease_expiry_unix_ms = (int64_t)(turn_wall_ms(turn) + LEASE_MS);
    }
    placement_reply(question->call, response, turn);
}

static void get_worker(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(GetWorkerRequest) *request = REQUEST(GetWorkerRequest, call);
    ask_route(call, request->collection, request->vector_id, on_route, turn);
}

/* Adds an address that is not there yet. */
static void add_address(V1(ListWorkersForCollectionResponse) * response, char *address) {
    for (size_t i = 0; i < response->n_grpc_addresses; i++)
        if (!strcmp(response->grpc_addresses[i], address)) return;
    response->grpc_addresses[response->n_grpc_addresses++] = address;
}

static void
on_addresses(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdRouting *routing = outcome_as(outcome, PdRouting, pd_routing);
    if (!routing) {
        question_fail(question->call, outcome, turn);
        return;
    }
    size_t n = 1;
    for (size_t i = 0; i < routing->n_shards; i++)
        n += routing->shards[i]->n_replicas;
    V1(ListWorkersForCollectionResponse) *response =
        RESPONSE(list_workers_for_collection_response, turn);
    if (response) response->grpc_addresses = turn_alloc(turn, n * sizeof(char *));
    bool whole = response && response->grpc_addresses;
    for (size_t i = 0; whole && i < routing->n_shards; i++)
        for (size_t j = 0; j < routing->shards[i]->n_replicas; j++)
            add_address(response, routing->shards[i]->replicas[j]->grpc_address);
    placement_reply(question->call, whole ? response : NULL, turn);
}

static void list_workers_for_collection(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    ask_route(call, REQUEST(ListWorkersForCollectionRequest, call)->collection, "", on_addresses,
              turn);
}

static V1(ShardStatus) * public_shard(const PdShard *from, struct turn *turn) {
    V1(ShardStatus) *to = RESPONSE(shard_status, turn);
    if (!to) return NULL;
    to->replicas = turn_alloc(turn, (from->n_replicas + 1) * sizeof *to->replicas);
    to->replica_grpc_addresses = turn_alloc(turn, (from->n_replicas + 1) * sizeof(char *));
    if (!to->replicas || !to->replica_grpc_addresses) return NULL;
    to->shard_id = (uint32_t)from->shard;
    to->leader_id = from->leader;
    to->ready = from->ready;
    to->key_range_start = from->range_start;
    to->key_range_end = from->range_end;
    to->shard_epoch = from->epoch;
    for (size_t i = 0; i < from->n_replicas; i++) {
        const PdReplica *replica = from->replicas[i];
        to->replicas[to->n_replicas++] = replica->worker;
        to->replica_grpc_addresses[to->n_replica_grpc_addresses++] = replica->grpc_address;
        if (replica->worker == from->leader) to->leader_grpc_address = replica->grpc_address;
    }
    return to;
}

static void on_status(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdRouting *routing = outcome_as(outcome, PdRouting, pd_routing);
    if (!routing) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(GetCollectionStatusResponse) *response = RESPONSE(get_collection_status_response, turn);
    if (response) response->shards = turn_alloc(turn, (routing->n_shards + 1) * sizeof(void *));
    bool whole = response && response->shards;
    for (size_t i = 0; whole && i < routing->n_shards; i++) {
        response->shards[i] = public_shard(routing->shards[i], turn);
        whole = response->shards[i] != NULL;
        response->n_shards++;
    }
    if (whole) {
        response->name = routing->collection;
        response->dimension = (int32_t)routing->dimension;
        response->distance = routing->distance;
    }
    placement_reply(question->call, whole ? response : NULL, turn);
}

static void get_collection_status(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    ask_route(call, REQUEST(GetCollectionStatusRequest, call)->name, "", on_status, turn);
}

/* --- collections ----------------------------------------------------------------------------- */

static void create_collection(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(CreateCollectionRequest) *request = REQUEST(CreateCollectionRequest, call);
    struct check check;
    const char *distance;
    enum status s = check_new_name(&check, request->name);
    if (s == STATUS_OK) s = check_dimension(&check, request->dimension);
    if (s == STATUS_OK) s = check_distance(&check, request->distance, &distance);
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return;
    }
    PdCreateCollection message = PD_CREATE_COLLECTION__INIT;
    message.name = request->name;
    message.dimension = (uint32_t)request->dimension;
    message.distance = (char *)(uintptr_t)distance;
    placement_ask(call, &message.base, on_create_collection, turn);
}

static void delete_collection(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    struct check check;
    PdDeleteCollection message = PD_DELETE_COLLECTION__INIT;
    message.name = REQUEST(DeleteCollectionRequest, call)->name;
    enum status s = check_name(&check, message.name, "collection name is required");
    if (s == STATUS_OK)
        placement_ask(call, &message.base, on_delete_collection, turn);
    else
        edge_fail(call, s, check.words, turn);
}

static void
on_collections(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdCollections *found = outcome_as(outcome, PdCollections, pd_collections);
    if (!found) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(ListCollectionsResponse) *response = RESPONSE(list_collections_response, turn);
    if (response) response->n_collections = found->n_names;
    if (response) response->collections = found->names;
    placement_reply(question->call, response, turn);
}

static void list_collections(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdListCollections message = PD_LIST_COLLECTIONS__INIT;
    placement_ask(call, &message.base, on_collections, turn);
}

/* --- the table ------------------------------------------------------------------------------- */

#define METHOD_OF(Name, name, function, ms) \
    { \
        .path = "/vectron.placementdriver.v1.PlacementService/" #Name, \
        .request = &vectron__placementdriver__v1__##name##_request__descriptor, \
        .response = &vectron__placementdriver__v1__##name##_response__descriptor, .run = function, \
        .deadline_ms = ms, .body_max = BODY_MAX \
    }
#define METHOD(Name, name, ms) METHOD_OF(Name, name, name, ms)
#define RERANKER(Name, name)   METHOD_OF(Name, name, placement_##name, READ_MS)

static const struct edge_method methods[] = {
    METHOD(GetLeader, get_leader, READ_MS),
    METHOD(GetWorker, get_worker, READ_MS),
    METHOD_OF(RegisterWorker, register_worker, placement_register_worker, READ_MS),
    METHOD_OF(Heartbeat, heartbeat, placement_heartbeat, READ_MS),
    METHOD_OF(ListWorkers, list_workers, placement_list_workers, READ_MS),
    RERANKER(RegisterReranker, register_reranker),
    RERANKER(RerankerHeartbeat, reranker_heartbeat),
    RERANKER(ListRerankers, list_rerankers),
    RERANKER(GetReranker, get_reranker),
    METHOD(ListWorkersForCollection, list_workers_for_collection, READ_MS),
    METHOD(DrainWorker, drain_worker, READ_MS),
    METHOD(RemoveWorker, remove_worker, READ_MS),
    METHOD(Rebalance, rebalance, READ_MS),
    METHOD(CreateCollection, create_collection, WRITE_MS),
    METHOD(ListCollections, list_collections, READ_MS),
    METHOD(DeleteCollection, delete_collection, WRITE_MS),
    METHOD(GetCollectionStatus, get_collection_status, READ_MS),
};

const struct edge_service placement_service = {
    .name = "vectron.placementdriver.v1.PlacementService",
    .methods = methods,
    .n_methods = sizeof methods / sizeof *methods,
};

const struct edge_service *const edge_pd_services[] = {&placement_service, NULL};
