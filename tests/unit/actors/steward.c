/* The placement driver itself, with its log, in the simulator; the workers are puppets: keepers
 * that register, beat and open what they are told, and shards that know of their group only who is
 * in it and who leads. What is true of a group is shared by all of them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "actors/log/log.h"
#include "actors/pd/pd.h"
#include "runtime/sim/sim.h"
#include "schemas/pd.pb-c.h"
#include "schemas/runtime.pb-c.h"
#include "schemas/shard.pb-c.h"

enum {
    SECOND = 1000 * 1000,
    WORKERS = 5,
    SHARDS_MAX = 16,
    MEMBERS_MAX = 12,
    KEPT_MAX = 64,
};

struct seat {
    uint32_t nth; /* of the workers; its node is nth + 2 */
    bool up;
    uint64_t worker; /* its id; 0: not registered */
    struct {
        uint64_t shard, store_id;
        actor_handle actor;
    } kept[KEPT_MAX];
    uint32_t n;
    char link[32];
};

struct group {
    struct {
        uint64_t id;
        uint32_t seat;
        bool voter;
    } members[MEMBERS_MAX];
    uint32_t n;
    uint64_t leader, term;
    uint32_t refused; /* steps, so far */
};

static struct seat seats[WORKERS];
static struct group groups[SHARDS_MAX + 1];
static struct sim *sim;
static struct kv *disk;
static struct log_store *store;
static struct log_options log_options;
static struct pd_options pd_options;
static const ProtobufCMessage *reply;

/* --- groups
 * ---------------------------------------------------------------------------------------------- */

static bool runs(const struct group *group, uint32_t nth, uint64_t shard) {
    const struct seat *seat = &seats[group->members[nth].seat];
    for (uint32_t i = 0; seat->up && i < seat->n; i++)
        if (seat->kept[i].shard == shard && seat->kept[i].store_id == group->members[nth].id)
            return true;
    return false;
}

static uint32_t voters(uint64_t shard, bool running) {
    const struct group *group = &groups[shard];
    uint32_t n = 0;
    for (uint32_t i = 0; i < group->n; i++)
        n += group->members[i].voter && (!running || runs(group, i, shard));
    return n;
}

static void elect(uint64_t shard) {
    struct group *group = &groups[shard];
    uint32_t heir = group->n;
    for (uint32_t i = 0; i < group->n; i++) {
        if (!group->members[i].voter || !runs(group, i, shard)) continue;
        if (group->members[i].id == group->leader) return;
        heir = i;
    }
    bool quorum = heir < group->n && voters(shard, true) > voters(shard, false) / 2;
    group->leader = quorum ? group->members[heir].id : 0;
    if (quorum) group->term++;
}

static uint32_t seat_at(const char *link) {
    for (uint32_t i = 0; i < WORKERS; i++)
        if (!strcmp(seats[i].link, link)) return i;
    cr_assert_fail("nobody is at '%s'", link);
    return 0;
}

static void join(struct group *group, uint64_t id, const char *address, bool voter) {
    cr_assert_lt(group->n, MEMBERS_MAX);
    group->members[group->n].id = id;
    group->members[group->n].seat = seat_at(address);
    group->members[group->n++].voter = voter;
}

/* --- shards
 * ---------------------------------------------------------------------------------------------- */

struct part {
    uint64_t shard, store_id;
};

#define PART_ACCEPTS(X) X(struct part, ShardChange, shard_change, on_change)
ACTOR_HANDLERS(part_handlers, PART_ACCEPTS);

static enum status on_change(struct part *self, const ShardChange *msg, struct turn *turn) {
    struct group *group = &groups[self->shard];
    if (group->leader != self->store_id)
        return turn_fail(turn, STATUS_NOT_LEADER, "replica %lu leads",
                         (unsigned long)group->leader);
    if (group->refused++ % 4 == 0) return turn_fail(turn, STATUS_NOT_READY, "catching up");
    uint32_t at = 0;
    while (at < group->n && group->members[at].id != msg->replica)
        at++;
    if (msg->step == 0) {
        if (at < group->n) return turn_fail(turn, STATUS_EXISTS, "a member");
        join(group, msg->replica, msg->address, false);
        return STATUS_OK;
    }
    if (at == group->n) return turn_fail(turn, STATUS_NOT_FOUND, "no member");
    if (msg->step == 1) group->members[at].voter = true;
    if (msg->step == 2) {
        cr_assert_neq(msg->replica, group->leader, "the leader is removed");
        group->members[at] = group->members[--group->n];
        cr_assert_gt(voters(self->shard, true), voters(self->shard, false) / 2);
    }
    if (msg->step == 3) {
        cr_assert(group->members[at].voter);
        group->leader = msg->replica;
        group->term++;
    }
    return STATUS_OK;
}

