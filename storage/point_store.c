/* point_store: points in one kv, each twice: id → number and number → everything. Both change in
 * one batch, but two reads are not one snapshot: a get by id whose number is gone meanwhile asks
 * again. */
#include "storage/point_store.h"

#include <inttypes.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "storage/kv_engine.h"
#include "storage/point_key.h"
#include "storage/point_value.h"

#include "runtime/poison.h"

struct point_store {
    struct kv *kv; /* owned */
};

struct point_cursor {
    struct kv_cursor *cursor; /* owned */
    enum status status;
};

/* --- a stored point -------------------------------------------------------------------------- */

void point_header_store(unsigned char *at, const struct point *point) {
    assert(point->id.size <= UINT16_MAX && point->vector.size <= UINT32_MAX);
    for (int i = 0; i < 2; i++)
        at[i] = (unsigned char)(point->id.size >> (8 * i));
    for (int i = 0; i < 4; i++)
        at[2 + i] = (unsigned char)(point->vector.size >> (8 * i));
}

enum status point_parse(struct bytes value, uint64_t number, struct point *out) {
    const unsigned char *at = value.data;
    if (value.size >= POINT_HEADER) {
        size_t id = (size_t)at[0] | (size_t)at[1] << 8;
        size_t vector =
            (size_t)at[2] | (size_t)at[3] << 8 | (size_t)at[4] << 16 | (size_t)at[5] << 24;
        if (id <= value.size - POINT_HEADER && vector <= value.size - POINT_HEADER - id) {
            at += POINT_HEADER;
            *out = (struct point){
                .number = number,
                .id = {at, id},
                .vector = {at + id, vector},
                .payload = {at + id + vector, value.size - POINT_HEADER - id - vector}};
            return STATUS_OK;
        }
    }
    return kv_fail(STATUS_CORRUPT, "point %" PRIu64 " is malformed", number);
}

/* --- open and close -------------------------------------------------------------------------- */

enum status point_store_open(struct kv **kv, struct point_store **out) {
    struct point_store *store = mem_zero(1, sizeof *store);
    if (!store) {
        kv_close(*kv);
        *kv = NULL;
        return kv_fail(STATUS_NO_MEMORY, "no memory for a point store");
    }
    store->kv = *kv;
    *kv = NULL;
    *out = store;
    return STATUS_OK;
}

void point_store_close(struct point_store *store) {
    if (!store) return;
    kv_close(store->kv);
    mem_free(store);
}

struct kv *point_store_kv(struct point_store *store) {
    return store->kv;
}

/* --- reading --------------------------------------------------------------------------------- */

enum status point_store_applied(struct point_store *store,
                                uint64_t store_id,
                                enum kv_tier tier,
                                struct point_applied *out) {
    unsigned char key[POINT_PREFIX];
    struct kv_value value;
    enum status s = kv_get(store->kv, point_key_applied(key, store_id), tier, &value);
    if (s == STATUS_NOT_FOUND) {
        *out = (struct point_applied){0};
        return STATUS_OK;
    }
    if (s != STATUS_OK) return s;
    const unsigned char *at = value.data;
    bool fits = value.size == POINT_APPLIED;
    if (fits) *out = (struct point_applied){key_load_u64(at), key_load_u64(at + 8)};
    kv_value_free(&value);
    if (fits) return STATUS_OK;
    return kv_fail(STATUS_CORRUPT, "store %" PRIu64 ": malformed applied index", store_id);
}

enum status point_number_of(
    struct kv *kv, uint64_t store_id, struct bytes id, enum kv_tier tier, uint64_t *out) {
    unsigned char key[POINT_KEY_MAX];
    if (id.size > POINT_NAME_MAX) return kv_fail(STATUS_NOT_FOUND, "no such point");
    struct kv_value value;
    enum status s = kv_get(kv, point_key_name(key, store_id, 'i', id), tier, &value);
    if (s != STATUS_OK) return s;
    bool fits = value.size == 8;
    if (fits) *out = key_load_u64(value.data);
    kv_value_free(&value);
    if (fits) return STATUS_OK;
    return kv_fail(STATUS_CORRUPT, "store %" PRIu64 ": malformed point number", store_id);
}

enum status point_store_read(struct point_store *store,
                             uint64_t store_id,
                             uint64_t number,
                             enum kv_tier tier,
                             struct point_value *out) {
    unsigned char key[POINT_NUMBER_KEY];
    struct point_value found;
    enum status s = kv_get(store->kv, point_key_number(key, store_id, number), tier, &found.memory);
    if (s != STATUS_OK) return s;
    s = point_parse((struct bytes){found.memory.data, found.memory.size}, number, &found.point);
    if (s == STATUS_OK)
        *out = found;
    else
        kv_value_free(&found.memory);
    return s;
}

enum status point_store_get(struct point_store *store,
                            uint64_t store_id,
                            struct bytes id,
                            enum kv_tier tier,
                            struct point_value *out) {
    uint64_t missing = 0; /* 0 is no point's number */
    for (;;) {
        uint64_t number;
        enum status s = point_number_of(store->kv, store_id, id, tier, &number);
        if (s != STATUS_OK) return s;
        if (number == missing)
            return kv_fail(STATUS_CORRUPT, "point %" PRIu64 " has an id but no value", number);
        s = point_store_read(store, store_id, number, tier, out);
        if (s != STATUS_NOT_FOUND) return s;
        missing = number; /* replaced between the two reads, unless it is still named next time */
    }
}

void point_value_free(struct point_value *value) {
    kv_value_free(&value->memory);
    *value = (struct point_value){0};
}

