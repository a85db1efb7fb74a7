/* fixture: the oracle is deliberately slow and simple. */
#include "tests/unit/index/fixture.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fixture_open(struct fixture *fixture, const struct index_options *options, uint64_t seed) {
    *fixture = (struct fixture){.options = *options, .next_number = 1};
    uint64_t applied = 99;
    rng_init(&fixture->rng, seed);
    cr_assert_eq(index_open(options, NULL, &fixture->index, &applied), STATUS_OK);
    cr_assert_eq(applied, 0);
    cr_assert_eq(index_reader_open(&fixture->reader), STATUS_OK);
}

void fixture_close(struct fixture *fixture) {
    index_reader_close(fixture->reader);
    index_close(fixture->index);
    free(fixture->vectors);
    free(fixture->numbers);
}

void fixture_settle(struct fixture *fixture) {
    bool idle = false;
    while (!idle)
        cr_assert_eq(index_link_step(fixture->index, 100000, &idle), STATUS_OK);
}

uint64_t fixture_append(struct fixture *fixture, const float *vector) {
    uint32_t dimension = fixture->options.dimension;
    uint64_t number = fixture->next_number++;
    char id[32];
    int size = snprintf(id, sizeof id, "p%" PRIu64, number);
    struct index_point point = {
        .number = number, .vector = vector, .id = id, .id_size = (uint32_t)size};
    if (index_tail_room(fixture->index) == 0) fixture_settle(fixture);
    cr_assert_eq(index_append(fixture->index, &point, 1), STATUS_OK);
    if (fixture->n == fixture->room) {
        fixture->room = fixture->room ? fixture->room * 2 : 1024;
        fixture->vectors =
            realloc(fixture->vectors, fixture->room * dimension * sizeof *fixture->vectors);
        fixture->numbers = realloc(fixture->numbers, fixture->room * sizeof *fixture->numbers);
    }
    memcpy(fixture->vectors + fixture->n * dimension, vector, dimension * sizeof *vector);
    fixture->numbers[fixture->n++] = number;
    return number;
}

void fixture_random_vector(struct fixture *fixture, float *vector) {
    for (uint32_t i = 0; i < fixture->options.dimension; i++)
        vector[i] = (float)rng_normal(&fixture->rng);
}

void fixture_append_random(struct fixture *fixture, size_t n) {
    float *vector = malloc(fixture->options.dimension * sizeof *vector);
    for (size_t i = 0; i < n; i++) {
        fixture_random_vector(fixture, vector);
        fixture_append(fixture, vector);
    }
    free(vector);
}

void fixture_remove_at(struct fixture *fixture, size_t at) {
    uint32_t dimension = fixture->options.dimension;
    cr_assert_eq(index_remove(fixture->index, fixture->numbers[at]), STATUS_OK);
    fixture->n--;
    fixture->numbers[at] = fixture->numbers[fixture->n];
    memmove(fixture->vectors + at * dimension, fixture->vectors + fixture->n * dimension,
            dimension * sizeof *fixture->vectors);
}

void fixture_remove_random(struct fixture *fixture, size_t n) {
    for (size_t i = 0; i < n && fixture->n > 0; i++)
        fixture_remove_at(fixture, rng_below(&fixture->rng, fixture->n));
}

size_t
fixture_search(struct fixture *fixture, const struct index_query *query, struct index_hit *hits) {
    const struct index_view *view = index_view_hold(fixture->index);
    cr_assert_eq(index_search_start(fixture->reader, view, query), STATUS_OK);
    bool done = false;
    while (!done)
        cr_assert_eq(index_search_step(fixture->reader, 500, &done), STATUS_OK);
    size_t n;
    const struct index_hit *found = index_search_hits(fixture->reader, &n);
    cr_assert(n <= query->k);
    memcpy(hits, found, n * sizeof *hits);
    index_search_end(fixture->reader);
    index_view_drop(view);
    return n;
}

double fixture_distance(const struct fixture *fixture, const float *a, const float *b) {
    double gap = 0, dot = 0, aa = 0, bb = 0;
    for (uint32_t i = 0; i < fixture->options.dimension; i++) {
        gap += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        dot += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    switch (fixture->options.metric) {
    case INDEX_EUCLIDEAN:
        return gap;
    case INDEX_DOT:
        return -dot;
    default:
        return aa == 0 || bb == 0 ? 1 : 1 - dot / sqrt(aa) / sqrt(bb);
    }
}

size_t fixture_nearest(const struct fixture *fixture, const float *query, size_t k, uint64_t *out) {
    double *distances = malloc((fixture->n + 1) * sizeof *distances);
    double *best = malloc((k + 1) * sizeof *best);
    size_t n = 0;
    for (size_t i = 0; i < fixture->n; i++) {
        double d =
            fixture_distance(fixture, query, fixture->vectors + i * fixture->options.dimension);
        size_t at = n;
        while (at > 0 && best[at - 1] > d)
            at--;
        if (at >= k) continue;
        if (n < k) n++;
        memmove(best + at + 1, best + at, (n - 1 - at) * sizeof *best);
        memmove(out + at + 1, out + at, (n - 1 - at) * sizeof *out);
        best[at] = d;
        out[at] = fixture->numbers[i];
    }
    free(distances);
    free(best);
    return n;
}

static double distance_to(const struct fixture *fixture, const float *query, uint64_t number) {
    size_t at = 0;
    while (at < fixture->n && fixture->numbers[at] != number)
        at++;
    cr_assert_lt(at, fixture->n, "number %" PRIu64 " is not live", number);
    return fixture_distance(fixture, query, fixture->vectors + at * fixture->options.dimension);
}

double fixture_recall(struct fixture *fixture, size_t n_queries, uint32_t k, uint32_t ef) {
    float *vector = malloc(fixture->options.dimension * sizeof *vector);
    struct index_hit *hits = malloc(k * sizeof *hits);
    uint64_t *expected = malloc(k * sizeof *expected);
    size_t found = 0, all = 0;
    for (size_t q = 0; q < n_queries; q++) {
        fixture_random_vector(fixture, vector);
        struct index_query query = {.vector = vector, .k = k, .ef = ef, .exact = ef == 0};
        size_t n = fixture_search(fixture, &query, hits);
        size_t n_expected = fixture_nearest(fixture, vector, k, expected);
        cr_assert_eq(n, n_expected);
        /* As near as the last expected one: which of several at one distance does not matter. */
        double last = n ? distance_to(fixture, vector, expected[n - 1]) : 0;
        for (size_t j = 0; j < n; j++)
            found +=
                distance_to(fixture, vector, hits[j].number) <= last + 1e-6 * fabs(last) + 1e-7;
        all += n_expected;
    }
    free(vector);
    free(hits);
    free(expected);
    return all ? (double)found / (double)all : 1;
}

void fixture_validate(struct fixture *fixture) {
    const struct index_view *view = index_view_hold(fixture->index);
    char text[256] = "";
    enum status s = index_validate(view, text, sizeof text);
    cr_assert_eq(s, STATUS_OK, "%s", text);
    index_view_drop(view);
}

size_t
fixture_find(struct fixture *fixture, const float *vector, uint32_t k, struct index_hit *hits) {
    struct index_query query = {.vector = vector, .k = k};
    return fixture_search(fixture, &query, hits);
}

struct index_stats fixture_stats(struct fixture *fixture) {
    const struct index_view *view = index_view_hold(fixture->index);
    struct index_stats stats = index_stats(view);
    index_view_drop(view);
    return stats;
}
