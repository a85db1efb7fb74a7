/* curve: what keys cost on a link: connecting up to the first answer, and a stream of small
 * messages. Two nodes in this process, each with a ZeroMQ context and threads of its own, over tcp.
 * The peer of the stream is plain libzmq, a message being two frames, without keys. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "bench/runtime/measure.h"
#include "runtime/assert.h"
#include "runtime/keyring.h"
#include "runtime/memory.h"
#include "runtime/node.h"
#include "schemas/log.pb-c.h"

enum {
    STREAM_WINDOW = WINDOW / 2,
    /* less than what the link may park for one actor */ STREAM_CREDIT = WINDOW / 8,
    STREAM_BURST = 64,
    STREAM_MAILBOX = 16384
};

/* --- two nodes --- */

struct keys {
    char public[KEY_TEXT + 1], secret[KEY_TEXT + 1];
};

static struct keyring *keyring_of(const char *name,
                                  const struct keys *keys,
                                  const char *other,
                                  const struct keys *others) {
    char own[256], allowed[128];
    struct keyring *keyring = NULL;
    struct buffer why;
    buffer_init(&why);
    snprintf(own, sizeof own, "name %s\npublic %s\nsecret %s\n", name, keys->public, keys->secret);
    snprintf(allowed, sizeof allowed, "%s %s\n", other, others->public);
    enum status s = keyring_read(own, allowed, &keyring, &why);
    assert(s == STATUS_OK);
    buffer_free(&why);
    return keyring;
}

static struct node *open_node(const char *name, const char *link, struct keyring *keyring) {
    struct node *node = NULL;
    enum status s = node_open(&(struct node_options){.name = name,
                                                     .io_lanes = 1,
                                                     .compute_lanes = 1,
                                                     .blocking = 1,
                                                     .link = link,
                                                     .keyring = keyring,
                                                     .insecure = true},
                              &node);
    if (s != STATUS_OK) fprintf(stderr, "%s\n", node_error());
    assert(s == STATUS_OK);
    return node;
}

struct both {
    struct keys near_keys, far_keys;
    bool curve;
    struct node *near, *far;
};

static void open_near(struct both *both) {
    struct keyring *keyring =
        both->curve ? keyring_of("near", &both->near_keys, "far", &both->far_keys) : NULL;
    both->near = open_node("near", NULL, keyring);
}

static void open_far(struct both *both, const char *link, bool curve) {
    int rc = zmq_curve_keypair(both->near_keys.public, both->near_keys.secret);
    if (rc == 0) rc = zmq_curve_keypair(both->far_keys.public, both->far_keys.secret);
    assert(rc == 0);
    both->curve = curve;
    struct keyring *keyring =
        curve ? keyring_of("far", &both->far_keys, "near", &both->near_keys) : NULL;
    both->far = open_node("far", link, keyring);
}

/* --- connecting: the first call to a new address --- */

static double connect_p50(uint64_t times, bool curve) {
    struct both both;
    open_far(&both, "tcp://0.0.0.0:*", curve);
    open_near(&both);
    uint64_t *ns = mem_zero(times, sizeof *ns);
    assert(ns && times < 250);
    for (uint64_t i = 0; i < times; i++) {
        LogDrop nothing = LOG_DROP__INIT;
        char words[128], address[128];
        /* Each address of this machine is another peer to the link. */
        snprintf(address, sizeof address, "tcp://%s127.0.0.%d%s", curve ? "far@" : "", (int)i + 1,
                 strrchr(node_link(both.far), ':'));
        /* An answer of any kind will do: sys does not know this message, and says so. */
        struct node_call call = {.address = address,
                                 .name = "sys",
                                 .message = &nothing.base,
                                 .text = words,
                                 .text_size = sizeof words};
        uint64_t began = measure_now_ns();
        enum status s = node_call(both.near, &call, NULL);
        ns[i] = measure_now_ns() - began;
        assert(s == STATUS_UNIMPLEMENTED);
    }
    node_close(both.near);
    node_close(both.far);
    double p50 = measure_us(ns, times, 50);
    mem_free(ns);
    return p50;
}

