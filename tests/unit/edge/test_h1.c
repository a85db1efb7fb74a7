/* HTTP/1.1 at the edge: framing, pipelining, limits, pages, routes; bytes in, bytes out. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "adapters/edge/budget.h"
#include "tests/unit/edge/echo.h"
#include "tests/unit/edge/rig.h"

static void ask(struct rig *rig, const char *text, size_t step) {
    rig_send(rig, text, strlen(text), step);
}

static int status_of(const char *answer) {
    int status = 0;
    sscanf(answer, "HTTP/1.1 %d", &status);
    return status;
}

/* Not by strstr, whose every call the sanitizer takes to the end of the text. */
static size_t count(const char *text, const char *part) {
    const char *end = text + strlen(text);
    size_t n = 0, size = strlen(part);
    for (; (text = memmem(text, (size_t)(end - text), part, size)); text += size)
        n++;
    return n;
}

#define HOST "Host: test\r\n"
#define POST "POST /v1/echo/c HTTP/1.1\r\n" HOST

static const struct row {
    const char *name, *text;
    int status; /* 0: nothing yet */
    bool closed;
    const char *part; /* of the answer; NULL: any */
} requests[] = {
    {"get", "GET /v1/echo/abc HTTP/1.1\r\n" HOST "\r\n", 200, false, "\"id\":\"abc\""},
    {"leading empty line", "\r\nGET /v1/echo/abc HTTP/1.1\r\n" HOST "\r\n", 200, false, NULL},
    {"percent", "GET /v1/echo/a%2Fb HTTP/1.1\r\n" HOST "\r\n", 200, false, "\"id\":\"a/b\""},
    {"query", "GET /v1/echo/abc?x=y HTTP/1.1\r\n" HOST "\r\n", 200, false, "\"id\":\"abc\""},
    {"absolute", "GET http://test/v1/echo/abc HTTP/1.1\r\n" HOST "\r\n", 200, false, "abc"},
    {"post", POST "Content-Length: 15\r\n\r\n{\"vector\":[1,2]}", 400, true, NULL},
    {"post whole", POST "Content-Length: 16\r\n\r\n{\"vector\":[1,2]}", 200, false,
     "\"vector\":[1,2]"},
    {"post empty", POST "Content-Length: 0\r\n\r\n", 200, false, "\"id\":\"c\""},
    {"path wins", POST "Content-Length: 18\r\n\r\n{\"collection\":\"z\"}", 200, false,
     "\"id\":\"c\""},
    {"chunked",
     POST "Transfer-Encoding: chunked\r\n\r\n9\r\n{\"vector\"\r\n7;x=y\r\n:[1,2]}\r\n"
          "0\r\nTrailer: x\r\n\r\n",
     200, false, "\"vector\":[1,2]"},
    {"malformed", POST "Content-Length: 3\r\n\r\n{x}", 400, false, "\"code\":3"},
    {"http/1.0", "GET /v1/echo/abc HTTP/1.0\r\n\r\n", 200, true, "connection: close"},
    {"1.0 alive", "GET /v1/echo/abc HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false,
     "connection: keep-alive"},
    {"close", "GET /v1/echo/abc HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200, true, NULL},
    {"upgrade declined",
     "GET /v1/echo/abc HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
     "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
     200, false, NULL},
    {"unknown path", "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, false,
     "{\"code\":5,\"message\":\"Not Found\",\"details\":[]}"},
    {"wrong verb", "DELETE /v1/echo/abc HTTP/1.1\r\n" HOST "\r\n", 501, false,
     "{\"code\":12,\"message\":\"Method Not Allowed\",\"details\":[]}"},
    {"options", "OPTIONS /anywhere HTTP/1.1\r\n" HOST "\r\n", 200, false, "content-length: 0"},
    {"options *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 200, false, "content-length: 0"},
    {"healthz", "GET /healthz HTTP/1.1\r\n" HOST "\r\n", 200, false, "alive"},
    {"livez", "GET /livez HTTP/1.1\r\n" HOST "\r\n", 200, false, "alive"},
    {"readyz", "GET /readyz HTTP/1.1\r\n" HOST "\r\n", 200, false, "ready"},
    {"openapi", "GET /openapi.json HTTP/1.1\r\n" HOST "\r\n", 200, false, "3.1.0"},
    {"head", "HEAD /openapi.json HTTP/1.1\r\n" HOST "\r\n", 200, false, "content-length: 19\r\n"},
    {"head of nothing", "HEAD /nothing HTTP/1.1\r\n" HOST "\r\n", 404, false,
     "content-length: 45\r\n"},
    {"grpc over 1.1", POST "Content-Type: application/grpc\r\nContent-Length: 0\r\n\r\n", 415,
     false, "gRPC needs HTTP/2"},
    {"grpc path", "POST /test.Echo/Unary HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 415, false,
     NULL},
    {"deflate", POST "Content-Encoding: deflate\r\nContent-Length: 0\r\n\r\n", 415, false, NULL},
    {"denied", POST "Content-Length: 18\r\n\r\n{\"query\":\"denied\"}", 401, false,
     "www-authenticate: missing Authorization header"},
    {"busy", POST "Content-Length: 16\r\n\r\n{\"query\":\"busy\"}", 429, false,
     "retry-after: 3\r\n"},
    {"bad timeout", "GET /v1/echo/c HTTP/1.1\r\n" HOST "Grpc-Timeout: soon\r\n\r\n", 400, false,
     NULL},
    /* --- what two parsers could read differently
       ---------------------------------------------- */
    {"no host", "GET /v1/echo/abc HTTP/1.1\r\n\r\n", 400, true, "host"},
    {"two hosts", "GET /v1/echo/abc HTTP/1.1\r\n" HOST HOST "\r\n", 400, true, "host"},
    {"length and chunked", POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, true, NULL},
    {"chunked and length", POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
     400, true, NULL},
    {"two lengths", POST "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400, true, NULL},
    {"equal lengths", POST "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", 400, true, NULL},
    {"list of lengths", POST "Content-Length: 4, 4\r\n\r\nabcd", 400, true, NULL},
    {"signed length", POST "Content-Length: +4\r\n\r\nabcd", 400, true, NULL},
    {"negative length", POST "Content-Length: -4\r\n\r\nabcd", 400, true, NULL},
    {"hex length", POST "Content-Length: 0x4\r\n\r\nabcd", 400, true, NULL},
    {"huge length", POST "Content-Length: 99999999999999999999\r\n\r\n", 400, true, NULL},
    {"two codings",
     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, true,
     NULL},
    {"gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, true, NULL},
    {"xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, true, NULL},
    {"identity", POST "Transfer-Encoding: identity\r\n\r\n", 501, true, NULL},
    {"1.0 chunked", "POST /v1/echo/c HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
     true, NULL},
    {"space before colon", POST "Content-Length : 4\r\n\r\nabcd", 400, true, NULL},
    {"space in name", POST "Content Length: 4\r\n\r\nabcd", 400, true, NULL},
    {"empty name", POST ": x\r\n\r\n", 400, true, NULL},
    {"folded", POST "X: a\r\n b\r\n\r\n", 200, false, NULL},
    {"bare CR", POST "X: a\rb\r\n\r\n", 400, true, NULL},
    {"chunk without size", POST "Transfer-Encoding: chunked\r\n\r\n\r\n", 400, true, NULL},
    {"chunk size 0x", POST "Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n", 400, true,
     NULL},
    {"chunk size huge", POST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400, true,
     NULL},
    {"chunk without end", POST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400, true, NULL},
    {"garbage", "\x16\x03\x01\x02\x01\x01\r\n\r\n", 400, true, NULL},
    {"http/0.9", "GET /v1/echo/abc\r\n\r\n", 505, true, NULL},
    {"http/2.0", "GET /v1/echo/abc HTTP/2.0\r\n" HOST "\r\n", 505, true, NULL},
    {"http/1.2", "GET /v1/echo/abc HTTP/1.2\r\n" HOST "\r\n", 505, true, NULL},
    {"unknown verb", "BREW /pot HTTP/1.1\r\n" HOST "\r\n", 400, true, NULL},
    {"connect", "CONNECT test:80 HTTP/1.1\r\n" HOST "\r\n", 501, true, NULL},
    {"expect magic", POST "Expect: magic\r\n\r\n", 417, true, NULL},
    {"too large", POST "Content-Length: 300000000\r\n\r\n", 413, true, "268435456"},
    {"half a head", "GET /v1/echo/abc HTTP/1.1\r\nHost: te", 0, false, NULL},
    {"half a body", POST "Content-Length: 10\r\n\r\n{", 0, false, NULL},
};

Test(h1, answers_each_request_or_refuses_it) {
    for (size_t step = 0; step <= 3; step++)
        for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
            const struct row *row = &requests[i];
            struct rig rig;
            rig_open(&rig, NULL);
            rig_connect(&rig);
            ask(&rig, row->text, step);
            const char *answer = rig_text(&rig);
            cr_expect(status_of(answer) == row->status, "%s (%zu): %s", row->name, step, answer);
            cr_expect((rig.conn == NULL) == row->closed, "%s (%zu): open or not", row->name, step);
            if (row->part)
                cr_expect(strstr(answer, row->part), "%s (%zu): %s", row->name, step, answer);
            if (row->status && row->status < 500 && answer[0])
                cr_expect(strstr(answer, "access-control-allow-origin: *\r\n"), "%s", row->name);
            rig_close(&rig);
        }
}

Test(h1, keeps_the_order_of_pipelined_requests) {
    static const char text[] = "GET /v1/echo/a HTTP/1.1\r\n" HOST "\r\n" POST
                               "Content-Length: 16\r\n\r\n{\"timeoutMs\":100}"
                               "GET /v1/echo/b HTTP/1.1\r\n" HOST "\r\n"
                               "GET /nothing HTTP/1.1\r\n" HOST "\r\n"
                               "GET /v1/echo/d HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    for (size_t step = 0; step < 5; step++) {
        struct rig rig;
        rig_open(&rig, NULL);
        rig_connect(&rig);
        char fixed[sizeof text];
        strcpy(fixed, text);
        memcpy(strstr(fixed, "16\r\n"), "17", 2);
        rig_send(&rig, fixed, strlen(fixed), 0);
        const char *answer = rig_text(&rig);
        cr_assert(count(answer, "HTTP/1.1 200") == 1 && strstr(answer, "\"id\":\"a\""));
        cr_assert(!conn_wants_input(rig.conn));
        cr_assert(rig_release(&rig) == 1);
        answer = rig_text(&rig);
        cr_assert(count(answer, "HTTP/1.1 200") == 3 && count(answer, "HTTP/1.1 404") == 1);
        const char *c = strstr(answer, "\"id\":\"c\""), *b = strstr(answer, "\"id\":\"b\"");
        const char *d = strstr(answer, "\"id\":\"d\"");
        cr_assert(c && b && d && c < b && b < d);
        cr_assert(rig.conn == NULL);
        rig_close(&rig);
    }
}

Test(h1, says_continue_only_when_it_will_read) {
    static const char head[] = POST "Expect: 100-continue\r\nContent-Length: 16\r\n\r\n";
    struct rig rig;
    rig_open(&rig, NULL);
    rig_connect(&rig);
    ask(&rig, head, 0);
    cr_expect_str_eq(rig_text(&rig), "HTTP/1.1 100 Continue\r\n\r\n");
    ask(&rig, "{\"vector\":[1,2]}", 0);
    cr_expect(status_of(rig_text(&rig)) == 200);
    rig_connect(&rig);
    ask(&rig, POST "Expect: 100-continue\r\nContent-Length: 300000000\r\n\r\n", 0);
    cr_expect(status_of(rig_text(&rig)) == 413 && !rig.conn);
    rig_connect(&rig);
    ask(&rig, "GET /nothing HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", 0);
    cr_expect(status_of(rig_text(&rig)) == 404 && rig.conn);
    rig_close(&rig);
}

Test(h1, limits_the_head) {
    struct rig rig;
    char line[64];
    rig_open(&rig, NULL);
    rig_connect(&rig);
    ask(&rig, "GET /v1/echo/a HTTP/1.1\r\n" HOST, 0);
    for (size_t i = 0; i < 2000 && rig.conn; i++) {
        snprintf(line, sizeof line, "X-%zu: 0123456789\r\n", i);
        ask(&rig, line, 0);
    }
    cr_expect(status_of(rig_text(&rig)) == 431 && !rig.conn);
    rig_connect(&rig);
    ask(&rig, "GET /v1/echo/a HTTP/1.1\r\n" HOST "X: ", 0);
    for (size_t i = 0; i < 2000 && rig.conn; i++)
        ask(&rig, "0123456789012345678901234567890123456789", 0);
    cr_expect(status_of(rig_text(&rig)) == 431 && !rig.conn);
    rig_connect(&rig);
    ask(&rig, "GET /", 0);
    for (size_t i = 0; i < 2000 && rig.conn; i++)
        ask(&rig, "0123456789012345678901234567890123456789", 0);
    cr_expect(status_of(rig_text(&rig)) == 414 && !rig.conn);
    rig_close(&rig);
}

Test(h1, gives_slow_clients_up) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_connect(&rig); /* says nothing */
    rig_wait(&rig, EDGE_HEADER_MS - 20);
    cr_expect(rig.conn);
    rig_wait(&rig, 40);
    cr_expect(!rig.conn && rig.hub.stats.connections_refused == 1);

    rig_connect(&rig); /* a head, byte by byte */
    for (size_t i = 0; i < 30 && rig.conn; i++) {
        ask(&rig, i ? "x" : "GET /v1/echo/", 0);
        rig_wait(&rig, 1000);
    }
    cr_expect(status_of(rig_text(&rig)) == 408 && !rig.conn);

    rig_connect(&rig); /* a body, byte by byte */
    ask(&rig, POST "Content-Length: 100\r\n\r\n", 0);
    size_t seconds = 0;
    for (; seconds < 99 && rig.conn; seconds++) {
        ask(&rig, " ", 0);
        rig_wait(&rig, 1000);
    }
    cr_expect(status_of(rig_text(&rig)) == 408 && !rig.conn && seconds == 31, "%zu", seconds);

    rig_connect(&rig); /* idle between two requests */
    ask(&rig, "GET /v1/echo/a HTTP/1.1\r\n" HOST "\r\n", 0);
    cr_expect(status_of(rig_text(&rig)) == 200);
    rig_wait(&rig, EDGE_IDLE_MS - 20);
    cr_expect(rig.conn);
    rig_wait(&rig, 40);
    cr_expect(!rig.conn);
    rig_close(&rig);
}

Test(h1, gives_a_client_that_does_not_read_up) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_connect(&rig);
    rig.window = 10;
    ask(&rig, "GET /v1/echo/a HTTP/1.1\r\n" HOST "\r\n", 0);
    rig_wait(&rig, EDGE_WRITE_MS - 50);
    cr_expect(rig.conn);
    rig_wait(&rig, 100);
    cr_expect(!rig.conn);
    rig_close(&rig);
}

Test(h1, cancels_what_a_lost_client_asked) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_connect(&rig);
    ask(&rig, POST "Content-Length: 17\r\n\r\n{\"timeoutMs\":100}", 0);
    rig_lose(&rig);
    cr_expect(echo_cancelled == 1 && rig.hub.n_calls == 1);
    rig_release(&rig);
    cr_expect(rig.hub.n_calls == 0 && rig.hub.stats.calls_cancelled == 1);
    rig_close(&rig);
}

