/* What of a body people may see: text, bytes and vectors only where the schema says @shown. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/redact.h"
#include "schemas/pd.pb-c.h"
#include "schemas/router.pb-c.h"
#include "schemas/shard.pb-c.h"

static enum status shown(const ProtobufCMessage *message, char *text, size_t size) {
    struct buffer body, out;
    struct arena arena;
    ProtobufCMessage *seen = NULL;
    buffer_init(&body);
    buffer_init(&out);
    arena_init(&arena, 0);
    cr_assert_eq(codec_encode(message, &body), STATUS_OK);
    enum status s = redact(codec_op(message->descriptor), body.data, body.size, &arena, &out);
    if (s == STATUS_OK) {
        cr_assert_eq(codec_decode(message->descriptor, out.data, out.size, &arena, &seen, NULL),
                     STATUS_OK);
        codec_print(seen, text, size);
    }
    arena_free(&arena);
    buffer_free(&out);
    buffer_free(&body);
    return s;
}

Test(redact, hides_keys_payloads_and_vectors) {
    float vector[] = {1, 2};
    uint8_t payload[] = {0x80};
    ShardOperation operation = SHARD_OPERATION__INIT, *operations[] = {&operation};
    ShardWrite write = SHARD_WRITE__INIT;
    char text[512];
    operation.id = "a customer";
    operation.vector = vector;
    operation.n_vector = 2;
    operation.payload = (ProtobufCBinaryData){1, payload};
    write.epoch = 7;
    write.operations = operations;
    write.n_operations = 1;
    cr_assert_eq(shown(&write.base, text, sizeof text), STATUS_OK);
    cr_expect_str_eq(text, "ShardWrite epoch=7 operations=[{}]");
}

Test(redact, shows_names_of_collections) {
    RouterGet get = ROUTER_GET__INIT;
    char text[512];
    get.collection = "films";
    get.id = "secret";
    cr_assert_eq(shown(&get.base, text, sizeof text), STATUS_OK);
    cr_expect_str_eq(text, "RouterGet collection=films");
}

Test(redact, refuses_what_is_no_message) {
    struct buffer out;
    struct arena arena;
    buffer_init(&out);
    arena_init(&arena, 0);
    static const unsigned char bad[] = {0xc1, 0xff, 0x81};
    uint32_t op = codec_op(&shard_write__descriptor);
    for (size_t n = 0; n <= sizeof bad; n++)
        cr_expect_neq(redact(op, bad, n, &arena, &out), STATUS_OK);
    cr_expect_eq(redact(12345, "\x80", 1, &arena, &out), STATUS_INVALID);
    cr_expect_eq(out.size, 0);
    arena_free(&arena);
    buffer_free(&out);
}
