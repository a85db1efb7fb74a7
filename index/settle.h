/* settle: how an opened index lets go of its file.
 *
 *     open ──▶ mapped: readers may go, every page may lie ──settle──▶ memory, every page verified
 *
 * Large segments are mapped by open (load.c). Settling reads them, chunk by chunk, into fresh
 * memory (huge pages), compares their sums, and puts the chunk where the mapping was, under the
 * feet of readers. Until then nobody writes to the array; what readers take from it is checked for
 * range, and a file that is cut short meanwhile reads as zeros (guard.h) and is found out here.
 *
 * The appender settles the arrays it owns, and the states of the nodes, at its first call (wake.h);
 * the linker all others in its steps. */
#ifndef INDEX_SETTLE_H
#define INDEX_SETTLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "index/slots.h"
#include "runtime/status.h"

struct index_view;

/* An array of the index with the count of its elements that the file has. */
struct file_section {
    struct slots *slots;
    uint32_t n;
};
enum { FILE_SECTIONS_MAX = 12, FILE_LINKERS = 5 /* the first that are the linker's alone */ };

struct settle {
    int fd; /* owned; -1: there is nothing to settle */
    unsigned n_sections;
    struct file_section sections[FILE_SECTIONS_MAX];
    uint32_t mapped[FILE_SECTIONS_MAX]; /* bits: segments that are mapped */
    unsigned at;                        /* the linker's: section … */
    unsigned segment;                   /* … and segment … */
    size_t offset;                      /* … and byte of it */
};

void settle_init(struct settle *settle);
void settle_reset(struct settle *settle);

/* Maps or reads every page of the sections. CORRUPT, NO_MEMORY, IO. */
MUST_USE enum status settle_open(struct settle *settle, struct index_view *view, bool map);
/* Settles sections [0, FILE_LINKERS). Appender. */
MUST_USE enum status settle_first(struct settle *settle, struct index_view *view);
/* The others, about `bytes`; *done after the last. Linker. */
MUST_USE enum status
settle_step(struct settle *settle, struct index_view *view, size_t bytes, bool *done);

#endif
