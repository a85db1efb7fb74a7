/* Repair as a function: single decisions, and random clusters through random histories. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/actors/truth.h"

/* --- decisions
 * ------------------------------------------------------------------------------------------------
 */

Test(reconcile, grows_to_the_factor_as_workers_come) {
    static struct truth truth;
    truth_open(&truth, 1);
    truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "docs", 6, 3);
    truth_settle(&truth);
    cr_expect_eq(truth_voters(truth_group(&truth, 1)), 1, "there is one worker");
    truth_join(&truth, NULL);
    truth_settle(&truth);
    cr_expect_eq(truth_voters(truth_group(&truth, 1)), 2);
    for (int i = 0; i < 4; i++)
        truth_join(&truth, NULL);
    truth_settle(&truth);
    for (uint64_t shard = 1; shard <= 6; shard++)
        cr_expect_eq(truth_voters(truth_group(&truth, shard)), 3);
    for (uint64_t worker = 1; worker <= 6; worker++)
        cr_expect_eq(truth_replicas_on(&truth, worker), 3, "worker %lu has %u",
                     (unsigned long)worker, truth_replicas_on(&truth, worker));
    catalog_reset(&truth.catalog);
}

Test(reconcile, waits_for_the_grace_then_replaces_what_a_dead_worker_kept) {
    static struct truth truth;
    truth_open(&truth, 2);
    for (int i = 0; i < 4; i++)
        truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "docs", 4, 3);
    truth_settle(&truth);
    truth.processes[0].up = false;
    uint64_t down_us = truth.now_us;
    while (truth.now_us - down_us < GRACE_US)
        for (uint32_t i = 0, n = truth_tick(&truth)->n_actions; i < n; i++)
            cr_assert_neq(catalog_worker(&truth.catalog, 1)->state, WORKER_DEAD);
    truth_settle(&truth);
    cr_expect_eq(catalog_worker(&truth.catalog, 1)->state, WORKER_DEAD);
    cr_expect_eq(truth_replicas_on(&truth, 1), 0);
    for (uint64_t shard = 1; shard <= 4; shard++)
        cr_expect_eq(truth_working(&truth, shard), 3);
    truth.processes[0].up = true;
    truth_settle(&truth);
    cr_expect_eq(catalog_worker(&truth.catalog, 1)->state, WORKER_READY);
    cr_expect_eq(truth_replicas_on(&truth, 1), 3, "it takes its share again");
    catalog_reset(&truth.catalog);
}

/* An administrator who waits for "nothing to be repaired" has waited for all of it. */
Test(reconcile, is_not_in_order_before_the_last_copy_of_the_dead_has_gone) {
    static struct truth truth;
    truth_open(&truth, 2);
    for (int i = 0; i < 4; i++)
        truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "docs", 1, 3);
    truth_settle(&truth);
    truth.processes[0].up = false;
    for (int i = 0; i < 200 && truth_replicas_on(&truth, 1) > 0; i++) {
        bool dead = catalog_worker(&truth.catalog, 1)->state == WORKER_DEAD;
        const struct reconcile_output *seen = truth_tick(&truth);
        if (dead) cr_assert(seen->short_of + seen->leaderless + seen->moving + seen->begun > 0);
    }
    cr_assert_eq(truth_replicas_on(&truth, 1), 0);
    catalog_reset(&truth.catalog);
}

Test(reconcile, keeps_a_dead_voter_whom_nobody_can_replace) {
    static struct truth truth;
    truth_open(&truth, 3);
    for (int i = 0; i < 3; i++)
        truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "docs", 2, 3);
    truth_settle(&truth);
    truth.processes[0].up = false;
    for (int i = 0; i < 100; i++)
        truth_tick(&truth);
    cr_expect_eq(truth_voters(truth_group(&truth, 1)), 3, "it may come back with its data");
    cr_expect_eq(truth_replicas_on(&truth, 1), 2);
    truth_set_state(&truth, 1, WORKER_REMOVING); /* it does not, says an administrator */
    truth_settle(&truth);
    cr_expect_null(catalog_worker(&truth.catalog, 1));
    cr_expect_eq(truth_voters(truth_group(&truth, 1)), 2);
    catalog_reset(&truth.catalog);
}

