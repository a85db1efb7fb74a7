/* The router's answers that need more than one message: pages, streams, sessions; and latency of
 * creation. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actors/shard/shard.h"
#include "runtime/memory.h"
#include "tests/unit/actors/world.h"

static struct world world;

/* An actor that asks the router and counts the parts of the answer. */
struct client {
    uint32_t parts;     /* with page_more */
    uint32_t snapshots; /* the others, the final one too */
    uint32_t hits;      /* since the last snapshot began */
    uint32_t final_hits;
    bool begins;
    enum status status;
    bool done;
};
static struct client seen;

static void on_hits(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)turn;
    const RouterHits *hits = outcome_as(outcome, RouterHits, router_hits);
    if (hits) {
        if (seen.begins) seen.hits = 0;
        seen.hits += (uint32_t)hits->n_hits;
        seen.begins = !hits->page_more;
        if (hits->page_more)
            seen.parts++;
        else
            seen.snapshots++;
    }
    if (outcome->more) return;
    seen.final_hits = seen.hits;
    seen.status = outcome->status;
    seen.done = true;
}

static enum status client_open(void *self, const void *options, struct turn *turn) {
    (void)self;
    memset(&seen, 0, sizeof seen);
    seen.begins = true;
    turn_call(turn, &(struct call){.to = turn_find(turn, "router"),
                                   .message = options,
                                   .done = on_hits,
                                   .deadline_us = turn_now_us(turn) + 60 * SECOND});
    return STATUS_OK;
}

static const struct handler nothing[] = {{NULL, NULL}};
static const struct actor_type client_type = {.kind = "client",
                                              .size = sizeof(struct client),
                                              .handlers = nothing,
                                              .open = client_open,
                                              .lane = LANE_IO};

static void run_client(const ProtobufCMessage *message) {
    sim_spawn(world.sim, "client", &client_type, message);
    sim_run(world.sim, 5 * SECOND);
    cr_assert(seen.done);
    cr_assert_eq(seen.status, STATUS_OK, "%s", status_name(seen.status));
    sim_stop(world.sim, "client");
}

static void fill(uint32_t dimension, uint32_t shards, int points) {
    cr_assert_eq(world_create(&world, "docs", dimension, shards), STATUS_OK, "%s",
                 world_words(&world));
    float *vector = mem_zero(dimension, sizeof *vector);
    for (int i = 0; i < points; i++) {
        char id[16];
        snprintf(id, sizeof id, "p%d", i);
        vector[0] = (float)i;
        RouterPoint point = ROUTER_POINT__INIT;
        point.id = id;
        point.n_vector = dimension;
        point.vector = vector;
        RouterPoint *rows[] = {&point};
        const ProtobufCMessage *reply;
        enum status s = sim_call(world.sim, "router",
                                 MESSAGE(RouterUpsert, router_upsert, .collection = "docs",
                                         .n_points = 1, .points = rows),
                                 60 * SECOND, &reply);
        cr_assert_eq(s, STATUS_OK, "%s", world_words(&world));
        sim_trace_clear(world.sim);
    }
    mem_free(vector);
}

Test(gateway, large_answers_come_in_pages) {
    enum { DIMENSION = 20000, POINTS = 60 }; /* 80 KB each */
    world_open(&world, &(struct world_options){.workers = 1});
    fill(DIMENSION, 2, POINTS);
    static float query[DIMENSION];
    run_client(MESSAGE(RouterSearch, router_search, .collection = "docs", .n_vector = DIMENSION,
                       .vector = query, .top_k = 50, .include_vectors = true));
    cr_expect_eq(seen.final_hits, 50);
    cr_expect_eq(seen.snapshots, 1);
    cr_expect(seen.parts >= 3 && seen.parts <= 5, "%u", seen.parts);
    world_close(&world);
}

Test(gateway, a_stream_sends_the_best_so_far_as_each_shard_answers) {
    world_open(&world, &(struct world_options){.workers = 2});
    fill(2, 4, 40);
    float query[] = {0, 0};
    run_client(MESSAGE(RouterSearch, router_search, .collection = "docs", .n_vector = 2,
                       .vector = query, .top_k = 30, .stream = true));
    cr_expect_eq(seen.snapshots, 4);
    cr_expect_eq(seen.final_hits, 30);
    world_close(&world);
}

/* Asks, and loses interest after some turns of the others. */
struct quitter {
    uint64_t call;
    uint32_t left;
};
static struct {
    uint32_t patience;
    uint32_t outcomes;
    enum status status;
} quit;

