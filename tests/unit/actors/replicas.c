/* Shards with three copies, in simulated processes: what survives a leader, a lost disk and a long
 * absence. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actors/shard/shard.h"
#include "runtime/sim/world.h"
#include "schemas/shard.pb-c.h"
#include "schemas/sys.pb-c.h"
#include "tests/unit/actors/world.h"

enum { POINTS = 30, MAILBOX_FULL = 2000 };

static struct world world;

static void create_docs(void) {
    sim_run(world.sim, 10 * SECOND); /* all of them are heard of */
    const ProtobufCMessage *reply;
    enum status s =
        sim_call(world.sim, "router",
                 MESSAGE(RouterCreateCollection, router_create_collection, .name = "docs",
                         .dimension = 2, .distance = "euclidean", .shards = 1, .replicas = 3),
                 60 * SECOND, &reply);
    cr_assert_eq(s, STATUS_OK, "%s %s", status_name(s), world_words(&world));
}

static void open_workers(uint32_t n, uint32_t flush_ms) {
    world_open(&world,
               &(struct world_options){
                   .workers = n, .seed = 5, .grace_ms = 6000, .factor = 3, .flush_ms = flush_ms});
    create_docs();
}

/* The next worker behind `after` that keeps a copy. */
static uint32_t keeps(uint32_t after) {
    for (uint32_t n = after; n < world.n_workers; n++)
        if (registry_find(&world.sim->nodes[world.workers[n].node - 1].core.registry, "shard/1"))
            return n;
    cr_assert_fail("nobody keeps a copy");
    return 0;
}

static void put(int i) {
    char id[8];
    snprintf(id, sizeof id, "p%d", i);
    enum status s = world_put(&world, "docs", id, (float)i, 0, id);
    cr_assert_eq(s, STATUS_OK, "put %s: %s %s", id, status_name(s), world_words(&world));
}

static size_t found(void) {
    const RouterHits *hits = world_search(&world, "docs", 0, 0, 1000);
    cr_assert(hits, "%s", world_words(&world));
    return hits->n_hits;
}

Test(replicas, a_write_goes_on_when_any_one_worker_falls) {
    open_workers(3, 0);
    int n = 0;
    for (uint32_t victim = 0; victim < 3; victim++) {
        for (int i = 0; i < 5; i++)
            put(n++);
        world_worker_crash(&world, victim);
        for (int i = 0; i < 5; i++)
            put(n++);
        cr_expect_eq(found(), (size_t)n);
        world_worker_start(&world, victim);
        sim_run(world.sim, 5 * SECOND);
    }
    cr_expect_eq(found(), (size_t)n);
    world_close(&world);
}

/* How often somebody began to lead the shard, and who did last, by the trace, which begins with the
 * world. */
static uint32_t elections(uint32_t *leader) {
    const char *trace = sim_trace(world.sim), *at = trace, *last = NULL;
    uint32_t n = 0;
    unsigned node = 0;
    while ((at = strstr(at, " leads\n"))) {
        const char *line = at;
        while (line > trace && line[-1] != '\n')
            line--;
        if (strncmp(strchr(line, ':') + 1, "shard/1 ", 8) == 0) {
            last = line;
            n++;
        }
        at++;
    }
    cr_assert(last && sscanf(last, "%u:", &node) == 1);
    *leader = node - 2;
    return n;
}

static uint32_t leader_worker(void) {
    uint32_t leader;
    elections(&leader);
    return leader;
}

/* … and soon when its machine says that the process has ended: nobody waits for its silence. */
Test(replicas, a_killed_leader_is_followed_at_once) {
    open_workers(3, 0);
    put(0);
    for (int i = 1; i <= 9; i++) {
        uint32_t victim = leader_worker();
        world_worker_kill(&world, victim);
        uint64_t began = sim_now_us(world.sim);
        put(i);
        uint64_t took = sim_now_us(world.sim) - began;
        cr_expect_lt(took, SECOND / 2, "kill %d: %lu ms", i, (unsigned long)(took / 1000));
        world_worker_start(&world, victim);
        sim_run(world.sim, 5 * SECOND);
    }
    world_close(&world);
}

