/* curve: one chart, recall to the right, queries per second upwards on a logarithmic scale. */
#include "bench/index/curve.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 720, HEIGHT = 480, LEFT = 80, RIGHT = 30, TOP = 50, BOTTOM = 60 };

static const char *const colours[CURVES_MAX] = {"#d62728", "#1f77b4", "#2ca02c", "#9467bd"};
static const double recall_min = 0.80;

double curve_qps_at(const struct curve *curve, double recall) {
    if (curve->n == 0) return NAN;
    if (curve->recall[0] >= recall) return curve->qps[0];
    for (size_t i = 1; i < curve->n; i++) {
        if (curve->recall[i] < recall) continue;
        double part = (recall - curve->recall[i - 1]) / (curve->recall[i] - curve->recall[i - 1]);
        return exp(log(curve->qps[i - 1]) * (1 - part) + log(curve->qps[i]) * part);
    }
    return NAN;
}

struct frame {
    FILE *file;
    double low, high; /* log10 of queries per second */
};

static double x_of(double recall) {
    return LEFT + (recall - recall_min) / (1 - recall_min) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct frame *frame, double qps) {
    double part = (log10(qps) - frame->low) / (frame->high - frame->low);
    return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
}

static void draw_axes(const struct frame *frame, const char *title) {
    FILE *file = frame->file;
    fprintf(file, "<text x='%d' y='28' font-size='18'>%s</text>\n", LEFT, title);
    for (int i = 0; i <= 4; i++) {
        double recall = recall_min + 0.05 * i;
        fprintf(file, "<path d='M%.1f %d V%d' stroke='#ddd'/>\n", x_of(recall), TOP,
                HEIGHT - BOTTOM);
        fprintf(file, "<text x='%.1f' y='%d' text-anchor='middle'>%.2f</text>\n", x_of(recall),
                HEIGHT - BOTTOM + 20, recall);
    }
    for (int e = (int)frame->low; e <= (int)frame->high; e++) {
        double y = y_of(frame, pow(10, e));
        fprintf(file, "<path d='M%d %.1f H%d' stroke='#ddd'/>\n", LEFT, y, WIDTH - RIGHT);
        fprintf(file, "<text x='%d' y='%.1f' text-anchor='end'>%.0f</text>\n", LEFT - 8, y + 4,
                pow(10, e));
    }
    fprintf(file, "<text x='%d' y='%d' text-anchor='middle'>recall@10</text>\n", WIDTH / 2,
            HEIGHT - 14);
    fprintf(file, "<text x='16' y='%d' transform='rotate(-90 16 %d)' text-anchor='middle'>", //
            HEIGHT / 2, HEIGHT / 2);
    fprintf(file, "queries per second of one thread</text>\n");
}

static void draw_curve(const struct frame *frame, const struct curve *curve, size_t at) {
    FILE *file = frame->file;
    const char *before = "M";
    fprintf(file, "<path fill='none' stroke='%s' stroke-width='2' d='", colours[at]);
    for (size_t i = 0; i < curve->n; i++) {
        if (curve->recall[i] < recall_min) continue;
        fprintf(file, "%s%.1f %.1f", before, x_of(curve->recall[i]), y_of(frame, curve->qps[i]));
        before = " L";
    }
    fprintf(file, "'/>\n<text x='%d' y='%d' fill='%s'>%s</text>\n", WIDTH - RIGHT - 120,
            TOP + 18 + 18 * (int)at, colours[at], curve->name);
}

int curve_draw(const char *path, const char *title, const struct curve *const *curves, size_t n) {
    struct frame frame = {.file = fopen(path, "w"), .low = 9, .high = 0};
    if (!frame.file) return 0;
    for (size_t c = 0; c < n; c++) {
        for (size_t i = 0; i < curves[c]->n; i++) {
            frame.low = fmin(frame.low, floor(log10(curves[c]->qps[i])));
            frame.high = fmax(frame.high, ceil(log10(curves[c]->qps[i])));
        }
    }
    fprintf(frame.file,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' "
            "font-size='13'>\n<rect width='100%%' height='100%%' fill='white'/>\n",
            WIDTH, HEIGHT);
    draw_axes(&frame, title);
    for (size_t c = 0; c < n; c++)
        draw_curve(&frame, curves[c], c);
    fprintf(frame.file, "</svg>\n");
    return fclose(frame.file) == 0;
}
