/* Upsert: bodies of both formats, validation before any write, pages, retries, failures half way.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "runtime/buffer.h"
#include "runtime/memory.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/router.pb-c.h"
#include "tests/unit/edge_services/fake.h"

#define DOCS \
    ANSWER(router_collection, "{\"name\":\"docs\",\"dimension\":2,\"distance\":\"cosine\"}")
#define WRITTEN(n) ANSWER(router_upserted, "{\"points\":" #n ",\"session\":\"s" #n "\"}")
#define POINT(id)  "{\"id\":\"" id "\",\"vector\":[1,2]}"
#define SAFE       "points are acknowledged, repeating the request is safe\n"

static const char *serve_json(const char *json) {
    return fake_serve(&(struct request){"Upsert", json, .collection = "docs"});
}

Test(upsert, writes_json_points) {
    static const struct answer script[] = {DOCS, WRITTEN(2), {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(
        serve_json("{\"points\":[" POINT(
            "a") ",{\"id\":\"b\",\"vector\":[0.5,-1],\"payload\":{\"k\":\"v\",\"k\":\"w\"}}],"
                 "\"collection\":\"ignored\"}"),
        "header vectron-session=s2\nreply {\"upserted\":2,\"session\":\"s2\"}\n");
    cr_expect_str_eq(fake_asked(), "RouterDescribe name=docs\n"
                                   "RouterUpsert collection=docs points=[{id=a vector=[1 2]} "
                                   "{id=b vector=[0.5 -1] payload=0x81a16ba177}]\n");
    cr_expect_eq(fake_freed(), 1);
    fake_close();
}

/* An encoded UpsertRequest with n points "p0", "p1", … and a payload of payload_bytes each. */
static uint8_t *encode(const char *collection, size_t n, size_t payload_bytes, size_t *size) {
    Vectron__V1__UpsertRequest request = VECTRON__V1__UPSERT_REQUEST__INIT;
    Vectron__V1__Point *points = mem_zero(n, sizeof *points),
                       **list = mem_zero(n + 1, sizeof *list);
    Vectron__V1__Point__PayloadEntry entry = VECTRON__V1__POINT__PAYLOAD_ENTRY__INIT,
                                     *entries[] = {&entry};
    char(*ids)[24] = mem_zero(n + 1, sizeof *ids);
    char *value = mem_zero(1, payload_bytes + 1);
    float vector[] = {1, 2};
    memset(value, 'v', payload_bytes);
    entry.key = (char *)"k";
    entry.value = value;
    for (size_t i = 0; i < n; i++) {
        vectron__v1__point__init(&points[i]);
        snprintf(ids[i], sizeof ids[i], "p%zu", i);
        points[i].id = ids[i];
        points[i].vector = vector;
        points[i].n_vector = 2;
        points[i].payload = entries;
        points[i].n_payload = payload_bytes ? 1 : 0;
        list[i] = &points[i];
    }
    request.collection = (char *)collection;
    request.points = list;
    request.n_points = n;
    *size = vectron__v1__upsert_request__get_packed_size(&request);
    uint8_t *body = mem_alloc(*size + 1);
    vectron__v1__upsert_request__pack(&request, body);
    mem_free(points);
    mem_free(list);
    mem_free(ids);
    mem_free(value);
    return body;
}

static const char *serve_encoded(const char *collection, size_t n, size_t payload_bytes) {
    size_t size;
    uint8_t *body = encode(collection, n, payload_bytes, &size);
    const char *answer = fake_serve(&(struct request){"Upsert", .body = body, .body_size = size});
    mem_free(body);
    return answer;
}

