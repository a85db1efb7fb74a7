/* column: the dictionary of keywords is a hash table of codes, the appender's alone; texts lie in
 * chunks that never move, so that readers compare them without asking. A text stays when the last
 * point that had it goes. */
#include "index/column.h"

#include <string.h>
#include <xxhash.h>

#include "runtime/memory.h"
#include "runtime/poison.h"

enum { CHUNK = 16 * 1024, CHUNK_FIRST = 512, TABLE_FIRST = 64 };

struct column_chunk {
    struct column_chunk *next;
    char *at; /* next free byte */
    char bytes[];
};

enum status column_open(const struct filter_text *key, enum filter_type type, struct column **out) {
    struct column *column = mem_zero(1, sizeof *column);
    if (!column) return STATUS_NO_MEMORY;
    bool keyword = type == FILTER_KEYWORD;
    column->key = mem_copy(key->data, key->size);
    column->key_size = key->size;
    column->type = type;
    slots_init(&column->values, keyword ? sizeof(uint32_t) : sizeof(uint64_t));
    slots_init(&column->texts, sizeof(struct filter_text));
    atomic_init(&column->n_texts, 1);
    if (keyword) column->table = mem_zero(TABLE_FIRST, sizeof *column->table);
    column->table_mask = TABLE_FIRST - 1;
    if (!column->key || (keyword && !column->table)) {
        column_close(column);
        return STATUS_NO_MEMORY;
    }
    *out = column;
    return STATUS_OK;
}

void column_close(struct column *column) {
    if (!column) return;
    while (column->chunks) {
        struct column_chunk *next = column->chunks->next;
        mem_free(column->chunks);
        column->chunks = next;
    }
    slots_reset(&column->values);
    slots_reset(&column->texts);
    mem_free(column->table);
    mem_free(column->key);
    mem_free(column);
}

enum status column_grow(struct column *column, uint64_t n) {
    return slots_grow(&column->values, n);
}

/* --- the dictionary -------------------------------------------------------------------------- */

static char *keep_text(struct column *column, const struct filter_text *text) {
    if (!column->chunks || text->size > column->chunk_left) { /* a first text may be empty */
        uint32_t size = column->chunks ? CHUNK : CHUNK_FIRST;
        if (text->size > size / 4) size = text->size;
        struct column_chunk *chunk = mem_alloc(sizeof *chunk + size);
        if (!chunk) return NULL;
        chunk->at = chunk->bytes;
        chunk->next = column->chunks;
        column->chunks = chunk;
        column->chunk_left = size;
        atomic_fetch_add_explicit(&column->text_bytes, sizeof *chunk + size, memory_order_relaxed);
    }
    char *at = column->chunks->at;
    if (text->size) memcpy(at, text->data, text->size);
    column->chunks->at += text->size;
    column->chunk_left -= text->size;
    return at;
}

/* The place of a text: its code, or 0 where it belongs. */
static uint32_t *find_text(const struct column *column, const struct filter_text *text) {
    uint32_t at = (uint32_t)XXH3_64bits(text->data, text->size) & column->table_mask;
    for (;; at = (at + 1) & column->table_mask) {
        uint32_t *place = &column->table[at];
        if (*place == 0) return place;
        const struct filter_text *other = column_text(column, *place);
        if (other->size == text->size && memcmp(other->data, text->data, text->size) == 0)
            return place;
    }
}

static enum status grow_table(struct column *column, uint32_t n) {
    if ((uint64_t)n * 2 <= column->table_mask) return STATUS_OK;
    uint32_t size = (column->table_mask + 1) * 2;
    uint32_t *table = mem_zero(size, sizeof *table), *old = column->table;
    if (!table) return STATUS_NO_MEMORY;
    column->table = table;
    column->table_mask = size - 1;
    for (uint32_t code = 1; code < n; code++)
        *find_text(column, column_text(column, code)) = code;
    mem_free(old);
    atomic_fetch_add_explicit(&column->text_bytes, size * sizeof *table / 2, memory_order_relaxed);
    return STATUS_OK;
}

