/* ids: bump allocation in chunks that double, a free list for each cell size. */
#include "index/ids.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum { CHUNK_MIN = 4 << 10, CHUNK_MAX = 1 << 20 };

struct ids_cell {
    struct ids_cell *next;
};

struct ids_chunk {
    struct ids_chunk *next; /* owned */
    size_t capacity;
    _Alignas(IDS_CELL) char data[];
};

static_assert(sizeof(struct ids_cell) <= IDS_CELL, "a recycled cell holds its link");

void ids_init(struct ids *ids) {
    *ids = (struct ids){0};
}

void ids_reset(struct ids *ids) {
    while (ids->chunks) {
        struct ids_chunk *next = ids->chunks->next;
        mem_free(ids->chunks);
        ids->chunks = next;
    }
    ids_init(ids);
}

static struct ids_chunk *chunk_for(struct ids *ids, size_t bytes) {
    struct ids_chunk *newest = ids->chunks;
    if (newest && newest->capacity - ids->used >= bytes) return newest;
    size_t capacity = newest ? newest->capacity * 2 : CHUNK_MIN;
    if (capacity > CHUNK_MAX) capacity = CHUNK_MAX;
    struct ids_chunk *chunk = mem_alloc(sizeof *chunk + capacity);
    if (!chunk) return NULL;
    chunk->next = newest;
    chunk->capacity = capacity;
    ids->chunks = chunk;
    ids->used = 0;
    ids->bytes += capacity;
    return chunk;
}

const char *ids_new(struct ids *ids, const char *id, size_t size) {
    size_t class = (size - 1) / IDS_CELL;
    struct ids_cell *idle = ids->idle[class];
    char *cell = (char *)idle;
    if (idle) {
        ids->idle[class] = idle->next;
    } else {
        size_t bytes = (class + 1) * IDS_CELL;
        struct ids_chunk *chunk = chunk_for(ids, bytes);
        if (!chunk) return NULL;
        cell = chunk->data + ids->used;
        ids->used += bytes;
    }
    memcpy(cell, id, size);
    return cell;
}

void ids_recycle(struct ids *ids, const char *id, size_t size) {
    size_t class = (size - 1) / IDS_CELL;
    struct ids_cell *cell =
        (struct ids_cell *)(void *)(uintptr_t)id; /* ours, const to readers only */
    cell->next = ids->idle[class];
    ids->idle[class] = cell;
}
