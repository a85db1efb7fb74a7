/* Search and SearchStream: questions, gathered pages, snapshots. */
#include <criterion/criterion.h>

#include "schemas/router.pb-c.h"
#include "schemas/runtime.pb-c.h"
#include "tests/unit/edge_services/fake.h"

#define QUERY "{\"collection\":\"docs\",\"vector\":[1,2]"
#define REST  "\"partial\":false,\"failedShards\":[],\"session\":\"\"}\n"

Test(search, asks_what_the_request_says) {
    static const struct {
        const char *json, *session, *asked;
    } rows[] = {
        {QUERY "}", NULL, "RouterSearch collection=docs vector=[1 2] top_k=10 columns=true\n"},
        {QUERY
         ",\"topK\":10000,\"ef\":99,\"exact\":true,\"includeVectors\":true,\"includeMetadata\":true}",
         NULL,
         "RouterSearch collection=docs vector=[1 2] top_k=10000 ef=99 exact=true include_vectors=true "
         "include_payload=true columns=true\n"},
        {QUERY
         ",\"timeoutMs\":70,\"consistency\":\"CONSISTENCY_BOUNDED\",\"maxStalenessMs\":5,\"allowPartial\":true,"
         "\"session\":\"s\"}",
         "other",
         "RouterSearch collection=docs vector=[1 2] top_k=10 timeout_ms=70 consistency=3 session=s "
         "max_staleness_ms=5 allow_partial=true columns=true\n"},
        {QUERY
         ",\"explain\":true,\"filter\":{\"key\":\"a\",\"keyword\":{\"anyOf\":[\"y\",\"x\",\"y\"]},"
         "\"none\":[{\"key\":\"b\",\"exists\":false}]}}",
         NULL,
         "RouterSearch collection=docs vector=[1 2] top_k=10 filter=[{n=2} {op=2 n=1} {op=2 n=1} {op=3 key=b} "
         "{op=4 key=a texts=[x y]}] explain=true columns=true\n"},
        {QUERY ",\"filter\":{}}", NULL,
         "RouterSearch collection=docs vector=[1 2] top_k=10 columns=true\n"},
        {QUERY "}", "from-header",
         "RouterSearch collection=docs vector=[1 2] top_k=10 session=from-header columns=true\n"},
    };
    fake_open();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer script[] = {ANSWER(router_hits, ""), {0}};
        fake_script(script);
        cr_expect_str_eq(
            fake_serve(&(struct request){"Search", rows[i].json, .session = rows[i].session}),
            "reply {\"results\":[]," REST);
        cr_expect_str_eq(fake_asked(), rows[i].asked);
    }
    fake_script(NULL);
    fake_close();
}

Test(search, refuses_with_the_contracts_words) {
    static const struct {
        const char *method, *json, *answered;
    } rows[] = {
        {"Search", "{\"vector\":[1]}", "fail INVALID collection name cannot be empty\n"},
        {"Search", "{\"collection\":\"docs\"}", "fail INVALID search vector cannot be empty\n"},
        {"Search", "{\"collection\":\"../docs\",\"vector\":[1]}",
         "fail NOT_FOUND collection '../docs' not found\n"},
        {"Search", "{\"collection\":\"docs\",\"vector\":[1,\"NaN\"]}",
         "fail INVALID search vector[1] is NaN: values must be finite\n"},
        {"Search", "{\"collection\":\"docs\",\"vector\":[1,0,\"-Infinity\"]}",
         "fail INVALID search vector[2] is -Infinity: values must be finite\n"},
        {"Search", QUERY ",\"topK\":10001}",
         "fail INVALID top_k 10001 is above the limit of 10000\n"},
        {"Search", QUERY ",\"consistency\":5}",
         "fail INVALID consistency 5 is unknown: use 0 to 4\n"},
        {"Search", QUERY ",\"filter\":{\"all\":[{\"key\":\"a\"}]}}",
         "fail INVALID filter.all[0]: nothing is asked about key \"a\": set keyword, integer, number, datetime, "
         "boolean or exists\n"},
        {"Search", QUERY ",\"filter\":{\"key\":\"a\",\"number\":{\"gt\":\"NaN\"}}}",
         "fail INVALID filter.number.gt is NaN: nothing compares with it\n"},
        {"Search", QUERY ",\"filter\":{\"exists\":true}}",
         "fail INVALID filter.key is empty: name the payload key of the condition\n"},
        {"SearchStream", QUERY ",\"includeVectors\":true}",
         "fail INVALID include_vectors is not supported on SearchStream\n"},
        {"SearchStream", "{\"collection\":\"docs\"}",
         "fail INVALID search vector cannot be empty\n"},
    };
    fake_open();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(fake_serve(&(struct request){rows[i].method, rows[i].json}),
                         rows[i].answered);
    cr_expect_str_eq(fake_asked(), "");
    fake_close();
}

