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
size_t field_stride(const ProtobufCFieldDescriptor *field);
/* Not at its default, so it is written. */
bool field_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

#endif
