/* bench_runtime: what messages and actors cost, beside raw libzmq doing the same (two frames of 64
 * bytes, made and freed for each message) and CZMQ's zactor. All peers are measured in the same
 * run, interleaved; rows are medians of 10 with the spread of ours: half of what lies between the
 * quartiles, as a part of the median.
 *
 *     bench_runtime [--quick] [--only CASE]           prints one JSON line a row
 *     bench_runtime --alone --only CASE                ours without the others, for a profiler
 *     bench_runtime --serve PEER ADDRESS               the other process of the ipc and tcp rows
 *     bench_runtime --crowd KIND N                     the process of the rows about idle actors
 *
 * A peer named `limit` is no peer but the most that ours may be. */
#include "bench/runtime/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/log.h"

enum { ROUNDS = 10, ROUNDS_QUICK = 3, PEERS_MAX = 4 };

/* One way to do a case. */
struct peer {
    const char *name;
    double (*run)(const struct load *load); /* NULL: `limit` */
    double limit;                           /* a bound on ours itself */
    double wanted;                          /* the least ratio that will do; 0: none is set */
};

struct row {
    const char *name, *metric, *unit;
    bool less_is_better;
    bool once; /* in a process of its own, or long: no rounds */
    struct load full, quick;
    double (*run)(const struct load *load);
    struct peer peers[PEERS_MAX];
};

