/* vectron collections: list, create, delete, status, index. */
#include <string.h>

#include "cli/collections_index.h"
#include "cli/command.h"
#include "cli/payload_text.h"
#include "cli/table.h"
#include "index/filter.h"
#include "schemas/apigateway.pb-c.h"

static const struct args_flag flags[] = {
    {"dimension", "N", "components of a vector, 1 to 65535 (create)"},
    {"distance", "NAME", "cosine (default), euclidean or dot (create)"},
    {"storage", "NAME",
     "how the index keeps vectors: auto (default), f32, f16, sq8, sq4 or rabitq (create)"},
    {"originals", "NAME",
     "what results are measured on besides codes: none (default), ram or mapped (create)"},
    {"target-recall", "SHARE", "recall of searches without --ef, from 0 to below 1 (create)"},
    {"preset", "NAME", "instead of --target-recall: fast, balanced, accurate or exact (create)"},
    {"rescore", "N",
     "candidates measured again for each result, 1 to 100; default: as the storage wants (create)"},
    {"shards", "N", "parts of the collection, 1 to 1024; default: the server's (create)"},
    {"index", "KEY:TYPE,...", PAYLOAD_TEXT_HELP " (create)"},
    {"type", "NAME", "keyword (default), integer, number, bool or datetime (index create, drop)"},
    {"no-wait", NULL, "do not wait until it is built (index create)"},
    {"json", NULL, "print the server's reply as JSON"},
    {0},
};

static int list(struct command_session *session, bool json) {
    Vectron__V1__ListCollectionsRequest request = VECTRON__V1__LIST_COLLECTIONS_REQUEST__INIT;
    struct client_call call = {"ListCollections", &request.base,
                               &vectron__v1__list_collections_response__descriptor};
    int code;
    ProtobufCMessage *message = command_call(session, &call, &code);
    if (!message) return code;
    const Vectron__V1__ListCollectionsResponse *reply = (void *)message;
    if (json)
        command_print_json(message);
    else if (reply->n_collections == 0)
        puts("no collections");
    for (size_t i = 0; !json && i < reply->n_collections; i++)
        puts(reply->collections[i]);
    client_reply_free(message);
    return EXIT_OK;
}

struct creation {
    int64_t dimension, shards;
    double target_recall, rescore;
    struct payload_text indexes;
};

/* What the flags say; the indexes lie in the arena. */
static int read_creation(const struct args *args, struct arena *arena, struct creation *out) {
    out->target_recall = out->rescore = 0;
    struct buffer why;
    buffer_init(&why);
    bool wrong = args_number(args, "dimension", (struct args_bounds){0, 1, 65535}, &out->dimension,
                             &why) != STATUS_OK ||
                 args_number(args, "shards", (struct args_bounds){0, 1, 1024}, &out->shards,
                             &why) != STATUS_OK ||
                 args_real(args, "target-recall", &out->target_recall, &why) != STATUS_OK ||
                 args_real(args, "rescore", &out->rescore, &why) != STATUS_OK;
    if (!wrong && out->dimension == 0) buffer_printf(&why, "create needs --dimension N");
    if (!why.size &&
        payload_text_read(args_text(args, "index"), arena, &out->indexes, &why) == STATUS_NO_MEMORY)
        buffer_printf(&why, "out of memory");
    int code = why.size ? command_misuse("collections", "%s", (char *)why.data) : EXIT_OK;
    buffer_free(&why);
    return code;
}

static int create_as(struct command_session *session,
                     const struct args *args,
                     const char *name,
                     const struct creation *creation) {
    int code;
    const char *distance = args_text(args, "distance");
    Vectron__V1__CreateCollectionRequest request = VECTRON__V1__CREATE_COLLECTION_REQUEST__INIT;
    request.name = (char *)name;
    request.dimension = (int32_t)creation->dimension;
    request.distance = (char *)(distance ? distance : "cosine");
    request.shards = (uint32_t)creation->shards;
    if (args_text(args, "storage")) request.storage = (char *)args_text(args, "storage");
    if (args_text(args, "originals")) request.originals = (char *)args_text(args, "originals");
    if (args_text(args, "preset")) request.preset = (char *)args_text(args, "preset");
    request.target_recall = (float)creation->target_recall;
    request.rescore = (float)creation->rescore;
    request.n_payload_indexes = creation->indexes.n;
    request.payload_indexes = creation->indexes.indexes;
    struct client_call call = {"CreateCollection", &request.base,
                               &vectron__v1__create_collection_response__descriptor};
    ProtobufCMessage *reply = command_call(session, &call, &code);
    if (!reply) return code;
    if (args_on(args, "json"))
        command_print_json(reply);
    else
        printf("created %s: %d dimensions, %s\n", name, request.dimension, request.distance);
    client_reply_free(reply);
    return EXIT_OK;
}

static int create(struct command_session *session, const struct args *args, const char *name) {
    struct creation creation;
    struct arena arena;
    arena_init(&arena, 0);
    int code = read_creation(args, &arena, &creation);
    if (code == EXIT_OK) code = create_as(session, args, name, &creation);
    arena_free(&arena);
    return code;
}

