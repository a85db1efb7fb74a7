/* Parts of actors that are plain functions: hash, session token, merge, window, catalog. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "actors/grace.h"
#include "actors/pd/catalog.h"
#include "actors/router/hash.h"
#include "actors/router/merge.h"
#include "actors/router/session.h"
#include "actors/shard/window.h"
#include "runtime/codec.h"
#include "runtime/rng.h"

/* The hash is part of the data format. */
Test(hash, never_changes) {
    cr_expect_eq(hash_id("", 0), UINT64_C(0xefd01f60ba992926));
    cr_expect_eq(hash_id("a", 1), UINT64_C(0x82a2a958a9bece5b));
    cr_expect_eq(hash_id("point-1", 7), UINT64_C(0x7a44973ddf511333));
}

Test(hash, spreads_short_ids_over_all_ranges) {
    enum { SHARDS = 16, IDS = 16000 };
    uint32_t counts[SHARDS] = {0};
    for (int i = 0; i < IDS; i++) {
        char id[8];
        int n = snprintf(id, sizeof id, "%d", i);
        counts[hash_id(id, (size_t)n) >> 60]++;
    }
    for (int i = 0; i < SHARDS; i++)
        cr_expect(counts[i] > 850 && counts[i] < 1150, "shard %d has %u of 1000", i, counts[i]);
}

Test(session, says_what_it_was_told) {
    struct buffer text;
    buffer_init(&text);
    session_put(&text, 3, 31);
    session_put(&text, 255, UINT64_MAX);
    buffer_append(&text, "", 1);
    const char *token = (const char *)text.data;
    cr_expect_str_eq(token, "1.3:1f.ff:ffffffffffffffff");
    cr_expect_eq(session_check(token), STATUS_OK);
    cr_expect_eq(session_index(token, 3), 31);
    cr_expect_eq(session_index(token, 255), UINT64_MAX);
    cr_expect_eq(session_index(token, 4), 0);
    cr_expect_eq(session_index("", 3), 0);
    buffer_free(&text);
}

Test(session, refuses_what_is_not_ours) {
    static const char *const rows[] = {"2.1:1",
                                       "1.",
                                       "1.1",
                                       "1.1:",
                                       "1.:1",
                                       "1.1:1.",
                                       "1.1:g",
                                       "x",
                                       "1 ",
                                       "1.1:1 ",
                                       "1.11111111111111111:1"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(session_check(rows[i]), STATUS_INVALID, "%s", rows[i]);
    static char longest[SESSION_TEXT_MAX + 8];
    memset(longest, '1', sizeof longest - 1);
    cr_expect_eq(session_check(longest), STATUS_INVALID);
    char many[8 * SESSION_SHARDS_MAX];
    size_t n = (size_t)snprintf(many, sizeof many, "1");
    for (int i = 0; i <= SESSION_SHARDS_MAX; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, ".1:1");
    cr_expect_eq(session_check(many), STATUS_INVALID);
}

Test(hits, are_read_only_when_their_columns_belong_together) {
    static const struct {
        const char *ids;
        size_t size, n, n_values;
        bool valid;
    } rows[] = {
        {"", 0, 0, 0, true},
        {"a\0bc\0", 5, 2, 0, true},
        {"a\0bc\0", 5, 2, 2, true},
        {"\xc3\xa9\0", 3, 1, 0, true},
        {"a\0bc\0", 5, 2, 1, false}, /* a value is missing */
        {"a\0bc\0", 5, 1, 0, false}, /* a distance is missing */
        {"a\0bc\0", 5, 3, 0, false}, /* an id is missing */
        {"a\0bc", 4, 2, 0, false},   /* its NUL is */
        {"a\0\0", 3, 2, 0, false},   /* an empty id */
        {"\xc3\0\xa9\0", 4, 2, 0, false},
        {"\xff\0", 2, 1, 0, false},
    };
    float distances[3] = {1, 2, 3};
    ShardValue value = SHARD_VALUE__INIT;
    ShardValue *values[3] = {&value, &value, &value};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ShardHits hits = SHARD_HITS__INIT;
        hits.ids = (ProtobufCBinaryData){rows[i].size, (uint8_t *)(uintptr_t)rows[i].ids};
        hits.n_distances = rows[i].n;
        hits.distances = distances;
        hits.n_values = rows[i].n_values;
        hits.values = values;
        cr_expect_eq(hits_valid(&hits), rows[i].valid, "row %zu", i);
    }
}

