/* rocksdb_setup: how we want RocksDB: small in memory, quiet, safe. Private to storage/. */
#ifndef STORAGE_ROCKSDB_SETUP_H
#define STORAGE_ROCKSDB_SETUP_H

#include <rocksdb/c.h>

#include "storage/kv.h"

struct rocksdb_setup {
    rocksdb_options_t *options; /* owned, as all */
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
};

void rocksdb_setup_init(struct rocksdb_setup *setup, const struct kv_options *options);
void rocksdb_setup_reset(struct rocksdb_setup *setup);

/* What RocksDB's words mean. */
enum status rocksdb_status_of(const char *error);
/* Takes its words, for kv_error. */
MUST_USE enum status rocksdb_failed(const char *doing, char *error);

/* Compactions rewrite what lives in the oldest blob files, this share of all (text of a number). */
extern const char rocksdb_blob_share[];     /* usually */
extern const char rocksdb_blob_share_all[]; /* when a range is dropped */

#endif
