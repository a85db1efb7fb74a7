/* The placement driver as a group: three of them, one leads. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/actors/world.h"

static struct world world;
static const ProtobufCMessage *reply;

static void town(uint32_t workers, uint32_t factor) {
    world_open(
        &world,
        &(struct world_options){
            .workers = workers, .gateways = 1, .pds = 3, .factor = factor, .grace_ms = 30 * 1000});
    sim_run(world.sim, 10 * SECOND);
}

/* Of one of several calls, to whoever leads. */
static enum status ask(const ProtobufCMessage *message) {
    int n = world_pd_leader(&world);
    cr_assert_geq(n, 0, "somebody leads");
    return sim_call_on(world.sim, world.pds[n].node, "pd", message, 30 * SECOND, &reply);
}

static enum status create(const char *name, uint64_t timeout_us) {
    return sim_call_on(world.sim, world.gateways[0].node, "router",
                       MESSAGE(RouterCreateCollection, router_create_collection,
                               .name = (char *)name, .dimension = 2, .distance = "dot",
                               .shards = 4),
                       timeout_us, &reply);
}

static enum status erase(const char *name) {
    return sim_call_on(
        world.sim, world.gateways[0].node, "router",
        MESSAGE(RouterDeleteCollection, router_delete_collection, .name = (char *)name),
        10 * SECOND, &reply);
}

static const PdLeader *about(uint32_t n) {
    enum status s = sim_call_on(world.sim, world.pds[n].node, "pd",
                                MESSAGE(PdAskLeader, pd_ask_leader), SECOND, &reply);
    cr_assert_eq(s, STATUS_OK, "%s", sim_words(world.sim));
    return (const PdLeader *)reply;
}

/* Everything that is assigned, as words. */
static void describe(char *out, size_t size) {
    size_t n = 0;
    cr_assert_eq(ask(MESSAGE(PdListShards, pd_list_shards)), STATUS_OK);
    const PdShards *shards = (const PdShards *)reply;
    for (size_t i = 0; i < shards->n_shards; i++)
        for (size_t j = 0; j < shards->shards[i]->n_replicas; j++) {
            const PdReplicaState *row = shards->shards[i]->replicas[j];
            n += (size_t)snprintf(out + n, size - n, "%lu:%lu@%lu ",
                                  (unsigned long)shards->shards[i]->shard,
                                  (unsigned long)row->store_id, (unsigned long)row->worker);
            cr_assert_lt(n, size);
        }
}

static uint32_t other_than(uint32_t n) {
    return n == 0 ? 1 : 0;
}

/* The leader loses its power; another one leads within a few seconds. */
static uint32_t depose(uint32_t patience_s) {
    int old = world_pd_leader(&world);
    cr_assert_geq(old, 0);
    world_pd_crash(&world, (uint32_t)old);
    for (uint32_t i = 0; i < patience_s; i++) {
        sim_run(world.sim, SECOND);
        if (world_pd_leader(&world) >= 0) return (uint32_t)old;
    }
    cr_assert_fail("nobody leads");
    return 0;
}

