/* bench_index: the index alone, one thread, beside hnswlib, faiss and usearch with the same M and
 * ef_construction.
 *
 * Times are CPU times of the thread, so that other load costs little; queries per second at a
 * recall are read off a curve over ef, by interpolation between its neighbours. Each point of the
 * curve is the best of a few windows, all engines in turn, because other load takes caches too. The
 * graphs of peers and the true neighbours are kept under build/peers; ours is built in every run.
 * Curves are drawn into build/bench.
 *
 *     bench_index [--quick] [--only CASE] [--alone] [--all] [--peers SECONDS] [--kept]
 *
 * --quick: the two real sets that have more than a few points. --alone: no peers, for tuning.
 * --all: faiss also on sets of more than 60,000 points, where building it takes many minutes.
 * --peers: builds graphs of peers alone, each for so many seconds, from where the last run ended.
 * --kept: our graph is taken from build/peers as theirs are, and what is not there whole of a peer
 * is left out; with --peers ours is built there anew.
 */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/index/cost.h"
#include "bench/index/peer.h"
#include "cli/index/curve.h"
#include "index/index.h"
#include "tests/data/vectors.h"

enum { K = 10, M = 16, EF_CONSTRUCTION = 200, WINDOWS = 5, FAISS_MAX = 60000, PEERS_MAX = 3 };

static const double enough_recall = 0.9975, window_seconds = 0.1, long_pass_seconds = 1;
static const uint32_t efs[] = {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900};

struct side {
    struct curve curve;
    const struct peer *peer; /* NULL: ours */
    void *graph;             /* of the peer */
};

struct bench {
    struct vectors set;
    uint64_t *truth; /* owned */
    struct index *index;
    struct index_reader *reader;
    struct side sides[1 + PEERS_MAX];
    size_t n_sides;
};

static void need(enum status s) {
    if (s == STATUS_OK) return;
    fprintf(stderr, "bench_index: %s\n", status_text(s));
    exit(1);
}

/* build/peers/SET-WHAT */
static void path_of(const struct bench *bench, const char *what, char *path, size_t size) {
    const char *folder = VECTRON_SOURCE_DIR "/build/peers";
    (void)mkdir(folder, 0755);
    snprintf(path, size, "%s/%s-%s", folder, bench->set.name, what);
}

static void load_truth(struct bench *bench) {
    size_t n = bench->set.n_queries * K;
    char path[512], what[64];
    snprintf(what, sizeof what, "%zu-%zu.truth", bench->set.n, bench->set.n_queries);
    path_of(bench, what, path, sizeof path);
    FILE *file = fopen(path, "rb");
    if (file) {
        bench->truth = calloc(n, sizeof *bench->truth);
        if (fread(bench->truth, sizeof *bench->truth, n, file) == n) {
            fclose(file);
            return;
        }
        fclose(file);
        free(bench->truth);
    }
    bench->truth = vectors_truth(&bench->set, K);
    file = fopen(path, "wb");
    if (!file) return;
    (void)!fwrite(bench->truth, sizeof *bench->truth, n, file);
    fclose(file);
}

static void open_ours(struct bench *bench, const char *path) {
    struct index_options options = {
        .dimension = bench->set.dimension,
        .metric = bench->set.metric,
        .M = M,
        .ef_construction = EF_CONSTRUCTION,
        .seed = 1,
    };
    uint64_t applied;
    need(index_open(&options, path, &bench->index, &applied));
    need(index_reader_open(&bench->reader));
}

static void build_ours(struct bench *bench, struct curve *curve) {
    const struct vectors *set = &bench->set;
    double memory = cost_resident_bytes(), start = cost_cpu_seconds();
    open_ours(bench, NULL);
    for (size_t i = 0; i <= set->n; i++) {
        bool idle = false;
        while ((i == set->n || index_tail_room(bench->index) == 0) && !idle)
            need(index_link_step(bench->index, 1000000, &idle));
        if (i == set->n) break;
        char id[17];
        int size = snprintf(id, sizeof id, "%zu", i);
        struct index_point point = {.number = i + 1,
                                    .vector = set->base + i * set->dimension,
                                    .id = id,
                                    .id_size = (uint32_t)size};
        need(index_append(bench->index, &point, 1));
    }
    curve->build_seconds = cost_cpu_seconds() - start;
    curve->memory = cost_resident_bytes() - memory;
}

/* Ours, in a file and back. */
static void path_of_ours(const struct bench *bench, char path[512], char seconds[520]) {
    char what[64];
    snprintf(what, sizeof what, "%zu.ours", bench->set.n);
    path_of(bench, what, path, 512);
    snprintf(seconds, 520, "%s.cpu", path);
}

