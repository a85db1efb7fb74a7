/* traces: one pool of spans, one of traces, a hash map by id, lists. A busy process has thousands
 * of open traces: those that may be judged stand in front, by when they have rested, so that the
 * others are not looked at. */
#include "runtime/traces.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/handle.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

enum {
    OPEN,  /* without a root */
    ENDED, /* open, and its root has ended */
    RECENT,
    KEPT,    /* the newest */
    SLOWEST, /* of those that fell out of it */
    LISTS,
    BUCKETS = TRACES_MAX * 2,
    WANTED = 256,         /* ids that were asked for before their records came */
    KINDS = 64,           /* of roots whose times are known */
    TIMES = 128,          /* buckets of one: four an octave of microseconds */
    TIMES_DECAY = 100000, /* counts are halved then */
};

/* How long the requests of one kind took. */
struct times {
    uint32_t op; /* 0: free */
    uint32_t count;
    uint32_t buckets[TIMES];
};

struct list {
    struct trace *newest, *oldest;
    uint32_t count;
    uint32_t spans;
};

struct traces {
    struct traces_options options;
    struct trace *buckets[BUCKETS];
    struct list lists[LISTS];
    struct trace *free_traces;
    struct trace_span *free_spans;
    uint32_t n_traces, n_spans; /* ever used: the rest was never touched */
    uint64_t wanted[WANTED][2];
    uint32_t n_wanted; /* ever */
    uint64_t dropped;
    struct times times[KINDS];
    struct trace traces[TRACES_MAX];
    struct trace_span spans[TRACES_SPANS];
};

/* --- lists
 * ---------------------------------------------------------------------------------------- */

static void list_push(struct traces *traces, struct trace *trace, uint8_t number) {
    struct list *list = &traces->lists[number];
    trace->list = number;
    trace->newer = NULL;
    trace->older = list->newest;
    if (trace->older)
        trace->older->newer = trace;
    else
        list->oldest = trace;
    list->newest = trace;
    list->count++;
    list->spans += trace->n_spans;
}

static bool is_open(const struct trace *trace) {
    return trace->list == OPEN || trace->list == ENDED;
}

/* When it has rested long enough, as far as is known. */
static uint64_t rested_us(const struct trace *trace) {
    return trace->last_us + (trace->root ? TRACES_ROOT_US : TRACES_IDLE_US);
}

/* To the others that are open. */
static void push_open(struct traces *traces, struct trace *trace) {
    trace->due_us = rested_us(trace);
    list_push(traces, trace, trace->root ? ENDED : OPEN);
}

static void list_take(struct traces *traces, struct trace *trace) {
    struct list *list = &traces->lists[trace->list];
    if (trace->newer)
        trace->newer->older = trace->older;
    else
        list->newest = trace->older;
    if (trace->older)
        trace->older->newer = trace->newer;
    else
        list->oldest = trace->newer;
    list->count--;
    list->spans -= trace->n_spans;
}

static void move_open(struct traces *traces, struct trace *trace) {
    list_take(traces, trace);
    push_open(traces, trace);
}

static struct trace **bucket_of(struct traces *traces, const uint64_t id[2]) {
    return &traces->buckets[rng_mix(id[0] ^ rng_mix(id[1])) % BUCKETS];
}

struct trace *traces_find(const struct traces *traces, const uint64_t id[2]) {
    struct trace *trace = *bucket_of((struct traces *)traces, id);
    while (trace && (trace->id[0] != id[0] || trace->id[1] != id[1]))
        trace = trace->next_same;
    return trace;
}

/* --- open and close
 * --------------------------------------------------------------------------------- */

struct traces *traces_new(const struct traces_options *options) {
    struct traces *traces = mem_zero(1, sizeof *traces);
    if (!traces) return NULL;
    traces->options = *options;
    return traces;
}

void traces_free(struct traces *traces) {
    mem_free(traces);
}

/* --- room
 * ----------------------------------------------------------------------------------------- */

static void forget(struct traces *traces, struct trace *trace) {
    struct trace **at = bucket_of(traces, trace->id);
    while (*at != trace)
        at = &(*at)->next_same;
    *at = trace->next_same;
    list_take(traces, trace);
    while (trace->spans) {
        struct trace_span *span = trace->spans;
        trace->spans = span->next;
        span->next = traces->free_spans;
        traces->free_spans = span;
    }
    trace->older = traces->free_traces;
    traces->free_traces = trace;
}

