/* memory_table: ordered keys with shared values: what the in-memory engine keeps twice, as it is
 * now and as it would be after power loss. Private to storage/. One thread at a time; records are
 * counted across threads. */
#ifndef STORAGE_MEMORY_TABLE_H
#define STORAGE_MEMORY_TABLE_H

#include <stdatomic.h>

#include "storage/kv.h"

/* A key with its value, immutable, shared by count. */
struct memory_record {
    atomic_uint holds;
    size_t key_size;
    size_t value_size;
    unsigned char bytes[]; /* key, then value */
};
/* One hold, the caller's. NULL: no memory. */
struct memory_record *memory_record_new(struct bytes key, struct bytes value);
struct memory_record *memory_record_hold(struct memory_record *record);
void memory_record_drop(struct memory_record *record); /* NULL is fine */
struct bytes memory_record_key(const struct memory_record *record);
struct bytes memory_record_value(const struct memory_record *record);

struct memory_table {
    struct memory_record **records; /* owned holds, ascending by key */
    size_t n_records;
    size_t capacity;
    uint64_t bytes; /* of keys and values */
};
/* Room for `more` puts, which cannot fail then. */
MUST_USE bool memory_table_reserve(struct memory_table *table, size_t more);
/* Takes a hold of its own. */
void memory_table_put(struct memory_table *table, struct memory_record *record);
void memory_table_delete(struct memory_table *table, struct bytes key); /* an unknown key is fine */
/* [begin, end) */
void memory_table_delete_range(struct memory_table *table, struct bytes begin, struct bytes end);
/* NULL: not there. Borrowed. */
struct memory_record *memory_table_get(const struct memory_table *table, struct bytes key);
/* Index of the first record >= key. */
size_t memory_table_find(const struct memory_table *table, struct bytes key);
/* Makes *to equal to *from. false: no memory, *to unchanged. */
MUST_USE bool memory_table_copy(struct memory_table *to, const struct memory_table *from);
void memory_table_reset(struct memory_table *table);

#endif
