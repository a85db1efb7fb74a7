/* Light actors that put their state away when they are idle, and take it up with the next message.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/buffer.h"
#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, IDLE_MS = 10, ADD = 1, TELL, WAIT, FAIL, REFUSE, BREAK };

static struct sim *sim;

struct counter {
    uint64_t n;
    bool stubborn; /* does not want to sleep */
    bool broken;   /* cannot be read again */
};

#define COUNTER_ACCEPTS(X) X(struct counter, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(counter_handlers, COUNTER_ACCEPTS);

static void nothing(void *self, void *context, struct turn *turn) {
    (void)self, (void)context, (void)turn;
}

static enum status on_drop(struct counter *self, const LogDrop *message, struct turn *turn) {
    switch (message->store) {
    case ADD:
        self->n++;
        break;
    case TELL:
        turn_note(turn, "has %d", (int)self->n);
        break;
    case WAIT:
        turn_timer(turn, 35 * MS, nothing, NULL);
        break;
    case FAIL:
        turn_exit(turn, STATUS_IO, "%s", "broken");
        break;
    case REFUSE:
        self->stubborn = true;
        break;
    default:
        self->broken = true;
        break;
    }
    return STATUS_OK;
}

static enum status counter_open(void *self, const void *options, struct turn *turn) {
    (void)self, (void)options;
    turn_note(turn, "opens");
    return STATUS_OK;
}

static enum status put_away(void *actor, struct buffer *kept, struct turn *turn) {
    struct counter *self = actor;
    (void)turn;
    if (self->stubborn) {
        self->stubborn = false;
        return STATUS_BUSY;
    }
    buffer_append(kept, self, sizeof *self);
    return STATUS_OK;
}

static enum status
take_up(void *self, const void *options, const struct buffer *kept, struct turn *turn) {
    (void)options;
    memcpy(self, kept->data, sizeof(struct counter));
    if (((struct counter *)self)->broken)
        return turn_fail(turn, STATUS_CORRUPT, "%s", "unreadable");
    return STATUS_OK;
}

static const struct actor_type counter_type = {.kind = "counter",
                                               .size = sizeof(struct counter),
                                               .handlers = counter_handlers,
                                               .open = counter_open,
                                               .idle_us = IDLE_MS * MS,
                                               .passivate = put_away,
                                               .hydrate = take_up,
                                               .light = true};

static actor_handle handle;

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    handle = sim_spawn_as(
        sim, 1,
        &(struct spawn){
            .type = &counter_type, .name = "x", .restart = RESTART_PERMANENT, .intensity = 3});
    sim_expect(sim, "x   opens\n");
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(passive, .init = set_up, .fini = tear_down);

Test(passive, state_is_put_away_and_taken_up_with_the_next_message) {
    sim_tell(sim, "x", DO(ADD));
    sim_run(sim, IDLE_MS * MS);
    sim_expect(sim, "x < LogDrop store=1\nx * sleeps\n");
    sim_run(sim, 1000 * MS); /* and it stays asleep: no timer goes on */
    sim_tell(sim, "x", DO(ADD));
    sim_tell(sim, "x", DO(TELL));
    sim_expect(sim, "x * wakes\n"
                    "x < LogDrop store=1\n"
                    "x < LogDrop store=2\n"
                    "x   has 2\n");
    sim_run(sim, IDLE_MS * MS);
    sim_expect(sim, "x * sleeps\n");
}

Test(passive, actors_in_use_stay_awake) {
    for (int i = 0; i < 10; i++) {
        sim_run(sim, (IDLE_MS - 1) * MS);
        sim_tell(sim, "x", DO(ADD));
    }
    cr_assert_null(strstr(sim_trace(sim), "sleeps"));
}

Test(passive, actors_that_wait_for_something_stay_awake) {
    sim_tell(sim, "x", DO(WAIT));
    sim_run(sim, 35 * MS);
    sim_expect(sim, "x < LogDrop store=3\n");
    sim_run(sim, 2 * IDLE_MS * MS);
    sim_expect(sim, "x * sleeps\n");
}

Test(passive, actors_may_refuse) {
    sim_tell(sim, "x", DO(REFUSE));
    sim_run(sim, IDLE_MS * MS);
    sim_expect(sim, "x < LogDrop store=5\n");
    sim_run(sim, IDLE_MS * MS);
    sim_expect(sim, "x * sleeps\n");
}

Test(passive, actors_stop_without_waking) {
    sim_run(sim, IDLE_MS * MS);
    sim_stop(sim, "x");
    sim_expect(sim, "x * sleeps\n");
}

/* What cannot be taken up again is a failure like any other: the next life opens anew. */
Test(passive, actors_that_cannot_wake_restart) {
    sim_tell(sim, "x", DO(ADD));
    sim_tell(sim, "x", DO(BREAK));
    sim_run(sim, IDLE_MS * MS);
    sim_trace_clear(sim);
    sim_tell(sim, "x", DO(TELL));
    sim_expect(sim, "x * wakes\n"
                    "x * failed CORRUPT unreadable\n"
                    "x * restarts\n"
                    "x   opens\n");
    sim_tell(sim, "x", DO(TELL));
    sim_expect(sim, "x < LogDrop store=2\nx   has 0\n");
}

/* --- who watches one that sleeps
 * ------------------------------------------------------------------------------------------- */

static enum status watch(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self, (void)what;
    turn_monitor(turn, handle, puppet_note_outcome, "down");
    return STATUS_OK;
}
static const struct strings watching = {.act = watch};

Test(passive, actors_keep_their_monitors) {
    sim_spawn(sim, "w", &puppet_type, &watching);
    sim_tell(sim, "w", DO(0));
    sim_run(sim, IDLE_MS * MS);
    sim_stop(sim, "x");
    sim_expect(sim, "w < LogDrop\nx * sleeps\nw   down: OK\n");
}
