/* Points come and go for a long time: the graph stays about as good as a fresh one, and as large.
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
