/* Real lanes: threads, trunks, mailbox sockets, links between two nodes of this process. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "runtime/codec.h"
#include "runtime/envelope.h"
#include "runtime/node.h"
#include "runtime/parcel.h"
#include "schemas/log.pb-c.h"
#include "schemas/runtime.pb-c.h"
#include "schemas/sys.pb-c.h"

struct echo {
    char unused;
};

#define ECHO_ACCEPTS(X) X(struct echo, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(echo_handlers, ECHO_ACCEPTS);

static enum status on_drop(struct echo *self, const LogDrop *message, struct turn *turn) {
    (void)self;
    if (message->store == 0) return turn_fail(turn, STATUS_IO, "no store");
    turn_reply(turn, &message->base);
    return STATUS_OK;
}

static const struct actor_type echo_type = {
    .kind = "echo", .size = sizeof(struct echo), .handlers = echo_handlers, .lane = LANE_COMPUTE};

static struct node *open_node(const char *name, const char *link) {
    struct node *node = NULL;
    enum status s =
        node_open(&(struct node_options){.name = name, .link = link, .compute_lanes = 2}, &node);
    cr_assert_eq(s, STATUS_OK, "%s", node_error());
    return node;
}

static void spawn_echo(struct node *node, const char *name) {
    actor_handle handle = 0;
    enum status s = node_spawn(node, &(struct spawn){.type = &echo_type, .name = name}, &handle);
    cr_assert_eq(s, STATUS_OK, "%s", node_error());
}

static enum status
drop(struct node *node, const char *address, const char *name, uint64_t store, uint64_t *answered) {
    LogDrop message = LOG_DROP__INIT;
    message.store = store;
    ProtobufCMessage *reply = NULL;
    enum status s = node_call(
        node,
        &(struct node_call){
            .address = address, .name = name, .message = &message.base, .timeout_ms = 5000},
        &reply);
    if (s == STATUS_OK && answered) *answered = ((LogDrop *)reply)->store;
    node_reply_free(reply);
    return s;
}

Test(lanes, open_and_close) {
    node_close(open_node("n", NULL));
}

Test(lanes, answer_calls_from_outside) {
    struct node *node = open_node("n", NULL);
    spawn_echo(node, "echo");
    for (uint64_t i = 1; i < 100; i++) {
        uint64_t store = 0;
        cr_assert_eq(drop(node, NULL, "echo", i, &store), STATUS_OK);
        cr_assert_eq(store, i);
    }
    cr_assert_eq(drop(node, NULL, "echo", 0, NULL), STATUS_IO);
    cr_assert_eq(drop(node, NULL, "nobody", 1, NULL), STATUS_NOT_FOUND);
    node_close(node);
}

Test(lanes, answer_calls_from_another_node) {
    struct node *server = open_node("server", "tcp://127.0.0.1:0");
    struct node *client = open_node("client", NULL);
    spawn_echo(server, "echo");
    uint64_t store = 0;
    cr_assert_eq(drop(client, node_link(server), "echo", 7, &store), STATUS_OK);
    cr_assert_eq(store, 7);
    cr_assert_eq(drop(client, node_link(server), "echo", 0, NULL), STATUS_IO);
    cr_assert_eq(drop(client, node_link(server), "nobody", 7, NULL), STATUS_NOT_FOUND);
    node_close(client);
    node_close(server);
}

Test(lanes, report_through_sys) {
    struct node *node = open_node("n", NULL);
    spawn_echo(node, "echo");
    SysAsk ask = SYS_ASK__INIT;
    ask.actors = 1;
    ProtobufCMessage *reply = NULL;
    cr_assert_eq(node_call(node, &(struct node_call){.name = "sys", .message = &ask.base}, &reply),
                 STATUS_OK);
    const SysReport *report = (const SysReport *)reply;
    cr_assert_eq(report->n_lanes, 3);
    bool seen = false;
    for (size_t i = 0; i < report->n_actors; i++)
        seen |= strcmp(report->actors[i]->name, "echo") == 0 &&
                strcmp(report->actors[i]->endpoint, "inproc://n/echo#1") == 0;
    cr_assert(seen);
    node_reply_free(reply);
    node_close(node);
}

/* --- failures ------------------------------------------------------------------------------------
 */

