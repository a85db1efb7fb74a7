/* Every call has exactly one final outcome: two puppets, a asks and b answers, and the trace tells.
 */
#include <criterion/criterion.h>

#include "runtime/turn_state.h"
#include "tests/unit/runtime/puppet.h"

enum { US = 1000 };

/* What b does when it is asked, and later on its own. */
enum {
    ANSWER = 1,
    DONE,
    FAIL,
    FAIL_BUSY,
    DEFER,
    PARTS,
    RESOLVE,
    REJECT,
    WANTED,
};

static struct sim *sim;

static enum status answer(struct puppet *self, uint64_t what, struct turn *turn) {
    struct promise *owed = self->n_owed ? &self->owed[self->n_owed - 1] : NULL;
    switch (what) {
    case DONE:
        return STATUS_OK;
    case FAIL:
        return turn_fail(turn, STATUS_IO, "disk %d is gone", 3);
    case FAIL_BUSY:
        turn_retry_after(turn, 70);
        return turn_fail(turn, STATUS_BUSY, "later");
    case DEFER:
    case PARTS:
        self->owed[self->n_owed++] = turn_defer(turn);
        if (what == PARTS) {
            turn_resolve_part(turn, &self->owed[self->n_owed - 1], DO(91));
            turn_resolve_part(turn, &self->owed[self->n_owed - 1], DO(92));
        }
        return STATUS_OK;
    case RESOLVE:
        turn_resolve(turn, owed, DO(99));
        self->n_owed--;
        return STATUS_OK;
    case REJECT:
        turn_reject(turn, owed, STATUS_QUOTA, "%s", "too many");
        self->n_owed--;
        return STATUS_OK;
    case WANTED:
        turn_note(turn, "wanted: %s", turn_wanted(turn, owed) ? "yes" : "no");
        return STATUS_OK;
    default:
        turn_reply(turn, DO(what));
        return STATUS_OK;
    }
}

/* a asks b to do what % 100; from 100 on, cancels its last call. */
static enum status ask(struct puppet *self, uint64_t what, struct turn *turn) {
    if (what >= 100)
        turn_cancel(turn, self->call);
    else
        self->call = puppet_ask(turn, turn_find(turn, "b"), what, 5 * US);
    return STATUS_OK;
}

static const struct strings asking = {.act = ask}, answering = {.act = answer};

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    sim_spawn(sim, "a", &puppet_type, &asking);
    sim_spawn(sim, "b", &puppet_type, &answering);
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(calls, .init = set_up, .fini = tear_down);

Test(calls, end_in_a_reply_done_or_a_failure) {
    sim_tell(sim, "a", DO(ANSWER));
    sim_tell(sim, "a", DO(DONE));
    sim_tell(sim, "a", DO(FAIL));
    sim_expect(sim, "a < LogDrop store=1\n"
                    "b < LogDrop store=1\n"
                    "b > LogDrop store=1\n"
                    "a   call: OK\n"
                    "a < LogDrop store=2\n"
                    "b < LogDrop store=2\n"
                    "b > Done\n"
                    "a   call: OK\n"
                    "a < LogDrop store=3\n"
                    "b < LogDrop store=3\n"
                    "b ! IO disk 3 is gone\n"
                    "a   call: IO disk 3 is gone\n");
}

Test(calls, expire_when_nobody_answers) {
    sim_tell(sim, "a", DO(DEFER));
    sim_run(sim, 5 * US - 1);
    sim_trace_clear(sim);
    sim_run(sim, 1);
    sim_expect(sim, "a   call: EXPIRED deadline exceeded\n");
    sim_tell(sim, "b", DO(RESOLVE)); /* too late: nobody hears it, nobody breaks */
    sim_expect(sim, "b < LogDrop store=7\nb > LogDrop store=99\n");
}

Test(calls, end_when_the_callee_stops) {
    sim_tell(sim, "a", DO(DEFER));
    sim_stop(sim, "b");
    sim_expect(sim, "a < LogDrop store=5\n"
                    "b < LogDrop store=5\n"
                    "a   call: LOST_PEER the actor stopped before it answered\n");
    sim_tell(sim, "a", DO(ANSWER));
    sim_expect(sim, "a < LogDrop store=1\na   call: LOST_PEER peer is unreachable\n");
}

