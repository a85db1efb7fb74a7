/* bench_filter: filtered searches of the index alone, one thread, beside hnswlib that filters what
 * it found and asks for more until it has enough.
 *
 * Every point has a value drawn at random, in a payload index; a filter lets the lowest share
 * through. Both sides walk a curve: ours over ef, the peer over the first list it asks for, which
 * doubles until k of it match. Rows are queries per second where the recall is 0.95. Far: the
 * points that match are the ones farthest from the query; there a hit counts that is within a
 * thousandth of the true ones' distance. Times are CPU times of the thread.
 *
 *     bench_filter [--quick] [--only SET] [--alone]
 *
 * Graphs of the peer are shared with bench_index (build/peers); it is made there when missing. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/index/peer.h"
#include "cli/index/curve.h"
#include "index/index.h"
#include "runtime/pack.h"
#include "runtime/rng.h"
#include "tests/data/vectors.h"

enum {
    K = 10,
    QUERIES = 100,
    FARS = 8, /* queries that have a key of distances of their own */
    KEYS = 1 + FARS,
    PAYLOAD_BYTES = 64 + KEYS * 32,
};
static const double window_seconds = 0.2, enough_recall = 0.97;
static const uint32_t efs[] = {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640};
static const double factors[] = {0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8, 11, 16};

struct bench {
    struct vectors set;
    uint32_t *ranks; /* owned; KEYS a point: of its value, in [0, n) */
    struct index *index;
    struct index_reader *reader;
    const struct peer *peer; /* NULL: none */
    void *graph;
    uint64_t *truth; /* owned; of the case, K a query */
    size_t n_truth[QUERIES];
};

struct ask {
    size_t n_queries;
    uint32_t below;   /* the ranks that match … */
    bool far;         /* … or, of the query's own key, from n - below on */
    size_t n_matches; /* in all */
};

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void need(enum status s) {
    if (s == STATUS_OK) return;
    fprintf(stderr, "bench_filter: %s\n", status_text(s));
    exit(1);
}

static const float *query_of(const struct bench *bench, size_t q) {
    return bench->set.queries + q * bench->set.dimension;
}

/* --- the data -------------------------------------------------------------------------------- */

static double distance_of(const struct bench *bench, size_t point, size_t q) {
    const float *a = bench->set.base + point * bench->set.dimension, *b = query_of(bench, q);
    double dot = 0, square = 0;
    for (size_t i = 0; i < bench->set.dimension; i++) {
        dot += (double)a[i] * (double)b[i];
        square += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    }
    return bench->set.metric == INDEX_EUCLIDEAN ? square : -dot; /* cosine sets are unit length */
}

struct keyed {
    double value;
    size_t point;
};

static int rising(const void *left, const void *right) {
    double a = ((const struct keyed *)left)->value, b = ((const struct keyed *)right)->value;
    return a < b ? -1 : a > b;
}

static void rank_key(struct bench *bench, size_t key, struct keyed *order) {
    qsort(order, bench->set.n, sizeof *order, rising);
    for (size_t i = 0; i < bench->set.n; i++)
        bench->ranks[order[i].point * KEYS + key] = (uint32_t)i;
}

static void draw_ranks(struct bench *bench) {
    size_t n = bench->set.n;
    struct keyed *order = calloc(n, sizeof *order);
    struct rng rng;
    rng_init(&rng, 1);
    bench->ranks = calloc(n * KEYS, sizeof *bench->ranks);
    for (size_t key = 0; key < KEYS; key++) {
        for (size_t i = 0; i < n; i++)
            order[i] = (struct keyed){key ? distance_of(bench, i, key - 1) : rng_unit(&rng), i};
        rank_key(bench, key, order);
    }
    free(order);
}

static size_t key_name(size_t key, char name[8]) {
    return (size_t)snprintf(name, 8, "k%zu", key);
}

static size_t payload_of(const struct bench *bench, size_t point, unsigned char *out) {
    unsigned char *at = pack_map(out, KEYS);
    for (size_t key = 0; key < KEYS; key++) {
        char name[8], value[16];
        size_t size = key_name(key, name);
        int digits =
            snprintf(value, sizeof value, "%u", (unsigned)bench->ranks[point * KEYS + key]);
        at = pack_string(at, name, (uint32_t)size);
        at = pack_string(at, value, (uint32_t)digits);
    }
    return (size_t)(at - out);
}