Test(drivers, another_leads_when_the_leader_dies_and_nothing_moves) {
    char before[4096], after[4096];
    town(4, 3);
    cr_assert_eq(create("docs", 30 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
    describe(before, sizeof before);
    uint32_t old = depose(5);
    sim_run(world.sim, 8 * SECOND); /* workers beat the new one */
    cr_assert_eq(ask(MESSAGE(PdListWorkers, pd_list_workers)), STATUS_OK);
    const PdWorkers *workers = (const PdWorkers *)reply;
    cr_expect_eq(workers->n_workers, 4);
    for (size_t i = 0; i < workers->n_workers; i++)
        cr_expect_str_eq(workers->workers[i]->state, "ready");
    cr_expect_eq(create("more", 30 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
    cr_expect_eq(erase("more"), STATUS_OK, "%s", sim_words(world.sim));
    sim_run(world.sim, 60 * SECOND); /* beyond the grace */
    describe(after, sizeof after);
    cr_expect_str_eq(before, after, "nobody was taken for dead");
    world_pd_start(&world, old);
    sim_run(world.sim, 5 * SECOND);
    const PdLeader *returned = about(old);
    cr_expect_neq(returned->leader, old + 1);
    cr_expect_eq(returned->n_members, 3);
    cr_expect_eq(returned->applied, returned->commit, "it has caught up");
    world_close(&world);
}

Test(drivers, each_of_them_knows_the_others_and_who_leads) {
    town(1, 1);
    int leader = world_pd_leader(&world);
    cr_assert_geq(leader, 0);
    for (uint32_t i = 0; i < 3; i++) {
        const PdLeader *said = about(i);
        cr_expect_eq(said->leader, (uint64_t)leader + 1);
        cr_expect_eq(said->member, i + 1);
        cr_expect_str_eq(said->link, world.pds[leader].link);
        cr_expect_eq(said->n_members, 3);
    }
    uint32_t follower = other_than((uint32_t)leader);
    /* What its own process asks goes to the leader. */
    enum status s = sim_call_on(world.sim, world.pds[follower].node, "pd",
                                MESSAGE(PdListWorkers, pd_list_workers), SECOND, &reply);
    cr_expect_eq(s, STATUS_OK, "%s", sim_words(world.sim));
    world_close(&world);
}

Test(drivers, a_creation_outlives_the_leader_that_began_it) {
    town(3, 3);
    world_worker_stop(&world, 2);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "docs%d", i);
        cr_expect_neq(create(name, SECOND / 100), STATUS_OK, "it is not there yet");
        uint32_t old = depose(5);
        world_pd_start(&world, old);
        sim_run(world.sim, 5 * SECOND);
    }
    world_worker_start(&world, 2);
    sim_run(world.sim, 60 * SECOND);
    cr_assert_eq(ask(MESSAGE(PdListCollections, pd_list_collections)), STATUS_OK);
    const PdCollections *list = (const PdCollections *)reply;
    for (size_t i = 0; i < list->n_names; i++) { /* what there is works, the other names are free */
        char name[16];
        snprintf(name, sizeof name, "%s", list->names[i]);
        cr_expect_eq(erase(name), STATUS_OK, "%s", sim_words(world.sim));
    }
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "docs%d", i);
        cr_expect_eq(create(name, 30 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
    }
    world_close(&world);
}

Test(drivers, one_answer_of_a_creation_that_is_asked_for_twice) {
    town(3, 3);
    const ProtobufCMessage *question =
        MESSAGE(PdCreateCollection, pd_create_collection, .name = "docs", .dimension = 2,
                .distance = "dot", .shards = 2, .token = 77);
    cr_assert_eq(ask(question), STATUS_OK);
    uint32_t old = depose(5);
    cr_expect_eq(ask(question), STATUS_OK, "the same creation, of another leader: %s",
                 sim_words(world.sim));
    cr_expect_eq(ask(MESSAGE(PdCreateCollection, pd_create_collection, .name = "docs",
                             .dimension = 2, .distance = "dot", .shards = 2, .token = 78)),
                 STATUS_EXISTS);
    world_pd_start(&world, old);
    world_close(&world);
}

Test(drivers, a_creation_that_was_long_on_its_way_does_not_bring_back_what_was_deleted) {
    town(3, 3);
    const ProtobufCMessage *question =
        MESSAGE(PdCreateCollection, pd_create_collection, .name = "docs", .dimension = 2,
                .distance = "dot", .shards = 2, .token = 77);
    cr_assert_eq(ask(question), STATUS_OK);
    cr_assert_eq(erase("docs"), STATUS_OK);
    cr_expect_eq(ask(question), STATUS_OK, "it was: %s", sim_words(world.sim));
    uint32_t old = depose(5);
    cr_expect_eq(ask(question), STATUS_OK, "another leader: %s", sim_words(world.sim));
    cr_assert_eq(ask(MESSAGE(PdListCollections, pd_list_collections)), STATUS_OK);
    cr_expect_eq(((const PdCollections *)reply)->n_names, 0, "and is no more");
    world_pd_start(&world, old);
    world_close(&world);
}

Test(drivers, a_deletion_that_was_long_on_its_way_does_not_delete_what_was_made_since) {
    town(3, 3);
    const ProtobufCMessage *question =
        MESSAGE(PdDeleteCollection, pd_delete_collection, .name = "docs", .token = 5);
    cr_assert_eq(create("docs", 30 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
    cr_assert_eq(ask(question), STATUS_OK);
    cr_assert_eq(create("docs", 30 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
    cr_expect_eq(ask(question), STATUS_OK, "it did: %s", sim_words(world.sim));
    uint32_t old = depose(5);
    cr_expect_eq(ask(question), STATUS_OK, "another leader: %s", sim_words(world.sim));
    cr_assert_eq(ask(MESSAGE(PdListCollections, pd_list_collections)), STATUS_OK);
    cr_expect_eq(((const PdCollections *)reply)->n_names, 1, "another one of this name");
    world_pd_start(&world, old);
    cr_expect_eq(erase("docs"), STATUS_OK, "%s", sim_words(world.sim));
    world_close(&world);
}

/* More than the log keeps behind a snapshot. */
static void make_history(uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(create("brief", 20 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
        cr_assert_eq(erase("brief"), STATUS_OK, "%s", sim_words(world.sim));
        sim_trace_clear(world.sim);
    }
}

Test(drivers, one_that_is_far_behind_gets_a_snapshot) {
    town(1, 1);
    cr_assert_eq(create("docs", 20 * SECOND), STATUS_OK);
    int leader = world_pd_leader(&world);
    uint32_t late = other_than((uint32_t)leader);
    world_pd_crash(&world, late);
    make_history(900); /* three entries each: snapshots after 1,000, and so much is kept */
    world_pd_start(&world, late);
    sim_run(world.sim, 10 * SECOND);
    const PdLeader *said = about(late);
    cr_expect_eq(said->applied, said->commit);
    cr_expect_gt(said->applied, 2700);
    struct log_state state;
    cr_assert_eq(log_store_state(world.pds[late].log, PD_STORE_ID, &state), STATUS_OK);
    cr_expect_gt(state.first, 1000, "its own log began with the first entry");
    /* What it was sent is all there is to know, also after a loss of power; then it leads. */
    world_pd_crash(&world, late);
    world_pd_start(&world, late);
    sim_run(world.sim, 3 * SECOND);
    cr_assert_eq(ask(MESSAGE(PdChangeMember, pd_change_member, .step = 2, .member = late + 1)),
                 STATUS_OK, "%s", sim_words(world.sim));
    sim_run(world.sim, 8 * SECOND);
    cr_assert_eq(world_pd_leader(&world), (int)late);
    cr_expect_eq(create("docs", 20 * SECOND), STATUS_EXISTS);
    cr_expect_eq(create("more", 20 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
    world_close(&world);
}

Test(drivers, one_that_lost_its_disk_stays_out_and_is_replaced) {
    town(1, 1);
    cr_assert_eq(create("docs", 20 * SECOND), STATUS_OK);
    int leader = world_pd_leader(&world);
    uint32_t lost = other_than((uint32_t)leader);
    world_pd_crash(&world, lost);
    world_pd_wipe(&world, lost);
    world_pd_start(&world, lost);
    sim_run(world.sim, 5 * SECOND);
    enum status s = sim_call_on(world.sim, world.pds[lost].node, "pd",
                                MESSAGE(PdAskLeader, pd_ask_leader), SECOND, &reply);
    cr_expect_eq(s, STATUS_QUARANTINED, "%s", sim_words(world.sim));
    cr_expect(strstr(sim_words(world.sim), "is gone"), "%s", sim_words(world.sim));
    /* One at a time: the old one goes, a new one comes under an id of its own. */
    world_pd_crash(&world, lost);
    cr_assert_eq(ask(MESSAGE(PdChangeMember, pd_change_member, .step = 1, .member = lost + 1)),
                 STATUS_OK, "%s", sim_words(world.sim));
    sim_run(world.sim, 2 * SECOND);
    world.pds[lost].member = 9;
    world_pd_wipe(&world, lost);
    world_pd_start(&world, lost);
    cr_expect_eq(ask(MESSAGE(PdChangeMember, pd_change_member, .step = 0, .member = lost + 1,
                             .link = world.pds[lost].link)),
                 STATUS_EXISTS, "an id is never used twice");
    cr_assert_eq(ask(MESSAGE(PdChangeMember, pd_change_member, .step = 0, .member = 9,
                             .link = world.pds[lost].link)),
                 STATUS_OK, "%s", sim_words(world.sim));
    sim_run(world.sim, 10 * SECOND);
    const PdLeader *said = about(lost);
    cr_assert_eq(said->n_members, 3);
    for (size_t i = 0; i < 3; i++)
        cr_expect_str_neq(said->members[i]->role, "learner");
    cr_expect_eq(said->applied, said->commit);
    /* It counts: with it the group lives through the loss of the leader. */
    depose(5);
    sim_run(world.sim, 8 * SECOND);
    cr_expect_eq(create("more", 20 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
    world_close(&world);
}

Test(drivers, the_leader_hands_over_before_it_is_removed) {
    town(1, 1);
    int leader = world_pd_leader(&world);
    const ProtobufCMessage *question =
        MESSAGE(PdChangeMember, pd_change_member, .step = 1, .member = (uint64_t)leader + 1);
    cr_expect_eq(ask(question), STATUS_NOT_LEADER);
    sim_run(world.sim, 5 * SECOND);
    int heir = world_pd_leader(&world);
    cr_assert_neq(heir, leader);
    cr_expect_eq(ask(question), STATUS_OK, "%s", sim_words(world.sim));
    sim_run(world.sim, 3 * SECOND);
    cr_expect_eq(about((uint32_t)heir)->n_members, 2);
    world_close(&world);
}

/* Its first vote is gone with the disk: a second one could make two leaders of one term. */
Test(drivers, a_founder_that_lost_its_disk_votes_no_more_whoever_leads) {
    town(3, 3);
    world_worker_stop(&world, 2);
    cr_assert_eq(create("docs", 10 * SECOND), STATUS_OK, "two of three found it");
    world_worker_crash(&world, 0);
    world_worker_wipe(&world, 0);
    uint32_t old = depose(5);
    sim_trace_clear(world.sim);
    world_worker_start(&world, 0);
    sim_run(world.sim, 4 * SECOND);
    cr_expect(strstr(sim_trace(world.sim), "the data this replica had is gone"));
    cr_expect_not(strstr(sim_trace(world.sim), "2:shard/1   term"), "it is a founder again");
    world_pd_start(&world, old);
    world_close(&world);
}

/* The leader's disk is full, or refuses everything. */
static uint32_t break_the_leaders_disk(const struct kv_faults *faults) {
    int leader = world_pd_leader(&world);
    cr_assert_geq(leader, 0);
    kv_memory_set_faults(world.pds[leader].log_disk, faults);
    enum status s = create("docs", 20 * SECOND); /* asked again until somebody can write */
    cr_expect_eq(s, STATUS_OK, "%s", sim_words(world.sim));
    cr_expect_neq(world_pd_leader(&world), leader);
    return (uint32_t)leader;
}

/* It has all there is again, and leads when it is asked to. */
static void mend_the_disk(uint32_t n) {
    kv_memory_set_faults(world.pds[n].log_disk, &(struct kv_faults){.seed = 1});
    sim_run(world.sim, 5 * SECOND);
    const PdLeader *said = about(n);
    cr_expect_eq(said->applied, said->commit);
    cr_assert_eq(ask(MESSAGE(PdChangeMember, pd_change_member, .step = 2, .member = n + 1)),
                 STATUS_OK, "%s", sim_words(world.sim));
    sim_run(world.sim, 8 * SECOND);
    cr_expect_eq(world_pd_leader(&world), (int)n);
    cr_expect_eq(create("more", 20 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
}

Test(drivers, one_with_a_full_disk_hands_leadership_over_and_says_so) {
    town(3, 3);
    uint32_t n = break_the_leaders_disk(&(struct kv_faults){.seed = 1, .capacity_bytes = 1});
    sim_run(world.sim, 30 * SECOND);
    cr_expect(strstr(sim_trace(world.sim), "leads nobody, until there is space"));
    cr_expect_eq(erase("docs"), STATUS_OK, "%s", sim_words(world.sim));
    mend_the_disk(n);
    cr_expect(strstr(sim_trace(world.sim), "writes again"));
    world_close(&world);
}

Test(drivers, one_with_a_broken_disk_leads_no_more_and_says_so) {
    town(3, 3);
    uint32_t n = break_the_leaders_disk(&(struct kv_faults){.seed = 1, .fail_write_ppm = 1000000});
    cr_expect(strstr(sim_trace(world.sim), "metadata log: "));
    cr_expect_eq(erase("docs"), STATUS_OK, "%s", sim_words(world.sim));
    mend_the_disk(n);
    world_close(&world);
}

Test(drivers, one_alone_with_a_full_disk_waits_for_space) {
    world_open(&world, &(struct world_options){.workers = 1, .gateways = 1});
    sim_run(world.sim, 10 * SECOND);
    kv_memory_set_faults(world.pds[0].log_disk,
                         &(struct kv_faults){.seed = 1, .capacity_bytes = 1});
    for (int i = 0; i < 2; i++) /* what is in the log already would meet the second one there */
        cr_expect_eq(create("docs", 3 * SECOND), STATUS_DISK_FULL, "%s", sim_words(world.sim));
    kv_memory_set_faults(world.pds[0].log_disk, &(struct kv_faults){.seed = 1});
    sim_run(world.sim, 3 * SECOND);
    enum status s = create("docs", 20 * SECOND); /* what was refused is in the log, and may come */
    cr_expect(s == STATUS_OK || s == STATUS_EXISTS, "%s", sim_words(world.sim));
    cr_expect_eq(create("more", 20 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
    world_close(&world);
}

Test(drivers, a_minority_answers_nobody) {
    town(1, 1);
    int leader = world_pd_leader(&world);
    for (uint32_t i = 0; i < 3; i++)
        if ((int)i != leader) world_pd_crash(&world, i);
    sim_run(world.sim, 5 * SECOND);
    enum status s = sim_call_on(world.sim, world.pds[leader].node, "pd",
                                MESSAGE(PdListCollections, pd_list_collections), SECOND, &reply);
    cr_expect_eq(s, STATUS_NOT_LEADER, "%s", status_name(s));
    for (uint32_t i = 0; i < 3; i++)
        if ((int)i != leader) world_pd_start(&world, i);
    sim_run(world.sim, 8 * SECOND);
    cr_expect_eq(create("docs", 20 * SECOND), STATUS_OK, "%s", sim_words(world.sim));
    world_close(&world);
}

Test(drivers, one_alone_is_ready_at_once) {
    world_open(&world, &(struct world_options){.workers = 1, .gateways = 1});
    uint64_t began = sim_now_us(world.sim);
    enum status s;
    do {
        sim_run(world.sim, 1000);
        s = sim_call_on(world.sim, 1, "pd", MESSAGE(PdListCollections, pd_list_collections), SECOND,
                        &reply);
    } while (s == STATUS_NOT_READY && sim_now_us(world.sim) < began + SECOND);
    cr_expect_eq(s, STATUS_OK, "%s", sim_words(world.sim));
    cr_expect_lt(sim_now_us(world.sim) - began, 20 * 1000);
    world_close(&world);
}
