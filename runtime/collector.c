/* collector: one timer, all the rings.
 *
 *     lane 1 ring ─┐                       ┌─▶ kept, recent: SysAskTraces, SysAskTrace
 *     lane 2 ring ─┼─ drain ─▶ traces ─────┼─▶ SysKeepTrace to the "traces" of processes that took
 * part lane n ring ─┘     │                 └─▶ SysTrace to "exporter", one call a trace └─▶
 * recordings (SysRecord): every turn as it is
 *
 * Its own turns have no trace, so it never collects itself. */
#include "runtime/collector.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/handle.h"
#include "runtime/link.h"
#include "runtime/memory.h"
#include "runtime/traces.h"
#include "runtime/turn_state.h"
#include "schemas/runtime.pb-c.h"
#include "schemas/sys.pb-c.h"

enum {
    TRACE_BYTES = 16,
    ROWS_DEFAULT = 64,
    ROWS_MAX = 512,
    RECORD_SECONDS_MAX = 300,
    RECORD_MAX = 1000000,
    RECORDINGS_MAX = 4,
    RECORD_PART = 2048,    /* spans in one part: some 300 KiB */
    FRIENDS = 64,          /* collectors of other processes whose handles are kept */
    EXPORTS_MAX = 256,     /* traces that wait for the exporter's answer */
    TELL_US = 2000000,     /* another process has this long to say yes */
    EXPORT_US = 120000000, /* the exporter tries again for this long */
    CLOCK_TRIES = 4,       /* readings of both clocks, */
    CLOCK_GAP_US = 5,      /* until two lie as near together */
    DRAIN_MAX = 4096,      /* spans read in one turn: some 100 us. Who writes more loses some */
    NAMES = 64,            /* actors whose names are remembered while a reply is written */
};

struct recording {
    struct recording *next; /* owned */
    struct promise promise;
    uint64_t until_us;
    uint64_t left;
    SysSpan **spans; /* of this drain, in the turn's arena */
    size_t n_spans;
};

/* The collector of another process. */
struct friend {
    uint16_t peer; /* 0: free */
    bool asked;
    actor_handle handle; /* 0: not known yet */
    uint64_t waiting[2]; /* the trace to keep once it is */
};

struct collector {
    const struct collector_options *options; /* borrowed */
    struct traces *traces;                   /* owned */
    uint64_t *from;                          /* owned: next record of each lane */
    uint64_t dropped;                        /* of traces, as counted before */
    uint32_t period;
    uint32_t exports;
    struct recording *recordings; /* owned */
    uint32_t n_recordings;
    struct friend friends[FRIENDS];
    struct turn *turn; /* the one under way, for kept */
};

#define COLLECTOR_ACCEPTS(X) \
    X(struct collector, SysAskTraces, sys_ask_traces, on_ask_traces) \
    X(struct collector, SysAskTrace, sys_ask_trace, on_ask_trace) \
    X(struct collector, SysKeepTrace, sys_keep_trace, on_keep_trace) \
    X(struct collector, SysRecord, sys_record, on_record)
ACTOR_HANDLERS(collector_handlers, COLLECTOR_ACCEPTS);

/* --- writing spans
 * -------------------------------------------------------------------------------- */

/* Turns what a process knows of itself into what others read. */
struct writer {
    struct turn *turn;
    uint64_t wall_us; /* unix time at 0 of the monotonic clock */
    uint32_t slots[NAMES];
    char *names[NAMES];
};

/* Unix time at 0 of the monotonic clock. Whoever is preempted between the two readings is off by as
 * much: the tightest of a few counts. */
static uint64_t wall_at_zero(const struct core *core) {
    uint64_t best = UINT64_MAX, zero = 0;
    for (int i = 0; i < CLOCK_TRIES && best > CLOCK_GAP_US; i++) {
        const uint64_t before = core->driver->now_us(core);
        const uint64_t wall = core->driver->wall_us(core);
        const uint64_t gap = core->driver->now_us(core) - before;
        if (gap >= best) continue;
        best = gap;
        zero = wall - before - gap / 2;
    }
    return zero;
}

static struct writer new_writer(struct turn *turn) {
    return (struct writer){.turn = turn, .wall_us = wall_at_zero(turn->core)};
}

