/* blocks: a block knows its class, in front of what its user sees:
 *
 *     class, size │ memory …
 *
 * Classes are BLOCKS_STEP bytes apart, this head included. */
#include "adapters/edge/blocks.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/memory.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KEEPS = 0 };
#else
enum { KEEPS = 1 };
#endif

struct block {
    union {
        struct block *next; /* of the free ones */
        size_t size;        /* for its user */
    };
    uint32_t class; /* BLOCKS_CLASSES: the heap's */
    alignas(max_align_t) unsigned char memory[];
};

static uint32_t class_of(size_t size) {
    if (size > BLOCKS_STEP * BLOCKS_CLASSES - sizeof(struct block)) return BLOCKS_CLASSES;
    return (uint32_t)((size + sizeof(struct block) - 1) / BLOCKS_STEP);
}

static size_t room_of(uint32_t class) {
    return (size_t)(class + 1) * BLOCKS_STEP;
}

static struct block *block_of(void *memory) {
    return (struct block *)((char *)memory - offsetof(struct block, memory));
}

void *blocks_alloc(struct blocks *blocks, size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    uint32_t class = class_of(size);
    struct block *block = class < BLOCKS_CLASSES ? blocks->free[class] : NULL;
    if (block) {
        blocks->free[class] = block->next;
        blocks->kept -= room_of(class);
    } else {
        block = mem_alloc(class < BLOCKS_CLASSES ? room_of(class) : sizeof *block + size);
        if (!block) return NULL;
        block->class = class;
    }
    block->size = size;
    return block->memory;
}

void *blocks_zero(struct blocks *blocks, size_t count, size_t size) {
    if (size && count > SIZE_MAX / size) return NULL;
    void *memory = blocks_alloc(blocks, count * size);
    return memory ? memset(memory, 0, count * size) : NULL;
}

void *blocks_resize(struct blocks *blocks, void *memory, size_t size) {
    if (!memory) return blocks_alloc(blocks, size);
    struct block *block = block_of(memory);
    if (block->class < BLOCKS_CLASSES && class_of(size) == block->class) {
        block->size = size;
        return memory;
    }
    void *moved = blocks_alloc(blocks, size);
    if (!moved) return NULL;
    memcpy(moved, memory, block->size < size ? block->size : size);
    blocks_free(blocks, memory);
    return moved;
}

void blocks_free(struct blocks *blocks, void *memory) {
    if (!memory) return;
    struct block *block = block_of(memory);
    uint32_t class = block->class;
    if (!KEEPS || class == BLOCKS_CLASSES || blocks->kept + room_of(class) > BLOCKS_KEPT_MAX) {
        mem_free(block);
        return;
    }
    block->next = blocks->free[class];
    blocks->free[class] = block;
    blocks->kept += room_of(class);
}

void blocks_close(struct blocks *blocks) {
    for (size_t class = 0; class < BLOCKS_CLASSES; class ++) {
        while (blocks->free[class]) {
            struct block *block = blocks->free[class];
            blocks->free[class] = block->next;
            mem_free(block);
        }
    }
    blocks->kept = 0;
}
