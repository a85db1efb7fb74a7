/* What sys tells about actors that do what the test says. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "schemas/sys.pb-c.h"
#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, DEFER = 1, RAISE, RAISE_TOLD, CLEAR, LEAVE, FAIL };

static struct sim *sim;

static enum status act(struct puppet *self, uint64_t what, struct turn *turn) {
    switch (what) {
    case DEFER:
        self->owed[self->n_owed++] = turn_defer(turn);
        return STATUS_OK;
    case RAISE:
        turn_raise(turn, "on_fire", "%d degrees", 451);
        return STATUS_OK;
    case RAISE_TOLD:
        turn_raise_told(turn, "on_fire", "%d degrees", 451);
        return STATUS_OK;
    case CLEAR:
        turn_clear(turn, "on_fire");
        return STATUS_OK;
    case LEAVE:
        turn_exit(turn, STATUS_OK, "%s", "");
        return STATUS_OK;
    case FAIL:
        return turn_fail(turn, STATUS_IO, "disk");
    default:
        self->call = puppet_ask(turn, turn_find(turn, what == 50 ? "b" : "a"), DEFER, 1000 * MS);
        return STATUS_OK;
    }
}
static const struct strings strings = {.act = act};

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    sim_spawn(sim, "a", &puppet_type, &strings);
    sim_spawn(sim, "b", &puppet_type, &strings);
    sim_spawn(sim, NULL, &puppet_light_type, &strings);
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(sys, .init = set_up, .fini = tear_down);

static const SysReport *report(void) {
    const ProtobufCMessage *reply = NULL;
    enum status s = sim_call(sim, "sys", MESSAGE(SysAsk, sys_ask, .actors = 1), 2000 * MS, &reply);
    cr_assert_eq(s, STATUS_OK);
    return (const SysReport *)reply;
}

static enum status ask_view(const char *name, const SysActorView **view) {
    const ProtobufCMessage *reply = NULL;
    enum status s = sim_call(sim, "sys", MESSAGE(SysAskActor, sys_ask_actor, .name = (char *)name),
                             2000 * MS, &reply);
    *view = (const SysActorView *)reply;
    return s;
}

static const SysActor *row(const SysReport *all, const char *name) {
    for (size_t i = 0; i < all->n_actors; i++)
        if (strcmp(all->actors[i]->name, name) == 0) return all->actors[i];
    cr_assert_fail("no row of %s", name);
    return NULL;
}

Test(sys, tells_who_it_is) {
    const SysReport *all = report();
    cr_expect_eq(all->api, 1);
    cr_expect_str_eq(all->link, "sim://1");
    cr_expect_neq(all->incarnation, 0);
    cr_expect_eq(all->clock_us, sim_now_us(sim));
    cr_expect_eq(all->lanes[0]->clock_us, sim_now_us(sim));
    cr_expect_not(all->lanes[0]->silent);
    cr_expect_not(all->bodies || all->actions);
}

Test(sys, rows_have_supervision_and_bands) {
    const SysReport *all = report();
    const SysActor *actor = row(all, "a");
    cr_expect_str_eq(actor->supervisor, "root");
    cr_expect_eq(actor->n_depths, 3);
    cr_expect_eq(actor->restarts_allowed, 1);
    cr_expect_eq(actor->restart_period_s, 5);
    cr_expect_not(actor->light);
    cr_expect_str_eq(row(all, "root")->supervisor, "");
    bool light = false;
    for (size_t i = 0; i < all->n_actors; i++)
        light |= all->actors[i]->light && strncmp(all->actors[i]->name, "puppet/", 7) == 0;
    cr_expect(light);
}

Test(sys, component_actors_come_before_light_ones) {
    const SysReport *all = report();
    bool light = false;
    for (size_t i = 0; i < all->n_actors; i++) {
        cr_expect(all->actors[i]->light || !light);
        light = all->actors[i]->light;
    }
}

Test(sys, tells_what_an_actor_works_on) {
    sim_tell(sim, "b", DO(99)); /* b calls a, which defers */
    sim_run(sim, 20 * MS);
    const SysReport *all = report();
    cr_expect_str_eq(row(all, "a")->operation, "LogDrop");
    cr_expect_eq(row(all, "a")->operation_us, 20 * MS);
    cr_expect_eq(row(all, "b")->calls, 1);
    cr_expect_eq(row(all, "a")->calls, 0);
}

