/* search: a CZMQ program with a whole Vectron database in it, as a zactor. Points go in through a
 * plain call, and the search is sent by a zsock to the router's own mailbox.
 *
 *     search FOLDER        the folder is kept: a second run finds the points of the first */
#include <czmq.h>
#include <vectron.h>

#include "router.pb-c.h"

enum { DIMENSION = 4, POINTS = 200, FOUND = 3 };

static enum vectron_status start_database(struct vectron_node *node, void *folder) {
    struct vectron_database_options options = {.size = sizeof options, .data_dir = folder};
    return vectron_database_start(node, &options);
}

/* Waits for the answer; exits with words when there is none. */
static void ask_router(struct vectron_node *node, const ProtobufCMessage *message) {
    struct vectron_node_call call = {.size = sizeof call, .name = "router", .message = message};
    enum vectron_status status = vectron_node_call(node, &call, NULL);
    if (status == VECTRON_OK || status == VECTRON_EXISTS) return;
    fprintf(stderr, "search: %s\n", vectron_error());
    exit(1);
}

static void fill(struct vectron_node *node) {
    RouterCreateCollection create = ROUTER_CREATE_COLLECTION__INIT;
    create.name = "spiral";
    create.dimension = DIMENSION;
    create.distance = "euclidean";
    ask_router(node, &create.base);

    static float vectors[POINTS][DIMENSION];
    static char ids[POINTS][16];
    RouterPoint points[POINTS], *pointers[POINTS];
    for (int i = 0; i < POINTS; i++) {
        float turns = (float)i / 20;
        float vector[DIMENSION] = {turns * cosf(turns), turns * sinf(turns), turns, 1};
        memcpy(vectors[i], vector, sizeof vector);
        snprintf(ids[i], sizeof ids[i], "p%d", i);
        router_point__init(&points[i]);
        points[i].id = ids[i];
        points[i].vector = vectors[i];
        points[i].n_vector = DIMENSION;
        pointers[i] = &points[i];
    }
    RouterUpsert upsert = ROUTER_UPSERT__INIT;
    upsert.collection = "spiral";
    upsert.points = pointers;
    upsert.n_points = POINTS;
    ask_router(node, &upsert.base);
}

/* Two frames: the envelope, and the message as msgpack. */
static void send_search(zsock_t *router, const float vector[DIMENSION]) {
    RouterSearch search = ROUTER_SEARCH__INIT;
    search.collection = "spiral";
    search.vector = (float *)vector;
    search.n_vector = DIMENSION;
    search.top_k = FOUND;
    struct vectron_envelope envelope = {.kind = VECTRON_CALL,
                                        .op = vectron_op("RouterSearch"),
                                        .correlation = 1,
                                        .timeout_us = 2000000};
    unsigned char head[VECTRON_ENVELOPE_MAX], body[256];
    size_t head_size = vectron_envelope_write(&envelope, head);
    size_t body_size = vectron_encode(&search.base, body, sizeof body);
    zsock_send(router, "bb", head, head_size, body, body_size);
}

static int print_hits(zsock_t *router) {
    byte *head = NULL, *body = NULL;
    size_t head_size = 0, body_size = 0;
    struct vectron_envelope envelope;
    ProtobufCMessage *message = NULL;
    if (zsock_recv(router, "bb", &head, &head_size, &body, &body_size) != 0 ||
        vectron_envelope_read(head, head_size, &envelope) != VECTRON_OK ||
        envelope.op != vectron_op("RouterHits") ||
        vectron_decode(&router_hits__descriptor, body, body_size, &message) != VECTRON_OK) {
        fputs("search: no hits came back\n", stderr);
        return 1;
    }
    const RouterHits *hits = (const RouterHits *)message;
    for (size_t i = 0; i < hits->n_hits; i++)
        printf("%s %.4f\n", hits->hits[i]->id, (double)hits->hits[i]->score);
    vectron_reply_free(message);
    freen(head);
    freen(body);
    return 0;
}

int main(int n, char **words) {
    if (n != 2) return fprintf(stderr, "search FOLDER\n"), 2;
    struct vectron_node_options node = {.size = sizeof node, .name = "search"};
    struct vectron_zactor args = {
        .size = sizeof args, .node = &node, .setup = start_database, .context = words[1]};
    zactor_t *database = zactor_new(vectron_zactor, &args);
    if (args.status != VECTRON_OK) return fprintf(stderr, "search: %s\n", args.error), 1;
    fill(args.open);

    char mailbox[VECTRON_MAILBOX_MAX];
    if (vectron_mailbox(args.open, "router", mailbox) != VECTRON_OK) return 1;
    zsock_t *router = zsock_new_dealer(mailbox);
    zsock_set_rcvtimeo(router, 5000);
    send_search(router, (float[]){0, 0, 5, 1});
    int code = print_hits(router);
    zsock_destroy(&router);
    zactor_destroy(&database);
    return code;
}
