/* file: an index on disk (docs/index-file.md has it byte by byte). The arrays of the index are in
 * it as they are in memory, page by page (slots.h), so opening is mapping; little-endian.
 *
 *     two roots     struct file_root, 512 bytes each; the valid one with the higher generation
 * counts pages         of the arrays, whole ones on 4,096 bytes where they are to be mapped extra
 * stream.h: centre of the codes, vectors kept whole, the tail table         struct file_page of
 * every page, array by array
 *
 * A save either writes the file whole, beside the old one, and renames it; or appends what changed,
 * then an extra and a table, then the root that is not in use. Nothing a root leads to is written
 * over, so a crash leaves the old state or the new one. Every byte that is used is under an XXH3:
 * the roots' own, the table's, the stream's, each page's.
 *
 * What can be made from the rest is not in the file: numbers, lists of free slots, rows and id
 * cells (wake.c). save.c writes, load.c opens, settle.c verifies and lets go of the file, judge.c
 * looks at what the numbers say. */
#ifndef INDEX_FILE_H
#define INDEX_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "index/slots.h"
#include "index/view.h"
#include "runtime/status.h"

#define FILE_MAGIC "VECTRIDX"

enum {
    FILE_VERSION = 5, /* 1 had no codes, 2 other ones; 3 was a stream that had to be read whole; 4
                         had other squares behind rows of dot, and codes of zero vectors */
    FILE_ROOT = 512,
    FILE_ROOTS = 2,
    FILE_ALIGN = 4096,        /* of pages that are mapped */
    FILE_FINE = 64,           /* of all others */
    FILE_PAGE_MIN = 16 << 10, /* bytes of one that may be mapped */
    FILE_RUNS_MAX = 4096,     /* pieces a file may be in; then it is written whole */
};

struct file_root {
    char magic[8];
    uint32_t version;
    uint32_t dimension;
    uint32_t metric;
    uint32_t M;
    uint64_t generation;
    uint64_t applied;
    uint64_t end; /* bytes of the file that are of use */
    uint64_t extra_at, extra_size;
    uint64_t table_at, table_size, table_sum;
    uint32_t n_slots;
    uint32_t n_live;
    uint32_t n_linked;
    uint32_t n_upper; /* rows above level 0 */
    uint32_t n_cells; /* of ids */
    uint32_t n_tail;
    uint32_t n_kept;
    uint32_t entry; /* slot + 1; 0: nothing is linked */
    uint32_t entry_level;
    uint32_t root;  /* of the tree, slot + 1 */
    uint32_t store; /* enum store_kind */
    float bound;    /* of the codes, as the next three */
    uint64_t seed;
    uint64_t n_trained;
    uint32_t unused_word; /* 0 */
    uint32_t n_sections;
    uint32_t strides[FILE_SECTIONS_MAX]; /* of the arrays */
    unsigned char unused[296];           /* 0 */
    uint64_t sum;                        /* of all before it */
};

struct file_page {
    uint64_t at; /* 0: never written, all zero */
    uint64_t sum;
    uint32_t size;
    uint32_t unused;
};

/* The one that counts, of FILE_ROOTS; NULL: none is sound. */
const struct file_root *file_choose(const struct file_root *roots);

/* The arrays in the order of the table, each with the count of its elements that a root says;
 * records, ids, live and placed bits, nodes, which the appender needs, then what is the linker's.
 */
unsigned file_sections(struct index_view *view,
                       struct store *store,
                       const struct file_root *root,
                       struct file_section *out);

/* What is known of the file on disk, for the next save and for settling. */
struct file_book {
    uint64_t device, inode, generation, end;
    uint64_t used; /* bytes of pages that the root leads to */
    uint32_t runs; /* pieces they lie in, about */
    bool known;    /* the pages' places (slots.h) are those of this file */
};

struct index;
/* Fills an index whose view is empty. Dimension, metric and M must be those of the options.
 * NOT_FOUND: no such file. CORRUPT, NO_MEMORY, IO: the index is of no use any more. */
MUST_USE enum status file_load(struct index *index, const char *path, uint64_t *applied);

#endif
