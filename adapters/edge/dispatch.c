/* dispatch: what a request is (gRPC or HTTP), which method it means, and running that. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "adapters/edge/exchange.h"
#include "adapters/edge/grpc_text.h"

/* application/grpc, +proto, or with parameters. */
static bool is_grpc(const char *content_type) {
    static const char grpc[] = "application/grpc";
    if (strncasecmp(content_type, grpc, sizeof grpc - 1) != 0) return false;
    const char *rest = content_type + sizeof grpc - 1;
    if (strncasecmp(rest, "+proto", 6) == 0) rest += 6;
    return *rest == 0 || *rest == ';' || *rest == ' ';
}

static bool lists_gzip(const char *encodings) {
    return encodings && strstr(encodings, "gzip");
}

/* What was sent packed, and whether the client takes packed answers. False: an encoding we do not
 * know. */
static bool take_encodings(struct edge_call *call, const char *sent, const char *accepted) {
    if (sent && strcasecmp(sent, "gzip") == 0)
        call->packed = true;
    else if (sent && strcasecmp(sent, "identity") != 0)
        return false;
    call->mirror = call->packed && lists_gzip(accepted);
    return true;
}

static void grpc_dispatch(struct edge_call *call, struct turn *turn) {
    char text[160];
    call->kind = CALL_GRPC;
    call->format = EDGE_PROTOBUF;
    const struct method_entry *entry = hub_method(call->hub, call->path);
    if (strcmp(call->verb, "POST") != 0) {
        answer_fail(call, &(struct failure){12, 405, "gRPC needs POST"}, turn);
        return;
    }
    if (!entry) {
        snprintf(text, sizeof text, "unknown method %.120s", call->path);
        answer_status(call, STATUS_UNIMPLEMENTED, text, turn);
        return;
    }
    call->entry = *entry;
    const char *encoding = headers_get(&call->headers, "grpc-encoding");
    if (!take_encodings(call, encoding, headers_get(&call->headers, "grpc-accept-encoding"))) {
        snprintf(text, sizeof text,
                 "grpc-encoding %.60s is unknown: identity and gzip are accepted", encoding);
        answer_status(call, STATUS_UNIMPLEMENTED, text, turn);
        return;
    }
    intake_start(call, turn);
}

/* grpc-timeout counts from the head; HTTP clients may send it too. */
static bool take_deadline(struct edge_call *call) {
    uint64_t us = 0;
    const char *timeout = headers_get(&call->headers, "grpc-timeout");
    if (!timeout) return true;
    if (!grpc_text_timeout(timeout, &us)) return false;
    call->deadline_us = call->hub->now_us + us;
    return true;
}

static void http_or_wrong_type(struct edge_call *call, const char *type, struct turn *turn) {
    bool grpc_path = hub_method(call->hub, call->path) && strcmp(call->verb, "OPTIONS") != 0;
    if (grpc_path || (type && strncasecmp(type, "application/grpc", 16) == 0)) {
        static const struct failure wrong = {3, 415,
                                             "gRPC needs HTTP/2 and content-type application/grpc"};
        answer_fail(call, &wrong, turn);
        return;
    }
    const char *encoding = headers_get(&call->headers, "content-encoding");
    if (!take_encodings(call, encoding, NULL)) {
        static const struct failure unknown = {3, 415, "content-encoding: only gzip is accepted"};
        answer_fail(call, &unknown, turn);
        return;
    }
    http_dispatch(call, turn);
}

void call_head(struct edge_call *call, struct turn *turn) {
    const char *type = headers_get(&call->headers, "content-type");
    bool grpc = call->http2 && type && is_grpc(type);
    call->kind = grpc ? CALL_GRPC : CALL_HTTP;
    call->format = grpc ? EDGE_PROTOBUF : EDGE_JSON;
    if (call->head_too_large) {
        static const struct failure large = {8, 431,
                                             "the request's headers are larger than 32 KiB"};
        static_assert(EDGE_HEADER_MAX == 32 * 1024, "the text names the limit");
        answer_fail(call, &large, turn);
    } else if (call->hub->n_calls > call->hub->limits.calls) {
        char text[96];
        snprintf(text, sizeof text, "the edge has %u calls under way, its limit; try again",
                 call->hub->limits.calls);
        edge_retry_after(call, 1000);
        answer_status(call, STATUS_BUSY, text, turn);
    } else if (!take_deadline(call)) {
        answer_status(call, STATUS_INVALID, "grpc-timeout is malformed", turn);
    } else if (grpc) {
        grpc_dispatch(call, turn);
    } else {
        http_or_wrong_type(call, type, turn);
    }
}

/* Path fields override what the body says. */
static void bind_fields(struct edge_call *call) {
    for (size_t i = 0; i < call->match.n_fields; i++) {
        const struct route_field *bound = &call->match.fields[i];
        char name[ROUTE_NAME_MAX];
        snprintf(name, sizeof name, "%.*s", (int)bound->name_size, bound->name);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(call->request->descriptor, name);
        memcpy((char *)call->request + field->offset, &bound->value, sizeof bound->value);
    }
}

void call_run(struct edge_call *call, struct turn *turn) {
    const struct edge_method *method = call->entry.method;
    if (call->request) bind_fields(call);
    call->stage = CALL_RUNNING;
    if (call->deadline_us == NO_DEADLINE && method->deadline_ms != EDGE_NO_DEADLINE) {
        uint32_t ms = method->deadline_ms ? method->deadline_ms : EDGE_DEADLINE_DEFAULT_MS;
        call->deadline_us = call->hub->now_us + ms * (uint64_t)1000;
    }
    call_rearm(call);
    tracing_enter(call, turn);
    method->run(call->hub->actor, call, turn); /* the call may be freed now */
    tracing_leave(turn);
}
