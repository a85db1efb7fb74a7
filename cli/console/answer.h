/* answer: an event's body, decoded: what one process said to one question. Counted, since several
 * parts of the model look at one. One thread. */
#ifndef CONSOLE_ANSWER_H
#define CONSOLE_ANSWER_H

#include <protobuf-c/protobuf-c.h>

#include "cli/console/event.h"
#include "runtime/arena.h"

struct answer {
    struct answer *next; /* the model's */
    unsigned refs;
    struct arena arena; /* message and whatever is computed from it */
    enum question question;
    enum status status; /* of the question; CORRUPT: the body was none of its type */
    char text[EVENT_TEXT_MAX];
    char key[EVENT_KEY_MAX];
    const ProtobufCMessage *message; /* NULL unless status is OK */
    uint64_t at_ms;
    uint64_t took_us;
    size_t size;
};

/* The caller holds one reference. NULL: no memory. The event's body must outlive it: decoded bytes
 * are borrowed, so it is copied into the arena. */
struct answer *answer_new(const struct event *event);
struct answer *answer_hold(struct answer *answer);
/* NULL is fine. */
void answer_drop(struct answer *answer);
/* What a question is answered with; NULL: with nothing (Done). */
const ProtobufCMessageDescriptor *answer_type(enum question question);

#endif
