/* h1_session: the parser stops behind each request, so answers keep the order of pipelined
 * requests; what was read too far waits in `ahead`.
 *
 *   idle ──first byte──▶ head ──▶ body ──▶ whole ──answer out──▶ idle, or the end
 *                          └────────┴── answered early ──▶ the end
 *
 * The rest of a body that was answered early would be read as a request: so that is the end. */
#include "adapters/edge/h1_session.h"

#include <http_parser.h>
#include <inttypes.h>
#include <string.h>

#include "adapters/edge/exchange.h"
#include "adapters/edge/h1.h"
#include "runtime/memory.h"

struct h1_session {
    struct conn *conn;
    struct h1 *parser;      /* owned */
    struct edge_call *call; /* NULL: idle */
    struct buffer ahead;    /* read behind the request under way */
    struct turn *turn;      /* during input and fill */
    uint64_t since_us;      /* when the head, or idleness, began */
    bool in_head;
    bool keep_alive;
    bool chunks_allowed;
    bool say_continue; /* 100 Continue is owed */
    bool head_written; /* of the answer */
    bool chunked;      /* the answer is */
};

/* --- events of the parser ----------------------------------------------------------------- */
static void start_answer(struct edge_call *call) {
    call->conn->h1->say_continue = false; /* the final status makes it pointless */
}
static void more_answer(struct edge_call *call) {
    (void)call; /* fill looks by itself */
}
static void abort_answer(struct edge_call *call) {
    call->conn->over = true;
}
static const struct carrier carrier = {start_answer, more_answer, abort_answer};

static bool on_begin(void *context, struct h1_head *head) {
    struct h1_session *session = context;
    struct conn *conn = session->conn;
    session->call = call_new(conn, &carrier);
    if (!session->call) return false;
    session->call->verb = "";
    session->call->path = "";
    session->in_head = true;
    session->keep_alive = session->chunks_allowed = false;
    session->head_written = session->chunked = false;
    session->since_us = conn->hub->now_us;
    conn_due(conn, h1_session_due(session));
    if (!head) return true;
    head->arena = &session->call->arena;
    head->headers = &session->call->headers;
    return true;
}

static bool body_expected(const struct edge_call *call) {
    const char *length = headers_get(&call->headers, "content-length");
    if (headers_get(&call->headers, "transfer-encoding")) return true;
    return length && strcmp(length, "0") != 0;
}

static void on_head(void *context, const struct h1_head *head) {
    struct h1_session *session = context;
    struct edge_call *call = session->call;
    call->verb = head->verb;
    call->path = head->path;
    session->in_head = false;
    session->keep_alive = head->keep_alive;
    session->chunks_allowed = head->chunks_allowed;
    call_head(call, session->turn);
    session->say_continue = head->expects_continue && !call->answer.ended && body_expected(call);
}

static void on_body(void *context, const void *data, size_t size) {
    struct h1_session *session = context;
    session->say_continue = false; /* it did not wait */
    intake_data(session->call, data, size, session->turn);
}

static void on_end(void *context) {
    struct h1_session *session = context;
    intake_end(session->call, session->turn);
}

static void refuse(struct h1_session *session, const struct h1_failure *failure) {
    struct conn *conn = session->conn;
    conn->hub->stats.abuse++;
    session->keep_alive = false;
    if (!session->call && !on_begin(session, NULL)) {
        conn->over = true;
        return;
    }
    session->in_head = false;
    int grpc = failure->http == 431 ? 8 : 3;
    answer_fail(session->call, &(struct failure){grpc, failure->http, failure->text},
                session->turn);
    if (!session->call->answer.ended)
        conn->over = true; /* broken inside a body that is being used */
}

static void parse(struct h1_session *session, const unsigned char *data, size_t size) {
    struct h1_failure failure = {0};
    size_t used = h1_parse(session->parser, data, size, &failure);
    if (failure.http)
        refuse(session, &failure);
    else if (used < size)
        buffer_append(&session->ahead, data + used, size - used);
}

/* --- life --------------------------------------------------------------------------------- */
enum status h1_session_new(struct conn *conn, struct h1_session **out) {
    static const struct h1_events events = {on_begin, on_head, on_body, on_end};
    struct h1_session *session = mem_zero(1, sizeof *session);
    if (session) session->parser = h1_new(&events, session);
    if (!session || !session->parser) {
        mem_free(session);
        return STATUS_NO_MEMORY;
    }
    session->conn = conn;
    session->since_us = conn->hub->now_us;
    *out = session;
    return STATUS_OK;
}

void h1_session_free(struct h1_session *session, struct turn *turn) {
    if (!session) return;
    if (session->call && !session->conn->hub->closing) call_leave(session->call, turn);
    h1_free(session->parser);
    buffer_free(&session->ahead);
    mem_free(session);
}

