/* Payload indexes that come and go, and their file. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/column.h"
#include "tests/unit/index/corpus.h"

enum { N = 5000, FILES = 300 };

static const struct index_options declared = {.dimension = CORPUS_DIMENSION,
                                              .metric = INDEX_EUCLIDEAN,
                                              .columns = corpus_columns,
                                              .n_columns = CORPUS_KEYS};

static void ask(struct corpus *corpus, size_t n_filters) {
    for (size_t i = 0; i < n_filters; i++) {
        struct corpus_filter filter;
        struct corpus_result result;
        float vector[CORPUS_DIMENSION] = {(float)(i % 10) / 10, 0.5f};
        corpus_filter(corpus, &filter);
        struct index_query query = {
            .vector = vector, .k = 10, .exact = true, .filter = &filter.filter};
        corpus_search(corpus, &query, &result);
        cr_assert_eq(result.status, STATUS_OK, "filter %zu", i);
        cr_assert_eq(result.n_wrong, 0, "filter %zu", i);
        cr_assert_eq(result.n_right, result.n_expected, "filter %zu", i);
        cr_assert_eq(result.stats.matching, corpus_count(corpus, &filter.filter), "filter %zu", i);
    }
}

static void give_payload(struct corpus *corpus, size_t i) {
    unsigned char payload[CORPUS_PAYLOAD_MAX];
    size_t size = corpus_payload(&corpus->points[i], payload);
    enum status s = index_column_fill(corpus->index, corpus->points[i].number, payload, size);
    cr_assert_eq(s, STATUS_OK);
}

static void fill(struct corpus *corpus) {
    for (size_t i = 0; i < corpus->n; i++)
        give_payload(corpus, i);
    index_columns_complete(corpus->index);
}

Test(columns, come_and_go_while_points_do) {
    struct corpus corpus;
    corpus_open(&corpus, true, 21);
    corpus_append(&corpus, N);
    corpus_settle(&corpus);
    for (size_t round = 0; round < CORPUS_KEYS + 2; round++) {
        const struct index_column *column = &corpus_columns[round % CORPUS_KEYS];
        const struct index_view *view = index_view_hold(corpus.index);
        cr_assert(index_has_column(view, column));
        cr_assert_eq(index_column_drop(corpus.index, column), STATUS_OK);
        cr_assert_eq(index_column_drop(corpus.index, column), STATUS_NOT_FOUND);
        cr_expect_not(index_has_column(view, column));
        cr_expect_eq(index_stats(view).columns, CORPUS_KEYS - 1);
        index_view_drop(view);
        corpus_append(&corpus, 100);
        bool idle = false;
        for (size_t step = 0; !idle && step < round; step++) /* some cycles end half-way */
            cr_assert_eq(index_link_step(corpus.index, 3000, &idle), STATUS_OK);
        cr_assert_eq(index_column_begin(corpus.index, column), STATUS_OK);
        corpus_remove(&corpus, 50);
        fill(&corpus);
        ask(&corpus, 10);
        if (round % 3 == 0) corpus_settle(&corpus);
        ask(&corpus, 10);
    }
    corpus_close(&corpus);
}

Test(columns, give_their_memory_back_when_no_search_knows_them) {
    struct corpus corpus;
    corpus_open(&corpus, true, 22);
    corpus_append(&corpus, N);
    corpus_settle(&corpus);
    const struct index_view *view = index_view_hold(corpus.index);
    struct corpus_filter filter;
    float vector[CORPUS_DIMENSION] = {0};
    bool done = false;
    corpus_range(&filter, 3, FILTER_LOWEST, FILTER_HIGHEST);
    struct index_query query = {.vector = vector, .k = 10, .exact = true, .filter = &filter.filter};
    cr_assert_eq(index_search_start(corpus.reader, view, &query), STATUS_OK);
    for (size_t i = 0; i < CORPUS_KEYS; i++)
        cr_assert_eq(index_column_drop(corpus.index, &corpus_columns[i]), STATUS_OK);
    cr_expect(index_stats(view).unsorted, "the linker has something to give back");
    corpus_settle(&corpus);
    while (!done) /* what it began with is there for it */
        cr_assert_eq(index_search_step(corpus.reader, 100, &done), STATUS_OK);
    index_search_end(corpus.reader);
    corpus_settle(&corpus);
    cr_expect_not(index_stats(view).unsorted);
    cr_expect_eq(index_search_start(corpus.reader, view, &query), STATUS_NOT_READY);
    index_view_drop(view);
    corpus_close(&corpus);
}

