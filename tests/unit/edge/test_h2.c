/* HTTP/2 and gRPC at the edge, driven by nghttp2's client. */
#include <criterion/criterion.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "adapters/edge/body.h"
#include "adapters/edge/budget.h"
#include "adapters/edge/grpc_frame.h"
#include "adapters/edge/gzip.h"
#include "runtime/memory.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/health.pb-c.h"
#include "schemas/reflection_v1.pb-c.h"
#include "tests/unit/edge/echo.h"
#include "tests/unit/edge/rig.h"

static struct reply *call(struct rig *rig, const char *path, const struct buffer *body) {
    return rig_request(rig,
                       &(struct request){.path = path, .body = body->data, .size = body->size});
}

static void expect_id(const struct reply *reply, size_t nth, const char *id) {
    Vectron__V1__SearchResponse *response = rig_message(reply, nth);
    cr_assert(response && response->n_results == 1);
    cr_expect_str_eq(response->results[0]->id, id);
    vectron__v1__search_response__free_unpacked(response, NULL);
}

Test(grpc, answers_a_unary_call_at_every_split) {
    for (size_t step = 0; step < 40; step++) {
        struct rig rig;
        rig_open(&rig, NULL);
        rig_step = step;
        rig_h2(&rig);
        struct buffer body = rig_search("docs", "", 0, 0);
        struct reply *reply = call(&rig, "/test.Echo/Unary", &body);
        cr_assert(reply->closed && reply->status == 200);
        cr_assert_str_eq(reply->grpc_status, "0");
        cr_assert_str_eq(reply->content_type, "application/grpc");
        expect_id(reply, 0, "docs");
        cr_assert(rig.hub.n_calls == 0);
        buffer_free(&body);
        rig_close(&rig);
    }
}

Test(grpc, streams_parts_and_ends) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    struct buffer body = rig_search("docs", "", 1000, 0);
    struct reply *reply = call(&rig, "/test.Echo/Stream", &body);
    cr_expect(reply->closed);
    cr_expect_str_eq(reply->grpc_status, "0");
    expect_id(reply, 999, "docs");
    cr_expect(rig_message(reply, 1000) == NULL);
    buffer_free(&body);
    body = rig_search("docs", "", 0, 0); /* a stream without parts */
    reply = call(&rig, "/test.Echo/Stream", &body);
    cr_expect(reply->closed && reply->body.size == 0);
    cr_expect_str_eq(reply->grpc_status, "0");
    buffer_free(&body);
    rig_close(&rig);
}

Test(grpc, tells_failures_in_trailers_alone) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    struct buffer body = rig_search("docs", "fail", 0, 0);
    struct reply *reply = call(&rig, "/test.Echo/Unary", &body);
    cr_expect(reply->closed && reply->status == 200 && reply->body.size == 0);
    cr_expect_str_eq(reply->grpc_status, "5");
    cr_expect_str_eq(reply->message, "100%25 g%C3%B6ne%0Anot found");
    cr_expect_str_eq(reply->details, "CAU");
    buffer_free(&body);
    body = rig_search("docs", "busy", 0, 0);
    reply = call(&rig, "/test.Echo/Unary", &body);
    cr_expect_str_eq(reply->grpc_status, "8");
    cr_expect_str_eq(reply->message, "overloaded, try again");
    cr_expect_str_eq(reply->retry_after, "3");
    buffer_free(&body);
    rig_close(&rig);
}

/* A SearchRequest of collection "docs" behind its prefix. */
#define GOOD \
    "\0\0\0\0\x06\x0a\x04" \
    "docs"
#define UNARY      .path = "/test.Echo/Unary"
#define BODY(text) .body = text, .size = sizeof(text) - 1

