/* What a person may do to an actor, and that nobody else may. */
#include <criterion/criterion.h>
#include <string.h>

#include "schemas/sys.pb-c.h"
#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, S = 1000 * 1000, TICK = 1 };

static struct sim *sim;

static void tick(void *self, void *context, struct turn *turn) {
    (void)self, (void)context;
    turn_note(turn, "ticks");
}
static enum status act(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    if (what == TICK) turn_timer(turn, 10 * MS, tick, NULL);
    return STATUS_OK;
}
static const struct strings acting = {.act = act};

static void open_sim(enum sys_actions actions) {
    sim = sim_open(&(struct sim_options){.seed = 1, .actions = actions, .linting = true});
    sim_spawn_as(
        sim, 1,
        &(struct spawn){
            .type = &puppet_type, .name = "a", .options = &acting, .intensity = 2, .period_s = 10});
    sim_spawn(sim, "once", &puppet_type, &acting);
}

static void set_up(void) {
    open_sim(SYS_ACTIONS_TEST);
}
static void tear_down(void) {
    sim_close(&sim);
}
TestSuite(sys_do, .init = set_up, .fini = tear_down);

static enum status ask(const char *action, const char *actor) {
    const ProtobufCMessage *reply = NULL;
    return sim_call(sim, "sys",
                    MESSAGE(SysDo, sys_do, .actor = (char *)actor, .action = (char *)action), S,
                    &reply);
}

Test(sys_do, nothing_without_permission) {
    sim_close(&sim);
    open_sim(SYS_ACTIONS_OFF);
    cr_expect_eq(ask("restart", "a"), STATUS_DENIED);
    sim_close(&sim);
    open_sim(SYS_ACTIONS_ON);
    cr_expect_eq(ask("pause", "a"), STATUS_DENIED, "it is for tests");
    cr_expect_eq(ask("restart", "a"), STATUS_OK);
}

Test(sys_do, refuses_what_makes_no_sense) {
    cr_expect_eq(ask("explode", "a"), STATUS_INVALID);
    cr_expect_eq(ask("", "a"), STATUS_INVALID);
    cr_expect_eq(ask("restart", "nobody"), STATUS_NOT_FOUND);
    cr_expect_eq(ask("restart", "once"), STATUS_UNIMPLEMENTED);
    cr_expect_eq(ask("passivate", "a"), STATUS_UNIMPLEMENTED);
    cr_expect_eq(ask("step", "a"), STATUS_NOT_READY);
    cr_expect_eq(ask("resume", "a"), STATUS_NOT_READY);
    cr_expect_eq(ask("pause", "sys"), STATUS_DENIED);
    cr_expect_eq(ask("restart", "lane/1"), STATUS_DENIED);
    cr_expect_eq(ask("restart", "root"), STATUS_DENIED);
    const ProtobufCMessage *reply = NULL;
    cr_expect_eq(sim_call(sim, "sys",
                          MESSAGE(SysDo, sys_do, .actor = "a", .action = "migrate", .lane = 9), S,
                          &reply),
                 STATUS_INVALID);
}

Test(sys_do, restarts_within_the_budget) {
    sim_trace_clear(sim);
    cr_expect_eq(ask("restart", "a"), STATUS_OK);
    cr_expect(strstr(sim_trace(sim), "a * failed CANCELLED restarted by a person\na * restarts\n"));
    cr_expect_eq(ask("restart", "a"), STATUS_OK);
    sim_run(sim, 100 * MS);
    cr_expect_eq(ask("restart", "a"), STATUS_QUOTA);
    cr_expect_not(sim_failed(sim));
}

Test(sys_do, a_paused_actor_handles_nothing_but_steps) {
    cr_expect_eq(ask("pause", "a"), STATUS_OK);
    sim_trace_clear(sim);
    for (uint64_t i = 2; i < 5; i++)
        sim_tell(sim, "a", DO(i));
    sim_expect(sim, "");
    cr_expect_eq(ask("step", "a"), STATUS_OK);
    sim_run(sim, MS);
    const char *trace = sim_trace(sim);
    cr_expect(strstr(trace, "a < LogDrop store=2\n"));
    cr_expect_null(strstr(trace, "store=3"));
    cr_expect_eq(ask("resume", "a"), STATUS_OK);
    sim_run(sim, MS);
    cr_expect(strstr(sim_trace(sim), "a < LogDrop store=3\na < LogDrop store=4\n"));
}

Test(sys_do, a_paused_actor_s_timers_stand_still) {
    sim_tell(sim, "a", DO(TICK));
    cr_expect_eq(ask("pause", "a"), STATUS_OK);
    sim_trace_clear(sim);
    sim_run(sim, 500 * MS);
    cr_expect_null(strstr(sim_trace(sim), "ticks"));
    cr_expect_eq(ask("resume", "a"), STATUS_OK);
    sim_run(sim, 20 * MS);
    cr_expect(strstr(sim_trace(sim), "a   ticks\n"));
}

/* What grows in front of a paused actor is an alarm after ten seconds. */
Test(sys_do, a_mailbox_that_grows_is_an_alarm) {
    cr_expect_eq(ask("pause", "a"), STATUS_OK);
    for (int second = 0; second < 14; second++) {
        for (int i = 0; i < 20; i++)
            sim_tell(sim, "a", DO(2));
        sim_run(sim, S);
    }
    cr_expect(strstr(sim_trace(sim), "alarm mailbox_growing a began: "));
    sim_trace_clear(sim);
    cr_expect_eq(ask("resume", "a"), STATUS_OK);
    sim_run(sim, 2 * S);
    cr_expect(strstr(sim_trace(sim), "alarm mailbox_growing a is over"));
}
