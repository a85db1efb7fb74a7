/* Keeping an index on disk: what was saved comes back, and nothing else is ever taken for it. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/file.h"
#include "index/stream.h"
#include "runtime/memory.h"
#include "tests/unit/index/fixture.h"

static char folder[] = "/tmp/vectron-index-XXXXXX";
static char path[128];

static void set_up(void) {
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/index", folder);
}

static void tear_down(void) {
    unlink(path);
    rmdir(folder); /* fails, and leaves the evidence, when a temporary file was left behind */
}

TestSuite(index_file, .init = set_up, .fini = tear_down);

static void save(struct fixture *f, uint64_t applied) {
    struct index_save *job;
    bool done = false;
    cr_assert_eq(index_save_start(f->index, path, applied, &job), STATUS_OK);
    while (!done)
        cr_assert_eq(index_save_step(job, 10000, &done), STATUS_OK);
    index_save_end(job);
}

static void reopen(struct fixture *f, uint64_t applied) {
    uint64_t stored = 0;
    index_close(f->index);
    cr_assert_eq(index_open(&f->options, path, &f->index, &stored), STATUS_OK);
    cr_assert_eq(stored, applied);
}

static struct index_stats stats_of(struct fixture *f) {
    const struct index_view *view = index_view_hold(f->index);
    struct index_stats stats = index_stats(view);
    index_view_drop(view);
    return stats;
}

Test(index_file, a_missing_file_is_an_empty_index) {
    struct index *index;
    uint64_t applied = 7;
    struct index_options options = {.dimension = 3};
    cr_assert_eq(index_open(&options, path, &index, &applied), STATUS_OK);
    cr_expect_eq(applied, 0);
    index_close(index);
}

Test(index_file, comes_back_as_it_was) {
    for (int m = 0; m < 6; m++) {
        struct fixture f;
        bool coded = m % 2;
        struct index_options options = {
            .dimension = 9,
            .metric = (enum index_metric)(m / 2),
            .storage = coded ? INDEX_SQ8 : INDEX_AUTO,
            .train_min = 500,
        };
        fixture_open(&f, &options, 3);
        fixture_append_random(&f, 900);
        fixture_settle(&f);
        fixture_remove_random(&f, 40); /* too few to be repaired: they are in the file */
        fixture_append_random(&f, 60); /* and these are its tail */
        struct index_stats before = stats_of(&f);
        save(&f, 17);
        reopen(&f, 17);
        struct index_stats after = stats_of(&f);
        cr_expect_eq(after.storage, coded ? INDEX_SQ8 : INDEX_F32);
        cr_expect_eq(after.storage, before.storage);
        cr_expect_eq(after.points, before.points);
        cr_expect_eq(after.tail, before.tail);
        cr_expect_eq(after.removed, before.removed);
        cr_expect_eq(after.max_level, before.max_level);
        fixture_validate(&f);
        cr_expect_geq(fixture_recall(&f, 20, 10, 0), coded ? 0.97 : 1.0);
        cr_expect_gt(fixture_recall(&f, 20, 10, 50), 0.95);
        fixture_settle(&f);
        fixture_validate(&f);
        fixture_close(&f);
    }
}

Test(index_file, an_index_without_points_can_be_kept) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 2}, 1);
    save(&f, 5);
    reopen(&f, 5);
    fixture_append_random(&f, 10);
    fixture_settle(&f);
    fixture_remove_random(&f, 10);
    save(&f, 6);
    reopen(&f, 6);
    cr_expect_eq(stats_of(&f).points, 0);
    fixture_settle(&f);
    fixture_validate(&f);
    fixture_close(&f);
}

