/* measure: the candidates of an exact search by the distances of their own vectors, as the points
 * have them. An index of codes knows distances nearly, so it is asked for more than k; when the
 * farthest candidate is not clearly beyond the k nearest, for more again. Of a search only. */
#ifndef ACTORS_SEARCHER_MEASURE_H
#define ACTORS_SEARCHER_MEASURE_H

#include "index/index.h"
#include "storage/point_store.h"

struct search;

struct measure {
    struct index_ruler *ruler; /* owned; NULL before it is needed */
    uint32_t margin;           /* candidates asked for besides k */
    float reach;               /* the farthest of them by their codes */
    float error;               /* the largest seen of a code */
};

/* Candidates to begin with, besides k; of a walk, which only asks who of them is nearest, fewer, or
 * as many as are wanted for each result (0: nobody said). */
uint32_t measure_margin(uint32_t k);
uint32_t measure_margin_walked(uint32_t k, float rescore);
/* Of a ranged search: the distance by codes within which all are that lie within search->within by
 * their own vectors. NO_MEMORY. */
MUST_USE enum status measure_within(struct search *search, float *out);
/* The search has hits, none is measured yet. NO_MEMORY. */
MUST_USE enum status measure_begin(struct search *search);
/* Measures up to n more hits, from next_hit on; those without a point are dropped. NOT_READY: the
 * next is on the disk and tier is KV_CACHED. */
MUST_USE enum status measure_some(struct search *search, enum kv_tier tier, size_t n);
/* All are: sorts them, the first is next. True: a point that was not among them may belong to the k
 * nearest; the margin is wider now, look again, unless the index has no more. */
bool measure_end(struct search *search);

#endif
