/* Balance as a function: load that is measured, and failure domains; and what a look costs. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/unit/actors/truth.h"

enum { LOOK_LIMIT_US = 100 * 1000 }; /* ten times what a turn may take here */

static uint64_t under_way; /* seed of the history, 0: none */

static void name_seed(void) {
    if (under_way) fprintf(stderr, "VECTRON_SEED=%lu\n", (unsigned long)under_way);
}

/* --- load
 * ------------------------------------------------------------------------------------------------
 */

/* Of those that take replicas: the least and the most of what is asked of a worker in a second. */
static void requests_of(struct truth *truth, uint64_t *least, uint64_t *most) {
    *least = UINT64_MAX;
    *most = 0;
    for (uint32_t i = 0; i < truth->catalog.n_workers; i++) {
        uint64_t sum = 0;
        for (uint64_t id = 1; id <= truth->n_shards; id++)
            if (catalog_replica_on(catalog_shard(&truth->catalog, id), truth->catalog.workers[i]))
                sum += truth->demands[id - 1].requests;
        if (sum < *least) *least = sum;
        if (sum > *most) *most = sum;
    }
}

static void let_pass(struct truth *truth, int seconds) {
    for (int i = 0; i < seconds; i++)
        truth_tick(truth);
}

Test(load, goes_where_less_is_asked_and_not_by_numbers) {
    static struct truth truth;
    uint64_t least, most;
    truth_open(&truth, 11);
    for (int i = 0; i < 3; i++)
        truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "docs", 12, 1);
    truth_settle(&truth);
    for (uint64_t id = 1; id <= 12; id++) { /* all that is hot is on one worker */
        const struct catalog_shard *shard = catalog_shard(&truth.catalog, id);
        truth.demands[id - 1].requests = shard->replicas[0].worker->id == 1 ? 3000 : 60;
    }
    let_pass(&truth, 60);
    truth_settle(&truth);
    requests_of(&truth, &least, &most);
    cr_expect_geq(least, 3000, "each has a hot one: %lu to %lu", least, most);
    cr_expect_leq(most, 6300);
    catalog_reset(&truth.catalog);
}

/* By each of what is measured, alone. */
Test(load, counts_points_requests_and_bytes) {
    static const struct demand rows[] = {
        {.points = 5000000}, {.requests = 5000}, {.bytes = UINT64_C(100) << 20}};
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        static struct truth truth;
        truth_open(&truth, 12);
        truth_join(&truth, NULL);
        truth_join(&truth, NULL);
        truth_tick(&truth);
        truth_found(&truth, "docs", 8, 1);
        truth_settle(&truth);
        uint64_t hot = 0;
        for (uint64_t id = 1; id <= 8 && !hot; id++)
            if (catalog_replica_on(catalog_shard(&truth.catalog, id),
                                   catalog_worker(&truth.catalog, 1)))
                hot = id;
        truth.demands[hot - 1] = rows[row];
        let_pass(&truth, 60);
        truth_settle(&truth);
        uint32_t beside = catalog_shard(&truth.catalog, hot)->replicas[0].worker->n_shards;
        cr_expect_eq(beside, 1, "row %zu: %u replicas where the hot one is", row, beside);
        catalog_reset(&truth.catalog);
    }
}

Test(load, of_leading_moves_leaders_and_no_data) {
    static struct truth truth;
    truth_open(&truth, 13);
    for (int i = 0; i < 3; i++)
        truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "docs", 6, 3);
    truth_settle(&truth);
    for (uint64_t id = 1; id <= 6; id++) {
        truth_group(&truth, id)->leader =
            catalog_replica_on(catalog_shard(&truth.catalog, id),
                               catalog_worker(&truth.catalog, 1 + (id - 1) % 3))
                ->store_id;
        truth_group(&truth, id)->term++;
        truth.demands[id - 1].leading = (id - 1) % 3 == 0 ? 2000 : 10; /* shards 1 and 4 */
    }
    uint64_t replicas = truth.next_store;
    let_pass(&truth, 60);
    truth_settle(&truth);
    cr_expect_eq(truth.next_store, replicas, "no replica was made");
    uint64_t first = truth_group(&truth, 1)->leader, second = truth_group(&truth, 4)->leader;
    cr_expect_neq(truth_replica(&truth, 1, first)->worker,
                  truth_replica(&truth, 4, second)->worker);
    catalog_reset(&truth.catalog);
}

