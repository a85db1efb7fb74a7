/* Stopping in order: actors with a stop of their own finish what they have, within their time. */
#include <criterion/criterion.h>

#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, DEFER = 1, RESOLVE, IDLE, ASK = 10 };

static struct sim *sim;

/* Owes answers; when asked to stop it leaves once the last is given. */
static enum status owe(struct puppet *self, uint64_t what, struct turn *turn) {
    if (what == DEFER) self->owed[self->n_owed++] = turn_defer(turn);
    if (what == RESOLVE && self->n_owed > 0) {
        self->n_owed--;
        turn_resolve(turn, &self->owed[self->n_owed], DO(99));
    }
    if (self->count && self->n_owed == 0) turn_exit(turn, STATUS_OK, "%s", "");
    return STATUS_OK;
}

static void finish(struct puppet *self, struct turn *turn) {
    turn_note(turn, "finishes %zu", self->n_owed);
    self->count = 1;
    if (self->n_owed == 0) turn_exit(turn, STATUS_OK, "%s", "");
}
static const struct strings owing = {.act = owe, .stop = finish};

static enum status ask(struct puppet *self, uint64_t what, struct turn *turn) {
    puppet_ask(turn, turn_find(turn, "b"), what, 1000 * MS);
    (void)self;
    return STATUS_OK;
}
static const struct strings asking = {.act = ask};

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    sim_spawn_as(sim, 1,
                 &(struct spawn){.type = &puppet_stopping_type,
                                 .name = "b",
                                 .options = &owing,
                                 .restart = RESTART_TEMPORARY,
                                 .stop_ms = 20});
    sim_spawn(sim, "a", &puppet_type, &asking);
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(stop, .init = set_up, .fini = tear_down);

Test(stop, is_at_once_with_nothing_to_do) {
    sim_stop(sim, "b");
    sim_expect(sim, "b   finishes 0\n");
    cr_assert_neq(sim_spawn(sim, "b", &puppet_type, &asking), 0);
}

Test(stop, waits_until_the_last_answer_is_given) {
    sim_tell(sim, "a", DO(DEFER));
    sim_stop(sim, "b");
    sim_tell(sim, "b", DO(RESOLVE)); /* it still serves */
    sim_expect(sim, "a < LogDrop store=1\n"
                    "b < LogDrop store=1\n"
                    "b   finishes 1\n"
                    "b < LogDrop store=2\n"
                    "b > LogDrop store=99\n"
                    "a   call: OK\n");
}

Test(stop, is_forced_when_its_time_is_over) {
    sim_tell(sim, "a", DO(DEFER));
    sim_stop(sim, "b");
    sim_trace_clear(sim);
    sim_run(sim, 20 * MS - 1);
    sim_expect(sim, "");
    sim_run(sim, 1);
    sim_expect(sim, "b * did not stop in time\n"
                    "a   call: LOST_PEER the actor stopped before it answered\n");
}

Test(stop, of_a_failing_actor_is_not_delayed) {
    sim_tell(sim, "a", DO(DEFER));
    sim_stop(sim, "b");
    sim_stop(sim, "b"); /* asking twice changes nothing */
    sim_run(sim, 30 * MS);
    sim_expect(sim, "a < LogDrop store=1\n"
                    "b < LogDrop store=1\n"
                    "b   finishes 1\n"
                    "b * did not stop in time\n"
                    "a   call: LOST_PEER the actor stopped before it answered\n");
}

/* --- children one after the other
 * ------------------------------------------------------------------------------------------- */

static enum status open_family(struct puppet *self, struct turn *turn) {
    (void)self;
    for (int i = 0; i < 3; i++) {
        actor_handle child;
        enum status s = turn_spawn(turn,
                                   &(struct spawn){.type = &puppet_stopping_type,
                                                   .name = (const char *[]){"x", "y", "z"}[i],
                                                   .options = &owing,
                                                   .stop_ms = 10},
                                   &child);
        cr_assert_eq(s, STATUS_OK);
    }
    return STATUS_OK;
}
static const struct strings family = {.act = owe, .open = open_family};

Test(stop, of_children_goes_one_by_one_the_last_spawned_first) {
    sim_spawn(sim, "parent", &puppet_type, &family);
    sim_tell(sim, "y", DO(DEFER)); /* a cast: owed to nobody, but it makes y wait */
    sim_stop(sim, "parent");
    sim_expect(sim, "y < LogDrop store=1\nz   finishes 0\ny   finishes 1\n");
    sim_run(sim, 10 * MS);
    sim_expect(sim, "y * did not stop in time\nx   finishes 0\n");
}
