/* fuzz_json: JSON text as every public request. The first byte chooses the type. What is read must
 * be writable, and what was written must read back to the same text. */
#include <stdint.h>
#include <string.h>

#include "adapters/edge/json.h"
#include "adapters/edge/json_items.h"
#include "runtime/assert.h"
#include "schemas/apigateway.pb-c.h"

static const ProtobufCMessageDescriptor *const types[] = {
    &vectron__v1__upsert_request__descriptor,
    &vectron__v1__search_request__descriptor,
    &vectron__v1__create_collection_request__descriptor,
    &vectron__v1__delete_collection_request__descriptor,
    &vectron__v1__get_request__descriptor,
    &vectron__v1__delete_request__descriptor,
    &vectron__v1__list_collections_request__descriptor,
    &vectron__v1__get_collection_status_request__descriptor,
    &vectron__v1__update_user_profile_request__descriptor,
    &vectron__v1__submit_feedback_request__descriptor,
    &vectron__v1__search_response__descriptor,
    &vectron__v1__get_collection_status_response__descriptor,
    &vectron__v1__update_user_profile_response__descriptor,
};

static void read_back(const ProtobufCMessage *message) {
    struct buffer first, second;
    struct arena arena;
    struct json_error error;
    ProtobufCMessage *again;
    arena_init(&arena, 0);
    buffer_init(&first);
    buffer_init(&second);
    json_write(message, &first);
    enum status s = json_read(message->descriptor, (const char *)first.data, first.size, &arena,
                              &again, &error);
    assert(s == STATUS_OK);
    json_write(again, &second);
    assert(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    buffer_free(&first);
    buffer_free(&second);
    arena_free(&arena);
}

/* Element by element must agree with the whole. */
static void read_items(const char *text, size_t size, bool valid) {
    struct json_items items;
    struct json_error error;
    struct arena arena;
    ProtobufCMessage *item;
    enum status s;
    arena_init(&arena, 0);
    json_items_init(&items, &vectron__v1__upsert_request__descriptor, "points", text, size);
    do {
        s = json_items_next(&items, &arena, &item, &error);
        arena_reset(&arena);
    } while (s == STATUS_OK && item);
    assert((s == STATUS_OK) == valid);
    json_items_reset(&items);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof types / sizeof *types)];
    const char *text = (const char *)data + 1;
    struct arena arena;
    struct json_error error;
    ProtobufCMessage *message;
    arena_init(&arena, 0);
    enum status s = json_read(type, text, size - 1, &arena, &message, &error);
    if (s == STATUS_OK) read_back(message);
    if (type == types[0]) read_items(text, size - 1, s == STATUS_OK);
    arena_free(&arena);
    return 0;
}
