/* echo: see echo.h. A waiting call keeps its state in its arena; one that is cancelled ends when
 * its wait is over. */
#include "tests/unit/edge/echo.h"

#include <string.h>

#include "schemas/apigateway.pb-c.h"

void (*echo_wait)(struct edge_call *call,
                  uint32_t ms,
                  void (*run)(struct edge_call *call, struct turn *turn),
                  struct turn *turn);
int echo_cancelled;

static const Vectron__V1__SearchRequest *request_of(const struct edge_call *call) {
    return (const Vectron__V1__SearchRequest *)edge_call_request(call);
}

static void fill(const struct edge_call *call,
                 Vectron__V1__SearchResponse *response,
                 Vectron__V1__SearchResult *result,
                 Vectron__V1__SearchResult **list) {
    const Vectron__V1__SearchRequest *request = request_of(call);
    vectron__v1__search_response__init(response);
    vectron__v1__search_result__init(result);
    result->id = request->collection;
    result->n_vector = request->n_vector;
    result->vector = request->vector;
    list[0] = result;
    response->n_results = 1;
    response->results = list;
}

static void on_cancel(void *context, struct turn *turn) {
    (void)context, (void)turn;
    echo_cancelled++;
}

/* True: the request asked for a failure, and got it. */
static bool fails(struct edge_call *call, struct turn *turn) {
    const char *query = request_of(call)->query;
    if (strcmp(query, "fail") == 0) {
        edge_call_set_header(call, "x-reason", "asked");
        edge_call_set_details(call, "\x08\x05", 2);
        edge_fail(call, STATUS_NOT_FOUND, "100% g\xc3\xb6ne\nnot found", turn);
        return true;
    }
    if (strcmp(query, "denied") == 0) {
        edge_fail(call, STATUS_UNAUTHENTICATED, "missing Authorization header", turn);
        return true;
    }
    if (strcmp(query, "busy") == 0) {
        edge_retry_after(call, 2500);
        edge_fail(call, STATUS_BUSY, "", turn);
        return true;
    }
    return false;
}

static void answer(struct edge_call *call, struct turn *turn) {
    Vectron__V1__SearchResponse response;
    Vectron__V1__SearchResult result, *list[1];
    if (!edge_call_wanted(call)) {
        edge_fail(call, STATUS_CANCELLED, "", turn);
        return;
    }
    if (fails(call, turn)) return;
    fill(call, &response, &result, list);
    if (strcmp(request_of(call)->query, "meta") == 0) {
        const char *value = edge_call_header(call, "x-echo");
        result.id = (char *)(value ? value : "");
        edge_call_set_header(call, "x-echo", result.id);
    }
    edge_reply(call, &response.base, turn);
}

static void run_unary(void *self, struct edge_call *call, struct turn *turn) {
    uint32_t ms = request_of(call)->timeout_ms;
    (void)self;
    edge_call_on_cancel(call, on_cancel, NULL);
    if (ms)
        echo_wait(call, ms, answer, turn);
    else
        answer(call, turn);
}

/* Holds parts back while the client reads slowly. */
static void part(struct edge_call *call, struct turn *turn) {
    Vectron__V1__SearchResponse response;
    Vectron__V1__SearchResult result, *list[1];
    uint32_t ms = request_of(call)->timeout_ms;
    /* Nobody else reads the request: its counter is ours. */
    uint32_t *left = &((Vectron__V1__SearchRequest *)request_of(call))->top_k;
    fill(call, &response, &result, list);
    for (; *left && edge_call_wanted(call); --*left) {
        if (edge_call_clogged(call)) {
            echo_wait(call, 5, part, turn);
            return;
        }
        edge_part(call, &response.base, turn);
        if (ms) {
            --*left;
            echo_wait(call, ms, part, turn);
            return;
        }
    }
    if (edge_call_wanted(call))
        edge_end(call, turn);
    else
        edge_fail(call, STATUS_CANCELLED, "", turn);
}

static void run_stream(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    if (fails(call, turn)) return;
    edge_call_on_cancel(call, on_cancel, NULL);
    part(call, turn);
}

static void run_raw(void *self, struct edge_call *call, struct turn *turn) {
    Vectron__V1__UpsertResponse response = VECTRON__V1__UPSERT_RESPONSE__INIT;
    size_t size = 0;
    (void)self;
    edge_call_body(call, &size);
    response.upserted = (int32_t)size;
    response.session = (char *)(edge_call_format(call) == EDGE_JSON ? "json" : "protobuf");
    edge_reply(call, &response.base, turn);
}

static const struct edge_method methods[] = {
    {
        .path = "/test.Echo/Unary",
        .request = &vectron__v1__search_request__descriptor,
        .response = &vectron__v1__search_response__descriptor,
        .run = run_unary,
    },
    {
        .path = "/test.Echo/Stream",
        .request = &vectron__v1__search_request__descriptor,
        .response = &vectron__v1__search_response__descriptor,
        .stream = true,
        .deadline_ms = 60 * 1000,
        .run = run_stream,
    },
    {
        .path = "/test.Echo/Raw",
        .request = &vectron__v1__upsert_request__descriptor,
        .response = &vectron__v1__upsert_response__descriptor,
        .raw = true,
        .run = run_raw,
    },
};

static const struct edge_service echo = {
    .name = "test.Echo",
    .methods = methods,
    .n_methods = sizeof methods / sizeof *methods,
};
const struct edge_service *const echo_services[] = {&echo, NULL};

const struct edge_route echo_routes[] = {
    {"POST", "/v1/echo/{collection}", "/test.Echo/Unary", true, false},
    {"GET", "/v1/echo/{collection}", "/test.Echo/Unary", false, false},
    {"POST", "/v1/echo/{collection}/stream", "/test.Echo/Stream", true, true},
    {"POST", "/v1/raw/{collection}", "/test.Echo/Raw", true, false},
    {0},
};
