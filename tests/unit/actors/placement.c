/* Where copies go (contract 6.5), as tables: workers and what they have, and whom placement picks.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "actors/pd/load.h"
#include "actors/pd/placement.h"

enum { WORKERS = 8, NOW_US = 100 * 1000 * 1000 };

enum fault { FINE, SEARCHES, DRAINS, IS_DEAD, SILENT, NEVER_BEAT, FULL };

struct worker {
    const char *region, *zone, *rack;
    uint32_t replicas; /* it has */
    uint32_t cores;
    uint64_t memory_gib, disk_gib;
    enum fault fault;
};

static void add(struct catalog *catalog, const struct worker *from, uint64_t *load) {
    PdCommand command = PD_COMMAND__INIT;
    PdWorkerRow row = PD_WORKER_ROW__INIT;
    PdRegister facts = PD_REGISTER__INIT;
    char link[32];
    row.worker = catalog->next_worker;
    snprintf(link, sizeof link, "sim://%u", (unsigned)row.worker);
    facts.link = link;
    facts.region = (char *)from->region;
    facts.zone = (char *)from->zone;
    facts.rack = (char *)from->rack;
    facts.cpu_cores = from->cores;
    facts.memory_bytes = from->memory_gib << 30;
    facts.disk_bytes = from->disk_gib << 30;
    facts.search_only = from->fault == SEARCHES;
    row.facts = &facts;
    command.command_case = PD_COMMAND__COMMAND_WORKER;
    command.worker = &row;
    cr_assert_eq(catalog_apply(catalog, &command), STATUS_OK);
    struct catalog_worker *worker = catalog_worker(catalog, row.worker);
    worker->state = from->fault == DRAINS    ? WORKER_DRAINING
                    : from->fault == IS_DEAD ? WORKER_DEAD
                                             : WORKER_READY;
    worker->heard_us = from->fault == SILENT ? 1 : NOW_US;
    worker->beat_ms = from->fault != NEVER_BEAT;
    if (from->fault == FULL) worker->n_planned = CATALOG_WORKER_SHARDS_MAX;
    load[worker->nth] = from->replicas * (uint64_t)LOAD_REPLICA;
}

static const struct {
    const char *name;
    uint32_t copies;
    struct worker workers[WORKERS];
    const char *chosen; /* numbers from 1, in the order in which they are picked */
} rows[] = {
    {"zones before racks",
     3,
     {{"eu", "a", "1"}, {"eu", "a", "2"}, {"eu", "b", "1"}, {"eu", "c", "1"}},
     "134"},
    {"a region is further than a zone",
     3,
     {{"eu", "a", "1"}, {"eu", "b", "1"}, {"us", "a", "1"}, {"as", "a", "1"}},
     "134"},
    {"two regions, then another zone",
     3,
     {{"eu", "a", "1"}, {"eu", "a", "1"}, {"us", "a", "1"}, {"us", "b", "1"}},
     "134"},
    {"racks where there is one zone",
     3,
     {{"eu", "a", "1"}, {"eu", "a", "1"}, {"eu", "a", "2"}, {"eu", "a", "3"}},
     "134"},
    {"a third copy where there are two racks",
     3,
     {{"eu", "a", "1"}, {"eu", "a", "1", 9}, {"eu", "a", "2", 1}, {"eu", "a", "2", 3}},
     "134"},
    {"racks alone are told", 2, {{"", "", "1"}, {"", "", "1"}, {"", "", "2", 5}}, "13"},
    {"racks of one name in two zones are two",
     3,
     {{"eu", "a", "1"}, {"eu", "a", "1"}, {"eu", "b", "1"}, {"eu", "b", "2", 5}},
     "134"},
    {"nobody says where it is: the least load",
     3,
     {{"", "", "", 5}, {"", "", "", 1}, {"", "", "", 3}, {"", "", "", 0}},
     "423"},
    {"spread before load", 2, {{"eu", "a", "1"}, {"eu", "a", "2"}, {"eu", "b", "1", 90}}, "13"},
    {"load among those of one place",
     2,
     {{"eu", "a", "1", 4}, {"eu", "a", "1", 3}, {"eu", "b", "1", 7}, {"eu", "b", "1", 6}},
     "24"},
    {"cores", 1, {{"", "", "", 3, 8}, {"", "", "", 3, 32}, {"", "", "", 3, 16}}, "2"},
    {"memory", 1, {{"", "", "", 3, 8, 32}, {"", "", "", 3, 8, 128}, {"", "", "", 3, 8, 64}}, "2"},
    {"disk", 1, {{"", "", "", 3, 8, 32, 500}, {"", "", "", 3, 8, 32, 4000}}, "2"},
    {"fewer workers than copies: fewer copies", 5, {{"", "", ""}, {"", "", ""}}, "12"},
    {"not who only searches, drains, is dead, silent, new or full",
     3,
     {{"eu", "a", "1", .fault = SEARCHES},
      {"eu", "b", "1", .fault = DRAINS},
      {"eu", "c", "1", .fault = IS_DEAD},
      {"us", "a", "1", .fault = SILENT},
      {"us", "b", "1", .fault = NEVER_BEAT},
      {"us", "c", "1", .fault = FULL},
      {"eu", "a", "1"},
      {"eu", "a", "1"}},
     "78"},
    {"nobody", 3, {{"", "", "", .fault = DRAINS}}, ""},
};

