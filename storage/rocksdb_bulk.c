/* rocksdb_bulk: pairs go straight into table files beside the store, which takes them all in one
 * step:
 *
 *     put ─▶ bulk/ID-0.sst … 64 MiB, synced ─▶ bulk/ID-1.sst … ─▶ end: linked in, one manifest edit
 *
 * They skip memtables, flushes and the compactions after those; where nothing else is, RocksDB
 * takes them for its lowest level. Large values lie inside the tables, not in blob files: the first
 * compaction that meets them moves them there. */
#include "storage/rocksdb_bulk.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/buffer.h"
#include "runtime/memory.h"
#include "storage/folder.h"
#include "storage/key.h"

#include "runtime/poison.h"

enum { FILE_BYTES = 64 * 1024 * 1024 };

struct rocksdb_bulk {
    struct kv_bulk bulk; /* first: what callers hold */
    rocksdb_t *db;       /* borrowed */
    char *folder;        /* owned, as all below */
    rocksdb_envoptions_t *env;
    rocksdb_sstfilewriter_t *writer;
    uint64_t id;  /* of this process's bulks */
    char **files; /* paths, ascending by key */
    size_t n_files, capacity;
    bool writing;       /* the last one is open */
    struct buffer last; /* key of the file before */
};

static struct rocksdb_bulk *self_of(struct kv_bulk *bulk) {
    return (struct rocksdb_bulk *)bulk;
}

static char *folder_of(const char *path) {
    char text[PATH_MAX];
    snprintf(text, sizeof text, "%s/bulk", path);
    return mem_string(text);
}

enum status rocksdb_bulk_open(const struct rocksdb_bulk_options *options, struct kv_bulk **out) {
    static atomic_uint_fast64_t ids;
    struct rocksdb_bulk *self = mem_zero(1, sizeof *self);
    if (!self) return kv_fail(STATUS_NO_MEMORY, "no memory for a bulk of pairs");
    self->bulk.engine = options->engine;
    self->db = options->db;
    self->id = atomic_fetch_add(&ids, 1);
    buffer_init(&self->last);
    self->folder = folder_of(options->path);
    self->env = rocksdb_envoptions_create();
    self->writer = rocksdb_sstfilewriter_create(self->env, options->options);
    enum status s = self->folder ? folder_make(self->folder)
                                 : kv_fail(STATUS_NO_MEMORY, "no memory for a bulk of pairs");
    if (s == STATUS_OK)
        *out = &self->bulk;
    else
        rocksdb_bulk_close(&self->bulk);
    return s;
}

static enum status add_name(struct rocksdb_bulk *self) {
    if (self->n_files == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : 16;
        char **files = mem_resize(self->files, capacity * sizeof *files);
        if (!files) return kv_fail(STATUS_NO_MEMORY, "no memory for a bulk of pairs");
        self->files = files;
        self->capacity = capacity;
    }
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%" PRIu64 "-%zu.sst", self->folder, self->id, self->n_files);
    char *name = mem_string(path);
    if (!name) return kv_fail(STATUS_NO_MEMORY, "no memory for a bulk of pairs");
    self->files[self->n_files++] = name;
    return STATUS_OK;
}

static enum status begin_file(struct rocksdb_bulk *self) {
    enum status s = add_name(self);
    if (s != STATUS_OK) return s;
    char *error = NULL;
    rocksdb_sstfilewriter_open(self->writer, self->files[self->n_files - 1], &error);
    self->writing = !error;
    return error ? rocksdb_failed("bulk", error) : STATUS_OK;
}

/* Synced when it is done. */
static enum status end_file(struct rocksdb_bulk *self) {
    char *error = NULL;
    rocksdb_sstfilewriter_finish(self->writer, &error);
    self->writing = false;
    return error ? rocksdb_failed("bulk", error) : STATUS_OK;
}

/* The writer sees to the order inside a file. */
static enum status check_order(const struct rocksdb_bulk *self, struct bytes key) {
    struct bytes last = {.data = self->last.data, .size = self->last.size};
    if (self->n_files == 0 || key_compare(last, key) < 0) return STATUS_OK;
    return kv_fail(STATUS_INVALID, "bulk: keys must ascend");
}

static enum status remember(struct rocksdb_bulk *self, struct bytes key) {
    buffer_clear(&self->last);
    buffer_append(&self->last, key.data, key.size);
    if (self->last.failed) return kv_fail(STATUS_NO_MEMORY, "no memory for a bulk of pairs");
    return STATUS_OK;
}

enum status rocksdb_bulk_put(struct kv_bulk *bulk, struct bytes key, struct bytes value) {
    struct rocksdb_bulk *self = self_of(bulk);
    char *error = NULL;
    if (!self->writing) {
        enum status s = check_order(self, key);
        if (s == STATUS_OK) s = begin_file(self);
        if (s != STATUS_OK) return s;
    }
    rocksdb_sstfilewriter_put(self->writer, key.data, key.size, value.data, value.size, &error);
    if (error) return rocksdb_failed("bulk", error);
    uint64_t size = 0;
    rocksdb_sstfilewriter_file_size(self->writer, &size);
    if (size < FILE_BYTES) return STATUS_OK;
    enum status s = remember(self, key);
    return s == STATUS_OK ? end_file(self) : s;
}

static void forget_files(struct rocksdb_bulk *self) {
    for (size_t i = 0; i < self->n_files; i++) {
        (void)unlink(self->files[i]); /* not there any more when it was taken in */
        mem_free(self->files[i]);
    }
    self->n_files = 0;
}

enum status rocksdb_bulk_end(struct kv_bulk *bulk) {
    struct rocksdb_bulk *self = self_of(bulk);
    enum status s = self->writing ? end_file(self) : STATUS_OK;
    if (s != STATUS_OK || self->n_files == 0) return s;
    char *error = NULL;
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
    rocksdb_ingest_external_file(self->db, (const char *const *)self->files, self->n_files, options,
                                 &error);
    rocksdb_ingestexternalfileoptions_destroy(options);
    if (error) return rocksdb_failed("bulk", error);
    forget_files(self);
    return STATUS_OK;
}

void rocksdb_bulk_close(struct kv_bulk *bulk) {
    struct rocksdb_bulk *self = self_of(bulk);
    rocksdb_sstfilewriter_destroy(self->writer);
    rocksdb_envoptions_destroy(self->env);
    forget_files(self);
    buffer_free(&self->last);
    mem_free(self->files);
    mem_free(self->folder);
    mem_free(self);
}

void rocksdb_bulk_clear(const char *path) {
    char *folder = folder_of(path);
    DIR *files = folder ? opendir(folder) : NULL;
    struct dirent *file;
    while (files && (file = readdir(files)))
        if (file->d_name[0] != '.') (void)unlinkat(dirfd(files), file->d_name, 0);
    if (files) closedir(files);
    mem_free(folder);
}
