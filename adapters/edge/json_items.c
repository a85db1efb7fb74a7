/* json_items: json_value_message turned inside out.
 *
 *     START ──{──▶ MEMBER ──name of the list, [──▶ LIST ──element──▶ LIST …
 *                    ▲ │                            │ ]
 *                    └─┴── other members ◀──────────┘        MEMBER ──}──▶ END
 */
#include "adapters/edge/json_items.h"

#include "adapters/edge/json_name.h"
#include "runtime/assert.h"
#include "runtime/poison.h"

void json_items_init(struct json_items *items,
                     const ProtobufCMessageDescriptor *type,
                     const char *field,
                     const char *text,
                     size_t size) {
    *items = (struct json_items){.type = type};
    items->field = protobuf_c_message_descriptor_get_field_by_name(type, field);
    assert(items->field && items->field->type == PROTOBUF_C_TYPE_MESSAGE);
    assert(items->field->label == PROTOBUF_C_LABEL_REPEATED);
    json_text_init(&items->reader.json, text, size, NULL);
    buffer_init(&items->reader.scratch);
    items->reader.unknown[0] = '\0';
}

/* Behind a member. */
static enum status member_end(struct json_items *items) {
    bool more;
    enum status s = json_text_leave(&items->reader.json, '}', &more);
    if (s == STATUS_OK) items->stage = more ? JSON_ITEMS_MEMBER : JSON_ITEMS_END;
    return s;
}

static enum status start(struct json_items *items) {
    struct json_text *json = &items->reader.json;
    json_text_peek(json);
    items->stage = JSON_ITEMS_END;
    if (json->at == json->end) return STATUS_OK;
    enum status s = json_text_enter(json, '{');
    if (s != STATUS_OK) return s;
    if (json_text_take(json, '}'))
        json->depth--;
    else
        items->stage = JSON_ITEMS_MEMBER;
    return STATUS_OK;
}

static enum status in_list(struct json_items *items, enum status s) {
    if (s == STATUS_INVALID) {
        char name[JSON_NAME_MAX];
        json_name_camel(items->field->name, name);
        json_text_in_field(&items->reader.json, name);
    }
    return s;
}

/* One member: the list is opened, any other is read and forgotten. */
static enum status member(struct json_items *items) {
    struct json_text *json = &items->reader.json;
    const ProtobufCFieldDescriptor *field;
    enum status s = json_value_member(&items->reader, items->type, &items->seen, &field);
    if (s != STATUS_OK) return s;
    if (field == items->field && !json_text_word(json, "null")) {
        s = in_list(items, json_text_enter(json, '['));
        if (s != STATUS_OK) return s;
        if (json_text_take(json, ']'))
            json->depth--;
        else
            items->stage = JSON_ITEMS_LIST;
    } else if (field != items->field) {
        ProtobufCMessage *rest;
        s = field ? json_value_new(&items->reader, items->type, &rest) : json_text_skip(json);
        if (s == STATUS_OK && field) s = json_value_field(&items->reader, rest, field);
        if (s != STATUS_OK) return s;
    }
    return items->stage == JSON_ITEMS_LIST ? STATUS_OK : member_end(items);
}

static enum status element(struct json_items *items, ProtobufCMessage **out) {
    bool more;
    enum status s = json_value_message(&items->reader, items->field->descriptor, out);
    if (s == STATUS_INVALID) json_text_in_index(&items->reader.json, items->n);
    if (s == STATUS_OK) s = json_text_leave(&items->reader.json, ']', &more);
    if (s != STATUS_OK) return in_list(items, s);
    items->n++;
    return more ? STATUS_OK : member_end(items);
}

static enum status next(struct json_items *items, ProtobufCMessage **out) {
    struct json_text *json = &items->reader.json;
    enum status s = STATUS_OK;
    *out = NULL;
    if (items->stage == JSON_ITEMS_START) s = start(items);
    while (s == STATUS_OK && items->stage == JSON_ITEMS_MEMBER)
        s = member(items);
    if (s != STATUS_OK) return s;
    if (items->stage == JSON_ITEMS_LIST) return element(items, out);
    json_text_peek(json);
    return json->at == json->end ? STATUS_OK : json_text_fail(json, "text goes on behind its end");
}

enum status json_items_next(struct json_items *items,
                            struct arena *arena,
                            ProtobufCMessage **out,
                            struct json_error *error) {
    ProtobufCMessage *item;
    items->reader.json.arena = arena;
    enum status s = next(items, &item);
    if (s == STATUS_INVALID) json_text_error(&items->reader.json, error);
    if (s == STATUS_OK) *out = item;
    return s;
}

size_t json_items_offset(const struct json_items *items) {
    return (size_t)(items->reader.json.at - items->reader.json.begin);
}

void json_items_reset(struct json_items *items) {
    buffer_free(&items->reader.scratch);
}
