/* json_write: a protobuf-c message to JSON text, guided by its descriptor. Every field is written,
 * also at its default (contract 2.1: clients index without asking); only a oneof shows nothing but
 * its set member. */
#include "adapters/edge/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "adapters/edge/json_name.h"
#include "adapters/edge/json_number.h"
#include "adapters/edge/json_value.h"
#include "runtime/poison.h"
#include "runtime/text.h"
#include "schemas/messages.h"

static void put(struct buffer *out, char c) {
    char *at = buffer_reserve(out, 1);
    if (!at) return;
    *at = c;
    out->size++;
}

static void put_words(struct buffer *out, const char *words) {
    buffer_append(out, words, strlen(words));
}

/* --- strings --------------------------------------------------------------------------------- */

/* What cannot stand in a string as it is. */
static void put_escape(struct buffer *out, unsigned char c) {
    static const char names[] = "\"\\bfnrt", bytes[] = "\"\\\b\f\n\r\t";
    const char *at = c ? strchr(bytes, c) : NULL;
    char text[8];
    int n = at ? snprintf(text, sizeof text, "\\%c", names[at - bytes])
               : snprintf(text, sizeof text, "\\u%04x", c);
    buffer_append(out, text, (size_t)n);
}

/* Bytes of the longest prefix that needs no escape and is valid UTF-8. */
static size_t plain_prefix(const char *text, size_t size) {
    size_t i = 0;
    while (i < size) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\' || c < 0x20) break;
        size_t length = c < 0x80 ? 1 : text_character(text + i, size - i);
        if (length == 0) break;
        i += length;
    }
    return i;
}

void json_write_string(struct buffer *out, const char *text, size_t size) {
    put(out, '"');
    while (size > 0) {
        size_t plain = plain_prefix(text, size);
        buffer_append(out, text, plain);
        text += plain;
        size -= plain;
        if (size == 0) break;
        unsigned char c = (unsigned char)*text;
        /* A broken character becomes the replacement character: JSON must be UTF-8. */
        if (c < 0x80)
            put_escape(out, c);
        else
            put_words(out, "\xef\xbf\xbd");
        text++;
        size--;
    }
    put(out, '"');
}

static void put_bytes(struct buffer *out, const ProtobufCBinaryData *bytes) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    put(out, '"');
    for (size_t i = 0; i < bytes->len; i += 3) {
        size_t n = bytes->len - i < 3 ? bytes->len - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? bytes->data[i + k] : 0u);
        char text[4];
        for (size_t k = 0; k < 4; k++)
            text[k] = k <= n ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
        buffer_append(out, text, sizeof text);
    }
    put(out, '"');
}

/* --- numbers --------------------------------------------------------------------------------- */

static void put_real(struct buffer *out, double value, bool single) {
    if (isnan(value)) {
        put_words(out, "\"NaN\"");
        return;
    }
    if (isinf(value)) {
        put_words(out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
        return;
    }
    char *at = buffer_reserve(out, JSON_NUMBER_MAX);
    if (!at) return;
    out->size +=
        single ? json_number_print_float(at, (float)value) : json_number_print_double(at, value);
}

void json_write_float(struct buffer *out, float value) {
    put_real(out, (double)value, true);
}

/* 64-bit integers do not survive a JavaScript number: they go in quotes, as the mapping demands. */
static void put_integer(struct buffer *out, ProtobufCType type, const void *value) {
    uint32_t narrow;
    uint64_t wide;
    switch (type) {
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        memcpy(&wide, value, sizeof wide);
        buffer_printf(out, "\"%" PRIu64 "\"", wide);
        return;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        memcpy(&wide, value, sizeof wide);
        buffer_printf(out, "\"%" PRId64 "\"", (int64_t)wide);
        return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        memcpy(&narrow, value, sizeof narrow);
        buffer_printf(out, "%" PRIu32, narrow);
        return;
    default:
        memcpy(&narrow, value, sizeof narrow);
        buffer_printf(out, "%" PRId32, (int32_t)narrow);
        return;
    }
}

static void put_enum(struct buffer *out, const ProtobufCEnumDescriptor *type, int value) {
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);
    if (known)
        json_write_string(out, known->name, strlen(known->name));
    else
        buffer_printf(out, "%d", value);
}

/* --- values ---------------------------------------------------------------------------------- */

/* Who reads it decides how ids look. */
struct style {
    bool people;
};

static void
put_message(struct buffer *out, const struct style *style, const ProtobufCMessage *message);

static bool is_id(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field) {
    const struct schema_shown *row = schema_hex;
    while (row->type && (row->type != type || row->field != field->id))
        row++;
    return row->type;
}