static char *slot_name(struct writer *writer, uint32_t slot) {
    uint32_t place = slot % NAMES;
    if (slot == 0) return "elsewhere";
    if (writer->names[place] && writer->slots[place] == slot) return writer->names[place];
    char text[CELL_NAME_MAX];
    core_actor_name(writer->turn->core, slot, text);
    writer->slots[place] = slot;
    writer->names[place] = turn_printf(writer->turn, "%s", text);
    return writer->names[place];
}

static void put_trace(struct turn *turn, ProtobufCBinaryData *out, const uint64_t id[2]) {
    if (!(id[0] | id[1])) return;
    out->data = turn_alloc(turn, TRACE_BYTES);
    if (!out->data) return;
    memcpy(out->data, id, TRACE_BYTES);
    out->len = TRACE_BYTES;
}

/* Its words, when it failed and they are known. */
static char *failure_text(struct turn *turn, const struct trace_span *span) {
    char text[REASON_MAX];
    bool failed = span->outcome != STATUS_OK && span->outcome < STATUS_COUNT;
    if (!failed || !reasons_get(&turn->core->reasons, span->span, text)) return "";
    return turn_printf(turn, "%s", text);
}

static SysSpan *
write_span(struct writer *writer, const struct trace *trace, const struct trace_span *span) {
    SysSpan *row = turn_new(writer->turn, SysSpan, sys_span);
    put_trace(writer->turn, &row->trace, trace->id);
    row->span = span->span;
    row->parent = span->parent;
    row->node = writer->turn->core->name;
    row->actor = slot_name(writer, span->slot);
    row->message = (char *)span_op_name(span->op);
    if (!row->message) row->message = "unknown";
    row->kind = (char *)span_kind_name(span->kind);
    row->start_us = writer->wall_us + span->queued_us;
    row->waited_us = span->waited_us;
    row->ran_us = span->ran_us;
    row->took_us = span_took_us(span);
    row->outcome = (char *)span_outcome_name(span->outcome);
    row->text = failure_text(writer->turn, span);
    row->lane = span->lane + 1u;
    return row;
}

/* One turn as it was recorded. */
static SysSpan *
write_record(struct writer *writer, const struct span_record *record, uint32_t lane) {
    SysSpan *row = turn_new(writer->turn, SysSpan, sys_span);
    put_trace(writer->turn, &row->trace, record->trace);
    const char *message = span_op_name(record->op);
    row->span = record->span;
    row->parent = record->parent;
    row->node = writer->turn->core->name;
    row->actor = slot_name(writer, record->slot);
    row->message = message ? (char *)message : "";
    row->kind = (char *)span_kind_name(record->kind);
    row->start_us = writer->wall_us + record->began_us - record->waited_us;
    row->waited_us = record->waited_us;
    row->ran_us = record->ran_us;
    row->took_us = record->waited_us + record->ran_us;
    row->outcome = (char *)span_outcome_name(record->outcome);
    row->lane = lane + 1;
    return row;
}

/* The spans of a trace that pass; NULL: no memory. */
static SysTrace *write_trace(struct turn *turn, struct trace *trace, bool not_exported) {
    struct writer writer = new_writer(turn);
    SysTrace *reply = turn_new(turn, SysTrace, sys_trace);
    reply->spans = turn_alloc(turn, trace->n_spans * sizeof(SysSpan *) + 1);
    if (!reply->spans) return NULL;
    for (struct trace_span *span = trace->spans; span; span = span->next) {
        if (!span->begun || (not_exported && span->exported)) continue;
        if (not_exported) span->exported = true;
        reply->spans[reply->n_spans++] = write_span(&writer, trace, span);
    }
    return reply;
}

/* --- what is kept
 * --------------------------------------------------------------------------------- */

static void exported(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct collector *self = actor;
    struct collector_counts *counts = &turn->core->collected;
    uint64_t n = (uintptr_t)context;
    self->exports--;
    atomic_fetch_add(outcome->status == STATUS_OK ? &counts->exported : &counts->export_lost, n);
}

