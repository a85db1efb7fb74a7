/* Bars, sparklines, histograms. */
#include <criterion/criterion.h>

#include "cli/console/draw.h"

static struct screen screen;
static void set_up(void) {
    cr_assert_eq(screen_init(&screen, 24, 5), STATUS_OK);
}
static void tear_down(void) {
    screen_free(&screen);
}
TestSuite(draw, .init = set_up, .fini = tear_down);

static void expect(const char *want) {
    struct buffer text;
    buffer_init(&text);
    screen_text(&screen, &text);
    buffer_append(&text, "", 1);
    cr_expect_str_eq((char *)text.data, want);
    buffer_free(&text);
    screen_clear(&screen);
}

Test(draw, bars_are_an_eighth_fine) {
    static const struct {
        double share;
        const char *want;
    } rows[] = {{0, "····\n"},
                {1, "████\n"},
                {2, "████\n"},
                {0.5, "██··\n"},
                {0.25 + 1.0 / 32, "█▏··\n"},
                {0.001, "▏···\n"},
                {-1, "····\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        draw_bar(&screen, &(struct bar){0, 0, 4, rows[i].share, STYLE_GOOD});
        expect(rows[i].want);
    }
}

Test(draw, sparklines_show_the_newest_at_the_right) {
    static const float values[] = {9, 0, 1, 2, 4, 7};
    draw_spark(&screen, &(struct spark){0, 0, 5, values, 6, 7, STYLE_COOL});
    expect("▁▂▃▅█\n");
    draw_spark(&screen, &(struct spark){0, 0, 8, values, 6, 0, STYLE_COOL});
    expect("··█▁▂▃▄▆\n");
    draw_spark(&screen, &(struct spark){0, 0, 3, values, 0, 0, STYLE_COOL});
    expect("···\n");
}

Test(draw, histograms_have_a_scale) {
    double counts[32] = {[5] = 10, [6] = 40, [10] = 1};
    draw_histogram(&screen,
                   &(struct drawn_histogram){{0, 0, 4, 24}, counts, 32, 70, 1500, STYLE_COOL});
    expect("      ██\n"
           "      ██\n"
           "   ▆▆ ██          ▁▁\n"
           "16us  64us  256us\n");
    double none[32] = {0};
    draw_histogram(&screen, &(struct drawn_histogram){{0, 0, 4, 24}, none, 32, 0, 0, STYLE_COOL});
    expect("nothing yet\n");
}
