/* The JSON reader: what it takes, what it refuses, and with which words. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "adapters/edge/json.h"
#include "every.pb-c.h"
#include "runtime/memory.h"
#include "schemas/apigateway.pb-c.h"

static struct arena arena;
static struct json_error error;

static void set_up(void) {
    arena_init(&arena, 0);
}

TestSuite(json_read, .init = set_up);

/* From a heap copy of exactly the text's size, so that a sanitizer sees any step beyond it. */
static const ProtobufCMessage *
read_sized(const ProtobufCMessageDescriptor *type, const char *text, size_t size) {
    ProtobufCMessage *message = NULL;
    char *copy = mem_copy(text, size);
    error.text[0] = '\0';
    enum status s = json_read(type, copy, size, &arena, &message, &error);
    mem_free(copy);
    return s == STATUS_OK ? message : NULL;
}

static const Every__Every *read_every(const char *text) {
    return (const Every__Every *)read_sized(&every__every__descriptor, text, strlen(text));
}

Test(json_read, an_empty_text_is_an_empty_message) {
    cr_expect(read_every(""));
    cr_expect(read_every(" \n"));
    cr_expect(read_every("{}"));
    arena_free(&arena);
}

Test(json_read, takes_both_names_and_ignores_unknown_ones) {
    const Every__Every *m = read_every(
        "{\"aInt32\":1,\"a_uint32\":2,\"xYZ1\":\"x\",\"odd_2name\":\"y\",\"oddTwo\":[{\"a\":null}]}");
    cr_assert(m, "%s", error.text);
    cr_expect_eq(m->a_int32, 1);
    cr_expect_eq(m->a_uint32, 2);
    cr_expect_str_eq(m->x_y_z_1, "x");
    cr_expect_str_eq(m->odd_2name, "y");
    arena_free(&arena);
}

Test(json_read, says_which_member_was_in_vain) {
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"{}", ""},
        {"{\"topK\":1,\"top_k\":2}", NULL},
        {"{\"topK\":1}", ""},
        {"{\"topk\":1}", "field \"topk\" is unknown and was ignored; topK is meant?"},
        {"{\"target_recal\":1}",
         "field \"target_recal\" is unknown and was ignored; targetRecall is meant?"},
        {"{\"vektor\":[1],\"topp\":[2]}",
         "field \"vektor\" is unknown and was ignored; vector is meant?"},
        {"{\"fe\":1}", "field \"fe\" is unknown and was ignored"},
        {"{\"a\\nb\\\"\u00e4\":1}", "field \"a?b???\" is unknown and was ignored"},
        {"{\"an_unheard_of_name_that_is_longer_than_is_shown\":1}",
         "field \"an_unheard_of_name_that_is_longer_than_i...\" is unknown and was ignored"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const ProtobufCMessageDescriptor *type = &vectron__v1__search_request__descriptor;
        bool read = read_sized(type, rows[i].text, strlen(rows[i].text)) != NULL;
        cr_expect_eq(read, rows[i].words != NULL, "%s", rows[i].text);
        if (read) cr_expect_str_eq(error.unknown, rows[i].words);
        arena_free(&arena);
    }
}

