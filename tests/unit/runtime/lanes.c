/* Real lanes: threads, trunks, mailbox sockets, links between two nodes of this process. */
#include <criterion/criterion.h>

#include "runtime/node.h"
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
