/* columns: the order of things is what makes them right. The appender writes a slot's values, then
 * marks the slot as written, then makes it live. A cycle forgets its set of written slots, then
 * reads n_slots and values: a mark that it wiped was made after values that it now sees. A reader
 * that finds a slot live sees its mark, and asks the columns. */
#include "index/columns.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/pack.h"
#include "runtime/poison.h"

enum {
    SORTED_MIN = 4096,  /* slots; fewer are looked at one by one */
    WRITTEN_MIN = 2048, /* marks before a new cycle … */
    WRITTEN_SHARE = 32, /* … and one in so many slots */
};

void columns_init(struct columns *columns) {
    memset(columns, 0, sizeof *columns);
    for (int i = 0; i < 2; i++)
        slots_init(&columns->written[i], sizeof(uint64_t));
}

static void batch_free(struct columns_batch *batch) {
    if (!batch) return;
    for (uint32_t i = 0; i < batch->n_columns; i++)
        sorted_free(batch->lists[i]);
    mem_free(batch);
}

static void close_all(struct column *column) {
    while (column) {
        struct column *next = column->next;
        column_close(column);
        column = next;
    }
}

void columns_reset(struct columns *columns) {
    if (columns->sorting_open) sorting_reset(&columns->sorting);
    batch_free(columns->next);
    batch_free(columns->retired);
    batch_free(atomic_load_explicit(&columns->batch, memory_order_relaxed));
    uint32_t n = atomic_load_explicit(&columns->n, memory_order_relaxed);
    for (uint32_t i = 0; i < n; i++)
        column_close(columns_at(columns, i));
    close_all(columns->leaving);
    close_all(atomic_load_explicit(&columns->dropped, memory_order_relaxed));
    for (int i = 0; i < 2; i++)
        slots_reset(&columns->written[i]);
    columns_init(columns);
}

static uint32_t count(const struct columns *columns) {
    return atomic_load_explicit(&columns->n, memory_order_acquire);
}

uint32_t columns_count(const struct columns *columns) {
    uint32_t n = count(columns), n_columns = 0;
    for (uint32_t i = 0; i < n; i++)
        n_columns += columns_at(columns, i) != NULL;
    return n_columns;
}

enum status columns_grow(struct columns *columns, uint64_t n) {
    enum status s = STATUS_OK;
    uint32_t n_columns = count(columns);
    if (n_columns == 0) return STATUS_OK;
    for (int i = 0; s == STATUS_OK && i < 2; i++)
        s = slots_grow(&columns->written[i], (n + 63) / 64);
    for (uint32_t i = 0; s == STATUS_OK && i < n_columns; i++) {
        struct column *column = columns_at(columns, i);
        if (column) s = column_grow(column, n);
    }
    return s;
}

static bool has_key(const struct column *column, const struct filter_text *key) {
    return column->key_size == key->size && memcmp(column->key, key->data, key->size) == 0;
}

static bool
is_column(const struct column *column, const struct filter_text *key, enum filter_type type) {
    return column && column->type == type && has_key(column, key);
}

struct column *
columns_find(const struct columns *columns, const struct filter_text *key, enum filter_type type) {
    uint32_t n = count(columns);
    for (uint32_t i = 0; i < n; i++) {
        struct column *column = columns_at(columns, i);
        if (is_column(column, key, type)) return column;
    }
    return NULL;
}

struct column *
columns_for(const struct columns *columns, const struct filter_node *node, uint32_t *place) {
    uint32_t n = count(columns);
    struct column *found = NULL;
    for (uint32_t i = 0; i < n; i++) {
        struct column *column = columns_at(columns, i);
        if (!column || !has_key(column, &node->key)) continue;
        if (node->op != FILTER_EXISTS && column->type != node->type) continue;
        bool complete = atomic_load_explicit(&column->complete, memory_order_acquire);
        if (!found || complete) {
            found = column;
            *place = i;
        }
        if (complete) break;
    }
    return found;
}

static uint32_t free_place(const struct columns *columns) {
    uint32_t n = count(columns), place = 0;
    while (place < n && columns_at(columns, place))
        place++;
    return place;
}

