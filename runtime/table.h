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
struct table_chunk;

enum {
    TABLE_CHUNK = 1024,
    TABLE_SLOTS = 1 << HANDLE_SLOT_BITS,
    TABLE_ROTATION = 1 << 20,
    TABLE_LANES_MAX = 255,
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
/* Makes the slot's handle stale and returns the handle of its next incarnation. On the cell's lane.
 */
actor_handle table_renew(struct table *table, actor_handle handle);
/* Frees the slot. On the cell's lane. */
void table_give(struct table *table, actor_handle handle);
/* The lane of a local actor, -1: there is no such actor (any more). Any thread. */
int table_lane(const struct table *table, actor_handle handle);
/* The cell; NULL as above. On the cell's lane only. */
struct cell *table_cell(const struct table *table, actor_handle handle);

#endif
