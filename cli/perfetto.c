/* perfetto: {"traceEvents": […]}. A process is a pid, a lane a tid; what lasts longer than a turn,
 * requests from outside and the spans of one trace, goes to rows in which nothing overlaps. A span
 * is a complete event ("X"); an arrow ("s" to "f") leads from the slice in which a message was sent
 * to the one in which it was handled. Times are microseconds of unix time less that of the first
 * span. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/edge/json.h"
#include "cli/span_set.h"
#include "runtime/memory.h"

enum { NODES_MAX = 64, ROWS_MAX = 256, FIRST_ROW = 1000 /* tid of rows; below: lanes */ };

struct place {
    unsigned pid, tid;
    uint64_t begins, ends; /* of its slice */
};

struct writer {
    const struct span_set *set;
    struct place *places; /* by span */
    uint64_t base;
    struct buffer out;
    const char *nodes[NODES_MAX];
    unsigned n_nodes;
    uint64_t row_ends[NODES_MAX][ROWS_MAX]; /* while rows are given out */
    unsigned n_rows[NODES_MAX];
    unsigned n_lanes[NODES_MAX];
    bool first;
};

static unsigned pid_of(struct writer *writer, const char *node) {
    for (unsigned i = 0; i < writer->n_nodes; i++)
        if (strcmp(writer->nodes[i], node) == 0) return i + 1;
    if (writer->n_nodes == NODES_MAX) return NODES_MAX;
    writer->nodes[writer->n_nodes++] = node;
    return writer->n_nodes;
}

/* The first row of the process that is free by then. */
static unsigned free_row(struct writer *writer, unsigned pid, const struct place *place) {
    uint64_t *ends = writer->row_ends[pid - 1];
    unsigned *n = &writer->n_rows[pid - 1], row = 0;
    while (row < *n && ends[row] > place->begins)
        row++;
    if (row == ROWS_MAX) row--;
    if (row == *n) (*n)++;
    ends[row] = place->ends;
    return FIRST_ROW + row;
}

static void begin_event(struct writer *writer) {
    buffer_printf(&writer->out, writer->first ? "\n" : ",\n");
    writer->first = false;
}

static void put_text(struct writer *writer, const char *key, const char *text) {
    buffer_printf(&writer->out, "\"%s\":", key);
    json_write_string(&writer->out, text, strlen(text));
}

static void
put_track(struct writer *writer, unsigned pid, unsigned tid, const char *what, unsigned n) {
    begin_event(writer);
    buffer_printf(&writer->out,
                  "{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":%u,\"tid\":%u,"
                  "\"args\":{\"name\":\"%s %u\"}}",
                  pid, tid, what, n);
}

static void put_names(struct writer *writer, bool by_lane) {
    for (unsigned i = 0; i < writer->n_nodes; i++) {
        begin_event(writer);
        buffer_printf(&writer->out, "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%u,\"args\":{",
                      i + 1);
        put_text(writer, "name", writer->nodes[i]);
        buffer_printf(&writer->out, "}}");
        for (unsigned lane = 1; lane <= writer->n_lanes[i]; lane++)
            put_track(writer, i + 1, lane, "lane", lane);
        for (unsigned row = 0; row < writer->n_rows[i]; row++)
            put_track(writer, i + 1, FIRST_ROW + row, by_lane ? "requests" : "spans", row + 1);
    }
}

static void put_span(struct writer *writer, const SysSpan *span, const struct place *place) {
    char name[512], trace[TRACE_TEXT_MAX];
    trace_text(&span->trace, trace);
    snprintf(name, sizeof name, "%s %s", span->actor, *span->message ? span->message : span->kind);
    begin_event(writer);
    buffer_printf(&writer->out, "{\"ph\":\"X\",");
    put_text(writer, "name", name);
    buffer_printf(&writer->out, ",");
    put_text(writer, "cat", span->kind);
    buffer_printf(
        &writer->out, ",\"ts\":%" PRIu64 ",\"dur\":%" PRIu64 ",\"pid\":%u,\"tid\":%u,\"args\":{",
        place->begins - writer->base, place->ends - place->begins, place->pid, place->tid);
    put_text(writer, "outcome", span->outcome);
    buffer_printf(&writer->out,
                  ",\"trace\":\"%s\",\"span\":\"%016" PRIx64 "\",\"parent\":\"%016" PRIx64
                  "\",\"waited_us\":%" PRIu64 ",\"ran_us\":%" PRIu64 ",\"took_us\":%" PRIu64 "}}",
                  trace, span->span, span->parent, span->waited_us, span->ran_us, span->took_us);
}

