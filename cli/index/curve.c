/* curve: one chart, recall to the right, queries per second upwards on a logarithmic scale. */
#include "cli/index/curve.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 720, HEIGHT = 480, LEFT = 80, RIGHT = 30, TOP = 50, BOTTOM = 60 };

static const char *const colours[CURVES_MAX] = {"#d62728", "#1f77b4", "#2ca02c", "#9467bd"};
static const double usual_low = 0.80;

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
    double left;      /* recall at the left border */
    double low, high; /* log10 of queries per second */
};

static double x_of(const struct frame *frame, double recall) {
    return LEFT + (recall - frame->left) / (1 - frame->left) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct frame *frame, double qps) {
    double part = (log10(qps) - frame->low) / (frame->high - frame->low);
    return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
}

/* What names of files may have, and XML may not. */
static void put_text(FILE *file, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '<' || c == '>' || c == '&' || c == '\'')
            fprintf(file, "&#%d;", c);
        else
            fputc(c < ' ' ? ' ' : c, file);
    }
}

static void draw_axes(const struct frame *frame, const struct curve_chart *chart) {
    FILE *file = frame->file;
    fprintf(file, "<text x='%d' y='28' font-size='18'>", LEFT);
    put_text(file, chart->title);
    fprintf(file, "</text>\n");
    for (int i = 0; i <= 4; i++) {
        double recall = frame->left + (1 - frame->left) / 4 * i;
        fprintf(file, "<path d='M%.1f %d V%d' stroke='#ddd'/>\n", x_of(frame, recall), TOP,
                HEIGHT - BOTTOM);
        fprintf(file, "<text x='%.1f' y='%d' text-anchor='middle'>%.2f</text>\n",
                x_of(frame, recall), HEIGHT - BOTTOM + 20, recall);
    }
    for (int e = (int)frame->low; e <= (int)frame->high; e++) {
        double y = y_of(frame, pow(10, e));
        fprintf(file, "<path d='M%d %.1f H%d' stroke='#ddd'/>\n", LEFT, y, WIDTH - RIGHT);
        fprintf(file, "<text x='%d' y='%.1f' text-anchor='end'>%.0f</text>\n", LEFT - 8, y + 4,
                pow(10, e));
    }
    fprintf(file, "<text x='%d' y='%d' text-anchor='middle'>recall@%u</text>\n", WIDTH / 2,
            HEIGHT - 14, chart->k);
    fprintf(file, "<text x='16' y='%d' transform='rotate(-90 16 %d)' text-anchor='middle'>", //
            HEIGHT / 2, HEIGHT / 2);
    fprintf(file, "queries per second of one thread</text>\n");
}

static void draw_curve(const struct frame *frame, const struct curve *curve, size_t at) {
    FILE *file = frame->file;
    const char *before = "M";
    fprintf(file, "<path fill='none' stroke='%s' stroke-width='2' d='", colours[at]);
    for (size_t i = 0; i < curve->n; i++) {
        if (curve->recall[i] < frame->left) continue;
        fprintf(file, "%s%.1f %.1f", before, x_of(frame, curve->recall[i]),
                y_of(frame, curve->qps[i]));
        before = " L";
    }
    fprintf(file, "'/>\n");
    for (size_t i = 0; i < curve->n; i++) {
        if (curve->recall[i] < frame->left) continue;
        fprintf(file,
                "<circle cx='%.1f' cy='%.1f' r='3' fill='%s'><title>ef %u: %.4f, %.0f/s"
                "</title></circle>\n",
                x_of(frame, curve->recall[i]), y_of(frame, curve->qps[i]), colours[at],
                curve->ef[i], curve->recall[i], curve->qps[i]);
    }
    fprintf(file, "<text x='%d' y='%d' text-anchor='end' fill='%s'>", WIDTH - RIGHT - 8,
            TOP + 18 + 18 * (int)at, colours[at]);
    put_text(file, curve->name);
    fprintf(file, "</text>\n");
}

/* A curve that has hardly a point to the right of the usual border needs a wider one. */
static double left_of(const struct curve *const *curves, size_t n) {
    double left = usual_low;
    for (size_t c = 0; c < n; c++) {
        size_t n_seen = 0;
        for (size_t i = 0; i < curves[c]->n; i++)
            n_seen += curves[c]->recall[i] >= usual_low;
        if (n_seen < 2 && curves[c]->n > n_seen) left = 0;
    }
    return left;
}

int curve_draw(const struct curve_chart *chart, const struct curve *const *curves, size_t n) {
    struct frame frame = {
        .file = fopen(chart->path, "w"), .left = left_of(curves, n), .low = 9, .high = 0};
    if (!frame.file) return 0;
    for (size_t c = 0; c < n; c++) {
        for (size_t i = 0; i < curves[c]->n; i++) {
            frame.low = fmin(frame.low, floor(log10(curves[c]->qps[i])));
            frame.high = fmax(frame.high, ceil(log10(curves[c]->qps[i])));
        }
    }
    if (frame.high <= frame.low) frame.high = frame.low + 1;
    fprintf(frame.file,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' "
            "font-size='13'>\n<rect width='100%%' height='100%%' fill='white'/>\n",
            WIDTH, HEIGHT);
    draw_axes(&frame, chart);
    for (size_t c = 0; c < n; c++)
        draw_curve(&frame, curves[c], c);
    fprintf(frame.file, "</svg>\n");
    return fclose(frame.file) == 0;
}
