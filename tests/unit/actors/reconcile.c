/* Placement as functions: a table of single decisions, and random clusters through random
 * histories. The model beside the catalog is what is true: processes that are up, groups with their
 * members and leaders. The catalog knows of it only by beats. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/pd/load.h"
#include "actors/pd/placement.h"
#include "actors/pd/reconcile.h"
#include "runtime/rng.h"

enum {
    WORKERS_MAX = 12,
    SHARDS_MAX = 24,
    MEMBERS_MAX = 24,
    TICK_US = 1000 * 1000,
    GRACE_US = 30 * 1000 * 1000,
    SETTLE_TICKS = 3000,
    HISTORY_TICKS = 400,
};

struct process {
    uint64_t id;
    bool up;
    bool known; /* in the catalog */
};

struct group {
    struct {
        uint64_t id;
        bool voter;
    } members[MEMBERS_MAX];
    uint32_t n;
    uint64_t leader;
    uint64_t term;
};

/* What clients ask of a shard. */
struct demand {
    uint64_t requests, bytes; /* a second, of each replica */
    uint64_t leading;         /* requests that its leader has besides */
    uint64_t points;
};

struct truth {
    struct catalog catalog;
    struct process processes[WORKERS_MAX];
    uint32_t n_processes;
    struct group groups[SHARDS_MAX];
    uint32_t n_shards;
    struct demand demands[SHARDS_MAX];
    uint32_t noise;  /* of a hundred: so much more or less is asked each second */
    bool lost[4096]; /* by store id: its disk was wiped */
    uint64_t requests[4096], bytes[4096]; /* … its counters */
    uint32_t begun;                       /* moves and transfers, so far */
    uint64_t now_us;
    uint64_t next_store;
    struct rng rng;
};

static void apply(struct truth *truth, const PdCommand *command) {
    cr_assert_eq(catalog_apply(&truth->catalog, command), STATUS_OK);
}

/* --- building
 * --------------------------------------------------------------------------------------------- */

struct labels {
    const char *region, *zone, *rack;
    bool search_only;
    uint32_t cpu_cores;
};

static uint64_t join(struct truth *truth, const struct labels *labels) {
    PdCommand command = PD_COMMAND__INIT;
    PdWorkerRow row = PD_WORKER_ROW__INIT;
    PdRegister facts = PD_REGISTER__INIT;
    char link[32];
    struct process *process = &truth->processes[truth->n_processes++];
    cr_assert_leq(truth->n_processes, WORKERS_MAX);
    *process = (struct process){.id = truth->catalog.next_worker, .up = true, .known = true};
    snprintf(link, sizeof link, "sim://%u", (unsigned)process->id);
    facts.link = link;
    if (labels) {
        facts.region = labels->region ? (char *)labels->region : facts.region;
        facts.zone = labels->zone ? (char *)labels->zone : facts.zone;
        facts.rack = labels->rack ? (char *)labels->rack : facts.rack;
        facts.search_only = labels->search_only;
        facts.cpu_cores = labels->cpu_cores;
    }
    row.worker = process->id;
    row.facts = &facts;
    command.command_case = PD_COMMAND__COMMAND_WORKER;
    command.worker = &row;
    apply(truth, &command);
    return process->id;
}

static struct group *group_of(struct truth *truth, uint64_t shard) {
    return &truth->groups[shard - 1];
}

/* A collection of so many shards, founded on the workers that placement picks; born at once. */
static void found(struct truth *truth, const char *name, uint32_t shards, uint32_t factor) {
    PdCommand command = PD_COMMAND__INIT;
    PdCollectionRow row = PD_COLLECTION_ROW__INIT;
    static PdShardRow shard_rows[SHARDS_MAX], *shard_list[SHARDS_MAX];
    static PdReplicaRow rows[SHARDS_MAX][CATALOG_FACTOR_MAX], *list[SHARDS_MAX][CATALOG_FACTOR_MAX];
    uint64_t load[CATALOG_WORKERS_MAX];
    for (uint32_t i = 0; i < truth->catalog.n_workers; i++)
        load[i] = truth->catalog.workers[i]->n_shards * (uint64_t)LOAD_REPLICA;
    for (uint32_t i = 0; i < shards; i++) {
        const struct catalog_worker *workers[CATALOG_FACTOR_MAX];
        struct group *group = &truth->groups[truth->n_shards];
        uint32_t n = 0;
        for (; n < factor; n++) {
            workers[n] = placement_pick(&(struct placement_query){.catalog = &truth->catalog,
                                                                  .load = load,
                                                                  .beside = workers,
                                                                  .n_beside = n,
                                                                  .now_us = truth->now_us});
            if (!workers[n]) break;
            load[workers[n]->nth] += LOAD_REPLICA;
            pd_replica_row__init(&rows[i][n]);
            rows[i][n].worker = workers[n]->id;
            rows[i][n].store_id = truth->next_store++;
            rows[i][n].founder = true;
            list[i][n] = &rows[i][n];
            group->members[n].id = rows[i][n].store_id;
            group->members[n].voter = true;
        }
        cr_assert_gt(n, 0);
        group->n = n;
        pd_shard_row__init(&shard_rows[i]);
        shard_rows[i].shard = ++truth->n_shards;
        shard_rows[i].epoch = 1;
        shard_rows[i].n_replicas = n;
        shard_rows[i].replicas = list[i];
        shard_list[i] = &shard_rows[i];
    }
    row.name = (char *)name;
    row.distance = "dot";
    row.dimension = 2;
    row.factor = factor;
    row.born = true;
    row.n_shards = shards;
    row.shards = shard_list;
    command.command_case = PD_COMMAND__COMMAND_COLLECTION;
    command.collection = &row;
    apply(truth, &command);
}

