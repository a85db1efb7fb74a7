/* A cluster in one thread: placement driver and router in node 1, workers in the others. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "tests/unit/actors/world.h"

static struct world world;

static void put(const char *id, float x, float y) {
    enum status s = world_put(&world, "docs", id, x, y, id);
    cr_assert_eq(s, STATUS_OK, "put %s: %s %s", id, status_name(s), world_words(&world));
}

static void create(uint32_t shards) {
    enum status s = world_create(&world, "docs", 2, shards);
    if (s != STATUS_OK) fprintf(stderr, "%s\n", sim_trace(world.sim));
    cr_assert_eq(s, STATUS_OK, "%s %s", status_name(s), world_words(&world));
}

static const RouterHits *search(float x, float y, uint32_t k) {
    const RouterHits *hits = world_search(&world, "docs", x, y, k);
    cr_assert(hits, "%s", world_words(&world));
    return hits;
}

Test(cluster, a_written_point_is_found_got_and_deleted_in_one_process) {
    world_open(&world, &(struct world_options){0});
    create(1);
    put("a", 1, 2);
    put("b", 5, 5);
    float x = 0, y = 0;
    cr_expect_eq(world_get(&world, "docs", "a", &x, &y), STATUS_OK);
    cr_expect(x == 1 && y == 2);
    const RouterHits *hits = search(1, 2, 10);
    cr_assert_eq(hits->n_hits, 2);
    cr_expect_str_eq(hits->hits[0]->id, "a");
    cr_expect_eq(hits->hits[0]->score, 0);
    cr_expect_eq(hits->hits[0]->payload.len, 1);
    cr_expect_eq(world_delete(&world, "docs", "a"), STATUS_OK);
    cr_expect_eq(world_delete(&world, "docs", "a"), STATUS_OK, "deleting is idempotent");
    cr_expect_eq(world_get(&world, "docs", "a", &x, &y), STATUS_NOT_FOUND);
    cr_expect_str_eq(world_words(&world), "vector with id a not found");
    hits = search(1, 2, 10);
    cr_assert_eq(hits->n_hits, 1);
    world_close(&world);
}

Test(cluster, a_search_looks_at_all_shards_of_all_workers) {
    world_open(&world, &(struct world_options){.workers = 2});
    create(4);
    char id[16];
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "p%d", i);
        put(id, (float)i, 0);
    }
    const RouterHits *hits = search(0, 0, 250);
    cr_assert_eq(hits->n_hits, 250);
    for (int i = 0; i < 250; i++) {
        snprintf(id, sizeof id, "p%d", i);
        cr_assert_str_eq(hits->hits[i]->id, id);
    }
    const ProtobufCMessage *reply;
    cr_assert_eq(sim_call(world.sim, "pd", MESSAGE(PdListWorkers, pd_list_workers), SECOND, &reply),
                 STATUS_OK);
    const PdWorkers *workers = (const PdWorkers *)reply;
    cr_assert_eq(workers->n_workers, 2);
    cr_expect_eq(workers->workers[0]->shards, 2);
    cr_expect_eq(workers->workers[1]->shards, 2);
    world_close(&world);
}

Test(cluster, a_point_deleted_and_written_again_is_visible) {
    world_open(&world, &(struct world_options){.workers = 1});
    create(2);
    put("a", 1, 1);
    cr_expect_eq(world_delete(&world, "docs", "a"), STATUS_OK);
    cr_expect_eq(search(1, 1, 5)->n_hits, 0);
    put("a", 2, 2);
    const RouterHits *hits = search(1, 1, 5);
    cr_assert_eq(hits->n_hits, 1);
    cr_expect_eq(hits->hits[0]->score, 2);
    put("a", 3, 3); /* an update replaces vector and payload: the old place is empty */
    hits = search(2, 2, 5);
    cr_assert_eq(hits->n_hits, 1);
    cr_expect_eq(hits->hits[0]->score, 2);
    world_close(&world);
}

