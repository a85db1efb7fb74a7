/* metric: distances (lower is better) over prepared rows. Never NaN or infinite for finite input:
 * sums that leave float32 are computed again in double and held at the largest float. */
#ifndef INDEX_METRIC_H
#define INDEX_METRIC_H

#include <stddef.h>
#include <stdint.h>

#include "index/index.h"
#include "index/kernel.h"

struct metric {
    enum index_metric kind;
    uint32_t dimension;
    uint32_t n_floats; /* of a row: dimension padded to KERNEL_LANES */
    kernel_function measure;
};

void metric_init(struct metric *metric, enum index_metric kind, uint32_t dimension);
/* Copies a vector of any alignment into a row (n_floats, aligned), padded; cosine: of length one, a
 * zero vector stays zero. */
void metric_prepare(const struct metric *metric, const void *vector, float *row);
/* Its squared length, at most the largest float. */
float metric_square(const struct metric *metric, const float *row);
/* out[i] = distance of query and rows[i]. */
void metric_distances(const struct metric *metric,
                      const float *query,
                      const float *const *rows,
                      size_t n_rows,
                      float *out);
float metric_distance(const struct metric *metric, const float *a, const float *b);

#endif
