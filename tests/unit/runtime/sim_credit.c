/* Credits between processes: a sender that is faster than a receiver in another process waits, and
 * nothing is dropped before its own side is full. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/credit.h"
#include "runtime/sim/world.h"
#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, SECOND = 1000 * MS, SMALL = 100, CALLS_KEPT = 4096 };
enum { LOOKUP = 1, TELL, ASK, ASK_BRIEFLY, CANCEL_ALL, MOVE };

static struct sim *sim;
static uint32_t heard, disordered;
static uint64_t last_heard, work_us;
static uint32_t outcomes[STATUS_COUNT];

/* --- the receiver: a mailbox of SMALL messages
 * ------------------------------------------------------------------------------------------- */

struct receiver {
    char unused;
};

#define RECEIVER_ACCEPTS(X) X(struct receiver, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(receiver_handlers, RECEIVER_ACCEPTS);

static enum status on_drop(struct receiver *self, const LogDrop *message, struct turn *turn) {
    (void)self;
    if (message->store == MOVE) {
        turn_move(turn, turn_self(turn), 0);
        return STATUS_OK;
    }
    heard++;
    if (message->store < last_heard) disordered++;
    last_heard = message->store;
    if (work_us) sim_spend(sim, work_us);
    return STATUS_OK;
}
static const struct actor_type receiver_type = {.kind = "receiver",
                                                .size = sizeof(struct receiver),
                                                .handlers = receiver_handlers,
                                                .mailbox_messages = SMALL};

/* --- the sender
 * ------------------------------------------------------------------------------------------- */

struct sender {
    actor_handle to;
    uint64_t n;
    uint64_t n_calls;
    uint64_t calls[CALLS_KEPT];
};

static void found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct sender *self = actor;
    (void)context, (void)turn;
    self->to = outcome->handle;
}

static void count(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)turn;
    outcomes[outcome->status]++;
}

/* LogDrop.store = what + 100 × how many. */
#define SENDER_ACCEPTS(X) X(struct sender, LogDrop, log_drop, on_order)
ACTOR_HANDLERS(sender_handlers, SENDER_ACCEPTS);

static void ask(struct sender *self, uint64_t deadline_us, struct turn *turn) {
    struct call call = {.to = self->to,
                        .message = DO(1000 + self->n++),
                        .done = count,
                        .deadline_us = turn_now_us(turn) + deadline_us};
    uint64_t id = turn_call(turn, &call);
    if (self->n_calls < CALLS_KEPT) self->calls[self->n_calls++] = id;
}

static enum status on_order(struct sender *self, const LogDrop *message, struct turn *turn) {
    uint64_t what = message->store % 100;
    if (what == LOOKUP)
        turn_lookup(turn, &(struct lookup){.address = "sim://2", .name = "r", .done = found});
    if (what == MOVE) turn_tell(turn, self->to, DO(MOVE));
    if (what == CANCEL_ALL)
        for (uint64_t i = 0; i < self->n_calls; i++)
            turn_cancel(turn, self->calls[i]);
    for (uint64_t i = 0; i < message->store / 100; i++) {
        if (what == TELL) turn_tell(turn, self->to, DO(1000 + self->n++));
        if (what == ASK) ask(self, 60 * (uint64_t)SECOND, turn);
        if (what == ASK_BRIEFLY) ask(self, 150, turn);
    }
    return STATUS_OK;
}
static const struct actor_type sender_type = {
    .kind = "sender", .size = sizeof(struct sender), .handlers = sender_handlers, .quiet = true};

static void order(uint64_t what, uint64_t n) {
    sim_tell(sim, "s", DO(what + 100 * n));
}

static void open_world(struct sim_options options) {
    options.nodes = 2;
    options.seed = 1;
    options.delay_us_min = options.delay_us_max = 100;
    sim = sim_open(&options);
    sim_spawn(sim, "s", &sender_type, NULL);
    sim_spawn_on(sim, 2, "r", &receiver_type, NULL);
    order(LOOKUP, 0);
    sim_run(sim, MS);
}

