/* What a router and a placement driver were told among real shards, told again to them alone: they
 * say the same. */
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
    (void)self;
    SysTap tap = SYS_TAP__INIT;
    tap.actor = (char *)(uintptr_t)options;
    tap.whole = tap.steps = true;
    turn_call(turn, &(struct call){.to = turn_find(turn, "sys"),
                                   .message = &tap.base,
                                   .done = on_tapped,
                                   .deadline_us = NO_DEADLINE});
    return STATUS_OK;
}

static const struct handler nothing[] = {{NULL, NULL}};
static const struct actor_type eye_type = {
    .kind = "eye", .size = sizeof(struct eye), .handlers = nothing, .open = eye_open};

/* A router besides the world's, seen from its open; what it does ends up in `recording`. */
static void record(bool late) {
    struct world world;
    float x, y;
    world_open(&world, &(struct world_options){.shards = 2, .seed = 3});
    buffer_init(&recording);
    buffer_append(&recording, REPLAY_MAGIC, strlen(REPLAY_MAGIC));
    if (late) cr_assert_eq(world_create(&world, "early", 2, 2), STATUS_OK);
    if (!late) sim_stop(world.sim, "router");
    sim_spawn(world.sim, "eye", &eye_type, "router");
    if (!late) sim_spawn(world.sim, "router", &router_type, &world.router_options);
    cr_assert_eq(world_create(&world, "films", 2, 2), STATUS_OK);
    cr_assert_eq(world_put(&world, "films", "a", 1, 2, "p"), STATUS_OK);
    cr_assert_eq(world_get(&world, "films", "a", &x, &y), STATUS_OK);
    cr_assert_eq(world_get(&world, "films", "b", &x, &y), STATUS_NOT_FOUND);
    cr_assert_eq(world_get(&world, "none", "b", &x, &y), STATUS_NOT_FOUND);
    sim_run(world.sim, SECOND);
    world_close(&world);
}

static const struct router_options options = {.pd = ""};
static const struct replay_options router_alone = {.type = &router_type, .options = &options};
static struct replay_result result;

static enum status replay(void) {
    return sim_replay(&router_alone, recording.data, recording.size, &result);
}

Test(replay, a_router_says_again_what_it_said) {
    record(false);
    cr_assert_eq(replay(), STATUS_OK);
    cr_expect(result.same, "%s", result.difference);
    cr_expect(result.from_start);
    cr_expect_str_eq(result.name, "router");
    cr_expect_gt(result.turns, 10);
    cr_expect_gt(result.said, 10);
    cr_expect_gt(result.asked, 10);
    buffer_free(&recording);
}

/* Changes the nth message of this type in the recording's bytes, where they differ by one. */
static void change(const char *from, const char *to) {
    size_t size = strlen(from);
    for (size_t i = 0; i + size <= recording.size; i++)
        if (memcmp(recording.data + i, from, size) == 0) memcpy(recording.data + i, to, size);
}

Test(replay, tells_the_first_difference) {
    record(false);
    change("films", "filmS"); /* everywhere, and so it is the same again */
    cr_assert_eq(replay(), STATUS_OK);
    cr_expect(result.same, "%s", result.difference);
    change("PdRoute", "PdBeats");
    enum status s = replay();
    cr_expect_eq(s, STATUS_INVALID, "no such message");
    change("PdBeats", "PdRoute");
    change("RouterGet", "RouterPut");
    cr_expect_eq(replay(), STATUS_INVALID);
    change("RouterPut", "RouterGet");
    cr_assert_eq(replay(), STATUS_OK);
    /* What the shard is asked names the point, and so does the router's request: change one. */
    size_t last = 0;
    for (size_t i = 0; i + 9 <= recording.size; i++)
        if (memcmp(recording.data + i, "RouterGet", 9) == 0 && last == 0) last = i;
    cr_assert_gt(last, 0);
    for (size_t i = last; i < last + 200; i++)
        if (recording.data[i] == 'a' && recording.data[i - 1] == 0xa1) recording.data[i] = 'c';
    cr_assert_eq(replay(), STATUS_OK);
    cr_expect_not(result.same);
    cr_expect(strstr(result.difference, "recorded: ") && strstr(result.difference, "replayed: "),
              "%s", result.difference);
    buffer_free(&recording);
}

Test(replay, a_recording_from_the_middle_lacks_what_was_before) {
    record(true);
    cr_assert_eq(replay(), STATUS_OK);
    cr_expect_not(result.from_start);
    cr_expect_not(result.same, "it had drawn its number before");
    buffer_free(&recording);
}

Test(replay, refuses_what_is_no_recording) {
    record(false);
    static const char *const bad[] = {
        "", "VRECORD", "VRECORD1", "VRECORD3\1", "VRECORD3\377\377\377\377x", "VRECORD3\1\1\1\1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(sim_replay(&router_alone, bad[i], strlen(bad[i]), &result), STATUS_INVALID,
                     "row %zu", i);
    /* Cut anywhere: a status, never a crash. */
    for (size_t size = 0; size < recording.size; size += 997) {
        enum status s = sim_replay(&router_alone, recording.data, size, &result);
        cr_expect(s == STATUS_OK || s == STATUS_INVALID, "%zu bytes: %s", size, status_name(s));
    }
    buffer_free(&recording);
}