Test(calls, are_answered_later_by_promises) {
    sim_tell(sim, "a", DO(DEFER));
    sim_tell(sim, "a", DO(DEFER));
    sim_tell(sim, "b", DO(RESOLVE));
    sim_tell(sim, "b", DO(REJECT));
    sim_expect(sim, "a < LogDrop store=5\n"
                    "b < LogDrop store=5\n"
                    "a < LogDrop store=5\n"
                    "b < LogDrop store=5\n"
                    "b < LogDrop store=7\n"
                    "b > LogDrop store=99\n"
                    "a   call: OK\n"
                    "b < LogDrop store=8\n"
                    "b ! QUOTA too many\n"
                    "a   call: QUOTA too many\n");
}

Test(calls, may_be_answered_in_parts) {
    sim_tell(sim, "a", DO(PARTS));
    sim_tell(sim, "b", DO(RESOLVE));
    sim_expect(sim, "a < LogDrop store=6\n"
                    "b < LogDrop store=6\n"
                    "b > LogDrop store=91\n"
                    "b > LogDrop store=92\n"
                    "a   call: part OK\n"
                    "a   call: part OK\n"
                    "b < LogDrop store=7\n"
                    "b > LogDrop store=99\n"
                    "a   call: OK\n");
}

Test(calls, that_are_cancelled_are_not_wanted_any_more) {
    sim_tell(sim, "a", DO(DEFER));
    sim_tell(sim, "b", DO(WANTED));
    sim_tell(sim, "a", DO(100));
    sim_tell(sim, "a", DO(100)); /* once is enough */
    sim_tell(sim, "b", DO(WANTED));
    sim_tell(sim, "b", DO(RESOLVE));
    sim_expect(sim, "a < LogDrop store=5\n"
                    "b < LogDrop store=5\n"
                    "b < LogDrop store=9\n"
                    "b   wanted: yes\n"
                    "a < LogDrop store=100\n"
                    "a   call: CANCELLED cancelled by the caller\n"
                    "a < LogDrop store=100\n"
                    "b < LogDrop store=9\n"
                    "b   wanted: no\n"
                    "b < LogDrop store=7\n"
                    "b > LogDrop store=99\n");
}

Test(calls, past_their_deadline_are_not_wanted_any_more) {
    sim_tell(sim, "a", DO(DEFER));
    sim_run(sim, 6 * US);
    sim_trace_clear(sim);
    sim_tell(sim, "b", DO(WANTED));
    sim_expect(sim, "b < LogDrop store=9\nb   wanted: no\n");
}

static enum status pass_on(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self, (void)what;
    turn_forward(turn, turn_find(turn, "b"));
    return STATUS_OK;
}
static enum status pass_to_either(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)what;
    turn_forward(turn, turn_find(turn, self->count++ % 2 ? "c" : "b"));
    return STATUS_OK;
}
static enum status ask_passer(struct puppet *self, uint64_t what, struct turn *turn) {
    if (what >= 100)
        turn_cancel(turn, self->call);
    else
        self->call = puppet_ask(turn, turn_find(turn, "passer"), what, 5 * US);
    return STATUS_OK;
}
static const struct strings passing_to_either = {.act = pass_to_either};
static const struct strings passing = {.act = pass_on}, asking_passer = {.act = ask_passer};

Test(calls, that_are_forwarded_are_answered_by_the_last_one) {
    sim_spawn(sim, "passer", &puppet_type, &passing);
    sim_spawn(sim, "asker", &puppet_type, &asking_passer);
    sim_tell(sim, "asker", DO(ANSWER));
    sim_expect(sim, "asker < LogDrop store=1\n"
                    "passer < LogDrop store=1\n"
                    "b < LogDrop store=1\n"
                    "b > LogDrop store=1\n"
                    "asker   call: OK\n");
    sim_tell(sim, "asker", DO(DEFER));
    sim_tell(sim, "asker", DO(100)); /* the cancel follows the call */
    sim_tell(sim, "b", DO(WANTED));
    sim_expect(sim, "asker < LogDrop store=5\n"
                    "passer < LogDrop store=5\n"
                    "b < LogDrop store=5\n"
                    "asker < LogDrop store=100\n"
                    "asker   call: CANCELLED cancelled by the caller\n"
                    "b < LogDrop store=9\n"
                    "b   wanted: no\n");
}

