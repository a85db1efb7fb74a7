/* rig: the client end of nghttp2 talks to the edge's connection through memory. */
#include "tests/unit/edge/rig.h"

#include <criterion/criterion.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "adapters/edge/body.h"
#include "adapters/edge/budget.h"
#include "adapters/edge/exchange.h"
#include "adapters/edge/grpc_frame.h"
#include "adapters/edge/job.h"
#include "runtime/memory.h"
#include "schemas/apigateway.pb-c.h"
#include "tests/unit/edge/echo.h"

size_t rig_step;

/* --- the hub ------------------------------------------------------------------------------ */
struct waiting {
    struct edge_call *call;
    void (*run)(struct edge_call *call, struct turn *turn);
};
static struct waiting waiting[4096];
static size_t n_waiting;

static void wait_listed(struct edge_call *call,
                        uint32_t ms,
                        void (*run)(struct edge_call *call, struct turn *turn),
                        struct turn *turn) {
    (void)ms, (void)turn;
    cr_assert(n_waiting < sizeof waiting / sizeof *waiting);
    waiting[n_waiting++] = (struct waiting){call, run};
}

static uint64_t now_us(struct hub *hub, struct turn *turn) {
    (void)turn;
    return hub->now_us;
}
static void wake(struct hub *hub, struct turn *turn) {
    (void)hub, (void)turn;
}
static void flush(struct hub *hub, struct conn *conn, struct turn *turn) {
    struct rig *rig = hub->actor;
    cr_assert(conn == rig->conn);
    while (!conn_finished(conn)) {
        size_t size = 0;
        const void *data = conn_output(conn, &size, turn);
        if (size > rig->window) size = rig->window;
        if (size == 0) break;
        buffer_append(&rig->read, data, size);
        conn_wrote(conn, size);
        if (rig->window != SIZE_MAX) rig->window -= size;
    }
    if (!conn_finished(conn)) return;
    conn_free(conn, turn);
    rig->conn = NULL;
}
static void drained(struct hub *hub, struct turn *turn) {
    (void)turn;
    ((struct rig *)hub->actor)->drained = true;
}
static struct edge_call *parsing[64];
static struct edge_job *jobs[64];
static size_t n_jobs;

static void
parse(struct hub *hub, struct edge_call *call, struct edge_job *job, struct turn *turn) {
    (void)hub, (void)turn;
    cr_assert(n_jobs < 64 && job_post(job, n_jobs + 1));
    parsing[n_jobs] = call;
    jobs[n_jobs++] = job;
}

size_t rig_parse(struct rig *rig) {
    size_t n = n_jobs;
    n_jobs = 0;
    for (size_t i = 0; i < n; i++) {
        struct edge_job *job = job_take(i + 1);
        cr_assert(job == jobs[i]);
        while (!job_step(job)) {
        }
        call_job_done(parsing[i], STATUS_OK, NULL, NULL);
        job_drop(job);
    }
    rig_pump(rig);
    return n;
}

static const struct hub_hooks hooks_elsewhere = {
    .now_us = now_us, .wake = wake, .flush = flush, .drained = drained, .parse = parse};
static const struct hub_hooks hooks = {
    .now_us = now_us, .wake = wake, .flush = flush, .drained = drained};

void rig_open(struct rig *rig, const struct edge_options *options) {
    *rig = (struct rig){.window = SIZE_MAX, .alive = mem_counted().alive};
    if (options) rig->options = *options;
    rig->options.services = echo_services;
    rig->options.routes = echo_routes;
    if (!rig->options.openapi) rig->options.openapi = "{\"openapi\":\"3.1.0\"}";
    n_jobs = 0;
    echo_wait = wait_listed;
    echo_cancelled = 0;
    n_waiting = 0;
    rig_step = 0;
    struct hub_options hub = {&rig->options, &hooks, rig};
    cr_assert(hub_open(&rig->hub, &hub) == STATUS_OK);
    rig->hub.now_us = 1000000;
}

void rig_close(struct rig *rig) {
    rig_lose(rig);
    rig_release(rig);
    hub_close(&rig->hub);
    if (rig->client) {
        for (size_t i = 0; i < rig->client->n_replies; i++)
            buffer_free(&rig->client->replies[i].body);
        nghttp2_session_del(rig->client->nghttp2);
        mem_free(rig->client);
    }
    buffer_free(&rig->read);
    body_pool_drain();
    cr_assert(budget_used() == 0, "%zu bytes of budget are lost", (size_t)budget_used());
    cr_assert(mem_counted().alive <= rig->alive, "%d blocks are lost",
              (int)(mem_counted().alive - rig->alive));
}

void rig_lose(struct rig *rig) {
    if (rig->conn) conn_free(rig->conn, NULL);
    rig->conn = NULL;
}

void rig_elsewhere(struct rig *rig) {
    rig->hub.hooks = &hooks_elsewhere;
}