static void build_ours(struct bench *bench) {
    const struct vectors *set = &bench->set;
    char names[KEYS][8];
    struct index_column columns[KEYS];
    for (size_t key = 0; key < KEYS; key++)
        columns[key] = (struct index_column){{names[key], (uint32_t)key_name(key, names[key])},
                                             FILTER_INTEGER};
    struct index_options options = {.dimension = set->dimension,
                                    .metric = set->metric,
                                    .M = 16,
                                    .ef_construction = 200,
                                    .seed = 1,
                                    .target_recall = 0.95f, /* the curve is measured, then */
                                    .columns = columns,
                                    .n_columns = KEYS};
    uint64_t applied;
    need(index_open(&options, NULL, &bench->index, &applied));
    need(index_reader_open(&bench->reader));
    for (size_t i = 0; i <= set->n; i++) {
        bool idle = false;
        while ((i == set->n || index_tail_room(bench->index) == 0) && !idle)
            need(index_link_step(bench->index, 1000000, &idle));
        if (i == set->n) break;
        unsigned char payload[PAYLOAD_BYTES];
        struct index_point point = {.number = i + 1,
                                    .vector = set->base + i * set->dimension,
                                    .id = "x",
                                    .id_size = 1,
                                    .payload = payload,
                                    .payload_size = payload_of(bench, i, payload)};
        need(index_append(bench->index, &point, 1));
    }
}

static void build_peer(struct bench *bench) {
    const struct vectors *set = &bench->set;
    struct peer_options options = {.n = set->n,
                                   .dimension = set->dimension,
                                   .M = 16,
                                   .ef_construction = 200,
                                   .inner_product = set->metric != INDEX_EUCLIDEAN};
    char path[512];
    snprintf(path, sizeof path, "%s/build/peers/%s-%zu.%s", VECTRON_SOURCE_DIR, set->name, set->n,
             bench->peer->name);
    bench->graph = bench->peer->load(&options, path);
    if (bench->graph) return;
    bench->graph = bench->peer->open(&options);
    for (size_t i = 0; i < set->n; i++)
        bench->peer->add(bench->graph, set->base + i * set->dimension, i + 1);
}

/* --- one case -------------------------------------------------------------------------------- */

static bool matches(const struct bench *bench, const struct ask *ask, size_t q, size_t point) {
    uint32_t rank = bench->ranks[point * KEYS + (ask->far ? 1 + q : 0)];
    return ask->far ? rank >= bench->set.n - ask->below : rank < ask->below;
}

static void find_truth(struct bench *bench, const struct ask *ask) {
    struct keyed *order = calloc(bench->set.n, sizeof *order);
    for (size_t q = 0; q < ask->n_queries; q++) {
        size_t n = 0;
        for (size_t i = 0; i < bench->set.n; i++)
            if (matches(bench, ask, q, i)) order[n++] = (struct keyed){distance_of(bench, i, q), i};
        qsort(order, n, sizeof *order, rising);
        bench->n_truth[q] = n < K ? n : K;
        for (size_t i = 0; i < bench->n_truth[q]; i++)
            bench->truth[q * K + i] = order[i].point + 1;
    }
    free(order);
}

struct outcome {
    uint64_t labels[K];
    size_t n;
    enum index_plan plan;
};

static void search_ours(
    struct bench *bench, const struct ask *ask, size_t q, uint32_t ef, struct outcome *out) {
    uint64_t n = bench->set.n;
    char name[8];
    struct filter_node node = {.op = FILTER_RANGE, .type = FILTER_INTEGER, .key.data = name};
    node.key.size = (uint32_t)key_name(ask->far ? 1 + q : 0, name);
    node.low = filter_integer(ask->far ? (int64_t)(n - ask->below) : 0);
    node.high = filter_integer(ask->far ? (int64_t)n : (int64_t)ask->below - 1);
    struct filter filter = {&node, 1};
    struct index_query query = {.vector = query_of(bench, q), .k = K, .ef = ef, .filter = &filter};
    const struct index_view *view = index_view_hold(bench->index);
    bool done = false;
    need(index_search_start(bench->reader, view, &query));
    while (!done)
        need(index_search_step(bench->reader, 1000, &done));
    const struct index_hit *hits = index_search_hits(bench->reader, &out->n);
    for (size_t i = 0; i < out->n; i++)
        out->labels[i] = hits[i].number;
    out->plan = index_search_stats(bench->reader).plan;
    index_search_end(bench->reader);
    index_view_drop(view);
}

