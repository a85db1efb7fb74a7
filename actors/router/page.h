/* page: hits as one RouterHits, in the turn's memory: rows, or the columns ids and scores, beside
 * which there are rows only for payloads and vectors. */
#ifndef ACTORS_ROUTER_PAGE_H
#define ACTORS_ROUTER_PAGE_H

#include "actors/hits.h"
#include "actors/router/merge.h"
#include "runtime/turn.h"
#include "schemas/router.pb-c.h"

struct page {
    RouterHits *out;
    bool columns;
    bool rows;
};

struct page_size {
    size_t n;
    size_t ids; /* bytes of all ids with their NULs */
};

/* What is asked for: columns or not, payloads or vectors or neither. */
static inline struct page page_of(bool columns, bool values, RouterHits *out) {
    return (struct page){.out = out, .columns = columns, .rows = !columns || values};
}
/* Room for so much. False: no memory. */
bool page_open(struct page *page, const struct page_size *size, struct turn *turn);
/* What the hit borrows must live as long as the page. */
void page_add(struct page *page, const struct hit *hit);
/* A shard's hits as they are. False: no memory. */
bool page_pass(struct page *page, const ShardHits *from, struct turn *turn);

/* Merged hits from `from` on, as many as a page takes whose bytes (about, as sent) are *bytes so
 * far; returns where the next one begins: `from` for want of memory. page_more is set when that is
 * not the end. */
size_t page_merge(
    struct page *page, const struct merge *merge, size_t from, size_t *bytes, struct turn *turn);

#endif
