/* Filters as people write them, beside the JSON they mean; what is wrong, and where. Payload
 * indexes of the command line. */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/edge/json.h"
#include "cli/filter_text.h"
#include "cli/payload_text.h"

/* The JSON that people write, not the one with every empty list: read from text, and compared. */
static bool means(const Vectron__V1__Filter *filter, const char *json) {
    struct arena arena;
    struct json_error error;
    ProtobufCMessage *wanted;
    struct buffer a, b;
    arena_init(&arena, 0);
    buffer_init(&a);
    buffer_init(&b);
    cr_assert_eq(
        json_read(&vectron__v1__filter__descriptor, json, strlen(json), &arena, &wanted, &error),
        STATUS_OK, "%s: %s", json, error.text);
    json_write(&filter->base, &a);
    json_write(wanted, &b);
    bool same = a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
    if (!same) cr_log_error("%.*s", (int)a.size, (char *)a.data);
    buffer_free(&a);
    buffer_free(&b);
    arena_free(&arena);
    return same;
}

Test(filter_text, says_what_the_json_says) {
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"a = 'x'", "{\"key\":\"a\",\"keyword\":{\"anyOf\":[\"x\"]}}"},
        {" a == \"x\\\"\\n\" ", "{\"key\":\"a\",\"keyword\":{\"anyOf\":[\"x\\\"\\n\"]}}"},
        {"a != 3", "{\"none\":[{\"key\":\"a\",\"number\":{\"anyOf\":[3]}}]}"},
        {"a<-1.5e3", "{\"key\":\"a\",\"number\":{\"lt\":-1500}}"},
        {"a <= 1", "{\"key\":\"a\",\"number\":{\"lte\":1}}"},
        {"a>1", "{\"key\":\"a\",\"number\":{\"gt\":1}}"},
        {"a >= .5", "{\"key\":\"a\",\"number\":{\"gte\":0.5}}"},
        {"a > 9007199254740993", "{\"key\":\"a\",\"integer\":{\"gt\":\"9007199254740993\"}}"},
        {"a = 9007199254740992", "{\"key\":\"a\",\"number\":{\"anyOf\":[9007199254740992]}}"},
        {"a < integer(7)", "{\"key\":\"a\",\"integer\":{\"lt\":\"7\"}}"},
        {"a >= '2024-01-01'", "{\"key\":\"a\",\"datetime\":{\"gte\":\"2024-01-01\"}}"},
        {"a = datetime('2024-01-01')", "{\"key\":\"a\",\"datetime\":{\"anyOf\":[\"2024-01-01\"]}}"},
        {"a = TRUE", "{\"key\":\"a\",\"boolean\":true}"},
        {"a != false", "{\"none\":[{\"key\":\"a\",\"boolean\":false}]}"},
        {"a exists", "{\"key\":\"a\",\"exists\":true}"},
        {"`a b` missing", "{\"key\":\"a b\",\"exists\":false}"},
        {"a in ('x', 'y')", "{\"key\":\"a\",\"keyword\":{\"anyOf\":[\"x\",\"y\"]}}"},
        {"a not in (1,2)", "{\"none\":[{\"key\":\"a\",\"number\":{\"anyOf\":[1,2]}}]}"},
        {"a prefix 'x'", "{\"key\":\"a\",\"keyword\":{\"prefix\":\"x\"}}"},
        {"in exists AND or.x-y exists",
         "{\"all\":[{\"key\":\"in\",\"exists\":true},{\"key\":\"or.x-y\",\"exists\":true}]}"},
        {"a = 1 or b = 2 and not c = 3",
         "{\"any\":[{\"key\":\"a\",\"number\":{\"anyOf\":[1]}},{\"all\":[{\"key\":\"b\",\"number\":"
         "{\"anyOf\":[2]}},{\"none\":[{\"key\":\"c\",\"number\":{\"anyOf\":[3]}}]}]}]}"},
        {"((a exists or b exists)) and größe exists",
         "{\"all\":[{\"any\":[{\"key\":\"a\",\"exists\":true},{\"key\":\"b\",\"exists\":true}]},"
         "{\"key\":\"größe\",\"exists\":true}]}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct buffer why;
        Vectron__V1__Filter *filter = NULL;
        arena_init(&arena, 0);
        buffer_init(&why);
        cr_assert_eq(filter_text_read(rows[i].text, &arena, &filter, &why), STATUS_OK, "%s: %s",
                     rows[i].text, why.size ? (char *)why.data : "");
        cr_expect(means(filter, rows[i].json), "%s", rows[i].text);
        buffer_free(&why);
        arena_free(&arena);
    }
}

