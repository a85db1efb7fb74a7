/* An index under change: points that go, slots used again, searches that outlive both, codes that
 * follow. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/index/fixture.h"

static const enum index_metric metrics[] = {INDEX_COSINE, INDEX_EUCLIDEAN, INDEX_DOT};

Test(index, a_removed_point_never_returns) {
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct fixture f;
        fixture_open(&f, &(struct index_options){.dimension = 3, .M = 4, .ef_construction = 30},
                     seed);
        uint64_t removed[300];
        size_t n_removed = 0;
        for (int round = 0; round < 300; round++) {
            fixture_append_random(&f, 4);
            size_t at = rng_below(&f.rng, f.n);
            float vector[3];
            memcpy(vector, f.vectors + at * 3, sizeof vector);
            removed[n_removed++] = f.numbers[at];
            fixture_remove_at(&f, at);
            bool idle;
            cr_assert_eq(index_link_step(f.index, rng_below(&f.rng, 4000), &idle), STATUS_OK);
            struct index_hit hits[20];
            struct index_query query = {.vector = vector, .k = 20, .ef = 40};
            size_t n = fixture_search(&f, &query, hits);
            cr_expect_eq(n, f.n < 20 ? f.n : 20);
            for (size_t i = 0; i < n; i++) {
                for (size_t j = 0; j < n_removed; j++)
                    cr_assert_neq(hits[i].number, removed[j], "seed %d", (int)seed);
            }
        }
        fixture_close(&f);
    }
}

/* What a start asks: of many numbers in any order, which are not there? */
Test(index, the_numbers_it_lacks) {
    enum { ALL = 1000, ASKED = 2 * ALL };
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 3}, 1);
    uint64_t asked[ASKED], expected[ASKED], lacking[ASKED];
    cr_assert_eq(index_lacking(f.index, asked, 0, lacking), 0);
    bool has[ASKED + 1] = {false};
    for (int round = 0; round < 3; round++) { /* nothing; all; some */
        if (round == 1) fixture_append_random(&f, ALL);
        if (round == 2) fixture_remove_random(&f, ALL / 3);
        memset(has, 0, sizeof has);
        for (size_t i = 0; i < f.n; i++) {
            cr_assert_leq(f.numbers[i], ASKED);
            has[f.numbers[i]] = true;
        }
        size_t n = 0;
        for (uint64_t i = 0; i < ASKED; i++) {
            asked[i] = 1 + i * 77 % ASKED; /* each once */
            if (!has[asked[i]]) expected[n++] = asked[i];
        }
        cr_assert_eq(n, ASKED - f.n);
        cr_assert_eq(index_lacking(f.index, asked, ASKED, lacking), n);
        cr_expect_arr_eq(lacking, expected, n * sizeof *lacking);
    }
    fixture_close(&f);
}

Test(index, slots_of_removed_points_are_used_again) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 6}, 1);
    fixture_append_random(&f, 500);
    for (int round = 0; round < 30; round++) {
        fixture_remove_random(&f, 100);
        fixture_settle(&f);
        fixture_append_random(&f, 100);
        fixture_settle(&f);
    }
    struct index_stats stats = fixture_stats(&f);
    cr_expect_eq(stats.points, 500);
    cr_expect_leq(stats.slots, 650);
    fixture_validate(&f);
    fixture_close(&f);
}

/* A search that is under way keeps the slots it may know. */
Test(index, a_reader_holds_slots_until_it_ends) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 6}, 1);
    fixture_append_random(&f, 600);
    fixture_settle(&f);
    const struct index_view *view = index_view_hold(f.index);
    float vector[6] = {1};
    struct index_query query = {.vector = vector, .k = 5, .exact = true};
    cr_assert_eq(index_search_start(f.reader, view, &query), STATUS_OK);
    fixture_remove_random(&f, 600);
    fixture_settle(&f);
    cr_expect_eq(fixture_stats(&f).removed, 600);
    index_search_end(f.reader);
    fixture_settle(&f);
    cr_expect_eq(fixture_stats(&f).removed, 0);
    index_view_drop(view);
    fixture_close(&f);
}

Test(index, a_view_outlives_its_index) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 6, .metric = INDEX_EUCLIDEAN}, 1);
    fixture_append_random(&f, 2000);
    fixture_settle(&f);
    fixture_append_random(&f, 100);
    const struct index_view *view = index_view_hold(f.index);
    const struct index_view *again = index_view_again(view);
    index_close(f.index);
    index_view_drop(view);
    for (size_t at = 0; at < f.n; at += 100) {
        struct index_query query = {.vector = f.vectors + at * 6, .k = 1};
        bool done = false;
        size_t n;
        cr_assert_eq(index_search_start(f.reader, again, &query), STATUS_OK);
        while (!done)
            cr_assert_eq(index_search_step(f.reader, 100, &done), STATUS_OK);
        const struct index_hit *hits = index_search_hits(f.reader, &n);
        cr_assert_eq(n, 1);
        cr_expect_eq(hits[0].number, f.numbers[at]);
        index_search_end(f.reader);
    }
    index_view_drop(again);
    index_view_drop(NULL);
    f.index = NULL;
    fixture_close(&f);
}

