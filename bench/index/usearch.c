/* usearch: bench/index/usearch_process.py in a process of its own, spoken to through pipes; a pass over all
 * queries is one order, so that Python costs nothing worth the name. */
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/index/peer.h"

extern char **environ;

enum order { OPEN, LOAD, ADD, SEARCH, SAVE, COST };
enum { AT_ONCE = 1000 /* vectors of an addition */ };

struct graph {
    pid_t child;
    FILE *orders, *answers; /* owned */
    size_t dimension;
    float *waiting; /* owned; vectors not sent yet, the last of labels up to `label` */
    size_t n_waiting;
    uint64_t label;
};

static void fail(const char *what) {
    fprintf(stderr, "bench_index: usearch: %s\n", what);
    exit(1);
}

static void put(struct graph *graph, const void *bytes, size_t size) {
    if (fwrite(bytes, 1, size, graph->orders) != size) fail("its process takes no orders");
}

static void order(struct graph *graph, enum order what, size_t a, size_t b, size_t c) {
    uint32_t head[4] = {what, (uint32_t)a, (uint32_t)b, (uint32_t)c};
    put(graph, head, sizeof head);
}

static void get(struct graph *graph, void *bytes, size_t size) {
    (void)fflush(graph->orders);
    if (fread(bytes, 1, size, graph->answers) != size) fail("its process gives no answer");
}

/* Where it was installed for this bench, else the system's. */
static const char *python(void) {
    static const char *own = VECTRON_SOURCE_DIR "/build/peers/python/bin/python";
    return access(own, X_OK) == 0 ? own : "/usr/bin/python3";
}

/* A process with these as its ends of two pipes; false: there is none. */
static bool start(struct graph *graph, char *const *arguments) {
    int orders[2], answers[2];
    posix_spawn_file_actions_t actions;
    if (pipe(orders) != 0 || pipe(answers) != 0) fail("no pipes");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, orders[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, answers[1], STDOUT_FILENO);
    for (int end = 0; end < 2; end++) {
        posix_spawn_file_actions_addclose(&actions, orders[end]);
        posix_spawn_file_actions_addclose(&actions, answers[end]);
    }
    bool started =
        posix_spawn(&graph->child, arguments[0], &actions, NULL, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    (void)close(orders[0]);
    (void)close(answers[1]);
    graph->orders = fdopen(orders[1], "wb");
    graph->answers = fdopen(answers[0], "rb");
    return started;
}

static void stop(struct graph *graph) {
    (void)fclose(graph->orders);
    (void)fclose(graph->answers);
    (void)waitpid(graph->child, NULL, 0);
}

int peer_usearch_is_there(void) {
    char *arguments[] = {(char *)(uintptr_t)python(), "-c", "import numpy, usearch.index", NULL};
    int status = 1;
    pid_t child;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", 1, 0);
    if (posix_spawn(&child, arguments[0], &quiet, NULL, arguments, environ) == 0)
        (void)waitpid(child, &status, 0);
    posix_spawn_file_actions_destroy(&quiet);
    if (status != 0)
        fprintf(stderr, "bench_index: no usearch here, its rows are left out (docs/performance.md "
                        "says how to install it)\n");
    return status == 0;
}

static void *open_graph(const struct peer_options *options) {
    char *arguments[] = {(char *)(uintptr_t)python(), VECTRON_SOURCE_DIR "/bench/index/usearch_process.py",
                         NULL};
    struct graph *graph = calloc(1, sizeof *graph);
    uint32_t ready, inner_product = options->inner_product != 0;
    (void)signal(SIGPIPE, SIG_IGN);
    if (!start(graph, arguments)) fail("its process does not start");
    get(graph, &ready, sizeof ready);
    graph->dimension = options->dimension;
    graph->waiting = calloc(AT_ONCE * options->dimension, sizeof *graph->waiting);
    order(graph, OPEN, options->dimension, options->M, options->ef_construction);
    put(graph, &inner_product, sizeof inner_product);
    return graph;
}

static void close_graph(void *context) {
    struct graph *graph = context;
    stop(graph);
    free(graph->waiting);
    free(graph);
}

static void send_waiting(struct graph *graph) {
    if (graph->n_waiting == 0) return;
    order(graph, ADD, graph->n_waiting, graph->label + 1 - graph->n_waiting, 0);
    put(graph, graph->waiting, graph->n_waiting * graph->dimension * sizeof(float));
    graph->n_waiting = 0;
}

/* Labels come one after another. */
static void add(void *context, const float *vector, uint64_t label) {
    struct graph *graph = context;
    memcpy(graph->waiting + graph->n_waiting * graph->dimension, vector,
           graph->dimension * sizeof *vector);
    graph->label = label;
    if (++graph->n_waiting == AT_ONCE) send_waiting(graph);
}

static bool about_file(struct graph *graph, enum order what, const char *path) {
    uint32_t done;
    order(graph, what, strlen(path), 0, 0);
    put(graph, path, strlen(path));
    get(graph, &done, sizeof done);
    return done == 1;
}

static void save(void *context, const char *path) {
    send_waiting(context);
    (void)about_file(context, SAVE, path);
}

static void *load(const struct peer_options *options, const char *path) {
    struct graph *graph = open_graph(options);
    if (about_file(graph, LOAD, path)) return graph;
    close_graph(graph);
    return NULL;
}

static void
pass(void *context, const struct peer_queries *queries, size_t k, size_t ef, uint64_t *labels) {
    struct graph *graph = context;
    send_waiting(graph);
    order(graph, SEARCH, queries->n, k, ef);
    put(graph, queries->vectors, queries->n * queries->dimension * sizeof *queries->vectors);
    get(graph, labels, queries->n * k * sizeof *labels);
}

static struct peer_cost cost(void *context) {
    struct peer_cost cost;
    send_waiting(context);
    order(context, COST, 0, 0, 0);
    get(context, &cost, sizeof cost);
    return cost;
}

const struct peer peer_usearch = {.name = "usearch",
                                  .open = open_graph,
                                  .add = add,
                                  .save = save,
                                  .load = load,
                                  .close = close_graph,
                                  .pass = pass,
                                  .cost = cost};