Test(placement, picks_by_place_then_by_load) {
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct catalog catalog;
        uint64_t load[WORKERS] = {0};
        const struct catalog_worker *beside[CATALOG_FACTOR_MAX];
        char chosen[CATALOG_FACTOR_MAX + 1] = "";
        uint32_t n = 0;
        catalog_init(&catalog);
        for (uint32_t i = 0; i < WORKERS && rows[row].workers[i].region; i++)
            add(&catalog, &rows[row].workers[i], load);
        for (; n < rows[row].copies; n++) {
            beside[n] = placement_pick(&(struct placement_query){.catalog = &catalog,
                                                                 .load = load,
                                                                 .beside = beside,
                                                                 .n_beside = n,
                                                                 .now_us = NOW_US});
            if (!beside[n]) break;
            chosen[n] = (char)('0' + beside[n]->id);
            load[beside[n]->nth] += LOAD_REPLICA;
        }
        cr_expect_str_eq(chosen, rows[row].chosen, "%s: %s, not %s", rows[row].name, chosen,
                         rows[row].chosen);
        catalog_reset(&catalog);
    }
}

/* Contract 6.3: cores/8*300 + memory/32 GiB*400 + disk/500 GiB*300, at least 100. */
Test(placement, counts_capacity_as_the_contract_does) {
    static const struct {
        struct worker worker;
        uint32_t capacity;
    } machines[] = {
        {{"", "", "", 0, 8, 32, 500}, 1000},    {{"", "", "", 0, 16, 0, 0}, 600},
        {{"", "", "", 0, 0, 64, 0}, 800},       {{"", "", "", 0, 0, 0, 1000}, 600},
        {{"", "", "", 0, 0, 0, 0}, 100},        {{"", "", "", 0, 1, 1, 1}, 100},
        {{"", "", "", 0, 64, 256, 2000}, 6800},
    };
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        struct catalog catalog;
        uint64_t load[WORKERS];
        catalog_init(&catalog);
        add(&catalog, &machines[i].worker, load);
        cr_expect_eq(placement_capacity(catalog.workers[0]), machines[i].capacity, "row %zu: %u", i,
                     placement_capacity(catalog.workers[0]));
        catalog_reset(&catalog);
    }
}

/* --- rates ------------------------------------------------------------------------------------ */

static void hear(struct catalog_replica *replica, uint64_t second, uint64_t requests) {
    PdBeatShard said = PD_BEAT_SHARD__INIT;
    said.requests = requests;
    said.bytes = 10 * requests;
    load_hear(replica, &said, second * 1000 * 1000);
}

Test(load, measures_rates_between_beats_and_smooths_them) {
    struct catalog_replica replica = {0};
    hear(&replica, 100, 5000);
    cr_expect_eq(replica.pace.requests_s, 0, "one beat is no rate");
    hear(&replica, 101, 5900);
    cr_expect(!replica.pace.known, "too soon");
    hear(&replica, 105, 10000);
    cr_expect_eq(replica.pace.requests_s, 1000);
    cr_expect_eq(replica.pace.bytes_s, 10000);
    hear(&replica, 110, 10000);
    cr_expect_eq(replica.pace.requests_s, 700, "0.7 of what was, and nothing new");
    hear(&replica, 115, 40);
    cr_expect_eq(replica.pace.requests_s, 700, "it began anew");
    hear(&replica, 120, 10040);
    cr_expect_eq(replica.pace.requests_s, 1090);
}