static enum status part_open(void *actor, const void *options, struct turn *turn) {
    (void)turn;
    *(struct part *)actor = *(const struct part *)options;
    return STATUS_OK;
}

static const struct actor_type part_type = {
    .kind = "part", .size = sizeof(struct part), .handlers = part_handlers, .open = part_open};

/* --- keepers
 * --------------------------------------------------------------------------------------------- */

struct puppet {
    struct seat *seat;
    actor_handle pd;
    bool beating, again;
};

#define PUPPET_ACCEPTS(X) X(struct puppet, KeeperWake, keeper_wake, on_wake)
ACTOR_HANDLERS(puppet_handlers, PUPPET_ACCEPTS);

static void beat(void *actor, void *context, struct turn *turn);
static void look_up(void *actor, void *context, struct turn *turn);

static enum status on_wake(struct puppet *self, const KeeperWake *msg, struct turn *turn) {
    (void)msg;
    self->again = true;
    if (self->pd && self->seat->worker) beat(self, NULL, turn);
    return STATUS_OK;
}

static struct part parts[WORKERS][KEPT_MAX];

static void keep(struct seat *seat, const PdAssignment *given, struct turn *turn) {
    struct group *group = &groups[given->shard];
    cr_assert_lt(seat->n, KEPT_MAX);
    for (size_t i = 0; group->n == 0 && given->founder && i < given->n_founders; i++) {
        for (size_t j = 0; j < given->n_founders; j++)
            join(group, given->founders[j]->id, given->founders[j]->address, true);
    }
    struct part *part = &parts[seat->nth][given->shard];
    char name[32];
    snprintf(name, sizeof name, "shard/%lu", (unsigned long)given->shard);
    *part = (struct part){given->shard, given->store_id};
    seat->kept[seat->n].shard = given->shard;
    seat->kept[seat->n].store_id = given->store_id;
    cr_assert_eq(turn_spawn(turn,
                            &(struct spawn){.type = &part_type, .name = name, .options = part},
                            &seat->kept[seat->n].actor),
                 STATUS_OK);
    seat->n++;
}

static bool is_given(const PdAssignments *list, uint64_t shard, uint64_t store_id) {
    for (size_t i = 0; i < list->n_assignments; i++)
        if (list->assignments[i]->shard == shard && list->assignments[i]->store_id == store_id)
            return true;
    return false;
}

static void obey(struct seat *seat, const PdAssignments *list, struct turn *turn) {
    for (uint32_t i = 0; i < seat->n;) {
        if (is_given(list, seat->kept[i].shard, seat->kept[i].store_id)) {
            i++;
            continue;
        }
        turn_stop(turn, seat->kept[i].actor);
        seat->kept[i] = seat->kept[--seat->n];
    }
    for (size_t i = 0; i < list->n_assignments; i++) {
        bool there = false;
        for (uint32_t j = 0; j < seat->n; j++)
            there |= seat->kept[j].shard == list->assignments[i]->shard;
        if (!there) keep(seat, list->assignments[i], turn);
    }
}

static void
on_beaten(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct puppet *self = actor;
    (void)context;
    const PdAssignments *list = outcome_as(outcome, PdAssignments, pd_assignments);
    self->beating = false;
    if (!list) {
        self->pd = 0;
        look_up(self, NULL, turn);
        return;
    }
    uint32_t before = self->seat->n;
    obey(self->seat, list, turn);
    if (self->again || before != self->seat->n) beat(self, NULL, turn);
}

static void report(const struct seat *seat, PdBeat *out, struct turn *turn) {
    out->shards = turn_alloc(turn, (seat->n + 1) * sizeof *out->shards);
    for (uint32_t i = 0; i < seat->n; i++) {
        uint64_t shard = seat->kept[i].shard;
        elect(shard);
        const struct group *group = &groups[shard];
        PdBeatShard *said = turn_new(turn, PdBeatShard, pd_beat_shard);
        said->shard = shard;
        said->store_id = seat->kept[i].store_id;
        said->state = "serving";
        said->term = group->term;
        said->leader = group->leader;
        said->is_leader = group->leader == said->store_id;
        said->members = turn_alloc(turn, MEMBERS_MAX * sizeof *said->members);
        for (uint32_t j = 0; said->is_leader && j < group->n; j++) {
            PdBeatMember *member = turn_new(turn, PdBeatMember, pd_beat_member);
            member->id = group->members[j].id;
            member->voter = group->members[j].voter;
            said->members[said->n_members++] = member;
        }
        out->shards[out->n_shards++] = said;
    }
}

