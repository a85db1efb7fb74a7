/* json_read: JSON text to a protobuf-c message, guided by its descriptor. No tree in between.
 *
 * Elements of a list are gathered on a scratch stack, since their number is not known before, and
 * copied to the arena once at their exact size: the arena holds no slack, so a body cannot ask for
 * more memory than a small multiple of itself. Fields are looked for behind the last one found, as
 * writers keep the order. */
#include "adapters/edge/json.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/edge/json_name.h"
#include "adapters/edge/json_number.h"
#include "adapters/edge/json_unknown.h"
#include "adapters/edge/json_value.h"
#include "runtime/assert.h"
#include "runtime/poison.h"

static enum status list_read(struct json_reader *reader,
                             ProtobufCMessage *message,
                             const ProtobufCFieldDescriptor *field);
static enum status map_read(struct json_reader *reader,
                            ProtobufCMessage *message,
                            const ProtobufCFieldDescriptor *field);

static void *member(ProtobufCMessage *message, unsigned offset) {
    return (char *)message + offset;
}

/* The path of an error, on the way out. */
static enum status
in_field(struct json_reader *reader, const ProtobufCFieldDescriptor *field, enum status s) {
    if (s == STATUS_INVALID) {
        char name[JSON_NAME_MAX];
        json_name_camel(field->name, name);
        json_text_in_field(&reader->json, name);
    }
    return s;
}

static enum status in_index(struct json_reader *reader, size_t index, enum status s) {
    if (s == STATUS_INVALID) json_text_in_index(&reader->json, index);
    return s;
}

/* --- messages -------------------------------------------------------------------------------- */

enum status json_value_new(struct json_reader *reader,
                           const ProtobufCMessageDescriptor *type,
                           ProtobufCMessage **out) {
    assert(type->n_fields <= JSON_FIELDS_MAX);
    ProtobufCMessage *message = arena_alloc(reader->json.arena, type->sizeof_message);
    if (!message) return STATUS_NO_MEMORY;
    protobuf_c_message_init(type, message);
    *out = message;
    return STATUS_OK;
}

/* The number of the field called `name`, sought from `from` on and around; n_fields when there is
 * none. */
static unsigned
find_field(const ProtobufCMessageDescriptor *type, const struct json_slice *name, unsigned from) {
    for (unsigned i = 0; i < type->n_fields; i++) {
        unsigned at = from + i < type->n_fields ? from + i : from + i - type->n_fields;
        if (json_name_matches(type->fields[at].name, name->text, name->size)) return at;
    }
    return type->n_fields;
}

static unsigned last_seen(const struct json_seen *seen) {
    for (unsigned word = JSON_FIELDS_MAX / 64; word-- > 0;)
        if (seen->bits[word]) return word * 64 + 63 - (unsigned)__builtin_clzll(seen->bits[word]);
    return 0;
}

enum status json_value_member(struct json_reader *reader,
                              const ProtobufCMessageDescriptor *type,
                              struct json_seen *seen,
                              const ProtobufCFieldDescriptor **field) {
    struct json_text *json = &reader->json;
    struct json_slice name;
    if (json_text_peek(json) != '"') return json_text_fail(json, "member name expected");
    enum status s = json_text_string(json, &name);
    if (s == STATUS_OK) s = json_text_expect(json, ':');
    if (s != STATUS_OK) return s;
    unsigned i = find_field(type, &name, last_seen(seen));
    *field = i < type->n_fields ? &type->fields[i] : NULL;
    if (!*field && !reader->unknown[0]) json_unknown_words(type, &name, reader->unknown);
    if (!*field) return STATUS_OK;
    uint64_t bit = UINT64_C(1) << (i % 64);
    if (seen->bits[i / 64] & bit)
        return in_field(reader, *field, json_text_fail(json, "field is given twice"));
    seen->bits[i / 64] |= bit;
    return STATUS_OK;
}

static enum status single_read(struct json_reader *reader,
                               ProtobufCMessage *message,
                               const ProtobufCFieldDescriptor *field) {
    uint32_t *which = NULL;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        which = member(message, field->quantifier_offset);
        if (*which)
            return json_text_fail(&reader->json, "another field of the same oneof is set already");
    }
    enum status s =
        field->type == PROTOBUF_C_TYPE_MESSAGE
            ? json_value_message(reader, field->descriptor, member(message, field->offset))
            : json_scalar_read(reader, field, member(message, field->offset));
    if (s == STATUS_OK && which) *which = field->id;
    return s;
}

enum status json_value_field(struct json_reader *reader,
                             ProtobufCMessage *message,
                             const ProtobufCFieldDescriptor *field) {
    if (json_text_word(&reader->json, "null")) return STATUS_OK;
    enum status s;
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        s = single_read(reader, message, field);
    else if (json_name_is_map(message->descriptor, field))
        s = map_read(reader, message, field);
    else
        s = list_read(reader, message, field);
    return in_field(reader, field, s);
}