static const struct row {
    const char *name;
    struct request request;
    int status;
    const char *grpc; /* "": none */
} requests[] = {
    {"good", {UNARY, BODY(GOOD)}, 200, "0"},
    {"+proto", {UNARY, .type = "application/grpc+proto", BODY(GOOD)}, 200, "0"},
    {"parameters", {UNARY, .type = "application/grpc; x=y", BODY(GOOD)}, 200, "0"},
    {"empty message", {UNARY, BODY("\0\0\0\0\0")}, 200, "0"},
    {"unknown method", {.path = "/test.Echo/Nothing", BODY(GOOD)}, 200, "12"},
    {"no method", {.path = "/", BODY(GOOD)}, 200, "12"},
    {"get", {.method = "GET", UNARY}, 405, "12"},
    {"html", {UNARY, .type = "text/html"}, 415, ""},
    {"no type", {UNARY, .type = ""}, 415, ""},
    {"grpc-web", {UNARY, .type = "application/grpc-web"}, 415, ""},
    {"json", {UNARY, .type = "application/grpc+json"}, 415, ""},
    {"no message", {UNARY}, 200, "12"},
    {"two messages", {UNARY, BODY(GOOD GOOD)}, 200, "12"},
    {"cut message",
     {UNARY, BODY("\0\0\0\0\7\x0a\x04"
                  "docs")},
     200,
     "13"},
    {"cut prefix", {UNARY, BODY("\0\0\0")}, 200, "13"},
    {"bad flag", {UNARY, BODY("\7\0\0\0\0")}, 200, "13"},
    {"not protobuf", {UNARY, BODY("\0\0\0\0\2\x0a\x05")}, 200, "3"},
    {"compressed without encoding", {UNARY, BODY("\1\0\0\0\0")}, 200, "13"},
    {"deflate", {UNARY, .names = {"grpc-encoding"}, .values = {"deflate"}, BODY(GOOD)}, 200, "12"},
    {"bad timeout", {UNARY, .names = {"grpc-timeout"}, .values = {"1x"}, BODY(GOOD)}, 200, "3"},
    {"300 MB", {UNARY, BODY("\0\x12\0\0\0")}, 200, "8"},
};

Test(grpc, answers_or_refuses_each_request) {
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        const struct row *row = &requests[i];
        struct rig rig;
        rig_open(&rig, NULL);
        rig_h2(&rig);
        struct reply *reply = rig_request(&rig, &row->request);
        cr_expect(reply->closed && reply->status == row->status, "%s: %d", row->name,
                  reply->status);
        cr_expect_str_eq(reply->grpc_status, row->grpc, "%s: %s", row->name, reply->grpc_status);
        reply = rig_request(&rig, &requests[0].request); /* the connection is still good */
        cr_expect_str_eq(reply->grpc_status, "0", "%s", row->name);
        rig_close(&rig);
    }
}

/* An early answer: the rest of the request is not wanted, and does not use up the connection's
 * window. */
Test(grpc, stays_usable_after_refused_uploads) {
    struct edge_options options = {.limits = {.budget_bytes = 1000000}};
    struct rig rig;
    enum { SIZE = 3 << 20 };
    char *body = mem_zero(1, SIZE);
    rig_open(&rig, &options);
    rig_h2(&rig);
    grpc_frame_prefix((unsigned char *)body, false, SIZE - GRPC_PREFIX_SIZE);
    for (size_t i = 0; i < 20; i++) {
        struct reply *reply = rig_request(
            &rig, &(struct request){.path = "/test.Echo/Raw", .body = body, .size = SIZE});
        cr_assert(reply->closed && reply->error == NGHTTP2_NO_ERROR, "%u", reply->error);
        cr_assert_str_eq(reply->grpc_status, "8");
        cr_assert(strstr(reply->message, "memory budget is 1000000"), "%s", reply->message);
    }
    struct buffer good = rig_search("docs", "", 0, 0);
    cr_expect_str_eq(call(&rig, "/test.Echo/Unary", &good)->grpc_status, "0");
    buffer_free(&good);
    mem_free(body);
    rig_close(&rig);
}