/* Connections that break while both ends live, one of them or all of the leader's, are made anew
 * within a heartbeat; so is a way that carries nothing for a while. Nobody stands for election. */
Test(replicas, a_flapping_link_changes_no_leader) {
    open_workers(3, 0);
    put(0);
    uint32_t leader, again, before = elections(&leader);
    for (uint32_t i = 0; i < 200; i++) {
        for (uint32_t other = 0; other < 3; other++) {
            uint32_t a = world.workers[leader].node, b = world.workers[other].node;
            if (other == leader || (i % 3 != 2 && i % 2 == other % 2)) continue;
            sim_snap(world.sim, a, b);
            if (i % 4 == 0) sim_cut(world.sim, a, b);
        }
        sim_run(world.sim, 50 * 1000);
        for (uint32_t other = 0; other < 3; other++)
            if (other != leader)
                sim_heal(world.sim, world.workers[leader].node, world.workers[other].node);
        sim_run(world.sim, 150 * 1000);
        put((int)i % POINTS);
    }
    uint32_t n = elections(&again) - before;
    cr_expect_eq(n, 0, "%u elections in 200 breaks", n);
    cr_expect_eq(again, leader);
    world_close(&world);
}

/* One that keeps a copy of the shard. */
static uint32_t some_keeper(void) {
    uint32_t n = 0;
    while (!registry_find(&world.sim->nodes[world.workers[n].node - 1].core.registry, "shard/1"))
        n++;
    cr_assert(n < world.n_workers);
    return n;
}

/* --- no majority --- */

static struct {
    enum status said[32];
    uint32_t n;
} told;

static void on_told(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)turn;
    told.said[told.n++] = outcome->status;
}

static void write_one(void *self, void *context, struct turn *turn) {
    (void)self, (void)context;
    RouterPoint point = ROUTER_POINT__INIT, *points[] = {&point};
    float vector[] = {1, 2};
    point.id = "p";
    point.n_vector = 2;
    point.vector = vector;
    turn_call(turn,
              &(struct call){.to = turn_find(turn, "router"),
                             .message = MESSAGE(RouterUpsert, router_upsert, .collection = "docs",
                                                .n_points = 1, .points = points),
                             .done = on_told,
                             .deadline_us = turn_now_us(turn) + 10 * SECOND});
}

/* That there is nobody, not that the shard is slow; and before their time is up, also when a
 * process is being looked for at that moment. */
Test(replicas, writes_to_a_minority_hear_that_nobody_answers) {
    open_workers(3, 0);
    put(0);
    told.n = 0;
    uint32_t first = some_keeper();
    for (uint32_t n = 0; n < 3; n++)
        if (n != first) sim_cut(world.sim, world.workers[n].node, world.workers[first].node);
    for (uint32_t n = 0; n < 3; n++)
        if (n != first) sim_cut(world.sim, world.workers[n].node, 1);
    for (uint32_t i = 0; i < 20; i++) {
        sim_order_on(world.sim, 1, write_one, NULL);
        sim_run(world.sim, 10 * SECOND + i * 50 * 1000);
        cr_assert_eq(told.n, i + 1);
        enum status s = told.said[i];
        cr_expect(s == STATUS_LOST_PEER || s == STATUS_NOT_LEADER || s == STATUS_NOT_READY,
                  "write %u: %s", i, status_name(s));
    }
    world_close(&world);
}

/* --- a full mailbox --- */

static void nothing(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)outcome, (void)turn;
}

static void do_with_shard(void *self, void *context, struct turn *turn) {
    (void)self;
    turn_call(turn, &(struct call){
                        .to = turn_find(turn, "sys"),
                        .message = MESSAGE(SysDo, sys_do, .actor = "shard/1", .action = context),
                        .done = nothing,
                        .deadline_us = turn_now_us(turn) + SECOND});
}

static void fill_mailbox(void *self, void *context, struct turn *turn) {
    (void)self, (void)context;
    for (int i = 0; i < MAILBOX_FULL; i++)
        turn_call(turn, &(struct call){.to = turn_find(turn, "shard/1"),
                                       .message = MESSAGE(ShardGet, shard_get, .id = "p0"),
                                       .done = nothing,
                                       .deadline_us = turn_now_us(turn) + SECOND});
}

