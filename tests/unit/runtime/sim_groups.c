/* Children that restart together: turn_supervise. A supervisor "s" with children a, b, c, spawned
 * in that order; the trace tells who stops and opens when. */
#include <criterion/criterion.h>

#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, FAIL = 1, LEAVE, SAY, FAIL_OPEN };

static struct sim *sim;
static struct policy policy;
static enum restart of_b;
static const struct actor_type *type_of_c;
static bool c_refuses;

static enum status say_open(struct puppet *self, struct turn *turn) {
    (void)self;
    turn_note(turn, "opens");
    return STATUS_OK;
}

static enum status open_c(struct puppet *self, struct turn *turn) {
    if (!c_refuses) return say_open(self, turn);
    c_refuses = false;
    return turn_fail(turn, STATUS_IO, "not yet");
}

static enum status live(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    if (what == FAIL) turn_exit(turn, STATUS_IO, "disk %d", 7);
    if (what == LEAVE) turn_exit(turn, STATUS_OK, "%s", "");
    if (what == FAIL_OPEN) c_refuses = true;
    return STATUS_OK;
}
static const struct strings living = {.act = live, .open = say_open};
static const struct strings third = {.act = live, .open = open_c};

static enum status open_supervisor(struct puppet *self, struct turn *turn) {
    actor_handle child;
    turn_note(turn, "supervises");
    enum status s = turn_supervise(turn, &policy);
    cr_assert_eq(s, STATUS_OK);
    self->other = puppet_child(turn, "a", &living, RESTART_PERMANENT, 1);
    puppet_child(turn, "b", &living, of_b, 1);
    s = turn_spawn(
        turn, &(struct spawn){.type = type_of_c, .name = "c", .options = &third, .stop_ms = 20},
        &child);
    cr_assert_eq(s, STATUS_OK);
    return STATUS_OK;
}

static enum status supervise(struct puppet *self, uint64_t what, struct turn *turn) {
    if (what == SAY) turn_stop(turn, self->other);
    return STATUS_OK;
}
static const struct strings supervising = {.act = supervise, .open = open_supervisor};

static void start(enum strategy strategy, uint32_t intensity) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    policy = (struct policy){.strategy = strategy, .intensity = intensity, .period_s = 10};
    type_of_c = &puppet_type;
    of_b = RESTART_PERMANENT;
    c_refuses = false;
}