enum status json_value_message(struct json_reader *reader,
                               const ProtobufCMessageDescriptor *type,
                               ProtobufCMessage **out) {
    struct json_text *json = &reader->json;
    ProtobufCMessage *message;
    struct json_seen seen = {{0}};
    enum status s = json_text_enter(json, '{');
    if (s == STATUS_OK) s = json_value_new(reader, type, &message);
    if (s != STATUS_OK) return s;
    bool more = !json_text_take(json, '}');
    if (!more) json->depth--;
    while (more) {
        const ProtobufCFieldDescriptor *field;
        s = json_value_member(reader, type, &seen, &field);
        if (s == STATUS_OK)
            s = field ? json_value_field(reader, message, field) : json_text_skip(json);
        if (s == STATUS_OK) s = json_text_leave(json, '}', &more);
        if (s != STATUS_OK) return s;
    }
    *out = message;
    return STATUS_OK;
}

/* --- lists ----------------------------------------------------------------------------------- */

/* The scratch stack keeps to the arena's limit too: what is on it has to fit there in the end. */
static void *push(struct json_reader *reader, size_t size) {
    struct buffer *scratch = &reader->scratch;
    size_t limit = reader->json.arena->limit;
    if (limit && scratch->size + size > limit) return NULL;
    void *slot = buffer_reserve(scratch, size);
    if (slot) scratch->size += size;
    return slot;
}

/* Moves the elements above `base` from the scratch stack into the message. */
static enum status settle(struct json_reader *reader,
                          ProtobufCMessage *message,
                          const ProtobufCFieldDescriptor *field,
                          size_t base) {
    size_t bytes = reader->scratch.size - base;
    size_t n = bytes / json_scalar_size(field->type);
    void *elements = NULL;
    if (n > 0) {
        elements = arena_alloc(reader->json.arena, bytes);
        if (!elements) return STATUS_NO_MEMORY;
        memcpy(elements, reader->scratch.data + base, bytes);
    }
    reader->scratch.size = base;
    memcpy(member(message, field->offset), &elements, sizeof elements);
    memcpy(member(message, field->quantifier_offset), &n, sizeof n);
    return STATUS_OK;
}

/* The hot loop: numbers one behind the other, no white space or one blank between them. */
static enum status floats_read(struct json_reader *reader, size_t base) {
    struct json_text *json = &reader->json;
    bool more = true;
    while (more) {
        struct json_number number;
        float value;
        if (json->at < json->end && *json->at == ' ') json->at++;
        size_t size = json_number_scan(json->at, json->end, &number);
        enum status s = STATUS_OK;
        if (size && json_number_float(&number, &value))
            json->at += size;
        else
            s = json_scalar_float(reader, &value);
        if (s != STATUS_OK)
            return in_index(reader, (reader->scratch.size - base) / sizeof value, s);
        void *slot = push(reader, sizeof value);
        if (!slot) return STATUS_NO_MEMORY;
        memcpy(slot, &value, sizeof value);
        if (json->at < json->end && *json->at == ',')
            json->at++;
        else {
            s = json_text_leave(json, ']', &more);
            if (s != STATUS_OK) return s;
        }
    }
    return STATUS_OK;
}

