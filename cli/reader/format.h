/* format: what one file format gives to the reader. Private to cli/reader. */
#ifndef CLI_READER_FORMAT_H
#define CLI_READER_FORMAT_H

#include "cli/reader/reader.h"
#include "cli/reader/source.h"

struct reader {
    const struct format *format;
    const char *path;      /* owned */
    const char *dataset;   /* owned; NULL unless given */
    struct source *source; /* owned; NULL for formats that open the file themselves */
    void *state;           /* owned by the format */
    uint64_t rows;         /* 0: unknown */
    uint64_t row;          /* of the next one */
    uint64_t line;         /* of the last line taken */
    float *vector;         /* owned */
    size_t vector_capacity;
    char words[READER_WORDS_MAX];
};

struct format {
    const char *name;
    const char *suffixes; /* " .fvecs .bvecs " */
    bool own_file;        /* opens reader.path itself */
    /* Reads the head; sets state and rows. */
    enum status (*open)(struct reader *reader);
    /* Fills everything of *row but row and line; or its end. */
    enum status (*next)(struct reader *reader, struct reader_row *row);
    void (*close)(struct reader *reader); /* state may be NULL */
};

extern const struct format format_npy;
extern const struct format format_vecs;
extern const struct format format_idx;
extern const struct format format_hdf5;
extern const struct format format_jsonl;
extern const struct format format_csv;

/* Sets the words, with file and place, and returns status. */
MUST_USE enum status reader_fail(struct reader *reader, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Exactly n bytes, else CORRUPT "cut inside WHAT". *end (may be NULL: then it is an error) is set
 * when there is nothing at all. */
MUST_USE enum status
reader_bytes(struct reader *reader, void *to, size_t n, const char *what, bool *end);
/* reader->vector with room for n components. */
MUST_USE enum status reader_room(struct reader *reader, size_t n);

/* --- numbers as they lie in files ----------------------------------------------------------------
 */
enum element {
    ELEMENT_F2,
    ELEMENT_F4,
    ELEMENT_F8,
    ELEMENT_I1,
    ELEMENT_I2,
    ELEMENT_I4,
    ELEMENT_I8,
    ELEMENT_U1,
    ELEMENT_U2,
    ELEMENT_U4,
    ELEMENT_U8,
};
size_t element_size(enum element element);
/* n numbers at `bytes` (any alignment) to float32. */
void element_floats(enum element element, bool big_endian, const void *bytes, size_t n, float *out);

#endif
