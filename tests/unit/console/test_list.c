/* Tables: layout by rank, order, filter, picks, JSON. */
#include <criterion/criterion.h>
#include <string.h>

#include "cli/console/list.h"

static const struct column columns[] = {
    {"name", "NAME", VALUE_TEXT, 6, 12, 0},
    {"rate", "RATE", VALUE_RATE, 6, 0, 0},
    {"extra", "EXTRA", VALUE_US, 7, 0, 1},
    {"id", "id", VALUE_ID, 0, 0, -1},
    {0},
};
static struct list list;
static struct list_state state;
static struct screen screen;

static void add(uint64_t id, const char *name, double rate, double extra) {
    struct list_row *row = list_add(&list, id, NULL);
    list_text(&list, row, "name", name);
    if (rate >= 0) list_number(&list, row, "rate", rate);
    list_number(&list, row, "extra", extra);
    list_id(&list, row, "id", id);
}

static void set_up(void) {
    list_init(&list, "things", columns);
    state = (struct list_state){.sort = SIZE_MAX};
    cr_assert_eq(screen_init(&screen, 40, 5), STATUS_OK);
    add(1, "beta", 2, 10);
    add(2, "alpha", 30, 20);
    add(3, "shard/10", -1, 30);
    add(4, "shard/9", 2, 40);
}
static void tear_down(void) {
    list_free(&list);
    screen_free(&screen);
}
TestSuite(list, .init = set_up, .fini = tear_down);

static void expect(int width, const char *want) {
    struct buffer text;
    buffer_init(&text);
    screen_clear(&screen);
    list_draw(&list, &screen, (struct area){0, 0, 5, width}, &state);
    screen_text(&screen, &text);
    buffer_append(&text, "", 1);
    cr_expect_str_eq((char *)text.data, want);
    buffer_free(&text);
}

Test(list, columns_by_rank_and_room) {
    expect(28, "NAME           RATE   EXTRA\n"
               "beta              2    10us\n"
               "alpha            30    20us\n"
               "shard/10          -    30us\n"
               "shard/9           2    40us\n");
    expect(16, "NAME       RATE\n"
               "beta          2\n"
               "alpha        30\n"
               "shard/10      -\n"
               "shard/9       2\n");
}

static const char *order(char out[5]) {
    for (size_t i = 0; i < list.n_rows; i++)
        out[i] = (char)('0' + list.rows[i].id);
    out[list.n_rows] = 0;
    return out;
}

Test(list, order_is_stable_and_unknown_comes_last) {
    char got[5];
    list_sort(&list, 0, false);
    cr_expect_str_eq(order(got), "2143", "numbers in names count as numbers");
    list_sort(&list, 1, true);
    cr_expect_str_eq(order(got), "2143");
    list_sort(&list, 1, false);
    cr_expect_str_eq(order(got), "1423");
}

Test(list, filter_is_blind_to_case) {
    char got[5];
    list_filter(&list, "SHARD");
    cr_expect_str_eq(order(got), "34");
    list_filter(&list, "nothing");
    cr_expect_eq(list.n_rows, 0);
    cr_expect_null(list_picked(&list, &state));
    list_move(&list, &state, 1);
}

Test(list, the_pick_stays_with_its_row) {
    state.picked = 3;
    list_sort(&list, 1, true);
    cr_expect_eq(list_picked(&list, &state)->id, 3);
    list_move(&list, &state, -1);
    cr_expect_eq(state.picked, 4);
    list_move(&list, &state, 99);
    cr_expect_eq(state.picked, 3);
    state.picked = 77;
    cr_expect_eq(list_picked(&list, &state)->id, 2, "gone: the first");
}

Test(list, the_pick_is_kept_in_sight) {
    for (uint64_t i = 10; i < 200; i++)
        add(i, "more", 1, 1);
    state.picked = 150;
    screen_clear(&screen);
    list_draw(&list, &screen, (struct area){0, 0, 5, 30}, &state);
    cr_expect_eq(list.rows[state.top + 3].id, 150);
}

Test(list, json) {
    struct buffer out;
    buffer_init(&out);
    list_filter(&list, "shard/10");
    list_json(&list, &out);
    buffer_append(&out, "", 1);
    cr_expect_str_eq((char *)out.data,
                     "[\n  {\"name\":\"shard/10\",\"rate\":null,\"extra\":30,\"id\":\"3\"}]");
    buffer_free(&out);
}