static void settle(struct traces *traces, struct trace *trace);

static uint32_t kept_spans(const struct traces *traces) {
    return traces->lists[KEPT].spans + traces->lists[SLOWEST].spans;
}

/* The one that is worth least, but not `not`; NULL: there is nothing else. */
static struct trace *least(struct traces *traces, const struct trace * not ) {
    struct list *lists = traces->lists;
    struct trace *kept = lists[KEPT].oldest ? lists[KEPT].oldest : lists[SLOWEST].oldest;
    if (kept && kept_spans(traces) > TRACES_SPANS / TRACES_KEPT_PART) return kept;
    if (lists[RECENT].oldest) return lists[RECENT].oldest;
    for (uint8_t list = ENDED + 1; list-- > OPEN;) {
        for (struct trace *open = lists[list].oldest, *newer; open; open = newer) {
            newer = open->newer;
            if (open != not ) settle(traces, open);
            if (lists[RECENT].oldest) return lists[RECENT].oldest;
        }
    }
    return lists[KEPT].oldest ? lists[KEPT].oldest : lists[SLOWEST].oldest;
}

/* Forgets something; false: there is nothing but `not`. */
static bool make_room(struct traces *traces, const struct trace * not ) {
    struct trace *trace = least(traces, not );
    if (trace) forget(traces, trace);
    return trace != NULL;
}

/* NULL: make room first. */
static struct trace *take_trace(struct traces *traces) {
    struct trace *trace = traces->free_traces;
    if (trace)
        traces->free_traces = trace->older;
    else if (traces->n_traces < TRACES_MAX)
        trace = &traces->traces[traces->n_traces++];
    return trace;
}

static struct trace_span *take_span(struct traces *traces) {
    struct trace_span *span = traces->free_spans;
    if (span)
        traces->free_spans = span->next;
    else if (traces->n_spans < TRACES_SPANS)
        span = &traces->spans[traces->n_spans++];
    return span;
}

static bool was_wanted(const struct traces *traces, const uint64_t id[2]) {
    uint32_t n = traces->n_wanted < WANTED ? traces->n_wanted : WANTED;
    for (uint32_t i = 0; i < n; i++)
        if (traces->wanted[i][0] == id[0] && traces->wanted[i][1] == id[1]) return true;
    return false;
}

static struct trace *new_trace(struct traces *traces, const struct span_record *record) {
    struct trace *trace;
    while (!(trace = take_trace(traces)))
        make_room(traces, NULL);
    *trace = (struct trace){.id = {record->trace[0], record->trace[1]},
                            .first_us = record->began_us,
                            .last_us = record->began_us,
                            .asked = was_wanted(traces, record->trace)};
    struct trace **bucket = bucket_of(traces, trace->id);
    trace->next_same = *bucket;
    *bucket = trace;
    push_open(traces, trace);
    return trace;
}

/* The span of this id, made when it is new; NULL: the trace has enough. */
static struct trace_span *get_span(struct traces *traces, struct trace *trace, uint64_t id) {
    struct trace_span *span = trace->spans;
    while (span && span->span != id)
        span = span->next;
    if (span) return span;
    if (trace->n_spans < TRACES_SPANS_EACH)
        while (!(span = take_span(traces)) && make_room(traces, trace)) {
        }
    if (!span) {
        trace->n_dropped++;
        traces->dropped++;
        return NULL;
    }
    *span = (struct trace_span){.span = id, .next = trace->spans};
    trace->spans = span;
    trace->n_spans++;
    traces->lists[trace->list].spans++;
    return span;
}

/* --- records
 * -------------------------------------------------------------------------------------- */

static void note_peer(struct trace *trace, uint16_t peer) {
    for (uint8_t i = 0; i < trace->n_peers; i++)
        if (trace->peers[i] == peer) return;
    if (trace->n_peers < TRACES_PEERS) trace->peers[trace->n_peers++] = peer;
}

