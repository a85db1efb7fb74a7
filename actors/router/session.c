#include "actors/router/session.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/poison.h"

enum { DIGITS_MAX = 16 };

/* Writes a mark and a number behind it; returns the end. */
static char *put(char *at, char mark, uint64_t value) {
    int digits = 1;
    while (digits < DIGITS_MAX && value >> 4 * digits)
        digits++;
    *at++ = mark;
    for (int i = digits; i-- > 0;)
        *at++ = "0123456789abcdef"[value >> 4 * i & 15];
    return at;
}

/* Every search makes one: printf would be a tenth of what the router does for it. */
void session_put(struct buffer *text, uint64_t shard, uint64_t index) {
    char pair[1 + 2 * (1 + DIGITS_MAX)], *at = pair;
    if (text->size == 0) *at++ = '1';
    at = put(put(at, '.', shard), ':', index);
    buffer_append(text, pair, (size_t)(at - pair));
}

/* One hexadecimal number; NULL when there is none. */
static const char *number(const char *text, uint64_t *out) {
    uint64_t value = 0;
    int n = 0;
    for (; n <= DIGITS_MAX; n++, text++) {
        if (*text >= '0' && *text <= '9')
            value = value << 4 | (uint64_t)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            value = value << 4 | (uint64_t)(*text - 'a' + 10);
        else
            break;
    }
    *out = value;
    return n > 0 && n <= DIGITS_MAX ? text : NULL;
}

/* The pair at text, which stands before its dot; NULL: malformed. */
static const char *pair(const char *text, struct session_pair *out) {
    if (*text != '.') return NULL;
    text = number(text + 1, &out->shard);
    if (!text || *text != ':') return NULL;
    return number(text + 1, &out->index);
}

enum status session_check(const char *text) {
    if (!*text) return STATUS_OK;
    if (strnlen(text, SESSION_TEXT_MAX) == SESSION_TEXT_MAX || *text != '1') return STATUS_INVALID;
    struct session_pair out;
    int n = 0;
    for (text++; *text; n++) {
        text = pair(text, &out);
        if (!text || n == SESSION_SHARDS_MAX) return STATUS_INVALID;
    }
    return STATUS_OK;
}

uint64_t session_index(const char *text, uint64_t shard) {
    struct session_pair out;
    if (!*text) return 0;
    for (text++; text && *text;) {
        text = pair(text, &out);
        if (text && out.shard == shard) return out.index;
    }
    return 0;
}