static void on_quit(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)turn;
    if (outcome->more) return;
    quit.outcomes++;
    quit.status = outcome->status;
}

static void quit_later(void *actor, void *context, struct turn *turn) {
    struct quitter *self = actor;
    (void)context;
    if (self->left-- > 0)
        turn_later(turn, quit_later, NULL);
    else
        turn_cancel(turn, self->call);
}

static enum status quitter_open(void *actor, const void *options, struct turn *turn) {
    struct quitter *self = actor;
    self->left = quit.patience;
    self->call = turn_call(turn, &(struct call){.to = turn_find(turn, "router"),
                                                .message = options,
                                                .done = on_quit,
                                                .deadline_us = turn_now_us(turn) + 60 * SECOND});
    turn_later(turn, quit_later, NULL);
    return STATUS_OK;
}

static const struct actor_type quitter_type = {.kind = "quitter",
                                               .size = sizeof(struct quitter),
                                               .handlers = nothing,
                                               .open = quitter_open,
                                               .lane = LANE_IO};

static uint32_t count(const char *trace, const char *word) {
    uint32_t n = 0;
    for (; (trace = strstr(trace, word)); trace += strlen(word))
        n++;
    return n;
}

/* Whenever the cancel comes: one outcome, and who still works on the search stops. */
Test(gateway, a_cancelled_search_stops_at_its_shards) {
    enum { DIMENSION = 20000, POINTS = 120, PATIENCE = 30 }; /* 80 KB each, so there are pages */
    world_open(&world, &(struct world_options){.workers = 0});
    fill(DIMENSION, 2, POINTS);
    static float query[DIMENSION];
    uint32_t cancelled = 0, answered = 0, stopped = 0;
    for (quit.patience = 0; quit.patience < PATIENCE; quit.patience++) {
        quit.outcomes = 0;
        sim_spawn(world.sim, "quitter", &quitter_type,
                  MESSAGE(RouterSearch, router_search, .collection = "docs", .n_vector = DIMENSION,
                          .vector = query, .top_k = 100, .include_vectors = true));
        sim_run(world.sim, 1000);
        cr_assert_eq(quit.outcomes, 1, "after %u turns", quit.patience);
        cancelled += quit.status == STATUS_CANCELLED;
        answered += quit.status == STATUS_OK;
        uint32_t n = count(sim_trace(world.sim), "! CANCELLED search on shard");
        cr_expect_leq(n, 2);
        stopped += n;
        sim_stop(world.sim, "quitter");
        sim_trace_clear(world.sim);
    }
    cr_expect_eq(cancelled + answered, PATIENCE);
    cr_expect_geq(answered, 1, "the test waits long enough to see an answer");
    cr_expect_geq(stopped, 3, "%u searches stopped, %u cancelled", stopped, cancelled);
    world_close(&world);
}

Test(gateway, a_session_token_covers_what_was_written) {
    world_open(&world, &(struct world_options){.workers = 1});
    cr_assert_eq(world_create(&world, "docs", 2, 1), STATUS_OK);
    float vector[] = {1, 1};
    RouterPoint point = ROUTER_POINT__INIT;
    point.id = "a";
    point.n_vector = 2;
    point.vector = vector;
    RouterPoint *rows[] = {&point};
    const ProtobufCMessage *reply;
    cr_assert_eq(sim_call(world.sim, "router",
                          MESSAGE(RouterUpsert, router_upsert, .collection = "docs", .n_points = 1,
                                  .points = rows),
                          SECOND, &reply),
                 STATUS_OK);
    cr_expect_str_eq(((const RouterUpserted *)reply)->session, "1.1:2", "birth was entry 1");
    const struct {
        const char *session;
        enum status expected;
    } rows_of[] = {{"1.1:2", STATUS_OK},
                   {"", STATUS_OK},
                   {"1.9:ffff", STATUS_OK}, /* of a shard that is not there */
                   {"nonsense", STATUS_INVALID},
                   {"1.1:ffff", STATUS_NOT_READY}}; /* more than was ever written */
    for (size_t i = 0; i < sizeof rows_of / sizeof *rows_of; i++)
        cr_expect_eq(
            sim_call(world.sim, "router",
                     MESSAGE(RouterSearch, router_search, .collection = "docs", .n_vector = 2,
                             .vector = vector, .top_k = 5, .session = (char *)rows_of[i].session),
                     10 * SECOND, &reply),
            rows_of[i].expected, "%s", rows_of[i].session);
    world_close(&world);
}

