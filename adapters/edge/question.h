/* question: one question of a served call to the router: it finds the router, passes deadline and
 * cancellation on, and makes the call's failure of the router's. Lives in the call's arena. */
#ifndef EDGE_QUESTION_H
#define EDGE_QUESTION_H

#include "adapters/edge/call.h"

struct question {
    struct edge_call *call;
    uint64_t under_way;   /* turn_call's id, 0 = none */
    uint64_t deadline_us; /* of the question; 0 = the call's */
    const char *to;       /* name of the actor that is asked; NULL: the router */
    /* Gets every outcome; outcome->more tells of parts. */
    void (*done)(struct question *question, const struct outcome *outcome, struct turn *turn);
};

/* Sends the message; its outcome comes by question->done. False: there is no router; nothing will
 * come.
 */
MUST_USE bool
question_send(struct question *question, const ProtobufCMessage *message, struct turn *turn);
/* Nobody wants the answer any more; the outcome still comes. */
void question_cancel(struct question *question, struct turn *turn);

/* The usual way, for calls that are one question: cancels it with the call, and fails the call
 * itself when it cannot be asked. The memory for the call is zeroed and in its arena; NULL (the
 * call is failed) without any. */
void *question_new(struct edge_call *call, size_t size, struct turn *turn);
void question_start(struct question *question, const ProtobufCMessage *message, struct turn *turn);
/* Ends the call with what the outcome says. */
void question_fail(struct edge_call *call, const struct outcome *outcome, struct turn *turn);

#define QUESTION_NO_ROUTER  "the gateway is starting, try again"
#define QUESTION_ODD_ANSWER "the router's answer has an unexpected type"

#endif
