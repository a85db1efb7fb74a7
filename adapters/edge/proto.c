/* proto: one walk over the wire bytes beside the descriptor, then protobuf-c's own unpacking. */
#include "adapters/edge/proto.h"

#include <stdbool.h>
#include <string.h>

#include "adapters/edge/wire.h"
#include "runtime/text.h"

static enum status invalid(const char **why, const char *words) {
    *why = words;
    return STATUS_INVALID;
}

static enum status check(const ProtobufCMessageDescriptor *type,
                         struct wire content,
                         unsigned depth,
                         const char **why);

static enum status check_field(const ProtobufCFieldDescriptor *known,
                               const struct wire_field *field,
                               unsigned depth,
                               const char **why) {
    if (known->type == PROTOBUF_C_TYPE_MESSAGE) {
        struct wire content = {field->bytes, field->bytes + field->size};
        return check(known->descriptor, content, depth + 1, why);
    }
    if (known->type != PROTOBUF_C_TYPE_STRING || field->size == 0) return STATUS_OK;
    if (memchr(field->bytes, 0, field->size)) return invalid(why, "a string holds a NUL byte");
    if (text_prefix(field->bytes, field->size) != field->size)
        return invalid(why, "a string is not valid UTF-8");
    return STATUS_OK;
}

static enum status check(const ProtobufCMessageDescriptor *type,
                         struct wire content,
                         unsigned depth,
                         const char **why) {
    struct wire_field field;
    if (depth > PROTO_DEPTH_MAX) return invalid(why, "messages are nested too deeply");
    while (content.at < content.end) {
        if (!wire_next(&content, &field))
            return invalid(why, "the message is cut off or not protobuf");
        if (field.type != WIRE_BYTES) continue;
        const ProtobufCFieldDescriptor *known =
            protobuf_c_message_descriptor_get_field(type, field.number);
        enum status status = known ? check_field(known, &field, depth, why) : STATUS_OK;
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status proto_check(const ProtobufCMessageDescriptor *type,
                        const void *data,
                        size_t size,
                        const char **why) {
    const unsigned char *bytes = size ? data : (const void *)"";
    return check(type, (struct wire){bytes, bytes + size}, 0, why);
}

struct pool {
    struct arena *arena;
    bool failed;
};

static void *pool_alloc(void *context, size_t size) {
    struct pool *pool = context;
    void *memory = arena_alloc(pool->arena, size);
    if (!memory) pool->failed = true;
    return memory;
}

static void pool_free(void *context, void *memory) {
    (void)context, (void)memory; /* goes with the arena */
}

enum status proto_read(const ProtobufCMessageDescriptor *type,
                       const void *data,
                       size_t size,
                       struct arena *arena,
                       ProtobufCMessage **out,
                       const char **why) {
    enum status status = proto_check(type, data, size, why);
    if (status != STATUS_OK) return status;
    struct pool pool = {arena, false};
    ProtobufCAllocator allocator = {pool_alloc, pool_free, &pool};
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, &allocator, size, size ? data : (const void *)"");
    if (pool.failed) return STATUS_NO_MEMORY;
    if (!message) return invalid(why, "a field has the wrong type");
    message->n_unknown_fields = 0; /* never echoed; they lie in the arena */
    *out = message;
    return STATUS_OK;
}
