/* truth: see truth.h. */
#include "tests/unit/actors/truth.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "actors/pd/load.h"
#include "actors/pd/placement.h"

static void apply(struct truth *truth, const PdCommand *command) {
    cr_assert_eq(catalog_apply(&truth->catalog, command), STATUS_OK);
}

/* --- building
 * --------------------------------------------------------------------------------------------- */

uint64_t truth_join(struct truth *truth, const struct labels *labels) {
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

struct group *truth_group(struct truth *truth, uint64_t shard) {
    return &truth->groups[shard - 1];
}

/* A collection of so many shards, founded on the workers that placement picks; born at once. */
void truth_found(struct truth *truth, const char *name, uint32_t shards, uint32_t factor) {
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

struct process *truth_process(struct truth *truth, uint64_t worker) {
    for (uint32_t i = 0; i < truth->n_processes; i++)
        if (truth->processes[i].id == worker) return &truth->processes[i];
    return NULL;
}

const struct catalog_replica *
truth_replica(struct truth *truth, uint64_t shard, uint64_t store_id) {
    const struct catalog_shard *row = catalog_shard(&truth->catalog, shard);
    return row ? catalog_replica(row, store_id) : NULL;
}

static bool works(struct truth *truth, uint64_t shard, uint64_t store_id) {
    const struct catalog_replica *replica = truth_replica(truth, shard, store_id);
    if (!replica || truth->lost[store_id]) return false;
    return truth_process(truth, replica->worker->id)->up;
}

uint32_t truth_voters(const struct group *group) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < group->n; i++)
        n += group->members[i].voter;
    return n;
}

uint32_t truth_working(struct truth *truth, uint64_t shard) {
    const struct group *group = truth_group(truth, shard);
    uint32_t n = 0;
    for (uint32_t i = 0; i < group->n; i++)
        n += group->members[i].voter && works(truth, shard, group->members[i].id);
    return n;
}

static bool has_quorum(struct truth *truth, uint64_t shard) {
    return truth_working(truth, shard) >= truth_voters(truth_group(truth, shard)) / 2 + 1;
}

/* Groups elect where they can. */
static void elect(struct truth *truth) {
    for (uint64_t shard = 1; shard <= truth->n_shards; shard++) {
        struct group *group = truth_group(truth, shard);
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
        const struct group *group = truth_group(truth, id);
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
        if (truth_process(truth, truth->catalog.workers[i]->id)->up)
            beat(truth, truth->catalog.workers[i]);
}

/* --- carrying out, and what must hold
 * ---------------------------------------------------------------------------------- */

static void log_row(struct truth *truth, const struct action *action, bool drop) {
    PdCommand command = PD_COMMAND__INIT;
    PdReplicaChange change = PD_REPLICA_CHANGE__INIT;
    PdReplicaRow row = PD_REPLICA_ROW__INIT;
    const struct catalog_replica *replica = truth_replica(truth, action->shard, action->store_id);
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
    const struct group *group = truth_group(truth, shard);
    uint32_t n = 0;
    for (uint32_t i = 0; i < group->n; i++) {
        const struct catalog_replica *replica = truth_replica(truth, shard, group->members[i].id);
        n += group->members[i].voter && replica && catalog_serves(replica, truth->now_us);
    }
    return n;
}

static void remove_member(struct truth *truth, const struct action *action) {
    struct group *group = truth_group(truth, action->shard);
    const struct catalog_shard *shard = catalog_shard(&truth->catalog, action->shard);
    cr_assert_neq(action->store_id, group->leader, "the leader is never removed");
    bool worked = works(truth, action->shard, action->store_id);
    if (!member_take(group, action->store_id)) return;
    cr_assert_geq(believed(truth, action->shard), truth_voters(group) / 2 + 1,
                  "a majority serves after a voter was removed");
    uint32_t wanted = reconcile_wanted(&truth->catalog, shard->collection);
    if (worked)
        cr_assert_geq(truth_voters(group), wanted, "who works leaves when the others are enough");
}

/* One step at the leader; refused at random, as it may be. */
static void take_step(struct truth *truth, const struct action *action) {
    struct group *group = truth_group(truth, action->shard);
    if (group->leader == 0 || group->leader != action->leader || rng_below(&truth->rng, 4) == 0)
        return;
    switch (action->kind) {
    case ACTION_LEARN:
        member_put(group, action->store_id, false);
        break;
    case ACTION_PROMOTE:
        member_put(group, action->store_id, true);
        cr_assert_geq(believed(truth, action->shard), truth_voters(group) / 2 + 1,
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

void truth_set_state(struct truth *truth, uint64_t worker, enum catalog_worker_state state) {
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
        truth_set_state(truth, action->worker, action->state);
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

struct reconcile_input truth_input(struct truth *truth) {
    return (struct reconcile_input){.catalog = &truth->catalog,
                                    .now_us = truth->now_us,
                                    .since_us = TICK_US,
                                    .grace_us = GRACE_US,
                                    .wall_ms = truth->now_us / 1000,
                                    .balance = true};
}

struct reconcile_output *truth_tick(struct truth *truth) {
    static struct reconcile_output out;
    beats(truth);
    struct reconcile_input input = truth_input(truth);
    reconcile(&input, &out);
    check_begun(truth, &input, &out);
    truth->begun += out.moves + out.transfers;
    for (uint32_t i = 0; i < out.n_actions; i++)
        carry(truth, &out.actions[i]);
    check_rows(truth);
    return &out;
}

void truth_open(struct truth *truth, uint64_t seed) {
    memset(truth, 0, sizeof *truth);
    catalog_init(&truth->catalog);
    truth->now_us = TICK_US;
    truth->next_store = CATALOG_STORE_FIRST;
    rng_init(&truth->rng, seed);
}

void truth_settle(struct truth *truth) {
    for (int quiet = 0, n = 0; quiet < 3; n++) {
        cr_assert_lt(n, SETTLE_TICKS, "it does not come to rest");
        const struct reconcile_output *out = truth_tick(truth);
        quiet = out->n_actions == 0 ? quiet + 1 : 0;
        cr_assert(quiet == 0 || out->moving + out->begun + out->moves + out->transfers == 0,
                  "nothing is done, and %u are moving, %u begun", out->moving, out->begun);
    }
}

uint32_t truth_replicas_on(struct truth *truth, uint64_t worker) {
    return catalog_worker(&truth->catalog, worker)->n_shards;
}
