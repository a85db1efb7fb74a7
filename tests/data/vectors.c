/* vectors: readers of the few formats in ../shared/data, and two generators. */
#include "tests/data/vectors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "runtime/rng.h"

static bool read_gz(const char *name, void *out, size_t skip, size_t size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/../shared/data/%s", VECTRON_SOURCE_DIR, name);
    gzFile file = gzopen(path, "rb");
    if (!file) return false;
    bool whole = gzseek(file, (z_off_t)skip, SEEK_SET) == (z_off_t)skip;
    for (size_t at = 0; whole && at < size;) {
        int n = gzread(file, (char *)out + at, (unsigned)(size - at));
        if (n <= 0)
            whole = false;
        else
            at += (size_t)n;
    }
    gzclose(file);
    return whole;
}

static float *floats_of_bytes(const char *name, size_t skip, size_t n) {
    uint8_t *bytes = malloc(n);
    float *floats = malloc(n * sizeof *floats);
    bool whole = read_gz(name, bytes, skip, n);
    for (size_t i = 0; whole && i < n; i++)
        floats[i] = bytes[i];
    free(bytes);
    if (whole) return floats;
    free(floats);
    return NULL;
}

enum { IDX_HEADER = 16 };

static void open_fashion(struct vectors *vectors) {
    vectors->metric = INDEX_EUCLIDEAN;
    vectors->dimension = 784;
    vectors->n = 60000;
    vectors->base = floats_of_bytes("fashion-train-images-idx3-ubyte.gz", IDX_HEADER,
                                    vectors->n * vectors->dimension);
    vectors->queries = floats_of_bytes("fashion-t10k-images-idx3-ubyte.gz", IDX_HEADER,
                                       vectors->n_queries * vectors->dimension);
}

static float float_of_half(uint16_t half) {
    int exponent = half >> 10 & 31;
    float mantissa = (float)(half & 1023);
    float size = exponent ? ldexpf(mantissa + 1024, exponent - 25) : ldexpf(mantissa, -24);
    return half >> 15 ? -size : size;
}

enum { BEIR_HEADER = 8, BEIR_BASE = 9843, BEIR_QUERIES = 1000 };

static void open_beir(struct vectors *vectors) {
    vectors->metric = INDEX_COSINE;
    vectors->dimension = 768;
    vectors->n = BEIR_BASE;
    if (vectors->n_queries > BEIR_QUERIES) vectors->n_queries = BEIR_QUERIES;
    size_t n = (vectors->n + vectors->n_queries) * vectors->dimension;
    uint16_t *halves = malloc(n * sizeof *halves);
    if (read_gz("beir-bge-base-768-f16.bin.gz", halves, BEIR_HEADER, n * sizeof *halves)) {
        size_t n_base = vectors->n * vectors->dimension;
        vectors->base = malloc(n_base * sizeof *vectors->base);
        vectors->queries = malloc((n - n_base) * sizeof *vectors->queries);
        for (size_t i = 0; i < n; i++)
            *(i < n_base ? &vectors->base[i] : &vectors->queries[i - n_base]) =
                float_of_half(halves[i]);
    }
    free(halves);
}

static void open_sift(struct vectors *vectors) {
    vectors->metric = INDEX_EUCLIDEAN;
    vectors->dimension = 128;
    vectors->n = 10000;
    if (vectors->n_queries > 100) vectors->n_queries = 100;
    vectors->base = floats_of_bytes("siftsmall_base_u8.bin.gz", 0, vectors->n * vectors->dimension);
    vectors->queries =
        floats_of_bytes("siftsmall_query_u8.bin.gz", 0, vectors->n_queries * vectors->dimension);
}

/* Points around 1,000 centres of a 16-dimensional space, seen through a random linear map. */
static void generate_clusters(struct rng *rng, float *out, size_t n, uint32_t dimension) {
    enum { LATENT = 16, CENTRES = 1000 };
    struct rng shape;
    rng_init(&shape, 42);
    float *map = malloc(LATENT * dimension * sizeof *map);
    float *centres = malloc(CENTRES * LATENT * sizeof *centres);
    for (size_t i = 0; i < LATENT * dimension; i++)
        map[i] = (float)rng_normal(&shape) / 4;
    for (size_t i = 0; i < CENTRES * LATENT; i++)
        centres[i] = 2 * (float)rng_normal(&shape);
    for (size_t i = 0; i < n; i++) {
        const float *centre = centres + rng_below(rng, CENTRES) * LATENT;
        float *vector = out + i * dimension, latent[LATENT];
        for (size_t l = 0; l < LATENT; l++)
            latent[l] = centre[l] + (float)rng_normal(rng);
        for (size_t d = 0; d < dimension; d++) {
            vector[d] = 0.1f * (float)rng_normal(rng);
            for (size_t l = 0; l < LATENT; l++)
                vector[d] += latent[l] * map[l * dimension + d];
        }
    }
    free(map);
    free(centres);
}

