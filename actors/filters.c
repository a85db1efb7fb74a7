/* filters: everything borrowed from a message is copied: the message goes with its turn. */
#include "actors/filters.h"

#include <string.h>

#include "runtime/codec.h"

#include "runtime/poison.h"

static struct filter_text copy_text(struct arena *arena, const char *text) {
    size_t size = strlen(text);
    char *copy = arena_alloc(arena, size);
    if (copy && size) memcpy(copy, text, size);
    return (struct filter_text){copy, (uint32_t)size};
}

static enum status
read_node(const FilterNode *from, struct arena *arena, struct filter_node *node) {
    *node = (struct filter_node){.op = (enum filter_op)from->op,
                                 .type = (enum filter_type)from->type,
                                 .n = from->n,
                                 .key = copy_text(arena, from->key),
                                 .low = from->low,
                                 .high = from->high};
    if (!node->key.data) return STATUS_NO_MEMORY;
    if (node->op == FILTER_PREFIX && from->n_texts != 1) return STATUS_INVALID;
    if (node->op == FILTER_IN) {
        size_t n = node->type == FILTER_KEYWORD ? from->n_texts : from->n_values;
        if (n > FILTER_VALUES_MAX) return STATUS_INVALID;
        node->n = (uint32_t)n;
    }
    struct filter_text *texts = arena_alloc(arena, from->n_texts * sizeof *texts);
    uint64_t *values = arena_alloc(arena, from->n_values * sizeof *values);
    if (!texts || !values) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < from->n_texts; i++) {
        texts[i] = copy_text(arena, from->texts[i]);
        if (!texts[i].data) return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < from->n_values; i++)
        values[i] = from->values[i];
    node->texts = texts;
    node->values = values;
    return STATUS_OK;
}

enum status
filters_read(FilterNode *const *nodes, size_t n, struct arena *arena, struct filter *out) {
    if (n > FILTER_NODES_MAX) return STATUS_INVALID;
    struct filter_node *copy = arena_alloc(arena, n * sizeof *copy);
    if (!copy) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        enum status s = read_node(nodes[i], arena, &copy[i]);
        if (s != STATUS_OK) return s;
    }
    struct filter filter = {copy, (uint32_t)n};
    enum status s = filter_check(&filter);
    if (s == STATUS_OK) *out = filter;
    return s;
}

FilterNode **filters_copy(FilterNode *const *nodes, size_t n, struct arena *arena) {
    FilterNode **copies = arena_alloc(arena, (n + 1) * sizeof *copies);
    for (size_t i = 0; copies && i < n; i++) {
        FilterNode *node = arena_alloc(arena, sizeof *node);
        if (!node) return NULL;
        *node = *nodes[i];
        struct filter_text key = copy_text(arena, node->key);
        char *name = arena_alloc(arena, (size_t)key.size + 1);
        char **texts = arena_alloc(arena, node->n_texts * sizeof *texts);
        uint64_t *values = arena_alloc(arena, node->n_values * sizeof *values);
        if (!name || !texts || !values) return NULL;
        node->key = memcpy(name, nodes[i]->key, (size_t)key.size + 1);
        for (size_t j = 0; j < node->n_texts; j++) {
            size_t size = strlen(nodes[i]->texts[j]) + 1;
            texts[j] = arena_alloc(arena, size);
            if (!texts[j]) return NULL;
            memcpy(texts[j], nodes[i]->texts[j], size);
        }
        if (node->n_values) memcpy(values, nodes[i]->values, node->n_values * sizeof *values);
        node->texts = texts;
        node->values = values;
        copies[i] = node;
    }
    return copies;
}

