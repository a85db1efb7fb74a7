/* The index through its front door, each behaviour beside the exact oracle. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "tests/unit/index/fixture.h"

static const enum index_metric metrics[] = {INDEX_COSINE, INDEX_EUCLIDEAN, INDEX_DOT};

Test(index, an_exact_search_agrees_with_the_oracle) {
    for (size_t m = 0; m < 3; m++) {
        struct fixture f;
        fixture_open(&f, &(struct index_options){.dimension = 19, .metric = metrics[m]}, 7);
        fixture_append_random(&f, 500);
        cr_expect_eq(fixture_recall(&f, 30, 10, 0), 1.0, "%s", index_metric_name(metrics[m]));
        fixture_settle(&f);
        fixture_remove_random(&f, 100);
        cr_expect_eq(fixture_recall(&f, 30, 10, 0), 1.0, "%s", index_metric_name(metrics[m]));
        fixture_close(&f);
    }
}

Test(index, refuses_options_out_of_range) {
    const struct index_options rows[] = {
        {.dimension = 0},
        {.dimension = INDEX_DIMENSION_MAX + 1},
        {.dimension = 2, .metric = (enum index_metric)3},
        {.dimension = 2, .storage = INDEX_STORAGES},
        {.dimension = 2, .M = 1},
        {.dimension = 2, .M = 129},
        {.dimension = 2, .ef_construction = INDEX_EF_MAX + 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct index *index = NULL;
        uint64_t applied;
        cr_expect_eq(index_open(&rows[i], NULL, &index, &applied), STATUS_INVALID, "row %zu", i);
        cr_expect_null(index);
    }
    index_close(NULL);
}

Test(index, refuses_queries_out_of_range) {
    struct fixture f;
    float vector[2] = {0};
    fixture_open(&f, &(struct index_options){.dimension = 2}, 1);
    const struct index_view *view = index_view_hold(f.index);
    const struct index_query rows[] = {
        {.vector = vector, .k = 0},
        {.vector = vector, .k = INDEX_K_MAX + 1},
        {.vector = vector, .k = 1, .ef = INDEX_EF_MAX + 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(index_search_start(f.reader, view, &rows[i]), STATUS_INVALID, "row %zu", i);
    index_view_drop(view);
    fixture_close(&f);
}

Test(index, parses_metric_names_in_any_case) {
    static const struct {
        const char *text;
        enum status status;
        enum index_metric metric;
    } rows[] = {
        {"cosine", STATUS_OK, INDEX_COSINE},
        {"COSINE", STATUS_OK, INDEX_COSINE},
        {"Euclidean", STATUS_OK, INDEX_EUCLIDEAN},
        {"l2", STATUS_OK, INDEX_EUCLIDEAN},
        {"L2", STATUS_OK, INDEX_EUCLIDEAN},
        {"", STATUS_OK, INDEX_EUCLIDEAN},
        {"dot", STATUS_OK, INDEX_DOT},
        {"dotty", STATUS_INVALID, INDEX_DOT},
        {"cos", STATUS_INVALID, INDEX_DOT},
        {" dot", STATUS_INVALID, INDEX_DOT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum index_metric metric = INDEX_DOT;
        cr_expect_eq(index_metric_parse(rows[i].text, &metric), rows[i].status, "%s", rows[i].text);
        cr_expect_eq(metric, rows[i].metric, "%s", rows[i].text);
    }
    for (size_t m = 0; m < 3; m++) {
        enum index_metric metric;
        cr_expect_eq(index_metric_parse(index_metric_name(metrics[m]), &metric), STATUS_OK);
        cr_expect_eq(metric, metrics[m]);
    }
}

Test(index, an_empty_index_finds_nothing) {
    struct fixture f;
    float vector[3] = {1, 2, 3};
    struct index_hit hits[5];
    fixture_open(&f, &(struct index_options){.dimension = 3}, 1);
    cr_expect_eq(fixture_find(&f, vector, 5, hits), 0);
    fixture_settle(&f);
    cr_expect_eq(fixture_find(&f, vector, 5, hits), 0);
    fixture_validate(&f);
    fixture_close(&f);
}

Test(index, one_point_is_found_in_the_tail_and_in_the_graph) {
    struct fixture f;
    float vector[3] = {1, 2, 3};
    struct index_hit hits[5];
    fixture_open(&f, &(struct index_options){.dimension = 3, .metric = INDEX_EUCLIDEAN}, 1);
    fixture_append(&f, vector);
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(fixture_find(&f, vector, 5, hits), 1);
        cr_expect_eq(hits[0].number, 1);
        cr_expect_eq(hits[0].distance, 0);
        cr_expect_eq(hits[0].id_size, 2);
        fixture_settle(&f);
    }
    cr_expect_eq(fixture_stats(&f).tail, 0);
    fixture_close(&f);
}

Test(index, gives_everything_when_k_is_larger) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 5}, 1);
    fixture_append_random(&f, 1500);
    fixture_settle(&f);
    struct index_hit *hits = malloc(2000 * sizeof *hits);
    float vector[5] = {1};
    cr_expect_eq(fixture_find(&f, vector, 2000, hits), 1500);
    for (size_t i = 1; i < 1500; i++)
        cr_expect_leq(hits[i - 1].distance, hits[i].distance);
    free(hits);
    fixture_close(&f);
}

Test(index, works_in_every_kind_of_dimension) {
    static const uint32_t dimensions[] = {1, 2, 15, 16, 17, 63, 64, 65, 100, 1000, 65535};
    for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) {
        for (size_t m = 0; m < 3; m++) {
            struct fixture f;
            struct index_options options = {
                .dimension = dimensions[d], .metric = metrics[m], .ef_construction = 30};
            fixture_open(&f, &options, d);
            size_t n = dimensions[d] > 10000 ? 30 : 400; /* more than ef * M: not scanned */
            fixture_append_random(&f, n);
            fixture_settle(&f);
            fixture_validate(&f);
            cr_expect_eq(fixture_recall(&f, 5, 5, 0), 1.0, "%u", dimensions[d]);
            double recall = fixture_recall(&f, 20, 5, 24);
            /* In 1,000 dimensions random points are all about as far; a broken kernel gives 0.1. */
            cr_expect_geq(recall, 0.8, "%u: %.3f", dimensions[d], recall);
            fixture_close(&f);
        }
    }
}

