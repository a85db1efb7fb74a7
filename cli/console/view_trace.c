/* view_trace: one request's way through all processes: a row a span, the time waiting in a mailbox
 * and the time in handlers apart.
 *
 *   edge/1        RouterSearch   ████████████████████████████  12.1ms
 *     router      RouterSearch   ░██─────────────────────────  11.8ms
 *       shard/3   ShardSearch       ░░░███────────────────      9.0ms */
#include <stdio.h>
#include <string.h>

#include "cli/console/body.h"
#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "cli/console/trace_join.h"
#include "cli/console/units.h"

static const struct column columns[] = {
    {"actor", "ACTOR", VALUE_NAME, 20, 30, 0},
    {"process", "PROCESS", VALUE_NAME, 10, 16, 1},
    {"message", "MESSAGE", VALUE_TEXT, 14, 24, 0},
    {"start_us", "START", VALUE_US, 8, 0, 0},
    {"waited_us", "WAITED", VALUE_US, 8, 0, 0},
    {"ran_us", "RAN", VALUE_US, 8, 0, 0},
    {"took_us", "TOOK", VALUE_US, 8, 0, 0},
    {"outcome", "OUTCOME", VALUE_TEXT, 9, 0, 0},
    {"text", "WORDS", VALUE_TEXT, 8, 60, 2},
    {"kind", "kind", VALUE_TEXT, 0, 0, -1},
    {"lane", "lane", VALUE_COUNT, 0, 0, -1},
    {"depth", "depth", VALUE_COUNT, 0, 0, -1},
    {"span", "span", VALUE_ID, 0, 0, -1},
    {"parent", "parent", VALUE_ID, 0, 0, -1},
    {0},
};

static void fill_row(struct list *list, const struct joined_span *joined) {
    const SysSpan *span = joined->span;
    struct list_row *row = list_add(list, span->span, span);
    if (!row) return;
    row->indent = 2 * joined->depth;
    list_text(list, row, "actor", span->actor);
    list_text(list, row, "process", joined->process->label);
    list_text(list, row, "message", body_short(span->message));
    list_number(list, row, "start_us", (double)joined->offset_us);
    list_number(list, row, "waited_us", (double)span->waited_us);
    list_number(list, row, "ran_us", (double)span->ran_us);
    list_number(list, row, "took_us", (double)span->took_us);
    list_text(list, row, "outcome", span->outcome);
    list_text(list, row, "text", span->text);
    list_text(list, row, "kind", span->kind);
    list_number(list, row, "lane", span->lane);
    list_number(list, row, "depth", joined->depth);
    list_id(list, row, "span", span->span);
    list_id(list, row, "parent", span->parent);
}

static void fill(struct console *console, unsigned which, struct list *list) {
    (void)which;
    struct joined_spans spans;
    if (trace_join_spans(&console->timeline.model, console->trace, &spans) != STATUS_OK) return;
    for (size_t i = 0; i < spans.n; i++)
        fill_row(list, &spans.spans[i]);
    trace_join_free(&spans);
}

/* --- the waterfall --- */

struct scale {
    int column, width;
    double us; /* of the whole */
};

static void draw_stretch(struct screen *screen,
                         int row,
                         const struct scale *scale,
                         double from,
                         double to,
                         enum style style,
                         uint32_t rune) {
    int first = (int)(from / scale->us * scale->width), last = (int)(to / scale->us * scale->width);
    if (to <= from) return;
    if (last == first) last++;
    for (int i = first; i < last && i < scale->width; i++)
        screen_rune(screen, row, scale->column + i, style, rune);
}

static void draw_span(struct screen *screen,
                      int row,
                      const struct scale *scale,
                      const struct joined_span *joined) {
    const SysSpan *span = joined->span;
    double start = (double)joined->offset_us, waited = start + (double)span->waited_us,
           ran = waited + (double)span->ran_us;
    double end = start + (double)span->took_us;
    for (int i = 0; i < scale->width; i += 8)
        screen_rune(screen, row, scale->column + i, STYLE_TRACK, 0xb7);
    draw_stretch(screen, row, scale, ran, end, STYLE_DIM, 0x2500);
    draw_stretch(screen, row, scale, start, waited, STYLE_WARM, 0x2591);
    draw_stretch(screen, row, scale, waited, ran,
                 trace_join_failed(span->outcome) ? STYLE_HOT : STYLE_COOL, 0x2588);
}