Test(cluster, names_and_sizes_are_judged_with_words) {
    world_open(&world, &(struct world_options){.workers = 1});
    create(1);
    cr_expect_eq(world_create(&world, "docs", 2, 1), STATUS_EXISTS);
    cr_expect_str_eq(world_words(&world), "collection 'docs' already exists");
    cr_expect_eq(world_put(&world, "nope", "a", 1, 1, ""), STATUS_NOT_FOUND);
    cr_expect_str_eq(world_words(&world), "collection 'nope' not found");
    cr_expect_eq(world_create(&world, "..", 2, 1), STATUS_INVALID);
    cr_expect_eq(world_create(&world, "three", 3, 0), STATUS_OK);
    cr_expect_eq(world_put(&world, "three", "a", 1, 1, ""), STATUS_INVALID);
    cr_expect_str_eq(world_words(&world),
                     "vector dimension 2 does not match index dimension 3 of collection \"three\"");
    cr_expect_null(world_search(&world, "three", 1, 1, 1));
    cr_expect_str_eq(
        world_words(&world),
        "search vector dimension 2 does not match index dimension 3 of collection \"three\"");
    const ProtobufCMessage *reply;
    cr_assert_eq(sim_call(world.sim, "router",
                          MESSAGE(RouterListCollections, router_list_collections), SECOND, &reply),
                 STATUS_OK);
    const RouterCollections *list = (const RouterCollections *)reply;
    cr_assert_eq(list->n_names, 2);
    cr_expect_str_eq(list->names[0], "docs");
    cr_expect_str_eq(list->names[1], "three");
    world_close(&world);
}

/* A collection of the same name with another dimension must not be judged by the old route. */
Test(cluster, a_collection_made_anew_by_another_gateway_is_the_one_that_counts) {
    world_open(&world, &(struct world_options){.workers = 1});
    sim_spawn(world.sim, "router2", &router_type, &world.router_options);
    create(2);
    put("a", 1, 1);
    const ProtobufCMessage *reply;
    cr_assert_eq(sim_call(world.sim, "router2",
                          MESSAGE(RouterDeleteCollection, router_delete_collection, .name = "docs"),
                          10 * SECOND, &reply),
                 STATUS_OK);
    sim_run(world.sim, 2 * SECOND);
    cr_expect_eq(world_put(&world, "docs", "b", 1, 1, ""), STATUS_NOT_FOUND, "%s",
                 world_words(&world));
    cr_assert_eq(sim_call(world.sim, "router2",
                          MESSAGE(RouterCreateCollection, router_create_collection, .name = "docs",
                                  .dimension = 2, .distance = "dot", .shards = 3),
                          10 * SECOND, &reply),
                 STATUS_OK);
    put("b", 1, 1);
    const RouterHits *hits = search(1, 1, 5);
    cr_assert_eq(hits->n_hits, 1, "nothing of the old one is left");
    cr_expect_eq(hits->hits[0]->score, -2);
    sim_stop(world.sim, "router2");
    world_close(&world);
}

static size_t stores_of(struct place *place) {
    uint64_t ids[64];
    size_t n_points = 0, n = 0;
    size_t n_logs = log_store_ids(place->log, ids, 64);
    for (size_t i = 0; i < n_logs && i < 64; i++)
        n += ids[i] >= 16;
    cr_assert_eq(point_store_ids(place->points, ids, 64, &n_points), STATUS_OK);
    for (size_t i = 0; i < n_points && i < 64; i++)
        n += ids[i] >= 16;
    return n;
}

Test(cluster, a_deleted_collection_gives_its_disk_back) {
    world_open(&world, &(struct world_options){.workers = 2});
    create(4);
    for (int i = 0; i < 40; i++) {
        char id[16];
        snprintf(id, sizeof id, "p%d", i);
        put(id, (float)i, 0);
    }
    cr_expect_gt(stores_of(&world.workers[0]), 0);
    const ProtobufCMessage *reply;
    cr_assert_eq(sim_call(world.sim, "router",
                          MESSAGE(RouterDeleteCollection, router_delete_collection, .name = "docs"),
                          10 * SECOND, &reply),
                 STATUS_OK);
    sim_run(world.sim, SECOND);
    cr_expect_eq(stores_of(&world.workers[0]), 0);
    cr_expect_eq(stores_of(&world.workers[1]), 0);
    cr_expect_null(world_search(&world, "docs", 1, 1, 1));
    cr_expect_str_eq(world_words(&world), "collection 'docs' not found");
    world_close(&world);
}