Test(grpc, takes_a_large_message_raw) {
    struct rig rig;
    enum { SIZE = 20 << 20 };
    char *body = mem_zero(1, SIZE);
    rig_open(&rig, NULL);
    rig_h2(&rig);
    grpc_frame_prefix((unsigned char *)body, false, SIZE - GRPC_PREFIX_SIZE);
    struct reply *reply =
        rig_request(&rig, &(struct request){.path = "/test.Echo/Raw", .body = body, .size = SIZE});
    cr_expect_str_eq(reply->grpc_status, "0");
    Vectron__V1__UpsertResponse *response = vectron__v1__upsert_response__unpack(
        NULL, reply->body.size - GRPC_PREFIX_SIZE, reply->body.data + GRPC_PREFIX_SIZE);
    cr_expect(response && response->upserted == SIZE - GRPC_PREFIX_SIZE);
    vectron__v1__upsert_response__free_unpacked(response, NULL);
    mem_free(body);
    rig_close(&rig);
}

static struct buffer packed(const void *data, size_t size) {
    struct buffer out = {0};
    struct body zipped = {0};
    cr_assert(gzip_pack(data, size, &zipped) == STATUS_OK);
    unsigned char prefix[GRPC_PREFIX_SIZE];
    grpc_frame_prefix(prefix, true, (uint32_t)zipped.size);
    buffer_append(&out, prefix, sizeof prefix);
    buffer_append(&out, zipped.data, zipped.size);
    body_free(&zipped);
    return out;
}

static struct reply *call_packed(struct rig *rig, const char *path, const struct buffer *body) {
    return rig_request(rig, &(struct request){.path = path,
                                              .body = body->data,
                                              .size = body->size,
                                              .names = {"grpc-encoding", "grpc-accept-encoding"},
                                              .values = {"gzip", "identity,deflate,gzip"}});
}

Test(grpc, reads_and_writes_gzip) {
    struct rig rig;
    char name[4001];
    memset(name, 'n', sizeof name);
    name[4000] = 0;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    struct buffer plain = rig_search(name, "", 0, 0);
    struct buffer body = packed(plain.data + GRPC_PREFIX_SIZE, plain.size - GRPC_PREFIX_SIZE);
    struct reply *reply = call_packed(&rig, "/test.Echo/Unary", &body);
    cr_expect_str_eq(reply->grpc_status, "0");
    cr_expect_str_eq(reply->encoding, "gzip");
    cr_assert(reply->body.size > 5 && reply->body.size < 200 && reply->body.data[0] == 1);
    struct body out = {0};
    cr_assert(gzip_unpack(reply->body.data + 5, reply->body.size - 5, 1 << 20, &out) == STATUS_OK);
    cr_expect(out.size > 4000);
    body_free(&out);
    /* Plain messages may follow grpc-encoding: gzip. */
    reply = call_packed(&rig, "/test.Echo/Unary", &plain);
    cr_expect_str_eq(reply->grpc_status, "0");
    buffer_free(&body);
    buffer_free(&plain);
    body.data = (unsigned char *)"\1\0\0\0\4junk";
    body.size = 9;
    cr_expect_str_eq(call_packed(&rig, "/test.Echo/Unary", &body)->grpc_status, "3");
    rig_close(&rig);
}

Test(grpc, refuses_a_gzip_bomb) {
    struct rig rig;
    size_t size = (size_t)300 << 20;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    char *zeros = mem_zero(1, size);
    budget_set(0);
    struct buffer body = packed(zeros, size);
    mem_free(zeros);
    cr_expect_str_eq(call_packed(&rig, "/test.Echo/Raw", &body)->grpc_status, "8");
    buffer_free(&body);
    rig_close(&rig);
}

Test(grpc, cancels_what_the_client_resets) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    struct buffer body = rig_search("docs", "", 0, 100);
    struct reply *first = call(&rig, "/test.Echo/Unary", &body);
    struct reply *second = call(&rig, "/test.Echo/Unary", &body);
    nghttp2_submit_rst_stream(rig.client->nghttp2, 0, first->id, NGHTTP2_CANCEL);
    rig_exchange(&rig);
    cr_expect(echo_cancelled == 1);
    rig_release(&rig);
    rig_exchange(&rig);
    cr_expect_str_eq(second->grpc_status, "0");
    cr_expect(rig.hub.stats.calls_cancelled == 1 && rig.hub.n_calls == 0);
    call(&rig, "/test.Echo/Unary", &body);
    rig_lose(&rig); /* so does the loss of the connection */
    cr_expect(echo_cancelled == 2 && rig.hub.n_calls == 1);
    buffer_free(&body);
    rig_close(&rig);
}