void rig_connect(struct rig *rig) {
    rig_lose(rig);
    buffer_clear(&rig->read);
    cr_assert(conn_new(&rig->hub, false, &rig->conn) == STATUS_OK);
}

void rig_pump(struct rig *rig) {
    while (rig->hub.dirty)
        hub_flush(&rig->hub, NULL);
    if (rig->conn) flush(&rig->hub, rig->conn, NULL);
}

void rig_send(struct rig *rig, const void *data, size_t size, size_t step) {
    const char *at = data;
    if (step == 0) step = size;
    while (size && rig->conn) {
        size_t n = size < step ? size : step;
        if (conn_wants_input(rig->conn))
            conn_input(rig->conn, at, n, NULL);
        else
            n = 0;
        rig_pump(rig);
        if (n == 0 && rig->conn && !conn_wants_input(rig->conn)) break; /* waits in the kernel */
        at += n;
        size -= n;
    }
}

void rig_wait(struct rig *rig, uint64_t ms) {
    for (uint64_t i = 0; i < ms; i += 10) {
        rig->hub.now_us += 10000;
        hub_tick(&rig->hub, NULL);
        rig_pump(rig);
    }
}

size_t rig_release(struct rig *rig) {
    size_t n = n_waiting;
    n_waiting = 0;
    struct waiting *now = mem_copy(waiting, n * sizeof *waiting + 1);
    for (size_t i = 0; i < n; i++)
        now[i].run(now[i].call, NULL);
    mem_free(now);
    rig_pump(rig);
    return n;
}

const char *rig_text(struct rig *rig) {
    static char text[1 << 20];
    size_t size = rig->read.size < sizeof text - 1 ? rig->read.size : sizeof text - 1;
    if (size) memcpy(text, rig->read.data, size);
    text[size] = 0;
    buffer_clear(&rig->read);
    return text;
}

/* --- HTTP/2 client ------------------------------------------------------------------------ */
static struct reply *find(struct client *client, int32_t id) {
    for (size_t i = client->n_replies; i-- > 0;)
        if (client->replies[i].id == id) return &client->replies[i];
    return NULL;
}

static void keep(char *to, size_t size, const uint8_t *value, size_t n) {
    snprintf(to, size, "%.*s", (int)n, (const char *)value);
}

static int on_header(nghttp2_session *nghttp2,
                     const nghttp2_frame *frame,
                     const uint8_t *name,
                     size_t name_size,
                     const uint8_t *value,
                     size_t size,
                     uint8_t flags,
                     void *context) {
    struct reply *reply = find(context, frame->hd.stream_id);
    (void)nghttp2, (void)flags;
#define IS(text) (name_size == sizeof(text) - 1 && memcmp(name, text, name_size) == 0)
    if (IS(":status"))
        reply->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + value[2] - '0';
    if (IS("grpc-status")) keep(reply->grpc_status, sizeof reply->grpc_status, value, size);
    if (IS("grpc-message")) keep(reply->message, sizeof reply->message, value, size);
    if (IS("content-type")) keep(reply->content_type, sizeof reply->content_type, value, size);
    if (IS("grpc-encoding")) keep(reply->encoding, sizeof reply->encoding, value, size);
    if (IS("grpc-status-details-bin")) keep(reply->details, sizeof reply->details, value, size);
    if (IS("x-echo")) keep(reply->metadata, sizeof reply->metadata, value, size);
    if (IS("grpc-metadata-x-echo")) keep(reply->metadata, sizeof reply->metadata, value, size);
    if (IS("retry-after")) keep(reply->retry_after, sizeof reply->retry_after, value, size);
    return 0;
}

static int on_data(nghttp2_session *nghttp2,
                   uint8_t flags,
                   int32_t id,
                   const uint8_t *data,
                   size_t size,
                   void *context) {
    (void)nghttp2, (void)flags;
    buffer_append(&find(context, id)->body, data, size);
    return 0;
}

static int on_close(nghttp2_session *nghttp2, int32_t id, uint32_t error, void *context) {
    struct reply *reply = find(context, id);
    (void)nghttp2;
    reply->closed = true;
    reply->error = error;
    return 0;
}

static int on_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *context) {
    struct client *client = context;
    (void)nghttp2;
    if (frame->hd.type != NGHTTP2_GOAWAY) return 0;
    client->goaway = true;
    client->goaways++;
    client->goaway_last = frame->goaway.last_stream_id;
    client->goaway_error = frame->goaway.error_code;
    return 0;
}

