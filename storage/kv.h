/* kv: an ordered key-value store, the contract that log_store and point_store stand on. Two engines
 * keep it: kv_rocksdb (the product) and kv_memory (the faulty double of the simulator). One
 * contract test suite runs on both.
 *
 * Keys and values are bytes; keys order by memcmp. Calls may block on the disk: synced writes,
 * flushes and uncached reads belong on the blocking pool. All calls on a kv are thread-safe; a
 * batch, a cursor and a value belong to one thread at a time. */
#ifndef STORAGE_KV_H
#define STORAGE_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

struct bytes {
    const void *data;
    size_t size;
};

struct kv;

struct kv_options {
    const char *path; /* folder, made when missing (parents too) */
    bool wal;         /* true: writes can be synced (log store). false: durable after kv_flush
                         only, in write order (data store; the Raft log is its WAL) */
    uint64_t blob_min_bytes;     /* values from here go to blob files; 0 = never */
    uint64_t cache_bytes;        /* block cache; 0 = 32 MiB */
    uint64_t write_buffer_bytes; /* memtable; 0 = 16 MiB */
};

/* INVALID, IO (also: in use by another process), CORRUPT, DISK_FULL, NO_MEMORY; kv_error says what.
 * Folders are made with mode 0700, durably. Opening drops a torn, never acknowledged tail and
 * repairs nothing else.
 *
 * With .wal, writes are DISK_FULL while less than 64 MiB of the disk are free, or when it is full
 * all the same (a quota); they are accepted again once there is space, and reads go on meanwhile.
 * Without, writes and flushes are DISK_FULL when RocksDB meets the full disk, and again accepted
 * some seconds after space returned. After IO on a write the store refuses writes until it is
 * opened anew. */
MUST_USE enum status kv_rocksdb_open(const struct kv_options *options, struct kv **out);
/* The last error's words on this thread, for turn_fail; a failing call sets them. Never NULL. */
const char *kv_error(void);

/* Faults of the double, all off by default, rolled from the seed. */
struct kv_faults {
    uint64_t seed;
    uint32_t fail_write_ppm; /* writes answered IO, nothing stored */
    uint32_t torn_write_ppm; /* unsynced tail of the WAL cut inside a batch: batch is lost whole */
    uint32_t uncached_ppm;   /* KV_CACHED reads answered NOT_READY */
    uint64_t capacity_bytes; /* DISK_FULL beyond; 0 = no limit */
};
MUST_USE enum status
kv_memory_open(const struct kv_options *options, const struct kv_faults *faults, struct kv **out);
/* Another handle on the same simulated disk, so that a store can be closed and opened anew. The
 * disk goes with its last handle. NULL: no memory. */
struct kv *kv_memory_share(struct kv *kv);
/* Power loss: what was neither synced nor flushed is gone (a prefix survives, chosen by the seed).
 */
void kv_memory_crash(struct kv *kv);
/* The same while a process still runs on it: all handles but this one write nothing any more (IO),
 * also when they are closed. */
void kv_memory_cut(struct kv *kv);
void kv_memory_set_faults(struct kv *kv, const struct kv_faults *faults);

/* Makes everything durable that was written, then closes. Cursors and values must be gone. NULL is
 * fine. */
void kv_close(struct kv *kv);

/* A batch is atomic. Running out of memory sticks: kv_write answers NO_MEMORY then. */
struct kv_batch;
struct kv_batch *kv_batch_new(void); /* NULL: no memory */
void kv_batch_free(struct kv_batch *batch);
void kv_batch_clear(struct kv_batch *batch);
void kv_batch_put(struct kv_batch *batch, struct bytes key, struct bytes value);
/* The value is the parts one after the other. */
void kv_batch_put_joined(struct kv_batch *batch,
                         struct bytes key,
                         const struct bytes *parts,
                         size_t n_parts);
void kv_batch_delete(struct kv_batch *batch, struct bytes key);
/* [begin, end), begin < end */
void kv_batch_delete_range(struct kv_batch *batch, struct bytes begin, struct bytes end);
size_t kv_batch_bytes(const struct kv_batch *batch);
/* A place between two operations of a batch, to take back what came after it. */
struct kv_mark {
    size_t bytes;
    uint32_t operations;
};
struct kv_mark kv_batch_mark(const struct kv_batch *batch);
/* Takes the operations from mark `from` up to mark `to` out again. Marks after `to` move with them.
 */
void kv_batch_cut(struct kv_batch *batch, struct kv_mark from, struct kv_mark to);
/* sync: durable when this returns OK (only with .wal). On failure nothing of the batch is visible,
 * though it may appear after a restart when sync failed. An empty batch is OK. */
MUST_USE enum status kv_write(struct kv *kv, const struct kv_batch *batch, bool sync);

enum kv_tier {
    KV_ANY,       /* may read the disk */
    KV_CACHED,    /* memory only; NOT_READY when the answer would need the disk */
    KV_PERSISTED, /* only what would survive power loss now; with .wal, unsynced writes count as
                     well */
};
struct kv_value { /* owned by the caller until kv_value_free */
    const void *data;
    size_t size;
    void *handle;
    void (*release)(void *handle);
};
/* NOT_FOUND leaves *out untouched. */
MUST_USE enum status
kv_get(struct kv *kv, struct bytes key, enum kv_tier tier, struct kv_value *out);
void kv_value_free(struct kv_value *value); /* zeroes it; a zeroed one is fine */

/* Iterates a consistent snapshot taken at open over [begin, end); an empty end is no bound. */
struct kv_cursor;
MUST_USE enum status
kv_cursor_open(struct kv *kv, struct bytes begin, struct bytes end, struct kv_cursor **out);
/* false at the end; check kv_cursor_status then. Key and value borrowed until the next call. */
bool kv_cursor_next(struct kv_cursor *cursor, struct bytes *key, struct bytes *value);
MUST_USE enum status kv_cursor_status(const struct kv_cursor *cursor);
void kv_cursor_close(struct kv_cursor *cursor); /* NULL is fine */

/* Many new pairs past the memtables, for a range in which there is nothing and nobody writes
 * meanwhile. All are there when kv_bulk_end returns OK, durable; none before, nor when it fails or
 * is not called. Only without .wal. Blocks; of one thread at a time. */
struct kv_bulk;
MUST_USE enum status kv_bulk_open(struct kv *kv, struct kv_bulk **out);
/* Keys ascend, INVALID otherwise. After a failure there is only kv_bulk_close. */
MUST_USE enum status kv_bulk_put(struct kv_bulk *bulk, struct bytes key, struct bytes value);
MUST_USE enum status kv_bulk_end(struct kv_bulk *bulk);
void kv_bulk_close(struct kv_bulk *bulk); /* before the store; NULL is fine */

/* Everything written before is durable when this returns OK. Blocks. */
MUST_USE enum status kv_flush(struct kv *kv);
/* Gives the disk of [begin, end) back: delete files in range, range delete, compaction. Blocks. */
MUST_USE enum status kv_drop_range(struct kv *kv, struct bytes begin, struct bytes end);

struct kv_stats {
    uint64_t disk_bytes;
    uint64_t memtable_bytes;
    uint64_t cache_bytes;
};
struct kv_stats kv_stats(struct kv *kv);

#endif
