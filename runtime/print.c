/* print: the codec's form for people: "ShardWrite epoch=1 operations=[{id=a vector=[3 4]}]". */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/field.h"
#include "runtime/text.h"

enum { PRINT_ITEMS = 8, PRINT_CHARACTERS = 64, PRINT_BYTES = 16, PRINT_DEPTH = 4 };

struct print {
    char *at;
    char *end; /* of the room, the NUL's place */
};

static void put(struct print *p, const char *text, size_t size) {
    size_t room = (size_t)(p->end - p->at);
    if (size > room) size = room;
    memcpy(p->at, text, size);
    p->at += size;
}

static void put_format(struct print *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put_format(struct print *p, const char *format, ...) {
    char text[64];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0) put(p, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* A line stays a line: control characters become dots. */
static void put_string(struct print *p, const char *text) {
    size_t size = text ? strlen(text) : 0, shown = size;
    if (size > PRINT_CHARACTERS) shown = text_cut(text, PRINT_CHARACTERS);
    for (size_t i = 0; i < shown; i++) {
        bool control = (unsigned char)text[i] < ' ' || text[i] == 0x7f;
        put(p, control ? "." : text + i, 1);
    }
    if (shown < size) put_format(p, "…");
}

static void put_bytes(struct print *p, const ProtobufCBinaryData *bytes) {
    put_format(p, "0x");
    for (size_t i = 0; i < bytes->len && i < PRINT_BYTES; i++)
        put_format(p, "%02x", bytes->data[i]);
    if (bytes->len > PRINT_BYTES) put_format(p, "… (%zu bytes)", bytes->len);
}

static void put_enum(struct print *p, const ProtobufCEnumDescriptor *type, int32_t value) {
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);
    if (known)
        put(p, known->name, strlen(known->name));
    else
        put_format(p, "%" PRId32, value);
}

static void put_fields(struct print *p, const ProtobufCMessage *message, unsigned depth);

static void put_nested(struct print *p, const ProtobufCMessage *message, unsigned depth) {
    put_format(p, "{");
    if (depth < PRINT_DEPTH)
        put_fields(p, message, depth + 1);
    else
        put_format(p, "…");
    put_format(p, "}");
}

static void
put_value(struct print *p, const ProtobufCFieldDescriptor *field, const void *at, unsigned depth) {
    float real; /* perhaps misaligned: a decoded vector's */
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        put_format(p, "%" PRId32, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        put_format(p, "%" PRId64, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        put_format(p, "%" PRIu32, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        put_format(p, "%" PRIu64, *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        memcpy(&real, at, sizeof real);
        put_format(p, "%g", (double)real);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_format(p, "%g", *(const double *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        put_format(p, "%s", *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(p, field->descriptor, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        put_string(p, *(const char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        put_bytes(p, at);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        put_nested(p, *(const ProtobufCMessage *const *)at, depth);
        break;
    }
}

static void put_list(struct print *p,
                     const ProtobufCMessage *message,
                     const ProtobufCFieldDescriptor *field,
                     unsigned depth) {
    size_t count = field_count(message, field), stride = field_stride(field);
    const char *items = field_items(message, field);
    put_format(p, "[");
    for (size_t i = 0; i < count && i < PRINT_ITEMS; i++) {
        if (i > 0) put_format(p, " ");
        put_value(p, field, items + i * stride, depth);
    }
    if (count > PRINT_ITEMS) put_format(p, " … (%zu)", count);
    put_format(p, "]");
}

static void put_fields(struct print *p, const ProtobufCMessage *message, unsigned depth) {
    const ProtobufCMessageDescriptor *type = message->descriptor;
    bool first = true;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (!field_present(message, field)) continue;
        if (!first) put_format(p, " ");
        first = false;
        put_format(p, "%s=", field->name);
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            put_list(p, message, field, depth);
        else
            put_value(p, field, field_at(message, field), depth);
    }
}

size_t codec_print(const ProtobufCMessage *message, char *text, size_t size) {
    if (size == 0) return 0;
    struct print p = {text, text + size - 1};
    put(&p, message->descriptor->name, strlen(message->descriptor->name));
    char *name_end = p.at;
    put_format(&p, " ");
    put_fields(&p, message, 0);
    if (p.at == name_end + 1) p.at = name_end; /* no fields: no blank */
    *p.at = 0;
    return (size_t)(p.at - text);
}