/* The message's own turn, or its refusal. */
static void begin_span(struct trace_span *span, const struct span_record *record, uint32_t lane) {
    span->begun = true;
    span->parent = record->parent;
    span->kind = record->kind;
    span->slot = record->slot;
    span->op = record->op;
    span->lane = (uint8_t)lane;
    span->waited_us = record->waited_us;
    span->queued_us = record->began_us - record->waited_us;
    if (record->kind != SPAN_EDGE) span->ran_us += record->ran_us;
    if (span->answered) return;
    span->outcome = record->outcome;
    if (record->outcome != SPAN_DEFERRED) span->ended_us = record->began_us + record->ran_us;
}

static void take_record(struct traces *traces,
                        struct trace *trace,
                        const struct span_record *record,
                        uint32_t lane) {
    struct trace_span *span = get_span(traces, trace, record->span);
    if (!span) return;
    switch (record->kind) {
    case SPAN_CALL:
    case SPAN_CAST:
    case SPAN_REFUSED:
    case SPAN_EDGE:
        begin_span(span, record, lane);
        if (record->kind == SPAN_EDGE) trace->root = span;
        break;
    case SPAN_ANSWERED:
        span->answered = true;
        span->outcome = record->outcome;
        span->ended_us = record->began_us;
        break;
    default:
        span->ran_us += record->ran_us;
        if (handle_peer(record->from)) note_peer(trace, handle_peer(record->from));
    }
}

void traces_add(struct traces *traces, const struct span_record *record, uint32_t lane) {
    if (!(record->trace[0] | record->trace[1]) || record->kind >= SPAN_KINDS) return;
    struct trace *trace = traces_find(traces, record->trace);
    if (!trace) trace = new_trace(traces, record);
    uint64_t ended = record->began_us + (record->kind == SPAN_ANSWERED ? 0 : record->ran_us);
    uint64_t queued = record->began_us - record->waited_us;
    if (queued < trace->first_us) trace->first_us = queued;
    if (ended > trace->last_us) trace->last_us = ended;
    trace->sampled |= record->sampled;
    if (!is_open(trace)) move_open(traces, trace);
    take_record(traces, trace, record, lane);
    if (trace->root && trace->list == OPEN) move_open(traces, trace);
}

/* --- what a trace tells
 * ---------------------------------------------------------------------------- */

uint64_t span_took_us(const struct trace_span *span) {
    uint64_t least = span->waited_us + span->ran_us;
    if (span->ended_us <= span->queued_us) return least;
    return span->ended_us - span->queued_us;
}

const struct trace_span *traces_root(const struct trace *trace) {
    const struct trace_span *root = trace->root;
    if (root) return root;
    for (const struct trace_span *span = trace->spans; span; span = span->next)
        if (span->begun && (!root || span->queued_us <= root->queued_us)) root = span;
    return root;
}

uint64_t trace_took_us(const struct trace *trace) {
    if (trace->root) return span_took_us(trace->root);
    uint64_t end = trace->first_us;
    for (const struct trace_span *span = trace->spans; span; span = span->next)
        if (span->begun && span->queued_us + span_took_us(span) > end)
            end = span->queued_us + span_took_us(span);
    return end - trace->first_us;
}

static bool failed(uint8_t outcome) {
    return outcome != STATUS_OK && outcome != SPAN_DEFERRED && outcome != SPAN_FORWARDED;
}

uint8_t trace_outcome(const struct trace *trace) {
    if (trace->root) return trace->root->outcome;
    uint8_t outcome = STATUS_OK;
    for (const struct trace_span *span = trace->spans; span; span = span->next)
        if (span->begun && failed(span->outcome)) outcome = span->outcome;
    return outcome;
}

const char *trace_why_name(uint8_t why) {
    static const char *const names[] = {
        [TRACE_NOT_KEPT] = "", [TRACE_SAMPLED] = "sampled", [TRACE_FAILED] = "failed",
        [TRACE_LATE] = "late", [TRACE_SLOW] = "slow",       [TRACE_ASKED] = "asked",
    };
    return names[why];
}

/* --- judging
 * -------------------------------------------------------------------------------------- */

static size_t time_bucket(uint64_t us) {
    unsigned octave = 63u - (unsigned)__builtin_clzll(us | 4);
    size_t bucket = (octave - 2) * 4 + (us >> (octave - 2) & 3);
    return bucket < TIMES ? bucket : TIMES - 1;
}

