/* h2_session: nghttp2 keeps the frames, we keep the calls. nghttp2's windows are opened as the body
 * is taken into memory that the budget admitted; its send side pulls from answer.out, so a client
 * that does not read costs no more than what its calls were allowed to queue.
 *
 * nghttp2 is never re-entered: answers given inside its callbacks only submit, and conn_output
 * sends. */
#include "adapters/edge/h2_session.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

#include "adapters/edge/exchange.h"
#include "runtime/memory.h"

enum {
    STREAM_WINDOW = 4 * 1024 * 1024,
    CONNECTION_WINDOW = 16 * 1024 * 1024,
    FRAME_MAX = 64 * 1024,
    UNREAD_MAX = 64 * 1024,       /* bytes of a request let through after its answer */
    RESET_AFTER_US = 1000 * 1000, /* then a request that goes on is cut */
    RESETS_BURST = 1000,          /* streams a client may cancel at once, and a second after that */
    RESETS_RATE = 100,
    CONTINUATIONS_MAX = 8,
    ACKS_MAX = 1000,
    /* Frames that cost us work and bring nothing: a leaky bucket. A ping every second is fine, a
     * hundred at once too, and every answer we send forgives one (clients measure bandwidth with
     * pings). */
    NOISE_MAX = 1000,
    NOISE_A_SECOND = 10,
    NOISE_CONTROL = 10, /* PING, SETTINGS */
    NOISE_SMALL = 1,    /* PRIORITY, empty DATA, frames nobody knows */
    INDEXED_MAX = 24,   /* bytes of a value that the table of headers is to remember */
};

struct h2_session {
    struct conn *conn;
    nghttp2_session *nghttp2; /* owned */
    struct edge_call *calls;  /* of its streams */
    struct turn *turn;        /* during input and fill */
    uint64_t headers_us;      /* when the header block under way began; 0 = none */
    uint64_t ping_us;         /* when we asked whether anyone is there; 0 = not asked */
    uint64_t noise_us;
    uint32_t noise;
};

/* --- a call's answer ---------------------------------------------------------------------- */
/* Names and values stay in the call's arena: nghttp2 reads them when it makes the frame, and of a
 * stream that is closed it makes none. Long values are hardly said twice (traceresponse, sessions):
 * kept out of the table of headers they push nothing else out of it. */
static nghttp2_nv to_pair(const struct header *header) {
    uint8_t flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    if (header->value_size > INDEXED_MAX) flags |= NGHTTP2_NV_FLAG_NO_INDEX;
    return (nghttp2_nv){(uint8_t *)header->name, (uint8_t *)header->value, header->name_size,
                        header->value_size, flags};
}

static nghttp2_nv *
to_nv(struct arena *arena, const struct headers *headers, const char *status, size_t *out_n) {
    size_t n = 0;
    nghttp2_nv *list = arena_alloc(arena, (headers->n + 1) * sizeof *list);
    if (!list) return NULL;
    if (status)
        list[n++] = (nghttp2_nv){(uint8_t *)":status", (uint8_t *)status, 7, strlen(status),
                                 NGHTTP2_NV_FLAG_NO_COPY_NAME};
    for (size_t i = 0; i < headers->n; i++)
        list[n++] = to_pair(&headers->items[i]);
    *out_n = n;
    return list;
}

static void abort_stream(struct edge_call *call) {
    uint32_t code = call->reset_us ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR;
    call->reset_us = 0;
    nghttp2_submit_rst_stream(call->conn->h2->nghttp2, NGHTTP2_FLAG_NONE, call->stream_id, code);
}

/* The last byte is in the frame being made: trailers follow, or this frame ends the stream. */
static void finish_answer(nghttp2_session *nghttp2, struct edge_call *call, uint32_t *flags) {
    size_t n = 0;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (call->answer.trailers.n == 0) return;
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_nv *list = to_nv(&call->arena, &call->answer.trailers, NULL, &n);
    if (!list || nghttp2_submit_trailer(nghttp2, call->stream_id, list, n) != 0) abort_stream(call);
}

