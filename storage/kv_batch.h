/* kv_batch: what engines need of a batch besides kv.h. Private to storage/. */
#ifndef STORAGE_KV_BATCH_H
#define STORAGE_KV_BATCH_H

#include "storage/kv.h"

/* An operation had no memory; the batch must not be written. */
bool kv_batch_failed(const struct kv_batch *batch);
/* The batch as RocksDB's write batch, borrowed. */
struct bytes kv_batch_data(const struct kv_batch *batch);

enum kv_operation_kind { KV_PUT, KV_DELETE, KV_DELETE_RANGE };
struct kv_operation {
    enum kv_operation_kind kind;
    struct bytes key;   /* begin of a range */
    struct bytes value; /* end of a range; nothing for a delete */
};
/* Reads the operation at *at (0 = the first) and moves on; false at the end. Borrowed from the
 * batch. */
bool kv_batch_next(const struct kv_batch *batch, size_t *at, struct kv_operation *out);

#endif