bool h1_session_wants_input(const struct h1_session *session) {
    const struct edge_call *call = session->call;
    return session->ahead.size == 0 && (!call || (!call->request_done && !call->answer.ended));
}

void h1_session_input(struct h1_session *session,
                      const void *data,
                      size_t size,
                      struct turn *turn) {
    session->turn = turn;
    if (h1_session_wants_input(session))
        parse(session, data, size);
    else
        buffer_append(&session->ahead, data, size);
    session->turn = NULL;
    if (session->ahead.failed) session->conn->over = true;
}

/* --- answers ------------------------------------------------------------------------------ */
static void write_head(struct h1_session *session, struct buffer *out) {
    struct edge_call *call = session->call;
    const struct answer *answer = &call->answer;
    const char *reason = http_status_str((enum http_status)answer->status);
    buffer_printf(out, "HTTP/1.1 %d %s\r\n", answer->status,
                  answer->status == 499 ? "Client Closed Request" : reason);
    for (size_t i = 0; i < answer->headers.n; i++) {
        const struct header *header = &answer->headers.items[i];
        buffer_printf(out, "%s: %s\r\n", header->name, header->value);
    }
    /* The rest of a request that was answered early could not be told from the next one. */
    if (!call->request_done || session->conn->hub->phase != HUB_SERVING)
        session->keep_alive = false;
    if (answer->ended && !answer->bare) {
        buffer_printf(out, "content-length: %zu\r\n", answer_pending(call));
    } else if (!answer->ended && session->chunks_allowed) {
        session->chunked = true;
        buffer_printf(out, "transfer-encoding: chunked\r\n");
    } else if (!answer->ended) {
        session->keep_alive = false; /* HTTP/1.0: the end of the connection ends the body */
    }
    if (!session->keep_alive)
        buffer_printf(out, "connection: close\r\n");
    else if (!session->chunks_allowed)
        buffer_printf(out, "connection: keep-alive\r\n");
    buffer_printf(out, "\r\n");
    session->head_written = true;
}

static void write_body(struct h1_session *session, struct buffer *out) {
    struct edge_call *call = session->call;
    size_t n = answer_pending(call);
    size_t room = out->size < CONN_OUTPUT ? CONN_OUTPUT - out->size : 0;
    if (n > room) n = room;
    if (n == 0) return;
    if (session->chunked) buffer_printf(out, "%zx\r\n", n);
    buffer_append(out, call->answer.out.data + call->answer.sent, n);
    if (session->chunked) buffer_printf(out, "\r\n");
    answer_sent(call, n);
}

/* The answer is out: what is the next request? */
static void next_request(struct h1_session *session) {
    struct edge_call *call = session->call;
    session->call = NULL;
    call_leave(call, session->turn);
    session->since_us = session->conn->hub->now_us;
    if (!session->keep_alive) {
        session->conn->broken = true;
        return;
    }
    conn_due(session->conn, h1_session_due(session));
    struct buffer ahead = session->ahead;
    buffer_init(&session->ahead);
    if (ahead.size) parse(session, ahead.data, ahead.size);
    buffer_free(&ahead);
    if (session->ahead.failed) session->conn->over = true;
}

void h1_session_fill(struct h1_session *session, struct buffer *out, struct turn *turn) {
    session->turn = turn;
    while (!session->conn->broken && !session->conn->over && out->size < CONN_OUTPUT) {
        const struct edge_call *call = session->call;
        if (session->say_continue) {
            session->say_continue = false;
            buffer_printf(out, "HTTP/1.1 100 Continue\r\n\r\n");
        }
        if (!call || !call->answer.started) break;
        if (!session->head_written) write_head(session, out);
        write_body(session, out);
        if (answer_pending(call) || !call->answer.ended) break;
        if (session->chunked) buffer_printf(out, "0\r\n\r\n");
        next_request(session);
    }
    session->turn = NULL;
}

bool h1_session_finished(const struct h1_session *session) {
    return session->conn->broken;
}

/* --- time and drain ----------------------------------------------------------------------- */
uint64_t h1_session_due(const struct h1_session *session) {
    const struct edge_limits *limits = &session->conn->hub->limits;
    if (session->in_head) return session->since_us + limits->header_ms * (uint64_t)1000;
    if (session->call) return NO_DEADLINE; /* the call has its own */
    return session->since_us + limits->idle_ms * (uint64_t)1000;
}

void h1_session_late(struct h1_session *session, struct turn *turn) {
    if (!session->in_head) {
        session->conn->over = true;
        return;
    }
    session->turn = turn;
    refuse(session, &(struct h1_failure){408, "the request's head came too slowly"});
    session->turn = NULL;
}

void h1_session_drain(struct h1_session *session) {
    if (!session->call) session->conn->broken = true;
    session->keep_alive = false;
}