static void add(struct merge *merge, const char *id, float distance) {
    struct hit hit = {.id = id, .id_size = strlen(id), .distance = distance};
    cr_assert_eq(merge_add(merge, &hit), STATUS_OK);
}

Test(merge, keeps_the_best_of_each_id_in_order) {
    struct merge merge;
    merge_init(&merge, 3);
    add(&merge, "b", 2);
    add(&merge, "a", 2);
    add(&merge, "c", 5);
    add(&merge, "c", 1);
    add(&merge, "d", 9);
    cr_assert_eq(merge_settle(&merge), STATUS_OK);
    cr_assert_eq(merge.n, 3);
    cr_expect_str_eq(merge.hits[0].id, "c");
    cr_expect_str_eq(merge.hits[1].id, "a");
    cr_expect_str_eq(merge.hits[2].id, "b");
    add(&merge, "e", 0);
    cr_assert_eq(merge_settle(&merge), STATUS_OK);
    cr_expect_str_eq(merge.hits[0].id, "e");
    merge_free(&merge);
}

/* However much comes, memory stays at some 2k hits, and the result is that of a full sort. */
Test(merge, is_bounded) {
    struct merge merge;
    struct rng rng;
    rng_init(&rng, 1);
    merge_init(&merge, 50);
    float best = 1;
    for (int i = 0; i < 20000; i++) {
        char id[16];
        float distance = (float)rng_unit(&rng);
        snprintf(id, sizeof id, "%d", i % 5000);
        if (distance < best) best = distance;
        add(&merge, id, distance);
        cr_assert_leq(merge.room, 512);
    }
    cr_assert_eq(merge_settle(&merge), STATUS_OK);
    cr_assert_eq(merge.n, 50);
    cr_expect_eq(merge.hits[0].distance, best);
    merge_free(&merge);
    cr_expect_eq(merge.bytes, 0);
}

Test(window, forgets_the_router_that_wrote_longest_ago) {
    struct window window = {0};
    for (uint64_t i = 1; i <= WINDOW_ROUTERS + 1; i++) {
        struct window_row row = {.router = i, .sequence = 1, .index = i};
        uint32_t slot = window_slot(&window, row.router);
        window.rows[slot] = row;
    }
    cr_expect_null(window_find(&window, 1));
    cr_expect_not_null(window_find(&window, 2));
    cr_expect_not_null(window_find(&window, WINDOW_ROUTERS + 1));
    cr_expect_eq(window_slot(&window, 5), window_slot(&window, 5));
}

Test(grace, keeps_a_replaced_number_until_the_searches_before_have_left) {
    struct grace grace;
    uint64_t numbers[4];
    cr_assert_eq(grace_init(&grace), STATUS_OK);
    uint32_t before = grace_enter(&grace);
    cr_assert_eq(grace_replace(&grace, 7, 100), STATUS_OK);
    cr_expect_eq(grace_replaced(&grace, 7), 100);
    cr_expect_eq(grace_replaced(&grace, 8), 0);
    cr_expect_eq(grace_take(&grace, numbers, 4), 0, "a search may need it");
    uint32_t after = grace_enter(&grace);
    grace_leave(&grace, before);
    cr_assert_eq(grace_take(&grace, numbers, 4), 1, "the other search began after it");
    cr_expect_eq(numbers[0], 7);
    cr_expect_eq(grace_replaced(&grace, 7), 100, "it is known until it is removed");
    cr_expect_eq(grace_take(&grace, numbers, 4), 0);
    cr_expect(grace_empty(&grace));
    grace_leave(&grace, after);
    grace_reset(&grace);
}

