/* Recall on whole sets: real ones when they are there, generated ones always. Minutes of CPU, so
 * release builds only. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/rng.h"
#include "tests/data/vectors.h"

enum { K = 10 };

struct built {
    const struct vectors *set;
    struct index *index;
    struct index_reader *reader;
    uint64_t *rows; /* number -> row of the set, from 1 */
    uint64_t next;
};

static void settle(struct built *built) {
    bool idle = false;
    while (!idle)
        cr_assert_eq(index_link_step(built->index, 1000000, &idle), STATUS_OK);
}

static uint64_t add(struct built *built, uint64_t row) {
    uint64_t number = built->next++;
    built->rows[number] = row;
    struct index_point point = {.number = number,
                                .vector = built->set->base + row * built->set->dimension,
                                .id = "x",
                                .id_size = 1};
    if (index_tail_room(built->index) == 0) settle(built);
    cr_assert_eq(index_append(built->index, &point, 1), STATUS_OK);
    return number;
}

static void open_empty(struct built *built, const struct vectors *set, size_t n_numbers) {
    struct index_options options = {.dimension = set->dimension, .metric = set->metric, .seed = 1};
    uint64_t applied;
    *built = (struct built){.set = set, .next = 1};
    built->rows = calloc(n_numbers + 1, sizeof *built->rows);
    cr_assert_eq(index_open(&options, NULL, &built->index, &applied), STATUS_OK);
    cr_assert_eq(index_reader_open(&built->reader), STATUS_OK);
}

static void close_built(struct built *built) {
    const struct index_view *view = index_view_hold(built->index);
    char text[256] = "";
    cr_expect_eq(index_validate(view, text, sizeof text), STATUS_OK, "%s", text);
    index_view_drop(view);
    index_reader_close(built->reader);
    index_close(built->index);
    free(built->rows);
}

/* Rows of the K nearest of a query; gives their number. */
static size_t
search(struct built *built, const float *vector, uint32_t ef, bool exact, uint64_t *rows) {
    struct index_query query = {.vector = vector, .k = K, .ef = ef, .exact = exact};
    const struct index_view *view = index_view_hold(built->index);
    bool done = false;
    size_t n;
    cr_assert_eq(index_search_start(built->reader, view, &query), STATUS_OK);
    while (!done)
        cr_assert_eq(index_search_step(built->reader, 100000, &done), STATUS_OK);
    const struct index_hit *hits = index_search_hits(built->reader, &n);
    for (size_t i = 0; i < n; i++)
        rows[i] = built->rows[hits[i].number];
    index_search_end(built->reader);
    index_view_drop(view);
    return n;
}

static double recall(struct built *built, uint32_t ef) {
    const struct vectors *set = built->set;
    size_t n_found = 0, n_all = 0;
    for (size_t q = 0; q < set->n_queries; q++) {
        uint64_t found[K], expected[K];
        const float *vector = set->queries + q * set->dimension;
        size_t n = search(built, vector, ef, false, found);
        n_all += search(built, vector, 0, true, expected);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < K; j++)
                n_found += found[i] == expected[j];
        }
    }
    return (double)n_found / (double)n_all;
}

static bool open_set(struct vectors *set, const char *name, size_t n) {
    if (vectors_open(set, name, n, 200)) return true;
    cr_log_info("%s is not here, skipped\n", name);
    return false;
}

static void expect_default_recall(const char *name, size_t n, double floor) {
    struct vectors set;
    struct built built;
    if (!open_set(&set, name, n)) return;
    open_empty(&built, &set, set.n);
    for (uint64_t row = 0; row < set.n; row++)
        add(&built, row);
    settle(&built);
    double reached = recall(&built, 0);
    cr_log_info("%s: recall@10 %.4f at the default ef\n", name, reached);
    cr_expect_geq(reached, floor, "%s: %.4f", name, reached);
    close_built(&built);
    vectors_close(&set);
}

Test(recall, fashion_mnist) {
    expect_default_recall("fashion-mnist", 0, 0.95);
}

Test(recall, beir_768) {
    expect_default_recall("beir-768", 0, 0.95);
}

Test(recall, hard_generated) {
    expect_default_recall("hard-100", 20000, 0.95);
}

Test(recall, clusters_generated) {
    expect_default_recall("clusters-128", 20000, 0.95);
}

/* Ten rounds: a tenth leaves, another tenth comes. The points at the end are then also built
 * afresh. */
static void expect_recall_after_churn(const char *name, size_t n) {
    enum { ROUNDS = 10, EF = 32 };
    struct vectors set;
    struct built churned, fresh;
    struct rng rng;
    if (!open_set(&set, name, 2 * n)) return;
    if (set.n < 2 * n) n = set.n / 2;
    rng_init(&rng, 5);
    open_empty(&churned, &set, 2 * n);
    uint64_t *live = calloc(n, sizeof *live), next_row = 0;
    for (size_t i = 0; i < n; i++)
        live[i] = add(&churned, next_row++);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < n / 10; i++) {
            size_t at = i + rng_below(&rng, n - i); /* moves the chosen to the front */
            uint64_t leaving = live[at];
            live[at] = live[i];
            cr_assert_eq(index_remove(churned.index, leaving), STATUS_OK);
            live[i] = add(&churned, next_row++);
        }
        settle(&churned);
    }
    open_empty(&fresh, &set, n);
    for (size_t i = 0; i < n; i++)
        add(&fresh, churned.rows[live[i]]);
    settle(&fresh);
    double after = recall(&churned, EF), best = recall(&fresh, EF);
    cr_log_info("%s: recall@10 %.4f after churn, %.4f fresh\n", name, after, best);
    cr_expect_geq(after, best - 0.01, "%s: %.4f after churn, %.4f fresh", name, after, best);
    free(live);
    close_built(&churned);
    close_built(&fresh);
    vectors_close(&set);
}

Test(recall, fashion_mnist_after_churn) {
    expect_recall_after_churn("fashion-mnist", 10000);
}

Test(recall, beir_768_after_churn) {
    expect_recall_after_churn("beir-768", 4900);
}

Test(recall, hard_after_churn) {
    expect_recall_after_churn("hard-100", 20000);
}

Test(recall, clusters_after_churn) {
    expect_recall_after_churn("clusters-128", 20000);
}
