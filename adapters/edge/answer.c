/* answer: what services say, as the client reads it: gRPC frames and trailers, one JSON document,
 * or server-sent events. Bytes are queued in answer.out, counted against the budget; sessions take
 * them as the client reads.
 *
 *   started ── headers are final      ended ── nothing more is queued (the session may still be
 * sending) */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapters/edge/budget.h"
#include "adapters/edge/exchange.h"
#include "adapters/edge/grpc_text.h"
#include "adapters/edge/gzip.h"
#include "adapters/edge/job.h"
#include "adapters/edge/json.h"
#include "adapters/edge/proto_write.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

enum {
    PACK_MIN = 1024,       /* bytes of an answer below which gzip gains nothing */
    PACK_MAX = 128 * 1024, /* above: packing would hold the lane for more than 1 ms */
    COMPACT_MIN = 64 * 1024,
    WRITE_ROOM = 1000, /* bytes of an answer that is written without asking for its size first */
    NUMBER_MAX = 24,
};

size_t answer_pending(const struct edge_call *call) {
    return call->answer.out.size - call->answer.sent;
}

void answer_sent(struct edge_call *call, size_t size) {
    struct answer *answer = &call->answer;
    struct body *out = &answer->out;
    answer->sent += size;
    answer->progress_us = call->hub->now_us;
    assert(answer->sent <= out->size);
    if (answer->sent == out->size) {
        answer->sent = out->size = 0;
        if (answer->ended) body_free(out);
    } else if (!answer->ended && answer->sent > COMPACT_MIN && answer->sent > out->size / 2) {
        memmove(out->data, out->data + answer->sent, out->size - answer->sent);
        out->size -= answer->sent;
        answer->sent = 0;
    }
}

/* --- heads and ends ----------------------------------------------------------------------- */
static bool put(struct edge_call *call, const char *name, const char *value) {
    return headers_set(&call->answer.headers, &call->arena, name, value);
}

static bool
put_number(struct edge_call *call, struct headers *to, const char *name, uint64_t value) {
    char text[NUMBER_MAX], *at = text + sizeof text - 1;
    *at = '\0';
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    return headers_set(to, &call->arena, name, at);
}

/* The answer cannot even be begun. */
static void give_up(struct edge_call *call, struct turn *turn) {
    call->answer.ended = true;
    tracing_end(call, STATUS_INTERNAL, turn);
    call->carrier->abort(call);
    conn_touch(call->conn, turn);
}

static bool grpc_headers(struct edge_call *call) {
    struct headers *headers = &call->answer.headers;
    bool ok = headers_put(headers, &call->arena, "content-type", "application/grpc") &&
              headers_put(headers, &call->arena, "grpc-accept-encoding", "identity,gzip");
    if (call->mirror) ok = ok && headers_put(headers, &call->arena, "grpc-encoding", "gzip");
    for (size_t i = 0; ok && i < call->metadata.n; i++)
        ok = headers_add(&call->answer.headers, &call->arena, &call->metadata.items[i]);
    return ok;
}

/* headers of the answer's kind; type is of HTTP. */
static bool begin(struct edge_call *call, int http, const char *type) {
    struct answer *answer = &call->answer;
    answer->status = http;
    answer->started = true;
    if (!tracing_header(call)) return false;
    if (call->kind == CALL_GRPC) return grpc_headers(call);
    return (!type || put(call, "content-type", type)) && http_answer_headers(call);
}

/* The whole body of an answer whose head is begun. HEAD: its length is told, it is not sent. */
static bool whole_body(struct edge_call *call, const void *data, size_t size) {
    struct answer *answer = &call->answer;
    answer->ended = true;
    if (strcmp(call->verb, "HEAD") != 0) return body_append(&answer->out, data, size) == STATUS_OK;
    answer->bare = true;
    return put_number(call, &answer->headers, "content-length", size);
}

static bool begin_events(struct edge_call *call) {
    call->beat_us = call->hub->now_us + call->hub->limits.beat_ms * (uint64_t)1000;
    return begin(call, 200, "text/event-stream") && put(call, "cache-control", "no-cache") &&
           put(call, "x-accel-buffering", "no");
}

static bool events(const struct edge_call *call) {
    return call->kind == CALL_HTTP && call->match.route && call->match.route->events;
}

