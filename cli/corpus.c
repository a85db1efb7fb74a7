/* corpus: one tiny collection of dimension 1. */
#include "cli/corpus.h"

#include <string.h>

#include "schemas/apigateway.pb-c.h"

enum { CODE_NOT_FOUND = 5, CODE_EXISTS = 6 };
static const char point_id[] = "weights";

static void name_of(const char *collection, char out[CORPUS_NAME_MAX]) {
    snprintf(out, CORPUS_NAME_MAX, "%s.idf", collection);
}

int corpus_create(struct command_session *session, const struct corpus_collection *collection) {
    Vectron__V1__CreateCollectionRequest request = VECTRON__V1__CREATE_COLLECTION_REQUEST__INIT;
    request.name = (char *)collection->name;
    request.dimension = (int32_t)collection->dimension;
    request.distance = (char *)collection->distance;
    request.shards = collection->shards;
    request.n_payload_indexes = collection->indexes.n;
    request.payload_indexes = collection->indexes.indexes;
    struct client_call call = {"CreateCollection", &request.base,
                               &vectron__v1__create_collection_response__descriptor};
    struct client_result result;
    if (client_run(session->client, &call, &result) != STATUS_OK)
        return command_fail("out of memory");
    client_reply_free(result.reply);
    if (result.code == 0 || result.code == CODE_EXISTS) return EXIT_OK;
    return command_refused(&result);
}

int corpus_save(struct command_session *session,
                const char *collection,
                const struct embed_weights *weights) {
    char name[CORPUS_NAME_MAX], text[EMBED_WEIGHTS_SIZE + 1];
    name_of(collection, name);
    struct corpus_collection about = {
        .name = name, .dimension = 1, .distance = "euclidean", .shards = 1};
    int code = corpus_create(session, &about);
    if (code != EXIT_OK) return code;

    memcpy(text, weights->cells, EMBED_WEIGHTS_SIZE);
    text[EMBED_WEIGHTS_SIZE] = 0;
    float zero = 0;
    Vectron__V1__Point__PayloadEntry entry = VECTRON__V1__POINT__PAYLOAD_ENTRY__INIT,
                                     *entries = &entry;
    entry.key = "idf";
    entry.value = text;
    Vectron__V1__Point point = VECTRON__V1__POINT__INIT, *points = &point;
    point.id = (char *)point_id;
    point.vector = &zero;
    point.n_vector = 1;
    point.payload = &entries;
    point.n_payload = 1;
    Vectron__V1__UpsertRequest request = VECTRON__V1__UPSERT_REQUEST__INIT;
    request.collection = name;
    request.points = &points;
    request.n_points = 1;
    struct client_call call = {"Upsert", &request.base, &vectron__v1__upsert_response__descriptor};
    ProtobufCMessage *reply = command_call(session, &call, &code);
    client_reply_free(reply);
    return reply ? EXIT_OK : code;
}

static int
take_weights(const Vectron__V1__GetResponse *reply, const char *name, struct embed_weights *out) {
    for (size_t i = 0; reply->point && i < reply->point->n_payload; i++) {
        const Vectron__V1__Point__PayloadEntry *entry = reply->point->payload[i];
        if (strcmp(entry->key, "idf") != 0) continue;
        if (embed_weights_read(entry->value, strlen(entry->value), out) == STATUS_OK)
            return EXIT_OK;
    }
    return command_fail("collection %s does not hold the weights of an embedder", name);
}

int corpus_load(struct command_session *session,
                const char *collection,
                struct embed_weights *out) {
    char name[CORPUS_NAME_MAX];
    name_of(collection, name);
    Vectron__V1__GetRequest request = VECTRON__V1__GET_REQUEST__INIT;
    request.collection = name;
    request.id = (char *)point_id;
    struct client_call call = {"Get", &request.base, &vectron__v1__get_response__descriptor};
    struct client_result result;
    if (client_run(session->client, &call, &result) != STATUS_OK)
        return command_fail("out of memory");
    if (result.code == CODE_NOT_FOUND)
        return command_fail(
            "collection \"%s\" was not loaded by `vectron demo`, so a text cannot be turned into "
            "a vector the way its points were; give --vector '[…]' or --file",
            collection);
    if (result.code != 0) return command_refused(&result);
    int code = take_weights((void *)result.reply, name, out);
    client_reply_free(result.reply);
    return code;
}