double curve_connect(const struct load *load) {
    return connect_p50(load->messages, true);
}

double plain_connect(const struct load *load) {
    return connect_p50(load->messages, false);
}

/* --- the same by libzmq alone: a DEALER a time, a ROUTER that sends back what comes --- */

struct echo {
    void *router;
    uint64_t times;
};

static void *echo_run(void *argument) {
    struct echo *echo = argument;
    for (uint64_t i = 0; i < 2 * echo->times; i++) { /* the id, the word */
        char part[64];
        int size = zmq_recv(echo->router, part, sizeof part, 0);
        assert(size >= 0);
        zmq_send(echo->router, part, (size_t)size, i % 2 == 0 ? ZMQ_SNDMORE : 0);
    }
    return NULL;
}

static void set_text(void *socket, int option, const char *text) {
    int rc = zmq_setsockopt(socket, option, text, strlen(text) + 1);
    assert(rc == 0);
}

static void *raw_socket(void *context, int type) {
    void *socket = zmq_socket(context, type);
    int none = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    return socket;
}

static uint64_t raw_answer_ns(void *context, const char *address, const struct keys *keys) {
    void *dealer = raw_socket(context, ZMQ_DEALER);
    uint64_t began = measure_now_ns();
    if (keys) {
        set_text(dealer, ZMQ_CURVE_SERVERKEY, keys[1].public);
        set_text(dealer, ZMQ_CURVE_PUBLICKEY, keys[0].public);
        set_text(dealer, ZMQ_CURVE_SECRETKEY, keys[0].secret);
    }
    char word[8];
    int rc = zmq_connect(dealer, address);
    if (rc == 0) rc = zmq_send(dealer, "word", 4, 0);
    if (rc >= 0) rc = zmq_recv(dealer, word, sizeof word, 0);
    assert(rc == 4);
    uint64_t took = measure_now_ns() - began;
    zmq_close(dealer);
    return took;
}

static double raw_connect_p50(uint64_t times, bool curve) {
    struct keys keys[2];
    for (int i = 0; i < 2; i++)
        zmq_curve_keypair(keys[i].public, keys[i].secret);
    void *far = zmq_ctx_new(), *near = zmq_ctx_new();
    struct echo echo = {raw_socket(far, ZMQ_ROUTER), times};
    if (curve) {
        zmq_setsockopt(echo.router, ZMQ_CURVE_SERVER, &(int){1}, sizeof(int));
        set_text(echo.router, ZMQ_CURVE_SECRETKEY, keys[1].secret);
    }
    char address[64];
    size_t size = sizeof address;
    int rc = zmq_bind(echo.router, "tcp://127.0.0.1:*");
    if (rc == 0) rc = zmq_getsockopt(echo.router, ZMQ_LAST_ENDPOINT, address, &size);
    pthread_t thread;
    if (rc == 0) rc = pthread_create(&thread, NULL, echo_run, &echo);
    uint64_t *ns = mem_zero(times, sizeof *ns);
    assert(rc == 0 && ns);
    for (uint64_t i = 0; i < times; i++)
        ns[i] = raw_answer_ns(near, address, curve ? keys : NULL);
    pthread_join(thread, NULL);
    zmq_close(echo.router);
    zmq_ctx_term(near);
    zmq_ctx_term(far);
    double p50 = measure_us(ns, times, 50);
    mem_free(ns);
    return p50;
}

double raw_curve_connect(const struct load *load) {
    return raw_connect_p50(load->messages, true);
}

double raw_plain_connect(const struct load *load) {
    return raw_connect_p50(load->messages, false);
}

/* --- a stream --- */

struct stream {
    const char *address;
    uint64_t messages, began_ns, ended_ns;
    sem_t over;
};

struct source {
    struct stream *stream;
    actor_handle sink;
    uint64_t sent, on_the_way;
    bool waits; /* for credit */
};