/* Searches come and go without a pause, numbers too: each is taken once, in bounded time. */
Test(grace, takes_every_number_once) {
    enum { NUMBERS = 5000 };
    static uint8_t taken[NUMBERS + 1];
    struct grace grace;
    struct rng rng;
    uint32_t phases[3];
    uint64_t numbers[16];
    size_t n;
    rng_init(&rng, 1);
    cr_assert_eq(grace_init(&grace), STATUS_OK);
    for (int i = 0; i < 3; i++)
        phases[i] = grace_enter(&grace);
    for (uint64_t number = 1; number <= NUMBERS; number++) {
        cr_assert_eq(grace_replace(&grace, number, number), STATUS_OK);
        uint64_t i = rng_below(&rng, 3);
        grace_leave(&grace, phases[i]);
        phases[i] = grace_enter(&grace);
        while ((n = grace_take(&grace, numbers, 16)) > 0)
            for (size_t j = 0; j < n; j++)
                taken[numbers[j]]++;
        if (number > 200) cr_assert_eq(taken[number - 200], 1, "%lu", (unsigned long)number);
    }
    for (int i = 0; i < 3; i++)
        grace_leave(&grace, phases[i]);
    while ((n = grace_take(&grace, numbers, 16)) > 0)
        for (size_t j = 0; j < n; j++)
            taken[numbers[j]]++;
    for (int i = 1; i <= NUMBERS; i++)
        cr_assert_eq(taken[i], 1);
    cr_expect(grace_empty(&grace));
    grace_reset(&grace);
}

Test(catalog, cuts_the_hash_space_without_gaps) {
    for (uint32_t n = 1; n <= 1024; n = n * 3 + 1) {
        uint64_t start, end, next = 0;
        for (uint32_t i = 0; i < n; i++) {
            catalog_range(i, n, &start, &end);
            cr_assert_eq(start, next);
            cr_assert_geq(end, start);
            next = end + 1;
        }
        cr_expect_eq(end, UINT64_MAX);
    }
    uint64_t start, end;
    catalog_range(1, 4, &start, &end);
    cr_expect_eq(start, UINT64_C(1) << 62);
    catalog_range(1, 3, &start, &end);
    cr_expect_eq(start, UINT64_C(0x5555555555555555));
}

static void apply(struct catalog *catalog, PdCommand *command) {
    cr_assert_eq(catalog_apply(catalog, command), STATUS_OK);
}

static void add_worker(struct catalog *catalog, uint64_t id) {
    PdRegister facts = PD_REGISTER__INIT;
    PdWorkerRow row = PD_WORKER_ROW__INIT;
    PdCommand command = PD_COMMAND__INIT;
    char link[32];
    snprintf(link, sizeof link, "tcp://w%lu", (unsigned long)id);
    facts.link = link;
    row.worker = id;
    row.facts = &facts;
    command.command_case = PD_COMMAND__COMMAND_WORKER;
    command.worker = &row;
    apply(catalog, &command);
}

static enum status
add_collection(struct catalog *catalog, const char *name, uint64_t shard, uint64_t worker) {
    PdReplicaRow replica = PD_REPLICA_ROW__INIT;
    PdReplicaRow *replicas[] = {&replica};
    PdShardRow row = PD_SHARD_ROW__INIT;
    PdShardRow *rows[] = {&row};
    PdCollectionRow collection = PD_COLLECTION_ROW__INIT;
    PdCommand command = PD_COMMAND__INIT;
    replica.worker = worker;
    replica.store_id = 100 + shard;
    row.shard = shard;
    row.epoch = 1;
    row.n_replicas = 1;
    row.replicas = replicas;
    collection.name = (char *)name;
    collection.dimension = 2;
    collection.distance = "dot";
    collection.n_shards = 1;
    collection.shards = rows;
    collection.token = 10000 + shard;
    collection.born = true;
    command.command_case = PD_COMMAND__COMMAND_COLLECTION;
    command.collection = &collection;
    return catalog_apply(catalog, &command);
}

