/* vectron index plot: recall against searches per second, drawn. */
#include <string.h>

#include "cli/index/curve.h"
#include "cli/index/parts.h"
#include "cli/index/trial.h"

static const struct args_flag flags[] = {
    {"out", "PATH", "the SVG (default recall.svg)"},
    {"title", "TEXT", "above the chart (default: the first file's name)"},
    TRIAL_FLAGS,
    {"format", "NAME", "of the queries (default: found out)"},
    {"dataset", "NAME", "of an HDF5 file (default train)"},
    {"quiet", NULL, "do not print the curves"},
    {0},
};

static void add_point(struct curve *curve, const struct trial_point *point) {
    curve->ef[curve->n] = point->ef;
    curve->recall[curve->n] = point->recall;
    curve->qps[curve->n++] = point->qps;
}

/* One file: a curve. */
static int measure(const struct args *args, size_t nth, struct trial *trial, struct curve *curve) {
    const char *path = args->words[nth], *slash = strrchr(path, '/');
    struct opened opened;
    struct trial_curve points;
    int code = opened_open(path, &opened);
    if (code == EXIT_OK) code = trial_fit(trial, args, &opened);
    if (code == EXIT_OK) code = trial_judge(trial, args, &opened);
    if (code == EXIT_OK) code = trial_curve(trial, &opened, &points);
    opened_close(&opened);
    if (code != EXIT_OK) return code;
    *curve = (struct curve){.name = slash ? slash + 1 : path};
    for (size_t i = 0; i < points.n && i < CURVE_MAX; i++) {
        add_point(curve, &points.points[i]);
        if (args_on(args, "quiet")) continue;
        printf("%s: ef %u, recall@%u %.4f, %.0f/s\n", curve->name, points.points[i].ef, trial->k,
               points.points[i].recall, points.points[i].qps);
    }
    return EXIT_OK;
}

static int plot(const struct args *args, struct trial *trial) {
    struct curve curves[CURVES_MAX];
    const struct curve *list[CURVES_MAX];
    const char *out = args_text(args, "out"), *title = args_text(args, "title");
    for (size_t i = 0; i < args->n_words; i++) {
        int code = measure(args, i, trial, &curves[i]);
        if (code != EXIT_OK) return code;
        list[i] = &curves[i];
    }
    struct curve_chart chart = {
        .path = out ? out : "recall.svg", .title = title ? title : curves[0].name, .k = trial->k};
    if (!curve_draw(&chart, list, args->n_words))
        return command_fail("%s: cannot be written", chart.path);
    printf("%s: %zu curve%s of %zu queries, held against %s\n", chart.path, args->n_words,
           args->n_words == 1 ? "" : "s", trial->n, trial->against);
    return EXIT_OK;
}

static int run(const struct args *args) {
    if (args->n_words < 1 || args->n_words > CURVES_MAX)
        return command_misuse("index plot", "give one to %d index FILEs", CURVES_MAX);
    struct trial trial = {0};
    int code = trial_open(&trial, "index plot", args);
    if (code == EXIT_OK) code = plot(args, &trial);
    trial_close(&trial);
    return code;
}

const struct command command_index_plot = {
    .of = "index",
    .name = "plot",
    .arguments = "FILE...",
    .summary = "draw recall against searches per second, one curve a file, as SVG",
    .help =
        "  vectron index plot m16.index m32.index --queries query.fvecs --truth truth.ivecs\n\n"
        "Searches per second are those of one thread, by its CPU time. Without --queries the same\n"
        "points of the first index are looked for in all.\n",
    .flags = flags,
    .run = run,
};