static void draw_row(struct screen *screen,
                     struct area at,
                     const struct scale *scale,
                     const struct joined_span *joined) {
    const SysSpan *span = joined->span;
    int indent = joined->depth * 2, names = scale->column - at.column - 1;
    if (indent > names / 2) indent = names / 2;
    int left = names - indent, actor = left * 5 / 9;
    screen_field(screen,
                 &(struct field){at.row, at.column + indent, actor, STYLE_BRIGHT, .right = false},
                 *span->actor ? span->actor : span->node);
    screen_field(screen,
                 &(struct field){at.row, at.column + indent + actor + 1, left - actor - 1,
                                 STYLE_DIM, .right = false},
                 body_short(span->message));
    draw_span(screen, at.row, scale, joined);
    char took[UNITS_MAX];
    int column = scale->column + scale->width;
    uint64_t own = span->waited_us + span->ran_us;
    screen_field(screen,
                 &(struct field){at.row, column, 8,
                                 trace_join_failed(span->outcome) ? STYLE_HOT : STYLE_PLAIN,
                                 .right = true},
                 units_us(took, (double)(span->took_us > own ? span->took_us : own)));
    screen_field(screen,
                 &(struct field){at.row, column + 9, at.column + at.width - column - 9, STYLE_DIM,
                                 .right = false},
                 joined->process->label);
}

static void draw_picked(struct screen *screen, struct area at, const struct joined_span *joined) {
    const SysSpan *span = joined->span;
    char a[UNITS_MAX], b[UNITS_MAX], c[UNITS_MAX], d[UNITS_MAX];
    draw_rule(screen,
              &(struct rule){at.row, at.column, at.width, span->actor, joined->process->label});
    int column = at.column + 2;
    column += screen_format(screen, at.row + 1, column, STYLE_BRIGHT, "%s %s  ", span->kind,
                            body_short(span->message));
    column += screen_format(screen, at.row + 1, column, STYLE_DIM, "begins at %s  ",
                            units_us(a, (double)joined->offset_us));
    column += screen_format(screen, at.row + 1, column, STYLE_WARM, "░ waited %s  ",
                            units_us(b, (double)span->waited_us));
    column += screen_format(screen, at.row + 1, column, STYLE_COOL, "█ ran %s  ",
                            units_us(c, (double)span->ran_us));
    screen_format(screen, at.row + 1, column, STYLE_DIM, "─ answered after %s",
                  units_us(d, (double)span->took_us));
    screen_format(screen, at.row + 2, at.column + 2,
                  trace_join_failed(span->outcome) ? STYLE_HOT : STYLE_GOOD, "%s  %s",
                  span->outcome, span->text);
}

static void draw_spans(struct console *console,
                       struct screen *screen,
                       struct area area,
                       const struct joined_spans *spans) {
    enum { DETAIL = 3, HEAD = 1 };
    struct list_state *state = &console->states[VIEW_TRACE];
    int rows = area.height - HEAD - DETAIL;
    int side = area.width >= 110 ? 20 : 0, names = area.width * 4 / 10;
    struct scale scale = {area.column + names, area.width - names - 9 - side,
                          (double)(spans->took_us ? spans->took_us : 1)};
    char took[UNITS_MAX];
    int at = screen_format(screen, area.row, area.column, STYLE_HEAD, " %s", console->trace);
    screen_format(screen, area.row, at, STYLE_DIM, "  %s, %zu spans in %zu process%s",
                  units_us(took, (double)spans->took_us), spans->n, spans->processes,
                  spans->processes == 1 ? "" : "es");
    console->room_rows = rows;
    size_t picked = 0;
    list_picked(&console->list, state);
    while (picked + 1 < spans->n && spans->spans[picked].span->span != state->picked)
        picked++;
    if (picked < state->top) state->top = picked;
    if (rows > 0 && picked >= state->top + (size_t)rows) state->top = picked - (size_t)rows + 1;
    for (int i = 0; i < rows && state->top + (size_t)i < spans->n; i++) {
        const struct joined_span *joined = &spans->spans[state->top + (size_t)i];
        struct area line = {area.row + HEAD + i, area.column + 1, 1, area.width - 1};
        draw_row(screen, line, &scale, joined);
        if (joined->span->span == state->picked) screen_pick(screen, line);
        screen_hit(screen, line, HIT_ROW, joined->span->span);
    }
    if (rows > 0)
        draw_picked(screen,
                    (struct area){area.row + area.height - DETAIL, area.column, DETAIL, area.width},
                    &spans->spans[picked]);
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    struct joined_spans spans;
    int used = console_complain(console, screen, area, QUESTION_TRACE);
    area.row += used;
    area.height -= used;
    if (trace_join_spans(&console->timeline.model, console->trace, &spans) != STATUS_OK) return;
    if (spans.n)
        draw_spans(console, screen, area, &spans);
    else
        screen_format(screen, area.row + 1, area.column + 1, STYLE_DIM,
                      "no process has spans of %s (any more)", console->trace);
    trace_join_free(&spans);
}

const struct view view_trace = {
    .name = "trace",
    .questions = 1u << QUESTION_TRACE,
    .hints = "esc back  ↑↓ span",
    .list_names = {"spans"},
    .columns = {columns},
    .fill = fill,
    .draw = draw,
    .sort = SIZE_MAX,
};
