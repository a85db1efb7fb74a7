/* Filters through the front door of the index, each beside a list that is asked text by text. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/index/corpus.h"

static uint64_t seed_of(uint64_t fallback) {
    const char *text = getenv("VECTRON_SEED");
    return text ? strtoull(text, NULL, 10) : fallback;
}

static void random_vector(struct corpus *corpus, float vector[CORPUS_DIMENSION]) {
    for (size_t i = 0; i < CORPUS_DIMENSION; i++)
        vector[i] = (float)(rng_next(&corpus->rng) % 1000) / 1000;
}

struct tally {
    size_t n_right, n_expected;
    size_t n_plans[INDEX_PLANS];
};

/* Random filters: never a wrong hit, always k or all there are; exact ones the oracle's. */
static void ask(struct corpus *corpus, size_t n_filters, bool exact, struct tally *tally) {
    for (size_t i = 0; i < n_filters; i++) {
        struct corpus_filter filter;
        struct corpus_result result;
        float vector[CORPUS_DIMENSION];
        corpus_filter(corpus, &filter);
        random_vector(corpus, vector);
        struct index_query query = {
            .vector = vector, .k = 10, .exact = exact, .filter = &filter.filter};
        corpus_search(corpus, &query, &result);
        cr_assert_eq(result.status, STATUS_OK, "filter %zu", i);
        cr_assert_eq(result.n_wrong, 0, "filter %zu", i);
        cr_assert_eq(result.n_hits, result.n_expected, "filter %zu: %zu hits of %zu", i,
                     result.n_hits, result.n_expected);
        cr_assert_eq(result.stats.matching, corpus_count(corpus, &filter.filter), "filter %zu", i);
        if (exact) cr_assert_eq(result.n_right, result.n_expected, "filter %zu", i);
        tally->n_right += result.n_right;
        tally->n_expected += result.n_expected;
        tally->n_plans[result.stats.plan]++;
    }
}

static void expect_recall(const struct tally *tally, double least) {
    double recall = (double)tally->n_right / (double)(tally->n_expected ? tally->n_expected : 1);
    cr_expect_geq(recall, least, "recall %.4f", recall);
}

Test(filter, agrees_with_the_oracle_before_and_after_linking) {
    for (uint64_t seed = seed_of(1), end = seed + 2; seed < end; seed++) {
        struct corpus corpus;
        struct tally exact = {0}, quick = {0};
        corpus_open(&corpus, true, seed);
        corpus_append(&corpus, 700);
        ask(&corpus, 100, true, &exact);
        corpus_settle(&corpus);
        ask(&corpus, 100, true, &exact);
        ask(&corpus, 100, false, &quick);
        corpus_append(&corpus, 5500); /* now sorted lists are worth while */
        corpus_settle(&corpus);
        ask(&corpus, 80, true, &exact);
        ask(&corpus, 80, false, &quick);
        expect_recall(&quick, 0.95);
        corpus_close(&corpus);
    }
}

Test(filter, stays_right_while_points_come_and_go) {
    struct corpus corpus;
    struct tally exact = {0}, quick = {0};
    corpus_open(&corpus, true, seed_of(7));
    corpus_append(&corpus, 6000);
    for (int round = 0; round < 15; round++) {
        corpus_remove(&corpus, 200 + (size_t)round * 40);
        corpus_append(&corpus, 200 + (size_t)round * 40);
        bool idle = false;
        for (int step = 0; !idle && step < round * 40; step++) /* some rounds end half-way */
            cr_assert_eq(index_link_step(corpus.index, 2000, &idle), STATUS_OK);
        ask(&corpus, 12, true, &exact);
        ask(&corpus, 12, false, &quick);
    }
    expect_recall(&quick, 0.95);
    corpus_close(&corpus);
}

Test(filter, marks_serve_long_runs) {
    struct corpus corpus;
    struct tally exact = {0}, quick = {0};
    corpus_open(&corpus, true, seed_of(3));
    corpus_append(&corpus, 40000);
    corpus_settle(&corpus);
    ask(&corpus, 80, true, &exact);
    ask(&corpus, 80, false, &quick);
    expect_recall(&quick, 0.95);
    cr_expect_gt(quick.n_plans[INDEX_PLAN_SCAN], 0);
    cr_expect_gt(quick.n_plans[INDEX_PLAN_HOP], 0);
    cr_expect_gt(quick.n_plans[INDEX_PLAN_SWEEP], 0);
    corpus_close(&corpus);
}

