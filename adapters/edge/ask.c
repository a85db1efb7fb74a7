/* ask: the router is looked up for every question: a restarted one has another handle. */
#include "adapters/edge/ask.h"

#include "runtime/poison.h"

static void
on_outcome(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self;
    struct ask *ask = context;
    if (!outcome->more) ask->under_way = 0;
    ask->done(ask, outcome, turn);
}

bool ask_router(struct ask *ask, const ProtobufCMessage *message, struct turn *turn) {
    actor_handle router = turn_find(turn, edge_call_router(ask->call));
    if (!router) return false;
    ask->under_way = turn_call(turn, &(struct call){
                                         .to = router,
                                         .message = message,
                                         .done = on_outcome,
                                         .context = ask,
                                         .deadline_us = edge_call_deadline_us(ask->call),
                                     });
    return true;
}

void ask_cancel(struct ask *ask, struct turn *turn) {
    if (ask->under_way) turn_cancel(turn, ask->under_way);
}

static void on_cancel(void *context, struct turn *turn) {
    ask_cancel(context, turn);
}

void *ask_new(struct edge_call *call, size_t size, struct turn *turn) {
    void *memory = arena_zero(edge_call_arena(call), size);
    if (!memory) edge_fail(call, STATUS_NO_MEMORY, NULL, turn);
    return memory;
}

void ask_start(struct ask *ask, const ProtobufCMessage *message, struct turn *turn) {
    if (!ask_router(ask, message, turn)) {
        edge_fail(ask->call, STATUS_NOT_READY, ASK_NO_ROUTER, turn);
        return;
    }
    edge_call_on_cancel(ask->call, on_cancel, ask);
}

void ask_fail(struct edge_call *call, const struct outcome *outcome, struct turn *turn) {
    enum status s = outcome->status;
    /* An answer of another type than asked for: a router of another version. */
    if (s == STATUS_OK) {
        edge_fail(call, STATUS_INTERNAL, ASK_ODD_ANSWER, turn);
        return;
    }
    if (outcome->retry_after_ms) edge_retry_after(call, outcome->retry_after_ms);
    edge_fail(call, s, outcome->text, turn);
}
