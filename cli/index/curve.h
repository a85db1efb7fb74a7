/* curve: recall and queries per second of one engine over ef, and drawings of several. */
#ifndef CLI_INDEX_CURVE_H
#define CLI_INDEX_CURVE_H

#include <stddef.h>
#include <stdint.h>

enum { CURVE_MAX = 16, CURVES_MAX = 4 };

struct curve {
    const char *name;
    size_t n;
    uint32_t ef[CURVE_MAX];
    double recall[CURVE_MAX], qps[CURVE_MAX];
    double build_seconds, memory;
};

/* Between its neighbours, logarithmically; NAN when the curve does not get there. */
double curve_qps_at(const struct curve *curve, double recall);
struct curve_chart {
    const char *path, *title;
    uint32_t k; /* of recall@k */
};
/* An SVG of recall against queries per second; 0 when the file could not be written. */
int curve_draw(const struct curve_chart *chart, const struct curve *const *curves, size_t n);

#endif
