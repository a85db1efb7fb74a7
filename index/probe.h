/* probe: a query as a store needs it; store_probe (store.h) completes it for one store. One thread.
 */
#ifndef INDEX_PROBE_H
#define INDEX_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "index/metric.h"
#include "index/packed.h"
#include "runtime/status.h"

enum { PROBE_BEHIND = 64 /* bytes behind units and codes: struct store_dot */ };

struct probe {
    float *floats;            /* owned; prepared (metric.h) */
    float *units;             /* owned; in units of the code */
    uint8_t *codes;           /* owned */
    struct packed_query bits; /* its planes are owned */
    const void *near;         /* one of them: the query of store_near */
    float square;             /* of the vector; codes only */
    float slack;              /* of store_sift; 0: not known yet */
    size_t room;              /* floats of each */
};

void probe_init(struct probe *probe);
void probe_reset(struct probe *probe);
/* Prepares a vector of any alignment. NO_MEMORY. */
MUST_USE enum status
probe_set(struct probe *probe, const struct metric *metric, const void *vector);

#endif
