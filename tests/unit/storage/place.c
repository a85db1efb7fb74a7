/* place: see place.h. */
#include "tests/unit/storage/place.h"

#include "storage/point_store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *engine_name(enum engine engine) {
    return engine == ROCKSDB ? "rocksdb" : "memory";
}

void place_make(struct place *place, enum engine engine, bool wal) {
    *place = (struct place){.engine = engine, .wal = wal};
    if (engine == ROCKSDB) {
        const char *parent = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
        snprintf(place->folder, sizeof place->folder, "%s/vectron-storage-XXXXXX", parent);
        cr_assert(mkdtemp(place->folder) != NULL);
    } else {
        cr_ok(kv_memory_open(&(struct kv_options){.wal = wal}, NULL, &place->disk));
    }
}

struct kv *place_open(struct place *place) {
    struct kv *kv = NULL;
    if (place->engine == MEMORY) {
        kv = kv_memory_share(place->disk);
        cr_assert(kv != NULL);
        return kv;
    }
    const struct kv_options options = {.path = place->folder,
                                       .wal = place->wal,
                                       .blob_min_bytes = place->blob_min_bytes,
                                       .write_buffer_bytes = place->write_buffer_bytes};
    cr_ok(kv_rocksdb_open(&options, &kv));
    return kv;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path);
}

void place_remove(struct place *place) {
    if (place->engine == ROCKSDB) nftw(place->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    kv_close(place->disk);
    place->disk = NULL;
}

struct bytes text(const char *words) {
    return (struct bytes){.data = words, .size = strlen(words)};
}

const char *get_text(struct kv *kv, const char *key, enum kv_tier tier) {
    static char out[256];
    struct kv_value value;
    enum status s = kv_get(kv, text(key), tier, &value);
    if (s == STATUS_NOT_FOUND) return "-";
    cr_assert(s == STATUS_OK, "%s: %s", status_name(s), kv_error());
    snprintf(out, sizeof out, "%.*s", (int)value.size, (const char *)value.data);
    kv_value_free(&value);
    return out;
}

void put_text(struct kv *kv, const char *key, const char *value, bool sync) {
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, text(key), text(value));
    cr_ok(kv_write(kv, batch, sync));
    kv_batch_free(batch);
}

const char *scan_text(struct kv *kv, const char *begin, const char *end) {
    static char out[4096];
    size_t used = 0;
    out[0] = '\0';
    struct kv_cursor *cursor;
    struct bytes key, value;
    cr_ok(kv_cursor_open(kv, text(begin), text(end), &cursor));
    while (kv_cursor_next(cursor, &key, &value))
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s=%.*s", used ? " " : "",
                                 (int)key.size, (const char *)key.data, (int)value.size,
                                 (const char *)value.data);
    cr_ok(kv_cursor_status(cursor));
    kv_cursor_close(cursor);
    return out;
}

struct point_store *place_points(struct place *place) {
    struct kv *kv = place_open(place);
    struct point_store *store = NULL;
    cr_ok(point_store_open(&kv, &store));
    return store;
}

void place_on_both(void (*body)(struct place *place, struct point_store *store)) {
    for (enum engine engine = 0; engine < N_ENGINES; engine++) {
        struct place place;
        place_make(&place, engine, false);
        place.blob_min_bytes = 1024;
        body(&place, place_points(&place));
        place_remove(&place);
    }
}
