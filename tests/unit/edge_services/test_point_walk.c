/* Walking bodies: protobuf's fields, and points that are too large or too odd. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "adapters/edge/point_walk.h"
#include "runtime/memory.h"

/* Numbers of all fields, "!" where the bytes stop making sense. */
static const char *walk(const char *bytes, size_t size) {
    static char text[256];
    size_t n = 0;
    unsigned char *copy = mem_copy(bytes, size);
    struct wire wire = {copy, copy + size};
    struct wire_field field;
    text[0] = '\0';
    while (wire.at < wire.end) {
        if (!wire_next(&wire, &field)) {
            snprintf(text + n, sizeof text - n, "!");
            break;
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "%u:%d:%zu ", field.number,
                              (int)field.type, field.size);
    }
    mem_free(copy);
    return text;
}

Test(wire, walks_fields) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *fields;
    } rows[] = {
        {"", 0, ""},
        {"\x08\x96\x01", 3, "1:0:2 "},
        {"\x0a\x02xy\x15"
         "1234\x19"
         "12345678\x08\x00",
         20, "1:2:2 2:5:4 3:1:8 1:0:1 "},
        {"\xf8\xff\xff\xff\x0f\x01", 6, "536870911:0:1 "},
        {"\x0a", 1, "!"},
        {"\x0a\x03xy", 4, "!"},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "!"},
        {"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12, "!"},
        {"\x08", 1, "!"},
        {"\x08\x80", 2, "!"},
        {"\x15"
         "123",
         4, "!"},
        {"\x19"
         "1234567",
         8, "!"},
        {"\x02\x00", 2, "!"},
        {"\x0b\x0c", 2, "!"},
        {"\x0f", 1, "!"},
        {"\x80\x80\x80\x80\x10\x01", 6, "!"},
        {"\x08\x01\x0b", 3, "1:0:1 !"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(walk(rows[i].bytes, rows[i].size), rows[i].fields, "row %zu", i);
}

static enum status
first_point(enum edge_format format, const void *body, size_t size, char *words) {
    struct point_walk points;
    struct arena arena;
    Vectron__V1__Point *point = NULL;
    arena_init(&arena, 16 << 20);
    point_walk_init(&points, format, body, size);
    enum status s = point_walk_next(&points, &arena, &point);
    snprintf(words, POINT_WALK_WORDS_MAX, "%s", points.words);
    point_walk_reset(&points);
    arena_free(&arena);
    return s;
}

Test(points, refuses_strings_that_c_would_cut) {
    char words[POINT_WALK_WORDS_MAX];
    cr_expect_eq(first_point(EDGE_PROTOBUF,
                             "\x12\x05\x0a\x03"
                             "a\0b",
                             7, words),
                 STATUS_INVALID);
    cr_expect_eq(strncmp(words, "points[0]: ", 11), 0, "%s", words);
    cr_expect_eq(first_point(EDGE_PROTOBUF,
                             "\x12\x05\x0a\x03"
                             "a\xff"
                             "b",
                             7, words),
                 STATUS_INVALID);
}

/* Numbers without end must not become memory without end. */
Test(points, bounds_the_memory_of_one_point) {
    enum { SIZE = 32 << 20 };
    char words[POINT_WALK_WORDS_MAX];
    char *body = mem_alloc(SIZE);
    memset(body, '1', SIZE);
    memcpy(body, "{\"points\":[{\"vector\":[", 22);
    for (size_t i = 22; i < SIZE; i += 2)
        body[i] = ',';
    body[22] = '1';
    cr_expect_eq(first_point(EDGE_JSON, body, SIZE, words), STATUS_TOO_LARGE);
    cr_expect_str_eq(words, "points[0] is too large");
    memcpy(body, "\x12\x81\x80\x40", 4);
    cr_expect_eq(first_point(EDGE_PROTOBUF, body, SIZE, words), STATUS_TOO_LARGE);
    mem_free(body);
}
