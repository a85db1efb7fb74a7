/* Which traces are kept, in which order they go, and that memory has a bound. */
#include <criterion/criterion.h>

#include "runtime/rng.h"
#include "runtime/traces.h"

enum { OP = 42, MS = 1000 };

static struct traces *traces;
static uint64_t clock_us, spans;
static size_t n_kept;

static void kept(void *context, struct trace *trace) {
    (void)context, (void)trace;
    n_kept++;
}

static void open_with(uint64_t slow_us) {
    traces = traces_new(&(struct traces_options){.slow_us = slow_us, .kept = kept});
    cr_assert(traces);
    clock_us = 1000 * MS;
    spans = 0;
    n_kept = 0;
}

static void set_up(void) {
    open_with(0);
}

static void tear_down(void) {
    traces_free(traces);
}

TestSuite(traces, .init = set_up, .fini = tear_down);

/* A request from outside with one call below it, over now. */
struct request {
    uint64_t id, took_us;
    uint8_t outcome;
    bool sampled;
};

static void run(const struct request *request) {
    uint64_t root = ++spans;
    struct span_record edge = {.trace = {request->id, 9},
                               .span = root,
                               .began_us = clock_us,
                               .ran_us = request->took_us,
                               .op = OP,
                               .kind = SPAN_EDGE,
                               .outcome = request->outcome,
                               .sampled = request->sampled};
    struct span_record call = {.trace = {request->id, 9},
                               .span = ++spans,
                               .parent = root,
                               .began_us = clock_us + 2,
                               .waited_us = 1,
                               .ran_us = 3,
                               .op = OP + 1,
                               .kind = SPAN_CALL};
    traces_add(traces, &call, 1);
    traces_add(traces, &edge, 0);
    clock_us += request->took_us;
}

static void judge(void) {
    clock_us += TRACES_IDLE_US;
    traces_judge(traces, clock_us, false);
}

static enum trace_why why(uint64_t id) {
    const struct trace *trace = traces_find(traces, (const uint64_t[2]){id, 9});
    return trace ? (enum trace_why)trace->why : TRACE_NOT_KEPT;
}

static size_t count_kept(void) {
    size_t n = 0;
    for (const struct trace *trace = NULL; (trace = traces_next(traces, trace));)
        n++;
    return n;
}

Test(traces, are_kept_for_a_reason) {
    run(&(struct request){.id = 1, .took_us = MS});
    run(&(struct request){.id = 2, .took_us = MS, .sampled = true});
    run(&(struct request){.id = 3, .took_us = MS, .outcome = STATUS_NOT_FOUND});
    run(&(struct request){.id = 4, .took_us = MS, .outcome = STATUS_EXPIRED, .sampled = true});
    judge();
    cr_expect_eq(why(1), TRACE_NOT_KEPT);
    cr_expect_eq(why(2), TRACE_SAMPLED);
    cr_expect_eq(why(3), TRACE_FAILED);
    cr_expect_eq(why(4), TRACE_LATE);
    cr_expect_eq(count_kept(), 3);
    cr_expect_eq(n_kept, 3);
}

Test(traces, are_not_judged_before_they_rest) {
    run(&(struct request){.id = 1, .took_us = MS, .sampled = true});
    traces_judge(traces, clock_us + TRACES_ROOT_US - 1, false);
    cr_expect_eq(count_kept(), 0);
    traces_judge(traces, clock_us + TRACES_ROOT_US, false);
    cr_expect_eq(count_kept(), 1);
}

Test(traces, above_the_p99_of_their_kind_are_slow) {
    struct rng rng;
    rng_init(&rng, 5);
    for (uint64_t id = 1; id <= 1000; id++)
        run(&(struct request){.id = id, .took_us = MS + rng_below(&rng, 100)});
    judge();
    size_t before = count_kept();
    cr_expect_leq(before, 20, "the usual is not slow: %zu", before);
    run(&(struct request){.id = 5000, .took_us = 20 * MS});
    judge();
    cr_expect_eq(why(5000), TRACE_SLOW);
}

Test(traces, of_a_kind_too_rare_to_know_are_not_slow) {
    for (uint64_t id = 1; id < TRACES_P99_MIN; id++)
        run(&(struct request){.id = id, .took_us = MS});
    run(&(struct request){.id = 5000, .took_us = 900 * MS});
    judge();
    cr_expect_eq(why(5000), TRACE_NOT_KEPT);
}

Test(traces, above_a_set_time_are_slow) {
    traces_free(traces);
    open_with(10 * MS);
    run(&(struct request){.id = 1, .took_us = 10 * MS});
    run(&(struct request){.id = 2, .took_us = 10 * MS + 1});
    judge();
    cr_expect_eq(why(1), TRACE_NOT_KEPT);
    cr_expect_eq(why(2), TRACE_SLOW);
}

Test(traces, that_others_ask_for_are_kept_before_and_after_they_are_known) {
    traces_ask(traces, (const uint64_t[2]){1, 9});
    run(&(struct request){.id = 1, .took_us = MS});
    run(&(struct request){.id = 2, .took_us = MS});
    judge();
    traces_ask(traces, (const uint64_t[2]){2, 9});
    cr_expect_eq(why(1), TRACE_ASKED);
    cr_expect_eq(why(2), TRACE_ASKED);
    cr_expect_eq(count_kept(), 2);
}

