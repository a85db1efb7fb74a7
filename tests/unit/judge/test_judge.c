/* The judge of the cluster simulator, by histories whose verdict is known. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/sim/cluster/history.h"

enum { ROWS_MAX = 8 };

struct row {
    const char *name;
    enum verdict order;
    bool levels; /* hold */
    struct deed deeds[ROWS_MAX];
};

#define PUT(v, from, to) \
    { ACT_PUT, 1, v, LEVEL_DEFAULT, from, to, 0, 0, 0 }
#define DELETE(from, to) \
    { ACT_DELETE, 1, ABSENT, LEVEL_DEFAULT, from, to, 0, 0, 0 }
#define GET(v, from, to) \
    { ACT_READ, 2, v, LEVEL_LINEARIZABLE, from, to, 0, 0, 0 }
#define EVENTUAL(v, from, to) \
    { ACT_READ, 2, v, LEVEL_EVENTUAL, from, to, 0, 0, 0 }
#define BOUNDED(v, from, to) \
    { ACT_READ, 2, v, LEVEL_BOUNDED, from, to, 0, 0, 10 }
#define SESSION(v, from, to) \
    { ACT_READ, 1, v, LEVEL_SESSION, from, to, 0, from, 0 }

static const struct row rows[] = {
    {"nothing", VERDICT_HOLDS, true, {{0}}},
    {"a read of what was written", VERDICT_HOLDS, true, {PUT(1, 1, 2), GET(1, 3, 4)}},
    {"a read of nothing, before", VERDICT_HOLDS, true, {GET(ABSENT, 1, 2), PUT(1, 3, 4)}},
    {"a lost write", VERDICT_BROKEN, true, {PUT(1, 1, 2), GET(ABSENT, 3, 4)}},
    {"an old value", VERDICT_BROKEN, true, {PUT(1, 1, 2), PUT(2, 3, 4), GET(1, 5, 6)}},
    {"either of two at once", VERDICT_HOLDS, true, {PUT(1, 1, 9), PUT(2, 1, 9), GET(1, 10, 11)}},
    {"one, the other, and the one again",
     VERDICT_BROKEN,
     true,
     {PUT(1, 1, 9), PUT(2, 1, 9), GET(1, 10, 11), GET(2, 12, 13)}},
    {"both while they are under way",
     VERDICT_HOLDS,
     true,
     {PUT(1, 1, 9), PUT(2, 1, 9), GET(1, 2, 3), GET(2, 4, 5)}},
    {"back again while they are under way",
     VERDICT_BROKEN,
     true,
     {PUT(1, 1, 9), PUT(2, 1, 9), GET(1, 2, 3), GET(2, 4, 5), GET(1, 6, 7)}},
    {"a write of unknown fate that came late",
     VERDICT_HOLDS,
     true,
     {PUT(1, 1, NEVER), PUT(2, 3, 4), GET(2, 5, 6), GET(1, 7, 8)}},
    {"a write of unknown fate that came and went",
     VERDICT_BROKEN,
     true,
     {PUT(1, 1, NEVER), GET(1, 2, 3), GET(ABSENT, 4, 5)}},
    {"a delete of unknown fate",
     VERDICT_HOLDS,
     true,
     {PUT(1, 1, 2), DELETE(3, NEVER), GET(ABSENT, 9, 10)}},
    {"a delete that was undone", VERDICT_BROKEN, true, {PUT(1, 1, 2), DELETE(3, 4), GET(1, 5, 6)}},
    {"a value from nowhere", VERDICT_BROKEN, false, {PUT(1, 1, 2), GET(7, 3, 4)}},
    {"a value before it was written", VERDICT_HOLDS, false, {EVENTUAL(1, 1, 2), PUT(1, 3, 4)}},
    {"old, but eventual", VERDICT_HOLDS, true, {PUT(1, 1, 2), PUT(2, 3, 4), EVENTUAL(1, 5, 6)}},
    {"old, within the bound",
     VERDICT_HOLDS,
     true,
     {PUT(1, 1, 2), PUT(2, 3, 4), BOUNDED(1, 14, 15)}},
    {"old, beyond the bound",
     VERDICT_HOLDS,
     false,
     {PUT(1, 1, 2), PUT(2, 3, 4), BOUNDED(1, 15, 16)}},
    {"absent, beyond the bound", VERDICT_HOLDS, false, {PUT(1, 1, 2), BOUNDED(ABSENT, 20, 21)}},
    {"its own write is not seen", VERDICT_HOLDS, false, {PUT(1, 1, 2), SESSION(ABSENT, 3, 4)}},
    {"its own write is overwritten by it",
     VERDICT_HOLDS,
     true,
     {PUT(1, 1, 2), PUT(2, 3, 4), SESSION(2, 5, 6)}},
    {"its own delete is not seen... it may be another's put",
     VERDICT_HOLDS,
     true,
     {PUT(1, 1, NEVER), DELETE(3, 4), SESSION(1, 5, 6)}},
    {"its own delete is not seen",
     VERDICT_HOLDS,
     false,
     {PUT(1, 1, 2), DELETE(3, 4), SESSION(1, 5, 6)}},
};

static void fill(struct key *key, const struct row *row) {
    memset(key, 0, sizeof *key);
    while (key->n < ROWS_MAX && row->deeds[key->n].return_us) {
        key->deeds[key->n] = row->deeds[key->n];
        key->n++;
    }
}

Test(judge, knows_what_it_sees) {
    static struct key key;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fill(&key, &rows[i]);
        const char *words = judge_levels(&key);
        cr_expect_eq(judge_order(&key), rows[i].order, "%s", rows[i].name);
        cr_expect_eq(words == NULL, rows[i].levels, "%s: %s", rows[i].name, words ? words : "");
    }
}

/* Many at once: the memory of states keeps it from trying all orders. */
Test(judge, is_quick_with_many_at_once) {
    static struct key key;
    memset(&key, 0, sizeof key);
    for (uint32_t i = 0; i < 12; i++)
        key.deeds[key.n++] = (struct deed)PUT(i + 1, 1, 100);
    for (uint32_t i = 0; i < 11; i++)
        key.deeds[key.n++] = (struct deed)GET(i + 1, 2 + i, 2 + i);
    cr_expect_eq(judge_order(&key), VERDICT_HOLDS);
    key.deeds[key.n++] = (struct deed)GET(5, 50, 51);
    cr_expect_eq(judge_order(&key), VERDICT_BROKEN);
}