static void beat(void *actor, void *context, struct turn *turn) {
    struct puppet *self = actor;
    (void)context;
    if (self->beating || !self->pd) return;
    PdBeat message = PD_BEAT__INIT;
    message.worker = self->seat->worker;
    report(self->seat, &message, turn);
    self->beating = true;
    self->again = false;
    turn_call(turn, &(struct call){.to = self->pd,
                                   .message = &message.base,
                                   .done = on_beaten,
                                   .deadline_us = turn_now_us(turn) + 2 * SECOND});
}

static void tick(void *actor, void *context, struct turn *turn) {
    beat(actor, context, turn);
    turn_timer(turn, SECOND, tick, NULL);
}

static void
on_registered(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct puppet *self = actor;
    (void)context;
    const PdRegistered *answer = outcome_as(outcome, PdRegistered, pd_registered);
    if (!answer) {
        look_up(self, NULL, turn);
        return;
    }
    self->seat->worker = answer->worker;
    beat(self, NULL, turn);
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct puppet *self = actor;
    (void)context;
    if (outcome->status != STATUS_OK) {
        turn_timer(turn, SECOND / 5, look_up, NULL);
        return;
    }
    self->pd = outcome->handle;
    PdRegister facts = PD_REGISTER__INIT;
    facts.link = self->seat->link;
    turn_call(turn, &(struct call){.to = self->pd,
                                   .message = &facts.base,
                                   .done = on_registered,
                                   .deadline_us = turn_now_us(turn) + SECOND});
}

static void look_up(void *actor, void *context, struct turn *turn) {
    (void)actor;
    (void)context;
    turn_lookup(turn, &(struct lookup){.address = "sim://1", .name = "pd", .done = on_found});
}

static enum status puppet_open(void *actor, const void *options, struct turn *turn) {
    struct puppet *self = actor;
    self->seat = *(struct seat *const *)options;
    look_up(self, NULL, turn);
    turn_timer(turn, SECOND, tick, NULL);
    return STATUS_OK;
}

static const struct actor_type puppet_type = {.kind = "puppet",
                                              .size = sizeof(struct puppet),
                                              .handlers = puppet_handlers,
                                              .open = puppet_open};

/* --- the town
 * ---------------------------------------------------------------------------------------------- */

static struct seat *seat_options[WORKERS];

static void worker_start(uint32_t nth) {
    struct seat *seat = &seats[nth];
    *seat = (struct seat){.nth = nth, .up = true, .n = 0};
    snprintf(seat->link, sizeof seat->link, "sim://%u", nth + 2);
    seat_options[nth] = seat;
    cr_assert_neq(sim_spawn_on(sim, nth + 2, "keeper", &puppet_type, &seat_options[nth]), 0);
}

static void worker_stop(uint32_t nth) {
    seats[nth].up = false;
    sim_stop_on(sim, nth + 2, "keeper");
}

static void pd_start(void) {
    struct kv *kv = kv_memory_share(disk);
    cr_assert_eq(log_store_open(&kv, &store), STATUS_OK);
    log_options = (struct log_options){.store = store};
    pd_options = (struct pd_options){
        .log = store, .default_shards = 6, .factor = 3, .factor_max = 5, .grace_ms = 30 * 1000};
    cr_assert_neq(sim_spawn_on(sim, 1, "log", &log_type, &log_options), 0);
    cr_assert_neq(sim_spawn_on(sim, 1, "pd", &pd_type, &pd_options), 0);
}

static void pd_stop(void) {
    sim_stop(sim, "pd");
    sim_stop(sim, "log");
    sim_run(sim, 1000);
    log_store_close(store);
}

static void set_up(void) {
    memset(groups, 0, sizeof groups);
    sim = sim_open(&(struct sim_options){
        .seed = 7, .nodes = WORKERS + 1, .delay_us_min = 20, .delay_us_max = 200, .shuffle = true});
    cr_assert_eq(kv_memory_open(&(struct kv_options){.path = "log", .wal = true},
                                &(struct kv_faults){.seed = 1}, &disk),
                 STATUS_OK);
    pd_start();
    for (uint32_t i = 0; i < WORKERS; i++)
        if (i < 4) worker_start(i);
    sim_run(sim, 2 * SECOND);
}