/* --- what is true
 * ---------------------------------------------------------------------------------------------- */

static struct process *process_of(struct truth *truth, uint64_t worker) {
    for (uint32_t i = 0; i < truth->n_processes; i++)
        if (truth->processes[i].id == worker) return &truth->processes[i];
    return NULL;
}

static const struct catalog_replica *
replica_of(struct truth *truth, uint64_t shard, uint64_t store_id) {
    const struct catalog_shard *row = catalog_shard(&truth->catalog, shard);
    return row ? catalog_replica(row, store_id) : NULL;
}

static bool works(struct truth *truth, uint64_t shard, uint64_t store_id) {
    const struct catalog_replica *replica = replica_of(truth, shard, store_id);
    if (!replica || truth->lost[store_id]) return false;
    return process_of(truth, replica->worker->id)->up;
}

static uint32_t voters_of(const struct group *group) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < group->n; i++)
        n += group->members[i].voter;
    return n;
}

static uint32_t working_voters(struct truth *truth, uint64_t shard) {
    const struct group *group = group_of(truth, shard);
    uint32_t n = 0;
    for (uint32_t i = 0; i < group->n; i++)
        n += group->members[i].voter && works(truth, shard, group->members[i].id);
    return n;
}

static bool has_quorum(struct truth *truth, uint64_t shard) {
    return working_voters(truth, shard) >= voters_of(group_of(truth, shard)) / 2 + 1;
}

/* Groups elect where they can. */
static void elect(struct truth *truth) {
    for (uint64_t shard = 1; shard <= truth->n_shards; shard++) {
        struct group *group = group_of(truth, shard);
        if (!has_quorum(truth, shard)) {
            group->leader = 0;
            continue;
        }
        if (group->leader && works(truth, shard, group->leader)) continue;
        uint32_t at = (uint32_t)rng_below(&truth->rng, group->n);
        while (!group->members[at].voter || !works(truth, shard, group->members[at].id))
            at = (at + 1) % group->n;
        group->leader = group->members[at].id;
        group->term++;
    }
}

static uint64_t noisy(struct truth *truth, uint64_t mean) {
    uint64_t span = mean * truth->noise / 100;
    return mean - span + rng_below(&truth->rng, 2 * span + 1);
}

static void serve(struct truth *truth, uint64_t shard, PdBeatShard *said) {
    const struct demand *demand = &truth->demands[shard - 1];
    uint64_t requests = demand->requests + (said->is_leader ? demand->leading : 0);
    said->requests = truth->requests[said->store_id] += noisy(truth, requests);
    said->bytes = truth->bytes[said->store_id] += noisy(truth, demand->bytes);
    said->points = demand->points;
}

static void beat(struct truth *truth, struct catalog_worker *worker) {
    worker->heard_us = truth->now_us;
    worker->beat_ms = truth->now_us / 1000;
    worker->beats++;
    for (uint64_t id = 1; id <= truth->n_shards; id++) {
        const struct catalog_shard *shard = catalog_shard(&truth->catalog, id);
        const struct catalog_replica *replica = shard ? catalog_replica_on(shard, worker) : NULL;
        if (!replica) continue;
        const struct group *group = group_of(truth, id);
        PdBeatShard said = PD_BEAT_SHARD__INIT;
        PdBeatMember members[MEMBERS_MAX], *list[MEMBERS_MAX];
        said.shard = id;
        said.store_id = replica->store_id;
        said.state = truth->lost[replica->store_id] ? "quarantined" : "serving";
        said.is_leader = group->leader == replica->store_id;
        said.term = group->term;
        serve(truth, id, &said);
        for (uint32_t i = 0; said.is_leader && i < group->n; i++) {
            pd_beat_member__init(&members[i]);
            members[i].id = group->members[i].id;
            members[i].voter = group->members[i].voter;
            list[i] = &members[i];
            said.n_members++;
        }
        said.members = list;
        catalog_hear(&truth->catalog, worker, &said, truth->now_us);
    }
}

static void beats(struct truth *truth) {
    truth->now_us += TICK_US;
    elect(truth);
    for (uint32_t i = 0; i < truth->catalog.n_workers; i++)
        if (process_of(truth, truth->catalog.workers[i]->id)->up)
            beat(truth, truth->catalog.workers[i]);
}

