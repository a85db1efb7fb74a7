/* One shard with its log actor, searcher and linker in a simulated node: its conversation as
 * traces. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "actors/shard/shard.h"
#include "schemas/shard.pb-c.h"
#include "schemas/sys.pb-c.h"
#include "tests/unit/actors/world.h"

static struct sim *sim;
static struct kv *log_disk, *points_disk;
static struct log_store *log_store;
static struct point_store *points;
static struct shelf *shelf;
static struct log_options log_options;
static struct shard_options options;
static struct searcher_options searcher_options;
static struct linker_options linker_options;

static void start(void) {
    struct kv *kv = kv_memory_share(log_disk);
    cr_assert_eq(log_store_open(&kv, &log_store), STATUS_OK);
    kv = kv_memory_share(points_disk);
    cr_assert_eq(point_store_open(&kv, &points), STATUS_OK);
    cr_assert_eq(shelf_open(&shelf), STATUS_OK);
    shelf_searchers(shelf, 1);
    log_options.store = log_store;
    searcher_options = (struct searcher_options){.shelf = shelf, .points = points};
    linker_options.shelf = shelf;
    options.log = log_store;
    options.points = points;
    options.shelf = shelf;
    sim_spawn(sim, "log", &log_type, &log_options);
    sim_spawn(sim, "searcher/0", &searcher_type, &searcher_options);
    sim_spawn(sim, "linker/0", &linker_type, &linker_options);
    sim_spawn(sim, "shard/7", &shard_type, &options);
    sim_run(sim, SECOND);
}

static void stop(void) {
    sim_stop(sim, "shard/7");
    sim_stop(sim, "linker/0");
    sim_stop(sim, "searcher/0");
    sim_stop(sim, "log");
    sim_run(sim, 1000);
    shelf_close(shelf);
    point_store_close(points);
    log_store_close(log_store);
}

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1, .actions = SYS_ACTIONS_ON});
    options = (struct shard_options){.shard = 7,
                                     .store_id = 16,
                                     .epoch = 1,
                                     .dimension = 2,
                                     .metric = INDEX_EUCLIDEAN,
                                     .founder = true};
    cr_assert_eq(kv_memory_open(&(struct kv_options){.path = "log", .wal = true},
                                &(struct kv_faults){.seed = 1}, &log_disk),
                 STATUS_OK);
    cr_assert_eq(kv_memory_open(&(struct kv_options){.path = "points"},
                                &(struct kv_faults){.seed = 1}, &points_disk),
                 STATUS_OK);
    start();
}

static void tear_down(void) {
    stop();
    sim_close(&sim);
    kv_close(log_disk);
    kv_close(points_disk);
}

TestSuite(shard, .init = set_up, .fini = tear_down);

static const ProtobufCMessage *reply;

static enum status ask(const ProtobufCMessage *message) {
    return sim_call(sim, "shard/7", message, 10 * SECOND, &reply);
}

static enum status
write_op(uint64_t router, uint64_t sequence, const char *id, bool remove, float x) {
    float vector[] = {x, 0};
    ShardOperation op = SHARD_OPERATION__INIT;
    op.id = (char *)id;
    op.remove = remove;
    op.n_vector = remove ? 0 : 2;
    op.vector = vector;
    ShardOperation *ops[] = {&op};
    return ask(MESSAGE(ShardWrite, shard_write, .epoch = 1, .router = router, .sequence = sequence,
                       .n_operations = 1, .operations = ops));
}

static size_t found(void) {
    float vector[] = {0, 0};
    cr_assert_eq(ask(MESSAGE(ShardSearch, shard_search, .shard = 7, .epoch = 1, .n_vector = 2,
                             .vector = vector, .k = 100)),
                 STATUS_OK, "%s", sim_words(sim));
    return ((const ShardHits *)reply)->n_distances;
}

Test(shard, is_born_with_an_entry_of_its_log) {
    sim_expect(sim, "log < LogAppend store=16 entries=[{index=1 term=1 type=3 "
                    "data=0x81019183011002a56c6f63616c03c3}] hard=true term=1\n"
                    "log   synced requests=1\n"
                    "log > Done\n"
                    "shard/7   loading -> serving\n"
                    "shard/7   term 1 leads\n");
}

Test(shard, answers_a_repeated_write_from_the_window) {
    cr_assert_eq(write_op(9, 1, "a", false, 1), STATUS_OK);
    uint64_t index = ((const ShardWritten *)reply)->index;
    cr_assert_eq(write_op(9, 1, "a", false, 1), STATUS_OK);
    const ShardWritten *written = (const ShardWritten *)reply;
    cr_expect_eq(written->index, index);
    cr_expect_eq(written->operations, 1);
    cr_expect(strstr(sim_trace(sim), "repeat of 1, answered from the window"));
    cr_expect_eq(found(), 1);
}

static bool was_seen(const char *line) {
    return strstr(sim_trace(sim), line) != NULL;
}

Test(shard, a_small_search_stays_on_its_lane_unless_others_wait) {
    cr_assert_eq(write_op(9, 1, "a", false, 1), STATUS_OK);
    sim_spawn(sim, "searcher/io-1", &searcher_near_type, &searcher_options);
    cr_expect_eq(found(), 1);
    cr_expect(was_seen("searcher/io-1 > ShardHits"), "%s", sim_trace(sim));
    cr_expect_not(was_seen("searcher/0 > ShardHits"));
    cr_expect_neq(shelf_take_near(shelf, 0, 1), 0, "it was given back");
    cr_expect_eq(shelf_take_near(shelf, 0, SECOND / 2), 0, "it has a search");
    cr_expect_neq(shelf_take_near(shelf, 0, 2 * SECOND), 0, "which got lost");
    shelf_idle(shelf, shelf_near_number(0));
    (void)shelf_pick(shelf); /* an older search has the only core */
    cr_expect_eq(found(), 1);
    cr_expect(was_seen("searcher/0 > ShardHits"), "%s", sim_trace(sim));
    sim_stop(sim, "searcher/io-1");
    cr_expect_eq(shelf_take_near(shelf, 0, 4 * SECOND), 0, "it is gone");
    cr_expect_eq(found(), 1);
}

