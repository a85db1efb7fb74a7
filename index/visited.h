/* visited: the slots one search has met. A bitset and a list of the words it touched, so that
 * forgetting costs what the search did, not what the index holds. One thread. */
#ifndef INDEX_VISITED_H
#define INDEX_VISITED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

struct visited {
    uint64_t *words;   /* owned */
    uint32_t *touched; /* owned; words that are not zero, and room for one more */
    size_t room;       /* words there is memory for */
    size_t n_words;    /* of this search; later slots are none of its */
    size_t n_touched;
};

void visited_init(struct visited *visited);
void visited_reset(struct visited *visited);
/* Room for slots below n; forgets everything. */
MUST_USE enum status visited_begin(struct visited *visited, uint32_t n);
void visited_clear(struct visited *visited);

/* True the first time; false when met before, and for slots younger than the search, which it must
 * not follow. */
static inline bool visited_add(struct visited *visited, uint32_t slot) {
    size_t at = slot / 64;
    if (__builtin_expect(at >= visited->n_words, 0)) return false;
    /* Without branches: whether a neighbour is new is anyone's guess, and a wrong one costs more.
     */
    uint64_t word = visited->words[at], bit = UINT64_C(1) << (slot % 64);
    visited->touched[visited->n_touched] = (uint32_t)at;
    visited->n_touched += word == 0;
    visited->words[at] = word | bit;
    return !(word & bit);
}

#endif
