/* The database's actors on real lanes under ThreadSanitizer: clients write, search, read and delete
 * while collections come and go. Stores are in memory (RocksDB is not instrumented). Usage:
 * race_actors [seconds] */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "actors/keeper/keeper.h"
#include "actors/linker/linker.h"
#include "actors/log/log.h"
#include "actors/pd/pd.h"
#include "actors/router/router.h"
#include "actors/searcher/searcher.h"
#include "runtime/node.h"
#include "runtime/rng.h"
#include "schemas/router.pb-c.h"

enum { SEARCHERS = 2, CLIENTS = 3, DIMENSION = 8, BATCH = 20, TIMEOUT_MS = 20000 };

static struct node *node;
static atomic_bool stop;
static atomic_uint writes, searches, reads, births, failures;
static atomic_uint anchor_writes, anchor_searches, anchor_missing, anchor_twice;

static void must(enum status status, const char *what) {
    if (status == STATUS_OK) return;
    fprintf(stderr, "%s: %s\n", what, status_name(status));
    exit(1);
}

static void start(const char *name, const struct actor_type *type, const void *options) {
    actor_handle actor;
    must(node_spawn(node, &(struct spawn){.type = type, .name = name, .options = options}, &actor),
         name);
}

static enum status ask(const ProtobufCMessage *message, atomic_uint *counter) {
    ProtobufCMessage *reply = NULL;
    char text[256] = "";
    enum status s = node_call(node,
                              &(struct node_call){.name = "router",
                                                  .message = message,
                                                  .timeout_ms = TIMEOUT_MS,
                                                  .text = text,
                                                  .text_size = sizeof text},
                              &reply);
    if (s == STATUS_OK) {
        node_reply_free(reply);
        atomic_fetch_add(counter, 1);
    } else if (s != STATUS_NOT_FOUND && s != STATUS_BUSY) {
        fprintf(stderr, "%s: %s %s\n", message->descriptor->name, status_name(s), text);
        atomic_fetch_add(&failures, 1);
    }
    return s;
}

static void upsert(struct rng *rng, char *collection) {
    RouterPoint points[BATCH], *rows[BATCH];
    float vectors[BATCH][DIMENSION];
    char ids[BATCH][16];
    for (int i = 0; i < BATCH; i++) {
        router_point__init(&points[i]);
        snprintf(ids[i], sizeof ids[i], "p%" PRIu64, rng_below(rng, 2000));
        for (int d = 0; d < DIMENSION; d++)
            vectors[i][d] = (float)rng_normal(rng);
        points[i].id = ids[i];
        points[i].n_vector = DIMENSION;
        points[i].vector = vectors[i];
        rows[i] = &points[i];
    }
    RouterUpsert message = ROUTER_UPSERT__INIT;
    message.collection = collection;
    message.n_points = BATCH;
    message.points = rows;
    (void)ask(&message.base, &writes);
}

static void search(struct rng *rng, char *collection) {
    float vector[DIMENSION];
    for (int d = 0; d < DIMENSION; d++)
        vector[d] = (float)rng_normal(rng);
    RouterSearch message = ROUTER_SEARCH__INIT;
    message.collection = collection;
    message.n_vector = DIMENSION;
    message.vector = vector;
    message.top_k = 10;
    message.include_payload = rng_below(rng, 2) == 1;
    message.exact = rng_below(rng, 4) == 0;
    (void)ask(&message.base, &searches);
}

static void *client(void *context) {
    struct rng rng;
    rng_init(&rng, (uint64_t)(uintptr_t)context);
    while (!atomic_load(&stop)) {
        char *collection = rng_below(&rng, 4) ? "steady" : "brief";
        uint64_t what = rng_below(&rng, 10);
        char id[16];
        snprintf(id, sizeof id, "p%" PRIu64, rng_below(&rng, 2000));
        if (what < 4) {
            upsert(&rng, collection);
        } else if (what < 8) {
            search(&rng, collection);
        } else if (what < 9) {
            RouterGet get = ROUTER_GET__INIT;
            get.collection = collection;
            get.id = id;
            (void)ask(&get.base, &reads);
        } else {
            RouterDelete delete = ROUTER_DELETE__INIT;
            delete.collection = collection;
            delete.id = id;
            (void)ask(&delete.base, &writes);
        }
    }
    return NULL;
}

/* Far from every random point, and always the same. */
static float anchor[DIMENSION] = {1000, -1000, 1000, -1000, 1000, -1000, 1000, -1000};

static void *anchor_writer(void *context) {
    (void)context;
    while (!atomic_load(&stop)) {
        RouterPoint point = ROUTER_POINT__INIT;
        RouterPoint *rows[] = {&point};
        RouterUpsert message = ROUTER_UPSERT__INIT;
        point.id = "anchor";
        point.n_vector = DIMENSION;
        point.vector = anchor;
        message.collection = "steady";
        message.n_points = 1;
        message.points = rows;
        (void)ask(&message.base, &anchor_writes);
    }
    return NULL;
}