Test(grpc, ends_calls_at_their_deadline) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    struct buffer body = rig_search("docs", "", 0, 100);
    struct reply *reply = rig_request(&rig, &(struct request){.path = "/test.Echo/Unary",
                                                              .body = body.data,
                                                              .size = body.size,
                                                              .names = {"grpc-timeout"},
                                                              .values = {"200m"}});
    struct reply *second = call(&rig, "/test.Echo/Unary", &body);
    rig_wait(&rig, 190);
    rig_exchange(&rig);
    cr_expect(!reply->closed);
    rig_wait(&rig, 50);
    rig_exchange(&rig);
    cr_expect(reply->closed && echo_cancelled == 1);
    cr_expect_str_eq(reply->grpc_status, "4");
    rig_wait(&rig, EDGE_DEADLINE_DEFAULT_MS);
    rig_exchange(&rig);
    cr_expect_str_eq(second->grpc_status, "4");
    rig_release(&rig);
    cr_expect(rig.hub.n_calls == 0 && rig.hub.stats.calls_expired == 2);
    buffer_free(&body);
    rig_close(&rig);
}

Test(grpc, holds_a_stream_back_when_the_client_is_slow) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    struct buffer body = rig_search("a name that is a little longer than usual", "", 100000, 0);
    rig.window = 100000;
    struct reply *reply = call(&rig, "/test.Echo/Stream", &body);
    size_t used = budget_used();
    cr_expect(!reply->closed && used < 2 * EDGE_STREAM_MAX, "%zu", used);
    for (size_t i = 0; i < 5; i++)
        rig_release(&rig);
    cr_expect(budget_used() == used);
    rig.window = SIZE_MAX;
    for (size_t i = 0; i < 10000 && !reply->closed; i++) {
        rig_exchange(&rig);
        rig_release(&rig);
    }
    cr_expect_str_eq(reply->grpc_status, "0");
    expect_id(reply, 99999, "a name that is a little longer than usual");
    buffer_free(&body);
    rig_close(&rig);
}

/* The client opens no window for the stream, but reads everything else: only the stream is given
 * up. */
Test(grpc, gives_up_a_stream_that_nobody_reads) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    nghttp2_settings_entry none[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}};
    nghttp2_submit_settings(rig.client->nghttp2, 0, none, 1);
    rig_exchange(&rig);
    struct buffer body = rig_search("docs", "", 0, 0);
    struct reply *reply = call(&rig, "/test.Echo/Unary", &body);
    rig_wait(&rig, EDGE_WRITE_MS + 100);
    rig_exchange(&rig);
    cr_expect(reply->closed && reply->error == NGHTTP2_INTERNAL_ERROR && rig.conn);
    buffer_free(&body);
    rig_close(&rig);
}

Test(grpc, serves_health) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    static const struct {
        const char *body;
        size_t size;
        const char *grpc, *answer;
    } rows[] = {
        {"\0\0\0\0\0", 5, "0", "\0\0\0\0\2\x08\x01"},
        {"\0\0\0\0\x0b\x0a\x09test.Echo", 16, "0", "\0\0\0\0\2\x08\x01"},
        {"\0\0\0\0\4\x0a\2no", 9, "5", NULL},
    };
    for (size_t i = 0; i < 3; i++) {
        struct reply *reply =
            rig_request(&rig, &(struct request){.path = "/grpc.health.v1.Health/Check",
                                                .body = rows[i].body,
                                                .size = rows[i].size});
        cr_expect_str_eq(reply->grpc_status, rows[i].grpc);
        if (rows[i].answer)
            cr_expect(reply->body.size == 7 && memcmp(reply->body.data, rows[i].answer, 7) == 0);
    }
    struct reply *watch = rig_request(
        &rig,
        &(struct request){.path = "/grpc.health.v1.Health/Watch", .body = "\0\0\0\0\0", .size = 5});
    struct reply *unknown = rig_request(
        &rig, &(struct request){
                  .path = "/grpc.health.v1.Health/Watch", .body = "\0\0\0\0\4\x0a\2no", .size = 9});
    cr_expect(watch->body.size == 7 && watch->body.data[6] == 1 && !watch->closed);
    cr_expect(unknown->body.size == 7 && unknown->body.data[6] == 3 && !unknown->closed);
    hub_drain(&rig.hub, 5000, NULL);
    struct reply *late = rig_request(
        &rig,
        &(struct request){.path = "/grpc.health.v1.Health/Check", .body = "\0\0\0\0\0", .size = 5});
    cr_expect(watch->body.size == 14 && watch->body.data[13] == 2 && watch->closed);
    cr_expect_str_eq(watch->grpc_status, "14");
    cr_expect(late->body.size == 7 && late->body.data[6] == 2);
    rig_close(&rig);
}

