/* vectron index tune: the ef that reaches a recall. */

#include "cli/index/parts.h"
#include "cli/index/trial.h"
#include "cli/table.h"

static const struct args_flag flags[] = {
    {"target", "RECALL", "the share of the k nearest to be found, 0.01 to 1 (default 0.95)"},
    TRIAL_FLAGS,
    {"format", "NAME", "of the queries (default: found out)"},
    {"dataset", "NAME", "of an HDF5 file (default train)"},
    {"json", NULL, "print curve and ef as JSON"},
    {0},
};

static bool read_target(const struct args *args, double *out) {
    struct buffer why;
    buffer_init(&why);
    *out = 0.95;
    enum status s = args_real(args, "target", out, &why);
    buffer_free(&why);
    return s == STATUS_OK && *out >= 0.01 && *out <= 1;
}

static void print_text(const struct trial *trial,
                       const struct trial_curve *curve,
                       const struct trial_point *best,
                       double target) {
    static const char *const heads[] = {">EF",  ">RECALL",    ">SEARCHES/S", ">P50",
                                        ">P99", ">DISTANCES", NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < curve->n; i++) {
        const struct trial_point *point = &curve->points[i];
        table_row(&table);
        table_cell(&table, 0, "%u", point->ef);
        table_cell(&table, 1, "%.4f", point->recall);
        table_cell(&table, 2, "%.0f", point->qps);
        table_cell(&table, 3, "%.0f us", point->median_us);
        table_cell(&table, 4, "%.0f us", point->late_us);
        table_cell(&table, 5, "%.0f", point->distances);
    }
    table_print(&table, stdout);
    table_reset(&table);
    if (best->recall >= target)
        printf("ef %u finds %.4f of the %u nearest (target %g), %.0f searches/s of one thread\n",
               best->ef, best->recall, trial->k, target, best->qps);
    printf("%zu queries, held against %s\n", trial->n, trial->against);
}

static void print_point(const struct trial_point *point) {
    printf("{\"ef\":%u,\"recall\":%.5f,\"perSecond\":%.1f,\"medianUs\":%.1f,\"p99Us\":%.1f,"
           "\"distances\":%.1f}",
           point->ef, point->recall, point->qps, point->median_us, point->late_us,
           point->distances);
}

static void print_json(const struct trial *trial,
                       const struct trial_curve *curve,
                       const struct trial_point *best,
                       double target) {
    printf("{\"target\":%g,\"reached\":%s,\"queries\":%zu,\"k\":%u,\"best\":", target,
           best->recall >= target ? "true" : "false", trial->n, trial->k);
    print_point(best);
    printf(",\"curve\":[");
    for (size_t i = 0; i < curve->n; i++) {
        if (i) putchar(',');
        print_point(&curve->points[i]);
    }
    printf("]}\n");
}

static int
tune(const struct args *args, struct trial *trial, struct opened *opened, double target) {
    struct trial_curve curve;
    struct trial_point best;
    int code = trial_open(trial, "index tune", args);
    if (code == EXIT_OK) code = opened_open(args->words[0], opened);
    if (code == EXIT_OK) code = trial_fit(trial, args, opened);
    if (code == EXIT_OK) code = trial_judge(trial, args, opened);
    if (code == EXIT_OK) code = trial_curve(trial, opened, &curve);
    if (code == EXIT_OK) code = trial_tune(trial, opened, target, &curve, &best);
    if (code != EXIT_OK) return code;
    if (args_on(args, "json"))
        print_json(trial, &curve, &best, target);
    else
        print_text(trial, &curve, &best, target);
    if (best.recall >= target) return EXIT_OK;
    return command_fail("recall %g is not reached: %.4f at ef %u", target, best.recall, best.ef);
}

static int run(const struct args *args) {
    double target;
    if (args->n_words != 1) return command_misuse("index tune", "give one index FILE");
    if (!read_target(args, &target))
        return command_misuse("index tune", "--target: \"%s\" is no number from 0.01 to 1",
                              args_text(args, "target"));
    struct opened opened = {0};
    struct trial trial = {0};
    int code = tune(args, &trial, &opened, target);
    trial_close(&trial);
    opened_close(&opened);
    return code;
}

const struct command command_index_tune = {
    .of = "index",
    .name = "tune",
    .arguments = "FILE",
    .summary = "find the ef that reaches a recall, and show the curve",
    .help =
        "  vectron index tune sift.index --target 0.99\n"
        "  vectron index tune sift.index --queries query.fvecs --truth groundtruth.ivecs\n\n"
        "Queries that look like those to come tell more than points of the index do. Exit code 1:\n"
        "the recall is not reached at any ef that was tried.\n",
    .flags = flags,
    .run = run,
};
