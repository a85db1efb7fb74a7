/* intake: a request's body from its first byte to a decoded message. Nothing is kept that the
 * budget did not admit, and that is decided at the length prefix or Content-Length, before the
 * bytes are there. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/edge/budget.h"
#include "adapters/edge/exchange.h"
#include "adapters/edge/job.h"

enum { INTAKE_TEXT_MAX = 192, INTAKE_RETRY_MS = 1000 };
#define WARNING_HEADER "vectron-warning" /* what the request has in vain */

static size_t body_max(const struct edge_call *call) {
    size_t max = call->entry.method->body_max;
    return max ? max : EDGE_BODY_MAX;
}

static void refuse_size(struct edge_call *call, uint64_t size, struct turn *turn) {
    char text[INTAKE_TEXT_MAX];
    snprintf(text, sizeof text,
             "message of %" PRIu64 " bytes is larger than the limit of %zu bytes", size,
             body_max(call));
    answer_status(call, STATUS_TOO_LARGE, text, turn);
}

/* The body's memory was refused. */
static void
refuse_memory(struct edge_call *call, enum status status, uint64_t size, struct turn *turn) {
    char text[INTAKE_TEXT_MAX];
    if (status != STATUS_QUOTA) {
        answer_status(call, status, NULL, turn);
        return;
    }
    budget_explain("a body", size, text, sizeof text);
    edge_retry_after(call, INTAKE_RETRY_MS);
    answer_status(call, STATUS_BUSY, text, turn);
}

/* --- HTTP: the body is the message -------------------------------------------------------- */
static void admit_length(struct edge_call *call, struct turn *turn) {
    const char *length = headers_get(&call->headers, "content-length");
    if (!length) return;
    errno = 0;
    char *end = NULL;
    uint64_t size = strtoull(length, &end, 10);
    if (errno || end == length || *end || *length == '-') {
        answer_status(call, STATUS_INVALID, "content-length is malformed", turn);
        return;
    }
    if (size > body_max(call)) {
        refuse_size(call, size, turn);
        return;
    }
    enum status status = size ? body_expect(&call->body, size) : STATUS_OK;
    if (status != STATUS_OK) refuse_memory(call, status, size, turn);
}

static void http_data(struct edge_call *call, const void *data, size_t size, struct turn *turn) {
    if (!call->match.route->body) return; /* what nobody asked for is not kept */
    if (size > body_max(call) - call->body.size) {
        refuse_size(call, call->body.size + (uint64_t)size, turn);
        return;
    }
    enum status status = body_append(&call->body, data, size);
    if (status != STATUS_OK) refuse_memory(call, status, call->body.size + (uint64_t)size, turn);
}

/* --- from bytes to a request -------------------------------------------------------------- */
void intake_outcome(struct edge_call *call, struct edge_job *job, struct turn *turn) {
    enum status status = job->status;
    call->body = job->body;
    call->message = job->arena;
    call->request = job->request;
    call->held = job->held;
    job->body = (struct body){0};
    arena_init(&job->arena, 0);
    job->held = 0;
    if (status == STATUS_OK) {
        if (job->text[0]) edge_call_set_header(call, WARNING_HEADER, job->text);
        call_run(call, turn);
        return;
    }
    if (status == STATUS_BUSY) edge_retry_after(call, INTAKE_RETRY_MS);
    answer_status(call, status, job->text, turn);
}

static bool too_large_here(const struct edge_call *call, const struct edge_job *job) {
    bool work = job->packed || job->type;
    return work && call->hub->hooks->parse &&
           (job->input.size > EDGE_PARSE_INLINE_MAX || job->body.size > EDGE_PARSE_INLINE_MAX);
}

/* To a compute lane. */
static void hand_over(struct edge_call *call, struct edge_job *job, struct turn *turn) {
    struct edge_job *moved = job_new();
    if (!moved) {
        job_reset(job);
        answer_status(call, STATUS_NO_MEMORY, NULL, turn);
        return;
    }
    *moved = *job;
    call->job = moved;
    call->stage = CALL_PARSING;
    call_rearm(call);
    tracing_enter(call, turn);
    call->hub->hooks->parse(call->hub, call, moved, turn);
    tracing_leave(turn);
}