static enum status elements_read(struct json_reader *reader,
                                 const ProtobufCFieldDescriptor *field) {
    bool more = true;
    for (size_t i = 0; more; i++) {
        union {
            uint64_t number;
            char *string;
            ProtobufCMessage *message;
            ProtobufCBinaryData bytes;
        } slot;
        enum status s = field->type == PROTOBUF_C_TYPE_MESSAGE
                            ? json_value_message(reader, field->descriptor, &slot.message)
                            : json_scalar_read(reader, field, &slot);
        if (s != STATUS_OK) return in_index(reader, i, s);
        void *place = push(reader, json_scalar_size(field->type));
        if (!place) return STATUS_NO_MEMORY;
        memcpy(place, &slot, json_scalar_size(field->type));
        s = json_text_leave(&reader->json, ']', &more);
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

static enum status list_read(struct json_reader *reader,
                             ProtobufCMessage *message,
                             const ProtobufCFieldDescriptor *field) {
    size_t base = reader->scratch.size;
    enum status s = json_text_enter(&reader->json, '[');
    if (s != STATUS_OK) return s;
    if (json_text_take(&reader->json, ']')) {
        reader->json.depth--;
        return STATUS_OK;
    }
    s = field->type == PROTOBUF_C_TYPE_FLOAT ? floats_read(reader, base)
                                             : elements_read(reader, field);
    return s == STATUS_OK ? settle(reader, message, field, base) : s;
}

/* --- maps ------------------------------------------------------------------------------------ */

/* An entry and its place, for sorting equal keys side by side with the last one first. */
struct entry {
    ProtobufCMessage *message;
    size_t place;
};

static int compare_keys(const ProtobufCMessage *a, const ProtobufCMessage *b) {
    const ProtobufCFieldDescriptor *key = &a->descriptor->fields[0];
    const void *x = (const char *)a + key->offset, *y = (const char *)b + key->offset;
    if (key->type == PROTOBUF_C_TYPE_STRING) return strcmp(*(char *const *)x, *(char *const *)y);
    return memcmp(x, y, json_scalar_size(key->type));
}

static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int order = compare_keys(x->message, y->message);
    if (order) return order;
    return x->place < y->place ? 1 : -1;
}

static int compare_places(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    return x->place < y->place ? -1 : 1;
}

/* Of equal keys the last one stays; the others keep their order. */
static void drop_repeated(struct entry *entries, size_t *n) {
    qsort(entries, *n, sizeof *entries, compare_entries);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (kept == 0 || compare_keys(entries[kept - 1].message, entries[i].message) != 0)
            entries[kept++] = entries[i];
    qsort(entries, kept, sizeof *entries, compare_places);
    *n = kept;
}

static enum status entry_read(struct json_reader *reader,
                              const ProtobufCMessageDescriptor *type,
                              ProtobufCMessage **out) {
    struct json_text *json = &reader->json;
    const ProtobufCFieldDescriptor *key = &type->fields[0], *value = &type->fields[1];
    struct json_slice text;
    ProtobufCMessage *entry;
    if (json_text_peek(json) != '"') return json_text_fail(json, "key in quotes expected");
    enum status s = json_text_string(json, &text);
    if (s == STATUS_OK) s = json_text_expect(json, ':');
    if (s == STATUS_OK) s = json_value_new(reader, type, &entry);
    if (s != STATUS_OK) return s;
    s = json_scalar_key(reader, key, &text, member(entry, key->offset));
    if (s == STATUS_OK && value->type == PROTOBUF_C_TYPE_MESSAGE)
        s = json_value_message(reader, value->descriptor, member(entry, value->offset));
    else if (s == STATUS_OK)
        s = json_scalar_read(reader, value, member(entry, value->offset));
    if (s == STATUS_INVALID) json_text_in_key(json, &text);
    if (s == STATUS_OK) *out = entry;
    return s;
}

static enum status map_read(struct json_reader *reader,
                            ProtobufCMessage *message,
                            const ProtobufCFieldDescriptor *field) {
    struct buffer *scratch = &reader->scratch;
    size_t base = scratch->size, n = 0;
    enum status s = json_text_enter(&reader->json, '{');
    if (s != STATUS_OK) return s;
    bool more = !json_text_take(&reader->json, '}');
    if (!more) reader->json.depth--;
    for (; more; n++) {
        struct entry entry = {.place = n};
        s = entry_read(reader, field->descriptor, &entry.message);
        if (s == STATUS_OK) s = json_text_leave(&reader->json, '}', &more);
        if (s != STATUS_OK) return s;
        void *place = push(reader, sizeof entry);
        if (!place) return STATUS_NO_MEMORY;
        memcpy(place, &entry, sizeof entry);
    }
    if (n == 0) return STATUS_OK;

    struct entry *entries = arena_alloc(reader->json.arena, n * sizeof *entries);
    if (!entries) return STATUS_NO_MEMORY;
    memcpy(entries, scratch->data + base, n * sizeof *entries);
    drop_repeated(entries, &n);
    scratch->size = base;
    for (size_t i = 0; i < n; i++)
        buffer_append(scratch, &entries[i].message, sizeof entries[i].message);
    return settle(reader, message, field, base);
}

/* --- the whole text -------------------------------------------------------------------------- */

enum status json_read(const ProtobufCMessageDescriptor *type,
                      const char *text,
                      size_t size,
                      struct arena *arena,
                      ProtobufCMessage **out,
                      struct json_error *error) {
    struct json_reader reader;
    json_text_init(&reader.json, text, size, arena);
    buffer_init(&reader.scratch);
    reader.unknown[0] = '\0';
    json_text_peek(&reader.json);
    enum status s;
    ProtobufCMessage *message;
    if (reader.json.at == reader.json.end)
        s = json_value_new(&reader, type, &message);
    else
        s = json_value_message(&reader, type, &message);
    if (s == STATUS_OK && (json_text_peek(&reader.json) || reader.json.at < reader.json.end))
        s = json_text_fail(&reader.json, "text goes on behind its end");
    buffer_free(&reader.scratch);
    if (s == STATUS_INVALID) json_text_error(&reader.json, error);
    if (s != STATUS_OK) return s;
    memcpy(error->unknown, reader.unknown, sizeof error->unknown);
    *out = message;
    return STATUS_OK;
}
