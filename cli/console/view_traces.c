/* view_traces: traces that were kept, slowest or newest first, joined over all processes. */
#include <stdio.h>
#include <string.h>

#include "cli/console/body.h"
#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "cli/console/trace_join.h"
#include "runtime/memory.h"

static const struct column columns[] = {
    {"took_us", "TOOK", VALUE_US, 7, 0, 0},       {"of_slowest", "", VALUE_BAR, 14, 30, 1},
    {"name", "TRACE", VALUE_TEXT, 22, 60, 0},     {"spans", "SPANS", VALUE_COUNT, 5, 0, 0},
    {"processes", "PROCS", VALUE_COUNT, 5, 0, 2}, {"outcome", "OUTCOME", VALUE_TEXT, 8, 12, 0},
    {"why", "KEPT AS", VALUE_TEXT, 7, 9, 1},      {"start_ms", "AT", VALUE_CLOCK, 8, 0, 0},
    {"trace", "ID", VALUE_TEXT, 8, 32, 3},        {0},
};

static void fill_row(struct list *list, const struct joined_trace *trace, double slowest) {
    struct list_row *row = list_add(list, console_hash(trace->id), trace->row);
    list_number(list, row, "took_us", (double)trace->took_us);
    list_number(list, row, "of_slowest", slowest > 0 ? (double)trace->took_us / slowest : 0);
    list_style(list, row, "of_slowest", trace->failed ? STYLE_HOT : STYLE_COOL);
    const char *name = trace->row->name, *message = strchr(name, ' ');
    if (message)
        list_format(list, row, "name", "%.*s %s", (int)(message - name), name,
                    body_short(message + 1));
    else
        list_text(list, row, "name", name);
    list_number(list, row, "spans", trace->spans);
    list_number(list, row, "processes", trace->processes);
    list_format(list, row, "outcome", "%s", trace->outcome);
    list_style(list, row, "outcome", trace->failed ? STYLE_HOT : STYLE_GOOD);
    list_text(list, row, "why", trace->row->why);
    list_style(list, row, "why", STYLE_DIM);
    list_number(list, row, "start_ms", (double)(trace->row->start_us / 1000));
    list_format(list, row, "trace", "%s", trace->id);
    list_style(list, row, "trace", STYLE_DIM);
}

static void fill(struct console *console, unsigned which, struct list *list) {
    (void)which;
    struct joined_trace *traces;
    size_t n = trace_join_list(&console->timeline.model, &traces);
    double slowest = 0;
    for (size_t i = 0; i < n; i++)
        if ((double)traces[i].took_us > slowest) slowest = (double)traces[i].took_us;
    for (size_t i = 0; i < n; i++)
        if (!console->failed_only || traces[i].failed) fill_row(list, &traces[i], slowest);
    mem_free(traces);
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    int used = console_complain(console, screen, area, QUESTION_TRACES);
    area.row += used;
    area.height -= used;
    console_table(console, screen, area);
    if (console->list.n_rows == 0)
        screen_put(screen, area.row + 1, area.column + 1, STYLE_DIM,
                   console->failed_only ? "none of the kept traces failed (f: all)"
                                        : "no traces are kept yet");
}

static void open(struct console *console, const struct list_row *row) {
    const SysTraceRow *trace = row->about;
    char id[33];
    trace_join_hex(&trace->trace, id);
    console_show_trace(console, id);
}

static bool key(struct console *console, int key) {
    struct list_state *state = &console->states[VIEW_TRACES];
    if (key == 'f') {
        console->failed_only = !console->failed_only;
        return true;
    }
    if (key != 'n') return false;
    console->newest = !console->newest;
    state->sort = console->newest ? 7 : 0;
    state->descending = true;
    return true;
}

const struct view view_traces = {
    .name = "traces",
    .questions = 1u << QUESTION_TRACES,
    .hints = "enter waterfall  n newest/slowest  f failed  / search",
    .list_names = {"traces"},
    .columns = {columns},
    .fill = fill,
    .draw = draw,
    .open = open,
    .key = key,
    .sort = 0,
    .descending = true,
};
