/* The RPCs that are one question and one answer: requests, what the router is asked, answers. */
#include <criterion/criterion.h>

#include "schemas/apigateway.pb-c.h"
#include "schemas/router.pb-c.h"
#include "schemas/runtime.pb-c.h"
#include "tests/unit/edge_services/fake.h"

struct row {
    const char *method, *json;
    struct answer answer; /* nothing: the router must not be asked */
    const char *asked, *answered;
};

static void serve_rows(const struct row *rows, size_t n) {
    fake_open();
    for (size_t i = 0; i < n; i++) {
        struct answer script[] = {rows[i].answer, {0}};
        fake_script(script);
        const char *answered = fake_serve(&(struct request){rows[i].method, rows[i].json});
        cr_expect_str_eq(answered, rows[i].answered, "%s %s: %s", rows[i].method, rows[i].json,
                         answered);
        const char *asked = fake_asked();
        cr_expect_str_eq(asked, rows[i].asked, "%s %s asks: %s", rows[i].method, rows[i].json,
                         asked);
    }
    fake_script(NULL);
    cr_expect_eq(fake_freed(), n);
    fake_close();
}
#define SERVE_ROWS(rows) serve_rows(rows, sizeof rows / sizeof *rows)
#define LONG_NAME \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

Test(services, presets_stand_for_a_recall_or_for_everything) {
    static const struct row rows[] = {
        {"CreateCollection",
         "{\"name\":\"d\",\"dimension\":2,\"preset\":\"accurate\",\"rescore\":2.5}",
         ANSWER(done, ""),
         "RouterCreateCollection name=d dimension=2 distance=euclidean target_recall=0.99 rescore=2.5\n",
         "reply {\"success\":true}\n"},
        {"CreateCollection", "{\"name\":\"d\",\"dimension\":2,\"preset\":\"exact\"}",
         ANSWER(done, ""),
         "RouterCreateCollection name=d dimension=2 distance=euclidean exact=true\n",
         "reply {\"success\":true}\n"},
        {"CreateCollection",
         "{\"name\":\"d\",\"dimension\":2,\"preset\":\"fast\",\"target_recall\":0.5}",
         {0},
         "",
         "fail INVALID preset and target_recall are two words for one thing: give one of them\n"},
        {"CreateCollection",
         "{\"name\":\"d\",\"dimension\":2,\"preset\":\"Fast\"}",
         {0},
         "",
         "fail INVALID preset \"Fast\" is unknown: use fast, balanced, accurate or exact\n"},
        {"Search",
         "{\"collection\":\"d\",\"vector\":[1],\"preset\":\"fast\",\"ef\":9}",
         {0},
         "",
         "fail INVALID preset \"fast\" and ef are given: both say how widely to search, give one of "
         "them\n"},
        {"Search",
         "{\"collection\":\"d\",\"vector\":[1],\"preset\":\"exact\",\"exact\":true}",
         {0},
         "",
         "fail INVALID preset \"exact\" and exact are given: both say how widely to search, give one "
         "of them\n"},
        {"Search",
         "{\"collection\":\"d\",\"vector\":[1],\"rescore\":0.5}",
         {0},
         "",
         "fail INVALID rescore 0.5 is not from 1 to 100 candidates for each result (0: as the storage "
         "wants it)\n"},
    };
    SERVE_ROWS(rows);
}

Test(services, changes_payload_indexes) {
    static const struct row rows[] = {
        {"CreatePayloadIndex",
         "{\"collection\":\"docs\",\"index\":{\"key\":\"price\",\"type\":\"PAYLOAD_NUMBER\"}}",
         ANSWER(done, ""), "RouterChangeColumn collection=docs column={key=price type=2}\n",
         "reply {\"success\":true}\n"},
        {"CreatePayloadIndex",
         "{\"collection\":\"docs\",\"index\":{\"key\":\"\"}}",
         {0},
         "",
         "fail INVALID index.key has 0 bytes, not 1 to 128\n"},
        {"CreatePayloadIndex",
         "{\"collection\":\"docs\"}",
         {0},
         "",
         "fail INVALID index is missing: give its key and type\n"},
        {"CreatePayloadIndex",
         "{\"index\":{\"key\":\"a\"}}",
         {0},
         "",
         "fail INVALID collection name cannot be empty\n"},
        {"DropPayloadIndex", "{\"collection\":\"docs\",\"key\":\"price\",\"type\":\"number\"}",
         ANSWER(done, ""),
         "RouterChangeColumn collection=docs column={key=price type=2} drop=true\n",
         "reply {\"success\":true}\n"},
        {"DropPayloadIndex", "{\"collection\":\"docs\",\"key\":\"price\"}",
         FAILURE(STATUS_NOT_FOUND, "no such index"),
         "RouterChangeColumn collection=docs column={key=price} drop=true\n",
         "fail NOT_FOUND no such index\n"},
        {"DropPayloadIndex",
         "{\"collection\":\"docs\",\"key\":\"price\",\"type\":\"money\"}",
         {0},
         "",
         "fail INVALID type \"money\" is none of keyword, integer, number, bool and datetime\n"},
    };
    SERVE_ROWS(rows);
}

