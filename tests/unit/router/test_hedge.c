/* The second request: when the first is late, within a budget, one answer. */
#include <criterion/criterion.h>

#include "tests/unit/router/stage.h"

static const struct router_options five = {.pd = "", .hedge_percent = 5};
static const struct router_options none = {.pd = ""};

static void all_take(uint64_t us) {
    for (uint32_t i = 0; i < REPLICAS; i++)
        stage.parts[i].delay_us = us;
}

static uint32_t cancelled(void) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < REPLICAS; i++)
        n += stage.parts[i].cancelled;
    return n;
}

Test(hedge, a_late_replica_is_overtaken_by_another) {
    stage_open(1, &five);
    all_take(2 * MS);
    cr_assert_eq(stage_searches(300), 300);
    uint32_t asked = stage_asked(), slow = stage.parts[1].searches;
    stage.parts[1].delay_us = 3 * SECOND;
    for (int i = 0; i < 8; i++) {
        uint64_t began = sim_now_us(stage.sim);
        cr_expect_eq(stage_search(0), STATUS_OK);
        cr_expect_lt(sim_now_us(stage.sim) - began, 100 * MS);
    }
    cr_expect_gt(stage_asked(), asked + 8, "some were asked of two");
    sim_run(stage.sim, 5 * SECOND);
    cr_expect_geq(cancelled(), stage.parts[1].searches - slow, "the losers were told: %u of %u",
                  cancelled(), stage.parts[1].searches - slow);
    stage_close();
}

Test(hedge, the_budget_is_kept_when_all_are_late) {
    stage_open(1, &five);
    all_take(2 * MS);
    cr_assert_eq(stage_searches(300), 300);
    uint32_t asked = stage_asked();
    all_take(300 * MS);
    cr_expect_eq(stage_searches(400), 400);
    uint32_t second = stage_asked() - asked - 400;
    cr_expect_gt(second, 0);
    cr_expect_leq(second, 10 + 400 * 5 / 100);
    stage_close();
}

Test(hedge, none_is_sent_when_it_is_switched_off) {
    stage_open(1, &none);
    all_take(2 * MS);
    cr_assert_eq(stage_searches(100), 100);
    all_take(300 * MS);
    cr_expect_eq(stage_searches(100), 100);
    cr_expect_eq(stage_asked(), 200);
    stage_close();
}

/* One of the two fails: the other one's answer counts. Both fail: it is tried again. */
Test(hedge, a_failure_of_one_is_not_a_failure) {
    for (uint64_t seed = 1; seed <= 10; seed++) {
        stage_open(seed, &five);
        all_take(2 * MS);
        cr_assert_eq(stage_searches(300), 300);
        all_take(50 * MS);
        stage.parts[0].status = STATUS_NOT_READY;
        cr_expect_eq(stage_searches(100), 100);
        stage_close();
    }
}

Test(hedge, writes_are_never_sent_twice) {
    stage_open(1, &five);
    stage_leads(0);
    for (int i = 0; i < 50; i++)
        cr_expect_eq(stage_put("a"), STATUS_OK);
    stage.parts[0].delay_us = SECOND;
    cr_expect_eq(stage_put("a"), STATUS_OK);
    cr_expect_eq(stage.parts[0].writes, 51);
    cr_expect_eq(stage.parts[1].writes + stage.parts[2].writes, 0);
    stage_close();
}
