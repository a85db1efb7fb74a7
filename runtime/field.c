/* field: the layout that protoc-c gives its structs. */
#include "runtime/field.h"

size_t field_stride(const ProtobufCFieldDescriptor *field) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4; /* the 32-bit numbers, enums and float */
    }
}

/* A member of a oneof is written when it is chosen, also at its default; a message must be there.
 */
static bool chosen(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    if (*field_case(message, field) != field->id) return false;
    return field->type != PROTOBUF_C_TYPE_MESSAGE || field_items(message, field);
}

bool field_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    if (field->label == PROTOBUF_C_LABEL_REPEATED) return field_count(message, field) != 0;
    if (field_in_oneof(field)) return chosen(message, field);
    const void *at = field_at(message, field);
    uint64_t bits = 0;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = field_items(message, field);
        return text && *text;
    }
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)at)->len != 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return field_items(message, field);
    default: /* numbers by their bits: -0.0 is not the default */
        memcpy(&bits, at, field_stride(field) == 8 ? 8 : 4);
        return bits != 0;
    }
}