enum status columns_add(struct columns *columns,
                        const struct filter_text *key,
                        enum filter_type type,
                        uint64_t n_slots,
                        bool complete) {
    uint32_t place = free_place(columns);
    if (columns_find(columns, key, type)) return STATUS_EXISTS;
    if (place == INDEX_COLUMNS_MAX) return STATUS_QUOTA;
    struct column *column;
    enum status s = column_open(key, type, &column);
    if (s != STATUS_OK) return s;
    s = column_grow(column, n_slots);
    for (int i = 0; s == STATUS_OK && i < 2; i++)
        s = slots_grow(&columns->written[i], (n_slots + 63) / 64);
    if (s != STATUS_OK) {
        column_close(column);
        return s;
    }
    column->serial = ++columns->serial;
    atomic_init(&column->complete, complete);
    atomic_store_explicit(&columns->columns[place], column, memory_order_release);
    if (place == count(columns))
        atomic_store_explicit(&columns->n, place + 1, memory_order_release);
    return STATUS_OK;
}

enum status
columns_drop(struct columns *columns, const struct filter_text *key, enum filter_type type) {
    uint32_t n = count(columns), place = 0;
    while (place < n && !is_column(columns_at(columns, place), key, type))
        place++;
    if (place == n) return STATUS_NOT_FOUND;
    struct column *column = columns_at(columns, place);
    atomic_store(&columns->columns[place], NULL);
    column->next = atomic_load(&columns->dropped);
    while (!atomic_compare_exchange_weak(&columns->dropped, &column->next, column))
        continue;
    return STATUS_OK;
}

/* --- the appender ---------------------------------------------------------------------------- */

static void mark_written(struct columns *columns, uint32_t slot) {
    for (int i = 0; i < 2; i++) {
        atomic_fetch_or_explicit((_Atomic uint64_t *)slots_at(&columns->written[i], slot / 64),
                                 UINT64_C(1) << (slot % 64), memory_order_acq_rel);
        atomic_fetch_add_explicit(&columns->n_written[i], 1, memory_order_relaxed);
    }
}

/* The texts a payload has for each column; of equal keys the last. */
static void find_texts(const struct columns *columns,
                       uint32_t n,
                       const void *data,
                       size_t size,
                       struct filter_text *texts) {
    struct pack_cursor cursor = {data, (const unsigned char *)data + size};
    struct pack_value map, key, value;
    if (size == 0 || !pack_read(&cursor, &map) || map.type != PACK_MAP) return;
    for (uint64_t i = 0; i < map.number; i++) {
        if (!pack_read(&cursor, &key) || key.type != PACK_STRING) return;
        if (!pack_read(&cursor, &value) || value.type != PACK_STRING) return;
        struct filter_text name = {(const char *)key.bytes, (uint32_t)key.number};
        for (uint32_t c = 0; c < n; c++) {
            const struct column *column = columns_at(columns, c);
            if (column && has_key(column, &name))
                texts[c] = (struct filter_text){(const char *)value.bytes, (uint32_t)value.number};
        }
    }
}

enum status
columns_write(struct columns *columns, uint32_t slot, const struct columns_payload *payload) {
    uint32_t n = count(columns);
    if (n == 0) return STATUS_OK;
    struct filter_text texts[INDEX_COLUMNS_MAX] = {{NULL, 0}};
    find_texts(columns, n, payload->data, payload->size, texts);
    bool mark = payload->fresh;
    enum status s = STATUS_OK;
    for (uint32_t i = 0; s == STATUS_OK && i < n; i++) {
        bool changed = false;
        struct column *column = columns_at(columns, i);
        if (!column) continue;
        s = column_write(column, slot, texts[i].data ? &texts[i] : NULL, &changed);
        mark |= changed;
    }
    if (mark) mark_written(columns, slot);
    return s;
}

void columns_put(struct columns *columns, struct column *column, uint32_t slot, uint64_t value) {
    if (column_put(column, slot, value)) mark_written(columns, slot);
}

