/* arena: memory that goes away all at once. Chunks are kept for the next use. One thread at a time.
 */
#ifndef RUNTIME_ARENA_H
#define RUNTIME_ARENA_H

#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *first; /* owned */
    struct arena_chunk *chunk; /* being filled */
    size_t used;               /* of chunk */
    size_t total;              /* handed out since the last reset */
    size_t limit;              /* 0 = none; beyond it arena_alloc answers NULL */
};

void arena_init(struct arena *arena, size_t limit);
/* Aligned to 16, not zeroed. NULL: no memory or over the limit. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zero(struct arena *arena, size_t size);
/* Forgets everything; keeps one chunk. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
