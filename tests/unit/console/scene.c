/* scene: numbers are round and grow with the second, so rates are plain to see. */
#include "tests/unit/console/scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/handle.h"
#include "runtime/memory.h"

struct event *scene_event(uint64_t at_ms,
                          const char *address,
                          enum question question,
                          const char *key,
                          const ProtobufCMessage *message) {
    struct buffer body;
    buffer_init(&body);
    if (message) cr_assert_eq(codec_encode(message, &body), STATUS_OK);
    struct event event = {.at_ms = at_ms,
                          .question = question,
                          .took_us = 1500,
                          .size = body.size,
                          .body = body.data};
    snprintf(event.address, sizeof event.address, "%s", address);
    snprintf(event.key, sizeof event.key, "%s", key);
    struct event *copy = event_copy(&event);
    buffer_free(&body);
    cr_assert(copy);
    return copy;
}

struct event *scene_failure(uint64_t at_ms,
                            const char *address,
                            enum question question,
                            const char *key,
                            enum status status,
                            const char *text) {
    struct event *event = scene_event(at_ms, address, question, key, NULL);
    event->status = status;
    snprintf(event->text, sizeof event->text, "%s", text);
    return event;
}

void scene_take(struct model *model, struct event *event) {
    model_take(model, event);
    mem_free(event);
}

/* --- reports --- */

