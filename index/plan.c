/* plan: costs in units of one float compared; what else a step costs is a number of them, fitted to
 * measurements (docs/filters.md). */
#include "index/plan.h"

#include "runtime/poison.h"

enum {
    REACH = 128,        /* to get at a vector somewhere in memory */
    ROW = 80,           /* to get at a node's neighbours */
    LOOK = 2,           /* at a neighbour's bit */
    HOP_MATCHES = 48,   /* an expansion measures no more (hop.c) */
    SWEEP_PERCENT = 40, /* from this share on */
    HOP_PERCENT = 3,    /* below, matches are islands even to hops: too many are never found */
};

static double least(double a, double b) {
    return a < b ? a : b;
}

enum index_plan plan_choose(const struct plan_facts *facts) {
    double n = (double)facts->n_live, matching = (double)facts->n_matching;
    if (facts->exact || facts->n_linked == 0 || facts->n_matching == 0) return INDEX_PLAN_SCAN;
    double measure = REACH + facts->n_floats, share = least(matching / (n > 0 ? n : 1), 1);
    double row = facts->row, ef = facts->ef;
    double scan = matching * measure;
    if (share * 100 >= SWEEP_PERCENT) {
        double sweep = ef / share * (ROW + row * (LOOK + measure) / 2);
        return scan <= sweep ? INDEX_PLAN_SCAN : INDEX_PLAN_SWEEP;
    }
    if (share * 100 < HOP_PERCENT) return INDEX_PLAN_SCAN;
    double rows = least(row * (1 - share), HOP_MATCHES / (row * share));
    double fresh = least(row * row * share, HOP_MATCHES) / 2;
    double hop = ef * (ROW + rows * (ROW + row * LOOK) + fresh * measure);
    return scan <= hop ? INDEX_PLAN_SCAN : INDEX_PLAN_HOP;
}
