/* bench_runtime: what a message costs, beside raw libzmq doing the same (two frames of 64 bytes,
 * made and freed for each message) and a CZMQ zactor. All peers are measured in the same run,
 * interleaved; rows are medians.
 *
 *     bench_runtime [--quick] [--only CASE]      prints one JSON line a row
 *     bench_runtime --alone --only CASE          ours without the others, for a profiler
 *     bench_runtime --serve PEER ADDRESS         the other process of the ipc and tcp rows */
#include "bench/runtime/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/log.h"

enum { ROUNDS = 7, ROUNDS_QUICK = 3, PEERS_MAX = 3 };

/* One way to do a case; the result of one round: messages a second, or microseconds. */
struct peer {
    const char *name;
    double (*run)(const struct load *load);
};

struct row {
    const char *name;
    const char *metric;
    const char *unit;
    bool less_is_better;
    struct load full, quick;
    struct peer peers[PEERS_MAX]; /* the first is ours */
};

static const struct row rows[] = {
    {"cross_lane_64B",
     "throughput",
     "msg/s",
     false,
     {.messages = 2000000},
     {.messages = 300000},
     {{"ours", ours_cross_lane}, {"zmq-inproc", zmq_cross_thread}, {"zactor", zactor_pipe}}},
    {"trace_overhead",
     "cpu_per_message",
     "ns",
     true,
     {.messages = 2000000},
     {.messages = 300000},
     {{"traced", ours_traced_cpu}, {"untraced", ours_untraced_cpu}}},
    {"same_lane_64B",
     "throughput",
     "msg/s",
     false,
     {.messages = 3000000},
     {.messages = 300000},
     {{"ours", ours_same_lane}, {"zmq-inproc", zmq_same_thread}, {"zactor", zactor_pipe}}},
    {"cross_lane",
     "rtt_p50",
     "us",
     true,
     {.messages = 20000},
     {.messages = 5000},
     {{"ours", ours_rtt}, {"zmq-inproc", zmq_rtt}, {"zactor", zactor_rtt}}},
    {"cross_lane_spin",
     "rtt_p50",
     "us",
     true,
     {.messages = 20000, .spin = true},
     {.messages = 5000, .spin = true},
     {{"ours", ours_rtt}, {"zmq-inproc", zmq_rtt}, {"zactor", zactor_rtt}}},
    {"ipc",
     "rtt_p50",
     "us",
     true,
     {.messages = 20000, .address = "ipc"},
     {.messages = 5000, .address = "ipc"},
     {{"ours", ours_remote_rtt}, {"zmq-dealer-router", zmq_remote_rtt}}},
    {"tcp",
     "rtt_p50",
     "us",
     true,
     {.messages = 20000, .address = "tcp"},
     {.messages = 5000, .address = "tcp"},
     {{"ours", ours_remote_rtt}, {"zmq-dealer-router", zmq_remote_rtt}}},
    {"curve_connect",
     "first_answer_p50",
     "us",
     true,
     {.messages = 30},
     {.messages = 10},
     {{"ours, keys", curve_connect}, {"ours, no keys", plain_connect}}},
    {"curve_tcp_64B",
     "throughput",
     "msg/s",
     false,
     {.messages = 500000},
     {.messages = 100000},
     {{"ours, keys", curve_stream},
      {"zmq, no keys", zmq_tcp_stream},
      {"ours, no keys", plain_stream}}},
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void print_row(const struct row *row, const char *peer_name, double ours, double peer) {
    double ratio = row->less_is_better ? peer / ours : ours / peer;
    printf("{\"suite\":\"runtime\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"ours\":%.6g,"
           "\"peer\":%.6g,\"peer_name\":\"%s\",\"ratio\":%.3f}\n",
           row->name, row->metric, row->unit, ours, peer, peer_name, ratio);
    fflush(stdout);
}

static void run_row(const struct row *row, bool quick, bool alone) {
    double values[PEERS_MAX][ROUNDS] = {{0}};
    double medians[PEERS_MAX] = {0};
    const struct load *load = quick ? &row->quick : &row->full;
    int rounds = quick ? ROUNDS_QUICK : ROUNDS;
    int peers = alone ? 1 : PEERS_MAX;
    for (int i = 0; i < rounds; i++)
        for (int j = 0; j < peers; j++)
            if (row->peers[j].run) values[j][i] = row->peers[j].run(load);
    for (int j = 0; j < PEERS_MAX; j++)
        medians[j] = median(values[j], rounds);
    if (alone) fprintf(stderr, "%s: %.4g %s\n", row->name, medians[0], row->unit);
    for (int j = 1; j < PEERS_MAX; j++)
        if (row->peers[j].run && medians[j] > 0)
            print_row(row, row->peers[j].name, medians[0], medians[j]);
}

int main(int argc, char **argv) {
    bool quick = false, alone = false;
    const char *only = NULL;
    log_set(LOG_ERROR, false);
    if (argc == 4 && strcmp(argv[1], "--serve") == 0) return measure_serve(argv[2], argv[3]);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--alone") == 0)
            alone = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else {
            fprintf(stderr, "usage: %s [--quick] [--only CASE]\n", argv[0]);
            return 2;
        }
    }
    measure_self(argv[0]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!only || strcmp(rows[i].name, only) == 0) run_row(&rows[i], quick, alone);
    return 0;
}
