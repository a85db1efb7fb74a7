/* baseline: the index alone, built from a file of float32 rows: what the tools of the search bench
 * measure a service against. Ends the program with a message when something fails. */
#ifndef BENCH_BASELINE_H
#define BENCH_BASELINE_H

#include <stddef.h>
#include <stdint.h>

#include "index/index.h"

struct baseline {
    struct index *index;           /* owned */
    const struct index_view *view; /* held */
    float *queries;                /* owned; n_queries rows */
    size_t n_base, n_queries, dimension;
    uint32_t k, ef;
};

/* From BASE QUERIES DIMENSION METRIC K EF. */
void baseline_open(struct baseline *baseline, char **arguments);
void baseline_close(struct baseline *baseline);

struct index_reader *baseline_reader(void);
/* Query q, row numbers of its hits into numbers (k). */
void baseline_search(const struct baseline *baseline,
                     struct index_reader *reader,
                     size_t q,
                     uint64_t *numbers);

#endif