Test(json_read, accepts) {
    static const char *const rows[] = {
        "{\"aInt32\":\"5\"}",
        "{\"aInt32\":5.0}",
        "{\"aInt32\":5e0}",
        "{\"aInt32\":\"5e0\"}",
        "{\"aInt32\":-2147483648}",
        "{\"aUint32\":4294967295}",
        "{\"aUint64\":18446744073709551615}",
        "{\"aInt64\":\"-9223372036854775808\"}",
        "{\"aUint32\":-0}",
        "{\"aInt32\":null,\"aLeaf\":null,\"manyInt32\":null,\"textByText\":null,\"asText\":null}",
        "{\"asText\":null,\"asNumber\":4}",
        "{\"aFloat\":\"NaN\"}",
        "{\"aFloat\":\"-Infinity\"}",
        "{\"aFloat\":\"1.5\"}",
        "{\"aColour\":\"RED\"}",
        "{\"aColour\":7}",
        "{\"aColour\":99}",
        "{\"someBytes\":\"AQID\"}",
        "{\"someBytes\":\"-_-_\"}",
        "{\"someBytes\":\"AQ\"}",
        "{\"someBytes\":\"AQ==\"}",
        "{\"someBytes\":\"\"}",
        "{\"boolByInt64\":{\"-5\":true}}",
        "{\"colourByBool\":{\"true\":1,\"false\":\"RED\"}}",
        "{\"aString\":\"\\ud83d\\ude00 \\u00e9 \\/\"}",
        " { \"aBool\" : true , \"manyInt32\" : [ 1 , 2 ] } ",
        "{\"manyFloat\":[ 1,\n2 , 3,  4]}",
        "{\"manyFloat\":[\"NaN\",1e-3,\"2\"]}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect(read_every(rows[i]), "%s: %s", rows[i], error.text);
    arena_free(&arena);
}

Test(json_read, refuses_with_words) {
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"{\"aInt32\":5.5}", "aInt32: number is not an integer"},
        {"{\"aInt32\":2147483648}", "aInt32: number is out of range of int32"},
        {"{\"aUint32\":-1}", "aUint32: number is out of range of uint32"},
        {"{\"aUint64\":18446744073709551616}", "aUint64: number is out of range of uint64"},
        {"{\"aInt32\":\"\"}", "aInt32: integer expected"},
        {"{\"aInt32\":\" 5\"}", "aInt32: integer expected"},
        {"{\"aInt32\":true}", "aInt32: number expected"},
        {"{\"aFloat\":NaN}", "aFloat: number expected"},
        {"{\"aFloat\":1e39}", "aFloat: number is out of range of float"},
        {"{\"aFloat\":\"1e39\"}", "aFloat: number is out of range of float"},
        {"{\"aDouble\":1e999}", "aDouble: number is out of range of double"},
        {"{\"aBool\":1}", "aBool: true or false expected"},
        {"{\"aBool\":\"true\"}", "aBool: true or false expected"},
        {"{\"aColour\":\"PINK\"}", "aColour: unknown value of enum Colour"},
        {"{\"aColour\":\"\"}", "aColour: unknown value of enum Colour"},
        {"{\"aString\":5}", "aString: string expected"},
        {"{\"aString\":\"a\\u0000b\"}", "aString: strings must not contain NUL (\\u0000)"},
        {"{\"aString\":\"\\ud800\"}", "aString: lone surrogate \\ud800"},
        {"{\"aString\":\"\\udc00\\ud800\"}", "aString: lone surrogate \\udc00"},
        {"{\"aString\":\"\\ud800\\u0041\"}", "aString: lone surrogate \\ud800"},
        {"{\"aString\":\"\\u12g4\"}", "aString: \\u needs four hexadecimal digits"},
        {"{\"aString\":\"\\x\"}", "aString: unknown escape in a string"},
        {"{\"aString\":\"\xc0\xaf\"}", "aString: string is not valid UTF-8"},
        {"{\"aString\":\"\xed\xa0\x80\"}", "aString: string is not valid UTF-8"},
        {"{\"aString\":\"a\nb\"}", "aString: control character 0x0a in a string"},
        {"{\"someBytes\":\"A\"}", "someBytes: bytes are not base64"},
        {"{\"someBytes\":\"A=Q=\"}", "someBytes: bytes are not base64"},
        {"{\"someBytes\":\"AQ=\"}", "someBytes: bytes are not base64"},
        {"{\"aInt32\":1,\"aInt32\":1}", "aInt32: field is given twice"},
        {"{\"aInt32\":1,\"a_int32\":1}", "aInt32: field is given twice"},
        {"{\"asText\":\"\",\"asNumber\":1}",
         "asNumber: another field of the same oneof is set already"},
        {"{\"manyInt32\":[1,null]}", "manyInt32[1]: number expected"},
        {"{\"manyInt32\":5}", "manyInt32: array expected"},
        {"{\"manyInt32\":[1,]}", "manyInt32[1]: number expected"},
        {"{\"manyLeaf\":[{},{\"vector\":[1,2,1e40]}]}",
         "manyLeaf[1].vector[2]: number is out of range of float"},
        {"{\"manyLeaf\":[{},{\"vector\":[1 2]}]}", "manyLeaf[1].vector: ',' or ']' expected"},
        {"{\"leafByText\":{\"k\":{\"name\":1}}}", "leafByText[\"k\"].name: string expected"},
        {"{\"textByText\":{\"k\":null}}", "textByText[\"k\"]: string expected"},
        {"{\"doubleByInt32\":{\"x\":1}}", "doubleByInt32[\"x\"]: key must be an integer"},
        {"{\"colourByBool\":{\"1\":1}}", "colourByBool[\"1\"]: key must be true or false"},
        {"{\"aLeaf\":[]}", "aLeaf: object expected"},
        {"[]", "JSON: object expected at byte 0"},
        {"null", "JSON: object expected at byte 0"},
        {"{\"aInt32\":1}}", "JSON: text goes on behind its end at byte 12"},
        {"{\"aInt32\":1", "JSON: text ends before '}' at byte 11"},
        {"{\"aInt32\":1,}", "JSON: member name expected at byte 12"},
        {"{\"aInt32\" 1}", "JSON: ':' expected at byte 10"},
        {"{aInt32:1}", "JSON: member name expected at byte 1"},
        {"{\"unknown\":tru}", "JSON: value expected at byte 11"},
        {"{\"unknown\":\"\\ud800\"}", "JSON: lone surrogate \\ud800 at byte 18"},
        {"\xef\xbb\xbf{}", "JSON: object expected at byte 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_not(read_every(rows[i].text), "%s", rows[i].text);
        cr_expect_str_eq(error.text, rows[i].words);
    }
    arena_free(&arena);
}

