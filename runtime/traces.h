/* traces: spans put together to traces, and which traces are kept. Bounded in spans and traces
 * (while only open ones are left, the oldest is judged before it has rested): what nobody asked to
 * keep makes room for what is new. Pure, one thread: records of span.h in, traces out.
 *
 *     records ─▶ trace is open ──root ended, or nothing for a while──▶ judged ─▶ kept: sampled,
 *                                                                        │       failed, late, slow
 *                                                                        └▶ recent: first to go
 *
 * A record that comes later reopens its trace; what was kept stays kept. */
#ifndef RUNTIME_TRACES_H
#define RUNTIME_TRACES_H

#include <stdbool.h>

#include "runtime/span.h"

enum {
    TRACES_SPANS = 65536,     /* spans held in all: 6 MB once there were so many */
    TRACES_SPANS_EACH = 512,  /* of one trace; more are counted */
    TRACES_MAX = 16384,       /* open, recent and kept */
    TRACES_KEPT_PART = 2,     /* kept ones have 1/2 of the spans at most */
    TRACES_NEWEST = 256,      /* kept … */
    TRACES_SLOWEST = 64,      /* … and beyond those the slowest */
    TRACES_PEERS = 16,        /* processes that a trace went to */
    TRACES_ROOT_US = 300000,  /* after the last record, when the root has ended */
    TRACES_IDLE_US = 3000000, /* … when there is no root */
    TRACES_P99_MIN = 200,     /* requests of one kind before its p99 means something */
};

enum trace_why { TRACE_NOT_KEPT, TRACE_SAMPLED, TRACE_FAILED, TRACE_LATE, TRACE_SLOW, TRACE_ASKED };

struct trace_span {
    struct trace_span *next; /* of the trace, newest first; of the free ones */
    uint64_t span, parent;
    uint64_t queued_us; /* monotonic, of this process */
    uint64_t waited_us;
    uint64_t ran_us;   /* in all turns of it */
    uint64_t ended_us; /* 0: not yet */
    uint32_t slot;
    uint32_t op;
    uint8_t kind;    /* SPAN_CALL, SPAN_CAST, SPAN_EDGE; SPAN_REFUSED: never got its turn */
    uint8_t outcome; /* enum status, SPAN_DEFERRED, SPAN_FORWARDED */
    uint8_t lane;
    bool begun;    /* false: only turns in its service were seen so far */
    bool answered; /* its final answer was seen */
    bool exported; /* for the caller of kept */
};

struct trace {
    uint64_t id[2];
    struct trace *next_same;       /* of its bucket */
    struct trace *newer, *older;   /* of its list */
    struct trace_span *spans;      /* owned, newest first */
    const struct trace_span *root; /* SPAN_EDGE; NULL: not here, or not yet */
    uint64_t first_us, last_us;    /* of its records */
    uint64_t due_us;               /* open: not judged before */
    uint32_t n_spans, n_dropped;
    uint16_t peers[TRACES_PEERS]; /* that answered */
    uint8_t n_peers;
    uint8_t list; /* where it is: open, recent, kept */
    uint8_t why;  /* enum trace_why */
    bool sampled, asked;
};

struct traces;
struct traces_options {
    uint64_t slow_us; /* kept when it took longer; 0: than the p99 of its kind */
    /* A trace is judged worth keeping, or a kept one has more spans. */
    void (*kept)(void *context, struct trace *trace);
    void *context;
};
/* NULL: no memory. */
struct traces *traces_new(const struct traces_options *options);
void traces_free(struct traces *traces);
/* Takes one record of a lane. */
void traces_add(struct traces *traces, const struct span_record *record, uint32_t lane);
/* Judges what has rested long enough. all: everything, whatever its age (tests, the end). */
void traces_judge(struct traces *traces, uint64_t now_us, bool all);
/* Somebody wants this one kept, whether its records are here already or not. */
void traces_ask(struct traces *traces, const uint64_t id[2]);
/* NULL: not known (any more). Borrowed until the next call that changes something. */
struct trace *traces_find(const struct traces *traces, const uint64_t id[2]);
/* The kept trace behind this one, the newest (NULL) first; NULL behind the last. */
struct trace *traces_next(const struct traces *traces, const struct trace *trace);
/* Its SPAN_EDGE, else the span that was queued first; NULL: none has begun. */
const struct trace_span *traces_root(const struct trace *trace);
uint64_t trace_took_us(const struct trace *trace);
/* Of the root; without one of the first failed span. */
uint8_t trace_outcome(const struct trace *trace);
uint64_t span_took_us(const struct trace_span *span);
const char *trace_why_name(uint8_t why);
/* Spans that found no room. */
uint64_t traces_dropped(const struct traces *traces);

#endif