Test(reconcile, replaces_a_wiped_disk_under_a_new_id_also_on_the_same_worker) {
    static struct truth truth;
    truth_open(&truth, 4);
    for (int i = 0; i < 3; i++)
        truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "docs", 1, 3);
    truth_settle(&truth);
    uint64_t old = catalog_shard(&truth.catalog, 1)->replicas[0].store_id;
    truth.lost[old] = true;
    for (int i = 0; i < 40; i++)
        truth_tick(&truth);
    truth_settle(&truth);
    cr_expect_null(truth_replica(&truth, 1, old));
    cr_expect_eq(truth_working(&truth, 1), 3);
    catalog_reset(&truth.catalog);
}

Test(reconcile, drains_a_worker_of_shards_with_one_replica_and_of_leaders) {
    static struct truth truth;
    truth_open(&truth, 5);
    for (int i = 0; i < 3; i++)
        truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "one", 6, 1);
    truth_found(&truth, "three", 6, 3);
    truth_settle(&truth);
    truth_set_state(&truth, 2, WORKER_DRAINING);
    truth_settle(&truth);
    cr_expect_eq(truth_replicas_on(&truth, 2), 0);
    cr_expect_eq(truth_replicas_on(&truth, 1), 9);
    cr_expect_eq(truth_replicas_on(&truth, 3), 9);
    for (uint64_t shard = 1; shard <= 12; shard++)
        cr_expect_eq(truth_working(&truth, shard), shard <= 6 ? 1 : 2);
    catalog_reset(&truth.catalog);
}

Test(reconcile, spreads_over_zones_before_it_evens_the_load) {
    static struct truth truth;
    static const struct labels rows[] = {{"eu", "a", "1"}, {"eu", "a", "1"}, {"eu", "a", "2"},
                                         {"eu", "b", "1"}, {"eu", "b", "2"}, {"eu", "c", "1"}};
    truth_open(&truth, 6);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        truth_join(&truth, &rows[i]);
    truth_tick(&truth);
    truth_found(&truth, "docs", 8, 3);
    truth_settle(&truth);
    for (uint64_t id = 1; id <= 8; id++) {
        const struct catalog_shard *shard = catalog_shard(&truth.catalog, id);
        cr_assert_eq(shard->n_replicas, 3);
        for (uint32_t i = 0; i < 3; i++)
            for (uint32_t j = 0; j < i; j++)
                cr_expect_str_neq(shard->replicas[i].worker->facts->zone,
                                  shard->replicas[j].worker->facts->zone);
    }
    cr_expect_eq(truth_replicas_on(&truth, 6), 8, "the only one of its zone has all");
    cr_expect_eq(truth_replicas_on(&truth, 4), 4);
    cr_expect_eq(truth_replicas_on(&truth, 5), 4);
    catalog_reset(&truth.catalog);
}

Test(reconcile, gives_search_only_workers_a_learner_of_everything_and_never_a_vote) {
    static struct truth truth;
    truth_open(&truth, 7);
    for (int i = 0; i < 3; i++)
        truth_join(&truth, NULL);
    uint64_t searcher = truth_join(&truth, &(struct labels){.search_only = true});
    truth_tick(&truth);
    truth_found(&truth, "docs", 5, 3);
    truth_settle(&truth);
    cr_expect_eq(truth_replicas_on(&truth, searcher), 5);
    for (uint64_t shard = 1; shard <= 5; shard++) {
        cr_expect_eq(truth_voters(truth_group(&truth, shard)), 3);
        cr_expect_eq(truth_group(&truth, shard)->n, 4);
    }
    truth.processes[0].up = false;
    for (int i = 0; i < 100; i++)
        truth_tick(&truth);
    cr_expect_eq(truth_replicas_on(&truth, searcher), 5);
    cr_expect_eq(truth_working(&truth, 1), 2, "it does not become a voter");
    truth_set_state(&truth, searcher, WORKER_DRAINING);
    truth_settle(&truth);
    cr_expect_eq(truth_replicas_on(&truth, searcher), 0);
    catalog_reset(&truth.catalog);
}

Test(reconcile, counts_more_for_more_capacity) {
    static struct truth truth;
    truth_open(&truth, 8);
    uint64_t small = truth_join(&truth, &(struct labels){.cpu_cores = 8});
    uint64_t large = truth_join(&truth, &(struct labels){.cpu_cores = 24});
    truth_tick(&truth);
    truth_found(&truth, "docs", 12, 1);
    truth_settle(&truth);
    cr_expect_eq(truth_replicas_on(&truth, small), 3);
    cr_expect_eq(truth_replicas_on(&truth, large), 9);
    catalog_reset(&truth.catalog);
}

