/* payload: {"key": "value", …} in msgpack, in the order the client gave. What is read back may have
 * been written by another program over ZeroMQ, so it is judged like bytes from outside. */
#include "adapters/edge/payload.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/pack.h"
#include "runtime/text.h"
#include "runtime/poison.h"

/* Quadratic, but one side never exceeds PAYLOAD_KEYS_MAX. */
size_t payload_distinct(Vectron__V1__Point__PayloadEntry **entries, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < kept && strcmp(entries[at]->key, entries[i]->key) != 0)
            at++;
        if (at == PAYLOAD_KEYS_MAX) return PAYLOAD_KEYS_MAX + 1;
        entries[at] = entries[i];
        if (at == kept) kept++;
    }
    return kept;
}

size_t payload_size(Vectron__V1__Point__PayloadEntry *const *entries, size_t n) {
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += strlen(entries[i]->key) + strlen(entries[i]->value);
    return size;
}

enum status payload_pack(Vectron__V1__Point__PayloadEntry *const *entries,
                         size_t n,
                         struct arena *arena,
                         ProtobufCBinaryData *out) {
    *out = (ProtobufCBinaryData){0, NULL};
    if (n == 0) return STATUS_OK;
    size_t room = payload_size(entries, n) + (2 * n + 1) * PACK_HEAD_MAX;
    unsigned char *bytes = arena_alloc(arena, room);
    if (!bytes) return STATUS_NO_MEMORY;
    unsigned char *at = pack_map(bytes, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        at = pack_string(at, entries[i]->key, (uint32_t)strlen(entries[i]->key));
        at = pack_string(at, entries[i]->value, (uint32_t)strlen(entries[i]->value));
    }
    *out = (ProtobufCBinaryData){(size_t)(at - bytes), bytes};
    return STATUS_OK;
}

/* A string of the map, with its NUL, in the arena. */
static enum status take_string(struct pack_cursor *cursor, struct arena *arena, char **out) {
    struct pack_value value;
    if (!pack_read(cursor, &value) || value.type != PACK_STRING) return STATUS_CORRUPT;
    size_t size = value.number;
    if (memchr(value.bytes, 0, size) || text_prefix(value.bytes, size) != size)
        return STATUS_CORRUPT;
    char *text = arena_alloc(arena, size + 1);
    if (!text) return STATUS_NO_MEMORY;
    memcpy(text, value.bytes, size);
    text[size] = '\0';
    *out = text;
    return STATUS_OK;
}

static enum status take_entry(struct pack_cursor *cursor,
                              const ProtobufCMessageDescriptor *type,
                              struct arena *arena,
                              ProtobufCMessage **out) {
    ProtobufCMessage *entry = arena_alloc(arena, type->sizeof_message);
    if (!entry) return STATUS_NO_MEMORY;
    protobuf_c_message_init(type, entry);
    for (unsigned i = 0; i < type->n_fields; i++) {
        char **field = (char **)(void *)((char *)entry + type->fields[i].offset);
        enum status s = take_string(cursor, arena, field);
        if (s != STATUS_OK) return s;
    }
    *out = entry;
    return STATUS_OK;
}

enum status payload_unpack(const ProtobufCBinaryData *bytes,
                           const ProtobufCMessageDescriptor *type,
                           struct arena *arena,
                           ProtobufCMessage ***entries,
                           size_t *n) {
    assert(type->n_fields == 2 && type->fields[0].type == PROTOBUF_C_TYPE_STRING &&
           type->fields[1].type == PROTOBUF_C_TYPE_STRING);
    *entries = NULL;
    *n = 0;
    if (bytes->len == 0) return STATUS_OK;
    struct pack_cursor cursor = {bytes->data, bytes->data + bytes->len};
    struct pack_value map;
    if (!pack_read(&cursor, &map) || map.type != PACK_MAP) return STATUS_CORRUPT;
    /* pack_read believes a count only when each item may still have a byte. */
    ProtobufCMessage **all = arena_alloc(arena, map.number * sizeof *all);
    if (!all) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < map.number; i++) {
        enum status s = take_entry(&cursor, type, arena, &all[i]);
        if (s != STATUS_OK) return s;
    }
    if (cursor.at != cursor.end) return STATUS_CORRUPT;
    *entries = all;
    *n = map.number;
    return STATUS_OK;
}