static void tear_down(void) {
    for (uint32_t i = 0; i < WORKERS; i++)
        if (seats[i].up) worker_stop(i);
    pd_stop();
    sim_close(&sim);
    kv_close(disk);
    memset(seats, 0, sizeof seats);
}

TestSuite(steward, .init = set_up, .fini = tear_down);

static enum status ask(const ProtobufCMessage *message) {
    return sim_call(sim, "pd", message, 30 * SECOND, &reply);
}

static void create(const char *name, uint32_t replicas) {
    cr_assert_eq(ask(MESSAGE(PdCreateCollection, pd_create_collection, .name = (char *)name,
                             .dimension = 2, .distance = "dot", .replicas = replicas)),
                 STATUS_OK, "%s", sim_words(sim));
}

static const PdWorkers *workers(void) {
    cr_assert_eq(ask(MESSAGE(PdListWorkers, pd_list_workers)), STATUS_OK);
    return (const PdWorkers *)reply;
}

static const PdWorker *worker(uint32_t nth) {
    const PdWorkers *list = workers();
    for (size_t i = 0; i < list->n_workers; i++)
        if (list->workers[i]->worker == seats[nth].worker) return list->workers[i];
    cr_assert_fail("worker %u is not listed", nth);
    return NULL;
}

static const PdLeader *leader(void) {
    cr_assert_eq(ask(MESSAGE(PdAskLeader, pd_ask_leader)), STATUS_OK);
    return (const PdLeader *)reply;
}

/* Until nothing is short, leaderless or moving. */
static void rest(uint32_t seconds) {
    for (uint32_t i = 0; i < seconds; i++) {
        const PdLeader *state = leader();
        if (state->short_of + state->leaderless + state->moving == 0) return;
        sim_run(sim, SECOND);
    }
    cr_assert_fail("%u short, %u leaderless, %u moving", leader()->short_of, leader()->leaderless,
                   leader()->moving);
}

static void expect_voters(uint32_t n) {
    for (uint64_t shard = 1; shard <= 6; shard++)
        cr_expect(voters(shard, true) == n && voters(shard, false) == n,
                  "shard %lu has %u voters, %u of them run", (unsigned long)shard,
                  voters(shard, false), voters(shard, true));
}

Test(steward, founds_groups_of_the_factor_on_workers_of_their_own) {
    create("docs", 0);
    expect_voters(3);
    for (uint32_t i = 0; i < 4; i++) {
        const PdWorker *row = worker(i);
        cr_expect(row->shards == 4 || row->shards == 5, "%u", row->shards);
        cr_expect_str_eq(row->state, "ready");
    }
    cr_assert_eq(ask(MESSAGE(PdListShards, pd_list_shards, .collection = "docs")), STATUS_OK);
    const PdShards *shards = (const PdShards *)reply;
    cr_assert_eq(shards->n_shards, 6);
    cr_expect_str_eq(shards->shards[0]->state, "ready");
    cr_expect_eq(shards->shards[0]->n_replicas, 3);
    cr_expect_eq(ask(MESSAGE(PdCreateCollection, pd_create_collection, .name = "x", .dimension = 2,
                             .distance = "dot", .replicas = 6)),
                 STATUS_INVALID);
}

static enum status beats(uint64_t id, uint64_t number) {
    return ask(MESSAGE(PdBeat, pd_beat, .worker = id, .number = number));
}

/* A beat that came late took a voter back that its leader had taken in since: its row was dropped,
 * the next disk that was lost was one too many (vectron-sim, copies-hard, seed 1447). */
Test(steward, hears_no_beat_behind_a_later_one_nor_of_an_earlier_keeper) {
    cr_assert_eq(ask(MESSAGE(PdRegister, pd_register, .link = "sim://99")), STATUS_OK);
    uint64_t id = ((const PdRegistered *)reply)->worker;
    cr_expect_eq(beats(id, 2), STATUS_OK, "%s", sim_words(sim));
    cr_expect_eq(beats(id, 1), STATUS_EXPIRED);
    cr_expect_eq(beats(id, 2), STATUS_EXPIRED);
    cr_expect_eq(beats(id, 3), STATUS_OK);
    cr_expect_eq(beats(seats[0].worker, 9), STATUS_NOT_FOUND, "another keeper is that worker");
    sim_run(sim, 2 * SECOND);
    cr_expect_str_eq(worker(0)->state, "ready");
}

