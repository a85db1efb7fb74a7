/* Exact searches of a shard whose index keeps codes, against all distances in double. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/hits.h"
#include "actors/searcher/scan.h"
#include "actors/shard/shard.h"
#include "schemas/shard.pb-c.h"
#include "tests/unit/actors/world.h"

enum {
    DIMENSION = 40,
    N = 4400,
    CLOSE = 300, /* of them lie closer together than a code can tell */
    BATCH = 200,
    K = 10,
};

static struct sim *sim;
static struct kv *log_disk, *points_disk;
static struct log_store *log_store;
static struct point_store *points;
static struct shelf *shelf;
static struct log_options log_options;
static struct shard_options options;
static struct searcher_options searcher_options;
static struct linker_options linker_options;
static const ProtobufCMessage *reply;
static float vectors[N][DIMENSION];
static bool removed[N];
static uint64_t dice, sequence;

static float roll(void) {
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)(dice >> 40) / (float)(1 << 23) - 1;
}

static void start(enum index_metric metric, enum index_storage storage) {
    sim = sim_open(&(struct sim_options){.seed = 1, .quiet = true, .block_us = 1000});
    cr_assert_eq(kv_memory_open(&(struct kv_options){.path = "log", .wal = true},
                                &(struct kv_faults){.seed = 1}, &log_disk),
                 STATUS_OK);
    cr_assert_eq(kv_memory_open(&(struct kv_options){.path = "points"},
                                &(struct kv_faults){.seed = 1}, &points_disk),
                 STATUS_OK);
    struct kv *kv = kv_memory_share(log_disk);
    cr_assert_eq(log_store_open(&kv, &log_store), STATUS_OK);
    kv = kv_memory_share(points_disk);
    cr_assert_eq(point_store_open(&kv, &points), STATUS_OK);
    cr_assert_eq(shelf_open(&shelf), STATUS_OK);
    shelf_searchers(shelf, 1);
    log_options.store = log_store;
    searcher_options = (struct searcher_options){.shelf = shelf, .points = points};
    linker_options.shelf = shelf;
    options = (struct shard_options){
        .shard = 7,
        .store_id = 16,
        .epoch = 1,
        .dimension = DIMENSION,
        .metric = metric,
        .columns = {.storage = storage,
                    .n = 1,
                    .of = {{.type = FILTER_KEYWORD, .size = 6, .key = "colour"}}},
        .founder = true,
        .log = log_store,
        .points = points,
        .shelf = shelf};
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
    sim_close(&sim);
    kv_close(log_disk);
    kv_close(points_disk);
}

static enum status ask(const ProtobufCMessage *message) {
    return sim_call(sim, "shard/7", message, 60 * SECOND, &reply);
}

static void name(char id[16], size_t i) {
    snprintf(id, 16, "p%05zu", i);
}

enum how { PUT, PUT_LATER, REMOVE };

/* Every third point is "red". */
static void put(size_t first, size_t n, enum how how) {
    bool remove = how == REMOVE;
    static const uint8_t red[] = "\x81\xa6"
                                 "colour\xa3"
                                 "red";
    char ids[BATCH][16];
    ShardOperation ops[BATCH], *list[BATCH];
    for (size_t i = 0; i < n; i++) {
        shard_operation__init(&ops[i]);
        name(ids[i], first + i);
        ops[i].id = ids[i];
        ops[i].remove = remove;
        ops[i].n_vector = remove ? 0 : DIMENSION;
        ops[i].vector = vectors[first + i];
        if (!remove && (first + i) % 3 == 0) {
            ops[i].payload.data = (uint8_t *)(uintptr_t)red;
            ops[i].payload.len = sizeof red - 1;
        }
        removed[first + i] = remove;
        list[i] = &ops[i];
    }
    const ProtobufCMessage *write =
        MESSAGE(ShardWrite, shard_write, .epoch = 1, .router = 9, .sequence = ++sequence,
                .n_operations = n, .operations = list);
    if (how == PUT_LATER)
        sim_tell(sim, "shard/7", write);
    else
        cr_assert_eq(ask(write), STATUS_OK, "%s", sim_words(sim));
}

