/* payloads: what an index file does not hold, read again from its data, for a filter. One thread.
 */
#ifndef CLI_INDEX_PAYLOADS_H
#define CLI_INDEX_PAYLOADS_H

#include "cli/index/opened.h"
#include "runtime/arena.h"

/* Reads the filter, and from the data file (rows as build numbered them) what it asks about. The
 * filter lies in the arena. Returns an exit code; what is wrong is said. */
int payloads_filter(struct opened *opened,
                    const char *text,
                    const char *data,
                    struct arena *arena,
                    struct filter *out);

#endif