Test(steward, makes_anew_what_a_dead_worker_kept) {
    create("docs", 0);
    worker_stop(1);
    sim_run(sim, 20 * SECOND);
    cr_expect_str_eq(worker(1)->state, "suspected");
    sim_run(sim, 20 * SECOND);
    cr_expect_str_eq(worker(1)->state, "dead");
    rest(60);
    expect_voters(3);
    cr_expect_eq(worker(1)->shards, 0);
    uint64_t id = seats[1].worker;
    cr_assert_eq(ask(MESSAGE(PdRemove, pd_remove, .worker = id)), STATUS_OK);
    sim_run(sim, 5 * SECOND);
    cr_expect_eq(workers()->n_workers, 3);
    worker_start(1); /* under the same address: somebody new */
    sim_run(sim, 30 * SECOND);
    cr_expect_neq(seats[1].worker, id);
    rest(60);
    cr_expect_geq(worker(1)->shards, 4, "it takes its share: %u", worker(1)->shards);
    expect_voters(3);
}

static uint32_t n_done;

static void
on_drained(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)turn;
    cr_expect_eq(outcome->status, STATUS_OK, "%s", outcome->text);
    n_done++;
}

/* Three orders in one turn: each finds the ones before it on their way to the log. */
static void order_drains(void *self, void *context, struct turn *turn) {
    const bool *stops = context;
    (void)self;
    for (int i = 0; i < 3; i++) {
        PdDrain drain = PD_DRAIN__INIT;
        drain.worker = seats[2].worker;
        drain.stop = stops[i];
        turn_call(turn, &(struct call){.to = turn_find(turn, "pd"),
                                       .message = &drain.base,
                                       .done = on_drained,
                                       .deadline_us = turn_now_us(turn) + 5 * SECOND});
    }
}

Test(steward, does_what_was_asked_for_last_of_a_drain) {
    bool ends[] = {true, false, true}, begins[] = {false, true, false};
    create("docs", 1);
    sim_order(sim, order_drains, ends);
    sim_run(sim, 5 * SECOND);
    cr_expect_str_eq(worker(2)->state, "ready");
    sim_order(sim, order_drains, begins);
    sim_run(sim, 5 * SECOND);
    cr_expect_str_neq(worker(2)->state, "ready");
    cr_expect_eq(n_done, 6);
}

Test(steward, drains_and_moves_and_a_new_driver_goes_on_where_the_old_one_stopped) {
    create("docs", 1);
    create("more", 0);
    uint64_t id = seats[2].worker;
    cr_expect_eq(ask(MESSAGE(PdRemove, pd_remove, .worker = id)), STATUS_NOT_READY);
    cr_assert_eq(ask(MESSAGE(PdDrain, pd_drain, .worker = id)), STATUS_OK);
    sim_run(sim, SECOND / 2);
    pd_stop();
    kv_memory_crash(disk);
    pd_start();
    for (int i = 0; i < 90 && strcmp(worker(2)->state, "drained") != 0; i++)
        sim_run(sim, SECOND);
    cr_expect_str_eq(worker(2)->state, "drained", "%u left, %s", worker(2)->shards,
                     worker(2)->waits);
    rest(30);
    cr_assert_eq(ask(MESSAGE(PdDrain, pd_drain, .worker = id, .stop = true)), STATUS_OK);
    rest(60);
    sim_run(sim, 60 * SECOND);
    rest(60);
    cr_expect_geq(worker(2)->shards, 5, "it takes its share again: %u", worker(2)->shards);
    expect_voters(1);
    cr_assert_eq(ask(MESSAGE(PdListShards, pd_list_shards, .collection = "docs")), STATUS_OK);
    const PdShards *shards = (const PdShards *)reply;
    uint64_t shard = shards->shards[0]->shard, from = shards->shards[0]->replicas[0]->worker;
    uint64_t to = from == seats[0].worker ? seats[1].worker : seats[0].worker;
    cr_expect_eq(ask(MESSAGE(PdMove, pd_move, .shard = shard, .from = to, .to = from)),
                 STATUS_INVALID);
    cr_assert_eq(ask(MESSAGE(PdMove, pd_move, .shard = shard, .from = from, .to = to)), STATUS_OK,
                 "%s", sim_words(sim));
    rest(30);
    cr_assert_eq(ask(MESSAGE(PdListShards, pd_list_shards, .after = shard - 1)), STATUS_OK);
    shards = (const PdShards *)reply;
    cr_assert_eq(shards->shards[0]->n_replicas, 1);
    cr_expect_gt(shards->shards[0]->epoch, 1, "routers with old routes are told so");
    cr_expect_eq(ask(MESSAGE(PdRebalance, pd_rebalance)), STATUS_OK);
}