Test(filter_text, says_what_was_expected_and_where) {
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "at its end: expected a key, \"not\" or \"(\"\n  \n  ^"},
        {"a", "at its end: expected =, !=, <, <=, >, >=, in, not in, prefix, exists or missing"},
        {"a <", "at its end: expected a value"},
        {"a = b",
         "at character 5: expected a value: texts stand in quotes, not b\n  a = b\n      ^"},
        {"ä = 'x", "at character 5: this quote is never closed\n  ä = 'x\n      ^"},
        {"a = 'x' b", "at character 9: expected \"and\", \"or\" or the end, not b"},
        {"(a = 1", "at its end: expected \")\", \"and\" or \"or\""},
        {"a = 1)", "at character 6: expected \"and\", \"or\" or the end, not )"},
        {"a in (1, 'x')", "at character 10: the values of a list are of one kind"},
        {"a in ()", "at character 7: expected a value, not )"},
        {"a in (true)", "at character 7: true and false are asked for with ="},
        {"a not b", "at character 7: expected \"in\" behind not, not b"},
        {"a < 'x'", "at character 5: only numbers and date-times"},
        {"a < true", "at character 5: only numbers and date-times"},
        {"a = 1.2.3", "at character 5: this is not a number"},
        {"a = integer(1.5)", "at character 13: this is not an integer of 64 bits"},
        {"a = datetime('x')", "at character 14: this is not a date-time of RFC 3339"},
        {"a = datetime(1)", "at character 14: expected a date-time in quotes, not 1"},
        {"a = '\\q'", "at character 6: an escape is one of"},
        {"a prefix ''", "at character 10: every text begins with nothing"},
        {"a prefix 1", "at character 10: expected a text in quotes behind prefix, not 1"},
        {"a & b", "at character 3: no filter has this character outside quotes"},
        {"`` exists", "at character 1: a key has at least one character"},
        {"((((((((a exists))))))))", "at character 8: brackets and not are nested more than 7"},
        {"\xff", "is not valid UTF-8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct buffer why;
        Vectron__V1__Filter *filter = NULL;
        arena_init(&arena, 0);
        buffer_init(&why);
        cr_assert_eq(filter_text_read(rows[i].text, &arena, &filter, &why), STATUS_INVALID, "%s",
                     rows[i].text);
        cr_expect(strncmp((char *)why.data, rows[i].why, strlen(rows[i].why)) == 0, "%s: %s",
                  rows[i].text, (char *)why.data);
        buffer_free(&why);
        arena_free(&arena);
    }
}

Test(payload_text, reads_keys_and_types) {
    static const struct {
        const char *text;
        size_t n;
        const char *key; /* of the last */
        Vectron__V1__PayloadType type;
        const char *why; /* INVALID */
    } rows[] = {
        {"a", 1, "a", VECTRON__V1__PAYLOAD_TYPE__PAYLOAD_KEYWORD, NULL},
        {"a,b:integer", 2, "b", VECTRON__V1__PAYLOAD_TYPE__PAYLOAD_INTEGER, NULL},
        {"a:b:DateTime", 1, "a:b", VECTRON__V1__PAYLOAD_TYPE__PAYLOAD_DATETIME, NULL},
        {"a:float", 1, "a", VECTRON__V1__PAYLOAD_TYPE__PAYLOAD_NUMBER, NULL},
        {"a:text", 0, NULL, 0, "\"text\" is no type"},
        {"a,,b", 0, NULL, 0, "a key is empty"},
        {":bool", 0, NULL, 0, "a key is empty"},
        {"", 0, NULL, 0, "a key is empty"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct buffer why;
        struct payload_text out;
        arena_init(&arena, 0);
        buffer_init(&why);
        enum status s = payload_text_read(rows[i].text, &arena, &out, &why);
        cr_assert_eq(s, rows[i].why ? STATUS_INVALID : STATUS_OK, "%s", rows[i].text);
        if (rows[i].why) {
            cr_expect(strstr((char *)why.data, rows[i].why) != NULL, "%s", (char *)why.data);
        } else {
            cr_assert_eq(out.n, rows[i].n);
            cr_expect_str_eq(out.indexes[out.n - 1]->key, rows[i].key);
            cr_expect_eq(out.indexes[out.n - 1]->type, rows[i].type);
        }
        buffer_free(&why);
        arena_free(&arena);
    }
}