/* All are in the graph, as codes if not as float32. */
static bool is_settled(void) {
    struct holding *holding = shelf_take(shelf, 7);
    struct index_stats stats = index_stats(holding->view);
    holding_drop(holding);
    enum index_storage kept = options.columns.storage == INDEX_F32 ? INDEX_F32 : INDEX_SQ8;
    return stats.storage == kept && stats.tail == 0;
}

static void fill(void) {
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < DIMENSION; j++)
            vectors[i][j] = i > 0 && i < CLOSE ? vectors[0][j] * (1 + roll() * 3e-4f) : roll();
    }
    for (size_t i = 0; i < N; i += BATCH)
        put(i, BATCH, PUT);
    for (int i = 0; i < 600 && !is_settled(); i++)
        sim_run(sim, SECOND / 10);
    cr_assert(is_settled());
}

struct answer {
    double distance;
    size_t n;
};

static int compare(const void *left, const void *right) {
    const struct answer *a = left, *b = right;
    if (a->distance != b->distance) return a->distance < b->distance ? -1 : 1;
    return a->n < b->n ? -1 : a->n > b->n;
}

static double distance(const float *a, const float *b) {
    double dot = 0, gap = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < DIMENSION; i++) {
        double difference = (double)a[i] - b[i];
        dot += (double)a[i] * b[i];
        gap += difference * difference;
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    if (options.metric == INDEX_EUCLIDEAN) return gap;
    return options.metric == INDEX_DOT ? -dot : 1 - dot / sqrt(aa * bb);
}

static void expect_hits(const ShardHits *found, const float *query, uint32_t k, bool red);

static void expect_exact(float *query, uint32_t k, bool red) {
    char *texts[] = {"red"};
    FilterNode is = FILTER_NODE__INIT, *filter[] = {&is};
    is.op = FILTER_IN;
    is.type = FILTER_KEYWORD;
    is.key = "colour";
    is.n_texts = 1;
    is.texts = texts;
    cr_assert_eq(
        ask(MESSAGE(ShardSearch, shard_search, .shard = 7, .epoch = 1, .n_vector = DIMENSION,
                    .vector = query, .k = k, .exact = true, .n_filter = red, .filter = filter)),
        STATUS_OK, "%s", sim_words(sim));
    expect_hits((const ShardHits *)reply, query, k, red);
}

/* Of equals to float32 either may come first, so a hit may stand where another of its distance is
 * expected. */
static void expect_hits(const ShardHits *found, const float *query, uint32_t k, bool red) {
    static struct answer all[N];
    size_t n = 0;
    for (size_t i = 0; i < N; i++)
        if (!removed[i] && (!red || i % 3 == 0))
            all[n++] = (struct answer){distance(query, vectors[i]), i};
    qsort(all, n, sizeof *all, compare);
    cr_assert_eq(found->n_distances, k < n ? k : n);
    cr_assert(hits_valid(found));
    struct hits hits = hits_of(found);
    struct hit before = {0}, hit;
    for (size_t i = 0; hits_next(&hits, &hit); i++) {
        double allowed = 1e-6 * fmax(1, fabs(all[i].distance));
        size_t own = strtoul(hit.id + 1, NULL, 10);
        cr_assert(!removed[own] && (!red || own % 3 == 0));
        cr_expect_float_eq(hit.distance, distance(query, vectors[own]), allowed);
        cr_expect_float_eq(distance(query, vectors[own]), all[i].distance, allowed,
                           "%zu: p%05zu, not p%05zu", i, own, all[i].n);
        cr_expect(i == 0 || before.distance < hit.distance ||
                  (before.distance == hit.distance && strcmp(before.id, hit.id) < 0));
        before = hit;
    }
}

