/* The model: rates from two answers, labels, one process under two addresses. */
#include <criterion/criterion.h>
#include <stdlib.h>

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
TestSuite(model, .init = set_up, .fini = tear_down);

Test(model, rates_are_differences) {
    scene_second(console, 1);
    const struct process *gateway = model_process(model, GATEWAY);
    cr_expect_not(gateway->rated);
    cr_expect_not(model_actor(gateway, "router")->rated);
    scene_second(console, 3);
    const struct actor_row *router = model_actor(gateway, "router");
    cr_expect(gateway->rated);
    cr_expect_float_eq(router->received, 1000, 1);
    cr_expect_float_eq(router->busy, 0.25, 0.001);
    cr_expect_float_eq(gateway->cpu, 0.43, 0.001);
    cr_expect_eq(gateway->lanes[0].lane->lane, 1, "lanes are in order");
    cr_expect_float_eq(gateway->lanes[0].busy, 0.3, 0.001);
    cr_expect_float_eq(gateway->lanes[1].turns, 2000, 1);
    cr_expect_float_eq(gateway->links[1].sent, 1200, 1);
}

Test(model, percentiles_are_of_the_last_seconds) {
    for (unsigned n = 1; n <= 5; n++)
        scene_second(console, n);
    const struct actor_row *router = model_actor(model_process(model, GATEWAY), "router");
    cr_expect_geq(router->mailbox_p50, 64);
    cr_expect_leq(router->mailbox_p50, 128);
    cr_expect_geq(router->mailbox_p99, 512);
    cr_expect_leq(router->mailbox_p99, 1024);
}

static const struct {
    const char *name;
    double counts[4];
    double share, want;
} percentiles[] = {
    {"nothing", {0}, 0.5, 0},
    {"all in one, half way", {0, 0, 10}, 0.5, 6},
    {"the last", {50, 0, 0, 50}, 0.99, 15.84},
    {"faded away", {0, 0.2}, 0.5, 0},
};

Test(model, percentile) {
    for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++) {
        struct window window = {{0}};
        for (size_t j = 0; j < 4; j++)
            window.counts[j] = (float)percentiles[i].counts[j];
        cr_expect_float_eq(window_percentile(&window, percentiles[i].share), percentiles[i].want,
                           0.01, "%s", percentiles[i].name);
    }
}

Test(model, a_restarted_process_has_no_rates_across) {
    scene_second(console, 5);
    SysReport report = SYS_REPORT__INIT;
    report.node = (char *)"gateway";
    report.uptime_ms = 900;
    report.incarnation = 99;
    scene_take(model, scene_event(SCENE_MS + 6000, GATEWAY, QUESTION_REPORT, "", &report.base));
    cr_expect_not(model_process(model, GATEWAY)->rated);
}

Test(model, like_names_are_told_apart) {
    scene_second(console, 1);
    cr_expect_str_eq(model_process(model, PD)->label, "pd");
    cr_expect_str_eq(model_process(model, WORKER1)->label, "worker:10.0.0.2");
    cr_expect_str_eq(model_process(model, WORKER2)->label, "worker:10.0.0.3");
    cr_expect_str_eq(console_process(console, 0)->label, "pd");
    cr_expect_str_eq(console_process(console, 1)->label, "gateway");
}

Test(model, two_addresses_of_one_process) {
    SysReport report = SYS_REPORT__INIT;
    report.node = (char *)"up";
    report.incarnation = 7;
    scene_take(model, scene_event(SCENE_MS, "ipc://a/link.ipc", QUESTION_REPORT, "", &report.base));
    scene_take(model,
               scene_event(SCENE_MS, "ipc:///run/a/link.ipc", QUESTION_REPORT, "", &report.base));
    cr_expect_not_null(console_process(console, 0));
    cr_expect_null(console_process(console, 1));
}

Test(model, a_lost_process_keeps_what_was_known) {
    scene_second(console, 1);
    scene_take(model,
               scene_failure(SCENE_MS + 5000, PD, QUESTION_REPORT, "", STATUS_LOST_PEER, "gone"));
    const struct process *pd = model_process(model, PD);
    cr_expect_eq(pd->status, STATUS_LOST_PEER);
    cr_expect_not_null(pd->report);
    cr_expect_eq(pd->heard_ms, SCENE_MS + 1000);
}

Test(model, links_lead_to_processes) {
    scene_second(console, 1);
    const struct process *gateway = model_process(model, GATEWAY);
    cr_expect_eq(model_peer(gateway, 2), model_process(model, WORKER1));
    cr_expect_null(model_peer(gateway, 77));
}

Test(model, growth_is_noticed) {
    for (unsigned n = 1; n <= 4; n++)
        scene_second(console, n);
    const struct actor_row *router = model_actor(model_process(model, GATEWAY), "router");
    cr_expect_eq(router->growing_ms, SCENE_MS + 2000);
    cr_expect_eq(router->grown_from, 12);
}

Test(model, a_body_that_is_none_is_told) {
    struct event *event = scene_event(SCENE_MS, PD, QUESTION_WAITS, "", NULL);
    unsigned char garbage[] = {0xc1, 0xff};
    event->body = garbage;
    event->size = sizeof garbage;
    model_take(model, event);
    cr_expect_eq(model_answer(model_process(model, PD), QUESTION_WAITS, NULL)->status,
                 STATUS_CORRUPT);
    cr_expect_null(model_message(model_process(model, PD), QUESTION_WAITS, NULL));
    event->question = QUESTION_ACTORS;
    model_take(model, event);
    cr_expect_null(model_process(model, PD)->report);
    free(event);
}

Test(model, processes_are_bounded) {
    char address[32];
    for (unsigned i = 0; i < MODEL_PROCESSES_MAX + 50; i++) {
        snprintf(address, sizeof address, "tcp://h:%u", i);
        scene_take(model,
                   scene_failure(SCENE_MS, address, QUESTION_REPORT, "", STATUS_LOST_PEER, ""));
    }
    cr_expect_eq(model->n_processes, MODEL_PROCESSES_MAX);
}

Test(model, taps_are_bounded) {
    SysTapped part = SYS_TAPPED__INIT;
    SysMessage message = SYS_MESSAGE__INIT;
    SysMessage *messages[100];
    for (size_t i = 0; i < 100; i++)
        messages[i] = &message;
    part.n_messages = 100;
    part.messages = messages;
    for (unsigned i = 0; i < 20; i++) {
        struct event *event = scene_event(SCENE_MS, PD, QUESTION_TAP, "pd", &part.base);
        event->more = true;
        scene_take(model, event);
    }
    cr_expect_eq(model->n_tapped, MODEL_TAPPED_MAX);
    scene_take(model, scene_event(SCENE_MS, PD, QUESTION_TAP, "pd", NULL));
    cr_expect_not(model->tap_open);
    cr_expect_eq(model->n_tapped, MODEL_TAPPED_MAX, "it can still be read");
}
