/* table: where the actors of this process are: slot → lane, incarnation and cell. Slots are reused
 * first freed, first taken, and only when TABLE_ROTATION of them are free, so that a stale handle
 * meets its successor late and with another incarnation. Reading is lock-free from any lane; the
 * cell behind a slot belongs to its lane. */
#ifndef RUNTIME_TABLE_H
#define RUNTIME_TABLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "runtime/handle.h"
#include "runtime/status.h"

struct cell;

enum {
    TABLE_CHUNK = 1024,
    TABLE_SLOTS = 1 << HANDLE_SLOT_BITS,
    TABLE_ROTATION = 1 << 20,
    TABLE_LANES_MAX = 255,
};

struct slot {
    _Atomic uint32_t word; /* (lane + 1) << 24 | incarnation; lane part 0: nobody */
    uint32_t next_free;
    struct cell *cell;          /* borrowed */
    _Atomic(const char *) kind; /* of the actor here, or the last one; static words. Any thread */
};

struct table_chunk {
    struct slot slots[TABLE_CHUNK];
};

struct table {
    _Atomic(struct table_chunk *) chunks[TABLE_SLOTS / TABLE_CHUNK]; /* owned */
    pthread_mutex_t lock;                                            /* of what follows */
    uint32_t made; /* slots ever used; slot 0 stays empty */
    uint32_t n_free;
    uint32_t free_first; /* slot 0 = none */
    uint32_t free_last;
};

void table_open(struct table *table);
void table_close(struct table *table);
/* A slot for the cell on lane (its index); the handle is valid at once. QUOTA: no slot left;
 * NO_MEMORY. */
MUST_USE enum status
table_take(struct table *table, uint8_t lane, struct cell *cell, actor_handle *out);
/* The same in two steps: nobody finds the slot before it is published (on the cell's lane; before
 * that, table_give undoes it). */
MUST_USE enum status table_reserve(struct table *table, actor_handle *out);
void table_publish(struct table *table, actor_handle handle, uint8_t lane, struct cell *cell);
/* Puts another cell behind the handle. On the cell's lane. */
void table_replace(struct table *table, actor_handle handle, struct cell *cell);
/* Makes the slot's handle stale and returns the handle of its next incarnation. On the cell's lane.
 */
actor_handle table_renew(struct table *table, actor_handle handle);
/* Frees the slot. On the cell's lane. */
void table_give(struct table *table, actor_handle handle);
/* NULL: the slot was never used. */
static inline struct slot *table_slot(const struct table *table, uint32_t number) {
    struct table_chunk *chunk =
        atomic_load_explicit(&table->chunks[number / TABLE_CHUNK], memory_order_acquire);
    return chunk ? &chunk->slots[number % TABLE_CHUNK] : NULL;
}

/* The slot of the living local actor that the handle means, and its lane's index; NULL: there is no
 * such actor (any more). Any thread; slot->cell is for that lane only. */
static inline const struct slot *
table_find(const struct table *table, actor_handle handle, uint32_t *lane) {
    const struct slot *slot = table_slot(table, handle_slot(handle));
    if (!slot || handle_peer(handle) != 0) return NULL;
    uint32_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    uint32_t wanted = handle_incarnation(handle);
    if (word >> HANDLE_INCARNATION_BITS == 0) return NULL;
    if (wanted != (word & HANDLE_INCARNATION_MAX) && wanted != HANDLE_ANY_INCARNATION) return NULL;
    *lane = (word >> HANDLE_INCARNATION_BITS) - 1;
    return slot;
}

#endif