static void append_question(struct buffer *out,
                            const Grpc__Reflection__V1__ServerReflectionRequest *q) {
    unsigned char bytes[256], prefix[GRPC_PREFIX_SIZE];
    size_t size = grpc__reflection__v1__server_reflection_request__pack(q, bytes);
    grpc_frame_prefix(prefix, false, (uint32_t)size);
    buffer_append(out, prefix, sizeof prefix);
    buffer_append(out, bytes, size);
}

Test(grpc, serves_reflection_in_both_versions) {
    static const char *const paths[] = {
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    };
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        struct buffer body = {0};
        Grpc__Reflection__V1__ServerReflectionRequest question =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
        question.message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
        question.list_services = (char *)"";
        append_question(&body, &question);
        question.message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
        question.file_containing_symbol = (char *)"vectron.v1.VectronService";
        append_question(&body, &question);
        question.file_containing_symbol = (char *)"nothing";
        append_question(&body, &question);
        rig_open(&rig, NULL);
        rig_step = i ? 7 : 0;
        rig_h2(&rig);
        struct reply *reply = rig_request(
            &rig, &(struct request){.path = paths[i], .body = body.data, .size = body.size});
        cr_expect(reply->closed);
        cr_expect_str_eq(reply->grpc_status, "0");
        struct grpc_frame frame = {0};
        struct grpc_piece input = {reply->body.data, reply->body.size}, piece;
        size_t n = 0;
        for (enum grpc_event event;
             (event = grpc_frame_next(&frame, &input, &piece)) != GRPC_MORE;) {
            if (event != GRPC_BYTES) continue;
            Grpc__Reflection__V1__ServerReflectionResponse *answer =
                grpc__reflection__v1__server_reflection_response__unpack(NULL, piece.size,
                                                                         piece.data);
            cr_assert(answer);
            if (n == 0) {
                cr_expect(answer->list_services_response->n_service == 4);
                cr_expect_str_eq(answer->list_services_response->service[0]->name, "test.Echo");
            }
            if (n == 1) /* apigateway.proto and what it imports */
                cr_expect(answer->file_descriptor_response->n_file_descriptor_proto == 3);
            if (n == 2) cr_expect(answer->error_response->error_code == 5);
            n++;
            grpc__reflection__v1__server_reflection_response__free_unpacked(answer, NULL);
        }
        cr_expect(n == 3);
        buffer_free(&body);
        rig_close(&rig);
    }
}

Test(h2, serves_json_beside_grpc) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    struct reply *reply = rig_request(&rig, &(struct request){.path = "/v1/echo/c",
                                                              .type = "application/json",
                                                              .body = "{\"vector\":[1,2]}",
                                                              .size = 16});
    cr_expect(reply->closed && reply->status == 200);
    cr_expect_str_eq(reply->content_type, "application/json");
    buffer_append(&reply->body, "", 1);
    cr_expect(strstr((char *)reply->body.data, "\"vector\":[1,2]"), "%s", (char *)reply->body.data);
    reply = rig_request(&rig, &(struct request){.method = "GET", .path = "/healthz", .type = ""});
    cr_expect(reply->closed && reply->status == 200);
    reply = rig_request(&rig, &(struct request){.method = "OPTIONS", .path = "/x", .type = ""});
    cr_expect(reply->closed && reply->status == 200 && reply->body.size == 0);
    reply = rig_request(&rig, &(struct request){.method = "GET", .path = "/x", .type = ""});
    cr_expect(reply->closed && reply->status == 404);
    reply = rig_request(&rig, &(struct request){.path = "/v1/echo/c/stream",
                                                .type = "application/json",
                                                .body = "{\"topK\":3}",
                                                .size = 10});
    cr_expect(reply->closed && reply->status == 200);
    cr_expect_str_eq(reply->content_type, "text/event-stream");
    rig_close(&rig);
}

