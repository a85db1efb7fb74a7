/* Rotation, codes and stores beside plain arithmetic in double. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "index/coder.h"
#include "index/rotation.h"
#include "index/store.h"
#include "runtime/rng.h"

static const uint32_t dimensions[] = {1,  2,   3,   15,  16,  17,  31,  32,  63,  64,   65,
                                      96, 100, 127, 128, 129, 130, 200, 384, 768, 1000, 4096};
enum { N_DIMENSIONS = sizeof dimensions / sizeof *dimensions, N = 40 };

static void random_vector(struct rng *rng, float *out, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        out[i] = (float)rng_normal(rng) + (i % 3 == 0 ? 2 : 0);
}

static double gap_of(const float *a, const float *b, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

Test(rotation, keeps_distances_and_can_be_undone) {
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < N_DIMENSIONS; i++) {
        uint32_t n = dimensions[i];
        struct rotation rotation;
        float *a = calloc(3 * n, sizeof *a), *b = a + n, *was = a + 2 * n;
        cr_assert_eq(rotation_init(&rotation, n, 7), STATUS_OK);
        random_vector(&rng, a, n);
        random_vector(&rng, b, n);
        memcpy(was, a, n * sizeof *a);
        double before = gap_of(a, b, n);
        rotation_turn(&rotation, a);
        rotation_turn(&rotation, b);
        cr_expect_float_eq(gap_of(a, b, n), before, 1e-4 * before, "%u", n);
        rotation_undo(&rotation, a);
        cr_expect_leq(gap_of(a, was, n), 1e-8 * n, "%u", n);
        rotation_reset(&rotation);
        free(a);
    }
}

/* One coordinate that holds everything is spread over all. */
Test(rotation, spreads_what_is_in_one_place) {
    for (uint32_t n = 64; n <= 1024; n += 60) {
        struct rotation rotation;
        float *vector = calloc(n, sizeof *vector), largest = 0;
        cr_assert_eq(rotation_init(&rotation, n, 7), STATUS_OK);
        vector[n / 2] = 1;
        rotation_turn(&rotation, vector);
        for (uint32_t i = 0; i < n; i++)
            largest = fmaxf(largest, fabsf(vector[i]));
        cr_expect_lt(largest, 6 / sqrtf((float)n), "%u: %g", n, (double)largest);
        rotation_reset(&rotation);
        free(vector);
    }
}

/* A store of codes over N vectors, its coder trained on them. */
static struct store *
coded(const struct metric *metric, enum store_kind kind, const float *prepared) {
    struct coder coder;
    struct store *store;
    float *scratch = calloc(metric->dimension + 64, sizeof *scratch), reach = 0;
    cr_assert_eq(coder_init(&coder, metric->dimension, store_bits(kind), 3), STATUS_OK);
    for (uint32_t i = 0; i < metric->dimension; i++)
        coder.centre[i] = i % 3 == 0 && metric->kind != INDEX_DOT ? 0.5f : 0;
    for (size_t v = 0; v < N; v++)
        reach = fmaxf(reach, coder_reach(&coder, prepared + v * metric->n_floats, scratch));
    cr_assert(coder_set_bound(&coder, 1.15f * reach));
    cr_assert_eq(store_new_codes(metric, kind, &coder, &store), STATUS_OK);
    cr_assert_eq(store_grow(store, N), STATUS_OK);
    for (uint32_t v = 0; v < N; v++)
        cr_assert_eq(store_write(store, v, prepared + v * metric->n_floats), STATUS_OK);
    free(scratch);
    return store;
}

static float *prepare_all(const struct metric *metric, struct rng *rng) {
    float *all = aligned_alloc(KERNEL_ALIGN, N * metric->n_floats * sizeof *all);
    float *vector = malloc(metric->dimension * sizeof *vector);
    for (size_t v = 0; v < N; v++) {
        random_vector(rng, vector, metric->dimension);
        metric_prepare(metric, vector, all + v * metric->n_floats);
    }
    free(vector);
    return all;
}

