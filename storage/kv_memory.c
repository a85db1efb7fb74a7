/* kv_memory: the double of the simulator and of tests. A simulated disk keeps two tables that share
 * their records: `now`, what reads see, and `durable`, what power loss leaves. Between them lie the
 * batches that were written but not made durable, in order:
 *
 *     durable ── unsynced[0] ── unsynced[1] ── … ──▶ now
 *
 * A crash keeps durable and the first few unsynced batches, as many as the seed says: a disk may
 * have written more than it promised, but never in another order (one WAL, one memtable). Several
 * handles (kv_memory_share) see one disk. */
#include <inttypes.h>
#include <pthread.h>

#include "runtime/assert.h"
#include "runtime/buffer.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "storage/key.h"
#include "storage/kv_batch.h"
#include "storage/kv_engine.h"
#include "storage/memory_table.h"

#include "runtime/poison.h"

enum { MILLION = 1000000 };

/* A batch taken apart, so that applying it cannot run out of memory. */
struct change {
    enum kv_operation_kind kind;
    struct memory_record *record; /* held; key (or begin) and value (or end) */
};
struct unsynced {
    struct change *changes; /* owned */
    size_t n_changes;
};

struct disk {
    pthread_mutex_t lock; /* everything below */
    uint32_t handles;
    uint32_t cuts; /* of its power; handles of before are dead */
    bool wal;
    struct kv_faults faults;
    struct rng rng;
    struct memory_table now;
    struct memory_table durable;
    struct unsynced *unsynced; /* owned, in order of writing */
    size_t n_unsynced;
    size_t unsynced_capacity;
};

struct memory_kv {
    struct kv kv; /* first: what callers hold */
    struct disk *disk;
    uint32_t cuts; /* of the disk, when it was opened */
};

struct memory_cursor {
    struct kv_cursor cursor;        /* first: what callers hold */
    struct memory_record **records; /* owned holds: the snapshot */
    size_t n_records;
    size_t next;
};

static const struct kv_engine memory_engine;

static struct disk *lock_disk(struct kv *kv) {
    struct disk *disk = ((struct memory_kv *)kv)->disk;
    pthread_mutex_lock(&disk->lock);
    return disk;
}

static enum status check_power(struct kv *kv, const struct disk *disk) {
    if (((struct memory_kv *)kv)->cuts == disk->cuts) return STATUS_OK;
    return kv_fail(STATUS_IO, "the simulated disk lost its power");
}

static bool rolls(struct disk *disk, uint32_t ppm) {
    return ppm && rng_below(&disk->rng, MILLION) < ppm;
}

/* --- batches --------------------------------------------------------------------------------- */

static void unsynced_reset(struct unsynced *batch) {
    for (size_t i = 0; i < batch->n_changes; i++)
        memory_record_drop(batch->changes[i].record);
    mem_free(batch->changes);
    *batch = (struct unsynced){0};
}

static enum status unsynced_init(struct unsynced *out, const struct kv_batch *batch) {
    uint32_t n = kv_batch_mark(batch).operations;
    struct unsynced made = {.changes = mem_zero(n, sizeof(struct change))};
    if (!made.changes) return kv_fail(STATUS_NO_MEMORY, "no memory for a batch");
    struct kv_operation operation;
    for (size_t at = 0; kv_batch_next(batch, &at, &operation);) {
        struct change *change = &made.changes[made.n_changes];
        change->kind = operation.kind;
        change->record = memory_record_new(operation.key, operation.value);
        if (!change->record) {
            unsynced_reset(&made);
            return kv_fail(STATUS_NO_MEMORY, "no memory for a batch");
        }
        made.n_changes++;
    }
    assert(made.n_changes == n);
    *out = made;
    return STATUS_OK;
}

/* The table has room for every put. */
static void apply(struct memory_table *table, const struct unsynced *batch) {
    for (size_t i = 0; i < batch->n_changes; i++) {
        struct memory_record *record = batch->changes[i].record;
        struct bytes key = memory_record_key(record);
        if (batch->changes[i].kind == KV_PUT) {
            memory_table_put(table, record);
        } else if (batch->changes[i].kind == KV_DELETE) {
            memory_table_delete(table, key);
        } else {
            memory_table_delete_range(table, key, memory_record_value(record));
        }
    }
}

/* --- durability ------------------------------------------------------------------------------ */

static void forget_unsynced(struct disk *disk) {
    for (size_t i = 0; i < disk->n_unsynced; i++)
        unsynced_reset(&disk->unsynced[i]);
    disk->n_unsynced = 0;
}

