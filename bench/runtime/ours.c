/* ours: what the cases share. */
#include "bench/runtime/ours.h"

#include <stdio.h>
#include <unistd.h>

#include "runtime/assert.h"
#include "schemas/log.pb-c.h"

struct node *ours_open(const struct ours *ours) {
    struct node *node = NULL;
    enum status s = node_open(&(struct node_options){.name = "bench",
                                                     .io_lanes = OURS_LANES,
                                                     .compute_lanes = 1,
                                                     .blocking = 1,
                                                     .link = ours->link,
                                                     .spin = ours->spin,
                                                     .ring = ours->ring,
                                                     .seed = 1},
                              &node);
    assert(s == STATUS_OK);
    return node;
}

actor_handle ours_spawn(struct node *node,
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

static enum status echo_open(void *actor, const void *options, struct turn *turn) {
    (void)actor;
    (void)turn;
    if (options) measure_pin(*(const int *)options);
    return STATUS_OK;
}

const struct actor_type ours_echo_type = {
    .kind = "echo", .size = sizeof(struct echo), .handlers = echo_handlers, .open = echo_open};

void ours_serve(const char *address) {
    char byte;
    struct node *node = ours_open(&(struct ours){.link = address});
    ours_spawn(node, &ours_echo_type, "echo", NULL, 1);
    ours_spawn(node, &ours_sink_type, "sink", NULL, 1);
    printf("%s\n", node_link(node));
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    node_close(node);
}
