/* columns_file: payload indexes beside the index file, so that a restart need not read every
 * payload. What a point has never changes, so the file is right however old it is: points that it
 * does not know are read, numbers that are no points any more are passed over.
 *
 *     stream of blocks with sums (stream.h)
 *       head ─▶ of each column: about, key, texts of its codes from 1 on ─▶ pieces of rows, the
 *       last one empty. A piece: how many, their numbers, then each column's values.
 *
 * docs/index-file.md has it byte by byte. */
#ifndef INDEX_COLUMNS_FILE_H
#define INDEX_COLUMNS_FILE_H

#include <stdint.h>

#define COLUMNS_FILE_MAGIC UINT64_C(0x534e4d4c4f434556) /* "VECOLMNS" */

enum { COLUMNS_FILE_VERSION = 1, COLUMNS_FILE_ROWS = 1024 /* in a piece, at most */ };

struct columns_file_head {
    uint64_t magic;
    uint32_t version;
    uint32_t n_columns;
    uint64_t owner; /* seed of the index */
};

struct columns_file_column {
    uint32_t type; /* enum filter_type */
    uint32_t key_size;
    uint32_t n_texts; /* of keywords: codes from 1 to this, each u32 size and the bytes */
    uint32_t zero;
};

#endif
