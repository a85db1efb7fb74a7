/* Keeping an index on disk: what was saved comes back, and nothing else is ever taken for it. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/file.h"
#include "index/inspect.h"
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
        struct index_stats before = fixture_stats(&f);
        save(&f, 17);
        reopen(&f, 17);
        struct index_stats after = fixture_stats(&f);
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
    cr_expect_eq(fixture_stats(&f).points, 0);
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
    cr_expect_eq(fixture_stats(&f).tail, INDEX_TAIL_MAX + 50);
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
    cr_expect_eq(fixture_stats(&f).points, 100);
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

/* What a file leads to, as one number: of all live points, what they are and where they are found.
 */
static uint64_t digest(struct index *index, uint32_t dimension) {
    const struct index_view *view = index_view_hold(index);
    struct index_reader *reader;
    uint64_t sum = index_stats(view).points, numbers[64];
    uint32_t slot = 0;
    size_t n;
    while ((n = index_numbers(view, &slot, numbers, 64)) > 0)
        for (size_t i = 0; i < n; i++)
            sum = sum * 31 + numbers[i];
    cr_assert_eq(index_reader_open(&reader), STATUS_OK);
    float *vector = calloc(dimension, sizeof *vector);
    for (unsigned q = 0; q < 4; q++) {
        vector[0] = (float)q;
        struct index_query query = {.vector = vector, .k = 20, .ef = 40};
        bool done = false;
        cr_assert_eq(index_search_start(reader, view, &query), STATUS_OK);
        while (!done)
            cr_assert_eq(index_search_step(reader, 10000, &done), STATUS_OK);
        const struct index_hit *hits = index_search_hits(reader, &n);
        for (size_t i = 0; i < n; i++)
            sum = sum * 31 + hits[i].number + hits[i].slot + (unsigned char)hits[i].id[0];
        index_search_end(reader);
    }
    free(vector);
    index_reader_close(reader);
    index_view_drop(view);
    return sum;
}

/* Opens and looks at every page, as a server does in the background. */
static enum status open_and_look(const struct index_options *options, uint64_t *sum) {
    struct index *index = NULL;
    uint64_t applied;
    enum status s = index_open(options, path, &index, &applied);
    if (s != STATUS_OK) return s;
    s = index_verify(index);
    if (s == STATUS_OK) *sum = digest(index, options->dimension);
    index_close(index);
    return s;
}

static void flip(int fd, off_t at, int bit) {
    unsigned char byte;
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= (unsigned char)(1 << bit);
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
}

static bool is_long(void) {
    const char *tests = getenv("VECTRON_LONG");
    return tests && tests[0] == '1';
}

/* Every bit; of codes, which take longer to open, one in three, and with sanitizers, where opening
 * takes ten times as long, one in 27; every one with VECTRON_LONG. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { FLIP_FLOATS = 27, FLIP_CODES = 29 };
#else
enum { FLIP_FLOATS = 1, FLIP_CODES = 3 };
#endif

/* Detected, or of a byte that nothing is made of. */
static void flip_all(enum index_storage storage, off_t step) {
    struct index_options options;
    off_t size = write_small_file(&options, storage);
    if (is_long()) step = 1;
    uint64_t right = 0, got = 0;
    off_t harmless = 0;
    cr_assert_eq(open_and_look(&options, &right), STATUS_OK);
    int fd = open(path, O_RDWR);
    for (off_t at = 0; at < size * 8; at += step) {
        flip(fd, at / 8, (int)(at % 8));
        enum status s = open_and_look(&options, &got);
        cr_assert(s == STATUS_CORRUPT || (s == STATUS_OK && got == right), "bit %ld", (long)at);
        harmless += s == STATUS_OK;
        flip(fd, at / 8, (int)(at % 8));
    }
    close(fd);
    /* The root that is not in use, and what is left of lines of 64 bytes. */
    cr_expect_lt(harmless * step / 8, 512 + 64 * 24, "%ld of %ld bytes are not looked at",
                 (long)(harmless * step / 8), (long)size);
}

Test(index_file, every_flipped_bit_of_floats_is_found_or_harmless, .timeout = 600) {
    flip_all(INDEX_F32, FLIP_FLOATS);
}