Test(services, creates_collections) {
    static const struct row rows[] = {
        {"CreateCollection", "{\"name\":\"docs\",\"dimension\":768,\"distance\":\"Cosine\"}",
         ANSWER(done, ""), "RouterCreateCollection name=docs dimension=768 distance=cosine\n",
         "reply {\"success\":true}\n"},
        {"CreateCollection", "{\"name\":\"a.b-c_9\",\"dimension\":1,\"shards\":4,\"replicas\":2}",
         ANSWER(done, ""),
         "RouterCreateCollection name=a.b-c_9 dimension=1 distance=euclidean shards=4 replicas=2\n",
         "reply {\"success\":true}\n"},
        {"CreateCollection", "{\"name\":\"d\",\"dimension\":65535,\"distance\":\"L2\"}",
         ANSWER(done, ""), "RouterCreateCollection name=d dimension=65535 distance=euclidean\n",
         "reply {\"success\":true}\n"},
        {"CreateCollection", "{\"name\":\"d\",\"dimension\":2,\"distance\":\"DOT\"}",
         FAILURE(STATUS_EXISTS, "collection 'd' already exists"),
         "RouterCreateCollection name=d dimension=2 distance=dot\n",
         "fail EXISTS collection 'd' already exists\n"},
        {"CreateCollection",
         "{\"dimension\":768}",
         {0},
         "",
         "fail INVALID collection name cannot be empty\n"},
        {"CreateCollection",
         "{\"name\":\"-a\",\"dimension\":768}",
         {0},
         "",
         "fail INVALID collection name \"-a\" is not valid: use 1 to 128 letters, digits, '.', '_' or '-', the first "
         "one a letter or digit\n"},
        {"CreateCollection",
         "{\"name\":\"d\\u00e9\",\"dimension\":768}",
         {0},
         "",
         "fail INVALID collection name \"dé\" is not valid: use 1 to 128 letters, digits, '.', '_' or '-', the first "
         "one a letter or digit\n"},
        {"CreateCollection",
         "{\"name\":\"" LONG_NAME LONG_NAME "\",\"dimension\":768}",
         {0},
         "",
         "fail INVALID collection name \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is not valid: "
         "use 1 to 128 letters, digits, '.', '_' or '-', the first one a letter or digit\n"},
        {"CreateCollection",
         "{\"name\":\"d\"}",
         {0},
         "",
         "fail INVALID dimension must be a positive number\n"},
        {"CreateCollection",
         "{\"name\":\"d\",\"dimension\":-5}",
         {0},
         "",
         "fail INVALID dimension must be a positive number\n"},
        {"CreateCollection",
         "{\"name\":\"d\",\"dimension\":65536}",
         {0},
         "",
         "fail INVALID dimension 65536 is above the limit of 65535\n"},
        {"CreateCollection",
         "{\"name\":\"d\",\"dimension\":2,\"distance\":\"hamming\"}",
         {0},
         "",
         "fail INVALID distance \"hamming\" is unknown: use cosine, euclidean (also l2 or empty) or dot\n"},
    };
    SERVE_ROWS(rows);
}

