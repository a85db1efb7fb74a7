/* trace_join: sorting makes neighbours of what belongs together. */
#include "cli/console/trace_join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"

void trace_join_hex(const ProtobufCBinaryData *trace, char out[33]) {
    out[0] = 0;
    for (size_t i = 0; i < trace->len && i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", trace->data[i]);
}

static int by_id_and_start(const void *a, const void *b) {
    const struct joined_trace *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    if (order) return order;
    return x->row->start_us < y->row->start_us ? -1 : x->row->start_us > y->row->start_us;
}

static const SysTraces *traces_of(const struct model *model, size_t i) {
    const struct process *process = model->processes[i];
    if (process->same || process->status != STATUS_OK) return NULL;
    return model_message(process, QUESTION_TRACES, NULL);
}

bool trace_join_failed(const char *outcome) {
    static const char *const fine[] = {"", "OK", "DEFERRED", "FORWARDED"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        if (strcmp(outcome, fine[i]) == 0) return false;
    return true;
}

static void merge(struct joined_trace *into, const struct joined_trace *other) {
    uint64_t begun = other->row->start_us - into->row->start_us; /* sorted: not before */
    uint64_t took = begun + other->row->took_us;
    if (took > into->took_us && begun < into->took_us) into->took_us = took;
    into->spans += other->spans;
    into->processes++;
    if (other->failed && !into->failed) {
        into->failed = true;
        into->outcome = other->outcome;
    }
}

size_t trace_join_list(const struct model *model, struct joined_trace **out) {
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < model->n_processes; i++)
        n += traces_of(model, i) ? traces_of(model, i)->n_traces : 0;
    if (n > TRACES_JOINED_MAX) n = TRACES_JOINED_MAX;
    struct joined_trace *rows = *out = n ? mem_zero(n, sizeof *rows) : NULL;
    if (!rows) return 0;
    n = 0;
    for (size_t i = 0; i < model->n_processes; i++) {
        const SysTraces *traces = traces_of(model, i);
        for (size_t j = 0; traces && j < traces->n_traces && n < TRACES_JOINED_MAX; j++) {
            const SysTraceRow *row = traces->traces[j];
            rows[n] = (struct joined_trace){.row = row,
                                            .took_us = row->took_us,
                                            .spans = row->spans,
                                            .processes = 1,
                                            .failed = trace_join_failed(row->outcome),
                                            .outcome = row->outcome};
            trace_join_hex(&row->trace, rows[n++].id);
        }
    }
    qsort(rows, n, sizeof *rows, by_id_and_start);
    for (size_t i = 0; i < n; i++) {
        if (kept && strcmp(rows[kept - 1].id, rows[i].id) == 0)
            merge(&rows[kept - 1], &rows[i]);
        else
            rows[kept++] = rows[i];
    }
    return kept;
}

/* --- spans of one --- */

static int by_start(const void *a, const void *b) {
    const SysSpan *x = ((const struct joined_span *)a)->span,
                  *y = ((const struct joined_span *)b)->span;
    if (x->start_us != y->start_us) return x->start_us < y->start_us ? -1 : 1;
    return x->span < y->span ? -1 : x->span > y->span;
}

/* The same span may be told twice, by the process that asked and the one that answered. */
static size_t
gather(const struct model *model, const char *id, struct joined_span *out, size_t *processes) {
    size_t n = 0;
    *processes = 0;
    for (size_t i = 0; i < model->n_processes; i++) {
        const struct process *process = model->processes[i];
        const SysTrace *trace = process->same ? NULL : model_message(process, QUESTION_TRACE, id);
        *processes += trace && trace->n_spans;
        for (size_t j = 0; trace && j < trace->n_spans && n < SPANS_JOINED_MAX; j++) {
            bool known = false;
            for (size_t k = 0; k < n && !known; k++)
                known = out[k].span->span == trace->spans[j]->span;
            if (!known) out[n++] = (struct joined_span){trace->spans[j], process, -1, 0};
        }
    }
    return n;
}

struct placing {
    const struct joined_span *in;
    struct joined_span *out;
    bool *placed;
    size_t n, n_out;
};

static void place(struct placing *p, size_t i, int depth) {
    p->placed[i] = true;
    p->out[p->n_out] = p->in[i];
    p->out[p->n_out++].depth = depth;
    for (size_t j = 0; j < p->n && depth < SPAN_DEPTH_MAX; j++)
        if (!p->placed[j] && p->in[j].span->parent == p->in[i].span->span) place(p, j, depth + 1);
}

static bool has_parent(const struct placing *p, size_t i) {
    for (size_t j = 0; j < p->n; j++)
        if (j != i && p->in[j].span->span == p->in[i].span->parent) return true;
    return false;
}

static void measure(struct joined_spans *out) {
    uint64_t end = 0;
    out->start_us = out->n ? out->spans[0].span->start_us : 0;
    for (size_t i = 0; i < out->n; i++)
        if (out->spans[i].span->start_us < out->start_us)
            out->start_us = out->spans[i].span->start_us;
    for (size_t i = 0; i < out->n; i++) {
        const SysSpan *span = out->spans[i].span;
        uint64_t own = span->waited_us + span->ran_us,
                 took = span->took_us > own ? span->took_us : own;
        out->spans[i].offset_us = span->start_us - out->start_us;
        if (out->spans[i].offset_us + took > end) end = out->spans[i].offset_us + took;
    }
    out->took_us = end;
}

enum status trace_join_spans(const struct model *model, const char *id, struct joined_spans *out) {
    *out = (struct joined_spans){0};
    struct joined_span *in = mem_zero(SPANS_JOINED_MAX, sizeof *in);
    out->spans = mem_zero(SPANS_JOINED_MAX, sizeof *in);
    bool *placed = mem_zero(SPANS_JOINED_MAX, sizeof *placed);
    enum status s = in && out->spans && placed ? STATUS_OK : STATUS_NO_MEMORY;
    if (s == STATUS_OK) {
        struct placing p = {in, out->spans, placed, gather(model, id, in, &out->processes), 0};
        qsort(in, p.n, sizeof *in, by_start);
        for (size_t i = 0; i < p.n; i++)
            if (!has_parent(&p, i)) place(&p, i, 0);
        for (size_t i = 0; i < p.n; i++) /* circles of parents: only from a broken process */
            if (!placed[i]) place(&p, i, 0);
        out->n = p.n_out;
        measure(out);
    } else {
        trace_join_free(out);
    }
    mem_free(in);
    mem_free(placed);
    return s;
}

void trace_join_free(struct joined_spans *spans) {
    mem_free(spans->spans);
    *spans = (struct joined_spans){0};
}