static void remove_collection(struct catalog *catalog, const char *name) {
    PdCommand command = PD_COMMAND__INIT;
    command.command_case = PD_COMMAND__COMMAND_COLLECTION_DELETED;
    command.collection_deleted = (char *)name;
    apply(catalog, &command);
}

Test(catalog, refuses_entries_that_do_not_fit_its_state) {
    struct catalog catalog;
    catalog_init(&catalog);
    cr_expect_eq(add_collection(&catalog, "docs", 1, 1), STATUS_CORRUPT, "no such worker");
    add_worker(&catalog, 1);
    cr_expect_eq(add_collection(&catalog, "docs", 1, 1), STATUS_OK);
    PdCommand command = PD_COMMAND__INIT;
    cr_expect_eq(catalog_apply(&catalog, &command), STATUS_CORRUPT, "no command");
    catalog_reset(&catalog);
}

/* An entry that no member can apply would stop all of them for good: this one may come, since a
 * creation that the log refused for want of space is asked for again, and stays in the log. */
Test(catalog, keeps_the_first_of_two_collections_of_one_name) {
    struct catalog catalog;
    catalog_init(&catalog);
    add_worker(&catalog, 1);
    cr_expect_eq(add_collection(&catalog, "docs", 1, 1), STATUS_OK);
    cr_expect_eq(add_collection(&catalog, "docs", 2, 1), STATUS_OK, "it changes nothing");
    cr_assert_eq(catalog.n_collections, 1);
    cr_expect_eq(catalog_find(&catalog, "docs")->token, 10001);
    cr_expect_null(catalog_shard(&catalog, 2));
    catalog_reset(&catalog);
}

static enum status replay_part(void *context, struct buffer *entry) {
    struct arena arena;
    arena_init(&arena, 0);
    ProtobufCMessage *message;
    enum status s =
        codec_decode(&pd_command__descriptor, entry->data, entry->size, &arena, &message, NULL);
    if (s == STATUS_OK) s = catalog_apply(context, (const PdCommand *)message);
    arena_free(&arena);
    return s;
}

/* A snapshot of many parts gives the same state, and a half one changes nothing. */
Test(catalog, is_rebuilt_from_its_snapshot) {
    struct catalog catalog, copy;
    catalog_init(&catalog);
    catalog_init(&copy);
    catalog.cluster = 77;
    for (uint64_t i = 1; i <= 3; i++)
        add_worker(&catalog, i);
    for (uint64_t i = 1; i <= 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "c%lu", (unsigned long)i);
        cr_assert_eq(add_collection(&catalog, name, i, 1 + i % 3), STATUS_OK);
    }
    for (uint64_t i = 1; i <= 3000; i += 3) {
        char name[32];
        snprintf(name, sizeof name, "c%lu", (unsigned long)i);
        remove_collection(&catalog, name);
    }
    cr_assert_eq(catalog_snapshot(&catalog, replay_part, &copy), STATUS_OK);
    cr_expect_eq(copy.cluster, 77);
    cr_expect_eq(copy.epoch, catalog.epoch);
    cr_expect_eq(copy.next_shard, catalog.next_shard);
    cr_expect_eq(copy.next_store, catalog.next_store);
    cr_assert_eq(copy.n_collections, 2000);
    cr_expect(catalog_ended(&copy, 10001), "it was deleted");
    cr_expect_not(catalog_ended(&copy, 10002), "it is there");
    cr_expect(catalog_ended(&copy, 12998));
    for (uint32_t i = 0; i < 3; i++)
        cr_expect_eq(copy.workers[i]->n_shards, catalog.workers[i]->n_shards);
    for (uint64_t shard = 1; shard <= 3000; shard++) {
        const struct catalog_shard *a = catalog_shard(&catalog, shard);
        const struct catalog_shard *b = catalog_shard(&copy, shard);
        cr_assert_eq(a != NULL, shard % 3 != 1);
        cr_assert_eq(a != NULL, b != NULL);
        if (a) cr_assert_str_eq(a->collection->name, b->collection->name);
    }
    catalog_reset(&catalog);
    catalog_reset(&copy);
}