/* --- carrying out, and what must hold
 * ---------------------------------------------------------------------------------- */

static void log_row(struct truth *truth, const struct action *action, bool drop) {
    PdCommand command = PD_COMMAND__INIT;
    PdReplicaChange change = PD_REPLICA_CHANGE__INIT;
    PdReplicaRow row = PD_REPLICA_ROW__INIT;
    const struct catalog_replica *replica = replica_of(truth, action->shard, action->store_id);
    bool adds = action->kind == ACTION_ADD;
    if (!adds && !replica) return;
    row.worker = adds ? action->worker : replica->worker->id;
    row.store_id = adds ? truth->next_store++ : replica->store_id;
    cr_assert_lt(row.store_id, sizeof truth->lost);
    row.role = adds || (replica->learner && action->kind != ACTION_VOTER);
    row.founder = !adds && replica->founder;
    bool stays = action->kind == ACTION_STAY;
    row.leaving = !adds && !stays && (replica->leaving || action->kind == ACTION_LEAVE);
    row.started = !adds && (replica->started || action->kind == ACTION_STARTED);
    change.shard = action->shard;
    change.replica = &row;
    change.dropped = drop;
    command.command_case = PD_COMMAND__COMMAND_REPLICA;
    command.replica = &change;
    apply(truth, &command);
}

static void member_put(struct group *group, uint64_t id, bool voter) {
    for (uint32_t i = 0; i < group->n; i++)
        if (group->members[i].id == id) {
            group->members[i].voter |= voter;
            return;
        }
    cr_assert_lt(group->n, MEMBERS_MAX);
    group->members[group->n].id = id;
    group->members[group->n++].voter = voter;
}

static bool member_take(struct group *group, uint64_t id) {
    for (uint32_t i = 0; i < group->n; i++)
        if (group->members[i].id == id) {
            bool voter = group->members[i].voter;
            group->members[i] = group->members[--group->n];
            return voter;
        }
    return false;
}

/* Voters of whom it may be believed, by their last beats, that they work. */
static uint32_t believed(struct truth *truth, uint64_t shard) {
    const struct group *group = group_of(truth, shard);
    uint32_t n = 0;
    for (uint32_t i = 0; i < group->n; i++) {
        const struct catalog_replica *replica = replica_of(truth, shard, group->members[i].id);
        n += group->members[i].voter && replica && catalog_serves(replica, truth->now_us);
    }
    return n;
}

static void remove_member(struct truth *truth, const struct action *action) {
    struct group *group = group_of(truth, action->shard);
    const struct catalog_shard *shard = catalog_shard(&truth->catalog, action->shard);
    cr_assert_neq(action->store_id, group->leader, "the leader is never removed");
    bool worked = works(truth, action->shard, action->store_id);
    if (!member_take(group, action->store_id)) return;
    cr_assert_geq(believed(truth, action->shard), voters_of(group) / 2 + 1,
                  "a majority serves after a voter was removed");
    uint32_t wanted = reconcile_wanted(&truth->catalog, shard->collection);
    if (worked)
        cr_assert_geq(voters_of(group), wanted, "who works leaves when the others are enough");
}

/* One step at the leader; refused at random, as it may be. */
static void take_step(struct truth *truth, const struct action *action) {
    struct group *group = group_of(truth, action->shard);
    if (group->leader == 0 || group->leader != action->leader || rng_below(&truth->rng, 4) == 0)
        return;
    switch (action->kind) {
    case ACTION_LEARN:
        member_put(group, action->store_id, false);
        break;
    case ACTION_PROMOTE:
        member_put(group, action->store_id, true);
        cr_assert_geq(believed(truth, action->shard), voters_of(group) / 2 + 1,
                      "a majority serves after a voter came");
        break;
    case ACTION_REMOVE:
        remove_member(truth, action);
        break;
    default:
        cr_assert_eq(action->kind, ACTION_TRANSFER);
        if (!works(truth, action->shard, action->store_id)) break;
        group->leader = action->store_id;
        group->term++;
    }
}

static void set_state(struct truth *truth, uint64_t worker, enum catalog_worker_state state) {
    PdCommand command = PD_COMMAND__INIT;
    PdWorkerState row = PD_WORKER_STATE__INIT;
    row.worker = worker;
    row.state = state;
    row.wall_ms = truth->now_us / 1000;
    command.command_case = PD_COMMAND__COMMAND_WORKER_STATE;
    command.worker_state = &row;
    apply(truth, &command);
}

static void forget(struct truth *truth, uint64_t worker) {
    PdCommand command = PD_COMMAND__INIT;
    command.command_case = PD_COMMAND__COMMAND_WORKER_REMOVED;
    command.worker_removed = worker;
    apply(truth, &command);
    cr_expect_null(catalog_worker(&truth->catalog, worker));
}