/* Tells the session; `fresh`: the headers were made just now. */
static void pass_on(struct edge_call *call, bool fresh, struct turn *turn) {
    if (call->answer.ended) tracing_end(call, call->outcome, turn);
    if (answer_pending(call) && call->answer.progress_us == 0)
        call->answer.progress_us = call->hub->now_us;
    if (fresh)
        call->carrier->start(call);
    else
        call->carrier->more(call);
    call_rearm(call);
    conn_touch(call->conn, turn);
}

static bool
grpc_trailers(struct edge_call *call, struct headers *to, const struct failure *failure) {
    bool ok = put_number(call, to, "grpc-status", (uint64_t)(failure ? failure->grpc : 0));
    if (!failure) return ok;
    const char *text = grpc_text_message(&call->arena, failure->text);
    ok = ok && text && headers_set(to, &call->arena, "grpc-message", text);
    if (call->details)
        ok = ok && headers_set(to, &call->arena, "grpc-status-details-bin", call->details);
    if (call->retry_after_ms)
        ok = ok && put_number(call, to, "grpc-retry-pushback-ms", call->retry_after_ms) &&
             put_number(call, to, "retry-after", (call->retry_after_ms + 999) / 1000);
    return ok;
}

/* Trailers behind what was sent, or alone in the head. */
static void grpc_end(struct edge_call *call, const struct failure *failure, struct turn *turn) {
    struct answer *answer = &call->answer;
    bool fresh = !answer->started;
    bool ok = true;
    answer->ended = true;
    if (fresh) {
        answer->bare = true;
        ok = begin(call, failure && failure->http == 405 ? 405 : 200, NULL);
    }
    struct headers *to = fresh ? &answer->headers : &answer->trailers;
    if (ok && grpc_trailers(call, to, failure))
        pass_on(call, fresh, turn);
    else
        give_up(call, turn);
}

/* --- failures ----------------------------------------------------------------------------- */
static void error_json(struct buffer *out, const struct failure *failure) {
    buffer_printf(out, "{\"code\":%d,\"message\":", failure->grpc);
    json_write_string(out, failure->text, strlen(failure->text));
    buffer_printf(out, ",\"details\":[]}");
}

static bool http_failure_headers(struct edge_call *call, const struct failure *failure) {
    struct headers *headers = &call->answer.headers;
    bool ok = begin(call, failure->http, "application/json");
    if (call->retry_after_ms)
        ok = ok && put_number(call, headers, "retry-after", (call->retry_after_ms + 999) / 1000);
    if (failure->http == 401) {
        /* The text may hold anything; a header may not. */
        const char *text = grpc_text_message(&call->arena, failure->text);
        ok = ok && text && put(call, "www-authenticate", text);
    }
    return ok;
}

static void http_fail(struct edge_call *call, const struct failure *failure, struct turn *turn) {
    struct buffer json = {0};
    bool fresh = !call->answer.started;
    if (!fresh) buffer_printf(&json, "event: error\ndata: ");
    error_json(&json, failure);
    if (!fresh) buffer_printf(&json, "\n\n");
    bool ok = !json.failed && (!fresh || http_failure_headers(call, failure));
    ok = whole_body(call, json.data, json.size) && ok;
    buffer_free(&json);
    if (ok)
        pass_on(call, fresh, turn);
    else
        give_up(call, turn);
}

void answer_fail(struct edge_call *call, const struct failure *failure, struct turn *turn) {
    struct hub_stats *stats = &call->hub->stats;
    if (call->answer.ended) return;
    stats->calls_failed++;
    if (call->outcome == STATUS_OK) call->outcome = STATUS_INVALID;
    call->reason = failure->text;
    if (failure->grpc == status_grpc(STATUS_BUSY)) stats->calls_refused++;
    if (call->kind == CALL_GRPC)
        grpc_end(call, failure, turn);
    else
        http_fail(call, failure, turn);
    call->reason = NULL;
    if (call->stage == CALL_HEAD || call->stage == CALL_BODY) {
        body_free(&call->body);
        call->stage = CALL_ENDED;
    }
    call_rearm(call);
}

void answer_status(struct edge_call *call,
                   enum status status,
                   const char *text,
                   struct turn *turn) {
    struct failure failure = {status_grpc(status), status_http(status), text};
    if (!text || !*text) failure.text = status_text(status);
    if (!call->answer.ended) call->outcome = status;
    answer_fail(call, &failure, turn);
}

/* --- messages ----------------------------------------------------------------------------- */
static void
refuse_answer(struct edge_call *call, enum status status, size_t size, struct turn *turn) {
    char text[192];
    if (status == STATUS_QUOTA) {
        budget_explain("an answer", size, text, sizeof text);
        call->retry_after_ms = 1000;
        status = STATUS_BUSY;
    } else if (status == STATUS_TOO_LARGE) {
        snprintf(text, sizeof text, "answer of %zu bytes is larger than the limit of %zu bytes",
                 size, EDGE_BODY_MAX);
    } else {
        text[0] = 0;
    }
    answer_status(call, status, text, turn);
}