Test(h1, ends_a_call_at_its_deadline) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_connect(&rig);
    ask(&rig,
        "POST /v1/echo/c HTTP/1.1\r\n" HOST
        "Grpc-Timeout: 300m\r\nContent-Length: 17\r\n\r\n{\"timeoutMs\":100}",
        0);
    rig_wait(&rig, 290);
    cr_expect_str_eq(rig_text(&rig), "");
    rig_wait(&rig, 50);
    cr_expect(status_of(rig_text(&rig)) == 504 && rig.conn && echo_cancelled == 1);
    ask(&rig, "GET /v1/echo/a HTTP/1.1\r\n" HOST "\r\n", 0); /* the next one does not wait for it */
    cr_expect(status_of(rig_text(&rig)) == 200);
    rig_release(&rig);
    cr_expect_str_eq(rig_text(&rig), "");
    rig_close(&rig);
}

Test(h1, streams_events) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_connect(&rig);
    ask(&rig,
        "POST /v1/echo/c/stream HTTP/1.1\r\n" HOST "Content-Length: 27\r\n\r\n"
        "{\"topK\":2,\"timeoutMs\":100} ",
        0);
    const char *answer = rig_text(&rig);
    cr_expect(strstr(answer, "content-type: text/event-stream\r\n"));
    cr_expect(strstr(answer, "cache-control: no-cache\r\n"));
    cr_expect(strstr(answer, "transfer-encoding: chunked\r\n"));
    cr_expect(count(answer, "data: {") == 1);
    rig_wait(&rig, EDGE_EVENT_BEAT_MS + 20);
    cr_expect_str_eq(rig_text(&rig), "9\r\n: alive\n\n\r\n");
    rig_release(&rig);
    cr_expect(count(rig_text(&rig), "data: {") == 1);
    rig_release(&rig);
    cr_expect_str_eq(rig_text(&rig), "15\r\nevent: end\ndata: {}\n\n\r\n0\r\n\r\n");
    cr_expect(rig.conn);
    ask(&rig,
        "POST /v1/echo/c/stream HTTP/1.1\r\n" HOST "Content-Length: 16\r\n\r\n{\"query\":\"fail\"}",
        0);
    cr_expect(status_of(rig_text(&rig)) == 404); /* before the first part: a plain error */
    rig_close(&rig);
}

