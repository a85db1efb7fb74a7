/* Muting: a sender that overloads another actor waits, with what it was asked itself, and goes on
 * in time; nothing of it loses a message or a call. */
#include <criterion/criterion.h>

#include "runtime/cell.h"
#include "runtime/credit.h"
#include "runtime/mute.h"
#include "runtime/sim/world.h"
#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, SECOND = 1000 * MS, ROOM = 200, N = 1000 };
enum { LOOKUP = N + 1, WAKE };

static struct sim *sim;
static uint32_t heard, disordered, outcomes[STATUS_COUNT], woken, answered_by_then;
static uint64_t last_heard, work_us, last_work;

/* --- the sink: slower than anybody
 * ------------------------------------------------------------------------------------------- */

struct sink {
    char unused;
};

#define SINK_ACCEPTS(X) X(struct sink, LogDrop, log_drop, on_work)
ACTOR_HANDLERS(sink_handlers, SINK_ACCEPTS);

static enum status on_work(struct sink *self, const LogDrop *message, struct turn *turn) {
    (void)self;
    heard++;
    if (message->store < last_heard) disordered++;
    last_heard = message->store;
    sim_spend(sim, work_us);
    if (heard == last_work) turn_exit(turn, STATUS_OK, "%s", "");
    return STATUS_OK;
}
static const struct actor_type sink_type = {.kind = "sink",
                                            .size = sizeof(struct sink),
                                            .handlers = sink_handlers,
                                            .mailbox_messages = ROOM};

/* --- the stage: hands on to the sink what it gets
 * ------------------------------------------------------------------------------------------- */

struct stage {
    actor_handle to;
};

static void count(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)turn;
    outcomes[outcome->status]++;
}

static void found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct stage *self = actor;
    (void)context, (void)turn;
    self->to = outcome->handle;
}

static void wake(void *self, void *context, struct turn *turn) {
    (void)self, (void)context;
    woken++;
    (void)turn;
    answered_by_then = outcomes[STATUS_OK];
}

#define STAGE_ACCEPTS(X) X(struct stage, LogDrop, log_drop, on_pass)
ACTOR_HANDLERS(stage_handlers, STAGE_ACCEPTS);

static enum status on_pass(struct stage *self, const LogDrop *message, struct turn *turn) {
    if (message->store == LOOKUP) {
        turn_lookup(turn, &(struct lookup){.address = "sim://2", .name = "sink", .done = found});
        return STATUS_OK;
    }
    if (message->store == WAKE) {
        turn_timer(turn, 10 * MS, wake, NULL);
        return STATUS_OK;
    }
    if (!self->to) self->to = turn_find(turn, "sink");
    turn_call(turn, &(struct call){.to = self->to, .message = &message->base, .done = count});
    return STATUS_OK;
}
static const struct actor_type rude_type = {
    .kind = "rude", .size = sizeof(struct stage), .handlers = stage_handlers, .quiet = true};
static const struct actor_type stage_type = {.kind = "stage",
                                             .size = sizeof(struct stage),
                                             .handlers = stage_handlers,
                                             .quiet = true,
                                             .mutes = true};

/* --- the source
 * ------------------------------------------------------------------------------------------- */

static void pour(void *self, void *context, struct turn *turn) {
    (void)self, (void)context;
    for (uint64_t i = 1; i <= N; i++)
        turn_tell(turn, turn_find(turn, "stage"), DO(i));
}

static void pour_soon(void *self, void *context, struct turn *turn) {
    (void)self;
    turn_timer(turn, MS, pour, context);
}