enum status column_code(struct column *column, const struct filter_text *text, uint32_t *out) {
    uint32_t *place = find_text(column, text);
    if (*place) {
        *out = *place;
        return STATUS_OK;
    }
    uint32_t n = atomic_load_explicit(&column->n_texts, memory_order_relaxed);
    if (n == SLOTS_MAX) return STATUS_NO_MEMORY;
    enum status s = grow_table(column, n);
    if (s == STATUS_OK) s = slots_grow(&column->texts, (uint64_t)n + 1);
    char *kept = s == STATUS_OK ? keep_text(column, text) : NULL;
    if (!kept) return STATUS_NO_MEMORY;
    *(struct filter_text *)slots_at(&column->texts, n) = (struct filter_text){kept, text->size};
    *find_text(column, text) = n;
    atomic_store_explicit(&column->n_texts, n + 1, memory_order_release);
    *out = n;
    return STATUS_OK;
}

/* --- values ---------------------------------------------------------------------------------- */

static void note_unread(struct column *column) {
    atomic_fetch_add_explicit(&column->n_unread, 1, memory_order_relaxed);
}

static void count_value(struct column *column, bool had, bool has) {
    if (has && !had) atomic_fetch_add_explicit(&column->n_values, 1, memory_order_relaxed);
    if (had && !has) atomic_fetch_sub_explicit(&column->n_values, 1, memory_order_relaxed);
}

/* True: the slot had another. */
static bool put_code(struct column *column, uint32_t slot, uint32_t code) {
    _Atomic uint32_t *at = slots_at(&column->values, slot);
    uint32_t before = atomic_load_explicit(at, memory_order_relaxed);
    count_value(column, before != FILTER_MISSING, code != FILTER_MISSING);
    atomic_store_explicit(at, code, memory_order_release);
    return before != code;
}

bool column_put(struct column *column, uint32_t slot, uint64_t value) {
    if (column->type == FILTER_KEYWORD) return put_code(column, slot, (uint32_t)value);
    _Atomic uint64_t *at = slots_at(&column->values, slot);
    uint64_t before = atomic_load_explicit(at, memory_order_relaxed);
    if (value == FILTER_UNREAD && before != value) note_unread(column); /* not when it is filled */
    count_value(column, before >= FILTER_LOWEST, value >= FILTER_LOWEST);
    atomic_store_explicit(at, value, memory_order_release);
    return before != value;
}

enum status
column_write(struct column *column, uint32_t slot, const struct filter_text *text, bool *changed) {
    uint64_t value = FILTER_MISSING;
    uint32_t code = FILTER_MISSING;
    if (column->type == FILTER_KEYWORD) {
        enum status s = text ? column_code(column, text, &code) : STATUS_OK;
        if (s != STATUS_OK) return s;
        value = code;
    } else if (text && !filter_read(column->type, text->data, text->size, &value)) {
        value = FILTER_UNREAD;
    }
    *changed = column_put(column, slot, value);
    return STATUS_OK;
}

static bool text_meets(const struct filter_text *text, const struct filter_node *node) {
    if (node->op == FILTER_PREFIX) {
        const struct filter_text *prefix = &node->texts[0];
        return prefix->size <= text->size && memcmp(text->data, prefix->data, prefix->size) == 0;
    }
    for (uint32_t i = 0; i < node->n; i++) {
        const struct filter_text *wanted = &node->texts[i];
        if (wanted->size == text->size && memcmp(wanted->data, text->data, text->size) == 0)
            return true;
    }
    return false;
}

bool column_meets(const struct column *column, uint32_t slot, const struct filter_node *node) {
    uint64_t value = column_value(column, slot);
    if (node->op == FILTER_EXISTS) return value != FILTER_MISSING;
    if (column->type == FILTER_KEYWORD)
        return value != FILTER_MISSING && text_meets(column_text(column, (uint32_t)value), node);
    if (value < FILTER_LOWEST) return false;
    if (node->op == FILTER_RANGE) return node->low <= value && value <= node->high;
    for (uint32_t i = 0; i < node->n; i++)
        if (node->values[i] == value) return true;
    return false;
}

uint64_t column_bytes(const struct column *column, uint64_t n_slots) {
    uint64_t n_texts = atomic_load_explicit(&column->n_texts, memory_order_relaxed);
    return sizeof *column + n_slots * column->values.stride + n_texts * sizeof(struct filter_text) +
           atomic_load_explicit(&column->text_bytes, memory_order_relaxed);
}