/* The worker was away when its collection was deleted: it removes what is left when it is back. */
Test(cluster, orphans_are_swept_at_start) {
    world_open(&world, &(struct world_options){.workers = 1});
    create(2);
    put("a", 1, 1);
    world_worker_stop(&world, 0);
    const ProtobufCMessage *reply;
    cr_assert_eq(sim_call(world.sim, "router",
                          MESSAGE(RouterDeleteCollection, router_delete_collection, .name = "docs"),
                          10 * SECOND, &reply),
                 STATUS_OK);
    world_worker_start(&world, 0);
    sim_run(world.sim, 10 * SECOND);
    cr_expect_eq(stores_of(&world.workers[0]), 0);
    world_close(&world);
}

Test(cluster, acknowledged_points_survive_a_power_loss_of_the_worker) {
    world_open(&world, &(struct world_options){.workers = 1});
    create(2);
    char id[16];
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "p%d", i);
        put(id, (float)i, 0);
    }
    for (int i = 0; i < 100; i += 2) {
        snprintf(id, sizeof id, "p%d", i);
        cr_expect_eq(world_delete(&world, "docs", id), STATUS_OK);
    }
    for (int round = 0; round < 3; round++) {
        world_worker_crash(&world, 0);
        world_worker_start(&world, 0);
        const RouterHits *hits = search(0, 0, 200);
        cr_assert_eq(hits->n_hits, 50);
        cr_expect_str_eq(hits->hits[0]->id, "p1");
        put("p1", 1, 0);
    }
    world_close(&world);
}

Test(cluster, a_process_is_ready_when_its_shards_are_loaded) {
    world_open(&world, &(struct world_options){.workers = 1, .block_us = 100 * 1000});
    sim_run(world.sim, SECOND);
    cr_expect(shelf_filled(world.workers[0].shelf), "a new worker has nothing to load");
    cr_assert_eq(world_create(&world, "docs", 2, 3), STATUS_OK);
    cr_assert_eq(world_put(&world, "docs", "a", 1, 2, ""), STATUS_OK);
    world_worker_stop(&world, 0);
    world_worker_start(&world, 0);
    cr_expect_not(shelf_filled(world.workers[0].shelf));
    sim_run(world.sim, 10 * SECOND);
    cr_expect(shelf_filled(world.workers[0].shelf));
    world_close(&world);
}

/* Flushed points, a cut log, then a crash: what is replayed is only the rest. */
Test(cluster, the_log_is_cut_behind_what_is_flushed) {
    world_open(&world, &(struct world_options){.workers = 1});
    create(1);
    put("a", 1, 1);
    put("b", 2, 2);
    sim_run(world.sim, 130 * SECOND);
    struct log_state state;
    cr_assert_eq(log_store_state(world.workers[0].log, 16, &state), STATUS_OK);
    cr_expect_eq(state.first, 4, "birth and two writes are flushed: first is %lu",
                 (unsigned long)state.first);
    put("c", 3, 3);
    cr_expect_eq(world_delete(&world, "docs", "a"), STATUS_OK);
    world_worker_crash(&world, 0);
    world_worker_start(&world, 0);
    const RouterHits *hits = search(3, 3, 5);
    cr_assert_eq(hits->n_hits, 2);
    cr_expect_str_eq(hits->hits[0]->id, "c");
    cr_expect_str_eq(hits->hits[1]->id, "b");
    world_close(&world);
}

static const RouterHits *search_with(bool allow_partial, uint32_t timeout_ms, enum status *status) {
    const ProtobufCMessage *reply = NULL;
    float vector[] = {0, 0};
    *status = sim_call(world.sim, "router",
                       MESSAGE(RouterSearch, router_search, .collection = "docs", .n_vector = 2,
                               .vector = vector, .top_k = 100, .allow_partial = allow_partial,
                               .timeout_ms = timeout_ms),
                       10 * SECOND, &reply);
    return *status == STATUS_OK ? (const RouterHits *)reply : NULL;
}

static const RouterHits *search_columns(bool values) {
    const ProtobufCMessage *reply = NULL;
    float vector[] = {0, 0};
    enum status s =
        sim_call(world.sim, "router",
                 MESSAGE(RouterSearch, router_search, .collection = "docs", .n_vector = 2,
                         .vector = vector, .top_k = 5, .include_payload = values, .columns = true),
                 10 * SECOND, &reply);
    cr_assert_eq(s, STATUS_OK, "%s", world_words(&world));
    return (const RouterHits *)reply;
}

