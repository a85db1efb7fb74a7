/* The codec against itself, against msgpack-c, and against bad input. */
#include <criterion/criterion.h>
#include <math.h>
#include <msgpack.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/field.h"
#include "runtime/memory.h"
#include "runtime/pack.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/log.pb-c.h"
#include "schemas/messages.h"
#include "schemas/pd.pb-c.h"
#include "schemas/router.pb-c.h"
#include "schemas/runtime.pb-c.h"
#include "schemas/shard.pb-c.h"
#include "tests/unit/wire/random_message.h"

enum { SMALL = 128 }; /* a parcel's room */

static struct arena arena;
static struct buffer buffer;

static void set_up(void) {
    arena_init(&arena, 0);
    buffer_init(&buffer);
}

static void tear_down(void) {
    arena_free(&arena);
    buffer_free(&buffer);
}

TestSuite(codec, .init = set_up, .fini = tear_down);

static enum status decode(const ProtobufCMessageDescriptor *type,
                          const void *data,
                          size_t size,
                          ProtobufCMessage **out,
                          const char **why) {
    return codec_decode(type, data, size, &arena, out, why);
}

/* --- msgpack-c as the independent reader --- */

static const msgpack_object *value_of(const msgpack_object *map, uint32_t key) {
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        if (map->via.map.ptr[i].key.via.u64 == key) return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static void expect_object(const msgpack_object *object, const ProtobufCMessage *message);

static void
expect_value(const msgpack_object *o, const ProtobufCFieldDescriptor *field, const void *at) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)at;
        cr_assert_eq(o->type, MSGPACK_OBJECT_STR);
        cr_assert_eq(o->via.str.size, strlen(text));
        cr_assert(!*text || memcmp(o->via.str.ptr, text, strlen(text)) == 0);
        break;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = at;
        cr_assert_eq(o->type, MSGPACK_OBJECT_BIN);
        cr_assert_eq(o->via.bin.size, bytes->len);
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        expect_object(o, *(ProtobufCMessage *const *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        cr_assert_eq(o->type, MSGPACK_OBJECT_BOOLEAN);
        cr_assert_eq(o->via.boolean, *(const protobuf_c_boolean *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        cr_assert_eq(o->type, MSGPACK_OBJECT_FLOAT32);
        cr_assert_float_eq(o->via.f64, *(const float *)at, 0);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        cr_assert_eq((int32_t)o->via.i64, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        cr_assert_eq(o->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
        cr_assert_eq(o->via.u64, *(const uint32_t *)at);
        break;
    default:
        cr_assert_eq(o->via.u64, *(const uint64_t *)at);
    }
}

static void expect_list(const msgpack_object *o,
                        const ProtobufCFieldDescriptor *field,
                        const ProtobufCMessage *message) {
    size_t count = field_count(message, field), stride = field_stride(field);
    const char *items = field_items(message, field);
    if (field_is_vector(field)) {
        cr_assert_eq(o->type, MSGPACK_OBJECT_BIN);
        cr_assert_eq(o->via.bin.size, count * 4);
        cr_assert(count == 0 || memcmp(o->via.bin.ptr, items, count * 4) == 0);
        return;
    }
    cr_assert_eq(o->type, MSGPACK_OBJECT_ARRAY);
    cr_assert_eq(o->via.array.size, count);
    for (size_t i = 0; i < count; i++) {
        expect_value(&o->via.array.ptr[i], field, items + i * stride);
    }
}

static void expect_object(const msgpack_object *object, const ProtobufCMessage *message) {
    cr_assert_eq(object->type, MSGPACK_OBJECT_MAP);
    uint32_t present = 0;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const msgpack_object *value = value_of(object, field->id);
        cr_assert_eq(value != NULL, field_present(message, field), "%s", field->name);
        if (!value) continue;
        cr_assert_eq(object->via.map.ptr[present++].key.via.u64, field->id, "ascending");
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            expect_list(value, field, message);
        else
            expect_value(value, field, field_at(message, field));
    }
    cr_assert_eq(object->via.map.size, present);
}

static void expect_msgpack(const ProtobufCMessage *message) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t offset = 0;
    msgpack_unpack_return rc =
        msgpack_unpack_next(&unpacked, (const char *)buffer.data, buffer.size, &offset);
    cr_assert_eq(rc, MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(offset, buffer.size);
    expect_object(&unpacked.data, message);
    msgpack_unpacked_destroy(&unpacked);
}

/* --- what goes out comes back --- */

static void expect_round_trip(const ProtobufCMessage *message) {
    ProtobufCMessage *back = NULL;
    const char *why = "";
    buffer_clear(&buffer);
    cr_assert_eq(codec_encode(message, &buffer), STATUS_OK);
    cr_assert_eq(buffer.size, codec_size(message));
    unsigned char small[SMALL];
    size_t size = 0;
    bool written = codec_write_within(message, small, sizeof small, &size);
    cr_assert(written || buffer.size > SMALL / 2);
    if (written) cr_assert(size == buffer.size && memcmp(small, buffer.data, size) == 0);
    enum status s = decode(message->descriptor, buffer.data, buffer.size, &back, &why);
    cr_assert_eq(s, STATUS_OK, "%s: %s", message->descriptor->name, why);
    cr_assert(same_message(message, back), "%s", message->descriptor->name);
}

Test(codec, brings_every_internal_message_back) {
    struct rng rng;
    for (size_t i = 0; schema_messages[i]; i++) {
        rng_init(&rng, i);
        for (unsigned round = 0; round < 60; round++) {
            const ProtobufCMessage *message = random_message(schema_messages[i], &rng, &arena);
            expect_round_trip(message);
            expect_msgpack(message);
            arena_reset(&arena);
        }
    }
}

static const ProtobufCMessageDescriptor *const public_messages[] = {
    &vectron__v1__upsert_request__descriptor,            /* maps */
    &vectron__v1__search_response__descriptor,           /* maps in lists */
    &vectron__v1__search_request__descriptor,            /* enums, numbers above 100 */
    &vectron__v1__get_response__descriptor,              /* a nested message */
    &vectron__v1__create_collection_request__descriptor, /* int32 */
    &vectron__v1__submit_feedback_request__descriptor,
};

Test(codec, brings_public_messages_back) {
    struct rng rng;
    for (size_t i = 0; i < sizeof public_messages / sizeof *public_messages; i++) {
        rng_init(&rng, i);
        for (unsigned round = 0; round < 100; round++) {
            expect_round_trip(random_message(public_messages[i], &rng, &arena));
            arena_reset(&arena);
        }
    }
}

Test(codec, has_an_op_for_every_message) {
    for (size_t i = 0; schema_messages[i]; i++) {
        cr_expect_eq(codec_find(codec_op(schema_messages[i])), schema_messages[i]);
    }
    cr_expect_null(codec_find(0));
    cr_expect_null(codec_find(codec_op(&vectron__v1__point__descriptor)));
    cr_expect_eq(codec_op(&done__descriptor), 0x8dd31791u, "FNV-1a, as other programs compute it");
}

Test(codec, leaves_defaults_out) {
    ShardSearch search = SHARD_SEARCH__INIT;
    cr_assert_eq(codec_encode(&search.base, &buffer), STATUS_OK);
    cr_expect_eq(buffer.size, 1);
    cr_expect_eq(buffer.data[0], 0x80);
    RouterHit hit = ROUTER_HIT__INIT;
    hit.score = -0.0f;
    expect_round_trip(&hit.base);
    cr_expect_eq(buffer.size, 7, "-0 is not the default");
}

Test(codec, borrows_bytes_and_vectors) {
    float vector[] = {1, -2.5f, NAN, INFINITY};
    unsigned char payload[] = {1, 2, 3};
    ShardPoint point = SHARD_POINT__INIT;
    point.n_vector = 4;
    point.vector = vector;
    point.payload = (ProtobufCBinaryData){3, payload};
    cr_assert_eq(codec_encode(&point.base, &buffer), STATUS_OK);
    for (size_t shift = 0; shift < 4; shift++) { /* at every alignment */
        unsigned char *copy = arena_alloc(&arena, buffer.size + shift);
        memcpy(copy + shift, buffer.data, buffer.size);
        ProtobufCMessage *back;
        cr_assert_eq(decode(&shard_point__descriptor, copy + shift, buffer.size, &back, NULL), 0);
        const ShardPoint *p = (const ShardPoint *)back;
        cr_expect_eq(p->n_vector, 4);
        const unsigned char *at = (const unsigned char *)p->vector;
        cr_expect(at > copy && at < copy + shift + buffer.size);
        cr_expect(p->payload.data > copy && p->payload.data < copy + shift + buffer.size);
        cr_expect(memcmp(at, vector, sizeof vector) == 0);
    }
}

Test(codec, encodes_straight_into_given_room) {
    PdRoute route = PD_ROUTE__INIT;
    route.collection = "docs";
    size_t size;
    unsigned char room[64];
    cr_assert_eq(codec_measure(&route.base, &size), STATUS_OK);
    memset(room, 0xee, sizeof room);
    codec_write(&route.base, room);
    cr_assert_eq(codec_encode(&route.base, &buffer), STATUS_OK);
    cr_expect_eq(size, buffer.size);
    cr_expect_arr_eq(room, buffer.data, size);
    cr_expect_eq(room[size], 0xee);
}

Test(codec, writes_small_messages_in_one_walk_unless_something_is_wrong) {
    unsigned char room[SMALL + 1], data[2 * SMALL] = {0};
    LogEntry entry = LOG_ENTRY__INIT;
    PdRoute route = PD_ROUTE__INIT;
    room[SMALL] = 0xee;
    for (size_t size = 0; size < sizeof data; size++) {
        size_t written = 0;
        entry.data = (ProtobufCBinaryData){size, data};
        if (codec_write_within(&entry.base, room, SMALL, &written))
            cr_expect_eq(written, codec_size(&entry.base));
        else
            cr_expect(codec_size(&entry.base) > SMALL - 16, "%zu", size);
        cr_expect_eq(room[SMALL], 0xee);
    }
    size_t none = 0;
    route.collection = "\xff";
    cr_expect(!codec_write_within(&route.base, room, SMALL, &none));
    cr_expect_eq(none, 0);
}

/* --- limits --- */

Test(codec, refuses_to_encode_what_nobody_could_read) {
    PdRoute route = PD_ROUTE__INIT;
    route.collection = "bad \xc3( text";
    buffer_append(&buffer, "x", 1);
    cr_expect_eq(codec_encode(&route.base, &buffer), STATUS_INVALID);
    static float vector[CODEC_MESSAGE_MAX / 4];
    ShardPoint point = SHARD_POINT__INIT;
    point.n_vector = CODEC_MESSAGE_MAX / 4;
    point.vector = vector;
    cr_expect_eq(codec_encode(&point.base, &buffer), STATUS_TOO_LARGE);
    cr_expect_eq(buffer.size, 1, "nothing was appended");
    point.n_vector -= 2; /* map, key and bin head take 7 bytes */
    cr_expect_eq(codec_encode(&point.base, &buffer), STATUS_OK);
    cr_expect_eq(buffer.size, 1 + CODEC_MESSAGE_MAX - 1);
}

Test(codec, says_when_there_is_no_memory) {
    PdRoute route = PD_ROUTE__INIT;
    route.collection = "docs";
    mem_fail_at(1);
    cr_expect_eq(codec_encode(&route.base, &buffer), STATUS_NO_MEMORY);
    mem_fail_at(0);
    buffer_clear(&buffer);
    cr_assert_eq(codec_encode(&route.base, &buffer), STATUS_OK);
    ProtobufCMessage *back = NULL;
    arena.limit = 16;
    const char *why = NULL;
    cr_expect_eq(decode(&pd_route__descriptor, buffer.data, buffer.size, &back, &why),
                 STATUS_NO_MEMORY);
    cr_expect_str_eq(why, "out of memory");
    cr_expect_null(back);
}

/* A list of empty messages: a byte of input asks for a struct. */
Test(codec, bounds_memory_by_the_input) {
    static unsigned char bytes[1 << 20];
    unsigned char *at = pack_map(bytes, 1);
    at = pack_uint(at, 5); /* PdRouting.shards */
    at = pack_array(at, 900000);
    memset(at, 0x80, 900000);
    size_t size = (size_t)(at - bytes) + 900000;
    ProtobufCMessage *back;
    const char *why = "";
    cr_expect_eq(decode(&pd_routing__descriptor, bytes, size, &back, &why), STATUS_INVALID);
    cr_expect_str_eq(why, "asks for too much memory for its size");
    cr_expect_leq(arena.total, CODEC_ARENA_BASE + CODEC_ARENA_FACTOR * size);
}

/* --- what other programs may send --- */

struct row {
    const char *name;
    const ProtobufCMessageDescriptor *type;
    const char *bytes;
    size_t size;
    const char *want; /* its print, or the reason after "!" */
};
#define ROW(name, type, bytes, want) \
    { name, &type##__descriptor, bytes, sizeof bytes - 1, want }
static const struct row rows[] = {
    ROW("empty map", pd_route, "\x80", "PdRoute"),
    ROW("any order", shard_written, "\x82\x02\x05\x01\x07", "ShardWritten operations=7 index=5"),
    ROW("wide numbers",
        shard_written,
        "\x81\xcf\0\0\0\0\0\0\0\x02\xcd\x01\x00",
        "ShardWritten index=256"),
    ROW("signed form of a natural",
        shard_written,
        "\x81\x02\xd1\x01\x00",
        "ShardWritten index=256"),
    ROW("repeated key", shard_written, "\x82\x02\x05\x02\x06", "ShardWritten index=6"),
    ROW("unknown fields",
        shard_written,
        "\x83\x63\x93\x01\xa1x\xc0\x02\x05\xcd\x27\x0f\x81\x01\x90",
        "ShardWritten index=5"),
    ROW("double for float", router_hit, "\x81\x02\xcb\x3f\xf8\0\0\0\0\0\0", "RouterHit score=1.5"),
    ROW("explicit defaults", shard_written, "\x82\x01\x00\x02\x00", "ShardWritten"),
    ROW("empty vector", shard_point, "\x81\x03\xc4\x00", "ShardPoint"),
    ROW("empty list", router_collections, "\x81\x01\x90", "RouterCollections"),
    ROW("ext skipped", shard_written, "\x81\x63\xc7\x02\x01xy", "ShardWritten"),
    ROW("nothing", pd_route, "", "!truncated or not msgpack"),
    ROW("array for map", pd_route, "\x90", "!message is not a map"),
    ROW("text key", pd_route, "\x81\xa1x\x01", "!key is not a field number"),
    ROW("negative key", pd_route, "\x81\xff\x01", "!key is not a field number"),
    ROW("bytes behind", pd_route, "\x80\x80", "!bytes behind the message"),
    ROW("count beyond the input", pd_route, "\xdf\xff\xff\xff\xff", "!truncated or not msgpack"),
    ROW("list beyond the input",
        router_collections,
        "\x81\x01\xdd\xff\xff\xff\xff",
        "!truncated or not msgpack"),
    ROW("text beyond the input",
        pd_route,
        "\x81\x01\xdb\xff\xff\xff\xff",
        "!truncated or not msgpack"),
    ROW("byte that means nothing", pd_route, "\x81\x01\xc1", "!truncated or not msgpack"),
    ROW("negative for natural", shard_written, "\x81\x02\xff", "!wants an unsigned integer"),
    ROW("too big for 32 bits",
        shard_written,
        "\x81\x01\xcf\0\0\0\x01\0\0\0\0",
        "!integer out of range"),
    ROW("text for number", shard_written, "\x81\x01\xa1x", "!wants an unsigned integer"),
    ROW("number for text", pd_route, "\x81\x01\x05", "!wants a string"),
    ROW("bin for text", pd_route, "\x81\x01\xc4\x01x", "!wants a string"),
    ROW("text for bin", shard_point, "\x81\x04\xa1x", "!wants bin"),
    ROW("array for vector", shard_point, "\x81\x03\x91\x01", "!wants bin"),
    ROW("three bytes of vector",
        shard_point,
        "\x81\x03\xc4\x03xyz",
        "!vector is not made of 4-byte floats"),
    ROW("number for bool", router_describe, "\x81\x02\x01", "!wants a bool"),
    ROW("int for float", router_hit, "\x81\x02\x01", "!wants a float"),
    ROW("float out of range",
        router_hit,
        "\x81\x02\xcb\x7e\xf0\0\0\0\0\0\0",
        "!float out of range"),
    ROW("overlong UTF-8", pd_route, "\x81\x01\xa2\xc0\xaf", "!string is not UTF-8 without NUL"),
    ROW("surrogate", pd_route, "\x81\x01\xa3\xed\xa0\x80", "!string is not UTF-8 without NUL"),
    ROW("NUL in text",
        pd_route,
        "\x81\x01\xa3"
        "a\0b",
        "!string is not UTF-8 without NUL"),
    ROW("nil for message list", router_collections, "\x81\x01\xc0", "!wants an array"),
};

Test(codec, judges_what_other_programs_send) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        const char *why = "(no reason)";
        ProtobufCMessage *back = NULL;
        unsigned char *copy = mem_copy(rows[i].bytes, rows[i].size);
        enum status s = decode(rows[i].type, copy, rows[i].size, &back, &why);
        if (s == STATUS_OK)
            codec_print(back, text, sizeof text);
        else
            snprintf(text, sizeof text, "!%s", why);
        cr_expect_str_eq(text, rows[i].want, "%s: %s", rows[i].name, text);
        mem_free(copy);
    }
}

static size_t nested(unsigned char *bytes, unsigned depth, const char *tail, size_t size) {
    for (unsigned i = 0; i < depth; i++) {
        bytes[2 * i] = 0x81;     /* map of one */
        bytes[2 * i + 1] = 0x63; /* unknown field 99 */
    }
    memcpy(bytes + 2 * depth, tail, size);
    return 2 * depth + size;
}

Test(codec, bounds_the_depth_of_what_it_skips) {
    unsigned char bytes[4096];
    ProtobufCMessage *back;
    size_t size = nested(bytes, PACK_DEPTH_MAX, "\x81\x63\x01", 3);
    cr_expect_eq(decode(&done__descriptor, bytes, size, &back, NULL), STATUS_OK);
    size = nested(bytes, PACK_DEPTH_MAX + 1, "\x81\x63\x01", 3);
    cr_expect_eq(decode(&done__descriptor, bytes, size, &back, NULL), STATUS_INVALID);
}

/* Error or message, never a crash and never more memory than promised. */
static void expect_survives(const ProtobufCMessageDescriptor *type, const void *data, size_t size) {
    unsigned char *copy = mem_copy(data, size);
    ProtobufCMessage *back = NULL;
    const char *why = NULL;
    arena_reset(&arena);
    enum status s = codec_decode(type, copy, size, &arena, &back, &why);
    cr_assert_leq(arena.total, CODEC_ARENA_BASE + CODEC_ARENA_FACTOR * size);
    if (s == STATUS_OK) {
        char text[512];
        codec_print(back, text, sizeof text);
        buffer_clear(&buffer);
        cr_assert_eq(codec_encode(back, &buffer), STATUS_OK, "what was read can be written");
    } else {
        cr_assert_not_null(why);
    }
    mem_free(copy);
}

Test(codec, survives_truncation_and_mutation, .timeout = 60) {
    struct rng rng;
    struct arena own;
    arena_init(&own, 0);
    for (size_t i = 0; schema_messages[i]; i++) {
        rng_init(&rng, 1000 + i);
        struct buffer valid;
        buffer_init(&valid);
        cr_assert_eq(codec_encode(random_message(schema_messages[i], &rng, &own), &valid), 0);
        for (size_t cut = 0; cut < valid.size && cut < 1000; cut++) {
            expect_survives(schema_messages[i], valid.data, cut);
        }
        for (unsigned round = 0; round < 300 && valid.size; round++) {
            unsigned char *byte = &valid.data[rng_below(&rng, valid.size)], before = *byte;
            *byte = (unsigned char)rng_next(&rng);
            expect_survives(schema_messages[i], valid.data, valid.size);
            if (round % 3) *byte = before; /* some stay, so that faults add up */
        }
        buffer_free(&valid);
        arena_reset(&own);
    }
    arena_free(&own);
}

/* --- the form for people --- */

Test(codec, prints_one_line) {
    float vector[] = {3, 4};
    ShardOperation put = SHARD_OPERATION__INIT, gone = SHARD_OPERATION__INIT;
    put.id = "a";
    put.n_vector = 2;
    put.vector = vector;
    put.payload = (ProtobufCBinaryData){2, (uint8_t *)"\x01\xff"};
    gone.id = "b\nc";
    gone.remove = 1;
    ShardOperation *operations[] = {&put, &gone};
    ShardWrite write = SHARD_WRITE__INIT;
    write.epoch = 1;
    write.n_operations = 2;
    write.operations = operations;
    char text[256];
    size_t n = codec_print(&write.base, text, sizeof text);
    const char *want = "ShardWrite epoch=1 operations=[{id=a vector=[3 4] payload=0x01ff} "
                       "{id=b.c remove=true}]";
    cr_expect_str_eq(text, want);
    cr_expect_eq(n, strlen(want));
    for (size_t size = 1; size < sizeof text; size++) {
        n = codec_print(&write.base, text, size);
        cr_assert_lt(n, size);
        cr_assert_eq(text[n], 0);
        cr_assert(strncmp(text, want, n) == 0);
    }
    cr_expect_eq(codec_print(&write.base, NULL, 0), 0);
}

Test(codec, prints_the_beginning_of_what_is_long) {
    float vector[100] = {0.5f};
    unsigned char payload[100] = {0};
    char id[200];
    memset(id, 'x', sizeof id);
    memcpy(id + 62, "漢", 3); /* across the cut */
    id[199] = 0;
    ShardPoint point = SHARD_POINT__INIT;
    point.id = id;
    point.n_vector = 100;
    point.vector = vector;
    point.payload = (ProtobufCBinaryData){100, payload};
    char text[512];
    codec_print(&point.base, text, sizeof text);
    char want[512];
    snprintf(want, sizeof want,
             "ShardPoint id=%.62s… vector=[0.5 0 0 0 0 0 0 0 … (100)] "
             "payload=0x00000000000000000000000000000000… (100 bytes)",
             id);
    cr_expect_str_eq(text, want);
}
