/* Every code and metric beside an exact scan of float32, at every dimension from 1 to 130 and some
 * larger ones, and with vectors that make trouble. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/index.h"
#include "runtime/rng.h"

enum {
    K = 10,
    EF = 14,
    M = 8,
    TRAIN = 64
}; /* few enough that the graph is walked, not everything scanned */

struct way {
    enum index_storage storage;
    enum index_originals originals;
    double floor; /* of recall at 10 */
};
static const struct way ways[] = {
    {INDEX_F32, INDEX_ORIGINALS_NONE, 0.88},   {INDEX_SQ8, INDEX_ORIGINALS_NONE, 0.87},
    {INDEX_SQ4, INDEX_ORIGINALS_NONE, 0.80},   {INDEX_RABITQ, INDEX_ORIGINALS_NONE, 0.45},
    {INDEX_SQ4, INDEX_ORIGINALS_RAM, 0.86},    {INDEX_RABITQ, INDEX_ORIGINALS_RAM, 0.55},
    {INDEX_SQ8, INDEX_ORIGINALS_MAPPED, 0.87}, {INDEX_F16, INDEX_ORIGINALS_NONE, 0.88},
};
/* Under a sanitizer every eighth dimension is enough: the release build has all. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STRIDE = 8 };
#else
enum { STRIDE = 1 };
#endif
enum { N_WAYS = sizeof ways / sizeof *ways };

struct set {
    uint32_t dimension;
    size_t n;
    float *vectors;
};

static struct set random_set(struct rng *rng, uint32_t dimension, size_t n) {
    struct set set = {dimension, n, malloc((n * dimension + 1) * sizeof(float))};
    for (size_t i = 0; i < n * dimension; i++)
        set.vectors[i] = (float)rng_normal(rng) + (i % dimension % 3 == 0 ? 1 : 0);
    return set;
}

static struct index *build(const struct set *set, enum index_metric metric, struct way way) {
    struct index_options options = {.dimension = set->dimension,
                                    .metric = metric,
                                    .storage = way.storage,
                                    .originals = way.originals,
                                    .M = M,
                                    .train_min = TRAIN,
                                    .seed = 7};
    struct index *index;
    uint64_t applied;
    bool idle = false;
    cr_assert_eq(index_open(&options, NULL, &index, &applied), STATUS_OK);
    for (size_t i = 0; i < set->n; i++) {
        struct index_point point = {
            .number = i + 1, .vector = set->vectors + i * set->dimension, .id = "x", .id_size = 1};
        cr_assert_eq(index_append(index, &point, 1), STATUS_OK);
    }
    while (!idle)
        cr_assert_eq(index_link_step(index, 100000, &idle), STATUS_OK);
    return index;
}

/* Numbers of the nearest, best first; checks that distances rise and are numbers. */
static size_t
search(struct index *index, const float *vector, uint32_t k, bool exact, uint64_t *numbers) {
    const struct index_view *view = index_view_hold(index);
    struct index_query query = {.vector = vector, .k = k, .ef = EF, .exact = exact};
    struct index_reader *reader;
    bool done = false;
    size_t n;
    cr_assert_eq(index_reader_open(&reader), STATUS_OK);
    cr_assert_eq(index_search_start(reader, view, &query), STATUS_OK);
    while (!done)
        cr_assert_eq(index_search_step(reader, 100000, &done), STATUS_OK);
    const struct index_hit *hits = index_search_hits(reader, &n);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = hits[i].number;
        cr_assert(isfinite(hits[i].distance));
        cr_assert(i == 0 || hits[i - 1].distance <= hits[i].distance);
    }
    index_search_end(reader);
    index_reader_close(reader);
    index_view_drop(view);
    return n;
}

static void expect_valid(struct index *index) {
    const struct index_view *view = index_view_hold(index);
    char text[256] = "";
    cr_expect_eq(index_validate(view, text, sizeof text), STATUS_OK, "%s", text);
    index_view_drop(view);
}

/* Hits that the exact scan has, of those it has. */
struct tally {
    size_t found, all;
};

static void
compare(struct index *index, struct index *oracle, const struct set *queries, struct tally *tally) {
    for (size_t q = 0; q < queries->n; q++) {
        const float *vector = queries->vectors + q * queries->dimension;
        uint64_t got[K], expected[K];
        size_t n = search(index, vector, K, false, got);
        size_t n_expected = search(oracle, vector, K, true, expected);
        cr_assert_eq(n, n_expected);
        tally->all += n;
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++)
                tally->found += got[i] == expected[j];
        }
    }
}