Test(columns, a_place_is_free_again) {
    struct corpus corpus;
    char names[INDEX_COLUMNS_MAX + 1][8];
    corpus_open(&corpus, false, 23);
    corpus_append(&corpus, 10);
    for (uint32_t i = 0; i <= INDEX_COLUMNS_MAX; i++) {
        struct index_column column = {
            {names[i], (uint32_t)snprintf(names[i], sizeof names[i], "k%u", i)}, FILTER_BOOL};
        enum status s = index_column_begin(corpus.index, &column);
        cr_expect_eq(s, i < INDEX_COLUMNS_MAX ? STATUS_OK : STATUS_QUOTA);
    }
    struct index_column third = {{"k3", 2}, FILTER_BOOL}, another = {{"k64", 3}, FILTER_BOOL};
    cr_expect_eq(index_column_drop(corpus.index, &third), STATUS_OK);
    cr_expect_eq(index_column_begin(corpus.index, &another), STATUS_OK);
    cr_expect_eq(index_column_begin(corpus.index, &third), STATUS_QUOTA);
    corpus_close(&corpus);
}

Test(columns, a_first_keyword_may_be_empty) {
    const struct filter_text key = {"color", 5}, texts[] = {{"", 0}, {"red", 3}, {"", 0}};
    struct column *column;
    uint32_t codes[3];
    cr_assert_eq(column_open(&key, FILTER_KEYWORD, &column), STATUS_OK);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(column_code(column, &texts[i], &codes[i]), STATUS_OK);
    cr_expect_eq(codes[0], 1);
    cr_expect_eq(codes[1], 2);
    cr_expect_eq(codes[2], 1);
    cr_expect_eq(column_text(column, 1)->size, 0);
    column_close(column);
}

/* --- the file --- */

static void save_index(struct corpus *corpus, const char *path) {
    struct index_save *save;
    bool done = false;
    cr_assert_eq(index_save_start(corpus->index, path, 1, &save), STATUS_OK);
    while (!done)
        cr_assert_eq(index_save_step(save, 1 << 20, &done), STATUS_OK);
    index_save_end(save);
}

static void reopen(struct corpus *corpus, const struct index_options *options, const char *path) {
    uint64_t applied;
    index_close(corpus->index);
    cr_assert_eq(index_open(options, path, &corpus->index, &applied), STATUS_OK);
    cr_assert_eq(index_wake(corpus->index), STATUS_OK);
}

static enum status load(struct index *index, const char *path, struct index_columns_load **out) {
    bool done = false;
    enum status s = index_columns_load_open(index, path, out);
    while (s == STATUS_OK && !done)
        s = index_columns_load_step(*out, &done);
    return s;
}

static void name_file(char *path, const char *end) {
    sprintf(path, "/tmp/vectron-columns-XXXXXX%s", end);
    int fd = mkstemps(path, (int)strlen(end));
    cr_assert_geq(fd, 0);
    close(fd);
}

static size_t append_unknown(struct corpus *corpus, const struct index_columns_load *loaded) {
    size_t n = 0;
    for (size_t i = 0; i < corpus->n; i++) {
        if (index_columns_load_knew(loaded, corpus->points[i].number)) continue;
        n++;
        give_payload(corpus, i);
    }
    return n;
}

Test(columns, a_file_of_another_age_saves_reading_all_but_what_is_new) {
    struct corpus corpus;
    struct index_columns_load *loaded = NULL;
    char path[64], columns[64];
    name_file(path, ".index");
    name_file(columns, ".columns");
    corpus_open(&corpus, true, 24);
    corpus_append(&corpus, N);
    corpus_settle(&corpus);
    const struct index_view *view = index_view_hold(corpus.index);
    cr_assert_eq(index_columns_save(view, columns, NULL), STATUS_OK);
    uint64_t unread = index_stats(view).unread;
    index_view_drop(view);
    corpus_remove(&corpus, 500);
    corpus_append(&corpus, 700);
    corpus_settle(&corpus);
    save_index(&corpus, path);
    reopen(&corpus, &declared, path);
    cr_assert_eq(load(corpus.index, columns, &loaded), STATUS_OK);
    cr_expect_eq(append_unknown(&corpus, loaded), 700);
    index_columns_load_close(loaded);
    view = index_view_hold(corpus.index);
    cr_expect_gt(unread, 0);
    cr_expect_gt(index_stats(view).unread, unread / 2, "they are counted again");
    index_view_drop(view);
    ask(&corpus, 20);
    corpus_settle(&corpus);
    ask(&corpus, 20);
    corpus_close(&corpus);
    unlink(path);
    unlink(columns);
}