/* The actor that handed it on knows nothing of it any more: the cancel finds it all the same. */
Test(calls, that_were_forwarded_to_several_are_cancelled_where_they_are) {
    sim_spawn(sim, "passer", &puppet_type, &passing_to_either);
    sim_spawn(sim, "c", &puppet_type, &answering);
    sim_spawn(sim, "asker", &puppet_type, &asking_passer);
    for (int i = 0; i < 3; i++) {
        sim_tell(sim, "asker", DO(DEFER));
        sim_tell(sim, "asker", DO(100));
        sim_trace_clear(sim);
        sim_tell(sim, i % 2 ? "c" : "b", DO(WANTED));
        sim_expect(sim, i % 2 ? "c < LogDrop store=9\nc   wanted: no\n"
                              : "b < LogDrop store=9\nb   wanted: no\n");
    }
}

/* Each hands some requests on to the other; a cancel that comes too late is for neither of them. */
static enum status pass_across(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    actor_handle x = turn_find(turn, "x"), y = turn_find(turn, "y");
    if (what == 1 && turn_self(turn) == x) turn_forward(turn, y);
    if (what == 2 && turn_self(turn) == y) turn_forward(turn, x);
    if (what != 100) return STATUS_OK;
    struct parcel *late = parcel_local(PARCEL_CANCEL, x, NULL, 0);
    late->envelope.from = turn_self(turn);
    late->envelope.correlation = 4711;
    core_send(turn->core, turn->lane, late);
    return STATUS_OK;
}
static const struct strings passing_across = {.act = pass_across};

Test(calls, that_are_cancelled_too_late_do_not_circle_between_those_who_forward) {
    sim_spawn(sim, "x", &puppet_type, &passing_across);
    sim_spawn(sim, "y", &puppet_type, &passing_across);
    cr_assert_eq(sim_call(sim, "x", DO(1), US, NULL), STATUS_OK);
    sim_tell(sim, "y", DO(2));
    sim_tell(sim, "y", DO(100));
    cr_assert_eq(sim_call(sim, "x", DO(3), US, NULL), STATUS_OK);
}

Test(calls, to_nobody_are_lost_and_unknown_messages_refused) {
    sim_stop(sim, "b");
    sim_tell(sim, "a", DO(ANSWER));
    sim_expect(sim, "a < LogDrop store=1\na   call: LOST_PEER peer is unreachable\n");
    const ProtobufCMessage *reply = NULL;
    cr_assert_eq(sim_call(sim, "a", MESSAGE(LogAppend, log_append, .store = 1), US, &reply),
                 STATUS_UNIMPLEMENTED);
    cr_assert_str_eq(sim_words(sim), "puppet does not accept LogAppend");
}

/* Outcomes of the driver's own calls. */
Test(calls, carry_the_reply_the_words_and_the_hint) {
    const ProtobufCMessage *reply = NULL;
    cr_assert_eq(sim_call(sim, "b", DO(44), US, &reply), STATUS_OK);
    cr_assert_eq(((const LogDrop *)reply)->store, 44);
    cr_assert_eq(sim_call(sim, "b", DO(FAIL_BUSY), US, &reply), STATUS_BUSY);
    cr_assert_str_eq(sim_words(sim), "later");
    uint64_t before = sim_now_us(sim);
    cr_assert_eq(sim_call(sim, "b", DO(DEFER), US, NULL), STATUS_EXPIRED);
    cr_assert_eq(sim_now_us(sim) - before, US);
}

/* --- mailboxes
 * ---------------------------------------------------------------------------------------- */

static enum status flood(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    actor_handle to = turn_find(turn, "small");
    for (uint64_t i = 1; i <= 3; i++)
        puppet_ask(turn, to, what + i, 5 * US);
    turn_call(turn, &(struct call){.to = to,
                                   .message = DO(what + 9),
                                   .done = puppet_note_outcome,
                                   .context = "control",
                                   .control = true});
    return STATUS_OK;
}
static enum status quiet(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self, (void)what, (void)turn;
    return STATUS_OK;
}
static const struct strings flooding = {.act = flood}, quieting = {.act = quiet};

/* Two fit, the third is refused; the control band has room of its own and goes first. */
Test(calls, beyond_the_mailbox_are_busy_and_control_goes_ahead) {
    sim_spawn(sim, "small", &puppet_small_type, &quieting);
    sim_spawn(sim, "flooder", &puppet_type, &flooding);
    sim_tell(sim, "flooder", DO(10));
    sim_expect(sim, "flooder < LogDrop store=10\n"
                    "small x LogDrop: BUSY\n"
                    "small < LogDrop store=19\n"
                    "small > Done\n"
                    "small < LogDrop store=11\n"
                    "small > Done\n"
                    "small < LogDrop store=12\n"
                    "small > Done\n"
                    "flooder   call: BUSY the mailbox is full\n"
                    "flooder   control: OK\n"
                    "flooder   call: OK\n"
                    "flooder   call: OK\n");
}

