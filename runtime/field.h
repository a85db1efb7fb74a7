/* field: where a protobuf-c message keeps one field; what the parts of the codec share. proto3
 * only: a singular field is absent when it is at its default, a oneof's member when its case says
 * so. */
#ifndef RUNTIME_FIELD_H
#define RUNTIME_FIELD_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline const void *field_at(const ProtobufCMessage *message,
                                   const ProtobufCFieldDescriptor *field) {
    return (const char *)message + field->offset;
}

/* The members of a repeated field: their number and their first. */
static inline size_t field_count(const ProtobufCMessage *message,
                                 const ProtobufCFieldDescriptor *field) {
    return *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
}

static inline const void *field_items(const ProtobufCMessage *message,
                                      const ProtobufCFieldDescriptor *field) {
    const void *items; /* by memcpy: the slot's own type is a pointer to something else */
    memcpy(&items, field_at(message, field), sizeof items);
    return items;
}

static inline bool field_in_oneof(const ProtobufCFieldDescriptor *field) {
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* Which member of the field's oneof is set: its number, 0 = none. */
static inline uint32_t *field_case(const ProtobufCMessage *message,
                                   const ProtobufCFieldDescriptor *field) {
    return (uint32_t *)(void *)((char *)(uintptr_t)message + field->quantifier_offset);
}

/* A repeated float is one bin on the wire, and on both sides perhaps misaligned. */
static inline bool field_is_vector(const ProtobufCFieldDescriptor *field) {
    return field->label == PROTOBUF_C_LABEL_REPEATED && field->type == PROTOBUF_C_TYPE_FLOAT;
}

/* Bytes of one member in memory. */
static inline size_t field_stride(const ProtobufCFieldDescriptor *field) {
    static const uint8_t strides[] = {
        [PROTOBUF_C_TYPE_INT32] = 4,
        [PROTOBUF_C_TYPE_SINT32] = 4,
        [PROTOBUF_C_TYPE_SFIXED32] = 4,
        [PROTOBUF_C_TYPE_INT64] = 8,
        [PROTOBUF_C_TYPE_SINT64] = 8,
        [PROTOBUF_C_TYPE_SFIXED64] = 8,
        [PROTOBUF_C_TYPE_UINT32] = 4,
        [PROTOBUF_C_TYPE_FIXED32] = 4,
        [PROTOBUF_C_TYPE_UINT64] = 8,
        [PROTOBUF_C_TYPE_FIXED64] = 8,
        [PROTOBUF_C_TYPE_FLOAT] = 4,
        [PROTOBUF_C_TYPE_DOUBLE] = 8,
        [PROTOBUF_C_TYPE_BOOL] = sizeof(protobuf_c_boolean),
        [PROTOBUF_C_TYPE_ENUM] = 4,
        [PROTOBUF_C_TYPE_STRING] = sizeof(void *),
        [PROTOBUF_C_TYPE_BYTES] = sizeof(ProtobufCBinaryData),
        [PROTOBUF_C_TYPE_MESSAGE] = sizeof(void *),
    };
    return strides[field->type];
}

/* The numbers of 8 bytes, a bit a type. Numbers come before strings, bytes and messages. */
enum {
    FIELD_WIDE = 1 << PROTOBUF_C_TYPE_INT64 | 1 << PROTOBUF_C_TYPE_SINT64 |
                 1 << PROTOBUF_C_TYPE_SFIXED64 | 1 << PROTOBUF_C_TYPE_UINT64 |
                 1 << PROTOBUF_C_TYPE_FIXED64 | 1 << PROTOBUF_C_TYPE_DOUBLE,
};

/* A member of a oneof is written when it is chosen, also at its default; a message must be there.
 */
static inline bool field_chosen(const ProtobufCMessage *message,
                                const ProtobufCFieldDescriptor *field) {
    if (*field_case(message, field) != field->id) return false;
    return field->type != PROTOBUF_C_TYPE_MESSAGE || field_items(message, field);
}

/* Not at its default, so it is written. Inline, because encoding asks it of every field of every
 * message, and most are absent. */
static inline bool field_present(const ProtobufCMessage *message,
                                 const ProtobufCFieldDescriptor *field) {
    if (field->label == PROTOBUF_C_LABEL_REPEATED) return field_count(message, field) != 0;
    if (field_in_oneof(field)) return field_chosen(message, field);
    const void *at = field_at(message, field);
    if (field->type < PROTOBUF_C_TYPE_STRING) { /* numbers by their bits: -0.0 is not the default */
        uint64_t bits;
        uint32_t half;
        memcpy(&half, at, sizeof half);
        if (half != 0 || !(FIELD_WIDE >> field->type & 1)) return half != 0;
        memcpy(&bits, at, sizeof bits);
        return bits != 0;
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) return ((const ProtobufCBinaryData *)at)->len != 0;
    const char *text = field_items(message, field);
    return text && (field->type == PROTOBUF_C_TYPE_MESSAGE || *text);
}

#endif
