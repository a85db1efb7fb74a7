/* Envelopes and frames: the bytes that docs/protocol.md promises, and what is done about others. */
#include <criterion/criterion.h>
#include <msgpack.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/envelope.h"
#include "runtime/frame.h"
#include "runtime/handle.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "runtime/turn.h"

enum { NOW = 1000000 };

static struct envelope random_envelope(struct rng *rng) {
    struct envelope e = {
        .kind = (uint8_t)rng_below(rng, PARCEL_WIRE_COUNT),
        .band = (uint8_t)rng_below(rng, BAND_COUNT),
        .flags = rng_below(rng, 2) ? PARCEL_TRACED : 0,
        .op = (uint32_t)rng_next(rng),
        .to = handle_make(0, (uint32_t)rng_below(rng, 1 << 24), 1 + (uint32_t)rng_below(rng, 99)),
        .correlation = rng_next(rng) >> rng_below(rng, 64),
        .deadline_us = rng_below(rng, 2) ? NO_DEADLINE : NOW + rng_below(rng, 1 << 30),
        .span = rng_next(rng) >> rng_below(rng, 64),
        .parent = rng_below(rng, 2) ? rng_next(rng) : 0,
    };
    if (rng_below(rng, 2)) e.from = handle_make(0, 5, 6);
    if (rng_below(rng, 2)) e.trace[0] = rng_next(rng), e.trace[1] = rng_next(rng);
    return e;
}

static void expect_same(const struct envelope *a, const struct envelope *b) {
    cr_assert_eq(a->kind, b->kind);
    cr_assert_eq(a->band, b->band);
    cr_assert_eq(a->flags, b->flags);
    cr_assert_eq(a->op, b->op);
    cr_assert_eq(a->to, b->to);
    cr_assert_eq(a->from, b->from);
    cr_assert_eq(a->correlation, b->correlation);
    cr_assert_eq(a->deadline_us, b->deadline_us);
    cr_assert_eq(a->span, b->span);
    cr_assert_eq(a->parent, b->parent);
    cr_assert_eq(a->trace[0], b->trace[0]);
    cr_assert_eq(a->trace[1], b->trace[1]);
}

Test(envelope, comes_back_as_it_went) {
    struct rng rng;
    rng_init(&rng, 3);
    for (unsigned i = 0; i < 2000; i++) {
        struct envelope sent = random_envelope(&rng), got;
        unsigned char bytes[ENVELOPE_SIZE_MAX];
        size_t size = envelope_encode(&sent, NOW, bytes);
        cr_assert_leq(size, sizeof bytes);
        struct pack_cursor cursor = {bytes, bytes + size};
        cr_assert_eq(envelope_decode(&cursor, NOW, &got, NULL), STATUS_OK);
        cr_assert_eq(cursor.at, cursor.end);
        expect_same(&sent, &got);
    }
}

Test(envelope, fits_when_everything_is_at_its_widest) {
    struct envelope widest = {
        .kind = PARCEL_WIRE_COUNT - 1,
        .band = BAND_DATA,
        .flags = UINT8_MAX,
        .op = UINT32_MAX,
        .to = UINT64_MAX,
        .from = UINT64_MAX,
        .correlation = UINT64_MAX,
        .deadline_us = UINT64_MAX - 1,
        .trace = {UINT64_MAX, UINT64_MAX},
        .span = UINT64_MAX,
        .parent = UINT64_MAX,
    };
    unsigned char bytes[ENVELOPE_SIZE_MAX];
    size_t size = envelope_encode(&widest, 0, bytes);
    cr_expect_leq(size, sizeof bytes);
    struct pack_cursor cursor = {bytes, bytes + size};
    struct envelope got;
    cr_assert_eq(envelope_decode(&cursor, 0, &got, NULL), STATUS_OK);
    cr_expect_eq(got.flags, PARCEL_TRACED, "what is for this process only stays here");
    cr_expect_eq(handle_peer(got.to), 0);
}

Test(envelope, is_the_documented_array) {
    struct envelope e = {.kind = PARCEL_CALL,
                         .band = BAND_DATA,
                         .flags = PARCEL_TRACED,
                         .op = 7,
                         .to = handle_make(0, 1, 2),
                         .deadline_us = NOW + 500,
                         .trace = {1, 2}};
    unsigned char bytes[ENVELOPE_SIZE_MAX];
    size_t size = envelope_encode(&e, NOW, bytes), offset = 0;
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    cr_assert_eq(msgpack_unpack_next(&u, (const char *)bytes, size, &offset), 2);
    cr_assert_eq(u.data.type, MSGPACK_OBJECT_ARRAY);
    cr_assert_eq(u.data.via.array.size, 10);
    const msgpack_object *v = u.data.via.array.ptr;
    cr_expect_eq(v[0].via.u64, 1);
    cr_expect_eq(v[1].via.u64, 1, "a call");
    cr_expect_eq(v[2].via.u64, 2 | 1 << 2, "data band, traced");
    cr_expect_eq(v[3].via.u64, 1 << 24 | 2);
    cr_expect_eq(v[4].via.u64, 0);
    cr_expect_eq(v[6].via.u64, 500, "microseconds left");
    cr_expect_eq(v[7].type, MSGPACK_OBJECT_BIN);
    cr_expect_eq(v[7].via.bin.size, 16);
    cr_expect_eq(v[9].via.u64, 7);
    msgpack_unpacked_destroy(&u);
}

