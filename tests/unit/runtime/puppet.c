#include "tests/unit/runtime/puppet.h"

#include "runtime/assert.h"

#define PUPPET_ACCEPTS(X) X(struct puppet, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(puppet_handlers, PUPPET_ACCEPTS);

static enum status on_drop(struct puppet *self, const LogDrop *message, struct turn *turn) {
    return self->strings->act(self, message->store, turn);
}

static enum status puppet_open(void *actor, const void *options, struct turn *turn) {
    struct puppet *self = actor;
    self->strings = options;
    return self->strings->open ? self->strings->open(self, turn) : STATUS_OK;
}

static void puppet_close(void *actor) {
    struct puppet *self = actor;
    if (self->strings->close) self->strings->close(self);
}

const struct actor_type puppet_type = {.kind = "puppet",
                                       .size = sizeof(struct puppet),
                                       .handlers = puppet_handlers,
                                       .open = puppet_open,
                                       .close = puppet_close};
const struct actor_type puppet_small_type = {.kind = "puppet",
                                             .size = sizeof(struct puppet),
                                             .handlers = puppet_handlers,
                                             .open = puppet_open,
                                             .close = puppet_close,
                                             .mailbox_messages = 2,
                                             .mailbox_bytes = 1000};
const struct actor_type puppet_light_type = {.kind = "puppet",
                                             .size = sizeof(struct puppet),
                                             .handlers = puppet_handlers,
                                             .open = puppet_open,
                                             .close = puppet_close,
                                             .light = true};

static void puppet_stop(void *actor, struct turn *turn) {
    struct puppet *self = actor;
    self->strings->stop(self, turn);
}

const struct actor_type puppet_stopping_type = {.kind = "puppet",
                                                .size = sizeof(struct puppet),
                                                .handlers = puppet_handlers,
                                                .open = puppet_open,
                                                .stop = puppet_stop,
                                                .close = puppet_close};
const struct actor_type puppet_linkable_type = {.kind = "puppet",
                                                .size = sizeof(struct puppet),
                                                .handlers = puppet_handlers,
                                                .open = puppet_open,
                                                .close = puppet_close,
                                                .linkable = true};

void puppet_note_outcome(void *self,
                         void *context,
                         const struct outcome *outcome,
                         struct turn *turn) {
    (void)self;
    turn_note(turn, "%s: %s%s%s%s", (const char *)context, outcome->more ? "part " : "",
              status_name(outcome->status), *outcome->text ? " " : "", outcome->text);
}

uint64_t puppet_ask(struct turn *turn, actor_handle to, uint64_t what, uint64_t timeout_us) {
    return turn_call(turn, &(struct call){
                               .to = to,
                               .message = DO(what),
                               .done = puppet_note_outcome,
                               .context = "call",
                               .deadline_us = turn_now_us(turn) + timeout_us,
                           });
}

actor_handle puppet_child(struct turn *turn,
                          const char *name,
                          const struct strings *strings,
                          enum restart restart,
                          uint32_t intensity) {
    actor_handle handle = 0;
    enum status s = turn_spawn(turn,
                               &(struct spawn){.type = &puppet_type,
                                               .name = name,
                                               .options = strings,
                                               .restart = restart,
                                               .intensity = intensity},
                               &handle);
    assert(s == STATUS_OK);
    return handle;
}
