/* metric: from kernel sums to distances.
 *
 * Lengths are taken in double: the squares of 65,535 floats of any size neither overflow nor vanish
 * there, so huge and denormal vectors have a direction too. */
#include "index/metric.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "runtime/poison.h"

static const char *const names[] = {
    [INDEX_COSINE] = "cosine",
    [INDEX_EUCLIDEAN] = "euclidean",
    [INDEX_DOT] = "dot",
};

enum status index_metric_parse(const char *text, enum index_metric *out) {
    if (*text == '\0' || strcasecmp(text, "l2") == 0) {
        *out = INDEX_EUCLIDEAN;
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(text, names[i]) == 0) {
            *out = (enum index_metric)i;
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

const char *index_metric_name(enum index_metric metric) {
    return names[metric];
}

void metric_init(struct metric *metric, enum index_metric kind, uint32_t dimension) {
    const struct kernel *kernel = kernel_best();
    *metric = (struct metric){
        .kind = kind,
        .dimension = dimension,
        .n_floats = (dimension + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES,
        .measure = kind == INDEX_EUCLIDEAN ? kernel->euclidean : kernel->dot,
    };
}

/* Eight sums side by side: one would wait for itself. */
static double square_of(const float *row, size_t n_floats) {
    double sums[8] = {0};
    for (size_t i = 0; i < n_floats; i += 8) {
        for (size_t j = 0; j < 8; j++)
            sums[j] += (double)row[i + j] * row[i + j];
    }
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

static void normalise(float *row, size_t n_floats) {
    double square = square_of(row, n_floats);
    if (square == 0) return;
    double length = sqrt(square);
    for (size_t i = 0; i < n_floats; i++)
        row[i] = (float)(row[i] / length);
}

void metric_prepare(const struct metric *metric, const void *vector, float *row) {
    memcpy(row, vector, metric->dimension * sizeof *row);
    memset(row + metric->dimension, 0, (metric->n_floats - metric->dimension) * sizeof *row);
    if (metric->kind == INDEX_COSINE) normalise(row, metric->n_floats);
}

float metric_square(const struct metric *metric, const float *row) {
    double square = square_of(row, metric->n_floats);
    return square < (double)FLT_MAX ? (float)square : FLT_MAX;
}

/* The same sum where float32 overflowed. */
static float distance_in_double(const struct metric *metric, const float *a, const float *b) {
    double sum = 0;
    for (size_t i = 0; i < metric->n_floats; i++) {
        double gap = (double)a[i] - b[i];
        sum += metric->kind == INDEX_EUCLIDEAN ? gap * gap : -(double)a[i] * b[i];
    }
    if (!(sum < (double)FLT_MAX)) return FLT_MAX;
    return sum < -(double)FLT_MAX ? -FLT_MAX : (float)sum;
}

void metric_distances(const struct metric *metric,
                      const float *query,
                      const float *const *rows,
                      size_t n_rows,
                      float *out) {
    metric->measure(query, rows, n_rows, metric->n_floats, out);
    if (metric->kind == INDEX_COSINE) {
        for (size_t i = 0; i < n_rows; i++)
            out[i] = out[i] < 1 ? 1 - out[i] : 0; /* rounding may pass 1 by an ulp */
        return;
    }
    for (size_t i = 0; i < n_rows; i++) {
        if (metric->kind == INDEX_DOT) out[i] = -out[i];
        if (__builtin_expect(!(fabsf(out[i]) <= FLT_MAX), 0))
            out[i] = distance_in_double(metric, query, rows[i]);
    }
}

float metric_distance(const struct metric *metric, const float *a, const float *b) {
    float out;
    metric_distances(metric, a, &b, 1, &out);
    return out;
}
