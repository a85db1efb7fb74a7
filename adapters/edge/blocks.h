/* blocks: memory for the small things that nghttp2 makes and gives back for every call: a stream,
 * frames, headers. One edge's thread; what is given back is kept for the next call, up to a bound.
 * With a sanitizer every block is the heap's, so that it sees who uses one too long. */
#ifndef EDGE_BLOCKS_H
#define EDGE_BLOCKS_H

#include <stddef.h>

enum {
    BLOCKS_STEP = 64,              /* bytes between two classes */
    BLOCKS_CLASSES = 20,           /* what is larger is the heap's */
    BLOCKS_KEPT_MAX = 1024 * 1024, /* bytes */
};

struct block;

struct blocks {
    struct block *free[BLOCKS_CLASSES]; /* owned */
    size_t kept;                        /* bytes in them */
};

/* Like mem_alloc, mem_zero, mem_resize and mem_free, with any of blocks' own. */
void *blocks_alloc(struct blocks *blocks, size_t size) __attribute__((warn_unused_result));
void *blocks_zero(struct blocks *blocks, size_t count, size_t size)
    __attribute__((warn_unused_result));
void *blocks_resize(struct blocks *blocks, void *memory, size_t size)
    __attribute__((warn_unused_result));
void blocks_free(struct blocks *blocks, void *memory);

/* Gives what is kept back to the heap. */
void blocks_close(struct blocks *blocks);

#endif
