/* h1: http-parser delivers a head in fragments; they are gathered until the next one begins, then
 * judged. */
#include "adapters/edge/h1.h"

#include <http_parser.h>
#include <string.h>
#include <strings.h>

#include "runtime/buffer.h"
#include "runtime/memory.h"

struct h1 {
    http_parser parser;
    const struct h1_events *events; /* borrowed */
    void *context;                  /* borrowed */
    struct h1_head head;
    struct h1_failure failure;
    struct buffer target;
    struct buffer name;
    struct buffer value;
    bool value_begun; /* the header under way has its colon */
    bool head_done;   /* what comes now are trailers */
    bool ended;       /* the request is whole */
};

static int fail(struct h1 *h1, int http, const char *text) {
    if (h1->failure.http == 0) h1->failure = (struct h1_failure){http, text};
    return -1;
}

/* --- gathering ---------------------------------------------------------------------------- */
static int on_begin(http_parser *parser) {
    struct h1 *h1 = parser->data;
    h1->head = (struct h1_head){0};
    h1->head_done = h1->value_begun = h1->ended = false;
    buffer_clear(&h1->target);
    buffer_clear(&h1->name);
    buffer_clear(&h1->value);
    return h1->events->begin(h1->context, &h1->head) ? 0 : fail(h1, 503, "out of memory");
}

static int on_url(http_parser *parser, const char *at, size_t size) {
    struct h1 *h1 = parser->data;
    if (h1->target.size + size > H1_TARGET_MAX) return fail(h1, 414, "the path is too long");
    buffer_append(&h1->target, at, size);
    return 0;
}

/* The header under way is complete. */
static int end_header(struct h1 *h1) {
    if (h1->name.size == 0) return 0;
    buffer_append(&h1->value, "", 1);
    if (h1->name.failed || h1->value.failed) return fail(h1, 503, "out of memory");
    const char *name = (const char *)h1->name.data, *value = (const char *)h1->value.data;
    if (!headers_name_valid(name, h1->name.size))
        return fail(h1, 400, "a header name holds a character that is not allowed");
    if (strlen(value) != h1->value.size - 1 || !headers_value_valid(value))
        return fail(h1, 400, "a header value holds a control character");
    headers_lower((char *)h1->name.data, h1->name.size);
    struct header header = {name, value, h1->name.size, h1->value.size - 1};
    if (!headers_add(h1->head.headers, h1->head.arena, &header))
        return fail(h1, 503, "out of memory");
    buffer_clear(&h1->name);
    buffer_clear(&h1->value);
    h1->value_begun = false;
    return 0;
}

static bool too_large(const struct h1 *h1, size_t more) {
    size_t bytes = h1->head.headers->bytes + h1->name.size + h1->value.size + more;
    return bytes + HEADER_OVERHEAD > H1_HEADER_MAX;
}

static int on_name(http_parser *parser, const char *at, size_t size) {
    struct h1 *h1 = parser->data;
    if (h1->head_done) return 0; /* trailers are not read */
    if (h1->value_begun && end_header(h1)) return -1;
    if (too_large(h1, size)) return fail(h1, 431, "the request's headers are larger than 32 KiB");
    buffer_append(&h1->name, at, size);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t size) {
    struct h1 *h1 = parser->data;
    if (h1->head_done) return 0;
    if (h1->name.size == 0) return fail(h1, 400, "a header has no name");
    if (too_large(h1, size)) return fail(h1, 431, "the request's headers are larger than 32 KiB");
    h1->value_begun = true;
    buffer_append(&h1->value, at, size);
    return 0;
}

/* --- judging ------------------------------------------------------------------------------ */
static size_t count(const struct headers *headers, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < headers->n; i++)
        n += strcmp(headers->items[i].name, name) == 0;
    return n;
}

/* One way to tell where the body ends, or none. */
static int check_framing(struct h1 *h1) {
    const struct headers *headers = h1->head.headers;
    size_t lengths = count(headers, "content-length");
    size_t codings = count(headers, "transfer-encoding");
    if (lengths > 1) return fail(h1, 400, "more than one content-length");
    if (codings == 0) return 0;
    if (lengths) return fail(h1, 400, "content-length beside transfer-encoding");
    if (codings > 1) return fail(h1, 400, "more than one transfer-encoding");
    if (strcasecmp(headers_get(headers, "transfer-encoding"), "chunked") != 0)
        return fail(h1, 501, "the only transfer-encoding known is chunked");
    if (!h1->head.chunks_allowed) return fail(h1, 400, "HTTP/1.0 has no transfer-encoding");
    return 0;
}