#define HANDLE(slot)    handle_make(0, (slot), 1)
#define LIST(Type, ...) ((Type *[]){__VA_ARGS__})
#define ROW(Type, type, ...) \
    (&(Type){.base = PROTOBUF_C_MESSAGE_INIT(&type##__descriptor), __VA_ARGS__})

/* 80 of 100 in [64, 128) us, 20 in [512, 1024). */
static uint64_t fast[16], slow[16];

static SysHistogram *histogram(uint64_t counts[16], unsigned low, unsigned high, uint64_t n) {
    memset(counts, 0, 16 * sizeof *counts);
    counts[low] = n * 80;
    counts[high] = n * 20;
    static SysHistogram rows[2];
    SysHistogram *row = &rows[counts == slow];
    *row = (SysHistogram)SYS_HISTOGRAM__INIT;
    row->n_counts = 16;
    row->counts = counts;
    return row;
}

static SysLane *lane(SysLane *row, unsigned number, const char *kind, unsigned n, double busy) {
    *row = (SysLane)SYS_LANE__INIT;
    row->lane = number;
    row->kind = (char *)kind;
    row->turns = 1000u * number * n;
    row->busy_us = (uint64_t)(busy * 1e6 * n);
    row->wakes = 500u * n;
    row->stall_max_us = 1200;
    row->actors = 5;
    row->clock_us = 1000000u * n;
    return row;
}

static void
send_report(struct console *console, unsigned n, const char *address, SysReport *report) {
    report->version = (char *)"0.1.0";
    report->uptime_ms = 3600000 + 1000 * n;
    report->wall_ms = SCENE_MS + 1000 * n;
    report->cpu_us = 430000u * n;
    report->rss_bytes = 64 << 20;
    report->actors_total = (uint32_t)report->n_actors;
    report->api = 1;
    console_take(console,
                 scene_event(SCENE_MS + 1000 * n, address, QUESTION_ACTORS, "", &report->base));
}

static void gateway_second(struct console *console, unsigned n) {
    SysLane io, compute;
    SysActor *router =
        ROW(SysActor, sys_actor, .name = "router", .kind = "router", .handle = HANDLE(3), .lane = 1,
            .received = 1000u * n, .sent = 2000u * n, .depth = 12u * n, .depth_max = 64,
            .bytes = 4096, .oldest_us = 25000, .busy_us = 250000u * n, .supervisor = "root",
            .restarts = 1, .restarts_recent = 1, .restarts_allowed = 2, .restart_period_s = 5,
            .operation = "RouterSearch", .operation_us = 40, .n_depths = 3,
            .depths = (uint32_t[]){0, 1, 12u * n - 1}, .mailbox = histogram(fast, 6, 9, n),
            .handler = histogram(slow, 6, 14, n));
    SysActor *edge =
        ROW(SysActor, sys_actor, .name = "edge/1", .kind = "edge", .handle = HANDLE(4), .lane = 1,
            .received = 900u * n, .sent = 900u * n, .supervisor = "root", .busy_us = 50000u * n);
    SysActor *root =
        ROW(SysActor, sys_actor, .name = "root", .kind = "root", .handle = HANDLE(1), .lane = 1);
    SysLink *pd =
        ROW(SysLink, sys_link, .name = "pd", .address = PD, .connected = true, .sent = 10u * n,
            .received = 10u * n, .rtt_us = 310, .node = 1, .opened = true, .security = "curve");
    SysLink *worker1 =
        ROW(SysLink, sys_link, .name = "worker", .address = WORKER1, .connected = true,
            .sent = 1200u * n, .received = 1200u * n, .sent_bytes = 90000u * n, .rtt_us = 420,
            .node = 2, .opened = true, .security = "curve", .full = 3);
    SysLink *worker2 =
        ROW(SysLink, sys_link, .name = "worker", .address = WORKER2, .connected = false,
            .sent = 300, .node = 3, .opened = true, .security = "refused", .failures = 4,
            .last_failure = "its key is not allowed", .last_failure_ms = SCENE_MS);
    SysReport report = SYS_REPORT__INIT;
    report.node = report.role = (char *)"gateway";
    report.incarnation = 2;
    report.n_lanes = 2;
    report.lanes = LIST(SysLane, lane(&compute, 2, "compute", n, 0.9), lane(&io, 1, "io", n, 0.3));
    report.n_actors = 3;
    report.actors = LIST(SysActor, router, edge, root);
    report.n_links = 3;
    report.links = LIST(SysLink, pd, worker1, worker2);
    report.n_alarms = 1;
    report.alarms =
        LIST(SysAlarm, ROW(SysAlarm, sys_alarm, .name = "memory", .subject = "",
                           .text = "92 % of the limit is in use", .since_ms = SCENE_MS - 60000));
    report.memory_limit = 1 << 30;
    report.memory_used = 990000000;
    send_report(console, n, GATEWAY, &report);
}

static void
worker_second(struct console *console, unsigned n, const char *address, uint64_t incarnation) {
    SysLane io, compute;
    SysActor *shard = ROW(SysActor, sys_actor, .name = incarnation == 3 ? "shard/1" : "shard/2",
                          .kind = "shard", .handle = HANDLE(7), .lane = 1, .received = 500u * n,
                          .sent = 500u * n, .busy_us = 20000u * n, .supervisor = "keeper");
    SysActor *keeper = ROW(SysActor, sys_actor, .name = "keeper", .kind = "keeper",
                           .handle = HANDLE(2), .lane = 1, .supervisor = "root");
    SysActor *root =
        ROW(SysActor, sys_actor, .name = "root", .kind = "root", .handle = HANDLE(1), .lane = 1);
    SysReport report = SYS_REPORT__INIT;
    report.node = report.role = (char *)"worker";
    report.incarnation = incarnation;
    report.n_lanes = 2;
    report.lanes = LIST(SysLane, lane(&io, 1, "io", n, 0.1), lane(&compute, 2, "compute", n, 0.65));
    report.n_actors = 3;
    report.actors = LIST(SysActor, root, keeper, shard);
    report.n_links = 1;
    report.links = LIST(SysLink, ROW(SysLink, sys_link, .name = "gateway", .address = GATEWAY,
                                     .connected = true, .sent = 1200u * n, .received = 1200u * n,
                                     .rtt_us = 400, .node = 9, .security = "curve"));
    send_report(console, n, address, &report);
}

void scene_second(struct console *console, unsigned n) {
    SysLane io;
    SysReport pd = SYS_REPORT__INIT;
    pd.node = pd.role = (char *)"pd";
    pd.incarnation = 1;
    pd.n_lanes = 1;
    pd.lanes = LIST(SysLane, lane(&io, 1, "io", n, 0.02));
    pd.n_actors = 1;
    pd.actors = LIST(SysActor, ROW(SysActor, sys_actor, .name = "pd", .kind = "pd",
                                   .handle = HANDLE(2), .lane = 1, .received = 20u * n));
    pd.n_links = 1;
    pd.links = LIST(SysLink, ROW(SysLink, sys_link, .name = "worker", .address = WORKER1,
                                 .connected = true, .sent = n, .received = n, .rtt_us = 350,
                                 .node = 4, .opened = true, .security = "curve"));
    send_report(console, n, PD, &pd);
    gateway_second(console, n);
    worker_second(console, n, WORKER1, 3);
    worker_second(console, n, WORKER2, 4);
}

/* --- the other questions --- */

static void send(struct console *console,
                 const char *address,
                 enum question question,
                 const char *key,
                 const ProtobufCMessage *message) {
    console_take(console, scene_event(SCENE_MS + 3100, address, question, key, message));
}

static void tell_waits(struct console *console) {
    SysWaits waits = SYS_WAITS__INIT;
    waits.n_edges = 3;
    waits.edges =
        LIST(SysEdge,
             ROW(SysEdge, sys_edge, .from = "edge/1", .from_handle = HANDLE(4), .to = "router",
                 .to_handle = HANDLE(3), .message = "RouterSearch", .since_us = 4200000),
             ROW(SysEdge, sys_edge, .from = "router", .from_handle = HANDLE(3), .to = "shard/1",
                 .to_handle = handle_make(2, 7, 1), .to_peer = 2, .message = "ShardSearch",
                 .since_us = 4100000),
             ROW(SysEdge, sys_edge, .from = "edge/1", .from_handle = HANDLE(4), .to = "router",
                 .to_handle = HANDLE(3), .message = "RouterGet", .since_us = 900));
    send(console, GATEWAY, QUESTION_WAITS, "", &waits.base);
    waits.n_edges = 1;
    waits.edges = LIST(SysEdge, ROW(SysEdge, sys_edge, .from = "shard/1", .from_handle = HANDLE(7),
                                    .to = "router", .to_handle = handle_make(9, 3, 1), .to_peer = 9,
                                    .message = "RouterDescribe", .since_us = 4000000));
    send(console, WORKER1, QUESTION_WAITS, "", &waits.base);
    console_take(console,
                 scene_failure(SCENE_MS + 3100, PD, QUESTION_WAITS, "", STATUS_UNIMPLEMENTED, ""));
}

static uint8_t trace_id[16] = {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
                               0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36};
static uint8_t other_id[16] = {1, 2, 3};
#define BYTES(at) \
    { sizeof(at), at }

static void tell_letters(struct console *console) {
    SysLetters letters = SYS_LETTERS__INIT;
    letters.total = 2;
    letters.n_letters = 2;
    static uint8_t body[] = {0x81, 0x01, 0xc3}; /* SysAsk actors=true */
    letters.letters = LIST(SysDeadLetter,
                           ROW(SysDeadLetter, sys_dead_letter, .at_ms = SCENE_MS + 2500,
                               .to = "shard/9", .from = "router", .message = "ShardSearch",
                               .reason = "LOST_PEER", .number = 17, .size = 3120),
                           ROW(SysDeadLetter, sys_dead_letter, .at_ms = SCENE_MS + 2900,
                               .to = "sys", .from = "tool", .message = "SysAsk", .reason = "BUSY",
                               .number = 18, .size = 3, .kept = true, .body = BYTES(body)));
    send(console, GATEWAY, QUESTION_LETTERS, "", &letters.base);
}

static void tell_traces(struct console *console) {
    SysTraces traces = SYS_TRACES__INIT;
    traces.n_traces = 2;
    traces.traces = LIST(SysTraceRow,
                         ROW(SysTraceRow, sys_trace_row, .trace = BYTES(trace_id),
                             .name = "edge/1 Search", .start_us = SCENE_MS * 1000, .took_us = 12000,
                             .spans = 2, .outcome = "OK", .why = "slow"),
                         ROW(SysTraceRow, sys_trace_row, .trace = BYTES(other_id),
                             .name = "edge/1 Upsert", .start_us = SCENE_MS * 1000 + 500000,
                             .took_us = 900, .spans = 3, .outcome = "EXPIRED", .why = "failed"));
    send(console, GATEWAY, QUESTION_TRACES, "", &traces.base);
    traces.n_traces = 1;
    traces.traces =
        LIST(SysTraceRow, ROW(SysTraceRow, sys_trace_row, .trace = BYTES(trace_id),
                              .name = "shard/1 ShardSearch", .start_us = SCENE_MS * 1000 + 2000,
                              .took_us = 9000, .spans = 1, .outcome = "BUSY", .why = "asked"));
    send(console, WORKER1, QUESTION_TRACES, "", &traces.base);
    console_show_trace(console, "4bf92f3577b34da6a3ce929d0e0e4736");
    SysTrace trace = SYS_TRACE__INIT;
    trace.n_spans = 2;
    trace.spans = LIST(SysSpan,
                       ROW(SysSpan, sys_span, .trace = BYTES(trace_id), .span = 1,
                           .node = "gateway", .actor = "edge/1", .message = "Search",
                           .kind = "edge", .start_us = SCENE_MS * 1000, .ran_us = 300,
                           .took_us = 12000, .outcome = "OK", .lane = 1),
                       ROW(SysSpan, sys_span, .trace = BYTES(trace_id), .span = 2, .parent = 1,
                           .node = "gateway", .actor = "router", .message = "RouterSearch",
                           .kind = "call", .start_us = SCENE_MS * 1000 + 400, .waited_us = 900,
                           .ran_us = 700, .took_us = 11400, .outcome = "OK", .lane = 1));
    send(console, GATEWAY, QUESTION_TRACE, console->trace, &trace.base);
    trace.n_spans = 1;
    trace.spans = LIST(
        SysSpan, ROW(SysSpan, sys_span, .trace = BYTES(trace_id), .span = 3, .parent = 2,
                     .node = "worker", .actor = "shard/1", .message = "ShardSearch", .kind = "call",
                     .start_us = SCENE_MS * 1000 + 2000, .waited_us = 4000, .ran_us = 5000,
                     .took_us = 9000, .outcome = "BUSY", .text = "the tail is full", .lane = 1));
    send(console, WORKER1, QUESTION_TRACE, console->trace, &trace.base);
}

static void tell_shards(struct console *console) {
    PdWorkers workers = PD_WORKERS__INIT;
    workers.n_workers = 2;
    workers.workers =
        LIST(PdWorker,
             ROW(PdWorker, pd_worker, .worker = 1, .link = WORKER1, .state = "ready",
                 .last_beat_ms = SCENE_MS + 1100, .shards = 1, .points = 9000),
             ROW(PdWorker, pd_worker, .worker = 2, .link = WORKER2, .state = "suspected",
                 .last_beat_ms = SCENE_MS - 16900, .shards = 2, .leaders = 1, .points = 1000));
    send(console, PD, QUESTION_WORKERS, "", &workers.base);
    PdCollections names = PD_COLLECTIONS__INIT;
    names.n_names = 1;
    names.names = (char *[]){"articles"};
    send(console, PD, QUESTION_COLLECTIONS, "", &names.base);
    PdRouting routing = PD_ROUTING__INIT;
    routing.collection = (char *)"articles";
    routing.dimension = 768;
    routing.distance = (char *)"cosine";
    routing.n_shards = 2;
    routing.shards = LIST(
        PdShard,
        ROW(PdShard, pd_shard, .shard = 1, .range_end = UINT64_MAX / 2, .epoch = 3, .leader = 1,
            .ready = true, .n_replicas = 2,
            .replicas = LIST(PdReplica, ROW(PdReplica, pd_replica, .worker = 1, .link = WORKER1),
                             ROW(PdReplica, pd_replica, .worker = 2, .link = WORKER2,
                                 .learner = true, .lag = 12))),
        ROW(PdShard, pd_shard, .shard = 2, .range_start = UINT64_MAX / 2 + 1,
            .range_end = UINT64_MAX, .epoch = 3, .leader = 2, .n_replicas = 1,
            .replicas = LIST(PdReplica, ROW(PdReplica, pd_replica, .worker = 2, .link = WORKER2))));
    send(console, PD, QUESTION_ROUTE, "articles", &routing.base);
    ShardState state = SHARD_STATE__INIT;
    state.shard = 1;
    state.state = (char *)"serving";
    state.applied = 1234;
    state.points = 9000;
    state.tail = 120;
    state.memory_bytes = 31 << 20;
    state.storage = (char *)"sq8";
    state.ef = 128;
    state.recall = 0.984f;
    state.recall_live = true;
    send(console, WORKER1, QUESTION_SHARD, "shard/1", &state.base);
    state.shard = 2;
    state.state = (char *)"disk_full";
    state.points = 1000;
    state.recall_live = false;
    state.text = (char *)"no space left for the log";
    send(console, WORKER2, QUESTION_SHARD, "shard/2", &state.base);
}

static void tell_actor(struct console *console) {
    SysActor *router =
        ROW(SysActor, sys_actor, .name = "router", .kind = "router", .handle = HANDLE(3), .lane = 1,
            .received = 3000, .sent = 6000, .depth = 36, .depth_max = 64, .bytes = 4096,
            .oldest_us = 25000, .supervisor = "root", .restarts = 1, .restarts_recent = 1,
            .restarts_allowed = 2, .restart_period_s = 5, .operation = "RouterSearch",
            .operation_us = 40, .n_depths = 3, .depths = (uint32_t[]){0, 1, 35});
    SysActorView view = SYS_ACTOR_VIEW__INIT;
    view.actor = router;
    view.n_queued = 1;
    view.queued = LIST(SysMessage, ROW(SysMessage, sys_message, .kind = "call",
                                       .message = "RouterSearch", .from = "edge/1", .band = 2,
                                       .size = 3100, .waited_us = 25000, .deadline_us = 4000000));
    view.n_last = 2;
    view.last = LIST(SysMessage,
                     ROW(SysMessage, sys_message, .kind = "call", .message = "RouterGet",
                         .from = "edge/1", .band = 2, .size = 20, .waited_us = 120, .ran_us = 40,
                         .outcome = "OK", .trace = BYTES(trace_id)),
                     ROW(SysMessage, sys_message, .kind = "call", .message = "RouterUpsert",
                         .from = "edge/1", .band = 2, .size = 90000, .waited_us = 90, .ran_us = 700,
                         .outcome = "BUSY"));
    view.n_waits = 1;
    view.waits =
        LIST(SysWait, ROW(SysWait, sys_wait, .kind = "call", .peer = "worker/7#1",
                          .message = "ShardSearch", .since_us = 4100000, .deadline_us = 900000));
    view.n_senders = 2;
    view.senders = LIST(SysSender, ROW(SysSender, sys_sender, .name = "edge/1", .messages = 30),
                        ROW(SysSender, sys_sender, .name = "edge/2", .messages = 10));
    view.n_watchers = 1;
    view.watchers = (char *[]){"edge/1"};
    send(console, GATEWAY, QUESTION_ACTOR, "router", &view.base);
    console_show_actor(console, GATEWAY, "router");
}

void scene_play(struct console *console) {
    for (unsigned n = 1; n <= 3; n++)
        scene_second(console, n);
    tell_waits(console);
    tell_letters(console);
    tell_traces(console);
    tell_shards(console);
    tell_actor(console);
    console_go(console, VIEW_CLUSTER);
}