Test(h1, refuses_a_body_that_finds_no_room) {
    struct edge_options options = {.limits = {.budget_bytes = 1000000}};
    struct rig rig;
    rig_open(&rig, &options);
    rig_connect(&rig);
    ask(&rig, POST "Content-Length: 2000000\r\n\r\n", 0);
    const char *answer = rig_text(&rig);
    cr_expect(status_of(answer) == 429 && !rig.conn);
    cr_expect(strstr(answer, "retry-after: 1\r\n") && strstr(answer, "memory budget is 1000000"));
    rig_connect(&rig); /* chunked: refused when it has grown too far */
    ask(&rig, POST "Transfer-Encoding: chunked\r\n\r\n", 0);
    for (size_t i = 0; i < 20 && rig.conn; i++) {
        static char chunk[100000];
        memset(chunk, ' ', sizeof chunk);
        ask(&rig, "186a0\r\n", 0);
        rig_send(&rig, chunk, sizeof chunk, 0);
        ask(&rig, "\r\n", 0);
    }
    cr_expect(status_of(rig_text(&rig)) == 429 && !rig.conn);
    rig_close(&rig);
}

Test(h1, drains_between_requests) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_connect(&rig);
    ask(&rig, POST "Content-Length: 17\r\n\r\n{\"timeoutMs\":100}", 0);
    hub_drain(&rig.hub, 10000, NULL);
    rig_wait(&rig, 2000);
    cr_expect(rig.conn && !rig.drained);
    rig_release(&rig);
    const char *answer = rig_text(&rig);
    cr_expect(status_of(answer) == 200 && strstr(answer, "connection: close") && !rig.conn);
    cr_expect(rig.drained && rig.hub.calls_cut == 0);
    rig_close(&rig);
}