static void export(struct collector *self, struct trace *trace) {
    struct turn *turn = self->turn;
    actor_handle exporter = turn_find(turn, "exporter");
    if (!exporter) return;
    SysTrace *message = write_trace(turn, trace, true);
    if (!message || message->n_spans == 0) return;
    if (self->exports == EXPORTS_MAX) {
        atomic_fetch_add(&turn->core->collected.export_lost, message->n_spans);
        return;
    }
    self->exports++;
    turn_call(turn, &(struct call){
                        .to = exporter,
                        .message = &message->base,
                        .done = exported,
                        .context = (void *)(uintptr_t)message->n_spans,
                        .deadline_us = turn_now_us(turn) + EXPORT_US,
                    });
}

static struct friend *friend_of(struct collector *self, uint16_t peer) {
    struct friend *friend = &self->friends[peer % FRIENDS];
    if (friend->peer != peer) *friend = (struct friend){.peer = peer};
    return friend;
}

static void told(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)turn;
    struct collector *self = actor;
    if (outcome->status == STATUS_OK) return;
    struct friend *friend = friend_of(self, (uint16_t)(uintptr_t)context);
    *friend = (struct friend){0};
}

static void tell_friend(struct friend *friend, struct turn *turn, const uint64_t id[2]) {
    SysKeepTrace keep = SYS_KEEP_TRACE__INIT;
    keep.trace.data = (uint8_t *)id;
    keep.trace.len = TRACE_BYTES;
    turn_call(turn, &(struct call){
                        .to = friend->handle,
                        .message = &keep.base,
                        .done = told,
                        .context = (void *)(uintptr_t) friend->peer,
                        .deadline_us = turn_now_us(turn) + TELL_US,
                    });
}

static void
friend_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct collector *self = actor;
    uint16_t peer = (uint16_t)(uintptr_t)context;
    struct friend *friend = &self->friends[peer % FRIENDS];
    if (friend->peer != peer) return;
    friend->asked = false;
    if (outcome->status != STATUS_OK) {
        *friend = (struct friend){0};
        return;
    }
    friend->handle = outcome->handle;
    tell_friend(friend, turn, friend->waiting);
}

/* Where peers of this number are reached; false: nowhere. */
static bool peer_address(const struct core *core, uint16_t number, struct link_peer *out) {
    for (size_t i = 0; core->driver->peer((struct core *)core, i, out); i++)
        if (out->number == number) return *out->address != '\0';
    return false;
}

static void tell_peer(struct collector *self, uint16_t peer, const uint64_t id[2]) {
    struct turn *turn = self->turn;
    struct friend *friend = friend_of(self, peer);
    struct link_peer there;
    if (friend->handle) {
        tell_friend(friend, turn, id);
        return;
    }
    friend->waiting[0] = id[0];
    friend->waiting[1] = id[1];
    if (friend->asked || !peer_address(turn->core, peer, &there)) return;
    friend->asked = true;
    turn_lookup(turn, &(struct lookup){
                          .address = there.address,
                          .name = "traces",
                          .done = friend_found,
                          .context = (void *)(uintptr_t)peer,
                          .deadline_us = turn_now_us(turn) + TELL_US,
                      });
}

/* A sampled trace is kept everywhere by its flag. */
static void on_kept(void *context, struct trace *trace) {
    struct collector *self = context;
    if (!trace->sampled)
        for (uint8_t i = 0; i < trace->n_peers; i++)
            tell_peer(self, trace->peers[i], trace->id);
    export(self, trace);
}

/* --- draining
 * ------------------------------------------------------------------------------------- */

static void end_recording(struct collector *self, struct recording *recording, struct turn *turn) {
    Done done = DONE__INIT;
    struct recording **at = &self->recordings;
    while (*at != recording)
        at = &(*at)->next;
    *at = recording->next;
    self->n_recordings--;
    turn_resolve(turn, &recording->promise, &done.base);
    mem_free(recording);
}

static void send_part(struct recording *recording, struct turn *turn) {
    SysTrace part = SYS_TRACE__INIT;
    part.spans = recording->spans;
    part.n_spans = recording->n_spans;
    if (part.n_spans > 0) turn_resolve_part(turn, &recording->promise, &part.base);
    recording->n_spans = 0;
}

static void record(struct recording *recording,
                   struct writer *writer,
                   const struct span_record *record,
                   uint32_t lane) {
    if (recording->left == 0 || record->kind == SPAN_ANSWERED || record->kind >= SPAN_KINDS) return;
    if (!recording->spans)
        recording->spans = turn_alloc(writer->turn, RECORD_PART * sizeof(SysSpan *));
    if (!recording->spans) return;
    recording->left--;
    recording->spans[recording->n_spans++] = write_record(writer, record, lane);
    if (recording->n_spans == RECORD_PART) send_part(recording, writer->turn);
}

