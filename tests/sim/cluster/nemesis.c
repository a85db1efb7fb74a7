/* nemesis: what goes wrong, and when it is right again. Every step each kind of fault has its
 * chance; one that began ends by itself after a while. At the end all of them are over. */
#include <stdio.h>
#include <string.h>

#include "actors/raft/state.h"
#include "schemas/sys.pb-c.h"
#include "tests/sim/cluster/files.h"
#include "tests/sim/cluster/trial.h"

enum {
    MILLION = 1000 * 1000,
    NODES = WORLD_PDS_MAX + WORLD_WORKERS_MAX + WORLD_GATEWAYS_MAX,
    OUTAGE_US = 8 * SECOND, /* at most, of anything */
    CLOG_US = 2 * SECOND,
    STALL_US = 3 * SECOND,
    DEPOSED_US = 2 * SECOND,
    CUT_WITHIN = 30,        /* writes, renames … of index files */
    FROZEN_US = 4 * SECOND, /* longer than an election, and than a gateway takes to find its end */
    SKEW_MS = 60 * 60 * 1000, /* either way */
};

/* When each fault ends; 0: there is none. */
static struct {
    uint64_t cut[NODES + 1][NODES + 1];
    uint64_t clog[NODES + 1][NODES + 1];
    uint64_t worker[WORLD_WORKERS_MAX];
    uint64_t disk[WORLD_WORKERS_MAX];
    uint64_t pd[WORLD_PDS_MAX];
    uint64_t pd_disk[WORLD_PDS_MAX];
    uint64_t drain[WORLD_WORKERS_MAX];
    uint64_t gateway[WORLD_GATEWAYS_MAX];
    uint64_t join; /* the next worker that is not there yet comes */
} until;
static bool at_work;
static uint32_t throne[1 + SHARDS_MAX]; /* node that led the shard's group last; 0: none did */
static bool drained[WORLD_WORKERS_MAX]; /* ever: who says that it is over may not be heard */

/* Actors that stand still. */
enum { PAUSED_MAX = 16 };
static struct paused {
    uint32_t node;
    char name[32];
    uint64_t until_us; /* 0: free */
} paused[PAUSED_MAX];

static bool rolls(uint32_t ppm) {
    return ppm > 0 && rng_below(&trial.rng, MILLION) < ppm;
}

static uint64_t soon(void) {
    return sim_now_us(trial.world.sim) + 1 + rng_below(&trial.rng, OUTAGE_US);
}

/* Whether a fault that has an end is over now; it is taken off. */
static bool over(uint64_t *at) {
    if (*at == 0 || sim_now_us(trial.world.sim) < *at) return false;
    *at = 0;
    return true;
}

static uint32_t n_nodes(void) {
    return trial.world.n_pds + trial.world.n_workers + trial.world.n_gateways;
}

/* --- ways --- */

static void two_nodes(uint32_t *a, uint32_t *b) {
    *a = 1 + (uint32_t)rng_below(&trial.rng, n_nodes());
    *b = 1 + (uint32_t)rng_below(&trial.rng, n_nodes() - 1);
    if (*b >= *a) ++*b;
}

static void break_ways(const struct profile *profile) {
    uint32_t a, b;
    two_nodes(&a, &b);
    bool both = rolls(profile->cut);
    if (both || rolls(profile->cut_way)) {
        sim_cut_way(trial.world.sim, a, b);
        until.cut[a][b] = soon();
        if (both) sim_cut(trial.world.sim, a, b);
        trial.n_faults++;
    }
    if (rolls(profile->snap)) {
        sim_snap(trial.world.sim, a, b);
        trial.n_faults++;
    }
    if (rolls(profile->clog)) {
        sim_slow(trial.world.sim, a, b, rng_below(&trial.rng, CLOG_US));
        until.clog[a][b] = soon();
        trial.n_faults++;
    }
}

static void repair_ways(void) {
    for (uint32_t a = 1; a <= n_nodes(); a++)
        for (uint32_t b = 1; b <= n_nodes(); b++) {
            if (over(&until.cut[a][b])) sim_heal(trial.world.sim, a, b);
            if (over(&until.clog[a][b])) sim_slow(trial.world.sim, a, b, 0);
        }
}

static void cut_off(uint32_t node, uint32_t other, uint64_t end_us) {
    if (node == other) return;
    sim_cut(trial.world.sim, node, other);
    until.cut[node][other] = end_us;
}

