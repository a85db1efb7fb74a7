/* tracing: a call is a span from its head to the end of its answer, the root of what this process
 * does for it. Kept to three words in the other files: begin, enter, end. */
#include <string.h>

#include "adapters/edge/exchange.h"
#include "adapters/edge/traceparent.h"

/* The header, when there is exactly one. */
static const char *only_traceparent(const struct headers *headers) {
    const char *found = NULL;
    for (size_t i = 0; i < headers->n; i++) {
        if (strcmp(headers->items[i].name, "traceparent") != 0) continue;
        if (found) return NULL;
        found = headers->items[i].value;
    }
    return found;
}

void tracing_begin(struct edge_call *call, struct turn *turn) {
    const char *header = only_traceparent(&call->headers);
    struct root_span root = {0};
    if (!turn || call->entry.method->deadline_ms == EDGE_NO_DEADLINE) return;
    if (header && !traceparent_read(header, &root)) root = (struct root_span){0};
    turn_root_begin(turn, &root);
    call->root = root;
    call->traced = true;
}

void tracing_enter(struct edge_call *call, struct turn *turn) {
    if (turn && call->traced) turn_root_enter(turn, &call->root);
}

void tracing_leave(struct turn *turn) {
    if (turn) turn_root_enter(turn, NULL);
}

bool tracing_header(struct edge_call *call) {
    char text[TRACEPARENT_SIZE + 1];
    if (!call->traced) return true;
    traceparent_write(&call->root, text);
    return headers_set(&call->answer.headers, &call->arena, "traceresponse", text);
}

void tracing_end(struct edge_call *call, enum status outcome, struct turn *turn) {
    if (!turn || !call->traced) return;
    call->traced = false;
    turn_root_end(turn, &call->root, call->entry.method->path + 1, outcome,
                  call->reason ? call->reason : "");
}
