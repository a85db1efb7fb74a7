/* log_store: the Raft logs of all replicas of a process in one synced kv. Written by the log actor
 * on the blocking pool, in one batch a turn for all replicas; read at start and for catch-up.
 *
 * Keys (big endian):  store id u64 · 'h'                    hard state: term, vote, bounds
 *                     store id u64 · 'r'                    record: the replica's own
 *                     store id u64 · 'e' · index u64        entry: term u64, type u8, data */
#ifndef STORAGE_LOG_STORE_H
#define STORAGE_LOG_STORE_H

#include "storage/kv.h"

struct log_entry {
    uint64_t index; /* from 1, no holes */
    uint64_t term;
    uint8_t type; /* meaning is the replica's */
    struct bytes data;
};

struct log_state {
    uint64_t term;  /* current term, 0 at birth */
    uint64_t vote;  /* replica voted for in term, 0 = none */
    uint64_t first; /* first index kept (1 when nothing was truncated) */
    uint64_t last;  /* last index stored, first - 1 when empty */
};

struct log_store;
/* Takes the kv (opened with .wal), also on failure, and closes it at log_store_close. */
MUST_USE enum status log_store_open(struct kv **kv, struct log_store **out);
void log_store_close(struct log_store *store);
struct kv_stats log_store_stats(struct log_store *store);
/* Another writer takes over: what earlier ones still have under way is refused from now on. One
 * that came late would take back what the new one made durable. Never waits. Thread-safe. */
uint64_t log_store_writer(struct log_store *store);

/* One batch for many replicas: collect, then write once. Not thread-safe; the store is. Operations
 * are numbered from 0 in the order they were added; each is judged on its own when the batch is
 * written, so that one replica's mistake does not fail the others. */
struct log_batch;
struct log_batch *log_batch_new(void); /* NULL: no memory */
void log_batch_free(struct log_batch *batch);
void log_batch_clear(struct log_batch *batch);
/* It is of this writer (log_store_writer), also when it is cleared; unsigned, it is of nobody who
 * could be succeeded. */
void log_batch_sign(struct log_batch *batch, uint64_t writer);
/* Entries i..i+n-1 replace everything stored at or after i (Raft: a conflict truncates). Copies the
 * entries. At once: NO_MEMORY, INVALID (no entries, indexes with a hole, or the largest number),
 * nothing is added then.
 * When written: INVALID below the first index kept or beyond the last + 1. */
MUST_USE enum status log_batch_append(struct log_batch *batch,
                                      uint64_t store_id,
                                      const struct log_entry *entries,
                                      size_t n_entries);
/* INVALID when written: an older term than the stored one. */
MUST_USE enum status
log_batch_vote(struct log_batch *batch, uint64_t store_id, uint64_t term, uint64_t vote);
/* Forgets entries below `first` (they are covered by flushed data or a snapshot). Beyond the last
 * entry: the log becomes empty and goes on at `first`. */
MUST_USE enum status log_batch_truncate(struct log_batch *batch, uint64_t store_id, uint64_t first);
/* Forgets every entry: the log goes on at `first`. INVALID at once: 0. */
MUST_USE enum status log_batch_reset(struct log_batch *batch, uint64_t store_id, uint64_t first);
/* What the replica keeps beside its entries, small; replaces what was recorded before. */
MUST_USE enum status
log_batch_record(struct log_batch *batch, uint64_t store_id, struct bytes record);
/* Forgets the replica. */
MUST_USE enum status log_batch_drop(struct log_batch *batch, uint64_t store_id);
size_t log_batch_bytes(const struct log_batch *batch);
size_t log_batch_count(const struct log_batch *batch); /* operations */
/* Takes back the operations from number n_operations on. */
void log_batch_cut(struct log_batch *batch, size_t n_operations);
/* Synced: all accepted operations are durable when this returns OK; see log_batch_outcome for the
 * others. On failure none is (kv_error says why; CANCELLED: another writer took over). Clear the
 * batch before using it again. Blocks. */
MUST_USE enum status log_store_write(struct log_store *store, struct log_batch *batch);
/* What became of an operation, after log_store_write. */
enum status log_batch_outcome(const struct log_batch *batch, size_t operation);

/* OK with zeroes and first = 1 for an unknown replica. CORRUPT when an end of the log is missing
 * (holes inside are found by log_store_read). */
MUST_USE enum status
log_store_state(struct log_store *store, uint64_t store_id, struct log_state *out);
/* What was recorded. NOT_FOUND leaves *out untouched. */
MUST_USE enum status
log_store_record(struct log_store *store, uint64_t store_id, struct kv_value *out);
/* Visits entries from..to (inclusive; cut at the last one stored) in order until visit returns
 * other than OK, which is returned then. NOT_FOUND: `from` was truncated. CORRUPT: an entry is
 * missing or malformed. */
typedef enum status (*log_visit)(void *context, const struct log_entry *entry);
MUST_USE enum status log_store_read(struct log_store *store,
                                    uint64_t store_id,
                                    uint64_t from,
                                    uint64_t to,
                                    log_visit visit,
                                    void *context);
/* Store ids with anything stored, ascending; at most n; returns how many there are. */
size_t log_store_ids(struct log_store *store, uint64_t *ids, size_t n);

#endif