Test(columns, a_file_without_one_of_them_is_none) {
    struct corpus corpus;
    struct index_columns_load *loaded = NULL;
    struct index_options fewer = declared;
    char path[64], columns[64];
    name_file(path, ".index");
    name_file(columns, ".columns");
    corpus_open(&corpus, true, 25);
    corpus_append(&corpus, 1000);
    corpus_settle(&corpus);
    save_index(&corpus, path);
    cr_assert_eq(index_column_drop(corpus.index, &corpus_columns[2]), STATUS_OK);
    const struct index_view *view = index_view_hold(corpus.index);
    cr_assert_eq(index_columns_save(view, columns, NULL), STATUS_OK);
    index_view_drop(view);
    reopen(&corpus, &declared, path);
    cr_expect_eq(load(corpus.index, columns, &loaded), STATUS_NOT_FOUND);
    cr_expect_eq(load(corpus.index, "/tmp/vectron-columns-none", &loaded), STATUS_NOT_FOUND);
    fewer.n_columns = 2; /* what the file has more is passed over */
    reopen(&corpus, &fewer, path);
    cr_expect_eq(load(corpus.index, columns, &loaded), STATUS_OK);
    cr_expect_eq(append_unknown(&corpus, loaded), 0);
    index_columns_load_close(loaded);
    struct index_options other = declared;
    other.seed = 99;
    index_close(corpus.index);
    uint64_t applied;
    cr_assert_eq(index_open(&other, NULL, &corpus.index, &applied), STATUS_OK);
    cr_expect_eq(load(corpus.index, columns, &loaded), STATUS_CORRUPT, "another index's");
    corpus_close(&corpus);
    unlink(path);
    unlink(columns);
}

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    cr_assert(file);
    unsigned char *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void write_file(const char *path, const unsigned char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

Test(columns, every_flip_and_every_cut_of_a_file_is_found) {
    struct corpus corpus;
    struct index_columns_load *loaded = NULL;
    char columns[64];
    size_t size;
    name_file(columns, ".columns");
    corpus_open(&corpus, true, 26);
    corpus_append(&corpus, 200);
    const struct index_view *view = index_view_hold(corpus.index);
    cr_assert_eq(index_columns_save(view, columns, NULL), STATUS_OK);
    index_view_drop(view);
    unsigned char *bytes = read_file(columns, &size);
    for (size_t i = 0; i < FILES; i++) {
        size_t at = i * size / FILES;
        bytes[at] ^= (unsigned char)(1 << i % 8);
        write_file(columns, bytes, size);
        cr_assert_eq(load(corpus.index, columns, &loaded), STATUS_CORRUPT, "flip at %zu", at);
        bytes[at] ^= (unsigned char)(1 << i % 8);
        write_file(columns, bytes, at);
        cr_assert_eq(load(corpus.index, columns, &loaded), STATUS_CORRUPT, "cut at %zu", at);
    }
    free(bytes);
    corpus_close(&corpus);
    unlink(columns);
}

Test(columns, a_save_that_is_cancelled_leaves_the_file_of_before) {
    struct corpus corpus;
    struct index_columns_load *loaded = NULL;
    atomic_bool cancel;
    char columns[64];
    name_file(columns, ".columns");
    corpus_open(&corpus, true, 27);
    corpus_append(&corpus, 3000);
    const struct index_view *view = index_view_hold(corpus.index);
    cr_assert_eq(index_columns_save(view, columns, NULL), STATUS_OK);
    corpus_append(&corpus, 100);
    atomic_init(&cancel, true);
    cr_assert_eq(index_columns_save(view, columns, &cancel), STATUS_CANCELLED);
    cr_assert_eq(load(corpus.index, columns, &loaded), STATUS_OK);
    cr_expect_eq(append_unknown(&corpus, loaded), 100);
    index_columns_load_close(loaded);
    cr_expect_eq(index_columns_save(view, "/nowhere/columns", NULL), STATUS_IO);
    index_view_drop(view);
    corpus_close(&corpus);
    unlink(columns);
}