/* Post-filtering: a list, doubled until k of it match or it is everything. */
static void search_peer(
    struct bench *bench, const struct ask *ask, size_t q, size_t first, struct outcome *out) {
    size_t n = bench->set.n, wanted = ask->n_matches < K ? ask->n_matches : K;
    static uint64_t *found;
    static size_t room;
    for (size_t ef = first < K ? K : first;; ef *= 2) {
        if (ef > n) ef = n;
        if (ef > room) {
            found = realloc(found, ef * sizeof *found);
            room = ef;
        }
        size_t got = bench->peer->search(bench->graph, query_of(bench, q), ef, ef, found);
        out->n = 0;
        for (size_t i = got; i-- > 0 && out->n < K;) /* the farthest come first */
            if (matches(bench, ask, q, found[i] - 1)) out->labels[out->n++] = found[i];
        if (out->n >= wanted || ef == n) return;
    }
}

struct side {
    struct curve curve;
    bool peer;
    bool short_of_k; /* once */
    size_t n_plans[INDEX_PLANS];
};

/* One of the nearest; of far ones, where many are about as far, one within a thousandth of them. */
static bool is_right(const struct bench *bench, const struct ask *ask, size_t q, uint64_t label) {
    size_t n = bench->n_truth[q];
    for (size_t j = 0; j < n; j++)
        if (label == bench->truth[q * K + j]) return true;
    if (!ask->far || n == 0) return false;
    double worst = distance_of(bench, bench->truth[q * K + n - 1] - 1, q);
    return distance_of(bench, label - 1, q) <= worst + fabs(worst) * 1e-3;
}

static void run_point(struct bench *bench, const struct ask *ask, struct side *side, double at) {
    struct outcome out;
    size_t n_right = 0, n_true = 0, n = 0;
    struct curve *curve = &side->curve;
    double start = cpu_seconds(), seconds = 0;
    for (int pass = 0; seconds < window_seconds; pass++) {
        for (size_t q = 0; q < ask->n_queries; q++) {
            if (side->peer)
                search_peer(bench, ask, q, (size_t)at, &out);
            else
                search_ours(bench, ask, q, (uint32_t)at, &out);
            n++;
            if (pass > 0) continue;
            n_true += bench->n_truth[q];
            side->short_of_k |= out.n < bench->n_truth[q];
            if (!side->peer) side->n_plans[out.plan]++;
            for (size_t i = 0; i < out.n; i++)
                n_right += is_right(bench, ask, q, out.labels[i]);
        }
        seconds = cpu_seconds() - start;
    }
    curve->ef[curve->n] = (uint32_t)at;
    curve->recall[curve->n] = (double)n_right / (double)(n_true ? n_true : 1);
    curve->qps[curve->n++] = (double)n / seconds;
}

static void run_ours(struct bench *bench, const struct ask *ask, struct side *side) {
    for (size_t i = 0; i < sizeof efs / sizeof *efs; i++) {
        run_point(bench, ask, side, efs[i]);
        fprintf(stderr, "  ef %4u: %.4f %8.0f/s", efs[i], side->curve.recall[i],
                side->curve.qps[i]);
        if (side->curve.recall[i] >= enough_recall) break;
    }
    fprintf(stderr, "\n");
}

static void run_peer(struct bench *bench, const struct ask *ask, struct side *side) {
    double expected = (double)K * (double)bench->set.n / (double)ask->n_matches;
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        double first = expected * factors[i];
        run_point(bench, ask, side, first);
        fprintf(stderr, "  first %.0f: %.4f %8.0f/s", first, side->curve.recall[i],
                side->curve.qps[i]);
        if (side->curve.recall[i] >= enough_recall || first > (double)bench->set.n) break;
    }
    fprintf(stderr, "\n");
}