Test(sys, views_one_actor) {
    const SysActorView *view = NULL;
    sim_tell(sim, "a", DO(FAIL));
    sim_tell(sim, "b", DO(99));
    sim_run(sim, 10 * MS);
    cr_assert_eq(ask_view("a", &view), STATUS_OK);
    cr_expect_str_eq(view->actor->name, "a");
    cr_assert_eq(view->n_last, 2);
    cr_expect_str_eq(view->last[0]->kind, "call");
    cr_expect_str_eq(view->last[0]->from, "b");
    cr_expect_str_eq(view->last[0]->message, "LogDrop");
    cr_expect_str_eq(view->last[0]->outcome, "DEFERRED");
    cr_expect_str_eq(view->last[1]->outcome, "IO");
    cr_assert_eq(view->n_waits, 1);
    cr_expect_str_eq(view->waits[0]->kind, "serve");
    cr_expect_str_eq(view->waits[0]->peer, "b");
    cr_expect_eq(view->waits[0]->since_us, 10 * MS);
    cr_assert_eq(view->n_senders, 2);
    cr_expect_eq(view->senders[0]->messages, 1);
    cr_expect_eq(view->n_queued, 0);
}

Test(sys, views_an_actor_without_a_name) {
    const SysReport *all = report();
    char name[64] = "";
    for (size_t i = 0; i < all->n_actors; i++)
        if (strncmp(all->actors[i]->name, "puppet/", 7) == 0)
            snprintf(name, sizeof name, "%s", all->actors[i]->name);
    const SysActorView *view = NULL;
    cr_assert_eq(ask_view(name, &view), STATUS_OK);
    cr_expect_str_eq(view->actor->name, name);
}

Test(sys, knows_no_actor_that_is_not_there) {
    static const char *const names[] = {
        "c",       "",  "puppet/999999", "puppet/-1", "a/0",
        "puppet/", "/", "puppet/1x",     "lane/",     "puppet/99999999999999999999"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const SysActorView *view = NULL;
        cr_expect_eq(ask_view(names[i], &view), STATUS_NOT_FOUND, "%s", names[i]);
    }
    sim_tell(sim, "a", DO(LEAVE));
    const SysActorView *view = NULL;
    cr_expect_eq(ask_view("a", &view), STATUS_NOT_FOUND, "it left");
}

Test(sys, shows_no_bodies_unless_allowed) {
    const ProtobufCMessage *reply = NULL;
    cr_expect_eq(sim_call(sim, "sys", MESSAGE(SysAskActor, sys_ask_actor, .name = "a", .bodies = 1),
                          2000 * MS, &reply),
                 STATUS_DENIED);
}

Test(sys, tells_who_waits_for_whom) {
    const ProtobufCMessage *reply = NULL;
    SysAskWaits ask = SYS_ASK_WAITS__INIT;
    sim_tell(sim, "b", DO(99));
    sim_run(sim, 5 * MS);
    sim_tell(sim, "a", DO(50));
    sim_run(sim, 5 * MS);
    cr_assert_eq(sim_call(sim, "sys", &ask.base, 2000 * MS, &reply), STATUS_OK);
    const SysWaits *waits = (const SysWaits *)reply;
    size_t n = 0;
    for (size_t i = 0; i < waits->n_edges; i++) {
        const SysEdge *edge = waits->edges[i];
        if (strcmp(edge->message, "LogDrop") != 0) continue;
        n++;
        bool first = strcmp(edge->from, "b") == 0;
        cr_expect_str_eq(edge->to, first ? "a" : "b");
        cr_expect_eq(edge->since_us, first ? 10 * MS : 5 * MS);
        cr_expect_eq(edge->to_peer, 0);
    }
    cr_expect_eq(n, 2);
    cr_expect_geq(waits->edges_total, 2);
}