/* Replaces the message at the end of out, which begins at `start`, by its packed form when that is
 * smaller. */
static void pack_message(struct edge_call *call, size_t start) {
    struct body *out = &call->answer.out;
    struct body packed = {0};
    size_t size = out->size - start - GRPC_PREFIX_SIZE;
    unsigned char *message = out->data + start + GRPC_PREFIX_SIZE;
    if (gzip_pack(message, size, &packed) == STATUS_OK && packed.size < size) {
        memcpy(message, packed.data, packed.size);
        grpc_frame_prefix(message - GRPC_PREFIX_SIZE, true, (uint32_t)packed.size);
        out->size = start + GRPC_PREFIX_SIZE + packed.size;
    }
    body_free(&packed);
}

/* The message behind room for its frame's prefix. */
static enum status write_behind(struct body *out, const ProtobufCMessage *response, size_t *size) {
    enum status status = body_reserve(out, WRITE_ROOM + GRPC_PREFIX_SIZE);
    if (status != STATUS_OK) return status;
    unsigned char *at = out->data + out->size + GRPC_PREFIX_SIZE;
    if (proto_write(response, at, out->capacity - out->size - GRPC_PREFIX_SIZE, size))
        return STATUS_OK;
    *size = protobuf_c_message_get_packed_size(response);
    if (*size > EDGE_BODY_MAX) return STATUS_TOO_LARGE;
    status = body_reserve(out, *size + GRPC_PREFIX_SIZE);
    if (status != STATUS_OK) return status;
    protobuf_c_message_pack(response, out->data + out->size + GRPC_PREFIX_SIZE);
    return STATUS_OK;
}

static enum status
append_protobuf(struct edge_call *call, const ProtobufCMessage *response, size_t *size) {
    struct body *out = &call->answer.out;
    enum status status = write_behind(out, response, size);
    if (status != STATUS_OK) return status;
    size_t start = out->size;
    grpc_frame_prefix(out->data + start, false, (uint32_t)*size);
    out->size = start + GRPC_PREFIX_SIZE + *size;
    if (call->mirror && *size >= PACK_MIN && *size <= PACK_MAX) pack_message(call, start);
    return STATUS_OK;
}

static enum status
append_json(struct edge_call *call, const ProtobufCMessage *response, size_t *size) {
    struct buffer json = {0};
    if (events(call)) buffer_append(&json, "data: ", 6);
    json_write(response, &json);
    if (events(call)) buffer_append(&json, "\n\n", 2);
    *size = json.size;
    enum status status = json.failed                 ? STATUS_NO_MEMORY
                         : json.size > EDGE_BODY_MAX ? STATUS_TOO_LARGE
                                                     : body_adopt(&call->answer.out, &json);
    buffer_free(&json);
    return status;
}

/* False: it did not fit, and the client was told so. */
static bool append(struct edge_call *call, const ProtobufCMessage *response, struct turn *turn) {
    size_t size = 0;
    enum status status = call->kind == CALL_GRPC ? append_protobuf(call, response, &size)
                                                 : append_json(call, response, &size);
    if (status == STATUS_OK) return true;
    refuse_answer(call, status, size, turn);
    return false;
}

/* Whether the service's word still counts: the client is there and was not answered already. */
static bool answerable(const struct edge_call *call) {
    assert(call->stage == CALL_RUNNING);
    return call->conn && !call->answer.ended;
}

static void stamp(struct edge_call *call, struct turn *turn) {
    call->hub->now_us = call->hub->hooks->now_us(call->hub, turn);
}

void edge_part(struct edge_call *call, const ProtobufCMessage *response, struct turn *turn) {
    if (!answerable(call)) return;
    stamp(call, turn);
    bool fresh = !call->answer.started;
    if (answer_pending(call) > EDGE_STREAM_MAX) {
        answer_status(call, STATUS_BUSY, "the client reads too slowly", turn);
        call->unwanted = true;
        return;
    }
    if (!append(call, response, turn)) {
        call->unwanted = true;
        return;
    }
    bool ok = !fresh || (events(call) ? begin_events(call) : begin(call, 200, NULL));
    if (call->beat_us != NO_DEADLINE)
        call->beat_us = call->hub->now_us + call->hub->limits.beat_ms * (uint64_t)1000;
    if (ok)
        pass_on(call, fresh, turn);
    else
        give_up(call, turn);
}