/* From the others of its kind; clients are still heard. */
static void isolate(uint32_t node, uint64_t end_us) {
    const struct world *world = &trial.world;
    bool driver = false;
    for (uint32_t i = 0; i < world->n_pds; i++)
        driver |= world->pds[i].node == node;
    for (uint32_t i = 0; driver && i < world->n_pds; i++)
        cut_off(node, world->pds[i].node, end_us);
    for (uint32_t i = 0; !driver && i < world->n_workers; i++)
        cut_off(node, world->workers[i].node, end_us);
    trial.n_faults++;
}

void nemesis_crowned(uint32_t node, uint64_t group) {
    if (group > 0 && group <= SHARDS_MAX) throne[group] = node;
    if (!at_work || !rolls(trial.profile->depose)) return;
    isolate(node, sim_now_us(trial.world.sim) + 1 + rng_below(&trial.rng, DEPOSED_US));
}

/* The first entries of a leader's own term get lost, so that what it found in its log arrives
 * alone: figure 8 of the Raft paper needs a follower that has the one without the other. */
__typeof__(seat_hold) __real_seat_hold, __wrap_seat_hold;
void __wrap_seat_hold(struct seat *seat,
                      const RaftMessage *message,
                      uint64_t after,
                      struct turn *turn) {
    const RaftAppend *append =
        message->body_case == RAFT_MESSAGE__BODY_APPEND ? message->append : NULL;
    bool first = append && append->n_entries > 0 && append->prev_term < message->term &&
                 append->entries[0]->term == message->term;
    if (first && at_work && rolls(trial.profile->alone))
        trial.n_faults++;
    else
        __real_seat_hold(seat, message, after, turn);
}

static void
nobody_cares(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)outcome, (void)turn;
}

/* --- single actors --- */

static void do_now(void *self, void *context, struct turn *turn) {
    (void)self;
    turn_call(turn, &(struct call){.to = turn_find(turn, "sys"),
                                   .message = context,
                                   .done = nobody_cares,
                                   .deadline_us = turn_now_us(turn) + SECOND});
}

static void act(uint32_t node, const char *name, const char *action) {
    SysDo ask = SYS_DO__INIT;
    ask.actor = (char *)(uintptr_t)name;
    ask.action = (char *)(uintptr_t)action;
    sim_order_on(trial.world.sim, node, do_now, &ask);
}

static void choose_actor(uint32_t node, char name[32]) {
    uint32_t first_gateway = 2 + trial.world.n_workers;
    uint32_t n = (uint32_t)rng_below(&trial.rng, 5);
    bool driver = node == 1 || node >= first_gateway + trial.world.n_gateways;
    if (!driver && node >= first_gateway)
        snprintf(name, 32, "router");
    else if (driver)
        snprintf(name, 32, rng_below(&trial.rng, 2) ? "pd" : "log");
    else if (n < 2)
        snprintf(name, 32, n ? "keeper" : "log");
    else
        snprintf(name, 32,
                 n == 4   ? "shard/%u"
                 : n == 3 ? "linker/%u"
                          : "searcher/%u",
                 (unsigned)rng_below(&trial.rng, n == 4 ? 2 * trial.shards : WORLD_SEARCHERS) +
                     (n == 4));
}

static void resume_now(void *self, void *context, struct turn *turn);

/* Mailboxes are full at random, that of this request, too. */
static void
on_resumed(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    if (outcome->status == STATUS_BUSY) resume_now(self, context, turn);
}

static void resume_now(void *self, void *context, struct turn *turn) {
    struct paused *row = context;
    SysDo ask = SYS_DO__INIT;
    (void)self;
    ask.actor = row->name;
    ask.action = (char *)(uintptr_t) "resume";
    turn_call(turn, &(struct call){.to = turn_find(turn, "sys"),
                                   .message = &ask.base,
                                   .done = on_resumed,
                                   .context = row,
                                   .deadline_us = turn_now_us(turn) + SECOND});
}

static void resume(struct paused *row) {
    row->until_us = 0;
    sim_order_on(trial.world.sim, row->node, resume_now, row);
}

static void pause_actor(uint32_t node, const char *name, uint64_t until_us) {
    for (int i = 0; i < PAUSED_MAX; i++) {
        if (paused[i].until_us) continue;
        paused[i] = (struct paused){.node = node, .until_us = until_us};
        snprintf(paused[i].name, sizeof paused[i].name, "%s", name);
        act(node, name, "pause");
        return;
    }
}