/* Queries anywhere, and beside the points that lie close together. */
static void expect_all_exact(void) {
    for (int i = 0; i < 6; i++) {
        float query[DIMENSION];
        for (size_t j = 0; j < DIMENSION; j++)
            query[j] = i % 2 ? roll() : vectors[0][j] + 0.8f * roll();
        expect_exact(query, K, false);
        expect_exact(query, K, true);
        if (i < 2) expect_exact(query, N / 5, i);
    }
}

ParameterizedTestParameters(exact, searches_of_codes_answer_as_float32_does) {
    static enum index_metric metrics[] = {INDEX_COSINE, INDEX_EUCLIDEAN, INDEX_DOT};
    return cr_make_param_array(enum index_metric, metrics, sizeof metrics / sizeof *metrics);
}

ParameterizedTest(enum index_metric *metric, exact, searches_of_codes_answer_as_float32_does) {
    start(*metric, INDEX_AUTO);
    fill();
    expect_all_exact();
    kv_memory_set_faults(points_disk, &(struct kv_faults){.seed = 3, .uncached_ppm = 20000});
    put(0, BATCH / 2, REMOVE);
    expect_all_exact();
    stop();
}

/* New versions of the nearest, of the same vectors, are applied while they are measured. */
Test(exact, searches_of_codes_beside_updates_lose_nothing) {
    start(INDEX_EUCLIDEAN, INDEX_AUTO);
    fill();
    kv_memory_set_faults(points_disk, &(struct kv_faults){.seed = 3, .uncached_ppm = 1000000});
    for (uint64_t i = 0; i < 12; i++) {
        put(CLOSE - BATCH, BATCH, PUT_LATER);
        sim_run(sim, i * 250);
        expect_exact(vectors[CLOSE - 1 - i], K, i % 2);
    }
    stop();
}

/* --- many at once ---------------------------------------------------------------------------- */

enum { MANY = 100 };

static float queries[MANY][DIMENSION];

/* Every tenth is a walk, the others are exact; k differs. The last one wants two pages. */
static const ProtobufCMessage *many(void) {
    static ShardSearch searches[MANY], *list[MANY];
    static ShardSearches message;
    shard_searches__init(&message);
    for (uint32_t i = 0; i < MANY; i++) {
        shard_search__init(&searches[i]);
        for (size_t j = 0; j < DIMENSION; j++)
            queries[i][j] = i % 2 ? roll() : vectors[0][j] + 0.8f * roll();
        searches[i].n_vector = DIMENSION;
        searches[i].vector = queries[i];
        searches[i].k = 1 + i % 30;
        searches[i].exact = i % 10 != 5;
        list[i] = &searches[i];
    }
    message.shard = 7;
    message.epoch = 1;
    message.n_searches = MANY;
    message.searches = list;
    return &message.base;
}

static void expect_many(const ShardFinds *finds) {
    bool seen[MANY] = {false};
    cr_assert_eq(finds->n_finds, MANY);
    for (size_t i = 0; i < MANY; i++) {
        const ShardFind *find = finds->finds[i];
        cr_assert(find->search < MANY && !seen[find->search] && find->status == STATUS_OK);
        seen[find->search] = true;
        cr_assert(find->hits && hits_valid(find->hits));
        if (find->search % 10 == 5) /* a walk finds nearly all */
            cr_expect_eq(find->hits->n_distances, 1 + find->search % 30);
        else
            expect_hits(find->hits, queries[find->search], 1 + find->search % 30, false);
    }
}

ParameterizedTestParameters(exact, many_at_once_answer_as_one_does) {
    static enum index_storage storages[] = {INDEX_AUTO, INDEX_F32};
    return cr_make_param_array(enum index_storage, storages, 2);
}