static enum status refuse_open(void *self, const void *options, struct turn *turn) {
    (void)self, (void)options;
    return turn_fail(turn, STATUS_DISK_FULL, "no room for it");
}
static const struct handler none[] = {{NULL, NULL}};
static const struct actor_type refusing_type = {
    .kind = "refusing", .size = 1, .handlers = none, .open = refuse_open};

static enum status break_soon(void *self, const void *options, struct turn *turn);
static const struct actor_type breaking_type = {
    .kind = "breaking", .size = 1, .handlers = none, .open = break_soon};

static void break_now(void *self, void *context, struct turn *turn) {
    (void)self, (void)context;
    turn_exit(turn, STATUS_IO, "broken");
}
static enum status break_soon(void *self, const void *options, struct turn *turn) {
    (void)self, (void)options;
    turn_timer(turn, 1000, break_now, NULL);
    return STATUS_OK;
}

/* --- turns that take long ----------------------------------------------------------------------
 */

enum { RIVAL_US = 500 * 1000, SLEEP_NS = 500 * 1000 * 1000 };

struct slow {
    char unused;
};

static atomic_bool rival_over;

/* Has the core for half a second. */
static void *rival(void *context) {
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000 + (now.tv_nsec - begin.tv_nsec) / 1000 < RIVAL_US);
    atomic_store(&rival_over, true);
    return context;
}

/* 1: sleeps, which is its own fault; 2: is ready, but another thread has its core, and it is of the
 * class that gets one when nobody else wants it. */
static enum status on_slow(struct slow *self, const LogDrop *message, struct turn *turn) {
    (void)self;
    if (message->store == 1) {
        struct timespec left = {.tv_nsec = SLEEP_NS};
        while (nanosleep(&left, &left) != 0) /* the watchdog asks the thread where it is */
            continue;
    } else {
        pthread_t thread;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(sched_getcpu(), &one);
        cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
        cr_assert_eq(pthread_create(&thread, NULL, rival, NULL), 0);
        cr_assert_eq(sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}), 0);
        while (!atomic_load(&rival_over))
            continue;
        pthread_join(thread, NULL);
    }
    turn_reply(turn, &message->base);
    return STATUS_OK;
}

#define SLOW_ACCEPTS(X) X(struct slow, LogDrop, log_drop, on_slow)
ACTOR_HANDLERS(slow_handlers, SLOW_ACCEPTS);
static const struct actor_type slow_type = {
    .kind = "slow", .size = sizeof(struct slow), .handlers = slow_handlers, .lane = LANE_COMPUTE};

/* Whether a lane stalled while the slow actor did this. */
static bool stalls(uint64_t what) {
    struct node *node = open_node("n", NULL);
    actor_handle handle = 0;
    cr_assert_eq(node_spawn(node, &(struct spawn){.type = &slow_type, .name = "slow"}, &handle),
                 STATUS_OK);
    LogDrop message = LOG_DROP__INIT;
    message.store = what;
    ProtobufCMessage *reply = NULL;
    cr_assert_eq(node_call(node,
                           &(struct node_call){
                               .name = "slow", .message = &message.base, .timeout_ms = 60000},
                           &reply),
                 STATUS_OK);
    node_reply_free(reply);
    SysAsk ask = SYS_ASK__INIT;
    cr_assert_eq(node_call(node, &(struct node_call){.name = "sys", .message = &ask.base}, &reply),
                 STATUS_OK);
    const SysReport *report = (const SysReport *)reply;
    bool stalled = false;
    for (size_t i = 0; i < report->n_alarms; i++)
        stalled |= strcmp(report->alarms[i]->name, "stalled_lane") == 0;
    node_reply_free(reply);
    node_close(node);
    return stalled;
}

Test(lanes, stall_by_what_their_turns_do) {
    cr_expect(stalls(1));
}