/* It wakes up as a leader who has heard of nothing since, while the others have another one and
 * clients of both: until it looks at the clock it serves what it knows. */
static void freeze_leader(const struct profile *profile) {
    char name[32];
    if (!rolls(profile->freeze)) return;
    uint32_t shard = 1 + (uint32_t)rng_below(&trial.rng, trial.shards);
    if (throne[shard] == 0) return;
    uint64_t end = sim_now_us(trial.world.sim) + 1 + rng_below(&trial.rng, FROZEN_US);
    snprintf(name, sizeof name, "shard/%u", (unsigned)shard);
    pause_actor(throne[shard], name, end);
    isolate(throne[shard], end + 1 + rng_below(&trial.rng, DEPOSED_US));
}

static void break_actors(const struct profile *profile) {
    char name[32];
    uint32_t node = 1 + (uint32_t)rng_below(&trial.rng, n_nodes());
    if (!rolls(profile->actor)) return;
    choose_actor(node, name);
    switch (rng_below(&trial.rng, 3)) {
    case 0:
        act(node, name, "restart");
        if (strcmp(name, "router") == 0)
            trial.gateway_since_us[node - 2 - trial.world.n_workers] = sim_now_us(trial.world.sim);
        break;
    case 1:
        act(node, name, "migrate");
        break;
    default:
        pause_actor(node, name, soon());
    }
    trial.n_faults++;
}

static void break_replica(const struct profile *profile) {
    char name[32];
    uint32_t n = (uint32_t)rng_below(&trial.rng, trial.world.n_workers);
    if (!rolls(profile->replica) || !trial.world.workers[n].up) return;
    snprintf(name, sizeof name, "shard/%u", 1 + (unsigned)rng_below(&trial.rng, trial.shards));
    act(trial.world.workers[n].node, name, "restart");
    trial.n_faults++;
}

static void repair_actors(void) {
    for (int i = 0; i < PAUSED_MAX; i++)
        if (paused[i].until_us && sim_now_us(trial.world.sim) >= paused[i].until_us)
            resume(&paused[i]);
}

/* Before its process ends: one that stands still could not. */
static void resume_all(uint32_t node) {
    for (int i = 0; i < PAUSED_MAX; i++)
        if (paused[i].until_us && (node == 0 || paused[i].node == node)) resume(&paused[i]);
}

/* --- processes --- */

/* A power cut, or kill -9. */
static void end_worker(uint32_t n, bool crash) {
    uint32_t node = trial.world.workers[n].node;
    resume_all(node);
    files_die(node);
    if (crash)
        world_worker_crash(&trial.world, n);
    else
        world_worker_kill(&trial.world, n);
    files_revive(node, crash);
}

/* With so many workers drained a shard has fewer voters than its factor. */
static bool is_thin(void) {
    const struct profile *profile = trial.profile;
    uint32_t n = trial.world.n_workers - profile->searchers - profile->later;
    for (uint32_t i = 0; i < trial.world.n_workers; i++)
        n -= drained[i] && n > 0;
    return n < profile->replicas;
}

static void break_worker(const struct profile *profile, uint32_t n) {
    struct place *place = &trial.world.workers[n];
    if (!place->up) return;
    bool crash = rolls(profile->crash);
    if (!crash && !rolls(profile->kill)) return;
    end_worker(n, crash);
    /* One only: with the disks of two of three copies an acknowledged write may be gone. And only
     * while all voters of all groups have their data: while workers were away, groups are founded
     * by fewer, or by three of whom one never opened, and two of three are no majority less one. */
    if (crash && !trial.wiped && rolls(profile->wipe) && !is_thin() &&
        drivers_whole(profile->replicas)) {
        world_worker_wipe(&trial.world, n);
        files_wipe(place->node);
        trial.wiped = true;
    }
    until.worker[n] = soon();
    trial.n_faults++;
}

static void break_processes(const struct profile *profile) {
    struct world *world = &trial.world;
    break_worker(profile, (uint32_t)rng_below(&trial.rng, world->n_workers));
    uint32_t driver = (uint32_t)rng_below(&trial.rng, world->n_pds);
    if (world->pds[driver].up && rolls(profile->pd)) {
        resume_all(world->pds[driver].node);
        world_pd_crash(world, driver);
        until.pd[driver] = soon();
        trial.n_faults++;
    }
    uint32_t n = (uint32_t)rng_below(&trial.rng, world->n_gateways);
    if (world->gateways[n].up && rolls(profile->gateway)) {
        resume_all(world->gateways[n].node);
        world_gateway_kill(world, n);
        until.gateway[n] = soon();
        trial.n_faults++;
    }
}