/* A page for 16 shards, some of which are away: who asked learns how much of it was written. */
Test(gateway, a_partly_failed_upsert_says_what_was_written) {
    enum { POINTS = 40 };
    world_open(&world, &(struct world_options){.workers = 2});
    cr_assert_eq(world_create(&world, "docs", 2, 2), STATUS_OK);
    world_worker_stop(&world, 1);
    RouterPoint points[POINTS], *rows[POINTS];
    char ids[POINTS][8];
    float vector[] = {1, 1};
    for (int i = 0; i < POINTS; i++) {
        router_point__init(&points[i]);
        snprintf(ids[i], sizeof ids[i], "p%d", i);
        points[i].id = ids[i];
        points[i].n_vector = 2;
        points[i].vector = vector;
        rows[i] = &points[i];
    }
    const ProtobufCMessage *upsert = MESSAGE(RouterUpsert, router_upsert, .collection = "docs",
                                             .n_points = POINTS, .points = rows);
    const ProtobufCMessage *reply;
    struct world *w = &world;
    enum status s = sim_call(w->sim, "router", upsert, 8 * SECOND, &reply);
    cr_expect_eq(status_grpc(s), 14, "%s", status_name(s));
    cr_expect(strstr(world_words(w), " of 40 points written; shard 1: "), "%s", world_words(w));
    const char *part = strstr(sim_trace(w->sim), "router > RouterUpserted points=");
    cr_assert(part, "a part says how many");
    cr_expect_eq(atoi(strchr(part, '=') + 1), atoi(world_words(w)), "%.60s", part);
    world_worker_start(w, 1);
    cr_expect_eq(sim_call(w->sim, "router", upsert, 60 * SECOND, &reply), STATUS_OK,
                 "repeating is safe: %s", world_words(w));
    cr_expect_eq(world_search(w, "docs", 1, 1, 100)->n_hits, POINTS);
    world_close(w);
}

/* With disks that take 2 ms: birth of a collection is four syncs deep, not a wait for the next
 * beat. */
Test(gateway, a_collection_is_there_within_100_ms) {
    world_open(&world, &(struct world_options){.workers = 2, .block_us = 2000});
    sim_run(world.sim, 10 * SECOND);
    uint64_t before = sim_now_us(world.sim);
    cr_assert_eq(world_create(&world, "docs", 2, 8), STATUS_OK);
    uint64_t took = sim_now_us(world.sim) - before;
    cr_expect_lt(took, 100 * 1000, "%lu us", (unsigned long)took);
    fprintf(stderr, "creation: %lu us of virtual time\n", (unsigned long)took);
    world_close(&world);
}

/* Searches all the time and looks for the one id. */
struct watcher {
    uint32_t searches;
    uint32_t missing;
    uint32_t twice;
    uint32_t failed;
};
static struct watcher watched;

static void look(void *self, void *context, struct turn *turn);

static void on_looked(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    const RouterHits *hits = outcome_as(outcome, RouterHits, router_hits);
    uint32_t n = 0;
    for (size_t i = 0; hits && i < hits->n_hits; i++)
        n += !strcmp(hits->hits[i]->id, "p0");
    watched.searches++;
    watched.failed += !hits;
    watched.missing += hits && n == 0;
    watched.twice += n > 1;
    look(self, context, turn);
}

static void look(void *self, void *context, struct turn *turn) {
    float query[] = {0, 0};
    (void)self;
    turn_call(turn,
              &(struct call){.to = turn_find(turn, "router"),
                             .message = MESSAGE(RouterSearch, router_search, .collection = "docs",
                                                .n_vector = 2, .vector = query, .top_k = 10,
                                                .include_payload = true),
                             .done = on_looked,
                             .context = context,
                             .deadline_us = turn_now_us(turn) + SECOND});
}

static enum status watcher_open(void *self, const void *options, struct turn *turn) {
    (void)options;
    memset(&watched, 0, sizeof watched);
    look(self, NULL, turn);
    return STATUS_OK;
}

static const struct actor_type watcher_type = {.kind = "watcher",
                                               .size = sizeof(struct watcher),
                                               .handlers = nothing,
                                               .open = watcher_open,
                                               .lane = LANE_IO};

/* The store is ahead of the index for a moment, and old and new stand in the index together for
 * another. */
