/* point_key: the keys of point_store.h. Private to storage/. */
#ifndef STORAGE_POINT_KEY_H
#define STORAGE_POINT_KEY_H

#include "storage/key.h"
#include "storage/point_store.h"

enum {
    POINT_PREFIX = 8 + 1,
    POINT_NUMBER_KEY = POINT_PREFIX + 8,
    POINT_KEY_MAX = POINT_PREFIX + POINT_NAME_MAX,
};

/* Keys are written to `at`, which has room for POINT_KEY_MAX bytes. */
static inline struct bytes point_key_prefix(unsigned char *at, uint64_t store_id, char kind) {
    key_store_u64(at, store_id);
    at[8] = (unsigned char)kind;
    return (struct bytes){.data = at, .size = POINT_PREFIX};
}

static inline struct bytes point_key_applied(unsigned char *at, uint64_t store_id) {
    return point_key_prefix(at, store_id, 'a');
}

static inline struct bytes point_key_number(unsigned char *at, uint64_t store_id, uint64_t number) {
    point_key_prefix(at, store_id, 'p');
    key_store_u64(at + POINT_PREFIX, number);
    return (struct bytes){.data = at, .size = POINT_NUMBER_KEY};
}

/* kind: 'i' or 'm'; name.size <= POINT_NAME_MAX. */
static inline struct bytes
point_key_name(unsigned char *at, uint64_t store_id, char kind, struct bytes name) {
    point_key_prefix(at, store_id, kind);
    if (name.size) memcpy(at + POINT_PREFIX, name.data, name.size);
    return (struct bytes){.data = at, .size = POINT_PREFIX + name.size};
}

#endif