Test(services, deletes_lists_and_describes_collections) {
    static const struct row rows[] = {
        {"DeleteCollection", "{\"name\":\"docs\"}", ANSWER(done, ""),
         "RouterDeleteCollection name=docs\n", "reply {\"success\":true}\n"},
        {"DeleteCollection", "{}", {0}, "", "fail INVALID collection name cannot be empty\n"},
        {"DeleteCollection",
         "{\"name\":\"a b\"}",
         {0},
         "",
         "fail NOT_FOUND collection 'a b' not found\n"},
        {"DeleteCollection", "{\"name\":\"docs\"}",
         FAILURE(STATUS_NOT_FOUND, "collection 'docs' not found"),
         "RouterDeleteCollection name=docs\n", "fail NOT_FOUND collection 'docs' not found\n"},
        {"ListCollections", "", ANSWER(router_collections, "{\"names\":[\"a\",\"b\"]}"),
         "RouterListCollections\n", "reply {\"collections\":[\"a\",\"b\"]}\n"},
        {"ListCollections", "", ANSWER(router_collections, ""), "RouterListCollections\n",
         "reply {\"collections\":[]}\n"},
        {"GetCollectionStatus", "{\"name\":\"docs\"}",
         ANSWER(
             router_collection,
             "{\"name\":\"docs\",\"dimension\":3,\"distance\":\"dot\",\"shards\":[{\"shard\":0,"
             "\"replicas\":[1,2],\"leader\":1,\"ready\":true,\"state\":\"serving\",\"points\":7,\"waiting\":2,"
             "\"memory_bytes\":99,\"storage\":\"f32\",\"recall\":0.5,\"recall_live\":true,\"ef\":64},"
             "{\"shard\":1}],\"columns\":[{\"column\":{\"key\":\"b\",\"type\":2},\"values\":5,\"unread\":1,"
             "\"bytes\":8,\"points\":8,\"filled\":2},{\"column\":{\"key\":\"a\"},\"complete\":true,\"declared\":true}],"
             "\"target_recall\":0.99,\"rescore\":2}"),
         "RouterDescribe name=docs shards=true\n",
         "reply {\"name\":\"docs\",\"dimension\":3,\"distance\":\"dot\",\"shards\":[{\"shardId\":0,\"replicas\":[\"1\",\"2\"],"
         "\"leaderId\":\"1\",\"ready\":true,\"state\":\"serving\",\"points\":\"7\",\"waiting\":\"2\","
         "\"memoryBytes\":\"99\",\"storage\":\"f32\",\"recall\":0.5,\"recallLive\":true,\"ef\":64},"
         "{\"shardId\":1,\"replicas\":[],\"leaderId\":\"0\",\"ready\":false,\"state\":\"\",\"points\":\"0\","
         "\"waiting\":\"0\",\"memoryBytes\":\"0\",\"storage\":\"\",\"recall\":0,\"recallLive\":false,\"ef\":0}],"
         "\"payloadIndexes\":[{\"key\":\"a\",\"type\":\"PAYLOAD_KEYWORD\",\"values\":\"0\",\"unparsed\":\"0\","
         "\"bytes\":\"0\",\"progress\":1,\"ready\":true,\"declared\":true},{\"key\":\"b\",\"type\":\"PAYLOAD_NUMBER\",\"values\":\"5\","
         "\"unparsed\":\"1\",\"bytes\":\"8\",\"progress\":0.25,\"ready\":false,\"declared\":false}],"
         "\"preset\":\"accurate\",\"targetRecall\":0.99,\"rescore\":2}\n"},
        {"GetCollectionStatus", "{}", {0}, "", "fail INVALID collection name is required\n"},
    };
    SERVE_ROWS(rows);
}