Test(json_read, refuses_raw_nul_bytes) {
    static const char text[] = "{\"aString\":\"a\0b\"}";
    cr_expect_not(read_sized(&every__every__descriptor, text, sizeof text - 1));
    cr_expect_str_eq(error.text, "aString: strings must not contain NUL");
    static const char behind[] = "{}\0";
    cr_expect_not(read_sized(&every__every__descriptor, behind, sizeof behind - 1));
    arena_free(&arena);
}

Test(json_read, of_equal_keys_the_last_one_wins) {
    const Every__Every *m = read_every(
        "{\"textByText\":{\"b\":\"1\",\"a\":\"2\",\"b\":\"3\",\"c\":\"4\",\"a\":\"5\"}}");
    cr_assert(m, "%s", error.text);
    static const char *const expected[] = {"b", "3", "c", "4", "a", "5"};
    cr_assert_eq(m->n_text_by_text, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_str_eq(m->text_by_text[i]->key, expected[2 * i]);
        cr_expect_str_eq(m->text_by_text[i]->value, expected[2 * i + 1]);
    }
    arena_free(&arena);
}

/* `depth` nested arrays under an unknown member, closed or not. */
static bool reads_nested(size_t depth, bool closed) {
    static char text[300000];
    size_t n = (size_t)sprintf(text, "{\"u\":");
    memset(text + n, '[', depth);
    n += depth;
    if (closed) {
        memset(text + n, ']', depth);
        n += depth;
        text[n++] = '}';
    }
    return read_sized(&every__every__descriptor, text, n) != NULL;
}

Test(json_read, bounds_the_depth) {
    cr_expect(reads_nested(JSON_DEPTH_MAX - 1, true), "%s", error.text);
    cr_expect_not(reads_nested(JSON_DEPTH_MAX, true));
    cr_expect_str_eq(error.text, "JSON: nested deeper than 64 at byte 68");
    cr_expect_not(reads_nested(250000, false));
    arena_free(&arena);
}

Test(json_read, keeps_the_innermost_steps_of_a_long_path) {
    char text[512];
    char key[300];
    memset(key, 'k', sizeof key);
    key[299] = '\0';
    snprintf(text, sizeof text, "{\"leafByText\":{\"%s\":{\"vector\":[0,0,\"x\"]}}}", key);
    cr_expect_not(read_every(text));
    cr_expect_str_eq(
        error.text, "leafByText[\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk…\"].vector[2]: number expected");
    arena_free(&arena);
}

Test(json_read, every_prefix_of_a_text_is_an_error) {
    static const char text[] =
        "{\"collection\":\"docs\",\"points\":[{\"id\":\"a\\u00e9\",\"vector\":[1.5,-2e-3],"
        "\"payload\":{\"k\":\"v\"}},{}],\"x\":[true,false,null,{\"a\":\"\\n\"}]}";
    for (size_t size = 1; size < sizeof text - 1; size++)
        cr_expect_not(read_sized(&vectron__v1__upsert_request__descriptor, text, size), "%zu",
                      size);
    cr_expect(read_sized(&vectron__v1__upsert_request__descriptor, text, sizeof text - 1));
    arena_free(&arena);
}

Test(json_read, tells_of_missing_memory) {
    static const char text[] =
        "{\"manyString\":[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}";
    struct arena small;
    ProtobufCMessage *message;
    arena_init(&small, sizeof(Every__Every) + 32);
    cr_expect_eq(
        json_read(&every__every__descriptor, text, sizeof text - 1, &small, &message, &error),
        STATUS_NO_MEMORY);
    arena_free(&small);
}

/* Many small elements must not make much more memory than they are. */
Test(json_read, allocates_in_proportion_to_the_text) {
    enum { N = 20000 };
    char *text = mem_alloc(N * 16 + 64);
    size_t n = (size_t)sprintf(text, "{\"points\":[");
    for (int i = 0; i < N; i++)
        n += (size_t)sprintf(text + n, "{\"vector\":[1]},");
    n += (size_t)sprintf(text + n - 1, "]}") - 1;
    cr_expect(read_sized(&vectron__v1__upsert_request__descriptor, text, n), "%s", error.text);
    cr_expect_lt(arena.total, 16 * n);
    mem_free(text);
    arena_free(&arena);
}
