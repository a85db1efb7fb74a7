/* Actors that go to another lane: nothing they had is lost, and nobody who knew them loses them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, SECOND = 1000 * MS, LANES = 3 };
enum {
    SAY = 1,
    MOVE,
    ASK,     /* calls b: b keeps the answer back */
    WIND,    /* a timer of 10 ms */
    DEFER,   /* keeps the answer back */
    RESOLVE, /* gives it */
    WANTED,
    WATCH, /* monitors b */
    LINK,  /* to b */
    FAIL,
    GIVE_UP,    /* cancels its call */
    MOVE_CHILD, /* the last spawned */
    STOP_CHILD,
    MOVE_AND_SAY /* tells itself more before it goes */
};

static struct sim *sim;
static actor_handle first_a; /* as it was spawned */

static void rings(void *self, void *context, struct turn *turn) {
    (void)self, (void)context;
    turn_note(turn, "rings");
}

static enum status act(struct puppet *self, uint64_t what, struct turn *turn) {
    switch (what) {
    case MOVE_AND_SAY:
        turn_move(turn, turn_self(turn), 0);
        for (uint64_t i = 100; i < 103; i++)
            turn_tell(turn, turn_self(turn), DO(i));
        break;
    case MOVE:
        turn_move(turn, turn_self(turn), 0);
        break;
    case ASK:
        self->call = puppet_ask(turn, turn_find(turn, "b"), DEFER, 2 * SECOND);
        break;
    case GIVE_UP:
        turn_cancel(turn, self->call);
        break;
    case WIND:
        self->count = turn_timer(turn, 10 * MS, rings, NULL);
        break;
    case DEFER:
        self->owed[self->n_owed++] = turn_defer(turn);
        break;
    case RESOLVE:
        turn_resolve(turn, &self->owed[--self->n_owed], DO(99));
        break;
    case WANTED:
        turn_note(turn, "wanted: %s", turn_wanted(turn, &self->owed[0]) ? "yes" : "no");
        break;
    case WATCH:
        self->call = turn_monitor(turn, turn_find(turn, "b"), puppet_note_outcome, "down");
        break;
    case LINK:
        turn_link(turn, turn_find(turn, "b"));
        break;
    case FAIL:
        turn_exit(turn, STATUS_IO, "disk %d", 7);
        break;
    case MOVE_CHILD:
        turn_move(turn, self->other, 0);
        break;
    case STOP_CHILD:
        turn_stop(turn, self->other);
        break;
    default:
        break;
    }
    return STATUS_OK;
}
static const struct strings acting = {.act = act};

/* c knows a by its first handle only. */
static enum status ask_a(struct puppet *self, uint64_t what, struct turn *turn) {
    if (what == GIVE_UP)
        turn_cancel(turn, self->call);
    else if (what == SAY)
        turn_tell(turn, first_a, DO(SAY));
    else if (what == WATCH)
        turn_monitor(turn, first_a, puppet_note_outcome, "down");
    else
        self->call = puppet_ask(turn, first_a, what, 2 * SECOND);
    return STATUS_OK;
}
static const struct strings asking = {.act = ask_a};

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1, .lanes = LANES});
    first_a = sim_spawn_as(sim, 1,
                           &(struct spawn){.type = &puppet_type,
                                           .name = "a",
                                           .options = &acting,
                                           .restart = RESTART_TRANSIENT,
                                           .intensity = 3,
                                           .lane = 1});
    sim_spawn(sim, "b", &puppet_type, &acting);
    sim_spawn(sim, "c", &puppet_type, &asking);
    sim_trace_clear(sim);
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(move, .init = set_up, .fini = tear_down);

/* The lines of what the test itself asks for are no matter. */
static void tell(const char *name, uint64_t what) {
    sim_tell(sim, name, DO(what));
    sim_trace_clear(sim);
}

static void move_often(void) {
    for (int i = 0; i < 3; i++) {
        sim_tell(sim, "a", DO(MOVE));
        cr_assert_not_null(strstr(sim_trace(sim), "a * moves to lane"), "%s", sim_trace(sim));
        sim_trace_clear(sim);
    }
}

