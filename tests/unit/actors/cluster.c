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
