/* utf8: one table-free check per character; runs of ASCII are passed eight bytes at a time. */
#include "adapters/edge/utf8.h"

#include <string.h>

#include "runtime/poison.h"

/* The second byte's range carries all special cases: overlong forms, surrogates, the upper end. */
size_t utf8_character(const void *text, size_t size) {
    const unsigned char *at = text;
    unsigned char lead = at[0];
    if (lead < 0x80) return 1;
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || size < length) return 0;
    unsigned char low = 0x80, high = 0xbf;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    return length;
}

size_t utf8_prefix(const void *text, size_t size) {
    const unsigned char *at = text;
    size_t i = 0;
    while (i < size) {
        uint64_t eight;
        while (size - i >= sizeof eight) {
            memcpy(&eight, at + i, sizeof eight);
            if (eight & 0x8080808080808080u) break;
            i += sizeof eight;
        }
        if (i == size) break;
        size_t length = utf8_character(at + i, size - i);
        if (length == 0) break;
        i += length;
    }
    return i;
}

size_t utf8_put(char *out, uint32_t code) {
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

size_t utf8_cut(const char *text, size_t size, size_t max) {
    if (size <= max) return size;
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}