static void end_recordings(struct collector *self, struct turn *turn) {
    struct recording *next;
    for (struct recording *recording = self->recordings; recording; recording = next) {
        next = recording->next;
        send_part(recording, turn);
        recording->spans = NULL;
        bool wanted = turn_wanted(turn, &recording->promise);
        if (recording->left == 0 || turn_now_us(turn) >= recording->until_us || !wanted)
            end_recording(self, recording, turn);
    }
}

/* Reads up to about `max` records; false: there are more. */
static bool drain_lane(struct collector *self, struct writer *writer, uint32_t lane, uint64_t max) {
    const struct ring *ring = &writer->turn->core->lanes[lane].ring;
    uint64_t words[RING_COPY][RING_WORDS];
    uint64_t end = ring_head(ring), read = 0, lost = 0;
    while (self->from[lane] < end && read < max) {
        size_t n = ring_read(ring, &self->from[lane], words, &lost);
        read += n;
        for (size_t i = 0; i < n; i++) {
            struct span_record one;
            if (!self->recordings && !(words[i][0] | words[i][1])) continue; /* no trace */
            span_unpack(words[i], &one);
            traces_add(self->traces, &one, lane);
            for (struct recording *at = self->recordings; at; at = at->next)
                record(at, writer, &one, lane);
        }
    }
    atomic_fetch_add(&writer->turn->core->collected.spans_lost, lost);
    return self->from[lane] >= end;
}

/* Of all lanes, at most `max` each; false: there are more. */
static bool drain(struct collector *self, struct turn *turn, uint64_t max) {
    struct writer writer = new_writer(turn);
    bool all = true;
    self->turn = turn;
    for (uint32_t i = 0; i < turn->core->n_lanes; i++)
        if (!drain_lane(self, &writer, i, max)) all = false;
    traces_judge(self->traces, turn_now_us(turn), false);
    end_recordings(self, turn);
    uint64_t dropped = traces_dropped(self->traces);
    atomic_fetch_add(&turn->core->collected.spans_lost, dropped - self->dropped);
    self->dropped = dropped;
    self->turn = NULL;
    return all;
}

static void tick(void *actor, void *context, struct turn *turn) {
    struct collector *self = actor;
    bool all = drain(self, turn, DRAIN_MAX / turn->core->n_lanes);
    self->period = all ? self->period * 2 : self->options->period_min;
    if (self->period > self->options->period_max) self->period = self->options->period_max;
    turn_timer(turn, self->period, tick, context);
}

/* --- asked
 * ---------------------------------------------------------------------------------------- */

/* NULL: not a trace id. */
static const uint64_t *read_id(const ProtobufCBinaryData *bytes, uint64_t id[2]) {
    if (bytes->len != TRACE_BYTES) return NULL;
    memcpy(id, bytes->data, TRACE_BYTES);
    return id[0] | id[1] ? id : NULL;
}

static SysTraceRow *write_row(struct writer *writer, struct trace *trace) {
    SysTraceRow *row = turn_new(writer->turn, SysTraceRow, sys_trace_row);
    const struct trace_span *root = traces_root(trace);
    put_trace(writer->turn, &row->trace, trace->id);
    row->start_us = writer->wall_us + trace->first_us;
    row->took_us = trace_took_us(trace);
    row->spans = trace->n_spans;
    row->outcome = (char *)span_outcome_name(trace_outcome(trace));
    row->why = (char *)trace_why_name(trace->why);
    if (!root) return row;
    const char *message = span_op_name(root->op);
    row->name = turn_printf(writer->turn, "%s %s", slot_name(writer, root->slot),
                            message ? message : "unknown");
    return row;
}

static int slower(const void *a, const void *b) {
    uint64_t x = (*(SysTraceRow *const *)a)->took_us, y = (*(SysTraceRow *const *)b)->took_us;
    return (x < y) - (x > y);
}