ParameterizedTest(enum index_storage *storage, exact, many_at_once_answer_as_one_does) {
    start(INDEX_EUCLIDEAN, *storage);
    fill();
    cr_assert_eq(ask(many()), STATUS_OK, "%s", sim_words(sim));
    expect_many((const ShardFinds *)reply);
    /* Candidates come from the disk; points are updated meanwhile. */
    kv_memory_set_faults(points_disk, &(struct kv_faults){.seed = 3, .uncached_ppm = 300000});
    put(0, BATCH / 2, REMOVE);
    put(CLOSE - BATCH / 2, BATCH, PUT_LATER);
    cr_assert_eq(ask(many()), STATUS_OK, "%s", sim_words(sim));
    expect_many((const ShardFinds *)reply);
    stop();
}

/* Whenever their time is up, or the searcher stops, nothing is left behind (the sanitizer tells),
 * and the next ones are answered. */
ParameterizedTestParameters(exact, many_at_once_end_whenever_they_are_left) {
    static enum index_storage storages[] = {INDEX_AUTO, INDEX_F32};
    return cr_make_param_array(enum index_storage, storages, 2);
}

ParameterizedTest(enum index_storage *storage, exact, many_at_once_end_whenever_they_are_left) {
    start(INDEX_EUCLIDEAN, *storage);
    fill();
    kv_memory_set_faults(points_disk, &(struct kv_faults){.seed = 3, .uncached_ppm = 300000});
    for (uint64_t us = 1; us < 200 * 1000; us = us * 3 / 2 + 1) {
        enum status s = sim_call(sim, "shard/7", many(), us, &reply);
        cr_assert(s == STATUS_EXPIRED || s == STATUS_OK, "%s", status_name(s));
    }
    cr_assert_eq(ask(many()), STATUS_OK, "%s", sim_words(sim));
    expect_many((const ShardFinds *)reply);
    sim_tell(sim, "shard/7", many());
    sim_tell(sim, "shard/7", many());
    sim_stop(sim, "searcher/0");
    sim_run(sim, SECOND);
    sim_spawn(sim, "searcher/0", &searcher_type, &searcher_options);
    sim_run(sim, SECOND);
    cr_assert_eq(ask(many()), STATUS_OK, "%s", sim_words(sim));
    stop();
}

Test(exact, many_at_once_have_a_limit) {
    static const struct {
        uint32_t n, dimension, k;
    } rows[] = {{0, DIMENSION, 1}, {257, DIMENSION, 1}, {2, DIMENSION - 1, 1}, {2, DIMENSION, 0}};
    ShardSearch search = SHARD_SEARCH__INIT, *list[257];
    start(INDEX_EUCLIDEAN, INDEX_AUTO);
    put(0, BATCH, PUT);
    for (size_t i = 0; i < 257; i++)
        list[i] = &search;
    search.vector = vectors[0];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        search.n_vector = rows[i].dimension;
        search.k = rows[i].k;
        cr_expect_eq(ask(MESSAGE(ShardSearches, shard_searches, .shard = 7, .epoch = 1,
                                 .n_searches = rows[i].n, .searches = list)),
                     STATUS_INVALID, "%zu: %s", i, sim_words(sim));
    }
    stop();
}

/* Eight at once took twice the time of eight alone: all codes were decoded for them. */
Test(exact, those_of_codes_are_not_scanned_together) {
    static const struct {
        enum index_storage storage;
        bool exact, ranged, together;
    } rows[] = {{INDEX_F32, true, false, true},
                {INDEX_F32, false, false, false},
                {INDEX_F32, true, true, false},
                {INDEX_AUTO, true, false, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ShardSearch search = SHARD_SEARCH__INIT;
        search.exact = rows[i].exact;
        search.ranged = rows[i].ranged;
        start(INDEX_EUCLIDEAN, rows[i].storage);
        fill();
        struct holding *holding = shelf_take(shelf, 7);
        cr_expect_eq(scan_takes(holding, &search), rows[i].together, "%zu", i);
        holding_drop(holding);
        stop();
    }
}
