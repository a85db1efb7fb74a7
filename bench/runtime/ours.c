/* ours: the cases on the runtime, through the same doors that every actor uses: turn_tell and
 * turn_call with encoding, bounded mailboxes, counters and histograms on. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/runtime/measure.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/node.h"
#include "schemas/log.pb-c.h"

enum { CREDIT = WINDOW / 8, BURST = 64, MAILBOX = 4096 };

static uint8_t payload[BODY];

/* --- one way: a source sends to a sink, which gives credit back
 * ---------------------------------------- */

struct stream {
    actor_handle sink;
    int sink_core;
    uint64_t messages;
    uint64_t began_ns, ended_ns;
    uint64_t source_cpu_ns, sink_cpu_ns; /* of their threads; for stderr */
    sem_t over;
};

struct source {
    struct stream *stream;
    uint64_t sent, on_the_way;
    bool sleeping;
    bool all_sent;
};
struct sink {
    struct stream *stream;
    uint64_t received;
};

static void send_burst(void *actor, void *context, struct turn *turn) {
    struct source *self = actor;
    struct stream *stream = self->stream;
    LogEntry entry = LOG_ENTRY__INIT;
    entry.data.data = payload;
    entry.data.len = sizeof payload;
    for (int i = 0; i < BURST && self->on_the_way < WINDOW && self->sent < stream->messages; i++) {
        self->sent++;
        self->on_the_way++;
        turn_tell(turn, stream->sink, &entry.base);
    }
    if (self->sent == stream->messages && !self->all_sent) {
        self->all_sent = true;
        stream->source_cpu_ns = measure_cpu_ns() - stream->source_cpu_ns;
    }
    self->sleeping = self->on_the_way >= WINDOW;
    if (!self->sleeping && self->sent < stream->messages) turn_later(turn, send_burst, context);
}

/* LogDrop: credit, or the start. */
#define SOURCE_ACCEPTS(X) X(struct source, LogDrop, log_drop, on_credit)
ACTOR_HANDLERS(source_handlers, SOURCE_ACCEPTS);

static enum status on_credit(struct source *self, const LogDrop *message, struct turn *turn) {
    struct stream *stream = self->stream;
    if (message->store == 0) {
        stream->began_ns = measure_now_ns();
        stream->source_cpu_ns = measure_cpu_ns();
    }
    self->on_the_way -= message->store;
    if (message->store == 0 || self->sleeping) send_burst(self, NULL, turn);
    return STATUS_OK;
}

#define SINK_ACCEPTS(X) X(struct sink, LogEntry, log_entry, on_entry)
ACTOR_HANDLERS(sink_handlers, SINK_ACCEPTS);

static enum status on_entry(struct sink *self, const LogEntry *message, struct turn *turn) {
    struct stream *stream = self->stream;
    (void)message;
    if (self->received == 0) stream->sink_cpu_ns = measure_cpu_ns();
    if (++self->received % CREDIT == 0) {
        LogDrop credit = LOG_DROP__INIT;
        credit.store = CREDIT;
        turn_tell(turn, turn_sender(turn), &credit.base);
    }
    if (self->received == stream->messages) {
        stream->ended_ns = measure_now_ns();
        stream->sink_cpu_ns = measure_cpu_ns() - stream->sink_cpu_ns;
        sem_post(&stream->over);
    }
    return STATUS_OK;
}

static enum status source_open(void *actor, const void *options, struct turn *turn) {
    (void)turn;
    *(struct source *)actor = (struct source){.stream = (struct stream *)options};
    measure_pin(0);
    return STATUS_OK;
}

static enum status sink_open(void *actor, const void *options, struct turn *turn) {
    (void)turn;
    *(struct sink *)actor = (struct sink){.stream = (struct stream *)options};
    measure_pin(((const struct stream *)options)->sink_core);
    return STATUS_OK;
}

static const struct actor_type source_type = {.kind = "source",
                                              .size = sizeof(struct source),
                                              .handlers = source_handlers,
                                              .open = source_open,
                                              .mailbox_messages = MAILBOX};
static const struct actor_type sink_type = {.kind = "sink",
                                            .size = sizeof(struct sink),
                                            .handlers = sink_handlers,
                                            .open = sink_open,
                                            .mailbox_messages = MAILBOX};

static struct node *open_node(const char *link, bool spin, int32_t ring) {
    struct node *node = NULL;
    enum status s = node_open(&(struct node_options){.name = "bench",
                                                     .io_lanes = 2,
                                                     .compute_lanes = 1,
                                                     .blocking = 1,
                                                     .link = link,
                                                     .spin = spin,
                                                     .ring = ring,
                                                     .seed = 1},
                              &node);
    assert(s == STATUS_OK);
    return node;
}

static actor_handle spawn(struct node *node,
                          const struct actor_type *type,
                          const char *name,
                          const void *options,
                          int lane) {
    actor_handle handle = 0;
    enum status s = node_spawn(
        node, &(struct spawn){.type = type, .name = name, .options = options, .lane = lane},
        &handle);
    assert(s == STATUS_OK);
    return handle;
}

struct cost {
    double per_second;
    double cpu_ns; /* a message, of both lanes */
};