/* The router had given up and gone on; the old write arrives late. */
Test(shard, a_delayed_duplicate_cannot_resurrect_a_deleted_point) {
    cr_assert_eq(write_op(9, 1, "a", false, 1), STATUS_OK);
    cr_assert_eq(write_op(9, 2, "a", true, 0), STATUS_OK);
    cr_expect_eq(write_op(9, 1, "a", false, 1), STATUS_CANCELLED);
    cr_expect_eq(found(), 0);
    /* Also after the window was rebuilt from flushed points and log. */
    for (int i = 0; i < 2; i++) {
        options.born = true;
        stop();
        if (i == 0) {
            kv_memory_crash(log_disk);
            kv_memory_crash(points_disk);
        }
        start();
        cr_expect_eq(write_op(9, 1, "a", false, 1), STATUS_CANCELLED, "%s", sim_words(sim));
        cr_expect_eq(write_op(9, 2, "a", true, 0), STATUS_OK);
        cr_expect_eq(found(), 0);
    }
}

/* Two repeats of a write that is under way: both are answered, one is applied. */
Test(shard, a_repeat_of_a_write_under_way_is_applied_once) {
    float vector[] = {1, 0};
    ShardOperation op = SHARD_OPERATION__INIT;
    op.id = "a";
    op.n_vector = 2;
    op.vector = vector;
    ShardOperation *ops[] = {&op};
    const ProtobufCMessage *write = MESSAGE(ShardWrite, shard_write, .epoch = 1, .router = 9,
                                            .sequence = 1, .n_operations = 1, .operations = ops);
    sim_tell(sim, "shard/7", write);
    cr_assert_eq(ask(write), STATUS_OK);
    cr_assert_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 1, .id = "a")), STATUS_OK);
    uint64_t number = ((const ShardPoint *)reply)->number;
    cr_assert_eq(ask(write), STATUS_OK);
    cr_assert_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 1, .id = "a")), STATUS_OK);
    cr_expect_eq(((const ShardPoint *)reply)->number, number);
    cr_expect_eq(found(), 1);
}

Test(shard, refuses_routes_from_before_it_was_told_of_an_epoch) {
    cr_expect_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 1, .id = "a")), STATUS_NOT_FOUND);
    cr_expect_eq(ask(MESSAGE(ShardEpoch, shard_epoch, .epoch = 3)), STATUS_OK);
    cr_expect_eq(ask(MESSAGE(ShardEpoch, shard_epoch, .epoch = 2)), STATUS_OK, "late, and nothing");
    cr_expect_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 2, .id = "a")), STATUS_STALE_EPOCH);
    cr_expect_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 3, .id = "a")), STATUS_NOT_FOUND);
}

