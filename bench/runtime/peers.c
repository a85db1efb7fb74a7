/* peers: the same work on libzmq alone: a message is an envelope frame and a body frame of 64
 * bytes, allocated and filled by the sender, freed by the receiver; high water mark 1,000 on each
 * side. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "bench/runtime/measure.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

enum { ENVELOPE = 64, HWM = 1000, SAME_THREAD_BURST = 64 };

static const char filling[ENVELOPE + BODY];

static void *open_socket_hwm(void *context, int type, int hwm) {
    void *socket = zmq_socket(context, type);
    assert(socket);
    int linger = 0;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof hwm);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    return socket;
}

static void *open_socket(void *context, int type) {
    return open_socket_hwm(context, type, HWM);
}

static void send_frame(void *socket, size_t size, int flags) {
    zmq_msg_t message;
    int rc = zmq_msg_init_size(&message, size);
    assert(rc == 0);
    memcpy(zmq_msg_data(&message), filling, size);
    rc = zmq_msg_send(&message, socket, flags);
    assert(rc >= 0);
}

static void send_message(void *socket) {
    send_frame(socket, ENVELOPE, ZMQ_SNDMORE);
    send_frame(socket, BODY, 0);
}

static void receive_message(void *socket) {
    for (int i = 0; i < 2; i++) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        int rc = zmq_msg_recv(&message, socket, 0);
        assert(rc >= 0);
        zmq_msg_close(&message);
    }
}

struct pair {
    void *context;
    void *near;
    void *far;
};

static void open_pair(struct pair *pair, int near, int far, int hwm) {
    pair->context = zmq_ctx_new();
    pair->near = open_socket_hwm(pair->context, near, hwm);
    pair->far = open_socket_hwm(pair->context, far, hwm);
    int rc = zmq_bind(pair->far, "inproc://bench");
    assert(rc == 0);
    rc = zmq_connect(pair->near, "inproc://bench");
    assert(rc == 0);
}

static void close_pair(struct pair *pair) {
    zmq_close(pair->near);
    zmq_close(pair->far);
    zmq_ctx_term(pair->context);
}

/* --- throughput
 * ------------------------------------------------------------------------------------------ */

struct receiving {
    void *socket;
    uint64_t messages;
    uint64_t cpu_ns;
};

static void *receive_all(void *context) {
    struct receiving *receiving = context;
    measure_pin(1);
    uint64_t cpu = measure_cpu_ns();
    for (uint64_t i = 0; i < receiving->messages; i++)
        receive_message(receiving->socket);
    receiving->cpu_ns = measure_cpu_ns() - cpu;
    return NULL;
}

static double cross_thread(const struct load *load, int hwm) {
    struct pair pair;
    pthread_t thread;
    open_pair(&pair, ZMQ_PUSH, ZMQ_PULL, hwm);
    struct receiving receiving = {.socket = pair.far, .messages = load->messages};
    uint64_t began = measure_now_ns();
    pthread_create(&thread, NULL, receive_all, &receiving);
    measure_pin(0);
    uint64_t cpu = measure_cpu_ns();
    for (uint64_t i = 0; i < load->messages; i++)
        send_message(pair.near);
    cpu = measure_cpu_ns() - cpu;
    measure_pin(-1);
    pthread_join(thread, NULL);
    uint64_t ns = measure_now_ns() - began;
    fprintf(stderr, "zmq-inproc: CPU a message %.0f ns on the sender, %.0f ns on the receiver\n",
            (double)cpu / (double)load->messages,
            (double)receiving.cpu_ns / (double)load->messages);
    close_pair(&pair);
    return (double)load->messages * 1e9 / (double)ns;
}

double zmq_cross_thread(const struct load *load) {
    return cross_thread(load, HWM);
}

double zmq_cross_thread_100k(const struct load *load) {
    return cross_thread(load, 100 * HWM);
}

static void *receive_routed(void *context) {
    const struct receiving *receiving = context;
    for (uint64_t i = 0; i < receiving->messages; i++) {
        zmq_msg_t id;
        zmq_msg_init(&id);
        int rc = zmq_msg_recv(&id, receiving->socket, 0);
        assert(rc >= 0);
        zmq_msg_close(&id);
        receive_message(receiving->socket);
    }
    return NULL;
}

/* A context each, as two processes have. */
double zmq_tcp_stream(const struct load *load) {
    char bound[128];
    size_t size = sizeof bound;
    pthread_t thread;
    void *contexts[2] = {zmq_ctx_new(), zmq_ctx_new()};
    void *near = open_socket(contexts[0], ZMQ_DEALER), *far = open_socket(contexts[1], ZMQ_ROUTER);
    int rc = zmq_bind(far, "tcp://127.0.0.1:*");
    assert(rc == 0);
    zmq_getsockopt(far, ZMQ_LAST_ENDPOINT, bound, &size);
    rc = zmq_connect(near, bound);
    assert(rc == 0);
    struct receiving receiving = {.socket = far, .messages = load->messages};
    pthread_create(&thread, NULL, receive_routed, &receiving);
    uint64_t began = measure_now_ns();
    for (uint64_t i = 0; i < load->messages; i++)
        send_message(near);
    pthread_join(thread, NULL);
    uint64_t ns = measure_now_ns() - began;
    zmq_close(near);
    zmq_close(far);
    zmq_ctx_term(contexts[0]);
    zmq_ctx_term(contexts[1]);
    return (double)load->messages * 1e9 / (double)ns;
}