static void run_dimension(struct rng *rng, uint32_t dimension, size_t n, struct tally *tallies) {
    enum index_metric metric = (enum index_metric)(dimension % 3);
    struct set set = random_set(rng, dimension, n), queries = random_set(rng, dimension, 4);
    struct index *oracle = build(&set, metric, ways[0]);
    for (size_t w = 0; w < N_WAYS; w++) {
        struct index *index = build(&set, metric, ways[w]);
        const struct index_view *view = index_view_hold(index);
        cr_expect_eq(index_stats(view).storage, ways[w].storage, "%u", dimension);
        index_view_drop(view);
        compare(index, oracle, &queries, &tallies[w]);
        index_close(index);
    }
    index_close(oracle);
    free(set.vectors);
    free(queries.vectors);
}

static void expect_floors(const struct tally *tallies) {
    for (size_t w = 0; w < N_WAYS; w++) {
        double recall = (double)tallies[w].found / (double)tallies[w].all;
        cr_expect_geq(recall, ways[w].floor, "%s %s: %.4f", index_storage_name(ways[w].storage),
                      index_originals_name(ways[w].originals), recall);
    }
}

Test(storage, finds_what_an_exact_scan_does_at_every_dimension) {
    struct tally tallies[N_WAYS] = {{0}};
    struct rng rng;
    rng_init(&rng, 1);
    for (uint32_t dimension = 1; dimension <= 130; dimension += STRIDE)
        run_dimension(&rng, dimension, 150, tallies);
    expect_floors(tallies);
}

Test(storage, finds_what_an_exact_scan_does_at_larger_dimensions) {
    struct tally tallies[N_WAYS] = {{0}};
    struct rng rng;
    rng_init(&rng, 2);
    for (int i = 0; i < 40; i += STRIDE)
        run_dimension(&rng, 131 + (uint32_t)rng_below(&rng, i < 30 ? 900 : 3966), 130, tallies);
    expect_floors(tallies);
}

/* How far codes are from their vectors' distances, of what is said they may be. */
struct use {
    size_t n, n_beyond;
    double sum;
};
static void measure_use(struct index *index,
                        const struct set *set,
                        size_t q,
                        enum index_metric metric,
                        struct use *use) {
    const struct index_view *view = index_view_hold(index);
    const float *vector = set->vectors + q * set->dimension;
    struct index_query query = {.vector = vector, .k = (uint32_t)set->n, .exact = true};
    struct index_reader *reader;
    struct index_ruler *ruler;
    bool done = false;
    size_t n;
    cr_assert_eq(index_reader_open(&reader), STATUS_OK);
    cr_assert_eq(index_ruler_open(metric, set->dimension, vector, &ruler), STATUS_OK);
    cr_assert_eq(index_search_start(reader, view, &query), STATUS_OK);
    while (!done)
        cr_assert_eq(index_search_step(reader, 100000, &done), STATUS_OK);
    const struct index_hit *hits = index_search_hits(reader, &n);
    for (size_t i = 0; i < n; i++) {
        float whole =
            index_ruler_distance(ruler, set->vectors + (hits[i].number - 1) * set->dimension);
        double part = fabsf(hits[i].distance - whole) / index_ruler_error(ruler, view, whole);
        use->n++;
        use->n_beyond += part > 1;
        use->sum += part;
    }
    index_search_end(reader);
    index_ruler_close(ruler);
    index_reader_close(reader);
    index_view_drop(view);
}

/* Of each way a share of what float32 finds: with `least` of the floors' own. */
static void expect_near_float32(const struct set *set,
                                const struct set *queries,
                                enum index_metric metric,
                                double least) {
    struct index *oracle = build(set, metric, ways[0]);
    size_t found = 0;
    for (size_t w = 0; w < N_WAYS; w++) {
        struct tally tally = {0};
        struct index *index = build(set, metric, ways[w]);
        compare(index, oracle, queries, &tally);
        expect_valid(index);
        index_close(index);
        if (w == 0) found = tally.found;
        double share = least * ways[w].floor / ways[0].floor;
        cr_expect_geq((double)tally.found, share * (double)found, "%s %s: %zu, float32 %zu",
                      index_storage_name(ways[w].storage), index_originals_name(ways[w].originals),
                      tally.found, found);
    }
    index_close(oracle);
}

