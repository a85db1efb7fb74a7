/* hub: the tables and lists of one edge, its timeouts and its drain.
 *
 *   SERVING ──hub_drain──▶ NOTICED ──EDGE_DRAIN_NOTICE_MS──▶ DRAINING ──▶ drained
 *
 * Drained is it with the last connection, which the hard deadline cuts if need be. */
#include "adapters/edge/hub.h"

#include <string.h>

#include "adapters/edge/budget.h"
#include "adapters/edge/conn.h"
#include "adapters/edge/exchange.h"
#include "adapters/edge/health.h"
#include "adapters/edge/reflection.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

enum { METHODS_MIN = 64 };

static const struct edge_service *const own_services[] = {
    &edge_health,
    &edge_reflection_v1,
    &edge_reflection_v1alpha,
};
enum { N_OWN = sizeof own_services / sizeof *own_services };

const struct edge_service *hub_service(const struct hub *hub, size_t n) {
    const struct edge_service *const *services = hub->options->services;
    size_t n_theirs = 0;
    while (services && services[n_theirs])
        n_theirs++;
    if (n < n_theirs) return services[n];
    return n - n_theirs < N_OWN ? own_services[n - n_theirs] : NULL;
}

/* --- methods ------------------------------------------------------------------------------ */
static size_t hash(const char *path) {
    uint32_t value = 2166136261u; /* FNV-1a */
    for (; *path; path++)
        value = (value ^ (unsigned char)*path) * 16777619u;
    return value;
}

/* The place of path, or the free one where it belongs. */
static struct method_entry *place(const struct hub *hub, const char *path) {
    size_t at = hash(path) & hub->methods_mask;
    while (hub->methods[at].method && strcmp(hub->methods[at].method->path, path) != 0)
        at = (at + 1) & hub->methods_mask;
    return &hub->methods[at];
}

const struct method_entry *hub_method(const struct hub *hub, const char *path) {
    const struct method_entry *entry = place(hub, path);
    return entry->method ? entry : NULL;
}

static enum status add_service(struct hub *hub, const struct edge_service *service, size_t n) {
    if (service->state_size) {
        hub->states[n] = mem_zero(1, service->state_size);
        if (!hub->states[n]) return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < service->n_methods; i++) {
        struct method_entry *entry = place(hub, service->methods[i].path);
        if (entry->method) return STATUS_INVALID;
        *entry = (struct method_entry){&service->methods[i], service, hub->states[n]};
    }
    return STATUS_OK;
}

static enum status open_services(struct hub *hub) {
    size_t n_services = 0, n_methods = 0, capacity = METHODS_MIN;
    for (const struct edge_service *service; (service = hub_service(hub, n_services)); n_services++)
        n_methods += service->n_methods;
    while (capacity < n_methods * 2)
        capacity *= 2;
    hub->methods = mem_zero(capacity, sizeof *hub->methods);
    hub->states = mem_zero(n_services, sizeof *hub->states);
    if (!hub->methods || !hub->states) return STATUS_NO_MEMORY;
    hub->methods_mask = capacity - 1;
    enum status status = STATUS_OK;
    for (size_t n = 0; n < n_services && status == STATUS_OK; n++)
        status = add_service(hub, hub_service(hub, n), n);
    return status;
}

/* --- routes: the table is ours, so what it says is checked once --------------------------- */
static bool fields_fit(const char *pattern, const ProtobufCMessageDescriptor *request) {
    for (const char *at = pattern; (at = strchr(at, '{'));) {
        char name[ROUTE_NAME_MAX];
        size_t size = strcspn(++at, "}");
        if (size >= sizeof name) return false;
        memcpy(name, at, size);
        name[size] = 0;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(request, name);
        if (!field || field->type != PROTOBUF_C_TYPE_STRING ||
            field->label != PROTOBUF_C_LABEL_NONE)
            return false;
    }
    return true;
}

static enum status check_routes(const struct hub *hub) {
    for (const struct edge_route *route = hub->options->routes; route && route->pattern; route++) {
        const struct method_entry *entry = hub_method(hub, route->method);
        if (!entry || entry->method->both) return STATUS_INVALID;
        if (entry->method->stream != route->events) return STATUS_INVALID;
        if (!fields_fit(route->pattern, entry->method->request)) return STATUS_INVALID;
    }
    return STATUS_OK;
}

/* --- life --------------------------------------------------------------------------------- */
static void fill(uint32_t *value, uint32_t otherwise) {
    if (*value == 0) *value = otherwise;
}