/* Each row is the array of a sound envelope with one value replaced. */
static const struct {
    const char *name;
    unsigned at;
    const char *value;
    size_t size;
    bool sound;
} rows[] = {
    {"version 2", 0, "\x02", 1, false},
    {"text version", 0, "\xa1x", 2, false},
    {"last kind", 1, "\x07", 1, true},
    {"kind that stays in a process", 1, "\x20", 1, false},
    {"fourth band", 2, "\x03", 1, false},
    {"unknown flags", 2, "\xcc\xf4", 2, true},
    {"wide flags", 2, "\xcd\x01\x00", 3, false},
    {"nobody", 3, "\x00", 1, true},
    {"whoever is there now", 3, "\xce\x01\0\0\0", 5, false},
    {"a peer's handle", 3, "\xcf\0\x01\0\0\0\0\0\x01", 9, false},
    {"a peer's sender", 4, "\xcf\0\x01\0\0\0\0\0\x01", 9, false},
    {"negative correlation", 5, "\xff", 1, false},
    {"no deadline", 6, "\xc0", 1, true},
    {"late", 6, "\x00", 1, true},
    {"for ever", 6, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, true},
    {"text deadline", 6, "\xa1x", 2, false},
    {"no trace", 7, "\xc0", 1, true},
    {"short trace", 7, "\xc4\x02xx", 4, false},
    {"wide op", 9, "\xcf\0\0\0\x01\0\0\0\0", 9, false},
    {"array inside", 8, "\x91\x01", 2, false},
};

static size_t with_value(unsigned char *out, unsigned at, const char *value, size_t size) {
    unsigned char *end = pack_array(out, 10);
    for (unsigned i = 0; i < 10; i++) {
        if (i == at) {
            memcpy(end, value, size);
            end += size;
        } else {
            end = i == 6 || i == 7 ? pack_nil(end) : pack_uint(end, i < 2 ? 1 : i == 3 ? 1 : 0);
        }
    }
    return (size_t)(end - out);
}

Test(envelope, judges_each_value) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned char bytes[128];
        size_t size = with_value(bytes, rows[i].at, rows[i].value, rows[i].size);
        struct pack_cursor cursor = {bytes, bytes + size};
        struct envelope got;
        const char *why = "";
        enum status s = envelope_decode(&cursor, NOW, &got, &why);
        cr_expect_eq(s == STATUS_OK, rows[i].sound, "%s: %s", rows[i].name, why);
        for (size_t cut = 0; cut < size; cut++) {
            unsigned char *copy = mem_copy(bytes, cut);
            cursor = (struct pack_cursor){copy, copy + cut};
            cr_expect_eq(envelope_decode(&cursor, NOW, &got, &why), STATUS_INVALID);
            mem_free(copy);
        }
    }
}

Test(envelope, skips_what_a_newer_one_adds) {
    unsigned char bytes[128];
    size_t size = with_value(bytes, 0, "\x01", 1);
    bytes[0] = 0x9d; /* thirteen values: a parent, and two of the future */
    memcpy(bytes + size, "\x07\x81\x01\xa1x\x05", 6);
    struct pack_cursor cursor = {bytes, bytes + size + 6};
    struct envelope got;
    cr_expect_eq(envelope_decode(&cursor, NOW, &got, NULL), STATUS_OK);
    cr_expect_eq(cursor.at, cursor.end);
    cr_expect_eq(got.parent, 7);
    cursor = (struct pack_cursor){bytes, bytes + size + 5};
    cr_expect_eq(envelope_decode(&cursor, NOW, &got, NULL), STATUS_INVALID);
}

Test(envelope, opens_the_frames_of_a_foreign_socket) {
    unsigned char bytes[128];
    size_t size = with_value(bytes, 3, "\x00", 1);
    struct envelope_frames frames = {bytes, size, "body", 4};
    struct parcel *parcel = NULL;
    const char *why = "";
    cr_assert_eq(envelope_open(&frames, NOW, &parcel, &why), STATUS_OK, "%s", why);
    cr_expect_eq(parcel->size, 4);
    cr_expect(memcmp(parcel->body, "body", 4) == 0);
    cr_expect_eq(parcel->envelope.kind, PARCEL_CALL);
    cr_expect_eq(parcel->envelope.to, 0);
    parcel_free(parcel);
    bytes[size] = 0;
    frames.envelope_size = size + 1;
    cr_expect_eq(envelope_open(&frames, NOW, &parcel, &why), STATUS_INVALID);
    frames.envelope_size = 0;
    cr_expect_eq(envelope_open(&frames, NOW, &parcel, &why), STATUS_INVALID);
    frames = (struct envelope_frames){bytes, size, NULL, CODEC_MESSAGE_MAX + 1};
    cr_expect_eq(envelope_open(&frames, NOW, &parcel, &why), STATUS_TOO_LARGE);
}

