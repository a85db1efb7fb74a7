/* grpc_text: see "gRPC over HTTP2", section Requests and Responses. */
#include "adapters/edge/grpc_text.h"

#include <string.h>

enum { TIMEOUT_DIGITS_MAX = 8 };

static bool plain(unsigned char c) {
    return c >= 0x20 && c <= 0x7e && c != '%';
}

char *grpc_text_message(struct arena *arena, const char *text) {
    static const char hex[] = "0123456789ABCDEF";
    size_t size = 1;
    for (const char *c = text; *c; c++)
        size += plain((unsigned char)*c) ? 1 : 3;
    char *out = arena_alloc(arena, size);
    if (!out) return NULL;
    char *to = out;
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (plain(byte)) {
            *to++ = *c;
            continue;
        }
        *to++ = '%';
        *to++ = hex[byte >> 4];
        *to++ = hex[byte & 15];
    }
    *to = 0;
    return out;
}

static uint64_t unit_ns(char unit) {
    switch (unit) {
    case 'H':
        return 3600ull * 1000000000;
    case 'M':
        return 60ull * 1000000000;
    case 'S':
        return 1000000000;
    case 'm':
        return 1000000;
    case 'u':
        return 1000;
    case 'n':
        return 1;
    default:
        return 0;
    }
}

bool grpc_text_timeout(const char *text, uint64_t *out_us) {
    uint64_t value = 0;
    size_t n = 0;
    for (; text[n] >= '0' && text[n] <= '9'; n++) {
        if (n == TIMEOUT_DIGITS_MAX) return false;
        value = value * 10 + (uint64_t)(text[n] - '0');
    }
    uint64_t unit = n ? unit_ns(text[n]) : 0;
    if (unit == 0 || text[n + 1]) return false;
    /* At most 99,999,999 hours: 3.6e20 ns do not fit, so the large units are counted in us. */
    *out_us = unit >= 1000 ? value * (unit / 1000) : (value + 999) / 1000;
    return true;
}

char *grpc_text_binary(struct arena *arena, const void *data, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = data;
    char *out = arena_alloc(arena, (size + 2) / 3 * 4 + 1);
    if (!out) return NULL;
    char *to = out;
    for (size_t i = 0; i < size; i += 3) {
        size_t n = size - i < 3 ? size - i : 3;
        uint32_t group = (uint32_t)from[i] << 16;
        if (n > 1) group |= (uint32_t)from[i + 1] << 8;
        if (n > 2) group |= from[i + 2];
        for (size_t digit = 0; digit <= n; digit++)
            *to++ = digits[group >> (18 - 6 * digit) & 63];
    }
    *to = 0;
    return out;
}
