/* span_set: spans of several processes, put together: copied out of the replies they came in,
 * sorted, with their parents found. */
#ifndef CLI_SPAN_SET_H
#define CLI_SPAN_SET_H

#include <stdbool.h>
#include <stdio.h>

#include "runtime/arena.h"
#include "schemas/sys.pb-c.h"

struct span_set {
    struct arena arena;
    SysSpan **spans; /* in the arena; what they point at too */
    size_t n, room;
    bool failed; /* no memory: some are missing */
};

void span_set_init(struct span_set *set);
void span_set_free(struct span_set *set);
/* node: how the process is called, instead of what it calls itself. */
void span_set_add(struct span_set *set, const char *node, const SysTrace *part);
/* By start, parents before their children when both began in the same microsecond. A process that
 * was asked at two addresses counts once. */
void span_set_sort(struct span_set *set);
/* The span in which this one was sent; NULL: not here. */
const SysSpan *span_set_parent(const struct span_set *set, const SysSpan *span);
uint64_t span_end_us(const SysSpan *span);
bool span_failed(const SysSpan *span);

/* 32 digits ↔ 16 bytes. */
enum { TRACE_TEXT_MAX = 33 };
void trace_text(const ProtobufCBinaryData *trace, char text[TRACE_TEXT_MAX]);
bool trace_read(const char *text, uint8_t out[16]);

/* One request's path, at most 80 columns. */
void waterfall_print(const struct span_set *set, FILE *out);
/* Chrome's trace event format, as Perfetto and chrome://tracing open it. by_lane: spans are turns,
 * one at a time on each lane; else each has a row of its own where they overlap. False: an error of
 * writing. */
bool perfetto_write(const struct span_set *set, bool by_lane, FILE *out);

#endif
