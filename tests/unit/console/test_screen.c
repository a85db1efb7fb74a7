/* Cells: clipping, fields, wide characters, hits. */
#include <criterion/criterion.h>
#include <string.h>

#include "cli/console/screen.h"

static struct screen screen;

static void set_up(void) {
    cr_assert_eq(screen_init(&screen, 20, 3), STATUS_OK);
}
static void tear_down(void) {
    screen_free(&screen);
}
TestSuite(screen, .init = set_up, .fini = tear_down);

static void expect(const char *want) {
    struct buffer text;
    buffer_init(&text);
    screen_text(&screen, &text);
    buffer_append(&text, "", 1);
    cr_expect_str_eq((char *)text.data, want);
    buffer_free(&text);
}

Test(screen, text_without_blanks_at_ends) {
    screen_put(&screen, 1, 2, STYLE_PLAIN, "hello");
    expect("\n  hello\n");
}

Test(screen, nothing_outside) {
    screen_put(&screen, 0, 17, STYLE_PLAIN, "hello");
    screen_put(&screen, 0, -3, STYLE_PLAIN, "hello");
    screen_put(&screen, 9, 0, STYLE_PLAIN, "hello");
    screen_put(&screen, -1, 0, STYLE_PLAIN, "hello");
    expect("lo               hel\n");
}

Test(screen, clip) {
    struct area before = screen_clip(&screen, (struct area){0, 5, 1, 4});
    cr_expect_eq(screen_put(&screen, 0, 3, STYLE_PLAIN, "abcdefgh"), 8);
    screen_put(&screen, 1, 5, STYLE_PLAIN, "x");
    screen_clip(&screen, before);
    expect("     cdef\n");
}

static const struct {
    const char *text, *want;
    int width;
    bool right, middle;
} fields[] = {
    {"abc", "[abc  ]\n", 5, false},      {"abc", "[  abc]\n", 5, true},
    {"abcdef", "[abcd…]\n", 5, false},   {"abcdef", "[abcd…]\n", 5, true},
    {"abcde", "[abcde]\n", 5, false},    {"", "[     ]\n", 5, false},
    {"東京都", "[東京…]\n", 5, false},   {"ab", "[…]\n", 1, false},
    {"東", "[…]\n", 1, false},           {"worker:9191", "[wor…191]\n", 7, false, true},
    {"ab:cd", "[a…]\n", 2, false, true},
};

Test(screen, fields_are_as_wide_as_they_are) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        screen_clear(&screen);
        screen_put(&screen, 0, 0, STYLE_PLAIN, "[");
        screen_field(
            &screen,
            &(struct field){0, 1, fields[i].width, STYLE_PLAIN, fields[i].right, fields[i].middle},
            fields[i].text);
        screen_put(&screen, 0, 1 + fields[i].width, STYLE_PLAIN, "]");
        expect(fields[i].want);
    }
}

Test(screen, a_wide_rune_is_never_cut_in_half) {
    screen_put(&screen, 0, 19, STYLE_PLAIN, "東");
    expect("");
}

Test(screen, the_topmost_hit_counts) {
    screen_hit(&screen, (struct area){0, 0, 3, 20}, HIT_ROW, 1);
    screen_hit(&screen, (struct area){1, 4, 1, 3}, HIT_KEY, 'x');
    cr_expect_eq(screen_hit_at(&screen, 1, 5)->value, 'x');
    cr_expect_eq(screen_hit_at(&screen, 1, 7)->value, 1);
    cr_expect_null(screen_hit_at(&screen, 3, 0));
}
