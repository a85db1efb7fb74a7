/* Lives of actors: opening, failing, restarting, stopping, and who is told. */
#include <criterion/criterion.h>

#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, FAIL = 1, LEAVE, SPAWN, STOP_CHILD, MONITOR, UNMONITOR, SAY };

static struct sim *sim;

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1});
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(life, .init = set_up, .fini = tear_down);

static enum status say_open(struct puppet *self, struct turn *turn) {
    (void)self;
    turn_note(turn, "opens");
    return STATUS_OK;
}

static enum status live(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    if (what == FAIL) turn_exit(turn, STATUS_IO, "disk %d", 7);
    if (what == LEAVE) turn_exit(turn, STATUS_OK, "%s", "");
    return STATUS_OK;
}
static const struct strings living = {.act = live, .open = say_open};

static void spawn(enum restart restart, uint32_t intensity) {
    sim_spawn_as(sim, 1,
                 &(struct spawn){.type = &puppet_type,
                                 .name = "x",
                                 .options = &living,
                                 .restart = restart,
                                 .intensity = intensity,
                                 .period_s = 10});
}

Test(life, restarts_by_what_the_spawner_wanted) {
    static const struct {
        const char *name;
        enum restart restart;
        uint64_t order;
        const char *trace;
    } rows[] = {
        {"permanent fails", RESTART_PERMANENT, FAIL,
         "x * failed IO disk 7\nx * restarts\nx   opens\n"},
        {"permanent leaves", RESTART_PERMANENT, LEAVE, "x * restarts\nx   opens\n"},
        {"transient fails", RESTART_TRANSIENT, FAIL,
         "x * failed IO disk 7\nx * restarts\nx   opens\n"},
        {"transient leaves", RESTART_TRANSIENT, LEAVE, ""},
        {"temporary fails", RESTART_TEMPORARY, FAIL, "x * failed IO disk 7\n"},
        {"temporary leaves", RESTART_TEMPORARY, LEAVE, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sim *world = sim_open(&(struct sim_options){.seed = 1});
        struct spawn how = {
            .type = &puppet_type, .name = "x", .options = &living, .restart = rows[i].restart};
        sim_spawn_as(world, 1, &how);
        sim_trace_clear(world);
        sim_tell(world, "x", DO(rows[i].order));
        const char *rest = strchr(sim_trace(world), '\n') + 1;
        cr_expect_str_eq(rest, rows[i].trace, "%s", rows[i].name);
        cr_expect_not(sim_failed(world));
        sim_close(&world);
    }
}

/* The first restart is at once, the next ones back off; one too many in the period is the
 * supervisor's failure. */
Test(life, backs_off_and_gives_up_beyond_the_intensity) {
    spawn(RESTART_PERMANENT, 3);
    uint64_t waited[3];
    for (int i = 0; i < 3; i++) {
        uint64_t before = sim_now_us(sim);
        sim_trace_clear(sim);
        sim_tell(sim, "x", DO(FAIL));
        while (!strstr(sim_trace(sim), "opens"))
            sim_run(sim, 100);
        waited[i] = sim_now_us(sim) - before;
    }
    cr_assert_eq(waited[0], 0);
    cr_assert(waited[1] >= 5 * MS && waited[1] <= 15 * MS, "%d", (int)waited[1]);
    cr_assert(waited[2] >= 10 * MS && waited[2] <= 30 * MS, "%d", (int)waited[2]);
    cr_assert_not(sim_failed(sim));
    sim_trace_clear(sim);
    sim_tell(sim, "x", DO(FAIL));
    sim_expect(sim, "x < LogDrop store=1\nx * failed IO disk 7\nx * gave up\n");
    cr_assert(sim_failed(sim));
}

Test(life, forgets_restarts_older_than_the_period) {
    spawn(RESTART_PERMANENT, 1);
    for (int i = 0; i < 5; i++) {
        sim_tell(sim, "x", DO(FAIL));
        sim_run(sim, 10 * 1000 * MS);
    }
    cr_assert_not(sim_failed(sim));
}

/* What waits while the actor is away is served by its next incarnation. */
Test(life, keeps_new_messages_through_a_backoff) {
    spawn(RESTART_PERMANENT, 5);
    sim_tell(sim, "x", DO(FAIL));
    sim_tell(sim, "x", DO(FAIL));
    sim_trace_clear(sim);
    sim_tell(sim, "x", DO(SAY));
    sim_expect(sim, "");
    sim_run(sim, 100 * MS);
    sim_expect(sim, "x   opens\nx < LogDrop store=7\n");
}

/* --- opening
 * ------------------------------------------------------------------------------------------- */

static enum status refuse_open(struct puppet *self, struct turn *turn) {
    (void)self;
    return turn_fail(turn, STATUS_DISK_FULL, "no room");
}
static void count_close(struct puppet *self);
static int closed;
static void count_close(struct puppet *self) {
    (void)self;
    closed++;
}
static const struct strings refusing = {.act = live, .open = refuse_open, .close = count_close};

Test(life, ends_with_an_open_that_fails) {
    cr_assert_eq(sim_spawn(sim, "x", &puppet_type, &refusing), 0);
    cr_assert_eq(closed, 1); /* close cleans up after a half-done open */
    sim_expect(sim, "x * failed DISK_FULL no room\n");
    cr_assert_neq(sim_spawn(sim, "x", &puppet_type, &living), 0); /* the name is free again */
}

static enum status twice(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self, (void)what;
    actor_handle handle = 0;
    enum status s = turn_spawn(
        turn, &(struct spawn){.type = &puppet_type, .name = "x", .options = &living}, &handle);
    turn_note(turn, "%s", status_name(s));
    return STATUS_OK;
}
static const struct strings twins = {.act = twice};

Test(life, has_names_only_once) {
    sim_spawn(sim, "t", &puppet_type, &twins);
    sim_tell(sim, "t", DO(SAY));
    sim_tell(sim, "t", DO(SAY));
    sim_expect(sim, "t < LogDrop store=7\nt   OK\nx   opens\nt < LogDrop store=7\nt   EXISTS\n");
}

/* --- families
 * ------------------------------------------------------------------------------------------ */

static struct sim *closing_world;
static void say_close(struct puppet *self) {
    if (closing_world && self->strings) closed = closed * 10 + (int)self->count;
}

static enum status open_one(struct puppet *self, struct turn *turn) {
    (void)turn;
    self->count = 1;
    return STATUS_OK;
}
static enum status open_two(struct puppet *self, struct turn *turn) {
    (void)turn;
    self->count = 2;
    return STATUS_OK;
}
static const struct strings one = {.act = live, .open = open_one, .close = say_close};
static const struct strings two = {.act = live, .open = open_two, .close = say_close};

static enum status open_parent(struct puppet *self, struct turn *turn) {
    self->count = 9;
    turn_note(turn, "parent opens");
    puppet_child(turn, "one", &one, RESTART_PERMANENT, 1);
    self->other = puppet_child(turn, "two", &two, RESTART_PERMANENT, 1);
    return STATUS_OK;
}

static enum status act_parent(struct puppet *self, uint64_t what, struct turn *turn) {
    switch (what) {
    case MONITOR:
        self->call = turn_monitor(turn, self->other, puppet_note_outcome, "down");
        return STATUS_OK;
    case UNMONITOR:
        turn_unmonitor(turn, self->call);
        return STATUS_OK;
    case STOP_CHILD:
        turn_stop(turn, self->other);
        return STATUS_OK;
    default:
        return live(self, what, turn);
    }
}
static const struct strings parent = {.act = act_parent, .open = open_parent, .close = say_close};

static void spawn_parent(uint32_t intensity) {
    sim_spawn_as(sim, 1,
                 &(struct spawn){.type = &puppet_type,
                                 .name = "parent",
                                 .options = &parent,
                                 .restart = RESTART_PERMANENT,
                                 .intensity = intensity});
    closing_world = sim;
    closed = 0;
    sim_trace_clear(sim);
}

/* Children stop before their parent closes, the last spawned first. */
Test(life, of_children_ends_before_their_parent) {
    spawn_parent(1);
    sim_stop(sim, "parent");
    cr_assert_eq(closed, 219);
    closing_world = NULL;
}

/* A child that fails too often fails its parent, which restarts with fresh children. */
Test(life, of_a_child_that_fails_too_often_fails_the_parent) {
    spawn_parent(1);
    sim_tell(sim, "two", DO(FAIL));
    sim_tell(sim, "two", DO(FAIL));
    sim_expect(sim, "two < LogDrop store=1\n"
                    "two * failed IO disk 7\n"
                    "two * restarts\n"
                    "two < LogDrop store=1\n"
                    "two * failed IO disk 7\n"
                    "two * gave up\n"
                    "parent * failed IO two failed too often: IO disk 7\n"
                    "parent * restarts\n"
                    "parent   parent opens\n");
    cr_assert_eq(closed, 2219);
    cr_assert_not(sim_failed(sim));
    sim_tell(sim, "two", DO(SAY)); /* the new one */
    sim_expect(sim, "two < LogDrop store=7\n");
    closing_world = NULL;
}

Test(life, ends_are_told_to_monitors) {
    spawn_parent(1);
    sim_tell(sim, "parent", DO(MONITOR));
    sim_tell(sim, "two", DO(FAIL)); /* it restarts, but the one that was monitored is gone */
    sim_expect(sim, "parent < LogDrop store=5\n"
                    "two < LogDrop store=1\n"
                    "two * failed IO disk 7\n"
                    "two * restarts\n"
                    "parent   down: IO disk 7\n");
    sim_tell(sim, "parent", DO(MONITOR)); /* of a handle that is stale */
    sim_expect(sim, "parent < LogDrop store=5\nparent   down: LOST_PEER peer is unreachable\n");
    closing_world = NULL;
}

Test(life, ends_are_not_told_to_those_who_do_not_want_to_know) {
    spawn_parent(1);
    sim_tell(sim, "parent", DO(MONITOR));
    sim_tell(sim, "parent", DO(UNMONITOR));
    sim_tell(sim, "parent", DO(STOP_CHILD));
    sim_expect(sim,
               "parent < LogDrop store=5\nparent < LogDrop store=6\nparent < LogDrop store=4\n");
    cr_assert_eq(closed, 2);
    closing_world = NULL;
}

/* --- timers, later, blocking work
 * ---------------------------------------------------------------------- */

static void ring(void *self, void *context, struct turn *turn) {
    (void)self;
    turn_note(turn, "rings %s", (const char *)context);
}
static enum status work(void *context) {
    *(int *)context += 1;
    return STATUS_IO;
}
static int worked, abandoned;
static void abandon(void *context) {
    (void)context;
    abandoned++;
}
static void done_work(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context;
    turn_note(turn, "worked: %s", status_name(outcome->status));
}
enum { TIMERS = 20, LATER, BLOCK, BLOCK_AND_LEAVE };
static enum status wind(struct puppet *self, uint64_t what, struct turn *turn) {
    struct block block = {.work = work, .done = done_work, .abandon = abandon, .context = &worked};
    switch (what) {
    case TIMERS:
        turn_timer(turn, 2000, ring, "second");
        turn_timer(turn, 1000, ring, "first");
        turn_timer(turn, 2000, ring, "third");
        self->call = turn_timer(turn, 1500, ring, "never");
        turn_timer_cancel(turn, self->call);
        turn_timer_cancel(turn, self->call);
        return STATUS_OK;
    case LATER:
        turn_later(turn, ring, "later");
        turn_note(turn, "now");
        return STATUS_OK;
    case BLOCK_AND_LEAVE:
        turn_exit(turn, STATUS_OK, "%s", "");
        turn_block(turn, &block);
        return STATUS_OK;
    default:
        turn_block(turn, &block);
        return STATUS_OK;
    }
}
static const struct strings winding = {.act = wind};

Test(life, has_timers_in_order) {
    sim_spawn(sim, "x", &puppet_type, &winding);
    sim_tell(sim, "x", DO(TIMERS));
    sim_run(sim, 3000);
    sim_expect(sim, "x < LogDrop store=20\n"
                    "x   rings first\n"
                    "x   rings second\n"
                    "x   rings third\n");
    sim_tell(sim, "x", DO(LATER));
    sim_expect(sim, "x < LogDrop store=21\nx   now\nx   rings later\n");
    sim_tell(sim, "x", DO(TIMERS));
    sim_stop(sim, "x"); /* takes its timers along */
    sim_run(sim, 3000);
}

Test(life, waits_for_blocking_work_or_abandons_it) {
    sim_spawn(sim, "x", &puppet_type, &winding);
    sim_tell(sim, "x", DO(BLOCK));
    sim_expect(sim, "x < LogDrop store=22\nx   worked: IO\n");
    cr_assert_eq(worked, 1);
    sim_tell(sim, "x", DO(BLOCK_AND_LEAVE));
    cr_assert_eq(worked, 2);
    cr_assert_eq(abandoned, 1);
}