/* Counts the time; true: it is above the p99 of its kind so far. */
static bool is_outlier(struct traces *traces, uint32_t op, uint64_t us) {
    struct times *times = &traces->times[rng_mix(op) % KINDS];
    if (times->op != op) *times = (struct times){.op = op};
    size_t bucket = time_bucket(us);
    uint32_t above = 0;
    for (size_t i = bucket; i < TIMES; i++)
        above += times->buckets[i];
    bool outlier = times->count >= TRACES_P99_MIN && (above + 1) * 100 <= times->count;
    times->buckets[bucket]++;
    if (++times->count == TIMES_DECAY) {
        times->count = 0;
        for (size_t i = 0; i < TIMES; i++)
            times->count += times->buckets[i] /= 2;
    }
    return outlier;
}

static enum trace_why judge(struct traces *traces, const struct trace *trace) {
    const struct trace_span *root = traces_root(trace);
    uint8_t outcome = trace_outcome(trace);
    uint64_t took = trace_took_us(trace);
    bool slow = traces->options.slow_us ? took > traces->options.slow_us
                                        : root && is_outlier(traces, root->op, took);
    if (outcome == STATUS_EXPIRED) return TRACE_LATE;
    if (failed(outcome)) return TRACE_FAILED;
    if (slow) return TRACE_SLOW;
    if (trace->sampled) return TRACE_SAMPLED;
    return trace->asked ? TRACE_ASKED : TRACE_NOT_KEPT;
}

/* One too many: the oldest one goes, or takes the place of a faster one among the slowest. */
static void trim_kept(struct traces *traces) {
    struct trace *oldest = traces->lists[KEPT].oldest;
    if (traces->lists[KEPT].count <= TRACES_NEWEST) return;
    list_take(traces, oldest);
    list_push(traces, oldest, SLOWEST);
    if (traces->lists[SLOWEST].count <= TRACES_SLOWEST) return;
    struct trace *fastest = traces->lists[SLOWEST].oldest;
    for (struct trace *trace = fastest; trace; trace = trace->newer)
        if (trace_took_us(trace) < trace_took_us(fastest)) fastest = trace;
    forget(traces, fastest);
}

static void keep(struct traces *traces, struct trace *trace) {
    list_take(traces, trace);
    list_push(traces, trace, KEPT);
    if (traces->options.kept) traces->options.kept(traces->options.context, trace);
    trim_kept(traces);
}

static void settle(struct traces *traces, struct trace *trace) {
    if (trace->why == TRACE_NOT_KEPT) trace->why = judge(traces, trace);
    if (trace->why != TRACE_NOT_KEPT) {
        keep(traces, trace);
        return;
    }
    list_take(traces, trace);
    list_push(traces, trace, RECENT);
}

void traces_judge(struct traces *traces, uint64_t now_us, bool all) {
    for (uint8_t list = OPEN; list <= ENDED; list++) {
        struct trace *trace;
        while ((trace = traces->lists[list].oldest) && (all || trace->due_us <= now_us)) {
            if (all || rested_us(trace) <= now_us) {
                settle(traces, trace);
                continue;
            }
            move_open(traces, trace); /* more of it came meanwhile */
        }
    }
}

void traces_ask(struct traces *traces, const uint64_t id[2]) {
    struct trace *trace = traces_find(traces, id);
    if (!trace) {
        uint64_t *wanted = traces->wanted[traces->n_wanted++ % WANTED];
        wanted[0] = id[0];
        wanted[1] = id[1];
        return;
    }
    trace->asked = true;
    if (trace->list != RECENT) return; /* judged later, or kept already */
    trace->why = TRACE_ASKED;
    keep(traces, trace);
}

struct trace *traces_next(const struct traces *traces, const struct trace *trace) {
    if (trace && (trace->older || trace->list == SLOWEST)) return trace->older;
    struct trace *newest = trace ? NULL : traces->lists[KEPT].newest;
    return newest ? newest : traces->lists[SLOWEST].newest;
}

uint64_t traces_dropped(const struct traces *traces) {
    return traces->dropped;
}
