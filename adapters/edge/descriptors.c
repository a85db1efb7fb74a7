/* descriptors: field numbers are those of google/protobuf/descriptor.proto. */
#include "adapters/edge/descriptors.h"

#include <string.h>

#include "adapters/edge/wire.h"

enum { SET_FILE = 1, DEPTH_MAX = 32 };
enum {
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_IMPORT = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
};
enum { ANY_NAME = 1, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, SERVICE_METHOD = 2 };

static struct wire open_wire(const void *data, size_t size) {
    const unsigned char *bytes = size ? data : (const void *)"";
    return (struct wire){bytes, bytes + size};
}

/* The set is ours: what cannot be read ends the walk. */
static bool next(struct wire *cursor, struct wire_field *field) {
    return cursor->at < cursor->end && wire_next(cursor, field);
}

/* The first field of that number in data; size 0 when it is not there. */
static struct wire_field first(const void *data, size_t size, uint32_t number) {
    struct wire cursor = open_wire(data, size);
    struct wire_field field;
    while (next(&cursor, &field))
        if (field.number == number && field.type == WIRE_BYTES) return field;
    return (struct wire_field){0};
}

static bool is(const struct wire_field *field, const char *text, size_t size) {
    return field->size == size && size && memcmp(field->bytes, text, size) == 0;
}

bool descriptors_by_name(const struct descriptor_set *set,
                         const char *name,
                         size_t name_size,
                         struct descriptor_file *out) {
    struct wire cursor = open_wire(set->data, set->size);
    struct wire_field file;
    while (next(&cursor, &file)) {
        if (file.number != SET_FILE || file.type != WIRE_BYTES) continue;
        struct wire_field found = first(file.bytes, file.size, FILE_NAME);
        if (!is(&found, name, name_size)) continue;
        *out = (struct descriptor_file){file.bytes, file.size};
        return true;
    }
    return false;
}

/* What follows "name" or "name." in symbol; NULL when it begins otherwise. */
static const char *behind(const char *symbol, const struct wire_field *name) {
    if (name->size == 0 || strncmp(symbol, (const char *)name->bytes, name->size) != 0) return NULL;
    symbol += name->size;
    if (*symbol == 0) return symbol;
    return *symbol == '.' ? symbol + 1 : NULL;
}

static bool in_message(const struct wire_field *message, const char *symbol, unsigned depth);

/* Whether a part of a file or message (of kind `nested`: a message) is what symbol names. */
static bool named(const struct wire_field *part, bool nested, const char *symbol, unsigned depth) {
    struct wire_field name = first(part->bytes, part->size, ANY_NAME);
    const char *rest = behind(symbol, &name);
    if (!rest) return false;
    return *rest == 0 || (nested && in_message(part, rest, depth + 1));
}

static bool in_message(const struct wire_field *message, const char *symbol, unsigned depth) {
    struct wire cursor = open_wire(message->bytes, message->size);
    struct wire_field part;
    if (depth > DEPTH_MAX) return false;
    while (next(&cursor, &part)) {
        if (part.type != WIRE_BYTES) continue;
        if (part.number != MESSAGE_NESTED && part.number != MESSAGE_ENUM) continue;
        if (named(&part, part.number == MESSAGE_NESTED, symbol, depth)) return true;
    }
    return false;
}

static bool in_service(const struct wire_field *service, const char *symbol) {
    struct wire_field name = first(service->bytes, service->size, ANY_NAME);
    const char *rest = behind(symbol, &name);
    struct wire cursor = open_wire(service->bytes, service->size);
    struct wire_field part;
    if (!rest || *rest == 0) return rest != NULL;
    while (next(&cursor, &part))
        if (part.number == SERVICE_METHOD && part.type == WIRE_BYTES &&
            named(&part, false, rest, 0))
            return true;
    return false;
}

static bool in_file(const struct wire_field *file, const char *symbol) {
    struct wire_field package = first(file->bytes, file->size, FILE_PACKAGE);
    struct wire cursor = open_wire(file->bytes, file->size);
    struct wire_field part;
    const char *rest = package.size ? behind(symbol, &package) : symbol;
    if (!rest || *rest == 0) return false;
    while (next(&cursor, &part)) {
        if (part.type != WIRE_BYTES) continue;
        if (part.number == FILE_SERVICE && in_service(&part, rest)) return true;
        if (part.number == FILE_MESSAGE && named(&part, true, rest, 0)) return true;
        if (part.number == FILE_ENUM && named(&part, false, rest, 0)) return true;
    }
    return false;
}

bool descriptors_by_symbol(const struct descriptor_set *set,
                           const char *symbol,
                           struct descriptor_file *out) {
    struct wire cursor = open_wire(set->data, set->size);
    struct wire_field file;
    while (next(&cursor, &file)) {
        if (file.number != SET_FILE || file.type != WIRE_BYTES) continue;
        if (!in_file(&file, symbol)) continue;
        *out = (struct descriptor_file){file.bytes, file.size};
        return true;
    }
    return false;
}

static bool holds(const struct descriptor_file *files, size_t n, const unsigned char *data) {
    for (size_t i = 0; i < n; i++)
        if (files[i].data == data) return true;
    return false;
}

size_t descriptors_with_imports(const struct descriptor_set *set,
                                const struct descriptor_file *file,
                                struct descriptor_file *out,
                                size_t n) {
    size_t n_out = 0;
    if (n) out[n_out++] = *file;
    /* The list is also the queue of files whose imports are still to be seen. */
    for (size_t i = 0; i < n_out; i++) {
        struct wire cursor = open_wire(out[i].data, out[i].size);
        struct wire_field part;
        while (n_out < n && next(&cursor, &part)) {
            struct descriptor_file import;
            if (part.number != FILE_IMPORT || part.type != WIRE_BYTES) continue;
            if (!descriptors_by_name(set, (const char *)part.bytes, part.size, &import)) continue;
            if (!holds(out, n_out, import.data)) out[n_out++] = import;
        }
    }
    return n_out;
}
