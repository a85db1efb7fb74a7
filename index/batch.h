/* batch: many queries in one exact scan. A few rows at a time are brought near and held against
 * every query, so that memory, which a scan of one query waits for, is read once for all of them;
 * of codes, a row is decoded once. Hits are those of an exact search (of codes: as exactly as they
 * are). One thread a batch; any
 * number of them beside readers and the writer. */
#ifndef INDEX_BATCH_H
#define INDEX_BATCH_H

#include "index/index.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { INDEX_BATCH_MAX = 1024 }; /* queries */

struct index_batch;

struct index_batch_query {
    const void *vectors;       /* n times dimension little-endian float32, any alignment, finite */
    uint32_t n;                /* 1..INDEX_BATCH_MAX */
    uint32_t k;                /* 1..INDEX_EXACT_MAX, of each */
    const atomic_bool *cancel; /* NULL, or checked at every step */
};
/* Copies the queries, and holds an epoch until it is closed (index_search_start). INVALID,
 * NO_MEMORY. */
MUST_USE enum status index_batch_open(const struct index_view *view,
                                      const struct index_batch_query *query,
                                      struct index_batch **out);
/* Spends about `budget` distance computations, n of them at least. CANCELLED, QUARANTINED
 * (index_search_step). */
MUST_USE enum status index_batch_step(struct index_batch *batch, size_t budget, bool *done);
/* Of a query, once it is done: best first, at most k, borrowed until the next call. Asked once for
 * each query. */
const struct index_hit *index_batch_hits(struct index_batch *batch, uint32_t query, size_t *n_hits);
/* What an exact search of one of them would say: plan, points, distances, coded. */
struct index_search_stats index_batch_stats(const struct index_batch *batch);
void index_batch_close(struct index_batch *batch); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
