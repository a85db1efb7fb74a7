/* kv_rocksdb: the product's engine, on RocksDB's C API; how it is set up is in rocksdb_setup.c. A
 * store with a WAL is wrapped by kv_steady.c. RocksDB reports errors as words only:
 * rocksdb_status_of() sorts them. */
#include <rocksdb/c.h>
#include <string.h>
#include <time.h>

#include "runtime/memory.h"
#include "storage/folder.h"
#include "storage/kv_batch.h"
#include "storage/kv_engine.h"
#include "storage/kv_steady.h"
#include "storage/rocksdb_bulk.h"
#include "storage/rocksdb_setup.h"

#include "runtime/poison.h"

enum {
    FLUSH_PAUSE_NS = 2 * 1000 * 1000,
    FLUSH_PAUSES_A_TRY = 500,
    FLUSH_PAUSES_MAX = 60 * FLUSH_PAUSES_A_TRY, /* a minute */
    SCAN_READAHEAD_BYTES = 256 * 1024,
    COMPACT_BOTTOMMOST = 2, /* BottommostLevelCompaction::kForce */
};
/* RocksDB's ReadTier values. */
enum { TIER_ALL = 0, TIER_CACHE = 1, TIER_PERSISTED = 2, TIER_COUNT };

struct rocksdb_kv {
    struct kv kv;  /* first: what callers hold */
    rocksdb_t *db; /* owned, as all below */
    struct rocksdb_setup setup;
    rocksdb_writeoptions_t *write_synced;
    rocksdb_writeoptions_t *write_unsynced;
    rocksdb_readoptions_t *read[TIER_COUNT];
    rocksdb_flushoptions_t *flush;
    char *path;
    bool blobs; /* large values are in blob files */
};

struct rocksdb_cursor {
    struct kv_cursor cursor; /* first: what callers hold */
    rocksdb_iterator_t *iterator;
    rocksdb_readoptions_t *read;
    unsigned char *bounds; /* owned; begin and end, which the iterator borrows */
    bool started;
};

static const struct kv_engine rocksdb_engine;

static struct rocksdb_kv *self_of(struct kv *kv) {
    return (struct rocksdb_kv *)kv;
}

/* --- errors ---------------------------------------------------------------------------------- */

static enum status open_failed(const char *path, char *error) {
    enum status status = STATUS_IO;
    if (strstr(error, "lock hold by current process") || strstr(error, "While lock file")) {
        bool ours = strstr(error, "lock hold by current process") != NULL;
        status = kv_fail(STATUS_IO, "data folder %s is in use by %s process", path,
                         ours ? "this" : "another");
    } else {
        status = kv_fail(rocksdb_status_of(error), "cannot open data folder %s: %s", path, error);
    }
    rocksdb_free(error);
    return status;
}

/* --- writing --------------------------------------------------------------------------------- */

static enum status rocksdb_kv_write(struct kv *kv, const struct kv_batch *batch, bool sync) {
    struct rocksdb_kv *self = self_of(kv);
    struct bytes data = kv_batch_data(batch);
    rocksdb_writebatch_t *write = rocksdb_writebatch_create_from(data.data, data.size);
    char *error = NULL;
    rocksdb_write(self->db, sync ? self->write_synced : self->write_unsynced, write, &error);
    rocksdb_writebatch_destroy(write);
    return error ? rocksdb_failed("write", error) : STATUS_OK;
}

static uint64_t property(struct rocksdb_kv *self, const char *name) {
    uint64_t value = 0;
    rocksdb_property_int(self->db, name, &value);
    return value;
}

static enum status flush_once(struct rocksdb_kv *self) {
    char *error = NULL;
    rocksdb_flush(self->db, self->flush, &error);
    return error ? rocksdb_failed("flush", error) : STATUS_OK;
}

/* RocksDB 7.8 never takes back that it stopped for an error: once it recovered from one, its flush
 * no longer waits, and answers OK too early. So then we wait until no full memtable is left. */