Test(traces, kept_are_the_newest_and_the_slowest) {
    for (uint64_t id = 1; id <= 2000; id++)
        run(&(struct request){.id = id, .took_us = id <= 10 ? 500 * MS : MS, .sampled = true});
    judge();
    cr_expect_eq(count_kept(), TRACES_NEWEST + TRACES_SLOWEST);
    for (uint64_t id = 1; id <= 10; id++)
        cr_expect_eq(why(id), TRACE_SAMPLED, "slow %d", (int)id);
    cr_expect_eq(why(11), TRACE_NOT_KEPT);
    for (uint64_t id = 2000; id > 2000 - TRACES_NEWEST; id--)
        cr_expect_eq(why(id), TRACE_SAMPLED);
}

Test(traces, grow_by_records_that_come_late) {
    run(&(struct request){.id = 1, .took_us = MS, .sampled = true});
    judge();
    struct span_record late = {.trace = {1, 9},
                               .span = 77,
                               .parent = 1,
                               .began_us = clock_us,
                               .op = OP,
                               .kind = SPAN_CAST};
    traces_add(traces, &late, 2);
    judge();
    const struct trace *trace = traces_find(traces, (const uint64_t[2]){1, 9});
    cr_expect_eq(trace->n_spans, 3);
    cr_expect_eq(count_kept(), 1);
    cr_expect_eq(n_kept, 2, "told again, for the exporter");
}

/* More open at once than there is room for: they are judged early, and what is kept stays. */
Test(traces, kept_outlive_a_flood_of_open_ones) {
    run(&(struct request){.id = 1, .took_us = MS, .outcome = STATUS_IO});
    judge();
    for (uint64_t id = 10; id < 10 + 3 * TRACES_MAX; id++)
        run(&(struct request){.id = id, .took_us = 1});
    cr_expect_eq(why(1), TRACE_FAILED);
    run(&(struct request){.id = 2, .took_us = MS, .outcome = STATUS_IO});
    for (uint64_t id = 10; id < 10 + 3 * TRACES_MAX; id++)
        run(&(struct request){.id = 100000 + id, .took_us = 1});
    cr_expect_eq(why(2), TRACE_FAILED, "judged early");
    judge();
    cr_expect_eq(count_kept(), 2);
}

/* The answer may be recorded before the turn that put it off, and other turns before both. */
Test(traces, do_not_mind_the_order_of_records) {
    struct span_record reply = {.trace = {1, 9}, .span = 5, .ran_us = 10, .kind = SPAN_REPLY};
    struct span_record answered = {
        .trace = {1, 9}, .span = 5, .began_us = 900, .kind = SPAN_ANSWERED, .outcome = STATUS_IO};
    struct span_record call = {.trace = {1, 9},
                               .span = 5,
                               .began_us = 105,
                               .waited_us = 5,
                               .ran_us = 20,
                               .kind = SPAN_CALL,
                               .outcome = SPAN_DEFERRED};
    reply.began_us = 400;
    traces_add(traces, &reply, 0);
    traces_add(traces, &answered, 0);
    traces_add(traces, &call, 0);
    const struct trace_span *span = traces_find(traces, call.trace)->spans;
    cr_expect_eq(span->ran_us, 30);
    cr_expect_eq(span->outcome, STATUS_IO);
    cr_expect_eq(span_took_us(span), 800);
}

Test(traces, of_any_records_stay_within_their_memory) {
    struct rng rng;
    rng_init(&rng, 9);
    for (int i = 0; i < 600000; i++) {
        struct span_record record = {.trace = {1 + rng_below(&rng, 20000), 9},
                                     .span = rng_below(&rng, 4) ? rng_next(&rng) : 1,
                                     .parent = rng_below(&rng, 100),
                                     .began_us = clock_us + rng_below(&rng, 1000),
                                     .ran_us = rng_below(&rng, 1000),
                                     .op = (uint32_t)rng_below(&rng, 200),
                                     .kind = (uint8_t)rng_below(&rng, SPAN_KINDS + 1),
                                     .outcome = (uint8_t)rng_next(&rng),
                                     .sampled = rng_below(&rng, 50) == 0};
        if (rng_below(&rng, 3) == 0) record.trace[0] = 7; /* a large one */
        traces_add(traces, &record, (uint32_t)rng_below(&rng, 4));
        clock_us += rng_below(&rng, 2000);
        if (i % 1000 == 0) traces_judge(traces, clock_us, false);
        if (i % 777 == 0) traces_ask(traces, record.trace);
    }
    traces_judge(traces, clock_us, true);
    const struct trace *large = traces_find(traces, (const uint64_t[2]){7, 9});
    cr_expect(!large || large->n_spans <= TRACES_SPANS_EACH);
    cr_expect_gt(traces_dropped(traces), 0);
    cr_expect_leq(count_kept(), TRACES_NEWEST + TRACES_SLOWEST);
}
