/* Traces joined over processes. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "cli/console/trace_join.h"
#include "runtime/memory.h"
#include "tests/unit/console/scene.h"

static struct console *console;
static struct model *model;

static void set_up(void) {
    console = calloc(1, sizeof *console);
    cr_assert_eq(console_init(console, 64 << 20), STATUS_OK);
    model = &console->timeline.model;
}
static void tear_down(void) {
    console_free(console);
    free(console);
}
TestSuite(trace_join, .init = set_up, .fini = tear_down);

Test(trace_join, one_row_a_trace) {
    scene_play(console);
    struct joined_trace *traces;
    cr_assert_eq(trace_join_list(model, &traces), 2);
    const struct joined_trace *joined = &traces[1];
    cr_expect_str_eq(joined->id, "4bf92f3577b34da6a3ce929d0e0e4736");
    cr_expect_str_eq(joined->row->name, "edge/1 Search", "where it began");
    cr_expect_eq(joined->processes, 2);
    cr_expect_eq(joined->spans, 3);
    cr_expect_eq(joined->took_us, 12000);
    cr_expect(joined->failed);
    cr_expect_str_eq(joined->outcome, "BUSY");
    mem_free(traces);
}

Test(trace_join, parents_come_before_children) {
    scene_play(console);
    struct joined_spans spans;
    cr_assert_eq(trace_join_spans(model, console->trace, &spans), STATUS_OK);
    cr_assert_eq(spans.n, 3);
    cr_expect_eq(spans.processes, 2);
    cr_expect_eq(spans.took_us, 12000);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(spans.spans[i].span->span, i + 1);
        cr_expect_eq(spans.spans[i].depth, (int)i);
    }
    cr_expect_eq(spans.spans[2].offset_us, 2000);
    trace_join_free(&spans);
}

/* A process that lies about parents: circles, doubles, strangers. */
Test(trace_join, spans_need_not_make_sense) {
    SysSpan rows[5], *list[5];
    static const uint64_t links[5][2] = {{1, 2}, {2, 1}, {3, 3}, {4, 99}, {4, 1}};
    for (size_t i = 0; i < 5; i++) {
        rows[i] = (SysSpan)SYS_SPAN__INIT;
        rows[i].span = links[i][0];
        rows[i].parent = links[i][1];
        rows[i].start_us = 100 - i;
        rows[i].took_us = UINT64_MAX / 2;
        list[i] = &rows[i];
    }
    SysTrace trace = SYS_TRACE__INIT;
    trace.n_spans = 5;
    trace.spans = list;
    scene_second(console, 1);
    scene_take(model, scene_event(SCENE_MS, PD, QUESTION_TRACE, "00", &trace.base));
    struct joined_spans spans;
    cr_assert_eq(trace_join_spans(model, "00", &spans), STATUS_OK);
    cr_expect_eq(spans.n, 4, "each once");
    trace_join_free(&spans);
}
