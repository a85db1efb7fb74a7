/* json_text: RFC 8259's grammar, strictly: no comments, no trailing commas, no control characters
 * in strings, no lone surrogates, no bytes that are not UTF-8. Beyond it: no NUL in strings, since
 * C strings end there. */
#include "adapters/edge/json_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "adapters/edge/json_number.h"
#include "runtime/poison.h"
#include "runtime/text.h"

enum { KEY_SHOWN_MAX = 32 };

void json_text_init(struct json_text *json, const char *text, size_t size, struct arena *arena) {
    json->begin = json->at = text;
    json->end = size ? text + size : text;
    json->arena = arena;
    json->depth = 0;
    json->path_at = sizeof json->path;
    json->path_full = false;
    json->reason[0] = '\0';
}

/* --- errors ---------------------------------------------------------------------------------- */

enum status json_text_fail(struct json_text *json, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(json->reason, sizeof json->reason, format, args);
    va_end(args);
    return STATUS_INVALID;
}

/* What does not fit is left out: the innermost steps help most. */
static void prepend(struct json_text *json, const char *text, size_t size) {
    json->path_full |= size > json->path_at;
    if (json->path_full) return;
    json->path_at -= size;
    memcpy(json->path + json->path_at, text, size);
}

/* Between a step and what is inside it: indexes need no point. */
static const char *joint(const struct json_text *json) {
    bool field = json->path_at < sizeof json->path && json->path[json->path_at] != '[';
    return field ? "." : "";
}

void json_text_in_field(struct json_text *json, const char *name) {
    char step[JSON_PATH_MAX];
    int n = snprintf(step, sizeof step, "%s%s", name, joint(json));
    prepend(json, step, (size_t)n);
}

void json_text_in_index(struct json_text *json, size_t index) {
    char step[32];
    int n = snprintf(step, sizeof step, "[%zu]%s", index, joint(json));
    prepend(json, step, (size_t)n);
}

void json_text_in_key(struct json_text *json, const struct json_slice *key) {
    char step[KEY_SHOWN_MAX + 16];
    size_t shown = key->size > KEY_SHOWN_MAX ? text_cut(key->text, KEY_SHOWN_MAX) : key->size;
    int n = snprintf(step, sizeof step, "[\"%.*s%s\"]%s", (int)shown, key->text,
                     shown < key->size ? "…" : "", joint(json));
    prepend(json, step, (size_t)n);
}

void json_text_error(const struct json_text *json, struct json_error *out) {
    out->offset = (size_t)(json->at - json->begin);
    int path = (int)(sizeof json->path - json->path_at);
    if (path > 0)
        snprintf(out->text, sizeof out->text, "%.*s: %s", path, json->path + json->path_at,
                 json->reason);
    else
        snprintf(out->text, sizeof out->text, "JSON: %s at byte %zu", json->reason, out->offset);
    size_t valid = text_prefix(out->text, strlen(out->text));
    out->text[valid] = '\0';
}

/* --- tokens ---------------------------------------------------------------------------------- */

char json_text_peek(struct json_text *json) {
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r'))
        json->at++;
    return json->at < json->end ? *json->at : '\0';
}

bool json_text_take(struct json_text *json, char c) {
    if (json_text_peek(json) != c) return false;
    json->at++;
    return true;
}

enum status json_text_expect(struct json_text *json, char c) {
    if (json_text_take(json, c)) return STATUS_OK;
    if (json->at == json->end) return json_text_fail(json, "text ends where '%c' is expected", c);
    return json_text_fail(json, "'%c' expected", c);
}

enum status json_text_enter(struct json_text *json, char open) {
    if (json_text_peek(json) != open)
        return json_text_fail(json, "%s expected", open == '{' ? "object" : "array");
    if (json->depth == JSON_DEPTH_MAX)
        return json_text_fail(json, "nested deeper than %d", JSON_DEPTH_MAX);
    json->depth++;
    json->at++;
    return STATUS_OK;
}

enum status json_text_leave(struct json_text *json, char close, bool *more) {
    if (json_text_take(json, ',')) {
        *more = true;
        return STATUS_OK;
    }
    if (!json_text_take(json, close)) {
        if (json->at == json->end) return json_text_fail(json, "text ends before '%c'", close);
        return json_text_fail(json, "',' or '%c' expected", close);
    }
    json->depth--;
    *more = false;
    return STATUS_OK;
}

bool json_text_word(struct json_text *json, const char *word) {
    size_t size = strlen(word);
    if (json_text_peek(json) != word[0] || (size_t)(json->end - json->at) < size) return false;
    if (memcmp(json->at, word, size) != 0) return false;
    json->at += size;
    return true;
}

/* --- strings --------------------------------------------------------------------------------- */

/* True when one of eight bytes ends a plain run: quote, backslash, control character or no ASCII.
 */
static bool run_ends(uint64_t eight) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t quote = eight ^ (ones * '"'), escape = eight ^ (ones * '\\');
    uint64_t low = (eight - ones * 0x20) | (quote - ones) | (escape - ones);
    return ((low | eight) & tops) != 0;
}

/* Passes plain characters; stops at a quote, a backslash, or fails. */
static enum status pass_plain(struct json_text *json) {
    for (;;) {
        uint64_t eight;
        while (json->end - json->at >= 8) {
            memcpy(&eight, json->at, sizeof eight);
            if (run_ends(eight)) break;
            json->at += sizeof eight;
        }
        if (json->at == json->end) return json_text_fail(json, "text ends inside a string");
        unsigned char c = (unsigned char)*json->at;
        if (c == '"' || c == '\\') return STATUS_OK;
        if (c == 0) return json_text_fail(json, "strings must not contain NUL");
        if (c < 0x20) return json_text_fail(json, "control character 0x%02x in a string", c);
        size_t length = text_character(json->at, (size_t)(json->end - json->at));
        if (length == 0) return json_text_fail(json, "string is not valid UTF-8");
        json->at += length;
    }
}

