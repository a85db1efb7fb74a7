/* stream: one way: a source sends to one sink or to many in turn; they give credit back. Through
 * the doors that every actor uses: turn_tell with encoding, bounded mailboxes, counters, histograms
 * and spans on. */
#include <semaphore.h>
#include <stdio.h>

#include "bench/runtime/ours.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/raw.h"
#include "schemas/log.pb-c.h"

enum {
    CREDIT = WINDOW / 8,
    BURST = 64,
    MAILBOX = 4096,
    WINDOW_REMOTE = WINDOW / 2, /* less than what the link may park for one actor */
};

static uint8_t payload[BODY];

/* What both sides read. */
struct stream {
    actor_handle *sinks;
    uint32_t n_sinks;
    int sink_core;
    uint64_t messages;
    uint64_t window;     /* messages on their way at most */
    const char *address; /* of the sink's process; NULL: this one */
    const ProtobufCMessage *message;
    uint64_t began_ns;
    uint64_t source_cpu_ns; /* of its lane; for stderr */
    uint64_t made;          /* allocations of the process, from the first message to the last */
    sem_t over;
    _Alignas(64) uint64_t received; /* the sinks' side, all on one lane */
    uint64_t ended_ns;
    uint64_t sink_cpu_ns;
};

struct source {
    struct stream *stream;
    uint64_t sent, on_the_way;
    uint32_t next;
    bool sleeping;
};
struct sink {
    struct stream *stream;
    uint64_t received; /* in a server */
};

static void finish(struct stream *stream) {
    stream->ended_ns = measure_now_ns();
    stream->made = mem_counted().made - stream->made;
    sem_post(&stream->over);
}

static void send_burst(void *actor, void *context, struct turn *turn) {
    struct source *self = actor;
    struct stream *stream = self->stream;
    for (int i = 0; i < BURST && self->on_the_way < stream->window && self->sent < stream->messages;
         i++) {
        self->sent++;
        self->on_the_way++;
        turn_tell(turn, stream->sinks[self->next], stream->message);
        if (++self->next == stream->n_sinks) self->next = 0;
        if (self->sent == stream->messages)
            stream->source_cpu_ns = measure_cpu_ns() - stream->source_cpu_ns;
    }
    self->sleeping = self->on_the_way >= stream->window;
    if (!self->sleeping && self->sent < stream->messages) turn_later(turn, send_burst, context);
}

static void begin(struct source *self, struct turn *turn) {
    self->stream->made = mem_counted().made;
    self->stream->began_ns = measure_now_ns();
    self->stream->source_cpu_ns = measure_cpu_ns();
    send_burst(self, NULL, turn);
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)context;
    struct source *self = actor;
    assert(outcome->status == STATUS_OK);
    self->stream->sinks[0] = outcome->handle;
    begin(self, turn);
}

/* LogDrop: credit, or the start. */
#define SOURCE_ACCEPTS(X) X(struct source, LogDrop, log_drop, on_credit)
ACTOR_HANDLERS(source_handlers, SOURCE_ACCEPTS);

static enum status on_credit(struct source *self, const LogDrop *message, struct turn *turn) {
    struct stream *stream = self->stream;
    self->on_the_way -= message->store;
    if (stream->address && self->sent == stream->messages && self->on_the_way == 0) finish(stream);
    if (message->store == 0 && stream->address)
        turn_lookup(turn,
                    &(struct lookup){.address = stream->address, .name = "sink", .done = on_found});
    else if (message->store == 0)
        begin(self, turn);
    else if (self->sleeping)
        send_burst(self, NULL, turn);
    return STATUS_OK;
}

static enum status source_open(void *actor, const void *options, struct turn *turn) {
    (void)turn;
    *(struct source *)actor = (struct source){.stream = (struct stream *)options};
    measure_pin(0);
    return STATUS_OK;
}

static const struct actor_type source_type = {.kind = "source",
                                              .size = sizeof(struct source),
                                              .handlers = source_handlers,
                                              .open = source_open,
                                              .mailbox_messages = MAILBOX};

#define SINK_ACCEPTS(X) X(struct sink, LogEntry, log_entry, on_entry)
ACTOR_HANDLERS(sink_handlers, SINK_ACCEPTS);

static enum status on_entry(struct sink *self, const LogEntry *message, struct turn *turn) {
    struct stream *stream = self->stream;
    (void)message;
    uint64_t *received = stream ? &stream->received : &self->received;
    if (*received == 0 && stream) stream->sink_cpu_ns = measure_cpu_ns();
    if (++*received % CREDIT == 0) {
        LogDrop credit = LOG_DROP__INIT;
        credit.store = CREDIT;
        turn_tell(turn, turn_sender(turn), &credit.base);
    }
    if (stream && *received == stream->messages) {
        stream->sink_cpu_ns = measure_cpu_ns() - stream->sink_cpu_ns;
        finish(stream);
    }
    return STATUS_OK;
}