/* Spans by (span id, begin), to find the slice that sent a message. */
struct sender {
    uint64_t span, begins;
    size_t place;
};

static int by_span(const void *a, const void *b) {
    const struct sender *x = a, *y = b;
    if (x->span != y->span) return x->span < y->span ? -1 : 1;
    return (x->begins > y->begins) - (x->begins < y->begins);
}

/* The last slice of that span that began by then; NULL: none is here. */
static const struct sender *
find_sender(const struct sender *senders, size_t n, uint64_t span, uint64_t at) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct sender *sender = &senders[middle];
        if (sender->span < span || (sender->span == span && sender->begins <= at))
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && senders[low - 1].span == span ? &senders[low - 1] : NULL;
}

static void put_arrow(struct writer *writer,
                      const struct place *from,
                      const struct place *to,
                      const SysSpan *span) {
    uint64_t sent = span->start_us < from->begins ? from->begins
                    : span->start_us > from->ends ? from->ends
                                                  : span->start_us;
    if (sent > to->begins) sent = to->begins; /* clocks of two machines */
    begin_event(writer);
    buffer_printf(&writer->out,
                  "{\"ph\":\"s\",\"cat\":\"message\",\"name\":\"message\",\"id\":\"%016" PRIx64
                  "\",\"ts\":%" PRIu64 ",\"pid\":%u,\"tid\":%u}",
                  span->span, sent - writer->base, from->pid, from->tid);
    begin_event(writer);
    buffer_printf(&writer->out,
                  "{\"ph\":\"f\",\"bp\":\"e\",\"cat\":\"message\",\"name\":\"message\",\"id\":"
                  "\"%016" PRIx64 "\",\"ts\":%" PRIu64 ",\"pid\":%u,\"tid\":%u}",
                  span->span, to->begins - writer->base, to->pid, to->tid);
}

static void put_arrows(struct writer *writer) {
    const struct span_set *set = writer->set;
    struct sender *senders = mem_alloc(set->n * sizeof *senders);
    if (!senders) {
        writer->out.failed = true;
        return;
    }
    for (size_t i = 0; i < set->n; i++)
        senders[i] = (struct sender){set->spans[i]->span, writer->places[i].begins, i};
    qsort(senders, set->n, sizeof *senders, by_span);
    for (size_t i = 0; i < set->n; i++) {
        const SysSpan *span = set->spans[i];
        if (span->parent == 0) continue;
        const struct sender *sender = find_sender(senders, set->n, span->parent, span->start_us);
        if (sender) put_arrow(writer, &writer->places[sender->place], &writer->places[i], span);
    }
    mem_free(senders);
}

static void place_spans(struct writer *writer, bool by_lane) {
    const struct span_set *set = writer->set;
    for (size_t i = 0; i < set->n; i++) {
        const SysSpan *span = set->spans[i];
        struct place *place = &writer->places[i];
        place->pid = pid_of(writer, span->node);
        bool turn = by_lane && strcmp(span->kind, "edge") != 0;
        unsigned *n = &writer->n_lanes[place->pid - 1];
        place->begins = span->start_us + (turn ? span->waited_us : 0);
        place->ends = turn ? place->begins + span->ran_us : span_end_us(span);
        place->tid = turn ? span->lane : free_row(writer, place->pid, place);
        if (turn && span->lane > *n && span->lane < FIRST_ROW) *n = span->lane;
    }
}

bool perfetto_write(const struct span_set *set, bool by_lane, FILE *out) {
    struct writer *writer = mem_zero(1, sizeof *writer);
    if (!writer) return false;
    writer->set = set;
    writer->first = true;
    writer->base = set->n ? set->spans[0]->start_us : 0;
    buffer_init(&writer->out);
    writer->places = mem_zero(set->n + 1, sizeof *writer->places);
    bool ok = writer->places != NULL;
    if (ok) {
        buffer_printf(&writer->out, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
        place_spans(writer, by_lane);
        put_names(writer, by_lane);
        for (size_t i = 0; i < set->n; i++)
            put_span(writer, set->spans[i], &writer->places[i]);
        put_arrows(writer);
        buffer_printf(&writer->out, "\n]}\n");
        ok = !writer->out.failed &&
             fwrite(writer->out.data, 1, writer->out.size, out) == writer->out.size;
    }
    buffer_free(&writer->out);
    mem_free(writer->places);
    mem_free(writer);
    return ok;
}