/* The message in call->body is whole. */
static void decode(struct edge_call *call, bool packed, struct turn *turn) {
    const struct edge_method *method = call->entry.method;
    body_whole(&call->body);
    struct edge_job job = {
        .input = call->body,
        .packed = packed,
        .format = call->format,
        .type = method->raw ? NULL : method->request,
        .limit = body_max(call),
        .arena = call->message,
    };
    call->body = (struct body){0};
    arena_init(&call->message, 0);
    arena_reset(&job.arena);
    if (call->held) budget_give(call->held);
    call->held = 0;
    do {
        if (too_large_here(call, &job)) {
            hand_over(call, &job, turn);
            return;
        }
    } while (!job_step(&job));
    struct edge_job outcome = job;
    intake_outcome(call, &outcome, turn);
    job_reset(&outcome);
}

/* --- gRPC: messages behind prefixes ------------------------------------------------------- */
static void broken(struct edge_call *call, const char *text, struct turn *turn) {
    answer_status(call, STATUS_INTERNAL, text, turn);
}

static void message_starts(struct edge_call *call, struct turn *turn) {
    struct grpc_frame *frame = &call->frame;
    if (call->has_message && !call->entry.method->both) {
        answer_status(call, STATUS_UNIMPLEMENTED, "this method takes one message", turn);
    } else if (frame->compressed && !call->packed) {
        broken(call, "a compressed message without grpc-encoding", turn);
    } else if (frame->size > body_max(call)) {
        refuse_size(call, frame->size, turn);
    } else if (frame->size) {
        enum status status = body_expect(&call->body, frame->size);
        if (status != STATUS_OK) refuse_memory(call, status, frame->size, turn);
    }
}

static void message_ends(struct edge_call *call, struct turn *turn) {
    call->has_message = true;
    if (call->entry.method->both) decode(call, call->frame.compressed, turn);
}

/* True while the call still takes data. */
static bool taking(const struct edge_call *call) {
    if (call->answer.ended) return false;
    if (call->stage == CALL_BODY) return true;
    return call->stage == CALL_RUNNING && call->entry.method->both;
}

static void grpc_data(struct edge_call *call, const void *data, size_t size, struct turn *turn) {
    struct grpc_piece input = {data, size}, piece;
    while (taking(call)) {
        switch (grpc_frame_next(&call->frame, &input, &piece)) {
        case GRPC_MORE:
            return;
        case GRPC_START:
            message_starts(call, turn);
            break;
        case GRPC_BYTES: {
            enum status status = body_append(&call->body, piece.data, piece.size);
            if (status != STATUS_OK) refuse_memory(call, status, call->frame.size, turn);
            break;
        }
        case GRPC_END:
            message_ends(call, turn);
            break;
        case GRPC_BROKEN:
            broken(call, "a message prefix is malformed", turn);
            break;
        }
    }
}

/* --- what the sessions call --------------------------------------------------------------- */
void intake_start(struct edge_call *call, struct turn *turn) {
    call->stage = CALL_BODY;
    call->began_us = call->hub->now_us;
    tracing_begin(call, turn);
    if (call->kind == CALL_HTTP && call->match.route->body) admit_length(call, turn);
    if (call->answer.ended) return;
    if (call->entry.method->both) call->stage = CALL_RUNNING;
    call_rearm(call);
}

void intake_data(struct edge_call *call, const void *data, size_t size, struct turn *turn) {
    if (!taking(call)) return;
    call->received += size;
    if (call->kind == CALL_GRPC)
        grpc_data(call, data, size, turn);
    else
        http_data(call, data, size, turn);
}

void intake_end(struct edge_call *call, struct turn *turn) {
    const struct edge_method *method = call->entry.method;
    call->request_done = true;
    if (!taking(call)) return;
    if (call->kind == CALL_GRPC && !grpc_frame_whole(&call->frame)) {
        broken(call, "the request ends inside a message", turn);
    } else if (method->both) {
        if (method->finish)
            method->finish(call->hub->actor, call, turn);
        else
            edge_end(call, turn);
    } else if (call->kind == CALL_GRPC && !call->has_message) {
        answer_status(call, STATUS_UNIMPLEMENTED, "this method needs a message", turn);
    } else {
        decode(call, call->packed && (call->kind == CALL_HTTP || call->frame.compressed), turn);
    }
}