/* Of one shard they are passed on, of several they are merged. */
Test(cluster, gives_hits_as_columns_to_who_asks_for_them) {
    for (uint32_t shards = 1; shards <= 3; shards += 2) {
        world_open(&world, &(struct world_options){0});
        create(shards);
        for (int i = 9; i >= 0; i--) {
            char id[16];
            snprintf(id, sizeof id, "p%d", i);
            put(id, (float)i, 0);
        }
        for (int values = 0; values < 2; values++) {
            const RouterHits *hits = search_columns(values);
            float scores[5];
            cr_assert_eq(hits->n_scores, 5);
            memcpy(scores, hits->scores, sizeof scores);
            cr_assert_eq(hits->ids.len, 15);
            cr_expect_arr_eq(hits->ids.data, "p0\0p1\0p2\0p3\0p4", 15);
            cr_expect(scores[0] == 0 && scores[1] == 1 && scores[4] == 16);
            cr_assert_eq(hits->n_hits, values ? 5 : 0);
            for (size_t i = 0; i < hits->n_hits; i++) {
                cr_expect_str_empty(hits->hits[i]->id);
                cr_expect_eq(hits->hits[i]->payload.len, 2);
            }
        }
        world_close(&world);
    }
}

Test(cluster, a_lost_shard_is_an_error_or_a_marked_partial_answer) {
    world_open(&world, &(struct world_options){.workers = 2});
    create(2);
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "p%d", i);
        put(id, (float)i, 0);
    }
    world_worker_stop(&world, 1);
    enum status s;
    cr_expect_null(search_with(false, 0, &s));
    cr_expect_eq(status_grpc(s), 14, "%s %s", status_name(s), world_words(&world));
    const RouterHits *hits = search_with(true, 0, &s);
    cr_assert(hits, "%s %s", status_name(s), world_words(&world));
    cr_expect(hits->partial);
    cr_assert_eq(hits->n_failed_shards, 1);
    cr_expect(hits->n_hits > 0 && hits->n_hits < 20);
    hits = search_with(false, 300, &s);
    cr_assert(hits, "%s %s", status_name(s), world_words(&world));
    cr_expect(hits->partial);
    world_worker_stop(&world, 0);
    cr_expect_null(search_with(false, 300, &s));
    world_worker_start(&world, 0);
    world_worker_start(&world, 1);
    hits = search_with(false, 0, &s);
    cr_assert(hits, "%s %s", status_name(s), world_words(&world));
    cr_expect_not(hits->partial);
    cr_expect_eq(hits->n_hits, 20, "its data is back");
    world_close(&world);
}

Test(cluster, data_flows_while_the_placement_driver_is_away) {
    world_open(&world, &(struct world_options){.workers = 2});
    create(4);
    put("a", 1, 1);
    world_pd_stop(&world, 0);
    sim_run(world.sim, 60 * SECOND);
    put("b", 2, 2);
    cr_expect_eq(search(0, 0, 5)->n_hits, 2);
    /* Even a worker that restarts serves what it remembers. */
    world_worker_crash(&world, 0);
    world_worker_start(&world, 0);
    world_worker_crash(&world, 1);
    world_worker_start(&world, 1);
    put("c", 3, 3);
    cr_expect_eq(search(0, 0, 5)->n_hits, 3);
    cr_expect_neq(world_create(&world, "more", 2, 1), STATUS_OK);
    world_pd_start(&world, 0);
    sim_run(world.sim, 10 * SECOND);
    cr_expect_eq(world_create(&world, "more", 2, 4), STATUS_OK, "%s", world_words(&world));
    cr_expect_eq(search(0, 0, 5)->n_hits, 3);
    world_close(&world);
}

Test(cluster, the_metadata_survives_power_loss_and_its_log_stays_short) {
    world_open(&world, &(struct world_options){.workers = 1});
    const ProtobufCMessage *reply;
    create(2);
    put("a", 1, 1);
    for (int i = 0; i < 400; i++) { /* three entries each */
        cr_assert_eq(world_create(&world, "brief", 2, 1), STATUS_OK, "%s", world_words(&world));
        cr_assert_eq(
            sim_call(world.sim, "router",
                     MESSAGE(RouterDeleteCollection, router_delete_collection, .name = "brief"),
                     10 * SECOND, &reply),
            STATUS_OK);
        sim_trace_clear(world.sim);
    }
    struct log_state state;
    cr_assert_eq(log_store_state(world.pds[0].log, PD_STORE_ID, &state), STATUS_OK);
    cr_expect_lt(state.last - state.first, 1000);
    world_pd_stop(&world, 0);
    kv_memory_crash(world.pds[0].log_disk);
    world_pd_start(&world, 0);
    sim_run(world.sim, 10 * SECOND);
    cr_expect_eq(world_create(&world, "docs", 2, 1), STATUS_EXISTS);
    cr_expect_eq(world_create(&world, "more", 2, 3), STATUS_OK, "%s", world_words(&world));
    put("b", 1, 1);
    cr_expect_eq(search(0, 0, 5)->n_hits, 2);
    world_close(&world);
}