Test(lanes, that_have_no_core_do_not_stall) {
    cr_expect_not(stalls(2));
}

Test(lanes, say_why_they_cannot) {
    struct node *node = open_node("n", "tcp://127.0.0.1:*");
    struct node *second = NULL;
    actor_handle handle = 0;
    cr_assert_eq(node_spawn(node, &(struct spawn){.type = &refusing_type}, &handle),
                 STATUS_DISK_FULL);
    cr_assert_str_eq(node_error(), "no room for it");
    spawn_echo(node, "echo");
    cr_assert_eq(node_spawn(node, &(struct spawn){.type = &echo_type, .name = "echo"}, &handle),
                 STATUS_EXISTS);
    struct node_options taken = {.name = "m", .link = node_link(node)};
    cr_assert_neq(node_open(&taken, &second), STATUS_OK);
    cr_assert(strlen(node_error()) > 0);
    cr_assert_not(node_failed(node));
    node_close(node);
}

/* A top-level actor that fails for good ends node_wait. */
Test(lanes, tell_when_a_top_level_actor_fails_for_good) {
    struct node *node = open_node("n", NULL);
    actor_handle handle = 0;
    cr_assert_eq(node_spawn(node, &(struct spawn){.type = &breaking_type}, &handle), STATUS_OK);
    node_wait(node);
    cr_assert(node_failed(node));
    node_close(node);
}

Test(lanes, notice_that_a_peer_went_away) {
    struct node *server = open_node("server", "ipc:///tmp/vectron-test-lanes/server");
    struct node *client = open_node("client", NULL);
    char address[128];
    snprintf(address, sizeof address, "%s", node_link(server));
    spawn_echo(server, "echo");
    cr_assert_eq(drop(client, address, "echo", 7, NULL), STATUS_OK);
    node_close(server);
    cr_assert_eq(drop(client, address, "echo", 7, NULL), STATUS_LOST_PEER);
    server = open_node("server", address);
    spawn_echo(server, "echo");
    cr_assert_eq(drop(client, address, "echo", 7, NULL), STATUS_OK);
    node_close(client);
    node_close(server);
}

/* --- doors ---------------------------------------------------------------------------------------
 */

/* One call as a program with only ZeroMQ and msgpack makes it. */
static void send_call(void *socket, uint64_t store, uint64_t correlation) {
    unsigned char text[ENVELOPE_SIZE_MAX];
    LogDrop message = LOG_DROP__INIT;
    struct buffer body;
    message.store = store;
    buffer_init(&body);
    cr_assert_eq(codec_encode(&message.base, &body), STATUS_OK);
    struct envelope envelope = {.kind = PARCEL_CALL,
                                .band = BAND_DATA,
                                .op = codec_op(&log_drop__descriptor),
                                .correlation = correlation,
                                .deadline_us = NO_DEADLINE};
    size_t size = envelope_encode(&envelope, 0, text);
    zmq_send(socket, text, size, ZMQ_SNDMORE);
    zmq_send(socket, body.data, body.size, 0);
    buffer_free(&body);
}

static uint32_t receive_op(void *socket, uint64_t correlation) {
    unsigned char text[256], body[256];
    int size = zmq_recv(socket, text, sizeof text, 0);
    cr_assert(size > 0, "%s", zmq_strerror(errno));
    cr_assert(zmq_recv(socket, body, sizeof body, 0) >= 0);
    struct pack_cursor cursor = {text, text + size};
    struct envelope envelope;
    cr_assert_eq(envelope_decode(&cursor, 0, &envelope, NULL), STATUS_OK);
    cr_assert_eq(envelope.correlation, correlation);
    cr_assert_eq(envelope.kind, PARCEL_REPLY);
    return envelope.op;
}

static void *open_dealer(struct node *node, const char *endpoint) {
    void *socket = zmq_socket(node_zmq_context(node), ZMQ_DEALER);
    int linger = 0, timeout = 5000;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
    cr_assert_eq(zmq_connect(socket, endpoint), 0);
    return socket;
}

