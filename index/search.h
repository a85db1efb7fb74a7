/* search: what only the index itself asks of a search, besides index.h. */
#ifndef INDEX_SEARCH_H
#define INDEX_SEARCH_H

#include <stdint.h>

struct index_reader;

/* As if a linked slot were not there: neither found nor passed. After start, before the first step.
 */
void search_without(struct index_reader *reader, uint32_t slot);

#endif
