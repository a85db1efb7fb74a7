/* waterfall: one line a span, indented below the span in which it was sent.
 *
 *     SPAN                             0       2.10ms    WAIT     RAN    TOOK
 *     gateway edge/1 Search            ━━━━━━━━━━━━━━━━     0us   120us  2.10ms
 *       router RouterSearch             ━━━━━━━━━━━━━━     31us   210us  1.90ms
 *         worker shard/1 ShardSearch       ··━━━━━        120us    35us   160us
 *
 * · waits in the mailbox, ━ from its turn to its answer. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/span_set.h"
#include "runtime/memory.h"
#include "runtime/text.h"

enum { NAME_WIDTH = 36, BAR_WIDTH = 19, TIME_WIDTH = 7, DEPTH_MAX = 8, WORDS_MAX = 512 };

/* "850us", "2.10ms", "1.20s": at most 7 columns. */
static void print_time(char text[16], uint64_t us) {
    if (us < 1000)
        snprintf(text, 16, "%" PRIu64 "us", us);
    else if (us < 1000000)
        snprintf(text, 16, "%.*fms", us < 10000 ? 2 : us < 100000 ? 1 : 0, (double)us / 1000);
    else
        snprintf(text, 16, "%.*fs", us < 100000000 ? 2 : 0, (double)us / 1000000);
}

/* Service names lose their package: the method is what tells. */
static const char *short_message(const char *message) {
    const char *slash = strrchr(message, '/');
    return slash ? slash + 1 : message;
}

static void put_name(const SysSpan *span, const SysSpan *parent, size_t depth, FILE *out) {
    char text[WORDS_MAX];
    bool elsewhere = !parent || strcmp(parent->node, span->node) != 0;
    int size = snprintf(text, sizeof text, "%*s%s%s%s %s%s%s", (int)(depth * 2), "",
                        elsewhere ? span->node : "", elsewhere ? " " : "", span->actor,
                        short_message(span->message), span_failed(span) ? " !" : "",
                        span_failed(span) ? span->outcome : "");
    if (size > NAME_WIDTH) {
        /* The start says where, the end what: the middle goes. */
        int keep = NAME_WIDTH / 2;
        fprintf(out, "%.*s…%s ", keep, text, text + size - (NAME_WIDTH - keep - 1));
    } else {
        fprintf(out, "%-*s ", NAME_WIDTH, text);
    }
}

struct scale {
    uint64_t from, span;
};

static size_t column(const struct scale *scale, uint64_t at) {
    uint64_t us = at > scale->from ? at - scale->from : 0;
    size_t column = (size_t)(us * BAR_WIDTH / scale->span);
    return column < BAR_WIDTH ? column : BAR_WIDTH - 1;
}

static void put_bar(const SysSpan *span, const struct scale *scale, FILE *out) {
    size_t first = column(scale, span->start_us), last = column(scale, span_end_us(span));
    size_t begun = column(scale, span->start_us + span->waited_us);
    for (size_t i = 0; i < BAR_WIDTH; i++)
        fputs(i < first || i > last ? " " : i < begun ? "·" : "━", out);
}

static void put_times(const SysSpan *span, FILE *out) {
    const uint64_t times[] = {span->waited_us, span->ran_us, span->took_us};
    for (size_t i = 0; i < 3; i++) {
        char text[16];
        print_time(text, times[i]);
        fprintf(out, " %*s", TIME_WIDTH, text);
    }
    fputc('\n', out);
}

/* Why it failed, on a line of its own. */
static void put_words(const SysSpan *span, size_t depth, FILE *out) {
    enum { WIDTH = 80 };
    int indent = (int)(depth < DEPTH_MAX ? depth : DEPTH_MAX) * 2 + 2;
    if (!*span->text || !span_failed(span)) return;
    size_t size = strlen(span->text), room = (size_t)(WIDTH - indent - 2);
    size_t shown = size > room ? text_prefix(span->text, room - 1) : size;
    fprintf(out, "%*s! %.*s%s\n", indent, "", (int)shown, span->text, shown < size ? "…" : "");
}

struct waterfall {
    const struct span_set *set;
    struct scale scale;
    bool *shown;
    FILE *out;
};

static void put_children(struct waterfall *self, const SysSpan *parent, size_t depth);

static void put_span(struct waterfall *self, size_t i, const SysSpan *parent, size_t depth) {
    const SysSpan *span = self->set->spans[i];
    self->shown[i] = true;
    put_name(span, parent, depth < DEPTH_MAX ? depth : DEPTH_MAX, self->out);
    put_bar(span, &self->scale, self->out);
    put_times(span, self->out);
    put_words(span, depth, self->out);
    put_children(self, span, depth + 1);
}

static void put_children(struct waterfall *self, const SysSpan *parent, size_t depth) {
    for (size_t i = 0; i < self->set->n; i++)
        if (!self->shown[i] && self->set->spans[i]->parent == parent->span)
            put_span(self, i, parent, depth);
}

static size_t count_nodes(const struct span_set *set) {
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        size_t j = 0;
        while (strcmp(set->spans[j]->node, set->spans[i]->node) != 0)
            j++;
        n += j == i;
    }
    return n;
}

static void put_head(const struct span_set *set, const struct scale *scale, FILE *out) {
    char id[TRACE_TEXT_MAX], text[16];
    trace_text(&set->spans[0]->trace, id);
    print_time(text, scale->span);
    size_t nodes = count_nodes(set);
    fprintf(out, "trace %s: %s, %zu spans in %zu process%s, %s\n\n", id, text, set->n, nodes,
            nodes == 1 ? "" : "es", set->spans[0]->outcome);
    fprintf(out, "%-*s 0%*s %*s %*s %*s\n", NAME_WIDTH, "SPAN", BAR_WIDTH - 1, text, TIME_WIDTH,
            "WAIT", TIME_WIDTH, "RAN", TIME_WIDTH, "TOOK");
}

void waterfall_print(const struct span_set *set, FILE *out) {
    if (set->n == 0) return;
    struct waterfall self = {.set = set, .out = out, .shown = mem_zero(set->n, sizeof(bool))};
    if (!self.shown) return;
    uint64_t end = 0;
    self.scale.from = set->spans[0]->start_us;
    for (size_t i = 0; i < set->n; i++)
        if (span_end_us(set->spans[i]) > end) end = span_end_us(set->spans[i]);
    self.scale.span = end > self.scale.from ? end - self.scale.from : 1;
    put_head(set, &self.scale, out);
    /* What nobody here sent begins a tree; what is left then is sent in a circle, which a broken
     * clock or client can make, and is shown flat. */
    for (size_t i = 0; i < set->n; i++)
        if (!self.shown[i] && !span_set_parent(set, set->spans[i])) put_span(&self, i, NULL, 0);
    for (size_t i = 0; i < set->n; i++)
        if (!self.shown[i]) put_span(&self, i, NULL, 0);
    mem_free(self.shown);
}