static void carry(struct truth *truth, const struct action *action) {
    struct action leave = *action;
    switch (action->kind) {
    case ACTION_STATE:
        set_state(truth, action->worker, action->state);
        break;
    case ACTION_FORGET:
        forget(truth, action->worker);
        break;
    case ACTION_MOVE:
        leave.kind = ACTION_ADD;
        log_row(truth, &leave, false);
        leave.kind = ACTION_LEAVE;
        log_row(truth, &leave, false);
        break;
    case ACTION_ADD:
    case ACTION_STARTED:
    case ACTION_VOTER:
    case ACTION_LEAVE:
    case ACTION_STAY:
        log_row(truth, action, false);
        break;
    case ACTION_DROP:
        log_row(truth, action, true);
        break;
    default:
        take_step(truth, action);
    }
}

static void check_rows(struct truth *truth) {
    for (uint64_t id = 1; id <= truth->n_shards; id++) {
        const struct catalog_shard *shard = catalog_shard(&truth->catalog, id);
        for (uint32_t i = 0; i < shard->n_replicas; i++)
            for (uint32_t j = 0; j < i; j++)
                cr_assert_neq(shard->replicas[i].worker, shard->replicas[j].worker);
    }
}

/* Nothing is begun beyond what may move at a time. */
static void check_begun(struct truth *truth,
                        const struct reconcile_input *input,
                        const struct reconcile_output *out) {
    uint32_t begun = 0;
    for (uint32_t i = 0; i < out->n_actions; i++) {
        const struct action *action = &out->actions[i];
        if (action->kind != ACTION_ADD && action->kind != ACTION_LEAVE &&
            action->kind != ACTION_MOVE)
            continue;
        const struct catalog_shard *shard = catalog_shard(&truth->catalog, action->shard);
        const char *state = reconcile_state(input, shard);
        begun += strcmp(state, "moving") != 0;
        /* Who waits until all are ready is not to see one of them go. */
        cr_assert(action->kind != ACTION_LEAVE || strcmp(state, "ready") != 0,
                  "a copy of a ready shard is to go");
    }
    cr_assert(begun == 0 || out->moving + begun <= RECONCILE_REPAIRS, "%u moving, %u begun",
              out->moving, begun);
}

static struct reconcile_input input_of(struct truth *truth) {
    return (struct reconcile_input){.catalog = &truth->catalog,
                                    .now_us = truth->now_us,
                                    .since_us = TICK_US,
                                    .grace_us = GRACE_US,
                                    .wall_ms = truth->now_us / 1000,
                                    .balance = true};
}

static struct reconcile_output *tick(struct truth *truth) {
    static struct reconcile_output out;
    beats(truth);
    struct reconcile_input input = input_of(truth);
    reconcile(&input, &out);
    check_begun(truth, &input, &out);
    truth->begun += out.moves + out.transfers;
    for (uint32_t i = 0; i < out.n_actions; i++)
        carry(truth, &out.actions[i]);
    check_rows(truth);
    return &out;
}

static void truth_open(struct truth *truth, uint64_t seed) {
    memset(truth, 0, sizeof *truth);
    catalog_init(&truth->catalog);
    truth->now_us = TICK_US;
    truth->next_store = CATALOG_STORE_FIRST;
    rng_init(&truth->rng, seed);
}

static void settle(struct truth *truth) {
    for (int quiet = 0, n = 0; quiet < 3; n++) {
        cr_assert_lt(n, SETTLE_TICKS, "it does not come to rest");
        const struct reconcile_output *out = tick(truth);
        quiet = out->n_actions == 0 ? quiet + 1 : 0;
        cr_assert(quiet == 0 || out->moving + out->begun + out->moves + out->transfers == 0,
                  "nothing is done, and %u are moving, %u begun", out->moving, out->begun);
    }
}

/* --- decisions
 * ------------------------------------------------------------------------------------------------
 */

static uint32_t load_of(struct truth *truth, uint64_t worker) {
    return catalog_worker(&truth->catalog, worker)->n_shards;
}

Test(reconcile, grows_to_the_factor_as_workers_come) {
    static struct truth truth;
    truth_open(&truth, 1);
    join(&truth, NULL);
    tick(&truth);
    found(&truth, "docs", 6, 3);
    settle(&truth);
    cr_expect_eq(voters_of(group_of(&truth, 1)), 1, "there is one worker");
    join(&truth, NULL);
    settle(&truth);
    cr_expect_eq(voters_of(group_of(&truth, 1)), 2);
    for (int i = 0; i < 4; i++)
        join(&truth, NULL);
    settle(&truth);
    for (uint64_t shard = 1; shard <= 6; shard++)
        cr_expect_eq(voters_of(group_of(&truth, shard)), 3);
    for (uint64_t worker = 1; worker <= 6; worker++)
        cr_expect_eq(load_of(&truth, worker), 3, "worker %lu has %u", (unsigned long)worker,
                     load_of(&truth, worker));
    catalog_reset(&truth.catalog);
}

