/* process_edge: several edges listen on the same addresses (SO_REUSEPORT); draining asks all of
 * them at the same time, each from a thread of its own, because node_call waits. */
#include "cli/process_edge.h"

#include <pthread.h>
#include <string.h>

#include "adapters/edge/budget.h"
#include "adapters/edge/edge.h"
#include "adapters/edge/listener.h"
#include "adapters/edge/openapi.h"
#include "adapters/edge/service_placement.h"
#include "adapters/edge/service_vectron.h"
#include "adapters/edge/service_worker.h"
#include "cli/address.h"
#include "cli/command.h"
#include "runtime/log.h"
#include "runtime/machine.h"
#include "runtime/memory.h"
#include "schemas/edge.pb-c.h"

enum { EDGES_MAX = 64, LISTENERS = 2, NAME_MAX_SIZE = 32, ASK_MS = 5000 };

static const struct edge_service *const all_services[] = {&vectron_service, &placement_service,
                                                          &worker_service, NULL};

const struct process_edge_kind process_edge_up = {
    .addresses = {"GRPC_ADDR", "HTTP_ADDR"},
    .services = all_services,
    .routes = edge_gateway_routes,
    .asks = "router",
};
const struct process_edge_kind process_edge_gateway = {
    .addresses = {"GRPC_ADDR", "HTTP_ADDR"},
    .services = edge_gateway_services,
    .routes = edge_gateway_routes,
    .asks = "router",
};
const struct process_edge_kind process_edge_pd = {
    .addresses = {"VECTRON_PD_GRPC_ADDR"},
    .services = edge_pd_services,
    .asks = "pd",
    .optional = true,
};
const struct process_edge_kind process_edge_worker = {
    .addresses = {"VECTRON_WORKER_GRPC_ADDR"},
    .services = edge_worker_services,
    .asks = "keeper",
    .optional = true,
};

struct process_edge {
    const struct config *config;
    const struct process_edge_kind *kind;
    /* The default address, held until the edges have it: nobody else can take it meanwhile. */
    struct edge_listener_options held_options;
    struct listener held;
    bool holds;
    struct edge_listener_options listeners[LISTENERS];
    char addresses[LISTENERS][ADDRESS_MAX];
    struct edge_options options;
    size_t n;
    char names[EDGES_MAX][NAME_MAX_SIZE];
};

struct tls_names {
    const char *enabled, *certificate, *key;
};
static const struct tls_names tls_names[LISTENERS] = {
    {"GRPC_TLS_ENABLED", "GRPC_TLS_CERT_FILE", "GRPC_TLS_KEY_FILE"},
    {"HTTP_TLS_ENABLED", "HTTP_TLS_CERT_FILE", "HTTP_TLS_KEY_FILE"},
};

/* Nobody asked for it by name. */
static bool is_default(const struct config *config, const char *name) {
    for (size_t i = 0; i < config_rows(config); i++) {
        struct config_row row = config_row(config, i);
        if (strcmp(row.setting->name, name) == 0) return strcmp(row.from, "default") == 0;
    }
    return false;
}

/* False: another process listens there. */
static bool hold(struct process_edge *edge, const char *address) {
    char why[256];
    edge->held_options = (struct edge_listener_options){.address = address};
    edge->holds = listener_open(&edge->held, &edge->held_options, why, sizeof why) == STATUS_OK;
    return edge->holds;
}

static void let_go(struct process_edge *edge) {
    if (edge->holds) listener_close(&edge->held);
    edge->holds = false;
}

static int add_listener(struct process_edge *edge, size_t nth) {
    const struct config *config = edge->config;
    const char *name = edge->kind->addresses[nth], *text = config_text(config, name);
    const struct tls_names *names = &tls_names[nth];
    size_t i = edge->options.n_listeners;
    if (!*text) return EXIT_OK;
    address_listen(text, config_on(config, "VECTRON_INSECURE"), edge->addresses[i]);
    if (edge->kind->optional && is_default(config, name) && !hold(edge, edge->addresses[i])) {
        fprintf(stderr,
                "vectron: warning: another process listens on %s: no gRPC here; --grpc-addr names "
                "another address\n",
                edge->addresses[i]);
        return EXIT_OK;
    }
    /* Both protocols work on both ports: one address given twice is one listener. */
    if (i > 0 && strcmp(edge->addresses[i], edge->addresses[0]) == 0) return EXIT_OK;
    struct edge_listener_options *listener = &edge->listeners[i];
    listener->address = edge->addresses[i];
    if (config_on(config, names->enabled)) {
        listener->certificate = config_text(config, names->certificate);
        listener->key = config_text(config, names->key);
        if (!*listener->certificate || !*listener->key)
            return command_fail("%s is set, but not %s and %s", names->enabled, names->certificate,
                                names->key);
    }
    edge->options.n_listeners++;
    return EXIT_OK;
}

static struct edge_limits limits_of(const struct config *config) {
    return (struct edge_limits){
        .connections = (uint32_t)config_number(config, "VECTRON_MAX_CONNECTIONS"),
        .calls = (uint32_t)config_number(config, "VECTRON_MAX_CALLS"),
        .streams = (uint32_t)config_number(config, "GRPC_MAX_STREAMS"),
        .idle_ms = (uint32_t)config_number(config, "VECTRON_IDLE_MS"),
        .body_ms = (uint32_t)config_number(config, "VECTRON_BODY_MS"),
        .budget_bytes = (uint64_t)config_number(config, "VECTRON_BODY_BUDGET_MB"),
    };
}