Test(index_file, writes_go_on_while_it_is_saved_and_are_repeated_after) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct fixture f;
        bool coded = seed % 2;
        struct index_options options = {.dimension = 6,
                                        .seed = seed,
                                        .storage = coded ? INDEX_SQ8 : INDEX_AUTO,
                                        .train_min = 590 + 2 * (uint32_t)seed}; /* while it saves */
        fixture_open(&f, &options, seed);
        fixture_append_random(&f, 600);
        fixture_settle(&f);
        fixture_remove_random(&f, 200); /* a repair is under way */
        bool idle, done = false;
        cr_assert_eq(index_link_step(f.index, seed * 400, &idle), STATUS_OK);
        struct index_save *job;
        cr_assert_eq(index_save_start(f.index, path, 1, &job), STATUS_OK);
        uint64_t first = f.next_number;
        uint64_t gone = f.numbers[0];
        fixture_remove_at(&f, 0);
        while (!done) {
            fixture_append_random(&f, 5);
            cr_assert_eq(index_link_step(f.index, 2000, &idle), STATUS_OK);
            cr_assert_eq(index_save_step(job, 4000, &done), STATUS_OK);
        }
        index_save_end(job);
        fixture_settle(&f);
        fixture_validate(&f);
        reopen(&f, 1);
        fixture_validate(&f);
        cr_assert_eq(index_remove(f.index, gone), STATUS_OK);
        for (size_t i = 0; i < f.n; i++) {
            struct index_point point = {f.numbers[i], f.vectors + i * f.options.dimension, "again",
                                        5};
            if (point.number >= first) {
                cr_assert_eq(index_append(f.index, &point, 1), STATUS_OK);
            }
        }
        cr_expect_geq(fixture_recall(&f, 20, 10, 0), coded ? 0.95 : 1.0);
        fixture_settle(&f);
        fixture_validate(&f);
        fixture_close(&f);
    }
}

/* A tail that was larger for a while (tail_extra) still fits when the options no longer say so. */
Test(index_file, a_tail_beyond_the_limit_comes_back) {
    struct fixture f;
    struct index_options options = {.dimension = 1, .tail_max = 100, .tail_extra = INDEX_TAIL_MAX};
    fixture_open(&f, &options, 1);
    float vector[1] = {1};
    for (uint64_t number = 1; number <= INDEX_TAIL_MAX + 50; number++) {
        struct index_point point = {.number = number, .vector = vector, .id = "a", .id_size = 1};
        cr_assert_eq(index_append(f.index, &point, 1), STATUS_OK);
    }
    save(&f, 3);
    f.options.tail_extra = 0;
    reopen(&f, 3);
    cr_expect_eq(stats_of(&f).tail, INDEX_TAIL_MAX + 50);
    fixture_validate(&f);
    fixture_close(&f);
}

Test(index_file, an_abandoned_save_leaves_the_old_file) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 6}, 1);
    fixture_append_random(&f, 100);
    save(&f, 1);
    fixture_append_random(&f, 100);
    struct index_save *job;
    bool done;
    cr_assert_eq(index_save_start(f.index, path, 2, &job), STATUS_OK);
    cr_assert_eq(index_save_step(job, 100, &done), STATUS_OK);
    index_save_end(job);
    reopen(&f, 1);
    cr_expect_eq(stats_of(&f).points, 100);
    fixture_close(&f);
}

static enum status try_open(const struct index_options *options) {
    struct index *index = NULL;
    uint64_t applied;
    enum status s = index_open(options, path, &index, &applied);
    if (s == STATUS_OK) index_close(index);
    return s;
}

Test(index_file, belongs_to_its_options) {
    struct fixture f;
    fixture_open(&f, &(struct index_options){.dimension = 6, .metric = INDEX_DOT}, 1);
    fixture_append_random(&f, 50);
    save(&f, 1);
    fixture_close(&f);
    struct index_options same = {.dimension = 6, .metric = INDEX_DOT, .ef_construction = 10};
    struct index_options longer = {.dimension = 7, .metric = INDEX_DOT};
    struct index_options other = {.dimension = 6, .metric = INDEX_COSINE};
    struct index_options wider = {.dimension = 6, .metric = INDEX_DOT, .M = 8};
    cr_expect_eq(try_open(&same), STATUS_OK);
    cr_expect_eq(try_open(&longer), STATUS_CORRUPT);
    cr_expect_eq(try_open(&other), STATUS_CORRUPT);
    cr_expect_eq(try_open(&wider), STATUS_CORRUPT);
}

Test(index_file, a_folder_that_is_not_there_is_an_error) {
    struct fixture f;
    struct index_save *job = NULL;
    fixture_open(&f, &(struct index_options){.dimension = 6}, 1);
    cr_expect_eq(index_save_start(f.index, "/nowhere/at/all", 1, &job), STATUS_IO);
    cr_expect_null(job);
    fixture_close(&f);
}

