/* column: one payload key read as one type, a value for every slot. Numbers that sort like the
 * values (filter.h); of keywords the code of a dictionary, from 1 in the order of appearance. Kept
 * as small and dense as that goes; what makes searches quick is made of it later (sorted.h).
 *
 * Written by the appender. Others read the value of a slot they learnt of, and the texts of codes
 * they read. */
#ifndef INDEX_COLUMN_H
#define INDEX_COLUMN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "index/filter.h"
#include "index/slots.h"

struct column_chunk;

struct column {
    char *key; /* owned */
    uint32_t key_size;
    enum filter_type type;
    uint64_t serial;               /* no other column of the index has it, from 1 */
    atomic_bool complete;          /* every live point's value is in it */
    _Atomic uint64_t n_unread;     /* values written that did not read as the type */
    _Atomic uint64_t n_values;     /* slots that have a value of the type */
    _Atomic uint64_t sorted_bytes; /* of its list in the current batch */
    struct slots values;           /* by slot: u32 codes of keywords, else u64 */
    /* Of keywords: */
    struct slots texts;       /* struct filter_text by code; 0 is unused */
    _Atomic uint32_t n_texts; /* codes given, the unused 0 too */
    uint32_t *table;          /* owned; codes by hash of their text, open; the appender's */
    uint32_t table_mask;
    struct column_chunk *chunks; /* owned; bytes of texts */
    uint32_t chunk_left;
    struct column *next;         /* of those given up */
    _Atomic uint64_t text_bytes; /* of chunks and table */
};

MUST_USE enum status
column_open(const struct filter_text *key, enum filter_type type, struct column **out);
void column_close(struct column *column); /* NULL is fine */
/* Memory for n slots. */
MUST_USE enum status column_grow(struct column *column, uint64_t n);
/* text NULL: the key is not there. True in *changed when the slot had another value. NO_MEMORY. */
MUST_USE enum status
column_write(struct column *column, uint32_t slot, const struct filter_text *text, bool *changed);
/* The code of a text, given when it is new. Appender, as the next. NO_MEMORY. */
MUST_USE enum status
column_code(struct column *column, const struct filter_text *text, uint32_t *out);
/* A value as it is kept. True: the slot had another. */
bool column_put(struct column *column, uint32_t slot, uint64_t value);
/* Does the slot's value meet a condition on this column? */
bool column_meets(const struct column *column, uint32_t slot, const struct filter_node *node);
uint64_t column_bytes(const struct column *column, uint64_t n_slots);

static inline uint64_t column_value(const struct column *column, uint32_t slot) {
    void *at = slots_at(&column->values, slot);
    if (column->type == FILTER_KEYWORD)
        return atomic_load_explicit((_Atomic uint32_t *)at, memory_order_acquire);
    return atomic_load_explicit((_Atomic uint64_t *)at, memory_order_acquire);
}

static inline const struct filter_text *column_text(const struct column *column, uint32_t code) {
    return slots_at(&column->texts, code);
}

#endif
