/* What the collector knows of a chain of calls: spans, their parents and their virtual times. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/buffer.h"
#include "runtime/collector.h"
#include "schemas/sys.pb-c.h"
#include "tests/unit/runtime/puppet.h"

enum { US = 1000 };

/* What b does. */
enum { ANSWER = 1, FAIL, DEFER, FORWARD, LATER, CANCEL };

static struct sim *sim;
static const struct collector_options options = {.slow_us = 50 * US};
static struct root_span root;

static void asked(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context;
    turn_root_end(turn, &root, "POST /test", outcome->status, outcome->text);
}

/* A request from outside, for which b is asked. */
static enum status front(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    root = (struct root_span){.trace = {0x1111, 0x2222}, .parent = 7};
    turn_root_begin(turn, &root);
    turn_root_enter(turn, &root);
    uint64_t call = turn_call(turn, &(struct call){.to = turn_find(turn, "b"),
                                                   .message = DO(what),
                                                   .done = asked,
                                                   .deadline_us = turn_now_us(turn) + 20 * US});
    if (what == CANCEL) turn_cancel(turn, call);
    return STATUS_OK;
}

static void resolve(void *actor, void *context, struct turn *turn) {
    (void)context;
    struct puppet *self = actor;
    turn_resolve(turn, &self->owed[--self->n_owed], DO(9));
}

static enum status back(struct puppet *self, uint64_t what, struct turn *turn) {
    switch (what) {
    case FAIL:
        return turn_fail(turn, STATUS_IO, "broken");
    case DEFER:
        self->owed[self->n_owed++] = turn_defer(turn);
        turn_timer(turn, 3 * US, resolve, NULL);
        return STATUS_OK;
    case LATER:
        self->owed[self->n_owed++] = turn_defer(turn); /* and never resolves in time */
        turn_timer(turn, 60 * US, resolve, NULL);
        return STATUS_OK;
    case FORWARD: /* b hands it on to c, which answers */
        if (turn_find(turn, "c") == turn_self(turn)) break;
        turn_forward(turn, turn_find(turn, "c"));
        return STATUS_OK;
    default:
        break;
    }
    turn_reply(turn, DO(9));
    return STATUS_OK;
}

static const struct strings front_strings = {.act = front}, back_strings = {.act = back};

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    sim_spawn(sim, "traces", &collector_type, &options);
    sim_spawn(sim, "a", &puppet_type, &front_strings);
    sim_spawn(sim, "b", &puppet_type, &back_strings);
    sim_spawn(sim, "c", &puppet_type, &back_strings);
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(spans, .init = set_up, .fini = tear_down);

static const SysTrace *trace(void) {
    uint64_t id[2] = {0x1111, 0x2222};
    SysAskTrace ask = SYS_ASK_TRACE__INIT;
    ask.trace.data = (uint8_t *)id;
    ask.trace.len = sizeof id;
    const ProtobufCMessage *reply = NULL;
    cr_assert_eq(sim_call(sim, "traces", &ask.base, 1000 * US, &reply), STATUS_OK);
    return (const SysTrace *)reply;
}

static int by_start(const void *a, const void *b) {
    const SysSpan *x = *(SysSpan *const *)a, *y = *(SysSpan *const *)b;
    if (x->start_us != y->start_us) return x->start_us < y->start_us ? -1 : 1;
    return strcmp(x->actor, y->actor);
}

/* "actor kind message parent took outcome" a line; parent: the actor whose span it is. */
static void expect(const char *expected) {
    struct buffer text;
    buffer_init(&text);
    const SysTrace *got = trace();
    qsort(got->spans, got->n_spans, sizeof *got->spans, by_start);
    for (size_t i = 0; i < got->n_spans; i++) {
        const SysSpan *span = got->spans[i];
        const char *parent = span->parent == 7 ? "outside" : "unknown";
        for (size_t j = 0; j < got->n_spans; j++)
            if (got->spans[j]->span == span->parent) parent = got->spans[j]->actor;
        buffer_printf(&text, "%s %s %s of %s, %d us: %s%s%s\n", span->actor, span->kind,
                      span->message, parent, (int)span->took_us, span->outcome,
                      *span->text ? " " : "", span->text);
    }
    buffer_printf(&text, "%c", 0);
    cr_assert_str_eq((const char *)text.data, expected);
    buffer_free(&text);
}

