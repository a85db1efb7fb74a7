/* service_placement_workers: workers of other make register and beat, and all are listed. */
#include <inttypes.h>
#include <string.h>

#include "adapters/edge/service_placement.h"
#include "runtime/buffer.h"
#include "runtime/poison.h"

#define V1(Type)             PLACEMENT_V1(Type)
#define REQUEST(Type, call)  PLACEMENT_REQUEST(Type, call)
#define RESPONSE(name, turn) PLACEMENT_RESPONSE(name, turn)

static void
on_registered(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdRegistered *registered = outcome_as(outcome, PdRegistered, pd_registered);
    if (!registered) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(RegisterWorkerResponse) *response = RESPONSE(register_worker_response, turn);
    if (response) response->worker_id = placement_id_text(registered->worker, turn);
    if (response) response->success = true;
    placement_reply(question->call, response, turn);
}

void placement_register_worker(void *self, struct edge_call *call, struct turn *turn) {
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
    placement_ask(call, &message.base, on_registered, turn);
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
    placement_reply(question->call, response, turn);
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

void placement_heartbeat(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(HeartbeatRequest) *request = REQUEST(HeartbeatRequest, call);
    uint64_t worker;
    if (!placement_read_id(call, "worker_id", request->worker_id, &worker, turn)) return;
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
    placement_ask(call, &message.base, on_assignments, turn);
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
        {"cpu_cores", placement_id_text(from->cpu_cores, turn)},
        {"memory_bytes", placement_id_text(from->memory_bytes, turn)},
        {"replicas", placement_id_text(from->shards, turn)},
        {"leaders", placement_id_text(from->leaders, turn)},
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
    to->worker_id = placement_id_text(from->worker, turn);
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
    placement_reply(question->call, whole ? response : NULL, turn);
}

void placement_list_workers(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdListWorkers message = PD_LIST_WORKERS__INIT;
    placement_ask(call, &message.base, on_workers, turn);
}