static void keep_ours(struct bench *bench, const struct curve *curve) {
    char path[512], seconds[520];
    struct index_save *save;
    bool done = false;
    path_of_ours(bench, path, seconds);
    need(index_save_start(bench->index, path, 1, &save));
    while (!done)
        need(index_save_step(save, 1 << 24, &done));
    index_save_end(save);
    FILE *file = fopen(seconds, "w");
    if (!file) return;
    fprintf(file, "%.6f %zu\n", curve->build_seconds, bench->set.n);
    fclose(file);
}

/* False: it is not there. */
static bool load_ours(struct bench *bench, struct curve *curve) {
    char path[512], seconds[520];
    path_of_ours(bench, path, seconds);
    size_t n = 0;
    FILE *file = fopen(seconds, "r");
    bool known = file && fscanf(file, "%lf %zu", &curve->build_seconds, &n) == 2;
    if (file) fclose(file);
    if (!known || n != bench->set.n) return false;
    double memory = cost_resident_bytes();
    open_ours(bench, path);
    for (bool idle = false; !idle;)
        need(index_link_step(bench->index, 1000000, &idle));
    need(index_wake(bench->index)); /* a writer's maps count, too */
    curve->memory = cost_resident_bytes() - memory;
    return true;
}

static void path_of_peer(const struct bench *bench, const struct peer *peer, char path[512]) {
    char what[64];
    snprintf(what, sizeof what, "%zu.%s", bench->set.n, peer->name);
    path_of(bench, what, path, 512);
}

static void build_peer(struct bench *bench, struct side *side, double limit) {
    const struct vectors *set = &bench->set;
    struct peer_options options = {
        .n = set->n,
        .dimension = set->dimension,
        .M = M,
        .ef_construction = EF_CONSTRUCTION,
        .inner_product = set->metric != INDEX_EUCLIDEAN, /* the sets with cosine have unit length */
    };
    char path[512];
    path_of_peer(bench, side->peer, path);
    struct peer_source source = {.vectors = set->base, .path = path, .limit = limit};
    struct peer_cost cost;
    side->graph = peer_obtain(side->peer, &options, &source, &cost);
    side->curve.build_seconds = cost.seconds;
    side->curve.memory = cost.memory;
}

static size_t search_ours(struct bench *bench, const float *vector, uint32_t ef, uint64_t *out) {
    struct index_query query = {.vector = vector, .k = K, .ef = ef};
    const struct index_view *view = index_view_hold(bench->index);
    bool done = false;
    size_t n;
    need(index_search_start(bench->reader, view, &query));
    while (!done)
        need(index_search_step(bench->reader, 1000, &done));
    const struct index_hit *hits = index_search_hits(bench->reader, &n);
    for (size_t i = 0; i < n; i++)
        out[i] = hits[i].number;
    index_search_end(bench->reader);
    index_view_drop(view);
    return n;
}

static double recall_of(const struct bench *bench, const uint64_t *found) {
    size_t n_hit = 0, n = bench->set.n_queries;
    for (size_t q = 0; q < n; q++) {
        for (size_t i = 0; i < K; i++) {
            for (size_t j = 0; j < K; j++)
                n_hit += found[q * K + i] == bench->truth[q * K + j];
        }
    }
    return (double)n_hit / (double)(n * K);
}

static void pass_ours(struct bench *bench, uint32_t ef, uint64_t *found) {
    const struct vectors *set = &bench->set;
    for (size_t q = 0; q < set->n_queries; q++)
        (void)search_ours(bench, set->queries + q * set->dimension, ef, found + q * K);
}

static double seconds_of(const struct side *side) {
    return side->peer ? peer_seconds(side->peer, side->graph) : cost_cpu_seconds();
}

/* Passes over the queries until they are worth measuring; queries per second. */
static double run_window(struct bench *bench, struct side *side, uint32_t ef, uint64_t *found) {
    const struct vectors *set = &bench->set;
    struct peer_queries queries = {set->queries, set->n_queries, set->dimension};
    size_t n = 0;
    double start = seconds_of(side), seconds = 0;
    while (seconds < window_seconds) {
        if (!side->peer)
            pass_ours(bench, ef, found);
        else
            peer_pass(side->peer, side->graph, &queries, K, ef, found);
        n += set->n_queries;
        seconds = seconds_of(side) - start;
    }
    return (double)n / seconds;
}

/* Does a pass over the queries take long by itself, at so many a second? */
static bool is_slow(const struct bench *bench, double qps) {
    return (double)bench->set.n_queries > long_pass_seconds * qps;
}