Test(h1, echoes_only_listed_origins) {
    struct edge_options options = {.cors_origins = "http://a.example, http://b.example"};
    struct rig rig;
    rig_open(&rig, &options);
    rig_connect(&rig);
    ask(&rig, "OPTIONS / HTTP/1.1\r\n" HOST "Origin: http://b.example\r\n\r\n", 0);
    const char *answer = rig_text(&rig);
    cr_expect(strstr(answer, "access-control-allow-origin: http://b.example\r\n"));
    cr_expect(strstr(answer, "vary: Origin\r\n"));
    ask(&rig, "OPTIONS / HTTP/1.1\r\n" HOST "Origin: http://b.exampl\r\n\r\n", 0);
    cr_expect(!strstr(rig_text(&rig), "access-control-allow-origin"));
    rig_close(&rig);
}

Test(h1, sends_no_body_after_head) {
    static const char *const paths[] = {"/healthz", "/nothing", "/v1/echo/a"};
    for (size_t i = 0; i < 3; i++) {
        struct rig rig;
        char text[128];
        rig_open(&rig, NULL);
        rig_connect(&rig);
        snprintf(text, sizeof text, "HEAD %s HTTP/1.1\r\n" HOST "\r\n", paths[i]);
        ask(&rig, text, 0);
        const char *answer = rig_text(&rig), *end = strstr(answer, "\r\n\r\n");
        cr_expect(end && end[4] == 0, "%s: %s", paths[i], answer);
        rig_close(&rig);
    }
}

