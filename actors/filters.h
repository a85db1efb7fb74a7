/* filters: filters and payload indexes between messages and the index. */
#ifndef ACTORS_FILTERS_H
#define ACTORS_FILTERS_H

#include "index/index.h"
#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "schemas/router.pb-c.h"

enum {
    PAYLOAD_COLUMNS_MAX = 32, /* declared ones; the index has room for as many on demand */
    PAYLOAD_KEY_MAX = 128,    /* bytes of a declared key */
};

/* Declared payload indexes and how vectors are kept, by value: they live as long as a shard's
 * options. */
struct payload_columns {
    enum index_storage storage;
    enum index_originals originals;
    float target_recall;
    bool exact;    /* searches that say nothing else are */
    float rescore; /* theirs; 0: as the storage wants it */
    uint32_t n;
    struct {
        uint8_t type; /* enum filter_type */
        uint8_t size;
        char key[PAYLOAD_KEY_MAX];
    } of[PAYLOAD_COLUMNS_MAX];
};

/* A copy in the arena that is sound. INVALID: it is none. NO_MEMORY. */
MUST_USE enum status
filters_read(FilterNode *const *nodes, size_t n, struct arena *arena, struct filter *out);
/* A deep copy of the message in the arena; NULL without memory. */
FilterNode **filters_copy(FilterNode *const *nodes, size_t n, struct arena *arena);

/* The bytes of a PayloadColumns; none: no columns. CORRUPT, NO_MEMORY. */
MUST_USE enum status
payload_columns_read(const void *data, size_t size, struct payload_columns *out);
/* Encoded, as payload_columns_read takes them. NO_MEMORY. */
MUST_USE enum status payload_columns_write(const struct payload_columns *columns,
                                           struct buffer *out);
/* The place of a column among the declared ones; n: it is none of them. */
uint32_t payload_columns_find(const struct payload_columns *columns,
                              const struct filter_text *key,
                              enum filter_type type);
/* A column more. EXISTS; QUOTA: PAYLOAD_COLUMNS_MAX are there; INVALID: no key, or no type. */
MUST_USE enum status payload_columns_add(struct payload_columns *columns,
                                         const struct filter_text *key,
                                         enum filter_type type);
/* One less; the others keep their order. NOT_FOUND. */
MUST_USE enum status payload_columns_drop(struct payload_columns *columns,
                                          const struct filter_text *key,
                                          enum filter_type type);
/* As the index takes them: `room` for PAYLOAD_COLUMNS_MAX, borrowing from `columns`. */
uint32_t payload_columns_give(const struct payload_columns *columns, struct index_column *room);

#endif
