/* Alarms: told by processes, found by comparing. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cli/console/lints.h"
#include "tests/unit/console/scene.h"

static struct console *console;
static struct lint lints[LINTS_MAX];
static size_t n;

static void set_up(void) {
    console = calloc(1, sizeof *console);
    cr_assert_eq(console_init(console, 64 << 20), STATUS_OK);
}
static void tear_down(void) {
    console_free(console);
    free(console);
}
TestSuite(lints, .init = set_up, .fini = tear_down);

static const struct lint *find(const char *name) {
    n = lints_find(&console->timeline.model, lints);
    for (size_t i = 0; i < n; i++)
        if (strcmp(lints[i].name, name) == 0) return &lints[i];
    return NULL;
}

Test(lints, of_the_scene) {
    scene_play(console);
    cr_expect_str_eq(find("memory")->process->label, "gateway");
    cr_expect_not(find("memory")->own);
    cr_expect_str_eq(find("slow_handler")->subject, "router");
    cr_expect_str_eq(find("link_refused")->text, "its key is not allowed");
    cr_expect_str_eq(find("restart_budget")->text, "1 of 2 restarts within 5 s used");
    cr_expect(strstr(find("call_cycle")->text, "shard/1@worker:10.0.0.2"));
    cr_expect_null(find("mailbox_growing"), "not for long enough");
    cr_expect_null(find("process_lost"));
    cr_expect_null(find("unlike_versions"));
}

Test(lints, a_mailbox_that_only_grows) {
    for (unsigned i = 1; i <= 13; i++)
        scene_second(console, i);
    cr_assert(find("mailbox_growing"));
    cr_expect_str_eq(find("mailbox_growing")->text,
                     "156 waiting, 12 11.0s ago; it takes in more than it handles");
}

Test(lints, a_process_that_is_gone) {
    scene_second(console, 1);
    scene_take(&console->timeline.model,
               scene_failure(SCENE_MS + 8000, WORKER1, QUESTION_REPORT, "", STATUS_LOST_PEER,
                             "peer is unreachable"));
    cr_expect_str_eq(find("process_lost")->text,
                     "no answer for 7.00s: LOST_PEER peer is unreachable");
    scene_second(console, 9);
    cr_expect_null(find("process_lost"));
}

Test(lints, a_lint_the_process_tells_is_not_told_twice) {
    SysReport report = SYS_REPORT__INIT;
    SysActor actor = SYS_ACTOR__INIT;
    SysAlarm alarm = SYS_ALARM__INIT;
    alarm.name = (char *)"restart_budget";
    alarm.subject = actor.name = (char *)"shard/1";
    actor.restarts_recent = actor.restarts_allowed = 5;
    report.n_actors = report.n_alarms = 1;
    report.actors = (SysActor *[]){&actor};
    report.alarms = (SysAlarm *[]){&alarm};
    scene_take(&console->timeline.model,
               scene_event(SCENE_MS, PD, QUESTION_ACTORS, "", &report.base));
    cr_expect_not(find("restart_budget")->own);
    cr_expect_eq(n, 1);
}

Test(lints, versions_that_differ) {
    scene_second(console, 1);
    SysReport report = SYS_REPORT__INIT;
    report.node = (char *)"worker";
    report.version = (char *)"0.2.0";
    scene_take(&console->timeline.model,
               scene_event(SCENE_MS + 2000, WORKER1, QUESTION_REPORT, "", &report.base));
    cr_assert(find("unlike_versions"));
    cr_expect_str_eq(find("unlike_versions")->text, "it is 0.2.0, pd is 0.1.0");
}
