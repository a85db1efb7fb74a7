/* corpus: random points with payloads, in an index and in a plain list; and random filters, asked
 * from the index and, text by text, from the list. */
#ifndef TESTS_INDEX_CORPUS_H
#define TESTS_INDEX_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"
#include "runtime/rng.h"

enum {
    CORPUS_KEYS =
        6, /* color tag (keywords), qty (integer), price (number), hot (bool), at (datetime) */
    CORPUS_TEXT = 40,
    CORPUS_DIMENSION = 16,
    CORPUS_NODES = 32,
    CORPUS_VALUES = 64,
};

struct corpus_point {
    uint64_t number;
    float vector[CORPUS_DIMENSION];
    char texts[CORPUS_KEYS][CORPUS_TEXT]; /* "" : the key is not there */
};

struct corpus {
    struct index *index;
    struct index_reader *reader;
    struct rng rng;
    struct corpus_point *points; /* live */
    size_t n, room;
    uint64_t next_number;
    bool by_distance; /* the price of a point is its distance from the origin */
};

/* A filter with what it borrows. */
struct corpus_filter {
    struct filter filter;
    struct filter_node nodes[CORPUS_NODES];
    char texts[CORPUS_VALUES][CORPUS_TEXT];
    struct filter_text values[CORPUS_VALUES];
    uint64_t numbers[CORPUS_VALUES];
    size_t n_texts, n_values, n_numbers;
};

extern const struct index_column corpus_columns[CORPUS_KEYS];

void corpus_open(struct corpus *corpus, bool declared, uint64_t seed);
void corpus_close(struct corpus *corpus);
void corpus_append(struct corpus *corpus, size_t n);
void corpus_remove(struct corpus *corpus, size_t n);
/* Links and sorts until nothing is left to do. */
void corpus_settle(struct corpus *corpus);
/* The payload of a point as it is given to the index; returns its size. */
size_t corpus_payload(const struct corpus_point *point, unsigned char *out);
enum { CORPUS_PAYLOAD_MAX = 1024 };

void corpus_filter(struct corpus *corpus, struct corpus_filter *out);
/* One condition: `key` within the values from `low` to `high`. */
void corpus_range(struct corpus_filter *out, size_t key, uint64_t low, uint64_t high);
bool corpus_meets(const struct corpus_point *point, const struct filter *filter);
size_t corpus_count(const struct corpus *corpus, const struct filter *filter);

struct corpus_result {
    enum status status;
    size_t n_hits;
    size_t n_right;    /* of them, as near as the oracle's */
    size_t n_expected; /* the oracle's */
    size_t n_wrong;    /* hits that do not meet the filter, or are not there */
    struct index_search_stats stats;
};
void corpus_search(struct corpus *corpus,
                   const struct index_query *query,
                   struct corpus_result *out);

#endif
