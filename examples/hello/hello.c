/* hello: two actors, a call, and a crash that costs one of them its memory. */
#include <stdio.h>

#include "hello.pb-c.h"
#include "runtime/node.h"

static struct node *node;
struct count { /* the state of both */
    unsigned n;
};
#define GREETER_ACCEPTS(X) X(struct count, Hello__Greet, hello__greet, on_greet)
ACTOR_HANDLERS(greeter_handlers, GREETER_ACCEPTS);
static const struct actor_type greeter_type = {
    .kind = "greeter", .size = sizeof(struct count), .handlers = greeter_handlers};

static enum status on_greet(struct count *self, const Hello__Greet *message, struct turn *turn) {
    if (!*message->name) {
        turn_exit(turn, STATUS_INTERNAL, "nobody to greet"); /* its supervisor restarts it */
        return turn_fail(turn, STATUS_INVALID, "a greeting needs a name");
    }
    Hello__Greeting greeting = HELLO__GREETING__INIT;
    greeting.words = turn_printf(turn, "hello %s, guest %u", message->name, ++self->n);
    turn_reply(turn, &greeting.base);
    return STATUS_OK;
}

static void greeted(void *, void *, const struct outcome *, struct turn *);

static enum status introduce(void *state, const void *options, struct turn *turn) {
    struct count *self = state;
    const char *const names[] = {"Ann", "Bob", "", "Cid"};
    Hello__Greet greet = HELLO__GREET__INIT;
    if (self->n == 4) return STATUS_NOT_FOUND; /* nobody is left */
    greet.name = (char *)names[self->n++];
    turn_call(turn, &(struct call){.to = turn_find(turn, "greeter"),
                                   .message = &greet.base,
                                   .reply = &hello__greeting__descriptor,
                                   .done = greeted});
    return STATUS_OK;
}

static void greeted(void *state, void *none, const struct outcome *outcome, struct turn *turn) {
    const Hello__Greeting *greeting = outcome_as(outcome, Hello__Greeting, hello__greeting);
    puts(greeting ? greeting->words : outcome->text);
    if (introduce(state, NULL, turn) == STATUS_NOT_FOUND) node_stop(node);
}
static const struct actor_type guest_type = {
    .kind = "guest", .size = sizeof(struct count), .open = introduce};

int main(void) {
    actor_handle actor;
    struct spawn greeter = {.type = &greeter_type, .name = "greeter"},
                 guest = {.type = &guest_type};
    if (node_open(&(struct node_options){.name = "hello"}, &node) ||
        node_spawn(node, &greeter, &actor) || node_spawn(node, &guest, &actor))
        return fprintf(stderr, "hello: %s\n", node_error()), 1;
    node_wait(node);
    node_close(node);
    return 0;
}