Test(reconcile, waits_for_the_grace_then_replaces_what_a_dead_worker_kept) {
    static struct truth truth;
    truth_open(&truth, 2);
    for (int i = 0; i < 4; i++)
        join(&truth, NULL);
    tick(&truth);
    found(&truth, "docs", 4, 3);
    settle(&truth);
    truth.processes[0].up = false;
    uint64_t down_us = truth.now_us;
    while (truth.now_us - down_us < GRACE_US)
        for (uint32_t i = 0, n = tick(&truth)->n_actions; i < n; i++)
            cr_assert_neq(catalog_worker(&truth.catalog, 1)->state, WORKER_DEAD);
    settle(&truth);
    cr_expect_eq(catalog_worker(&truth.catalog, 1)->state, WORKER_DEAD);
    cr_expect_eq(load_of(&truth, 1), 0);
    for (uint64_t shard = 1; shard <= 4; shard++)
        cr_expect_eq(working_voters(&truth, shard), 3);
    truth.processes[0].up = true;
    settle(&truth);
    cr_expect_eq(catalog_worker(&truth.catalog, 1)->state, WORKER_READY);
    cr_expect_eq(load_of(&truth, 1), 3, "it takes its share again");
    catalog_reset(&truth.catalog);
}

/* An administrator who waits for "nothing to be repaired" has waited for all of it. */
Test(reconcile, is_not_in_order_before_the_last_copy_of_the_dead_has_gone) {
    static struct truth truth;
    truth_open(&truth, 2);
    for (int i = 0; i < 4; i++)
        join(&truth, NULL);
    tick(&truth);
    found(&truth, "docs", 1, 3);
    settle(&truth);
    truth.processes[0].up = false;
    for (int i = 0; i < 200 && load_of(&truth, 1) > 0; i++) {
        bool dead = catalog_worker(&truth.catalog, 1)->state == WORKER_DEAD;
        const struct reconcile_output *seen = tick(&truth);
        if (dead) cr_assert(seen->short_of + seen->leaderless + seen->moving + seen->begun > 0);
    }
    cr_assert_eq(load_of(&truth, 1), 0);
    catalog_reset(&truth.catalog);
}

Test(reconcile, keeps_a_dead_voter_whom_nobody_can_replace) {
    static struct truth truth;
    truth_open(&truth, 3);
    for (int i = 0; i < 3; i++)
        join(&truth, NULL);
    tick(&truth);
    found(&truth, "docs", 2, 3);
    settle(&truth);
    truth.processes[0].up = false;
    for (int i = 0; i < 100; i++)
        tick(&truth);
    cr_expect_eq(voters_of(group_of(&truth, 1)), 3, "it may come back with its data");
    cr_expect_eq(load_of(&truth, 1), 2);
    set_state(&truth, 1, WORKER_REMOVING); /* it does not, says an administrator */
    settle(&truth);
    cr_expect_null(catalog_worker(&truth.catalog, 1));
    cr_expect_eq(voters_of(group_of(&truth, 1)), 2);
    catalog_reset(&truth.catalog);
}

Test(reconcile, replaces_a_wiped_disk_under_a_new_id_also_on_the_same_worker) {
    static struct truth truth;
    truth_open(&truth, 4);
    for (int i = 0; i < 3; i++)
        join(&truth, NULL);
    tick(&truth);
    found(&truth, "docs", 1, 3);
    settle(&truth);
    uint64_t old = catalog_shard(&truth.catalog, 1)->replicas[0].store_id;
    truth.lost[old] = true;
    for (int i = 0; i < 40; i++)
        tick(&truth);
    settle(&truth);
    cr_expect_null(replica_of(&truth, 1, old));
    cr_expect_eq(working_voters(&truth, 1), 3);
    catalog_reset(&truth.catalog);
}

Test(reconcile, drains_a_worker_of_shards_with_one_replica_and_of_leaders) {
    static struct truth truth;
    truth_open(&truth, 5);
    for (int i = 0; i < 3; i++)
        join(&truth, NULL);
    tick(&truth);
    found(&truth, "one", 6, 1);
    found(&truth, "three", 6, 3);
    settle(&truth);
    set_state(&truth, 2, WORKER_DRAINING);
    settle(&truth);
    cr_expect_eq(load_of(&truth, 2), 0);
    cr_expect_eq(load_of(&truth, 1), 9);
    cr_expect_eq(load_of(&truth, 3), 9);
    for (uint64_t shard = 1; shard <= 12; shard++)
        cr_expect_eq(working_voters(&truth, shard), shard <= 6 ? 1 : 2);
    catalog_reset(&truth.catalog);
}