static void fill_limits(struct edge_limits *limits) {
    fill(&limits->connections, EDGE_CONNECTIONS_MAX);
    fill(&limits->calls, EDGE_CALLS_MAX);
    fill(&limits->streams, EDGE_STREAMS_MAX);
    fill(&limits->handshake_ms, EDGE_HANDSHAKE_MS);
    fill(&limits->header_ms, EDGE_HEADER_MS);
    fill(&limits->body_ms, EDGE_BODY_MS);
    fill(&limits->idle_ms, EDGE_IDLE_MS);
    fill(&limits->write_ms, EDGE_WRITE_MS);
    fill(&limits->ping_ms, EDGE_PING_MS);
    fill(&limits->ping_answer_ms, EDGE_PING_ANSWER_MS);
    fill(&limits->beat_ms, EDGE_EVENT_BEAT_MS);
}

static void on_drain_due(struct timeout *timeout, struct turn *turn);

enum status hub_open(struct hub *hub, const struct hub_options *options) {
    *hub = (struct hub){
        .options = options->options,
        .hooks = options->hooks,
        .actor = options->actor,
        .limits = options->options->limits,
        .drain = {.run = on_drain_due},
    };
    fill_limits(&hub->limits);
    budget_set(hub->limits.budget_bytes);
    timeouts_init(&hub->timeouts);
    enum status status = open_services(hub);
    if (status == STATUS_OK) status = check_routes(hub);
    if (status == STATUS_OK && !timeouts_reserve(&hub->timeouts, 1)) status = STATUS_NO_MEMORY;
    if (status != STATUS_OK) hub_close(hub);
    return status;
}

void hub_abandon(struct hub *hub) {
    hub->closing = true;
    while (hub->calls)
        call_free(hub->calls);
}

void hub_close(struct hub *hub) {
    if (!hub->options) return;
    hub_abandon(hub);
    assert(!hub->conns);
    while (hub->spare) {
        struct edge_call *call = hub->spare;
        hub->spare = call->next;
        arena_free(&call->arena);
        arena_free(&call->message);
        mem_free(call);
    }
    for (size_t n = 0; hub->states && hub_service(hub, n); n++)
        mem_free(hub->states[n]);
    mem_free(hub->states);
    mem_free(hub->methods);
    timeouts_free(&hub->timeouts);
    blocks_close(&hub->blocks);
    *hub = (struct hub){0};
}

uint64_t hub_tick(struct hub *hub, struct turn *turn) {
    struct timeout *timeout;
    while ((timeout = timeouts_pop(&hub->timeouts, hub->now_us)))
        timeout->run(timeout, turn);
    return timeouts_next(&hub->timeouts);
}

void hub_flush(struct hub *hub, struct turn *turn) {
    hub->woken = false;
    /* A flush may touch other connections (or the same again): they wait for the next round. */
    struct conn *dirty = hub->dirty;
    hub->dirty = NULL;
    while (dirty) {
        struct conn *conn = dirty;
        dirty = conn->dirty_next;
        conn->dirty = false;
        conn->dirty_next = NULL;
        hub->hooks->flush(hub, conn, turn); /* may free conn */
    }
}

/* --- drain -------------------------------------------------------------------------------- */
void hub_check_drained(struct hub *hub, struct turn *turn) {
    if (hub->phase == HUB_SERVING || hub->conns || hub->closing) return;
    timeouts_clear(&hub->timeouts, &hub->drain);
    hub->hooks->drained(hub, turn);
}

static void cut(struct hub *hub) {
    for (struct conn *conn = hub->conns; conn; conn = conn->next)
        conn->over = true;
    hub->calls_cut = (uint32_t)hub->n_calls;
}

static void touch_all(struct hub *hub, struct turn *turn) {
    for (struct conn *conn = hub->conns; conn; conn = conn->next)
        conn_touch(conn, turn);
}

static void on_drain_due(struct timeout *timeout, struct turn *turn) {
    struct hub *hub = (struct hub *)((char *)timeout - offsetof(struct hub, drain));
    if (hub->phase == HUB_NOTICED) {
        hub->phase = HUB_DRAINING;
        for (struct conn *conn = hub->conns; conn; conn = conn->next)
            conn_drain(conn);
        timeouts_set(&hub->timeouts, &hub->drain, hub->drain_hard_us);
    } else {
        cut(hub);
    }
    touch_all(hub, turn);
    hub_check_drained(hub, turn);
}

void hub_drain(struct hub *hub, uint32_t hard_ms, struct turn *turn) {
    if (hub->phase != HUB_SERVING) return;
    hub->phase = HUB_NOTICED;
    hub->drain_hard_us = hub->now_us + hard_ms * (uint64_t)1000;
    const struct edge_service *service;
    for (size_t n = 0; (service = hub_service(hub, n)); n++)
        if (service->drain) service->drain(hub->states[n], turn);
    for (struct conn *conn = hub->conns; conn; conn = conn->next)
        conn_notice(conn);
    uint64_t notice_us = hub->now_us + EDGE_DRAIN_NOTICE_MS * (uint64_t)1000;
    timeouts_set(&hub->timeouts, &hub->drain,
                 notice_us < hub->drain_hard_us ? notice_us : hub->drain_hard_us);
    touch_all(hub, turn);
    hub_check_drained(hub, turn);
}
