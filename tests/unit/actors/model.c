/* Seeded histories against a model: one client writes, deletes, gets and searches while workers
 * lose their power and the placement driver comes and goes. An operation that failed may or may not
 * have happened, until the next acknowledged write of its id. Replay one: VECTRON_SEED=N
 * build/…/test_actors --filter 'model/…'. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/rng.h"
#include "tests/unit/actors/world.h"

enum { KEYS = 12, STEPS = 120, SEEDS = 25, WORKERS = 2, ABSENT = -1 };

struct model {
    struct world world;
    struct rng rng;
    uint64_t seed;
    int step;
    /* What an id may be: the first of `now` values. ABSENT, or x of the point. */
    int now[KEYS][STEPS + 1];
    int n_now[KEYS];
};

static void name_of(int key, char id[8]) {
    snprintf(id, 8, "k%d", key);
}

static bool may_be(const struct model *model, int key, int value) {
    for (int i = 0; i < model->n_now[key]; i++)
        if (model->now[key][i] == value) return true;
    return false;
}

static void wrote(struct model *model, int key, int value, enum status status) {
    if (status == STATUS_OK) model->n_now[key] = 0;
    model->now[key][model->n_now[key]++] = value;
}

static void write_one(struct model *model, int key) {
    char id[8];
    name_of(key, id);
    bool remove = rng_below(&model->rng, 3) == 0;
    int value = remove ? ABSENT : model->step;
    enum status s = remove ? world_delete(&model->world, "docs", id)
                           : world_put(&model->world, "docs", id, (float)value, 0, "p");
    wrote(model, key, value, s);
}

static void get_one(struct model *model, int key) {
    char id[8];
    float x = 0, y = 0;
    name_of(key, id);
    enum status s = world_get(&model->world, "docs", id, &x, &y);
    if (s != STATUS_OK && s != STATUS_NOT_FOUND) return;
    int value = s == STATUS_OK ? (int)x : ABSENT;
    cr_assert(may_be(model, key, value), "seed %lu step %d: %s is %d", (unsigned long)model->seed,
              model->step, id, value);
}

/* Everything that must be there is, nothing else is, and each with its own vector. */
static void search_all(struct model *model) {
    const RouterHits *hits = world_search(&model->world, "docs", 0, 0, 2 * KEYS);
    if (!hits) return;
    cr_assert_not(hits->partial);
    bool seen[KEYS] = {false};
    for (size_t i = 0; i < hits->n_hits; i++) {
        int key = atoi(hits->hits[i]->id + 1);
        float x;
        memcpy(&x, (const void *)hits->hits[i]->vector, sizeof x);
        cr_assert_not(seen[key], "seed %lu step %d: k%d twice", (unsigned long)model->seed,
                      model->step, key);
        seen[key] = true;
        cr_assert(may_be(model, key, (int)x), "seed %lu step %d: k%d is %d",
                  (unsigned long)model->seed, model->step, key, (int)x);
        cr_assert_eq(hits->hits[i]->score, x * x);
    }
    for (int key = 0; key < KEYS; key++)
        cr_assert(seen[key] || may_be(model, key, ABSENT), "seed %lu step %d: k%d is lost",
                  (unsigned long)model->seed, model->step, key);
}

static void disturb(struct model *model) {
    struct world *world = &model->world;
    uint32_t n = (uint32_t)rng_below(&model->rng, WORKERS);
    switch (rng_below(&model->rng, 4)) {
    case 0:
        if (world->workers[n].up)
            world_worker_crash(world, n);
        else
            world_worker_start(world, n);
        break;
    case 1:
        if (world->pds[0].up)
            world_pd_stop(world, 0);
        else
            world_pd_start(world, 0);
        break;
    case 2: /* long enough for flushes and cuts of the log */
        sim_run(world->sim, rng_below(&model->rng, 90 * SECOND));
        break;
    default:
        for (uint32_t i = 0; i < WORKERS; i++)
            if (!world->workers[i].up) world_worker_start(world, i);
        break;
    }
}

static void run(uint64_t seed) {
    struct model *model = calloc(1, sizeof *model);
    model->seed = seed;
    rng_init(&model->rng, seed);
    world_open(&model->world,
               &(struct world_options){.seed = seed,
                                       .workers = WORKERS,
                                       .tail_max = seed % 3 ? 0 : 4,
                                       .drop_ppm = seed % 4 ? 0 : 2000,
                                       .block_us = (uint32_t)rng_below(&model->rng, 3000)});
    enum status s = world_create(&model->world, "docs", 2, 3);
    cr_assert_eq(s, STATUS_OK, "seed %lu: %s", (unsigned long)seed, world_words(&model->world));
    for (int key = 0; key < KEYS; key++)
        wrote(model, key, ABSENT, STATUS_OK);
    for (model->step = 1; model->step < STEPS; model->step++) {
        int key = (int)rng_below(&model->rng, KEYS);
        uint64_t what = rng_below(&model->rng, 20);
        if (what < 10)
            write_one(model, key);
        else if (what < 15)
            get_one(model, key);
        else if (what < 19)
            search_all(model);
        else
            disturb(model);
        sim_trace_clear(model->world.sim);
    }
    for (uint32_t i = 0; i < WORKERS; i++)
        if (!model->world.workers[i].up) world_worker_start(&model->world, i);
    if (!model->world.pds[0].up)
        world_pd_start(&model->world, 0); /* replicas may have moved meanwhile */
    sim_run(model->world.sim, 20 * SECOND);
    float x, y;
    cr_assert_neq(world_get(&model->world, "docs", "k0", &x, &y), STATUS_LOST_PEER);
    cr_assert(world_search(&model->world, "docs", 0, 0, 10), "seed %lu: %s", (unsigned long)seed,
              world_words(&model->world));
    search_all(model);
    world_close(&model->world);
    free(model);
}

Test(model, one_client_sees_a_linearizable_history_through_crashes) {
    const char *one = getenv("VECTRON_SEED");
    if (one) {
        run(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
}
