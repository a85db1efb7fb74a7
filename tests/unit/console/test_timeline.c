/* Looking back gives what was live then. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/unit/console/scene.h"

static struct console *console;
static struct timeline *timeline;

static void set_up(void) {
    console = calloc(1, sizeof *console);
    cr_assert_eq(console_init(console, 64 << 20), STATUS_OK);
    timeline = &console->timeline;
    for (unsigned n = 1; n <= 60; n++)
        scene_second(console, n);
}
static void tear_down(void) {
    console_free(console);
    free(console);
}
TestSuite(timeline, .init = set_up, .fini = tear_down);

static const struct actor_row *router(void) {
    return model_actor(model_process(&timeline->model, GATEWAY), "router");
}

Test(timeline, any_moment_has_its_numbers) {
    static const unsigned seconds[] = {60, 30, 31, 29, 2, 59, 3};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        timeline_seek(timeline, SCENE_MS + 1000 * seconds[i] + 500);
        cr_expect_eq(router()->actor->received, 1000 * seconds[i]);
        cr_expect_float_eq(router()->received, 1000, 1, "rates too");
        cr_expect_eq(timeline->model.now_ms, SCENE_MS + 1000 * seconds[i]);
    }
}

Test(timeline, the_ends_are_ends) {
    timeline_seek(timeline, 0);
    cr_expect_eq(timeline->at_ms, SCENE_MS + 1000);
    timeline_seek(timeline, UINT64_MAX);
    cr_expect_eq(timeline->at_ms, SCENE_MS + 60000);
    cr_expect_eq(router()->actor->received, 60000);
}

Test(timeline, going_on_misses_nothing) {
    timeline_pause(timeline);
    scene_second(console, 61);
    cr_expect_eq(router()->actor->received, 60000);
    timeline_resume(timeline);
    cr_expect_eq(router()->actor->received, 61000);
    scene_second(console, 62);
    cr_expect_eq(router()->actor->received, 62000);
}

/* While paused the oldest go on being forgotten, also the one that is shown. */
Test(timeline, what_is_shown_may_be_forgotten) {
    timeline_seek(timeline, SCENE_MS + 2000);
    timeline->history.bytes_max = timeline->history.bytes / 4;
    for (unsigned n = 61; n < 200; n++)
        scene_second(console, n);
    cr_expect_not_null(router());
    timeline_seek(timeline, SCENE_MS + 2000);
    cr_expect_not_null(router());
    timeline_resume(timeline);
    cr_expect_eq(router()->actor->received, 199000);
}
