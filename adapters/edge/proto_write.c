/* proto_write: the length of a part is known when the part is written: one byte is left for it, and
 * the part is moved when that was too little. */
#include "adapters/edge/proto_write.h"

#include <stdint.h>
#include <string.h>

#include "adapters/edge/proto.h"
#include "adapters/edge/wire.h"
#include "runtime/field.h"
#include "schemas/apigateway.pb-c.h"

enum {
    VARINT_MAX = 10, /* bytes */
    KEY_MAX = 5,
    HEADS = KEY_MAX + VARINT_MAX, /* a key and a number, or a length */
    ONE_BYTE = 128,               /* lengths below it take one */
};

struct writer {
    const unsigned char *end;
};

/* Each returns the place behind what it wrote, NULL when it gave up. */
static unsigned char *write_message(const struct writer *w,
                                    unsigned char *out,
                                    const ProtobufCMessage *message,
                                    unsigned depth);

static bool fits(const struct writer *w, const unsigned char *out, size_t payload) {
    size_t left = (size_t)(w->end - out);
    return left >= HEADS && payload <= left - HEADS;
}

static unsigned char *put_varint(unsigned char *out, uint64_t value) {
    while (value >= 128) {
        *out++ = (unsigned char)(value | 128);
        value >>= 7;
    }
    *out++ = (unsigned char)value;
    return out;
}

static unsigned char *
put_key(unsigned char *out, const ProtobufCFieldDescriptor *field, enum wire_type type) {
    return put_varint(out, (uint64_t)field->id << 3 | (uint64_t)type);
}

static unsigned char *put_bytes(const struct writer *w,
                                unsigned char *out,
                                const ProtobufCFieldDescriptor *field,
                                const void *bytes,
                                size_t size) {
    if (!fits(w, out, size)) return NULL;
    out = put_varint(put_key(out, field, WIRE_BYTES), size);
    if (size) memcpy(out, bytes, size);
    return out + size;
}

/* What lies from `start` to `out` gets its length in front, for which one byte was left. */
static unsigned char *put_length(const struct writer *w, unsigned char *start, unsigned char *out) {
    size_t size = (size_t)(out - start);
    if (size >= ONE_BYTE) {
        unsigned char head[VARINT_MAX];
        size_t more = (size_t)(put_varint(head, size) - head) - 1;
        if ((size_t)(w->end - out) < more) return NULL;
        memmove(start + more, start, size);
        out += more;
    }
    put_varint(start - 1, size);
    return out;
}

static unsigned char *put_fixed(unsigned char *out, const void *at, size_t size) {
    memcpy(out, at, size);
    return out + size;
}

static uint64_t zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

/* A number without its key; by memcpy, as vectors may be misaligned. */
static unsigned char *put_number(unsigned char *out, ProtobufCType type, const void *at) {
    uint32_t half = 0;
    uint64_t whole = 0;
    switch (type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return put_fixed(out, at, 4);
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return put_fixed(out, at, 8);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        memcpy(&half, at, 4);
        return put_varint(out, (uint64_t)(int64_t)(int32_t)half);
    case PROTOBUF_C_TYPE_SINT32:
        memcpy(&half, at, 4);
        return put_varint(out, zigzag((int32_t)half));
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_BOOL:
        memcpy(&half, at, 4);
        return put_varint(out, type == PROTOBUF_C_TYPE_BOOL ? half != 0 : half);
    default:
        memcpy(&whole, at, 8);
        return put_varint(out, type == PROTOBUF_C_TYPE_SINT64 ? zigzag((int64_t)whole) : whole);
    }
}

static enum wire_type wire_of(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return WIRE_FIXED32;
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return WIRE_FIXED64;
    default:
        return WIRE_VARINT;
    }
}

enum { RESULT_ID = 1 << 3 | WIRE_BYTES, RESULT_SCORE = 2 << 3 | WIRE_FIXED32 };

static const Vectron__V1__SearchResult *plain_result(const ProtobufCMessage *part, size_t *id) {
    if (part->descriptor != &vectron__v1__search_result__descriptor) return NULL;
    const Vectron__V1__SearchResult *result = (const void *)part;
    *id = strlen(result->id);
    bool more = result->n_payload > 0 || result->n_vector > 0 || part->n_unknown_fields > 0;
    return more || *id == 0 || *id >= ONE_BYTE - 2 * KEY_MAX ? NULL : result;
}

