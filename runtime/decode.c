/* decode: the reading half of the codec. The bytes are from outside: each is judged before it is
 * used, and the first fault ends the walk with its reason. Memory is counted against a budget that
 * grows with the input, since one byte of input (an empty map in a list) can ask for a whole
 * struct. */
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/field.h"
#include "runtime/pack.h"
#include "runtime/text.h"

#include <float.h>
#include <math.h>

struct decode {
    struct pack_cursor cursor;
    struct arena *arena;
    size_t budget; /* arena bytes that may still be taken */
    unsigned depth;
    enum status status; /* of the fault */
    const char *why;
};

static const char *const NOT_MSGPACK = "truncated or not msgpack";

static bool fault(struct decode *d, const char *why) {
    d->status = STATUS_INVALID;
    d->why = why;
    return false;
}

static void *take(struct decode *d, size_t size) {
    /* The arena rounds up; count what it really gives. */
    size_t rounded = (size + 15) & ~(size_t)15;
    if (rounded > d->budget) {
        fault(d, "asks for too much memory for its size");
        return NULL;
    }
    d->budget -= rounded;
    void *memory = arena_alloc(d->arena, size);
    if (!memory) {
        d->status = STATUS_NO_MEMORY;
        d->why = "out of memory";
    }
    return memory;
}

static ProtobufCMessage *read_message(struct decode *d, const ProtobufCMessageDescriptor *type);

static bool read_unsigned(struct decode *d, uint64_t max, uint64_t *out) {
    struct pack_value value;
    if (!pack_read(&d->cursor, &value)) return fault(d, NOT_MSGPACK);
    if (value.type != PACK_UINT) return fault(d, "wants an unsigned integer");
    if (value.number > max) return fault(d, "integer out of range");
    *out = value.number;
    return true;
}

static bool read_signed(struct decode *d, int64_t min, int64_t max, int64_t *out) {
    struct pack_value value;
    if (!pack_read(&d->cursor, &value)) return fault(d, NOT_MSGPACK);
    if (value.type != PACK_UINT && value.type != PACK_INT) return fault(d, "wants an integer");
    if (value.type == PACK_UINT && value.number > INT64_MAX)
        return fault(d, "integer out of range");
    int64_t number = (int64_t)value.number;
    if (number < min || number > max) return fault(d, "integer out of range");
    *out = number;
    return true;
}

static bool read_real(struct decode *d, double *out) {
    struct pack_value value;
    if (!pack_read(&d->cursor, &value)) return fault(d, NOT_MSGPACK);
    if (value.type != PACK_FLOAT32 && value.type != PACK_FLOAT64) return fault(d, "wants a float");
    *out = value.real;
    return true;
}

static bool read_float(struct decode *d, float *out) {
    double real;
    if (pack_read_float(&d->cursor, out)) return true;
    if (!read_real(d, &real)) return false;
    if (isfinite(real) && fabs(real) > (double)FLT_MAX) return fault(d, "float out of range");
    *out = (float)real;
    return true;
}

static bool read_bool(struct decode *d, protobuf_c_boolean *out) {
    struct pack_value value;
    if (!pack_read(&d->cursor, &value)) return fault(d, NOT_MSGPACK);
    if (value.type != PACK_BOOL) return fault(d, "wants a bool");
    *out = (protobuf_c_boolean)value.number;
    return true;
}

static bool read_string(struct decode *d, char **out) {
    struct pack_value value;
    if (!pack_read_string(&d->cursor, &value)) return fault(d, NOT_MSGPACK);
    if (value.type != PACK_STRING) return fault(d, "wants a string");
    if (!text_valid(value.bytes, value.number)) return fault(d, "string is not UTF-8 without NUL");
    char *text = take(d, value.number + 1);
    if (!text) return false;
    memcpy(text, value.bytes, value.number);
    text[value.number] = 0;
    *out = text;
    return true;
}

static bool read_bin(struct decode *d, struct pack_value *value) {
    if (!pack_read_bin(&d->cursor, value)) return fault(d, NOT_MSGPACK);
    return value->type == PACK_BIN || fault(d, "wants bin");
}

static bool read_bytes(struct decode *d, ProtobufCBinaryData *out) {
    struct pack_value value;
    if (!read_bin(d, &value)) return false;
    *out = (ProtobufCBinaryData){value.number, (uint8_t *)(uintptr_t)value.bytes};
    return true;
}

