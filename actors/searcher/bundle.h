/* bundle: the searches of one request (ShardSearches), a few under way at a time, answered in parts
 * as they end. Owns those that are not under way; the searcher has the others. Of the searcher
 * only. */
#ifndef ACTORS_SEARCHER_BUNDLE_H
#define ACTORS_SEARCHER_BUNDLE_H

#include "actors/searcher/search.h"

struct bundle;

/* Searches are on `holding`, which stays the caller's. INVALID: a search that cannot be;
 * NO_MEMORY. */
MUST_USE enum status bundle_open(const ShardSearches *query,
                                 struct holding *holding,
                                 struct point_store *points,
                                 struct bundle **out);
/* Its answer is owed from now on; after all of it was judged. */
void bundle_owe(struct bundle *bundle, const struct promise *promise);
/* The next one to be put under way; NULL: enough are, or none is left. */
struct search *bundle_next(struct bundle *bundle);
/* It is under way, too: it was scanned with one that is. */
void bundle_joined(struct bundle *bundle);
/* One under way has its last page, or failed (status says why), and has no reader. */
void bundle_done(struct bundle *bundle, struct search *search, struct turn *turn);
/* A page of one under way, which goes on. */
void bundle_page(struct bundle *bundle, struct search *search, struct turn *turn);
/* Nobody wants the answer: it is rejected, once; what is under way is to be left. */
void bundle_reject(struct bundle *bundle, enum status status, struct turn *turn);
/* One under way is freed without an answer, and what was scanned for with it. */
void bundle_leave(struct search *search);
/* All is said, or nobody listens and nothing is under way: then it was freed. */
bool bundle_ended(struct bundle *bundle, struct turn *turn);
/* The searcher is gone: frees it when nothing is under way. */
void bundle_drop(struct bundle *bundle);

#endif