Test(reconcile, spreads_over_zones_before_it_evens_the_load) {
    static struct truth truth;
    static const struct labels rows[] = {{"eu", "a", "1"}, {"eu", "a", "1"}, {"eu", "a", "2"},
                                         {"eu", "b", "1"}, {"eu", "b", "2"}, {"eu", "c", "1"}};
    truth_open(&truth, 6);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        join(&truth, &rows[i]);
    tick(&truth);
    found(&truth, "docs", 8, 3);
    settle(&truth);
    for (uint64_t id = 1; id <= 8; id++) {
        const struct catalog_shard *shard = catalog_shard(&truth.catalog, id);
        cr_assert_eq(shard->n_replicas, 3);
        for (uint32_t i = 0; i < 3; i++)
            for (uint32_t j = 0; j < i; j++)
                cr_expect_str_neq(shard->replicas[i].worker->facts->zone,
                                  shard->replicas[j].worker->facts->zone);
    }
    cr_expect_eq(load_of(&truth, 6), 8, "the only one of its zone has all");
    cr_expect_eq(load_of(&truth, 4), 4);
    cr_expect_eq(load_of(&truth, 5), 4);
    catalog_reset(&truth.catalog);
}

Test(reconcile, gives_search_only_workers_a_learner_of_everything_and_never_a_vote) {
    static struct truth truth;
    truth_open(&truth, 7);
    for (int i = 0; i < 3; i++)
        join(&truth, NULL);
    uint64_t searcher = join(&truth, &(struct labels){.search_only = true});
    tick(&truth);
    found(&truth, "docs", 5, 3);
    settle(&truth);
    cr_expect_eq(load_of(&truth, searcher), 5);
    for (uint64_t shard = 1; shard <= 5; shard++) {
        cr_expect_eq(voters_of(group_of(&truth, shard)), 3);
        cr_expect_eq(group_of(&truth, shard)->n, 4);
    }
    truth.processes[0].up = false;
    for (int i = 0; i < 100; i++)
        tick(&truth);
    cr_expect_eq(load_of(&truth, searcher), 5);
    cr_expect_eq(working_voters(&truth, 1), 2, "it does not become a voter");
    set_state(&truth, searcher, WORKER_DRAINING);
    settle(&truth);
    cr_expect_eq(load_of(&truth, searcher), 0);
    catalog_reset(&truth.catalog);
}

Test(reconcile, counts_more_for_more_capacity) {
    static struct truth truth;
    truth_open(&truth, 8);
    uint64_t small = join(&truth, &(struct labels){.cpu_cores = 8});
    uint64_t large = join(&truth, &(struct labels){.cpu_cores = 24});
    tick(&truth);
    found(&truth, "docs", 12, 1);
    settle(&truth);
    cr_expect_eq(load_of(&truth, small), 3);
    cr_expect_eq(load_of(&truth, large), 9);
    catalog_reset(&truth.catalog);
}

Test(reconcile, leaves_shards_alone_that_are_no_groups) {
    static struct truth truth;
    truth_open(&truth, 9);
    join(&truth, NULL);
    tick(&truth);
    found(&truth, "docs", 2, 1);
    for (uint64_t shard = 1; shard <= 2; shard++) {
        group_of(&truth, shard)->leader = CATALOG_STORE_FIRST + shard - 1;
        group_of(&truth, shard)->term = 0;
    }
    join(&truth, NULL);
    set_state(&truth, 1, WORKER_DRAINING);
    for (int i = 0; i < 20; i++) {
        const struct reconcile_output *out = tick(&truth);
        for (uint32_t j = 0; j < out->n_actions; j++)
            cr_assert_eq(out->actions[j].kind, ACTION_STATE);
    }
    const char *why =
        reconcile_move_refused(catalog_shard(&truth.catalog, 1), catalog_worker(&truth.catalog, 1),
                               catalog_worker(&truth.catalog, 2), truth.now_us);
    cr_expect_str_eq(why, "it is not replicated: its data cannot go anywhere");
    catalog_reset(&truth.catalog);
}

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
        tick(truth);
}

Test(load, goes_where_less_is_asked_and_not_by_numbers) {
    static struct truth truth;
    uint64_t least, most;
    truth_open(&truth, 11);
    for (int i = 0; i < 3; i++)
        join(&truth, NULL);
    tick(&truth);
    found(&truth, "docs", 12, 1);
    settle(&truth);
    for (uint64_t id = 1; id <= 12; id++) { /* all that is hot is on one worker */
        const struct catalog_shard *shard = catalog_shard(&truth.catalog, id);
        truth.demands[id - 1].requests = shard->replicas[0].worker->id == 1 ? 3000 : 60;
    }
    let_pass(&truth, 60);
    settle(&truth);
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
        join(&truth, NULL);
        join(&truth, NULL);
        tick(&truth);
        found(&truth, "docs", 8, 1);
        settle(&truth);
        uint64_t hot = 0;
        for (uint64_t id = 1; id <= 8 && !hot; id++)
            if (catalog_replica_on(catalog_shard(&truth.catalog, id),
                                   catalog_worker(&truth.catalog, 1)))
                hot = id;
        truth.demands[hot - 1] = rows[row];
        let_pass(&truth, 60);
        settle(&truth);
        uint32_t beside = catalog_shard(&truth.catalog, hot)->replicas[0].worker->n_shards;
        cr_expect_eq(beside, 1, "row %zu: %u replicas where the hot one is", row, beside);
        catalog_reset(&truth.catalog);
    }
}

