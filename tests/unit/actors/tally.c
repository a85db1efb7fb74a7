/* Who counts for the leader of a shard, and when its answer is believed: a table. */
#include <criterion/criterion.h>

#include "actors/router/tally.h"

struct row {
    const char *words;
    uint64_t others[4]; /* voters besides the leader, which is replica 1 of term 5 */
    size_t n_others;
    struct tally_stand stands[4];
    uint32_t n_stands;
    bool complete;
    enum tally_verdict verdict;
};

static const struct row rows[] = {
    {"nobody answered yet", {2, 3}, 2, {{0}}, 0, false, TALLY_OPEN},
    {"nobody will answer", {2, 3}, 2, {{0}}, 0, true, TALLY_FALLS},
    {"one of three, and the leader", {2, 3}, 2, {{2, 5}}, 1, true, TALLY_STANDS},
    {"it need not know the leader's term", {2, 3}, 2, {{2, 4}}, 1, true, TALLY_STANDS},
    {"it knows a later one", {2, 3}, 2, {{2, 6}}, 1, false, TALLY_FALLS},
    {"one of two knows a later one", {2, 3}, 2, {{2, 5}, {3, 6}}, 2, true, TALLY_FALLS},
    {"a replica without a vote", {2, 3}, 2, {{9, 5}}, 1, true, TALLY_FALLS},
    {"the leader is not counted twice", {2, 3}, 2, {{1, 5}}, 1, true, TALLY_FALLS},
    {"one of five is no majority", {2, 3, 4, 6}, 4, {{2, 5}}, 1, true, TALLY_FALLS},
    {"nor one that answered twice", {2, 3, 4, 6}, 4, {{2, 5}, {2, 5}}, 2, true, TALLY_FALLS},
    {"two of five are", {2, 3, 4, 6}, 4, {{2, 5}, {6, 1}}, 2, false, TALLY_STANDS},
    {"a learner says a later term", {2, 3}, 2, {{9, 6}, {2, 5}}, 2, true, TALLY_FALLS},
    {"of two voters both", {2}, 1, {{2, 5}}, 1, true, TALLY_STANDS},
    {"of two voters one", {2}, 1, {{0}}, 0, true, TALLY_FALLS},
};

Test(tally, a_leader_is_believed_when_a_majority_knew_no_later_term) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        ShardPoint point = SHARD_POINT__INIT;
        point.term = 5;
        point.n_others = row->n_others;
        point.others = (uint64_t *)(uintptr_t)row->others;
        enum tally_verdict verdict = tally_count(&point, row->stands, row->n_stands, row->complete);
        cr_assert(verdict == row->verdict, "%s: %d instead of %d", row->words, (int)verdict,
                  (int)row->verdict);
    }
}
