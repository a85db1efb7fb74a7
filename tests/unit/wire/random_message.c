/* random_message: edges more often than middles. */
#include "tests/unit/wire/random_message.h"

#include <string.h>

#include "runtime/field.h"

enum { ITEMS_MAX = 5, DEPTH_MAX = 4 };

struct making {
    struct rng *rng;
    struct arena *arena;
    unsigned depth;
};

static uint64_t number(struct making *m) {
    uint64_t bits = rng_next(m->rng) >> rng_below(m->rng, 64);
    switch (rng_below(m->rng, 4)) {
    case 0:
        return 0;
    case 1:
        return ~bits;
    default:
        return bits;
    }
}

static char *text(struct making *m) {
    static const char *const pieces[] = {"a", "shard", "é", "漢", "😀", " ", "0123456789abcdef"};
    char *out = arena_zero(m->arena, 400);
    for (uint64_t n = rng_below(m->rng, 20); n > 0; n--)
        strcat(out, pieces[rng_below(m->rng, 7)]);
    return out;
}

static void *bytes(struct making *m, size_t size) {
    unsigned char *out = arena_alloc(m->arena, size + 1);
    for (size_t i = 0; i < size; i++)
        out[i] = (unsigned char)rng_next(m->rng);
    return out;
}

static ProtobufCMessage *message(struct making *m, const ProtobufCMessageDescriptor *type);

static void value(struct making *m, const ProtobufCFieldDescriptor *field, void *at) {
    uint64_t bits = number(m);
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = bits & 1;
        break;
    case PROTOBUF_C_TYPE_STRING:
        *(char **)at = text(m);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        bits = rng_below(m->rng, 300);
        *(ProtobufCBinaryData *)at = (ProtobufCBinaryData){bits, bytes(m, bits)};
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = message(m, field->descriptor);
        break;
    case PROTOBUF_C_TYPE_FLOAT: {
        float real = (float)rng_normal(m->rng) * (bits & 1 ? 0.0f : 1.0f);
        memcpy(at, &real, sizeof real);
        break;
    }
    default:
        memcpy(at, &bits, field_stride(field));
    }
}

static void list(struct making *m, const ProtobufCFieldDescriptor *field, ProtobufCMessage *into) {
    size_t count = rng_below(m->rng, ITEMS_MAX);
    if (field_is_vector(field))
        count = rng_below(m->rng, 100);
    else if (m->depth > DEPTH_MAX)
        count = 0;
    if (count == 0) return;
    size_t stride = field_stride(field);
    char *items = arena_zero(m->arena, count * stride);
    for (size_t i = 0; i < count; i++)
        value(m, field, items + i * stride);
    *(size_t *)(void *)((char *)into + field->quantifier_offset) = count;
    memcpy((char *)into + field->offset, &items, sizeof items);
}

static ProtobufCMessage *message(struct making *m, const ProtobufCMessageDescriptor *type) {
    ProtobufCMessage *out = arena_zero(m->arena, type->sizeof_message);
    protobuf_c_message_init(type, out);
    m->depth++;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (rng_below(m->rng, 4) == 0) continue;
        bool nested = field->type == PROTOBUF_C_TYPE_MESSAGE;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            list(m, field, out);
        } else if (!nested || m->depth <= DEPTH_MAX) {
            value(m, field, (char *)out + field->offset);
            if (field_in_oneof(field)) *field_case(out, field) = field->id;
        }
    }
    m->depth--;
    return out;
}

ProtobufCMessage *
random_message(const ProtobufCMessageDescriptor *type, struct rng *rng, struct arena *arena) {
    struct making m = {rng, arena, 0};
    return message(&m, type);
}

static bool same_value(const ProtobufCFieldDescriptor *field, const void *a, const void *b) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *x = *(const char *const *)a, *y = *(const char *const *)b;
        return strcmp(x ? x : "", y ? y : "") == 0;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *x = a, *y = b;
        return x->len == y->len && (x->len == 0 || memcmp(x->data, y->data, x->len) == 0);
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        return same_message(*(ProtobufCMessage *const *)a, *(ProtobufCMessage *const *)b);
    default:
        return memcmp(a, b, field_stride(field)) == 0;
    }
}

static bool same_list(const ProtobufCFieldDescriptor *field,
                      const ProtobufCMessage *a,
                      const ProtobufCMessage *b) {
    size_t count = field_count(a, field), stride = field_stride(field);
    if (field_count(b, field) != count) return false;
    const char *x = field_items(a, field), *y = field_items(b, field);
    for (size_t i = 0; i < count; i++) {
        if (!same_value(field, x + i * stride, y + i * stride)) return false;
    }
    return true;
}

bool same_message(const ProtobufCMessage *a, const ProtobufCMessage *b) {
    if (!a || !b) return a == b;
    if (a->descriptor != b->descriptor) return false;
    for (unsigned i = 0; i < a->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &a->descriptor->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            if (!same_list(field, a, b)) return false;
            continue;
        }
        bool present = field_present(a, field);
        if (present != field_present(b, field)) return false;
        if (present && !same_value(field, field_at(a, field), field_at(b, field))) return false;
    }
    return true;
}