Test(shard, refuses_what_does_not_fit) {
    float vector[] = {1, INFINITY};
    ShardOperation op = SHARD_OPERATION__INIT;
    ShardOperation *ops[] = {&op};
    ShardWrite message = SHARD_WRITE__INIT;
    message.router = 1;
    message.sequence = 1;
    message.operations = ops;
    op.id = "a";
    op.vector = vector;
    const struct {
        const char *name;
        uint64_t epoch;
        size_t n_operations;
        size_t n_vector;
        const char *id;
        enum status expected;
    } rows[] = {
        {"old epoch", 0, 1, 2, "a", STATUS_STALE_EPOCH},
        {"no operation", 1, 0, 2, "a", STATUS_INVALID},
        {"short vector", 1, 1, 1, "a", STATUS_INVALID},
        {"no id", 1, 1, 2, "", STATUS_INVALID},
        {"infinity", 1, 1, 2, "a", STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        message.epoch = rows[i].epoch;
        message.n_operations = rows[i].n_operations;
        op.n_vector = rows[i].n_vector;
        op.id = (char *)rows[i].id;
        cr_expect_eq(ask(&message.base), rows[i].expected, "%s", rows[i].name);
    }
    cr_expect_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 0, .id = "a")), STATUS_STALE_EPOCH);
    cr_expect_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 1, .id = "a")), STATUS_NOT_FOUND);
    cr_expect_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 2, .id = "a")), STATUS_NOT_FOUND,
                 "a newer route is not stale");
    cr_expect_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 1, .id = "a", .session_index = 99)),
                 STATUS_NOT_READY, "the session has seen more than this replica");
    cr_expect_eq(found(), 0);
}

Test(shard, of_two_equal_ids_in_one_write_the_later_wins) {
    float one[] = {1, 0}, two[] = {2, 0};
    ShardOperation ops[2] = {SHARD_OPERATION__INIT, SHARD_OPERATION__INIT};
    ops[0].id = ops[1].id = "a";
    ops[0].n_vector = ops[1].n_vector = 2;
    ops[0].vector = one;
    ops[1].vector = two;
    ShardOperation *list[] = {&ops[0], &ops[1]};
    cr_assert_eq(ask(MESSAGE(ShardWrite, shard_write, .epoch = 1, .router = 1, .sequence = 1,
                             .n_operations = 2, .operations = list)),
                 STATUS_OK);
    float vector[] = {0, 0};
    cr_assert_eq(ask(MESSAGE(ShardSearch, shard_search, .shard = 7, .epoch = 1, .n_vector = 2,
                             .vector = vector, .k = 10, .include_vectors = true)),
                 STATUS_OK);
    const ShardHits *hits = (const ShardHits *)reply;
    cr_assert_eq(hits->n_distances, 1);
    float distance;
    memcpy(&distance, hits->distances, sizeof distance);
    cr_expect_eq(distance, 4);
    cr_expect_eq(hits->n_values, 1);
    cr_expect_eq(hits->values[0]->n_vector, 2);
}

/* Points on the disk only: gets and searches fetch them from the blocking pool. */
/* A write of n points on the spiral; each has its own place. */
static enum status write_many(uint64_t sequence, int n, bool bulk) {
    enum { MOST = 1000 };
    static ShardOperation list[MOST];
    static ShardOperation *ops[MOST];
    static float vectors[MOST][2];
    static char ids[MOST][24];
    for (int i = 0; i < n; i++) {
        float angle = (float)i * 0.1f;
        vectors[i][0] = angle * cosf(angle);
        vectors[i][1] = angle * sinf(angle);
        snprintf(ids[i], sizeof ids[i], "%d-%d", (int)sequence, i);
        list[i] = (ShardOperation)SHARD_OPERATION__INIT;
        list[i].id = ids[i];
        list[i].n_vector = 2;
        list[i].vector = vectors[i];
        ops[i] = &list[i];
    }
    return ask(MESSAGE(ShardWrite, shard_write, .epoch = 1, .router = 9, .sequence = sequence,
                       .bulk = bulk, .n_operations = (size_t)n, .operations = ops));
}

static uint64_t waiting(void) {
    struct holding *holding = shelf_take(shelf, 7);
    cr_assert_not_null(holding);
    uint64_t tail = index_stats(holding->view).tail;
    holding_drop(holding);
    return tail;
}

Test(shard, points_of_a_bulk_ingest_do_not_wait_for_more) {
    cr_assert_eq(write_many(1, 10, true), STATUS_OK); /* fewer than are worth a team */
    sim_run(sim, SECOND / 10);
    cr_expect_eq(waiting(), 0);
}