/* Makes something else of vector i. */
typedef void (*spoil_vector)(struct rng *rng, float *vector, uint32_t dimension, size_t i);

static void try_spoilt(uint64_t seed, enum index_metric metric, double least, spoil_vector spoil) {
    enum { DIMENSION = 40, N = 1500, QUERIES = 60 };
    struct rng rng;
    rng_init(&rng, seed);
    struct set set = random_set(&rng, DIMENSION, N);
    struct set queries = random_set(&rng, DIMENSION, QUERIES);
    for (size_t i = 0; i < N; i++)
        spoil(&rng, set.vectors + i * DIMENSION, DIMENSION, i);
    expect_near_float32(&set, &queries, metric, least);
    free(set.vectors);
    free(queries.vectors);
}

static void make_garbage(struct rng *rng, float *vector, uint32_t dimension, size_t i) {
    (void)rng;
    for (uint32_t d = 0; d < dimension && i % 90 == 0; d++)
        vector[d] = i % 180 == 0 ? 1e15f : -1e10f;
}

static void make_any_length(struct rng *rng, float *vector, uint32_t dimension, size_t i) {
    float length = expf((float)rng_normal(rng));
    (void)i;
    for (uint32_t d = 0; d < dimension; d++)
        vector[d] *= length;
}

static void make_zero(struct rng *rng, float *vector, uint32_t dimension, size_t i) {
    (void)rng;
    if (i % 6 == 0) memset(vector, 0, dimension * sizeof *vector);
}

/* One vector in ninety is garbage: its own place is far away, and the others keep their codes. */
Test(storage, knows_vectors_apart_beside_wild_ones) {
    try_spoilt(4, INDEX_EUCLIDEAN, 0.8, make_garbage);
}

/* Products of short queries with long vectors, of all lengths. */
Test(storage, knows_products_of_vectors_of_any_length) {
    try_spoilt(6, INDEX_DOT, 0.85, make_any_length);
}

/* The distance of a zero vector is 1; its code must not be nearer. */
Test(storage, knows_directions_beside_zero_vectors) {
    try_spoilt(7, INDEX_COSINE, 0.85, make_zero);
}

/* How far a code may be from its vector is known, for nearly all pairs. */
Test(storage, knows_how_much_codes_round) {
    enum { DIMENSION = 40, N = 600 };
    struct rng rng;
    rng_init(&rng, 5);
    for (int row = 0; row < 3 * 4; row++) {
        static const enum index_storage storages[] = {INDEX_SQ8, INDEX_SQ4, INDEX_RABITQ,
                                                      INDEX_F16};
        enum index_metric metric = (enum index_metric)(row % 3);
        struct set set = random_set(&rng, DIMENSION, N);
        struct index *index =
            build(&set, metric, (struct way){storages[row / 3], INDEX_ORIGINALS_NONE, 0});
        struct use use = {0};
        for (size_t q = 0; q < 20; q++)
            measure_use(index, &set, q, metric, &use);
        const char *name = index_storage_name(storages[row / 3]);
        cr_expect_leq(use.n_beyond, use.n / 20, "%s, metric %d: %zu", name, metric, use.n_beyond);
        cr_expect_geq(use.sum, 0.01 * (double)use.n, "%s, metric %d", name, metric);
        index_close(index);
        free(set.vectors);
    }
}

/* What is odd about vector i of n. */
static void make_odd(struct rng *rng, int kind, float *vector, uint32_t dimension, size_t i) {
    static const float scales[] = {1, 0, 1e18f, 1e-40f, 3e38f};
    float scale = scales[kind];
    for (uint32_t d = 0; d < dimension; d++) {
        float value = (float)rng_normal(rng);
        value = value > 1 ? 1 : value < -1 ? -1 : value;
        vector[d] = kind == 0 ? 0.5f : i % 2 == 0 || scale == 0 ? value * scale : value;
    }
}

/* Duplicates, zero vectors, huge and denormal ones, alone and among others: k hits or all there
 * are, with numbers for distances. */
