/* BatchSearch: judged one by one, asked in chunks, answered in order. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "runtime/buffer.h"
#include "schemas/router.pb-c.h"
#include "schemas/runtime.pb-c.h"
#include "tests/unit/edge_services/fake.h"

#define BATCH(requests)  "{\"collection\":\"docs\",\"requests\":[" requests "]}"
#define FIND(search, id) "{\"search\":" #search ",\"hits\":{\"ids\":\"" id "\",\"scores\":[0.5]}}"
#define HIT(id)          "{\"id\":\"" id "\",\"score\":0.5,\"payload\":{},\"vector\":[]}"
#define FOUND(hits) \
    "{\"code\":0,\"message\":\"\",\"response\":{\"results\":[" hits \
    "],\"partial\":false,\"failedShards\":[],\"session\":\"\"}}"
#define FAILED(code, words) "{\"code\":" #code ",\"message\":\"" words "\",\"response\":null}"

Test(batch, asks_for_what_is_sound_and_answers_in_order) {
    static const struct answer script[] = {
        PART(router_finds, "{\"finds\":[" FIND(1, "YgA=") "]}"),
        ANSWER(router_finds,
               "{\"finds\":[{\"search\":0,\"hits\":{\"ids\":\"YQA=\",\"scores\":[0.5],"
               "\"pageMore\":true}}," FIND(
                   0, "YwA=") ",{\"search\":2,\"status\":4,"
                              "\"text\":\"no such thing\"}],\"session\":\"tok\"}"),
        {0}};
    fake_open();
    fake_script(script);
    const char *answer = fake_serve(&(struct request){
        "BatchSearch",
        "{\"collection\":\"docs\",\"consistency\":4,\"allowPartial\":true,\"requests\":["
        "{\"vector\":[1,2]},{\"vector\":[]},{\"vector\":[3],\"topK\":7,\"exact\":true},"
        "{\"vector\":[4],\"collection\":\"docs\"}]}"});
    cr_expect(
        strstr(
            answer,
            "header vectron-session=tok\nreply {\"results\":[" FOUND(HIT("a") "," HIT(
                "c")) "," FAILED(3,
                                 "search vector cannot be empty") "," FOUND(HIT("b")) ",{\"code\":"),
        "%s", answer);
    cr_expect(
        strstr(answer, "\"message\":\"no such thing\",\"response\":null}],\"session\":\"tok\"}"),
        "%s", answer);
    cr_expect_str_eq(
        fake_asked(),
        "RouterSearches collection=docs searches=[{collection=docs vector=[1 2] top_k=10 columns=true} "
        "{collection=docs vector=[3] top_k=7 exact=true columns=true} {collection=docs vector=[4] top_k=10 "
        "columns=true}] consistency=4 allow_partial=true\n");
    cr_expect_eq(fake_freed(), 1);
    fake_close();
}

Test(batch, refuses_what_no_batch_can_be) {
    static const struct {
        const char *json, *answered;
    } rows[] = {
        {"{\"collection\":\"docs\"}", "fail INVALID a batch of 0 requests: it takes 1 to 1000\n"},
        {"{\"requests\":[{\"vector\":[1]}]}", "fail INVALID collection name cannot be empty\n"},
        {"{\"collection\":\"a b\",\"requests\":[{\"vector\":[1]}]}",
         "fail NOT_FOUND collection 'a b' not found\n"},
        {"{\"collection\":\"docs\",\"consistency\":9,\"requests\":[{\"vector\":[1]}]}",
         "fail INVALID consistency 9 is unknown: use 0 to 4\n"},
        /* nothing is left to ask for */
        {BATCH("{\"vector\":[1],\"sessionX\":1,\"session\":\"s\"}"),
         "reply {\"results\":[" FAILED(
             3, "session is the batch's: give it there") "],\"session\":\"\"}\n"},
    };
    fake_open();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(fake_serve(&(struct request){"BatchSearch", rows[i].json}),
                         rows[i].answered);
    cr_expect_str_eq(fake_asked(), "");
    fake_close();
}

/* 64 walks a question, 256 exact searches; four questions at a time. */
Test(batch, asks_in_chunks) {
    static const struct {
        const char *search;
        int n, asked;
    } rows[] = {{"{\"vector\":[1]}", 64, 1},
                {"{\"vector\":[1]}", 65, 2},
                {"{\"vector\":[1]}", 1000, 4},
                {"{\"vector\":[1],\"exact\":true}", 256, 1},
                {"{\"vector\":[1],\"exact\":true}", 1000, 4},
                {"{\"vector\":[1],\"exact\":true,\"within\":1}", 5, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer json;
        buffer_init(&json);
        buffer_printf(&json, "{\"collection\":\"docs\",\"requests\":[");
        for (int n = 0; n < rows[i].n; n++)
            buffer_printf(&json, "%s%s", n ? "," : "", rows[i].search);
        buffer_printf(&json, "]}");
        struct answer script[7];
        for (int n = 0; n < 7; n++)
            script[n] = n < rows[i].asked ? (struct answer)FAILURE(STATUS_BUSY, "later")
                                          : (struct answer){0};
        fake_open();
        fake_script(script);
        const char *answer = fake_serve(&(struct request){"BatchSearch", (char *)json.data});
        cr_expect_str_eq(answer, "fail BUSY later\n", "%zu", i);
        int asked = 0;
        for (const char *at = fake_asked(); (at = strstr(at, "RouterSearches ")); at++)
            asked++;
        cr_expect_eq(asked, rows[i].asked, "%zu: %d", i, asked);
        fake_close();
        buffer_free(&json);
    }
}

Test(batch, what_the_router_should_not_say_fails_all) {
    static const char *const rows[] = {
        "{\"finds\":[" FIND(1, "YQA=") "]}",                     /* nobody asked for that one */
        "{\"finds\":[" FIND(0, "YQA=") "," FIND(0, "YQA=") "]}", /* twice */
        "{\"finds\":[{\"search\":0}]}",
        "{\"finds\":[{\"search\":0,\"hits\":{\"ids\":\"YQA=\",\"scores\":[1,2]}}]}",
        "{}", /* nothing */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer script[] = {ANSWER(router_finds, rows[i]), {0}};
        fake_open();
        fake_script(script);
        cr_expect_str_eq(fake_serve(&(struct request){"BatchSearch", BATCH("{\"vector\":[1]}")}),
                         "fail INTERNAL the router's answer is not what was asked for\n", "%zu", i);
        fake_close();
    }
}

Test(batch, is_cancelled_with_its_client) {
    static const struct answer script[] = {
        {.type = &router_finds__descriptor, .json = "{}", .delay_us = 50 * 1000 * 1000}, {0}};
    fake_open();
    fake_script(script);
    fake_start(&(struct request){"BatchSearch", BATCH("{\"vector\":[1]}")});
    fake_cancel();
    fake_run(100 * 1000 * 1000);
    cr_expect_eq(fake_freed(), 1);
    fake_close();
}
