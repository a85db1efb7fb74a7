/* match: the live points that a filter lets through, as a list or as a bitmap, whichever is less
 * work. Scratch of one reader.
 *
 *     a condition that few slots meet ──▶ their list, each checked against the rest of the filter
 *     else                            ──▶ bitmaps of all slots, from the sorted lists
 *     slots written since             ──▶ looked at one by one, by either way (columns.h) */
#ifndef INDEX_MATCH_H
#define INDEX_MATCH_H

#include "index/columns.h"
#include "index/points.h"

struct match {
    uint64_t n; /* points that match */
    uint32_t n_slots;
    uint32_t *list; /* owned; n of them, when listed */
    bool listed;
    uint64_t *words; /* owned; one bit a slot, unless listed */
    size_t n_words;
    /* Scratch. */
    size_t list_room, words_room, bytes_room;
    unsigned char *bytes; /* owned */
    const struct columns *columns;
    const struct points *points;
    const struct columns_batch *batch;
    const struct filter *filter;
    struct column *of[FILTER_NODES_MAX];
    const struct sorted *sorted[FILTER_NODES_MAX]; /* NULL: look at every slot */
};

void match_init(struct match *match);
void match_reset(struct match *match);
struct match_source {
    const struct columns *columns;
    const struct points *points;
    const struct filter *filter;
};
/* Inside an epoch. NOT_READY: a condition's column is not there or not complete. NO_MEMORY. */
MUST_USE enum status match_run(struct match *match, const struct match_source *source);
/* Makes the bitmap of what is listed. NO_MEMORY. */
MUST_USE enum status match_fill(struct match *match);

/* See index_columns_missing. */
size_t match_missing(const struct columns *columns,
                     const struct filter *filter,
                     struct index_column *out,
                     size_t n);

#endif
