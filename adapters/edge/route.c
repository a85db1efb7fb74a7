/* route: a path is cut into decoded segments once, then held against each pattern of the table. */
#include "adapters/edge/route.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/text.h"

enum { SEGMENTS_MAX = 16 };

struct segment {
    const char *text;
    size_t size;
};

struct segments {
    struct segment items[SEGMENTS_MAX];
    size_t n;
};

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Decodes `size` bytes of `from` into `to`, which may not be smaller. */
static bool decode(const char *from, size_t size, char *to, size_t *out_size) {
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        char c = from[i];
        if (c == '%') {
            int high = i + 2 < size ? hex(from[i + 1]) : -1;
            int low = i + 2 < size ? hex(from[i + 2]) : -1;
            if (high < 0 || low < 0) return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == 0) return false;
        to[n++] = c;
    }
    to[n] = 0;
    *out_size = n;
    return text_prefix(to, n) == n;
}

/* NOT_FOUND: more segments than any pattern has. */
static enum status cut(const char *path, struct arena *arena, struct segments *out) {
    size_t left = strcspn(path, "?");
    char *text = arena_alloc(arena, left + SEGMENTS_MAX + 1);
    if (!text) return STATUS_NO_MEMORY;
    out->n = 0;
    if (left == 0 || path[0] != '/') return STATUS_NOT_FOUND;
    while (left) {
        path++, left--; /* the slash */
        size_t size = 0;
        while (size < left && path[size] != '/')
            size++;
        if (out->n == SEGMENTS_MAX) return STATUS_NOT_FOUND;
        struct segment *segment = &out->items[out->n++];
        segment->text = text;
        if (!decode(path, size, text, &segment->size)) return STATUS_INVALID;
        text += segment->size + 1;
        path += size;
        left -= size;
    }
    return STATUS_OK;
}

/* Whether the path has the pattern's form; binds its fields. */
static bool fits(const char *pattern, const struct segments *path, struct route_match *out) {
    size_t i = 0;
    out->n_fields = 0;
    while (*pattern == '/') {
        const char *part = pattern + 1;
        size_t size = strcspn(part, "/");
        if (i == path->n) return false;
        const struct segment *segment = &path->items[i++];
        if (part[0] == '{') {
            if (segment->size == 0) return false;
            assert(out->n_fields < ROUTE_FIELDS_MAX && part[size - 1] == '}');
            out->fields[out->n_fields++] = (struct route_field){part + 1, size - 2, segment->text};
        } else if (segment->size != size || memcmp(segment->text, part, size) != 0) {
            return false;
        }
        pattern = part + size;
    }
    return i == path->n;
}

enum status edge_route_match(const struct edge_route *routes,
                             const char *verb,
                             const char *path,
                             struct arena *arena,
                             struct route_match *out) {
    struct segments segments;
    struct route_match match = {0};
    enum status status = cut(path, arena, &segments);
    if (status != STATUS_OK) return status;
    status = STATUS_NOT_FOUND;
    for (const struct edge_route *route = routes; route && route->pattern; route++) {
        if (!fits(route->pattern, &segments, &match)) continue;
        if (strcmp(route->verb, verb) != 0) {
            status = STATUS_UNIMPLEMENTED;
            continue;
        }
        match.route = route;
        *out = match;
        return STATUS_OK;
    }
    return status;
}