static void spawn_supervisor(void) {
    sim_spawn_as(sim, 1,
                 &(struct spawn){.type = &puppet_type,
                                 .name = "s",
                                 .options = &supervising,
                                 .restart = RESTART_PERMANENT});
    sim_expect(sim, "s   supervises\na   opens\nb   opens\nc   opens\n");
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(groups, .fini = tear_down);

Test(groups, one_for_one_restarts_who_failed) {
    start(ONE_FOR_ONE, 1);
    spawn_supervisor();
    sim_tell(sim, "b", DO(FAIL));
    sim_expect(sim, "b < LogDrop store=1\nb * failed IO disk 7\nb * restarts\nb   opens\n");
}

/* The last spawned stops first, the first spawned opens first. */
Test(groups, one_for_all_restarts_all) {
    start(ONE_FOR_ALL, 1);
    spawn_supervisor();
    sim_tell(sim, "b", DO(FAIL));
    sim_expect(sim, "b < LogDrop store=1\n"
                    "b * failed IO disk 7\n"
                    "c * is held\n"
                    "a * is held\n"
                    "a * restarts\n"
                    "a   opens\n"
                    "b * restarts\n"
                    "b   opens\n"
                    "c * restarts\n"
                    "c   opens\n");
}

Test(groups, rest_for_one_restarts_those_spawned_later) {
    start(REST_FOR_ONE, 1);
    spawn_supervisor();
    sim_tell(sim, "b", DO(FAIL));
    sim_expect(sim, "b < LogDrop store=1\n"
                    "b * failed IO disk 7\n"
                    "c * is held\n"
                    "b * restarts\n"
                    "b   opens\n"
                    "c * restarts\n"
                    "c   opens\n");
}

/* A transient one that leaves concerns nobody, but comes back with the others. */
Test(groups, a_normal_end_of_a_transient_child_is_no_failure) {
    start(ONE_FOR_ALL, 1);
    of_b = RESTART_TRANSIENT;
    spawn_supervisor();
    sim_tell(sim, "b", DO(LEAVE));
    sim_expect(sim, "b < LogDrop store=2\n");
}

Test(groups, a_transient_child_comes_back_with_the_others) {
    start(ONE_FOR_ALL, 1);
    of_b = RESTART_TRANSIENT;
    spawn_supervisor();
    sim_tell(sim, "a", DO(FAIL));
    sim_expect(sim, "a < LogDrop store=1\n"
                    "a * failed IO disk 7\n"
                    "c * is held\n"
                    "b * is held\n"
                    "a * restarts\n"
                    "a   opens\n"
                    "b * restarts\n"
                    "b   opens\n"
                    "c * restarts\n"
                    "c   opens\n");
}

Test(groups, a_temporary_child_goes_with_the_others_and_stays_away) {
    start(ONE_FOR_ALL, 2);
    of_b = RESTART_TEMPORARY;
    spawn_supervisor();
    sim_tell(sim, "b", DO(FAIL)); /* alone: nobody else is concerned */
    sim_expect(sim, "b < LogDrop store=1\nb * failed IO disk 7\n");
    sim_tell(sim, "a", DO(FAIL));
    sim_expect(sim, "a < LogDrop store=1\n"
                    "a * failed IO disk 7\n"
                    "c * is held\n"
                    "a * restarts\n"
                    "a   opens\n"
                    "c * restarts\n"
                    "c   opens\n");
}

/* OTP counts a supervisor's restarts, not a child's: the second failure of anybody is too many. */
Test(groups, share_their_intensity) {
    start(ONE_FOR_ONE, 1);
    spawn_supervisor();
    sim_tell(sim, "a", DO(FAIL));
    sim_trace_clear(sim);
    sim_tell(sim, "b", DO(FAIL));
    sim_expect(sim, "b < LogDrop store=1\n"
                    "b * failed IO disk 7\n"
                    "s * failed IO its children failed too often: IO disk 7\n"
                    "s * restarts\n"
                    "s   supervises\n"
                    "a   opens\n"
                    "b   opens\n"
                    "c   opens\n");
    cr_assert_not(sim_failed(sim));
}

Test(groups, forget_restarts_older_than_the_period) {
    start(ONE_FOR_ALL, 1);
    spawn_supervisor();
    for (int i = 0; i < 5; i++) {
        sim_tell(sim, "b", DO(FAIL));
        sim_run(sim, 10 * 1000 * MS);
    }
    cr_assert_null(strstr(sim_trace(sim), "s *"));
}

/* The second restart waits; what is sent meanwhile is served by the next life. */
Test(groups, back_off_and_keep_new_messages) {
    start(ONE_FOR_ALL, 5);
    spawn_supervisor();
    sim_tell(sim, "a", DO(FAIL));
    sim_trace_clear(sim);
    uint64_t before = sim_now_us(sim);
    sim_tell(sim, "a", DO(FAIL));
    sim_tell(sim, "b", DO(SAY));
    sim_expect(sim, "a < LogDrop store=1\n"
                    "a * failed IO disk 7\n"
                    "c * is held\n"
                    "b * is held\n");
    while (!strstr(sim_trace(sim), "c   opens"))
        sim_run(sim, 100);
    uint64_t waited = sim_now_us(sim) - before;
    cr_assert(waited >= 5 * MS && waited <= 15 * MS, "%d", (int)waited);
    sim_expect(sim, "a * restarts\n"
                    "a   opens\n"
                    "b * restarts\n"
                    "b   opens\n"
                    "c * restarts\n"
                    "b < LogDrop store=3\n"
                    "c   opens\n");
}

/* A child that cannot open again is one more failure, and the rest waits for it. */
Test(groups, count_an_open_that_fails) {
    start(REST_FOR_ONE, 3);
    spawn_supervisor();
    sim_tell(sim, "c", DO(FAIL_OPEN));
    sim_tell(sim, "b", DO(FAIL));
    sim_run(sim, 100 * MS);
    sim_expect(sim, "c < LogDrop store=4\n"
                    "b < LogDrop store=1\n"
                    "b * failed IO disk 7\n"
                    "c * is held\n"
                    "b * restarts\n"
                    "b   opens\n"
                    "c * restarts\n"
                    "c * failed IO not yet\n"
                    "c * restarts\n"
                    "c   opens\n");
}

Test(groups, stop_with_their_supervisor_in_the_middle_of_a_restart) {
    start(ONE_FOR_ALL, 2);
    spawn_supervisor();
    sim_tell(sim, "a", DO(FAIL));
    sim_trace_clear(sim);
    sim_tell(sim, "a", DO(FAIL)); /* backs off: all are held now */
    sim_stop(sim, "s");
    sim_expect(sim, "a < LogDrop store=1\n"
                    "a * failed IO disk 7\n"
                    "c * is held\n"
                    "b * is held\n");
}

Test(groups, restart_without_a_child_that_was_stopped) {
    start(ONE_FOR_ALL, 2);
    spawn_supervisor();
    sim_tell(sim, "s", DO(SAY)); /* stops a */
    sim_trace_clear(sim);
    sim_tell(sim, "b", DO(FAIL));
    sim_expect(sim, "b < LogDrop store=1\n"
                    "b * failed IO disk 7\n"
                    "c * is held\n"
                    "b * restarts\n"
                    "b   opens\n"
                    "c * restarts\n"
                    "c   opens\n");
}
