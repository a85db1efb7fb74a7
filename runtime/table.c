/* table: chunks of slots, published once and never moved. A slot's word holds lane + 1 and
 * incarnation; 0 in the lane part: nobody. The cell pointer is written before the word is released
 * and read after it was acquired. */
#include "runtime/table.h"

#include <stddef.h>

#include "runtime/assert.h"
#include "runtime/memory.h"

void table_open(struct table *table) {
    for (size_t i = 0; i < TABLE_SLOTS / TABLE_CHUNK; i++)
        atomic_init(&table->chunks[i], NULL);
    pthread_mutex_init(&table->lock, NULL);
    table->made = 1;
    table->n_free = table->free_first = table->free_last = 0;
}

void table_close(struct table *table) {
    for (size_t i = 0; i < TABLE_SLOTS / TABLE_CHUNK; i++)
        mem_free(atomic_load_explicit(&table->chunks[i], memory_order_relaxed));
    pthread_mutex_destroy(&table->lock);
}

static uint32_t next_incarnation(uint32_t incarnation) {
    return incarnation >= HANDLE_INCARNATION_MAX ? 1 : incarnation + 1;
}

static uint32_t word_of(uint8_t lane, uint32_t incarnation) {
    return ((uint32_t)lane + 1) << HANDLE_INCARNATION_BITS | incarnation;
}

/* A number that is free: the oldest of the free ones once enough of them rotate, else a new one. */
static enum status pick(struct table *table, uint32_t *out) {
    bool full = table->made == TABLE_SLOTS;
    if (table->n_free > TABLE_ROTATION || (full && table->n_free > 0)) {
        uint32_t number = table->free_first;
        table->free_first = table_slot(table, number)->next_free;
        if (--table->n_free == 0) table->free_last = 0;
        *out = number;
        return STATUS_OK;
    }
    if (full) return STATUS_QUOTA;
    uint32_t number = table->made;
    if (!table_slot(table, number)) {
        struct table_chunk *chunk = mem_zero(1, sizeof *chunk);
        if (!chunk) return STATUS_NO_MEMORY;
        atomic_store_explicit(&table->chunks[number / TABLE_CHUNK], chunk, memory_order_release);
    }
    table->made++;
    *out = number;
    return STATUS_OK;
}

enum status table_reserve(struct table *table, actor_handle *out) {
    uint32_t number = 0;
    pthread_mutex_lock(&table->lock);
    enum status s = pick(table, &number);
    pthread_mutex_unlock(&table->lock);
    if (s != STATUS_OK) return s;
    const struct slot *slot = table_slot(table, number);
    uint32_t old = atomic_load_explicit(&slot->word, memory_order_relaxed);
    *out = handle_make(0, number, next_incarnation(old & HANDLE_INCARNATION_MAX));
    return STATUS_OK;
}

void table_publish(struct table *table, actor_handle handle, uint8_t lane, struct cell *cell) {
    struct slot *slot = table_slot(table, handle_slot(handle));
    slot->cell = cell;
    atomic_store_explicit(&slot->word, word_of(lane, handle_incarnation(handle)),
                          memory_order_release);
}

enum status table_take(struct table *table, uint8_t lane, struct cell *cell, actor_handle *out) {
    enum status s = table_reserve(table, out);
    if (s == STATUS_OK) table_publish(table, *out, lane, cell);
    return s;
}

void table_replace(struct table *table, actor_handle handle, struct cell *cell) {
    table_slot(table, handle_slot(handle))->cell = cell;
}

actor_handle table_renew(struct table *table, actor_handle handle) {
    struct slot *slot = table_slot(table, handle_slot(handle));
    uint32_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    uint32_t lane = word >> HANDLE_INCARNATION_BITS;
    assert(lane > 0);
    uint32_t incarnation = next_incarnation(word & HANDLE_INCARNATION_MAX);
    atomic_store_explicit(&slot->word, lane << HANDLE_INCARNATION_BITS | incarnation,
                          memory_order_release);
    return handle_make(0, handle_slot(handle), incarnation);
}

void table_give(struct table *table, actor_handle handle) {
    uint32_t number = handle_slot(handle);
    struct slot *slot = table_slot(table, number);
    uint32_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    slot->cell = NULL;
    atomic_store_explicit(&slot->word, word & HANDLE_INCARNATION_MAX, memory_order_release);
    pthread_mutex_lock(&table->lock);
    slot->next_free = 0;
    if (table->free_last)
        table_slot(table, table->free_last)->next_free = number;
    else
        table->free_first = number;
    table->free_last = number;
    table->n_free++;
    pthread_mutex_unlock(&table->lock);
}