static void *anchor_searcher(void *context) {
    (void)context;
    while (!atomic_load(&stop)) {
        RouterSearch message = ROUTER_SEARCH__INIT;
        ProtobufCMessage *reply = NULL;
        message.collection = "steady";
        message.n_vector = DIMENSION;
        message.vector = anchor;
        message.top_k = 3;
        message.include_payload = atomic_load(&anchor_searches) % 2 != 0;
        struct node_call call = {
            .name = "router", .message = &message.base, .timeout_ms = TIMEOUT_MS};
        if (node_call(node, &call, &reply) != STATUS_OK) continue;
        const RouterHits *hits = (const RouterHits *)reply;
        uint32_t n = 0;
        for (size_t i = 0; i < hits->n_hits; i++)
            n += !strcmp(hits->hits[i]->id, "anchor");
        atomic_fetch_add(&anchor_searches, 1);
        if (n == 0) atomic_fetch_add(&anchor_missing, 1);
        if (n > 1) atomic_fetch_add(&anchor_twice, 1);
        node_reply_free(reply);
    }
    return NULL;
}

static enum status create(char *name, uint32_t shards) {
    RouterCreateCollection message = ROUTER_CREATE_COLLECTION__INIT;
    message.name = name;
    message.dimension = DIMENSION;
    message.distance = "cosine";
    message.shards = shards;
    return ask(&message.base, &births);
}

static void *founder(void *context) {
    (void)context;
    while (!atomic_load(&stop)) {
        RouterDeleteCollection message = ROUTER_DELETE_COLLECTION__INIT;
        (void)create("brief", 3);
        nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
        message.name = "brief";
        (void)ask(&message.base, &births);
    }
    return NULL;
}

/* Options are borrowed as long as the actors live. */
static void start_all(struct log_store *log, struct point_store *points, struct shelf *shelf) {
    static struct log_options log_options;
    static struct pd_options pd_options = {.default_shards = 2};
    static struct searcher_options searchers[SEARCHERS];
    static struct linker_options linkers;
    static struct keeper_options keeper;
    static struct router_options router = {.pd = ""};
    log_options.store = log;
    pd_options.log = log;
    linkers.shelf = shelf;
    keeper = (struct keeper_options){.log = log,
                                     .points = points,
                                     .shelf = shelf,
                                     .pd = "",
                                     .link = "",
                                     .grpc_address = "",
                                     .region = "",
                                     .zone = "",
                                     .rack = "",
                                     .tail_max = 500};
    start("log", &log_type, &log_options);
    start("pd", &pd_type, &pd_options);
    for (uint32_t i = 0; i < SEARCHERS; i++) {
        char name[32];
        searchers[i] = (struct searcher_options){.n = i, .shelf = shelf, .points = points};
        snprintf(name, sizeof name, "searcher/%" PRIu32, i);
        start(name, &searcher_type, &searchers[i]);
        snprintf(name, sizeof name, "linker/%" PRIu32, i);
        start(name, &linker_type, &linkers);
    }
    start("keeper", &keeper_type, &keeper);
    start("router", &router_type, &router);
}

int main(int argc, char **argv) {
    int seconds = argc > 1 ? atoi(argv[1]) : 5;
    struct kv *kv;
    struct log_store *log;
    struct point_store *points;
    struct shelf *shelf;
    const struct kv_faults faults = {.seed = 1, .uncached_ppm = 100000};
    must(kv_memory_open(&(struct kv_options){.path = "log", .wal = true}, &faults, &kv), "log");
    must(log_store_open(&kv, &log), "log");
    must(kv_memory_open(&(struct kv_options){.path = "points"}, &faults, &kv), "points");
    must(point_store_open(&kv, &points), "points");
    must(shelf_open(&shelf), "shelf");
    shelf_searchers(shelf, SEARCHERS);
    must(
        node_open(&(struct node_options){.name = "race", .io_lanes = 2, .compute_lanes = 2}, &node),
        "node");

    start_all(log, points, shelf);
    must(create("steady", 2), "create");

    RouterUpsert first = ROUTER_UPSERT__INIT;
    RouterPoint point = ROUTER_POINT__INIT;
    RouterPoint *rows[] = {&point};
    point.id = "anchor";
    point.n_vector = DIMENSION;
    point.vector = anchor;
    first.collection = "steady";
    first.n_points = 1;
    first.points = rows;
    must(ask(&first.base, &anchor_writes), "anchor");
    pthread_t threads[CLIENTS + 3];
    for (uintptr_t i = 0; i < CLIENTS; i++)
        pthread_create(&threads[i], NULL, client, (void *)(i + 1));
    pthread_create(&threads[CLIENTS], NULL, founder, NULL);
    pthread_create(&threads[CLIENTS + 1], NULL, anchor_writer, NULL);
    pthread_create(&threads[CLIENTS + 2], NULL, anchor_searcher, NULL);
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < CLIENTS + 3; i++)
        pthread_join(threads[i], NULL);
    node_close(node);
    shelf_close(shelf);
    point_store_close(points);
    log_store_close(log);
    printf("writes %u searches %u reads %u births %u failures %u\n", atomic_load(&writes),
           atomic_load(&searches), atomic_load(&reads), atomic_load(&births),
           atomic_load(&failures));
    printf("anchor: %u writes, %u searches, missing %u, twice %u\n", atomic_load(&anchor_writes),
           atomic_load(&anchor_searches), atomic_load(&anchor_missing), atomic_load(&anchor_twice));
    if (anchor_missing + anchor_twice > 0) return 1;
    bool alive = writes > 0 && searches > 0 && births > 0;
    return alive && failures == 0 ? 0 : 1;
}