static ssize_t read_answer(nghttp2_session *nghttp2,
                           int32_t stream,
                           uint8_t *to,
                           size_t size,
                           uint32_t *flags,
                           nghttp2_data_source *source,
                           void *context) {
    struct edge_call *call = source->ptr;
    size_t n = answer_pending(call);
    if (n == 0 && !call->answer.ended) return NGHTTP2_ERR_DEFERRED;
    if (n > size) n = size;
    if (n) {
        memcpy(to, call->answer.out.data + call->answer.sent, n);
        answer_sent(call, n);
    }
    if (call->answer.ended && answer_pending(call) == 0) finish_answer(nghttp2, call, flags);
    (void)stream, (void)context;
    return (ssize_t)n;
}

static void start_answer(struct edge_call *call) {
    const struct answer *answer = &call->answer;
    char status[4] = {(char)('0' + answer->status / 100), (char)('0' + answer->status / 10 % 10),
                      (char)('0' + answer->status % 10), 0};
    bool empty =
        answer->bare || (answer->ended && answer_pending(call) == 0 && answer->trailers.n == 0);
    nghttp2_data_provider provider = {.source = {.ptr = call}, .read_callback = read_answer};
    size_t n = 0;
    nghttp2_nv *list = to_nv(&call->arena, &answer->headers, status, &n);
    if (!list || nghttp2_submit_response(call->conn->h2->nghttp2, call->stream_id, list, n,
                                         empty ? NULL : &provider) != 0)
        abort_stream(call);
}

static void resume_answer(struct edge_call *call) {
    /* Fails when nothing was deferred: then the session has not come to it yet. */
    (void)nghttp2_session_resume_data(call->conn->h2->nghttp2, call->stream_id);
}

static const struct carrier carrier = {start_answer, resume_answer, abort_stream};

/* --- what the client sends ---------------------------------------------------------------- */
/* True: the client has worn out our patience. */
static bool too_noisy(struct h2_session *session, uint32_t weight) {
    uint64_t now = session->conn->hub->now_us;
    uint64_t forgiven = (now - session->noise_us) * NOISE_A_SECOND / 1000000;
    if (forgiven) {
        session->noise = forgiven < session->noise ? session->noise - (uint32_t)forgiven : 0;
        session->noise_us = now;
    }
    session->noise += weight;
    if (session->noise <= NOISE_MAX) return false;
    conn_abused(session->conn);
    nghttp2_session_terminate_session(session->nghttp2, NGHTTP2_ENHANCE_YOUR_CALM);
    return true;
}

static bool is_request(const nghttp2_frame *frame) {
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int on_begin_headers(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *context) {
    struct h2_session *session = context;
    session->headers_us = session->conn->hub->now_us;
    conn_due(session->conn, h2_session_due(session));
    if (!is_request(frame)) return 0;
    struct edge_call *call = call_new(session->conn, &carrier);
    if (!call) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    call->http2 = true;
    call->stream_id = frame->hd.stream_id;
    call->stream_next = session->calls;
    if (session->calls) session->calls->stream_prev = call;
    session->calls = call;
    nghttp2_session_set_stream_user_data(nghttp2, call->stream_id, call);
    return 0;
}

static int on_header(nghttp2_session *nghttp2,
                     const nghttp2_frame *frame,
                     const uint8_t *name,
                     size_t name_size,
                     const uint8_t *value,
                     size_t value_size,
                     uint8_t flags,
                     void *context) {
    struct edge_call *call = nghttp2_session_get_stream_user_data(nghttp2, frame->hd.stream_id);
    struct header header = {(const char *)name, (const char *)value, name_size, value_size};
    (void)flags, (void)context;
    if (!call || !is_request(frame) || call->head_too_large) return 0;
    if (call->headers.bytes + name_size + value_size + HEADER_OVERHEAD > EDGE_HEADER_MAX) {
        call->head_too_large = true;
        return 0;
    }
    if (!headers_add(&call->headers, &call->arena, &header))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return 0;
}

static void take_head(struct h2_session *session, struct edge_call *call) {
    const char *path = headers_get(&call->headers, ":path");
    const char *verb = headers_get(&call->headers, ":method");
    call->path = path ? path : "";
    call->verb = verb ? verb : "";
    call_head(call, session->turn);
}

static int on_frame_recv(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *context) {
    struct h2_session *session = context;
    bool ack = frame->hd.flags & NGHTTP2_FLAG_ACK;
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct edge_call *call = NULL;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        session->headers_us = 0;
        call = nghttp2_session_get_stream_user_data(nghttp2, frame->hd.stream_id);
        if (call && is_request(frame)) take_head(session, call);
        if (call && ends) intake_end(call, session->turn);
        break;
    case NGHTTP2_DATA:
        call = nghttp2_session_get_stream_user_data(nghttp2, frame->hd.stream_id);
        if (frame->hd.length == 0 && !ends) too_noisy(session, NOISE_SMALL);
        if (call && ends) intake_end(call, session->turn);
        break;
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
        if (!ack) too_noisy(session, NOISE_CONTROL);
        break;
    case NGHTTP2_WINDOW_UPDATE:
    case NGHTTP2_RST_STREAM: /* nghttp2 counts these */
    case NGHTTP2_GOAWAY:
        break;
    default:
        too_noisy(session, NOISE_SMALL);
    }
    return 0;
}