Test(index, linked_points_are_found_nearly_always) {
    for (size_t m = 0; m < 3; m++) {
        struct fixture f;
        fixture_open(&f, &(struct index_options){.dimension = 12, .metric = metrics[m]}, 3);
        fixture_append_random(&f, 2000);
        fixture_settle(&f);
        fixture_validate(&f);
        double recall = fixture_recall(&f, 50, 10, 100);
        cr_expect_geq(recall, 0.95, "%s: %.3f", index_metric_name(metrics[m]), recall);
        fixture_close(&f);
    }
}

Test(index, takes_points_it_already_has_as_done) {
    struct fixture f;
    float vector[2] = {1, 1};
    fixture_open(&f, &(struct index_options){.dimension = 2}, 1);
    struct index_point points[] = {{.number = 7, .vector = vector, .id = "a", .id_size = 1},
                                   {.number = 8, .vector = vector, .id = "b", .id_size = 1},
                                   {.number = 8, .vector = vector, .id = "b", .id_size = 1}};
    cr_expect_eq(index_append(f.index, points, 3), STATUS_OK);
    cr_expect_eq(fixture_stats(&f).points, 2);
    cr_expect_eq(index_append(f.index, points, 3), STATUS_OK);
    fixture_settle(&f);
    cr_expect_eq(index_append(f.index, points, 2), STATUS_OK);
    cr_expect_eq(fixture_stats(&f).points, 2);
    cr_expect_eq(fixture_stats(&f).tail, 0);
    cr_expect_eq(index_remove(f.index, 7), STATUS_OK);
    cr_expect_eq(index_remove(f.index, 7), STATUS_NOT_FOUND);
    cr_expect_eq(index_remove(f.index, 9), STATUS_NOT_FOUND);
    fixture_close(&f);
}