static void run(uint64_t what) {
    sim_tell(sim, "a", DO(what));
    sim_run(sim, 100 * US);
}

Test(spans, of_a_call_have_their_parents) {
    run(ANSWER);
    expect("a edge POST /test of outside, 0 us: OK\nb call LogDrop of a, 0 us: OK\n");
}

Test(spans, end_with_the_failure_of_their_request) {
    run(FAIL);
    expect("a edge POST /test of outside, 0 us: IO broken\nb call LogDrop of a, 0 us: IO broken\n");
}

Test(spans, of_a_deferred_request_last_until_its_answer) {
    run(DEFER);
    expect("a edge POST /test of outside, 3000 us: OK\nb call LogDrop of a, 3000 us: OK\n");
}

Test(spans, of_a_request_handed_on_are_two) {
    run(FORWARD);
    expect("a edge POST /test of outside, 0 us: OK\n"
           "b call LogDrop of a, 0 us: FORWARDED\n"
           "c call LogDrop of b, 0 us: OK\n");
}

Test(spans, tell_a_deadline_that_passed) {
    run(LATER);
    expect("a edge POST /test of outside, 20000 us: EXPIRED deadline exceeded\n"
           "b call LogDrop of a, 60000 us: OK\n");
}

Test(spans, of_a_request_to_nobody_are_refusals) {
    sim_stop(sim, "b");
    run(ANSWER);
    expect("a edge POST /test of outside, 0 us: LOST_PEER peer is unreachable\n"
           "elsewhere refused LogDrop of a, 0 us: LOST_PEER\n");
}

static const SysTraces *list(bool slowest) {
    SysAskTraces ask = SYS_ASK_TRACES__INIT;
    ask.slowest = slowest;
    const ProtobufCMessage *reply = NULL;
    sim_run(sim, 4000 * US); /* until they are judged */
    cr_assert_eq(sim_call(sim, "traces", &ask.base, 1000 * US, &reply), STATUS_OK);
    return (const SysTraces *)reply;
}

Test(spans, of_what_failed_or_was_late_are_kept) {
    run(ANSWER);
    cr_expect_eq(list(false)->n_traces, 0, "neither sampled, nor failed, nor slow");
    root.trace[0]++;
    run(FAIL);
    const SysTraces *traces = list(false);
    cr_assert_eq(traces->n_traces, 1);
    cr_expect_str_eq(traces->traces[0]->why, "failed");
    cr_expect_str_eq(traces->traces[0]->name, "a POST /test");
    cr_expect_str_eq(traces->traces[0]->outcome, "IO");
}

Test(spans, are_told_by_sys_too) {
    SysAskTraces ask = SYS_ASK_TRACES__INIT;
    const ProtobufCMessage *reply = NULL;
    run(FAIL);
    sim_run(sim, 4000 * US);
    cr_assert_eq(sim_call(sim, "sys", &ask.base, 1000 * US, &reply), STATUS_OK);
    cr_expect_eq(((const SysTraces *)reply)->n_traces, 1);
    sim_stop(sim, "traces");
    cr_expect_eq(sim_call(sim, "sys", &ask.base, 1000 * US, &reply), STATUS_NOT_FOUND);
}

/* Cancelled while it waits behind another: it never has its turn. */
Test(spans, of_a_cancelled_request_tell_that) {
    sim_tell(sim, "a", DO(CANCEL));
    expect("a edge POST /test of outside, 0 us: CANCELLED cancelled by the caller\n"
           "b refused LogDrop of a, 0 us: CANCELLED\n");
}

Test(spans, are_not_recorded_for_hours) {
    SysRecord ask = SYS_RECORD__INIT;
    const ProtobufCMessage *reply = NULL;
    ask.seconds = 301;
    cr_expect_eq(sim_call(sim, "traces", &ask.base, 1000 * US, &reply), STATUS_INVALID);
}
