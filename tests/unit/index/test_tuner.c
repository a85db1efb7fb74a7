/* Recall as a target: what searches deliver beside what was asked for, on generated sets. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "index/index.h"
#include "runtime/rng.h"

enum { K = 10, N = 4500, QUERIES = 100 };

struct built {
    uint32_t dimension;
    struct rng rng;
    float *centres;
    struct index *index;
    struct index_reader *reader;
    uint64_t next;
};

/* Clusters, or without them: hard. */
static void draw(struct built *built, bool hard, float *vector) {
    const float *centre = built->centres + rng_below(&built->rng, 30) * built->dimension;
    for (uint32_t d = 0; d < built->dimension; d++)
        vector[d] = (float)rng_normal(&built->rng) + (hard ? 0 : 2 * centre[d]);
}

static void settle(struct index *index) {
    bool idle = false;
    while (!idle)
        cr_assert_eq(index_link_step(index, 100000, &idle), STATUS_OK);
}

static void add(struct built *built, bool hard, size_t n) {
    float *vector = malloc(built->dimension * sizeof *vector);
    for (size_t i = 0; i < n; i++) {
        draw(built, hard, vector);
        struct index_point point = {
            .number = built->next++, .vector = vector, .id = "x", .id_size = 1};
        cr_assert_eq(index_append(built->index, &point, 1), STATUS_OK);
        if (index_tail_room(built->index) == 0) settle(built->index);
    }
    settle(built->index);
    free(vector);
}

static void open_built(struct built *built, uint32_t dimension, float target, uint64_t seed) {
    *built = (struct built){.dimension = dimension, .next = 1};
    rng_init(&built->rng, seed);
    built->centres = malloc(30 * dimension * sizeof *built->centres);
    for (size_t i = 0; i < 30 * (size_t)dimension; i++)
        built->centres[i] = (float)rng_normal(&built->rng);
    struct index_options options = {.dimension = dimension,
                                    .metric = INDEX_EUCLIDEAN,
                                    .target_recall = target,
                                    .M = 8,
                                    .ef_construction = 60,
                                    .seed = seed};
    uint64_t applied;
    cr_assert_eq(index_open(&options, NULL, &built->index, &applied), STATUS_OK);
    cr_assert_eq(index_reader_open(&built->reader), STATUS_OK);
}

static void close_built(struct built *built) {
    index_reader_close(built->reader);
    index_close(built->index);
    free(built->centres);
}

static size_t
search(struct built *built, const struct index_query *query, uint64_t *numbers, uint32_t *ef) {
    const struct index_view *view = index_view_hold(built->index);
    bool done = false;
    size_t n;
    cr_assert_eq(index_search_start(built->reader, view, query), STATUS_OK);
    while (!done)
        cr_assert_eq(index_search_step(built->reader, 100000, &done), STATUS_OK);
    const struct index_hit *hits = index_search_hits(built->reader, &n);
    for (size_t i = 0; i < n; i++)
        numbers[i] = hits[i].number;
    if (ef) *ef = index_search_stats(built->reader).ef;
    index_search_end(built->reader);
    index_view_drop(view);
    return n;
}

static double delivered(struct built *built, bool hard, float target, uint32_t *ef) {
    float *vector = malloc(built->dimension * sizeof *vector);
    size_t found = 0;
    for (size_t q = 0; q < QUERIES; q++) {
        uint64_t got[K], expected[K];
        draw(built, hard, vector);
        struct index_query query = {.vector = vector, .k = K, .target_recall = target};
        struct index_query exact = {.vector = vector, .k = K, .exact = true};
        size_t n = search(built, &query, got, ef);
        cr_assert_eq(search(built, &exact, expected, NULL), K);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < K; j++)
                found += got[i] == expected[j];
        }
    }
    free(vector);
    return (double)found / (QUERIES * K);
}

Test(tuner, a_named_recall_is_delivered_within_a_point) {
    static const float targets[] = {0.8f, 0.9f, 0.95f, 0.99f};
    for (int row = 0; row < 2; row++) {
        struct built built;
        open_built(&built, row ? 24 : 48, 0.9f, 3 + (uint64_t)row);
        add(&built, row == 0, N);
        uint32_t last = 0;
        for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
            uint32_t ef;
            double recall = delivered(&built, row == 0, targets[t], &ef);
            cr_log_info("target %.2f: %.4f at ef %u\n", (double)targets[t], recall, ef);
            cr_expect_geq(recall, (double)targets[t] - 0.01, "%.2f: %.4f at ef %u",
                          (double)targets[t], recall, ef);
            cr_expect_geq(ef, last);
            last = ef;
        }
        close_built(&built);
    }
}

Test(tuner, says_what_it_delivers_and_measures_again_on_live_queries) {
    struct built built;
    open_built(&built, 32, 0.9f, 9);
    add(&built, true, 100);
    const struct index_view *view = index_view_hold(built.index);
    cr_expect_eq(index_stats(view).recall, 0, "too few to say");
    add(&built, true, N);
    struct index_stats stats = index_stats(view);
    cr_expect_geq(stats.recall, 0.9f);
    cr_expect_gt(stats.target_ef, 0);
    cr_expect_not(stats.recall_live);
    double recall = 0;
    for (int i = 0; i < 3; i++)
        recall = delivered(&built, true, 0.9f, NULL);
    settle(built.index);
    stats = index_stats(view);
    cr_expect(stats.recall_live);
    recall = delivered(&built, true, 0.9f, NULL);
    cr_expect_geq(recall, 0.89);
    cr_expect_float_eq(stats.recall, recall, 0.05, "%.4f %.4f", (double)stats.recall, recall);
    index_view_drop(view);
    close_built(&built);
}

Test(tuner, without_a_target_nothing_is_measured) {
    struct built built;
    open_built(&built, 16, 0, 5);
    add(&built, true, 2000);
    const struct index_view *view = index_view_hold(built.index);
    float vector[16] = {1};
    uint32_t ef;
    uint64_t numbers[K];
    cr_expect_eq(index_stats(view).recall, 0);
    (void)search(&built, &(struct index_query){.vector = vector, .k = K}, numbers, &ef);
    cr_expect_eq(ef, INDEX_EF_DEFAULT);
    (void)search(&built, &(struct index_query){.vector = vector, .k = K, .ef = 33}, numbers, &ef);
    cr_expect_eq(ef, 33);
    struct index_query wrong = {.vector = vector, .k = K, .target_recall = 1};
    cr_expect_eq(index_search_start(built.reader, view, &wrong), STATUS_INVALID);
    index_view_drop(view);
    close_built(&built);
}
