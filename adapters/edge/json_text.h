/* json_text: the lexical half of the JSON reader: a cursor over text, white space, strings, skipped
 * values, and the words and path of the first error. Used by json_read.c and json_items.c only. */
#ifndef EDGE_JSON_TEXT_H
#define EDGE_JSON_TEXT_H

#include "adapters/edge/json.h"

enum { JSON_PATH_MAX = 96, JSON_REASON_MAX = 112 };

struct json_text {
    const char *begin;
    const char *at;
    const char *end;
    struct arena *arena;
    unsigned depth; /* of open objects and arrays */
    /* The path of an error is written backwards while the reader returns from the nested value. */
    char path[JSON_PATH_MAX];
    size_t path_at; /* first used byte of path */
    bool path_full; /* outer steps are left out */
    char reason[JSON_REASON_MAX];
};

struct json_slice {
    const char *text; /* borrowed from the text, or of the arena when it had escapes */
    size_t size;
};

void json_text_init(struct json_text *json, const char *text, size_t size, struct arena *arena);
/* Gives the reason and returns INVALID. */
MUST_USE enum status json_text_fail(struct json_text *json, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds an outer step to the path of an error: a field, "[3]" or ["key"]. */
void json_text_in_field(struct json_text *json, const char *name);
void json_text_in_index(struct json_text *json, size_t index);
void json_text_in_key(struct json_text *json, const struct json_slice *key);
/* The finished error. */
void json_text_error(const struct json_text *json, struct json_error *out);

/* The next byte that is no white space, not taken; 0 at the end. */
char json_text_peek(struct json_text *json);
/* Takes the next byte when it is `c`. */
bool json_text_take(struct json_text *json, char c);
MUST_USE enum status json_text_expect(struct json_text *json, char c);
/* Opens an object or array; beyond JSON_DEPTH_MAX it fails. Close with json_text_leave. */
MUST_USE enum status json_text_enter(struct json_text *json, char open);
/* After a member or element: more when a comma was taken, the closing bracket otherwise. */
MUST_USE enum status json_text_leave(struct json_text *json, char close, bool *more);
/* A string with its quotes: valid UTF-8 without NUL. */
MUST_USE enum status json_text_string(struct json_text *json, struct json_slice *out);
/* Takes the word (null, true, false) when it is the next token. */
bool json_text_word(struct json_text *json, const char *word);
/* Any value, checked and forgotten. */
MUST_USE enum status json_text_skip(struct json_text *json);

#endif