/* 6,000 points, which two linkers meet at once. */
static void link_many(bool bulk, bool searched) {
    static struct searcher_options second;
    second = (struct searcher_options){.n = 1, .shelf = shelf, .points = points};
    sim_stop(sim, "linker/0");
    for (uint64_t sequence = 1; sequence <= 6; sequence++)
        cr_assert_eq(write_many(sequence, 1000, bulk), STATUS_OK, "%s", sim_words(sim));
    cr_expect_eq(waiting(), 6000);
    if (searched) cr_expect_eq(found(), 100);
    shelf_searchers(shelf, 2);
    sim_spawn(sim, "searcher/1", &searcher_type, &second);
    sim_spawn(sim, "linker/0", &linker_type, &linker_options);
    sim_spawn(sim, "linker/1", &linker_type, &linker_options);
    sim_run(sim, 2 * SECOND);
    sim_stop(sim, "linker/1");
    cr_expect_eq(waiting(), 0);
    cr_expect_eq(was_seen("< LinkerHelp shard=7"), bulk || !searched);
    cr_expect_eq(found(), 100);
    sim_stop(sim, "searcher/1");
}

Test(shard, many_points_are_linked_by_all_linkers) {
    link_many(false, false);
}

Test(shard, but_by_one_while_there_are_searches) {
    link_many(false, true);
}

Test(shard, unless_they_are_of_a_bulk_ingest) {
    link_many(true, true);
}

/* Another linker that is in a task for 2 s, in which the one it helps is restarted. */
struct helper {
    struct holding *holding; /* owned hold; NULL: it has no task */
    struct index_bulk_worker *worker;
    uint32_t task;
    bool helped;
};
#define HELPER_ACCEPTS(X) X(struct helper, LinkerHelp, linker_help, on_help)
ACTOR_HANDLERS(helper_handlers, HELPER_ACCEPTS);

static void end_help(void *actor, void *context, struct turn *turn) {
    struct helper *self = actor;
    struct team *team = &self->holding->team;
    (void)context;
    turn_note(turn, "has done its task");
    index_bulk_run(self->worker, self->task);
    (void)team_done(team);
    team_leave(team, self->worker);
    holding_drop(self->holding);
    self->holding = NULL;
}

static enum status on_help(struct helper *self, const LinkerHelp *msg, struct turn *turn) {
    if (self->helped) return STATUS_OK;
    self->helped = true;
    self->holding = shelf_take(shelf, msg->shard);
    self->worker = team_join(&self->holding->team);
    cr_assert(self->worker && team_take(&self->holding->team, &self->task));
    turn_timer(turn, 2 * SECOND, end_help, NULL);
    turn_tell(turn, turn_find(turn, "sys"),
              MESSAGE(SysDo, sys_do, .actor = "linker/1", .action = "restart"));
    return STATUS_OK;
}

static const struct actor_type helper_type = {
    .kind = "helper", .size = sizeof(struct helper), .handlers = helper_handlers};

/* In that batch half is done, and cannot be taken back. */
Test(shard, a_linker_restarted_in_a_batch_goes_on_with_it) {
    char text[256] = "";
    sim_stop(sim, "linker/0");
    for (uint64_t sequence = 1; sequence <= 6; sequence++)
        cr_assert_eq(write_many(sequence, 1000, true), STATUS_OK, "%s", sim_words(sim));
    shelf_searchers(shelf, 2);
    sim_spawn(sim, "linker/0", &helper_type, NULL);
    sim_spawn_as(
        sim, 1,
        &(struct spawn){.type = &linker_type, .name = "linker/1", .options = &linker_options});
    sim_run(sim, 2 * SECOND);
    cr_expect(was_seen("linker/1 * restarts"), "%s", sim_trace(sim));
    cr_expect(waiting() > 0, "it waits for the task of its helper");
    sim_run(sim, 5 * SECOND);
    sim_stop(sim, "linker/1");
    cr_expect(was_seen("linker/0   has done its task"));
    struct holding *holding = shelf_take(shelf, 7);
    cr_expect_eq(waiting(), 0);
    cr_expect_eq(index_validate(holding->view, text, sizeof text), STATUS_OK, "%s", text);
    holding_drop(holding);
    cr_expect_eq(found(), 100);
}

Test(shard, a_linker_waits_until_the_save_of_its_life_before_has_started) {
    struct holding *holding = shelf_take(shelf, 7);
    atomic_store(&holding->save, HOLDING_SAVE_STARTS);
    cr_assert_eq(write_op(9, 1, "a", false, 1), STATUS_OK);
    sim_run(sim, SECOND);
    cr_expect_eq(waiting(), 1);
    atomic_store(&holding->save, HOLDING_SAVE_RUNS);
    sim_run(sim, SECOND);
    cr_expect_eq(waiting(), 0);
    holding_drop(holding);
}