Test(index_file, every_flipped_bit_of_codes_is_found_or_harmless, .timeout = 600) {
    flip_all(INDEX_SQ8, FLIP_CODES);
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

/* Of version 2 the first bytes are kept here: magic, version, dimension. */
Test(index_file, of_an_older_version_is_refused_by_name) {
    struct index_options options = {.dimension = 4};
    struct index_file_info file;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    char bytes[4096] = "VECTRIDX\2\0\0\0\4";
    cr_assert_eq(write(fd, bytes, sizeof bytes), (ssize_t)sizeof bytes);
    close(fd);
    cr_expect_eq(try_open(&options), STATUS_CORRUPT);
    cr_assert_eq(index_file_info(path, &file), STATUS_UNIMPLEMENTED);
    cr_expect_eq(file.version, 2);
    (void)write_small_file(&options, INDEX_SQ8);
    cr_assert_eq(index_file_info(path, &file), STATUS_OK);
    cr_expect_eq(file.version, FILE_VERSION);
    cr_expect_eq(file.options.dimension, 4);
    cr_expect_eq(file.slots, 200);
    cr_assert_eq(truncate(path, 3), 0);
    cr_assert_eq(index_file_info(path, &file), STATUS_CORRUPT);
}

/* What a save left that did not come to its end. */
Test(index_file, what_lies_behind_the_end_does_not_matter) {
    struct index_options options;
    uint64_t right = 0, got = 1;
    off_t size = write_small_file(&options, INDEX_SQ8);
    cr_assert_eq(open_and_look(&options, &right), STATUS_OK);
    cr_assert_eq(truncate(path, size + 100), 0);
    cr_expect_eq(open_and_look(&options, &got), STATUS_OK);
    cr_expect_eq(got, right);
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

/* --- large files: mapped
 * ---------------------------------------------------------------------------------- */

enum { LARGE = 26000, LARGE_DIMENSION = 32 };

/* Above what is read at once; made once, for the tests that only look. */
static off_t write_large_file(struct index_options *options, struct fixture *f) {
    *options = (struct index_options){.dimension = LARGE_DIMENSION,
                                      .metric = INDEX_EUCLIDEAN,
                                      .M = 8,
                                      .ef_construction = 16,
                                      .storage = INDEX_F32};
    fixture_open(f, options, 1);
    fixture_append_random(f, LARGE);
    fixture_settle(f);
    fixture_remove_random(f, 100);
    fixture_append_random(f, 50);
    save(f, 1);
    struct stat about;
    cr_assert_eq(stat(path, &about), 0);
    cr_assert_gt(about.st_size, 5 << 20);
    return about.st_size;
}

Test(index_file, a_large_file_answers_before_it_is_verified) {
    struct fixture f;
    struct index_options options;
    (void)write_large_file(&options, &f);
    uint64_t right = digest(f.index, LARGE_DIMENSION);
    reopen(&f, 1);
    cr_expect_gt(fixture_stats(&f).unverified, 4 << 20);
    cr_expect_eq(digest(f.index, LARGE_DIMENSION), right);
    cr_assert_eq(index_wake(f.index), STATUS_OK);
    cr_expect_eq(digest(f.index, LARGE_DIMENSION), right);
    fixture_append_random(&f, 10); /* the linker has not looked yet */
    fixture_settle(&f);
    cr_expect_eq(fixture_stats(&f).unverified, 0);
    fixture_validate(&f);
    fixture_remove_random(&f, 2000);
    fixture_append_random(&f, 2000);
    fixture_settle(&f);
    fixture_validate(&f);
    fixture_close(&f);
}

static void search_some(struct index *index, struct rng *rng) {
    const struct index_view *view = index_view_hold(index);
    struct index_reader *reader;
    float vector[LARGE_DIMENSION];
    cr_assert_eq(index_reader_open(&reader), STATUS_OK);
    for (int q = 0; q < 5; q++) {
        for (int i = 0; i < LARGE_DIMENSION; i++)
            vector[i] = (float)rng_normal(rng);
        struct index_query query = {.vector = vector, .k = 10, .ef = 60};
        bool done = false;
        enum status s = index_search_start(reader, view, &query);
        while (s == STATUS_OK && !done)
            s = index_search_step(reader, 10000, &done);
        cr_assert(s == STATUS_OK || s == STATUS_QUARANTINED, "%s", status_name(s));
        index_search_end(reader);
    }
    index_reader_close(reader);
    index_view_drop(view);
}

/* Searched while nobody knows, then found. */
Test(index_file, a_flipped_bit_of_a_large_file_is_found_or_harmless, .timeout = 600) {
    struct fixture f;
    struct index_options options;
    struct rng rng;
    off_t size = write_large_file(&options, &f);
    fixture_close(&f);
    uint64_t right = 0, got = 0, applied;
    cr_assert_eq(open_and_look(&options, &right), STATUS_OK);
    int fd = open(path, O_RDWR);
    rng_init(&rng, 7);
    for (int i = 0; i < (is_long() ? 10000 : 200); i++) {
        off_t at = (off_t)rng_below(&rng, (uint64_t)size);
        int bit = (int)rng_below(&rng, 8);
        flip(fd, at, bit);
        struct index *index = NULL;
        enum status s = index_open(&options, path, &index, &applied);
        cr_assert(s == STATUS_OK || s == STATUS_CORRUPT);
        if (s == STATUS_OK) search_some(index, &rng);
        if (s == STATUS_OK) index_close(index);
        s = open_and_look(&options, &got);
        cr_assert(s == STATUS_CORRUPT || (s == STATUS_OK && got == right), "byte %ld bit %d",
                  (long)at, bit);
        flip(fd, at, bit);
    }
    close(fd);
}

/* Bytes that lie in every page, under sums that are right or wrong: readers stay in range. */
Test(index_file, searches_of_unverified_nonsense_end) {
    struct fixture f;
    struct index_options options;
    struct rng rng;
    off_t size = write_large_file(&options, &f);
    fixture_close(&f);
    rng_init(&rng, 3);
    unsigned char noise[4096];
    int fd = open(path, O_RDWR);
    /* All but the roots and the last part: extra and table, which are verified at once. */
    for (off_t at = 4096; at < size - 600000; at += 4096) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (unsigned char)rng_below(&rng, 256);
        cr_assert_eq(pwrite(fd, noise, sizeof noise, at), (ssize_t)sizeof noise);
    }
    close(fd);
    struct index *index = NULL;
    uint64_t applied;
    enum status s = index_open(&options, path, &index, &applied);
    if (s == STATUS_OK) {
        search_some(index, &rng);
        cr_expect_eq(index_wake(index), STATUS_CORRUPT);
        index_close(index);
    }
    cr_expect(s == STATUS_OK || s == STATUS_CORRUPT);
}

Test(index_file, a_file_cut_short_while_it_is_mapped_is_an_error) {
    struct fixture f;
    struct index_options options;
    struct rng rng;
    uint64_t applied;
    struct index *index = NULL;
    off_t size = write_large_file(&options, &f);
    fixture_close(&f);
    rng_init(&rng, 5);
    cr_assert_eq(index_open(&options, path, &index, &applied), STATUS_OK);
    cr_assert_eq(truncate(path, size / 8), 0);
    search_some(index, &rng); /* no SIGBUS */
    bool idle = false;
    enum status s = index_wake(index);
    while (s == STATUS_OK && !idle)
        s = index_link_step(index, 100000, &idle);
    cr_expect_eq(s, STATUS_CORRUPT);
    const struct index_view *view = index_view_hold(index);
    cr_expect(index_stats(view).damaged);
    index_view_drop(view);
    index_close(index);
}

/* --- saves of what changed
 * -------------------------------------------------------------------------------- */

Test(index_file, a_save_writes_what_changed) {
    struct fixture f;
    struct index_options options;
    off_t size = write_large_file(&options, &f);
    for (int round = 0; round < 2; round++) {
        struct index_save *job;
        bool done = false;
        fixture_append_random(&f, 20);
        fixture_settle(&f);
        fixture_remove_random(&f, 20);
        cr_assert_eq(index_save_start(f.index, path, 2, &job), STATUS_OK);
        while (!done)
            cr_assert_eq(index_save_step(job, 100000, &done), STATUS_OK);
        struct index_save_stats stats = index_save_stats(job);
        index_save_end(job);
        cr_expect_not(stats.whole);
        cr_expect_lt(stats.bytes, (uint64_t)size * 2 / 3, "%lu of %ld", (unsigned long)stats.bytes,
                     (long)size);
        uint64_t right = digest(f.index, LARGE_DIMENSION);
        reopen(&f, 2); /* the second round appends to a file that was opened */
        cr_expect_eq(digest(f.index, LARGE_DIMENSION), right);
    }
    fixture_settle(&f);
    fixture_validate(&f);
    fixture_close(&f);
}

/* --- crashes
 * ---------------------------------------------------------------------------------------------- */

/* The system calls of a save, in place of the C library's: the process ends in the middle of the
 * one whose turn it is. */
static long calls_left = -1;

static bool ends_here(void) {
    return calls_left > 0 && --calls_left == 0;
}

#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
    if (!ends_here()) return REAL(pwrite)(fd, bytes, size, at);
    (void)REAL(pwrite)(fd, bytes, size / 2, at);
    _exit(9);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    if (!ends_here()) return REAL(write)(fd, bytes, size);
    (void)REAL(write)(fd, bytes, size / 2);
    _exit(9);
}

