/* edge_echo: a server program with edges and the echo service, for tests with real clients.
 *
 *     edge_echo [-n EDGES] [-c CERTIFICATE -k KEY] [-b BUDGET_BYTES] ADDRESS…     with -c the last
 * address speaks TLS
 *
 * Prints "listening ADDRESS" a line for each. SIGHUP reloads certificates, SIGUSR1 prints counters,
 * SIGTERM drains (10 s) and prints how many calls were cut. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/edge/edge.h"
#include "runtime/node.h"
#include "schemas/edge.pb-c.h"
#include "tests/unit/edge/echo.h"

enum { EDGES_MAX = 8, ADDRESSES_MAX = 8, DRAIN_MS = 10000 };

static struct node *node;

struct pause {
    struct edge_call *call;
    void (*run)(struct edge_call *call, struct turn *turn);
};

static void on_pause_over(void *self, void *context, struct turn *turn) {
    const struct pause *pause = context;
    (void)self;
    pause->run(pause->call, turn);
}

static void wait_timed(struct edge_call *call,
                       uint32_t ms,
                       void (*run)(struct edge_call *call, struct turn *turn),
                       struct turn *turn) {
    struct pause *pause = arena_alloc(edge_call_arena(call), sizeof *pause);
    if (!pause) {
        edge_fail(call, STATUS_NO_MEMORY, NULL, turn);
        return;
    }
    *pause = (struct pause){call, run};
    turn_timer(turn, ms * (uint64_t)1000, on_pause_over, pause);
}

static ProtobufCMessage *ask(const char *name, const ProtobufCMessage *message) {
    char text[256] = "";
    ProtobufCMessage *reply = NULL;
    struct node_call call = {.name = name,
                             .message = message,
                             .timeout_ms = DRAIN_MS + 5000,
                             .text = text,
                             .text_size = sizeof text};
    enum status status = node_call(node, &call, &reply);
    if (status == STATUS_OK) return reply;
    printf("failed %s %s: %s\n", name, status_name(status), text);
    return NULL;
}

static void *drain(void *name) {
    EdgeDrain message = EDGE_DRAIN__INIT;
    message.hard_ms = DRAIN_MS;
    ProtobufCMessage *reply = ask(name, &message.base);
    if (reply) printf("drained %s cut=%u\n", (char *)name, ((EdgeDrained *)reply)->calls_cut);
    node_reply_free(reply);
    return NULL;
}

static void print_stats(const char *name) {
    EdgeAskStats message = EDGE_ASK_STATS__INIT;
    ProtobufCMessage *reply = ask(name, &message.base);
    const EdgeStats *stats = (const EdgeStats *)reply;
    if (stats)
        printf("stats connections=%llu calls=%llu now=%llu cancelled=%llu budget=%llu\n",
               (unsigned long long)stats->connections_now, (unsigned long long)stats->calls,
               (unsigned long long)stats->calls_now, (unsigned long long)stats->calls_cancelled,
               (unsigned long long)stats->budget_used);
    node_reply_free(reply);
}

static void serve(char names[][16], int n, const sigset_t *signals) {
    pthread_t threads[EDGES_MAX];
    int number = 0;
    while (sigwait(signals, &number) == 0 && (number == SIGHUP || number == SIGUSR1)) {
        if (number == SIGUSR1) {
            print_stats(names[0]);
            continue;
        }
        EdgeReload message = EDGE_RELOAD__INIT;
        for (int i = 0; i < n; i++) {
            ProtobufCMessage *reply = ask(names[i], &message.base);
            if (reply) printf("reloaded %s\n", names[i]);
            node_reply_free(reply);
        }
    }
    for (int i = 0; i < n; i++)
        pthread_create(&threads[i], NULL, drain, names[i]);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

static bool start(const struct edge_options *options, char names[][16], int n) {
    for (int i = 0; i < n; i++) {
        actor_handle handle;
        snprintf(names[i], sizeof names[i], "edge%d", i);
        struct spawn spawn = {.type = &edge_type,
                              .name = names[i],
                              .options = options,
                              .restart = RESTART_TRANSIENT,
                              .lane = i + 1};
        if (node_spawn(node, &spawn, &handle) != STATUS_OK) {
            printf("failed %s: %s\n", names[i], node_error());
            return false;
        }
    }
    EdgeAskStats message = EDGE_ASK_STATS__INIT;
    ProtobufCMessage *reply = ask(names[0], &message.base);
    const EdgeStats *stats = (const EdgeStats *)reply;
    for (size_t i = 0; stats && i < stats->n_addresses; i++)
        printf("listening %s\n", stats->addresses[i]);
    node_reply_free(reply);
    return stats != NULL;
}

int main(int argc, char **argv) {
    struct edge_listener_options listeners[ADDRESSES_MAX] = {{0}};
    struct edge_options options = {.listeners = listeners,
                                   .services = echo_services,
                                   .routes = echo_routes,
                                   .openapi = "{\"openapi\":\"3.1.0\"}"};
    const char *certificate = NULL, *key = NULL;
    char names[EDGES_MAX][16];
    int n = 1;
    for (int option; (option = getopt(argc, argv, "n:c:k:b:")) != -1;) {
        if (option == 'n')
            n = atoi(optarg);
        else if (option == 'c')
            certificate = optarg;
        else if (option == 'k')
            key = optarg;
        else if (option == 'b')
            options.limits.budget_bytes = strtoull(optarg, NULL, 10);
        else
            return 2;
    }
    for (; optind < argc && options.n_listeners < ADDRESSES_MAX; optind++)
        listeners[options.n_listeners++].address = argv[optind];
    if (n < 1 || n > EDGES_MAX || options.n_listeners == 0) return 2;
    listeners[options.n_listeners - 1].certificate = certificate;
    listeners[options.n_listeners - 1].key = key;

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    echo_wait = wait_timed;
    struct node_options node_options = {
        .name = "echo", .io_lanes = (uint32_t)n, .compute_lanes = 1};
    if (node_open(&node_options, &node) != STATUS_OK) {
        printf("failed node: %s\n", node_error());
        return 1;
    }
    bool started = start(&options, names, n);
    if (started) serve(names, n, &signals);
    node_close(node);
    return started ? 0 : 1;
}
