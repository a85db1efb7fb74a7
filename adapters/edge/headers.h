/* headers: names and values of one request or response, in the order they came. */
#ifndef EDGE_HEADERS_H
#define EDGE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/arena.h"

struct header {
    const char *name; /* lower case */
    const char *value;
    size_t name_size;
    size_t value_size;
};

struct headers {
    struct header *items; /* in the arena */
    size_t n;
    size_t capacity;
    size_t bytes; /* as RFC 9113 6.5.2 counts them: 32 more for each */
};

enum { HEADER_OVERHEAD = 32 };

/* Copies both into the arena and ends them with NUL. The name is in lower case: HTTP/2 knows no
 * other, for others there is headers_lower. False: no memory. */
bool headers_add(struct headers *headers, struct arena *arena, const struct header *header);
void headers_lower(char *name, size_t size);
/* The same as headers_add for strings. */
bool headers_set(struct headers *headers, struct arena *arena, const char *name, const char *value);
/* The same for literals: not copied. */
bool headers_put(struct headers *headers, struct arena *arena, const char *name, const char *value);
/* No control bytes but tab: nothing that could end a header line. */
bool headers_value_valid(const char *value);
/* One or more token characters (RFC 9110 5.6.2). */
bool headers_name_valid(const char *name, size_t size);
/* The first of that name (lower case); NULL when absent. */
const char *headers_get(const struct headers *headers, const char *name);

#endif
