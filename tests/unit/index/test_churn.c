/* Indexes in which points come and go. VECTRON_LONG=1: a million operations instead of some
 * thousands.
 *
 * Points come and go for a long time: the graph stays about as good as a fresh one, and as large.
 * These have no structure, few dimensions, and are searched narrowly: the hardest case. The target
 * is half a point of recall (bench/run churn); a pair of graphs this small swings by as much. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/index/fixture.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { ROUNDS = 10 }; /* which take ten times as long */
#else
enum { ROUNDS = 50 };
#endif
enum { POINTS = 2000, QUERIES = 1000, EF = 24 };

struct figures {
    double recall, memory, file;
};

static double saved_bytes(struct index *index) {
    char path[] = "/tmp/vectron-churn-XXXXXX";
    struct index_save *job;
    struct stat about;
    bool done = false;
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(index_save_start(index, path, 1, &job), STATUS_OK);
    while (!done)
        cr_assert_eq(index_save_step(job, 1 << 20, &done), STATUS_OK);
    index_save_end(job);
    cr_assert_eq(stat(path, &about), 0);
    unlink(path);
    return (double)about.st_size;
}

static struct figures figures_of(struct fixture *f) {
    rng_init(&f->rng, 77); /* the same queries for both */
    const struct index_view *view = index_view_hold(f->index);
    double memory = (double)index_stats(view).memory_bytes;
    index_view_drop(view);
    return (struct figures){fixture_recall(f, QUERIES, 10, EF), memory, saved_bytes(f->index)};
}

static void churn(enum index_storage storage) {
    struct fixture old, fresh;
    struct index_options options = {.dimension = 32,
                                    .metric = INDEX_EUCLIDEAN,
                                    .ef_construction = 64,
                                    .storage = storage,
                                    .train_min = 500};
    fixture_open(&old, &options, 3);
    fixture_append_random(&old, POINTS);
    fixture_settle(&old);
    for (int round = 0; round < ROUNDS; round++) {
        fixture_remove_random(&old, POINTS / 10);
        fixture_settle(&old);
        fixture_append_random(&old, POINTS / 10);
        fixture_settle(&old);
        if (round % 10 == 9) fixture_validate(&old);
    }
    fixture_open(&fresh, &options, 4);
    for (size_t i = 0; i < old.n; i++)
        fixture_append(&fresh, old.vectors + i * options.dimension);
    fixture_settle(&fresh);
    struct figures was = figures_of(&fresh), is = figures_of(&old);
    cr_log_info("recall %f, fresh %f\n", is.recall, was.recall);
    cr_expect_gt(is.recall, was.recall - 0.01, "recall %f, fresh %f", is.recall, was.recall);
    cr_expect_lt(is.memory, was.memory * 1.1, "%.0f bytes, fresh %.0f", is.memory, was.memory);
    cr_expect_lt(is.file, was.file * 1.1, "file of %.0f bytes, fresh %.0f", is.file, was.file);
    fixture_close(&old);
    fixture_close(&fresh);
}

Test(index_churn, leaves_floats_as_good) {
    churn(INDEX_F32);
}

Test(index_churn, leaves_codes_as_good) {
    churn(INDEX_SQ8);
}

/* --- any operations, in any order
 * --------------------------------------------------------------------------- */

static size_t n_operations(void) {
    const char *tests = getenv("VECTRON_LONG");
    return tests && tests[0] == '1' ? 1000 * 1000 : 8000 * ROUNDS / 10;
}

/* Hits are live, in order, and as many as there can be. */
static void search_once(struct fixture *f) {
    float vector[24];
    struct index_hit hits[20];
    fixture_random_vector(f, vector);
    uint32_t k = 1 + (uint32_t)rng_below(&f->rng, 20);
    struct index_query query = {.vector = vector, .k = k, .ef = k};
    size_t n = fixture_search(f, &query, hits);
    cr_assert_eq(n, f->n < k ? f->n : k);
    for (size_t i = 1; i < n; i++)
        cr_assert_leq(hits[i - 1].distance, hits[i].distance);
}

/* Grows to 3,000 points and shrinks to few, over and over; repairs, codes and links are under way
 * all the time. */
static void operate(struct fixture *f, size_t n) {
    bool growing = true, idle;
    for (size_t i = 1; i <= n; i++) {
        if (f->n > 3000) growing = false;
        if (f->n < 50) growing = true;
        uint64_t choice = rng_below(&f->rng, 16);
        if (choice < (growing ? 8 : 2))
            fixture_append_random(f, 1);
        else if (choice < 10)
            fixture_remove_random(f, 1);
        else if (choice < 11)
            search_once(f);
        else
            cr_assert_eq(index_link_step(f->index, 1 + rng_below(&f->rng, 6000), &idle), STATUS_OK);
        if (i % 1000 == 0) fixture_validate(f);
    }
}

Test(index_churn, any_operations_leave_a_sound_graph, .timeout = 3600) {
    static const enum index_storage storages[] = {INDEX_SQ8, INDEX_F32, INDEX_F16, INDEX_RABITQ};
    enum { STORAGES = sizeof storages / sizeof *storages };
    for (size_t s = 0; s < STORAGES; s++) {
        struct index_options options = {.dimension = 24,
                                        .metric = (enum index_metric)(s % 3),
                                        .M = 8,
                                        .ef_construction = 40,
                                        .storage = storages[s],
                                        .train_min = 200};
        struct fixture f;
        fixture_open(&f, &options, s + 1);
        operate(&f, n_operations() / STORAGES);
        fixture_settle(&f);
        fixture_validate(&f);
        if (storages[s] == INDEX_F32) cr_expect_eq(fixture_recall(&f, 20, 10, 0), 1);
        fixture_close(&f);
    }
}
