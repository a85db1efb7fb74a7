/* rocksdb_setup: a process opens two stores (log, data), so memory is bounded per store: two or
 * three memtables, one block cache that also holds indexes, filters and values of blob files. The
 * background threads are RocksDB's default pool, shared by both stores. */
#include "storage/rocksdb_setup.h"

#include <string.h>

#include "storage/kv_engine.h"

#include "runtime/poison.h"

enum {
    MIB = 1024 * 1024,
    CACHE_BYTES = 32 * MIB,
    CACHE_PART_BYTES = 8 * MIB, /* under a lock of its own, at least */
    CACHE_PARTS_BITS_MAX = 6,
    WRITE_BUFFER_BYTES = 16 * MIB,
    WRITE_BUFFERS = 3,              /* one filling, one being flushed, one spare against stalls */
    ARENA_BLOCK_BYTES = 256 * 1024, /* a memtable grows by this, so an idle store stays small */
    FILE_BYTES = 32 * MIB,
    BLOB_FILE_BYTES = 64 * MIB,
    BACKGROUND_JOBS = 2,
    OPEN_FILES = 512,
    FILTER_BITS_PER_KEY = 10, /* 1 % false positives */
    INFO_LOG_FILES = 2,
    INFO_LOG_FATAL = 4,
    MANIFEST_STEP_BYTES = 64 * 1024,
    TABLE_FORMAT = 5,
    RECOVER_PREFIX = 2, /* WALRecoveryMode::kPointInTimeRecovery */
};
const char rocksdb_blob_share[] = "0.5";
const char rocksdb_blob_share_all[] = "1.0";
static const double blob_share = 0.5; /* the same */
/* Beyond this share of garbage the oldest blob files are rewritten without waiting for a
 * compaction. */
static const double blob_garbage_ratio = 0.5;

/* What is larger than a part of the cache is read and checked anew for every key, and the filter of
 * a full file of ids has 2 MB: RocksDB's own choice, parts of half a megabyte, is too small. */
static rocksdb_cache_t *cache_new(uint64_t bytes) {
    int bits = 0;
    while (bits < CACHE_PARTS_BITS_MAX && bytes >> (bits + 1) >= CACHE_PART_BYTES)
        bits++;
    rocksdb_lru_cache_options_t *options = rocksdb_lru_cache_options_create();
    rocksdb_lru_cache_options_set_capacity(options, (size_t)bytes);
    rocksdb_lru_cache_options_set_num_shard_bits(options, bits);
    rocksdb_cache_t *cache = rocksdb_cache_create_lru_opts(options);
    rocksdb_lru_cache_options_destroy(options);
    return cache;
}

/* Indexes and filters live in the cache too: memory stays bounded however much is stored. */
static void set_table(struct rocksdb_setup *self, const struct kv_options *options) {
    self->cache = cache_new(options->cache_bytes ? options->cache_bytes : CACHE_BYTES);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    self->table = table;
    rocksdb_block_based_options_set_block_cache(table, self->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_format_version(table, TABLE_FORMAT);
    rocksdb_block_based_options_set_filter_policy(
        table, rocksdb_filterpolicy_create_bloom_full(FILTER_BITS_PER_KEY));
    rocksdb_options_set_block_based_table_factory(self->options, table);
}

static void set_memory(rocksdb_options_t *o, const struct kv_options *options) {
    uint64_t buffer =
        options->write_buffer_bytes ? options->write_buffer_bytes : WRITE_BUFFER_BYTES;
    rocksdb_options_set_write_buffer_size(o, (size_t)buffer);
    rocksdb_options_set_max_write_buffer_number(o, WRITE_BUFFERS);
    /* A memtable that its first block fills would be full at birth. */
    size_t block = (size_t)buffer / 8;
    rocksdb_options_set_arena_block_size(o, block < ARENA_BLOCK_BYTES ? block : ARENA_BLOCK_BYTES);
    rocksdb_options_set_max_open_files(o, OPEN_FILES);
}

static void set_disk(rocksdb_options_t *o, const struct kv_options *options) {
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_compression(o, rocksdb_no_compression); /* vectors do not shrink */
    rocksdb_options_set_target_file_size_base(o, FILE_BYTES);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_manifest_preallocation_size(o, MANIFEST_STEP_BYTES);
    /* Power loss may tear the WAL anywhere behind its last sync, and starting must not need a hand:
     * what comes before the tear is taken, and every acknowledged write is before it. */
    rocksdb_options_set_wal_recovery_mode(o, RECOVER_PREFIX);
    if (options->blob_min_bytes == 0) return;
    rocksdb_options_set_enable_blob_files(o, 1);
    rocksdb_options_set_min_blob_size(o, options->blob_min_bytes);
    rocksdb_options_set_blob_file_size(o, BLOB_FILE_BYTES);
    rocksdb_options_set_enable_blob_gc(o, 1);
    rocksdb_options_set_blob_gc_age_cutoff(o, blob_share);
    rocksdb_options_set_blob_gc_force_threshold(o, blob_garbage_ratio);
}

static void set_background(rocksdb_options_t *o) {
    rocksdb_options_set_max_background_jobs(o, BACKGROUND_JOBS);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    /* Debian builds RocksDB with its assertions on, and its logger asserts that writing a line
     * after a failed one does not happen: on a full disk the second warning would end the process.
     * So it says what it is at open and nothing later; errors reach our callers as words. */
    rocksdb_options_set_info_log_level(o, INFO_LOG_FATAL);
    rocksdb_options_set_keep_log_file_num(o, INFO_LOG_FILES);
}

void rocksdb_setup_init(struct rocksdb_setup *setup, const struct kv_options *options) {
    setup->options = rocksdb_options_create();
    set_table(setup, options);
    set_memory(setup->options, options);
    set_disk(setup->options, options);
    if (options->blob_min_bytes) rocksdb_options_set_blob_cache(setup->options, setup->cache);
    set_background(setup->options);
}

static bool has(const char *error, const char *words) {
    return strstr(error, words) != NULL;
}

enum status rocksdb_status_of(const char *error) {
    if (has(error, "No space left on device") || has(error, "Disk quota exceeded") ||
        has(error, "Space limit"))
        return STATUS_DISK_FULL;
    if (strncmp(error, "Corruption", strlen("Corruption")) == 0) return STATUS_CORRUPT;
    if (strncmp(error, "Invalid argument", strlen("Invalid argument")) == 0) return STATUS_INVALID;
    if (has(error, "Memory limit")) return STATUS_NO_MEMORY;
    return STATUS_IO;
}

enum status rocksdb_failed(const char *doing, char *error) {
    enum status status = rocksdb_status_of(error);
    const char *remedy = "";
    if (status == STATUS_DISK_FULL) remedy = "; writes go on soon after space is freed";
    if (status == STATUS_IO) remedy = "; check the disk, then restart the process";
    status = kv_fail(status, "%s: %s%s", doing, error, remedy);
    rocksdb_free(error);
    return status;
}

void rocksdb_setup_reset(struct rocksdb_setup *setup) {
    if (setup->options) rocksdb_options_destroy(setup->options);
    if (setup->table) rocksdb_block_based_options_destroy(setup->table);
    if (setup->cache) rocksdb_cache_destroy(setup->cache);
    *setup = (struct rocksdb_setup){0};
}
