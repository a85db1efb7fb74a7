// hnswlib as it is packaged, compiled for this processor.
#include <hnswlib/hnswlib.h>

#include <fstream>
#include <memory>

#include "bench/index/peer.h"

namespace {
struct Graph {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
};

Graph *with_space(const peer_options *options) {
    auto *made = new Graph;
    if (options->inner_product)
        made->space.reset(new hnswlib::InnerProductSpace(options->dimension));
    else
        made->space.reset(new hnswlib::L2Space(options->dimension));
    return made;
}

void *open_graph(const peer_options *options) {
    auto *made = with_space(options);
    made->graph.reset(new hnswlib::HierarchicalNSW<float>(made->space.get(), options->n, options->M,
                                                          options->ef_construction));
    return made;
}

void *load_graph(const peer_options *options, const char *path) {
    if (!std::ifstream(path).good()) return nullptr;
    auto *made = with_space(options);
    made->graph.reset(
        new hnswlib::HierarchicalNSW<float>(made->space.get(), path, false, options->n));
    return made;
}

void add(void *graph, const float *vector, uint64_t label) {
    static_cast<Graph *>(graph)->graph->addPoint(vector, label);
}

void save(void *graph, const char *path) {
    static_cast<Graph *>(graph)->graph->saveIndex(path);
}

size_t search(void *graph, const float *query, size_t k, size_t ef, uint64_t *labels) {
    auto *inner = static_cast<Graph *>(graph)->graph.get();
    inner->setEf(ef);
    auto found = inner->searchKnn(query, k);
    size_t n = 0;
    for (; !found.empty(); found.pop())
        labels[n++] = found.top().second;
    return n;
}

void close_graph(void *graph) {
    delete static_cast<Graph *>(graph);
}
} // namespace

const struct peer peer_hnswlib = {"hnswlib",  open_graph, add,        save,
                                  load_graph, search,     close_graph};