static enum status make_durable(struct disk *disk) {
    if (disk->n_unsynced == 0) return STATUS_OK;
    size_t puts = 0;
    for (size_t i = 0; i < disk->n_unsynced; i++)
        puts += disk->unsynced[i].n_changes;
    if (!memory_table_reserve(&disk->durable, puts))
        return kv_fail(STATUS_NO_MEMORY, "no memory to flush");
    for (size_t i = 0; i < disk->n_unsynced; i++)
        apply(&disk->durable, &disk->unsynced[i]);
    forget_unsynced(disk);
    return STATUS_OK;
}

/* Room for one more unsynced batch of n changes, here and in both tables. */
static bool reserve(struct disk *disk, size_t n) {
    if (disk->n_unsynced == disk->unsynced_capacity) {
        size_t capacity = disk->unsynced_capacity ? disk->unsynced_capacity * 2 : 16;
        struct unsynced *unsynced = mem_resize(disk->unsynced, capacity * sizeof(struct unsynced));
        if (!unsynced) return false;
        disk->unsynced = unsynced;
        disk->unsynced_capacity = capacity;
    }
    return memory_table_reserve(&disk->now, n) && memory_table_reserve(&disk->durable, n);
}

static enum status check_faults(struct disk *disk, const struct kv_batch *batch) {
    if (rolls(disk, disk->faults.fail_write_ppm))
        return kv_fail(STATUS_IO, "simulated input/output error");
    uint64_t capacity = disk->faults.capacity_bytes;
    if (capacity && disk->now.bytes + kv_batch_bytes(batch) > capacity)
        return kv_fail(STATUS_DISK_FULL, "simulated disk of %" PRIu64 " bytes is full", capacity);
    return STATUS_OK;
}

static enum status write_locked(struct disk *disk, const struct kv_batch *batch, bool sync) {
    enum status s = check_faults(disk, batch);
    if (s != STATUS_OK) return s;
    struct unsynced change = {0};
    s = unsynced_init(&change, batch);
    if (s != STATUS_OK) return s;
    if (!reserve(disk, change.n_changes)) {
        unsynced_reset(&change);
        return kv_fail(STATUS_NO_MEMORY, "no memory for a batch");
    }
    if (sync) {
        s = make_durable(disk);
        if (s == STATUS_OK && !memory_table_reserve(&disk->durable, change.n_changes))
            s = kv_fail(STATUS_NO_MEMORY, "no memory for a batch");
        if (s != STATUS_OK) {
            unsynced_reset(&change);
            return s;
        }
        apply(&disk->durable, &change);
    }
    apply(&disk->now, &change);
    if (sync)
        unsynced_reset(&change);
    else
        disk->unsynced[disk->n_unsynced++] = change;
    return STATUS_OK;
}

static enum status memory_write(struct kv *kv, const struct kv_batch *batch, bool sync) {
    struct disk *disk = lock_disk(kv);
    enum status s = check_power(kv, disk);
    if (s == STATUS_OK) s = write_locked(disk, batch, sync);
    pthread_mutex_unlock(&disk->lock);
    return s;
}

static enum status memory_flush(struct kv *kv) {
    struct disk *disk = lock_disk(kv);
    enum status s = check_power(kv, disk);
    if (s == STATUS_OK) s = make_durable(disk);
    pthread_mutex_unlock(&disk->lock);
    return s;
}

static void crash(struct disk *disk) {
    size_t kept = (size_t)rng_below(&disk->rng, disk->n_unsynced + 1);
    if (kept && rolls(disk, disk->faults.torn_write_ppm)) kept--;
    while (disk->n_unsynced > kept)
        unsynced_reset(&disk->unsynced[--disk->n_unsynced]);
    /* A test that crashes a disk without memory for it has no answer to check. */
    enum status s = make_durable(disk);
    bool copied = s == STATUS_OK && memory_table_copy(&disk->now, &disk->durable);
    assert(copied);
}

void kv_memory_crash(struct kv *kv) {
    assert(kv->engine == &memory_engine);
    struct disk *disk = lock_disk(kv);
    crash(disk);
    pthread_mutex_unlock(&disk->lock);
}

void kv_memory_cut(struct kv *kv) {
    assert(kv->engine == &memory_engine);
    struct disk *disk = lock_disk(kv);
    crash(disk);
    ((struct memory_kv *)kv)->cuts = ++disk->cuts;
    pthread_mutex_unlock(&disk->lock);
}

/* --- reading --------------------------------------------------------------------------------- */

static void release_record(void *record) {
    memory_record_drop(record);
}

static enum status
memory_get(struct kv *kv, struct bytes key, enum kv_tier tier, struct kv_value *out) {
    struct disk *disk = lock_disk(kv);
    bool uncached = tier == KV_CACHED && rolls(disk, disk->faults.uncached_ppm);
    struct memory_record *record = NULL;
    if (!uncached) {
        bool durable = tier == KV_PERSISTED && !disk->wal;
        record = memory_table_get(durable ? &disk->durable : &disk->now, key);
        if (record) memory_record_hold(record);
    }
    pthread_mutex_unlock(&disk->lock);
    if (uncached) return kv_fail(STATUS_NOT_READY, "the answer is not in memory");
    if (!record) return kv_fail(STATUS_NOT_FOUND, "no such key");
    struct bytes value = memory_record_value(record);
    *out = (struct kv_value){
        .data = value.data, .size = value.size, .handle = record, .release = release_record};
    return STATUS_OK;
}

