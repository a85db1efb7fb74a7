/* service_indexes: payload indexes of a collection that is there: one more, one less. */
#include <string.h>

#include "adapters/edge/check.h"
#include "adapters/edge/filter.h"
#include "adapters/edge/question.h"
#include "adapters/edge/service_vectron.h"
#include "index/filter.h"
#include "runtime/poison.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/router.pb-c.h"
#include "schemas/runtime.pb-c.h"

static void change(struct edge_call *call,
                   char *collection,
                   PayloadColumn *column,
                   void (*done)(struct question *, const struct outcome *, struct turn *),
                   struct turn *turn) {
    struct question *question = question_new(call, sizeof *question, turn);
    if (!question) return;
    *question = (struct question){.call = call, .done = done};
    RouterChangeColumn message = ROUTER_CHANGE_COLUMN__INIT;
    message.collection = collection;
    message.column = column;
    const Vectron__V1__DropPayloadIndexRequest *request = (const void *)edge_call_request(call);
    message.drop = request->base.descriptor == &vectron__v1__drop_payload_index_request__descriptor;
    question_start(question, &message.base, turn);
}

static void
on_created(struct question *question, const struct outcome *outcome, struct turn *turn) {
    Vectron__V1__CreatePayloadIndexResponse response =
        VECTRON__V1__CREATE_PAYLOAD_INDEX_RESPONSE__INIT;
    response.success = true;
    if (outcome_as(outcome, Done, done))
        edge_reply(question->call, &response.base, turn);
    else
        question_fail(question->call, outcome, turn);
}

static void
on_dropped(struct question *question, const struct outcome *outcome, struct turn *turn) {
    Vectron__V1__DropPayloadIndexResponse response = VECTRON__V1__DROP_PAYLOAD_INDEX_RESPONSE__INIT;
    response.success = true;
    if (outcome_as(outcome, Done, done))
        edge_reply(question->call, &response.base, turn);
    else
        question_fail(question->call, outcome, turn);
}

void service_create_index(void *self, struct edge_call *call, struct turn *turn) {
    const Vectron__V1__CreatePayloadIndexRequest *request = (const void *)edge_call_request(call);
    struct check check;
    PayloadColumn *column = NULL;
    (void)self;
    enum status s = check_name(&check, request->collection, "collection name cannot be empty");
    if (s == STATUS_OK)
        s = filter_column(request->index, "index", edge_call_arena(call), &column, &check);
    if (s == STATUS_OK)
        change(call, request->collection, column, on_created, turn);
    else
        edge_fail(call, s, s == STATUS_NO_MEMORY ? NULL : check.words, turn);
}

void service_drop_index(void *self, struct edge_call *call, struct turn *turn) {
    const Vectron__V1__DropPayloadIndexRequest *request = (const void *)edge_call_request(call);
    Vectron__V1__PayloadIndex index = VECTRON__V1__PAYLOAD_INDEX__INIT;
    struct check check;
    PayloadColumn *column = NULL;
    enum filter_type type = FILTER_KEYWORD;
    (void)self;
    enum status s = check_name(&check, request->collection, "collection name cannot be empty");
    if (s == STATUS_OK && request->type[0] && filter_type_parse(request->type, &type) != STATUS_OK)
        s = check_index_type(&check, request->type);
    index.key = request->key;
    index.type = (Vectron__V1__PayloadType)type; /* the same numbers */
    if (s == STATUS_OK) s = filter_column(&index, "index", edge_call_arena(call), &column, &check);
    if (s == STATUS_OK)
        change(call, request->collection, column, on_dropped, turn);
    else
        edge_fail(call, s, s == STATUS_NO_MEMORY ? NULL : check.words, turn);
}