Test(catalog, remembers_the_last_that_were_deleted) {
    struct catalog catalog;
    catalog_init(&catalog);
    add_worker(&catalog, 1);
    for (uint64_t i = 1; i <= CATALOG_ENDED_MAX + 2; i++) {
        cr_assert_eq(add_collection(&catalog, "docs", i, 1), STATUS_OK);
        remove_collection(&catalog, "docs");
    }
    cr_expect_eq(catalog.n_ended, CATALOG_ENDED_MAX);
    cr_expect_not(catalog_ended(&catalog, 10002));
    cr_expect(catalog_ended(&catalog, 10003));
    cr_expect(catalog_ended(&catalog, 10002 + CATALOG_ENDED_MAX));
    cr_expect_not(catalog_ended(&catalog, 0), "no token is nobody's");
    catalog_reset(&catalog);
}

static enum status
change_replica(struct catalog *catalog, uint64_t shard, const PdReplicaRow *row, bool dropped) {
    PdCommand command = PD_COMMAND__INIT;
    PdReplicaChange change = PD_REPLICA_CHANGE__INIT;
    PdReplicaRow copy = *row;
    change.shard = shard;
    change.replica = &copy;
    change.dropped = dropped;
    command.command_case = PD_COMMAND__COMMAND_REPLICA;
    command.replica = &change;
    return catalog_apply(catalog, &command);
}

/* Rows from before there were groups: one replica, no factor. */
Test(catalog, takes_the_one_replica_of_an_old_row_for_the_founder_of_its_group) {
    struct catalog catalog;
    catalog_init(&catalog);
    add_worker(&catalog, 1);
    cr_assert_eq(add_collection(&catalog, "docs", 1, 1), STATUS_OK);
    const struct catalog_shard *shard = catalog_shard(&catalog, 1);
    cr_assert_eq(shard->n_replicas, 1);
    cr_expect(shard->replicas[0].founder);
    cr_expect_not(shard->replicas[0].learner);
    cr_expect_eq(shard->collection->factor, 1);
    cr_expect_eq(catalog_worker(&catalog, 1)->state, WORKER_JOINING);
    catalog_reset(&catalog);
}

Test(catalog, adds_changes_and_drops_replicas_one_a_worker) {
    struct catalog catalog, copy;
    catalog_init(&catalog);
    catalog_init(&copy);
    for (uint64_t i = 1; i <= 3; i++)
        add_worker(&catalog, i);
    cr_assert_eq(add_collection(&catalog, "docs", 1, 1), STATUS_OK);
    PdReplicaRow row = PD_REPLICA_ROW__INIT;
    row.worker = 2;
    row.store_id = 500;
    row.role = 1;
    cr_assert_eq(change_replica(&catalog, 1, &row, false), STATUS_OK);
    const struct catalog_shard *shard = catalog_shard(&catalog, 1);
    cr_assert_eq(shard->n_replicas, 2);
    cr_expect_eq(shard->epoch, 2);
    cr_expect_eq(catalog.next_store, 501);
    row.store_id = 501;
    cr_assert_eq(change_replica(&catalog, 1, &row, false), STATUS_OK);
    cr_expect_eq(shard->n_replicas, 2, "the worker has one already");
    row.store_id = 500;
    row.role = 0;
    row.started = row.leaving = true;
    cr_assert_eq(change_replica(&catalog, 1, &row, false), STATUS_OK);
    cr_expect_eq(shard->epoch, 2, "nobody came or went");
    cr_assert_eq(catalog_snapshot(&catalog, replay_part, &copy), STATUS_OK);
    const struct catalog_replica *copied = catalog_replica(catalog_shard(&copy, 1), 500);
    cr_assert_not_null(copied);
    cr_expect(copied->started && copied->leaving && !copied->learner && !copied->founder);
    cr_expect_eq(copied->worker->id, 2);
    cr_expect_eq(catalog_shard(&copy, 1)->epoch, 2);
    cr_assert_eq(change_replica(&catalog, 1, &row, true), STATUS_OK);
    cr_assert_eq(change_replica(&catalog, 1, &row, true), STATUS_OK, "twice is once");
    cr_expect_eq(shard->n_replicas, 1);
    cr_expect_eq(shard->epoch, 3);
    cr_expect_eq(catalog_worker(&catalog, 2)->n_shards, 0);
    cr_expect_eq(change_replica(&catalog, 9, &row, false), STATUS_OK, "no such shard any more");
    row.role = 7;
    cr_expect_eq(change_replica(&catalog, 1, &row, false), STATUS_CORRUPT);
    catalog_reset(&catalog);
    catalog_reset(&copy);
}

