/* trace_join: traces as the whole cluster has them: lists of processes joined by id, and the spans
 * of one trace in the order of a waterfall. Pure: rows borrow from the model. */
#ifndef CONSOLE_TRACE_JOIN_H
#define CONSOLE_TRACE_JOIN_H

#include "cli/console/model.h"

enum { TRACES_JOINED_MAX = 8192, SPANS_JOINED_MAX = 4096, SPAN_DEPTH_MAX = 32 };

struct joined_trace {
    const SysTraceRow *row; /* of the process where it began earliest */
    char id[33];
    uint64_t took_us;
    uint32_t spans, processes;
    bool failed;
    const char *outcome; /* the first that is not OK */
};

/* Returns how many; *out is owned (mem_free); NULL with 0. */
size_t trace_join_list(const struct model *model, struct joined_trace **out);

struct joined_span {
    const SysSpan *span;
    const struct process *process;
    int depth;
    uint64_t offset_us; /* from the start of the trace; clocks of machines differ: cut at 0 */
};
struct joined_spans {
    struct joined_span *spans; /* owned */
    size_t n;
    uint64_t start_us, took_us; /* of the whole */
    size_t processes;
};
/* Parents before children, children by start; a span whose parent is not there is a root. */
MUST_USE enum status
trace_join_spans(const struct model *model, const char *id, struct joined_spans *out);
void trace_join_free(struct joined_spans *spans);

/* An outcome that is none of "OK", answered later, handed on. */
bool trace_join_failed(const char *outcome);
void trace_join_hex(const ProtobufCBinaryData *trace, char out[33]);

#endif
