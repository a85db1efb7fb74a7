/* Writes of a shard wait for each other, but each only as long as its own caller. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/router/stage.h"

static const struct router_options plain = {.pd = ""};

enum { SENT_MAX = 8 };

/* An upsert that was sent off, and its outcome. */
struct put {
    const char *id;
    uint64_t within_us;
    bool ended;
    enum status status;
    char words[256];
    uint64_t ended_us; /* since it was sent */
    uint64_t began_us;
};
static struct put sent[SENT_MAX];
static uint32_t n_sent;

static void on_put(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    struct put *put = context;
    (void)self;
    cr_assert(!put->ended, "%s has two outcomes", put->id);
    put->ended = true;
    put->status = outcome->status;
    put->ended_us = turn_now_us(turn) - put->began_us;
    snprintf(put->words, sizeof put->words, "%s", outcome->text);
}

static void send_put(void *self, void *context, struct turn *turn) {
    struct put *put = context;
    float vector[] = {1};
    RouterPoint point = ROUTER_POINT__INIT;
    RouterPoint *points[] = {&point};
    (void)self;
    point.id = (char *)(uintptr_t)put->id;
    point.n_vector = 1;
    point.vector = vector;
    put->began_us = turn_now_us(turn);
    turn_call(turn,
              &(struct call){.to = turn_find(turn, "router"),
                             .message = MESSAGE(RouterUpsert, router_upsert, .collection = "docs",
                                                .n_points = 1, .points = points),
                             .done = on_put,
                             .context = put,
                             .deadline_us = put->began_us + put->within_us});
}

static struct put *put_within(const char *id, uint64_t within_us) {
    struct put *put = &sent[n_sent++];
    *put = (struct put){.id = id, .within_us = within_us};
    sim_order(stage.sim, send_put, put);
    sim_run(stage.sim, 10 * MS);
    return put;
}

static void open_at(uint64_t seed) {
    n_sent = 0;
    stage_open(seed, &plain);
    stage_leads(0);
    cr_assert_eq(stage_put("known"), STATUS_OK);
}

static void nobody_leads(void) {
    for (uint32_t i = 0; i < VOTERS; i++) {
        stage.parts[i].status = STATUS_NOT_LEADER;
        stage.parts[i].words[0] = '\0';
    }
}

Test(writes, one_in_the_queue_of_a_shard_without_a_leader_is_told_in_its_time) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        open_at(seed);
        nobody_leads();
        const struct put *first = put_within("first", 20 * SECOND);
        const struct put *second = put_within("second", 3 * SECOND);
        sim_run(stage.sim, 3 * SECOND);
        cr_assert(second->ended && !first->ended);
        cr_expect_eq(second->status, STATUS_NOT_LEADER, "%s", status_name(second->status));
        cr_expect(strstr(second->words, "no leader with a majority"), "%s", second->words);
        cr_expect(strstr(second->words, "not begun"), "%s", second->words);
        cr_expect_lt(second->ended_us, 3 * SECOND, "in time to say why");

        /* It is not written when the leader is back; what was waited for is, and what comes. */
        uint64_t index = stage.index;
        stage_leads(1);
        sim_run(stage.sim, 2 * SECOND);
        cr_expect(first->ended && first->status == STATUS_OK, "%s", first->words);
        cr_expect_eq(stage.index, index + 1);
        cr_expect_eq(stage_put("next"), STATUS_OK);
        stage_close();
    }
}

/* The process that leads is gone, and no other answers. */
Test(writes, one_in_the_queue_of_a_lost_shard_is_told_so) {
    open_at(1);
    for (uint32_t i = 0; i < VOTERS; i++)
        sim_off(stage.sim, i + 2);
    const struct put *first = put_within("first", 30 * SECOND);
    const struct put *second = put_within("second", 5 * SECOND);
    sim_run(stage.sim, 5 * SECOND);
    cr_assert(second->ended && !first->ended);
    cr_expect_eq(second->status, STATUS_LOST_PEER, "%s", status_name(second->status));
    for (uint32_t i = 0; i < VOTERS; i++)
        sim_on(stage.sim, i + 2);
    stage_close();
}

/* It shares the chunk of one that has more time. The chunk goes on, under the number it has. */
Test(writes, one_under_way_is_told_in_its_time_and_its_chunk_goes_on) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        open_at(seed);
        stage.parts[0].delay_us = SECOND;
        const struct put *before = put_within("before", 10 * SECOND);
        const struct put *patient = put_within("patient", 20 * SECOND);
        const struct put *hasty = put_within("hasty", 4 * SECOND);
        sim_run(stage.sim, SECOND - 100 * MS);
        nobody_leads(); /* that one is answered so, too, and tried again */
        sim_run(stage.sim, 5 * SECOND);
        cr_assert(hasty->ended && !patient->ended);
        cr_expect_neq(hasty->status, STATUS_OK);
        stage_leads(2);
        sim_run(stage.sim, 3 * SECOND);
        cr_expect(before->ended && before->status == STATUS_OK, "%s", before->words);
        cr_expect(patient->ended && patient->status == STATUS_OK, "%s", patient->words);
        stage_close();
    }
}

Test(writes, one_behind_a_slow_shard_hears_that_it_is_slow) {
    open_at(1);
    stage.parts[0].delay_us = 1500 * MS;
    const struct put *first = put_within("first", 10 * SECOND);
    const struct put *second = put_within("second", SECOND);
    sim_run(stage.sim, 3 * SECOND);
    cr_expect(first->ended && first->status == STATUS_OK, "%s", first->words);
    cr_assert(second->ended);
    cr_expect_eq(second->status, STATUS_EXPIRED, "%s", status_name(second->status));
    cr_expect(strstr(second->words, "takes longer"), "%s", second->words);
    stage_close();
}
