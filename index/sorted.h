/* sorted: a column as it was at one moment, in the order of its values. A condition on it is a few
 * runs of the list; a long run is the difference of two marks: the sets of all slots before a
 * place, as compressed bitmaps (Roaring: Lemire et al. 2018), and the few entries between.
 *
 *     keys    [ 3 | 7 | 9 … ]           distinct values, ascending; codes of keywords by their text
 *     slots   [ 4 8 1 | 2 | 0 5 … ]     of each key; starts says where
 *     marks       ▲        ▲            every mark_step entries
 *
 * Made by the linker in steps; after that it never changes. Slots that were written since may have
 * other values: whoever reads asks the column about those (columns.h). */
#ifndef INDEX_SORTED_H
#define INDEX_SORTED_H

#include "index/column.h"
#include "index/sorter.h"

enum { SORTED_MARKS = 32 };

struct roaring_bitmap_s;

struct sorted {
    uint32_t n; /* entries: slots with a value, also one that did not read as the type */
    uint32_t n_keys;
    uint64_t *keys;                                   /* owned */
    uint32_t *starts;                                 /* owned; n_keys + 1 */
    uint32_t *slots;                                  /* owned */
    struct roaring_bitmap_s *marks[SORTED_MARKS + 1]; /* owned; NULL: there are none */
    uint32_t mark_step;
    size_t mark_bytes; /* of the largest, written out */
    size_t bytes;
};

void sorted_free(struct sorted *sorted); /* NULL is fine */

/* Entries that meet a condition on this column: exactly. */
uint64_t sorted_count(const struct sorted *sorted,
                      const struct column *column,
                      const struct filter_node *node);
/* Their slots, in no order; `out` has room for sorted_count. */
uint64_t sorted_list(const struct sorted *sorted,
                     const struct column *column,
                     const struct filter_node *node,
                     uint32_t *out);
struct sorted_scratch {
    uint64_t *words;      /* as many as the set has */
    unsigned char *bytes; /* mark_bytes of them */
};
/* Adds them to a set of n_words words, which covers every slot of the list. */
void sorted_add(const struct sorted *sorted,
                const struct column *column,
                const struct filter_node *node,
                uint64_t *words,
                size_t n_words,
                const struct sorted_scratch *scratch);

/* --- making one */

enum sorting_stage {
    SORTING_BEGIN,
    SORTING_TEXTS,
    SORTING_COLLECT,
    SORTING_SORT,
    SORTING_WRITE,
    SORTING_MARK,
    SORTING_DONE,
};

struct sorting {
    const struct column *column; /* borrowed */
    enum sorting_stage stage;
    uint32_t n_slots; /* to look at */
    uint32_t n_texts;
    uint32_t at;
    uint32_t *ranks; /* owned; of codes, by text */
    struct sorter sorter;
    struct sorted *out; /* owned until it is taken */
};

void sorting_init(struct sorting *sorting, const struct column *column, uint32_t n_slots);
void sorting_reset(struct sorting *sorting);
/* Spends about n_moves moves of an entry. NO_MEMORY: reset it. */
MUST_USE enum status sorting_step(struct sorting *sorting, size_t n_moves, bool *done);

#endif