Test(h1, passes_metadata_both_ways) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_connect(&rig);
    ask(&rig, POST "Grpc-Metadata-X-Echo: hello\r\nContent-Length: 16\r\n\r\n{\"query\":\"meta\"}",
        0);
    const char *answer = rig_text(&rig);
    cr_expect(strstr(answer, "\"id\":\"hello\""));
    cr_expect(strstr(answer, "grpc-metadata-x-echo: hello\r\n"));
    cr_expect(strstr(answer, "grpc-metadata-content-type: application/grpc\r\n"));
    rig_close(&rig);
}

/* A POST of a vector of n numbers; broken: the JSON has no end. */
static void post_vector(struct rig *rig, size_t n, bool broken) {
    struct buffer text = {0};
    buffer_printf(&text, POST "Content-Length: %zu\r\n\r\n{\"vector\":[1", 14 + 4 * n);
    for (size_t i = 0; i < n; i++)
        buffer_printf(&text, ",2.5");
    buffer_printf(&text, broken ? "]]" : "]}");
    rig_send(rig, text.data, text.size, 0);
    buffer_free(&text);
}

Test(h1, parses_and_writes_large_documents_elsewhere) {
    enum { N = 200000 };
    struct rig rig;
    rig_open(&rig, NULL);
    rig_elsewhere(&rig);
    rig_connect(&rig);
    post_vector(&rig, N, false);
    cr_assert_str_eq(rig_text(&rig), "");
    cr_assert(rig_parse(&rig) == 1); /* decoding; the answer is large, too */
    cr_assert_str_eq(rig_text(&rig), "");
    cr_assert(rig_parse(&rig) == 1);
    const char *answer = rig_text(&rig);
    cr_assert(status_of(answer) == 200 && count(answer, "2.5") == N, "%zu", count(answer, "2.5"));

    post_vector(&rig, N, true);
    cr_assert(rig_parse(&rig) == 1);
    cr_assert(status_of(rig_text(&rig)) == 400 && rig.hub.n_calls == 0);

    post_vector(&rig, N, false); /* the client leaves while it is decoded */
    rig_lose(&rig);
    cr_assert(rig.hub.n_calls == 1 && rig_parse(&rig) == 1 && rig.hub.n_calls == 0);

    rig_connect(&rig); /* and while the answer is written */
    post_vector(&rig, N, false);
    rig_parse(&rig);
    rig_lose(&rig);
    cr_assert(rig.hub.n_calls == 1 && rig_parse(&rig) == 1 && rig.hub.n_calls == 0);
    rig_close(&rig);
}

Test(h1, gives_a_slow_parser_up_at_the_deadline) {
    struct rig rig;
    rig_open(&rig, NULL);
    rig_elsewhere(&rig);
    rig_connect(&rig);
    post_vector(&rig, 100000, false);
    rig_wait(&rig, EDGE_DEADLINE_DEFAULT_MS + 100);
    rig_parse(&rig);
    rig_parse(&rig);
    rig_close(&rig); /* jobs that nobody takes any more are freed, too */
    rig_open(&rig, NULL);
    rig_elsewhere(&rig);
    rig_connect(&rig);
    post_vector(&rig, 100000, false);
    hub_abandon(&rig.hub);
    rig_close(&rig);
}