static void send_burst(void *actor, void *context, struct turn *turn) {
    struct source *self = actor;
    static uint8_t payload[BODY];
    LogEntry entry = LOG_ENTRY__INIT;
    entry.data.data = payload;
    entry.data.len = sizeof payload;
    uint64_t left = self->stream->messages - self->sent;
    for (int i = 0; i < STREAM_BURST && left > 0 && self->on_the_way < STREAM_WINDOW; i++, left--) {
        self->sent++;
        self->on_the_way++;
        turn_tell(turn, self->sink, &entry.base);
    }
    self->waits = self->on_the_way == STREAM_WINDOW;
    if (left > 0 && !self->waits) turn_later(turn, send_burst, context);
}

#define SOURCE_ACCEPTS(X) X(struct source, LogDrop, log_drop, on_credit)
ACTOR_HANDLERS(source_handlers, SOURCE_ACCEPTS);

static enum status on_credit(struct source *self, const LogDrop *credit, struct turn *turn) {
    self->on_the_way -= credit->store;
    if (self->waits) send_burst(self, NULL, turn);
    return STATUS_OK;
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct source *self = actor;
    assert(outcome->status == STATUS_OK);
    self->sink = outcome->handle;
    self->stream->began_ns = measure_now_ns();
    send_burst(self, context, turn);
}

static enum status source_open(void *actor, const void *options, struct turn *turn) {
    struct source *self = actor;
    self->stream = (struct stream *)options;
    turn_lookup(
        turn, &(struct lookup){.address = self->stream->address, .name = "sink", .done = on_found});
    return STATUS_OK;
}

struct sink {
    struct stream *stream;
    uint64_t received;
};

#define SINK_ACCEPTS(X) X(struct sink, LogEntry, log_entry, on_entry)
ACTOR_HANDLERS(sink_handlers, SINK_ACCEPTS);

static enum status on_entry(struct sink *self, const LogEntry *entry, struct turn *turn) {
    (void)entry;
    if (++self->received % STREAM_CREDIT == 0) {
        LogDrop credit = LOG_DROP__INIT;
        credit.store = STREAM_CREDIT;
        turn_tell(turn, turn_sender(turn), &credit.base);
    }
    if (self->received == self->stream->messages) {
        self->stream->ended_ns = measure_now_ns();
        sem_post(&self->stream->over);
    }
    return STATUS_OK;
}

static enum status sink_open(void *actor, const void *options, struct turn *turn) {
    (void)turn;
    *(struct sink *)actor = (struct sink){.stream = (struct stream *)options};
    return STATUS_OK;
}

static const struct actor_type source_type = {.kind = "source",
                                              .size = sizeof(struct source),
                                              .handlers = source_handlers,
                                              .open = source_open};
static const struct actor_type sink_type = {.kind = "sink",
                                            .size = sizeof(struct sink),
                                            .handlers = sink_handlers,
                                            .open = sink_open,
                                            .mailbox_messages = STREAM_MAILBOX};

static double stream_rate(uint64_t messages, bool curve) {
    struct both both;
    open_far(&both, "tcp://127.0.0.1:*", curve);
    open_near(&both);
    struct stream stream = {.messages = messages, .address = node_link(both.far)};
    sem_init(&stream.over, 0, 0);
    actor_handle handle;
    struct spawn sink = {.type = &sink_type, .name = "sink", .options = &stream};
    struct spawn source = {.type = &source_type, .name = "source", .options = &stream};
    enum status s = node_spawn(both.far, &sink, &handle);
    if (s == STATUS_OK) s = node_spawn(both.near, &source, &handle);
    assert(s == STATUS_OK);
    sem_wait(&stream.over);
    node_close(both.near);
    node_close(both.far);
    sem_destroy(&stream.over);
    return (double)messages * 1e9 / (double)(stream.ended_ns - stream.began_ns);
}

double curve_stream(const struct load *load) {
    return stream_rate(load->messages, true);
}

double plain_stream(const struct load *load) {
    return stream_rate(load->messages, false);
}
