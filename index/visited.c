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
    if (need <= visited->n_words) return STATUS_OK;
    size_t n_words = visited->n_words + visited->n_words / 2;
    if (n_words < need) n_words = need;
    uint64_t *words = mem_zero(n_words, sizeof *words);
    uint32_t *touched = mem_alloc((n_words + 1) * sizeof *touched);
    if (!words || !touched) {
        mem_free(words);
        mem_free(touched);
        return STATUS_NO_MEMORY;
    }
    visited_reset(visited);
    *visited = (struct visited){.words = words, .touched = touched, .n_words = n_words};
    return STATUS_OK;
}

void visited_clear(struct visited *visited) {
    for (size_t i = 0; i < visited->n_touched; i++)
        visited->words[visited->touched[i]] = 0;
    visited->n_touched = 0;
}
