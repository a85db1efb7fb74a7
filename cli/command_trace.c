/* vectron trace: asks the collectors of all processes and puts their parts together. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/fleet.h"
#include "cli/span_set.h"
#include "cli/table.h"
#include "runtime/memory.h"

enum { ASK_MS = 5000, ROWS_MAX = 512, RECORD_SECONDS_MAX = 300 };

static const struct args_flag flags[] = {
    {"slowest", NULL, "list the slowest kept traces first, not the newest"},
    {"failed", NULL, "list only those that failed or were late"},
    {"min", "MS", "list only those that took at least so long"},
    {"max", "N", "list at most so many (20)"},
    {"perfetto", "FILE", "write the trace for ui.perfetto.dev and chrome://tracing"},
    {"o", "FILE", "where `record` writes, in the same format"},
    {"json", NULL, "the list, or the spans, as JSON"},
    {0},
};

/* --- the list
 * ------------------------------------------------------------------------------------- */

/* Rows of all processes: a trace that went through several is one, as the process tells it in
 * which it began. */
struct rows {
    struct arena arena;
    SysTraceRow *rows[ROWS_MAX];
    size_t n;
};

static char *keep_text(struct rows *rows, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(&rows->arena, size);
    return copy ? memcpy(copy, text, size) : "";
}

static void merge_row(struct rows *rows, const SysTraceRow *from) {
    SysTraceRow *row = NULL;
    for (size_t i = 0; i < rows->n && !row; i++)
        if (rows->rows[i]->trace.len == from->trace.len &&
            memcmp(rows->rows[i]->trace.data, from->trace.data, from->trace.len) == 0)
            row = rows->rows[i];
    uint32_t spans = from->spans + (row ? row->spans : 0);
    bool first = !row || from->start_us < row->start_us;
    if (!row && rows->n == ROWS_MAX) return;
    if (!row) {
        row = arena_alloc(&rows->arena, sizeof *row);
        if (!row) return;
        rows->rows[rows->n++] = row;
    }
    if (first) {
        *row = *from;
        row->trace.data = arena_alloc(&rows->arena, from->trace.len + 1);
        if (row->trace.data) memcpy(row->trace.data, from->trace.data, from->trace.len);
        row->name = keep_text(rows, from->name);
        row->outcome = keep_text(rows, from->outcome);
        row->why = keep_text(rows, from->why);
    }
    row->spans = spans;
}

static void take_rows(void *context, const char *process, const ProtobufCMessage *reply) {
    (void)process;
    if (reply->descriptor != &sys_traces__descriptor) return;
    const SysTraces *traces = (const SysTraces *)reply;
    for (size_t i = 0; i < traces->n_traces; i++)
        merge_row(context, traces->traces[i]);
}

static int by_newest(const void *a, const void *b) {
    uint64_t x = (*(SysTraceRow *const *)a)->start_us, y = (*(SysTraceRow *const *)b)->start_us;
    return (x < y) - (x > y);
}

static int by_slowest(const void *a, const void *b) {
    uint64_t x = (*(SysTraceRow *const *)a)->took_us, y = (*(SysTraceRow *const *)b)->took_us;
    return (x < y) - (x > y);
}

/* Only now: a part may have failed, and been tried again, of a request that did not. */
static void drop_fine(struct rows *rows) {
    size_t kept = 0;
    for (size_t i = 0; i < rows->n; i++)
        if (strcmp(rows->rows[i]->outcome, "OK") != 0) rows->rows[kept++] = rows->rows[i];
    rows->n = kept;
}

static void print_rows(const struct rows *rows) {
    static const char *const heads[] = {"TRACE", "AT",      ">MS",  ">SPANS",
                                        "WHY",   "OUTCOME", "NAME", NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < rows->n; i++) {
        const SysTraceRow *row = rows->rows[i];
        char id[TRACE_TEXT_MAX], when[32];
        time_t seconds = (time_t)(row->start_us / 1000000);
        strftime(when, sizeof when, "%H:%M:%S", localtime(&seconds));
        trace_text(&row->trace, id);
        table_row(&table);
        table_cell(&table, 0, "%s", id);
        table_cell(&table, 1, "%s", when);
        table_cell(&table, 2, "%.1f", (double)row->took_us / 1000);
        table_cell(&table, 3, "%u", row->spans);
        table_cell(&table, 4, "%s", row->why);
        table_cell(&table, 5, "%s", row->outcome);
        table_cell(&table, 6, "%s", row->name);
    }
    table_print(&table, stdout);
    table_reset(&table);
}

