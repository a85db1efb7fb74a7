/* redact: decode, empty the fields, encode. */
#include "runtime/redact.h"

#include "runtime/codec.h"
#include "runtime/field.h"
#include "schemas/messages.h"

static bool is_shown(const ProtobufCMessageDescriptor *type, uint32_t field) {
    for (const struct schema_shown *row = schema_shown; row->type; row++)
        if (row->type == type && row->field == field) return true;
    return false;
}

static bool is_number(const ProtobufCFieldDescriptor *field) {
    return field->type < PROTOBUF_C_TYPE_STRING && !field_is_vector(field);
}

static void hide_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    char *at = (char *)message + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        memset((char *)message + field->quantifier_offset, 0, sizeof(size_t));
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        memset(at, 0, sizeof(ProtobufCBinaryData));
    } else {
        const char *nothing = protobuf_c_empty_string;
        memcpy(at, &nothing, sizeof nothing);
    }
}

static void hide(ProtobufCMessage *message);

static void hide_within(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        hide((ProtobufCMessage *)(uintptr_t)field_items(message, field));
        return;
    }
    ProtobufCMessage *const *items = field_items(message, field);
    for (size_t i = 0; i < field_count(message, field); i++)
        hide(items[i]);
}

static void hide(ProtobufCMessage *message) {
    const ProtobufCMessageDescriptor *type = message->descriptor;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (is_number(field) || !field_present(message, field)) continue;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            hide_within(message, field);
        else if (!is_shown(type, field->id))
            hide_field(message, field);
    }
}

enum status
redact(uint32_t op, const void *body, size_t size, struct arena *arena, struct buffer *out) {
    const ProtobufCMessageDescriptor *type = codec_find(op);
    ProtobufCMessage *message = NULL;
    if (!type) return STATUS_INVALID;
    enum status s = codec_decode(type, body, size, arena, &message, NULL);
    if (s != STATUS_OK) return s;
    hide(message);
    return codec_encode(message, out);
}