static enum status take_columns(const PayloadColumns *from, struct payload_columns *out) {
    if (from->n_columns > PAYLOAD_COLUMNS_MAX) return STATUS_CORRUPT;
    if (from->storage >= INDEX_STORAGES || from->originals >= INDEX_ORIGINALS_KINDS ||
        !(from->target_recall >= 0 && from->target_recall < 1))
        return STATUS_CORRUPT;
    out->storage = (enum index_storage)from->storage;
    out->originals = (enum index_originals)from->originals;
    bool rescored = from->rescore >= 1 && from->rescore <= INDEX_RESCORE_MAX;
    if (from->rescore != 0 && !rescored) return STATUS_CORRUPT;
    out->target_recall = from->target_recall;
    out->exact = from->exact;
    out->rescore = from->rescore;
    out->n = (uint32_t)from->n_columns;
    for (uint32_t i = 0; i < out->n; i++) {
        const PayloadColumn *column = from->columns[i];
        size_t size = strlen(column->key);
        if (size < 1 || size > PAYLOAD_KEY_MAX || column->type >= FILTER_TYPES)
            return STATUS_CORRUPT;
        out->of[i].type = (uint8_t)column->type;
        out->of[i].size = (uint8_t)size;
        memcpy(out->of[i].key, column->key, size);
    }
    return STATUS_OK;
}

enum status payload_columns_read(const void *data, size_t size, struct payload_columns *out) {
    *out = (struct payload_columns){.n = 0};
    if (size == 0) return STATUS_OK;
    struct arena arena;
    ProtobufCMessage *message;
    arena_init(&arena, 0);
    enum status s = codec_decode(&payload_columns__descriptor, data, size, &arena, &message, NULL);
    if (s == STATUS_OK)
        s = take_columns((const PayloadColumns *)message, out);
    else if (s != STATUS_NO_MEMORY)
        s = STATUS_CORRUPT;
    arena_free(&arena);
    return s;
}

enum status payload_columns_write(const struct payload_columns *columns, struct buffer *out) {
    PayloadColumns message = PAYLOAD_COLUMNS__INIT;
    PayloadColumn rows[PAYLOAD_COLUMNS_MAX], *list[PAYLOAD_COLUMNS_MAX];
    char keys[PAYLOAD_COLUMNS_MAX][PAYLOAD_KEY_MAX + 1];
    for (uint32_t i = 0; i < columns->n; i++) {
        payload_column__init(&rows[i]);
        memcpy(keys[i], columns->of[i].key, columns->of[i].size);
        keys[i][columns->of[i].size] = '\0';
        rows[i].key = keys[i];
        rows[i].type = columns->of[i].type;
        list[i] = &rows[i];
    }
    message.n_columns = columns->n;
    message.columns = list;
    message.storage = (uint32_t)columns->storage;
    message.originals = (uint32_t)columns->originals;
    message.target_recall = columns->target_recall;
    message.exact = columns->exact;
    message.rescore = columns->rescore;
    return codec_encode(&message.base, out);
}

uint32_t payload_columns_find(const struct payload_columns *columns,
                              const struct filter_text *key,
                              enum filter_type type) {
    uint32_t i = 0;
    while (i < columns->n && (columns->of[i].type != type || columns->of[i].size != key->size ||
                              memcmp(columns->of[i].key, key->data, key->size) != 0))
        i++;
    return i;
}

enum status payload_columns_add(struct payload_columns *columns,
                                const struct filter_text *key,
                                enum filter_type type) {
    if (key->size < 1 || key->size > PAYLOAD_KEY_MAX || type >= FILTER_TYPES) return STATUS_INVALID;
    if (payload_columns_find(columns, key, type) < columns->n) return STATUS_EXISTS;
    if (columns->n == PAYLOAD_COLUMNS_MAX) return STATUS_QUOTA;
    uint32_t i = columns->n++;
    columns->of[i].type = (uint8_t)type;
    columns->of[i].size = (uint8_t)key->size;
    memcpy(columns->of[i].key, key->data, key->size);
    return STATUS_OK;
}

enum status payload_columns_drop(struct payload_columns *columns,
                                 const struct filter_text *key,
                                 enum filter_type type) {
    uint32_t i = payload_columns_find(columns, key, type);
    if (i == columns->n) return STATUS_NOT_FOUND;
    columns->n--;
    memmove(&columns->of[i], &columns->of[i + 1], (columns->n - i) * sizeof columns->of[0]);
    return STATUS_OK;
}

uint32_t payload_columns_give(const struct payload_columns *columns, struct index_column *room) {
    for (uint32_t i = 0; i < columns->n; i++)
        room[i] = (struct index_column){{columns->of[i].key, columns->of[i].size},
                                        (enum filter_type)columns->of[i].type};
    return columns->n;
}
