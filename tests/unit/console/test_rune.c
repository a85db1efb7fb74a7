/* Text from outside becomes runes that are safe to show. */
#include <criterion/criterion.h>
#include <string.h>

#include "cli/console/rune.h"

static void expect(const char *text, const char *want) {
    char got[256];
    size_t at = 0;
    uint32_t rune;
    for (const char *rest = text; (rune = rune_next(&rest)) != 0;) {
        char bytes[RUNE_BYTES_MAX];
        size_t n = rune_encode(rune, bytes);
        memcpy(got + at, bytes, n);
        at += n;
    }
    got[at] = 0;
    cr_expect_str_eq(got, want);
}

static const struct {
    const char *name, *text, *want;
} rows[] = {
    {"plain", "shard/3", "shard/3"},
    {"letters of the world", "Grüße 東京 ✓", "Grüße 東京 ✓"},
    {"escape", "a\x1b[31mb", "a·[31mb"},
    {"newline and tab", "a\nb\tc\r", "a·b·c·"},
    {"delete", "a\x7f", "a·"},
    {"C1 control",
     "a\xc2\x9b"
     "31m",
     "a·31m"},
    {"a lone C1 byte", "a\x9b", "a·"},
    {"right-to-left override",
     "a\xe2\x80\xae"
     "b",
     "a·b"},
    {"zero width",
     "a\xe2\x80\x8b"
     "b",
     "a·b"},
    {"byte order mark",
     "\xef\xbb\xbf"
     "a",
     "·a"},
    {"a combining mark is dropped", "e\xcc\x81x", "ex"},
    {"cut short", "a\xe2\x82", "a··"},
    {"overlong", "\xc0\xaf", "··"},
    {"surrogate", "\xed\xa0\x80", "·"},
    {"beyond Unicode", "\xf4\x90\x80\x80", "····"},
    {"tags", "\xf3\xa0\x80\x81", "·"},
    {"empty", "", ""},
};

Test(rune, is_safe) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i].text, rows[i].want);
}

/* Every byte string ends, and yields nothing a terminal obeys. */
Test(rune, any_bytes) {
    uint32_t state = 7;
    for (unsigned round = 0; round < 20000; round++) {
        char text[24];
        for (size_t i = 0; i < sizeof text - 1; i++) {
            state = state * 1664525 + 1013904223;
            text[i] = (char)(state >> 24);
        }
        text[sizeof text - 1] = 0;
        size_t steps = 0;
        uint32_t rune;
        for (const char *rest = text; (rune = rune_next(&rest)) != 0; steps++) {
            cr_assert(rune >= ' ' && (rune < 0x7f || rune > 0x9f));
            cr_assert(rune < 0x202a || rune > 0x202e);
        }
        cr_assert_leq(steps, strlen(text));
    }
}

Test(rune, width_and_ascii) {
    cr_expect_eq(rune_width('a'), 1);
    cr_expect_eq(rune_width(0x6771), 2);
    cr_expect_eq(rune_width(0x2588), 1);
    cr_expect_eq(rune_ascii(0x2588), '#');
    cr_expect_eq(rune_ascii(0x6771), '?');
}