int fdatasync(int fd) {
    if (ends_here()) _exit(9);
    return REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to) {
    if (ends_here()) _exit(9);
    return REAL(rename)(from, to);
}

/* Saves in a child that ends at the nth call; gives its exit code. */
static int save_and_crash(struct fixture *f, long nth) {
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct index_save *job;
        bool done = false;
        calls_left = nth;
        enum status s = index_save_start(f->index, path, 2, &job);
        while (s == STATUS_OK && !done)
            s = index_save_step(job, 1000, &done);
        _exit(s == STATUS_OK ? 0 : 1);
    }
    int code;
    cr_assert_eq(waitpid(child, &code, 0), child);
    cr_assert(WIFEXITED(code));
    return WEXITSTATUS(code);
}

static void crash_everywhere(bool whole) {
    struct fixture f;
    struct index_options options = {.dimension = 4, .M = 4, .ef_construction = 20};
    fixture_open(&f, &options, 1);
    fixture_append_random(&f, 3000);
    fixture_settle(&f);
    save(&f, 1);
    if (whole) fixture_remove_random(&f, 1500);
    fixture_append_random(&f, whole ? 1500 : 3);
    fixture_settle(&f);
    uint64_t before = 0, after = digest(f.index, 4), got = 0;
    cr_assert_eq(open_and_look(&options, &before), STATUS_OK);
    cr_assert_neq(before, after);
    char command[300];
    snprintf(command, sizeof command, "cp %s %s.old", path, path);
    cr_assert_eq(system(command), 0);
    int code = 9;
    bool new_seen = false;
    for (long nth = 1; code == 9; nth++) {
        snprintf(command, sizeof command, "cat %s.old > %s", path, path); /* the same inode */
        if (whole) cr_assert_eq(system(command), 0);
        code = save_and_crash(&f, nth);
        cr_assert(code == 9 || code == 0, "%d", code);
        cr_assert_eq(open_and_look(&options, &got), STATUS_OK, "call %ld", nth);
        cr_assert(got == before || got == after, "call %ld", nth);
        cr_assert(!new_seen || got == after || whole);
        new_seen = got == after;
        if (!whole && !new_seen) cr_assert_eq(got, before);
        if (!whole && new_seen && code == 9) break; /* the root was whole: this was the last call */
    }
    cr_expect(new_seen);
    snprintf(command, sizeof command, "rm -f %s.old %s.tmp", path, path);
    cr_assert_eq(system(command), 0);
    fixture_close(&f);
}

