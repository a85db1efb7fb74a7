/* service_placement_rerankers: who reranks, by the placement driver. */
#include "adapters/edge/service_placement.h"
#include "runtime/poison.h"
#include "schemas/runtime.pb-c.h"

#define V1(Type)             PLACEMENT_V1(Type)
#define REQUEST(Type, call)  PLACEMENT_REQUEST(Type, call)
#define RESPONSE(name, turn) PLACEMENT_RESPONSE(name, turn)

static void on_reranker_registered(struct question *question,
                                   const struct outcome *outcome,
                                   struct turn *turn) {
    const PdReranker *reranker = outcome_as(outcome, PdReranker, pd_reranker);
    if (!reranker) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(RegisterRerankerResponse) *response = RESPONSE(register_reranker_response, turn);
    if (response) response->reranker_id = placement_id_text(reranker->reranker, turn);
    if (response) response->success = true;
    placement_reply(question->call, response, turn);
}

void placement_register_reranker(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(RegisterRerankerRequest) *request = REQUEST(RegisterRerankerRequest, call);
    PdRegisterReranker message = PD_REGISTER_RERANKER__INIT;
    message.grpc_address = request->grpc_address;
    if (request->n_capabilities > 0) message.role = request->capabilities[0];
    placement_ask(call, &message.base, on_reranker_registered, turn);
}

static void
on_reranker_beaten(struct question *question, const struct outcome *outcome, struct turn *turn) {
    if (!outcome_as(outcome, Done, done)) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(RerankerHeartbeatResponse) *response = RESPONSE(reranker_heartbeat_response, turn);
    if (response) response->ok = true;
    placement_reply(question->call, response, turn);
}

void placement_reranker_heartbeat(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdRerankerBeat message = PD_RERANKER_BEAT__INIT;
    const char *text = REQUEST(RerankerHeartbeatRequest, call)->reranker_id;
    if (placement_read_id(call, "reranker_id", text, &message.reranker, turn))
        placement_ask(call, &message.base, on_reranker_beaten, turn);
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
    to->reranker_id = placement_id_text(from->reranker, turn);
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
    placement_reply(question->call, whole ? response : NULL, turn);
}

void placement_list_rerankers(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdListRerankers message = PD_LIST_RERANKERS__INIT;
    placement_ask(call, &message.base, on_rerankers, turn);
}

static void on_picked(struct question *question, const struct outcome *outcome, struct turn *turn) {
    const PdReranker *reranker = outcome_as(outcome, PdReranker, pd_reranker);
    if (!reranker) {
        question_fail(question->call, outcome, turn);
        return;
    }
    V1(GetRerankerResponse) *response = RESPONSE(get_reranker_response, turn);
    if (response) response->reranker_id = placement_id_text(reranker->reranker, turn);
    if (response) response->grpc_address = reranker->grpc_address;
    placement_reply(question->call, response, turn);
}

void placement_get_reranker(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    PdPickReranker message = PD_PICK_RERANKER__INIT;
    placement_ask(call, &message.base, on_picked, turn);
}