Test(gateway, an_id_that_is_updated_is_neither_missing_nor_twice) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        world_open(&world, &(struct world_options){.seed = seed, .workers = 1, .block_us = 300});
        fill(2, 1, 20);
        sim_spawn(world.sim, "watcher", &watcher_type, NULL);
        for (int i = 0; i < 100; i++) {
            cr_assert_eq(world_put(&world, "docs", "p0", 0, (float)(i % 7) / 10, "payload"),
                         STATUS_OK);
            sim_trace_clear(world.sim);
        }
        sim_stop(world.sim, "watcher");
        cr_expect_gt(watched.searches, 100);
        cr_expect_eq(watched.failed, 0);
        cr_expect_eq(watched.missing, 0, "seed %lu: %u of %u", (unsigned long)seed, watched.missing,
                     watched.searches);
        cr_expect_eq(watched.twice, 0);
        world_close(&world);
    }
}

/* The file is older than the points: what was written and deleted since is found by comparing. */
Test(gateway, an_index_file_is_brought_up_to_date_at_start) {
    enum { POINTS = 12000 };
    char folder[] = "/tmp/vectron-test-index-XXXXXX";
    cr_assert(mkdtemp(folder));
    world_open(&world, &(struct world_options){.workers = 1, .index_dir = folder});
    cr_assert_eq(world_create(&world, "docs", 2, 1), STATUS_OK);
    world_put_line(&world, "docs", POINTS);
    sim_run(world.sim, 30 * SECOND);
    char path[128];
    shard_index_path(folder, 16, path, sizeof path);
    cr_assert_eq(access(path, R_OK), 0, "the index was saved when it rested");
    cr_assert_eq(world_delete(&world, "docs", "p1"), STATUS_OK);
    cr_assert_eq(world_put(&world, "docs", "p2", 0, 1, ""), STATUS_OK);
    cr_assert_eq(world_put(&world, "docs", "new", 0, 0.5, ""), STATUS_OK);
    for (int round = 0; round < 2; round++) { /* in the second one the file is damaged */
        world_worker_crash(&world, 0);
        if (round == 1) cr_assert_eq(truncate(path, 1000), 0);
        world_worker_start(&world, 0);
        const RouterHits *hits = world_search(&world, "docs", 0, 0, 4);
        cr_assert(hits, "%s", world_words(&world));
        cr_assert_eq(hits->n_hits, 4);
        cr_expect_str_eq(hits->hits[0]->id, "p0");
        cr_expect_str_eq(hits->hits[1]->id, "new");
        cr_expect_str_eq(hits->hits[2]->id, "p2");
        cr_expect_str_eq(hits->hits[3]->id, "p3");
    }
    const ProtobufCMessage *reply;
    cr_assert_eq(sim_call(world.sim, "router",
                          MESSAGE(RouterDeleteCollection, router_delete_collection, .name = "docs"),
                          10 * SECOND, &reply),
                 STATUS_OK);
    sim_run(world.sim, 5 * SECOND);
    cr_expect_neq(access(path, F_OK), 0, "the file goes with its collection");
    world_close(&world);
    cr_expect_eq(rmdir(folder), 0);
}

/* Linking is not done again because of a stop, and a collection that is removed is not saved first.
 */
Test(gateway, a_stop_saves_the_index) {
    enum { POINTS = 12000 };
    char folder[] = "/tmp/vectron-test-index-XXXXXX";
    char path[128];
    cr_assert(mkdtemp(folder));
    shard_index_path(folder, 16, path, sizeof path);
    world_open(&world, &(struct world_options){.workers = 1, .index_dir = folder});
    cr_assert_eq(world_create(&world, "docs", 2, 1), STATUS_OK);
    world_put_line(&world, "docs", POINTS);
    cr_assert_neq(access(path, F_OK), 0, "it did not rest yet");
    world_worker_stop(&world, 0);
    cr_expect_eq(access(path, R_OK), 0);
    world_worker_start(&world, 0);
    const RouterHits *hits = world_search(&world, "docs", 5, 0, 1);
    cr_assert(hits, "%s", world_words(&world));
    cr_expect_str_eq(hits->hits[0]->id, "p5");

    cr_assert_eq(unlink(path), 0);
    world_put_line(&world, "docs", POINTS);
    const ProtobufCMessage *reply;
    cr_assert_eq(sim_call(world.sim, "router",
                          MESSAGE(RouterDeleteCollection, router_delete_collection, .name = "docs"),
                          10 * SECOND, &reply),
                 STATUS_OK);
    sim_run(world.sim, SECOND);
    cr_expect_eq(rmdir(folder), 0, "nothing was saved");
    world_close(&world);
}