static void repair_processes(void) {
    struct world *world = &trial.world;
    for (uint32_t i = 0; i < world->n_workers; i++)
        if (over(&until.worker[i])) world_worker_start(world, i);
    for (uint32_t i = 0; i < world->n_pds; i++)
        if (over(&until.pd[i])) world_pd_start(world, i);
    for (uint32_t i = 0; i < world->n_gateways; i++)
        if (over(&until.gateway[i])) {
            trial.gateway_since_us[i] = sim_now_us(world->sim);
            world_gateway_start(world, i);
        }
}

/* --- disks --- */

/* Of both stores, or of one that has a disk of its own; index files lie beside the points. */
static void set_faults(struct place *place, const struct kv_faults *faults, uint32_t which) {
    if (which != 1) kv_memory_set_faults(place->log_disk, faults);
    if (which == 2) return;
    kv_memory_set_faults(place->points_disk, faults);
    files_set_faults(place->node, faults);
}

/* Full, or one that refuses some, or a slow one. False: none of them, now. */
static bool break_disk(struct place *place, uint32_t full, uint32_t bad, uint32_t stall) {
    struct kv_faults faults = {.seed = rng_next(&trial.rng), .torn_write_ppm = MILLION / 2};
    uint64_t stall_us = 0;
    if (rolls(full))
        faults.capacity_bytes = 1;
    else if (rolls(bad))
        faults.fail_write_ppm = trial.profile->bad_write;
    else if (rolls(stall))
        stall_us = rng_below(&trial.rng, STALL_US);
    else
        return false;
    set_faults(place, &faults, (uint32_t)rng_below(&trial.rng, 3));
    sim_stall(trial.world.sim, place->node, stall_us);
    trial.n_faults++;
    return true;
}

static void break_disks(const struct profile *profile) {
    uint32_t n = (uint32_t)rng_below(&trial.rng, trial.world.n_workers);
    if (break_disk(&trial.world.workers[n], profile->full_disk, profile->bad_disk, profile->stall))
        until.disk[n] = soon();
    if (profile->pd_disk == 0) return;
    n = (uint32_t)rng_below(&trial.rng, trial.world.n_pds);
    if (break_disk(&trial.world.pds[n], profile->pd_disk, profile->pd_disk, profile->pd_disk))
        until.pd_disk[n] = soon();
}

/* The power fails at one of the next things done to an index file. */
static void cut_files(const struct profile *profile) {
    struct world *world = &trial.world;
    if (rolls(profile->cut_file)) {
        uint32_t n = (uint32_t)rng_below(&trial.rng, world->n_workers);
        files_cut_soon(world->workers[n].node, 1 + (uint32_t)rng_below(&trial.rng, CUT_WITHIN));
    }
    for (uint32_t i = 0; i < world->n_workers; i++) {
        if (!world->workers[i].up || !files_are_cut(world->workers[i].node)) continue;
        end_worker(i, true);
        until.worker[i] = soon();
        trial.n_faults++;
    }
}

static void mend(struct place *place) {
    set_faults(place, &(struct kv_faults){.seed = rng_next(&trial.rng)}, 0);
    sim_stall(trial.world.sim, place->node, 0);
}

static void repair_disks(void) {
    for (uint32_t i = 0; i < trial.world.n_workers; i++) {
        struct place *place = &trial.world.workers[i];
        if (!over(&until.disk[i])) continue;
        mend(place);
        /* A replica that was quarantined opens anew with its process. */
        if (trial.profile->bad_disk > 0 && place->up) {
            end_worker(i, true);
            until.worker[i] = soon();
        }
    }
    for (uint32_t i = 0; i < trial.world.n_pds; i++)
        if (over(&until.pd_disk[i])) mend(&trial.world.pds[i]);
}

/* --- the rest --- */

static void skew(void) {
    uint32_t node = 1 + (uint32_t)rng_below(&trial.rng, n_nodes());
    sim_skew(trial.world.sim, node, (int64_t)rng_below(&trial.rng, 2 * SKEW_MS) - SKEW_MS);
}