static bool read_value(struct decode *d, const ProtobufCFieldDescriptor *field, void *at) {
    int64_t number = 0;
    uint64_t natural = 0;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        if (!read_signed(d, INT32_MIN, INT32_MAX, &number)) return false;
        *(int32_t *)at = (int32_t)number;
        return true;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return read_signed(d, INT64_MIN, INT64_MAX, at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        if (!read_unsigned(d, UINT32_MAX, &natural)) return false;
        *(uint32_t *)at = (uint32_t)natural;
        return true;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_unsigned(d, UINT64_MAX, at);
    case PROTOBUF_C_TYPE_FLOAT:
        return read_float(d, at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_real(d, at);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(d, at);
    case PROTOBUF_C_TYPE_STRING:
        return read_string(d, at);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(d, at);
    case PROTOBUF_C_TYPE_MESSAGE: {
        ProtobufCMessage *message = read_message(d, field->descriptor);
        if (message) memcpy(at, &message, sizeof message);
        return message;
    }
    }
    return fault(d, "field type is unknown");
}

/* A vector is borrowed where it lies, aligned or not. */
static bool read_vector(struct decode *d, size_t *count, void *items) {
    struct pack_value value;
    if (!read_bin(d, &value)) return false;
    if (value.number % sizeof(float) != 0) return fault(d, "vector is not made of 4-byte floats");
    *count = value.number / sizeof(float);
    const void *vector = value.number ? value.bytes : NULL;
    memcpy(items, &vector, sizeof vector);
    return true;
}

static bool read_list(struct decode *d, const ProtobufCFieldDescriptor *field, char *message) {
    size_t *count = (size_t *)(void *)(message + field->quantifier_offset);
    void *place = message + field->offset;
    if (field_is_vector(field)) return read_vector(d, count, place);
    struct pack_value value;
    if (!pack_read(&d->cursor, &value)) return fault(d, NOT_MSGPACK);
    if (value.type != PACK_ARRAY) return fault(d, "wants an array");
    *count = 0;
    if (value.number == 0) return true;
    /* pack_read has checked that as many bytes are there, so the product is small. */
    size_t stride = field_stride(field);
    char *items = take(d, value.number * stride);
    if (!items) return false;
    for (size_t i = 0; i < value.number; i++) {
        if (!read_value(d, field, items + i * stride)) return false;
    }
    *count = value.number;
    memcpy(place, &items, sizeof items);
    return true;
}

/* Members share their bytes: what an earlier one left there must not be read as the later one. */
static bool read_member(struct decode *d, const ProtobufCFieldDescriptor *field, char *message) {
    union {
        uint64_t number;
        void *pointer;
        ProtobufCBinaryData bytes;
    } value = {0};
    if (!read_value(d, field, &value)) return false;
    memcpy(message + field->offset, &value, field_stride(field));
    *field_case((ProtobufCMessage *)(void *)message, field) = field->id;
    return true;
}

static bool read_field(struct decode *d, const ProtobufCFieldDescriptor *field, char *message) {
    if (field->label == PROTOBUF_C_LABEL_REPEATED) return read_list(d, field, message);
    if (field_in_oneof(field)) return read_member(d, field, message);
    return read_value(d, field, message + field->offset);
}

/* Keys usually ascend, so the next field is tried first. NULL: unknown. */
static const ProtobufCFieldDescriptor *
find_field(const ProtobufCMessageDescriptor *type, uint64_t number, unsigned *next) {
    for (unsigned i = *next; i < type->n_fields && type->fields[i].id <= number; i++) {
        if (type->fields[i].id != number) continue;
        *next = i + 1;
        return &type->fields[i];
    }
    return number <= UINT32_MAX ? protobuf_c_message_descriptor_get_field(type, (unsigned)number)
                                : NULL;
}

static bool read_fields(struct decode *d, ProtobufCMessage *message, uint64_t pairs) {
    unsigned next = 0;
    for (; pairs > 0; pairs--) {
        struct pack_value key;
        if (!pack_read(&d->cursor, &key)) return fault(d, NOT_MSGPACK);
        if (key.type != PACK_UINT) return fault(d, "key is not a field number");
        const ProtobufCFieldDescriptor *field = find_field(message->descriptor, key.number, &next);
        if (!field) {
            if (!pack_skip(&d->cursor)) return fault(d, NOT_MSGPACK);
        } else if (!read_field(d, field, (char *)message)) {
            return false;
        }
    }
    return true;
}

static ProtobufCMessage *read_message(struct decode *d, const ProtobufCMessageDescriptor *type) {
    struct pack_value value;
    if (d->depth == CODEC_DEPTH_MAX) {
        fault(d, "nested too deeply");
        return NULL;
    }
    if (!pack_read_map(&d->cursor, &value)) {
        fault(d, NOT_MSGPACK);
        return NULL;
    }
    if (value.type != PACK_MAP) {
        fault(d, "message is not a map");
        return NULL;
    }
    ProtobufCMessage *message = take(d, type->sizeof_message);
    if (!message) return NULL;
    type->message_init(message);
    d->depth++;
    bool ok = read_fields(d, message, value.number);
    d->depth--;
    return ok ? message : NULL;
}

enum status codec_decode(const ProtobufCMessageDescriptor *type,
                         const void *data,
                         size_t size,
                         struct arena *arena,
                         ProtobufCMessage **out,
                         const char **why) {
    struct decode d = {
        .cursor = {data, (const unsigned char *)data + size},
        .arena = arena,
        .budget = CODEC_ARENA_BASE + CODEC_ARENA_FACTOR * size,
    };
    ProtobufCMessage *message = NULL;
    if (size > CODEC_MESSAGE_MAX)
        fault(&d, "message is too large");
    else
        message = read_message(&d, type);
    if (message && d.cursor.at != d.cursor.end) {
        fault(&d, "bytes behind the message");
        message = NULL;
    }
    if (!message) {
        if (why) *why = d.why;
        return d.status;
    }
    *out = message;
    return STATUS_OK;
}