Test(services, gets_and_deletes_points) {
    static const struct row rows[] = {
        {"Get", "{\"collection\":\"docs\",\"id\":\"a\"}",
         ANSWER(router_point, "{\"id\":\"a\",\"vector\":[0.1,-2],\"payload\":\"gqFroXahbKFt\"}"),
         "RouterGet collection=docs id=a\n",
         "reply {\"point\":{\"id\":\"a\",\"vector\":[0.1,-2],\"payload\":{\"k\":\"v\",\"l\":\"m\"}}}\n"},
        {"Get", "{\"collection\":\"docs\",\"id\":\"a\"}",
         ANSWER(router_point, "{\"id\":\"a\",\"payload\":\"AQ==\"}"),
         "RouterGet collection=docs id=a\n",
         "fail CORRUPT stored payload is not a map of strings\n"},
        {"Get", "{\"collection\":\"docs\",\"id\":\"b\"}",
         FAILURE(STATUS_NOT_FOUND, "vector with id b not found"),
         "RouterGet collection=docs id=b\n", "fail NOT_FOUND vector with id b not found\n"},
        {"Get", "{\"collection\":\"docs\"}", {0}, "", "fail NOT_FOUND vector with id  not found\n"},
        {"Get", "{\"id\":\"b\"}", {0}, "", "fail INVALID collection name cannot be empty\n"},
        {"Get",
         "{\"collection\":\"docs\",\"id\":\"" LONG_NAME LONG_NAME LONG_NAME LONG_NAME LONG_NAME
             LONG_NAME LONG_NAME LONG_NAME LONG_NAME "\"}",
         {0},
         "",
         "fail INVALID point ID of 1170 bytes is above the limit of 1024 bytes\n"},
        {"Delete", "{\"collection\":\"docs\",\"id\":\"a\"}", ANSWER(router_deleted, "{}"),
         "RouterDelete collection=docs id=a\n", "reply {}\n"},
        {"Delete", "{\"collection\":\"docs\",\"id\":\"a\"}",
         ANSWER(router_deleted, "{\"session\":\"1.2:3\"}"), "RouterDelete collection=docs id=a\n",
         "header vectron-session=1.2:3\nreply {}\n"},
        {"Delete", "{\"collection\":\"docs\"}", {0}, "", "fail INVALID point ID cannot be empty\n"},
        {"Delete", "{\"id\":\"a\"}", {0}, "", "fail INVALID collection name cannot be empty\n"},
    };
    SERVE_ROWS(rows);
}

Test(services, says_what_is_not_there_yet) {
    fake_open();
    cr_expect_eq(strncmp(fake_serve(&(struct request){"UpdateUserProfile", "{}"}),
                         "fail UNIMPLEMENTED UpdateUserProfile", 36),
                 0);
    cr_expect_eq(strncmp(fake_serve(&(struct request){"SubmitFeedback", "{}"}),
                         "fail UNIMPLEMENTED SubmitFeedback", 33),
                 0);
    fake_close();
}

Test(services, passes_a_failure_and_its_hint_on) {
    static const struct answer script[] = {{.status = STATUS_BUSY, .words = "", .retry_ms = 70},
                                           {.status = STATUS_EXISTS, .words = "x"},
                                           {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(fake_serve(&(struct request){"ListCollections"}),
                     "retry 70\nfail BUSY overloaded, try again\n");
    cr_expect_str_eq(fake_serve(&(struct request){"ListCollections"}), "fail EXISTS x\n");
    fake_close();
}

Test(services, an_answer_of_another_type_is_an_internal_error) {
    static const struct answer script[] = {ANSWER(done, ""), {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(fake_serve(&(struct request){"ListCollections"}),
                     "fail INTERNAL the router's answer has an unexpected type\n");
    fake_close();
}

Test(services, without_a_router_the_gateway_is_not_ready) {
    fake_open_without_router();
    cr_expect_str_eq(fake_serve(&(struct request){"ListCollections"}),
                     "fail NOT_READY the gateway is starting, try again\n");
    cr_expect_str_eq(
        fake_serve(&(struct request){"Search", "{\"collection\":\"c\",\"vector\":[1]}"}),
        "fail NOT_READY the gateway is starting, try again\n");
    cr_expect_str_eq(
        fake_serve(&(struct request){"Upsert", "{\"points\":[{\"id\":\"a\",\"vector\":[1]}]}",
                                     .collection = "c"}),
        "fail NOT_READY the gateway is starting, try again\n");
    cr_expect_eq(fake_freed(), 3);
    fake_close();
}

Test(services, a_deadline_ends_a_call) {
    static const struct answer script[] = {
        {.type = &done__descriptor, .json = "", .delay_us = 5000000}, {0}};
    fake_open();
    fake_script(script);
    cr_expect_str_eq(fake_serve(&(struct request){"Delete", "{\"collection\":\"c\",\"id\":\"a\"}",
                                                  .timeout_us = 1000000}),
                     "fail EXPIRED deadline exceeded\n");
    fake_close();
}

Test(services, a_lost_client_cancels_the_question) {
    static const struct answer script[] = {
        {.type = &done__descriptor, .json = "", .delay_us = 5000000}, {0}};
    fake_open();
    fake_script(script);
    fake_start(&(struct request){"Delete", "{\"collection\":\"c\",\"id\":\"a\"}"});
    cr_expect_str_eq(fake_answer(), "");
    fake_cancel();
    fake_run(1000);
    cr_expect_str_eq(fake_answer(), "fail CANCELLED cancelled by the caller\n");
    fake_run(10000000);
    fake_close();
}