/* As many as the node has I/O lanes, by the same rule. */
static size_t edges_of(const struct config *config) {
    int64_t n = config_number(config, "VECTRON_EDGES");
    if (n == 0) n = config_number(config, "VECTRON_IO_LANES");
    if (n == 0) n = machine_cores() / 4;
    return n < 1 ? 1 : n > EDGES_MAX ? EDGES_MAX : (size_t)n;
}

static bool storage_ready(const void *storage) {
    return role_storage_ready(storage);
}

int process_edge_new(const struct config *config,
                     const struct process_edge_kind *kind,
                     struct process_edge **out) {
    struct process_edge *edge = mem_zero(1, sizeof *edge);
    *out = NULL;
    if (!edge) return command_fail("out of memory");
    edge->config = config;
    edge->kind = kind;
    int code = EXIT_OK;
    for (size_t i = 0; i < LISTENERS && code == EXIT_OK && kind->addresses[i]; i++)
        code = add_listener(edge, i);
    if (code == EXIT_OK && edge->options.n_listeners > 0)
        *out = edge;
    else
        mem_free(edge);
    return code;
}

const char *process_edge_address(const struct process_edge *edge) {
    return edge ? edge->addresses[0] : "";
}

static uint64_t bodies_bytes(void *context) {
    (void)context;
    return budget_used();
}

int process_edge_start(struct process_edge *edge,
                       struct node *node,
                       const struct role_storage *storage) {
    const struct config *config = edge->config;
    edge->options.listeners = edge->listeners;
    edge->options.services = edge->kind->services;
    edge->options.routes = edge->kind->routes;
    edge->options.openapi = edge->kind->routes ? edge_openapi() : NULL;
    edge->options.router = edge->kind->asks;
    edge->options.ready = storage ? storage_ready : NULL;
    edge->options.ready_context = storage;
    if (edge->kind->routes)
        edge->options.cors_origins = config_text(config, "CORS_ALLOWED_ORIGINS");
    if (edge->options.cors_origins && !*edge->options.cors_origins)
        edge->options.cors_origins = NULL;
    edge->options.limits = limits_of(config);
    size_t n = edges_of(config);
    for (size_t i = 0; i < n; i++) {
        snprintf(edge->names[i], NAME_MAX_SIZE, "edge/%zu", i + 1);
        struct spawn spawn = {
            .type = &edge_type,
            .name = edge->names[i],
            .options = &edge->options,
            .restart = RESTART_TRANSIENT, /* a drained edge exits for good */
            .intensity = 5,
            .period_s = 60,
            .lane = (int)i + 1,
        };
        actor_handle handle;
        if (node_spawn(node, &spawn, &handle) != STATUS_OK) return command_fail("%s", node_error());
        edge->n++;
    }
    if (n > 0) node_gauge(node, &(struct gauge){"edge bodies", bodies_bytes, NULL});
    return EXIT_OK;
}

void process_edge_free(struct process_edge *edge) {
    if (edge) let_go(edge);
    mem_free(edge);
}

void process_edge_print(struct process_edge *edge, struct node *node) {
    EdgeAskStats question = EDGE_ASK_STATS__INIT;
    struct node_call call = {
        .name = edge->names[0], .message = &question.base, .timeout_ms = ASK_MS};
    ProtobufCMessage *message;
    enum status status = node_call(node, &call, &message);
    let_go(edge); /* by now the edges have it, or never will */
    if (status != STATUS_OK) return;
    const EdgeStats *stats = (void *)message;
    for (size_t i = 0; i < stats->n_addresses; i++) {
        bool tls = i < edge->options.n_listeners && edge->listeners[i].certificate;
        fprintf(stderr, "  %s  %s%s\n", i == 0 ? "gRPC" : "HTTP", tls ? "https://" : "",
                stats->addresses[i]);
    }
    node_reply_free(message);
}

struct drain {
    struct node *node;
    const char *name;
    uint32_t hard_ms;
    pthread_t thread;
    bool started;
};

static void *drain_one(void *context) {
    const struct drain *drain = context;
    EdgeDrain order = EDGE_DRAIN__INIT;
    order.hard_ms = drain->hard_ms;
    struct node_call call = {
        .name = drain->name, .message = &order.base, .timeout_ms = drain->hard_ms + ASK_MS};
    ProtobufCMessage *message;
    if (node_call(drain->node, &call, &message) != STATUS_OK) return NULL;
    const EdgeDrained *drained = (void *)message;
    if (drained->calls_cut)
        log_error("%s: %u calls were cut by the end of the drain", drain->name, drained->calls_cut);
    node_reply_free(message);
    return NULL;
}

void process_edge_drain(struct process_edge *edge, struct node *node, uint32_t hard_ms) {
    struct drain drains[EDGES_MAX];
    for (size_t i = 0; i < edge->n; i++) {
        drains[i] = (struct drain){.node = node, .name = edge->names[i], .hard_ms = hard_ms};
        drains[i].started = pthread_create(&drains[i].thread, NULL, drain_one, &drains[i]) == 0;
    }
    for (size_t i = 0; i < edge->n; i++)
        if (drains[i].started) pthread_join(drains[i].thread, NULL);
}

void process_edge_reload(struct process_edge *edge, struct node *node) {
    for (size_t i = 0; i < edge->n; i++) {
        EdgeReload order = EDGE_RELOAD__INIT;
        char words[256] = "";
        struct node_call call = {.name = edge->names[i],
                                 .message = &order.base,
                                 .timeout_ms = ASK_MS,
                                 .text = words,
                                 .text_size = sizeof words};
        ProtobufCMessage *message;
        enum status status = node_call(node, &call, &message);
        if (status == STATUS_OK) {
            node_reply_free(message);
            log_info("%s: certificates were read again", edge->names[i]);
        } else {
            log_error("%s: the old certificates stay: %s %s", edge->names[i], status_name(status),
                      words);
        }
    }
}