static void hear_leader(struct catalog *catalog, uint64_t term, const uint64_t *ids, size_t n) {
    PdBeatShard said = PD_BEAT_SHARD__INIT;
    PdBeatMember rows[2], *members[2];
    for (size_t i = 0; i < n; i++) {
        pd_beat_member__init(&rows[i]);
        rows[i].id = ids[i];
        rows[i].voter = true;
        members[i] = &rows[i];
    }
    said.shard = 1;
    said.state = "serving";
    said.term = term;
    said.is_leader = true;
    said.n_members = n;
    said.members = members;
    catalog_hear(catalog, catalog_worker(catalog, 1), &said, 1);
}

/* One that was just elected may not know yet: its replicas would be dropped for it. */
Test(catalog, believes_no_leader_that_does_not_name_its_members) {
    struct catalog catalog;
    catalog_init(&catalog);
    add_worker(&catalog, 1);
    add_worker(&catalog, 2);
    cr_assert_eq(add_collection(&catalog, "docs", 1, 1), STATUS_OK);
    PdReplicaRow row = PD_REPLICA_ROW__INIT;
    row.worker = 2;
    row.store_id = 500;
    cr_assert_eq(change_replica(&catalog, 1, &row, false), STATUS_OK);
    const struct catalog_shard *shard = catalog_shard(&catalog, 1);
    hear_leader(&catalog, 3, (const uint64_t[]){shard->replicas[0].store_id, 500}, 2);
    cr_assert_eq(catalog_replica(shard, 500)->member, MEMBER_VOTER);
    hear_leader(&catalog, 4, NULL, 0);
    cr_expect_eq(catalog_replica(shard, 500)->member, MEMBER_VOTER);
    cr_expect_eq(shard->n_voters, 2);
    cr_expect_eq(shard->term, 3);
    catalog_reset(&catalog);
}

Test(catalog, forgets_only_a_worker_that_keeps_nothing) {
    struct catalog catalog;
    PdCommand command = PD_COMMAND__INIT;
    catalog_init(&catalog);
    for (uint64_t i = 1; i <= 3; i++)
        add_worker(&catalog, i);
    cr_assert_eq(add_collection(&catalog, "docs", 1, 2), STATUS_OK);
    command.command_case = PD_COMMAND__COMMAND_WORKER_REMOVED;
    for (uint64_t i = 1; i <= 4; i++) {
        command.worker_removed = i;
        apply(&catalog, &command);
    }
    cr_assert_eq(catalog.n_workers, 1);
    cr_expect_eq(catalog.workers[0]->id, 2);
    cr_expect_eq(catalog.workers[0]->nth, 0);
    cr_expect_eq(catalog.next_worker, 4, "ids are not given twice");
    catalog_reset(&catalog);
}