/* --- frames --- */

static const struct frame frames[] = {
    {.kind = FRAME_HELLO,
     .text = "worker",
     .incarnation = UINT64_MAX,
     .session = 5,
     .class = FRAME_DATA},
    {.kind = FRAME_HELLO,
     .text = "gateway",
     .incarnation = 1,
     .session = 5,
     .class = FRAME_CONTROL,
     .link = "ipc:///run/gateway/link.ipc"},
    {.kind = FRAME_LOOKUP, .token = 9, .text = "shard/1"},
    {.kind = FRAME_FOUND, .token = 9, .handle = (1 << 24) + 1},
    {.kind = FRAME_FOUND, .token = UINT64_MAX, .status = STATUS_NOT_FOUND},
    {.kind = FRAME_BEAT, .token = 77},
    {.kind = FRAME_BEATEN, .token = 78},
    {.kind = FRAME_BYE, .text = "closed"},
    {.kind = FRAME_REGISTER, .token = 4, .text = "ext/tally", .handle = (3 << 24) + 9},
    {.kind = FRAME_REGISTER, .token = 4, .text = "ext/tally"},
    {.kind = FRAME_REGISTERED, .token = 4, .status = STATUS_EXISTS},
};

Test(frame, comes_back_as_it_went) {
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        unsigned char bytes[FRAME_SMALL_MAX];
        size_t size = frame_write(&frames[i], bytes);
        cr_assert_leq(size, sizeof bytes);
        struct frame got = {0};
        const char *why = "";
        cr_assert_eq(frame_read(bytes, size, &got, &why), STATUS_OK, "%zu: %s", i, why);
        cr_expect_eq(got.kind, frames[i].kind);
        cr_expect_str_eq(got.text, frames[i].text);
        cr_expect_str_eq(got.link, frames[i].link);
        cr_expect_eq(got.incarnation, frames[i].incarnation);
        cr_expect_eq(got.session, frames[i].session);
        cr_expect_eq(got.class, frames[i].class);
        cr_expect_eq(got.token, frames[i].token);
        cr_expect_eq(got.status, frames[i].status);
        cr_expect_eq(got.handle, frames[i].handle);
        for (size_t cut = 0; cut < size; cut++) {
            unsigned char *copy = mem_copy(bytes, cut);
            cr_expect_eq(frame_read(copy, cut, &got, &why), STATUS_INVALID);
            mem_free(copy);
        }
        bytes[size] = 0;
        cr_expect_eq(frame_read(bytes, size + 1, &got, &why), STATUS_INVALID, "bytes behind");
    }
}

Test(frame, cuts_long_names_between_characters) {
    struct frame hello = {.kind = FRAME_HELLO};
    memset(hello.text, 'x', FRAME_NAME_MAX - 1);
    strcpy(hello.text + FRAME_NAME_MAX - 1, "é and more");
    unsigned char bytes[FRAME_SMALL_MAX];
    struct frame got;
    cr_assert_eq(frame_read(bytes, frame_write(&hello, bytes), &got, NULL), STATUS_OK);
    cr_expect_eq(strlen(got.text), FRAME_NAME_MAX - 1);
}

Test(frame, packs_messages) {
    static struct frame_builder builder;
    struct parcel *sent[FRAME_MESSAGES_MAX];
    frame_begin(&builder, NOW);
    for (uint32_t i = 0; i < FRAME_MESSAGES_MAX; i++) {
        sent[i] = parcel_new(i * 10);
        sent[i]->envelope.to = handle_make(0, i, 1);
        sent[i]->envelope.deadline_us = NO_DEADLINE;
        sent[i]->size = i * 10;
        memset(sent[i]->body, (int)i, i * 10);
        cr_assert(frame_add(&builder, sent[i]));
    }
    cr_expect_not(frame_add(&builder, sent[0]), "it is full");
    unsigned char *bytes = mem_alloc(builder.size);
    frame_build(&builder, bytes);
    struct frame got;
    cr_assert_eq(frame_read(bytes, builder.size, &got, NULL), STATUS_OK);
    for (uint32_t i = 0; i < FRAME_MESSAGES_MAX; i++) {
        struct parcel *parcel;
        cr_assert_eq(frame_next(&got, NOW, &parcel, NULL), STATUS_OK);
        expect_same(&parcel->envelope, &sent[i]->envelope);
        cr_expect_eq(parcel->size, i * 10);
        parcel_free(parcel);
        parcel_free(sent[i]);
    }
    struct parcel *end;
    cr_expect_eq(frame_next(&got, NOW, &end, NULL), STATUS_OK);
    cr_expect_null(end);
    mem_free(bytes);
}
