/* kv_steady: keeps RocksDB from meeting a full disk, and gets it out when it did.
 *
 * Below a reserve of free space, writes are refused before RocksDB sees them: it keeps room to
 * flush and to compact, and writes go on the moment space is back. Should a write meet a full disk
 * all the same (a quota, somebody fast), the instance must not be written to again: RocksDB 7.8
 * clears its error without replacing a broken WAL when its memtable is empty, and then asserts. So
 * it is closed and opened anew once there is space and nobody reads; what was acknowledged is
 * synced and comes back.
 *
 *     WRITING ── a write met a full disk ──▶ FULL ── space, no readers: opened anew ──▶ WRITING
 *        └────── a write failed otherwise ─▶ STOPPED
 *
 * After a failed sync nobody knows what is on the disk: STOPPED stays until the process starts
 * anew. Values are copied, cursors counted, so that closing finds nothing in use. */
#include "storage/kv_steady.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "storage/kv_batch.h"
#include "storage/kv_engine.h"

#include "runtime/poison.h"

enum {
    MIB = 1024 * 1024,
    RESERVE_BYTES = 64 * MIB,
    PROBE_BYTES = 32 * MIB, /* what opening may write: memtables found in the WAL */
    WORDS_MAX = 512,
};

enum state { WRITING, FULL, STOPPED };

struct steady {
    struct kv kv;              /* first: what callers hold */
    struct kv_options options; /* path owned */
    pthread_rwlock_t lock; /* held for writing while inner is replaced, for reading in every call */
    struct kv *inner;      /* owned; NULL: it could not be opened again */
    pthread_mutex_t small; /* the three below */
    enum state state;
    uint32_t cursors;      /* open on inner */
    char words[WORDS_MAX]; /* why not WRITING */
};

struct steady_cursor {
    struct kv_cursor cursor; /* first: what callers hold */
    struct steady *owner;
    struct kv_cursor *inner; /* owned */
};

static const struct kv_engine steady_engine;

static struct steady *self_of(struct kv *kv) {
    return (struct steady *)kv;
}

/* --- entering -------------------------------------------------------------------------------- */

/* Keeps inner in place until leave. Fails when there is none. */
static enum status enter(struct steady *self) {
    pthread_rwlock_rdlock(&self->lock);
    if (self->inner) return STATUS_OK;
    pthread_mutex_lock(&self->small);
    enum status s = kv_fail(STATUS_DISK_FULL, "%s", self->words);
    pthread_mutex_unlock(&self->small);
    pthread_rwlock_unlock(&self->lock);
    return s;
}

static void leave(struct steady *self) {
    pthread_rwlock_unlock(&self->lock);
}

/* --- the disk -------------------------------------------------------------------------------- */

static enum status check_space(const struct steady *self, size_t bytes) {
    struct statvfs info;
    if (statvfs(self->options.path, &info) != 0) return STATUS_OK; /* the write will tell */
    uint64_t left = (uint64_t)info.f_bavail * info.f_frsize;
    if (left >= RESERVE_BYTES + bytes) return STATUS_OK;
    return kv_fail(STATUS_DISK_FULL,
                   "the disk of %s has %d MiB left and %d are kept in reserve; writes go on when "
                   "space is freed",
                   self->options.path, (int)(left / MIB), RESERVE_BYTES / MIB);
}

/* Free space may not be ours (quotas), and an instance that was closed for nothing could not even
 * be read. */
static enum status probe_space(const struct steady *self) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/PROBE", self->options.path);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    int error = fd < 0 ? errno : posix_fallocate(fd, 0, PROBE_BYTES);
    if (fd >= 0) close(fd);
    unlink(path);
    if (error == 0) return STATUS_OK;
    return kv_fail(STATUS_DISK_FULL, "%s", self->words);
}

/* Under both locks: nobody is in a call, none begins. */
static enum status open_anew(struct steady *self) {
    if (self->state != FULL) return STATUS_OK; /* somebody else did it */
    if (self->cursors > 0) return kv_fail(STATUS_DISK_FULL, "%s (still being read)", self->words);
    enum status s = probe_space(self);
    if (s != STATUS_OK) return s;
    kv_close(self->inner);
    self->inner = NULL;
    s = kv_rocksdb_open_raw(&self->options, &self->inner);
    if (s == STATUS_OK)
        self->state = WRITING;
    else
        snprintf(self->words, sizeof self->words, "%s", kv_error());
    return s;
}

/* Makes inner fit for a write of that size, or says why it is not. */
static enum status prepare(struct steady *self, size_t bytes) {
    enum status s = check_space(self, bytes);
    pthread_mutex_lock(&self->small);
    enum state state = self->state;
    if (state == STOPPED) s = kv_fail(STATUS_IO, "%s", self->words);
    pthread_mutex_unlock(&self->small);
    if (s != STATUS_OK || state == WRITING) return s;
    pthread_rwlock_wrlock(&self->lock);
    pthread_mutex_lock(&self->small);
    s = open_anew(self);
    pthread_mutex_unlock(&self->small);
    pthread_rwlock_unlock(&self->lock);
    return s;
}

static void note_failure(struct steady *self, enum status status) {
    if (status == STATUS_OK || status == STATUS_NO_MEMORY || status == STATUS_INVALID) return;
    pthread_mutex_lock(&self->small);
    self->state = status == STATUS_DISK_FULL ? FULL : STOPPED;
    snprintf(self->words, sizeof self->words, "%s", kv_error());
    pthread_mutex_unlock(&self->small);
}

