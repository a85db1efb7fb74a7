/* Many queries in one scan: each finds what it would find alone. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "index/batch.h"
#include "tests/unit/index/fixture.h"

static const uint32_t dimensions[] = {1, 3, 16, 33, 64, 100, 700};

static void run(struct index_batch *batch) {
    bool done = false;
    while (!done)
        cr_assert_eq(index_batch_step(batch, 100, &done), STATUS_OK);
}

/* The same hits as an exact search of the query; of codes, whose two ways of measuring round
 * differently, the same distances. */
static void compare(
    struct fixture *f, struct index_batch *batch, const float *queries, uint32_t n, uint32_t k) {
    struct index_hit *alone = malloc(k * sizeof *alone);
    for (uint32_t q = 0; q < n; q++) {
        struct index_query query = {
            .vector = queries + q * f->options.dimension, .k = k, .exact = true};
        size_t n_alone = fixture_search(f, &query, alone), n_hits;
        const struct index_hit *hits = index_batch_hits(batch, q, &n_hits);
        cr_assert_eq(n_hits, n_alone);
        for (size_t i = 0; i < n_hits; i++) {
            float gap = fabsf(hits[i].distance - alone[i].distance);
            if (f->options.storage == INDEX_F32) {
                cr_assert_eq(hits[i].number, alone[i].number, "query %u, hit %zu", q, i);
                cr_assert_eq(hits[i].distance, alone[i].distance);
            } else {
                cr_assert_leq(gap, 5e-3f * (1 + fabsf(alone[i].distance)), "%g", (double)gap);
            }
        }
    }
    free(alone);
}

Test(index_batch, finds_for_each_query_what_it_finds_alone) {
    for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) {
        for (int m = 0; m < 6; m++) {
            struct fixture f;
            struct index_options options = {.dimension = dimensions[d],
                                            .metric = (enum index_metric)(m / 2),
                                            .storage = m % 2 ? INDEX_SQ8 : INDEX_F32,
                                            .train_min = 100};
            uint32_t n = d % 2 ? 1 : 13, k = m % 3 == 0 ? 1000 : 7;
            fixture_open(&f, &options, 1 + d);
            fixture_append_random(&f, 300);
            fixture_settle(&f);
            fixture_remove_random(&f, 9);
            fixture_append_random(&f, 20);
            float *queries = malloc(n * dimensions[d] * sizeof *queries);
            for (uint32_t q = 0; q < n; q++)
                fixture_random_vector(&f, queries + q * dimensions[d]);
            const struct index_view *view = index_view_hold(f.index);
            struct index_batch *batch;
            struct index_batch_query query = {.vectors = queries, .n = n, .k = k};
            cr_assert_eq(index_batch_open(view, &query, &batch), STATUS_OK);
            run(batch);
            compare(&f, batch, queries, n, k);
            index_batch_close(batch);
            index_view_drop(view);
            free(queries);
            fixture_close(&f);
        }
    }
}

Test(index_batch, outlives_the_index_and_misses_nothing_that_is_linked_meanwhile) {
    struct fixture f;
    float queries[2 * 4];
    fixture_open(&f, &(struct index_options){.dimension = 4, .metric = INDEX_EUCLIDEAN}, 3);
    fixture_append_random(&f, 500);
    for (int q = 0; q < 2; q++)
        fixture_random_vector(&f, queries + q * 4);
    const struct index_view *view = index_view_hold(f.index);
    struct index_batch *batch;
    struct index_batch_query query = {.vectors = queries, .n = 2, .k = 600};
    bool done = false, idle = false;
    cr_assert_eq(index_batch_open(view, &query, &batch), STATUS_OK);
    while (!done) {
        cr_assert_eq(index_batch_step(batch, 40, &done), STATUS_OK);
        if (!idle) cr_assert_eq(index_link_step(f.index, 4000, &idle), STATUS_OK);
    }
    index_view_drop(view);
    for (uint32_t q = 0; q < 2; q++) {
        size_t n;
        const struct index_hit *hits = index_batch_hits(batch, q, &n);
        cr_expect_eq(n, 500);
        for (size_t i = 1; i < n; i++)
            cr_expect_leq(hits[i - 1].distance, hits[i].distance);
    }
    index_batch_close(batch);
    fixture_close(&f);
}

Test(index_batch, refuses_what_it_has_no_room_for_and_stops_when_it_is_told) {
    struct fixture f;
    float queries[2] = {0};
    struct index_batch *batch;
    fixture_open(&f, &(struct index_options){.dimension = 1}, 3);
    const struct index_view *view = index_view_hold(f.index);
    const struct index_batch_query bad[] = {{queries, 0, 1, NULL},
                                            {queries, INDEX_BATCH_MAX + 1, 1, NULL},
                                            {queries, 1, 0, NULL},
                                            {queries, 1, INDEX_EXACT_MAX + 1, NULL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(index_batch_open(view, &bad[i], &batch), STATUS_INVALID);
    atomic_bool cancel = true;
    struct index_batch_query query = {queries, 2, 1, &cancel};
    bool done;
    cr_assert_eq(index_batch_open(view, &query, &batch), STATUS_OK);
    cr_expect_eq(index_batch_step(batch, 10, &done), STATUS_CANCELLED);
    cancel = false;
    cr_expect_eq(index_batch_step(batch, 10, &done), STATUS_OK);
    size_t n;
    cr_expect(done); /* an empty index */
    (void)index_batch_hits(batch, 1, &n);
    cr_expect_eq(n, 0);
    index_batch_close(batch);
    index_view_drop(view);
    fixture_close(&f);
}