void edge_end(struct edge_call *call, struct turn *turn) {
    if (answerable(call)) {
        stamp(call, turn);
        struct answer *answer = &call->answer;
        static const char last[] = "event: end\ndata: {}\n\n";
        bool fresh = !answer->started;
        if (call->kind == CALL_GRPC) {
            grpc_end(call, NULL, turn);
        } else {
            bool ok = (!fresh || begin_events(call)) &&
                      body_append(&answer->out, last, sizeof last - 1) == STATUS_OK;
            answer->ended = true;
            if (ok)
                pass_on(call, fresh, turn);
            else
                give_up(call, turn);
        }
    }
    call_worked(call);
}

/* A large answer becomes JSON on a compute lane: the service's message dies with its turn, so it
 * travels as protobuf, which is packed at the speed of copying. False: it does not travel. */
static bool
encode_elsewhere(struct edge_call *call, const ProtobufCMessage *response, struct turn *turn) {
    if (call->kind != CALL_HTTP || !call->hub->hooks->parse) return false;
    size_t size = protobuf_c_message_get_packed_size(response);
    if (size <= EDGE_ENCODE_INLINE_MAX) return false;
    struct edge_job *job = job_new();
    if (!job || body_expect(&job->input, size) != STATUS_OK) {
        job_drop(job);
        return false; /* in place it may still fit, or is refused with words */
    }
    job->input.size = protobuf_c_message_pack(response, job->input.data);
    job->encode = true;
    job->type = response->descriptor;
    call->job = job;
    call->stage = CALL_ENCODING;
    call->on_cancel = NULL;
    tracing_enter(call, turn);
    call->hub->hooks->parse(call->hub, call, job, turn);
    tracing_leave(turn);
    return true;
}

void answer_outcome(struct edge_call *call, struct edge_job *job, struct turn *turn) {
    struct answer *answer = &call->answer;
    if (job->status != STATUS_OK) {
        refuse_answer(call, job->status, EDGE_BODY_MAX, turn);
    } else {
        answer->out = job->body;
        job->body = (struct body){0};
        bool ok = begin(call, 200, "application/json");
        answer->ended = true;
        if (ok)
            pass_on(call, true, turn);
        else
            give_up(call, turn);
    }
    call_worked(call);
}

void edge_reply(struct edge_call *call, const ProtobufCMessage *response, struct turn *turn) {
    if (answerable(call)) {
        stamp(call, turn);
        if (encode_elsewhere(call, response, turn)) return;
        if (append(call, response, turn)) {
            bool ok = begin(call, 200, "application/json");
            call->answer.ended = true;
            if (call->kind == CALL_GRPC)
                ok = ok && grpc_trailers(call, &call->answer.trailers, NULL);
            if (ok)
                pass_on(call, true, turn);
            else
                give_up(call, turn);
        }
    }
    call_worked(call);
}

void edge_fail(struct edge_call *call, enum status status, const char *text, struct turn *turn) {
    assert(status != STATUS_OK);
    if (answerable(call)) {
        stamp(call, turn);
        answer_status(call, status, text, turn);
    }
    call_worked(call);
}

bool edge_call_clogged(const struct edge_call *call) {
    return answer_pending(call) > EDGE_STREAM_CLOGGED;
}

void answer_beat(struct edge_call *call, struct turn *turn) {
    static const char comment[] = ": alive\n\n";
    call->beat_us = call->hub->now_us + call->hub->limits.beat_ms * (uint64_t)1000;
    if (answer_pending(call)) return; /* a slow reader needs no more to read */
    if (body_append(&call->answer.out, comment, sizeof comment - 1) != STATUS_OK) return;
    pass_on(call, false, turn);
}

/* --- pages of our own --------------------------------------------------------------------- */
void answer_page(
    struct edge_call *call, int http, const char *type, const char *text, struct turn *turn) {
    bool ok = begin(call, http, type);
    ok = whole_body(call, text, strlen(text)) && ok;
    call->stage = CALL_ENDED;
    if (ok)
        pass_on(call, true, turn);
    else
        give_up(call, turn);
}

void answer_empty(struct edge_call *call, int http, struct turn *turn) {
    bool ok = begin(call, http, NULL);
    call->answer.ended = true;
    call->stage = CALL_ENDED;
    if (ok)
        pass_on(call, true, turn);
    else
        give_up(call, turn);
}