/* Linked points fill a page in part, waiting ones make its part of the file longer without writing
 * to it. */
Test(index_file, points_that_only_wait_make_a_page_longer) {
    for (int coded = 0; coded < 2; coded++) {
        struct fixture f;
        struct index_options options = {.dimension = 9,
                                        .storage = coded ? INDEX_SQ8 : INDEX_AUTO,
                                        .train_min = 500,
                                        .tail_max = 4000};
        fixture_open(&f, &options, 3);
        fixture_append_random(&f, 1500);
        fixture_settle(&f);
        save(&f, 1);
        fixture_append_random(&f, 7);
        save(&f, 2);
        reopen(&f, 2);
        fixture_append_random(&f, 7);
        save(&f, 3);
        reopen(&f, 3);
        cr_expect_eq(fixture_stats(&f).points, 1514);
        fixture_validate(&f);
        fixture_settle(&f);
        fixture_validate(&f);
        cr_expect_gt(fixture_recall(&f, 20, 10, 50), 0.95);
        fixture_close(&f);
    }
}

Test(index_file, a_crash_at_any_call_of_a_whole_save_leaves_old_or_new) {
    crash_everywhere(true);
}

Test(index_file, a_crash_at_any_call_of_a_small_save_leaves_old_or_new) {
    crash_everywhere(false);
}