static ssize_t read_body(nghttp2_session *nghttp2,
                         int32_t id,
                         uint8_t *to,
                         size_t size,
                         uint32_t *flags,
                         nghttp2_data_source *source,
                         void *context) {
    struct grpc_piece *left = source->ptr;
    size_t n = left->size < size ? left->size : size;
    (void)nghttp2, (void)id, (void)context;
    if (n) memcpy(to, left->data, n);
    left->data += n;
    left->size -= n;
    if (left->size == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}
static ssize_t read_open(nghttp2_session *nghttp2,
                         int32_t id,
                         uint8_t *to,
                         size_t size,
                         uint32_t *flags,
                         nghttp2_data_source *source,
                         void *context) {
    struct grpc_piece *left = source->ptr;
    if (left->size == 0) return NGHTTP2_ERR_DEFERRED;
    ssize_t n = read_body(nghttp2, id, to, size, flags, source, context);
    *flags = 0;
    return n;
}

void rig_exchange(struct rig *rig) {
    for (;;) {
        const uint8_t *data = NULL;
        bool moved = false;
        ssize_t n;
        while (rig->conn && (n = nghttp2_session_mem_send(rig->client->nghttp2, &data)) > 0) {
            rig_send(rig, data, (size_t)n, rig_step);
            moved = true;
        }
        rig_pump(rig);
        if (rig->read.size) {
            ssize_t used =
                nghttp2_session_mem_recv(rig->client->nghttp2, rig->read.data, rig->read.size);
            cr_assert(used == (ssize_t)rig->read.size, "client: %s", nghttp2_strerror((int)used));
            buffer_clear(&rig->read);
            moved = true;
        }
        if (!moved) return;
    }
}

void rig_h2(struct rig *rig) {
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
    rig_connect(rig);
    if (rig->client) nghttp2_session_del(rig->client->nghttp2);
    for (size_t i = 0; rig->client && i < rig->client->n_replies; i++)
        buffer_free(&rig->client->replies[i].body);
    mem_free(rig->client);
    rig->client = mem_zero(1, sizeof *rig->client);
    rig->client->rig = rig;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_client_new(&rig->client->nghttp2, callbacks, rig->client);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(rig->client->nghttp2, 0, settings, 1);
    rig_exchange(rig);
}

static size_t add(nghttp2_nv *list, size_t n, const char *name, const char *value) {
    list[n] = (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0};
    return n + 1;
}

struct reply *rig_request(struct rig *rig, const struct request *request) {
    struct client *client = rig->client;
    nghttp2_nv list[16];
    size_t n = add(list, 0, ":method", request->method ? request->method : "POST");
    n = add(list, n, ":scheme", "http");
    n = add(list, n, ":path", request->path);
    n = add(list, n, ":authority", "test");
    const char *type = request->type ? request->type : "application/grpc";
    if (*type) n = add(list, n, "content-type", type);
    for (size_t i = 0; i < 6 && request->names[i]; i++)
        n = add(list, n, request->names[i], request->values[i]);
    struct grpc_piece body = {request->body, request->size};
    nghttp2_data_provider provider = {{.ptr = &body}, request->open ? read_open : read_body};
    bool none = request->size == 0 && !request->open;
    cr_assert(client->n_replies < REPLIES_MAX);
    struct reply *reply = &client->replies[client->n_replies++];
    reply->id =
        nghttp2_submit_request(client->nghttp2, NULL, list, n, none ? NULL : &provider, NULL);
    cr_assert(reply->id > 0);
    rig_exchange(rig);
    cr_assert(body.size == 0 || reply->closed || !rig->conn, "%zu bytes are left", body.size);
    return reply;
}

struct buffer rig_search(const char *collection, const char *query, uint32_t top_k, uint32_t ms) {
    Vectron__V1__SearchRequest request = VECTRON__V1__SEARCH_REQUEST__INIT;
    struct buffer out = {0};
    float vector[] = {1, 2.5f, -3};
    request.collection = (char *)collection;
    request.query = (char *)query;
    request.top_k = top_k;
    request.timeout_ms = ms;
    request.n_vector = 3;
    request.vector = vector;
    size_t size = vectron__v1__search_request__get_packed_size(&request);
    unsigned char *to = buffer_reserve(&out, size + GRPC_PREFIX_SIZE);
    grpc_frame_prefix(to, false, (uint32_t)size);
    vectron__v1__search_request__pack(&request, to + GRPC_PREFIX_SIZE);
    out.size = size + GRPC_PREFIX_SIZE;
    return out;
}

Vectron__V1__SearchResponse *rig_message(const struct reply *reply, size_t nth) {
    struct grpc_frame frame = {0};
    struct grpc_piece input = {reply->body.data, reply->body.size}, piece = {0};
    for (;;) {
        switch (grpc_frame_next(&frame, &input, &piece)) {
        case GRPC_MORE:
        case GRPC_BROKEN:
            return NULL;
        case GRPC_START:
            piece = (struct grpc_piece){0};
            break;
        case GRPC_BYTES:
            break;
        case GRPC_END:
            if (nth-- > 0) break;
            return vectron__v1__search_response__unpack(NULL, piece.size, piece.data);
        }
    }
}
