/* arena: memory that goes away all at once. Chunks are kept for the next use. One thread at a time.
 */
#ifndef RUNTIME_ARENA_H
#define RUNTIME_ARENA_H

#include <stddef.h>

enum { ARENA_ALIGN = 16 };

struct arena_chunk;
struct arena {
    struct arena_chunk *first; /* owned */
    struct arena_chunk *chunk; /* being filled … */
    unsigned char *at;         /* … from here */
    size_t left;               /* there, and below the limit */
    size_t total;              /* handed out since the last reset */
    size_t limit;              /* 0 = none; beyond it arena_alloc answers NULL */
};

void arena_init(struct arena *arena, size_t limit);
/* Where the chunk being filled has no room. */
void *arena_alloc_elsewhere(struct arena *arena, size_t size);
/* Aligned to 16, not zeroed. NULL: no memory or over the limit. Inline, since every message is
 * decoded into one. */
static inline void *arena_alloc(struct arena *arena, size_t size) {
    size_t rounded = (size + (size == 0) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (rounded > arena->left || rounded < size) return arena_alloc_elsewhere(arena, size);
    void *memory = arena->at;
    arena->at += rounded;
    arena->left -= rounded;
    arena->total += rounded;
    return memory;
}
void *arena_zero(struct arena *arena, size_t size);
/* A copy of a text; NULL as above. */
char *arena_string(struct arena *arena, const char *text);
/* Forgets everything; keeps one chunk. */
void arena_reset(struct arena *arena);
/* The same, at the end of each turn: most took little, all of it from the first chunk. */
static inline void arena_settle(struct arena *arena) {
    if (arena->total == 0) return;
    if (arena->chunk != arena->first) {
        arena_reset(arena);
        return;
    }
    arena->at -= arena->total;
    arena->left += arena->total;
    arena->total = 0;
}
void arena_free(struct arena *arena);

/* First chunks that arenas of this thread gave back, kept for the next ones: requests have arenas
 * of their own, and the heap would put each chunk together with its neighbours and cut it out
 * again. */
struct arena_stash {
    struct arena_chunk *free; /* owned */
    size_t n;                 /* bounded */
};
/* This thread's from now on; NULL: none. With a sanitizer nothing is kept, so that it sees who uses
 * memory too long. */
void arena_stash_enter(struct arena_stash *stash);
/* No thread's any more. */
void arena_stash_close(struct arena_stash *stash);

#endif