Test(h2, drains_without_losing_a_call) {
    enum { N = 1000 };
    struct rig rig;
    static struct reply *replies[N];
    rig_open(&rig, NULL);
    rig_h2(&rig);
    struct buffer body = rig_search("docs", "", 0, 100);
    for (size_t i = 0; i < N; i++)
        replies[i] = call(&rig, "/test.Echo/Unary", &body);
    hub_drain(&rig.hub, 5000, NULL);
    struct reply *late = call(&rig, "/test.Echo/Unary", &body); /* sent before it knew */
    cr_expect(rig.client->goaways == 1 && rig.client->goaway_last == 0x7fffffff);
    rig_wait(&rig, EDGE_DRAIN_NOTICE_MS + 10);
    rig_exchange(&rig);
    cr_expect(rig.client->goaways == 2 && rig.client->goaway_last == late->id);
    cr_expect(rig_release(&rig) == N + 1);
    rig_exchange(&rig);
    for (size_t i = 0; i < N; i++)
        cr_assert_str_eq(replies[i]->grpc_status, "0");
    cr_expect_str_eq(late->grpc_status, "0");
    cr_expect(!rig.conn && rig.drained && rig.hub.calls_cut == 0);
    buffer_free(&body);
    rig_close(&rig);
}

Test(h2, cuts_a_drain_at_its_hard_deadline) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    struct buffer body = rig_search("docs", "", 0, 100);
    call(&rig, "/test.Echo/Unary", &body);
    hub_drain(&rig.hub, 2000, NULL);
    rig_wait(&rig, 1990);
    cr_expect(rig.conn && !rig.drained);
    rig_wait(&rig, 20);
    cr_expect(!rig.conn && rig.drained && rig.hub.calls_cut == 1);
    buffer_free(&body);
    rig_close(&rig);
}

Test(h2, asks_a_silent_client_whether_it_lives) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    for (size_t i = 0; i < 5; i++) {
        rig_wait(&rig, EDGE_PING_MS + 20);
        rig_exchange(&rig); /* nghttp2 answers pings by itself */
    }
    cr_expect(rig.conn);
    rig_wait(&rig, EDGE_PING_MS + EDGE_PING_ANSWER_MS + 100);
    cr_expect(!rig.conn);
    rig_close(&rig);
}

Test(h2, allows_keepalive_and_ends_floods) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_h2(&rig);
    for (size_t i = 0; i < 200; i++) {
        nghttp2_submit_ping(rig.client->nghttp2, 0, NULL);
        rig_exchange(&rig);
        rig_wait(&rig, 10000);
    }
    cr_expect(rig.conn && !rig.client->goaway);
    for (size_t i = 0; i < 200 && rig.conn; i++) {
        nghttp2_submit_ping(rig.client->nghttp2, 0, NULL);
        rig_exchange(&rig);
    }
    cr_expect(!rig.conn && rig.client->goaway_error == NGHTTP2_ENHANCE_YOUR_CALM);
    cr_expect(rig.hub.stats.abuse == 1);

    rig_h2(&rig);
    for (size_t i = 0; i < 200 && rig.conn; i++) {
        nghttp2_submit_settings(rig.client->nghttp2, 0, NULL, 0);
        rig_exchange(&rig);
    }
    cr_expect(!rig.conn && rig.client->goaway_error == NGHTTP2_ENHANCE_YOUR_CALM);

    /* Rapid reset: streams opened and cancelled without end. */
    rig_h2(&rig);
    struct buffer body = rig_search("docs", "", 0, 100);
    for (size_t i = 0; i < 1500 && rig.conn; i++) {
        struct reply *reply = call(&rig, "/test.Echo/Unary", &body);
        nghttp2_submit_rst_stream(rig.client->nghttp2, 0, reply->id, NGHTTP2_CANCEL);
        rig_exchange(&rig);
    }
    cr_expect(!rig.conn);
    buffer_free(&body);
    rig_close(&rig);
}