/* --- alarms --- */

Test(sys, alarms_last_until_they_are_cleared) {
    cr_expect_eq(report()->n_alarms, 0);
    sim_trace_clear(sim);
    sim_tell(sim, "a", DO(RAISE));
    sim_expect(sim, "a < LogDrop store=2\nalarm on_fire a began: 451 degrees\n");
    sim_tell(sim, "a", DO(RAISE));
    sim_expect(sim, "a < LogDrop store=2\n");
    sim_tell(sim, "b", DO(RAISE));
    const SysReport *all = report();
    cr_assert_eq(all->n_alarms, 2);
    cr_expect_str_eq(all->alarms[1]->name, "on_fire");
    cr_expect_str_eq(all->alarms[1]->subject, "a");
    cr_expect_str_eq(all->alarms[1]->text, "451 degrees");
    cr_expect_not(all->alarms[1]->over);
    sim_trace_clear(sim);
    sim_tell(sim, "a", DO(CLEAR));
    sim_expect(sim, "a < LogDrop store=4\nalarm on_fire a is over: 451 degrees\n");
    all = report();
    cr_assert_eq(all->n_alarms, 2);
    cr_expect_str_eq(all->alarms[0]->subject, "b", "those that last come first");
    cr_expect(all->alarms[1]->over);
    sim_run(sim, 61000 * MS);
    cr_expect_eq(report()->n_alarms, 1);
}

Test(sys, alarms_whose_words_the_log_has_are_not_written_twice) {
    sim_trace_clear(sim);
    sim_tell(sim, "a", DO(RAISE_TOLD));
    cr_assert_eq(report()->n_alarms, 1);
    cr_expect_str_eq(report()->alarms[0]->text, "451 degrees");
    sim_tell(sim, "a", DO(CLEAR));
    cr_expect(report()->alarms[0]->over);
    cr_expect_not(strstr(sim_trace(sim), "alarm on_fire"));
}

Test(sys, alarms_of_an_actor_end_with_it) {
    sim_tell(sim, "b", DO(RAISE));
    sim_stop(sim, "b");
    const SysReport *all = report();
    cr_assert_eq(all->n_alarms, 1);
    cr_expect(all->alarms[0]->over);
}

static enum status raise_many(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    char name[32];
    snprintf(name, sizeof name, "alarm%u", (unsigned)what);
    turn_raise(turn, name, "%s", "\xff is no character");
    return STATUS_OK;
}

Test(sys, alarms_are_bounded) {
    static const struct strings many = {.act = raise_many};
    sim_spawn(sim, "many", &puppet_type, &many);
    for (uint64_t i = 1; i <= 300; i++)
        sim_tell(sim, "many", DO(i));
    const SysReport *all = report();
    cr_expect_eq(all->n_alarms, 256);
    cr_expect_str_eq(all->alarms[0]->text, "? is no character");
}

/* --- dead letters --- */

static struct sim *sim_with(enum sys_bodies bodies, enum sys_actions actions) {
    sim_close(&sim);
    sim = sim_open(&(struct sim_options){.seed = 1, .bodies = bodies, .actions = actions});
    sim_spawn(sim, "a", &puppet_type, &strings);
    sim_spawn(sim, "b", &puppet_type, &strings);
    return sim;
}

static const SysLetters *letters(uint64_t before, uint32_t max, bool bodies) {
    const ProtobufCMessage *reply = NULL;
    enum status s = sim_call(
        sim, "sys",
        MESSAGE(SysAskLetters, sys_ask_letters, .before = before, .max = max, .bodies = bodies),
        2000 * MS, &reply);
    cr_assert_eq(s, STATUS_OK, "%s", sim_words(sim));
    return (const SysLetters *)reply;
}

static enum status resend(uint64_t number) {
    const ProtobufCMessage *reply = NULL;
    return sim_call(sim, "sys", MESSAGE(SysResend, sys_resend, .number = number), 2000 * MS,
                    &reply);
}

enum { TELL_GONE = 70 };

