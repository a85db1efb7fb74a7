/* json_scalar: numbers, strings, bytes, enums and booleans of the proto3 JSON mapping. Numbers may
 * come in quotes; integers may be written as 5, 5.0 or 5e0. */
#include "adapters/edge/json_value.h"

#include <math.h>
#include <string.h>

#include "adapters/edge/json_number.h"
#include "runtime/poison.h"

size_t json_scalar_size(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return sizeof(uint32_t);
    }
}

/* --- numbers --------------------------------------------------------------------------------- */

/* A number, or a string that is nothing but one. `words` is set instead when the string is no
 * number. */
static enum status
take_number(struct json_reader *reader, struct json_number *number, struct json_slice *words) {
    struct json_text *json = &reader->json;
    words->text = NULL;
    if (json_text_peek(json) == '"') {
        struct json_slice text;
        enum status s = json_text_string(json, &text);
        if (s != STATUS_OK) return s;
        if (text.size == 0 ||
            json_number_scan(text.text, text.text + text.size, number) != text.size)
            *words = text;
        return STATUS_OK;
    }
    size_t size = json_number_scan(json->at, json->end, number);
    if (size == 0) return json_text_fail(json, "number expected");
    json->at += size;
    return STATUS_OK;
}

/* The three values that JSON has no number for. */
static enum status
named_value(struct json_reader *reader, const struct json_slice *words, double *out) {
    static const struct {
        const char *name;
        double value;
    } names[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (words->size == strlen(names[i].name) &&
            memcmp(words->text, names[i].name, words->size) == 0) {
            *out = names[i].value;
            return STATUS_OK;
        }
    return json_text_fail(&reader->json, "number expected");
}

enum status json_scalar_float(struct json_reader *reader, float *out) {
    struct json_number number;
    struct json_slice words;
    enum status s = take_number(reader, &number, &words);
    if (s != STATUS_OK) return s;
    if (words.text) {
        double value;
        s = named_value(reader, &words, &value);
        if (s == STATUS_OK) *out = (float)value;
        return s;
    }
    if (json_number_float(&number, out)) return STATUS_OK;
    return json_text_fail(&reader->json, "number is out of range of float");
}

static enum status read_double(struct json_reader *reader, void *slot) {
    struct json_number number;
    struct json_slice words;
    double value;
    enum status s = take_number(reader, &number, &words);
    if (s != STATUS_OK) return s;
    if (words.text) {
        s = named_value(reader, &words, &value);
        if (s != STATUS_OK) return s;
    } else if (!json_number_double(&number, &value))
        return json_text_fail(&reader->json, "number is out of range of double");
    memcpy(slot, &value, sizeof value);
    return STATUS_OK;
}

static bool is_signed(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_ENUM:
        return true;
    default:
        return false;
    }
}

/* The integer's range is that of its type; two's complement makes both signs one store. */
static enum status store_integer(struct json_reader *reader,
                                 const struct json_number *number,
                                 ProtobufCType type,
                                 void *slot) {
    struct json_text *json = &reader->json;
    size_t size = json_scalar_size(type);
    bool sign = is_signed(type);
    uint64_t value;
    enum status s = json_number_integer(number, &value);
    if (s == STATUS_INVALID) return json_text_fail(json, "number is not an integer");
    uint64_t top = UINT64_C(1) << (8 * size - 1);
    uint64_t max = number->negative ? (sign ? top : 0) : sign ? top - 1 : top + (top - 1);
    if (s != STATUS_OK || value > max)
        return json_text_fail(json, "number is out of range of %sint%zu", sign ? "" : "u",
                              8 * size);
    if (number->negative) value = 0 - value;
    if (size == sizeof(uint64_t)) {
        memcpy(slot, &value, sizeof value);
    } else {
        uint32_t narrow = (uint32_t)value;
        memcpy(slot, &narrow, sizeof narrow);
    }
    return STATUS_OK;
}

static enum status read_integer(struct json_reader *reader, ProtobufCType type, void *slot) {
    struct json_number number;
    struct json_slice words;
    enum status s = take_number(reader, &number, &words);
    if (s != STATUS_OK) return s;
    if (words.text) return json_text_fail(&reader->json, "integer expected");
    return store_integer(reader, &number, type, slot);
}