Test(storage, answers_with_vectors_that_make_trouble) {
    struct rng rng;
    rng_init(&rng, 3);
    for (size_t w = 0; w < N_WAYS; w++) {
        for (int row = 0; row < 3 * 5; row++) {
            uint32_t dimension = 40;
            struct set set = random_set(&rng, dimension, 100);
            for (size_t i = 0; i < set.n; i++)
                make_odd(&rng, row / 3, set.vectors + i * dimension, dimension, i);
            struct index *index = build(&set, (enum index_metric)(row % 3), ways[w]);
            for (size_t q = 0; q < set.n; q += 9) {
                uint64_t numbers[200];
                const float *vector = set.vectors + q * dimension;
                cr_expect_eq(search(index, vector, K, false, numbers), K);
                cr_expect_eq(search(index, vector, 200, false, numbers), set.n);
            }
            expect_valid(index);
            index_close(index);
            free(set.vectors);
        }
    }
}

Test(storage, answers_when_there_are_no_points_or_one) {
    struct rng rng;
    rng_init(&rng, 4);
    for (size_t w = 0; w < N_WAYS; w++) {
        for (size_t n = 0; n <= 1; n++) {
            struct set set = random_set(&rng, 33, n);
            struct index *index = build(&set, INDEX_COSINE, ways[w]);
            float vector[33] = {1};
            uint64_t numbers[K];
            cr_expect_eq(search(index, vector, K, false, numbers), n);
            index_close(index);
            free(set.vectors);
        }
    }
}

/* A file gives back what was saved, to the last distance; and is refused for another storage. */
Test(storage, comes_back_from_a_file) {
    char path[] = "/tmp/vectron-storage-XXXXXX";
    int fd = mkstemp(path);
    struct rng rng;
    rng_init(&rng, 5);
    cr_assert_geq(fd, 0);
    close(fd);
    for (size_t row = 0; row < N_WAYS * 3; row++) {
        enum index_metric metric = (enum index_metric)(row % 3);
        struct way way = ways[row / 3];
        struct set set = random_set(&rng, 70, 200);
        struct index *index = build(&set, metric, way), *back;
        struct index_save *save;
        bool done = false;
        uint64_t applied, before[K], after[K];
        cr_assert_eq(index_save_start(index, path, 3, &save), STATUS_OK);
        while (!done)
            cr_assert_eq(index_save_step(save, 1 << 20, &done), STATUS_OK);
        index_save_end(save);
        struct index_options options = {.dimension = set.dimension,
                                        .metric = metric,
                                        .storage = way.storage,
                                        .originals = way.originals,
                                        .M = M,
                                        .train_min = TRAIN,
                                        .seed = 7};
        cr_assert_eq(index_open(&options, path, &back, &applied), STATUS_OK);
        cr_expect_eq(applied, 3);
        cr_expect_eq(search(index, set.vectors, K, false, before), K);
        cr_expect_eq(search(back, set.vectors, K, false, after), K);
        cr_expect_arr_eq(before, after, sizeof before);
        expect_valid(back);
        index_close(back);
        options.storage = way.storage == INDEX_SQ4 ? INDEX_SQ8 : INDEX_SQ4;
        enum status s = index_open(&options, path, &back, &applied);
        cr_expect_eq(s, way.storage == INDEX_F32 ? STATUS_OK : STATUS_CORRUPT);
        if (s == STATUS_OK) index_close(back);
        index_close(index);
        free(set.vectors);
    }
    unlink(path);
}

Test(storage, has_names) {
    for (int i = 0; i < INDEX_STORAGES; i++) {
        enum index_storage storage;
        cr_assert_eq(index_storage_parse(index_storage_name((enum index_storage)i), &storage),
                     STATUS_OK);
        cr_expect_eq((int)storage, i);
    }
    for (int i = 0; i < INDEX_ORIGINALS_KINDS; i++) {
        enum index_originals originals;
        cr_assert_eq(
            index_originals_parse(index_originals_name((enum index_originals)i), &originals),
            STATUS_OK);
        cr_expect_eq((int)originals, i);
    }
    enum index_storage storage;
    enum index_originals originals;
    cr_expect_eq(index_storage_parse("", &storage), STATUS_OK);
    cr_expect_eq(storage, INDEX_AUTO);
    cr_expect_eq(index_storage_parse("sq5", &storage), STATUS_INVALID);
    cr_expect_eq(index_originals_parse("disk", &originals), STATUS_INVALID);
}