Test(index, refuses_ids_out_of_range) {
    struct fixture f;
    float vector[2] = {1, 1};
    char id[INDEX_ID_MAX + 1];
    memset(id, 'x', sizeof id);
    fixture_open(&f, &(struct index_options){.dimension = 2}, 1);
    struct index_point points[] = {{.number = 1, .vector = vector, .id = id, .id_size = 1},
                                   {.number = 2, .vector = vector, .id = id, .id_size = 0}};
    cr_expect_eq(index_append(f.index, points, 2), STATUS_INVALID);
    points[1].id_size = INDEX_ID_MAX + 1;
    cr_expect_eq(index_append(f.index, points, 2), STATUS_INVALID);
    cr_expect_eq(fixture_stats(&f).points, 0);
    points[1].id_size = INDEX_ID_MAX;
    cr_expect_eq(index_append(f.index, points, 2), STATUS_OK);
    fixture_close(&f);
}

Test(index, a_full_tail_says_busy_and_changes_nothing) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 2, .tail_max = 10}, 1);
    fixture_append_random(&f, 8);
    cr_expect_eq(index_tail_room(f.index), 2);
    float vector[2] = {0, 1};
    struct index_point points[3];
    for (uint64_t i = 0; i < 3; i++)
        points[i] =
            (struct index_point){.number = 100 + i, .vector = vector, .id = "x", .id_size = 1};
    cr_expect_eq(index_append(f.index, points, 3), STATUS_BUSY);
    cr_expect_eq(fixture_stats(&f).points, 8);
    cr_expect_eq(index_append(f.index, points, 2), STATUS_OK);
    cr_expect_eq(index_tail_room(f.index), 0);
    fixture_settle(&f);
    cr_expect_eq(index_tail_room(f.index), 10);
    fixture_close(&f);
}

Test(index, long_vectors_have_a_shorter_tail) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 3}, 1);
    cr_expect_eq(index_tail_room(f.index), INDEX_TAIL_MAX);
    fixture_close(&f);
    fixture_open(&f, &(struct index_options){.dimension = 4096}, 1);
    cr_expect_gt(index_tail_room(f.index), 1000);
    cr_expect_lt(index_tail_room(f.index), 4000);
    fixture_close(&f);
}

/* Equal distances are ordered by id, however the points came. */
Test(index, equal_distances_are_ordered_by_id) {
    struct fixture f;
    float vector[4] = {1, 0, 0, 0};
    static const char *const ids[] = {"d", "b", "ba", "a", "c"};
    static const char *const expected[] = {"a", "b", "ba", "c"};
    fixture_open(&f, &(struct index_options){.dimension = 4}, 1);
    for (uint64_t i = 0; i < 5; i++) {
        struct index_point point = {
            .number = i + 1, .vector = vector, .id = ids[i], .id_size = (uint32_t)strlen(ids[i])};
        cr_assert_eq(index_append(f.index, &point, 1), STATUS_OK);
    }
    for (int round = 0; round < 2; round++) {
        struct index_hit hits[4];
        cr_assert_eq(fixture_find(&f, vector, 4, hits), 4);
        for (size_t i = 0; i < 4; i++) {
            cr_expect_eq(hits[i].id_size, strlen(expected[i]));
            cr_expect_arr_eq(hits[i].id, expected[i], hits[i].id_size);
        }
        fixture_settle(&f);
    }
    fixture_close(&f);
}

/* Thousands of equal points must neither cut the graph apart nor hide the others. */
Test(index, duplicates_do_not_cut_the_graph) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 4, .metric = INDEX_EUCLIDEAN}, 1);
    float same[4] = {5, 5, 5, 5};
    for (int i = 0; i < 1500; i++)
        fixture_append(&f, same);
    fixture_append_random(&f, 1500);
    fixture_settle(&f);
    fixture_validate(&f);
    cr_expect_geq(fixture_recall(&f, 30, 10, 64), 0.95);
    fixture_remove_random(&f, 1500);
    fixture_settle(&f);
    fixture_validate(&f);
    cr_expect_geq(fixture_recall(&f, 30, 10, 64), 0.95);
    fixture_close(&f);
}