Test(reconcile, leaves_shards_alone_that_are_no_groups) {
    static struct truth truth;
    truth_open(&truth, 9);
    truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "docs", 2, 1);
    for (uint64_t shard = 1; shard <= 2; shard++) {
        truth_group(&truth, shard)->leader = CATALOG_STORE_FIRST + shard - 1;
        truth_group(&truth, shard)->term = 0;
    }
    truth_join(&truth, NULL);
    truth_set_state(&truth, 1, WORKER_DRAINING);
    for (int i = 0; i < 20; i++) {
        const struct reconcile_output *out = truth_tick(&truth);
        for (uint32_t j = 0; j < out->n_actions; j++)
            cr_assert_eq(out->actions[j].kind, ACTION_STATE);
    }
    const char *why =
        reconcile_move_refused(catalog_shard(&truth.catalog, 1), catalog_worker(&truth.catalog, 1),
                               catalog_worker(&truth.catalog, 2), truth.now_us);
    cr_expect_str_eq(why, "it is not replicated: its data cannot go anywhere");
    catalog_reset(&truth.catalog);
}

/* --- histories
 * ------------------------------------------------------------------------------------------------
 */

static uint64_t under_way; /* seed of the history, 0: none */

static void name_seed(void) {
    if (under_way) fprintf(stderr, "VECTRON_SEED=%lu\n", (unsigned long)under_way);
}

/* Every group could still go on without this process. */
static bool is_spare(struct truth *truth, const struct process *process) {
    for (uint64_t id = 1; id <= truth->n_shards; id++) {
        const struct group *group = truth_group(truth, id);
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
        if (there && others < truth_voters(group) / 2 + 1) return false;
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
        if (worker->state == WORKER_READY) truth_set_state(truth, worker->id, WORKER_DRAINING);
        break;
    case 6:
        if (worker->state == WORKER_DRAINING) truth_set_state(truth, worker->id, WORKER_READY);
        break;
    case 7:
        if (is_spare(truth, process)) wipe(truth, process);
        break;
    default:
        if (truth->n_processes < HISTORY_WORKERS)
            truth_join(truth, &(struct labels){.search_only = rng_below(&truth->rng, 5) == 0});
    }
}

static void describe(struct truth *truth, uint64_t id) {
    const struct catalog_shard *shard = catalog_shard(&truth->catalog, id);
    for (uint32_t i = 0; i < truth_group(truth, id)->n; i++)
        fprintf(stderr, "\nmember %lu%s", (unsigned long)truth_group(truth, id)->members[i].id,
                truth_group(truth, id)->members[i].voter ? " votes" : "");
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
        struct reconcile_input seen = truth_input(truth);
        if (strcmp(reconcile_state(&seen, shard), "ready") != 0 ||
            truth_group(truth, id)->n != shard->n_replicas)
            describe(truth, id);
        cr_assert_eq(truth_working(truth, id),
                     reconcile_wanted(&truth->catalog, shard->collection));
        cr_assert_eq(truth_voters(truth_group(truth, id)), truth_working(truth, id));
        cr_assert_eq(truth_group(truth, id)->n, shard->n_replicas, "no member without a row");
        cr_assert_str_eq(reconcile_state(&seen, shard), "ready");
    }
}

static void history(uint64_t seed) {
    static struct truth truth;
    under_way = seed;
    truth_open(&truth, seed);
    uint32_t workers = 1 + (uint32_t)rng_below(&truth.rng, 6);
    for (uint32_t i = 0; i < workers; i++)
        truth_join(&truth, NULL);
    truth_tick(&truth);
    truth_found(&truth, "one", 1 + (uint32_t)rng_below(&truth.rng, 8), 1);
    truth_found(&truth, "many", 1 + (uint32_t)rng_below(&truth.rng, 12),
                1 + (uint32_t)rng_below(&truth.rng, 5));
    for (int i = 0; i < HISTORY_TICKS; i++) {
        if (rng_below(&truth.rng, 12) == 0) happen(&truth);
        truth_tick(&truth);
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
            truth_set_state(&truth, truth.catalog.workers[i]->id, WORKER_READY);
    for (int i = 0; i < 100; i++)
        truth_tick(&truth);
    truth_settle(&truth);
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
