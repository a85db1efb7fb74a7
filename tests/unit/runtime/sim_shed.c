/* Shedding by the age of what waits: the control law, and an actor that is asked more than it can
 * do. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/shed.h"
#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, TARGET = 5 * MS };

/* One request a millisecond, each having waited `waited`, for a second from `now` on. */
static uint32_t refused_in_a_second(struct shed *shed, uint64_t *now, uint64_t waited, bool alone) {
    uint32_t refused = 0;
    for (int i = 0; i < 1000; i++, *now += MS)
        refused += shed_refuses(shed, TARGET, *now, *now - waited, alone);
    return refused;
}

Test(shed, leaves_alone_what_is_short_or_alone) {
    struct shed shed = {0};
    uint64_t now = 10000 * MS;
    cr_expect_eq(refused_in_a_second(&shed, &now, TARGET - 1, false), 0);
    cr_expect_eq(refused_in_a_second(&shed, &now, 1000 * MS, true), 0);
}

Test(shed, lets_a_burst_pass) {
    struct shed shed = {0};
    uint64_t now = 10000 * MS;
    for (int i = 0; i < 99; i++, now += MS)
        cr_expect_not(shed_refuses(&shed, TARGET, now, now - 50 * MS, false));
    cr_expect_not(shed_refuses(&shed, TARGET, now, now, false)); /* it drained once */
    for (int i = 0; i < 99; i++, now += MS)
        cr_expect_not(shed_refuses(&shed, TARGET, now, now - 50 * MS, false));
}

/* interval / sqrt(n): some 28 refusals in the first 900 ms, more each second while it lasts. */
Test(shed, refuses_more_and_more_while_the_queue_stands) {
    struct shed shed = {0};
    uint64_t now = 10000 * MS;
    uint32_t first = refused_in_a_second(&shed, &now, 50 * MS, false);
    uint32_t second = refused_in_a_second(&shed, &now, 50 * MS, false);
    cr_expect(first >= 20 && first <= 35, "%u", first);
    cr_expect(second > first * 2, "%u", second);
    cr_expect_eq(refused_in_a_second(&shed, &now, 0, false), 0);
    uint32_t again = refused_in_a_second(&shed, &now, 50 * MS, false);
    cr_expect(again > first, "it goes on near where it was: %u", again);
}

/* --- an actor
 * ------------------------------------------------------------------------------------------- */

struct slow {
    char unused;
};
static struct sim *sim;
static uint64_t work_us;
static uint32_t done, busy;

#define SLOW_ACCEPTS(X) X(struct slow, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(slow_handlers, SLOW_ACCEPTS);

static enum status on_drop(struct slow *self, const LogDrop *message, struct turn *turn) {
    (void)self, (void)message, (void)turn;
    sim_spend(sim, work_us);
    done++;
    return STATUS_OK;
}

static const struct actor_type slow_type = {
    .kind = "slow", .size = sizeof(struct slow), .handlers = slow_handlers, .shed_us = TARGET};

static void count(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)turn;
    if (outcome->status != STATUS_BUSY) return;
    cr_expect_eq(outcome->retry_after_ms, SHED_INTERVAL_US / 1000);
    cr_expect_str_eq(outcome->text, "requests wait too long");
    busy++;
}

static uint32_t bursts;

static void ask_many(void *self, void *context, struct turn *turn) {
    (void)self;
    for (uintptr_t i = 0; i < (uintptr_t)context; i++)
        turn_call(turn,
                  &(struct call){.to = turn_find(turn, "slow"), .message = DO(i), .done = count});
    if (++bursts < 100) turn_timer(turn, 20 * MS, ask_many, context);
}

static enum status begin(struct puppet *self, uint64_t n, struct turn *turn) {
    ask_many(self, (void *)n, turn);
    return STATUS_OK;
}
static const struct strings asking = {.act = begin};

/* Two seconds, a burst of `n` requests every 20 ms, each of them work for us. */
static void load(uint32_t n, uint64_t us) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    work_us = us;
    sim_spawn(sim, "slow", &slow_type, NULL);
    sim_spawn(sim, "a", &puppet_type, &asking);
    sim_tell(sim, "a", DO(n));
    sim_run(sim, 3000 * MS);
    cr_expect_eq(done + busy, 100 * n, "every call has an outcome: %u + %u", done, busy);
    sim_close(&sim);
}

Test(shed, is_no_matter_for_an_actor_that_keeps_up) {
    load(10, 1900);
    cr_expect_eq(busy, 0);
}

Test(shed, refuses_what_an_actor_cannot_do) {
    load(12, 2000); /* a fifth too much */
    cr_expect(busy > 100, "%u", busy);
    cr_expect(done > 900, "%u", done);
}