Test(move, keeps_what_waits_in_its_order) {
    sim_tell(sim, "a", DO(MOVE_AND_SAY));
    const char *trace = sim_trace(sim);
    const char *at = strstr(trace, "a * moves");
    for (int i = 100; i < 103; i++) {
        char line[32];
        snprintf(line, sizeof line, "a < LogDrop store=%d\n", i);
        cr_assert_not_null(strstr(trace, line), "%s", trace);
        if (i > 100) cr_assert(strstr(trace, line) > at, "%s", trace);
        at = strstr(trace, line);
    }
}

Test(move, keeps_open_calls) {
    tell("a", ASK);
    move_often();
    sim_tell(sim, "b", DO(RESOLVE));
    sim_expect(sim, "b < LogDrop store=6\nb > LogDrop store=99\na   call: OK\n");
    sim_run(sim, 3 * SECOND); /* and their deadline is over with them */
    sim_expect(sim, "");
}

Test(move, keeps_the_deadlines_of_its_calls) {
    tell("a", ASK);
    move_often();
    sim_run(sim, 3 * SECOND);
    sim_expect(sim, "a   call: EXPIRED deadline exceeded\n");
}

Test(move, can_still_cancel_its_calls) {
    tell("a", ASK);
    move_often();
    tell("a", GIVE_UP);
    sim_tell(sim, "b", DO(WANTED));
    sim_expect(sim, "b < LogDrop store=7\nb   wanted: no\n");
}

Test(move, keeps_timers) {
    tell("a", WIND);
    move_often();
    sim_run(sim, 10 * MS);
    sim_expect(sim, "a   rings\n");
}

Test(move, keeps_what_it_owes) {
    tell("c", DEFER);
    move_often();
    sim_tell(sim, "a", DO(RESOLVE));
    sim_expect(sim, "a < LogDrop store=6\na > LogDrop store=99\nc   call: OK\n");
}

Test(move, hears_of_cancels) {
    tell("c", DEFER);
    move_often();
    tell("c", GIVE_UP);
    sim_tell(sim, "a", DO(WANTED));
    sim_expect(sim, "a < LogDrop store=7\na   wanted: no\n");
}

/* The old handle leads to it, until nobody has used it for an hour. */
Test(move, is_reached_by_its_old_handle) {
    move_often();
    sim_tell(sim, "c", DO(SAY));
    sim_expect(sim, "c < LogDrop store=1\na < LogDrop store=1\n");
    sim_run(sim, 1800 * (uint64_t)SECOND);
    sim_tell(sim, "c", DO(20));
    sim_expect(sim, "c < LogDrop store=20\na < LogDrop store=20\na > Done\nc   call: OK\n");
    sim_run(sim, 7201 * (uint64_t)SECOND);
    sim_tell(sim, "c", DO(20));
    sim_expect(sim, "c < LogDrop store=20\nc   call: LOST_PEER peer is unreachable\n");
    sim_tell(sim, "a", DO(SAY)); /* by name it is there */
    sim_expect(sim, "a < LogDrop store=1\n");
}

Test(move, is_no_end_for_monitors) {
    tell("c", WATCH);
    move_often();
    sim_expect(sim, "");
    sim_tell(sim, "a", DO(FAIL));
    sim_run(sim, 0);
    cr_assert_not_null(strstr(sim_trace(sim), "c   down: IO disk 7\n"), "%s", sim_trace(sim));
}

Test(move, keeps_its_own_monitors) {
    tell("a", WATCH);
    move_often();
    sim_run(sim, 7201 * (uint64_t)SECOND); /* the forwarders are gone */
    sim_stop(sim, "b");
    sim_expect(sim, "a   down: OK\n");
}

Test(move, keeps_links_in_both_directions) {
    tell("a", LINK);
    move_often();
    sim_run(sim, 7201 * (uint64_t)SECOND);
    sim_tell(sim, "b", DO(FAIL));
    cr_assert_not_null(strstr(sim_trace(sim), "a * failed IO disk 7\n"), "%s", sim_trace(sim));
    sim_spawn(sim, "b", &puppet_type, &acting);
    tell("a", LINK);
    move_often();
    sim_trace_clear(sim);
    sim_tell(sim, "a", DO(FAIL));
    cr_assert_not_null(strstr(sim_trace(sim), "b * failed IO disk 7\n"), "%s", sim_trace(sim));
}