static enum status flush_after_error(struct rocksdb_kv *self) {
    const struct timespec pause = {.tv_nsec = FLUSH_PAUSE_NS};
    for (int i = 0; i < FLUSH_PAUSES_MAX; i++) {
        if (i % FLUSH_PAUSES_A_TRY == 0) {
            enum status s = flush_once(self); /* or says that it is stopped again */
            if (s != STATUS_OK) return s;
        }
        if (property(self, "rocksdb.num-immutable-mem-table") == 0) return STATUS_OK;
        nanosleep(&pause, NULL);
    }
    return kv_fail(STATUS_IO, "flush: RocksDB does not finish after an error; restart the process");
}

static enum status rocksdb_kv_flush(struct kv *kv) {
    struct rocksdb_kv *self = self_of(kv);
    if (property(self, "rocksdb.background-errors") > 0) return flush_after_error(self);
    enum status s = flush_once(self);
    if (s == STATUS_OK && property(self, "rocksdb.background-errors") > 0)
        return flush_after_error(self);
    return s;
}

/* Whole files go at once and without reading, but not where they refer to blob files: RocksDB
 * counts the garbage in those by compaction alone; files deleted behind its back keep their blobs
 * for ever, and collecting garbage later stumbles over them (an assertion of 7.8). */
static enum status delete_files(struct rocksdb_kv *self, struct bytes begin, struct bytes end) {
    if (self->blobs) return STATUS_OK;
    char *error = NULL;
    rocksdb_delete_file_in_range(self->db, begin.data, begin.size, end.data, end.size, &error);
    return error ? rocksdb_failed("delete files", error) : STATUS_OK;
}

/* Compactions rewrite what lives in the oldest blob files, this share of all, from now on. */
static enum status collect_garbage_of(struct rocksdb_kv *self, const char *share) {
    if (!self->blobs) return STATUS_OK;
    const char *names[] = {"blob_garbage_collection_age_cutoff"};
    const char *values[] = {share};
    char *error = NULL;
    rocksdb_set_options(self->db, 1, names, values, &error);
    return error ? rocksdb_failed("set options", error) : STATUS_OK;
}

static enum status delete_range(struct kv *kv, struct bytes begin, struct bytes end) {
    struct kv_batch *batch = kv_batch_new();
    if (!batch) return kv_fail(STATUS_NO_MEMORY, "no memory for a batch");
    kv_batch_delete_range(batch, begin, end);
    enum status s = kv_write(kv, batch, false);
    kv_batch_free(batch);
    return s == STATUS_OK ? rocksdb_kv_flush(kv) : s;
}

static enum status rocksdb_kv_bulk(struct kv *kv, struct kv_bulk **out) {
    struct rocksdb_kv *self = self_of(kv);
    return rocksdb_bulk_open(&(struct rocksdb_bulk_options){.db = self->db,
                                                            .options = self->setup.options,
                                                            .path = self->path,
                                                            .engine = &rocksdb_engine},
                             out);
}

static void compact(struct rocksdb_kv *self, struct bytes begin, struct bytes end) {
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_bottommost_level_compaction(options, COMPACT_BOTTOMMOST);
    rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
    rocksdb_compact_range_opt(self->db, options, begin.data, begin.size, end.data, end.size);
    rocksdb_compactoptions_destroy(options);
}

/* Nothing to be seen, and no whole block of what was deleted. Counts as something when it cannot be
 * told. */
static bool is_empty(struct rocksdb_kv *self, struct bytes begin, struct bytes end) {
    struct kv_cursor *cursor;
    struct bytes key, value;
    if (kv_cursor_open(&self->kv, begin, end, &cursor) != STATUS_OK) return false;
    bool empty = !kv_cursor_next(cursor, &key, &value) && kv_cursor_status(cursor) == STATUS_OK;
    kv_cursor_close(cursor);
    const char *begins[] = {begin.data}, *ends[] = {end.data};
    const size_t begin_sizes[] = {begin.size}, end_sizes[] = {end.size};
    uint64_t bytes = 0;
    char *error = NULL;
    if (empty)
        rocksdb_approximate_sizes(self->db, 1, begins, begin_sizes, ends, end_sizes, &bytes,
                                  &error);
    empty = empty && !error && bytes == 0;
    rocksdb_free(error);
    return empty;
}

/* Blob files are shared with other ranges, so all of them are looked at, and that before any
 * compaction can see the deletion: the one in the background may be first. */
