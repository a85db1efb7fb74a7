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

static bool is_applied(struct bytes key, struct bytes value) {
    return key.size == POINT_PREFIX && ((const unsigned char *)key.data)[STORE_ID] == 'a' &&
           value.size == POINT_APPLIED;
}

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
    bool fits = export->has && is_applied(export->key, export->value);
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

/* --- and back */

/* The pair at the front of *piece, which moves on: the key behind its store id, the value. */
static enum status take_pair(struct bytes *piece, struct bytes *key, struct bytes *value) {
    const unsigned char *at = piece->data;
    if (piece->size < HEADER) return STATUS_CORRUPT;
    size_t left = piece->size - HEADER;
    key->size = (size_t)at[0] | (size_t)at[1] << 8;
    value->size = (size_t)at[2] | (size_t)at[3] << 8 | (size_t)at[4] << 16 | (size_t)at[5] << 24;
    if (key->size == 0 || key->size > POINT_KEY_MAX - STORE_ID || key->size > left ||
        value->size > left - key->size)
        return STATUS_CORRUPT;
    key->data = at + HEADER;
    value->data = at + HEADER + key->size;
    piece->data = at + HEADER + key->size + value->size;
    piece->size = left - key->size - value->size;
    return STATUS_OK;
}

typedef enum status (*put_fn)(void *to, struct bytes key, struct bytes value);

static enum status each_pair(uint64_t store_id, struct bytes piece, put_fn put, void *to) {
    unsigned char key[POINT_KEY_MAX];
    struct bytes rest, value;
    key_store_u64(key, store_id);
    while (piece.size > 0) {
        if (take_pair(&piece, &rest, &value) != STATUS_OK)
            return kv_fail(STATUS_CORRUPT, "a piece of a snapshot is malformed");
        memcpy(key + STORE_ID, rest.data, rest.size);
        enum status s = put(to, (struct bytes){key, STORE_ID + rest.size}, value);
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

static enum status put_batch(void *to, struct bytes key, struct bytes value) {
    kv_batch_put(to, key, value); /* a failure sticks until it is written */
    return STATUS_OK;
}

enum status point_import(struct point_store *store, uint64_t store_id, struct bytes piece) {
    struct kv_batch *batch = kv_batch_new();
    if (!batch) return kv_fail(STATUS_NO_MEMORY, "no memory for a piece of a snapshot");
    enum status s = each_pair(store_id, piece, put_batch, batch);
    if (s == STATUS_OK) s = kv_write(point_store_kv(store), batch, false);
    kv_batch_free(batch);
    return s;
}

struct point_intake {
    struct kv_bulk *bulk; /* owned */
    uint64_t store_id;
    bool began; /* the applied index came */
};

enum status
point_intake_open(struct point_store *store, uint64_t store_id, struct point_intake **out) {
    struct point_intake *intake = mem_zero(1, sizeof *intake);
    if (!intake) return kv_fail(STATUS_NO_MEMORY, "no memory for a snapshot");
    intake->store_id = store_id;
    enum status s = kv_bulk_open(point_store_kv(store), &intake->bulk);
    if (s == STATUS_OK)
        *out = intake;
    else
        mem_free(intake);
    return s;
}

static enum status put_bulk(void *to, struct bytes key, struct bytes value) {
    struct point_intake *intake = to;
    if (!intake->began && !is_applied(key, value))
        return kv_fail(STATUS_CORRUPT, "a snapshot begins without an applied index");
    intake->began = true;
    enum status s = kv_bulk_put(intake->bulk, key, value);
    return s == STATUS_INVALID ? kv_fail(STATUS_CORRUPT, "a snapshot is out of order") : s;
}

enum status point_intake_piece(struct point_intake *intake, struct bytes piece) {
    return each_pair(intake->store_id, piece, put_bulk, intake);
}

enum status point_intake_end(struct point_intake *intake) {
    if (!intake->began) return kv_fail(STATUS_CORRUPT, "a snapshot has nothing in it");
    return kv_bulk_end(intake->bulk);
}

void point_intake_close(struct point_intake *intake) {
    if (!intake) return;
    kv_bulk_close(intake->bulk);
    mem_free(intake);
}
