/* drivers: what the placement drivers have applied, held against each other. A digest of the
 * catalog is taken whenever one of them has applied more, and kept by the index of its last entry:
 * whoever comes there next must have the same.
 *
 *     every step: (applied, digest) of each ─▶ the same index, the same digest
 *     when calm:  all have applied the same */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/pd/driver.h"
#include "runtime/assert.h"
#include "runtime/buffer.h"
#include "runtime/rng.h"
#include "tests/sim/cluster/trial.h"

enum {
    PATIENCE_US = 30 * SECOND,
    REST_US = 180 * SECOND, /* for repairs and moves, two of these at a time */
    AT_REST_S = 30,         /* in which nothing is begun */
};

static uint64_t *digests; /* owned, by index; 0: nobody was seen there */
static uint64_t room;
static uint64_t seen[WORLD_PDS_MAX]; /* applied when it was looked at last */

void drivers_begin(void) {
    free(digests);
    digests = NULL;
    room = 0;
    memset(seen, 0, sizeof seen);
}

/* NULL: it is down, or has no seat yet. */
static const struct driver *driver_of(uint32_t n) {
    const struct place *place = &trial.world.pds[n];
    const struct driver *driver = place->up ? audit_state(place->node, "pd") : NULL;
    return driver && driver->seat && !driver->failed ? driver : NULL;
}

static enum status add(void *context, struct buffer *entry) {
    uint64_t *sum = context;
    const unsigned char *at = entry->data;
    for (size_t i = 0; i < entry->size; i++)
        *sum = rng_mix(*sum ^ at[i]);
    *sum = rng_mix(*sum ^ entry->size);
    buffer_free(entry);
    return STATUS_OK;
}

static uint64_t *place_of(uint64_t index) {
    if (index >= room) {
        uint64_t more = 2 * index + 64;
        digests = realloc(digests, more * sizeof *digests);
        assert(digests);
        memset(digests + room, 0, (more - room) * sizeof *digests);
        room = more;
    }
    return &digests[index];
}

static void look_at(uint32_t n, const struct driver *driver) {
    uint64_t digest = 1, *known = place_of(driver->applied);
    enum status s = catalog_snapshot(&driver->catalog, add, &digest);
    assert(s == STATUS_OK);
    if (*known == 0) *known = digest;
    if (*known != digest)
        trial_broken("placement driver %u has another catalog at entry %llu than another one had "
                     "there",
                     n + 1, (unsigned long long)driver->applied);
    seen[n] = driver->applied;
}

void drivers_look(void) {
    for (uint32_t i = 0; i < trial.world.n_pds; i++) {
        const struct driver *driver = driver_of(i);
        if (driver && driver->applied > 0 && driver->applied != seen[i]) look_at(i, driver);
    }
}

/* The number of the first one that is behind; n_pds: none is. */
static uint32_t behind(uint64_t applied) {
    uint32_t i = 0;
    while (i < trial.world.n_pds && driver_of(i) && driver_of(i)->applied == applied)
        i++;
    return i;
}

static uint64_t newest(void) {
    uint64_t applied = 0;
    for (uint32_t i = 0; i < trial.world.n_pds; i++)
        if (driver_of(i) && driver_of(i)->applied > applied) applied = driver_of(i)->applied;
    return applied;
}

void drivers_calm(void) {
    struct sim *sim = trial.world.sim;
    uint64_t until = sim_now_us(sim) + PATIENCE_US;
    while (behind(newest()) < trial.world.n_pds && sim_now_us(sim) < until)
        sim_run(sim, 100 * MS);
    if (behind(newest()) < trial.world.n_pds)
        trial_broken("healed, but placement driver %u has not applied entry %llu",
                     behind(newest()) + 1, (unsigned long long)newest());
    memset(seen, 0, sizeof seen);
    drivers_look();
}

/* Of two that take themselves for it, the one that knows more. */
static const struct driver *leader_now(void) {
    const struct driver *leader = NULL;
    for (uint32_t i = 0; i < trial.world.n_pds; i++) {
        const struct driver *driver = driver_of(i);
        if (driver && driver->ready && (!leader || driver->applied > leader->applied))
            leader = driver;
    }
    return leader;
}

/* What it would still do, as it saw when it looked last. */
static uint32_t to_do(void) {
    const struct driver *leader = leader_now();
    if (!leader) return 1;
    const struct reconcile_output *look = &leader->seen;
    return look->leaderless + look->short_of + look->moving + look->begun + look->moves +
           look->transfers;
}

void drivers_rest(void) {
    struct sim *sim = trial.world.sim;
    uint64_t until = sim_now_us(sim) + REST_US;
    while (to_do() > 0 && sim_now_us(sim) < until)
        sim_run(sim, SECOND);
    if (to_do() > 0)
        trial_broken("healed, but the placement driver does not come to rest: %u things to do",
                     to_do());
    for (int i = 0; i < AT_REST_S; i++) {
        sim_run(sim, SECOND);
        const struct driver *leader = leader_now();
        if (leader && leader->seen.moves + leader->seen.transfers > 0)
            trial_broken("at rest, and %u replicas and %u leaders are to be moved",
                         leader->seen.moves, leader->seen.transfers);
    }
}

/* It has opened, as its worker said last, and has its data. */
static bool has_data(const struct catalog_replica *replica) {
    return replica->beat != 0 &&
           (!strcmp(replica->state, "serving") || !strcmp(replica->state, "disk_full"));
}

/* A founder that did not come to open before its collection was born cannot prove that it never
 * voted: it is replaced, and counts as lost until then. */
static bool is_whole(const struct catalog_shard *shard, uint32_t voters) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < shard->n_replicas; i++)
        n += shard->replicas[i].member == MEMBER_VOTER && has_data(&shard->replicas[i]);
    return n >= voters && n == shard->n_voters;
}

bool drivers_whole(uint32_t voters) {
    const struct driver *leader = leader_now();
    for (uint32_t c = 0; leader && c < leader->catalog.n_collections; c++) {
        const struct catalog_collection *collection = leader->catalog.collections[c];
        for (uint32_t i = 0; i < collection->n_shards; i++)
            if (!is_whole(&collection->shards[i], voters)) return false;
    }
    return leader != NULL;
}
