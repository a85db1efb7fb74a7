#include "actors/router/session.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/poison.h"

enum { DIGITS_MAX = 16 };

void session_put(struct buffer *text, uint64_t shard, uint64_t index) {
    if (text->size == 0) buffer_printf(text, "1");
    buffer_printf(text, ".%" PRIx64 ":%" PRIx64, shard, index);
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