/* --- families
 * ------------------------------------------------------------------------------------------- */

Test(move, restarts_where_it_went) {
    move_often();
    sim_tell(sim, "a", DO(FAIL));
    sim_expect(sim, "a < LogDrop store=10\na * failed IO disk 7\na * restarts\n");
    sim_tell(sim, "a", DO(SAY));
    sim_expect(sim, "a < LogDrop store=1\n");
}

Test(move, is_stopped_by_its_supervisor_wherever_it_is) {
    move_often();
    sim_run(sim, 7201 * (uint64_t)SECOND);
    sim_stop(sim, "a");
    cr_assert_neq(sim_spawn(sim, "a", &puppet_type, &acting), 0); /* the name is free */
}

static enum status open_parent(struct puppet *self, struct turn *turn) {
    self->other = puppet_child(turn, "child", &acting, RESTART_PERMANENT, 1);
    return STATUS_OK;
}
static const struct strings parent = {.act = act, .open = open_parent};

static void spawn_parent(void) {
    sim_spawn_as(
        sim, 1,
        &(struct spawn){
            .type = &puppet_type, .name = "p", .options = &parent, .restart = RESTART_PERMANENT});
    sim_trace_clear(sim);
}

Test(move, can_be_the_supervisor_s_wish) {
    spawn_parent();
    sim_tell(sim, "p", DO(MOVE_CHILD));
    cr_assert_not_null(strstr(sim_trace(sim), "child * moves to lane"), "%s", sim_trace(sim));
    sim_tell(sim, "p", DO(MOVE_CHILD)); /* it goes by the handle of the spawn */
    sim_trace_clear(sim);
    sim_tell(sim, "p", DO(STOP_CHILD));
    cr_assert_neq(sim_spawn(sim, "child", &puppet_type, &acting), 0);
}

Test(move, of_a_supervisor_keeps_its_children) {
    spawn_parent();
    for (int i = 0; i < 3; i++)
        tell("p", MOVE);
    sim_run(sim, 7201 * (uint64_t)SECOND);
    tell("child", FAIL);
    sim_tell(sim, "child", DO(FAIL));
    cr_assert_not_null(
        strstr(sim_trace(sim), "p * failed IO child failed too often: IO disk 7\np * restarts\n"),
        "%s", sim_trace(sim));
    sim_tell(sim, "p", DO(MOVE));
    sim_stop(sim, "p");
    cr_assert_neq(sim_spawn(sim, "child", &puppet_type, &acting), 0);
}

/* --- on the way
 * ------------------------------------------------------------------------------------------- */

/* Where two lanes only, and every order of things by chance: c's messages to the first handle keep
 * their order, whatever a does meanwhile. */
struct hearer {
    uint64_t last;
};
static uint64_t heard;

#define HEARER_ACCEPTS(X) X(struct hearer, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(hearer_handlers, HEARER_ACCEPTS);

static enum status on_drop(struct hearer *self, const LogDrop *message, struct turn *turn) {
    cr_assert_eq(message->store, self->last + 1);
    self->last = heard = message->store;
    if (turn_random(turn) % 4 == 0) turn_move(turn, turn_self(turn), 0);
    return STATUS_OK;
}
static const struct actor_type hearer_type = {
    .kind = "hearer", .size = sizeof(struct hearer), .handlers = hearer_handlers};

static actor_handle hearer;
static void speak(void *actor, void *context, struct turn *turn) {
    struct puppet *self = actor;
    (void)context;
    for (int i = 0; i < 3; i++)
        turn_tell(turn, hearer, DO(++self->count));
    if (self->count < 300) turn_later(turn, speak, NULL);
}
static enum status begin(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)what;
    speak(self, NULL, turn);
    return STATUS_OK;
}
static const struct strings speaking = {.act = begin};

Test(move, does_not_change_the_order_of_messages) {
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct sim *world =
            sim_open(&(struct sim_options){.seed = seed, .lanes = LANES, .shuffle = true});
        hearer = sim_spawn(world, "h", &hearer_type, NULL);
        sim_spawn(world, "s", &puppet_type, &speaking);
        heard = 0;
        sim_tell(world, "s", DO(0));
        cr_assert_eq(heard, 300, "seed %d", (int)seed);
        sim_close(&world);
    }
}
