/* service_health: Check answers at once; Watch stays, hears NOT_SERVING when a drain begins, and is
 * ended so that it does not keep its connection open. */
#include "adapters/edge/exchange.h"
#include "adapters/edge/health.h"
#include "schemas/health.pb-c.h"

#include <string.h>

typedef Grpc__Health__V1__HealthCheckRequest health_request;
typedef Grpc__Health__V1__HealthCheckResponse health_response;

struct watcher {
    struct watcher *next, *prev;
    struct health *health;
    struct edge_call *call;
};

struct health {
    struct watcher *watchers; /* in their calls' arenas */
};

enum {
    SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
    NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
    UNKNOWN = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN,
};

/* The empty name means the whole server. */
static bool known(const struct hub *hub, const char *name) {
    const struct edge_service *service;
    if (*name == 0) return true;
    for (size_t n = 0; (service = hub_service(hub, n)); n++)
        if (strcmp(service->name, name) == 0) return true;
    return false;
}

static int status_of(const struct edge_call *call) {
    const health_request *request = (const health_request *)edge_call_request(call);
    if (!known(call->hub, request->service)) return UNKNOWN;
    return call->hub->phase == HUB_SERVING ? SERVING : NOT_SERVING;
}

static void run_check(void *self, struct edge_call *call, struct turn *turn) {
    health_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    int status = status_of(call);
    (void)self;
    if (status == UNKNOWN) {
        edge_fail(call, STATUS_NOT_FOUND, "unknown service", turn);
        return;
    }
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    edge_reply(call, &response.base, turn);
}

static void tell(struct edge_call *call, int status, struct turn *turn) {
    health_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    edge_part(call, &response.base, turn);
}

static void on_cancel(void *context, struct turn *turn) {
    struct watcher *watcher = context;
    edge_fail(watcher->call, STATUS_CANCELLED, NULL, turn);
}

static void on_free(void *context) {
    struct watcher *watcher = context;
    if (watcher->next) watcher->next->prev = watcher->prev;
    if (watcher->prev)
        watcher->prev->next = watcher->next;
    else
        watcher->health->watchers = watcher->next;
}

static void run_watch(void *self, struct edge_call *call, struct turn *turn) {
    struct health *health = edge_call_state(call);
    struct watcher *watcher = arena_zero(edge_call_arena(call), sizeof *watcher);
    (void)self;
    if (!watcher) {
        edge_fail(call, STATUS_NO_MEMORY, NULL, turn);
        return;
    }
    *watcher = (struct watcher){health->watchers, NULL, health, call};
    if (health->watchers) health->watchers->prev = watcher;
    health->watchers = watcher;
    edge_call_on_cancel(call, on_cancel, watcher);
    edge_call_on_free(call, on_free, watcher);
    tell(call, status_of(call), turn);
}

static void drain(void *state, struct turn *turn) {
    struct health *health = state;
    struct watcher *next = NULL;
    for (struct watcher *watcher = health->watchers; watcher; watcher = next) {
        next = watcher->next;
        tell(watcher->call, NOT_SERVING, turn);
        edge_fail(watcher->call, STATUS_NOT_READY, "the server is shutting down", turn);
    }
}

static const struct edge_method methods[] = {
    {
        .path = "/grpc.health.v1.Health/Check",
        .request = &grpc__health__v1__health_check_request__descriptor,
        .response = &grpc__health__v1__health_check_response__descriptor,
        .body_max = 64 * 1024,
        .run = run_check,
    },
    {
        .path = "/grpc.health.v1.Health/Watch",
        .request = &grpc__health__v1__health_check_request__descriptor,
        .response = &grpc__health__v1__health_check_response__descriptor,
        .stream = true,
        .deadline_ms = EDGE_NO_DEADLINE,
        .body_max = 64 * 1024,
        .run = run_watch,
    },
};

const struct edge_service edge_health = {
    .name = "grpc.health.v1.Health",
    .methods = methods,
    .n_methods = sizeof methods / sizeof *methods,
    .state_size = sizeof(struct health),
    .drain = drain,
};