static enum status
memory_cursor_open(struct kv *kv, struct bytes begin, struct bytes end, struct kv_cursor **out) {
    struct memory_cursor *cursor = mem_zero(1, sizeof *cursor);
    if (!cursor) return kv_fail(STATUS_NO_MEMORY, "no memory for a cursor");
    cursor->cursor.engine = &memory_engine;
    struct disk *disk = lock_disk(kv);
    const struct memory_table *now = &disk->now;
    size_t from = memory_table_find(now, begin);
    size_t to = end.size ? memory_table_find(now, end) : now->n_records;
    size_t n = to > from ? to - from : 0;
    cursor->records = mem_alloc(n * sizeof *cursor->records);
    if (cursor->records) {
        for (size_t i = 0; i < n; i++)
            cursor->records[i] = memory_record_hold(now->records[from + i]);
        cursor->n_records = n;
    }
    pthread_mutex_unlock(&disk->lock);
    if (!cursor->records) {
        mem_free(cursor);
        return kv_fail(STATUS_NO_MEMORY, "no memory for a cursor");
    }
    *out = &cursor->cursor;
    return STATUS_OK;
}

static bool memory_cursor_next(struct kv_cursor *base, struct bytes *key, struct bytes *value) {
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    if (cursor->next == cursor->n_records) return false;
    const struct memory_record *record = cursor->records[cursor->next++];
    *key = memory_record_key(record);
    *value = memory_record_value(record);
    return true;
}

static enum status memory_cursor_status(const struct kv_cursor *cursor) {
    (void)cursor;
    return STATUS_OK;
}

static void memory_cursor_close(struct kv_cursor *base) {
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    for (size_t i = 0; i < cursor->n_records; i++)
        memory_record_drop(cursor->records[i]);
    mem_free(cursor->records);
    mem_free(cursor);
}

/* --- bulks ----------------------------------------------------------------------------------- */

struct memory_bulk {
    struct kv_bulk bulk;    /* first: what callers hold */
    struct kv *kv;          /* borrowed */
    struct kv_batch *batch; /* owned */
    struct buffer last;     /* key */
};

static void memory_bulk_close(struct kv_bulk *base) {
    struct memory_bulk *bulk = (struct memory_bulk *)base;
    kv_batch_free(bulk->batch);
    buffer_free(&bulk->last);
    mem_free(bulk);
}

static enum status memory_bulk_open(struct kv *kv, struct kv_bulk **out) {
    struct memory_bulk *bulk = mem_zero(1, sizeof *bulk);
    if (!bulk) return kv_fail(STATUS_NO_MEMORY, "no memory for a bulk of pairs");
    bulk->bulk.engine = &memory_engine;
    bulk->kv = kv;
    buffer_init(&bulk->last);
    bulk->batch = kv_batch_new();
    if (!bulk->batch) {
        memory_bulk_close(&bulk->bulk);
        return kv_fail(STATUS_NO_MEMORY, "no memory for a bulk of pairs");
    }
    *out = &bulk->bulk;
    return STATUS_OK;
}

static enum status memory_bulk_put(struct kv_bulk *base, struct bytes key, struct bytes value) {
    struct memory_bulk *bulk = (struct memory_bulk *)base;
    struct bytes last = {.data = bulk->last.data, .size = bulk->last.size};
    if (kv_batch_mark(bulk->batch).operations > 0 && key_compare(last, key) >= 0)
        return kv_fail(STATUS_INVALID, "bulk: keys must ascend");
    buffer_clear(&bulk->last);
    buffer_append(&bulk->last, key.data, key.size);
    kv_batch_put(bulk->batch, key, value);
    if (bulk->last.failed || kv_batch_failed(bulk->batch))
        return kv_fail(STATUS_NO_MEMORY, "no memory for a bulk of pairs");
    return STATUS_OK;
}

/* Durable at once, whatever was written before and is not. */
static enum status end_locked(struct disk *disk, const struct kv_batch *batch) {
    enum status s = check_faults(disk, batch);
    if (s != STATUS_OK) return s;
    struct unsynced change = {0};
    s = unsynced_init(&change, batch);
    if (s != STATUS_OK) return s;
    if (memory_table_reserve(&disk->now, change.n_changes) &&
        memory_table_reserve(&disk->durable, change.n_changes)) {
        apply(&disk->now, &change);
        apply(&disk->durable, &change);
    } else {
        s = kv_fail(STATUS_NO_MEMORY, "no memory for a bulk of pairs");
    }
    unsynced_reset(&change);
    return s;
}