Test(shard, reads_what_the_cache_does_not_have) {
    for (int i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof id, "p%d", i);
        cr_assert_eq(write_op(1, (uint64_t)i + 1, id, false, (float)i), STATUS_OK);
    }
    kv_memory_set_faults(points_disk, &(struct kv_faults){.seed = 3, .uncached_ppm = 500000});
    for (int i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof id, "p%d", i);
        cr_assert_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 1, .id = id)), STATUS_OK);
        cr_expect_str_eq(((const ShardPoint *)reply)->id, id);
    }
    float vector[] = {0, 0};
    cr_assert_eq(ask(MESSAGE(ShardSearch, shard_search, .shard = 7, .epoch = 1, .n_vector = 2,
                             .vector = vector, .k = 100, .include_payload = true)),
                 STATUS_OK);
    cr_expect_eq(((const ShardHits *)reply)->n_distances, 20);
}

static struct watermark mark;

static struct watermark tell_mark(void) {
    return mark;
}

static uint32_t memory_refusals(void) {
    uint32_t n = 0;
    for (const char *at = sim_trace(sim); (at = strstr(at, "NO_MEMORY")); at++)
        n++;
    return n;
}

/* What takes memory is refused, what does not, or makes room, is not. */
Test(shard, takes_no_points_at_the_end_of_memory) {
    stop();
    options.born = true;
    options.memory = tell_mark;
    mark = (struct watermark){.limit = 100 << 20, .used = 99 << 20};
    start();
    cr_assert_eq(write_op(9, 1, "a", false, 1), STATUS_OK, "%s", sim_words(sim));
    cr_assert_eq(write_op(9, 2, "b", false, 2), STATUS_OK);
    mark.used = 101 << 20;
    cr_expect_eq(write_op(9, 3, "c", false, 3), STATUS_NO_MEMORY);
    cr_expect(strstr(sim_words(sim), "101 of 100 MB"), "%s", sim_words(sim));
    cr_expect(strstr(sim_words(sim), "VECTRON_MEMORY_LIMIT"), "%s", sim_words(sim));
    cr_expect_eq(write_op(9, 4, "a", false, 4), STATUS_NO_MEMORY, "an update is a new point");
    cr_expect_eq(write_op(9, 2, "b", false, 2), STATUS_OK, "a repeat of what was acknowledged");
    cr_expect_eq(found(), 2);
    cr_assert_eq(ask(MESSAGE(ShardGet, shard_get, .epoch = 1, .id = "a")), STATUS_OK);
    cr_expect_eq(write_op(9, 5, "b", true, 0), STATUS_OK);
    cr_expect_eq(found(), 1);
    mark.used = 99 << 20;
    cr_expect_eq(write_op(9, 6, "c", false, 3), STATUS_OK);
    cr_expect_eq(found(), 2);
    cr_expect_geq(memory_refusals(), 2);
}

/* A replica that was above the mark when it stopped comes back whole. */
Test(shard, loads_its_points_above_the_mark) {
    cr_assert_eq(write_op(9, 1, "a", false, 1), STATUS_OK);
    stop();
    options.born = true;
    options.memory = tell_mark;
    mark = (struct watermark){.limit = 1, .used = 2};
    start();
    cr_expect_eq(found(), 1);
}

/* The index keeps the places of removed points: new ones do not make it grow. */
Test(shard, points_take_the_places_of_removed_ones_at_the_end_of_memory) {
    enum { N = 64, REMOVED = 16 };
    char id[8];
    uint64_t sequence = 0;
    stop();
    options.born = true;
    options.memory = tell_mark;
    mark = (struct watermark){.limit = 100, .used = 0};
    start();
    for (int i = 0; i < N; i++) {
        snprintf(id, sizeof id, "p%d", i);
        cr_assert_eq(write_op(9, ++sequence, id, false, (float)i), STATUS_OK);
    }
    sim_run(sim, SECOND);
    mark.used = 100;
    for (int i = 0; i < REMOVED; i++) {
        snprintf(id, sizeof id, "p%d", i);
        cr_assert_eq(write_op(9, ++sequence, id, true, 0), STATUS_OK);
    }
    sim_run(sim, 5 * SECOND); /* the linker repairs, and frees the places */
    int taken = 0;
    enum status s = STATUS_OK;
    for (int i = 0; s == STATUS_OK && i < N; i++) {
        snprintf(id, sizeof id, "q%d", i);
        s = write_op(9, ++sequence, id, false, (float)i);
        taken += s == STATUS_OK;
    }
    cr_expect_eq(s, STATUS_NO_MEMORY);
    cr_expect(taken > 0 && taken <= REMOVED, "%d", taken);
}
