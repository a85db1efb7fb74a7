/* rows: what a data file holds, for an index without a server: read as `vectron import` reads it,
 * every row judged, bad ones told. One thread. */
#ifndef CLI_INDEX_ROWS_H
#define CLI_INDEX_ROWS_H

#include "cli/import.h"
#include "index/index.h"

#define ROWS_FLAGS \
    {"format", "NAME", \
     "of FILE: npy, vecs, idx, hdf5, jsonl or csv (default: by its name, then its first bytes)"}, \
    { \
        "dataset", "NAME", "of an HDF5 file (default train)" \
    }

struct rows_options {
    const char *path;
    const char *format;  /* NULL: found out */
    const char *dataset; /* hdf5; NULL: train */
    const char *prefix;  /* of every id; NULL: none */
    uint32_t dimension;  /* 0: that of the first row */
    uint64_t limit;      /* rows; 0: all */
    bool skip_bad;
};

struct rows {
    struct rows_options options;
    struct reader *reader;
    uint64_t n_read, n_bad;
    char id[INDEX_ID_MAX + 64];
};

/* Returns an exit code; what is wrong is said. */
int rows_open(struct rows *rows, const struct rows_options *options);
/* The next good row, borrowed until the next call; row->id is its id, as text. row->end: there is
 * none. An exit code. */
int rows_next(struct rows *rows, struct reader_row *row);
void rows_close(struct rows *rows);

#endif