/* As routed: its epoch, and the node of one that follows. */
struct seen {
    uint64_t epoch;
    unsigned follower;
};

static struct seen see_shard(void) {
    const ProtobufCMessage *reply;
    enum status s = sim_call(world.sim, "pd", MESSAGE(PdRoute, pd_route, .collection = "docs"),
                             10 * SECOND, &reply);
    cr_assert_eq(s, STATUS_OK, "%s", world_words(&world));
    const PdShard *shard = ((const PdRouting *)reply)->shards[0];
    struct seen seen = {.epoch = shard->epoch};
    for (size_t i = 0; i < shard->n_replicas; i++)
        if (shard->replicas[i]->worker != shard->leader)
            sscanf(shard->replicas[i]->link, "sim://%u", &seen.follower);
    cr_assert_neq(seen.follower, 0);
    return seen;
}

/* The keeper tells a replica its epoch, and nobody answers that: what found a full mailbox comes
 * again with the next beat. */
Test(replicas, one_whose_mailbox_was_full_hears_of_its_epoch_later) {
    const ProtobufCMessage *reply;
    world_open(
        &world,
        &(struct world_options){
            .workers = 3, .searchers = 1, .seed = 5, .factor = 3, .actions = SYS_ACTIONS_TEST});
    world_worker_crash(&world, 3);
    create_docs();
    put(0);
    sim_run(world.sim, 10 * SECOND); /* all there was to say of themselves is said */
    const struct seen before = see_shard();
    uint32_t node = before.follower;
    sim_order_on(world.sim, node, do_with_shard, "pause");
    world_worker_start(&world, 3); /* a learner comes */
    sim_order_on(world.sim, node, fill_mailbox, NULL);
    sim_run(world.sim, SECOND / 5);
    uint64_t epoch = see_shard().epoch;
    cr_assert_eq(epoch, before.epoch + 1);
    sim_order_on(world.sim, node, do_with_shard, "resume");
    sim_run(world.sim, 6 * SECOND); /* beats are 5 s apart */
    cr_assert_eq(see_shard().epoch, epoch);
    enum status s = sim_call_on(
        world.sim, node, "shard/1",
        MESSAGE(ShardGet, shard_get, .epoch = before.epoch, .id = "p0", .consistency = 4), SECOND,
        &reply);
    cr_expect_eq(s, STATUS_STALE_EPOCH, "%s", world_words(&world));
    cr_assert(strstr(sim_trace(world.sim), "shard/1 x ShardEpoch: BUSY"), "it was not full");
    world_close(&world);
}

/* The leader's log is cut once a second, and writes do not rest: what follows a snapshot must come
 * before it is cut, too. */
Test(replicas, a_new_one_catches_up_under_writes_although_the_log_is_short) {
    int n = 0;
    open_workers(4, 500);
    for (int i = 0; i < 5 * POINTS; i++) {
        put(n++ % 20);
        sim_run(world.sim, SECOND / 20);
    }
    uint32_t victim = some_keeper();
    world_worker_crash(&world, victim);
    sim_trace_clear(world.sim);
    for (int i = 0; i < 600 && !strstr(sim_trace(world.sim), "is here: "); i++) {
        put(n++ % 20);
        sim_run(world.sim, SECOND / 20);
    }
    cr_assert(strstr(sim_trace(world.sim), "is here: "), "no snapshot came");
    for (int i = 0; i < 60 && !strstr(sim_trace(world.sim), "is a voter"); i++) {
        put(n++ % 20);
        sim_run(world.sim, SECOND / 20);
    }
    cr_expect(strstr(sim_trace(world.sim), "is a voter"), "three seconds later it is not a voter");
    world_worker_start(&world, victim);
    world_close(&world);
}