/* --- the rest -------------------------------------------------------------------------------- */

static enum status read_bool(struct json_reader *reader, void *slot) {
    protobuf_c_boolean value = json_text_word(&reader->json, "true");
    if (!value && !json_text_word(&reader->json, "false"))
        return json_text_fail(&reader->json, "true or false expected");
    memcpy(slot, &value, sizeof value);
    return STATUS_OK;
}

static enum status
read_enum(struct json_reader *reader, const ProtobufCFieldDescriptor *field, void *slot) {
    struct json_text *json = &reader->json;
    const ProtobufCEnumDescriptor *type = field->descriptor;
    if (json_text_peek(json) != '"') return read_integer(reader, field->type, slot);
    struct json_slice name;
    enum status s = json_text_string(json, &name);
    if (s != STATUS_OK) return s;
    for (unsigned i = 0; i < type->n_values; i++) {
        const ProtobufCEnumValue *value = &type->values[i];
        if (strncmp(value->name, name.text, name.size) || value->name[name.size]) continue;
        memcpy(slot, &value->value, sizeof value->value);
        return STATUS_OK;
    }
    return json_text_fail(json, "unknown value of enum %s", type->short_name);
}

/* The string's bytes with their NUL, in the arena. */
static enum status
keep_string(struct json_reader *reader, const struct json_slice *text, void *slot) {
    char *copy = arena_alloc(reader->json.arena, text->size + 1);
    if (!copy) return STATUS_NO_MEMORY;
    memcpy(copy, text->text, text->size);
    copy[text->size] = '\0';
    memcpy(slot, &copy, sizeof copy);
    return STATUS_OK;
}

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return -1;
}

/* Base64 with either alphabet, padded to a multiple of four or not at all. */
static enum status read_bytes(struct json_reader *reader, void *slot) {
    struct json_text *json = &reader->json;
    struct json_slice text;
    enum status s = json_text_string(json, &text);
    if (s != STATUS_OK) return s;
    size_t size = text.size;
    if (size % 4 == 0)
        for (int i = 0; i < 2 && size > 0 && text.text[size - 1] == '='; i++)
            size--;
    ProtobufCBinaryData bytes = {0, arena_alloc(json->arena, size / 4 * 3 + 3)};
    if (!bytes.data) return STATUS_NO_MEMORY;
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < size; i++) {
        int value = base64_value(text.text[i]);
        if (value < 0) return json_text_fail(json, "bytes are not base64");
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        bytes.data[bytes.len++] = (uint8_t)(bits >> held);
    }
    if (size % 4 == 1) return json_text_fail(json, "bytes are not base64");
    memcpy(slot, &bytes, sizeof bytes);
    return STATUS_OK;
}

enum status
json_scalar_read(struct json_reader *reader, const ProtobufCFieldDescriptor *field, void *slot) {
    struct json_slice text;
    enum status s;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        s = json_text_string(&reader->json, &text);
        return s == STATUS_OK ? keep_string(reader, &text, slot) : s;
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(reader, slot);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(reader, slot);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(reader, field, slot);
    case PROTOBUF_C_TYPE_FLOAT:
        return json_scalar_float(reader, slot);
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_double(reader, slot);
    default:
        return read_integer(reader, field->type, slot);
    }
}

enum status json_scalar_key(struct json_reader *reader,
                            const ProtobufCFieldDescriptor *field,
                            const struct json_slice *text,
                            void *slot) {
    if (field->type == PROTOBUF_C_TYPE_STRING) return keep_string(reader, text, slot);
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        protobuf_c_boolean value = text->size == 4 && memcmp(text->text, "true", 4) == 0;
        if (!value && !(text->size == 5 && memcmp(text->text, "false", 5) == 0))
            return json_text_fail(&reader->json, "key must be true or false");
        memcpy(slot, &value, sizeof value);
        return STATUS_OK;
    }
    struct json_number number;
    if (text->size == 0 ||
        json_number_scan(text->text, text->text + text->size, &number) != text->size)
        return json_text_fail(&reader->json, "key must be an integer");
    return store_integer(reader, &number, field->type, slot);
}
