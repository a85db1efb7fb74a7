/* columns: the payload indexes of one view: which keys there are, what every slot has for them,
 * and, for searches, their sorted lists.
 *
 *     appender ──▶ columns: values by slot, and in `written` which slots changed
 *     linker   ──▶ cycle: forget `written`, sort every column, publish the batch ─▶ again when
 *                  a thirty-second of the slots was written since
 *     reader   ──▶ batch for what was not written since, the columns for what was
 *
 * Two sets of written slots take turns: one belongs to the batch that readers use, the other to the
 * cycle at work. The appender marks both. A batch and its set are given up once no reader can know
 * them (epoch.h).
 *
 * A column that is dropped leaves its place to the next one; the linker frees it, once no reader
 * can know it and no cycle sorts it. Lists of a batch say of which column they are. */
#ifndef INDEX_COLUMNS_H
#define INDEX_COLUMNS_H

#include "index/column.h"
#include "index/epoch.h"
#include "index/index.h"
#include "index/sorted.h"

struct columns_batch {
    struct sorted *lists[INDEX_COLUMNS_MAX]; /* owned; NULL: there is none */
    uint64_t of[INDEX_COLUMNS_MAX];          /* serial of the column a list was made of */
    uint32_t n_columns;
    uint32_t n_slots; /* that were looked at */
    unsigned written; /* which set holds the slots written since */
    size_t bytes;
};

struct columns {
    /* Owned; put and taken away by the appender. NULL: the place is free. */
    struct column *_Atomic columns[INDEX_COLUMNS_MAX];
    _Atomic uint32_t n;                  /* places that were ever used */
    uint64_t serial;                     /* given last; the appender's */
    struct column *_Atomic dropped;      /* owned; given up, for the linker to free */
    struct slots written[2];             /* words of 64 slots */
    _Atomic uint32_t n_written[2];       /* marks made, about */
    struct columns_batch *_Atomic batch; /* owned; NULL: none yet */
    _Atomic uint64_t batch_bytes;
    /* The linker's. */
    struct columns_batch *next;    /* owned; the cycle's, NULL: there is none */
    struct columns_batch *retired; /* owned; NULL, or in use by readers perhaps */
    uint64_t retired_epoch;
    struct column *leaving; /* owned; dropped, may be known to readers still */
    uint64_t leaving_epoch;
    uint32_t at; /* column being sorted */
    bool sorting_open;
    struct sorting sorting;
};

void columns_init(struct columns *columns);
void columns_reset(struct columns *columns);
/* Memory for n slots in all. Appender. */
MUST_USE enum status columns_grow(struct columns *columns, uint64_t n);
/* The column at a place; NULL. Inside an epoch, or the appender, or the linker. */
static inline struct column *columns_at(const struct columns *columns, uint32_t place) {
    return atomic_load_explicit(&columns->columns[place], memory_order_acquire);
}
/* How many there are. Any thread. */
uint32_t columns_count(const struct columns *columns);
/* As columns_at; NULL: there is none for this key and type. */
struct column *
columns_find(const struct columns *columns, const struct filter_text *key, enum filter_type type);
/* The column that can answer a condition; NULL. EXISTS takes any of its key. */
struct column *columns_for(const struct columns *columns,
                           const struct filter_node *node,
                           uint32_t *place); /* its number, when there is one */
/* Appender. QUOTA: INDEX_COLUMNS_MAX are there. EXISTS. NO_MEMORY. */
MUST_USE enum status columns_add(struct columns *columns,
                                 const struct filter_text *key,
                                 enum filter_type type,
                                 uint64_t n_slots,
                                 bool complete);
/* Filters know it no more. Appender. NOT_FOUND. */
MUST_USE enum status
columns_drop(struct columns *columns, const struct filter_text *key, enum filter_type type);
/* What a payload says about every column. Appender; before the slot is live. NO_MEMORY. */
struct columns_payload {
    const void *data; /* a msgpack map of strings; others say nothing */
    size_t size;
    bool fresh; /* the slot has a new point */
};
MUST_USE enum status
columns_write(struct columns *columns, uint32_t slot, const struct columns_payload *payload);

/* A value that a file has, as it is kept. Appender. */
void columns_put(struct columns *columns, struct column *column, uint32_t slot, uint64_t value);

/* Appender: every point's values are in every column. */
void columns_complete(struct columns *columns);

/* Linker: is there something to sort, or to give up? */
bool columns_have_work(const struct columns *columns, struct epoch *epoch, uint64_t n_slots);
/* Inside an epoch: the sorted lists are behind what was written, or a dropped column waits. */
bool columns_behind(const struct columns *columns, uint64_t n_slots);
/* Spends about n_moves moves of an entry. */
MUST_USE enum status
columns_step(struct columns *columns, struct epoch *epoch, uint32_t n_slots, size_t n_moves);
/* Both inside an epoch. */
uint64_t columns_unread(const struct columns *columns);
uint64_t columns_bytes(const struct columns *columns, uint64_t n_slots);

/* The list of the column at a place; NULL: there is none. */
static inline struct sorted *
columns_list(const struct columns_batch *batch, const struct column *column, uint32_t place) {
    bool is = batch && place < batch->n_columns && batch->of[place] == column->serial;
    return is ? batch->lists[place] : NULL;
}

static inline uint64_t
columns_written_word(const struct columns *columns, unsigned set, uint32_t word) {
    return atomic_load_explicit((_Atomic uint64_t *)slots_at(&columns->written[set], word),
                                memory_order_acquire);
}

/* As index_columns. Inside an epoch. */
size_t columns_stats(const struct columns *columns,
                     uint64_t n_slots,
                     struct index_column_stats *out,
                     size_t n);

#endif
