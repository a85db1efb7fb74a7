/* draw: eighths of blocks make smooth bars; all of it degrades to ASCII by rune_ascii. */
#include "cli/console/draw.h"

#include <math.h>

#include "cli/console/units.h"

enum { HISTOGRAM_SHOWN_MAX = 32 };

enum style draw_heat(double share) {
    return share >= 0.85 ? STYLE_HOT : share >= 0.6 ? STYLE_WARM : STYLE_GOOD;
}

static double cut(double share) {
    return !(share > 0) ? 0 : share > 1 ? 1 : share;
}

void draw_bar(struct screen *screen, const struct bar *bar) {
    int eighths = (int)(cut(bar->share) * 8 * bar->width + 0.5);
    if (bar->share > 0.0005 && eighths == 0) eighths = 1;
    for (int i = 0; i < bar->width; i++) {
        int here = eighths - i * 8;
        if (here >= 8)
            screen_rune(screen, bar->row, bar->column + i, bar->style, 0x2588);
        else if (here > 0)
            screen_rune(screen, bar->row, bar->column + i, bar->style,
                        0x2590u - (uint32_t)here); /* ▏ to ▉ */
        else
            screen_rune(screen, bar->row, bar->column + i, STYLE_TRACK, 0xb7);
    }
}

void draw_spark(struct screen *screen, const struct spark *spark) {
    double top = spark->top;
    size_t n = spark->n < (size_t)spark->width ? spark->n : (size_t)spark->width;
    const float *values = spark->values + (spark->n - n);
    for (size_t i = 0; spark->top <= 0 && i < n; i++)
        if (values[i] > top) top = values[i];
    int column = spark->column + spark->width - (int)n;
    for (int i = spark->column; i < column; i++)
        screen_rune(screen, spark->row, i, STYLE_TRACK, 0xb7);
    for (size_t i = 0; i < n; i++) {
        double share = top > 0 ? cut(values[i] / top) : 0;
        enum style style =
            spark->top > 0 && spark->style == STYLE_GOOD ? draw_heat(share) : spark->style;
        uint32_t level = (uint32_t)(share * 7 + 0.5);
        screen_rune(screen, spark->row, column + (int)i, share > 0 ? style : STYLE_TRACK,
                    0x2581 + level);
    }
}

/* "1us" "32us" "1ms": where there is room for it, below its column. */
static void draw_scale(
    struct screen *screen, const struct drawn_histogram *h, size_t first, size_t shown, int wide) {
    int row = h->area.row + h->area.height - 1;
    int free_from = h->area.column;
    for (size_t i = 0; i < shown; i++) {
        int column = h->area.column + (int)i * wide;
        char text[UNITS_MAX];
        units_us(text, (double)(UINT64_C(1) << (first + i)));
        int end = column + screen_columns(text);
        if (column < free_from || end > h->area.column + h->area.width) continue;
        screen_put(screen, row, column, STYLE_DIM, text);
        free_from = end + 2;
    }
}

static void
draw_column(struct screen *screen, const struct drawn_histogram *h, struct bar at, size_t bucket) {
    int height = h->area.height - 1;
    int eighths = (int)(at.share * 8 * height + 0.5);
    if (h->counts[bucket] > 0 && eighths == 0) eighths = 1;
    bool slow = h->p99_us > 0 && (double)(UINT64_C(2) << bucket) >= h->p99_us;
    enum style style = slow ? STYLE_WARM : h->style;
    for (int y = 0; y < height; y++) {
        int here = eighths - y * 8;
        uint32_t rune = here >= 8 ? 0x2588 : here > 0 ? 0x2580u + (uint32_t)here : ' ';
        for (int x = 0; x < at.width; x++)
            screen_rune(screen, h->area.row + height - 1 - y, at.column + x, style, rune);
    }
}

void draw_histogram(struct screen *screen, const struct drawn_histogram *h) {
    size_t n = h->n < HISTOGRAM_SHOWN_MAX ? h->n : HISTOGRAM_SHOWN_MAX;
    size_t first = n, last = 0;
    double top = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(h->counts[i] > 0)) continue;
        if (first == n) first = i;
        last = i;
        if (h->counts[i] > top) top = h->counts[i];
    }
    if (first == n) {
        screen_put(screen, h->area.row, h->area.column, STYLE_DIM, "nothing yet");
        return;
    }
    if (first > 0) first--;
    size_t shown = last + 2 - first;
    int wide = shown * 3 <= (size_t)h->area.width ? 3 : shown * 2 <= (size_t)h->area.width ? 2 : 1;
    if (shown > (size_t)h->area.width) shown = (size_t)h->area.width;
    for (size_t i = 0; i < shown && first + i < n; i++)
        draw_column(screen, h,
                    (struct bar){.column = h->area.column + (int)i * wide,
                                 .width = wide > 1 ? wide - 1 : 1,
                                 .share = h->counts[first + i] / top},
                    first + i);
    draw_scale(screen, h, first, shown, wide);
}

void draw_hill(struct screen *screen, const struct hill *hill) {
    const struct area *area = &hill->area;
    size_t width = area->width > 0 ? (size_t)area->width : 0, n = hill->n < width ? hill->n : width;
    const float *values = hill->values + (hill->n - n);
    double top = hill->top;
    for (size_t i = 0; hill->top <= 0 && i < n; i++)
        if ((double)values[i] > top) top = (double)values[i];
    for (size_t i = 0; i < width; i++) {
        double share = i + n >= width && top > 0 ? cut((double)values[i + n - width] / top) : 0;
        int eighths = (int)(share * 8 * area->height + 0.5);
        enum style style =
            hill->top > 0 && hill->style == STYLE_GOOD ? draw_heat(share) : hill->style;
        for (int y = 0; y < area->height; y++) {
            int here = eighths - 8 * y, row = area->row + area->height - 1 - y;
            bool ground = y == 0 && here <= 0;
            screen_rune(screen, row, area->column + (int)i, here > 0 ? style : STYLE_TRACK,
                        here >= 8  ? 0x2588
                        : here > 0 ? 0x2580u + (uint32_t)here
                        : ground   ? 0x2581
                                   : ' ');
        }
    }
}

void draw_rule(struct screen *screen, const struct rule *rule) {
    for (int i = 0; i < rule->width; i++)
        screen_rune(screen, rule->row, rule->column + i, STYLE_TRACK, 0x2500);
    int at = rule->column + 1;
    screen_put(screen, rule->row, at++, STYLE_TITLE, " ");
    at += screen_put(screen, rule->row, at, STYLE_TITLE, rule->title);
    screen_put(screen, rule->row, at++, STYLE_TITLE, " ");
    if (!rule->note || !*rule->note) return;
    int columns = screen_columns(rule->note) + 2;
    int start = rule->column + rule->width - columns - 1;
    if (start < at + 1) return;
    screen_format(screen, rule->row, start, STYLE_DIM, " %s ", rule->note);
}