Test(index, a_cancelled_search_stops) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 6}, 1);
    fixture_append_random(&f, 2000);
    const struct index_view *view = index_view_hold(f.index);
    atomic_bool cancel = false;
    float vector[6] = {1};
    struct index_query query = {.vector = vector, .k = 5, .exact = true, .cancel = &cancel};
    bool done = true;
    cr_assert_eq(index_search_start(f.reader, view, &query), STATUS_OK);
    cr_assert_eq(index_search_step(f.reader, 10, &done), STATUS_OK);
    cr_expect_not(done);
    atomic_store(&cancel, true);
    cr_expect_eq(index_search_step(f.reader, 10, &done), STATUS_CANCELLED);
    index_search_end(f.reader);
    index_search_end(f.reader); /* again is fine */
    index_view_drop(view);
    fixture_close(&f);
}

Test(index, steps_keep_to_their_budget) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 6}, 1);
    fixture_append_random(&f, 5000);
    const struct index_view *view = index_view_hold(f.index);
    float vector[6] = {1};
    for (int round = 0; round < 2; round++) {
        struct index_query query = {.vector = vector, .k = 5, .ef = 200, .exact = round == 0};
        bool done = false;
        uint64_t before = 0;
        cr_assert_eq(index_search_start(f.reader, view, &query), STATUS_OK);
        while (!done) {
            cr_assert_eq(index_search_step(f.reader, 100, &done), STATUS_OK);
            uint64_t now = index_search_stats(f.reader).distances;
            cr_expect_leq(now - before, 200);
            before = now;
        }
        index_search_end(f.reader);
        fixture_settle(&f);
    }
    index_view_drop(view);
    fixture_close(&f);
}

/* The hits of some searches, as one number. */
static uint64_t fingerprint(uint64_t seed) {
    struct fixture f;
    uint64_t sum = 0;
    fixture_open(&f, &(struct index_options){.dimension = 10, .M = 4, .seed = seed}, 9);
    for (int round = 0; round < 3; round++) {
        fixture_append_random(&f, 500);
        fixture_remove_random(&f, 100);
        fixture_settle(&f);
    }
    for (int q = 0; q < 50; q++) {
        float vector[10];
        struct index_hit hits[10];
        fixture_random_vector(&f, vector);
        struct index_query query = {.vector = vector, .k = 10, .ef = 10};
        size_t n = fixture_search(&f, &query, hits);
        for (size_t i = 0; i < n; i++)
            sum = rng_mix(sum ^ hits[i].number);
        sum += index_search_stats(f.reader).distances;
    }
    fixture_close(&f);
    return sum;
}

Test(index, the_same_seed_and_calls_give_the_same_graph) {
    cr_expect_eq(fingerprint(1), fingerprint(1));
    cr_expect_neq(fingerprint(1), fingerprint(2));
}

/* Random operations on awkward sizes; all invariants after each few. */
Test(index, stays_valid_through_any_operations) {
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        struct index_options options = {
            .dimension = 1 + (uint32_t)rng_below(&rng, 20),
            .metric = metrics[rng_below(&rng, 3)],
            .M = rng_below(&rng, 2) ? 2 : 8,
            .ef_construction = 10 + (uint32_t)rng_below(&rng, 50),
            .seed = seed,
            .storage = seed % 2 ? INDEX_SQ8 : INDEX_AUTO,
            .train_min = 40, /* codes early, and anew */
        };
        bool on_a_grid = rng_below(&rng, 3) == 0; /* many duplicates */
        struct fixture f;
        fixture_open(&f, &options, seed);
        for (int operation = 0; operation < 800; operation++) {
            uint64_t choice = rng_below(&rng, 10);
            bool idle, shrinking = operation / 200 % 2;
            float vector[20];
            fixture_random_vector(&f, vector);
            for (uint32_t i = 0; on_a_grid && i < options.dimension; i++)
                vector[i] = (float)rng_below(&rng, 2);
            if (choice < (shrinking ? 2 : 5))
                fixture_append(&f, vector);
            else if (choice < 6)
                fixture_remove_random(&f, 1);
            else
                cr_assert_eq(index_link_step(f.index, 1 + rng_below(&rng, 4000), &idle), 0);
            if (operation % 40 == 0) fixture_validate(&f);
        }
        cr_expect_eq(fixture_stats(&f).points, f.n, "seed %d", (int)seed);
        double exact = fixture_recall(&f, 3, 5, 0);
        cr_expect_geq(exact, seed % 2 ? 0.8 : 1.0, "seed %d: %.2f", (int)seed, exact);
        fixture_settle(&f);
        fixture_validate(&f);
        fixture_close(&f);
    }
}

/* --- codes --- */

