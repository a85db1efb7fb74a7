/* Keys and clicks, as a person uses them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/console/scene.h"

static struct console *console;
static struct screen screen;
static struct once ordered;
static unsigned orders;

static bool take_order(void *context, const struct once *once) {
    (void)context;
    ordered = *once;
    orders++;
    return true;
}

static void set_up(void) {
    console = calloc(1, sizeof *console);
    cr_assert_eq(console_init(console, 64 << 20), STATUS_OK);
    cr_assert_eq(screen_init(&screen, 80, 24), STATUS_OK);
    console->order = take_order;
    orders = 0;
    scene_play(console);
    console_draw(console, &screen);
}

static void tear_down(void) {
    console_free(console);
    screen_free(&screen);
    free(console);
}

TestSuite(keys, .init = set_up, .fini = tear_down);

static void press(const char *keys) {
    for (; *keys; keys++) {
        console_key(console, *keys == '\n' ? KEY_RETURN : *keys == '\x1b' ? KEY_ESCAPE : *keys);
        console_draw(console, &screen);
    }
}

static void click(const char *what) {
    struct buffer text;
    buffer_init(&text);
    screen_text(&screen, &text);
    buffer_append(&text, "", 1);
    int row = 0;
    char *rest = NULL;
    for (char *line = strtok_r((char *)text.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest), row++) {
        char *at = strstr(line, what);
        if (!at) continue;
        *at = 0;
        console_click(console, &screen, row, screen_columns(line));
        console_draw(console, &screen);
        buffer_free(&text);
        return;
    }
    cr_assert(false, "%s is not on the screen", what);
}

Test(keys, digits_and_tab_change_the_view) {
    for (unsigned i = 0; i < VIEW_TABS; i++) {
        console_key(console, '1' + (int)i);
        cr_expect_eq(console->view, i);
    }
    console_key(console, KEY_TAB);
    cr_expect_eq(console->view, VIEW_CLUSTER);
    console_key(console, KEY_BACK_TAB);
    cr_expect_eq(console->view, VIEW_ALARMS);
}

Test(keys, a_click_on_a_tab_does_too) {
    click("3 links");
    cr_expect_eq(console->view, VIEW_LINKS);
    click("2 actors");
    cr_expect_eq(console->view, VIEW_ACTORS);
}

Test(keys, search_narrows_while_typing_and_escape_ends_it) {
    press("2/shar");
    cr_expect_eq(console->list.n_rows, 2);
    press("\n");
    cr_expect_eq(console->prompt, PROMPT_NONE);
    cr_expect_eq(console->list.n_rows, 2, "it stays");
    press("\x1b");
    cr_expect_eq(console->list.n_rows, 10);
    press("/zzz");
    cr_expect_eq(console->list.n_rows, 0);
    press("\n\n");
    cr_expect_eq(console->view, VIEW_ACTORS, "nothing to open");
}

Test(keys, a_search_stays_with_its_list) {
    press("2/shar\n?");
    cr_expect_eq(console->view, VIEW_HELP);
    cr_expect_gt(console->list.n_rows, 10, "all keys are told");
    press("\x1b");
    cr_expect_eq(console->list.n_rows, 2);
}

Test(keys, return_opens_and_escape_goes_back) {
    press("2\n");
    cr_expect_eq(console->view, VIEW_ACTOR);
    cr_expect_str_eq(console->actor, "router", "the deepest mailbox is first");
    cr_expect_str_eq(console->actor_address, GATEWAY);
    press("\x1b");
    cr_expect_eq(console->view, VIEW_ACTORS);
}

Test(keys, a_head_orders_and_a_second_click_reverses) {
    press("2");
    click("ACTOR ");
    cr_expect_str_eq(console->list.rows[0].values[0].text, "edge/1");
    click("ACTOR");
    cr_expect_str_eq(console->list.rows[0].values[0].text, "shard/2");
}

Test(keys, a_second_click_on_a_row_opens_it) {
    press("2");
    click("keeper");
    cr_expect_eq(console->view, VIEW_ACTORS);
    click("keeper");
    cr_expect_eq(console->view, VIEW_ACTOR);
    cr_expect_str_eq(console->actor, "keeper");
}

Test(keys, a_process_opens_to_its_actors) {
    press("\n");
    cr_expect_eq(console->view, VIEW_ACTORS);
    cr_expect_eq(console->list.n_rows, 1, "the pd's");
    press("\x1b");
    cr_expect_eq(console->list.n_rows, 10);
}

Test(keys, actions_ask_first) {
    press("2\nR");
    cr_expect_eq(orders, 0);
    cr_expect_eq(console->prompt, PROMPT_CONFIRM);
    press("x");
    cr_expect_eq(orders, 0, "anything but y is no");
    press("Ry");
    cr_expect_eq(orders, 1);
    cr_expect_eq(ordered.kind, ONCE_DO);
    cr_expect_str_eq(ordered.action, "restart");
    cr_expect_str_eq(ordered.actor, "router");
    cr_expect_str_eq(ordered.address, GATEWAY);
    press("n");
    cr_expect_str_eq(ordered.action, "step", "that one does not");
}

Test(keys, tap_is_on_and_off) {
    press("2\nt");
    cr_expect_eq(ordered.kind, ONCE_TAP);
    SysTapped part = SYS_TAPPED__INIT;
    part.matched = 1;
    part.n_messages = 1;
    SysMessage message = SYS_MESSAGE__INIT;
    message.message = (char *)"RouterSearch";
    message.kind = (char *)"call";
    message.from = (char *)"tapped-sender";
    message.outcome = (char *)"OK";
    part.messages = (SysMessage *[]){&message};
    struct event *event = scene_event(SCENE_MS + 5000, GATEWAY, QUESTION_TAP, "router", &part.base);
    event->more = true;
    console_take(console, event);
    console_draw(console, &screen);
    struct buffer text;
    buffer_init(&text);
    console_json(console, &text);
    buffer_append(&text, "", 1);
    cr_expect(strstr((char *)text.data, "tapped-sender"));
    buffer_free(&text);
    press("t");
    cr_expect_eq(ordered.kind, ONCE_UNTAP);
}

Test(keys, a_letter_is_sent_again_only_when_it_is_kept) {
    press("5r");
    cr_expect_eq(console->prompt, PROMPT_CONFIRM, "the newest is kept");
    press("y");
    cr_expect_eq(ordered.kind, ONCE_RESEND);
    cr_expect_eq(ordered.number, 18);
    press("jr");
    cr_expect_eq(console->prompt, PROMPT_NONE);
    cr_expect_eq(orders, 1);
}

Test(keys, time_stands_still_and_steps) {
    struct timeline *timeline = &console->timeline;
    press(" ");
    cr_expect(timeline->paused);
    scene_second(console, 9);
    console_draw(console, &screen);
    cr_expect_eq(console_now_ms(console), SCENE_MS + 3100, "what came is kept, not shown");
    console_key(console, KEY_ARROW_LEFT);
    console_key(console, KEY_ARROW_LEFT);
    cr_expect_eq(timeline->at_ms, SCENE_MS + 1100);
    cr_expect_eq(console_now_ms(console), SCENE_MS + 1000);
    press("R");
    cr_expect_eq(orders, 0, "nothing is done to the past");
    press("g");
    cr_expect_not(timeline->paused);
    cr_expect_eq(console_now_ms(console), SCENE_MS + 9000);
}

Test(keys, asks_only_what_is_shown) {
    struct wanted wanted;
    console_wanted(console, &wanted);
    cr_expect_eq(wanted.questions, 1u << QUESTION_REPORT, "the cluster needs no actors");
    press("2");
    console_wanted(console, &wanted);
    cr_expect(wanted.questions & 1u << QUESTION_ACTORS);
    press("\n");
    console_wanted(console, &wanted);
    cr_expect(wanted.questions & 1u << QUESTION_ACTOR);
    cr_expect_str_eq(wanted.actor, "router");
    press("4");
    console_wanted(console, &wanted);
    cr_expect_eq(wanted.questions, 1u << QUESTION_REPORT | 1u << QUESTION_WAITS);
}

Test(keys, any_key_anywhere_does_no_harm) {
    uint32_t state = 1;
    for (unsigned i = 0; i < 3000; i++) {
        state = state * 1664525 + 1013904223;
        unsigned pick = state >> 8;
        if (pick % 5 == 0)
            console_click(console, &screen, (int)(pick / 5 % 24), (int)(pick / 120 % 80));
        else if (pick % 7 == 0)
            console_wheel(console, (int)(pick % 9) - 4);
        else
            console_key(console, pick % 3 ? ' ' + (int)(pick / 3 % 95)
                                          : KEY_FIRST_SPECIAL + (int)(pick / 3 % 10));
        console_draw(console, &screen);
    }
}
