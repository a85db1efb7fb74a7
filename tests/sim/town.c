/* town: makes a world by its seed, lets it live for a while, calms it down. */
#include "tests/sim/town.h"

#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/cell.h"

enum {
    SLICES = 40, /* of life, then calm */
    SLICE_US = 5 * MS,
    CALM_US = 90 * SECOND, /* beyond all deadlines and backoffs */
};

struct town town;

static bool chance(struct rng *rng, uint32_t percent) {
    return rng_below(rng, 100) < percent;
}

static struct sim_options options_of(uint64_t seed, struct rng *rng) {
    return (struct sim_options){
        .seed = seed,
        .nodes = 1 + (uint32_t)rng_below(rng, NODES_MAX),
        .lanes = 1 + (uint32_t)rng_below(rng, 4),
        .shuffle = chance(rng, 80),
        .reorder = chance(rng, 20),
        .delay_us_min = 20,
        .delay_us_max = 20 + (uint32_t)rng_below(rng, 2000),
        .drop_ppm = chance(rng, 30) ? (uint32_t)rng_below(rng, 30000) : 0,
        .full_ppm = chance(rng, 30) ? (uint32_t)rng_below(rng, 50000) : 0,
        .block_us = chance(rng, 50) ? (uint32_t)rng_below(rng, 3000) : 0,
    };
}

static void town_open(uint64_t seed) {
    struct rng rng;
    memset(&town, 0, sizeof town);
    rng_init(&rng, seed * UINT64_C(0x9e3779b97f4a7c15));
    town.options = options_of(seed, &rng);
    town.sim = sim_open(&town.options);
    for (uint32_t node = 1; node <= town.options.nodes; node++) {
        struct person *mayor = town_person(node);
        mayor->restart = RESTART_PERMANENT;
        mayor->intensity = 1000;
        mayor->period_s = 3600;
        sim_spawn_as(town.sim, node,
                     &(struct spawn){.type = &mayor_type,
                                     .name = mayor->name,
                                     .options = mayor,
                                     .restart = mayor->restart,
                                     .intensity = mayor->intensity,
                                     .period_s = mayor->period_s});
    }
}

static void quarrel(struct rng *rng) {
    if (town.options.nodes < 2) return;
    uint32_t a = 1 + (uint32_t)rng_below(rng, town.options.nodes);
    uint32_t b = 1 + (uint32_t)rng_below(rng, town.options.nodes);
    if (a == b) return;
    if (chance(rng, 50))
        sim_cut(town.sim, a, b);
    else
        sim_heal(town.sim, a, b);
}

static void town_run(void) {
    struct rng rng;
    rng_init(&rng, town.options.seed + 1);
    for (int i = 0; i < SLICES; i++) {
        sim_run(town.sim, SLICE_US);
        ledger_look();
        if (chance(&rng, 5)) quarrel(&rng);
        if (chance(&rng, 5)) sim_run(town.sim, 2 * SECOND);
    }
    for (uint32_t a = 1; a <= town.options.nodes; a++)
        for (uint32_t b = a + 1; b <= town.options.nodes; b++)
            sim_heal(town.sim, a, b);
    town.calm = true;
    sim_run(town.sim, CALM_US);
    ledger_look();
}

unsigned town_try(uint64_t seed, bool trace) {
    town_open(seed);
    town_run();
    unsigned broken = ledger_close();
    if (trace) fputs(sim_trace(town.sim), stdout);
    sim_close(&town.sim);
    return broken;
}

/* --- records
 * ------------------------------------------------------------------------------------------- */

struct person *town_person(uint32_t node) {
    if (town.n_people == PEOPLE_MAX) return NULL;
    struct person *person = &town.people[town.n_people];
    *person = (struct person){.id = town.n_people++, .node = node};
    snprintf(person->name, sizeof person->name, "p%u", person->id);
    return person;
}

uint32_t town_life(struct person *person, uint64_t now_us) {
    assert(town.n_lives + 1 < LIVES_MAX);
    uint32_t life = ++town.n_lives;
    town.lives[life] = (struct life){.person = person->id};
    person->life = life;
    person->opened_us[person->n_opens++ % OPENS_KEPT] = now_us;
    if (person->n_opens > 1) town.restarts++;
    return life;
}

uint32_t deed_add(struct deeds *deeds, uint32_t life, uint32_t other) {
    assert(deeds->n < DEEDS_MAX);
    deeds->rows[deeds->n] = (struct deed){.life = life, .other = other};
    return deeds->n++;
}

/* A forwarder in its place: it moved on, and ended before it could say where it is. */
bool town_lives(const struct person *person) {
    const struct core *core = &town.sim->nodes[person->node - 1].core;
    uint32_t lane;
    const struct slot *slot = person->life ? table_find(&core->table, person->handle, &lane) : NULL;
    return slot && !slot->cell->sink;
}

bool town_alive(uint32_t life) {
    const struct person *person = &town.people[town.lives[life].person];
    return person->life == life && town_lives(person);
}
