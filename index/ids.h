/* ids: the arena of external ids. Cells of multiples of eight bytes, recycled by size; nothing is
 * given back before the end, so a reader's borrowed id never leaves mapped memory. One thread, the
 * appender's. */
#ifndef INDEX_IDS_H
#define INDEX_IDS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"

enum { IDS_CELL = 8, IDS_CLASSES = INDEX_ID_MAX / IDS_CELL };

struct ids {
    struct ids_chunk *chunks;           /* owned; the newest first */
    size_t used;                        /* bytes of the newest */
    _Atomic size_t bytes;               /* of all chunks; any thread may read it */
    struct ids_cell *idle[IDS_CLASSES]; /* recycled cells, by size */
};

void ids_init(struct ids *ids);
void ids_reset(struct ids *ids);
/* A copy of the id; NULL when there is no memory. size: 1..INDEX_ID_MAX. */
const char *ids_new(struct ids *ids, const char *id, size_t size);
/* Takes back what ids_new gave for this size. */
void ids_recycle(struct ids *ids, const char *id, size_t size);

#endif
