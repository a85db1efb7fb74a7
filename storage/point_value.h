/* point_value: how a point is stored, and the lookups that batch and store share. Private to
 * storage/. */
#ifndef STORAGE_POINT_VALUE_H
#define STORAGE_POINT_VALUE_H

#include "storage/point_store.h"

enum {
    POINT_HEADER = 2 + 4,  /* id size, vector size */
    POINT_APPLIED = 8 + 8, /* index, term */
};

void point_header_store(unsigned char *at, const struct point *point);
/* Parts are borrowed from value. CORRUPT. */
MUST_USE enum status point_parse(struct bytes value, uint64_t number, struct point *out);

struct kv *point_store_kv(struct point_store *store);
/* External id → number. NOT_FOUND, NOT_READY, CORRUPT. */
MUST_USE enum status point_number_of(
    struct kv *kv, uint64_t store_id, struct bytes id, enum kv_tier tier, uint64_t *out);

#endif
