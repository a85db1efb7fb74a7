/* ask: one question of a served call to the router: it finds the router, passes deadline and
 * cancellation on, and makes the call's failure of the router's. Lives in the call's arena. */
#ifndef EDGE_ASK_H
#define EDGE_ASK_H

#include "adapters/edge/call.h"

struct ask {
    struct edge_call *call;
    uint64_t under_way; /* turn_call's id, 0 = none */
    /* Gets every outcome; outcome->more tells of parts. */
    void (*done)(struct ask *ask, const struct outcome *outcome, struct turn *turn);
};

/* Sends the message; its outcome comes by ask->done. False: there is no router; nothing will come.
 */
MUST_USE bool ask_router(struct ask *ask, const ProtobufCMessage *message, struct turn *turn);
/* Nobody wants the answer any more; the outcome still comes. */
void ask_cancel(struct ask *ask, struct turn *turn);

/* The usual way, for calls that are one question: cancels it with the call, and fails the call
 * itself when it cannot be asked. The memory for the call is zeroed and in its arena; NULL (the
 * call is failed) without any. */
void *ask_new(struct edge_call *call, size_t size, struct turn *turn);
void ask_start(struct ask *ask, const ProtobufCMessage *message, struct turn *turn);
/* Ends the call with what the outcome says. */
void ask_fail(struct edge_call *call, const struct outcome *outcome, struct turn *turn);

#define ASK_NO_ROUTER  "the gateway is starting, try again"
#define ASK_ODD_ANSWER "the router's answer has an unexpected type"

#endif
