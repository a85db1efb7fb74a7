/* vectors: sets of vectors with queries, for recall tests and benches. Real ones come from
 * ../shared/data beside the checkout when it is there; generated ones always work and are the same
 * everywhere. */
#ifndef TESTS_DATA_VECTORS_H
#define TESTS_DATA_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"

struct vectors {
    const char *name;
    enum index_metric metric;
    uint32_t dimension;
    size_t n, n_queries;
    float *base;    /* owned; n * dimension */
    float *queries; /* owned; n_queries * dimension */
};

/* "fashion-mnist" (60,000 x 784, euclidean), "beir-768" (9,843 x 768, cosine), "sift-10k" (10,000 x
 * 128, euclidean, 100 queries); generated: "clusters-128" (euclidean), "hard-100" (cosine, high
 * intrinsic dimension) and "gauss-32" (euclidean, no structure at all) with n points, and
 * "synth-1m-128", "hard-100k-100" and "synth-200k-768" as their names say. At most n_queries
 * queries. False: unknown, or its file is absent. */
bool vectors_open(struct vectors *vectors, const char *name, size_t n, size_t n_queries);
void vectors_close(struct vectors *vectors);

/* Numbers (row + 1) of the k nearest of each query, n_queries * k, by an exact scan. The caller
 * frees it. */
uint64_t *vectors_truth(const struct vectors *vectors, size_t k);

#endif