static enum status rocksdb_kv_drop_range(struct kv *kv, struct bytes begin, struct bytes end) {
    struct rocksdb_kv *self = self_of(kv);
    if (is_empty(self, begin, end))
        return rocksdb_kv_flush(kv); /* its deletions may not be durable */
    enum status s = delete_files(self, begin, end);
    if (s == STATUS_OK) s = collect_garbage_of(self, rocksdb_blob_share_all);
    if (s != STATUS_OK) return s;
    s = delete_range(kv, begin, end);
    if (s == STATUS_OK) compact(self, begin, end);
    enum status back = collect_garbage_of(self, rocksdb_blob_share);
    return s == STATUS_OK ? back : s;
}

/* --- reading --------------------------------------------------------------------------------- */

static void release_pinned(void *pinned) {
    rocksdb_pinnableslice_destroy(pinned);
}

static enum status
rocksdb_kv_get(struct kv *kv, struct bytes key, enum kv_tier tier, struct kv_value *out) {
    static const int tiers[] = {
        [KV_ANY] = TIER_ALL, [KV_CACHED] = TIER_CACHE, [KV_PERSISTED] = TIER_PERSISTED};
    struct rocksdb_kv *self = self_of(kv);
    char *error = NULL;
    rocksdb_pinnableslice_t *pinned =
        rocksdb_get_pinned(self->db, self->read[tiers[tier]], key.data, key.size, &error);
    if (error) {
        if (tier != KV_CACHED || !strstr(error, "incomplete")) return rocksdb_failed("read", error);
        rocksdb_free(error);
        return kv_fail(STATUS_NOT_READY, "the answer is not in memory");
    }
    if (!pinned) return kv_fail(STATUS_NOT_FOUND, "no such key");
    struct kv_value value = {.handle = pinned, .release = release_pinned};
    value.data = rocksdb_pinnableslice_value(pinned, &value.size);
    *out = value;
    return STATUS_OK;
}

static void rocksdb_cursor_close(struct kv_cursor *base) {
    struct rocksdb_cursor *cursor = (struct rocksdb_cursor *)base;
    if (cursor->iterator) rocksdb_iter_destroy(cursor->iterator);
    rocksdb_readoptions_destroy(cursor->read);
    mem_free(cursor->bounds);
    mem_free(cursor);
}

static enum status
rocksdb_cursor_open(struct kv *kv, struct bytes begin, struct bytes end, struct kv_cursor **out) {
    struct rocksdb_cursor *cursor = mem_zero(1, sizeof *cursor);
    unsigned char *bounds = mem_alloc(begin.size + end.size);
    if (!cursor || !bounds) {
        mem_free(cursor);
        mem_free(bounds);
        return kv_fail(STATUS_NO_MEMORY, "no memory for a cursor");
    }
    if (begin.size) memcpy(bounds, begin.data, begin.size);
    if (end.size) memcpy(bounds + begin.size, end.data, end.size);
    cursor->cursor.engine = &rocksdb_engine;
    cursor->bounds = bounds;
    cursor->read = rocksdb_readoptions_create();
    if (end.size)
        rocksdb_readoptions_set_iterate_upper_bound(cursor->read, (const char *)bounds + begin.size,
                                                    end.size);
    /* A scan must not push out what point reads use. */
    rocksdb_readoptions_set_fill_cache(cursor->read, 0);
    rocksdb_readoptions_set_readahead_size(cursor->read, SCAN_READAHEAD_BYTES);
    cursor->iterator = rocksdb_create_iterator(self_of(kv)->db, cursor->read);
    rocksdb_iter_seek(cursor->iterator, (const char *)bounds, begin.size);
    *out = &cursor->cursor;
    return STATUS_OK;
}

static bool rocksdb_cursor_next(struct kv_cursor *base, struct bytes *key, struct bytes *value) {
    struct rocksdb_cursor *cursor = (struct rocksdb_cursor *)base;
    if (cursor->started && rocksdb_iter_valid(cursor->iterator))
        rocksdb_iter_next(cursor->iterator);
    cursor->started = true;
    if (!rocksdb_iter_valid(cursor->iterator)) return false;
    key->data = rocksdb_iter_key(cursor->iterator, &key->size);
    value->data = rocksdb_iter_value(cursor->iterator, &value->size);
    return true;
}