static enum status slow(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self, (void)turn;
    return what == 1 ? turn_fail(turn, STATUS_INTERNAL, "one") : STATUS_OK;
}
static const struct strings slowing = {.act = slow};

static enum status too_late(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    puppet_ask(turn, turn_find(turn, "slow"), what, 0); /* its deadline is now */
    return STATUS_OK;
}
static const struct strings being_late = {.act = too_late};

/* Nobody works on an expired request. */
Test(calls, whose_deadline_passed_in_the_mailbox_are_not_handled) {
    sim_spawn(sim, "slow", &puppet_type, &slowing);
    sim_spawn(sim, "late", &puppet_type, &being_late);
    sim_tell(sim, "late", DO(2));
    sim_expect(sim, "late < LogDrop store=2\n"
                    "slow x LogDrop: EXPIRED\n"
                    "late   call: EXPIRED deadline exceeded\n");
}

/* --- order
 * --------------------------------------------------------------------------------------------- */

static enum status send_ten(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    for (uint64_t i = 0; i < 10; i++)
        turn_tell(turn, turn_find(turn, "counter"), DO(what + i));
    return STATUS_OK;
}
static enum status count(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)turn;
    uint64_t *last = what < 1000 ? &self->count : &self->call;
    cr_assert(what > *last, "%d after %d", (int)what, (int)*last);
    *last = what;
    return STATUS_OK;
}
static const struct strings sending = {.act = send_ten}, counting = {.act = count};

/* Whatever the scheduler does, what one actor sends another arrives in order. */
Test(calls, and_casts_keep_their_order_for_each_pair) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim *world = sim_open(&(struct sim_options){.seed = seed, .shuffle = true});
        sim_spawn(world, "counter", &puppet_type, &counting);
        sim_spawn(world, "s1", &puppet_type, &sending);
        sim_spawn(world, "s2", &puppet_type, &sending);
        for (uint64_t i = 1; i < 10; i++) {
            sim_tell(world, "s1", DO(i * 10));
            sim_tell(world, "s2", DO(1000 + i * 10));
        }
        sim_close(&world);
    }
}

/* --- on behalf of others
 * ------------------------------------------------------------------------------------------- */

enum { ASK_ON = 1, GIVE_UP = 100 };

static void
passed_on(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct puppet *self = actor;
    puppet_note_outcome(actor, context, outcome, turn);
    turn_reject(turn, &self->owed[0], outcome->status, "%s", "passed on");
}

/* Answers when c did. */
static enum status ask_on(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)what;
    self->owed[0] = turn_defer(turn);
    turn_call(turn, &(struct call){.to = turn_find(turn, "c"),
                                   .message = DO(DEFER),
                                   .done = passed_on,
                                   .context = "on behalf",
                                   .behalf = &self->owed[0]});
    return STATUS_OK;
}
static const struct strings asking_on = {.act = ask_on};

static void three_in_a_row(void) {
    sim_stop(sim, "b");
    sim_spawn(sim, "b", &puppet_type, &asking_on);
    sim_spawn(sim, "c", &puppet_type, &answering);
    sim_tell(sim, "a", DO(ASK_ON));
    sim_trace_clear(sim);
}

/* A cancel goes on to what was asked on behalf of the request. */
Test(calls, on_behalf_of_others_are_cancelled_with_them) {
    three_in_a_row();
    sim_tell(sim, "a", DO(GIVE_UP));
    sim_tell(sim, "c", DO(WANTED));
    sim_expect(sim, "a < LogDrop store=100\n"
                    "b   on behalf: CANCELLED cancelled by the caller\n"
                    "b ! CANCELLED passed on\n"
                    "a   call: CANCELLED cancelled by the caller\n"
                    "c < LogDrop store=9\n"
                    "c   wanted: no\n");
}

/* And so does the end of the caller. */
Test(calls, on_behalf_of_others_end_with_their_caller) {
    three_in_a_row();
    sim_stop(sim, "a");
    sim_tell(sim, "c", DO(WANTED));
    sim_expect(sim, "b   on behalf: CANCELLED cancelled by the caller\n"
                    "b ! CANCELLED passed on\n"
                    "c < LogDrop store=9\n"
                    "c   wanted: no\n");
}