void columns_complete(struct columns *columns) {
    uint32_t n = count(columns);
    for (uint32_t i = 0; i < n; i++) {
        struct column *column = columns_at(columns, i);
        if (column) atomic_store_explicit(&column->complete, true, memory_order_release);
    }
}

/* --- the linker ------------------------------------------------------------------------------ */

static struct columns_batch *current(const struct columns *columns) {
    return atomic_load_explicit(&columns->batch, memory_order_acquire);
}

static bool is_complete(const struct column *column) {
    return column && atomic_load_explicit(&column->complete, memory_order_acquire);
}

/* Is there a complete column whose list the batch has not? NULL: it has none. */
static bool lacks_list(const struct columns *columns, const struct columns_batch *batch) {
    uint32_t n = count(columns);
    for (uint32_t i = 0; i < n; i++) {
        const struct column *column = columns_at(columns, i);
        if (is_complete(column) && !columns_list(batch, column, i)) return true;
    }
    return false;
}

static bool has_complete(const struct columns *columns) {
    return lacks_list(columns, NULL);
}

static bool lists_behind(const struct columns *columns, uint64_t n_slots) {
    const struct columns_batch *batch = current(columns);
    if (n_slots < SORTED_MIN || !has_complete(columns)) return false;
    if (lacks_list(columns, batch)) return true;
    uint64_t n_written =
        atomic_load_explicit(&columns->n_written[batch->written], memory_order_relaxed);
    return n_written >= WRITTEN_MIN && n_written * WRITTEN_SHARE >= n_slots;
}

bool columns_behind(const struct columns *columns, uint64_t n_slots) {
    return atomic_load(&columns->dropped) || lists_behind(columns, n_slots);
}

bool columns_have_work(const struct columns *columns, struct epoch *epoch, uint64_t n_slots) {
    if (atomic_load(&columns->dropped)) return true;
    if (columns->leaving && epoch_passed(epoch, columns->leaving_epoch)) return true;
    if (columns->retired) return epoch_passed(epoch, columns->retired_epoch);
    return columns->next || lists_behind(columns, n_slots);
}

/* A new cycle, on the set of written slots that no batch uses. */
static enum status begin_cycle(struct columns *columns) {
    const struct columns_batch *batch = current(columns);
    struct columns_batch *next = mem_zero(1, sizeof *next);
    if (!next) return STATUS_NO_MEMORY;
    next->written = batch ? !batch->written : 0;
    next->n_columns = count(columns);
    columns->next = next;
    columns->at = 0;
    return STATUS_OK;
}

/* Forgets the cycle's written slots. What the appender marks meanwhile stays marked, or its values
 * are seen later. */
static void forget_written(struct columns *columns, uint32_t n_slots) {
    struct columns_batch *next = columns->next;
    atomic_store_explicit(&columns->n_written[next->written], 0, memory_order_relaxed);
    for (uint32_t word = 0; word < (n_slots + 63) / 64; word++)
        atomic_exchange_explicit(
            (_Atomic uint64_t *)slots_at(&columns->written[next->written], word), 0,
            memory_order_acq_rel);
}

static void publish(struct columns *columns, struct epoch *epoch) {
    struct columns_batch *next = columns->next;
    columns->retired = current(columns);
    columns->next = NULL;
    atomic_store_explicit(&columns->batch_bytes, next->bytes, memory_order_relaxed);
    for (uint32_t i = 0; i < next->n_columns; i++) {
        struct column *column = columns_at(columns, i);
        const struct sorted *list = column ? columns_list(next, column, i) : NULL;
        if (column)
            atomic_store_explicit(&column->sorted_bytes, list ? list->bytes : 0,
                                  memory_order_relaxed);
    }
    atomic_store(&columns->batch, next);
    columns->retired_epoch = epoch_now(epoch);
}

static void cancel_cycle(struct columns *columns) {
    sorting_reset(&columns->sorting);
    columns->sorting_open = false;
    batch_free(columns->next);
    columns->next = NULL;
}

