/* question: the router is looked up for every question: a restarted one has another handle. */
#include "adapters/edge/question.h"

#include "runtime/poison.h"

static void
on_outcome(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self;
    struct question *question = context;
    if (!outcome->more) question->under_way = 0;
    question->done(question, outcome, turn);
}

bool question_send(struct question *question, const ProtobufCMessage *message, struct turn *turn) {
    uint64_t deadline_us = question->deadline_us;
    if (!deadline_us) deadline_us = edge_call_deadline_us(question->call);
    const char *to = question->to ? question->to : edge_call_router(question->call);
    actor_handle router = turn_find(turn, to);
    if (!router) return false;
    question->under_way = turn_call(turn, &(struct call){
                                              .to = router,
                                              .message = message,
                                              .done = on_outcome,
                                              .context = question,
                                              .deadline_us = deadline_us,
                                          });
    return true;
}

void question_cancel(struct question *question, struct turn *turn) {
    if (question->under_way) turn_cancel(turn, question->under_way);
}

static void on_cancel(void *context, struct turn *turn) {
    question_cancel(context, turn);
}

void *question_new(struct edge_call *call, size_t size, struct turn *turn) {
    void *memory = arena_zero(edge_call_arena(call), size);
    if (!memory) edge_fail(call, STATUS_NO_MEMORY, NULL, turn);
    return memory;
}

void question_start(struct question *question, const ProtobufCMessage *message, struct turn *turn) {
    if (!question_send(question, message, turn)) {
        edge_fail(question->call, STATUS_NOT_READY, QUESTION_NO_ROUTER, turn);
        return;
    }
    edge_call_on_cancel(question->call, on_cancel, question);
}

void question_fail(struct edge_call *call, const struct outcome *outcome, struct turn *turn) {
    enum status s = outcome->status;
    /* An answer of another type than asked for: a router of another version. */
    if (s == STATUS_OK) {
        edge_fail(call, STATUS_INTERNAL, QUESTION_ODD_ANSWER, turn);
        return;
    }
    if (outcome->retry_after_ms) edge_retry_after(call, outcome->retry_after_ms);
    edge_fail(call, s, outcome->text, turn);
}
