/* Read levels: whom a read of each may be asked of, what it carries, and where it comes from. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/router/stage.h"

enum { DEFAULT, LINEARIZABLE, SESSION, BOUNDED, EVENTUAL };

static const struct part *asked(void) {
    for (uint32_t i = 0; i < REPLICAS; i++)
        if (stage.parts[i].searches + stage.parts[i].gets > 0) return &stage.parts[i];
    return NULL;
}

struct row {
    const char *name;
    struct router_options options;
    bool get;
    uint32_t asked; /* level of the request */
    uint32_t sent;  /* … to the replica */
};

static const struct row rows[] = {
    {"a search", {.pd = ""}, false, DEFAULT, SESSION},
    {"a get", {.pd = ""}, true, DEFAULT, LINEARIZABLE},
    {"a search of its own", {.pd = ""}, false, BOUNDED, BOUNDED},
    {"a get of its own", {.pd = ""}, true, EVENTUAL, EVENTUAL},
    {"of the deployment", {.searches_linearizable = true}, false, DEFAULT, LINEARIZABLE},
    {"of the collection", {.levels = "a=strong, docs=eventual"}, false, DEFAULT, EVENTUAL},
    {"of another collection", {.levels = "docs2=0,do=1"}, false, DEFAULT, SESSION},
    {"collection over deployment",
     {.searches_linearizable = true, .levels = "docs=stale"},
     false,
     DEFAULT,
     EVENTUAL},
    {"request over collection", {.levels = "docs=true"}, false, SESSION, SESSION},
    {"not for gets", {.levels = "docs=false"}, true, DEFAULT, LINEARIZABLE},
};

Test(levels, come_from_request_collection_and_deployment) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        stage_open(i + 1, &rows[i].options);
        cr_expect_eq(rows[i].get ? stage_get(rows[i].asked) : stage_search(rows[i].asked),
                     STATUS_OK);
        cr_expect_eq(asked()->level, rows[i].sent, "%s: %u", rows[i].name, asked()->level);
        stage_close();
    }
}

Test(levels, a_linearizable_get_goes_to_the_leader) {
    stage_open(1, &(struct router_options){.pd = ""});
    for (int i = 0; i < 20; i++)
        cr_expect_eq(stage_get(LINEARIZABLE), STATUS_OK);
    cr_expect_eq(stage.parts[0].gets, 20);
    stage_close();
}

Test(levels, voters_share_what_must_be_fresh) {
    stage_open(1, &(struct router_options){.pd = ""});
    for (int i = 0; i < 900; i++)
        cr_expect_eq(stage_search(i % 2 ? LINEARIZABLE : SESSION), STATUS_OK);
    for (uint32_t i = 0; i < VOTERS; i++)
        cr_expect_gt(stage.parts[i].searches, 90, "replica %u: %u", i, stage.parts[i].searches);
    cr_expect_eq(stage.parts[LEARNER].searches, 0);
    stage_close();
}

Test(levels, a_search_only_worker_takes_what_may_be_old) {
    stage_open(1, &(struct router_options){.pd = ""});
    for (int i = 0; i < 40; i++)
        cr_expect_eq(stage_search(i % 2 ? BOUNDED : EVENTUAL), STATUS_OK);
    cr_expect_eq(stage.parts[LEARNER].searches, 40);
    /* It fell behind: voters answer. */
    stage.parts[LEARNER].status = STATUS_NOT_READY;
    cr_expect_eq(stage_search(BOUNDED), STATUS_OK);
    cr_expect_eq(stage.parts[LEARNER].searches, 41);
    stage_close();
}

Test(levels, a_session_carries_what_was_acknowledged_here) {
    stage_open(1, &(struct router_options){.pd = ""});
    stage_leads(0);
    cr_expect_eq(stage_put("a"), STATUS_OK);
    cr_expect_eq(stage_put("b"), STATUS_OK);
    for (uint32_t level = LINEARIZABLE; level <= EVENTUAL; level++) {
        struct part *part = &stage.parts[level >= BOUNDED ? LEARNER : 0];
        for (uint32_t i = 1; i < VOTERS; i++)
            stage.parts[i].status = STATUS_NOT_READY;
        cr_expect_eq(stage_search(level), STATUS_OK);
        cr_expect_eq(part->session_index, level <= SESSION ? 2 : 0);
        cr_expect_eq(part->max_staleness_ms, level == BOUNDED ? 5000 : 0);
    }
    stage_close();
}

struct list {
    const char *text;
    const char *wrong; /* from where on; NULL: nothing is */
};
static const struct list lists[] = {
    {"", NULL},
    {"docs=linearizable", NULL},
    {"a=1,b=0 , c=strong,d=stale,e=true,f=false,g=session,h=bounded,i=eventual", NULL},
    {"a=1,", NULL},
    {"docs", "docs"},
    {"a=1,docs=strongest", "docs=strongest"},
    {"=1", "=1"},
    {"a=1,b=", "b="},
};

Test(levels, a_list_of_collections_is_checked) {
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const char *wrong = NULL;
        enum status s = router_levels_check(lists[i].text, &wrong);
        cr_expect_eq(s, lists[i].wrong ? STATUS_INVALID : STATUS_OK, "%s", lists[i].text);
        if (lists[i].wrong) cr_expect_str_eq(wrong, lists[i].wrong);
    }
}
