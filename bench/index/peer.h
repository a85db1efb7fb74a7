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

struct peer_queries {
    const float *vectors;
    size_t n, dimension;
};

struct peer_cost {
    double seconds; /* of the processor, since the graph was opened */
    double memory;  /* bytes more than before */
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
    /* Of a library that runs in a process of its own; NULL of others. A pass over all queries, k
     * labels each, and what it cost so far; `search` and what this process spends are of no use
     * there. */
    void (*pass)(
        void *graph, const struct peer_queries *queries, size_t k, size_t ef, uint64_t *labels);
    struct peer_cost (*cost)(void *graph);
};

#ifdef HAVE_HNSWLIB
extern const struct peer peer_hnswlib;
#endif
#ifdef HAVE_FAISS
extern const struct peer peer_faiss;
#endif
/* bf16, in a Python beside this process. */
extern const struct peer peer_usearch;
/* Is it installed? Says so when it is not. */
int peer_usearch_is_there(void);

/* One pass, of any; and the seconds of the processor that what runs it has spent so far. */
void peer_pass(const struct peer *peer,
               void *graph,
               const struct peer_queries *queries,
               size_t k,
               size_t ef,
               uint64_t *labels);
double peer_seconds(const struct peer *peer, void *graph);

/* Points that the graph in a file has; 0: there is none. */
size_t peer_kept(const char *path);

/* The graph of all vectors, from its file at `path`, which goes on where it ends for `limit`
 * seconds; what it cost in all, memory being that of a loaded one. */
struct peer_source {
    const float *vectors;
    const char *path;
    double limit;
};
void *peer_obtain(const struct peer *peer,
                  const struct peer_options *options,
                  const struct peer_source *source,
                  struct peer_cost *cost);

#ifdef __cplusplus
}
#endif

#endif