/* The tail takes 32 points here: writers wait for the linker, nobody is lost. */
Test(cluster, writers_wait_for_room_in_the_tail) {
    world_open(&world, &(struct world_options){.workers = 1, .tail_max = 32});
    create(1);
    enum { POINTS = 30 };
    RouterPoint points[POINTS], *rows[POINTS];
    float vectors[POINTS][2];
    char ids[POINTS][16];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < POINTS; i++) {
            router_point__init(&points[i]);
            snprintf(ids[i], sizeof ids[i], "p%d", round * POINTS + i);
            vectors[i][0] = (float)(round * POINTS + i);
            vectors[i][1] = 1;
            points[i].id = ids[i];
            points[i].n_vector = 2;
            points[i].vector = vectors[i];
            rows[i] = &points[i];
        }
        const ProtobufCMessage *reply;
        enum status s = sim_call(world.sim, "router",
                                 MESSAGE(RouterUpsert, router_upsert, .collection = "docs",
                                         .n_points = POINTS, .points = rows),
                                 60 * SECOND, &reply);
        cr_assert_eq(s, STATUS_OK, "%s %s", status_name(s), world_words(&world));
    }
    cr_expect_eq(search(0, 1, 1000)->n_hits, 20 * POINTS);
    /* Without an index file all of them are in the tail at first: they are served at once, and the
     * tail is short again before writers may fill it. */
    world_worker_crash(&world, 0);
    world_worker_start(&world, 0);
    cr_expect_eq(search(0, 1, 1000)->n_hits, 20 * POINTS);
    put("one more", 1, 1);
    cr_expect_eq(search(0, 1, 1000)->n_hits, 20 * POINTS + 1);
    world_close(&world);
}

Test(cluster, a_full_disk_is_read_only_until_there_is_space) {
    world_open(&world, &(struct world_options){.workers = 1});
    create(1);
    put("a", 1, 1);
    struct place *place = &world.workers[0];
    kv_memory_set_faults(place->log_disk, &(struct kv_faults){.seed = 1, .capacity_bytes = 1});
    enum status s = world_put(&world, "docs", "b", 2, 2, "");
    cr_expect_eq(s, STATUS_DISK_FULL, "%s %s", status_name(s), world_words(&world));
    s = world_put(&world, "docs", "b", 2, 2, "");
    cr_expect_eq(s, STATUS_DISK_FULL, "%s %s", status_name(s), world_words(&world));
    cr_expect_eq(search(1, 1, 5)->n_hits, 1, "reads go on");
    kv_memory_set_faults(place->log_disk, &(struct kv_faults){.seed = 1});
    sim_run(world.sim, 5 * SECOND);
    put("b", 2, 2);
    kv_memory_set_faults(place->points_disk, &(struct kv_faults){.seed = 1, .capacity_bytes = 1});
    s = world_put(&world, "docs", "c", 3, 3, "");
    cr_expect_eq(s, STATUS_DISK_FULL, "%s %s", status_name(s), world_words(&world));
    kv_memory_set_faults(place->points_disk, &(struct kv_faults){.seed = 1});
    sim_run(world.sim, 5 * SECOND);
    put("d", 4, 4);
    cr_expect_eq(search(1, 1, 5)->n_hits, 4, "what was logged is applied, not skipped");
    world_close(&world);
}

/* Acknowledged before the power failed, in the log alone since, and no space to apply it: who reads
 * hears that, and not what was before. */
