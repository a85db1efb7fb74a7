/* crew: links the points that wait in an index on several threads (index/bulk.h). */
#ifndef CLI_INDEX_CREW_H
#define CLI_INDEX_CREW_H

#include "index/bulk.h"

enum { CREW_MAX = 256 };

struct crew;
/* The calling thread is one of them: n - 1 are started. NO_MEMORY. */
MUST_USE enum status crew_open(struct index *index, unsigned n_threads, struct crew **out);
void crew_close(struct crew *crew); /* NULL is fine */
/* A batch; *linked is false when there are too few points for one. */
MUST_USE enum status crew_link(struct crew *crew, bool *linked);

#endif