Test(lanes, let_foreign_sockets_call_actors) {
    struct node *node = open_node("n", NULL);
    spawn_echo(node, "echo");
    void *first = open_dealer(node, "inproc://n/echo#1");
    void *second = open_dealer(node, "inproc://n/echo#1");
    for (uint64_t i = 1; i <= 500; i++) {
        send_call(first, i, i);
        send_call(second, i % 2, i);
    }
    for (uint64_t i = 1; i <= 500; i++) {
        cr_assert_eq(receive_op(first, i), codec_op(&log_drop__descriptor));
        cr_assert_eq(receive_op(second, i),
                     codec_op(i % 2 ? &log_drop__descriptor : &failed__descriptor));
    }
    /* Garbage is dropped, and the door stays open. */
    zmq_send(first, "x", 1, 0);
    zmq_send(first, "", 0, ZMQ_SNDMORE);
    zmq_send(first, "xyz", 3, 0);
    for (int i = 0; i < 9; i++)
        zmq_send(first, "more", 4, ZMQ_SNDMORE);
    zmq_send(first, "end", 3, 0);
    send_call(first, 5, 77);
    cr_assert_eq(receive_op(first, 77), codec_op(&log_drop__descriptor));
    zmq_close(first);
    zmq_close(second);
    node_close(node);
}

/* --- descriptors and blocking work ---------------------------------------------------------------
 */

struct piper {
    int in, out;
    int read;
};
static _Atomic int pipe_read, worked;

static void on_pipe(void *actor, void *context, uint32_t events, struct turn *turn) {
    (void)context;
    struct piper *self = actor;
    char byte;
    cr_assert(events & EPOLLIN);
    if (read(self->in, &byte, 1) != 1) return;
    atomic_store(&pipe_read, ++self->read);
    if (self->read == 3) turn_unwatch(turn, self->in);
    cr_assert_eq(write(self->out, "x", 1), 1);
}

static enum status work(void *context) {
    (void)context;
    atomic_fetch_add(&worked, 1);
    return STATUS_OK;
}

static enum status piper_open(void *actor, const void *options, struct turn *turn) {
    (void)options;
    struct piper *self = actor;
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    self->in = ends[0];
    self->out = ends[1];
    cr_assert_eq(turn_watch(turn, self->in, EPOLLIN, on_pipe, NULL), STATUS_OK);
    cr_assert_eq(turn_watch(turn, -1 + 1000, EPOLLIN, on_pipe, NULL), STATUS_INVALID);
    cr_assert_eq(write(self->out, "x", 1), 1);
    for (int i = 0; i < 100; i++)
        turn_block(turn, &(struct block){.work = work});
    return STATUS_OK;
}
static void piper_close(void *actor) {
    struct piper *self = actor;
    close(self->in);
    close(self->out);
}
static const struct actor_type piper_type = {.kind = "piper",
                                             .size = sizeof(struct piper),
                                             .handlers = none,
                                             .open = piper_open,
                                             .close = piper_close};

Test(lanes, watch_descriptors_and_run_blocking_work) {
    struct node *node = open_node("n", NULL);
    actor_handle handle = 0;
    cr_assert_eq(node_spawn(node, &(struct spawn){.type = &piper_type}, &handle), STATUS_OK);
    for (int i = 0; i < 1000 && (pipe_read < 3 || worked < 100); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    cr_assert_eq(pipe_read, 3); /* unwatched, although a byte is there */
    cr_assert_eq(worked, 100);
    node_close(node);
}

/* A process that opens and closes nodes for ever ran out of pools. */
Test(lanes, pools_are_given_back_and_taken_over) {
    for (int i = 0; i < 2 * PARCEL_POOLS_MAX; i++) {
        struct parcel_pool *pool = parcel_pool_new();
        cr_assert_not_null(pool, "pool %d", i);
        parcel_pool_enter(pool);
        struct parcel *kept = parcel_new(10), *gone = parcel_new(1000);
        parcel_free(gone);
        parcel_pool_settle(pool);
        parcel_pool_enter(NULL);
        parcel_pool_free(pool);
        parcel_free(kept); /* home is somebody's, or nobody's yet */
    }
}
