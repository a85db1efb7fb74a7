/* visited: grows by half at least, so that a growing index does not reallocate at every search. */
#include "index/visited.h"

#include <string.h>

#include "runtime/memory.h"
#include "runtime/poison.h"

void visited_init(struct visited *visited) {
    *visited = (struct visited){0};
}

void visited_reset(struct visited *visited) {
    mem_free(visited->words);
    mem_free(visited->touched);
    visited_init(visited);
}

enum status visited_begin(struct visited *visited, uint32_t n) {
    visited_clear(visited);
    size_t need = ((size_t)n + 63) / 64;
    visited->n_words = need;
    if (need <= visited->room) return STATUS_OK;
    size_t room = visited->room + visited->room / 2;
    if (room < need) room = need;
    uint64_t *words = mem_zero(room, sizeof *words);
    uint32_t *touched = mem_alloc((room + 1) * sizeof *touched);
    if (!words || !touched) {
        mem_free(words);
        mem_free(touched);
        visited->n_words = visited->room;
        return STATUS_NO_MEMORY;
    }
    visited_reset(visited);
    *visited = (struct visited){.words = words, .touched = touched, .room = room, .n_words = need};
    return STATUS_OK;
}

void visited_clear(struct visited *visited) {
    for (size_t i = 0; i < visited->n_touched; i++)
        visited->words[visited->touched[i]] = 0;
    visited->n_touched = 0;
}
