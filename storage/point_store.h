/* point_store: the truth about points of all replicas of a process, in one kv without a WAL (the
 * Raft log is the WAL). The index can always be rebuilt from here.
 *
 * Keys (big endian):  store id u64 · 'a'                     applied: index u64, term u64
 *                     store id u64 · 'i' · external id       point number u64
 *                     store id u64 · 'p' · point number u64  id size u16, vector size u32 (little
 * endian), id, vector, payload (one value; blob files) store id u64 · 'm' · name              small
 * facts of the owner (collection …) Point number = log index << 20 | position in the entry. Never
 * reused. */
#ifndef STORAGE_POINT_STORE_H
#define STORAGE_POINT_STORE_H

#include "runtime/buffer.h"
#include "storage/kv.h"

enum {
    POINT_POSITION_BITS = 20,
    POINT_NAME_MAX = 1024, /* bytes of an external id, and of a fact's name */
};

static inline uint64_t point_number(uint64_t log_index, uint32_t position) {
    return log_index << POINT_POSITION_BITS | position;
}

struct point {
    uint64_t number;
    struct bytes id;
    struct bytes vector;  /* float32 little endian; may be misaligned when read */
    struct bytes payload; /* opaque (msgpack map), may be empty */
};

struct point_store;
/* Takes the kv (opened without .wal), also on failure, and closes it at close. */
MUST_USE enum status point_store_open(struct kv **kv, struct point_store **out);
void point_store_close(struct point_store *store);

/* What applying one log entry does, atomically with its applied index. Lookups inside an entry see
 * earlier operations of the same batch: of two equal ids the later wins. Not thread-safe. */
struct point_batch;
MUST_USE enum status
point_batch_open(struct point_store *store, uint64_t store_id, struct point_batch **out);
void point_batch_close(struct point_batch *batch); /* NULL is fine; unwritten work is forgotten */
/* *old becomes the number this id had, 0 if it is new. The old point's value is removed. May read
 * the disk when the id is known. INVALID: an empty id or one above POINT_NAME_MAX. Nothing is added
 * on failure. */
MUST_USE enum status
point_batch_put(struct point_batch *batch, const struct point *point, uint64_t *old);
/* *old as above; an unknown id is OK with 0. */
MUST_USE enum status point_batch_delete(struct point_batch *batch, struct bytes id, uint64_t *old);
/* name: not empty, at most POINT_NAME_MAX bytes (asserted: names are ours). */
void point_batch_fact(struct point_batch *batch, const char *name, struct bytes value);
/* Writes with the applied index. Memory speed (no sync), may stall when memtables are full. The
 * batch is empty and reusable after OK. */
MUST_USE enum status point_batch_write(struct point_batch *batch, uint64_t index, uint64_t term);

struct point_applied {
    uint64_t index;
    uint64_t term;
};
/* What is applied now; zeroes when unknown. tier KV_PERSISTED: what would survive power loss. */
MUST_USE enum status point_store_applied(struct point_store *store,
                                         uint64_t store_id,
                                         enum kv_tier tier,
                                         struct point_applied *out);

/* A point with its memory; free with point_value_free. */
struct point_value {
    struct point point;
    struct kv_value memory;
};
/* By external id / by number. NOT_FOUND; NOT_READY when tier is KV_CACHED and the disk is needed.
 */
MUST_USE enum status point_store_get(struct point_store *store,
                                     uint64_t store_id,
                                     struct bytes id,
                                     enum kv_tier tier,
                                     struct point_value *out);
MUST_USE enum status point_store_read(struct point_store *store,
                                      uint64_t store_id,
                                      uint64_t number,
                                      enum kv_tier tier,
                                      struct point_value *out);
void point_value_free(struct point_value *value);
MUST_USE enum status point_store_fact(struct point_store *store,
                                      uint64_t store_id,
                                      const char *name,
                                      struct kv_value *out);

/* Live points with number >= from, ascending, on one consistent snapshot. */
struct point_cursor;
MUST_USE enum status point_cursor_open(struct point_store *store,
                                       uint64_t store_id,
                                       uint64_t from,
                                       struct point_cursor **out);
bool point_cursor_next(struct point_cursor *cursor, struct point *out); /* borrowed until next */
MUST_USE enum status point_cursor_status(const struct point_cursor *cursor);
void point_cursor_close(struct point_cursor *cursor);

/* The numbers of all live points on one consistent snapshot, by id, without reading the points:
 * what an index that was kept is compared with. */
struct point_listing;
MUST_USE enum status
point_listing_open(struct point_store *store, uint64_t store_id, struct point_listing **out);
bool point_listing_next(struct point_listing *listing, uint64_t *number);
MUST_USE enum status point_listing_status(const struct point_listing *listing);
void point_listing_close(struct point_listing *listing); /* NULL is fine */

/* A replica's whole state, as bytes in pieces, from one view of the store: *applied is what it has.
 * NOT_FOUND: it has applied nothing. Blocks, as do the others. */
struct point_export;
MUST_USE enum status point_export_open(struct point_store *store,
                                       uint64_t store_id,
                                       struct point_applied *applied,
                                       struct point_export **out);
/* Appends a piece of about that many bytes; *last: there is no more. */
MUST_USE enum status
point_export_next(struct point_export *export, size_t bytes, struct buffer *out, bool *last);
/* Points given so far. */
uint64_t point_export_points(const struct point_export *export);
void point_export_close(struct point_export *export); /* NULL is fine */
/* A piece of another replica into this store id. Not durable before point_store_flush. CORRUPT. */
MUST_USE enum status point_import(struct point_store *store, uint64_t store_id, struct bytes piece);
/* All pieces in their order into a store id that has nothing: there, and durable, when end returns
 * OK; nothing before, nor without it. CORRUPT: malformed, out of order, or without an applied
 * index. Blocks. */
struct point_intake;
MUST_USE enum status
point_intake_open(struct point_store *store, uint64_t store_id, struct point_intake **out);
MUST_USE enum status point_intake_piece(struct point_intake *intake, struct bytes piece);
MUST_USE enum status point_intake_end(struct point_intake *intake);
void point_intake_close(struct point_intake *intake); /* NULL is fine */

MUST_USE enum status point_store_flush(struct point_store *store);
/* Forgets a replica and gives its disk back. Blocks. */
MUST_USE enum status point_store_drop(struct point_store *store, uint64_t store_id);
/* Store ids with anything stored, ascending; at most n are given, *count is how many there are. */
MUST_USE enum status
point_store_ids(struct point_store *store, uint64_t *ids, size_t n, size_t *count);
struct kv_stats point_store_stats(struct point_store *store);

#endif