static int list(struct fleet *fleet, const struct args *args) {
    SysAskTraces ask = SYS_ASK_TRACES__INIT;
    struct buffer why;
    int64_t max = 0, min = 0;
    buffer_init(&why);
    enum status s = args_number(args, "max", (struct args_bounds){20, 1, ROWS_MAX}, &max, &why);
    if (s == STATUS_OK)
        s = args_number(args, "min", (struct args_bounds){0, 0, 86400000}, &min, &why);
    int code = s == STATUS_OK ? EXIT_OK : command_misuse("trace", "%s", (char *)why.data);
    buffer_free(&why);
    if (code != EXIT_OK) return code;
    ask.max = ROWS_MAX;
    ask.min_us = (uint64_t)min * 1000;
    ask.slowest = args_on(args, "slowest");
    struct rows rows = {.n = 0};
    arena_init(&rows.arena, 0);
    s = fleet_ask(fleet, &(struct fleet_call){&ask.base, ASK_MS, take_rows, &rows, NULL, NULL});
    if (s != STATUS_OK) {
        code = command_fail("no process answered: %s", status_name(s));
    } else {
        qsort(rows.rows, rows.n, sizeof *rows.rows, ask.slowest ? by_slowest : by_newest);
        if (args_on(args, "failed")) drop_fine(&rows);
        if (rows.n > (size_t)max) rows.n = (size_t)max;
        SysTraces all = SYS_TRACES__INIT;
        all.traces = rows.rows;
        all.n_traces = rows.n;
        if (args_on(args, "json"))
            command_print_json(&all.base);
        else if (rows.n)
            print_rows(&rows);
        else
            puts("no trace was kept: none failed, was late or slow, and none was sampled");
    }
    arena_free(&rows.arena);
    return code;
}

/* --- one trace, and recordings
 * --------------------------------------------------------------------- */

static void take_spans(void *context, const char *process, const ProtobufCMessage *reply) {
    if (reply->descriptor == &sys_trace__descriptor)
        span_set_add(context, process, (const SysTrace *)reply);
}

static int write_file(const struct span_set *set, bool by_lane, const char *path) {
    FILE *file = fopen(path, "w");
    bool ok = file && perfetto_write(set, by_lane, file);
    if (file && fclose(file) != 0) ok = false;
    if (!ok) return command_fail("cannot write %s", path);
    printf("%s: %zu spans, for ui.perfetto.dev or chrome://tracing\n", path, set->n);
    return EXIT_OK;
}

static int show(struct fleet *fleet, const struct args *args, const char *text) {
    uint8_t id[16];
    if (!trace_read(text, id))
        return command_misuse("trace", "\"%s\" is not a trace id of 32 hexadecimal digits", text);
    SysAskTrace ask = SYS_ASK_TRACE__INIT;
    ask.trace.data = id;
    ask.trace.len = sizeof id;
    struct span_set set;
    span_set_init(&set);
    enum status s =
        fleet_ask(fleet, &(struct fleet_call){&ask.base, ASK_MS, take_spans, &set, NULL, NULL});
    span_set_sort(&set);
    SysTrace all = SYS_TRACE__INIT;
    all.spans = set.spans;
    all.n_spans = set.n;
    const char *file = args_text(args, "perfetto");
    int code = EXIT_OK;
    if (s != STATUS_OK)
        code = command_fail("no process answered: %s", status_name(s));
    else if (set.n == 0)
        code = command_fail(
            "no process knows the trace %s (any more): what did not fail, was not slow and is not "
            "sampled is kept for a short while only",
            text);
    else if (file)
        code = write_file(&set, false, file);
    else if (args_on(args, "json"))
        command_print_json(&all.base);
    else
        waterfall_print(&set, stdout);
    span_set_free(&set);
    return code;
}

static int record(struct fleet *fleet, const struct args *args, const char *text) {
    char *end = NULL;
    long seconds = strtol(text, &end, 10);
    const char *file = args_text(args, "o");
    if (end == text || *end || seconds < 1 || seconds > RECORD_SECONDS_MAX)
        return command_misuse("trace", "seconds are 1 to %d", RECORD_SECONDS_MAX);
    if (!file) return command_misuse("trace", "record needs -o FILE");
    SysRecord ask = SYS_RECORD__INIT;
    ask.seconds = (uint32_t)seconds;
    struct span_set set;
    span_set_init(&set);
    enum status s =
        fleet_ask(fleet, &(struct fleet_call){&ask.base, (uint64_t)seconds * 1000 + ASK_MS,
                                              take_spans, &set, NULL, NULL});
    span_set_sort(&set);
    int code = s == STATUS_OK ? write_file(&set, true, file)
                              : command_fail("no process recorded: %s", status_name(s));
    if (set.failed) code = command_fail("there was no memory for all of it");
    span_set_free(&set);
    return code;
}

static int run(const struct args *args) {
    bool recording = args->n_words == 2 && strcmp(args->words[0], "record") == 0;
    if (args->n_words > 1 && !recording)
        return command_misuse("trace", "too many arguments; record takes SECONDS");
    struct fleet fleet;
    int code = fleet_open(&fleet, args);
    if (code == EXIT_OK) {
        if (recording)
            code = record(&fleet, args, args->words[1]);
        else if (args->n_words == 1)
            code = show(&fleet, args, args->words[0]);
        else
            code = list(&fleet, args);
    }
    fleet_close(&fleet);
    return code;
}

const struct command command_trace = {
    .name = "trace",
    .arguments = "[ID | record SECONDS]",
    .summary = "one request's path through all processes; traces that were kept",
    .help =
        "  vectron trace                               kept traces: failed, late, slow, sampled\n"
        "  vectron trace 4bf92f3577b34da6a3ce929d0e0e4736\n"
        "                                              this one, as a waterfall\n"
        "  vectron trace ID --perfetto trace.json      … for ui.perfetto.dev\n"
        "  vectron trace record 5 -o turns.json        every turn of every actor for 5 s\n"
        "\n"
        "Asks the process of the data folder, or those of --link (several, or with commas), and\n"
        "all processes that they are linked with. The id is what an answer carries as\n"
        "traceresponse (docs/tracing.md).\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .run = run,
};