static int delete (struct command_session *session, bool json, const char *name) {
    Vectron__V1__DeleteCollectionRequest request = VECTRON__V1__DELETE_COLLECTION_REQUEST__INIT;
    request.name = (char *)name;
    struct client_call call = {"DeleteCollection", &request.base,
                               &vectron__v1__delete_collection_response__descriptor};
    int code;
    ProtobufCMessage *reply = command_call(session, &call, &code);
    if (!reply) return code;
    if (json)
        command_print_json(reply);
    else
        printf("deleted %s\n", name);
    client_reply_free(reply);
    return EXIT_OK;
}

static void print_shards(const Vectron__V1__GetCollectionStatusResponse *reply) {
    static const char *const heads[] = {">SHARD",  ">LEADER",  ">REPLICAS", "STATE",
                                        ">POINTS", ">WAITING", ">MEMORY",   "STORAGE",
                                        ">EF",     ">RECALL",  NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < reply->n_shards; i++) {
        const Vectron__V1__ShardStatus *shard = reply->shards[i];
        table_row(&table);
        table_cell(&table, 0, "%u", shard->shard_id);
        table_cell(&table, 1, "%llu", (unsigned long long)shard->leader_id);
        table_cell(&table, 2, "%zu", shard->n_replicas);
        table_cell(&table, 3, "%s", shard->ready ? "ready" : "not ready");
        if (!shard->state[0]) continue; /* it did not say */
        table_cell(&table, 4, "%llu", (unsigned long long)shard->points);
        table_cell(&table, 5, "%llu", (unsigned long long)shard->waiting);
        table_cell(&table, 6, "%.1f MB", (double)shard->memory_bytes / 1e6);
        table_cell(&table, 7, "%s", shard->storage);
        table_cell(&table, 8, "%u", shard->ef);
        if (shard->recall > 0)
            table_cell(&table, 9, "%.3f%s", (double)shard->recall,
                       shard->recall_live ? " live" : "");
        else
            table_cell(&table, 9, "-");
    }
    table_print(&table, stdout);
    table_reset(&table);
}

static void print_status(const Vectron__V1__GetCollectionStatusResponse *reply) {
    printf("%s: %d dimensions, %s, %zu shard%s\n\n", reply->name, reply->dimension, reply->distance,
           reply->n_shards, reply->n_shards == 1 ? "" : "s");
    print_shards(reply);
    if (reply->n_payload_indexes == 0) return;
    putchar('\n');
    collections_index_print(reply);
}

static int status(struct command_session *session, bool json, const char *name) {
    Vectron__V1__GetCollectionStatusRequest request =
        VECTRON__V1__GET_COLLECTION_STATUS_REQUEST__INIT;
    request.name = (char *)name;
    struct client_call call = {"GetCollectionStatus", &request.base,
                               &vectron__v1__get_collection_status_response__descriptor};
    int code;
    ProtobufCMessage *reply = command_call(session, &call, &code);
    if (!reply) return code;
    if (json)
        command_print_json(reply);
    else
        print_status((void *)reply);
    client_reply_free(reply);
    return EXIT_OK;
}

/* EXIT_OK: the words make sense. */
static int judge(const struct args *args) {
    static const char *const verbs[] = {"create", "delete", "status"};
    const char *verb = args->n_words ? args->words[0] : "list";
    bool is_list = strcmp(verb, "list") == 0, known = is_list;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        known |= strcmp(verb, verbs[i]) == 0;
    if (strcmp(verb, "index") == 0) return collections_index_judge(args);
    if (!known)
        return command_misuse("collections",
                              "unknown verb \"%s\": list, create, delete, status or index", verb);
    if (!is_list && args->n_words < 2)
        return command_misuse("collections", "%s needs the NAME of a collection", verb);
    if (args->n_words > (is_list ? 1u : 2u))
        return command_misuse("collections", "too many arguments");
    return EXIT_OK;
}

static int run(const struct args *args) {
    const char *verb = args->n_words ? args->words[0] : "list";
    const char *name = args->n_words > 1 ? args->words[1] : NULL;
    bool json = args_on(args, "json");
    struct command_session session;
    int code = judge(args);
    if (code != EXIT_OK) return code;
    if (!command_session_open(args, &session)) return EXIT_USAGE;
    code = *verb == 'l'   ? list(&session, json)
           : *verb == 'c' ? create(&session, args, name)
           : *verb == 'd' ? delete (&session, json, name)
           : *verb == 'i' ? collections_index(&session, args)
                          : status(&session, json, name);
    command_session_close(&session);
    return code;
}

const struct command command_collections = {
    .name = "collections",
    .arguments = "[list | create NAME | delete NAME | status NAME | index VERB NAME [KEY[:TYPE]]]",
    .summary = "list, create, delete collections; their shards; their payload indexes",
    .help = "  vectron collections\n"
            "  vectron collections create docs --dimension 768 --distance cosine --shards 4\n"
            "  vectron collections create shop --dimension 768 --index price:number,color\n"
            "  vectron collections status docs\n"
            "  vectron collections index create shop price --type number\n"
            "  vectron collections index list shop\n"
            "  vectron collections index drop shop price:number\n"
            "  vectron collections delete docs\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .way = ARGS_CALLS,
    .run = run,
};