/* What is measured trembles: a cluster at rest is not to tremble with it. */
Test(load, that_trembles_moves_nothing, .fini = name_seed) {
    for (uint64_t seed = 1; seed <= 40; seed++) {
        static struct truth truth;
        under_way = seed;
        truth_open(&truth, seed);
        uint32_t workers = 2 + (uint32_t)rng_below(&truth.rng, 5);
        for (uint32_t i = 0; i < workers; i++)
            truth_join(&truth, NULL);
        truth_tick(&truth);
        truth_found(&truth, "docs", 4 + (uint32_t)rng_below(&truth.rng, 20),
                    1 + (uint32_t)rng_below(&truth.rng, 3));
        for (uint32_t i = 0; i < truth.n_shards; i++)
            truth.demands[i] = (struct demand){.requests = rng_below(&truth.rng, 2000),
                                               .bytes = rng_below(&truth.rng, 1 << 24),
                                               .leading = rng_below(&truth.rng, 1000),
                                               .points = rng_below(&truth.rng, 1000000)};
        truth.noise = 10;
        let_pass(&truth, 60);
        truth_settle(&truth);
        let_pass(&truth, 60);
        uint32_t before = truth.begun;
        let_pass(&truth, 600);
        cr_expect_eq(truth.begun, before, "seed %lu: %u more in ten minutes of the same load",
                     (unsigned long)seed, truth.begun - before);
        catalog_reset(&truth.catalog);
    }
    under_way = 0;
}

/* --- failure domains
 * ------------------------------------------------------------------------------------------------
 */

struct places {
    uint32_t regions, zones, racks;
};

static bool is_new(const struct catalog_shard *shard, uint32_t nth, int depth) {
    for (uint32_t i = 0; i < nth; i++) {
        const PdRegister *a = shard->replicas[i].worker->facts;
        const PdRegister *b = shard->replicas[nth].worker->facts;
        if (!strcmp(a->region, b->region) && (depth < 1 || !strcmp(a->zone, b->zone)) &&
            (depth < 2 || !strcmp(a->rack, b->rack)))
            return false;
    }
    return true;
}

static struct places places_of(const struct catalog_shard *shard) {
    struct places places = {0};
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        places.regions += is_new(shard, i, 0);
        places.zones += is_new(shard, i, 1);
        places.racks += is_new(shard, i, 2);
    }
    return places;
}

/* Workers, what happens to them, and in how many places each shard's three copies are before and
 * after. */
static const struct {
    const char *name;
    struct labels workers[6];
    struct labels comes; /* a region: it joins */
    uint64_t dies;       /* a worker; 0: none */
    struct places before, after;
} domain_rows[] = {
    {"another region",
     {{"eu", "a", "1"}, {"eu", "a", "2"}, {"eu", "b", "1"}},
     .comes = {"us", "a", "1"},
     .before = {1, 2, 3},
     .after = {2, 3, 3}},
    {"another zone",
     {{"eu", "a", "1"}, {"eu", "a", "2"}, {"eu", "a", "3"}},
     .comes = {"eu", "b", "1"},
     .before = {1, 1, 3},
     .after = {1, 2, 3}},
    {"another rack",
     {{"eu", "a", "1"}, {"eu", "a", "1"}, {"eu", "a", "1"}},
     .comes = {"eu", "a", "2"},
     .before = {1, 1, 1},
     .after = {1, 1, 2}},
    {"one more where others are",
     {{"eu", "a", "1"}, {"eu", "b", "1"}, {"eu", "c", "1"}},
     .comes = {"eu", "a", "1"},
     .before = {1, 3, 3},
     .after = {1, 3, 3}},
    {"the only one of its region dies",
     {{"eu", "a", "1"}, {"eu", "b", "1"}, {"us", "a", "1"}, {"eu", "a", "2"}},
     .dies = 3,
     .before = {2, 3, 3},
     .after = {1, 2, 3}},
    {"one of two of its region dies",
     {{"eu", "a", "1"}, {"eu", "b", "1"}, {"us", "a", "1"}, {"us", "b", "1"}},
     .dies = 4,
     .before = {2, 3, 3},
     .after = {2, 3, 3}},
    {"the only one of its zone dies",
     {{"eu", "a", "1"}, {"eu", "a", "2"}, {"eu", "b", "1"}, {"eu", "c", "1"}},
     .dies = 4,
     .before = {1, 3, 3},
     .after = {1, 2, 3}},
};

static void expect_places(struct truth *truth, const char *name, struct places wanted) {
    for (uint64_t id = 1; id <= truth->n_shards; id++) {
        struct places are = places_of(catalog_shard(&truth->catalog, id));
        cr_expect(are.regions == wanted.regions && are.zones == wanted.zones &&
                      are.racks == wanted.racks,
                  "%s: shard %lu is in %u regions, %u zones, %u racks, not %u, %u, %u", name,
                  (unsigned long)id, are.regions, are.zones, are.racks, wanted.regions,
                  wanted.zones, wanted.racks);
    }
}

