/* peer: graphs that grow in files, and what they cost. Beside a graph's file is one with the
 * seconds it took and the points it has. */
#include "bench/index/peer.h"

#include <stdio.h>
#include <string.h>

#include "bench/index/cost.h"

struct progress {
    double seconds;
    size_t n;
};

static struct progress read_progress(const char *path) {
    struct progress progress = {0};
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%lf %zu", &progress.seconds, &progress.n) != 2)
        progress = (struct progress){0};
    if (file) fclose(file);
    return progress;
}

static void write_progress(const char *path, const struct progress *progress) {
    FILE *file = fopen(path, "w");
    if (!file) return;
    fprintf(file, "%.6f %zu\n", progress->seconds, progress->n);
    fclose(file);
}

size_t peer_kept(const char *path) {
    char seconds[520];
    snprintf(seconds, sizeof seconds, "%s.cpu", path);
    return read_progress(seconds).n;
}

void peer_pass(const struct peer *peer,
               void *graph,
               const struct peer_queries *queries,
               size_t k,
               size_t ef,
               uint64_t *labels) {
    if (peer->pass) {
        peer->pass(graph, queries, k, ef, labels);
        return;
    }
    for (size_t q = 0; q < queries->n; q++)
        (void)peer->search(graph, queries->vectors + q * queries->dimension, k, ef, labels + q * k);
}

double peer_seconds(const struct peer *peer, void *graph) {
    return peer->cost ? peer->cost(graph).seconds : cost_cpu_seconds();
}

/* Adds what its graph lacks, for so many seconds at most. */
static void grow(const struct peer *peer,
                 void *graph,
                 const struct peer_options *options,
                 const struct peer_source *source,
                 struct progress *progress) {
    double start = peer_seconds(peer, graph), begun = cost_wall_seconds();
    while (progress->n < options->n && cost_wall_seconds() - begun < source->limit) {
        const float *vector = source->vectors + progress->n * options->dimension;
        peer->add(graph, vector, ++progress->n);
    }
    progress->seconds += peer_seconds(peer, graph) - start;
}

void *peer_obtain(const struct peer *peer,
                  const struct peer_options *options,
                  const struct peer_source *source,
                  struct peer_cost *cost) {
    char seconds[520];
    snprintf(seconds, sizeof seconds, "%s.cpu", source->path);
    struct progress progress = read_progress(seconds);
    double before = cost_resident_bytes();
    void *graph = progress.n > 0 ? peer->load(options, source->path) : NULL;
    if (!graph) {
        progress = (struct progress){0};
        graph = peer->open(options);
    }
    if (progress.n < options->n) {
        grow(peer, graph, options, source, &progress);
        peer->save(graph, source->path);
        write_progress(seconds, &progress);
    }
    cost->seconds = progress.seconds;
    cost->memory = peer->cost ? peer->cost(graph).memory : cost_resident_bytes() - before;
    fprintf(stderr, "%s: %zu of %zu points\n", source->path, progress.n, options->n);
    return graph;
}
