/* encode: the writing half of the codec. Two walks over the descriptor: the first judges the
 * message and adds up its size, the second writes without a check into room that is known to fit.
 * Most messages are small: for them one walk that writes, judges and looks at the room is tried
 * first. */
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/field.h"
#include "runtime/pack.h"
#include "runtime/text.h"

enum {
    PACK_SMALL_MAP = 16,
    HEADS = 5 + PACK_HEAD_MAX, /* a key and the head, or all, of its value */
};
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors are copied as they are");
static_assert((int)CODEC_DEPTH_MAX <= (int)PACK_DEPTH_MAX,
              "what a peer skips is as deep as what we write");

/* The first fault found is kept; the walk goes on, so that the size is right all the same. */
struct measure {
    size_t size;
    enum status status;
};

static void measure_message(struct measure *m, const ProtobufCMessage *message, unsigned depth);

static void measure_string(struct measure *m, const char *text) {
    size_t size = text ? strlen(text) : 0;
    if (!text_valid(text, size)) m->status = STATUS_INVALID;
    m->size += pack_string_size(size);
}

static void measure_value(struct measure *m,
                          const ProtobufCFieldDescriptor *field,
                          const void *at,
                          unsigned depth) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        m->size += pack_int_size(*(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        m->size += pack_int_size(*(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        m->size += pack_uint_size(*(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        m->size += pack_uint_size(*(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        m->size += 5;
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        m->size += 9;
        break;
    case PROTOBUF_C_TYPE_BOOL:
        m->size += 1;
        break;
    case PROTOBUF_C_TYPE_STRING:
        measure_string(m, *(const char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        m->size += pack_bin_size(((const ProtobufCBinaryData *)at)->len);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        measure_message(m, *(const ProtobufCMessage *const *)at, depth + 1);
        break;
    }
}

static void measure_list(struct measure *m,
                         const ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field,
                         unsigned depth) {
    size_t count = field_count(message, field), stride = field_stride(field);
    const char *items = field_items(message, field);
    if (field_is_vector(field)) {
        m->size += pack_bin_size(count * sizeof(float));
        return;
    }
    m->size += pack_count_size((uint32_t)count);
    for (size_t i = 0; i < count; i++)
        measure_value(m, field, items + i * stride, depth);
}

static void measure_message(struct measure *m, const ProtobufCMessage *message, unsigned depth) {
    const ProtobufCMessageDescriptor *type = message->descriptor;
    if (depth >= CODEC_DEPTH_MAX) {
        m->status = STATUS_INVALID;
        return;
    }
    uint32_t fields = 0;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (!field_present(message, field)) continue;
        fields++;
        m->size += pack_uint_size(field->id);
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            measure_list(m, message, field, depth);
        else
            measure_value(m, field, field_at(message, field), depth);
    }
    m->size += pack_count_size(fields);
}

/* Where the writing walk may write. Without a measuring walk before it the message is judged on the
 * way, and what may not fit is left to the two walks. */
struct writer {
    const unsigned char *end;
    bool measured; /* all of it fits and is sound */
};

/* A key, a head and `payload` bytes fit at `out`. */
static inline bool fits(const struct writer *w, const unsigned char *out, size_t payload) {
    if (w->measured) return true;
    size_t left = (size_t)(w->end - out);
    return left >= HEADS && payload <= left - HEADS;
}

/* Each returns the place behind what it wrote, NULL when it gave up. */
static unsigned char *write_message(const struct writer *w,
                                    unsigned char *out,
                                    const ProtobufCMessage *message,
                                    unsigned depth);

static unsigned char *write_string(const struct writer *w, unsigned char *out, const char *text) {
    size_t size = text ? strlen(text) : 0;
    if (!fits(w, out, size) || (!w->measured && !text_valid(text, size))) return NULL;
    return pack_string(out, text, (uint32_t)size);
}

static unsigned char *write_value(const struct writer *w,
                                  unsigned char *out,
                                  const ProtobufCFieldDescriptor *field,
                                  const void *at,
                                  unsigned depth) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        return pack_int(out, *(const int32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return pack_int(out, *(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return pack_uint(out, *(const uint32_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return pack_uint(out, *(const uint64_t *)at);
    case PROTOBUF_C_TYPE_FLOAT:
        return pack_float(out, *(const float *)at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return pack_double(out, *(const double *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return pack_bool(out, *(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_STRING:
        return write_string(w, out, *(const char *const *)at);
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = at;
        if (!fits(w, out, bytes->len)) return NULL;
        return pack_bin(out, bytes->data, (uint32_t)bytes->len);
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        return write_message(w, out, *(const ProtobufCMessage *const *)at, depth + 1);
    }
    return out;
}

static unsigned char *write_list(const struct writer *w,
                                 unsigned char *out,
                                 const ProtobufCMessage *message,
                                 const ProtobufCFieldDescriptor *field,
                                 unsigned depth) {
    size_t count = field_count(message, field), stride = field_stride(field);
    const char *items = field_items(message, field);
    if (field_is_vector(field)) {
        if (!fits(w, out, count * sizeof(float))) return NULL;
        return pack_bin(out, items, (uint32_t)(count * sizeof(float)));
    }
    out = pack_array(out, (uint32_t)count);
    for (size_t i = 0; i < count && out; i++)
        out = fits(w, out, 0) ? write_value(w, out, field, items + i * stride, depth) : NULL;
    return out;
}

static unsigned char *write_message(const struct writer *w,
                                    unsigned char *out,
                                    const ProtobufCMessage *message,
                                    unsigned depth) {
    const ProtobufCMessageDescriptor *type = message->descriptor;
    uint32_t fields = 0;
    unsigned char *head = out;
    if (depth >= CODEC_DEPTH_MAX || !fits(w, out, 0)) return NULL;
    /* The head of a small map is one byte whatever its count, so it is known afterwards. */
    bool small = type->n_fields < PACK_SMALL_MAP;
    for (unsigned i = 0; !small && i < type->n_fields; i++)
        fields += field_present(message, &type->fields[i]);
    out = pack_map(out, fields);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (!field_present(message, field)) continue;
        fields += small;
        if (!fits(w, out, 0)) return NULL;
        out = pack_uint(out, field->id);
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            out = write_list(w, out, message, field, depth);
        else
            out = write_value(w, out, field, field_at(message, field), depth);
        if (!out) return NULL;
    }
    if (small) pack_map(head, fields);
    return out;
}

size_t codec_size(const ProtobufCMessage *message) {
    struct measure m = {0};
    measure_message(&m, message, 0);
    return m.size;
}

enum status codec_measure(const ProtobufCMessage *message, size_t *size) {
    struct measure m = {0};
    measure_message(&m, message, 0);
    if (m.status != STATUS_OK) return m.status;
    if (m.size > CODEC_MESSAGE_MAX) return STATUS_TOO_LARGE;
    *size = m.size;
    return STATUS_OK;
}

void codec_write(const ProtobufCMessage *message, void *at) {
    write_message(&(struct writer){.measured = true}, at, message, 0);
}

bool codec_write_within(const ProtobufCMessage *message,
                        unsigned char *at,
                        size_t room,
                        size_t *size) {
    struct writer w = {.end = at + room};
    const unsigned char *end = write_message(&w, at, message, 0);
    if (end) *size = (size_t)(end - at);
    return end;
}

enum status codec_encode(const ProtobufCMessage *message, struct buffer *out) {
    size_t size;
    enum status s = codec_measure(message, &size);
    if (s != STATUS_OK) return s;
    unsigned char *at = buffer_reserve(out, size);
    if (!at) return STATUS_NO_MEMORY;
    const unsigned char *end = write_message(&(struct writer){.measured = true}, at, message, 0);
    assert(end == at + size); /* the two walks agree, or we wrote beyond our room */
    out->size += size;
    return STATUS_OK;
}