Test(index, zero_huge_and_denormal_vectors_have_sane_distances) {
    static const float values[][2] = {
        {0, 0},
        {FLT_MAX, FLT_MAX},
        {-FLT_MAX, FLT_MAX},
        {-FLT_MAX, -FLT_MAX},
        {FLT_MAX, 0},
        {1e-45f, 1e-45f},
        {-1e-45f, 0},
        {1e30f, -1e30f},
        {1e-30f, 1},
        {3, 4},
        {1e20f, 1e-20f},
        {FLT_MIN, FLT_MIN},
    };
    enum { N = sizeof values / sizeof *values };
    for (size_t m = 0; m < 3; m++) {
        struct fixture f;
        fixture_open(&f, &(struct index_options){.dimension = 2, .metric = metrics[m]}, 1);
        for (int copies = 0; copies < 100; copies++) {
            for (size_t i = 0; i < N; i++)
                fixture_append(&f, values[i]);
        }
        fixture_settle(&f);
        fixture_validate(&f);
        for (size_t q = 0; q < N; q++) {
            struct index_hit hits[N];
            size_t n = fixture_find(&f, values[q], N, hits);
            cr_expect_eq(n, N);
            for (size_t i = 0; i < n; i++) {
                cr_expect(isfinite(hits[i].distance), "%zu %zu", m, q);
                const float *vector = f.vectors + (hits[i].number - 1) * 2;
                double exact = fixture_distance(&f, values[q], vector);
                if (fabs(exact) > FLT_MAX) exact = exact > 0 ? FLT_MAX : -FLT_MAX;
                double bound = metrics[m] == INDEX_COSINE ? 1e-6 : 1e-6 * fabs(exact) + 1e-37;
                cr_expect_leq(fabs(hits[i].distance - exact), bound, "%zu %zu: %g %g", m, q,
                              (double)hits[i].distance, exact);
            }
        }
        fixture_close(&f);
    }
}

Test(index, a_vector_is_at_cosine_distance_zero_from_itself) {
    static const uint32_t dimensions[] = {1, 3, 768, 65535};
    for (size_t d = 0; d < 4; d++) {
        struct fixture f;
        struct index_hit hit;
        fixture_open(&f, &(struct index_options){.dimension = dimensions[d]}, d);
        fixture_append_random(&f, 20);
        for (size_t i = 0; i < f.n; i++) {
            cr_assert_eq(fixture_find(&f, f.vectors + i * dimensions[d], 1, &hit), 1);
            cr_expect_geq(hit.distance, 0);
            cr_expect_leq(hit.distance, 1e-6f, "%u: %g", dimensions[d], (double)hit.distance);
        }
        fixture_close(&f);
    }
}

Test(index, vectors_may_lie_at_any_address) {
    struct fixture f;
    struct index_hit hit;
    char bytes[3 * sizeof(float) + 1];
    float vector[3] = {1, 2, 3};
    memcpy(bytes + 1, vector, sizeof vector);
    fixture_open(&f, &(struct index_options){.dimension = 3, .metric = INDEX_EUCLIDEAN}, 1);
    struct index_point point = {.number = 1, .vector = bytes + 1, .id = "a", .id_size = 1};
    cr_assert_eq(index_append(f.index, &point, 1), STATUS_OK);
    cr_assert_eq(fixture_find(&f, (const float *)(const void *)(bytes + 1), 1, &hit), 1);
    cr_expect_eq(hit.distance, 0);
    fixture_close(&f);
}

Test(index, a_bitmap_lets_only_its_slots_through) {
    static const unsigned shares[] = {1, 5, 50, 90, 100}; /* percent that match */
    struct fixture f;
    enum { N = 3000, K = 10 };
    fixture_open(&f, &(struct index_options){.dimension = 8}, 1);
    fixture_append_random(&f, N);
    fixture_settle(&f);
    fixture_append_random(&f, 50); /* slots come in order here: slot = number - 1 */
    for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
        uint64_t bitmap[(N + 50 + 63) / 64] = {0};
        for (size_t slot = 0; slot < N + 50; slot++) {
            if (rng_below(&f.rng, 100) < shares[s]) bitmap[slot / 64] |= UINT64_C(1) << slot % 64;
        }
        for (int round = 0; round < 20; round++) {
            float vector[8];
            struct index_hit hits[K], exact[K];
            fixture_random_vector(&f, vector);
            struct index_query query = {
                .vector = vector, .k = K, .ef = 30, .bitmap = bitmap, .bitmap_slots = N + 50};
            size_t n = fixture_search(&f, &query, hits), n_same = 0;
            query.exact = true;
            cr_assert_eq(fixture_search(&f, &query, exact), n);
            cr_expect_eq(n, K);
            for (size_t i = 0; i < n; i++) {
                cr_expect_eq(hits[i].slot, hits[i].number - 1);
                cr_expect(bitmap[hits[i].slot / 64] >> hits[i].slot % 64 & 1);
                for (size_t j = 0; j < n; j++)
                    n_same += hits[i].number == exact[j].number;
            }
            cr_expect_geq(n_same, 8, "%u %%", shares[s]);
        }
    }
    fixture_close(&f);
}

