/* The router among replicas: whom it asks, and whom next. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/router/stage.h"

static const struct router_options plain = {.pd = ""};

Test(replicas, a_write_follows_the_words_to_the_leader_and_stays_there) {
    stage_open(1, &plain);
    stage_leads(2);
    cr_expect_eq(stage_put("a"), STATUS_OK);
    cr_expect_eq(stage.parts[0].writes, 1, "the placement driver named it");
    cr_expect_eq(stage.parts[2].writes, 1);
    for (int i = 0; i < 5; i++)
        cr_expect_eq(stage_put("a"), STATUS_OK);
    cr_expect_eq(stage.parts[2].writes, 6);
    cr_expect_eq(stage.parts[0].writes + stage.parts[1].writes, 1);
    cr_expect_eq(stage.parts[LEARNER].writes, 0);
    stage_close();
}

Test(replicas, a_write_finds_a_leader_that_nobody_names) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        stage_open(seed, &plain);
        stage.leader = 0;
        stage_leads(1);
        stage.parts[0].words[0] = stage.parts[2].words[0] = '\0';
        uint64_t began = sim_now_us(stage.sim);
        cr_expect_eq(stage_put("a"), STATUS_OK);
        cr_expect_lt(sim_now_us(stage.sim) - began, SECOND);
        stage_close();
    }
}

/* The leader's process is gone: another one leads soon after. */
Test(replicas, a_write_goes_on_when_the_leader_is_lost) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        stage_open(seed, &plain);
        stage_leads(0);
        cr_expect_eq(stage_put("a"), STATUS_OK);
        sim_off(stage.sim, 2);
        stage_leads(1);
        uint64_t began = sim_now_us(stage.sim);
        cr_expect_eq(stage_put("a"), STATUS_OK, "seed %lu", (unsigned long)seed);
        cr_expect_lt(sim_now_us(stage.sim) - began, 3 * SECOND);
        began = sim_now_us(stage.sim);
        cr_expect_eq(stage_put("a"), STATUS_OK);
        cr_expect_lt(sim_now_us(stage.sim) - began, 10 * MS, "it is known by now");
        sim_on(stage.sim, 2);
        stage_close();
    }
}

/* What a chunk was given it keeps: the next one never overtakes it, nor changes its number. */
Test(replicas, chunks_of_a_shard_keep_their_order_across_tries) {
    stage_open(1, &plain);
    stage_leads(0);
    for (uint32_t i = 0; i < 60; i++) {
        stage_leads(i / 7 % VOTERS);
        if (i % 5 == 0) stage.parts[i / 7 % VOTERS].epoch = ++stage.epoch;
        cr_expect_eq(stage_put("a"), STATUS_OK);
        for (uint32_t j = 0; j < REPLICAS; j++)
            stage.parts[j].epoch = 0;
    }
    for (uint32_t i = 0; i < VOTERS; i++)
        for (uint32_t j = 1; j < stage.parts[i].writes; j++)
            cr_expect_leq(stage.parts[i].sequences[j - 1], stage.parts[i].sequences[j]);
    stage_close();
}

Test(replicas, a_stale_epoch_fetches_the_route_anew) {
    stage_open(1, &plain);
    cr_expect_eq(stage_search(0), STATUS_OK);
    uint32_t routes = stage.routes;
    stage.epoch = 2;
    for (uint32_t i = 0; i < REPLICAS; i++)
        stage.parts[i].epoch = 2;
    cr_expect_eq(stage_search(0), STATUS_OK);
    cr_expect_gt(stage.routes, routes);
    stage_close();
}

struct refusal {
    const char *name;
    enum status status;
};
static const struct refusal refusals[] = {
    {"it is loading", STATUS_NOT_READY},       {"it is quarantined", STATUS_QUARANTINED},
    {"its link was lost", STATUS_LOST_PEER},   {"it has too much to do", STATUS_BUSY},
    {"it knows no leader", STATUS_NOT_LEADER},
};

Test(replicas, a_read_that_one_refuses_is_answered_by_another) {
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        for (uint32_t level = 0; level <= 4; level++) {
            stage_open(i * 10 + level + 1, &plain);
            stage.parts[0].status = stage.parts[LEARNER].status = refusals[i].status;
            for (int n = 0; n < 8; n++) {
                cr_expect_eq(stage_search(level), STATUS_OK, "%s", refusals[i].name);
                cr_expect_eq(stage_get(level), STATUS_OK, "%s", refusals[i].name);
            }
            stage_close();
        }
}

Test(replicas, what_all_refuse_is_told) {
    stage_open(1, &plain);
    for (uint32_t i = 0; i < REPLICAS; i++)
        stage.parts[i].status = STATUS_QUARANTINED;
    cr_expect_eq(stage_search(0), STATUS_QUARANTINED);
    for (uint32_t i = 0; i < REPLICAS; i++)
        stage.parts[i].status = STATUS_NOT_FOUND;
    cr_expect_eq(stage_get(0), STATUS_NOT_FOUND);
    stage_close();
}

Test(replicas, a_slow_replica_is_asked_less) {
    stage_open(1, &plain);
    stage.parts[0].delay_us = stage.parts[1].delay_us = 2 * MS;
    stage.parts[2].delay_us = 40 * MS;
    cr_expect_eq(stage_searches(600), 600);
    cr_expect_lt(stage.parts[2].searches, 90, "%u", stage.parts[2].searches);
    cr_expect_gt(stage.parts[0].searches, 150);
    cr_expect_gt(stage.parts[1].searches, 150);
    /* It is quick again: it is found out. */
    stage.parts[2].delay_us = MS;
    uint32_t before = stage.parts[2].searches;
    cr_expect_eq(stage_searches(600), 600);
    cr_expect_gt(stage.parts[2].searches, before + 150);
    stage_close();
}

/* It may be full: the others do not lead all the same. */
Test(replicas, a_busy_leader_is_asked_again) {
    stage_open(1, &plain);
    stage_leads(0);
    cr_expect_eq(stage_put("a"), STATUS_OK);
    stage.parts[0].refusals = 3;
    cr_expect_eq(stage_put("a"), STATUS_OK);
    cr_expect_eq(stage.parts[0].writes, 5);
    cr_expect_eq(stage.parts[1].writes + stage.parts[2].writes, 0);
    stage_close();
}
