/* Curves of recall and speed, and their drawing. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/index/curve.h"

static const struct curve some = {
    .name = "a <b> & 'c'",
    .n = 3,
    .ef = {10, 20, 40},
    .recall = {0.85, 0.95, 0.99},
    .qps = {10000, 1000, 100},
};

Test(curve, speed_at_a_recall_lies_between_its_neighbours) {
    static const struct {
        double recall, qps;
    } rows[] = {{0.5, 10000}, {0.85, 10000}, {0.90, 3162.28}, {0.95, 1000}, {0.97, 316.228}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double qps = curve_qps_at(&some, rows[i].recall);
        cr_expect(fabs(qps - rows[i].qps) < 0.01 * rows[i].qps, "%g: %g", rows[i].recall, qps);
    }
    cr_expect(isnan(curve_qps_at(&some, 0.995)));
    struct curve none = {.name = "none"};
    cr_expect(isnan(curve_qps_at(&none, 0.1)));
}

static char *drawn(const struct curve *curve) {
    char path[] = "/tmp/vectron-curve-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    struct curve_chart chart = {.path = path, .title = "title & more", .k = 7};
    const struct curve *curves[] = {curve};
    cr_assert(curve_draw(&chart, curves, 1));
    char *text = calloc(1, 65536);
    FILE *file = fopen(path, "r");
    cr_assert_gt(fread(text, 1, 65535, file), 0);
    fclose(file);
    unlink(path);
    return text;
}

Test(curve, names_are_text_and_no_markup) {
    char *text = drawn(&some);
    cr_expect(strstr(text, "a &#60;b&#62; &#38; &#39;c&#39;"));
    cr_expect(strstr(text, "title &#38; more"));
    cr_expect(strstr(text, "recall@7"));
    cr_expect(strstr(text, ">0.80</text>"));
    cr_expect(strstr(text, "ef 40"));
    free(text);
}

/* A curve far to the left is drawn, too. */
Test(curve, a_low_recall_is_drawn_from_nought_on) {
    struct curve low = {.name = "low", .n = 2, .ef = {1, 2}, .recall = {0.1, 0.4}, .qps = {9, 9}};
    char *text = drawn(&low);
    cr_expect(strstr(text, ">0.00</text>"));
    cr_expect(strstr(text, "ef 1:"));
    cr_expect_null(strstr(text, "nan"));
    free(text);
}

Test(curve, a_path_that_cannot_be_written_is_told) {
    struct curve_chart chart = {.path = "/proc/nothing/here", .title = "", .k = 1};
    const struct curve *curves[] = {&some};
    cr_expect_not(curve_draw(&chart, curves, 1));
}