static void set_up(void) {
    open_world((struct sim_options){.lanes = 2});
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(credit, .init = set_up, .fini = tear_down);

Test(credit, lets_what_is_too_fast_wait_in_order) {
    order(TELL, 1000);
    sim_run(sim, 100 * MS);
    cr_expect_eq(heard, 1000, "%u", heard);
    cr_expect_eq(disordered, 0);
}

/* As SysLink.parked tells it. */
static uint64_t parked(void) {
    return credit_parked(&sim->nodes[0].core, 1);
}

Test(credit, that_is_missing_is_told) {
    cr_expect_eq(parked(), 0);
    order(TELL, 1000);
    uint64_t waiting = parked();
    cr_expect(waiting > 1000 - SMALL && waiting < 1000, "%u wait", (unsigned)waiting);
    sim_run(sim, 100 * MS);
    cr_expect_eq(parked(), 0);
}

/* A receiver that is slow, not only far: its mailbox never overflows. */
Test(credit, pushes_back_from_a_slow_receiver) {
    work_us = 300;
    for (int i = 0; i < 10; i++) {
        order(TELL, 100);
        sim_run(sim, 10 * MS);
    }
    sim_run(sim, SECOND);
    cr_expect_eq(heard, 1000, "%u", heard);
    cr_expect_eq(disordered, 0);
}

Test(credit, ends_calls_in_busy_when_this_side_is_full) {
    order(ASK, 2000);
    cr_expect_eq(outcomes[STATUS_BUSY], 2000 - CREDIT_INITIAL - CREDIT_PARKED_MESSAGES, "%u",
                 outcomes[STATUS_BUSY]);
    sim_run(sim, SECOND);
    cr_expect_eq(outcomes[STATUS_OK], CREDIT_INITIAL + CREDIT_PARKED_MESSAGES);
    cr_expect_eq(heard, CREDIT_INITIAL + CREDIT_PARKED_MESSAGES);
}

Test(credit, does_not_send_what_was_cancelled_while_it_waited) {
    order(ASK, 200);
    order(CANCEL_ALL, 0);
    sim_run(sim, SECOND);
    cr_expect_eq(outcomes[STATUS_CANCELLED], 200);
    cr_expect_leq(heard, CREDIT_INITIAL);
    order(ASK, 200); /* and no credit went with them */
    sim_run(sim, SECOND);
    cr_expect_eq(outcomes[STATUS_OK], 200);
}

Test(credit, does_not_send_what_expired_while_it_waited) {
    order(ASK_BRIEFLY, 200);
    sim_run(sim, SECOND);
    cr_expect_eq(outcomes[STATUS_EXPIRED], 200);
    cr_expect_leq(heard, CREDIT_INITIAL);
    order(ASK, 200);
    sim_run(sim, SECOND);
    cr_expect_eq(outcomes[STATUS_OK], 200);
}

Test(credit, ends_what_waits_with_the_link) {
    order(ASK, 500);
    sim_cut(sim, 1, 2);
    sim_run(sim, 10 * (uint64_t)SECOND);
    cr_expect_eq(outcomes[STATUS_LOST_PEER] + outcomes[STATUS_OK], 500);
    cr_expect_geq(outcomes[STATUS_LOST_PEER], 500 - CREDIT_INITIAL);
}

/* Whatever ends a message there gives its credit back: nothing waits for ever. */
Test(credit, comes_back_from_an_actor_that_is_gone) {
    order(ASK, 500);
    sim_stop_on(sim, 2, "r");
    sim_run(sim, SECOND);
    cr_expect_eq(outcomes[STATUS_LOST_PEER], 500, "%u", outcomes[STATUS_LOST_PEER]);
}

Test(credit, comes_back_from_an_actor_that_moved) {
    for (int i = 0; i < 5; i++) {
        order(ASK, 300);
        sim_run(sim, SECOND);
        order(MOVE, 0);
        sim_run(sim, MS);
    }
    cr_expect_eq(outcomes[STATUS_OK], 1500);
}

/* A network that loses messages loses credits, too: after a while of silence one goes without. */
Test(credit, that_was_lost_is_done_without) {
    tear_down();
    open_world((struct sim_options){.lanes = 2, .drop_ppm = 200 * 1000});
    while (outcomes[STATUS_OK] < 1000) {
        order(ASK, 100);
        sim_run(sim, 2 * (uint64_t)SECOND);
        cr_assert_lt(sim_now_us(sim), UINT64_C(10000) * SECOND, "%u", outcomes[STATUS_OK]);
    }
}
