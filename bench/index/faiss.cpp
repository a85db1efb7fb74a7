// faiss as it is packaged: HNSW over float32.
#include <faiss/IndexHNSW.h>
#include <faiss/index_io.h>

#include <fstream>
#include <memory>

#include "bench/index/peer.h"

namespace {
void *open_graph(const peer_options *options) {
    auto metric = options->inner_product ? faiss::METRIC_INNER_PRODUCT : faiss::METRIC_L2;
    auto *graph = new faiss::IndexHNSWFlat(static_cast<int>(options->dimension),
                                           static_cast<int>(options->M), metric);
    graph->hnsw.efConstruction = static_cast<int>(options->ef_construction);
    return graph;
}

void *load_graph(const peer_options *, const char *path) {
    if (!std::ifstream(path).good()) return nullptr;
    return dynamic_cast<faiss::IndexHNSWFlat *>(faiss::read_index(path));
}

// Labels are positions: points come in the order of their labels, which begin at 1.
void add(void *graph, const float *vector, uint64_t) {
    static_cast<faiss::IndexHNSWFlat *>(graph)->add(1, vector);
}

void save(void *graph, const char *path) {
    faiss::write_index(static_cast<faiss::IndexHNSWFlat *>(graph), path);
}

size_t search(void *graph, const float *query, size_t k, size_t ef, uint64_t *labels) {
    auto *index = static_cast<faiss::IndexHNSWFlat *>(graph);
    std::unique_ptr<float[]> distances(new float[k]);
    std::unique_ptr<faiss::Index::idx_t[]> found(new faiss::Index::idx_t[k]);
    index->hnsw.efSearch = static_cast<int>(ef);
    index->search(1, query, static_cast<faiss::Index::idx_t>(k), distances.get(), found.get());
    for (size_t i = 0; i < k; i++)
        labels[i] = static_cast<uint64_t>(found[i] + 1);
    return k;
}

void close_graph(void *graph) {
    delete static_cast<faiss::IndexHNSWFlat *>(graph);
}
} // namespace

const struct peer peer_faiss = {"faiss", open_graph, add, save, load_graph, search, close_graph};
