/* What a router was told among real shards, told again to a router alone: it says the same. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/sim/replay.h"
#include "schemas/sys.pb-c.h"
#include "tests/unit/actors/world.h"

static struct buffer recording;

static void on_tapped(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)turn;
    struct buffer body;
    if (!outcome->message || outcome->message->descriptor != &sys_tapped__descriptor) return;
    buffer_init(&body);
    cr_assert_eq(codec_encode(outcome->message, &body), STATUS_OK);
    const unsigned char length[] = {(unsigned char)body.size, (unsigned char)(body.size >> 8),
                                    (unsigned char)(body.size >> 16), 0};
    buffer_append(&recording, length, sizeof length);
    buffer_append(&recording, body.data, body.size);
    buffer_free(&body);
}

struct eye {
    char unused;
};

static enum status eye_open(void *self, const void *options, struct turn *turn) {
    (void)self, (void)options;
    SysTap tap = SYS_TAP__INIT;
    tap.actor = "router";
    tap.whole = true;
    turn_call(turn, &(struct call){.to = turn_find(turn, "sys"),
                                   .message = &tap.base,
                                   .done = on_tapped,
                                   .deadline_us = NO_DEADLINE});
    return STATUS_OK;
}

static const struct handler nothing[] = {{NULL, NULL}};
static const struct actor_type eye_type = {
    .kind = "eye", .size = sizeof(struct eye), .handlers = nothing, .open = eye_open};

/* The lines about the router, one behind the other. */
static char *router_lines(const char *trace) {
    char *lines = calloc(1, strlen(trace) + 1), *end = lines;
    while (*trace) {
        size_t size = strcspn(trace, "\n") + 1;
        if (strncmp(trace, "router ", 7) == 0) {
            memcpy(end, trace, size);
            end += size;
        }
        trace += size;
    }
    return lines;
}

static char *record(void) {
    struct world world;
    world_open(&world, &(struct world_options){.shards = 2});
    buffer_init(&recording);
    buffer_append(&recording, REPLAY_MAGIC, strlen(REPLAY_MAGIC));
    sim_spawn(world.sim, "eye", &eye_type, NULL);
    sim_trace_clear(world.sim);
    float x, y;
    cr_assert_eq(world_create(&world, "films", 2, 2), STATUS_OK);
    cr_assert_eq(world_put(&world, "films", "a", 1, 2, "p"), STATUS_OK);
    cr_assert_eq(world_get(&world, "films", "a", &x, &y), STATUS_OK);
    cr_assert_eq(world_get(&world, "films", "b", &x, &y), STATUS_NOT_FOUND);
    cr_assert_eq(world_get(&world, "none", "b", &x, &y), STATUS_NOT_FOUND);
    sim_run(world.sim, SECOND);
    char *lines = router_lines(sim_trace(world.sim));
    world_close(&world);
    return lines;
}

Test(replay, a_router_says_again_what_it_said) {
    static const struct router_options options = {.pd = ""};
    struct replay_counts counts;
    char *said = record();
    struct sim *sim = sim_open(&(struct sim_options){.seed = 2});
    sim_spawn(sim, "router", &router_type, &options);
    sim_trace_clear(sim);
    cr_assert_eq(sim_replay(sim, "router", recording.data, recording.size, &counts), STATUS_OK);
    char *again = router_lines(sim_trace(sim));
    cr_expect_eq(counts.requests, 5);
    cr_expect_gt(counts.answers, 4);
    cr_expect_eq(counts.bodiless, 0);
    cr_expect_neq(strlen(said), 0);
    cr_expect_str_eq(again, said);
    sim_stop(sim, "router");
    sim_close(&sim);
    free(again);
    free(said);
    buffer_free(&recording);
}

Test(replay, refuses_what_is_no_recording) {
    struct replay_counts counts;
    struct sim *sim = sim_open(&(struct sim_options){.seed = 1});
    free(record());
    static const char *const bad[] = {
        "", "VRECORD", "VRECORD2", "VRECORD1\1", "VRECORD1\377\377\377\377x", "VRECORD1\1\1\1\1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(sim_replay(sim, "sys", bad[i], strlen(bad[i]), &counts), STATUS_INVALID,
                     "row %zu", i);
    /* Cut anywhere: a status, never a crash. */
    sim_spawn(sim, "router", &router_type, &(struct router_options){.pd = ""});
    for (size_t size = 0; size < recording.size; size += 97) {
        enum status s = sim_replay(sim, "router", recording.data, size, &counts);
        cr_expect(s == STATUS_OK || s == STATUS_INVALID, "%zu bytes: %s", size, status_name(s));
    }
    sim_stop(sim, "router");
    sim_close(&sim);
    buffer_free(&recording);
}