static const struct row rows[] = {
    {.name = "cross_lane_64B",
     .metric = "throughput",
     .unit = "msg/s",
     .full = {.messages = 1000000},
     .quick = {.messages = 300000},
     .run = ours_throughput,
     .peers = {{.name = "zmq-inproc", .run = zmq_cross_thread, .wanted = 4},
               {.name = "zmq-inproc-100k", .run = zmq_cross_thread_100k},
               {.name = "zactor", .run = zactor_pipe},
               {.name = "zactor-poller", .run = zactor_poller, .wanted = 15}}},
    {.name = "cross_lane_encoded",
     .metric = "throughput",
     .unit = "msg/s",
     .full = {.messages = 1000000},
     .quick = {.messages = 300000},
     .run = ours_throughput_encoded,
     .peers = {{.name = "zmq-inproc", .run = zmq_cross_thread, .wanted = 4}}},
    {.name = "same_lane_64B",
     .metric = "throughput",
     .unit = "msg/s",
     .full = {.messages = 1000000, .lane = 1},
     .quick = {.messages = 300000, .lane = 1},
     .run = ours_throughput,
     .peers = {{.name = "zmq-inproc", .run = zmq_same_thread},
               {.name = "zactor", .run = zactor_pipe, .wanted = 12}}},
    {.name = "spread_1000",
     .metric = "throughput",
     .unit = "msg/s",
     .full = {.messages = 1000000, .actors = 1000},
     .quick = {.messages = 300000, .actors = 1000},
     .run = ours_throughput,
     .peers = {{.name = "one receiver", .run = ours_throughput_one, .wanted = 1 / 1.5}}},
    {.name = "trace_overhead",
     .metric = "cpu_per_message",
     .unit = "ns",
     .less_is_better = true,
     .full = {.messages = 1000000},
     .quick = {.messages = 300000},
     .run = ours_traced_cpu,
     .peers = {{.name = "untraced", .run = ours_untraced_cpu, .wanted = 1 / 1.2}}},
    {.name = "trace_overhead",
     .metric = "messages_an_allocation",
     .unit = "messages",
     .full = {.messages = 1000000},
     .quick = {.messages = 300000},
     .run = ours_traced_frugality,
     .peers = {{.name = "untraced", .run = ours_untraced_frugality, .wanted = 0.9}}},
    {.name = "counters",
     .metric = "cpu_per_message",
     .unit = "ns",
     .less_is_better = true,
     .full = {.messages = 1000000},
     .quick = {.messages = 300000},
     .run = ours_counters,
     .peers = {{.name = "2 % of a hop", .run = ours_fiftieth_of_a_hop, .wanted = 1}}},
    {.name = "same_lane",
     .metric = "rtt_p50",
     .unit = "us",
     .less_is_better = true,
     .full = {.messages = 60000, .lane = 1},
     .quick = {.messages = 20000, .lane = 1},
     .run = ours_rtt,
     .peers = {{.name = "limit", .limit = 0.3, .wanted = 1},
               {.name = "loop of 1,350 instructions", .run = machine_loop}}},
    {.name = "same_lane",
     .metric = "rtt_p99",
     .unit = "us",
     .less_is_better = true,
     .full = {.messages = 60000, .lane = 1, .percentile = 99},
     .quick = {.messages = 20000, .lane = 1, .percentile = 99},
     .run = ours_rtt,
     .peers = {{.name = "limit", .limit = 1, .wanted = 1}}},
    {.name = "cross_lane",
     .metric = "rtt_p50",
     .unit = "us",
     .less_is_better = true,
     .full = {.messages = 6000},
     .quick = {.messages = 2000},
     .run = ours_rtt,
     .peers = {{.name = "zmq-inproc", .run = zmq_rtt, .wanted = 1 / 1.05},
               {.name = "zactor", .run = zactor_rtt}}},
    {.name = "cross_lane_spin",
     .metric = "rtt_p50",
     .unit = "us",
     .less_is_better = true,
     .full = {.messages = 6000, .spin = true},
     .quick = {.messages = 2000, .spin = true},
     .run = ours_rtt,
     .peers = {{.name = "zmq-inproc", .run = zmq_rtt, .wanted = 1 / 0.15},
               {.name = "zactor", .run = zactor_rtt}}},
    {.name = "fan_out_16",
     .metric = "round_p50",
     .unit = "us",
     .less_is_better = true,
     .full = {.messages = 3000, .actors = 16},
     .quick = {.messages = 2000, .actors = 16},
     .run = ours_rtt,
     .peers = {{.name = "one call", .run = ours_rtt_one, .wanted = 1 / 1.5},
               {.name = "zactor", .run = zactor_rtt}}},
    {.name = "fan_out_16_spin",
     .metric = "round_p50",
     .unit = "us",
     .less_is_better = true,
     .full = {.messages = 3000, .actors = 16, .spin = true},
     .quick = {.messages = 2000, .actors = 16, .spin = true},
     .run = ours_rtt,
     .peers = {{.name = "zactor", .run = zactor_rtt, .wanted = 10}}},
    {.name = "ipc",
     .metric = "rtt_p50",
     .unit = "us",
     .less_is_better = true,
     .full = {.messages = 6000, .address = "ipc"},
     .quick = {.messages = 2000, .address = "ipc"},
     .run = ours_remote_rtt,
     .peers = {{.name = "zmq-dealer-router", .run = zmq_remote_rtt, .wanted = 1 / 1.15}}},
    {.name = "tcp",
     .metric = "rtt_p50",
     .unit = "us",
     .less_is_better = true,
     .full = {.messages = 6000, .address = "tcp"},
     .quick = {.messages = 2000, .address = "tcp"},
     .run = ours_remote_rtt,
     .peers = {{.name = "zmq-dealer-router", .run = zmq_remote_rtt, .wanted = 1 / 1.15}}},
    {.name = "tcp_64B",
     .metric = "throughput",
     .unit = "msg/s",
     .full = {.messages = 1000000, .address = "tcp"},
     .quick = {.messages = 200000, .address = "tcp"},
     .run = ours_remote_throughput,
     .peers = {{.name = "zmq-pair", .run = zmq_remote_throughput, .wanted = 1.3}}},
    {.name = "curve_connect",
     .metric = "first_answer_p50",
     .unit = "us",
     .less_is_better = true,
     .full = {.messages = 30},
     .quick = {.messages = 10},
     .run = curve_connect,
     .peers = {{.name = "ours, no keys", .run = plain_connect, .wanted = 1 / 4.5},
               {.name = "zmq, keys", .run = raw_curve_connect},
               {.name = "zmq, no keys", .run = raw_plain_connect}}},
    {.name = "curve_tcp_64B",
     .metric = "throughput",
     .unit = "msg/s",
     .full = {.messages = 200000},
     .quick = {.messages = 100000},
     .run = curve_stream,
     .peers = {{.name = "zmq, no keys", .run = zmq_tcp_stream, .wanted = 0.5},
               {.name = "ours, no keys", .run = plain_stream}}},
    {.name = "search_768",
     .metric = "encode_decode",
     .unit = "ns",
     .less_is_better = true,
     .full = {.messages = 300000},
     .quick = {.messages = 100000},
     .run = ours_search_codec,
     .peers = {{.name = "limit", .limit = 500, .wanted = 1},
               {.name = "memcpy", .run = memcpy_search}}},
    {.name = "light_actor",
     .metric = "rss",
     .unit = "bytes",
     .less_is_better = true,
     .full = {.actors = 100000},
     .quick = {.actors = 100000},
     .run = ours_light_bytes,
     .peers = {{.name = "limit", .limit = 1024, .wanted = 1},
               {.name = "zactor", .run = zactor_bytes}}},
    {.name = "light_actor",
     .metric = "spawn",
     .unit = "us",
     .less_is_better = true,
     .full = {.actors = 100000},
     .quick = {.actors = 100000},
     .run = ours_light_spawn,
     .peers = {{.name = "limit", .limit = 1, .wanted = 1},
               {.name = "zactor", .run = zactor_spawn}}},
    {.name = "component_actor",
     .metric = "rss",
     .unit = "bytes",
     .less_is_better = true,
     .full = {.actors = 1000},
     .quick = {.actors = 1000},
     .run = ours_component_bytes,
     .peers = {{.name = "zactor", .run = zactor_bytes, .wanted = 4}}},
    {.name = "component_actor",
     .metric = "files",
     .unit = "fds",
     .less_is_better = true,
     .full = {.actors = 1000},
     .quick = {.actors = 1000},
     .run = ours_component_files,
     .peers = {{.name = "zactor", .run = zactor_files, .wanted = 2}}},
    {.name = "component_actor",
     .metric = "spawn",
     .unit = "us",
     .less_is_better = true,
     .full = {.actors = 1000},
     .quick = {.actors = 1000},
     .run = ours_component_spawn,
     .peers = {{.name = "zactor", .run = zactor_spawn, .wanted = 5}}},
    {.name = "component_10k",
     .metric = "rss_each",
     .unit = "bytes",
     .less_is_better = true,
     .once = true,
     .full = {.actors = 10000},
     .quick = {.actors = 10000},
     .run = ours_component_bytes,
     .peers = {{.name = "limit", .limit = 1e4, .wanted = 1}}},
    {.name = "descriptor_limit",
     .metric = "refused_cleanly",
     .unit = "bool",
     .once = true,
     .run = ours_limit,
     .peers = {{.name = "limit", .limit = 1, .wanted = 1}}},
    {.name = "light_1M",
     .metric = "rss_each",
     .unit = "bytes",
     .less_is_better = true,
     .once = true,
     .full = {.actors = 1000000},
     .quick = {.actors = 1000000},
     .run = ours_light_bytes,
     .peers = {{.name = "limit", .limit = 1200, .wanted = 1}}},
    {.name = "light_1M",
     .metric = "spawn_ask_stop",
     .unit = "s",
     .less_is_better = true,
     .once = true,
     .full = {.actors = 1000000},
     .quick = {.actors = 1000000},
     .run = ours_light_seconds,
     .peers = {{.name = "limit", .limit = 5, .wanted = 1}}},
    {.name = "restart_in_place",
     .metric = "p50",
     .unit = "us",
     .less_is_better = true,
     .full = {.messages = 200},
     .quick = {.messages = 100},
     .run = ours_restart,
     .peers = {{.name = "limit", .limit = 1000, .wanted = 1}}},
    {.name = "simulator_5_nodes",
     .metric = "speed",
     .unit = "s/s",
     .full = {.messages = 100},
     .quick = {.messages = 30},
     .run = ours_simulator,
     .peers = {{.name = "limit", .limit = 100, .wanted = 1}}},
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts them. */
static double median(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Of sorted values. */
static double spread(const double *values, int n, double middle) {
    return middle > 0 ? (values[3 * n / 4] - values[n / 4]) / 2 / middle : 0;
}

static void print_row(
    const struct row *row, const struct peer *peer, double ours, double noise, double theirs) {
    double ratio = row->less_is_better ? theirs / ours : ours / theirs;
    printf("{\"suite\":\"runtime\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"ours\":%.6g,"
           "\"peer\":%.6g,\"peer_name\":\"%s\",\"ratio\":%.3f,\"noise\":%.3f",
           row->name, row->metric, row->unit, ours, theirs, peer->name, ratio, noise);
    if (peer->wanted > 0)
        printf(",\"target\":%.3g,\"met\":%s", peer->wanted,
               ratio >= peer->wanted ? "true" : "false");
    printf("}\n");
    fflush(stdout);
}

static void run_row(const struct row *row, bool quick, bool alone) {
    double ours[ROUNDS], theirs[PEERS_MAX][ROUNDS] = {{0}};
    const struct load *load = quick ? &row->quick : &row->full;
    int rounds = row->once ? 1 : quick ? ROUNDS_QUICK : ROUNDS;
    for (int i = 0; i < rounds; i++) {
        ours[i] = row->run(load);
        for (int j = 0; j < PEERS_MAX && !alone; j++)
            if (row->peers[j].run) theirs[j][i] = row->peers[j].run(load);
    }
    double middle = median(ours, rounds), noise = spread(ours, rounds, middle);
    if (alone) fprintf(stderr, "%s: %.4g %s\n", row->name, middle, row->unit);
    for (int j = 0; j < PEERS_MAX && row->peers[j].name && !alone; j++) {
        const struct peer *peer = &row->peers[j];
        double value = peer->run ? median(theirs[j], rounds) : peer->limit;
        if (value > 0) print_row(row, peer, middle, noise, value);
    }
}

static int run_rows(int argc, char **argv) {
    bool quick = false, alone = false;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--alone") == 0)
            alone = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else {
            fprintf(stderr, "usage: %s [--quick] [--alone] [--only CASE]\n", argv[0]);
            return 2;
        }
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!only || strcmp(rows[i].name, only) == 0) run_row(&rows[i], quick, alone);
    return 0;
}

int main(int argc, char **argv) {
    log_set(LOG_ERROR, false);
    measure_self(argv[0]);
    if (argc == 4 && strcmp(argv[1], "--serve") == 0) return measure_serve(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "--crowd") == 0)
        return measure_crowd_main(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
    return run_rows(argc, argv);
}
