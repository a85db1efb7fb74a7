/* What tools read of an index: the head of its file, the shape of its graph, some of its vectors.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/file.h"
#include "index/inspect.h"
#include "tests/unit/index/fixture.h"

static char folder[] = "/tmp/vectron-inspect-XXXXXX";
static char path[128];

static void set_up(void) {
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/index", folder);
}

static void tear_down(void) {
    unlink(path);
    rmdir(folder);
}

TestSuite(index_inspect, .init = set_up, .fini = tear_down);

static void save(struct fixture *f, uint64_t applied) {
    struct index_save *job;
    bool done = false;
    cr_assert_eq(index_save_start(f->index, path, applied, &job), STATUS_OK);
    while (!done)
        cr_assert_eq(index_save_step(job, 1 << 20, &done), STATUS_OK);
    index_save_end(job);
}

Test(index_inspect, the_head_of_a_file_tells_how_to_open_it) {
    for (int coded = 0; coded < 2; coded++) {
        struct fixture f;
        struct index_options options = {.dimension = 9,
                                        .metric = INDEX_DOT,
                                        .M = 8,
                                        .train_min = 200,
                                        .storage = coded ? INDEX_SQ8 : INDEX_F32};
        fixture_open(&f, &options, 3);
        fixture_append_random(&f, 300);
        fixture_settle(&f);
        fixture_append_random(&f, 7);
        save(&f, 41);
        struct index_file_info info;
        cr_assert_eq(index_file_info(path, &info), STATUS_OK);
        cr_expect_eq(info.options.dimension, 9);
        cr_expect_eq(info.options.metric, INDEX_DOT);
        cr_expect_eq(info.options.M, 8);
        cr_expect_eq(info.options.storage, coded ? INDEX_SQ8 : INDEX_F32);
        cr_expect_eq(info.slots, 307);
        cr_expect_eq(info.tail, 7);
        cr_expect_eq(info.applied, 41);
        cr_expect_gt(info.bytes, 307);
        struct index *again;
        uint64_t applied = 0;
        cr_assert_eq(index_open(&info.options, path, &again, &applied), STATUS_OK);
        cr_expect_eq(applied, 41);
        index_close(again);
        fixture_close(&f);
    }
}

static void write_file(const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

Test(index_inspect, what_is_no_index_is_told_from_one_of_another_version) {
    struct index_file_info info;
    cr_expect_eq(index_file_info(path, &info), STATUS_NOT_FOUND);
    cr_expect_eq(index_file_info(folder, &info), STATUS_IO);
    write_file("", 0);
    cr_expect_eq(index_file_info(path, &info), STATUS_CORRUPT);
    write_file("hello, I am a text of some length", 33);
    cr_expect_eq(index_file_info(path, &info), STATUS_CORRUPT);

    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 2}, 1);
    fixture_append_random(&f, 3);
    save(&f, 1);
    fixture_close(&f);
    unsigned char bytes[4096];
    FILE *file = fopen(path, "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t at = FILE_ROOT; at < 2 * FILE_ROOT;
         at++) { /* the root that the first save writes */
        bytes[at] ^= 1;
        write_file(bytes, size);
        cr_expect_eq(index_file_info(path, &info), STATUS_CORRUPT, "byte %zu", at);
        bytes[at] ^= 1;
    }
}

Test(index_inspect, levels_and_edges_add_up_to_the_linked_points) {
    struct fixture f;
    struct index_shape shape;
    fixture_open(&f, &(struct index_options){.dimension = 8, .M = 6}, 5);
    fixture_append_random(&f, 2000);
    fixture_settle(&f);
    fixture_append_random(&f, 10);
    const struct index_view *view = index_view_hold(f.index);
    index_shape(view, &shape);
    index_view_drop(view);
    uint64_t n_levels = 0, n_degrees = 0;
    for (size_t i = 0; i < INDEX_LEVELS; i++)
        n_levels += shape.levels[i];
    for (size_t i = 0; i <= INDEX_ROW_MAX; i++)
        n_degrees += shape.degrees[i];
    cr_expect_eq(shape.linked, 2000);
    cr_expect_eq(n_levels, 2000);
    cr_expect_eq(n_degrees, 2000);
    cr_expect_eq(shape.degree_max, 12);
    cr_expect_eq(shape.degrees[0], 0);
    cr_expect_gt(shape.levels[0], shape.levels[1]);
    cr_expect_gt(shape.levels[1], 0);
    fixture_close(&f);
}

Test(index_inspect, a_sample_is_of_distinct_points_with_their_vectors) {
    struct fixture f;
    uint64_t numbers[50], again[50];
    float vectors[50 * 5];
    fixture_open(&f, &(struct index_options){.dimension = 5, .metric = INDEX_EUCLIDEAN}, 9);
    const struct index_view *view = index_view_hold(f.index);
    struct index_sample sample = {1, 50, numbers, vectors};
    cr_expect_eq(index_sample(view, &sample), 0);
    fixture_append_random(&f, 400);
    fixture_settle(&f);
    fixture_remove_random(&f, 20);
    cr_assert_eq(index_sample(view, &sample), 50);
    for (size_t i = 0; i < 50; i++) {
        size_t at = 0;
        while (at < f.n && f.numbers[at] != numbers[i])
            at++;
        cr_assert_lt(at, f.n, "a removed point");
        cr_expect_eq(memcmp(&f.vectors[at * 5], &vectors[i * 5], 5 * sizeof(float)), 0);
        for (size_t j = 0; j < i; j++)
            cr_expect_neq(numbers[i], numbers[j]);
    }
    sample.numbers = again;
    cr_expect_eq(index_sample(view, &sample), 50);
    cr_expect_eq(memcmp(numbers, again, sizeof numbers), 0, "the same seed, the same points");
    sample.seed = 2;
    cr_expect_eq(index_sample(view, &sample), 50);
    cr_expect_neq(memcmp(numbers, again, sizeof numbers), 0);
    sample.n = 5;
    cr_expect_eq(index_sample(view, &sample), 5);
    index_view_drop(view);
    fixture_close(&f);
}