Test(cluster, what_a_full_disk_keeps_from_being_applied_is_not_read_around) {
    world_open(&world, &(struct world_options){.workers = 1});
    create(1);
    for (int i = 1; i <= 20; i++)
        put("a", (float)i, 1); /* the disk keeps some of them, who knows how many */
    struct place *place = &world.workers[0];
    world_worker_crash(&world, 0);
    kv_memory_set_faults(place->points_disk, &(struct kv_faults){.seed = 1, .capacity_bytes = 1});
    world_worker_start(&world, 0);
    sim_run(world.sim, SECOND);
    const ProtobufCMessage *reply;
    enum status s = sim_call(world.sim, "router",
                             MESSAGE(RouterGet, router_get, .collection = "docs", .id = "a",
                                     .consistency = 3, .max_staleness_ms = 1),
                             5 * SECOND, &reply);
    fprintf(stderr, "%s", sim_trace(world.sim));
    cr_expect(s != STATUS_OK && s != STATUS_NOT_FOUND, "%s", status_name(s));
    kv_memory_set_faults(place->points_disk, &(struct kv_faults){.seed = 1});
    sim_run(world.sim, 5 * SECOND);
    float x, y;
    cr_expect_eq(world_get(&world, "docs", "a", &x, &y), STATUS_OK);
    cr_expect_eq(x, 20);
    world_close(&world);
}

/* Space comes back, and the disk is slow: the append that is tried again takes longer than the
 * pause between two tries. Sent twice, its second answer would acknowledge the next write. */
Test(cluster, an_append_under_way_is_not_repeated) {
    world_open(&world, &(struct world_options){.workers = 1});
    create(1);
    struct place *place = &world.workers[0];
    kv_memory_set_faults(place->log_disk, &(struct kv_faults){.seed = 1, .capacity_bytes = 1});
    enum status s = world_put(&world, "docs", "a", 1, 1, "");
    cr_expect_eq(s, STATUS_DISK_FULL, "%s %s", status_name(s), world_words(&world));
    kv_memory_set_faults(place->log_disk, &(struct kv_faults){.seed = 1});
    sim_stall(world.sim, place->node, 5 * SECOND);
    sim_run(world.sim, 15 * SECOND);
    put("b", 2, 2);
    unsigned appends = 0;
    const char *at = sim_trace(world.sim);
    while ((at = strstr(at, "LogAppend store=16 entries=[{index=2 "))) {
        appends++;
        at++;
    }
    cr_expect_eq(appends, 2, "one that was refused, one that waited: %u", appends);
    world_close(&world);
}

Test(cluster, a_replica_that_cannot_apply_is_quarantined_and_recovers_by_a_restart) {
    world_open(&world, &(struct world_options){.workers = 1});
    create(1);
    put("a", 1, 1);
    struct place *place = &world.workers[0];
    kv_memory_set_faults(place->points_disk,
                         &(struct kv_faults){.seed = 1, .fail_write_ppm = 1000000});
    enum status s = world_put(&world, "docs", "b", 2, 2, "");
    cr_expect_eq(s, STATUS_QUARANTINED, "%s %s", status_name(s), world_words(&world));
    float x, y;
    cr_expect_eq(world_get(&world, "docs", "a", &x, &y), STATUS_QUARANTINED);
    kv_memory_set_faults(place->points_disk, &(struct kv_faults){.seed = 1});
    world_worker_crash(&world, 0);
    world_worker_start(&world, 0);
    cr_expect_eq(search(1, 1, 5)->n_hits, 2, "the entry was durable: it is applied now");
    world_close(&world);
}

/* A worker's disks were replaced by empty ones: that is a loss and said so, not an empty
 * collection. */
Test(cluster, lost_data_is_not_served_as_an_empty_collection) {
    world_open(&world, &(struct world_options){.workers = 1});
    create(1);
    put("a", 1, 1);
    world_worker_stop(&world, 0);
    struct place *place = &world.workers[0];
    kv_close(place->log_disk);
    kv_close(place->points_disk);
    cr_assert_eq(kv_memory_open(&(struct kv_options){.path = "log", .wal = true},
                                &(struct kv_faults){.seed = 1}, &place->log_disk),
                 STATUS_OK);
    cr_assert_eq(kv_memory_open(&(struct kv_options){.path = "points"},
                                &(struct kv_faults){.seed = 1}, &place->points_disk),
                 STATUS_OK);
    world_worker_start(&world, 0);
    sim_run(world.sim, 10 * SECOND);
    cr_expect_null(world_search(&world, "docs", 1, 1, 1));
    cr_expect(strstr(world_words(&world), "gone"), "%s", world_words(&world));
    world_close(&world);
}
