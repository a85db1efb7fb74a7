/* reader: picks the format, opens the source, counts rows; the formats do the rest. */
#include "cli/reader/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/reader/format.h"
#include "runtime/memory.h"

static const struct format *const formats[] = {
    &format_npy, &format_vecs, &format_idx, &format_hdf5, &format_jsonl, &format_csv, NULL,
};

static const struct format *format_named(const char *name) {
    for (size_t i = 0; formats[i]; i++)
        if (strcasecmp(formats[i]->name, name) == 0) return formats[i];
    return NULL;
}

static bool ends_with(const char *text, size_t n, const char *suffix, size_t size) {
    return n > size && strncasecmp(text + n - size, suffix, size) == 0;
}

static const struct format *format_of_name(const char *path) {
    size_t n = strlen(path);
    if (ends_with(path, n, ".gz", 3)) n -= 3;
    for (size_t i = 0; formats[i]; i++) {
        const char *at = formats[i]->suffixes;
        while (*at) {
            size_t size = strcspn(at, " ");
            if (size && ends_with(path, n, at, size)) return formats[i];
            at += size + (at[size] == ' ');
        }
    }
    return NULL;
}

static const struct format *format_of_bytes(const char *path) {
    unsigned char head[8] = {0};
    char words[SOURCE_WORDS_MAX];
    struct source *source;
    if (strcmp(path, "-") == 0 || source_open(path, &source, words) != STATUS_OK) return NULL;
    size_t got = 0;
    enum status status = source_read(source, head, sizeof head, &got);
    source_close(source);
    if (status != STATUS_OK) return NULL;
    if (memcmp(head, "\x93NUMPY", 6) == 0) return &format_npy;
    if (memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0) return &format_hdf5;
    if (got >= 4 && head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[3] >= 1 && head[3] <= 8)
        return &format_idx;
    return head[0] == '{' ? &format_jsonl : NULL;
}

enum status reader_fail(struct reader *reader, enum status status, const char *format, ...) {
    int used = snprintf(reader->words, sizeof reader->words, "%s: ", reader->path);
    size_t at = used < 0 || (size_t)used >= sizeof reader->words ? 0 : (size_t)used;
    if (reader->line)
        used = snprintf(reader->words + at, sizeof reader->words - at,
                        "line %llu: ", (unsigned long long)reader->line);
    else if (reader->source)
        used = snprintf(reader->words + at, sizeof reader->words - at,
                        "byte %llu: ", (unsigned long long)source_offset(reader->source));
    else
        used = 0;
    at += (size_t)used < sizeof reader->words - at ? (size_t)used : 0;
    va_list args;
    va_start(args, format);
    vsnprintf(reader->words + at, sizeof reader->words - at, format, args);
    va_end(args);
    return status;
}

enum status reader_bytes(struct reader *reader, void *to, size_t n, const char *what, bool *end) {
    size_t got;
    enum status status = source_read(reader->source, to, n, &got);
    if (status != STATUS_OK) return reader_fail(reader, status, "%s", source_words(reader->source));
    if (end) *end = got == 0;
    if (got == n || (end && got == 0)) return STATUS_OK;
    return reader_fail(reader, STATUS_CORRUPT, "the file is cut inside %s (%zu of %zu bytes)", what,
                       got, n);
}

enum status reader_room(struct reader *reader, size_t n) {
    if (n <= reader->vector_capacity) return STATUS_OK;
    size_t capacity = reader->vector_capacity ? reader->vector_capacity : 1024;
    while (capacity < n)
        capacity *= 2;
    float *vector = mem_resize(reader->vector, capacity * sizeof *vector);
    if (!vector) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
    reader->vector = vector;
    reader->vector_capacity = capacity;
    return STATUS_OK;
}

static enum status open_format(struct reader *reader) {
    if (!reader->format->own_file) {
        char words[SOURCE_WORDS_MAX];
        enum status status = source_open(reader->path, &reader->source, words);
        if (status != STATUS_OK) return reader_fail(reader, status, "%s", words);
    }
    return reader->format->open(reader);
}

/* Nothing is known of the file: maybe there is none. */
static enum status unknown_format(const struct reader_options *options,
                                  char words[READER_WORDS_MAX]) {
    char why[SOURCE_WORDS_MAX];
    struct source *source = NULL;
    enum status status = STATUS_OK;
    if (!options->format) status = source_open(options->path, &source, why);
    source_close(source);
    if (status != STATUS_OK) {
        snprintf(words, READER_WORDS_MAX, "%s: %s", options->path, why);
        return status;
    }
    snprintf(words, READER_WORDS_MAX,
             "%s: unknown format%s%s; give --format npy, vecs, idx, hdf5, jsonl or csv",
             options->path, options->format ? " " : "", options->format ? options->format : "");
    return STATUS_INVALID;
}

enum status reader_open(const struct reader_options *options,
                        struct reader **out,
                        char words[READER_WORDS_MAX]) {
    const struct format *format = NULL;
    if (options->format)
        format = format_named(options->format);
    else
        format = format_of_name(options->path);
    if (!format && !options->format) format = format_of_bytes(options->path);
    if (!format) return unknown_format(options, words);
    struct reader *reader = mem_zero(1, sizeof *reader);
    enum status status = STATUS_NO_MEMORY;
    if (reader) {
        reader->format = format;
        reader->path = mem_string(options->path);
        reader->dataset = options->dataset ? mem_string(options->dataset) : NULL;
        if (reader->path && (reader->dataset || !options->dataset)) status = open_format(reader);
    }
    if (status == STATUS_OK) {
        *out = reader;
        return STATUS_OK;
    }
    snprintf(words, READER_WORDS_MAX, "%s",
             reader && *reader->words ? reader->words : "out of memory");
    reader_close(reader);
    return status;
}

void reader_close(struct reader *reader) {
    if (!reader) return;
    reader->format->close(reader);
    source_close(reader->source);
    mem_free((char *)reader->path);
    mem_free((char *)reader->dataset);
    mem_free(reader->vector);
    mem_free(reader);
}

enum status reader_next(struct reader *reader, struct reader_row *row) {
    *row = (struct reader_row){0};
    enum status status = reader->format->next(reader, row);
    row->row = reader->row;
    row->line = reader->line;
    if (status == STATUS_OK && !row->end && reader->rows && reader->row >= reader->rows)
        return reader_fail(reader, STATUS_CORRUPT, "more rows than the head says");
    if (!row->end) reader->row++;
    return status;
}

const char *reader_words(const struct reader *reader) {
    return reader->words;
}

const char *reader_format(const struct reader *reader) {
    return reader->format->name;
}

uint64_t reader_rows(const struct reader *reader) {
    return reader->rows;
}

double reader_progress(const struct reader *reader) {
    if (reader->rows) return (double)reader->row / (double)reader->rows;
    uint64_t size = reader->source ? source_size(reader->source) : 0;
    return size ? (double)source_position(reader->source) / (double)size : -1;
}