/* Tells the actor it was told of, which is gone by then. */
static actor_handle gone;
static enum status tell_gone(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    for (uint64_t i = 0; i < what; i++)
        turn_tell(turn, gone, DO(RAISE));
    return STATUS_OK;
}
static const struct strings teller = {.act = tell_gone};

static void lose(uint64_t n) {
    gone = sim_spawn(sim, "gone", &puppet_type, &strings);
    sim_stop(sim, "gone");
    sim_spawn(sim, "teller", &puppet_type, &teller);
    sim_tell(sim, "teller", DO(n));
}

Test(sys, dead_letters_are_listed_newest_first) {
    lose(300);
    const SysLetters *all = letters(0, 3, false);
    cr_expect_eq(all->total, 300);
    cr_assert_eq(all->n_letters, 3);
    cr_expect_eq(all->letters[0]->number, 300);
    cr_expect_eq(all->letters[2]->number, 298);
    cr_expect_str_eq(all->letters[0]->from, "teller");
    cr_expect_str_eq(all->letters[0]->message, "LogDrop");
    cr_expect_str_eq(all->letters[0]->reason, "LOST_PEER");
    cr_expect_eq(all->letters[0]->size, 3);
    cr_expect_not(all->letters[0]->kept, "only some a second keep their bodies");
    cr_expect_eq(letters(298, 1, false)->letters[0]->number, 297);
    cr_expect_eq(letters(45, 9, false)->n_letters, 0, "256 are kept");
    cr_expect_eq(letters(1, 9, false)->n_letters, 0);
    cr_expect_eq(letters(0, UINT32_MAX, false)->n_letters, 256);
    cr_expect_eq(report()->n_letters, 32);
    cr_expect_eq(report()->dead_letters, 300);
}

Test(sys, dead_letters_are_not_sent_again_unless_allowed) {
    lose(1);
    cr_expect_eq(resend(1), STATUS_DENIED);
}

Test(sys, a_dead_letter_is_sent_again_to_who_has_the_name_now) {
    sim_with(SYS_BODIES_OFF, SYS_ACTIONS_ON);
    sim_spawn(sim, "small", &puppet_small_type, &strings);
    gone = 0;
    cr_expect_eq(resend(0), STATUS_NOT_FOUND);
    cr_expect_eq(resend(1), STATUS_NOT_FOUND);
    /* The mailbox of two refuses the third. */
    static const struct strings flood = {.act = tell_gone};
    sim_spawn(sim, "flood", &puppet_type, &flood);
    gone = sim_spawn(sim, "tiny", &puppet_small_type, &strings);
    sim_tell(sim, "flood", DO(3));
    const SysLetters *all = letters(0, 0, false);
    cr_assert_eq(all->n_letters, 1);
    cr_expect_str_eq(all->letters[0]->to, "tiny");
    cr_expect_str_eq(all->letters[0]->reason, "BUSY");
    cr_expect(all->letters[0]->kept);
    sim_stop(sim, "tiny");
    cr_expect_eq(resend(1), STATUS_NOT_FOUND, "its receiver is gone");
    sim_spawn(sim, "tiny", &puppet_type, &strings);
    sim_trace_clear(sim);
    cr_expect_eq(resend(1), STATUS_OK);
    cr_expect(strstr(sim_trace(sim), "tiny < LogDrop store=2\n"));
}

Test(sys, bodies_of_dead_letters_are_redacted) {
    sim_with(SYS_BODIES_REDACTED, SYS_ACTIONS_OFF);
    lose(1);
    const SysLetters *all = letters(0, 0, true);
    cr_assert_eq(all->n_letters, 1);
    cr_expect_eq(all->letters[0]->body.len, 3);
    sim_with(SYS_BODIES_OFF, SYS_ACTIONS_OFF);
    const ProtobufCMessage *reply = NULL;
    cr_expect_eq(sim_call(sim, "sys", MESSAGE(SysAskLetters, sys_ask_letters, .bodies = 1),
                          2000 * MS, &reply),
                 STATUS_DENIED);
}
