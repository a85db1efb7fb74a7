/* fuzz_codec: the first four bytes choose a message type (its op, little-endian; else one by the
 * first byte), the rest is its encoding. What decodes must encode, and decode to the same bytes
 * again. */
#include <stdint.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "schemas/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OP_SIZE = 4 };

static const ProtobufCMessageDescriptor *choose(const uint8_t *data) {
    uint32_t op;
    memcpy(&op, data, sizeof op);
    const ProtobufCMessageDescriptor *type = codec_find(op);
    size_t n = 0;
    while (schema_messages[n])
        n++;
    return type ? type : schema_messages[data[0] % n];
}

static void print(const ProtobufCMessage *message) {
    char text[300];
    size_t n = codec_print(message, text, sizeof text);
    assert(n < sizeof text && text[n] == 0 && !memchr(text, '\n', n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < OP_SIZE) return 0;
    const ProtobufCMessageDescriptor *type = choose(data);
    struct arena arena;
    struct buffer first, second;
    arena_init(&arena, 0);
    buffer_init(&first);
    buffer_init(&second);
    ProtobufCMessage *message;
    const char *why = NULL;
    enum status s = codec_decode(type, data + OP_SIZE, size - OP_SIZE, &arena, &message, &why);
    assert(arena.total <= CODEC_ARENA_BASE + CODEC_ARENA_FACTOR * size);
    assert(s == STATUS_OK || why);
    if (s == STATUS_OK) {
        print(message);
        s = codec_encode(message, &first);
        assert(s == STATUS_OK);
        /* Longer than its input only when doubles were given for floats: not the other way round.
         */
        s = codec_decode(type, first.data, first.size, &arena, &message, &why);
        assert(s == STATUS_OK);
        s = codec_encode(message, &second);
        assert(s == STATUS_OK && first.size == second.size);
        assert(memcmp(first.data, second.data, first.size) == 0);
    }
    buffer_free(&first);
    buffer_free(&second);
    arena_free(&arena);
    return 0;
}
