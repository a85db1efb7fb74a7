/* Two edges on one address, clients of all kinds, bodies small and large (parsed on compute lanes),
 * clients that leave, then a drain: for ThreadSanitizer, which sees the edges' lanes share budget,
 * body pool, job table and listeners.
 *
 *     race_edge [SECONDS] */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "adapters/edge/edge.h"
#include "runtime/assert.h"
#include "runtime/buffer.h"
#include "runtime/node.h"
#include "schemas/edge.pb-c.h"
#include "tests/unit/edge/echo.h"

enum { EDGES = 2, CLIENTS = 6, LARGE_NUMBERS = 120000 };

static struct node *node;
static uint16_t port;
static _Atomic bool stopping;
static _Atomic uint64_t answered, wrong;

static void answer_at_once(struct edge_call *call,
                           uint32_t ms,
                           void (*run)(struct edge_call *call, struct turn *turn),
                           struct turn *turn) {
    (void)ms;
    run(call, turn);
}

static int dial(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

static void make_request(struct buffer *out, size_t numbers) {
    struct buffer body = {0};
    buffer_printf(&body, "{\"vector\":[1");
    for (size_t i = 1; i < numbers; i++)
        buffer_printf(&body, ",%zu", i);
    buffer_printf(&body, "]}");
    buffer_printf(out,
                  "POST /v1/echo/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                  "Content-Length: %zu\r\n\r\n",
                  body.size);
    buffer_append(out, body.data, body.size);
    buffer_free(&body);
}

/* One request; `leave`: without waiting for the answer. */
static void ask(const struct buffer *request, bool leave) {
    char answer[16] = "", rest[8192];
    int fd = dial();
    if (fd < 0) return; /* the drain has begun */
    ssize_t n = send(fd, request->data, request->size, MSG_NOSIGNAL);
    if (!leave && n == (ssize_t)request->size) {
        n = recv(fd, answer, sizeof answer - 1, MSG_WAITALL);
        while (recv(fd, rest, sizeof rest, 0) > 0) {
        }
        if (n > 0 && strncmp(answer, "HTTP/1.1 200 ", 13) != 0) wrong++;
        if (n > 0) answered++;
    }
    close(fd);
}

static void *client(void *number) {
    struct buffer small = {0}, large = {0};
    make_request(&small, 3);
    make_request(&large, LARGE_NUMBERS);
    for (size_t i = *(size_t *)number; !stopping; i++)
        ask(i % 16 == 0 ? &large : &small, i % 7 == 3);
    buffer_free(&small);
    buffer_free(&large);
    return NULL;
}

static bool
start(struct edge_options *options, struct edge_listener_options *listener, char address[32]) {
    for (port = 20000 + (uint16_t)(getpid() % 20000); port < 45000; port++) {
        actor_handle handle;
        snprintf(address, 32, "127.0.0.1:%u", port);
        listener->address = address;
        struct spawn spawn = {
            .type = &edge_type, .name = "edge0", .options = options, .restart = RESTART_TEMPORARY};
        spawn.lane = 1;
        if (node_spawn(node, &spawn, &handle) != STATUS_OK) continue; /* taken: the next port */
        spawn.name = "edge1";
        spawn.lane = 2;
        return node_spawn(node, &spawn, &handle) == STATUS_OK;
    }
    return false;
}

static void *drain(void *name) {
    EdgeDrain message = EDGE_DRAIN__INIT;
    ProtobufCMessage *reply = NULL;
    struct node_call call = {.name = name, .message = &message.base, .timeout_ms = 60000};
    enum status status = node_call(node, &call, &reply);
    assert(status == STATUS_OK && ((EdgeDrained *)reply)->calls_cut == 0);
    node_reply_free(reply);
    return NULL;
}

int main(int argc, char **argv) {
    struct edge_listener_options listener = {0};
    struct edge_options options = {
        .listeners = &listener, .n_listeners = 1, .services = echo_services, .routes = echo_routes};
    char address[32];
    pthread_t threads[CLIENTS], drains[EDGES];
    size_t numbers[CLIENTS];
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 5;
    echo_wait = answer_at_once;
    struct node_options node_options = {.name = "race", .io_lanes = EDGES, .compute_lanes = 2};
    enum status status = node_open(&node_options, &node);
    assert(status == STATUS_OK);
    bool started = start(&options, &listener, address);
    assert(started);
    for (size_t i = 0; i < CLIENTS; i++) {
        numbers[i] = i * 5;
        pthread_create(&threads[i], NULL, client, &numbers[i]);
    }
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    pthread_create(&drains[0], NULL, drain, "edge0");
    pthread_create(&drains[1], NULL, drain, "edge1");
    for (size_t i = 0; i < EDGES; i++)
        pthread_join(drains[i], NULL);
    stopping = true;
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    node_close(node);
    printf("%llu answers, %llu wrong\n", (unsigned long long)answered, (unsigned long long)wrong);
    return wrong || answered == 0 ? 1 : 0;
}