Test(load, of_leading_moves_leaders_and_no_data) {
    static struct truth truth;
    truth_open(&truth, 13);
    for (int i = 0; i < 3; i++)
        join(&truth, NULL);
    tick(&truth);
    found(&truth, "docs", 6, 3);
    settle(&truth);
    for (uint64_t id = 1; id <= 6; id++) {
        group_of(&truth, id)->leader =
            catalog_replica_on(catalog_shard(&truth.catalog, id),
                               catalog_worker(&truth.catalog, 1 + (id - 1) % 3))
                ->store_id;
        group_of(&truth, id)->term++;
        truth.demands[id - 1].leading = (id - 1) % 3 == 0 ? 2000 : 10; /* shards 1 and 4 */
    }
    uint64_t replicas = truth.next_store;
    let_pass(&truth, 60);
    settle(&truth);
    cr_expect_eq(truth.next_store, replicas, "no replica was made");
    uint64_t first = group_of(&truth, 1)->leader, second = group_of(&truth, 4)->leader;
    cr_expect_neq(replica_of(&truth, 1, first)->worker, replica_of(&truth, 4, second)->worker);
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
            join(&truth, NULL);
        tick(&truth);
        found(&truth, "docs", 4 + (uint32_t)rng_below(&truth.rng, 20),
              1 + (uint32_t)rng_below(&truth.rng, 3));
        for (uint32_t i = 0; i < truth.n_shards; i++)
            truth.demands[i] = (struct demand){.requests = rng_below(&truth.rng, 2000),
                                               .bytes = rng_below(&truth.rng, 1 << 24),
                                               .leading = rng_below(&truth.rng, 1000),
                                               .points = rng_below(&truth.rng, 1000000)};
        truth.noise = 10;
        let_pass(&truth, 60);
        settle(&truth);
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
            join(&truth, &domain_rows[row].workers[i]);
        tick(&truth);
        found(&truth, "docs", 5, 3);
        settle(&truth);
        expect_places(&truth, name, domain_rows[row].before);
        uint64_t dies = domain_rows[row].dies;
        if (domain_rows[row].comes.region) join(&truth, &domain_rows[row].comes);
        if (dies) process_of(&truth, dies)->up = false;
        for (uint64_t us = truth.now_us + 2 * (uint64_t)GRACE_US; dies && truth.now_us < us;)
            tick(&truth);
        settle(&truth);
        expect_places(&truth, name, domain_rows[row].after);
        if (dies) process_of(&truth, dies)->up = true;
        for (int i = 0; dies && i < 10; i++)
            tick(&truth);
        settle(&truth);
        expect_places(&truth, name, dies ? domain_rows[row].before : domain_rows[row].after);
        catalog_reset(&truth.catalog);
    }
}

/* A replica that is to join a group knows of nobody, and says that it leads. */
Test(reconcile, does_not_take_a_newcomer_for_the_leader) {
    static struct truth truth;
    truth_open(&truth, 14);
    for (int i = 0; i < 3; i++)
        join(&truth, NULL);
    tick(&truth);
    found(&truth, "docs", 1, 3);
    settle(&truth);
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

/* --- histories
 * ------------------------------------------------------------------------------------------------
 */

/* Every group could still go on without this process. */
static bool is_spare(struct truth *truth, const struct process *process) {
    for (uint64_t id = 1; id <= truth->n_shards; id++) {
        const struct group *group = group_of(truth, id);
        const struct catalog_shard *shard = catalog_shard(&truth->catalog, id);
        uint32_t others = 0;
        bool there = false;
        for (uint32_t i = 0; i < group->n; i++) {
            const struct catalog_replica *replica = catalog_replica(shard, group->members[i].id);
            if (!group->members[i].voter || !replica || truth->lost[replica->store_id]) continue;
            if (replica->worker->id == process->id)
                there = true;
            else
                others++;
        }
        if (there && others < voters_of(group) / 2 + 1) return false;
    }
    return true;
}

static void wipe(struct truth *truth, const struct process *process) {
    for (uint64_t id = 1; id <= truth->n_shards; id++) {
        const struct catalog_replica *replica = catalog_replica_on(
            catalog_shard(&truth->catalog, id), catalog_worker(&truth->catalog, process->id));
        if (replica) truth->lost[replica->store_id] = true;
    }
}

static void happen(struct truth *truth) {
    struct process *process = &truth->processes[rng_below(&truth->rng, truth->n_processes)];
    struct catalog_worker *worker = catalog_worker(&truth->catalog, process->id);
    if (!worker) return;
    switch (rng_below(&truth->rng, 9)) {
    case 0:
    case 1:
        process->up = false;
        break;
    case 2:
    case 3:
    case 4:
        process->up = true;
        break;
    case 5:
        if (worker->state == WORKER_READY) set_state(truth, worker->id, WORKER_DRAINING);
        break;
    case 6:
        if (worker->state == WORKER_DRAINING) set_state(truth, worker->id, WORKER_READY);
        break;
    case 7:
        if (is_spare(truth, process)) wipe(truth, process);
        break;
    default:
        if (truth->n_processes < WORKERS_MAX)
            join(truth, &(struct labels){.search_only = rng_below(&truth->rng, 5) == 0});
    }
}

static void describe(struct truth *truth, uint64_t id) {
    const struct catalog_shard *shard = catalog_shard(&truth->catalog, id);
    for (uint32_t i = 0; i < group_of(truth, id)->n; i++)
        fprintf(stderr, "\nmember %lu%s", (unsigned long)group_of(truth, id)->members[i].id,
                group_of(truth, id)->members[i].voter ? " votes" : "");
    fprintf(stderr, "\nshard %lu: leader %lu, %u voters, wanted %u\n", (unsigned long)id,
            (unsigned long)shard->leader, shard->n_voters,
            reconcile_wanted(&truth->catalog, shard->collection));
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        fprintf(stderr, "  %lu on %lu (state %d%s): %s member %d%s%s%s%s\n",
                (unsigned long)replica->store_id, (unsigned long)replica->worker->id,
                replica->worker->state, replica->worker->facts->search_only ? " search" : "",
                replica->state, replica->member, replica->leaving ? " leaving" : "",
                replica->started ? " started" : "", replica->founder ? " founder" : "",
                replica->learner ? " learner" : "");
    }
}

