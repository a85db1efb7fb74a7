/* traceparent: strict, as the recommendation asks: what is not exactly right is ignored whole. */
#include "adapters/edge/traceparent.h"

#include <stdio.h>
#include <string.h>

enum { VERSION_AT = 0, TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, SAMPLED = 1 };

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n bytes from twice as many digits. */
static bool read_bytes(const char *text, unsigned char *out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);
        if (low < 0) return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool traceparent_read(const char *text, struct root_span *out) {
    unsigned char version, flags, trace[16], parent[8];
    size_t size = strlen(text);
    if (size < TRACEPARENT_SIZE || text[TRACE_AT - 1] != '-' || text[PARENT_AT - 1] != '-' ||
        text[FLAGS_AT - 1] != '-')
        return false;
    if (!read_bytes(text + VERSION_AT, &version, 1) || version == 0xff) return false;
    if (!read_bytes(text + TRACE_AT, trace, sizeof trace)) return false;
    if (!read_bytes(text + PARENT_AT, parent, sizeof parent)) return false;
    if (!read_bytes(text + FLAGS_AT, &flags, 1)) return false;
    if (size > TRACEPARENT_SIZE && (version == 0 || text[TRACEPARENT_SIZE] != '-')) return false;
    struct root_span root = {.sampled = flags & SAMPLED};
    memcpy(root.trace, trace, sizeof trace);
    for (size_t i = 0; i < sizeof parent; i++)
        root.parent = root.parent << 8 | parent[i];
    if (!(root.trace[0] | root.trace[1]) || root.parent == 0) return false;
    *out = root;
    return true;
}

void traceparent_write(const struct root_span *root, char *text) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *trace = (const unsigned char *)root->trace;
    char *at = text;
    *at++ = '0';
    *at++ = '0';
    *at++ = '-';
    for (size_t i = 0; i < sizeof root->trace; i++) {
        *at++ = digits[trace[i] >> 4];
        *at++ = digits[trace[i] & 15];
    }
    *at++ = '-';
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = digits[root->span >> shift & 15];
    memcpy(at, root->sampled ? "-01" : "-00", 4);
}