double zmq_same_thread(const struct load *load) {
    struct pair pair;
    open_pair(&pair, ZMQ_PUSH, ZMQ_PULL, HWM);
    uint64_t began = measure_now_ns();
    for (uint64_t i = 0; i < load->messages; i += SAME_THREAD_BURST) {
        for (int j = 0; j < SAME_THREAD_BURST; j++)
            send_message(pair.near);
        for (int j = 0; j < SAME_THREAD_BURST; j++)
            receive_message(pair.far);
    }
    uint64_t ns = measure_now_ns() - began;
    close_pair(&pair);
    return (double)load->messages * 1e9 / (double)ns;
}

/* --- round trips
 * ------------------------------------------------------------------------------------------ */

static void *echo_all(void *context) {
    const struct receiving *receiving = context;
    measure_pin(1);
    for (uint64_t i = 0; i < receiving->messages; i++) {
        receive_message(receiving->socket);
        send_message(receiving->socket);
    }
    return NULL;
}

static double run_trips(void *socket, uint64_t n, double percentile) {
    uint64_t *ns = mem_zero(n, sizeof *ns);
    assert(ns);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t began = measure_now_ns();
        send_message(socket);
        receive_message(socket);
        ns[i] = measure_now_ns() - began;
    }
    double us = measure_us(ns, n, percentile);
    mem_free(ns);
    return us;
}

double zmq_rtt(const struct load *load) {
    struct pair pair;
    pthread_t thread;
    open_pair(&pair, ZMQ_PAIR, ZMQ_PAIR, HWM);
    struct receiving receiving = {.socket = pair.far, .messages = load->messages};
    pthread_create(&thread, NULL, echo_all, &receiving);
    measure_pin(0);
    double p50 = run_trips(pair.near, load->messages, load->percentile);
    measure_pin(-1);
    pthread_join(thread, NULL);
    close_pair(&pair);
    return p50;
}

double zmq_remote_rtt(const struct load *load) {
    struct server server;
    measure_start(&server, "zmq", load->address);
    void *context = zmq_ctx_new();
    void *socket = open_socket(context, ZMQ_DEALER);
    int rc = zmq_connect(socket, server.address);
    assert(rc == 0);
    double p50 = run_trips(socket, load->messages, load->percentile);
    zmq_close(socket);
    zmq_ctx_term(context);
    measure_end(&server);
    return p50;
}

/* Echoes on a ROUTER until standard input ends. */
static void echo_router(void *socket) {
    zmq_pollitem_t items[] = {{socket, 0, ZMQ_POLLIN, 0}, {NULL, STDIN_FILENO, ZMQ_POLLIN, 0}};
    while (zmq_poll(items, 2, -1) >= 0 && items[1].revents == 0) {
        zmq_msg_t id;
        zmq_msg_init(&id);
        while (zmq_msg_recv(&id, socket, ZMQ_DONTWAIT) >= 0) {
            receive_message(socket);
            zmq_msg_send(&id, socket, ZMQ_SNDMORE);
            send_message(socket);
            zmq_msg_init(&id);
        }
        zmq_msg_close(&id);
    }
}

/* Makes the folder of an ipc address. */
static void make_folder(const char *address) {
    char folder[128];
    if (strncmp(address, "ipc://", 6) != 0) return;
    snprintf(folder, sizeof folder, "%s", address + 6);
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
    mkdir(folder, 0700);
}

/* Binds, and prints where. */
static void *serve_at(void *context, int type, const char *address) {
    char bound[128];
    size_t size = sizeof bound;
    make_folder(address);
    void *socket = open_socket(context, type);
    int rc = zmq_bind(socket, address);
    assert(rc == 0);
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &size);
    printf("%s\n", bound);
    fflush(stdout);
    return socket;
}

void zmq_serve(const char *address) {
    void *context = zmq_ctx_new();
    void *socket = serve_at(context, ZMQ_ROUTER, address);
    echo_router(socket);
    zmq_close(socket);
    zmq_ctx_term(context);
}

/* The first message is a count; that many follow; then it answers. */
void zmq_serve_sink(const char *address) {
    uint64_t count = 0;
    char byte;
    void *context = zmq_ctx_new();
    void *socket = serve_at(context, ZMQ_PAIR, address);
    int size = zmq_recv(socket, &count, sizeof count, 0);
    assert(size == sizeof count);
    for (uint64_t i = 0; i < count; i++)
        receive_message(socket);
    send_message(socket);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    zmq_close(socket);
    zmq_ctx_term(context);
}

double zmq_remote_throughput(const struct load *load) {
    struct server server;
    measure_start(&server, "zmq-sink", load->address);
    void *context = zmq_ctx_new();
    void *socket = open_socket(context, ZMQ_PAIR);
    int rc = zmq_connect(socket, server.address);
    assert(rc == 0);
    rc = zmq_send(socket, &load->messages, sizeof load->messages, 0);
    assert(rc == sizeof load->messages);
    uint64_t began = measure_now_ns();
    for (uint64_t i = 0; i < load->messages; i++)
        send_message(socket);
    receive_message(socket);
    uint64_t ns = measure_now_ns() - began;
    zmq_close(socket);
    zmq_ctx_term(context);
    measure_end(&server);
    return (double)load->messages * 1e9 / (double)ns;
}