static void check_rest(struct truth *truth) {
    uint32_t low = UINT32_MAX, high = 0;
    for (uint32_t i = 0; i < truth->catalog.n_workers; i++) {
        const struct catalog_worker *worker = truth->catalog.workers[i];
        for (uint64_t id = 1; worker->state == WORKER_DRAINING && id <= truth->n_shards; id++)
            if (catalog_replica_on(catalog_shard(&truth->catalog, id), worker)) describe(truth, id);
        if (worker->state == WORKER_DRAINING) cr_assert_eq(worker->n_shards, 0);
        if (worker->state != WORKER_READY || worker->facts->search_only) continue;
        if (worker->n_shards < low) low = worker->n_shards;
        if (worker->n_shards > high) high = worker->n_shards;
    }
    cr_assert_leq(high - low, 1, "the loads are %u to %u", low, high);
    for (uint64_t id = 1; id <= truth->n_shards; id++) {
        const struct catalog_shard *shard = catalog_shard(&truth->catalog, id);
        struct reconcile_input seen = input_of(truth);
        if (strcmp(reconcile_state(&seen, shard), "ready") != 0 ||
            group_of(truth, id)->n != shard->n_replicas)
            describe(truth, id);
        cr_assert_eq(working_voters(truth, id),
                     reconcile_wanted(&truth->catalog, shard->collection));
        cr_assert_eq(voters_of(group_of(truth, id)), working_voters(truth, id));
        cr_assert_eq(group_of(truth, id)->n, shard->n_replicas, "no member without a row");
        cr_assert_str_eq(reconcile_state(&seen, shard), "ready");
    }
}

static void history(uint64_t seed) {
    static struct truth truth;
    under_way = seed;
    truth_open(&truth, seed);
    uint32_t workers = 1 + (uint32_t)rng_below(&truth.rng, 6);
    for (uint32_t i = 0; i < workers; i++)
        join(&truth, NULL);
    tick(&truth);
    found(&truth, "one", 1 + (uint32_t)rng_below(&truth.rng, 8), 1);
    found(&truth, "many", 1 + (uint32_t)rng_below(&truth.rng, 12),
          1 + (uint32_t)rng_below(&truth.rng, 5));
    for (int i = 0; i < HISTORY_TICKS; i++) {
        if (rng_below(&truth.rng, 12) == 0) happen(&truth);
        tick(&truth);
    }
    bool any = false;
    for (uint32_t i = 0; i < truth.n_processes; i++)
        truth.processes[i].up = true;
    for (uint32_t i = 0; i < truth.catalog.n_workers; i++) {
        const struct catalog_worker *worker = truth.catalog.workers[i];
        any |= !worker->facts->search_only && worker->state != WORKER_DRAINING;
    }
    for (uint32_t i = 0; !any && i < truth.catalog.n_workers; i++)
        if (truth.catalog.workers[i]->state == WORKER_DRAINING)
            set_state(&truth, truth.catalog.workers[i]->id, WORKER_READY);
    for (int i = 0; i < 100; i++)
        tick(&truth);
    settle(&truth);
    check_rest(&truth);
    catalog_reset(&truth.catalog);
    under_way = 0;
}

Test(reconcile, keeps_its_promises_through_any_history, .fini = name_seed) {
    const char *one = getenv("VECTRON_SEED");
    if (one) {
        history(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= 300; seed++)
        history(seed);
}
