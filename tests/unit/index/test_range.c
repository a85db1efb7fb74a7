/* Searches for all points within a distance, beside the oracle. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/index/fixture.h"

struct outcome {
    size_t n_hits, n_right, n_true; /* true: within, by the oracle, but for those on the border */
    struct index_search_stats stats;
};

static double distance_of(const struct fixture *f, const float *query, size_t at) {
    return fixture_distance(f, query, f->vectors + at * f->options.dimension);
}

/* The distance that n of the points are within. */
static float radius_of(const struct fixture *f, const float *query, size_t n) {
    uint64_t *numbers = malloc((n + 1) * sizeof *numbers);
    size_t found = fixture_nearest(f, query, n + 1, numbers), at = 0;
    cr_assert_eq(found, n + 1);
    double radius[2];
    for (size_t i = 0; i < 2; i++) {
        at = 0;
        while (f->numbers[at] != numbers[n - 1 + i])
            at++;
        radius[i] = distance_of(f, query, at);
    }
    free(numbers);
    return (float)((radius[0] + radius[1]) / 2);
}

static struct outcome look(struct fixture *f, const struct index_query *query, double slack) {
    struct outcome out = {0};
    const struct index_view *view = index_view_hold(f->index);
    bool done = false;
    cr_assert_eq(index_search_start(f->reader, view, query), STATUS_OK);
    while (!done)
        cr_assert_eq(index_search_step(f->reader, 100, &done), STATUS_OK);
    const struct index_hit *hits = index_search_hits(f->reader, &out.n_hits);
    double border = slack * fabs((double)query->within) + 1e-6;
    for (size_t i = 0; i < f->n; i++) {
        double d = distance_of(f, query->vector, i);
        if (d > (double)query->within - border) continue;
        out.n_true++;
        for (size_t h = 0; h < out.n_hits; h++)
            out.n_right += hits[h].number == f->numbers[i];
    }
    for (size_t h = 0; h < out.n_hits; h++) {
        size_t at = 0;
        while (at < f->n && f->numbers[at] != hits[h].number)
            at++;
        cr_assert_lt(at, f->n, "a removed point");
        cr_expect_leq(hits[h].distance, query->within);
        cr_expect_leq(distance_of(f, query->vector, at), (double)query->within + border);
        if (h > 0) cr_expect_leq(hits[h - 1].distance, hits[h].distance);
    }
    out.stats = index_search_stats(f->reader);
    index_search_end(f->reader);
    index_view_drop(view);
    return out;
}

/* A linked index of n points with some removed, and some in its tail. */
static void
open_filled(struct fixture *f, enum index_metric metric, enum index_storage storage, size_t n) {
    struct index_options options = {
        .dimension = 12, .metric = metric, .storage = storage, .train_min = 200};
    fixture_open(f, &options, 7);
    fixture_append_random(f, n);
    fixture_settle(f);
    fixture_remove_random(f, n / 40);
    fixture_append_random(f, n / 20);
}

Test(index_range, a_scan_finds_exactly_what_is_within) {
    for (int m = 0; m < 6; m++) {
        struct fixture f;
        float query[12];
        open_filled(&f, (enum index_metric)(m / 2), m % 2 ? INDEX_SQ8 : INDEX_F32, 1500);
        for (size_t n = 1; n <= 1000; n = n * 3 + 1) {
            fixture_random_vector(&f, query);
            struct index_query q = {.vector = query,
                                    .k = 2000,
                                    .exact = true,
                                    .ranged = true,
                                    .within = radius_of(&f, query, n)};
            struct outcome out = look(&f, &q, m % 2 ? 0.002 : 1e-6);
            cr_expect_eq(out.n_right, out.n_true, "%d, %zu: %zu of %zu", m, n, out.n_right,
                         out.n_true);
            cr_expect_eq(out.stats.within, out.n_hits);
            cr_expect_not(out.stats.cut);
        }
        fixture_close(&f);
    }
}

Test(index_range, a_walk_widens_until_it_is_past_the_distance) {
    for (int m = 0; m < 6; m++) {
        struct fixture f;
        float query[12];
        size_t n_right = 0, n_true = 0;
        open_filled(&f, (enum index_metric)(m / 2), m % 2 ? INDEX_SQ8 : INDEX_F32, 6000);
        for (size_t n = 1; n <= 1200; n = n * 3 + 1) {
            fixture_random_vector(&f, query);
            struct index_query q = {.vector = query,
                                    .k = 4000,
                                    .ef = 32,
                                    .ranged = true,
                                    .within = radius_of(&f, query, n)};
            struct outcome out = look(&f, &q, m % 2 ? 0.002 : 1e-6);
            cr_expect_not(out.stats.cut);
            if (n == 1) cr_expect_lt(out.stats.distances, 3000, "%d: no scan", m);
            n_right += out.n_right;
            n_true += out.n_true;
        }
        cr_expect_geq((double)n_right, 0.97 * (double)n_true, "%d: %zu of %zu", m, n_right, n_true);
        fixture_close(&f);
    }
}

Test(index_range, more_than_k_are_cut_to_the_nearest_and_that_is_said) {
    struct fixture f;
    float query[12];
    open_filled(&f, INDEX_EUCLIDEAN, INDEX_F32, 6000);
    for (int exact = 0; exact < 2; exact++) {
        fixture_random_vector(&f, query);
        struct index_query q = {.vector = query,
                                .k = 50,
                                .exact = exact,
                                .ranged = true,
                                .within = radius_of(&f, query, 900)};
        struct outcome out = look(&f, &q, 1e-6);
        cr_expect_eq(out.n_hits, 50);
        cr_expect(out.stats.cut);
        if (exact) cr_expect_eq(out.stats.within, 900);
        uint64_t nearest[50];
        fixture_nearest(&f, query, 50, nearest);
        q.within = radius_of(&f, query, 50); /* as many as fit are not cut */
        out = look(&f, &q, 1e-6);
        cr_expect_geq(out.n_hits, 49);
        cr_expect_not(out.stats.cut);
    }
    fixture_close(&f);
}

Test(index_range, nothing_within_is_no_hit_and_no_scan) {
    struct fixture f;
    float query[12];
    open_filled(&f, INDEX_EUCLIDEAN, INDEX_F32, 6000);
    fixture_random_vector(&f, query);
    struct index_query q = {.vector = query, .k = 100, .ranged = true, .within = -1};
    struct outcome out = look(&f, &q, 0);
    cr_expect_eq(out.n_hits, 0);
    cr_expect_not(out.stats.fell_back);
    cr_expect_lt(out.stats.distances, 4000);
    q.within = NAN;
    const struct index_view *view = index_view_hold(f.index);
    cr_expect_eq(index_search_start(f.reader, view, &q), STATUS_INVALID);
    index_view_drop(view);
    fixture_close(&f);
}

Test(index_range, an_empty_index_has_nothing_within) {
    struct fixture f;
    float query[3] = {0};
    fixture_open(&f, &(struct index_options){.dimension = 3}, 1);
    struct index_query q = {.vector = query, .k = 10, .ranged = true, .within = 1e9f};
    cr_expect_eq(look(&f, &q, 0).n_hits, 0);
    fixture_append_random(&f, 4);
    cr_expect_eq(look(&f, &q, 0).n_hits, 4);
    fixture_close(&f);
}
