/* fixture: a small index beside a plain list of what it should hold. The list is the oracle: every
 * search can be checked against an exact scan of it in double. */
#ifndef TESTS_INDEX_FIXTURE_H
#define TESTS_INDEX_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"
#include "runtime/rng.h"

struct fixture {
    struct index_options options;
    struct index *index;
    struct index_reader *reader;
    struct rng rng;
    uint64_t next_number;
    float *vectors; /* of live points, n * dimension */
    uint64_t *numbers;
    size_t n, room;
};

void fixture_open(struct fixture *fixture, const struct index_options *options, uint64_t seed);
void fixture_close(struct fixture *fixture);
/* Appends one point (id "p<number>"), linking when the tail is full; gives its number. */
uint64_t fixture_append(struct fixture *fixture, const float *vector);
/* n standard normal vectors. */
void fixture_append_random(struct fixture *fixture, size_t n);
void fixture_random_vector(struct fixture *fixture, float *vector);
/* Removes the live point at a position of the list. */
void fixture_remove_at(struct fixture *fixture, size_t at);
void fixture_remove_random(struct fixture *fixture, size_t n);
/* Links until nothing is left to do. */
void fixture_settle(struct fixture *fixture);

/* Runs a search; copies up to k hits. */
size_t
fixture_search(struct fixture *fixture, const struct index_query *query, struct index_hit *hits);
size_t
fixture_find(struct fixture *fixture, const float *vector, uint32_t k, struct index_hit *hits);
struct index_stats fixture_stats(struct fixture *fixture);
/* The same by the oracle: numbers of the k nearest. */
size_t fixture_nearest(const struct fixture *fixture, const float *query, size_t k, uint64_t *out);
/* Share of hits that are as near as the oracle's k, for searches with ef (0: exact), over random
 * queries. */
double fixture_recall(struct fixture *fixture, size_t n_queries, uint32_t k, uint32_t ef);
double fixture_distance(const struct fixture *fixture, const float *a, const float *b);
/* Asserts that index_validate is content. */
void fixture_validate(struct fixture *fixture);

#endif