/* Frames made by hand: what no client library would send. */
Test(h2, ends_on_hostile_frames) {
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    struct rig rig;
    rig_open(&rig, NULL);
    rig_connect(&rig); /* CONTINUATION for ever */
    rig_send(&rig, preface, sizeof preface - 1, 0);
    rig_send(&rig, "\0\0\1\1\0\0\0\0\1\x82", 10, 0);
    for (size_t i = 0; i < 100 && rig.conn; i++)
        rig_send(&rig, "\0\0\1\x09\0\0\0\0\1\x84", 10, 0);
    cr_expect(!rig.conn);
    rig_connect(&rig); /* a header block that never ends */
    rig_send(&rig, preface, sizeof preface - 1, 0);
    rig_send(&rig, "\0\0\1\1\0\0\0\0\1\x82", 10, 0);
    rig_wait(&rig, EDGE_HEADER_MS + 50);
    cr_expect(!rig.conn);
    rig_connect(&rig); /* empty DATA */
    rig_send(&rig, preface, sizeof preface - 1, 0);
    rig_send(&rig, "\0\0\4\1\4\0\0\0\1\x83\x84\x86\x41\0", 13, 0);
    for (size_t i = 0; i < 2000 && rig.conn; i++)
        rig_send(&rig, "\0\0\0\0\0\0\0\0\1", 9, 0);
    cr_expect(!rig.conn);
    rig_connect(&rig); /* a preface that is none */
    rig_send(&rig, "PRI * HTTP/3.0\r\n\r\n", 18, 1);
    cr_expect(!rig.conn);
    rig_close(&rig);
}

Test(h2, limits_the_size_of_heads) {
    struct rig rig;
    static char value[12000];
    memset(value, 'v', sizeof value - 1);
    rig_open(&rig, NULL);
    rig_h2(&rig);
    struct request request = {.method = "GET",
                              .path = "/healthz",
                              .type = "",
                              .names = {"a", "b", "c"},
                              .values = {value, value, value}};
    struct reply *reply = rig_request(&rig, &request);
    cr_expect(reply->status == 431, "%d", reply->status);
    request.names[2] = NULL;
    cr_expect(rig_request(&rig, &request)->status == 200);
    rig_close(&rig);
}

Test(h2, bounds_the_calls_under_way) {
    struct edge_options options = {.limits = {.calls = 3, .streams = 10}};
    struct rig rig;
    rig_open(&rig, &options);
    rig_h2(&rig);
    struct buffer body = rig_search("docs", "", 0, 100);
    for (size_t i = 0; i < 3; i++)
        cr_expect(!call(&rig, "/test.Echo/Unary", &body)->closed);
    cr_expect_str_eq(call(&rig, "/test.Echo/Unary", &body)->grpc_status, "8");
    rig_release(&rig);
    rig_exchange(&rig);
    cr_expect(!call(&rig, "/test.Echo/Unary", &body)->closed);
    buffer_free(&body);
    rig_close(&rig);
}

/* Every allocation of a call fails once: each time an answer or a clean end, never a leak. */
Test(h2, survives_without_memory) {
    struct buffer body = rig_search("docs", "", 3, 0);
    for (uint64_t nth = 1; nth < 150; nth++) {
        struct rig rig;
        rig_open(&rig, NULL);
        rig_h2(&rig);
        mem_fail_at(0);
        const char *path = nth % 2 ? "/test.Echo/Unary" : "/test.Echo/Stream";
        mem_fail_at(nth / 2 + 1);
        if (rig.conn) call(&rig, path, &body);
        mem_fail_at(0);
        rig_close(&rig);
    }
    buffer_free(&body);
}
