/* memory_table: a sorted array of pointers. Inserting moves pointers, which is cheap for the sizes
 * of tests. */
#include "storage/memory_table.h"

#include <string.h>

#include "runtime/memory.h"
#include "storage/key.h"

#include "runtime/poison.h"

struct memory_record *memory_record_new(struct bytes key, struct bytes value) {
    struct memory_record *record = mem_alloc(sizeof(struct memory_record) + key.size + value.size);
    if (!record) return NULL;
    atomic_init(&record->holds, 1);
    record->key_size = key.size;
    record->value_size = value.size;
    if (key.size) memcpy(record->bytes, key.data, key.size);
    if (value.size) memcpy(record->bytes + key.size, value.data, value.size);
    return record;
}

struct memory_record *memory_record_hold(struct memory_record *record) {
    atomic_fetch_add_explicit(&record->holds, 1, memory_order_relaxed);
    return record;
}

void memory_record_drop(struct memory_record *record) {
    if (!record) return;
    if (atomic_fetch_sub_explicit(&record->holds, 1, memory_order_acq_rel) == 1) mem_free(record);
}

struct bytes memory_record_key(const struct memory_record *record) {
    return (struct bytes){.data = record->bytes, .size = record->key_size};
}

struct bytes memory_record_value(const struct memory_record *record) {
    return (struct bytes){.data = record->bytes + record->key_size, .size = record->value_size};
}

bool memory_table_reserve(struct memory_table *table, size_t more) {
    size_t capacity = table->capacity ? table->capacity : 64;
    while (capacity - table->n_records < more)
        capacity *= 2;
    if (capacity == table->capacity) return true;
    struct memory_record **records =
        mem_resize(table->records, capacity * sizeof(struct memory_record *));
    if (!records) return false;
    table->records = records;
    table->capacity = capacity;
    return true;
}

size_t memory_table_find(const struct memory_table *table, struct bytes key) {
    size_t low = 0, high = table->n_records;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key_compare(memory_record_key(table->records[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct memory_record *memory_table_get(const struct memory_table *table, struct bytes key) {
    size_t at = memory_table_find(table, key);
    if (at == table->n_records) return NULL;
    struct memory_record *record = table->records[at];
    return key_compare(memory_record_key(record), key) == 0 ? record : NULL;
}

void memory_table_put(struct memory_table *table, struct memory_record *record) {
    struct bytes key = memory_record_key(record);
    size_t at = memory_table_find(table, key);
    struct memory_record **place = table->records + at;
    table->bytes += record->key_size + record->value_size;
    memory_record_hold(record);
    if (at < table->n_records && key_compare(memory_record_key(*place), key) == 0) {
        table->bytes -= (*place)->key_size + (*place)->value_size;
        memory_record_drop(*place);
    } else {
        memmove(place + 1, place, (table->n_records - at) * sizeof *place);
        table->n_records++;
    }
    *place = record;
}

/* Takes the records from..to-1 out. */
static void take_out(struct memory_table *table, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        struct memory_record *record = table->records[i];
        table->bytes -= record->key_size + record->value_size;
        memory_record_drop(record);
    }
    memmove(table->records + from, table->records + to,
            (table->n_records - to) * sizeof *table->records);
    table->n_records -= to - from;
}

void memory_table_delete(struct memory_table *table, struct bytes key) {
    size_t at = memory_table_find(table, key);
    if (at == table->n_records) return;
    if (key_compare(memory_record_key(table->records[at]), key) == 0) take_out(table, at, at + 1);
}

void memory_table_delete_range(struct memory_table *table, struct bytes begin, struct bytes end) {
    size_t from = memory_table_find(table, begin);
    size_t to = memory_table_find(table, end);
    if (to > from) take_out(table, from, to);
}

bool memory_table_copy(struct memory_table *to, const struct memory_table *from) {
    struct memory_table copy = {0};
    if (!memory_table_reserve(&copy, from->n_records)) return false;
    for (size_t i = 0; i < from->n_records; i++)
        copy.records[i] = memory_record_hold(from->records[i]);
    copy.n_records = from->n_records;
    copy.bytes = from->bytes;
    memory_table_reset(to);
    *to = copy;
    return true;
}

void memory_table_reset(struct memory_table *table) {
    for (size_t i = 0; i < table->n_records; i++)
        memory_record_drop(table->records[i]);
    mem_free(table->records);
    *table = (struct memory_table){0};
}