static void open_world(uint32_t nodes, uint32_t lanes, const struct actor_type *stage) {
    sim = sim_open(&(struct sim_options){.seed = 1,
                                         .nodes = nodes,
                                         .lanes = lanes,
                                         .delay_us_min = 100,
                                         .delay_us_max = 100,
                                         .quiet = true});
    work_us = 300;
    sim_spawn_on(sim, nodes, "sink", &sink_type, NULL);
    sim_spawn(sim, "stage", stage, NULL);
    if (nodes == 2) {
        sim_tell(sim, "stage", DO(LOOKUP));
        sim_run(sim, MS);
    }
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(mute, .fini = tear_down);

static void expect_all(void) {
    sim_run(sim, 3 * (uint64_t)SECOND);
    cr_expect_eq(heard, N, "%u", heard);
    cr_expect_eq(disordered, 0);
    cr_expect_eq(outcomes[STATUS_OK], N, "%u, %u BUSY", outcomes[STATUS_OK], outcomes[STATUS_BUSY]);
}

/* What it is for: the same load is refused without it. */
Test(mute, is_opt_in) {
    open_world(1, 1, &rude_type);
    sim_order(sim, pour, NULL);
    sim_run(sim, 3 * (uint64_t)SECOND);
    cr_expect_gt(outcomes[STATUS_BUSY], N / 2);
    cr_expect_eq(outcomes[STATUS_OK] + outcomes[STATUS_BUSY], N);
}

Test(mute, makes_the_sender_wait_instead) {
    open_world(1, 1, &stage_type);
    sim_order(sim, pour, NULL);
    expect_all();
}

Test(mute, reaches_senders_on_other_lanes) {
    open_world(1, 3, &stage_type);
    sim_order(sim, pour, NULL);
    expect_all();
}

/* There it begins when credit is missing: hardly anything parks. */
Test(mute, reaches_senders_in_other_processes) {
    open_world(2, 1, &stage_type);
    sim_order(sim, pour, NULL);
    cr_expect_lt(credit_parked(&sim->nodes[0].core, 1), 10);
    expect_all();
}

static struct cell *stage_cell(void) {
    struct core *core = &sim->nodes[0].core;
    return table_slot(&core->table, handle_slot(registry_find(&core->registry, "stage")))->cell;
}

Test(mute, lets_timers_and_answers_pass) {
    open_world(1, 1, &stage_type);
    sim_tell(sim, "stage", DO(WAKE));
    sim_order(sim, pour_soon, NULL);
    sim_run(sim, 5 * (uint64_t)SECOND);
    cr_expect_eq(woken, 1);
    cr_expect_gt(answered_by_then, 0);
    cr_expect_lt(answered_by_then, N / 2, "%u", answered_by_then);
    cr_expect_eq(outcomes[STATUS_OK], N);
}

/* A receiver that is gone lets go at once; what it was asked has its outcome. */
Test(mute, ends_with_the_receiver) {
    open_world(1, 2, &stage_type);
    last_work = 10;
    sim_order(sim, pour, NULL); /* no timer rings meanwhile */
    cr_expect_eq(heard, last_work);
    cr_expect_eq(stage_cell()->mutes, 0);
    cr_expect_eq(outcomes[STATUS_OK] + outcomes[STATUS_LOST_PEER], N);
}

/* --- two that write to each other
 * ------------------------------------------------------------------------------------------- */

static uint64_t passed;

static enum status on_ball(struct stage *self, const LogDrop *message, struct turn *turn);
#define PLAYER_ACCEPTS(X) X(struct stage, LogDrop, log_drop, on_ball)
ACTOR_HANDLERS(player_handlers, PLAYER_ACCEPTS);

/* Two balls for one until there are too many for both mailboxes. */
static enum status on_ball(struct stage *self, const LogDrop *message, struct turn *turn) {
    if (!self->to) self->to = turn_find(turn, message->store % 2 ? "right" : "left");
    passed++;
    turn_tell(turn, self->to, DO(message->store + 1));
    if (passed < 10 * N) turn_tell(turn, self->to, DO(message->store + 1));
    return STATUS_OK;
}
static const struct actor_type player_type = {.kind = "player",
                                              .size = sizeof(struct stage),
                                              .handlers = player_handlers,
                                              .mailbox_messages = ROOM,
                                              .quiet = true,
                                              .mutes = true};

static void serve(void *self, void *context, struct turn *turn) {
    (void)self, (void)context;
    turn_tell(turn, turn_find(turn, "left"), DO(1));
}

Test(mute, does_not_stop_a_circle_for_good) {
    sim = sim_open(&(struct sim_options){.seed = 1, .lanes = 2, .quiet = true});
    sim_spawn(sim, "left", &player_type, NULL);
    sim_spawn(sim, "right", &player_type, NULL);
    sim_order(sim, serve, NULL);
    uint64_t before = passed;
    for (int i = 0; i < 10; i++, before = passed) {
        sim_run(sim, 3 * (uint64_t)MUTE_US);
        cr_expect_gt(passed, before);
    }
    sim_stop(sim, "left");
    sim_stop(sim, "right");
}