static int check_head(struct h1 *h1) {
    const http_parser *parser = &h1->parser;
    const struct headers *headers = h1->head.headers;
    if (parser->http_major != 1 || parser->http_minor > 1)
        return fail(h1, 505, "HTTP/1.1 and HTTP/2 are spoken here");
    if (parser->method == HTTP_CONNECT) return fail(h1, 501, "CONNECT is not for servers");
    h1->head.chunks_allowed = parser->http_minor == 1;
    size_t hosts = count(headers, "host");
    if (hosts > 1 || (hosts == 0 && h1->head.chunks_allowed))
        return fail(h1, 400, "a request has exactly one host header");
    const char *expect = headers_get(headers, "expect");
    h1->head.expects_continue = expect && strcasecmp(expect, "100-continue") == 0;
    if (expect && !h1->head.expects_continue)
        return fail(h1, 417, "the only expectation known is 100-continue");
    return check_framing(h1);
}

/* The absolute form http://host/path means the path. */
static int take_target(struct h1 *h1) {
    buffer_append(&h1->target, "", 1);
    if (h1->target.failed) return fail(h1, 503, "out of memory");
    const char *path = (const char *)h1->target.data;
    if (*path != '/' && strcmp(path, "*") != 0) {
        const char *host = strstr(path, "://");
        path = host ? strchr(host + 3, '/') : NULL;
        if (!host) return fail(h1, 400, "the path does not begin with /");
        if (!path) path = "/";
    }
    size_t size = strlen(path) + 1;
    char *copy = arena_alloc(h1->head.arena, size);
    if (!copy) return fail(h1, 503, "out of memory");
    h1->head.path = memcpy(copy, path, size);
    return 0;
}

static int on_head(http_parser *parser) {
    struct h1 *h1 = parser->data;
    if (end_header(h1) || check_head(h1) || take_target(h1)) return -1;
    h1->head.verb = http_method_str((enum http_method)parser->method);
    h1->head.keep_alive = http_should_keep_alive(parser);
    h1->head_done = true;
    /* An offer to upgrade is declined by not mentioning it: what follows is HTTP/1.1. */
    parser->upgrade = 0;
    h1->events->head(h1->context, &h1->head);
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t size) {
    struct h1 *h1 = parser->data;
    h1->events->body(h1->context, at, size);
    return 0;
}

static int on_end(http_parser *parser) {
    struct h1 *h1 = parser->data;
    h1->ended = true;
    http_parser_pause(parser, 1);
    h1->events->end(h1->context);
    return 0;
}

/* --- life --------------------------------------------------------------------------------- */
struct h1 *h1_new(const struct h1_events *events, void *context) {
    struct h1 *h1 = mem_zero(1, sizeof *h1);
    if (!h1) return NULL;
    http_parser_init(&h1->parser, HTTP_REQUEST);
    h1->parser.data = h1;
    h1->events = events;
    h1->context = context;
    return h1;
}

void h1_free(struct h1 *h1) {
    if (!h1) return;
    buffer_free(&h1->target);
    buffer_free(&h1->name);
    buffer_free(&h1->value);
    mem_free(h1);
}

static void failure_of(struct h1 *h1, enum http_errno error) {
    switch (error) {
    case HPE_HEADER_OVERFLOW:
        fail(h1, 431, "the request's headers are too large");
        break;
    case HPE_INVALID_METHOD:
        fail(h1, 400, "the request's method is unknown");
        break;
    case HPE_INVALID_VERSION:
        fail(h1, 505, "the HTTP version is malformed");
        break;
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING:
        fail(h1, 400, "content-length and transfer-encoding contradict each other");
        break;
    case HPE_INVALID_CHUNK_SIZE:
        fail(h1, 400, "a chunk's size is malformed");
        break;
    default:
        fail(h1, 400, "the request is not HTTP");
        break;
    }
}

size_t h1_parse(struct h1 *h1, const void *data, size_t size, struct h1_failure *failure) {
    static const http_parser_settings settings = {
        .on_message_begin = on_begin,
        .on_url = on_url,
        .on_header_field = on_name,
        .on_header_value = on_value,
        .on_headers_complete = on_head,
        .on_body = on_body,
        .on_message_complete = on_end,
    };
    if (h1->ended) http_parser_pause(&h1->parser, 0);
    h1->ended = false;
    size_t used = http_parser_execute(&h1->parser, &settings, data, size);
    enum http_errno error = HTTP_PARSER_ERRNO(&h1->parser);
    if (error != HPE_OK && error != HPE_PAUSED) failure_of(h1, error);
    *failure = h1->failure;
    return used;
}