/* What most answers consist of, without a look at its descriptor: id and score, both lengths in one
 * byte. The same bytes as by the descriptor. */
static unsigned char *
write_result(unsigned char *out, const Vectron__V1__SearchResult *result, size_t id_size) {
    uint32_t score;
    memcpy(&score, &result->score, sizeof score);
    size_t size = 2 + id_size + (score ? 1 + sizeof score : 0);
    *out++ = (unsigned char)size;
    *out++ = RESULT_ID;
    *out++ = (unsigned char)id_size;
    memcpy(out, result->id, id_size);
    out += id_size;
    if (!score) return out;
    *out++ = RESULT_SCORE;
    return put_fixed(out, &score, sizeof score);
}

static unsigned char *write_part(const struct writer *w,
                                 unsigned char *out,
                                 const ProtobufCFieldDescriptor *field,
                                 const ProtobufCMessage *part,
                                 unsigned depth) {
    size_t id_size;
    if (!fits(w, out, 0)) return NULL;
    const Vectron__V1__SearchResult *result = plain_result(part, &id_size);
    if (result && fits(w, out, ONE_BYTE))
        return write_result(put_key(out, field, WIRE_BYTES), result, id_size);
    unsigned char *start = put_key(out, field, WIRE_BYTES) + 1;
    out = write_message(w, start, part, depth + 1);
    return out ? put_length(w, start, out) : NULL;
}

static unsigned char *write_value(const struct writer *w,
                                  unsigned char *out,
                                  const ProtobufCFieldDescriptor *field,
                                  const void *at,
                                  unsigned depth) {
    const ProtobufCMessage *message;
    const ProtobufCBinaryData *bytes = at;
    const char *text;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        memcpy(&text, at, sizeof text);
        return put_bytes(w, out, field, text, text ? strlen(text) : 0);
    case PROTOBUF_C_TYPE_BYTES:
        return put_bytes(w, out, field, bytes->data, bytes->len);
    case PROTOBUF_C_TYPE_MESSAGE:
        memcpy(&message, at, sizeof message);
        return write_part(w, out, field, message, depth);
    default:
        if (!fits(w, out, 0)) return NULL;
        return put_number(put_key(out, field, wire_of(field->type)), field->type, at);
    }
}

/* Numbers behind one key and length. */
static unsigned char *write_packed(const struct writer *w,
                                   unsigned char *out,
                                   const ProtobufCFieldDescriptor *field,
                                   const char *items,
                                   size_t count) {
    size_t stride = field_stride(field);
    if (field->type == PROTOBUF_C_TYPE_FLOAT) return put_bytes(w, out, field, items, count * 4);
    if (!fits(w, out, 0)) return NULL;
    unsigned char *start = put_key(out, field, WIRE_BYTES) + 1;
    out = start;
    for (size_t i = 0; i < count; i++) {
        if (!fits(w, out, 0)) return NULL;
        out = put_number(out, field->type, items + i * stride);
    }
    return put_length(w, start, out);
}

static unsigned char *write_list(const struct writer *w,
                                 unsigned char *out,
                                 const ProtobufCMessage *message,
                                 const ProtobufCFieldDescriptor *field,
                                 unsigned depth) {
    size_t count = field_count(message, field), stride = field_stride(field);
    const char *items = field_items(message, field);
    if (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED)
        return write_packed(w, out, field, items, count);
    for (size_t i = 0; i < count && out; i++)
        out = write_value(w, out, field, items + i * stride, depth);
    return out;
}

static unsigned char *write_message(const struct writer *w,
                                    unsigned char *out,
                                    const ProtobufCMessage *message,
                                    unsigned depth) {
    const ProtobufCMessageDescriptor *type = message->descriptor;
    if (depth >= PROTO_DEPTH_MAX || message->n_unknown_fields > 0) return NULL;
    for (unsigned i = 0; i < type->n_fields && out; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        bool pointer = field->type == PROTOBUF_C_TYPE_MESSAGE;
        if (!repeated && !pointer && field->label != PROTOBUF_C_LABEL_NONE) return NULL;
        if (!field_present(message, field)) continue;
        out = repeated ? write_list(w, out, message, field, depth)
                       : write_value(w, out, field, field_at(message, field), depth);
    }
    return out;
}

bool proto_write(const ProtobufCMessage *message, unsigned char *at, size_t room, size_t *size) {
    struct writer w = {at + room};
    const unsigned char *end = write_message(&w, at, message, 0);
    if (end) *size = (size_t)(end - at);
    return end;
}