Test(index, slots_beyond_a_bitmap_do_not_match) {
    struct fixture f;
    float vector[2] = {1, 0};
    uint64_t bitmap = ~UINT64_C(0);
    struct index_hit hits[20];
    fixture_open(&f, &(struct index_options){.dimension = 2}, 1);
    fixture_append_random(&f, 20);
    for (uint32_t covered = 0; covered <= 10; covered++) {
        struct index_query query = {
            .vector = vector, .k = 20, .bitmap = &bitmap, .bitmap_slots = covered};
        cr_expect_eq(fixture_search(&f, &query, hits), covered);
    }
    fixture_close(&f);
}

Test(index, lists_the_numbers_of_live_points_in_pages) {
    struct fixture f;
    uint64_t numbers[70], sum = 0, expected = 0;
    uint32_t slot = 0;
    size_t n, n_all = 0;
    fixture_open(&f, &(struct index_options){.dimension = 2}, 1);
    fixture_append_random(&f, 500);
    fixture_remove_random(&f, 123);
    const struct index_view *view = index_view_hold(f.index);
    while ((n = index_numbers(view, &slot, numbers, 70)) > 0) {
        n_all += n;
        for (size_t i = 0; i < n; i++)
            sum += numbers[i];
    }
    for (size_t i = 0; i < f.n; i++)
        expected += f.numbers[i];
    cr_expect_eq(n_all, f.n);
    cr_expect_eq(sum, expected);
    index_view_drop(view);
    fixture_close(&f);
}

Test(index, a_hundred_points_cost_little) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 768}, 1);
    fixture_append_random(&f, 100);
    fixture_settle(&f);
    cr_expect_lt(fixture_stats(&f).memory_bytes, 600 << 10);
    fixture_close(&f);
}

/* Each allocation of a life fails in turn; nothing leaks, and what worked before still does. */
Test(index, running_out_of_memory_is_an_error_and_no_more) {
    struct index_options options = {
        .dimension = 300, .M = 2, .ef_construction = 8, .train_min = 100};
    float vector[300] = {1};
    uint64_t alive = mem_counted().alive, n_failed = 0;
    for (uint64_t nth = 1;; nth++) {
        struct index *index = NULL;
        uint64_t applied, n = 0;
        enum status s = STATUS_OK;
        bool idle = false;
        mem_fail_at(nth);
        if (index_open(&options, NULL, &index, &applied) != STATUS_OK) {
            mem_fail_at(0);
            n_failed++;
            continue;
        }
        for (uint64_t number = 1; number <= 200 && s == STATUS_OK; number++) {
            vector[number] = (float)number;
            struct index_point point = {
                .number = number, .vector = vector, .id = "a", .id_size = 1};
            s = index_append(index, &point, 1);
            n += s == STATUS_OK;
        }
        while (!idle && s == STATUS_OK)
            s = index_link_step(index, 1000, &idle);
        mem_fail_at(0);
        idle = false;
        while (!idle)
            cr_assert_eq(index_link_step(index, 1000, &idle), STATUS_OK);
        const struct index_view *view = index_view_hold(index);
        char text[200] = "";
        cr_expect_eq(index_stats(view).points, n);
        cr_expect_eq(index_validate(view, text, sizeof text), STATUS_OK, "%s", text);
        index_view_drop(view);
        index_close(index);
        cr_assert_eq(mem_counted().alive, alive, "allocation %d", (int)nth);
        if (s == STATUS_OK) break;
        cr_assert_eq(s, STATUS_NO_MEMORY);
        n_failed++;
    }
    cr_expect_gt(n_failed, 10);
}