static void put_id(struct buffer *out, const ProtobufCFieldDescriptor *field, const void *value) {
    put(out, '"');
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *bytes = value;
        for (size_t i = 0; i < bytes->len; i++)
            buffer_printf(out, "%02x", bytes->data[i]);
    } else {
        uint64_t number;
        memcpy(&number, value, sizeof number);
        if (number) buffer_printf(out, "%016" PRIx64, number);
    }
    put(out, '"');
}

static void put_value(struct buffer *out,
                      const struct style *style,
                      const ProtobufCFieldDescriptor *field,
                      const void *value) {
    const char *text;
    const ProtobufCMessage *message;
    float single;
    double wide;
    protobuf_c_boolean boolean;
    switch (field->type) {
    case PROTOBUF_C_TYPE_FLOAT:
        memcpy(&single, value, sizeof single);
        put_real(out, (double)single, true);
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        memcpy(&wide, value, sizeof wide);
        put_real(out, wide, false);
        return;
    case PROTOBUF_C_TYPE_BOOL:
        memcpy(&boolean, value, sizeof boolean);
        put_words(out, boolean ? "true" : "false");
        return;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(out, field->descriptor, *(const int *)value);
        return;
    case PROTOBUF_C_TYPE_STRING:
        text = *(char *const *)value;
        json_write_string(out, text ? text : "", text ? strlen(text) : 0);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        put_bytes(out, value);
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        message = *(ProtobufCMessage *const *)value;
        if (message)
            put_message(out, style, message);
        else
            put_words(out, "null");
        return;
    default:
        put_integer(out, field->type, value);
        return;
    }
}

/* Keys are strings whatever their type. */
static void put_key(struct buffer *out, const ProtobufCFieldDescriptor *field, const void *value) {
    bool quoted = field->type == PROTOBUF_C_TYPE_STRING;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        quoted = true;
        break;
    default:
        break;
    }
    if (!quoted) put(out, '"');
    put_value(out, &(struct style){0}, field, value);
    if (!quoted) put(out, '"');
}

static const void *member(const ProtobufCMessage *message, unsigned offset) {
    return (const char *)message + offset;
}

static void
put_entry(struct buffer *out, const struct style *style, const ProtobufCMessage *entry) {
    const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;
    put_key(out, &fields[0], member(entry, fields[0].offset));
    put(out, ':');
    put_value(out, style, &fields[1], member(entry, fields[1].offset));
}

static void put_list(struct buffer *out,
                     const struct style *style,
                     const ProtobufCMessage *message,
                     const ProtobufCFieldDescriptor *field) {
    size_t n = *(const size_t *)member(message, field->quantifier_offset);
    const char *elements = *(char *const *)member(message, field->offset);
    size_t size = json_scalar_size(field->type);
    bool map = json_name_is_map(message->descriptor, field);
    put(out, map ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0) put(out, ',');
        if (map)
            put_entry(out, style, ((ProtobufCMessage *const *)(const void *)elements)[i]);
        else
            put_value(out, style, field, elements + i * size);
    }
    put(out, map ? '}' : ']');
}

enum { FIRST_OF_OURS = 100 }; /* field numbers below are the original contract's */

/* A member that is not there: of a oneof another is set, or it is a message of ours that is not:
 * the original contract's clients see nothing of those. */
static bool is_left_out(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)member(message, field->quantifier_offset) != field->id;
    bool ours = field->type == PROTOBUF_C_TYPE_MESSAGE &&
                field->label != PROTOBUF_C_LABEL_REPEATED && field->id >= FIRST_OF_OURS;
    return ours && !*(ProtobufCMessage *const *)member(message, field->offset);
}

static void
put_message(struct buffer *out, const struct style *style, const ProtobufCMessage *message) {
    const ProtobufCMessageDescriptor *type = message->descriptor;
    bool first = true;
    put(out, '{');
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (is_left_out(message, field)) continue;
        char name[JSON_NAME_MAX];
        size_t size = json_name_camel(field->name, name);
        if (!first) put(out, ',');
        first = false;
        put(out, '"');
        buffer_append(out, name, size);
        buffer_append(out, "\":", 2);
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            put_list(out, style, message, field);
        else if (style->people && is_id(type, field))
            put_id(out, field, member(message, field->offset));
        else
            put_value(out, style, field, member(message, field->offset));
    }
    put(out, '}');
}

void json_write(const ProtobufCMessage *message, struct buffer *out) {
    put_message(out, &(struct style){.people = false}, message);
}

void json_write_people(const ProtobufCMessage *message, struct buffer *out) {
    put_message(out, &(struct style){.people = true}, message);
}
