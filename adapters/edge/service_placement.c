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

#define V1(Type)            Vectron__Placementdriver__V1__##Type
#define REQUEST(Type, call) ((const V1(Type) *)edge_call_request(call))
/* A fresh response in the turn's memory; the call is failed without any. */
#define RESPONSE(name, turn) \
    turn_message((turn), &vectron__placementdriver__v1__##name##__descriptor)

enum { LEASE_MS = 20 * 1000, READ_MS = 10 * 1000, WRITE_MS = 60 * 1000, BODY_MAX = 1024 * 1024 };

typedef void (*answer_fn)(struct question *question,
                          const struct outcome *outcome,
                          struct turn *turn);

static void
ask(struct edge_call *call, const ProtobufCMessage *message, answer_fn done, struct turn *turn) {
    struct question *question = question_new(call, sizeof *question, turn);
    if (!question) return;
    *question = (struct question){.call = call, .done = done, .to = "pd"};
    question_start(question, message, turn);
}

static void reply(struct edge_call *call, void *response, struct turn *turn) {
    if (response)
        edge_reply(call, response, turn);
    else
        edge_fail(call, STATUS_NO_MEMORY, NULL, turn);
}

static char *id_text(uint64_t id, struct turn *turn) {
    char *text = turn_printf(turn, "%" PRIu64, id);
    return text ? text : (char *)(uintptr_t) "";
}

/* False, and the call is failed: it is no id. */
static bool read_id(
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
        reply(question->call, response, turn); \
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
    reply(question->call, response, turn);
}

static void get_leader(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdAskLeader message = PD_ASK_LEADER__INIT;
    ask(call, &message.base, on_leader, turn);
}

static void
on_rebalancing(struct question *question, const struct outcome *outcome, struct turn *turn) {
    if (!outcome_as(outcome, PdRebalancing, pd_rebalancing)) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(RebalanceResponse) *response = RESPONSE(rebalance_response, turn);
    if (response) response->started = true;
    reply(question->call, response, turn);
}

static void rebalance(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdRebalance message = PD_REBALANCE__INIT;
    ask(call, &message.base, on_rebalancing, turn);
}

/* --- workers --------------------------------------------------------------------------------- */

static void
on_registered(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdRegistered *registered = outcome_as(outcome, PdRegistered, pd_registered);
    if (!registered) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(RegisterWorkerResponse) *response = RESPONSE(register_worker_response, turn);
    if (response) response->worker_id = id_text(registered->worker, turn);
    if (response) response->success = true;
    reply(question->call, response, turn);
}

static void register_worker(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(RegisterWorkerRequest) *request = REQUEST(RegisterWorkerRequest, call);
    if (!request->grpc_address[0] || !request->raft_address[0]) {
        edge_fail(call, STATUS_INVALID, "grpc_address and raft_address are required", turn);
        return;
    }
    if (request->cpu_cores < 0 || request->memory_bytes < 0 || request->disk_bytes < 0) {
        edge_fail(call, STATUS_INVALID, "a capacity is below 0", turn);
        return;
    }
    PdRegister message = PD_REGISTER__INIT;
    message.grpc_address = request->grpc_address;
    message.link = request->raft_address;
    message.cpu_cores = (uint32_t)request->cpu_cores;
    message.memory_bytes = (uint64_t)request->memory_bytes;
    message.disk_bytes = (uint64_t)request->disk_bytes;
    message.rack = request->rack;
    message.zone = request->zone;
    message.region = request->region;
    message.foreign = true;
    for (size_t i = 0; i < request->n_capabilities; i++)
        if (!strcmp(request->capabilities[i], "search_only")) message.search_only = true;
    ask(call, &message.base, on_registered, turn);
}

static void
on_assignments(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdAssignments *assignments = outcome_as(outcome, PdAssignments, pd_assignments);
    if (!assignments) {
        question_fail(question->call, outcome, turn);
        return;
    }
    struct buffer text;
    buffer_init(&text);
    placement_assignments(assignments, &text);
    buffer_append(&text, "", 1);
    V1(HeartbeatResponse) *response = text.failed ? NULL : RESPONSE(heartbeat_response, turn);
    if (response) {
        response->ok = true;
        response->message = (char *)text.data;
        response->assignments_epoch = assignments->epoch;
    }
    reply(question->call, response, turn);
    buffer_free(&text);
}

/* One row of a beat: a running shard, with what the other lists say of it. */
static void fill_shard(const V1(HeartbeatRequest) * request, uint64_t worker, PdBeatShard *row) {
    row->state = (char *)(uintptr_t) "serving";
    for (size_t i = 0; i < request->n_shard_leader_info; i++)
        if (request->shard_leader_info[i]->shard_id == row->shard)
            row->is_leader = request->shard_leader_info[i]->leader_id == worker;
    for (size_t i = 0; i < request->n_shard_progress; i++)
        if (request->shard_progress[i]->shard_id == row->shard)
            row->applied = request->shard_progress[i]->applied_index;
    for (size_t i = 0; i < request->n_shard_metrics; i++)
        if (request->shard_metrics[i]->shard_id == row->shard &&
            request->shard_metrics[i]->vector_count > 0)
            row->points = (uint64_t)request->shard_metrics[i]->vector_count;
}

enum { RUNNING_MAX = 8192, LISTED_MAX = 65536 };

static void heartbeat(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(HeartbeatRequest) *request = REQUEST(HeartbeatRequest, call);
    uint64_t worker;
    if (!read_id(call, "worker_id", request->worker_id, &worker, turn)) return;
    size_t n = request->n_running_shards;
    /* Each running shard is looked for in the other lists: both are bounded. */
    if (n > RUNNING_MAX ||
        n * (request->n_shard_leader_info + request->n_shard_progress + request->n_shard_metrics) >
            (size_t)RUNNING_MAX * LISTED_MAX / 64) {
        edge_fail(call, STATUS_INVALID, "more shards than a worker may keep (8192)", turn);
        return;
    }
    PdBeat message = PD_BEAT__INIT;
    PdBeatShard *rows = turn_alloc(turn, (n + 1) * sizeof *rows);
    message.shards = turn_alloc(turn, (n + 1) * sizeof *message.shards);
    if (!rows || !message.shards) {
        edge_fail(call, STATUS_NO_MEMORY, NULL, turn);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        pd_beat_shard__init(&rows[i]);
        rows[i].shard = request->running_shards[i];
        fill_shard(request, worker, &rows[i]);
        message.shards[message.n_shards++] = &rows[i];
    }
    message.worker = worker;
    message.foreign = true;
    ask(call, &message.base, on_assignments, turn);
}

static V1(WorkerInfo__MetadataEntry) *
    entry(const char *key, const char *value, struct turn *turn) {
    V1(WorkerInfo__MetadataEntry) *made = RESPONSE(worker_info__metadata_entry, turn);
    if (!made || !value) return NULL;
    made->key = (char *)(uintptr_t)key;
    made->value = (char *)(uintptr_t)value;
    return made;
}

enum { METADATA = 9 };

static bool fill_metadata(const PdWorker *from, V1(WorkerInfo) * to, struct turn *turn) {
    const char *const pairs[METADATA][2] = {
        {"role", from->search_only ? "search_only" : "write"},
        {"region", from->region},
        {"zone", from->zone},
        {"rack", from->rack},
        {"state", from->state},
        {"cpu_cores", id_text(from->cpu_cores, turn)},
        {"memory_bytes", id_text(from->memory_bytes, turn)},
        {"replicas", id_text(from->shards, turn)},
        {"leaders", id_text(from->leaders, turn)},
    };
    to->metadata = turn_alloc(turn, METADATA * sizeof(void *));
    if (!to->metadata) return false;
    for (size_t i = 0; i < METADATA; i++) {
        to->metadata[i] = entry(pairs[i][0], pairs[i][1], turn);
        if (!to->metadata[i]) return false;
    }
    to->n_metadata = METADATA;
    return true;
}

static V1(WorkerState) public_state(const char *state) {
    if (!strcmp(state, "joining"))
        return VECTRON__PLACEMENTDRIVER__V1__WORKER_STATE__WORKER_STATE_JOINING;
    if (!strcmp(state, "ready") || !strcmp(state, "suspected"))
        return VECTRON__PLACEMENTDRIVER__V1__WORKER_STATE__WORKER_STATE_READY;
    if (!strcmp(state, "dead"))
        return VECTRON__PLACEMENTDRIVER__V1__WORKER_STATE__WORKER_STATE_UNKNOWN;
    return VECTRON__PLACEMENTDRIVER__V1__WORKER_STATE__WORKER_STATE_DRAINING;
}

static V1(WorkerInfo) * public_worker(const PdWorker *from, struct turn *turn) {
    V1(WorkerInfo) *to = RESPONSE(worker_info, turn);
    if (!to || !fill_metadata(from, to, turn)) return NULL;
    to->worker_id = id_text(from->worker, turn);
    to->grpc_address = from->grpc_address;
    to->raft_address = from->link;
    to->n_collections = from->n_collections;
    to->collections = from->collections;
    to->last_heartbeat = (int64_t)(from->last_beat_ms / 1000);
    to->healthy = !strcmp(from->state, "ready");
    to->state = public_state(from->state);
    return to;
}

static void
on_workers(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdWorkers *workers = outcome_as(outcome, PdWorkers, pd_workers);
    if (!workers) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(ListWorkersResponse) *response = RESPONSE(list_workers_response, turn);
    if (response) response->workers = turn_alloc(turn, (workers->n_workers + 1) * sizeof(void *));
    bool whole = response && response->workers;
    for (size_t i = 0; whole && i < workers->n_workers; i++) {
        response->workers[i] = public_worker(workers->workers[i], turn);
        whole = response->workers[i] != NULL;
        response->n_workers++;
    }
    reply(question->call, whole ? response : NULL, turn);
}

static void list_workers(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdListWorkers message = PD_LIST_WORKERS__INIT;
    ask(call, &message.base, on_workers, turn);
}

static void drain_worker(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdDrain message = PD_DRAIN__INIT;
    const char *text = REQUEST(DrainWorkerRequest, call)->worker_id;
    if (read_id(call, "worker_id", text, &message.worker, turn))
        ask(call, &message.base, on_drain_worker, turn);
}

static void remove_worker(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdRemove message = PD_REMOVE__INIT;
    const char *text = REQUEST(RemoveWorkerRequest, call)->worker_id;
    if (read_id(call, "worker_id", text, &message.worker, turn))
        ask(call, &message.base, on_remove_worker, turn);
}

/* --- routes ---------------------------------------------------------------------------------- */

static bool ask_route(struct edge_call *call,
                      const char *collection,
                      const char *id,
                      answer_fn done,
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
    ask(call, &message.base, done, turn);
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
    reply(question->call, response, turn);
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
    reply(question->call, whole ? response : NULL, turn);
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
    reply(question->call, whole ? response : NULL, turn);
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
    ask(call, &message.base, on_create_collection, turn);
}

static void delete_collection(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    struct check check;
    PdDeleteCollection message = PD_DELETE_COLLECTION__INIT;
    message.name = REQUEST(DeleteCollectionRequest, call)->name;
    enum status s = check_name(&check, message.name, "collection name is required");
    if (s == STATUS_OK)
        ask(call, &message.base, on_delete_collection, turn);
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
    reply(question->call, response, turn);
}

static void list_collections(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdListCollections message = PD_LIST_COLLECTIONS__INIT;
    ask(call, &message.base, on_collections, turn);
}

/* --- rerankers ------------------------------------------------------------------------------- */

static void on_reranker_registered(struct question *question,
                                   const struct outcome *outcome,
                                   struct turn *turn) {
    const PdReranker *reranker = outcome_as(outcome, PdReranker, pd_reranker);
    if (!reranker) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(RegisterRerankerResponse) *response = RESPONSE(register_reranker_response, turn);
    if (response) response->reranker_id = id_text(reranker->reranker, turn);
    if (response) response->success = true;
    reply(question->call, response, turn);
}

static void register_reranker(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(RegisterRerankerRequest) *request = REQUEST(RegisterRerankerRequest, call);
    PdRegisterReranker message = PD_REGISTER_RERANKER__INIT;
    message.grpc_address = request->grpc_address;
    if (request->n_capabilities > 0) message.role = request->capabilities[0];
    ask(call, &message.base, on_reranker_registered, turn);
}

static void
on_reranker_beaten(struct question *question, const struct outcome *outcome, struct turn *turn) {
    if (!outcome_as(outcome, Done, done)) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(RerankerHeartbeatResponse) *response = RESPONSE(reranker_heartbeat_response, turn);
    if (response) response->ok = true;
    reply(question->call, response, turn);
}

static void reranker_heartbeat(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdRerankerBeat message = PD_RERANKER_BEAT__INIT;
    const char *text = REQUEST(RerankerHeartbeatRequest, call)->reranker_id;
    if (read_id(call, "reranker_id", text, &message.reranker, turn))
        ask(call, &message.base, on_reranker_beaten, turn);
}

static V1(RerankerInfo) * public_reranker(const PdReranker *from, struct turn *turn) {
    V1(RerankerInfo) *to = RESPONSE(reranker_info, turn);
    V1(RerankerInfo__MetadataEntry) *role = RESPONSE(reranker_info__metadata_entry, turn);
    if (!to || !role) return NULL;
    to->metadata = turn_alloc(turn, sizeof *to->metadata);
    if (!to->metadata) return NULL;
    role->key = (char *)(uintptr_t) "role";
    role->value = from->role;
    to->metadata[to->n_metadata++] = role;
    to->reranker_id = id_text(from->reranker, turn);
    to->grpc_address = from->grpc_address;
    to->last_heartbeat = (int64_t)(from->last_beat_ms / 1000);
    to->healthy = from->healthy;
    return to;
}

static void
on_rerankers(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdRerankers *found = outcome_as(outcome, PdRerankers, pd_rerankers);
    if (!found) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(ListRerankersResponse) *response = RESPONSE(list_rerankers_response, turn);
    if (response) response->rerankers = turn_alloc(turn, (found->n_rerankers + 1) * sizeof(void *));
    bool whole = response && response->rerankers;
    for (size_t i = 0; whole && i < found->n_rerankers; i++) {
        response->rerankers[i] = public_reranker(found->rerankers[i], turn);
        whole = response->rerankers[i] != NULL;
        response->n_rerankers++;
    }
    reply(question->call, whole ? response : NULL, turn);
}

static void list_rerankers(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdListRerankers message = PD_LIST_RERANKERS__INIT;
    ask(call, &message.base, on_rerankers, turn);
}

static void on_picked(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdReranker *reranker = outcome_as(outcome, PdReranker, pd_reranker);
    if (!reranker) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(GetRerankerResponse) *response = RESPONSE(get_reranker_response, turn);
    if (response) response->reranker_id = id_text(reranker->reranker, turn);
    if (response) response->grpc_address = reranker->grpc_address;
    reply(question->call, response, turn);
}

static void get_reranker(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdPickReranker message = PD_PICK_RERANKER__INIT;
    ask(call, &message.base, on_picked, turn);
}

/* --- the table ------------------------------------------------------------------------------- */

#define METHOD(Name, name, ms) \
    { \
        .path = "/vectron.placementdriver.v1.PlacementService/" #Name, \
        .request = &vectron__placementdriver__v1__##name##_request__descriptor, \
        .response = &vectron__placementdriver__v1__##name##_response__descriptor, .run = name, \
        .deadline_ms = ms, .body_max = BODY_MAX \
    }

static const struct edge_method methods[] = {
    METHOD(GetLeader, get_leader, READ_MS),
    METHOD(GetWorker, get_worker, READ_MS),
    METHOD(RegisterWorker, register_worker, READ_MS),
    METHOD(Heartbeat, heartbeat, READ_MS),
    METHOD(ListWorkers, list_workers, READ_MS),
    METHOD(RegisterReranker, register_reranker, READ_MS),
    METHOD(RerankerHeartbeat, reranker_heartbeat, READ_MS),
    METHOD(ListRerankers, list_rerankers, READ_MS),
    METHOD(GetReranker, get_reranker, READ_MS),
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
