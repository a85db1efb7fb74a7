/* The JSON writer's forms. */
#include <criterion/criterion.h>
#include <math.h>

#include "adapters/edge/json.h"
#include "every.pb-c.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/sys.pb-c.h"

static struct buffer out;

static const char *written(const ProtobufCMessage *message) {
    buffer_clear(&out);
    json_write(message, &out);
    buffer_append(&out, "", 1);
    cr_assert_not(out.failed);
    return (const char *)out.data;
}

Test(json_write, shows_unpopulated_fields) {
    Vectron__V1__SearchResponse search = VECTRON__V1__SEARCH_RESPONSE__INIT;
    cr_expect_str_eq(written(&search.base),
                     "{\"results\":[],\"partial\":false,\"failedShards\":[],\"session\":\"\"}");
    Vectron__V1__GetResponse get = VECTRON__V1__GET_RESPONSE__INIT;
    cr_expect_str_eq(written(&get.base), "{\"point\":null}");
    Vectron__V1__Point point = VECTRON__V1__POINT__INIT;
    get.point = &point;
    cr_expect_str_eq(written(&get.base), "{\"point\":{\"id\":\"\",\"vector\":[],\"payload\":{}}}");
    buffer_free(&out);
}

Test(json_write, puts_64_bits_in_quotes_and_enums_by_name) {
    Vectron__V1__ShardStatus shard = VECTRON__V1__SHARD_STATUS__INIT;
    uint64_t replicas[] = {1, UINT64_MAX};
    shard.shard_id = 3;
    shard.replicas = replicas;
    shard.n_replicas = 2;
    shard.leader_id = 1;
    shard.ready = true;
    cr_expect_str_eq(written(&shard.base),
                     "{\"shardId\":3,\"replicas\":[\"1\",\"18446744073709551615\"],"
                     "\"leaderId\":\"1\",\"ready\":true,\"state\":\"\",\"points\":\"0\","
                     "\"waiting\":\"0\",\"memoryBytes\":\"0\",\"storage\":\"\",\"recall\":0,"
                     "\"recallLive\":false,\"ef\":0}");
    Vectron__V1__UpdateUserProfileRequest plan = VECTRON__V1__UPDATE_USER_PROFILE_REQUEST__INIT;
    plan.plan = VECTRON__AUTH__V1__PLAN__PAID;
    cr_expect_str_eq(written(&plan.base), "{\"plan\":\"PAID\"}");
    plan.plan = (Vectron__Auth__V1__Plan)77;
    cr_expect_str_eq(written(&plan.base), "{\"plan\":77}");
    buffer_free(&out);
}

Test(json_write, shows_people_ids_as_they_type_them) {
    uint8_t id[16] = {0x4b, 0xf9, 0x2f, [15] = 0x36};
    SysSpan span = SYS_SPAN__INIT;
    SysSpan *spans[] = {&span};
    SysTrace trace = SYS_TRACE__INIT;
    span.trace.data = id;
    span.trace.len = sizeof id;
    span.span = 0xab;
    span.waited_us = 171;
    trace.spans = spans;
    trace.n_spans = 1;
    cr_expect(strstr(written(&trace.base), "\"trace\":\"S/kvAA"), "proto3 JSON stays");
    buffer_clear(&out);
    json_write_people(&trace.base, &out);
    buffer_append(&out, "", 1);
    cr_expect(strstr((char *)out.data,
                     "{\"spans\":[{\"trace\":\"4bf92f00000000000000000000000036\","
                     "\"span\":\"00000000000000ab\",\"parent\":\"\""));
    cr_expect(strstr((char *)out.data, "\"waitedUs\":\"171\""), "no id");
    buffer_free(&out);
}

Test(json_write, of_a_oneof_shows_the_set_member_only) {
    Every__Every every = EVERY__EVERY__INIT;
    cr_expect_not(strstr(written(&every.base), "asText"));
    every.choice_case = EVERY__EVERY__CHOICE_AS_BOOL;
    cr_expect(strstr(written(&every.base), "\"asBool\":false"));
    cr_expect_not(strstr(written(&every.base), "asText"));
    buffer_free(&out);
}

Test(json_write, escapes_strings_and_mends_broken_ones) {
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"\\\b\f\n\r\t\x01\x1f\x7f", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
        {"é漢😀", "\"é漢😀\""},
        {"a\xff"
         "b\xc3",
         "\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buffer_clear(&out);
        json_write_string(&out, rows[i].text, strlen(rows[i].text));
        buffer_append(&out, "", 1);
        cr_expect_str_eq((const char *)out.data, rows[i].json);
    }
    buffer_clear(&out);
    json_write_string(&out, "a\0b", 3);
    cr_expect_eq(memcmp(out.data, "\"a\\u0000b\"", 10), 0);
    buffer_free(&out);
}

Test(json_write, names_what_is_no_number) {
    float vector[] = {NAN, INFINITY, -INFINITY, 0.5f};
    Vectron__V1__Point point = VECTRON__V1__POINT__INIT;
    point.vector = vector;
    point.n_vector = 4;
    cr_expect_str_eq(written(&point.base),
                     "{\"id\":\"\",\"vector\":[\"NaN\",\"Infinity\",\"-Infinity\",0.5],"
                     "\"payload\":{}}");
    buffer_free(&out);
}

Test(json_write, writes_maps_as_objects) {
    Vectron__V1__Point point = VECTRON__V1__POINT__INIT;
    Vectron__V1__Point__PayloadEntry entry = VECTRON__V1__POINT__PAYLOAD_ENTRY__INIT;
    Vectron__V1__Point__PayloadEntry *entries[] = {&entry};
    entry.key = (char *)"k\n";
    entry.value = (char *)"v";
    point.payload = entries;
    point.n_payload = 1;
    cr_expect_str_eq(written(&point.base),
                     "{\"id\":\"\",\"vector\":[],\"payload\":{\"k\\n\":\"v\"}}");
    buffer_free(&out);
}
