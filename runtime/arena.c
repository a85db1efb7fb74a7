/* arena: a list of chunks, each at least ARENA_CHUNK and twice the last one. */
#include "runtime/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "runtime/memory.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KEEPS = 0 };
#else
enum { KEEPS = 1 };
#endif
enum { STASH_MAX = 256 }; /* chunks: 1 MB */
enum { ARENA_CHUNK = 4096, ARENA_CHUNK_MAX = 1 << 20 };

struct arena_chunk {
    struct arena_chunk *next; /* owned */
    size_t capacity;
    _Alignas(ARENA_ALIGN) unsigned char data[];
};

static _Thread_local struct arena_stash *stash;

static struct arena_chunk *chunk_new(size_t capacity) {
    struct arena_chunk *chunk = capacity == ARENA_CHUNK && stash ? stash->free : NULL;
    if (chunk) {
        stash->free = chunk->next;
        stash->n--;
    } else {
        chunk = mem_alloc(sizeof *chunk + capacity);
        if (!chunk) return NULL;
        chunk->capacity = capacity;
    }
    chunk->next = NULL;
    return chunk;
}

static void chunk_free(struct arena_chunk *chunk) {
    bool keeps = KEEPS && chunk && chunk->capacity == ARENA_CHUNK && stash;
    if (!keeps || stash->n >= STASH_MAX) {
        mem_free(chunk);
        return;
    }
    chunk->next = stash->free;
    stash->free = chunk;
    stash->n++;
}

void arena_stash_enter(struct arena_stash *mine) {
    stash = mine;
}

void arena_stash_close(struct arena_stash *old) {
    while (old->free) {
        struct arena_chunk *chunk = old->free;
        old->free = chunk->next;
        mem_free(chunk);
    }
    old->n = 0;
}

void arena_init(struct arena *arena, size_t limit) {
    *arena = (struct arena){.limit = limit};
}

/* The next chunk with room for size: a kept one or a new one. */
static struct arena_chunk *next_chunk(struct arena *arena, size_t size) {
    struct arena_chunk *chunk = arena->chunk;
    size_t capacity = chunk ? chunk->capacity * 2 : ARENA_CHUNK;
    if (capacity > ARENA_CHUNK_MAX) capacity = ARENA_CHUNK_MAX;
    if (capacity < size) capacity = size;
    struct arena_chunk *fresh = chunk_new(capacity);
    if (!fresh) return NULL;
    if (chunk)
        chunk->next = fresh;
    else
        arena->first = fresh;
    return fresh;
}

/* Begins to fill the chunk, as far as the limit lets it. */
static void begin(struct arena *arena, struct arena_chunk *chunk) {
    size_t allowed = arena->limit ? arena->limit - arena->total : SIZE_MAX;
    arena->chunk = chunk;
    arena->at = chunk->data;
    arena->left = chunk->capacity < allowed ? chunk->capacity : allowed;
}

void *arena_alloc_elsewhere(struct arena *arena, size_t size) {
    if (size > SIZE_MAX - ARENA_ALIGN) return NULL;
    size_t rounded = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (rounded == 0) rounded = ARENA_ALIGN;
    if (arena->limit && rounded > arena->limit - arena->total) return NULL;
    struct arena_chunk *chunk = next_chunk(arena, rounded);
    if (!chunk) return NULL;
    begin(arena, chunk);
    return arena_alloc(arena, size);
}

void *arena_zero(struct arena *arena, size_t size) {
    void *memory = arena_alloc(arena, size);
    if (memory) memset(memory, 0, size);
    return memory;
}

char *arena_string(struct arena *arena, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(arena, size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* Keeps the first chunk only: it was enough for most turns. */
void arena_reset(struct arena *arena) {
    if (!arena->first) return;
    struct arena_chunk *chunk = arena->first->next;
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        chunk_free(chunk);
        chunk = next;
    }
    arena->first->next = NULL;
    arena->total = 0;
    begin(arena, arena->first);
}

void arena_free(struct arena *arena) {
    arena_reset(arena);
    chunk_free(arena->first);
    arena_init(arena, arena->limit);
}