static void print_value(double value) {
    if (isfinite(value))
        printf("%.6g", value);
    else
        printf("null");
}

static void print_row(const struct bench *bench,
                      const char *metric,
                      const struct side *ours,
                      const struct side *peer,
                      double target) {
    double mine = curve_qps_at(&ours->curve, 0.95);
    double theirs = peer ? curve_qps_at(&peer->curve, 0.95) : NAN;
    printf("{\"suite\":\"filter\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"1/s\",\"ours\":",
           bench->set.name, metric);
    print_value(mine);
    printf(",\"peer\":");
    print_value(theirs);
    printf(",\"peer_name\":\"%s\",\"ratio\":", peer ? "hnswlib post-filter" : "none");
    print_value(mine / theirs);
    if (target > 0 && peer)
        printf(",\"target\":%.4g,\"met\":%s", target, mine / theirs >= target ? "true" : "false");
    printf("}\n");
    fflush(stdout);
}

static void run_share(struct bench *bench, double percent, bool far) {
    struct ask ask = {.n_queries = far ? FARS : QUERIES, .far = far};
    struct side ours = {.peer = false}, peer = {.peer = true};
    char metric[32];
    double n = (double)bench->set.n * percent / 100;
    ask.below = n < 1 ? 1 : (uint32_t)n;
    ask.n_matches = ask.below;
    if (ask.n_queries > bench->set.n_queries) ask.n_queries = bench->set.n_queries;
    find_truth(bench, &ask);
    snprintf(metric, sizeof metric, "%s_%g", far ? "far" : "filter", percent);
    fprintf(stderr, "%s %s\n", bench->set.name, metric);
    run_ours(bench, &ask, &ours);
    fprintf(stderr, "  plans: scan %zu, hop %zu, sweep %zu%s\n", ours.n_plans[INDEX_PLAN_SCAN],
            ours.n_plans[INDEX_PLAN_HOP], ours.n_plans[INDEX_PLAN_SWEEP],
            ours.short_of_k ? "; SHORT OF K" : "");
    /* Below one in a hundred, and for far ones, it would look at everything. */
    bool beside = bench->peer && percent >= 1 && !far;
    if (beside) run_peer(bench, &ask, &peer);
    double target = percent == 1 ? 10 : percent == 10 ? 3 : percent == 50 ? 1.5 : 0;
    print_row(bench, metric, &ours, beside ? &peer : NULL, target);
}

#ifdef HAVE_HNSWLIB
static const struct peer *const hnswlib = &peer_hnswlib;
#else
static const struct peer *const hnswlib = NULL;
#endif

static void run_set(const char *name, bool alone) {
    static const double shares[] = {0.01, 0.1, 1, 10, 50, 90};
    struct bench bench = {0};
    if (!vectors_open(&bench.set, name, 0, QUERIES)) {
        fprintf(stderr, "bench_filter: no data for %s, skipped\n", name);
        return;
    }
    bench.truth = calloc(QUERIES * K, sizeof *bench.truth);
    draw_ranks(&bench);
    build_ours(&bench);
    if (!alone) bench.peer = hnswlib;
    if (bench.peer) build_peer(&bench);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        run_share(&bench, shares[i], false);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        run_share(&bench, shares[i], true);
    if (bench.peer) bench.peer->close(bench.graph);
    free(bench.truth);
    free(bench.ranks);
    index_reader_close(bench.reader);
    index_close(bench.index);
    vectors_close(&bench.set);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"quick", no_argument, NULL, 'q'},
                                            {"only", required_argument, NULL, 'o'},
                                            {"alone", no_argument, NULL, 'a'},
                                            {0}};
    const char *only = NULL;
    bool quick = false, alone = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'q')
            quick = true;
        else if (c == 'o')
            only = optarg;
        else if (c == 'a')
            alone = true;
        else
            return 2;
    }
    static const char *const sets[] = {"fashion-mnist", "beir-768", "hard-100k-100",
                                       "synth-1m-128"};
    enum { QUICK = 2 };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (only ? strcmp(only, sets[i]) != 0 : quick && i >= QUICK) continue;
        run_set(sets[i], alone);
    }
    return 0;
}
