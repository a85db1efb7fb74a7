/* filter: a condition on the payload of points, as a tree in prefix order.
 *
 *     all ── in color {blue, red}          nodes: ALL(2) IN RANGE
 *       └── range price [-inf, 10)
 *
 * Payload values are texts. A condition says how it reads them (enum filter_type); a text that does
 * not read as that never matches. ALL and ANY of nothing are true and false; NONE is true when no
 * child is. Everything is borrowed; a search needs it only until index_search_start returns. */
#ifndef INDEX_FILTER_H
#define INDEX_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FILTER_NODES_MAX = 256,
    FILTER_DEPTH_MAX = 20,
    FILTER_VALUES_MAX = 4096,     /* of all IN together */
    FILTER_BYTES_MAX = 64 * 1024, /* of keys and texts together */
    FILTER_KEY_MAX = 1024,        /* bytes */
};

enum filter_type {
    FILTER_KEYWORD,  /* the text itself, byte by byte */
    FILTER_INTEGER,  /* decimal, 64 bits, but for the two lowest */
    FILTER_NUMBER,   /* decimal, finite float64 */
    FILTER_BOOL,     /* true or false, any case */
    FILTER_DATETIME, /* RFC 3339, or its full-date alone (midnight UTC); to the microsecond */
    FILTER_TYPES,
};

enum filter_op {
    FILTER_ALL,
    FILTER_ANY,
    FILTER_NONE,
    FILTER_EXISTS, /* the key is there, whatever its value */
    FILTER_IN,
    FILTER_PREFIX, /* of keywords */
    FILTER_RANGE,  /* not of keywords */
    FILTER_OPS,
};

struct filter_text {
    const char *data;
    uint32_t size;
};

struct filter_node {
    enum filter_op op;
    enum filter_type type;           /* of IN, PREFIX, RANGE */
    uint32_t n;                      /* ALL, ANY, NONE: children; IN: values */
    struct filter_text key;          /* of the others */
    const struct filter_text *texts; /* IN of keywords: n, ascending, distinct; PREFIX: one */
    const uint64_t *values;          /* IN of others: so too, as filter_read gives them */
    uint64_t low, high;              /* RANGE: both included; low > high matches nothing */
};

struct filter {
    const struct filter_node *nodes; /* the root first */
    uint32_t n_nodes;
};

/* Is this one tree within the limits? INVALID. */
MUST_USE enum status filter_check(const struct filter *filter);
/* < 0, 0, > 0: byte by byte, the order of texts. */
int filter_text_compare(const struct filter_text *a, const struct filter_text *b);
/* Levels below the root. The filter is sound. */
uint32_t filter_depth(const struct filter *filter);
/* The node behind a node and all below it. */
uint32_t filter_skip(const struct filter *filter, uint32_t at);

/* "keyword", "integer", "number" (also "float"), "bool", "datetime". INVALID for others. */
MUST_USE enum status filter_type_parse(const char *text, enum filter_type *out);
const char *filter_type_name(enum filter_type type);

/* A payload value as a number whose order is that of the type; keywords have none. False: the text
 * does not read as this type. */
bool filter_read(enum filter_type type, const char *text, size_t size, uint64_t *out);
/* The same of what is no text; of an integer that is too low, something below all that are not. */
uint64_t filter_integer(int64_t value);
uint64_t filter_number(double value);
uint64_t filter_bool(bool value);

enum {
    FILTER_MISSING = 0, /* no value: the key is not there … */
    FILTER_UNREAD = 1,  /* … or its text does not read as the type */
    FILTER_LOWEST = 2,  /* of all values */
};
#define FILTER_HIGHEST UINT64_MAX

#ifdef __cplusplus
}
#endif

#endif