static int rising(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Matches that are the farthest from the query, or the nearest: always k or all, and the right
 * ones. */
Test(filter, holds_when_matches_and_distance_go_together) {
    static const double shares[] = {0.0001, 0.001, 0.01, 0.1, 0.5, 0.9};
    enum { N = 8000 };
    static double prices[N];
    struct corpus corpus;
    corpus_open(&corpus, true, seed_of(5));
    corpus.by_distance = true;
    corpus_append(&corpus, N);
    corpus_settle(&corpus);
    for (size_t i = 0; i < N; i++)
        prices[i] = strtod(corpus.points[i].texts[3], NULL);
    qsort(prices, N, sizeof *prices, rising);
    for (size_t i = 0; i < 2 * sizeof shares / sizeof *shares; i++) {
        bool far = i % 2;
        size_t at = (size_t)(shares[i / 2] * N);
        struct corpus_filter filter;
        struct corpus_result result;
        float origin[CORPUS_DIMENSION] = {0};
        uint64_t low = far ? filter_number(prices[N - 1 - at]) : FILTER_LOWEST;
        corpus_range(&filter, 3, low, far ? FILTER_HIGHEST : filter_number(prices[at]));
        struct index_query query = {.vector = origin, .k = 10, .filter = &filter.filter};
        corpus_search(&corpus, &query, &result);
        cr_assert_eq(result.status, STATUS_OK);
        cr_expect_eq(result.n_hits, result.n_expected, "row %zu", i);
        cr_expect_eq(result.n_wrong, 0, "row %zu", i);
        cr_expect_geq(result.n_right * 100, result.n_expected * 95, "row %zu: %zu of %zu", i,
                      result.n_right, result.n_expected);
    }
    corpus_close(&corpus);
}

enum aim { AIM_RANDOM, AIM_NEAR, AIM_FAR, AIMS };

/* Lets a share of the points through: any, those nearest to the origin, or those farthest. */
static void share_filter(
    struct corpus_filter *out, const double *sorted, size_t n, double share, enum aim aim) {
    size_t at = (size_t)(share * (double)n), key = aim == AIM_RANDOM ? 2 : 3;
    bool far = aim == AIM_FAR;
    uint64_t low = far ? filter_number(sorted[n - 1 - at]) : FILTER_LOWEST;
    uint64_t high = far ? FILTER_HIGHEST : filter_number(sorted[at]);
    if (aim == AIM_RANDOM) high = filter_integer((int64_t)sorted[at]);
    corpus_range(out, key, low, high);
}

/* Whatever ef is asked for, and however matches lie to the query. */
Test(filter, holds_at_every_selectivity_and_ef) {
    static const double shares[] = {0.0001, 0.001, 0.01, 0.1, 0.5, 0.9};
    static const uint32_t efs[] = {0, 1, 10, 20, 40, 100};
    enum { N = 12000, QUERIES = 12 };
    static double sorted[AIMS][N];
    struct corpus corpus;
    corpus_open(&corpus, true, seed_of(9));
    corpus.by_distance = true;
    corpus_append(&corpus, N);
    corpus_settle(&corpus);
    for (size_t i = 0; i < N; i++) {
        sorted[AIM_RANDOM][i] = strtod(corpus.points[i].texts[2], NULL);
        sorted[AIM_NEAR][i] = sorted[AIM_FAR][i] = strtod(corpus.points[i].texts[3], NULL);
    }
    for (enum aim aim = AIM_RANDOM; aim < AIMS; aim++)
        qsort(sorted[aim], N, sizeof **sorted, rising);
    for (size_t cell = 0; cell < AIMS * 6 * 6; cell++) {
        if (cell == AIMS * 6 * 3) corpus_settle(&corpus); /* the curve is measured */
        enum aim aim = (enum aim)(cell % AIMS);
        double share = shares[cell / AIMS % 6];
        uint32_t ef = efs[cell / AIMS / 6];
        struct tally tally = {0};
        struct corpus_filter filter;
        share_filter(&filter, sorted[aim], N, share, aim);
        for (size_t q = 0; q < QUERIES; q++) {
            struct corpus_result result;
            float vector[CORPUS_DIMENSION];
            random_vector(&corpus, vector);
            for (size_t i = 0; aim != AIM_RANDOM && i < CORPUS_DIMENSION; i++)
                vector[i] *= 0.2f; /* about the origin */
            struct index_query query = {
                .vector = vector, .k = 10, .ef = ef, .filter = &filter.filter};
            corpus_search(&corpus, &query, &result);
            cr_assert_eq(result.status, STATUS_OK);
            cr_expect_eq(result.n_wrong, 0);
            cr_expect_eq(result.n_hits, result.n_expected, "aim %d share %g ef %u: %zu of %zu",
                         (int)aim, share, ef, result.n_hits, result.n_expected);
            tally.n_right += result.n_right;
            tally.n_expected += result.n_expected;
            tally.n_plans[result.stats.plan]++;
        }
        cr_expect_geq(tally.n_right * 100, tally.n_expected * 95,
                      "aim %d share %g ef %u: %zu of %zu, %zu walks", (int)aim, share, ef,
                      tally.n_right, tally.n_expected,
                      tally.n_plans[INDEX_PLAN_HOP] + tally.n_plans[INDEX_PLAN_SWEEP]);
    }
    corpus_close(&corpus);
}

Test(filter, a_missing_column_is_named_and_can_be_filled) {
    struct corpus corpus;
    struct corpus_filter filter;
    struct corpus_result result;
    float vector[CORPUS_DIMENSION] = {0};
    corpus_open(&corpus, false, seed_of(2));
    corpus_append(&corpus, 5000);
    corpus_settle(&corpus);
    corpus_range(&filter, 2, 0, FILTER_HIGHEST);
    struct index_query query = {.vector = vector, .k = 10, .filter = &filter.filter};
    corpus_search(&corpus, &query, &result);
    cr_expect_eq(result.status, STATUS_NOT_READY);
    const struct index_view *view = index_view_hold(corpus.index);
    struct index_column missing[4];
    cr_assert_eq(index_columns_missing(view, &filter.filter, missing, 4), 1);
    cr_expect_eq(missing[0].type, FILTER_INTEGER);
    cr_expect_eq(missing[0].key.size, 3);

    for (size_t i = 0; i < CORPUS_KEYS; i++)
        cr_assert_eq(index_column_begin(corpus.index, &corpus_columns[i]), STATUS_OK);
    cr_expect_eq(index_column_begin(corpus.index, &corpus_columns[0]), STATUS_EXISTS);
    size_t before = corpus.n;
    corpus_append(&corpus, 300); /* beside the filling */
    corpus_remove(&corpus, 100);
    for (size_t i = 0; i < before && i < corpus.n; i++) {
        unsigned char payload[CORPUS_PAYLOAD_MAX];
        size_t size = corpus_payload(&corpus.points[i], payload);
        cr_assert_eq(index_column_fill(corpus.index, corpus.points[i].number, payload, size),
                     STATUS_OK);
    }
    cr_expect_eq(index_column_fill(corpus.index, UINT64_MAX, NULL, 0), STATUS_NOT_FOUND);
    index_columns_complete(corpus.index);
    cr_expect_eq(index_columns_missing(view, &filter.filter, missing, 4), 0);
    index_view_drop(view);
    struct tally exact = {0}, quick = {0};
    ask(&corpus, 50, true, &exact);
    corpus_settle(&corpus);
    ask(&corpus, 50, true, &exact);
    ask(&corpus, 50, false, &quick);
    corpus_close(&corpus);
}

Test(filter, counts_values_that_do_not_read_as_the_type) {
    struct corpus corpus;
    corpus_open(&corpus, true, seed_of(2));
    corpus_append(&corpus, 2000);
    size_t n = 0;
    uint64_t value;
    for (size_t i = 0; i < corpus.n; i++)
        for (size_t key = 2; key < CORPUS_KEYS; key++) {
            const char *text = corpus.points[i].texts[key];
            n += text[0] && !filter_read(corpus_columns[key].type, text, strlen(text), &value);
        }
    const struct index_view *view = index_view_hold(corpus.index);
    struct index_stats stats = index_stats(view);
    cr_expect_gt(n, 0);
    cr_expect_eq(stats.unread, n);
    cr_expect_eq(stats.columns, CORPUS_KEYS);
    cr_expect_gt(stats.column_bytes, 2000 * 8 * 4);
    index_view_drop(view);
    corpus_close(&corpus);
}

Test(filter, a_file_brings_no_columns_but_the_points_do) {
    struct corpus corpus;
    struct tally exact = {0};
    char path[] = "/tmp/vectron-filter-XXXXXX";
    corpus_open(&corpus, true, seed_of(11));
    corpus_append(&corpus, 5000);
    corpus_settle(&corpus);
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    struct index_save *save;
    bool done = false;
    cr_assert_eq(index_save_start(corpus.index, path, 9, &save), STATUS_OK);
    while (!done)
        cr_assert_eq(index_save_step(save, 1 << 20, &done), STATUS_OK);
    index_save_end(save);
    index_close(corpus.index);

    struct index_options options = {.dimension = CORPUS_DIMENSION,
                                    .metric = INDEX_EUCLIDEAN,
                                    .columns = corpus_columns,
                                    .n_columns = CORPUS_KEYS};
    uint64_t applied;
    cr_assert_eq(index_open(&options, path, &corpus.index, &applied), STATUS_OK);
    for (size_t i = 0; i < corpus.n; i++) {
        unsigned char payload[CORPUS_PAYLOAD_MAX];
        struct index_point point = {.number = corpus.points[i].number,
                                    .vector = corpus.points[i].vector,
                                    .id = "x",
                                    .id_size = 1,
                                    .payload = payload,
                                    .payload_size = corpus_payload(&corpus.points[i], payload)};
        cr_assert_eq(index_append(corpus.index, &point, 1), STATUS_OK);
    }
    ask(&corpus, 50, true, &exact);
    corpus_settle(&corpus);
    ask(&corpus, 50, true, &exact);
    corpus_close(&corpus);
    remove(path);
}

Test(filter, refuses_trees_that_are_not_sound) {
    static const struct filter_text text = {"a", 1};
    static const uint64_t values[1] = {5};
    struct filter_node deep[FILTER_DEPTH_MAX + 3];
    for (size_t i = 0; i < FILTER_DEPTH_MAX + 3; i++)
        deep[i] = (struct filter_node){.op = FILTER_ALL, .n = 1};
    deep[FILTER_DEPTH_MAX + 1] = (struct filter_node){.op = FILTER_EXISTS, .key = text};
    deep[FILTER_DEPTH_MAX + 2] = deep[FILTER_DEPTH_MAX + 1];
    const struct filter_node rows[][2] = {
        {{.op = FILTER_OPS}},
        {{.op = FILTER_ALL, .n = 2}, {.op = FILTER_ALL}},
        {{.op = FILTER_ALL}, {.op = FILTER_ALL}},
        {{.op = FILTER_EXISTS}},
        {{.op = FILTER_EXISTS, .key = {"", 0}}},
        {{.op = FILTER_IN, .n = 1, .key = text}},
        {{.op = FILTER_IN, .type = FILTER_TYPES, .n = 1, .key = text, .values = values}},
        {{.op = FILTER_PREFIX, .type = FILTER_INTEGER, .key = text, .texts = &text}},
        {{.op = FILTER_RANGE, .type = FILTER_KEYWORD, .key = text}},
        {{.op = FILTER_IN, .n = FILTER_VALUES_MAX + 1, .key = text, .texts = &text}},
    };
    static const uint32_t sizes[] = {1, 2, 2, 1, 1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(filter_check(&(struct filter){rows[i], sizes[i]}), STATUS_INVALID, "row %zu",
                     i);
    cr_expect_eq(filter_check(&(struct filter){deep, 0}), STATUS_INVALID);
    cr_expect_eq(filter_check(&(struct filter){deep, FILTER_DEPTH_MAX + 2}), STATUS_INVALID);
    cr_expect_eq(filter_check(&(struct filter){deep + 1, FILTER_DEPTH_MAX + 1}), STATUS_OK);
    cr_expect_eq(filter_check(&(struct filter){deep + 1, FILTER_DEPTH_MAX + 2}), STATUS_INVALID);
}
