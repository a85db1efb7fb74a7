/* kv_steady: a store with a WAL on a disk that runs full. Private to storage/. */
#ifndef STORAGE_KV_STEADY_H
#define STORAGE_KV_STEADY_H

#include "storage/kv.h"

/* As kv_rocksdb_open with .wal. */
MUST_USE enum status kv_steady_open(const struct kv_options *options, struct kv **out);
/* RocksDB as it is; what kv_steady stands on. */
MUST_USE enum status kv_rocksdb_open_raw(const struct kv_options *options, struct kv **out);

#endif
