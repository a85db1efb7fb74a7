/* rocksdb_bulk: kv_bulk on RocksDB. Private to storage/. */
#ifndef STORAGE_ROCKSDB_BULK_H
#define STORAGE_ROCKSDB_BULK_H

#include "storage/kv_engine.h"
#include "storage/rocksdb_setup.h"

struct rocksdb_bulk_options {
    rocksdb_t *db;                    /* borrowed, as all */
    const rocksdb_options_t *options; /* of the db */
    const char *path;                 /* its folder */
    const struct kv_engine *engine;
};
MUST_USE enum status rocksdb_bulk_open(const struct rocksdb_bulk_options *options,
                                       struct kv_bulk **out);
MUST_USE enum status rocksdb_bulk_put(struct kv_bulk *bulk, struct bytes key, struct bytes value);
MUST_USE enum status rocksdb_bulk_end(struct kv_bulk *bulk);
void rocksdb_bulk_close(struct kv_bulk *bulk);
/* Removes what a process that ended left of its own. Nobody may be at it. */
void rocksdb_bulk_clear(const char *path);

#endif
