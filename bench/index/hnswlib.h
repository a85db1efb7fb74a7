/* hnswlib: the peer of the index bench behind a C face. */
#ifndef BENCH_INDEX_HNSWLIB_H
#define BENCH_INDEX_HNSWLIB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hnswlib_options {
    size_t n, dimension, M, ef_construction;
    int inner_product; /* else squared L2 */
};

/* NULL: this build has no hnswlib. */
void *hnswlib_new(const struct hnswlib_options *options);
void hnswlib_add(void *peer, const float *vector, uint64_t label);
/* Labels of the k nearest, in any order; gives their number. */
size_t hnswlib_search(void *peer, const float *query, size_t k, size_t ef, uint64_t *labels);
void hnswlib_free(void *peer); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