static struct cost run_stream(const struct load *load, int sink_lane, int32_t ring) {
    struct node *node = open_node(NULL, false, ring);
    struct stream stream = {.messages = load->messages, .sink_core = sink_lane - 1};
    sem_init(&stream.over, 0, 0);
    stream.sink = spawn(node, &sink_type, "sink", &stream, sink_lane);
    spawn(node, &source_type, "source", &stream, 1);
    LogDrop start = LOG_DROP__INIT;
    enum status s =
        node_call(node, &(struct node_call){.name = "source", .message = &start.base}, NULL);
    assert(s == STATUS_OK);
    sem_wait(&stream.over);
    node_close(node);
    sem_destroy(&stream.over);
    fprintf(stderr, "ours: CPU a message %.0f ns on the source's lane, %.0f ns on the sink's\n",
            (double)stream.source_cpu_ns / (double)stream.messages,
            (double)stream.sink_cpu_ns / (double)stream.messages);
    return (struct cost){
        .per_second = (double)stream.messages * 1e9 / (double)(stream.ended_ns - stream.began_ns),
        .cpu_ns = (double)(stream.source_cpu_ns + stream.sink_cpu_ns) / (double)stream.messages,
    };
}

double ours_cross_lane(const struct load *load) {
    return run_stream(load, 2, 0).per_second;
}

double ours_same_lane(const struct load *load) {
    return run_stream(load, 1, 0).per_second;
}

double ours_traced_cpu(const struct load *load) {
    return run_stream(load, 2, 0).cpu_ns;
}

double ours_untraced_cpu(const struct load *load) {
    return run_stream(load, 2, -1).cpu_ns;
}

/* --- round trips
 * ---------------------------------------------------------------------------------------- */

struct echo {
    char unused;
};
#define ECHO_ACCEPTS(X) X(struct echo, LogEntry, log_entry, on_echo)
ACTOR_HANDLERS(echo_handlers, ECHO_ACCEPTS);

static enum status on_echo(struct echo *self, const LogEntry *message, struct turn *turn) {
    (void)self;
    turn_reply(turn, &message->base);
    return STATUS_OK;
}

/* options: &the core of its lane, or NULL. */
static enum status echo_open(void *actor, const void *options, struct turn *turn) {
    (void)actor;
    (void)turn;
    if (options) measure_pin(*(const int *)options);
    return STATUS_OK;
}

static const struct actor_type echo_type = {
    .kind = "echo", .size = sizeof(struct echo), .handlers = echo_handlers, .open = echo_open};

struct trips {
    const char *address; /* of the echo's process; NULL: this one */
    uint64_t *ns;        /* owned by the round */
    uint64_t count, wanted;
    sem_t over;
};

struct caller {
    struct trips *trips;
    actor_handle echo;
    uint64_t sent_ns;
};

static void call_again(struct caller *self, struct turn *turn);

static void
on_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)context;
    struct caller *self = actor;
    assert(outcome->status == STATUS_OK);
    struct trips *trips = self->trips;
    trips->ns[trips->count++] = measure_now_ns() - self->sent_ns;
    if (trips->count == trips->wanted)
        sem_post(&trips->over);
    else
        call_again(self, turn);
}

static void call_again(struct caller *self, struct turn *turn) {
    LogEntry entry = LOG_ENTRY__INIT;
    entry.data.data = payload;
    entry.data.len = sizeof payload;
    self->sent_ns = measure_now_ns();
    turn_call(turn, &(struct call){.to = self->echo, .message = &entry.base, .done = on_answer});
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)context;
    struct caller *self = actor;
    assert(outcome->status == STATUS_OK);
    self->echo = outcome->handle;
    call_again(self, turn);
}

static enum status caller_open(void *actor, const void *options, struct turn *turn) {
    struct caller *self = actor;
    self->trips = (struct trips *)options;
    measure_pin(0);
    turn_lookup(
        turn, &(struct lookup){.address = self->trips->address, .name = "echo", .done = on_found});
    return STATUS_OK;
}

static const struct handler no_handlers[] = {{NULL, NULL}};
static const struct actor_type caller_type = {
    .kind = "caller", .size = sizeof(struct caller), .handlers = no_handlers, .open = caller_open};

static double run_trips(struct node *node, const struct load *load, const char *address) {
    struct trips trips = {.address = address, .wanted = load->messages};
    trips.ns = mem_zero(load->messages, sizeof *trips.ns);
    assert(trips.ns);
    sem_init(&trips.over, 0, 0);
    spawn(node, &caller_type, "caller", &trips, 1);
    sem_wait(&trips.over);
    node_close(node);
    sem_destroy(&trips.over);
    double p50 = measure_p50_us(trips.ns, load->messages);
    mem_free(trips.ns);
    return p50;
}

double ours_rtt(const struct load *load) {
    static const int second = 1;
    struct node *node = open_node(NULL, load->spin, 0);
    spawn(node, &echo_type, "echo", &second, 2);
    return run_trips(node, load, NULL);
}

double ours_remote_rtt(const struct load *load) {
    struct server server;
    measure_start(&server, "ours", load->address);
    double p50 = run_trips(open_node(NULL, false, 0), load, server.address);
    measure_end(&server);
    return p50;
}

void ours_serve(const char *address) {
    char byte;
    struct node *node = open_node(address, false, 0);
    spawn(node, &echo_type, "echo", NULL, 1);
    printf("%s\n", node_link(node));
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    node_close(node);
}