/* Of a slow one the last recall that a row asks for is enough. */
static bool is_running(const struct bench *bench, const struct curve *curve) {
    if (curve->n == 0) return true;
    double enough = is_slow(bench, curve->qps[curve->n - 1]) ? 0.99 : enough_recall;
    return curve->recall[curve->n - 1] < enough;
}

/* One more point of every curve that has not got to the top; false when none is left. A slow one
 * has one window. */
static bool run_point(struct bench *bench, uint32_t ef) {
    double qps[1 + PEERS_MAX] = {0};
    size_t n_labels = bench->set.n_queries * K;
    bool some = false;
    uint64_t *found = calloc(n_labels * bench->n_sides, sizeof *found);
    for (int window = 0; window < WINDOWS; window++) {
        for (size_t s = 0; s < bench->n_sides; s++) {
            if (!is_running(bench, &bench->sides[s].curve)) continue;
            if (window > 0 && is_slow(bench, qps[s])) continue;
            double now = run_window(bench, &bench->sides[s], ef, found + s * n_labels);
            if (now > qps[s]) qps[s] = now;
        }
    }
    fprintf(stderr, "%-14s ef %4" PRIu32, bench->set.name, ef);
    for (size_t s = 0; s < bench->n_sides; s++) {
        struct curve *curve = &bench->sides[s].curve;
        if (!is_running(bench, curve)) continue;
        some = true;
        curve->ef[curve->n] = ef;
        curve->recall[curve->n] = recall_of(bench, found + s * n_labels);
        curve->qps[curve->n++] = qps[s];
        fprintf(stderr, "  %s %.4f %8.0f/s", curve->name, curve->recall[curve->n - 1], qps[s]);
    }
    fprintf(stderr, "\n");
    free(found);
    return some;
}

static void print_number(double value) {
    if (isfinite(value))
        printf("%.6g", value);
    else
        printf("null");
}

struct row {
    const char *metric, *unit;
    double ours, peer;
    bool less;     /* smaller is better */
    double target; /* ratio beside hnswlib; 0: none */
};

/* ratio > 1: ours is better. */
static void print_row(const struct bench *bench, const char *peer, const struct row *row) {
    double ratio = row->less ? row->peer / row->ours : row->ours / row->peer;
    printf("{\"suite\":\"index\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"ours\":",
           bench->set.name, row->metric, row->unit);
    print_number(row->ours);
    printf(",\"peer\":");
    print_number(row->peer);
    printf(",\"peer_name\":\"%s\",\"ratio\":", peer);
    print_number(ratio);
    if (row->target > 0)
        printf(",\"target\":%.4g,\"met\":%s", row->target, ratio >= row->target ? "true" : "false");
    printf("}\n");
    fflush(stdout);
}

/* The targets of the design beside hnswlib, and one beside usearch, for sets of 50,000 points or
 * more. */
static void print_rows(const struct bench *bench, const struct side *side) {
    const struct curve *ours = &bench->sides[0].curve, *peer = &side->curve;
    bool large = bench->set.n >= 50000, counts = large && strcmp(peer->name, "hnswlib") == 0;
    double memory = bench->set.dimension >= 768                ? 1 / 0.45
                    : strcmp(bench->set.name, "hard-100k-100") ? 2
                                                               : 1 / 0.6;
    const struct row rows[] = {
        {"qps_at_0.90", "1/s", curve_qps_at(ours, 0.90), curve_qps_at(peer, 0.90), false, 0},
        {"qps_at_0.95", "1/s", curve_qps_at(ours, 0.95), curve_qps_at(peer, 0.95), false, 2.5},
        {"qps_at_0.99", "1/s", curve_qps_at(ours, 0.99), curve_qps_at(peer, 0.99), false, 2.3},
        {"build_cpu", "s", ours->build_seconds, peer->build_seconds, true,
         bench->set.n < 1000000 ? 2 : 1 / 0.65},
        {"memory", "B", ours->memory, peer->memory, true, memory},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct row row = rows[i];
        bool both = i == 1 && strcmp(peer->name, "usearch") == 0; /* asked for of both */
        if (!counts && !(large && both)) row.target = 0;
        print_row(bench, peer->name, &row);
    }
}

static void draw(const struct bench *bench) {
    const struct curve *curves[1 + PEERS_MAX];
    char path[512];
    const char *folder = VECTRON_SOURCE_DIR "/build/bench";
    (void)mkdir(folder, 0755);
    snprintf(path, sizeof path, "%s/index-%s.svg", folder, bench->set.name);
    for (size_t s = 0; s < bench->n_sides; s++)
        curves[s] = &bench->sides[s].curve;
    struct curve_chart chart = {.path = path, .title = bench->set.name, .k = K};
    if (curve_draw(&chart, curves, bench->n_sides)) fprintf(stderr, "bench_index: %s\n", path);
}

