// hnswlib as it is packaged, compiled for this processor.
#include "bench/index/hnswlib.h"

#include <hnswlib/hnswlib.h>

#include <memory>

namespace {
struct Peer {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
};
} // namespace

void *hnswlib_new(const struct hnswlib_options *options) {
    auto *peer = new Peer;
    if (options->inner_product)
        peer->space.reset(new hnswlib::InnerProductSpace(options->dimension));
    else
        peer->space.reset(new hnswlib::L2Space(options->dimension));
    peer->graph.reset(new hnswlib::HierarchicalNSW<float>(peer->space.get(), options->n, options->M,
                                                          options->ef_construction));
    return peer;
}

void hnswlib_add(void *peer, const float *vector, uint64_t label) {
    static_cast<Peer *>(peer)->graph->addPoint(vector, label);
}

size_t hnswlib_search(void *peer, const float *query, size_t k, size_t ef, uint64_t *labels) {
    auto *graph = static_cast<Peer *>(peer)->graph.get();
    graph->setEf(ef);
    auto found = graph->searchKnn(query, k);
    size_t n = 0;
    for (; !found.empty(); found.pop())
        labels[n++] = found.top().second;
    return n;
}

void hnswlib_free(void *peer) {
    delete static_cast<Peer *>(peer);
}
