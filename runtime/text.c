/* text: eight ASCII bytes a step, else character by character, without tables. */
#include "runtime/text.h"

#include <string.h>

static const uint64_t ONES = 0x0101010101010101, HIGHS = 0x8080808080808080;

static bool continues(unsigned char byte) {
    return (byte & 0xc0) == 0x80;
}

size_t text_character(const void *text, size_t size) {
    const unsigned char *at = text;
    unsigned char first = at[0];
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    if (first < 0xe0) return size >= 2 && continues(at[1]) ? 2 : 0;
    /* The second byte's range excludes overlong forms, surrogates and what is above U+10FFFF. */
    unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (size < 3 || at[1] < low || at[1] > high || !continues(at[2])) return 0;
    if (first < 0xf0) return 3;
    return size >= 4 && continues(at[3]) ? 4 : 0;
}

/* Up to eight bytes, filled up with ones; by halves, since a copy of any size is a call. */
static uint64_t load_word(const unsigned char *at, size_t size) {
    uint64_t word = ONES;
    if (size >= 8) {
        memcpy(&word, at, 8);
        return word;
    }
    unsigned char *to = (unsigned char *)&word;
    if (size & 4) memcpy(to, at, 4), to += 4, at += 4;
    if (size & 2) memcpy(to, at, 2), to += 2, at += 2;
    if (size & 1) *to = *at;
    return word;
}

bool text_valid(const void *text, size_t size) {
    const unsigned char *at = text, *end = at + size;
    while (at < end) {
        uint64_t word = load_word(at, (size_t)(end - at));
        if (((word | (word - ONES)) & HIGHS) == 0) { /* ASCII, and none of it NUL */
            at += end - at < 8 ? end - at : 8;
            continue;
        }
        size_t n = *at ? text_character(at, (size_t)(end - at)) : 0;
        if (n == 0) return false;
        at += n;
    }
    return true;
}

size_t text_prefix(const void *text, size_t size) {
    const unsigned char *start = text, *at = start, *end = start + size;
    while (at < end) {
        uint64_t word;
        if (end - at >= 8) {
            memcpy(&word, at, sizeof word);
            if ((word & HIGHS) == 0) {
                at += 8;
                continue;
            }
        }
        size_t n = text_character(at, (size_t)(end - at));
        if (n == 0) break;
        at += n;
    }
    return (size_t)(at - start);
}

bool text_column_valid(const void *texts, size_t size, size_t n) {
    if (size == 0 || text_prefix(texts, size) != size) return size == 0 && n == 0;
    const char *at = texts, *end = at + size;
    for (; at < end && n > 0; n--) {
        const char *nul = memchr(at, 0, (size_t)(end - at));
        if (!nul || nul == at) return false;
        at = nul + 1;
    }
    return at == end && n == 0;
}

size_t text_cut(const char *text, size_t size) {
    while (size > 0 && continues((unsigned char)text[size]))
        size--;
    return size;
}

size_t text_put(char *out, uint32_t code) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(leads[length] | code);
    return length;
}
