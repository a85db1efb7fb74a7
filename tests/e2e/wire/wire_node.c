/* wire_node ADDRESS: a process with a link and one actor, "echo", for tests of links between real
 * processes. Prints its address and serves until its input closes.
 *
 *   RouterGet      → RouterPoint with the same id and a vector of `consistency` floats
 *   RouterDelete   → no answer, ever
 */
#include <stdio.h>
#include <unistd.h>

#include "runtime/node.h"
#include "schemas/router.pb-c.h"

struct echo {
    struct promise kept; /* the last request that gets no answer */
};

#define ECHO_ACCEPTS(X) \
    X(struct echo, RouterGet, router_get, on_get) \
    X(struct echo, RouterDelete, router_delete, on_delete)
ACTOR_HANDLERS(echo_handlers, ECHO_ACCEPTS);

static enum status on_get(struct echo *self, const RouterGet *message, struct turn *turn) {
    (void)self;
    RouterPoint *point = turn_new(turn, RouterPoint, router_point);
    point->id = message->id;
    point->n_vector = message->consistency;
    point->vector = turn_alloc(turn, point->n_vector * sizeof *point->vector);
    if (!point->vector) return turn_fail(turn, STATUS_NO_MEMORY, "a vector");
    turn_reply(turn, &point->base);
    return STATUS_OK;
}

static enum status on_delete(struct echo *self, const RouterDelete *message, struct turn *turn) {
    (void)message;
    self->kept = turn_defer(turn);
    return STATUS_OK;
}

static const struct actor_type echo_type = {
    .kind = "echo", .size = sizeof(struct echo), .handlers = echo_handlers};

int main(int count, char **arguments) {
    struct node *node;
    actor_handle echo;
    if (count != 2) return 2;
    struct node_options options = {.name = "wire", .link = arguments[1], .compute_lanes = 1};
    if (node_open(&options, &node) != STATUS_OK) {
        fprintf(stderr, "wire_node: %s\n", node_error());
        return 1;
    }
    struct spawn spawn = {.type = &echo_type, .name = "echo"};
    if (node_spawn(node, &spawn, &echo) != STATUS_OK) return 1;
    printf("%s\n", node_link(node));
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    node_close(node);
    return 0;
}