/* Columns that were dropped: none is sorted any more, and those that nobody can know are freed. */
static void let_go(struct columns *columns, struct epoch *epoch) {
    if (columns->leaving && epoch_passed(epoch, columns->leaving_epoch)) {
        close_all(columns->leaving);
        columns->leaving = NULL;
    }
    if (columns->leaving || !atomic_load(&columns->dropped)) return;
    cancel_cycle(columns);
    columns->leaving = atomic_exchange(&columns->dropped, NULL);
    columns->leaving_epoch = epoch_now(epoch);
}

/* Sorts the column the cycle is at. */
static enum status sort_column(struct columns *columns, size_t n_moves) {
    struct columns_batch *next = columns->next;
    if (!columns->sorting_open) {
        const struct column *column = columns_at(columns, columns->at);
        if (!is_complete(column)) {
            columns->at++;
            return STATUS_OK;
        }
        sorting_init(&columns->sorting, column, next->n_slots);
        columns->sorting_open = true;
    }
    bool done;
    enum status s = sorting_step(&columns->sorting, n_moves, &done);
    if (s != STATUS_OK) {
        cancel_cycle(columns);
        return s;
    }
    if (!done) return STATUS_OK;
    next->of[columns->at] = columns->sorting.column->serial;
    next->lists[columns->at++] = columns->sorting.out;
    next->bytes += columns->sorting.out->bytes;
    columns->sorting.out = NULL;
    sorting_reset(&columns->sorting);
    columns->sorting_open = false;
    return STATUS_OK;
}

enum status
columns_step(struct columns *columns, struct epoch *epoch, uint32_t n_slots, size_t n_moves) {
    let_go(columns, epoch);
    if (columns->retired) { /* its set is the one the next cycle needs */
        if (!epoch_passed(epoch, columns->retired_epoch)) return STATUS_OK;
        batch_free(columns->retired);
        columns->retired = NULL;
        return STATUS_OK;
    }
    if (!columns->next) {
        if (!lists_behind(columns, n_slots)) return STATUS_OK;
        enum status s = begin_cycle(columns);
        if (s != STATUS_OK) return s;
        forget_written(columns, n_slots);
        return STATUS_OK;
    }
    struct columns_batch *next = columns->next;
    if (next->n_slots == 0) next->n_slots = n_slots;
    if (columns->at < next->n_columns) return sort_column(columns, n_moves);
    publish(columns, epoch);
    return STATUS_OK;
}

uint64_t columns_bytes(const struct columns *columns, uint64_t n_slots) {
    uint64_t bytes = atomic_load_explicit(&columns->batch_bytes, memory_order_relaxed);
    uint32_t n = count(columns);
    for (uint32_t i = 0; i < n; i++) {
        const struct column *column = columns_at(columns, i);
        if (column) bytes += column_bytes(column, n_slots);
    }
    return n ? bytes + n_slots / 4 : 0;
}

uint64_t columns_unread(const struct columns *columns) {
    uint32_t n = count(columns);
    uint64_t n_unread = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct column *column = columns_at(columns, i);
        if (column) n_unread += atomic_load_explicit(&column->n_unread, memory_order_relaxed);
    }
    return n_unread;
}

static struct index_column_stats stats_of(const struct column *column, uint64_t n_slots) {
    uint32_t n_texts = atomic_load_explicit(&column->n_texts, memory_order_acquire);
    return (struct index_column_stats){
        .column = {{column->key, column->key_size}, column->type},
        .complete = is_complete(column),
        .values = atomic_load_explicit(&column->n_values, memory_order_relaxed),
        .unread = atomic_load_explicit(&column->n_unread, memory_order_relaxed),
        .texts = column->type == FILTER_KEYWORD ? n_texts - 1 : 0,
        .bytes = column_bytes(column, n_slots) +
                 atomic_load_explicit(&column->sorted_bytes, memory_order_relaxed)};
}

size_t columns_stats(const struct columns *columns,
                     uint64_t n_slots,
                     struct index_column_stats *out,
                     size_t n) {
    uint32_t n_places = count(columns);
    size_t n_out = 0;
    for (uint32_t i = 0; i < n_places && n_out < n; i++) {
        const struct column *column = columns_at(columns, i);
        if (column) out[n_out++] = stats_of(column, n_slots);
    }
    return n_out;
}
