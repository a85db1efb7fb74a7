/* A node as a guest in a program that has a ZeroMQ context of its own, and messages whose types the
 * runtime does not know. */
#include <criterion/criterion.h>
#include <string.h>
#include <zmq.h>

#include "runtime/codec.h"
#include "runtime/frame.h"
#include "runtime/handle.h"
#include "runtime/log.h"
#include "runtime/node.h"
#include "runtime/raw.h"
#include "runtime/registry.h"
#include "schemas/log.pb-c.h"
#include "schemas/runtime.pb-c.h"
#include "schemas/sys.pb-c.h"

enum { CALL_MS = 5000, WORD_OP = 12345 };

/* Answers whatever comes by the same bytes under the next op; refuses empty ones. */
static enum status on_any(void *self, const void *message, struct turn *turn) {
    (void)self;
    const struct raw *asked = raw_of(message);
    cr_assert_not_null(asked);
    if (asked->size == 0) return turn_fail(turn, STATUS_INVALID, "nothing was said");
    struct raw answer;
    raw_init(&answer, asked->op + 1, asked->body, asked->size);
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

static enum status on_drop(void *self, const void *message, struct turn *turn) {
    (void)self;
    turn_reply(turn, message);
    return STATUS_OK;
}

static const struct handler parrot_handlers[] = {
    {&raw__descriptor, on_any},
    {&log_drop__descriptor, on_drop},
    {NULL, NULL},
};
static const struct actor_type parrot_type = {
    .kind = "parrot", .size = 1, .handlers = parrot_handlers};

static struct node *open_guest(void *context, const char *name) {
    struct node *node = NULL;
    struct node_options options = {.name = name, .compute_lanes = 1, .zmq_context = context};
    enum status s = node_open(&options, &node);
    cr_assert_eq(s, STATUS_OK, "%s", node_error());
    actor_handle handle = 0;
    s = node_spawn(node, &(struct spawn){.type = &parrot_type, .name = "parrot"}, &handle);
    cr_assert_eq(s, STATUS_OK, "%s", node_error());
    return node;
}

static enum status ask(struct node *node,
                       const ProtobufCMessage *message,
                       const ProtobufCMessageDescriptor *wanted,
                       ProtobufCMessage **reply) {
    return node_call(
        node,
        &(struct node_call){
            .name = "parrot", .message = message, .timeout_ms = CALL_MS, .reply = wanted},
        reply);
}

Test(guests, leave_a_foreign_context_as_it_was) {
    void *context = zmq_ctx_new();
    int sockets = zmq_ctx_get(context, ZMQ_MAX_SOCKETS);
    for (int life = 0; life < 3; life++) /* of one name: its endpoints are free again at once */
        node_close(open_guest(context, "guest"));
    cr_assert_eq(zmq_ctx_get(context, ZMQ_MAX_SOCKETS), sockets);
    void *own = zmq_socket(context, ZMQ_PAIR);
    cr_assert_not_null(own, "the context is still there");
    zmq_close(own);
    zmq_ctx_term(context); /* hangs if a socket of a guest is left */
}

Test(guests, share_a_context) {
    void *context = zmq_ctx_new();
    struct node *first = open_guest(context, "first"), *second = open_guest(context, "second");
    cr_assert_eq(node_zmq_context(first), context);
    struct raw word;
    raw_init(&word, WORD_OP, "\x81\x01\x02", 3);
    ProtobufCMessage *reply = NULL;
    cr_assert_eq(ask(first, &word.base, &raw__descriptor, &reply), STATUS_OK);
    node_reply_free(reply);
    cr_assert_eq(ask(second, &word.base, &raw__descriptor, &reply), STATUS_OK);
    node_reply_free(reply);

    struct node *third = NULL;
    struct node_options same = {.name = "first", .compute_lanes = 1, .zmq_context = context};
    enum status s = node_open(&same, &third);
    actor_handle handle = 0;
    struct spawn spawn = {.type = &parrot_type, .name = "parrot"};
    if (s == STATUS_OK) s = node_spawn(third, &spawn, &handle);
    cr_assert_eq(s, STATUS_INVALID, "a name is one node's");
    cr_assert(strstr(node_error(), "another node of this name"), "%s", node_error());
    node_close(third);
    node_close(second);
    node_close(first);
    zmq_ctx_term(context);
}

Test(raw, bodies_go_and_come_back_undecoded) {
    struct node *node = open_guest(NULL, "guest");
    struct raw word;
    raw_init(&word, WORD_OP, "no msgpack at all", 17);
    ProtobufCMessage *reply = NULL;
    cr_assert_eq(ask(node, &word.base, &raw__descriptor, &reply), STATUS_OK);
    const struct raw *answer = raw_of(reply);
    cr_assert_eq(answer->op, WORD_OP + 1);
    cr_assert_eq(answer->size, 17);
    cr_assert_arr_eq(answer->body, word.body, 17);
    node_reply_free(reply);
    cr_assert_eq(ask(node, &word.base, NULL, &reply), STATUS_CORRUPT, "nobody knows that type");
    raw_init(&word, WORD_OP, NULL, 0);
    cr_assert_eq(ask(node, &word.base, &raw__descriptor, &reply), STATUS_INVALID,
                 "a failure is one, however the answer is wanted");
    static char large[CODEC_MESSAGE_MAX + 1];
    raw_init(&word, WORD_OP, large, sizeof large);
    cr_assert_eq(ask(node, &word.base, &raw__descriptor, &reply), STATUS_TOO_LARGE);
    node_close(node);
}

Test(raw, rows_of_a_table_come_first) {
    struct node *node = open_guest(NULL, "guest");
    LogDrop drop = LOG_DROP__INIT;
    drop.store = 7;
    ProtobufCMessage *reply = NULL;
    cr_assert_eq(ask(node, &drop.base, NULL, &reply), STATUS_OK);
    cr_assert_eq(((LogDrop *)reply)->store, 7);
    node_reply_free(reply);
    cr_assert_eq(ask(node, &drop.base, &raw__descriptor, &reply), STATUS_OK);
    cr_assert_eq(raw_of(reply)->op, codec_op(&log_drop__descriptor));
    node_reply_free(reply);
    node_close(node);
}

/* As a program's own generated code has it: the same message behind another descriptor. */
static ProtobufCMessageDescriptor own;

static void init_own(ProtobufCMessage *message) {
    log_drop__init((LogDrop *)message);
    message->descriptor = &own;
}

Test(raw, answers_are_read_as_the_type_asked_for) {
    struct node *node = open_guest(NULL, "guest");
    own = log_drop__descriptor;
    own.message_init = init_own;
    LogDrop drop;
    init_own(&drop.base);
    drop.store = 8;
    ProtobufCMessage *reply = NULL;
    cr_assert_eq(ask(node, &drop.base, &own, &reply), STATUS_OK);
    cr_assert_eq(reply->descriptor, &own);
    cr_assert_eq(((LogDrop *)reply)->store, 8);
    node_reply_free(reply);
    node_close(node);
}

Test(raw, types_can_be_added) {
    own = log_drop__descriptor;
    ProtobufCMessageDescriptor twin = own, other = own, clash = own;
    own.name = "guest.Own";
    twin.name = "guest.Own";
    cr_assert_null(codec_find(codec_op(&own)));
    cr_assert_eq(codec_add(&own), STATUS_OK);
    cr_assert_eq(codec_add(&twin), STATUS_OK);
    cr_assert_eq(codec_find(codec_op(&own)), &own, "the first stays");
    size_t n = 0;
    while (codec_nth(n))
        n++;
    cr_assert_eq(codec_nth(n - 1), &own);
    cr_assert_null(codec_nth(CODEC_TYPES_MAX));
    /* Two names with one FNV-1a. */
    other.name = "costarring";
    clash.name = "liquid";
    cr_assert_eq(codec_op(&other), codec_op(&clash));
    cr_assert_eq(codec_add(&other), STATUS_OK);
    cr_assert_eq(codec_add(&clash), STATUS_EXISTS);
}

static void note(void *context, enum log_level level, const char *line) {
    (void)level;
    snprintf(context, 64, "%s", line);
}

Test(guests, take_the_log) {
    char line[64] = "";
    log_to(note, line);
    log_error("%d words", 2);
    cr_assert_str_eq(line, "2 words");
    log_to(NULL, NULL);
}

static void find_parrot(void *self, void *context, struct turn *turn) {
    (void)self;
    *(actor_handle *)context = turn_find(turn, "parrot");
}

/* Their slots are numbers of another process, and may be those of actors here. */
Test(registry, keeps_names_of_foreign_actors_apart) {
    struct registry registry;
    actor_handle ours = handle_make(0, 1, 1);
    char name[32];
    cr_assert_eq(registry_open(&registry), STATUS_OK);
    cr_assert_eq(registry_add(&registry, "router", ours), STATUS_OK);
    for (uint16_t peer = 1; peer <= 200; peer++) { /* grows meanwhile */
        snprintf(name, sizeof name, "ext/%u", peer);
        cr_assert_eq(registry_add(&registry, name, handle_make(peer, 1, 1)), STATUS_OK);
    }
    cr_assert(registry_name(&registry, 1, name, sizeof name));
    cr_assert_str_eq(name, "router");
    cr_assert_eq(registry_find(&registry, "ext/7"), handle_make(7, 1, 1));
    cr_assert_eq(registry_add(&registry, "ext/7", ours), STATUS_EXISTS);
    registry_remove(&registry, "router");
    registry_remove(&registry, "ext/7");
    cr_assert_eq(registry_find(&registry, "ext/7"), 0);
    cr_assert_not(registry_name(&registry, 1, name, sizeof name));
    registry_close(&registry);
}

static void send_frame(void *socket, const struct frame *frame) {
    unsigned char bytes[FRAME_SMALL_MAX];
    cr_assert_geq(zmq_send(socket, bytes, frame_write(frame, bytes), 0), 0);
}

static void await_frame(void *socket, enum frame_kind kind, struct frame *out) {
    unsigned char bytes[FRAME_SMALL_MAX];
    do {
        int size = zmq_recv(socket, bytes, sizeof bytes, 0);
        cr_assert_geq(size, 0, "nothing came");
        cr_assert_eq(frame_read(bytes, (size_t)size, out, NULL), STATUS_OK);
    } while (out->kind != kind);
}

/* A foreign program whose actor has the handle that the root has here. */
Test(guests, are_not_taken_for_foreign_actors) {
    struct node *node = NULL;
    struct node_options options = {.name = "host", .compute_lanes = 1, .link = "tcp://127.0.0.1:0"};
    cr_assert_eq(node_open(&options, &node), STATUS_OK, "%s", node_error());
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    int patience = CALL_MS, linger = 0;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    cr_assert_eq(zmq_connect(socket, node_link(node)), 0);
    struct frame got;
    send_frame(socket, &(struct frame){.kind = FRAME_HELLO, .text = "script", .incarnation = 5});
    await_frame(socket, FRAME_HELLO, &got);
    for (uint32_t slot = 0; slot < 8; slot++) {
        struct frame asked = {.kind = FRAME_REGISTER, .handle = handle_make(0, slot, 1)};
        snprintf(asked.text, sizeof asked.text, "ext/%u", slot);
        send_frame(socket, &asked);
        await_frame(socket, FRAME_REGISTERED, &got);
        cr_assert_eq(got.status, STATUS_OK);
        SysAskActor ask = SYS_ASK_ACTOR__INIT;
        ask.name = asked.text;
        cr_expect_eq(
            node_call(node, &(struct node_call){.name = "sys", .message = &ask.base}, NULL),
            STATUS_NOT_FOUND, "sys tells of an actor here as %s", asked.text);
        SysDo act = SYS_DO__INIT;
        act.actor = asked.text;
        act.action = (char *)"restart";
        cr_expect_neq(
            node_call(node, &(struct node_call){.name = "sys", .message = &act.base}, NULL),
            STATUS_OK);
        send_frame(socket, &(struct frame){.kind = FRAME_LOOKUP, .token = slot, .text = "ext/0"});
        await_frame(socket, FRAME_FOUND, &got);
        cr_expect_eq(got.status, STATUS_NOT_FOUND, "a name is for the actors of this process");
    }
    zmq_close(socket);
    zmq_ctx_term(context);
    node_close(node);
}

Test(guests, run_turns_for_plain_threads) {
    struct node *node = open_guest(NULL, "guest");
    actor_handle found = 0;
    node_run(node, find_parrot, &found);
    cr_assert_neq(found, 0);
    node_close(node);
}
