#include "files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char path[256];

static const char *path_of(const char *name) {
    static char folder[] = "/tmp/vectron-files-XXXXXX";
    static int made;
    if (!made) cr_assert(mkdtemp(folder));
    made = 1;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

const char *file_with(const char *name, const void *data, size_t size) {
    FILE *file = fopen(path_of(name), "w");
    cr_assert(file);
    cr_assert_eq(fwrite(data, 1, size, file), size);
    fclose(file);
    return path;
}

const char *file_gzipped(const char *name, const void *data, size_t size) {
    gzFile file = gzopen(path_of(name), "wb");
    cr_assert(file);
    cr_assert_eq(gzwrite(file, data, (unsigned)size), (int)size);
    gzclose(file);
    return path;
}

static void print_row(FILE *out, const struct reader_row *row) {
    if (row->id)
        fprintf(out, "%s:[", row->id);
    else
        fprintf(out, "#%llu:[", (unsigned long long)row->row);
    for (uint32_t i = 0; i < row->dimension; i++)
        fprintf(out, "%s%g", i ? " " : "", (double)row->vector[i]);
    fputs("]", out);
    if (row->n_pairs) fputs("{", out);
    for (size_t i = 0; i < row->n_pairs; i++)
        fprintf(out, "%s%s=%s", i ? " " : "", row->pairs[i].key, row->pairs[i].value);
    fputs(row->n_pairs ? "} " : " ", out);
}

/* Without the folder, which differs from run to run. */
static const char *short_words(const char *words) {
    const char *at = strstr(words, path);
    return at ? at + strlen(path) + 2 : words;
}

char *rows_of(const char *file, const char *format) {
    char *text = NULL, words[READER_WORDS_MAX];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct reader_options options = {.path = file, .format = format};
    struct reader *reader;
    enum status status = reader_open(&options, &reader, words);
    if (status != STATUS_OK) {
        fprintf(out, "!!%s", short_words(words));
        fclose(out);
        return text;
    }
    for (;;) {
        struct reader_row row;
        status = reader_next(reader, &row);
        if (status == STATUS_OK && row.end) break;
        if (status == STATUS_OK)
            print_row(out, &row);
        else
            fprintf(out, "%s%s ", status == STATUS_INVALID ? "!" : "!!",
                    short_words(reader_words(reader)));
        if (status != STATUS_OK && status != STATUS_INVALID) break;
    }
    reader_close(reader);
    fclose(out);
    return text;
}

size_t rows_read(const char *file, const char *format) {
    char words[READER_WORDS_MAX];
    struct reader_options options = {.path = file, .format = format};
    struct reader *reader;
    if (reader_open(&options, &reader, words) != STATUS_OK) return 0;
    struct reader_row row;
    size_t good = 0;
    enum status status;
    do {
        status = reader_next(reader, &row);
        good += status == STATUS_OK && !row.end;
    } while ((status == STATUS_OK && !row.end) || status == STATUS_INVALID);
    reader_close(reader);
    return good;
}