/* Half a step of the code in every coordinate at most. */
Test(store, gives_codes_back_within_a_step) {
    struct rng rng;
    rng_init(&rng, 5);
    for (size_t i = 0; i < N_DIMENSIONS; i++) {
        struct metric metric;
        metric_init(&metric, INDEX_EUCLIDEAN, dimensions[i]);
        float *all = prepare_all(&metric, &rng);
        float *back = calloc(metric.n_floats + 64, sizeof *back);
        for (int kind = STORE_SQ8; kind < STORE_KINDS; kind++) {
            struct store *store = coded(&metric, (enum store_kind)kind, all);
            for (uint32_t v = 0; v < N; v++) {
                store_read(store, v, back);
                double gap = gap_of(back, all + v * metric.n_floats, metric.dimension);
                double step = store->coder.step;
                cr_expect_leq(gap, 0.26 * step * step * metric.dimension + 1e-9, "%u %d",
                              metric.dimension, kind);
            }
            store_free(store);
        }
        free(all);
        free(back);
    }
}

Test(store, measures_codes_nearly_as_the_metric_does) {
    struct rng rng;
    rng_init(&rng, 6);
    for (size_t i = 0; i < N_DIMENSIONS; i++) {
        for (int way = 0; way < 3 * 3; way++) {
            int kind = way % 3, code = STORE_SQ8 + way / 3;
            struct metric metric;
            struct probe probe;
            float whole[N];
            uint32_t slots[N];
            metric_init(&metric, (enum index_metric)kind, dimensions[i]);
            float *all = prepare_all(&metric, &rng);
            float *vector = malloc(metric.dimension * sizeof *vector);
            struct store *store = coded(&metric, (enum store_kind)code, all);
            random_vector(&rng, vector, metric.dimension);
            for (uint32_t v = 0; v < N; v++)
                slots[v] = v;
            probe_init(&probe);
            cr_assert_eq(probe_set(&probe, &metric, vector), STATUS_OK);
            store_probe(store, &probe);
            store_whole(store, &probe, slots, N, whole);
            double step = store->coder.step;
            for (uint32_t v = 0; v < N; v++) {
                const float *row = all + v * metric.n_floats;
                double exact = metric_distance(&metric, probe.floats, row);
                double gap = gap_of(probe.floats, row, metric.dimension);
                double apart = sqrt(kind == INDEX_DOT ? (double)probe.square : gap);
                double bound =
                    step * apart * 3 + 1.5 * step * step * metric.dimension + 1e-5 * apart;
                cr_expect_leq(fabs(whole[v] - exact), bound + 1e-5 * fabs(exact), "%u %d: %g %g",
                              metric.dimension, kind, (double)whole[v], exact);
            }
            probe_reset(&probe);
            store_free(store);
            free(all);
            free(vector);
        }
    }
}

/* Of random vectors the near measure and the pairs' order points nearly as the metric does: sums of
 * errors that know nothing of each other. */
Test(store, near_distances_and_pairs_are_those_of_the_metric_but_for_noise) {
    static const double noise[STORE_KINDS] = {0, 0.02, 0.25, 4, 0.01};
    struct rng rng;
    rng_init(&rng, 9);
    for (size_t i = 0; i < N_DIMENSIONS; i++) {
        struct metric metric;
        struct probe probe;
        metric_init(&metric, INDEX_EUCLIDEAN, dimensions[i]);
        float *all = prepare_all(&metric, &rng);
        probe_init(&probe);
        cr_assert_eq(probe_set(&probe, &metric, all), STATUS_OK);
        for (int kind = STORE_SQ8; kind < STORE_KINDS && metric.dimension >= 32; kind++) {
            struct store *store = coded(&metric, (enum store_kind)kind, all);
            double step = store->coder.step, root = sqrt(metric.dimension);
            double near_unit = kind == STORE_SQ8      ? 256 * step * step
                               : kind == STORE_RABITQ ? 1
                                                      : step * step;
            double pair_unit = kind == STORE_SQ8 ? near_unit : 1;
            float near[N], pair[N];
            const void *rows[N];
            uint32_t slots[N];
            for (uint32_t v = 0; v < N; v++) {
                slots[v] = v;
                rows[v] = store_row(store, v);
            }
            store_probe(store, &probe);
            store_near(store, probe.near, rows, N, near);
            store_pair(store, 0, slots, N, pair);
            for (uint32_t v = 1; v < N; v++) {
                double exact = metric_distance(&metric, all, all + v * metric.n_floats);
                double slack = noise[kind] * (6 * root + 20) * sqrt(exact / metric.dimension);
                /* What rounding adds to every distance, on average. */
                double rounding =
                    step * step / 6 * metric.dimension * (kind == STORE_RABITQ ? 1 : 256);
                cr_expect_leq(fabs(near[v] * near_unit - exact), 1 + slack + rounding,
                              "%u %d %g %g", metric.dimension, kind, near[v] * near_unit, exact);
                cr_expect_leq(fabs(pair[v] * pair_unit - exact), 1 + slack + rounding,
                              "%u %d %g %g", metric.dimension, kind, pair[v] * pair_unit, exact);
            }
            store_free(store);
        }
        probe_reset(&probe);
        free(all);
    }
}