static enum status
on_ask_traces(struct collector *self, const SysAskTraces *ask, struct turn *turn) {
    drain(self, turn, UINT64_MAX);
    uint32_t max = ask->max == 0 ? ROWS_DEFAULT : ask->max < ROWS_MAX ? ask->max : ROWS_MAX;
    struct writer writer = new_writer(turn);
    SysTraces *reply = turn_new(turn, SysTraces, sys_traces);
    reply->traces = turn_alloc(turn, ROWS_MAX * sizeof(SysTraceRow *));
    if (!reply->traces) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for the list");
    size_t most = ask->slowest ? ROWS_MAX : max;
    struct trace *trace = NULL;
    while (reply->n_traces < most && (trace = traces_next(self->traces, trace))) {
        if (trace_took_us(trace) < ask->min_us) continue;
        if (ask->failed && trace->why != TRACE_FAILED && trace->why != TRACE_LATE) continue;
        reply->traces[reply->n_traces++] = write_row(&writer, trace);
    }
    if (ask->slowest) qsort(reply->traces, reply->n_traces, sizeof *reply->traces, slower);
    if (reply->n_traces > max) reply->n_traces = max;
    turn_reply(turn, &reply->base);
    return STATUS_OK;
}

static enum status on_ask_trace(struct collector *self, const SysAskTrace *ask, struct turn *turn) {
    uint64_t id[2];
    if (!read_id(&ask->trace, id))
        return turn_fail(turn, STATUS_INVALID, "a trace id has 16 bytes");
    drain(self, turn, UINT64_MAX);
    struct trace *trace = traces_find(self->traces, id);
    SysTrace none = SYS_TRACE__INIT, *reply = &none;
    if (trace) reply = write_trace(turn, trace, false);
    if (!reply) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for the trace");
    turn_reply(turn, &reply->base);
    return STATUS_OK;
}

static enum status
on_keep_trace(struct collector *self, const SysKeepTrace *keep, struct turn *turn) {
    uint64_t id[2];
    if (!read_id(&keep->trace, id))
        return turn_fail(turn, STATUS_INVALID, "a trace id has 16 bytes");
    self->turn = turn;
    traces_ask(self->traces, id);
    self->turn = NULL;
    return STATUS_OK;
}

static enum status on_record(struct collector *self, const SysRecord *ask, struct turn *turn) {
    if (ask->seconds < 1 || ask->seconds > RECORD_SECONDS_MAX)
        return turn_fail(turn, STATUS_INVALID, "seconds are 1 to %d", RECORD_SECONDS_MAX);
    if (self->n_recordings == RECORDINGS_MAX)
        return turn_fail(turn, STATUS_BUSY, "%d recordings are under way", RECORDINGS_MAX);
    drain(self, turn, UINT64_MAX);
    struct recording *recording = mem_zero(1, sizeof *recording);
    if (!recording) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for a recording");
    recording->promise = turn_defer(turn);
    recording->until_us = turn_now_us(turn) + ask->seconds * UINT64_C(1000000);
    recording->left = ask->max && ask->max < RECORD_MAX ? ask->max : RECORD_MAX;
    recording->next = self->recordings;
    self->recordings = recording;
    self->n_recordings++;
    return STATUS_OK;
}

/* --- open and close
 * ------------------------------------------------------------------------------- */

static enum status collector_open(void *actor, const void *options, struct turn *turn) {
    struct collector *self = actor;
    self->options = options;
    self->period = self->options->period_max;
    self->from = mem_zero(turn->core->n_lanes, sizeof *self->from);
    self->traces = traces_new(&(struct traces_options){
        .slow_us = self->options->slow_us, .kept = on_kept, .context = self});
    if (!self->from || !self->traces) return turn_fail(turn, STATUS_NO_MEMORY, "no memory");
    if (self->options->period_min) turn_timer(turn, self->period, tick, NULL);
    return STATUS_OK;
}

static void collector_close(void *actor) {
    struct collector *self = actor;
    while (self->recordings) {
        struct recording *recording = self->recordings;
        self->recordings = recording->next;
        mem_free(recording);
    }
    traces_free(self->traces);
    mem_free(self->from);
}

const struct actor_type collector_type = {
    .kind = "traces",
    .size = sizeof(struct collector),
    .handlers = collector_handlers,
    .open = collector_open,
    .close = collector_close,
    .lane = LANE_IO,
    .light = true,
    .quiet = true,
};