Test(search, gathers_the_pages_of_one_answer) {
    static const struct answer script[] = {
        PART(
            router_hits,
            "{\"ids\":\"YQA=\",\"scores\":[0.5],\"hits\":[{\"vector\":[1,2],\"payload\":\"gaFroXY=\"}],\"pageMore\":true}"),
        PART(router_hits, "{\"ids\":\"YgA=\",\"scores\":[0.6],\"pageMore\":true}"),
        ANSWER(
            router_hits,
            "{\"ids\":\"YwA=\",\"scores\":[-0.7],\"partial\":true,\"failedShards\":[3,1],\"session\":\"tok\"}"),
        {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(
        fake_serve(&(struct request){"Search", QUERY "}"}),
        "header vectron-session=tok\n"
        "reply {\"results\":[{\"id\":\"a\",\"score\":0.5,\"payload\":{\"k\":\"v\"},\"vector\":[1,2]},"
        "{\"id\":\"b\",\"score\":0.6,\"payload\":{},\"vector\":[]},"
        "{\"id\":\"c\",\"score\":-0.7,\"payload\":{},\"vector\":[]}],"
        "\"partial\":true,\"failedShards\":[3,1],\"session\":\"tok\"}\n");
    cr_expect_eq(fake_freed(), 1);
    fake_close();
}

Test(search, streams_cumulative_snapshots) {
    static const struct answer script[] = {
        PART(router_hits, "{\"ids\":\"YQA=\",\"scores\":[0],\"session\":\"t\"}"),
        PART(router_hits, "{\"ids\":\"YQA=\",\"scores\":[0],\"pageMore\":true}"),
        PART(router_hits, "{\"ids\":\"YgA=\",\"scores\":[0]}"),
        ANSWER(router_hits, "{\"ids\":\"YgA=\",\"scores\":[0]}"),
        {0}};
#define HIT(id) "{\"id\":\"" id "\",\"score\":0,\"payload\":{},\"vector\":[]}"
    fake_open();
    fake_script(script);
    cr_expect_str_eq(fake_serve(&(struct request){"SearchStream", QUERY "}"}),
                     "header vectron-session=t\n"
                     "part {\"results\":[" HIT(
                         "a") "],\"partial\":false,\"failedShards\":[],\"session\":\"t\"}\n"
                              "part {\"results\":[" HIT("a") "," HIT(
                                  "b") "]," REST "part {\"results\":[" HIT("b") "]," REST "end\n");
    cr_expect_str_eq(
        fake_asked(),
        "RouterSearch collection=docs vector=[1 2] top_k=10 include_payload=true stream=true columns=true\n");
    fake_close();
}

Test(search, a_slow_reader_gets_the_last_snapshot) {
    static const struct answer script[] = {PART(router_hits, "{\"ids\":\"YQA=\",\"scores\":[0]}"),
                                           PART(router_hits, "{\"ids\":\"YgA=\",\"scores\":[0]}"),
                                           ANSWER(router_hits, "{\"ids\":\"YwA=\",\"scores\":[0]}"),
                                           {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(fake_serve(&(struct request){"SearchStream", QUERY "}", .clogged = true}),
                     "part {\"results\":[" HIT("c") "]," REST "end\n");
    fake_close();
}

Test(search, a_stream_can_fail_half_way) {
    static const struct answer script[] = {PART(router_hits, "{\"ids\":\"YQA=\",\"scores\":[0]}"),
                                           FAILURE(STATUS_LOST_PEER, "shard 2 is unreachable"),
                                           {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(fake_serve(&(struct request){"SearchStream", QUERY "}"}),
                     "part {\"results\":[" HIT("a") "]," REST
                                                    "fail LOST_PEER shard 2 is unreachable\n");
    fake_close();
}

Test(search, refuses_answers_that_make_no_sense) {
    static const struct {
        const char *json, *answered;
        struct answer script[4];
    } rows[] = {
        {QUERY ",\"topK\":1}",
         "fail INTERNAL the router's answer is not what was asked for\n",
         {ANSWER(router_hits, "{\"ids\":\"YQBiAA==\",\"scores\":[0,0]}")}},
        {QUERY "}", /* an id without its NUL; fewer ids, fewer rows than scores; an empty id */
         "fail INTERNAL the router's answer is not what was asked for\n",
         {ANSWER(router_hits, "{\"ids\":\"YQ==\",\"scores\":[0]}")}},
        {QUERY "}",
         "fail INTERNAL the router's answer is not what was asked for\n",
         {ANSWER(router_hits, "{\"ids\":\"YQA=\",\"scores\":[0,0]}")}},
        {QUERY "}",
         "fail INTERNAL the router's answer is not what was asked for\n",
         {ANSWER(router_hits, "{\"ids\":\"YQBiAA==\",\"scores\":[0,0],\"hits\":[{}]}")}},
        {QUERY "}",
         "fail INTERNAL the router's answer is not what was asked for\n",
         {ANSWER(router_hits, "{\"ids\":\"AA==\",\"scores\":[0]}")}},
        {QUERY "}",
         "fail INTERNAL the router's answer is not what was asked for\n",
         {ANSWER(router_hits, "{\"pageMore\":true}")}},
        {QUERY "}",
         "fail INTERNAL the router's answer is not what was asked for\n",
         {PART(router_hits, "{}"), PART(router_hits, "{}"), ANSWER(router_hits, "{}")}},
        {QUERY "}",
         "fail CORRUPT a stored payload is not a map of strings\n",
         {ANSWER(router_hits,
                 "{\"ids\":\"YQA=\",\"scores\":[0],\"hits\":[{\"payload\":\"kQ==\"}]}")}},
        {QUERY "}",
         "fail INTERNAL the router's answer has an unexpected type\n",
         {ANSWER(done, "")}},
    };
    fake_open();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fake_script(rows[i].script);
        cr_expect_str_eq(fake_serve(&(struct request){"Search", rows[i].json}), rows[i].answered);
    }
    fake_close();
}
