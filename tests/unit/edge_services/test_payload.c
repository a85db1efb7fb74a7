/* The payload's msgpack form. */
#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdio.h>

#include "adapters/edge/payload.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

typedef Vectron__V1__Point__PayloadEntry entry;
static const ProtobufCMessageDescriptor *const type =
    &vectron__v1__point__payload_entry__descriptor;
static struct arena arena;

static entry *make(const char *key, const char *value) {
    entry *made = arena_alloc(&arena, sizeof *made);
    vectron__v1__point__payload_entry__init(made);
    made->key = (char *)key;
    made->value = (char *)value;
    return made;
}

static enum status unpack(const void *bytes, size_t size, entry ***entries, size_t *n) {
    uint8_t *copy = mem_copy(bytes, size);
    enum status s = payload_unpack(&(ProtobufCBinaryData){size, copy}, type, &arena,
                                   (ProtobufCMessage ***)entries, n);
    mem_free(copy);
    return s;
}

Test(payload, comes_back_as_it_was) {
    struct rng rng;
    rng_init(&rng, 1);
    for (int round = 0; round < 300; round++) {
        entry *entries[PAYLOAD_KEYS_MAX], **back;
        size_t n = rng_below(&rng, PAYLOAD_KEYS_MAX + 1), n_back;
        ProtobufCBinaryData bytes;
        for (size_t i = 0; i < n; i++) {
            char *key = arena_zero(&arena, 300), *value = arena_zero(&arena, 70000);
            snprintf(key, 300, "%zu%*s", i, (int)rng_below(&rng, 280), "é");
            memset(value, 'v', rng_below(&rng, rng_below(&rng, 20) ? 300 : 69999));
            entries[i] = make(key, value);
        }
        cr_assert_eq(payload_pack(entries, n, &arena, &bytes), STATUS_OK);
        cr_assert_eq(bytes.len == 0, n == 0);
        cr_assert_eq(unpack(bytes.data, bytes.len, &back, &n_back), STATUS_OK);
        cr_assert_eq(n_back, n);
        for (size_t i = 0; i < n; i++) {
            cr_assert_str_eq(back[i]->key, entries[i]->key);
            cr_assert_str_eq(back[i]->value, entries[i]->value);
        }
        arena_reset(&arena);
    }
    arena_free(&arena);
}

Test(payload, is_msgpack_for_others_too) {
    entry *entries[] = {make("name", "Vectron"), make("empty", "")};
    ProtobufCBinaryData bytes;
    char text[128];
    msgpack_unpacked unpacked;
    cr_assert_eq(payload_pack(entries, 2, &arena, &bytes), STATUS_OK);
    msgpack_unpacked_init(&unpacked);
    cr_assert_eq(msgpack_unpack_next(&unpacked, (char *)bytes.data, bytes.len, NULL),
                 MSGPACK_UNPACK_SUCCESS);
    msgpack_object_print_buffer(text, sizeof text, unpacked.data);
    cr_expect_str_eq(text, "{\"name\"=>\"Vectron\", \"empty\"=>\"\"}");
    msgpack_unpacked_destroy(&unpacked);
    arena_free(&arena);
}

Test(payload, of_equal_keys_the_last_one_stays) {
    entry *entries[] = {make("a", "1"), make("b", "2"), make("a", "3"), make("c", "4"),
                        make("b", "5")};
    cr_assert_eq(payload_distinct(entries, 5), 3);
    static const char *const expected[] = {"a", "3", "b", "5", "c", "4"};
    for (size_t i = 0; i < 3; i++) {
        cr_expect_str_eq(entries[i]->key, expected[2 * i]);
        cr_expect_str_eq(entries[i]->value, expected[2 * i + 1]);
    }
    arena_free(&arena);
}

Test(payload, counts_no_further_than_it_must) {
    entry *entries[200];
    for (int i = 0; i < 200; i++) {
        char *key = arena_alloc(&arena, 8);
        snprintf(key, 8, "k%d", i % 64);
        entries[i] = make(key, "");
    }
    cr_expect_eq(payload_distinct(entries, 200), 64);
    entries[100] = make("one more", "");
    cr_expect_eq(payload_distinct(entries, 200), PAYLOAD_KEYS_MAX + 1);
    arena_free(&arena);
}

Test(payload, refuses_what_is_no_map_of_strings) {
    static const struct {
        const char *name, *bytes;
        size_t size;
    } rows[] = {
        {"a string", "\xa1k", 2},
        {"an array", "\x92\xa1k\xa1v", 5},
        {"a number as key", "\x81\x01\xa1v", 4},
        {"a number as value", "\x81\xa1k\x01", 4},
        {"binary as value", "\x81\xa1k\xc4\x01v", 6},
        {"half a map", "\x82\xa1k\xa1v", 5},
        {"a cut string", "\x81\xa1k\xa9v", 5},
        {"bytes behind", "\x81\xa1k\xa1v\x01", 6},
        {"a huge count", "\xdf\xff\xff\xff\xff", 5},
        {"NUL in a value", "\x81\xa1k\xa2v\0", 6},
        {"broken UTF-8", "\x81\xa1k\xa2\xc3(", 6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        entry **entries;
        size_t n;
        cr_expect_eq(unpack(rows[i].bytes, rows[i].size, &entries, &n), STATUS_CORRUPT, "%s",
                     rows[i].name);
    }
    arena_free(&arena);
}
