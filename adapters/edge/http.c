/* http: what only HTTP requests have, the same over HTTP/1.1 and HTTP/2: CORS, the edge's own
 * pages, routes, and metadata as headers. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "adapters/edge/exchange.h"
#include "runtime/assert.h"

/* --- headers of every answer -------------------------------------------------------------- */
static bool put(struct edge_call *call, const char *name, const char *value) {
    return headers_set(&call->answer.headers, &call->arena, name, value);
}

/* Whether origin is one of a comma-separated list. */
static bool listed(const char *list, const char *origin) {
    size_t size = strlen(origin);
    while (*list) {
        list += strspn(list, ", ");
        size_t n = strcspn(list, ", ");
        if (n == size && size && strncmp(list, origin, n) == 0) return true;
        list += n;
    }
    return false;
}

/* Contract 2.4 (all origins) and 2.5 (a list). */
static bool cors(struct edge_call *call) {
    const char *origins = call->hub->options->cors_origins;
    const char *origin = headers_get(&call->headers, "origin");
    bool all = !origins || strcmp(origins, "*") == 0;
    bool ok = true;
    if (all)
        ok = put(call, "access-control-allow-origin", "*");
    else if (origin && listed(origins, origin))
        ok = put(call, "access-control-allow-origin", origin);
    if (!all) ok = ok && put(call, "vary", "Origin");
    return ok &&
           put(call, "access-control-allow-methods", "GET, POST, PUT, DELETE, OPTIONS, PATCH") &&
           put(call, "access-control-allow-headers",
               "Accept, Authorization, Content-Type, Content-Length, X-CSRF-Token, X-API-Key") &&
           put(call, "access-control-allow-credentials", "true");
}

/* Response metadata comes back as Grpc-Metadata-*, as grpc-gateway has it. */
static bool metadata(struct edge_call *call) {
    char name[128];
    if (call->match.route && !put(call, "grpc-metadata-content-type", "application/grpc"))
        return false;
    for (size_t i = 0; i < call->metadata.n; i++) {
        const struct header *header = &call->metadata.items[i];
        snprintf(name, sizeof name, "grpc-metadata-%s", header->name);
        if (!put(call, name, header->value)) return false;
    }
    return true;
}

bool http_answer_headers(struct edge_call *call) {
    const char *date = call->hub->date;
    return (!*date || put(call, "date", date)) && cors(call) && metadata(call);
}

/* --- pages -------------------------------------------------------------------------------- */
static void ready_page(struct edge_call *call, struct turn *turn) {
    static const char json[] = "application/json";
    struct hub *hub = call->hub;
    if (hub->phase != HUB_SERVING)
        answer_page(call, 503, json, "{\"status\":\"draining\"}", turn);
    else if (hub->hooks->ready && !hub->hooks->ready(hub, turn))
        answer_page(call, 503, json, "{\"status\":\"starting\"}", turn);
    else
        answer_page(call, 200, json, "{\"status\":\"ready\"}", turn);
}

/* True: the path was one of ours and is answered. */
static bool page(struct edge_call *call, struct turn *turn) {
    const char *openapi = call->hub->options->openapi;
    size_t size = strcspn(call->path, "?");
    char path[16];
    if (strcmp(call->verb, "GET") != 0 && strcmp(call->verb, "HEAD") != 0) return false;
    if (size >= sizeof path) return false;
    memcpy(path, call->path, size);
    path[size] = 0;
    if (strcmp(path, "/healthz") == 0 || strcmp(path, "/livez") == 0)
        answer_page(call, 200, "application/json", "{\"status\":\"alive\"}", turn);
    else if (strcmp(path, "/readyz") == 0)
        ready_page(call, turn);
    else if (openapi && strcmp(path, "/openapi.json") == 0)
        answer_page(call, 200, "application/json", openapi, turn);
    else
        return false;
    return true;
}

/* --- routes ------------------------------------------------------------------------------- */
void http_dispatch(struct edge_call *call, struct turn *turn) {
    if (strcmp(call->verb, "OPTIONS") == 0) {
        answer_empty(call, 200, turn);
        return;
    }
    if (page(call, turn)) return;
    enum status status = edge_route_match(call->hub->options->routes, call->verb, call->path,
                                          &call->arena, &call->match);
    switch (status) {
    case STATUS_OK:
        break;
    case STATUS_NOT_FOUND:
        answer_status(call, status, "Not Found", turn);
        return;
    case STATUS_UNIMPLEMENTED:
        answer_status(call, status, "Method Not Allowed", turn);
        return;
    case STATUS_INVALID:
        answer_status(call, status, "the path is not valid percent-encoded UTF-8", turn);
        return;
    default:
        answer_status(call, status, NULL, turn);
        return;
    }
    const struct method_entry *entry = hub_method(call->hub, call->match.route->method);
    assert(entry); /* hub_open checked the table */
    call->entry = *entry;
    intake_start(call, turn);
}