static enum status rocksdb_cursor_status(const struct kv_cursor *base) {
    const struct rocksdb_cursor *cursor = (const struct rocksdb_cursor *)base;
    char *error = NULL;
    rocksdb_iter_get_error(cursor->iterator, &error);
    return error ? rocksdb_failed("scan", error) : STATUS_OK;
}

static struct kv_stats rocksdb_kv_stats(struct kv *kv) {
    struct rocksdb_kv *self = self_of(kv);
    return (struct kv_stats){
        .disk_bytes = property(self, "rocksdb.total-sst-files-size") +
                      property(self, "rocksdb.total-blob-file-size"),
        .memtable_bytes = property(self, "rocksdb.size-all-mem-tables"),
        .cache_bytes = rocksdb_cache_get_usage(self->setup.cache),
    };
}

/* --- open and close -------------------------------------------------------------------------- */

static void rocksdb_kv_close(struct kv *kv) {
    struct rocksdb_kv *self = self_of(kv);
    if (self->db) {
        /* RocksDB flushes at close as well, but after an error without waiting. What cannot be
         * flushed now was not promised: the Raft log has it. */
        enum status s = self->kv.wal ? STATUS_OK : rocksdb_kv_flush(kv);
        (void)s;
        rocksdb_close(self->db);
    }
    for (int tier = 0; tier < TIER_COUNT; tier++)
        if (self->read[tier]) rocksdb_readoptions_destroy(self->read[tier]);
    if (self->write_synced) rocksdb_writeoptions_destroy(self->write_synced);
    if (self->write_unsynced) rocksdb_writeoptions_destroy(self->write_unsynced);
    if (self->flush) rocksdb_flushoptions_destroy(self->flush);
    rocksdb_setup_reset(&self->setup);
    mem_free(self->path);
    mem_free(self);
}

static void set_calls(struct rocksdb_kv *self) {
    self->write_synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(self->write_synced, 1);
    self->write_unsynced = rocksdb_writeoptions_create();
    if (!self->kv.wal) rocksdb_writeoptions_disable_WAL(self->write_unsynced, 1);
    self->flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(self->flush, 1);
    for (int tier = 0; tier < TIER_COUNT; tier++) {
        self->read[tier] = rocksdb_readoptions_create();
        rocksdb_readoptions_set_read_tier(self->read[tier], tier);
    }
}

enum status kv_rocksdb_open(const struct kv_options *options, struct kv **out) {
    return options->wal ? kv_steady_open(options, out) : kv_rocksdb_open_raw(options, out);
}

enum status kv_rocksdb_open_raw(const struct kv_options *options, struct kv **out) {
    enum status s = folder_make(options->path);
    if (s != STATUS_OK) return s;
    struct rocksdb_kv *self = mem_zero(1, sizeof *self);
    if (!self) return kv_fail(STATUS_NO_MEMORY, "no memory to open %s", options->path);
    self->kv = (struct kv){.engine = &rocksdb_engine, .wal = options->wal};
    self->blobs = options->blob_min_bytes > 0;
    self->path = mem_string(options->path);
    rocksdb_setup_init(&self->setup, options);
    set_calls(self);
    char *error = NULL;
    if (!self->path) {
        rocksdb_kv_close(&self->kv);
        return kv_fail(STATUS_NO_MEMORY, "no memory to open %s", options->path);
    }
    self->db = rocksdb_open(self->setup.options, options->path, &error);
    if (error) {
        s = open_failed(options->path, error);
        rocksdb_kv_close(&self->kv);
        return s;
    }
    rocksdb_bulk_clear(options->path);
    *out = &self->kv;
    return STATUS_OK;
}

static const struct kv_engine rocksdb_engine = {
    .close = rocksdb_kv_close,
    .write = rocksdb_kv_write,
    .get = rocksdb_kv_get,
    .cursor_open = rocksdb_cursor_open,
    .cursor_next = rocksdb_cursor_next,
    .cursor_status = rocksdb_cursor_status,
    .cursor_close = rocksdb_cursor_close,
    .bulk_open = rocksdb_kv_bulk,
    .bulk_put = rocksdb_bulk_put,
    .bulk_end = rocksdb_bulk_end,
    .bulk_close = rocksdb_bulk_close,
    .flush = rocksdb_kv_flush,
    .drop_range = rocksdb_kv_drop_range,
    .stats = rocksdb_kv_stats,
};