static void drift(void) {
    uint32_t node = 1 + (uint32_t)rng_below(&trial.rng, n_nodes());
    sim_drift(trial.world.sim, node, (int32_t)rng_below(&trial.rng, 2 * DRIFT_PPM) - DRIFT_PPM);
}

/* Workers that were not there at the beginning come one after the other. */
static void join(void) {
    struct world *world = &trial.world;
    if (!over(&until.join)) return;
    for (uint32_t i = world->n_workers - trial.profile->later; i < world->n_workers; i++) {
        if (world->workers[i].up || until.worker[i]) continue;
        world_worker_start(world, i);
        trial.n_faults++;
        break;
    }
    until.join = soon();
}

/* --- what people order --- */

static void ask_driver(void *self, void *context, struct turn *turn) {
    (void)self;
    turn_call(turn, &(struct call){.to = turn_find(turn, "pd"),
                                   .message = context,
                                   .done = nobody_cares,
                                   .deadline_us = turn_now_us(turn) + 5 * SECOND});
}

static void order(const ProtobufCMessage *message) {
    for (uint32_t i = 0; i < trial.world.n_pds; i++) /* the one that leads does it */
        if (trial.world.pds[i].up)
            sim_order_on(trial.world.sim, trial.world.pds[i].node, ask_driver,
                         (void *)(uintptr_t)message);
}

/* Workers have the ids 1, 2, … in some order. */
static void drain(const struct profile *profile) {
    uint32_t n = (uint32_t)rng_below(&trial.rng, trial.world.n_workers);
    if (until.drain[n] || !rolls(profile->drain)) return;
    bool before = drained[n];
    drained[n] = true;
    if (trial.wiped && is_thin()) {
        drained[n] = before;
        return;
    }
    order(MESSAGE(PdDrain, pd_drain, .worker = n + 1));
    until.drain[n] = soon();
    trial.n_faults++;
}

static void repair_drains(void) {
    for (uint32_t i = 0; i < trial.world.n_workers; i++)
        if (over(&until.drain[i])) order(MESSAGE(PdDrain, pd_drain, .worker = i + 1, .stop = true));
}

void nemesis_begin(void) {
    memset(&until, 0, sizeof until);
    memset(paused, 0, sizeof paused);
    memset(drained, 0, sizeof drained);
    storm_begin();
    at_work = true;
    if (trial.profile->later > 0) until.join = soon();
    for (uint32_t node = 1; node <= n_nodes(); node++)
        sim_twin(trial.world.sim, node, trial.profile->twin);
}

void nemesis_step(void) {
    const struct profile *profile = trial.profile;
    repair_ways();
    repair_processes();
    repair_disks();
    repair_drains();
    repair_actors();
    break_ways(profile);
    break_processes(profile);
    break_disks(profile);
    cut_files(profile);
    break_actors(profile);
    break_replica(profile);
    freeze_leader(profile);
    if (rolls(profile->skew)) skew();
    if (rolls(profile->drift)) drift();
    join();
    if (rolls(profile->storm)) storm_blow();
    if (rolls(profile->even)) order(MESSAGE(PdRebalance, pd_rebalance));
    drain(profile);
}

static void end_now(uint64_t *at) {
    if (*at) *at = 1;
}

void nemesis_heal(void) {
    at_work = false;
    resume_all(0);
    for (uint32_t i = 0; i < WORLD_WORKERS_MAX; i++)
        end_now(&until.disk[i]);
    for (uint32_t i = 0; i < WORLD_PDS_MAX; i++)
        end_now(&until.pd_disk[i]);
    repair_disks(); /* may end processes */
    for (uint32_t i = 0; i < WORLD_WORKERS_MAX; i++)
        end_now(&until.worker[i]);
    for (uint32_t i = 0; i < WORLD_GATEWAYS_MAX; i++)
        end_now(&until.gateway[i]);
    for (uint32_t i = 0; i < WORLD_PDS_MAX; i++)
        end_now(&until.pd[i]);
    repair_processes();
    for (uint32_t a = 0; a <= NODES; a++)
        for (uint32_t b = 0; b <= NODES; b++) {
            end_now(&until.cut[a][b]);
            end_now(&until.clog[a][b]);
        }
    repair_ways();
    for (uint32_t i = 0; i < WORLD_WORKERS_MAX; i++)
        end_now(&until.drain[i]);
    repair_drains();
    for (uint32_t node = 1; node <= n_nodes(); node++)
        sim_twin(trial.world.sim, node, 0);
}