Test(index, codes_begin_with_enough_points_and_find_as_well) {
    for (size_t m = 0; m < 3; m++) {
        struct fixture f;
        struct index_options options = {
            .dimension = 48, .metric = metrics[m], .train_min = 1000, .storage = INDEX_AUTO};
        fixture_open(&f, &options, 3);
        fixture_append_random(&f, 900);
        fixture_settle(&f);
        cr_expect_eq(fixture_stats(&f).storage, INDEX_F32);
        fixture_append_random(&f, 1100);
        fixture_settle(&f);
        cr_expect_eq(fixture_stats(&f).storage, INDEX_SQ8);
        fixture_validate(&f);
        double exact = fixture_recall(&f, 50, 10, 0), found = fixture_recall(&f, 50, 10, 200);
        cr_expect_geq(exact, 0.985, "%s: %.3f", index_metric_name(metrics[m]), exact);
        cr_expect_geq(found, 0.95, "%s: %.3f", index_metric_name(metrics[m]), found);
        fixture_close(&f);
    }
}

Test(index, storage_is_as_it_was_asked_for) {
    static const struct {
        enum index_storage asked, kept;
        uint32_t dimension;
    } rows[] = {
        {INDEX_AUTO, INDEX_F32, 31}, {INDEX_AUTO, INDEX_SQ8, 32}, {INDEX_F32, INDEX_F32, 64},
        {INDEX_SQ8, INDEX_SQ8, 64},  {INDEX_SQ8, INDEX_SQ8, 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        struct index_options options = {
            .dimension = rows[i].dimension, .storage = rows[i].asked, .train_min = 100};
        fixture_open(&f, &options, 3);
        fixture_append_random(&f, 300);
        fixture_settle(&f);
        cr_expect_eq(fixture_stats(&f).storage, rows[i].kept, "row %zu", i);
        fixture_close(&f);
    }
}

Test(index, codes_take_less_than_half_of_the_memory) {
    struct fixture f;
    uint64_t bytes[2];
    for (int coded = 0; coded < 2; coded++) {
        struct index_options options = {
            .dimension = 256, .storage = coded ? INDEX_SQ8 : INDEX_F32, .train_min = 100};
        fixture_open(&f, &options, 3);
        fixture_append_random(&f, 2000);
        fixture_settle(&f);
        bytes[coded] = fixture_stats(&f).memory_bytes;
        fixture_close(&f);
    }
    cr_expect_lt(2 * bytes[1], bytes[0], "%d of %d", (int)bytes[1], (int)bytes[0]);
}

/* The first points say nothing about the later ones: codes are made anew, and lose nothing. */
Test(index, codes_follow_points_that_come_to_lie_elsewhere) {
    struct fixture f;
    float vector[40];
    struct index_options options = {
        .dimension = 40, .metric = INDEX_EUCLIDEAN, .train_min = 200, .storage = INDEX_SQ8};
    fixture_open(&f, &options, 3);
    for (int size = 1; size <= 1000; size *= 10) {
        for (int i = 0; i < 400; i++) {
            fixture_random_vector(&f, vector);
            for (uint32_t d = 0; d < 40; d++)
                vector[d] *= (float)size;
            fixture_append(&f, vector);
        }
        fixture_settle(&f);
        fixture_validate(&f);
    }
    size_t n_near = 0, n_all = 0;
    for (size_t at = 1200; at < f.n; at += 4) { /* of the last and widest */
        struct index_hit hits[5];
        uint64_t expected[5];
        const float *query = f.vectors + at * 40;
        size_t n = fixture_find(&f, query, 5, hits);
        size_t n_expected = fixture_nearest(&f, query, 5, expected);
        cr_assert_eq(n, n_expected);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++)
                n_near += hits[i].number == expected[j];
        }
        n_all += n;
    }
    cr_expect_geq((double)n_near, 0.9 * (double)n_all, "%zu of %zu", n_near, n_all);
    fixture_close(&f);
}

/* A reader that began with float32 goes on with it while codes replace it. */
Test(index, a_search_outlives_the_change_to_codes) {
    struct fixture f;
    struct index_options options = {
        .dimension = 40, .metric = INDEX_EUCLIDEAN, .train_min = 2500, .storage = INDEX_SQ8};
    fixture_open(&f, &options, 3);
    fixture_append_random(&f, 2400);
    fixture_settle(&f);
    const struct index_view *view = index_view_hold(f.index);
    float vector[40] = {1};
    uint64_t expected[10];
    struct index_query query = {.vector = vector, .k = 10, .ef = 400};
    size_t n_expected = fixture_nearest(&f, vector, 10, expected), n;
    bool done = false;
    cr_assert_eq(index_search_start(f.reader, view, &query), STATUS_OK);
    cr_assert_eq(index_search_step(f.reader, 100, &done), STATUS_OK);
    fixture_append_random(&f, 400); /* the reader meets these, in the old store */
    fixture_settle(&f);
    cr_expect_eq(fixture_stats(&f).storage, INDEX_SQ8);
    while (!done)
        cr_assert_eq(index_search_step(f.reader, 100, &done), STATUS_OK);
    const struct index_hit *hits = index_search_hits(f.reader, &n);
    size_t n_same = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n_expected; j++)
            n_same += hits[i].number == expected[j];
    }
    cr_expect_eq(n, 10);
    cr_expect_geq(n_same, 5); /* the later points may be nearer */
    index_search_end(f.reader);
    fixture_settle(&f);
    index_view_drop(view);
    fixture_close(&f);
}
