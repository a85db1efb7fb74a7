/* Calls and their outcomes in a simulated node: the answerer is told by LogDrop's store number what
 * to do. */
#include <criterion/criterion.h>

#include "runtime/sim/sim.h"
#include "schemas/log.pb-c.h"
#include "schemas/runtime.pb-c.h"

struct answerer {
    struct promise owed;
    bool owes;
};

#define ANSWERER_ACCEPTS(X) X(struct answerer, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(answerer_handlers, ANSWERER_ACCEPTS);

enum { ANSWER, FAIL, NOTE, DEFER };

static enum status on_drop(struct answerer *self, const LogDrop *message, struct turn *turn) {
    switch (message->store) {
    case ANSWER:
        turn_reply(turn, &message->base);
        return STATUS_OK;
    case FAIL:
        return turn_fail(turn, STATUS_IO, "the disk is %s", "gone");
    case DEFER:
        self->owed = turn_defer(turn);
        self->owes = true;
        return STATUS_OK;
    default:
        turn_note(turn, "store %d", (int)message->store);
        return STATUS_OK;
    }
}

static const struct actor_type answerer_type = {
    .kind = "answerer", .size = sizeof(struct answerer), .handlers = answerer_handlers};

static struct sim *sim;

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    sim_spawn(sim, "a", &answerer_type, NULL);
    sim_expect(sim, "");
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(calls, .init = set_up, .fini = tear_down);

Test(calls, end_in_a_reply_a_failure_or_done) {
    const ProtobufCMessage *reply = NULL;
    cr_assert_eq(sim_call(sim, "a", MESSAGE(LogDrop, log_drop, .store = ANSWER), 1000, &reply),
                 STATUS_OK);
    cr_assert_eq(reply->descriptor, &log_drop__descriptor);
    cr_assert_eq(sim_call(sim, "a", MESSAGE(LogDrop, log_drop, .store = FAIL), 1000, &reply),
                 STATUS_IO);
    cr_assert_str_eq(sim_words(sim), "the disk is gone");
    cr_assert_eq(sim_call(sim, "a", MESSAGE(LogDrop, log_drop, .store = NOTE), 1000, &reply),
                 STATUS_OK);
    cr_assert_eq(reply->descriptor, &done__descriptor);
    sim_expect(sim, "a < LogDrop\n"
                    "a > LogDrop\n"
                    "a < LogDrop store=1\n"
                    "a ! IO the disk is gone\n"
                    "a < LogDrop store=2\n"
                    "a   store 2\n"
                    "a > Done\n");
}

Test(calls, expire_when_nobody_answers) {
    uint64_t before = sim_now_us(sim);
    cr_assert_eq(sim_call(sim, "a", MESSAGE(LogDrop, log_drop, .store = DEFER), 1000, NULL),
                 STATUS_EXPIRED);
    cr_assert_eq(sim_now_us(sim) - before, 1000);
}