struct arguments {
    const char *only;
    bool quick, alone, all, kept;
    double peers; /* seconds; 0: everything is measured */
};

/* And the true neighbours, for a later run. */
static void make_ours(struct bench *bench) {
    struct curve curve = {.name = "ours"};
    load_truth(bench);
    free(bench->truth);
    build_ours(bench, &curve);
    keep_ours(bench, &curve);
    index_reader_close(bench->reader);
    index_close(bench->index);
}

/* A run of kept graphs builds none of a peer. */
static bool
is_left_out(const struct bench *bench, const struct peer *peer, const struct arguments *arguments) {
    char path[512];
    if (!peer || !arguments->kept || arguments->peers > 0) return false;
    path_of_peer(bench, peer, path);
    size_t n = peer_kept(path);
    if (n == bench->set.n) return false;
    fprintf(stderr, "%s: %zu of %zu points, left out (--peers)\n", path, n, bench->set.n);
    return true;
}

static void
add_side(struct bench *bench, const struct peer *peer, const struct arguments *arguments) {
    double limit = arguments->peers > 0 ? arguments->peers : INFINITY;
    if (is_left_out(bench, peer, arguments)) return;
    struct side *side = &bench->sides[bench->n_sides++];
    *side = (struct side){.curve.name = peer ? peer->name : "ours", .peer = peer};
    if (peer)
        build_peer(bench, side, limit);
    else if (!arguments->kept || !load_ours(bench, &side->curve))
        build_ours(bench, &side->curve);
}

static void run_case(const char *name, const struct arguments *arguments) {
    struct bench bench = {0};
    if (!vectors_open(&bench.set, name, 0, 1000)) {
        fprintf(stderr, "bench_index: no data for %s, skipped\n", name);
        return;
    }
    if (arguments->peers == 0) {
        load_truth(&bench);
        add_side(&bench, NULL, arguments);
    } else if (arguments->kept) {
        make_ours(&bench);
    }
#ifdef HAVE_HNSWLIB
    if (!arguments->alone) add_side(&bench, &peer_hnswlib, arguments);
#endif
#ifdef HAVE_FAISS
    if (!arguments->alone && (arguments->all || bench.set.n <= FAISS_MAX))
        add_side(&bench, &peer_faiss, arguments);
#endif
    if (!arguments->alone && peer_usearch_is_there()) add_side(&bench, &peer_usearch, arguments);
    if (arguments->peers > 0) {
        for (size_t s = 0; s < bench.n_sides; s++)
            bench.sides[s].peer->close(bench.sides[s].graph);
        vectors_close(&bench.set);
        return;
    }
    fprintf(stderr, "%-14s ours built in %.1f s, %.1f MB\n", name,
            bench.sides[0].curve.build_seconds, bench.sides[0].curve.memory / 1e6);
    for (size_t i = 0; i < sizeof efs / sizeof *efs && run_point(&bench, efs[i]);)
        i++;
    for (size_t s = 1; s < bench.n_sides; s++) {
        print_rows(&bench, &bench.sides[s]);
        bench.sides[s].peer->close(bench.sides[s].graph);
    }
    draw(&bench);
    free(bench.truth);
    index_reader_close(bench.reader);
    index_close(bench.index);
    vectors_close(&bench.set);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"quick", no_argument, NULL, 'q'},
                                            {"only", required_argument, NULL, 'o'},
                                            {"alone", no_argument, NULL, 'a'},
                                            {"all", no_argument, NULL, 'A'},
                                            {"peers", required_argument, NULL, 'p'},
                                            {"kept", no_argument, NULL, 'k'},
                                            {0}};
    struct arguments arguments = {0};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'q')
            arguments.quick = true;
        else if (c == 'o')
            arguments.only = optarg;
        else if (c == 'a')
            arguments.alone = true;
        else if (c == 'A')
            arguments.all = true;
        else if (c == 'k')
            arguments.kept = true;
        else if (c == 'p')
            arguments.peers = strtod(optarg, NULL);
        else
            return 2;
    }
    static const char *const cases[] = {"fashion-mnist", "beir-768",     "sift-10k",
                                        "hard-100k-100", "synth-1m-128", "synth-200k-768"};
    enum { QUICK = 2 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (arguments.only ? strcmp(arguments.only, cases[i]) != 0 : arguments.quick && i >= QUICK)
            continue;
        run_case(cases[i], &arguments);
    }
    return 0;
}