static enum status sink_open(void *actor, const void *options, struct turn *turn) {
    (void)turn;
    *(struct sink *)actor = (struct sink){.stream = (struct stream *)options};
    if (options) measure_pin(((const struct stream *)options)->sink_core);
    return STATUS_OK;
}

const struct actor_type ours_sink_type = {.kind = "sink",
                                          .size = sizeof(struct sink),
                                          .handlers = sink_handlers,
                                          .open = sink_open,
                                          .light = true,
                                          .mailbox_messages = MAILBOX};

struct cost {
    double per_second;
    double cpu_ns; /* a message, of both lanes */
};

static void spawn_sinks(struct node *node, struct stream *stream, int lane) {
    stream->sinks = mem_zero(stream->n_sinks, sizeof *stream->sinks);
    assert(stream->sinks);
    for (uint32_t i = 0; i < stream->n_sinks && !stream->address; i++)
        stream->sinks[i] = ours_spawn(node, &ours_sink_type, NULL, stream, lane);
}

static struct cost run(struct stream *stream, int lane, int32_t ring) {
    LogEntry entry = LOG_ENTRY__INIT;
    entry.data.data = payload;
    entry.data.len = sizeof payload;
    if (!stream->message) stream->message = &entry.base;
    if (stream->n_sinks == 0) stream->n_sinks = 1;
    if (lane == 0) lane = 2;
    stream->sink_core = lane - 1;
    stream->window = stream->address ? WINDOW_REMOTE : WINDOW;
    struct node *node = ours_open(&(struct ours){.ring = ring});
    sem_init(&stream->over, 0, 0);
    spawn_sinks(node, stream, lane);
    ours_spawn(node, &source_type, "source", stream, 1);
    LogDrop start = LOG_DROP__INIT;
    enum status s =
        node_call(node, &(struct node_call){.name = "source", .message = &start.base}, NULL);
    assert(s == STATUS_OK);
    sem_wait(&stream->over);
    node_close(node);
    sem_destroy(&stream->over);
    mem_free(stream->sinks);
    double n = (double)stream->messages;
    fprintf(stderr, "ours: CPU a message %.0f ns on the source's lane, %.0f ns on the sink's\n",
            (double)stream->source_cpu_ns / n, (double)stream->sink_cpu_ns / n);
    return (struct cost){
        .per_second = n * 1e9 / (double)(stream->ended_ns - stream->began_ns),
        .cpu_ns = (double)(stream->source_cpu_ns + stream->sink_cpu_ns) / n,
    };
}

double ours_throughput(const struct load *load) {
    struct stream stream = {.messages = load->messages, .n_sinks = load->actors};
    return run(&stream, load->lane, 0).per_second;
}

double ours_throughput_one(const struct load *load) {
    struct stream stream = {.messages = load->messages};
    return run(&stream, load->lane, 0).per_second;
}

double ours_throughput_encoded(const struct load *load) {
    LogEntry entry = LOG_ENTRY__INIT;
    struct buffer body;
    struct raw raw;
    entry.data.data = payload;
    entry.data.len = sizeof payload;
    buffer_init(&body);
    enum status s = codec_encode(&entry.base, &body);
    assert(s == STATUS_OK);
    raw_init(&raw, codec_op(entry.base.descriptor), body.data, body.size);
    struct stream stream = {.messages = load->messages, .message = &raw.base};
    double result = run(&stream, load->lane, 0).per_second;
    buffer_free(&body);
    return result;
}

double ours_traced_cpu(const struct load *load) {
    struct stream stream = {.messages = load->messages};
    return run(&stream, 0, 0).cpu_ns;
}

double ours_untraced_cpu(const struct load *load) {
    struct stream stream = {.messages = load->messages};
    return run(&stream, 0, -1).cpu_ns;
}

static double frugality(const struct load *load, int32_t ring) {
    struct stream stream = {.messages = load->messages};
    run(&stream, 0, ring);
    return (double)stream.messages / (double)(stream.made ? stream.made : 1);
}

double ours_traced_frugality(const struct load *load) {
    return frugality(load, 0);
}

double ours_untraced_frugality(const struct load *load) {
    return frugality(load, -1);
}

double ours_remote_throughput(const struct load *load) {
    struct server server;
    measure_start(&server, "ours", load->address);
    struct stream stream = {.messages = load->messages / CREDIT * CREDIT,
                            .address = server.address};
    double result = run(&stream, 1, 0).per_second;
    measure_end(&server);
    return result;
}
