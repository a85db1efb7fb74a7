/* plan: how a filtered search goes about it, from how many points match.
 *
 *     SCAN    measure every match: few of them, or `exact`
 *     HOP     walk the graph over matches alone, through the neighbours of neighbours that do not
 *             match (ACORN-1: Patel et al. 2024)
 *     SWEEP   walk the graph as ever, keep what matches: most do */
#ifndef INDEX_PLAN_H
#define INDEX_PLAN_H

#include "index/index.h"

struct plan_facts {
    uint64_t n_live;
    uint64_t n_linked; /* points in the graph; 0: there is none to walk */
    uint64_t n_matching;
    uint32_t ef;
    uint32_t row;      /* neighbours of a node */
    uint32_t n_floats; /* of a vector */
    bool exact;
};
enum index_plan plan_choose(const struct plan_facts *facts);

#endif
