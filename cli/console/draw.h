/* draw: pictures of numbers, made of cells: bars, sparklines, histograms, panels. One thread. */
#ifndef CONSOLE_DRAW_H
#define CONSOLE_DRAW_H

#include <stddef.h>

#include "cli/console/screen.h"

/* Green, yellow, red: for shares of something that has an end. */
enum style draw_heat(double share);

/* A bar of `width` columns, an eighth of a column fine. */
struct bar {
    int row, column, width;
    double share; /* 0 to 1; cut */
    enum style style;
};
void draw_bar(struct screen *screen, const struct bar *bar);

/* The last `width` values, newest right, scaled to `top` (0: to the greatest). */
struct spark {
    int row, column, width;
    const float *values; /* oldest first */
    size_t n;
    double top;
    enum style style;
};
void draw_spark(struct screen *screen, const struct spark *spark);

/* Powers of two of microseconds as upright bars with a scale below: `height` rows in all, of which
 * one is the scale. counts[i] is [2^i, 2^(i+1)) us. p99_us: marked when it is not 0. */
struct drawn_histogram {
    struct area area;
    const double *counts;
    size_t n;
    double p50_us, p99_us;
    enum style style;
};
void draw_histogram(struct screen *screen, const struct drawn_histogram *histogram);

/* A hill: like a spark, but `area.height` rows tall; its top is told at the right. */
struct hill {
    struct area area;
    const float *values; /* oldest first */
    size_t n;
    double top; /* 0: the greatest */
    enum style style;
};
void draw_hill(struct screen *screen, const struct hill *hill);

/* "─ title ───────", one row; the note stands at its right end. */
struct rule {
    int row, column, width;
    const char *title, *note; /* may be NULL */
};
void draw_rule(struct screen *screen, const struct rule *rule);

#endif