Test(upsert, writes_encoded_points) {
    static const struct answer script[] = {DOCS, WRITTEN(2), {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(serve_encoded("docs", 2, 3),
                     "header vectron-session=s2\nreply {\"upserted\":2,\"session\":\"s2\"}\n");
    cr_expect_str_eq(
        fake_asked(),
        "RouterDescribe name=docs\n"
        "RouterUpsert collection=docs points=[{id=p0 vector=[1 2] payload=0x81a16ba3767676} "
        "{id=p1 vector=[1 2] payload=0x81a16ba3767676}]\n");
    fake_close();
}

Test(upsert, the_last_collection_of_an_encoded_request_counts) {
    /* points before the collection, which comes twice, and an unknown field of each type. */
    static const uint8_t body[] = "\x12\x0d\x0a\x01"
                                  "a\x12\x08\0\0\x80\x3f\0\0\0\x40"
                                  "\x0a\x01x\x0a\x04"
                                  "docs\x50\x07\x59"
                                  "12345678\x65"
                                  "1234\x6a\x02zz";
    static const struct answer script[] = {DOCS, WRITTEN(1), {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(
        fake_serve(&(struct request){"Upsert", .body = body, .body_size = sizeof body - 1}),
        "header vectron-session=s1\nreply {\"upserted\":1,\"session\":\"s1\"}\n");
    cr_expect_str_eq(
        fake_asked(),
        "RouterDescribe name=docs\nRouterUpsert collection=docs points=[{id=a vector=[1 2]}]\n");
    fake_close();
}

Test(upsert, refuses_before_anything_is_written) {
    static const struct {
        const char *json, *answered;
        bool described;
    } rows[] = {
        {"{}", "fail INVALID at least one point is required for upsert\n", true},
        {"", "fail INVALID at least one point is required for upsert\n", true},
        {"{\"points\":[" POINT("a") ",{\"vector\":[1,2]}]}",
         "fail INVALID point ID cannot be empty (points[1])\n", true},
        {"{\"points\":[{\"id\":\"a\"}]}",
         "fail INVALID point vector cannot be empty (points[0], id \"a\")\n", true},
        {"{\"points\":[" POINT("a") ",{\"id\":\"b\",\"vector\":[1,2,3]}]}",
         "fail INVALID vector dimension 3 does not match index dimension 2 of collection \"docs\" (points[1], id \"b\")\n",
         true},
        {"{\"points\":[" POINT("a") ",{\"id\":\"b\",\"vector\":[1,\"NaN\"]}]}",
         "fail INVALID points[1].vector[1] is NaN: values must be finite (id \"b\")\n", true},
        {"{\"points\":[{\"id\":\"b\",\"vector\":[\"Infinity\",1]}]}",
         "fail INVALID points[0].vector[0] is Infinity: values must be finite (id \"b\")\n", true},
        {"{\"points\":[{\"id\":\"b\",\"vector\":[1e39,1]}]}",
         "fail INVALID points[0].vector[0]: number is out of range of float\n", true},
        {"{\"points\":[" POINT("a") ",", "fail INVALID points[1]: object expected\n", true},
        {"{\"points\":[" POINT("a") "]}]",
         "fail INVALID JSON: text goes on behind its end at byte 38\n", true},
        {"{\"points\":[" POINT("a") "],\"points\":[]}",
         "fail INVALID points: field is given twice\n", true},
    };
    fake_open();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer script[] = {DOCS, {0}};
        fake_script(script);
        cr_expect_str_eq(serve_json(rows[i].json), rows[i].answered);
        cr_expect_str_eq(fake_asked(), rows[i].described ? "RouterDescribe name=docs\n" : "");
    }
    fake_script(NULL);
    fake_close();
}

Test(upsert, refuses_names_without_asking) {
    fake_open();
    cr_expect_str_eq(serve_encoded("", 1, 0), "fail INVALID collection name cannot be empty\n");
    cr_expect_str_eq(serve_encoded("a/b", 1, 0), "fail NOT_FOUND collection 'a/b' not found\n");
    cr_expect_str_eq(fake_serve(&(struct request){"Upsert",
                                                  .body = "\x0a\x02"
                                                          "a\0",
                                                  .body_size = 4}),
                     "fail INVALID collection: name is not valid UTF-8 or contains NUL\n");
    cr_expect_str_eq(
        fake_serve(&(struct request){"Upsert",
                                     .body = "\x0a\x02"
                                             "a",
                                     .body_size = 3}),
        "fail INVALID request is not valid protobuf: a field is cut off or has no type\n");
    cr_expect_str_eq(
        fake_serve(&(struct request){"Upsert", .body = "\x10\x02", .body_size = 2}),
        "fail INVALID request is not an UpsertRequest: a field has the wrong wire type\n");
    cr_expect_str_eq(fake_asked(), "");
    fake_close();
}

Test(upsert, refuses_large_payloads) {
    enum { N = 66000 };
    struct buffer json;
    static const struct answer script[] = {DOCS, DOCS, {0}};
    fake_open();
    fake_script(script);
    buffer_init(&json);
    buffer_printf(&json, "{\"points\":[{\"id\":\"a\",\"vector\":[1,2],\"payload\":{");
    for (int i = 0; i < 65; i++)
        buffer_printf(&json, "%s\"k%d\":\"\"", i ? "," : "", i);
    buffer_printf(&json, "}}]}%c", 0);
    cr_expect_str_eq(serve_json((char *)json.data),
                     "fail INVALID payload has more than 64 keys (points[0], id \"a\")\n");
    buffer_clear(&json);
    buffer_printf(&json, "{\"points\":[{\"id\":\"a\",\"vector\":[1,2],\"payload\":{\"k\":\"");
    for (int i = 0; i < N; i++)
        buffer_append(&json, "v", 1);
    buffer_printf(&json, "\"}}]}%c", 0);
    cr_expect_str_eq(
        serve_json((char *)json.data),
        "fail INVALID payload of 66001 bytes is above the limit of 65536 bytes (points[0], id \"a\")\n");
    buffer_free(&json);
    fake_close();
}

Test(upsert, refuses_too_many_points_at_once) {
    fake_open();
    cr_expect_str_eq(
        serve_encoded("docs", 100001, 0),
        "fail INVALID the request has more than 100000 points: send them in several requests\n");
    cr_expect_str_eq(fake_asked(), "");
    fake_close();
}

Test(upsert, cuts_pages_by_points) {
    static const struct answer script[] = {DOCS, WRITTEN(1000), WRITTEN(1000), WRITTEN(500), {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(
        serve_encoded("docs", 2500, 0),
        "header vectron-session=s500\nreply {\"upserted\":2500,\"session\":\"s500\"}\n");
    cr_expect_str_eq(fake_pages(), "1000 from p0, 1000 from p1000, 500 from p2000, ");
    fake_close();
}

/* 60,000 bytes of payload each: seventeen points fill a page, eighteen would be more than 1 MiB. */
Test(upsert, cuts_pages_by_bytes) {
    static const struct answer script[] = {DOCS, WRITTEN(17), WRITTEN(17), WRITTEN(6), {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(serve_encoded("docs", 40, 60000),
                     "header vectron-session=s6\nreply {\"upserted\":40,\"session\":\"s6\"}\n");
    cr_expect_str_eq(fake_pages(), "17 from p0, 17 from p17, 6 from p34, ");
    fake_close();
}

Test(upsert, sends_a_page_again_when_the_router_is_busy) {
    static const struct answer script[] = {{.status = STATUS_BUSY, .words = "", .retry_ms = 20},
                                           DOCS,
                                           {.status = STATUS_BUSY, .words = "tail is full"},
                                           {.status = STATUS_BUSY, .words = "tail is full"},
                                           WRITTEN(1),
                                           {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(serve_json("{\"points\":[" POINT("a") "]}"),
                     "header vectron-session=s1\nreply {\"upserted\":1,\"session\":\"s1\"}\n");
    cr_expect_str_eq(fake_asked(), "RouterDescribe name=docs\nRouterDescribe name=docs\n"
                                   "RouterUpsert collection=docs points=[{id=a vector=[1 2]}]\n"
                                   "RouterUpsert collection=docs points=[{id=a vector=[1 2]}]\n"
                                   "RouterUpsert collection=docs points=[{id=a vector=[1 2]}]\n");
    fake_close();
}

Test(upsert, gives_up_when_busy_until_the_deadline) {
    static const struct answer script[] = {
        DOCS, {.status = STATUS_BUSY, .words = "tail is full", .retry_ms = 900}, {0}};
    fake_open();
    fake_script(script);
    const char *answer = fake_serve(&(struct request){"Upsert", "{\"points\":[" POINT("a") "]}",
                                                      .collection = "docs", .timeout_us = 500000});
    cr_expect(strstr(answer, "retry "), "%s", answer);
    cr_expect(strstr(answer, "fail BUSY tail is full; 0 of 1 " SAFE), "%s", answer);
    fake_close();
}

Test(upsert, tells_how_far_it_came) {
    static const struct answer script[] = {
        DOCS, WRITTEN(1000), FAILURE(STATUS_LOST_PEER, "shard 3 is unreachable"), {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(serve_encoded("docs", 2500, 0),
                     "fail LOST_PEER shard 3 is unreachable; 1000 of 2500 " SAFE);
    const void *bytes;
    size_t size = fake_details(&bytes);
    cr_expect(memmem(bytes, size, "google.rpc.ErrorInfo", 20));
    cr_expect(memmem(bytes, size, "UPSERT_INCOMPLETE", 17));
    cr_expect(memmem(bytes, size,
                     "\x0a\x0c"
                     "acknowledged\x12\x04"
                     "1000",
                     20));
    fake_close();
}

Test(upsert, counts_what_a_failed_page_wrote_on_some_shards) {
    static const struct answer script[] = {DOCS,
                                           WRITTEN(1000),
                                           PART(router_upserted, "{\"points\":300}"),
                                           FAILURE(STATUS_LOST_PEER, "shard 3 is unreachable"),
                                           {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(serve_encoded("docs", 2500, 0),
                     "fail LOST_PEER shard 3 is unreachable; 1300 of 2500 " SAFE);
    fake_close();
}

Test(upsert, forgets_what_a_page_wrote_that_is_sent_again) {
    static const struct answer script[] = {DOCS,
                                           PART(router_upserted, "{\"points\":300}"),
                                           {.status = STATUS_BUSY, .words = "", .retry_ms = 1},
                                           WRITTEN(1000),
                                           FAILURE(STATUS_IO, "disk 3 is gone"),
                                           {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(serve_encoded("docs", 2500, 0), "fail IO disk 3 is gone; 1000 of 2500 " SAFE);
    fake_close();
}

/* The page on its way is given up a little before the client stops listening. */
Test(upsert, an_index_too_slow_for_the_deadline_is_told_before_it) {
    static const struct answer script[] = {
        DOCS,
        WRITTEN(1000),
        {.type = &router_upserted__descriptor, .json = "{}", .delay_us = 20000000},
        {0}};
    fake_open();
    fake_script(script);
    const char *answer = serve_encoded("docs", 2500, 0);
    cr_expect_str_eq(answer,
                     "retry 1000\n"
                     "fail BUSY collection 'docs' takes points more slowly than this deadline "
                     "allows: send fewer at once, or give them more time; 1000 of 2500 " SAFE);
    fake_close();
}

Test(upsert, a_lost_client_ends_it_at_any_point) {
    static const struct {
        struct answer script[3];
        const char *answered;
    } rows[] = {
        {{{.type = &router_collection__descriptor, .json = "{\"dimension\":2}", .delay_us = 50000}},
         "fail CANCELLED cancelled by the caller\n"},
        {{DOCS, {.type = &router_upserted__descriptor, .json = "{}", .delay_us = 50000}},
         "fail CANCELLED cancelled by the caller; 0 of 1 " SAFE},
        {{DOCS, {.status = STATUS_BUSY, .words = "", .retry_ms = 500}},
         "fail CANCELLED cancelled by the caller; 0 of 1 " SAFE},
    };
    fake_open();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fake_script(rows[i].script);
        fake_start(
            &(struct request){"Upsert", "{\"points\":[" POINT("a") "]}", .collection = "docs"});
        fake_cancel();
        fake_run(1000);
        cr_expect_str_eq(fake_answer(), rows[i].answered);
        fake_run(1000000);
    }
    cr_expect_eq(fake_freed(), 3);
    fake_close();
}

Test(upsert, passes_the_routers_refusal_on) {
    static const struct answer script[] = {FAILURE(STATUS_NOT_FOUND, "collection 'docs' not found"),
                                           {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(serve_json("{\"points\":[" POINT("a") "]}"),
                     "fail NOT_FOUND collection 'docs' not found\n");
    fake_close();
}
