/* text: eight ASCII bytes a step, else RFC 3629 character by character. */
#include "runtime/text.h"

#include <stdint.h>
#include <string.h>

static const uint64_t ONES = 0x0101010101010101, HIGHS = 0x8080808080808080;

/* Eight bytes that are all ASCII and none of them NUL. */
static bool plain(const unsigned char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return ((word | (word - ONES)) & HIGHS) == 0;
}

static bool continues(unsigned char byte) {
    return (byte & 0xc0) == 0x80;
}

/* Size of the character at `at`, 0 when it is malformed. */
static size_t character(const unsigned char *at, size_t left) {
    unsigned char first = at[0];
    if (first < 0x80) return first ? 1 : 0;
    if (first < 0xc2 || first > 0xf4) return 0;
    if (first < 0xe0) return left >= 2 && continues(at[1]) ? 2 : 0;
    /* The second byte's range excludes overlong forms, surrogates and what is above U+10FFFF. */
    unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (left < 3 || at[1] < low || at[1] > high || !continues(at[2])) return 0;
    if (first < 0xf0) return 3;
    return left >= 4 && continues(at[3]) ? 4 : 0;
}

bool text_valid(const void *text, size_t size) {
    const unsigned char *at = text, *end = at + size;
    while (at < end) {
        if (end - at >= 8 && plain(at)) {
            at += 8;
            continue;
        }
        size_t n = character(at, (size_t)(end - at));
        if (n == 0) return false;
        at += n;
    }
    return true;
}

size_t text_cut(const char *text, size_t size) {
    while (size > 0 && continues((unsigned char)text[size]))
        size--;
    return size;
}