Test(store, a_zero_vector_is_at_cosine_distance_one) {
    struct metric metric;
    struct rng rng;
    struct probe probe;
    float zero[100] = {0}, out[2];
    uint32_t slots[2] = {0, 1};
    rng_init(&rng, 8);
    metric_init(&metric, INDEX_COSINE, 100);
    float *all = prepare_all(&metric, &rng);
    memset(all, 0, metric.n_floats * sizeof *all);
    struct store *store = coded(&metric, STORE_SQ8, all);
    probe_init(&probe);
    cr_assert_eq(probe_set(&probe, &metric, all + metric.n_floats), STATUS_OK);
    store_probe(store, &probe);
    store_whole(store, &probe, slots, 2, out);
    cr_expect_eq(out[0], 1);
    cr_expect_lt(out[1], 1e-4f);
    cr_assert_eq(probe_set(&probe, &metric, zero), STATUS_OK);
    store_probe(store, &probe);
    store_whole(store, &probe, slots, 2, out);
    cr_expect_eq(out[0], 1);
    cr_expect_eq(out[1], 1);
    probe_reset(&probe);
    store_free(store);
    free(all);
}

Test(store, what_is_no_number_is_coded_and_measured_all_the_same) {
    struct metric metric;
    struct rng rng;
    struct probe probe;
    rng_init(&rng, 8);
    metric_init(&metric, INDEX_EUCLIDEAN, 64);
    float *all = prepare_all(&metric, &rng), odd[64], out;
    struct store *store = coded(&metric, STORE_SQ8, all);
    for (uint32_t i = 0; i < 64; i++)
        odd[i] = i % 2 ? FLT_MAX : -FLT_MAX;
    memcpy(all, odd, sizeof odd);
    cr_assert_eq(store_write(store, 0, all), STATUS_OK);
    cr_assert_not_null(store_kept(store, 0));
    cr_expect_null(store_kept(store, 1));
    probe_init(&probe);
    cr_assert_eq(probe_set(&probe, &metric, odd), STATUS_OK);
    store_probe(store, &probe);
    store_whole(store, &probe, &(uint32_t){1}, 1, &out);
    cr_expect_eq(out, FLT_MAX);
    store_whole(store, &probe, &(uint32_t){0}, 1, &out);
    cr_expect_eq(out, 0);
    store_forget(store, 0);
    cr_expect_null(store_kept(store, 0));
    probe_reset(&probe);
    store_free(store);
    free(all);
}

Test(coder, refuses_bounds_at_the_ends_of_float32) {
    struct coder coder;
    cr_assert_eq(coder_init(&coder, 8, 12, 1), STATUS_OK);
    cr_expect_not(coder_set_bound(&coder, 0));
    cr_expect_not(coder_set_bound(&coder, 1e-30f));
    cr_expect_not(coder_set_bound(&coder, 1e30f));
    cr_expect_not(coder_set_bound(&coder, INFINITY));
    cr_expect_not(coder_set_bound(&coder, NAN));
    cr_expect(coder_set_bound(&coder, 1));
    coder_reset(&coder);
}