/* A file of 200 points, some removed, some in the tail; gives its size. */
static off_t write_small_file(struct index_options *options, enum index_storage storage) {
    struct fixture f;
    *options = (struct index_options){.dimension = 4,
                                      .metric = INDEX_DOT,
                                      .M = 4,
                                      .ef_construction = 20,
                                      .storage = storage,
                                      .train_min = 100,
                                      .tail_max = 100}; /* a small ring: it is opened often */
    fixture_open(&f, options, 1);
    fixture_append_random(&f, 180);
    fixture_settle(&f);
    fixture_remove_random(&f, 5);
    fixture_append_random(&f, 20);
    save(&f, 1);
    fixture_close(&f);
    struct stat about;
    cr_assert_eq(stat(path, &about), 0);
    return about.st_size;
}

Test(index_file, every_flipped_bit_is_found) {
    for (enum index_storage storage = INDEX_F32; storage <= INDEX_SQ8; storage++) {
        struct index_options options;
        off_t size = write_small_file(&options, storage);
        int fd = open(path, O_RDWR);
        off_t stride = storage == INDEX_SQ8 ? 1 : 5; /* float32 has been there longer */
        for (off_t at = 0; at < size; at += stride) {
            unsigned char byte, flipped;
            cr_assert_eq(pread(fd, &byte, 1, at), 1);
            flipped = byte ^ (unsigned char)(1 << at % 8);
            cr_assert_eq(pwrite(fd, &flipped, 1, at), 1);
            cr_assert_eq(try_open(&options), STATUS_CORRUPT, "byte %ld", (long)at);
            cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
        }
        close(fd);
        cr_expect_eq(try_open(&options), STATUS_OK);
    }
}

Test(index_file, every_shorter_file_is_refused) {
    struct index_options options;
    off_t size = write_small_file(&options, INDEX_SQ8);
    while (size-- > 0) {
        cr_assert_eq(truncate(path, size), 0);
        cr_assert_eq(try_open(&options), STATUS_CORRUPT, "size %ld", (long)size);
    }
}

/* Codes are of no use to who wants float32; the other way round they are made later. */
Test(index_file, belongs_to_its_storage) {
    struct index_options coded, plain;
    (void)write_small_file(&coded, INDEX_SQ8);
    plain = coded;
    plain.storage = INDEX_F32;
    cr_expect_eq(try_open(&coded), STATUS_OK);
    cr_expect_eq(try_open(&plain), STATUS_CORRUPT);
    (void)write_small_file(&plain, INDEX_F32);
    cr_expect_eq(try_open(&coded), STATUS_OK);
}

/* Before there were codes: the same magic, version 1. */
Test(index_file, of_an_older_version_is_refused) {
    struct index_options options;
    (void)write_small_file(&options, INDEX_F32);
    struct stream stream;
    struct file_header header;
    unsigned char rest[64];
    int fd = open(path, O_RDONLY);
    cr_assert_eq(stream_open_reader(&stream, fd), STATUS_OK);
    cr_assert_eq(stream_get(&stream, &header, sizeof header), STATUS_OK);
    cr_assert_eq(stream_get(&stream, rest, sizeof rest), STATUS_OK);
    stream_close(&stream);
    header.version = 1;
    fd = open(path, O_WRONLY | O_TRUNC);
    cr_assert_eq(stream_open_writer(&stream, fd), STATUS_OK);
    cr_assert_eq(stream_put(&stream, &header, sizeof header), STATUS_OK);
    cr_assert_eq(stream_put(&stream, rest, sizeof rest), STATUS_OK);
    cr_assert_eq(stream_finish(&stream), STATUS_OK);
    stream_close(&stream);
    cr_expect_eq(try_open(&options), STATUS_CORRUPT);
}

Test(index_file, a_longer_file_is_refused) {
    struct index_options options;
    off_t size = write_small_file(&options, INDEX_SQ8);
    cr_assert_eq(truncate(path, size + 100), 0);
    cr_expect_eq(try_open(&options), STATUS_CORRUPT);
}

Test(index_file, running_out_of_memory_anywhere_is_an_error) {
    struct index_options options;
    (void)write_small_file(&options, INDEX_SQ8);
    enum status s = STATUS_NO_MEMORY;
    uint64_t alive = mem_counted().alive;
    for (uint64_t nth = 1; s == STATUS_NO_MEMORY; nth++) {
        mem_fail_at(nth);
        s = try_open(&options);
        mem_fail_at(0);
        cr_assert_eq(mem_counted().alive, alive);
    }
    cr_expect_eq(s, STATUS_OK);
}
