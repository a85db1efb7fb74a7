/* tally: see the header. */
#include "tests/unit/embed/tally.h"

#include <criterion/criterion.h>
#include <string.h>

_Atomic unsigned tally_lives, tally_gone;

static Tally__Total total_of(const struct tally *self) {
    Tally__Total total = TALLY__TOTAL__INIT;
    total.sum = self->sum;
    total.adds = self->adds;
    total.life = self->life;
    return total;
}

enum vectron_status
tally_add(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    struct tally *self = state;
    const Tally__Add *add = (const Tally__Add *)message;
    if (add->by == 0)
        return vectron_fail(turn, VECTRON_INVALID, "nothing to add for \"%s\"", add->why);
    self->sum += add->by;
    self->adds++;
    Tally__Total total = total_of(self);
    vectron_reply(turn, &total.base);
    return VECTRON_OK;
}

static void waited(void *state, void *context, struct vectron_turn *turn) {
    struct tally *self = state;
    (void)context;
    Tally__Total total = total_of(self);
    if (vectron_wanted(turn, &self->owed))
        vectron_resolve(turn, &self->owed, &total.base);
    else
        vectron_reject(turn, &self->owed, VECTRON_CANCELLED, "nobody waits");
}

static enum vectron_status
on_wait(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    struct tally *self = state;
    self->owed = vectron_defer(turn);
    vectron_timer(turn, ((const Tally__Wait *)message)->us, waited, NULL);
    return VECTRON_OK;
}

static enum vectron_status
on_break(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    (void)state, (void)message;
    vectron_exit(turn, VECTRON_IO, "told to");
    return VECTRON_OK;
}

static void asked(void *state,
                  void *context,
                  const struct vectron_outcome *outcome,
                  struct vectron_turn *turn) {
    struct tally *self = state;
    (void)context;
    if (outcome->status != VECTRON_OK)
        vectron_reject(turn, &self->owed, outcome->status, "%s", outcome->text);
    else if (outcome->message->descriptor != &tally__total__descriptor)
        vectron_reject(turn, &self->owed, VECTRON_INTERNAL, "another type");
    else
        vectron_resolve(turn, &self->owed, outcome->message);
}

static void found(void *state,
                  void *context,
                  const struct vectron_outcome *outcome,
                  struct vectron_turn *turn) {
    struct tally *self = state;
    if (outcome->status != VECTRON_OK) {
        vectron_reject(turn, &self->owed, outcome->status, "lookup: %s", outcome->text);
        return;
    }
    Tally__Add add = TALLY__ADD__INIT;
    add.by = 1;
    vectron_call(turn, &(struct vectron_call){.size = sizeof(struct vectron_call),
                                              .to = outcome->handle,
                                              .message = &add.base,
                                              .reply = &tally__total__descriptor,
                                              .done = asked,
                                              .context = context,
                                              .timeout_us = 2000000});
}

static enum vectron_status
on_ask(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    struct tally *self = state;
    const Tally__Ask *ask = (const Tally__Ask *)message;
    self->owed = vectron_defer(turn);
    vectron_lookup(turn, &(struct vectron_lookup){.size = sizeof(struct vectron_lookup),
                                                  .address = ask->address,
                                                  .name = ask->name,
                                                  .done = found});
    return VECTRON_OK;
}

/* Bytes of an unknown type come back as they are, in two parts and an end. */
static enum vectron_status
on_any(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    (void)state;
    const struct vectron_body *body = vectron_body_of(message);
    cr_assert_not_null(body);
    struct vectron_promise promise = vectron_defer(turn);
    vectron_resolve_part(turn, &promise, &body->base);
    vectron_resolve_part(turn, &promise, &body->base);
    vectron_resolve(turn, &promise, &body->base);
    return VECTRON_OK;
}

static enum vectron_status tally_open(void *state, const void *options, struct vectron_turn *turn) {
    struct tally *self = state;
    if (options && strcmp(options, "refuse") == 0)
        return vectron_fail(turn, VECTRON_DISK_FULL, "no room");
    self->life = ++tally_lives;
    return VECTRON_OK;
}

static void tally_close(void *state) {
    (void)state;
    tally_gone++;
}

static const struct vectron_handler tally_handlers[] = {
    {&tally__add__descriptor, tally_add},
    {&tally__wait__descriptor, on_wait},
    {&tally__break__descriptor, on_break},
    {&tally__ask__descriptor, on_ask},
    {NULL, on_any},
    {NULL, NULL},
};
const struct vectron_actor_type tally_type = {
    .size = sizeof(struct vectron_actor_type),
    .kind = "tally",
    .state_size = sizeof(struct tally),
    .handlers = tally_handlers,
    .open = tally_open,
    .close = tally_close,
};

void no_log(void *context, enum vectron_log_level level, const char *line) {
    (void)context, (void)level, (void)line;
}

struct vectron_node *open_tally(const struct vectron_node_options *options) {
    struct vectron_node *node = NULL;
    vectron_log(VECTRON_LOG_ERROR, no_log, NULL);
    cr_assert_eq(vectron_node_open(options, &node), VECTRON_OK, "%s", vectron_error());
    struct vectron_spawn spawn = {.size = sizeof spawn,
                                  .type = &tally_type,
                                  .name = "tally",
                                  .restart = VECTRON_TRANSIENT,
                                  .intensity = 3};
    cr_assert_eq(vectron_node_spawn(node, &spawn, NULL), VECTRON_OK, "%s", vectron_error());
    return node;
}

struct vectron_node *open_named(const char *name, const char *link) {
    return open_tally(&(struct vectron_node_options){.size = sizeof(struct vectron_node_options),
                                                     .name = name,
                                                     .compute_lanes = 1,
                                                     .link = link});
}

enum vectron_status ask_tally(struct vectron_node *node,
                              const char *address,
                              const ProtobufCMessage *message,
                              Tally__Total *total) {
    ProtobufCMessage *reply = NULL;
    struct vectron_node_call call = {.size = sizeof call,
                                     .address = address,
                                     .name = "tally",
                                     .message = message,
                                     .reply = &tally__total__descriptor,
                                     .timeout_ms = 3000};
    enum vectron_status s = vectron_node_call(node, &call, &reply);
    if (s == VECTRON_OK && total) {
        cr_assert_eq(reply->descriptor, &tally__total__descriptor);
        *total = *(Tally__Total *)reply;
    }
    vectron_reply_free(reply);
    return s;
}
