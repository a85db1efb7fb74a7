/* measure: the ways of bench_runtime to do its cases. Each returns the result of one round:
 * messages a second for throughput, the median in microseconds for round trips; 0 when this build
 * cannot do it. */
#ifndef BENCH_RUNTIME_MEASURE_H
#define BENCH_RUNTIME_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BODY = 64,
    WINDOW = 2000, /* messages on their way at most: inproc's high water marks 1,000 + 1,000 */
};

struct load {
    uint64_t messages;
    bool spin;           /* ours looks for answers before it sleeps */
    const char *address; /* "ipc", "tcp": the transport of a remote case */
};

double ours_cross_lane(const struct load *load);
double ours_same_lane(const struct load *load);
/* CPU of both lanes, ns a message: spans recorded, and not. */
double ours_traced_cpu(const struct load *load);
double ours_untraced_cpu(const struct load *load);
double ours_rtt(const struct load *load);
double ours_remote_rtt(const struct load *load);

double zmq_cross_thread(const struct load *load);
double zmq_same_thread(const struct load *load);
double zmq_rtt(const struct load *load);
double zmq_remote_rtt(const struct load *load);

/* libzmq over tcp, without keys: two frames a message, one way. */
double zmq_tcp_stream(const struct load *load);

/* Our link over tcp, with keys and without: a fresh node's first call; a stream. */
double curve_connect(const struct load *load);
double plain_connect(const struct load *load);
double curve_stream(const struct load *load);
double plain_stream(const struct load *load);

double zactor_pipe(const struct load *load);
double zactor_rtt(const struct load *load);

uint64_t measure_now_ns(void);
/* CPU time of the calling thread. */
uint64_t measure_cpu_ns(void);
/* Keeps the calling thread on the nth core (counted from 0, wraps), so that two threads that talk
 * are never on one; -1: lets it go anywhere again. What it starts meanwhile is kept there too. */
void measure_pin(int core);
/* The median of n durations in ns, as microseconds; sorts them. */
double measure_p50_us(uint64_t *ns, size_t n);

/* Another process of this program that serves at an address of the transport until measure_end. */
struct server {
    int pid;
    int in; /* closing it ends the server */
    char address[128];
};
void measure_self(const char *program);
void measure_start(struct server *server, const char *peer, const char *transport);
void measure_end(struct server *server);
/* The server's main: prints its address when it is ready. */
int measure_serve(const char *peer, const char *address);
void ours_serve(const char *address);
void zmq_serve(const char *address);

#endif
