/* peer: other libraries behind one C face. A graph that took minutes to build is kept in a file. */
#ifndef BENCH_INDEX_PEER_H
#define BENCH_INDEX_PEER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct peer_options {
    size_t n, dimension, M, ef_construction;
    int inner_product; /* else squared L2 */
};

struct peer {
    const char *name;
    void *(*open)(const struct peer_options *options);
    void (*add)(void *graph, const float *vector, uint64_t label);
    void (*save)(void *graph, const char *path);
    /* NULL: no such file. */
    void *(*load)(const struct peer_options *options, const char *path);
    /* Labels of the k nearest, in any order; gives their number. */
    size_t (*search)(void *graph, const float *query, size_t k, size_t ef, uint64_t *labels);
    void (*close)(void *graph);
};

#ifdef HAVE_HNSWLIB
extern const struct peer peer_hnswlib;
#endif
#ifdef HAVE_FAISS
extern const struct peer peer_faiss;
#endif

#ifdef __cplusplus
}
#endif

#endif