/* Like word embeddings: topics of uneven weight plus a slowly decaying spectrum, unit length. */
static void generate_hard(struct rng *rng, float *out, size_t n, uint32_t dimension) {
    (void)dimension;
    enum { TOPICS = 2000, DIMENSION = 100 };
    struct rng shape;
    rng_init(&shape, 7);
    float *topics = malloc(TOPICS * DIMENSION * sizeof *topics);
    for (size_t i = 0; i < TOPICS * DIMENSION; i++)
        topics[i] = (float)(rng_normal(&shape) * pow((double)(i % DIMENSION + 1), -0.35));
    for (size_t i = 0; i < n; i++) {
        double pick = rng_unit(rng), square = 0;
        const float *topic = topics + (size_t)(pick * pick * TOPICS) * DIMENSION;
        float *vector = out + i * DIMENSION, weight = 0.25f + 0.6f * (float)rng_unit(rng);
        for (size_t d = 0; d < DIMENSION; d++) {
            float own = (float)(rng_normal(rng) * pow((double)(d + 1), -0.35));
            vector[d] = weight * topic[d] + (1 - weight) * own;
            square += (double)vector[d] * vector[d];
        }
        for (size_t d = 0; d < DIMENSION; d++)
            vector[d] = (float)(vector[d] / sqrt(square));
    }
    free(topics);
}

/* Without any structure. */
static void generate_gauss(struct rng *rng, float *out, size_t n, uint32_t dimension) {
    for (size_t i = 0; i < n * dimension; i++)
        out[i] = (float)rng_normal(rng);
}

static void generate(struct vectors *vectors,
                     size_t n,
                     uint32_t dimension,
                     uint64_t seed,
                     void (*make)(struct rng *, float *, size_t, uint32_t)) {
    struct rng rng;
    rng_init(&rng, seed);
    vectors->dimension = dimension;
    vectors->n = n;
    vectors->base = malloc(n * dimension * sizeof *vectors->base);
    vectors->queries = malloc(vectors->n_queries * dimension * sizeof *vectors->queries);
    make(&rng, vectors->base, n, dimension);
    make(&rng, vectors->queries, vectors->n_queries, dimension);
}

static void open_generated(struct vectors *vectors, size_t n) {
    static const struct {
        const char *name;
        size_t n; /* 0: the caller's */
        uint32_t dimension;
        enum index_metric metric;
        void (*make)(struct rng *, float *, size_t, uint32_t);
    } sets[] = {
        {"clusters-128", 0, 128, INDEX_EUCLIDEAN, generate_clusters},
        {"hard-100", 0, 100, INDEX_COSINE, generate_hard},
        {"gauss-32", 0, 32, INDEX_EUCLIDEAN, generate_gauss},
        {"synth-1m-128", 1000000, 128, INDEX_EUCLIDEAN, generate_clusters},
        {"hard-100k-100", 100000, 100, INDEX_COSINE, generate_hard},
        {"synth-200k-768", 200000, 768, INDEX_EUCLIDEAN, generate_clusters},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (strcmp(vectors->name, sets[i].name) != 0) continue;
        uint64_t seed = sets[i].make == generate_hard ? 5000 : 1000;
        vectors->metric = sets[i].metric;
        generate(vectors, sets[i].n ? sets[i].n : n, sets[i].dimension, seed, sets[i].make);
    }
}

bool vectors_open(struct vectors *vectors, const char *name, size_t n, size_t n_queries) {
    *vectors = (struct vectors){.name = name, .n_queries = n_queries};
    if (strcmp(name, "fashion-mnist") == 0) {
        open_fashion(vectors);
    } else if (strcmp(name, "beir-768") == 0) {
        open_beir(vectors);
    } else if (strcmp(name, "sift-10k") == 0) {
        open_sift(vectors);
    } else {
        open_generated(vectors, n);
    }
    if (vectors->base && vectors->queries) return true;
    vectors_close(vectors);
    return false;
}

void vectors_close(struct vectors *vectors) {
    free(vectors->base);
    free(vectors->queries);
    vectors->base = vectors->queries = NULL;
}

uint64_t *vectors_truth(const struct vectors *vectors, size_t k) {
    struct index *index = NULL;
    struct index_reader *reader = NULL;
    uint64_t applied, *truth = calloc(vectors->n_queries * k, sizeof *truth);
    struct index_options options = {
        .dimension = vectors->dimension,
        .metric = vectors->metric,
        .storage = INDEX_F32,
        .M = 2,
        .ef_construction = 1, /* the graph is not used */
    };
    bool fine = truth && index_open(&options, NULL, &index, &applied) == STATUS_OK &&
                index_reader_open(&reader) == STATUS_OK;
    for (size_t i = 0; fine && i < vectors->n; i++) {
        struct index_point point = {.number = i + 1,
                                    .vector = vectors->base + i * vectors->dimension,
                                    .id = "x",
                                    .id_size = 1};
        bool idle = false;
        while (fine && index_tail_room(index) == 0 && !idle)
            fine = index_link_step(index, 100000, &idle) == STATUS_OK;
        fine = fine && index_append(index, &point, 1) == STATUS_OK;
    }
    const struct index_view *view = fine ? index_view_hold(index) : NULL;
    for (size_t q = 0; fine && q < vectors->n_queries; q++) {
        struct index_query query = {
            .vector = vectors->queries + q * vectors->dimension, .k = (uint32_t)k, .exact = true};
        bool done = false;
        size_t n;
        fine = index_search_start(reader, view, &query) == STATUS_OK;
        while (fine && !done)
            fine = index_search_step(reader, SIZE_MAX / 2, &done) == STATUS_OK;
        const struct index_hit *hits = fine ? index_search_hits(reader, &n) : NULL;
        for (size_t i = 0; hits && i < n; i++)
            truth[q * k + i] = hits[i].number;
        index_search_end(reader);
    }
    index_view_drop(view);
    index_reader_close(reader);
    index_close(index);
    if (fine) return truth;
    free(truth);
    return NULL;
}
