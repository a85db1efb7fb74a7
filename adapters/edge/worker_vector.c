/* worker_vector: vectors between the worker's service and the shards. Metadata outside is a JSON
 * object of strings; inside it is the payload's msgpack. As a value it is
 *
 *     n floats (uint32) │ floats │ metadata          little-endian, contract 7.3 */
#include <stdio.h>
#include <string.h>

#include "adapters/edge/json.h"
#include "adapters/edge/payload.h"
#include "adapters/edge/service_worker.h"
#include "runtime/buffer.h"

#include "runtime/poison.h"

enum { VALUE_HEAD = 4, KEY_HEAD = 2 };
#define COMPRESSED UINT32_C(0x80000000)

static enum status refuse(struct check *check, const char *what, const char *why) {
    snprintf(check->words, sizeof check->words, "%s%s%s", what, why ? ": " : "", why ? why : "");
    return STATUS_INVALID;
}

/* The metadata as the payload of a point, so that one reader judges both. */
static enum status read_metadata(const ProtobufCBinaryData *metadata,
                                 struct arena *arena,
                                 Vectron__V1__Point **out,
                                 struct check *check) {
    static const char head[] = "{\"payload\":", tail[] = "}";
    struct json_error error;
    ProtobufCMessage *message;
    size_t size = sizeof head - 1 + metadata->len + sizeof tail - 1;
    char *text = arena_alloc(arena, size);
    if (!text) return STATUS_NO_MEMORY;
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, metadata->data, metadata->len);
    memcpy(text + size - 1, tail, 1);
    enum status s = json_read(&vectron__v1__point__descriptor, text, size, arena, &message, &error);
    if (s == STATUS_INVALID)
        return refuse(check, "metadata is not a JSON object of strings", error.text);
    if (s != STATUS_OK) return s;
    *out = (Vectron__V1__Point *)message;
    if ((*out)->id[0] || (*out)->n_vector > 0)
        return refuse(check, "metadata is not one JSON object", NULL);
    return STATUS_OK;
}

enum status worker_operation(const WORKER_V1(Vector) * vector,
                             struct arena *arena,
                             ShardOperation *out,
                             struct check *check) {
    enum status s = check_id(check, vector->id);
    if (s != STATUS_OK) return s;
    shard_operation__init(out);
    out->id = vector->id;
    out->n_vector = vector->n_vector;
    out->vector = vector->vector;
    if (vector->metadata.len == 0) return STATUS_OK;
    if (vector->metadata.len > 2 * PAYLOAD_BYTES_MAX)
        return refuse(check, "metadata is above 64 KiB", NULL);
    Vectron__V1__Point *point;
    s = read_metadata(&vector->metadata, arena, &point, check);
    if (s != STATUS_OK) return s;
    point->n_payload = payload_distinct(point->payload, point->n_payload);
    if (point->n_payload > PAYLOAD_KEYS_MAX)
        return refuse(check, "metadata has more than 64 keys", NULL);
    if (payload_size(point->payload, point->n_payload) > PAYLOAD_BYTES_MAX)
        return refuse(check, "metadata is above 64 KiB", NULL);
    return payload_pack(point->payload, point->n_payload, arena, &out->payload);
}

enum status
worker_metadata(const ProtobufCBinaryData *payload, struct arena *arena, ProtobufCBinaryData *out) {
    ProtobufCMessage **messages;
    size_t n;
    struct buffer text;
    *out = (ProtobufCBinaryData){0, NULL};
    enum status s = payload_unpack(payload, &vectron__v1__point__payload_entry__descriptor, arena,
                                   &messages, &n);
    if (s != STATUS_OK || n == 0) return s;
    buffer_init(&text);
    for (size_t i = 0; i < n; i++) {
        const Vectron__V1__Point__PayloadEntry *entry = (const void *)messages[i];
        buffer_append(&text, i ? "," : "{", 1);
        json_write_string(&text, entry->key, strlen(entry->key));
        buffer_append(&text, ":", 1);
        json_write_string(&text, entry->value, strlen(entry->value));
    }
    buffer_append(&text, "}", 1);
    void *copy = text.failed ? NULL : arena_alloc(arena, text.size);
    if (copy) memcpy(copy, text.data, text.size);
    *out = (ProtobufCBinaryData){text.size, copy};
    buffer_free(&text);
    return copy ? STATUS_OK : STATUS_NO_MEMORY;
}

char *worker_key_id(const ProtobufCBinaryData *key, struct arena *arena) {
    if (key->len <= KEY_HEAD || memcmp(key->data, "v_", KEY_HEAD) != 0 ||
        memchr(key->data, 0, key->len))
        return NULL;
    char *id = arena_alloc(arena, key->len - KEY_HEAD + 1);
    if (!id) return NULL;
    memcpy(id, key->data + KEY_HEAD, key->len - KEY_HEAD);
    id[key->len - KEY_HEAD] = '\0';
    return id;
}

static uint32_t read_u32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void write_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

enum status worker_value_read(const ProtobufCBinaryData *value,
                              struct arena *arena,
                              WORKER_V1(Vector) * out,
                              struct check *check) {
    if (value->len < VALUE_HEAD) return refuse(check, "a value is a number of floats first", NULL);
    uint32_t n = read_u32(value->data);
    if (n & COMPRESSED) return refuse(check, "compressed values are not taken", NULL);
    if (n > CHECK_DIMENSION_MAX || (value->len - VALUE_HEAD) / sizeof(float) < n)
        return refuse(check, "a value is shorter than the floats it names", NULL);
    out->vector = arena_alloc(arena, (n + 1) * sizeof(float));
    if (!out->vector) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits = read_u32(value->data + VALUE_HEAD + i * sizeof(float));
        memcpy(&out->vector[i], &bits, sizeof bits);
    }
    size_t used = VALUE_HEAD + n * sizeof(float);
    out->n_vector = n;
    out->metadata = (ProtobufCBinaryData){value->len - used, value->data + used};
    return STATUS_OK;
}

enum status worker_value_write(const WORKER_V1(Vector) * vector,
                               struct arena *arena,
                               ProtobufCBinaryData *out) {
    size_t used = VALUE_HEAD + vector->n_vector * sizeof(float);
    size_t size = used + vector->metadata.len;
    uint8_t *bytes = arena_alloc(arena, size);
    if (!bytes) return STATUS_NO_MEMORY;
    write_u32(bytes, (uint32_t)vector->n_vector);
    for (size_t i = 0; i < vector->n_vector; i++) {
        uint32_t bits;
        memcpy(&bits, &vector->vector[i], sizeof bits);
        write_u32(bytes + VALUE_HEAD + i * sizeof(float), bits);
    }
    if (vector->metadata.len) memcpy(bytes + used, vector->metadata.data, vector->metadata.len);
    *out = (ProtobufCBinaryData){size, bytes};
    return STATUS_OK;
}
