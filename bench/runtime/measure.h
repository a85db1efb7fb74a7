/* measure: the ways of bench_runtime to do its cases. Each returns the result of one round, in the
 * unit of its row; 0 when this build cannot do it. */
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
    int lane;            /* of the receivers; 0 = 2: not the sender's */
    uint32_t actors;     /* receivers, or actors spawned; 0 = 1 */
    double percentile;   /* of round trips; 0 = 50 */
};

/* Messages a second. */
double ours_throughput(const struct load *load);
double ours_throughput_encoded(const struct load *load); /* the body was encoded before */
double ours_throughput_one(const struct load *load);     /* to one receiver, whatever load says */
double ours_remote_throughput(const struct load *load);
double zmq_cross_thread(const struct load *load);
double zmq_cross_thread_100k(const struct load *load); /* high water marks 100,000 */
double zmq_same_thread(const struct load *load);
double zmq_remote_throughput(const struct load *load);
double zactor_pipe(const struct load *load);
double zactor_poller(const struct load *load); /* a PULL mailbox beside the pipe, and a zpoller */
/* CPU of both lanes, ns a message: spans recorded, and not. */
double ours_traced_cpu(const struct load *load);
double ours_untraced_cpu(const struct load *load);
/* Messages for each allocation that the process makes between the first and the last, spans
 * recorded, and not. */
double ours_traced_frugality(const struct load *load);
double ours_untraced_frugality(const struct load *load);
/* ns: all that a message adds to counters and histograms, its sender's too; a fiftieth of
 * ours_untraced_cpu. */
double ours_counters(const struct load *load);
double ours_fiftieth_of_a_hop(const struct load *load);

/* Microseconds from the first send to the last answer of load.actors receivers. */
double ours_rtt(const struct load *load);
/* Microseconds of a loop of always the same 1,350 instructions with next to nothing to wait
 * for: how fast the machine computes just now. */
double machine_loop(const struct load *load);
double ours_rtt_one(const struct load *load); /* of one receiver */
double ours_remote_rtt(const struct load *load);
double zmq_rtt(const struct load *load);
double zmq_remote_rtt(const struct load *load);

/* libzmq over tcp, without keys: two frames a message, one way. */
double zmq_tcp_stream(const struct load *load);

/* Our link over tcp, with keys and without: a fresh node's first call; a stream. */
double curve_connect(const struct load *load);
double plain_connect(const struct load *load);
double raw_curve_connect(const struct load *load);
double raw_plain_connect(const struct load *load);
double curve_stream(const struct load *load);
double plain_stream(const struct load *load);
double zactor_rtt(const struct load *load);

/* Idle actors, each in a process of its own: bytes in RAM, descriptors, microseconds to spawn. */
double ours_light_bytes(const struct load *load);
double ours_light_spawn(const struct load *load);
double ours_component_bytes(const struct load *load);
double ours_component_files(const struct load *load);
double ours_component_spawn(const struct load *load);
double zactor_bytes(const struct load *load);
double zactor_files(const struct load *load);
double zactor_spawn(const struct load *load);
double ours_light_seconds(const struct load *load); /* to spawn, ask once and stop all */
/* Component actors under a limit of 1,000 descriptors: 1 when the spawn that met it was refused
 * with words and the process went on. */
double ours_limit(const struct load *load);

/* ns: a search with 768 floats encoded and decoded; its bytes copied. */
double ours_search_codec(const struct load *load);
double memcpy_search(const struct load *load);
/* Microseconds from an actor's failure to its next life. */
double ours_restart(const struct load *load);
/* Seconds simulated in a second. */
double ours_simulator(const struct load *load);

uint64_t measure_now_ns(void);
/* CPU time of the calling thread. */
uint64_t measure_cpu_ns(void);
/* Keeps the calling thread on the nth core (counted from 0, wraps), so that two threads that talk
 * are never on one; -1: lets it go anywhere again. What it starts meanwhile is kept there too. */
void measure_pin(int core);
/* A percentile (0: the median) of n durations in ns, as microseconds, less what reading the clock
 * takes; sorts them. */
double measure_us(uint64_t *ns, size_t n, double percentile);
/* Of this process. */
double measure_rss_bytes(void);
double measure_files(void);

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
void zmq_serve_sink(const char *address);

/* What idle actors cost, measured in a process of its own. */
struct crowd {
    double bytes, files, us; /* each */
    double seconds;          /* ours_light_seconds */
    double limit;            /* ours_limit */
};
void measure_crowd(const char *kind, uint32_t actors, struct crowd *out);
int measure_crowd_main(const char *kind, uint32_t actors);
void ours_crowd(const char *kind, uint32_t actors, struct crowd *out);
void zactor_crowd(uint32_t actors, struct crowd *out);

#endif