Test(reconcile, spreads_copies_also_when_workers_join_and_die) {
    for (size_t row = 0; row < sizeof domain_rows / sizeof *domain_rows; row++) {
        static struct truth truth;
        const char *name = domain_rows[row].name;
        truth_open(&truth, row + 1);
        for (uint32_t i = 0; domain_rows[row].workers[i].region; i++)
            truth_join(&truth, &domain_rows[row].workers[i]);
        truth_tick(&truth);
        truth_found(&truth, "docs", 5, 3);
        truth_settle(&truth);
        expect_places(&truth, name, domain_rows[row].before);
        uint64_t dies = domain_rows[row].dies;
        if (domain_rows[row].comes.region) truth_join(&truth, &domain_rows[row].comes);
        if (dies) truth_process(&truth, dies)->up = false;
        for (uint64_t us = truth.now_us + 2 * (uint64_t)GRACE_US; dies && truth.now_us < us;)
            truth_tick(&truth);
        truth_settle(&truth);
        expect_places(&truth, name, domain_rows[row].after);
        if (dies) truth_process(&truth, dies)->up = true;
        for (int i = 0; dies && i < 10; i++)
            truth_tick(&truth);
        truth_settle(&truth);
        expect_places(&truth, name, dies ? domain_rows[row].before : domain_rows[row].after);
        catalog_reset(&truth.catalog);
    }
}

/* A replica that is to join a group knows of nobody, and says that it leads. */
Test(reconcile, does_not_take_a_newcomer_for_the_leader) {
    static struct truth truth;
    truth_open(&truth, 14);
    for (int i = 0; i < 3; i++)
        truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "docs", 1, 3);
    truth_settle(&truth);
    catalog_forget(&truth.catalog); /* another placement driver leads */
    const struct catalog_shard *shard = catalog_shard(&truth.catalog, 1);
    PdBeatShard said = PD_BEAT_SHARD__INIT;
    said.shard = 1;
    said.state = "serving";
    said.is_leader = true;
    catalog_hear(&truth.catalog, shard->replicas[0].worker, &said, truth.now_us);
    cr_expect_eq(shard->leader, 0);
    catalog_reset(&truth.catalog);
}

/* --- many shards
 * --------------------------------------------------------------------------------------------- */

/* One look, of the processor's time; the least of some. */
static uint64_t look_us(struct truth *truth, struct reconcile_output *out) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        struct reconcile_input input = truth_input(truth);
        struct timespec began, ended;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
        reconcile(&input, out);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
        uint64_t us = (uint64_t)((ended.tv_sec - began.tv_sec) * 1000000 +
                                 (ended.tv_nsec - began.tv_nsec) / 1000);
        if (us < least) least = us;
    }
    return least;
}

/* 10,000 shards of three copies on 20 workers: a look is one turn of the placement driver. */
Test(many, shards_are_looked_at_in_a_turn) {
    static struct truth truth;
    static struct reconcile_output out;
    truth_open(&truth, 21);
    for (int i = 0; i < 20; i++)
        truth_join(&truth, NULL);
    truth_tick(&truth);
    for (int c = 0; c < 10; c++) {
        char name[16];
        snprintf(name, sizeof name, "docs%d", c);
        truth_found(&truth, name, SHARDS_MAX / 10, 3);
    }
    for (int i = 0; i < 3; i++)
        truth_tick(&truth);
    uint64_t still = look_us(&truth, &out);
    for (uint64_t id = 1; id <= truth.n_shards; id++)
        if (catalog_replica_on(catalog_shard(&truth.catalog, id), truth.catalog.workers[0]))
            truth.demands[id - 1].requests = 1000;
    let_pass(&truth, 12);
    uint64_t uneven = look_us(&truth, &out);
    uint32_t moves = out.moves + out.transfers + out.moving;
    for (int i = 0; i < 2; i++)
        truth_process(&truth, truth.catalog.workers[i]->id)->up = false;
    let_pass(&truth, GRACE_US / TICK_US + 5);
    uint64_t dead = look_us(&truth, &out);
    printf(
        "a look at %u shards on 20 workers: in order %lu us, uneven %lu us (%u moves), two workers dead %lu us (%u short)\n",
        truth.n_shards, (unsigned long)still, (unsigned long)uneven, moves, (unsigned long)dead,
        out.short_of);
    cr_expect_gt(moves, 0);
    cr_expect_gt(out.short_of, 900);
    cr_expect_lt(still, LOOK_LIMIT_US);
    cr_expect_lt(uneven, LOOK_LIMIT_US);
    cr_expect_lt(dead, LOOK_LIMIT_US);
    catalog_reset(&truth.catalog);
}
