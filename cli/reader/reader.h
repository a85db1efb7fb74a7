/* reader: rows (id, vector, payload) out of a data file, one at a time in bounded memory. Formats:
 *
 *   npy     NumPy array, 2 or more dimensions, C order, f2 f4 f8 and integers
 *   vecs    .fvecs .bvecs .ivecs (TEXMEX): 32-bit count, then the components, per row
 *   idx     MNIST's format: u8 i8 i16 i32 f32 f64, the first dimension counts rows
 *   hdf5    one 2-dimensional dataset (ann-benchmarks: "train")
 *   jsonl   one object a line: {"id": …, "vector": […], "payload": {…}}
 *   csv     comma, semicolon or tab; see csv.c
 *
 * All but hdf5 may be gzip files. What is wrong with a file is told with file, place and reason.
 * One thread at a time. */
#ifndef CLI_READER_READER_H
#define CLI_READER_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

enum {
    READER_DIMENSION_MAX = 65535,
    READER_PAIRS_MAX = 1024, /* payload entries of a row; the server takes less */
    READER_WORDS_MAX = 512,
};

struct reader;

struct reader_options {
    const char *path;    /* "-": standard input, needs a format */
    const char *format;  /* NULL: by the file's name, then by its first bytes */
    const char *dataset; /* hdf5; NULL: "train" */
};

struct reader_pair {
    const char *key;
    const char *value;
};

/* Borrowed until the next call. */
struct reader_row {
    uint64_t row;   /* from 0, bad rows counted */
    uint64_t line;  /* of a text file, from 1; 0: none */
    const char *id; /* NULL: the file has none */
    const float *vector;
    uint32_t dimension;
    const struct reader_pair *pairs;
    size_t n_pairs;
    bool end; /* there was no row */
};

/* INVALID (format), CORRUPT, IO, NO_MEMORY: words tells why. */
MUST_USE enum status reader_open(const struct reader_options *options,
                                 struct reader **out,
                                 char words[READER_WORDS_MAX]);
void reader_close(struct reader *reader); /* NULL is fine */
/* INVALID: this row is bad, the next call reads on behind it. CORRUPT, IO, NO_MEMORY: nothing more
 * can be read. reader_words tells why; *row then has row and line. */
MUST_USE enum status reader_next(struct reader *reader, struct reader_row *row);
/* "FILE: line 3: vector[2] is no number" */
const char *reader_words(const struct reader *reader);
const char *reader_format(const struct reader *reader);
/* Rows of the file, 0 when the format does not say. */
uint64_t reader_rows(const struct reader *reader);
/* Share of the file that was read, 0..1; negative: unknown. */
double reader_progress(const struct reader *reader);

#endif
