/* console_node: a process for the console's cost: as many actors as asked for, each sends a message
 * to its neighbour every second, so that all of them count, wait and run. Prints its link; ends
 * when its input does.
 *
 *     console_node ADDRESS ACTORS */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/node.h"
#include "schemas/shard.pb-c.h"

enum { EVERY_US = 1000 * 1000 };

struct member {
    char neighbour[32];
    actor_handle handle; /* of the neighbour; 0: not looked up yet */
};

#define MEMBER_ACCEPTS(X) X(struct member, ShardAsk, shard_ask, on_message)
ACTOR_HANDLERS(member_handlers, MEMBER_ACCEPTS);

static enum status on_message(struct member *self, const ShardAsk *message, struct turn *turn) {
    (void)self, (void)message, (void)turn;
    return STATUS_OK;
}

static void on_time(void *actor, void *context, struct turn *turn) {
    struct member *self = actor;
    if (!self->handle) self->handle = turn_find(turn, self->neighbour);
    ShardAsk message = SHARD_ASK__INIT;
    if (self->handle) turn_tell(turn, self->handle, &message.base);
    turn_timer(turn, EVERY_US, on_time, context);
}

static enum status member_open(void *actor, const void *options, struct turn *turn) {
    struct member *self = actor;
    snprintf(self->neighbour, sizeof self->neighbour, "%s", (const char *)options);
    turn_timer(turn, turn_random(turn) % EVERY_US, on_time, NULL);
    return STATUS_OK;
}

static const struct actor_type member_type = {
    .kind = "member",
    .size = sizeof(struct member),
    .handlers = member_handlers,
    .open = member_open,
};

static bool spawn(struct node *node, unsigned number, unsigned n) {
    static char names[65536][24];
    char name[24];
    snprintf(name, sizeof name, "member/%u", number);
    snprintf(names[number], sizeof *names, "member/%u", (number + 1) % n);
    actor_handle handle;
    struct spawn spawn = {.type = &member_type, .name = name, .options = names[number]};
    return node_spawn(node, &spawn, &handle) == STATUS_OK;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    unsigned n = (unsigned)strtoul(argv[2], NULL, 10);
    struct node *node;
    struct node_options options = {
        .name = "members", .link = argv[1], .io_lanes = 2, .compute_lanes = 1};
    if (n == 0 || n > 65536 || node_open(&options, &node) != STATUS_OK) {
        fprintf(stderr, "console_node: %s\n", node_error());
        return 1;
    }
    for (unsigned i = 0; i < n; i++)
        if (!spawn(node, i, n)) return 1;
    puts(node_link(node));
    fflush(stdout);
    while (getchar() != EOF) {
    }
    node_close(node);
    return 0;
}