static enum status memory_bulk_end(struct kv_bulk *base) {
    struct memory_bulk *bulk = (struct memory_bulk *)base;
    if (kv_batch_mark(bulk->batch).operations == 0) return STATUS_OK;
    struct disk *disk = lock_disk(bulk->kv);
    enum status s = check_power(bulk->kv, disk);
    if (s == STATUS_OK) s = end_locked(disk, bulk->batch);
    pthread_mutex_unlock(&disk->lock);
    return s;
}

static enum status memory_drop_range(struct kv *kv, struct bytes begin, struct bytes end) {
    struct kv_batch *batch = kv_batch_new();
    if (!batch) return kv_fail(STATUS_NO_MEMORY, "no memory for a batch");
    kv_batch_delete_range(batch, begin, end);
    enum status s = kv_write(kv, batch, false);
    if (s == STATUS_OK) s = memory_flush(kv);
    kv_batch_free(batch);
    return s;
}

static struct kv_stats memory_stats(struct kv *kv) {
    struct disk *disk = lock_disk(kv);
    struct kv_stats stats = {.disk_bytes = disk->durable.bytes};
    for (size_t i = 0; i < disk->n_unsynced; i++) {
        const struct unsynced *batch = &disk->unsynced[i];
        for (size_t j = 0; j < batch->n_changes; j++)
            stats.memtable_bytes +=
                batch->changes[j].record->key_size + batch->changes[j].record->value_size;
    }
    pthread_mutex_unlock(&disk->lock);
    return stats;
}

/* --- open and close -------------------------------------------------------------------------- */

static void disk_free(struct disk *disk) {
    forget_unsynced(disk);
    mem_free(disk->unsynced);
    memory_table_reset(&disk->now);
    memory_table_reset(&disk->durable);
    pthread_mutex_destroy(&disk->lock);
    mem_free(disk);
}

static void memory_close(struct kv *kv) {
    struct disk *disk = lock_disk(kv);
    /* Without memory to flush, this close is like a crash: allowed, the writes were not
     * acknowledged. */
    if (check_power(kv, disk) == STATUS_OK) {
        enum status s = make_durable(disk);
        (void)s;
    }
    bool last = --disk->handles == 0;
    pthread_mutex_unlock(&disk->lock);
    if (last) disk_free(disk);
    mem_free(kv);
}

static const struct kv_engine memory_engine = {
    .close = memory_close,
    .write = memory_write,
    .get = memory_get,
    .cursor_open = memory_cursor_open,
    .cursor_next = memory_cursor_next,
    .cursor_status = memory_cursor_status,
    .cursor_close = memory_cursor_close,
    .bulk_open = memory_bulk_open,
    .bulk_put = memory_bulk_put,
    .bulk_end = memory_bulk_end,
    .bulk_close = memory_bulk_close,
    .flush = memory_flush,
    .drop_range = memory_drop_range,
    .stats = memory_stats,
};

static struct kv *handle_new(struct disk *disk) {
    struct memory_kv *handle = mem_zero(1, sizeof *handle);
    if (!handle) return NULL;
    handle->kv = (struct kv){.engine = &memory_engine, .wal = disk->wal};
    handle->disk = disk;
    handle->cuts = disk->cuts;
    disk->handles++;
    return &handle->kv;
}

static void set_faults(struct disk *disk, const struct kv_faults *faults) {
    disk->faults = faults ? *faults : (struct kv_faults){0};
    rng_init(&disk->rng, disk->faults.seed);
}

enum status
kv_memory_open(const struct kv_options *options, const struct kv_faults *faults, struct kv **out) {
    struct disk *disk = mem_zero(1, sizeof *disk);
    if (!disk) return kv_fail(STATUS_NO_MEMORY, "no memory to open a store");
    pthread_mutex_init(&disk->lock, NULL);
    disk->wal = options->wal;
    set_faults(disk, faults);
    struct kv *kv = handle_new(disk);
    if (!kv) {
        disk_free(disk);
        return kv_fail(STATUS_NO_MEMORY, "no memory to open a store");
    }
    *out = kv;
    return STATUS_OK;
}

struct kv *kv_memory_share(struct kv *kv) {
    assert(kv->engine == &memory_engine);
    struct disk *disk = lock_disk(kv);
    struct kv *handle = handle_new(disk);
    pthread_mutex_unlock(&disk->lock);
    return handle;
}

void kv_memory_set_faults(struct kv *kv, const struct kv_faults *faults) {
    assert(kv->engine == &memory_engine);
    struct disk *disk = lock_disk(kv);
    set_faults(disk, faults);
    pthread_mutex_unlock(&disk->lock);
}
