/* collections_index: an index is made in the background of the server; create waits for it, and
 * shows how far it is, unless --no-wait is given. */
#include "cli/collections_index.h"

#include <string.h>
#include <time.h>

#include "cli/payload_text.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "index/filter.h"

enum { LOOK_MS = 100, WORDS = 3 /* index, verb, collection */ };

void collections_index_print(const Vectron__V1__GetCollectionStatusResponse *status) {
    static const char *const heads[] = {"KEY",     "TYPE",  ">VALUES", ">UNPARSED",
                                        ">MEMORY", "STATE", NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < status->n_payload_indexes; i++) {
        const Vectron__V1__PayloadIndexStatus *index = status->payload_indexes[i];
        table_row(&table);
        table_cell(&table, 0, "%s", index->key);
        table_cell(&table, 1, "%s", filter_type_name((enum filter_type)index->type));
        table_cell(&table, 2, "%llu", (unsigned long long)index->values);
        table_cell(&table, 3, "%llu", (unsigned long long)index->unparsed);
        table_cell(&table, 4, "%.1f MB", (double)index->bytes / 1e6);
        if (!index->ready)
            table_cell(&table, 5, "building, %.0f %%", (double)index->progress * 100);
        else
            table_cell(&table, 5, index->declared ? "ready" : "ready, built on first use");
    }
    table_print(&table, stdout);
    table_reset(&table);
}

/* The reply is owned; NULL: it said why, with *code. */
static ProtobufCMessage *
ask_status(struct command_session *session, const char *collection, int *code) {
    Vectron__V1__GetCollectionStatusRequest request =
        VECTRON__V1__GET_COLLECTION_STATUS_REQUEST__INIT;
    request.name = (char *)collection;
    struct client_call call = {"GetCollectionStatus", &request.base,
                               &vectron__v1__get_collection_status_response__descriptor};
    return command_call(session, &call, code);
}

static int list(struct command_session *session, const char *collection, bool json) {
    int code = EXIT_OK;
    ProtobufCMessage *reply = ask_status(session, collection, &code);
    if (!reply) return code;
    Vectron__V1__GetCollectionStatusResponse *status = (void *)reply;
    if (json)
        command_print_json(reply);
    else if (status->n_payload_indexes == 0)
        printf("%s has no payload indexes\n", collection);
    else
        collections_index_print(status);
    client_reply_free(reply);
    return EXIT_OK;
}

/* KEY, or KEY:TYPE; --type says more. */
static int
read_index(const struct args *args, struct arena *arena, const Vectron__V1__PayloadIndex **out) {
    const char *given = args_text(args, "type");
    struct payload_text text;
    struct buffer word, why;
    buffer_init(&word);
    buffer_init(&why);
    buffer_printf(&word, "%s%s%s", args->words[WORDS], given ? ":" : "", given ? given : "");
    enum status s = payload_text_read((char *)word.data, arena, &text, &why);
    int code = EXIT_OK;
    if (s == STATUS_OK && text.n != 1)
        code = command_misuse("collections", "give one KEY or KEY:TYPE, not \"%s\"",
                              args->words[WORDS]);
    else if (s != STATUS_OK)
        code = command_misuse("collections", "%s", why.size ? (char *)why.data : "out of memory");
    else
        *out = text.indexes[0];
    buffer_free(&word);
    buffer_free(&why);
    return code;
}

/* 1: it is there. 0: not yet, with *share. Negative: the status was refused. */
static int is_ready(struct command_session *session,
                    const char *collection,
                    const Vectron__V1__PayloadIndex *wanted,
                    float *share) {
    int code = EXIT_OK, ready = 0;
    *share = 0;
    ProtobufCMessage *reply = ask_status(session, collection, &code);
    if (!reply) return -code;
    const Vectron__V1__GetCollectionStatusResponse *status = (void *)reply;
    for (size_t i = 0; i < status->n_payload_indexes; i++) {
        const Vectron__V1__PayloadIndexStatus *index = status->payload_indexes[i];
        if (index->type != wanted->type || strcmp(index->key, wanted->key) != 0) continue;
        *share = index->progress;
        ready = index->ready && index->declared;
    }
    client_reply_free(reply);
    return ready;
}