enum status point_store_fact(struct point_store *store,
                             uint64_t store_id,
                             const char *name,
                             struct kv_value *out) {
    struct bytes text = {.data = name, .size = strlen(name)};
    assert(text.size > 0 && text.size <= POINT_NAME_MAX);
    unsigned char key[POINT_KEY_MAX];
    return kv_get(store->kv, point_key_name(key, store_id, 'm', text), KV_ANY, out);
}

/* --- scanning -------------------------------------------------------------------------------- */

enum status point_cursor_open(struct point_store *store,
                              uint64_t store_id,
                              uint64_t from,
                              struct point_cursor **out) {
    struct point_cursor *cursor = mem_zero(1, sizeof *cursor);
    if (!cursor) return kv_fail(STATUS_NO_MEMORY, "no memory for a cursor");
    unsigned char begin[POINT_NUMBER_KEY], end[POINT_PREFIX];
    enum status s = kv_cursor_open(store->kv, point_key_number(begin, store_id, from),
                                   point_key_prefix(end, store_id, 'p' + 1), &cursor->cursor);
    if (s != STATUS_OK) {
        mem_free(cursor);
        return s;
    }
    *out = cursor;
    return STATUS_OK;
}

bool point_cursor_next(struct point_cursor *cursor, struct point *out) {
    struct bytes key, value;
    if (cursor->status != STATUS_OK) return false;
    if (!kv_cursor_next(cursor->cursor, &key, &value)) {
        cursor->status = kv_cursor_status(cursor->cursor);
        return false;
    }
    if (key.size != POINT_NUMBER_KEY) {
        cursor->status = kv_fail(STATUS_CORRUPT, "point store: malformed key");
        return false;
    }
    uint64_t number = key_load_u64((const unsigned char *)key.data + POINT_PREFIX);
    cursor->status = point_parse(value, number, out);
    return cursor->status == STATUS_OK;
}

enum status point_cursor_status(const struct point_cursor *cursor) {
    return cursor->status;
}

void point_cursor_close(struct point_cursor *cursor) {
    if (!cursor) return;
    kv_cursor_close(cursor->cursor);
    mem_free(cursor);
}

struct point_listing {
    struct kv_cursor *cursor; /* owned */
    enum status status;
};

enum status
point_listing_open(struct point_store *store, uint64_t store_id, struct point_listing **out) {
    struct point_listing *listing = mem_zero(1, sizeof *listing);
    if (!listing) return kv_fail(STATUS_NO_MEMORY, "no memory for a listing");
    unsigned char begin[POINT_PREFIX], end[POINT_PREFIX];
    enum status s = kv_cursor_open(store->kv, point_key_prefix(begin, store_id, 'i'),
                                   point_key_prefix(end, store_id, 'i' + 1), &listing->cursor);
    if (s != STATUS_OK) {
        mem_free(listing);
        return s;
    }
    *out = listing;
    return STATUS_OK;
}

bool point_listing_next(struct point_listing *listing, uint64_t *number) {
    struct bytes key, value;
    if (listing->status != STATUS_OK) return false;
    if (!kv_cursor_next(listing->cursor, &key, &value)) {
        listing->status = kv_cursor_status(listing->cursor);
        return false;
    }
    if (value.size != sizeof *number) {
        listing->status = kv_fail(STATUS_CORRUPT, "point store: malformed number of an id");
        return false;
    }
    *number = key_load_u64(value.data);
    return true;
}

enum status point_listing_status(const struct point_listing *listing) {
    return listing->status;
}

void point_listing_close(struct point_listing *listing) {
    if (!listing) return;
    kv_cursor_close(listing->cursor);
    mem_free(listing);
}

/* --- the store as a whole -------------------------------------------------------------------- */

enum status point_store_flush(struct point_store *store) {
    return kv_flush(store->kv);
}

enum status point_store_drop(struct point_store *store, uint64_t store_id) {
    unsigned char begin[POINT_PREFIX], end[POINT_PREFIX];
    return kv_drop_range(store->kv, point_key_prefix(begin, store_id, 0),
                         point_key_prefix(end, store_id, (char)0xff));
}

/* *found: the lowest store id >= from that has anything stored. NOT_FOUND. */
static enum status next_id(struct point_store *store, uint64_t from, uint64_t *found) {
    unsigned char begin[POINT_PREFIX];
    struct kv_cursor *cursor;
    enum status s =
        kv_cursor_open(store->kv, point_key_prefix(begin, from, 0), (struct bytes){0}, &cursor);
    if (s != STATUS_OK) return s;
    struct bytes key, value;
    if (!kv_cursor_next(cursor, &key, &value)) {
        s = kv_cursor_status(cursor);
        if (s == STATUS_OK) s = STATUS_NOT_FOUND;
    } else if (key.size < POINT_PREFIX) {
        s = kv_fail(STATUS_CORRUPT, "point store: malformed key");
    } else {
        *found = key_load_u64(key.data);
    }
    kv_cursor_close(cursor);
    return s;
}

enum status point_store_ids(struct point_store *store, uint64_t *ids, size_t n, size_t *count) {
    size_t all = 0;
    uint64_t id = 0;
    for (uint64_t from = 0;; from = id + 1) {
        enum status s = next_id(store, from, &id);
        if (s == STATUS_NOT_FOUND) break;
        if (s != STATUS_OK) return s;
        if (all < n) ids[all] = id;
        all++;
        if (id == UINT64_MAX) break;
    }
    *count = all;
    return STATUS_OK;
}

struct kv_stats point_store_stats(struct point_store *store) {
    return kv_stats(store->kv);
}