/* The four hex digits of \uXXXX; json->at is behind the u. */
static enum status take_hex(struct json_text *json, uint32_t *code) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = json->at + i < json->end ? json->at[i] : '\0';
        char lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            value = value << 4 | (uint32_t)(lower - 'a' + 10);
        else
            return json_text_fail(json, "\\u needs four hexadecimal digits");
    }
    json->at += 4;
    *code = value;
    return STATUS_OK;
}

static enum status take_unicode(struct json_text *json, uint32_t *code) {
    enum status s = take_hex(json, code);
    if (s != STATUS_OK) return s;
    if (*code == 0) return json_text_fail(json, "strings must not contain NUL (\\u0000)");
    if (*code < 0xd800 || *code > 0xdfff) return STATUS_OK;
    uint32_t low;
    if (*code > 0xdbff || json->end - json->at < 2 || json->at[0] != '\\' || json->at[1] != 'u')
        return json_text_fail(json, "lone surrogate \\u%04x", (unsigned)*code);
    json->at += 2;
    s = take_hex(json, &low);
    if (s != STATUS_OK) return s;
    if (low < 0xdc00 || low > 0xdfff)
        return json_text_fail(json, "lone surrogate \\u%04x", (unsigned)*code);
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return STATUS_OK;
}

/* json->at is at the backslash. */
static enum status take_escape(struct json_text *json, char *out, size_t *size) {
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    char c = json->end - json->at >= 2 ? json->at[1] : '\0';
    const char *name = c ? strchr(names, c) : NULL;
    if (!name && c != 'u') return json_text_fail(json, "unknown escape in a string");
    json->at += 2;
    if (name) {
        out[(*size)++] = bytes[name - names];
        return STATUS_OK;
    }
    uint32_t code;
    enum status s = take_unicode(json, &code);
    if (s == STATUS_OK) *size += text_put(out + *size, code);
    return s;
}

/* Finds the closing quote without judging; escapes only shrink, so this bounds the decoded size. */
static size_t escaped_size(const struct json_text *json) {
    const char *at = json->at;
    while (at < json->end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    return (size_t)((at < json->end ? at : json->end) - json->at);
}

/* The string from `start` again, now with escapes decoded into the arena. */
static enum status decode(struct json_text *json, const char *start, struct json_slice *out) {
    size_t size = (size_t)(json->at - start);
    char *text = arena_alloc(json->arena, size + escaped_size(json) + 1);
    if (!text) return STATUS_NO_MEMORY;
    memcpy(text, start, size);
    while (*json->at == '\\') {
        enum status s = take_escape(json, text, &size);
        if (s != STATUS_OK) return s;
        const char *plain = json->at;
        s = pass_plain(json);
        if (s != STATUS_OK) return s;
        memcpy(text + size, plain, (size_t)(json->at - plain));
        size += (size_t)(json->at - plain);
    }
    json->at++;
    text[size] = '\0';
    *out = (struct json_slice){text, size};
    return STATUS_OK;
}

enum status json_text_string(struct json_text *json, struct json_slice *out) {
    if (json_text_peek(json) != '"') return json_text_fail(json, "string expected");
    const char *start = ++json->at;
    enum status s = pass_plain(json);
    if (s != STATUS_OK) return s;
    if (*json->at == '\\') return decode(json, start, out);
    *out = (struct json_slice){start, (size_t)(json->at - start)};
    json->at++;
    return STATUS_OK;
}

/* --- values nobody wants --------------------------------------------------------------------- */

/* A string that is only checked: escapes go to a few bytes on the stack, not to the arena. */
static enum status skip_string(struct json_text *json) {
    json->at++;
    for (;;) {
        enum status s = pass_plain(json);
        if (s != STATUS_OK) return s;
        if (*json->at == '"') break;
        char character[4];
        size_t size = 0;
        s = take_escape(json, character, &size);
        if (s != STATUS_OK) return s;
    }
    json->at++;
    return STATUS_OK;
}

static enum status skip_nested(struct json_text *json, char open) {
    char close = open == '{' ? '}' : ']';
    enum status s = json_text_enter(json, open);
    if (s != STATUS_OK) return s;
    bool more = true;
    if (json_text_take(json, close)) {
        json->depth--;
        return STATUS_OK;
    }
    while (more) {
        if (open == '{') {
            if (json_text_peek(json) != '"') return json_text_fail(json, "member name expected");
            s = skip_string(json);
            if (s == STATUS_OK) s = json_text_expect(json, ':');
            if (s != STATUS_OK) return s;
        }
        s = json_text_skip(json);
        if (s == STATUS_OK) s = json_text_leave(json, close, &more);
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

enum status json_text_skip(struct json_text *json) {
    char c = json_text_peek(json);
    if (c == '{' || c == '[') return skip_nested(json, c);
    if (c == '"') return skip_string(json);
    if (json_text_word(json, "null") || json_text_word(json, "true") ||
        json_text_word(json, "false"))
        return STATUS_OK;
    struct json_number number;
    size_t size = json_number_scan(json->at, json->end, &number);
    if (size == 0) return json_text_fail(json, "value expected");
    json->at += size;
    return STATUS_OK;
}
