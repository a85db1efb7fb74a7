/* no_hnswlib: the peer where libhnswlib-dev is not installed: there is none. */
#include "bench/index/hnswlib.h"

void *hnswlib_new(const struct hnswlib_options *options) {
    (void)options;
    return NULL;
}

void hnswlib_add(void *peer, const float *vector, uint64_t label) {
    (void)peer, (void)vector, (void)label;
}

size_t hnswlib_search(void *peer, const float *query, size_t k, size_t ef, uint64_t *labels) {
    (void)peer, (void)query, (void)k, (void)ef, (void)labels;
    return 0;
}

void hnswlib_free(void *peer) {
    (void)peer;
}
