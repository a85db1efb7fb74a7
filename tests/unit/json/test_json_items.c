/* A list taken element by element must read as the whole message does. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "adapters/edge/json_items.h"
#include "runtime/memory.h"
#include "schemas/apigateway.pb-c.h"

static struct json_error error;

/* Ids of all points in one line, or the error. */
static const char *ids(const char *text) {
    static char line[256];
    struct json_items items;
    struct arena arena;
    size_t n = 0, size = strlen(text);
    char *copy = mem_copy(text, size);
    arena_init(&arena, 0);
    line[0] = '\0';
    json_items_init(&items, &vectron__v1__upsert_request__descriptor, "points", copy, size);
    for (;;) {
        ProtobufCMessage *item = NULL;
        enum status s = json_items_next(&items, &arena, &item, &error);
        if (s != STATUS_OK) n += (size_t)snprintf(line + n, sizeof line - n, "!%s", error.text);
        if (s != STATUS_OK || !item) break;
        n += (size_t)snprintf(line + n, sizeof line - n, "%s ", ((Vectron__V1__Point *)item)->id);
        arena_reset(&arena);
    }
    json_items_reset(&items);
    arena_free(&arena);
    mem_free(copy);
    return line;
}

Test(json_items, takes_members_in_any_order) {
    static const struct {
        const char *text, *ids;
    } rows[] = {
        {"", ""},
        {" ", ""},
        {"{}", ""},
        {"{\"points\":[]}", ""},
        {"{\"points\":null}", ""},
        {"{\"points\":[{\"id\":\"a\"}]}", "a "},
        {"{\"points\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"collection\":\"c\"}", "a b "},
        {"{\"collection\":\"c\",\"x\":[1],\"points\":[{\"id\":\"a\"}],\"y\":{}}", "a "},
        {"{\"points\":[{\"id\":\"a\"}]} ", "a "},
        {"{\"points\":[{\"id\":\"a\"}]}x", "a !JSON: text goes on behind its end at byte 23"},
        {"{\"points\":[{\"id\":\"a\"},{\"id\":5}]}", "a !points[1].id: string expected"},
        {"{\"points\":[{\"id\":\"a\"},{\"vector\":[0,1e99]}]}",
         "a !points[1].vector[1]: number is out of range of float"},
        {"{\"points\":[{\"id\":\"a\"}],\"points\":[]}", "a !points: field is given twice"},
        {"{\"points\":[{\"id\":\"a\"}],\"collection\":7}", "a !collection: string expected"},
        {"{\"points\":{}}", "!points: array expected"},
        {"{\"points\":[null]}", "!points[0]: object expected"},
        {"{\"points\":[{\"id\":\"a\"}", "!points: text ends before ']'"},
        {"[]", "!JSON: object expected at byte 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(ids(rows[i].text), rows[i].ids);
}

Test(json_items, every_prefix_of_a_text_is_an_error) {
    static const char text[] =
        "{\"a\":[1,2],\"points\":[{\"id\":\"a\",\"vector\":[1,2]},{}],\"collection\":\"c\"}";
    for (size_t size = 1; size < sizeof text - 1; size++) {
        char part[sizeof text];
        memcpy(part, text, size);
        part[size] = '\0';
        cr_expect(strchr(ids(part), '!'), "%s", part);
    }
    cr_expect_not(strchr(ids(text), '!'));
}
