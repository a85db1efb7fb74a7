/* cells: the vectors of points that wait to be linked, float32, so that the tail is measured
 * exactly whatever the graph keeps. Carved in order from blocks; a block is given back once
 * all its points were linked and no reader that copied the tail before can look.
 *
 * The appender takes cells, the linker is done with them in the same order. */
#ifndef INDEX_CELLS_H
#define INDEX_CELLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/epoch.h"
#include "runtime/status.h"

struct cell {
    float *vector; /* prepared; in the same block */
    struct cells_block *block;
    uint32_t slot;
};

struct cells {
    size_t stride;      /* bytes of a vector */
    size_t block_bytes; /* of the next block, at least; the appender's */
    /* the appender's */
    struct cells_block *open; /* NULL, or has cells left */
    uint32_t taken;           /* of the open one, committed or not */
    uint32_t committed;
    /* handed over */
    _Atomic(struct cells_block *) sealed; /* blocks the appender was the last to leave */
    /* the linker's */
    struct cells_block *leaving, *leaving_last; /* wait for readers, the oldest first */
    _Atomic size_t bytes;                       /* of all blocks, as far as they are used */
};

void cells_init(struct cells *cells, size_t stride);
/* Frees what no cell of a tail is in any more; the tail's were given to cells_done. */
void cells_reset(struct cells *cells);

/* Appender. Memory for n more cells, side by side. */
MUST_USE enum status cells_reserve(struct cells *cells, size_t n);
/* The next reserved cell. */
struct cell *cells_take(struct cells *cells);
/* Those taken since the last commit are in use from now on; or were not taken. */
void cells_commit(struct cells *cells);
void cells_undo(struct cells *cells);

/* Linker. The cell's point is linked or gone. */
void cells_done(struct cells *cells, struct cell *cell, const struct epoch *epoch);
/* Are there blocks no reader can know any more? */
bool cells_can_free(struct cells *cells, struct epoch *epoch);
void cells_free(struct cells *cells, struct epoch *epoch);

#endif
