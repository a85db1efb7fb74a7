/* point_transfer: a replica's points, its facts and its applied index as bytes, and back under
 * another store id. What is exported is one snapshot of the store, whatever is applied meanwhile.
 *
 * A piece is a run of: key size u16, value size u32 (little endian), key behind its store id,
 * value. The applied index comes first. */
#include <string.h>

#include "runtime/memory.h"
#include "storage/kv_engine.h"
#include "storage/point_key.h"
#include "storage/point_value.h"

#include "runtime/poison.h"

enum { HEADER = 2 + 4, STORE_ID = 8 };

struct point_export {
    struct kv_cursor *cursor; /* owned */
    struct bytes key, value;  /* the next pair, borrowed from the cursor */
    bool has;
    uint64_t n_points; /* given so far */
};

enum status point_export_open(struct point_store *store,
                              uint64_t store_id,
                              struct point_applied *applied,
                              struct point_export **out) {
    unsigned char begin[POINT_PREFIX], end[POINT_PREFIX];
    struct point_export *export = mem_zero(1, sizeof *export);
    if (!export) return kv_fail(STATUS_NO_MEMORY, "no memory for a snapshot");
    enum status s = kv_cursor_open(point_store_kv(store), point_key_prefix(begin, store_id, 0),
                                   point_key_prefix(end, store_id, (char)0xff), &export->cursor);
    if (s == STATUS_OK) {
        export->has = kv_cursor_next(export->cursor, &export->key, &export->value);
        if (!export->has) s = kv_cursor_status(export->cursor);
    }
    bool fits = export->has && export->key.size == POINT_PREFIX &&
                ((const unsigned char *)export->key.data)[STORE_ID] == 'a' &&
                export->value.size == POINT_APPLIED;
    if (s == STATUS_OK && !fits) s = kv_fail(STATUS_NOT_FOUND, "the store has applied nothing");
    if (s != STATUS_OK) {
        point_export_close(export);
        return s;
    }
    const unsigned char *at = export->value.data;
    *applied = (struct point_applied){key_load_u64(at), key_load_u64(at + 8)};
    *out = export;
    return STATUS_OK;
}

static void add_pair(struct buffer *out, struct bytes key, struct bytes value) {
    unsigned char header[HEADER];
    size_t size = key.size - STORE_ID;
    header[0] = (unsigned char)size;
    header[1] = (unsigned char)(size >> 8);
    for (int i = 0; i < 4; i++)
        header[2 + i] = (unsigned char)(value.size >> (8 * i));
    buffer_append(out, header, sizeof header);
    buffer_append(out, (const unsigned char *)key.data + STORE_ID, size);
    buffer_append(out, value.data, value.size);
}

enum status
point_export_next(struct point_export *export, size_t bytes, struct buffer *out, bool *last) {
    while (export->has && out->size < bytes) {
        if (export->key.size <= STORE_ID) return kv_fail(STATUS_CORRUPT, "malformed key");
        add_pair(out, export->key, export->value);
        export->n_points += ((const unsigned char *)export->key.data)[STORE_ID] == 'p';
        export->has = kv_cursor_next(export->cursor, &export->key, &export->value);
    }
    *last = !export->has;
    if (out->failed) return kv_fail(STATUS_NO_MEMORY, "no memory for a snapshot");
    return export->has ? STATUS_OK : kv_cursor_status(export->cursor);
}

uint64_t point_export_points(const struct point_export *export) {
    return export->n_points;
}

void point_export_close(struct point_export *export) {
    if (!export) return;
    kv_cursor_close(export->cursor);
    mem_free(export);
}

static enum status put_pairs(struct kv_batch *batch, uint64_t store_id, struct bytes piece) {
    const unsigned char *at = piece.data;
    size_t left = piece.size;
    unsigned char key[POINT_KEY_MAX];
    key_store_u64(key, store_id);
    while (left > 0) {
        if (left < HEADER) return STATUS_CORRUPT;
        size_t key_size = (size_t)at[0] | (size_t)at[1] << 8;
        size_t value_size =
            (size_t)at[2] | (size_t)at[3] << 8 | (size_t)at[4] << 16 | (size_t)at[5] << 24;
        at += HEADER;
        left -= HEADER;
        if (key_size == 0 || key_size > POINT_KEY_MAX - STORE_ID || key_size > left ||
            value_size > left - key_size)
            return STATUS_CORRUPT;
        memcpy(key + STORE_ID, at, key_size);
        kv_batch_put(batch, (struct bytes){key, STORE_ID + key_size},
                     (struct bytes){at + key_size, value_size});
        at += key_size + value_size;
        left -= key_size + value_size;
    }
    return STATUS_OK;
}

enum status point_import(struct point_store *store, uint64_t store_id, struct bytes piece) {
    struct kv_batch *batch = kv_batch_new();
    if (!batch) return kv_fail(STATUS_NO_MEMORY, "no memory for a piece of a snapshot");
    enum status s = put_pairs(batch, store_id, piece);
    if (s != STATUS_OK) s = kv_fail(s, "a piece of a snapshot is malformed");
    if (s == STATUS_OK) s = kv_write(point_store_kv(store), batch, false);
    kv_batch_free(batch);
    return s;
}
