/* msgpack by hand beside msgpack-c: the same bytes out, the same values in. */
#include <criterion/criterion.h>
#include <msgpack.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/pack.h"
#include "runtime/rng.h"
#include "runtime/text.h"

static const int64_t edges[] = {0,
                                1,
                                31,
                                32,
                                127,
                                128,
                                255,
                                256,
                                65535,
                                65536,
                                -1,
                                -32,
                                -33,
                                -128,
                                -129,
                                -32768,
                                -32769,
                                1 << 30,
                                INT32_MAX,
                                INT32_MIN,
                                UINT32_MAX,
                                (int64_t)UINT32_MAX + 1,
                                (int64_t)INT32_MIN - 1,
                                INT64_MAX,
                                INT64_MIN};

static struct pack_value read_one(const void *bytes, size_t size) {
    struct pack_cursor cursor = {bytes, (const unsigned char *)bytes + size};
    struct pack_value value = {0};
    cr_assert(pack_read(&cursor, &value));
    cr_assert_eq(cursor.at, cursor.end);
    return value;
}

Test(pack, writes_numbers_as_msgpack_c_does) {
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        unsigned char ours[PACK_HEAD_MAX];
        msgpack_sbuffer theirs;
        msgpack_sbuffer_init(&theirs);
        msgpack_packer packer;
        msgpack_packer_init(&packer, &theirs, msgpack_sbuffer_write);
        msgpack_pack_int64(&packer, edges[i]);
        size_t size = (size_t)(pack_int(ours, edges[i]) - ours);
        cr_expect_eq(size, theirs.size, "%ld", (long)edges[i]);
        cr_expect_eq(size, pack_int_size(edges[i]));
        cr_expect_arr_eq(ours, theirs.data, size, "%ld", (long)edges[i]);
        struct pack_value value = read_one(ours, size);
        cr_expect_eq(value.type, edges[i] < 0 ? PACK_INT : PACK_UINT);
        cr_expect_eq((int64_t)value.number, edges[i]);
        msgpack_sbuffer_destroy(&theirs);
    }
    unsigned char most[PACK_HEAD_MAX];
    cr_expect_eq(pack_uint(most, UINT64_MAX) - most, 9);
    cr_expect_eq(read_one(most, 9).number, UINT64_MAX);
}

Test(pack, writes_every_size_of_text_bin_and_container) {
    static const uint32_t sizes[] = {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000};
    static char text[70000];
    static unsigned char out[70016];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint32_t n = sizes[i];
        size_t size = (size_t)(pack_string(out, text, n) - out);
        cr_expect_eq(size, pack_string_size(n));
        struct pack_value value = read_one(out, size);
        cr_expect(value.type == PACK_STRING && value.number == n);
        size = (size_t)(pack_bin(out, text, n) - out);
        cr_expect_eq(size, pack_bin_size(n));
        value = read_one(out, size);
        cr_expect(value.type == PACK_BIN && value.number == n);
        size = (size_t)(pack_array(out, n) - out);
        cr_expect_eq(size, pack_count_size(n));
        memset(out + size, 0, n < 70000 ? n : 70000);
        struct pack_cursor cursor = {out, out + size + n};
        cr_expect(pack_skip(&cursor));
        cr_expect_eq(cursor.at, cursor.end);
        cursor = (struct pack_cursor){out, out + size + n - (n > 0)};
        cr_expect_eq(pack_read(&cursor, &value), n == 0, "one item short");
    }
}

Test(pack, keeps_reals_to_the_bit) {
    unsigned char out[PACK_HEAD_MAX];
    float narrow = 0.1f;
    double wide = -1e300;
    cr_expect_eq(pack_float(out, narrow) - out, 5);
    cr_expect_float_eq(read_one(out, 5).real, (double)narrow, 0);
    cr_expect_eq(pack_double(out, wide) - out, 9);
    cr_expect_float_eq(read_one(out, 9).real, wide, 0);
}

/* Any bytes: our reader and msgpack-c agree on how long the value is, or that it is none. No wide
 * counts: msgpack-c believes them and asks for the memory. */
Test(pack, agrees_with_msgpack_c_on_noise) {
    struct rng rng;
    rng_init(&rng, 7);
    for (unsigned round = 0; round < 200000; round++) {
        size_t size = 1 + rng_below(&rng, 12);
        unsigned char *noise = mem_alloc(size);
        for (size_t i = 0; i < size; i++) {
            noise[i] = (unsigned char)rng_next(&rng);
            if (noise[i] >= 0xdc && noise[i] <= 0xdf) noise[i] = 0x92;
        }
        struct pack_cursor cursor = {noise, noise + size};
        bool ours = pack_skip(&cursor);
        msgpack_unpacked unpacked;
        msgpack_unpacked_init(&unpacked);
        size_t offset = 0;
        bool theirs = msgpack_unpack_next(&unpacked, (const char *)noise, size, &offset) ==
                      MSGPACK_UNPACK_SUCCESS;
        cr_assert_eq(ours, theirs, "round %u, first byte %02x", round, noise[0]);
        if (ours) cr_assert_eq((size_t)(cursor.at - noise), offset);
        msgpack_unpacked_destroy(&unpacked);
        mem_free(noise);
    }
}

static const struct {
    const char *text;
    size_t size;
    bool valid;
} texts[] = {
    {"", 0, true},
    {"plain", 5, true},
    {"twelve bytes", 12, true},
    {"é漢😀", 9, true},
    {"a\0b", 3, false},
    {"12345678\0", 9, false},
    {"\x80", 1, false},
    {"\xc3", 1, false},
    {"\xc1\xbf", 2, false},
    {"\xe0\x9f\xbf", 3, false},
    {"\xed\xa0\x80", 3, false},
    {"\xef\xbf\xbf", 3, true},
    {"\xf0\x8f\xbf\xbf", 4, false},
    {"\xf4\x8f\xbf\xbf", 4, true},
    {"\xf4\x90\x80\x80", 4, false},
    {"\xf5\x80\x80\x80", 4, false},
    {"12345678\xff", 9, false},
    {"1234567\xc3\xa9", 9, true},
};

Test(text, judges_utf8) {
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        unsigned char *copy = mem_copy(texts[i].text, texts[i].size);
        cr_expect_eq(text_valid(copy, texts[i].size), texts[i].valid, "row %zu", i);
        mem_free(copy);
    }
}

Test(text, cuts_between_characters) {
    cr_expect_eq(text_cut("aé漢x", 1), 1);
    cr_expect_eq(text_cut("aé漢x", 2), 1);
    cr_expect_eq(text_cut("aé漢x", 3), 3);
    cr_expect_eq(text_cut("aé漢x", 5), 3);
    cr_expect_eq(text_cut("aé漢x", 6), 6);
}