/* Log and points may lie on different disks: either of them may be full. */
TestSuite(full_disk);
static void fill_the_leaders_disk(bool points) {
    open_workers(3, 0);
    for (int i = 0; i < 5; i++)
        put(i);
    uint32_t full = leader_worker();
    struct place *place = &world.workers[full];
    struct kv *disk = points ? place->points_disk : place->log_disk;
    kv_memory_set_faults(disk, &(struct kv_faults){.seed = 1, .capacity_bytes = 1});
    enum status s = world_put(&world, "docs", "p5", 5, 0, "p5");
    cr_expect(s == STATUS_OK || s == STATUS_DISK_FULL, "%s", world_words(&world));
    sim_run(world.sim, 2 * SECOND);
    for (int i = 5; i < 10; i++)
        put(i);
    cr_expect_neq(leader_worker(), full);
    cr_expect_eq(found(), 10);
    kv_memory_set_faults(disk, &(struct kv_faults){.seed = 1});
    sim_trace_clear(world.sim);
    sim_run(world.sim, 3 * SECOND);
    cr_expect(strstr(sim_trace(world.sim), "disk_full -> serving"), "it takes writes again");
    world_worker_crash(&world, full == 0 ? 1 : 0); /* now it is needed */
    put(10);
    cr_expect_eq(found(), 11);
    world_close(&world);
}

Test(full_disk, of_the_log_gives_leadership_to_another) {
    fill_the_leaders_disk(false);
}

Test(full_disk, of_the_points_gives_leadership_to_another) {
    fill_the_leaders_disk(true);
}

/* The log is cut twice: what a new replica needs is not in it any more. The one that crashed. */
static uint32_t repair_by_snapshot(void) {
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < POINTS; i++)
            put(round * POINTS + i);
        if (round < 2) sim_run(world.sim, 70 * SECOND);
    }
    uint32_t first = keeps(0);
    sim_trace_clear(world.sim);
    world_worker_crash(&world, first);
    for (int i = 0; i < 60 && !strstr(sim_trace(world.sim), "is a voter"); i++) {
        put(3 * POINTS + i % 10); /* writes go on */
        sim_run(world.sim, SECOND);
    }
    cr_assert(strstr(sim_trace(world.sim), "is here: "), "no snapshot came");
    cr_assert(strstr(sim_trace(world.sim), "is a voter"), "not repaired");
    return first;
}

Test(replicas, a_new_one_gets_a_snapshot_and_counts_from_then_on) {
    open_workers(4, 0);
    uint32_t first = repair_by_snapshot(), second = keeps(first + 1);
    size_t n = found();
    cr_expect_geq(n, 3 * POINTS);
    world_worker_crash(&world, second); /* the new one is needed now */
    put(1000);
    cr_expect_eq(found(), n + 1);
    world_worker_start(&world, first);
    world_worker_start(&world, second);
    world_close(&world);
}

/* How many index files there are, each under the name that a start looks for. */
static int index_files(const char *folder) {
    DIR *files = opendir(folder);
    int n = 0;
    cr_assert(files);
    for (struct dirent *entry; (entry = readdir(files));) {
        char path[128];
        uint64_t id;
        if (entry->d_name[0] == '.') continue;
        cr_assert_eq(sscanf(entry->d_name, "%" SCNu64, &id), 1, "%s", entry->d_name);
        shard_index_path("", shard_store_of(id), path, sizeof path);
        cr_expect_str_eq(entry->d_name, path + 1);
        n++;
    }
    closedir(files);
    return n;
}

/* Its points lie in a store of another generation, which the file's name does not follow. */
Test(replicas, one_that_got_a_snapshot_saves_its_index_where_a_start_looks) {
    enum { CHANGES = 11000 };
    char folder[] = "/tmp/vectron-test-index-XXXXXX";
    cr_assert(mkdtemp(folder));
    world_open(&world,
               &(struct world_options){
                   .workers = 4, .seed = 5, .grace_ms = 6000, .factor = 3, .index_dir = folder});
    create_docs();
    (void)repair_by_snapshot();
    world_put_line(&world, "docs", CHANGES);
    sim_run(world.sim, 30 * SECOND);
    cr_expect_eq(index_files(folder), 3);
    const ProtobufCMessage *reply;
    cr_assert_eq(sim_call(world.sim, "router",
                          MESSAGE(RouterDeleteCollection, router_delete_collection, .name = "docs"),
                          10 * SECOND, &reply),
                 STATUS_OK);
    sim_run(world.sim, 5 * SECOND);
    world_close(&world);
    cr_expect_eq(rmdir(folder), 0, "the files go with the collection");
}
