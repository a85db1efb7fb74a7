/* Lints: what is wrong is raised after a while, and ends by itself. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "runtime/watermark.h"
#include "schemas/sys.pb-c.h"
#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, S = 1000 * 1000, LEAVE = 1, HOLD, CALL_A, CALL_B, FLOOD, LATE };

static struct sim *sim;

static void flood(struct turn *turn, const char *name, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        turn_tell(turn, turn_find(turn, name), DO(99));
}

static enum status act(struct puppet *self, uint64_t what, struct turn *turn) {
    if (what == LEAVE) turn_exit(turn, STATUS_IO, "%s", "broken");
    if (what == HOLD) self->owed[self->n_owed++] = turn_defer(turn);
    if (what == CALL_A || what == CALL_B)
        self->call = puppet_ask(turn, turn_find(turn, what == CALL_A ? "a" : "b"), HOLD, 8 * S);
    if (what == FLOOD) flood(turn, "small", 1500);
    if (what == LATE)
        for (int i = 0; i < 200; i++)
            puppet_ask(turn, turn_find(turn, "a"), 99, i % 2 ? 0 : S);
    return STATUS_OK;
}
static const struct strings acting = {.act = act};

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1, .linting = true});
    sim_spawn(sim, "a", &puppet_type, &acting);
    sim_spawn(sim, "b", &puppet_type, &acting);
}

static void tear_down(void) {
    watermark_pretend(&(struct watermark){0});
    sim_close(&sim);
}

TestSuite(lint, .init = set_up, .fini = tear_down);

/* The alarm's row, also when it is over; NULL: there is none. */
static const SysAlarm *alarm(const char *name, const char *subject) {
    const ProtobufCMessage *reply = NULL;
    SysAsk ask = SYS_ASK__INIT;
    cr_assert_eq(sim_call(sim, "sys", &ask.base, 2 * S, &reply), STATUS_OK);
    const SysReport *report = (const SysReport *)reply;
    for (size_t i = 0; i < report->n_alarms; i++)
        if (strcmp(report->alarms[i]->name, name) == 0 &&
            strcmp(report->alarms[i]->subject, subject) == 0)
            return report->alarms[i];
    return NULL;
}

static bool lasts(const char *name, const char *subject) {
    const SysAlarm *row = alarm(name, subject);
    return row && !row->over;
}

Test(lint, nothing_is_wrong_with_a_quiet_process) {
    const ProtobufCMessage *reply = NULL;
    SysAsk ask = SYS_ASK__INIT;
    sim_run(sim, 60 * (uint64_t)S);
    cr_assert_eq(sim_call(sim, "sys", &ask.base, 2 * S, &reply), STATUS_OK);
    cr_expect_eq(((const SysReport *)reply)->n_alarms, 0);
}

Test(lint, calls_that_wait_for_each_other) {
    sim_tell(sim, "a", DO(CALL_B));
    sim_run(sim, 10 * MS);
    sim_tell(sim, "b", DO(CALL_A));
    sim_run(sim, 900 * MS);
    cr_expect_null(alarm("call_cycle", "a"), "not before they are a second old");
    sim_run(sim, 2 * S);
    const SysAlarm *row = alarm("call_cycle", "a");
    if (!row) row = alarm("call_cycle", "b");
    cr_assert(row && !row->over);
    cr_expect(strstr(row->text, "a waits for b"), "%s", row->text);
    cr_expect(strstr(row->text, "b waits for a"), "%s", row->text);
    char subject[8];
    snprintf(subject, sizeof subject, "%s", row->subject);
    sim_run(sim, 8 * S);
    cr_expect_not(lasts("call_cycle", subject), "the calls ended");
}

Test(lint, a_chain_of_calls_is_no_cycle) {
    sim_tell(sim, "a", DO(CALL_B));
    sim_run(sim, 4 * S);
    cr_expect_null(alarm("call_cycle", "a"));
}

Test(lint, a_restart_budget_that_is_nearly_spent) {
    sim_spawn_as(
        sim, 1,
        &(struct spawn){
            .type = &puppet_type, .name = "x", .options = &acting, .intensity = 4, .period_s = 20});
    for (int i = 0; i < 2; i++) {
        sim_tell(sim, "x", DO(LEAVE));
        sim_run(sim, 100 * MS);
    }
    sim_run(sim, 1500 * MS);
    cr_expect_null(alarm("restart_budget", "x"), "two of four");
    sim_tell(sim, "x", DO(LEAVE));
    sim_run(sim, 1500 * MS);
    cr_expect(lasts("restart_budget", "x"));
    sim_run(sim, 25 * (uint64_t)S);
    cr_expect_not(lasts("restart_budget", "x"), "the period is over");
}

Test(lint, callers_that_try_again_and_again) {
    sim_spawn(sim, "small", &puppet_small_type, &acting);
    for (int i = 0; i < 10; i++) {
        sim_tell(sim, "a", DO(FLOOD));
        sim_run(sim, S);
    }
    sim_run(sim, 2 * S);
    cr_expect(lasts("retry_storm", "small"));
    sim_run(sim, 21 * (uint64_t)S);
    cr_expect_not(lasts("retry_storm", "small"));
}

Test(lint, messages_that_come_too_late) {
    sim_tell(sim, "b", DO(LATE));
    sim_run(sim, 12 * (uint64_t)S);
    cr_expect(lasts("expired", "a"));
    sim_run(sim, 11 * (uint64_t)S);
    cr_expect_not(lasts("expired", "a"));
}

Test(lint, memory_that_is_used_up) {
    watermark_pretend(&(struct watermark){.limit = 1000, .used = 1000});
    sim_run(sim, 1500 * MS);
    cr_expect(lasts("memory", ""));
    watermark_pretend(&(struct watermark){.limit = 1000, .used = 970});
    sim_run(sim, 1500 * MS);
    cr_expect(lasts("memory", ""), "a little less is not yet over");
    watermark_pretend(&(struct watermark){.limit = 1000, .used = 500});
    sim_run(sim, 1500 * MS);
    cr_expect_not(lasts("memory", ""));
}