static int on_data(nghttp2_session *nghttp2,
                   uint8_t flags,
                   int32_t stream,
                   const uint8_t *data,
                   size_t size,
                   void *context) {
    struct h2_session *session = context;
    struct edge_call *call = nghttp2_session_get_stream_user_data(nghttp2, stream);
    (void)flags;
    if (call) intake_data(call, data, size, session->turn);
    if (call && call->reset_us && (call->unread += size) > UNREAD_MAX) abort_stream(call);
    /* A refused stream's window stays shut; the connection goes on. */
    if (call && !call->answer.ended)
        nghttp2_session_consume(nghttp2, stream, size);
    else
        nghttp2_session_consume_connection(nghttp2, size);
    return 0;
}

static int
on_stream_close(nghttp2_session *nghttp2, int32_t stream, uint32_t error, void *context) {
    struct h2_session *session = context;
    struct edge_call *call = nghttp2_session_get_stream_user_data(nghttp2, stream);
    (void)error;
    session->headers_us = 0; /* a refused header block ends here, not in on_frame_recv */
    if (!call) return 0;
    nghttp2_session_set_stream_user_data(nghttp2, stream, NULL);
    if (call->stream_next) call->stream_next->stream_prev = call->stream_prev;
    if (call->stream_prev)
        call->stream_prev->stream_next = call->stream_next;
    else
        session->calls = call->stream_next;
    call_leave(call, session->turn);
    return 0;
}

/* An early answer is out: the rest of the request is unwanted. Clients that are cut while they send
 * lose the answer (curl), so a small rest is let through; who goes on is reset after a while. */
static int on_frame_send(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *context) {
    struct h2_session *session = context;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    session->noise -= session->noise < NOISE_CONTROL ? session->noise : NOISE_CONTROL;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    struct edge_call *call = nghttp2_session_get_stream_user_data(nghttp2, frame->hd.stream_id);
    if (call && !call->request_done) {
        call->reset_us = session->conn->hub->now_us + RESET_AFTER_US;
        call_rearm(call);
    }
    return 0;
}

/* --- life --------------------------------------------------------------------------------- */
static void *nghttp2_alloc(size_t size, void *blocks) {
    return blocks_alloc(blocks, size);
}
static void nghttp2_release(void *memory, void *blocks) {
    blocks_free(blocks, memory);
}
static void *nghttp2_zero(size_t count, size_t size, void *blocks) {
    return blocks_zero(blocks, count, size);
}
static void *nghttp2_resize(void *memory, size_t size, void *blocks) {
    return blocks_resize(blocks, memory, size);
}

static int new_nghttp2(struct h2_session *session,
                       nghttp2_session_callbacks *callbacks,
                       nghttp2_option *option) {
    nghttp2_mem memory = {&session->conn->hub->blocks, nghttp2_alloc, nghttp2_release, nghttp2_zero,
                          nghttp2_resize};
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_BURST, RESETS_RATE);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
    return nghttp2_session_server_new3(&session->nghttp2, callbacks, session, option, &memory);
}

