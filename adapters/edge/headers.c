/* headers: a growing list in an arena. Requests have about ten, so lookup is a scan. */
#include "adapters/edge/headers.h"

#include <string.h>

enum { HEADERS_MIN = 16 };

static char *copy(struct arena *arena, const char *text, size_t size) {
    char *fresh = arena_alloc(arena, size + 1);
    if (!fresh) return NULL;
    memcpy(fresh, text, size);
    fresh[size] = 0;
    return fresh;
}

static bool grow(struct headers *headers, struct arena *arena) {
    size_t capacity = headers->capacity ? headers->capacity * 2 : HEADERS_MIN;
    struct header *items = arena_alloc(arena, capacity * sizeof *items);
    if (!items) return false;
    if (headers->n) memcpy(items, headers->items, headers->n * sizeof *items);
    headers->items = items;
    headers->capacity = capacity;
    return true;
}

bool headers_add(struct headers *headers, struct arena *arena, const struct header *header) {
    if (headers->n == headers->capacity && !grow(headers, arena)) return false;
    char *name = copy(arena, header->name, header->name_size);
    char *value = copy(arena, header->value, header->value_size);
    if (!name || !value) return false;
    headers->items[headers->n++] =
        (struct header){name, value, header->name_size, header->value_size};
    headers->bytes += header->name_size + header->value_size + HEADER_OVERHEAD;
    return true;
}

void headers_lower(char *name, size_t size) {
    for (char *c = name; c < name + size; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + ('a' - 'A'));
}

bool headers_set(struct headers *headers,
                 struct arena *arena,
                 const char *name,
                 const char *value) {
    return headers_add(headers, arena, &(struct header){name, value, strlen(name), strlen(value)});
}

bool headers_put(struct headers *headers,
                 struct arena *arena,
                 const char *name,
                 const char *value) {
    if (headers->n == headers->capacity && !grow(headers, arena)) return false;
    struct header header = {name, value, strlen(name), strlen(value)};
    headers->items[headers->n++] = header;
    headers->bytes += header.name_size + header.value_size + HEADER_OVERHEAD;
    return true;
}

bool headers_value_valid(const char *value) {
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

bool headers_name_valid(const char *name, size_t size) {
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && (c == 0 || !strchr(marks, c))) return false;
    }
    return size > 0;
}

const char *headers_get(const struct headers *headers, const char *name) {
    size_t size = strlen(name);
    for (size_t i = 0; i < headers->n; i++) {
        const struct header *header = &headers->items[i];
        if (header->name_size == size && memcmp(header->name, name, size) == 0)
            return header->value;
    }
    return NULL;
}
