/* A whole database in the program: what `vectron up` runs but the edge. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/embed/vectron.h"
#include "schemas/router.pb-c.h"

static char folder[64];

static void make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/vectron-embed-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

static struct vectron_node *open_database(void) {
    struct vectron_node *node = NULL;
    struct vectron_node_options options = {.size = sizeof options, .compute_lanes = 1};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_OK, "%s", vectron_error());
    struct vectron_database_options database = {.size = sizeof database, .data_dir = folder};
    cr_assert_eq(vectron_database_start(node, &database), VECTRON_OK, "%s", vectron_error());
    return node;
}

static enum vectron_status call(struct vectron_node *node,
                                const ProtobufCMessage *message,
                                const ProtobufCMessageDescriptor *wanted,
                                ProtobufCMessage **reply) {
    struct vectron_node_call call = {
        .size = sizeof call, .name = "router", .message = message, .reply = wanted};
    enum vectron_status s;
    do { /* shards open behind the answer to start */
        s = vectron_node_call(node, &call, reply);
    } while (s == VECTRON_NOT_READY);
    return s;
}

static void create(struct vectron_node *node) {
    RouterCreateCollection create = ROUTER_CREATE_COLLECTION__INIT;
    create.name = (char *)"films";
    create.dimension = 3;
    create.distance = (char *)"euclidean";
    cr_assert_eq(call(node, &create.base, NULL, NULL), VECTRON_OK, "%s", vectron_error());
}

static void upsert(struct vectron_node *node, const char *id, const float vector[3]) {
    RouterPoint point = ROUTER_POINT__INIT;
    RouterPoint *points[] = {&point};
    RouterUpsert upsert = ROUTER_UPSERT__INIT;
    upsert.collection = (char *)"films";
    upsert.points = points;
    upsert.n_points = 1;
    point.id = (char *)id;
    point.vector = (float *)vector;
    point.n_vector = 3;
    cr_assert_eq(call(node, &upsert.base, NULL, NULL), VECTRON_OK, "%s", vectron_error());
}

static void expect_nearest(struct vectron_node *node, const float vector[3], const char *id) {
    RouterSearch search = ROUTER_SEARCH__INIT;
    search.collection = (char *)"films";
    search.vector = (float *)vector;
    search.n_vector = 3;
    search.top_k = 1;
    ProtobufCMessage *reply = NULL;
    cr_assert_eq(call(node, &search.base, &router_hits__descriptor, &reply), VECTRON_OK, "%s",
                 vectron_error());
    cr_assert_eq(reply->descriptor, &router_hits__descriptor, "the program's own descriptor");
    const RouterHits *hits = (const RouterHits *)reply;
    cr_assert_eq(hits->n_hits, 1);
    cr_assert_str_eq(hits->hits[0]->id, id);
    vectron_reply_free(reply);
}

Test(embed_database, keeps_points_and_finds_them, .init = make_folder, .fini = remove_folder) {
    const float alien[] = {9, 1, 3}, amelie[] = {1, 8, 4}, asked[] = {1, 7, 4};
    struct vectron_node *node = open_database();
    create(node);
    upsert(node, "alien", alien);
    upsert(node, "amelie", amelie);
    expect_nearest(node, asked, "amelie");
    expect_nearest(node, alien, "alien");
    vectron_node_close(node);
    node = open_database(); /* the same folder, one life later */
    expect_nearest(node, asked, "amelie");
    vectron_node_close(node);
}

Test(embed_database, is_one_a_process, .init = make_folder, .fini = remove_folder) {
    struct vectron_node *node = open_database(), *other = NULL;
    struct vectron_node_options options = {.size = sizeof options, .compute_lanes = 1};
    cr_assert_eq(vectron_node_open(&options, &other), VECTRON_OK);
    struct vectron_database_options database = {.size = sizeof database, .data_dir = "elsewhere"};
    cr_assert_eq(vectron_database_start(other, &database), VECTRON_EXISTS);
    vectron_node_close(other);
    vectron_node_close(node);
}

Test(embed_database, says_what_contradicts_itself) {
    static const struct {
        struct vectron_database_options options;
        const char *words;
    } rows[] = {
        {{.roles = 8, .data_dir = "x"}, "unknown bits"},
        {{.roles = VECTRON_GATEWAY}, "placement driver's link"},
        {{.roles = VECTRON_WORKER, .pd = "tcp://127.0.0.1:7001"}, "need a folder"},
        {{.roles = VECTRON_WORKER, .pd = "tcp://127.0.0.1:7001", .data_dir = "x"}, "give its node"},
        {{.roles = VECTRON_ALL}, "need a folder"},
        {{.data_dir = "/proc/nothing/here"}, "data folder /proc/nothing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vectron_node *node = NULL;
        struct vectron_node_options options = {.size = sizeof options, .compute_lanes = 1};
        cr_assert_eq(vectron_node_open(&options, &node), VECTRON_OK);
        struct vectron_database_options database = rows[i].options;
        database.size = sizeof database;
        cr_assert_neq(vectron_database_start(node, &database), VECTRON_OK);
        cr_assert(strstr(vectron_error(), rows[i].words), "%s", vectron_error());
        vectron_node_close(node);
    }
}