static int submit_settings(struct h2_session *session) {
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, session->conn->hub->limits.streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, EDGE_HEADER_MAX},
    };
    int result = nghttp2_submit_settings(session->nghttp2, NGHTTP2_FLAG_NONE, settings,
                                         sizeof settings / sizeof *settings);
    if (result != 0) return result;
    return nghttp2_session_set_local_window_size(session->nghttp2, NGHTTP2_FLAG_NONE, 0,
                                                 CONNECTION_WINDOW);
}

enum status h2_session_new(struct conn *conn, struct h2_session **out) {
    struct h2_session *session = mem_zero(1, sizeof *session);
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int result = NGHTTP2_ERR_NOMEM;
    if (session && nghttp2_session_callbacks_new(&callbacks) == 0 &&
        nghttp2_option_new(&option) == 0) {
        session->conn = conn;
        session->noise_us = conn->hub->now_us;
        result = new_nghttp2(session, callbacks, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (result == 0) result = submit_settings(session);
    if (result != 0) {
        h2_session_free(session, NULL);
        return STATUS_NO_MEMORY;
    }
    /* A client that comes while we drain is told at once. */
    if (conn->hub->phase != HUB_SERVING) nghttp2_submit_shutdown_notice(session->nghttp2);
    if (conn->hub->phase == HUB_DRAINING) h2_session_drain(session);
    conn_due(conn, h2_session_due(session));
    *out = session;
    return STATUS_OK;
}

void h2_session_free(struct h2_session *session, struct turn *turn) {
    if (!session) return;
    while (session->calls && !session->conn->hub->closing) {
        struct edge_call *call = session->calls;
        session->calls = call->stream_next;
        if (session->calls) session->calls->stream_prev = NULL;
        call_leave(call, turn);
    }
    nghttp2_session_del(session->nghttp2);
    mem_free(session);
}

void h2_session_input(struct h2_session *session,
                      const void *data,
                      size_t size,
                      struct turn *turn) {
    session->turn = turn;
    session->ping_us = 0; /* whatever it says, it lives */
    ssize_t n = nghttp2_session_mem_recv(session->nghttp2, data, size);
    session->turn = NULL;
    if (n < 0) conn_abused(session->conn);
}

void h2_session_fill(struct h2_session *session, struct buffer *out, struct turn *turn) {
    const uint8_t *data = NULL;
    session->turn = turn;
    while (out->size < CONN_OUTPUT) {
        ssize_t n = nghttp2_session_mem_send(session->nghttp2, &data);
        if (n < 0) session->conn->over = true;
        if (n <= 0) break;
        buffer_append(out, data, (size_t)n);
    }
    session->turn = NULL;
}

bool h2_session_finished(const struct h2_session *session) {
    if (nghttp2_session_want_write(session->nghttp2)) return false; /* a last GOAWAY, too */
    return session->conn->broken || !nghttp2_session_want_read(session->nghttp2);
}

/* --- time and drain ----------------------------------------------------------------------- */
uint64_t h2_session_due(const struct h2_session *session) {
    const struct edge_limits *limits = &session->conn->hub->limits;
    uint64_t due = session->ping_us ? session->ping_us + limits->ping_answer_ms * (uint64_t)1000
                                    : session->conn->input_us + limits->ping_ms * (uint64_t)1000;
    uint64_t headers_due = session->headers_us + limits->header_ms * (uint64_t)1000;
    return session->headers_us && headers_due < due ? headers_due : due;
}

void h2_session_late(struct h2_session *session, struct turn *turn) {
    struct conn *conn = session->conn;
    const struct edge_limits *limits = &conn->hub->limits;
    (void)turn;
    if (session->headers_us &&
        session->headers_us + limits->header_ms * (uint64_t)1000 <= conn->hub->now_us) {
        conn_abused(conn);
        nghttp2_session_terminate_session(session->nghttp2, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (session->ping_us) {
        conn->over = true; /* half-open: nobody is there */
    } else {
        session->ping_us = conn->hub->now_us;
        nghttp2_submit_ping(session->nghttp2, NGHTTP2_FLAG_NONE, NULL);
    }
}

void h2_session_notice(struct h2_session *session) {
    nghttp2_submit_shutdown_notice(session->nghttp2);
}

void h2_session_drain(struct h2_session *session) {
    nghttp2_submit_goaway(session->nghttp2, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session->nghttp2),
                          NGHTTP2_NO_ERROR, NULL, 0);
}