/* --- the engine ------------------------------------------------------------------------------ */

static enum status steady_write(struct kv *kv, const struct kv_batch *batch, bool sync) {
    struct steady *self = self_of(kv);
    enum status s = prepare(self, kv_batch_bytes(batch));
    if (s == STATUS_OK) s = enter(self);
    if (s != STATUS_OK) return s;
    s = kv_write(self->inner, batch, sync);
    note_failure(self, s);
    leave(self);
    return s;
}

static enum status
steady_get(struct kv *kv, struct bytes key, enum kv_tier tier, struct kv_value *out) {
    struct steady *self = self_of(kv);
    struct kv_value pinned;
    enum status s = enter(self);
    if (s != STATUS_OK) return s;
    s = kv_get(self->inner, key, tier, &pinned);
    if (s == STATUS_OK) {
        void *copy = mem_copy(pinned.data, pinned.size);
        if (copy)
            *out = (struct kv_value){
                .data = copy, .size = pinned.size, .handle = copy, .release = mem_free};
        else
            s = kv_fail(STATUS_NO_MEMORY, "no memory for a value");
        kv_value_free(&pinned);
    }
    leave(self);
    return s;
}

static void count_cursors(struct steady *self, int change) {
    pthread_mutex_lock(&self->small);
    self->cursors = (uint32_t)((int)self->cursors + change);
    pthread_mutex_unlock(&self->small);
}

static enum status
steady_cursor_open(struct kv *kv, struct bytes begin, struct bytes end, struct kv_cursor **out) {
    struct steady *self = self_of(kv);
    struct steady_cursor *cursor = mem_zero(1, sizeof *cursor);
    if (!cursor) return kv_fail(STATUS_NO_MEMORY, "no memory for a cursor");
    cursor->cursor.engine = &steady_engine;
    cursor->owner = self;
    enum status s = enter(self);
    if (s == STATUS_OK) {
        s = kv_cursor_open(self->inner, begin, end, &cursor->inner);
        if (s == STATUS_OK) count_cursors(self, 1);
        leave(self);
    }
    if (s == STATUS_OK)
        *out = &cursor->cursor;
    else
        mem_free(cursor);
    return s;
}

static bool steady_cursor_next(struct kv_cursor *cursor, struct bytes *key, struct bytes *value) {
    return kv_cursor_next(((struct steady_cursor *)cursor)->inner, key, value);
}

static enum status steady_cursor_status(const struct kv_cursor *cursor) {
    return kv_cursor_status(((const struct steady_cursor *)cursor)->inner);
}

static void steady_cursor_close(struct kv_cursor *base) {
    struct steady_cursor *cursor = (struct steady_cursor *)base;
    kv_cursor_close(cursor->inner);
    count_cursors(cursor->owner, -1);
    mem_free(cursor);
}

static enum status steady_flush(struct kv *kv) {
    struct steady *self = self_of(kv);
    enum status s = enter(self);
    if (s != STATUS_OK) return s;
    s = kv_flush(self->inner);
    note_failure(self, s);
    leave(self);
    return s;
}

static enum status steady_drop_range(struct kv *kv, struct bytes begin, struct bytes end) {
    struct steady *self = self_of(kv);
    enum status s = prepare(self, 0);
    if (s == STATUS_OK) s = enter(self);
    if (s != STATUS_OK) return s;
    s = kv_drop_range(self->inner, begin, end);
    note_failure(self, s);
    leave(self);
    return s;
}

static struct kv_stats steady_stats(struct kv *kv) {
    struct steady *self = self_of(kv);
    if (enter(self) != STATUS_OK) return (struct kv_stats){0};
    struct kv_stats stats = kv_stats(self->inner);
    leave(self);
    return stats;
}

/* --- open and close -------------------------------------------------------------------------- */

static void steady_close(struct kv *kv) {
    struct steady *self = self_of(kv);
    kv_close(self->inner);
    pthread_rwlock_destroy(&self->lock);
    pthread_mutex_destroy(&self->small);
    mem_free((void *)self->options.path);
    mem_free(self);
}

enum status kv_steady_open(const struct kv_options *options, struct kv **out) {
    struct steady *self = mem_zero(1, sizeof *self);
    char *path = mem_string(options->path);
    if (!self || !path) {
        mem_free(self);
        mem_free(path);
        return kv_fail(STATUS_NO_MEMORY, "no memory to open %s", options->path);
    }
    self->kv = (struct kv){.engine = &steady_engine, .wal = true};
    self->options = *options;
    self->options.path = path;
    pthread_rwlock_init(&self->lock, NULL);
    pthread_mutex_init(&self->small, NULL);
    enum status s = kv_rocksdb_open_raw(&self->options, &self->inner);
    if (s == STATUS_OK)
        *out = &self->kv;
    else
        steady_close(&self->kv);
    return s;
}

static const struct kv_engine steady_engine = {
    .close = steady_close,
    .write = steady_write,
    .get = steady_get,
    .cursor_open = steady_cursor_open,
    .cursor_next = steady_cursor_next,
    .cursor_status = steady_cursor_status,
    .cursor_close = steady_cursor_close,
    .flush = steady_flush,
    .drop_range = steady_drop_range,
    .stats = steady_stats,
};