static int wait_for(struct command_session *session,
                    const struct args *args,
                    const Vectron__V1__PayloadIndex *wanted) {
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
    struct progress progress;
    float share;
    int ready;
    progress_start(&progress, "% of the points read", args_on(args, "json"));
    while ((ready = is_ready(session, args->words[2], wanted, &share)) == 0) {
        progress_show(&progress, (uint64_t)(share * 100), (double)share);
        nanosleep(&pause, NULL);
    }
    double seconds = progress_stop(&progress);
    if (ready < 0) return -ready;
    if (!args_on(args, "json"))
        printf("%s as %s of %s is ready, in %.1f s\n", wanted->key,
               filter_type_name((enum filter_type)wanted->type), args->words[2], seconds);
    return EXIT_OK;
}

static int create(struct command_session *session,
                  const struct args *args,
                  const Vectron__V1__PayloadIndex *index) {
    Vectron__V1__CreatePayloadIndexRequest request =
        VECTRON__V1__CREATE_PAYLOAD_INDEX_REQUEST__INIT;
    request.collection = (char *)args->words[2];
    request.index = (Vectron__V1__PayloadIndex *)index;
    struct client_call call = {"CreatePayloadIndex", &request.base,
                               &vectron__v1__create_payload_index_response__descriptor};
    int code = EXIT_OK;
    ProtobufCMessage *reply = command_call(session, &call, &code);
    if (!reply) return code;
    if (args_on(args, "json"))
        command_print_json(reply);
    else if (args_on(args, "no-wait"))
        printf("%s as %s of %s is being built\n", index->key,
               filter_type_name((enum filter_type)index->type), request.collection);
    client_reply_free(reply);
    return args_on(args, "no-wait") ? EXIT_OK : wait_for(session, args, index);
}

static int drop(struct command_session *session,
                const struct args *args,
                const Vectron__V1__PayloadIndex *index) {
    Vectron__V1__DropPayloadIndexRequest request = VECTRON__V1__DROP_PAYLOAD_INDEX_REQUEST__INIT;
    const char *type = filter_type_name((enum filter_type)index->type);
    request.collection = (char *)args->words[2];
    request.key = index->key;
    request.type = (char *)type;
    struct client_call call = {"DropPayloadIndex", &request.base,
                               &vectron__v1__drop_payload_index_response__descriptor};
    int code = EXIT_OK;
    ProtobufCMessage *reply = command_call(session, &call, &code);
    if (!reply) return code;
    if (args_on(args, "json"))
        command_print_json(reply);
    else
        printf("dropped %s as %s of %s\n", index->key, type, request.collection);
    client_reply_free(reply);
    return EXIT_OK;
}

int collections_index_judge(const struct args *args) {
    const char *verb = args->n_words > 1 ? args->words[1] : "";
    bool is_list = strcmp(verb, "list") == 0;
    if (!is_list && strcmp(verb, "create") != 0 && strcmp(verb, "drop") != 0)
        return command_misuse("collections", "index needs create, drop or list");
    if (args->n_words == (is_list ? 3u : 4u)) return EXIT_OK;
    return command_misuse("collections", "index %s needs the NAME of a collection%s", verb,
                          is_list ? ", and nothing else" : " and one KEY");
}

int collections_index(struct command_session *session, const struct args *args) {
    const char *verb = args->words[1];
    const Vectron__V1__PayloadIndex *index = NULL;
    struct arena arena;
    if (*verb == 'l') return list(session, args->words[2], args_on(args, "json"));
    arena_init(&arena, 0);
    int code = read_index(args, &arena, &index);
    if (code == EXIT_OK)
        code = *verb == 'c' ? create(session, args, index) : drop(session, args, index);
    arena_free(&arena);
    return code;
}
