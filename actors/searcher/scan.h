/* scan: exact searches of float32 without a filter that came in one request look at the points
 * together, so that memory is read once for all of them (index/batch.h). One of them leads: it is
 * stepped for all; then each goes on by itself, from its hits. Of the searcher only. */
#ifndef ACTORS_SEARCHER_SCAN_H
#define ACTORS_SEARCHER_SCAN_H

#include "actors/searcher/search.h"

struct scan;

/* May this one be scanned with others? */
bool scan_takes(const struct holding *holding, const ShardSearch *query);
/* It says so, or its collection's searches are exact unless they say something else. */
bool scan_is_exact(const struct holding *holding, const ShardSearch *query);
/* So many at most, of this dimension, k each: a step on all of them is a turn's work, and their
 * candidates have a bound. */
uint32_t scan_room(uint32_t dimension, uint32_t k);
/* Makes the search a leader, with nobody else yet. NO_MEMORY. */
MUST_USE enum status scan_lead(struct search *leader);
/* The scan takes the search. */
void scan_join(struct scan *scan, struct search *search);
/* Searches, with the leader. */
uint32_t scan_size(const struct scan *scan);
/* The promise of those that joined. */
void scan_owe(struct scan *scan, const struct promise *promise);
/* Instead of search_start: the leader is SCANNING. NO_MEMORY. */
MUST_USE enum status scan_start(struct scan *scan);
/* About 1 ms of work. After the last step the leader is not SCANNING any more. */
MUST_USE enum status scan_step(struct scan *scan);
/* Gives back one that joined: NULL, there is none (left). Those of a scan that did not end have no
 * hits. */
struct search *scan_pop(struct scan *scan);
/* Nobody may be left. NULL is fine. */
void scan_free(struct scan *scan);

#endif
