/* Taps: what is seen, how much, and that they end by themselves. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "schemas/sys.pb-c.h"
#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, ON = 1, OFF, TO_A, TO_B, DEFERS };

static struct sim *sim;
static SysTap wanted;
static struct {
    char text[8192]; /* "from>to message outcome\n" */
    size_t n;
    uint64_t matched, skipped;
    bool over;
    enum status status;
    size_t body;
} seen;

static void on_tapped(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)turn;
    const SysTapped *part = outcome_as(outcome, SysTapped, sys_tapped);
    for (size_t i = 0; part && i < part->n_messages; i++) {
        const SysMessage *row = part->messages[i];
        size_t used = strlen(seen.text);
        seen.n++;
        seen.body = row->body.len;
        snprintf(seen.text + used, sizeof seen.text - used, "%s>%s %s %s %s\n", row->from, row->to,
                 row->kind, row->message, row->outcome);
    }
    if (part) seen.matched = part->matched;
    if (part) seen.skipped = part->skipped;
    if (outcome->more) return;
    seen.over = true;
    seen.status = outcome->status;
}

static enum status look(struct puppet *self, uint64_t what, struct turn *turn) {
    if (what == OFF) {
        turn_cancel(turn, self->call);
        return STATUS_OK;
    }
    self->call = turn_call(turn, &(struct call){.to = turn_find(turn, "sys"),
                                                .message = &wanted.base,
                                                .done = on_tapped,
                                                .deadline_us = NO_DEADLINE});
    return STATUS_OK;
}

static enum status act(struct puppet *self, uint64_t what, struct turn *turn) {
    if (what == TO_A || what == TO_B)
        self->call = puppet_ask(turn, turn_find(turn, what == TO_A ? "a" : "b"), 99, 50 * MS);
    if (what == DEFERS && turn_find(turn, "a") == turn_self(turn))
        turn_forward(turn, turn_find(turn, "b"));
    return what == 98 ? turn_fail(turn, STATUS_IO, "disk") : STATUS_OK;
}

static const struct strings looking = {.act = look}, acting = {.act = act};

static void open_sim(enum sys_bodies bodies) {
    sim = sim_open(&(struct sim_options){.seed = 1, .bodies = bodies});
    sim_spawn(sim, "eye", &puppet_type, &looking);
    sim_spawn(sim, "a", &puppet_type, &acting);
    sim_spawn(sim, "b", &puppet_type, &acting);
    memset(&seen, 0, sizeof seen);
    sys_tap__init(&wanted);
}

static void set_up(void) {
    open_sim(SYS_BODIES_OFF);
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(tap, .init = set_up, .fini = tear_down);

/* a calls b, and the test calls both: what a tap on this filter sees. */
static void play(void) {
    sim_tell(sim, "eye", DO(ON));
    sim_tell(sim, "a", DO(TO_B));
    sim_tell(sim, "b", DO(98));
    sim_run(sim, 200 * MS);
}

Test(tap, sees_what_its_actor_handles) {
    wanted.actor = "a";
    play();
    cr_expect_str_eq(seen.text, "root>a cast LogDrop OK\nb>a reply Done OK\n");
    cr_expect_eq(seen.matched, 2);
    cr_expect_not(seen.over);
}

Test(tap, every_field_that_is_set_must_match) {
    static const struct {
        const char *actor, *kind, *message, *from, *expected;
    } rows[] = {
        {"b*", "", "", "", "a>b call LogDrop OK\nroot>b cast LogDrop IO\n"},
        {"", "puppet", "Done", "", "b>a reply Done OK\n"},
        {"", "shard", "", "", ""},
        {"", "", "", "a", "a>b call LogDrop OK\n"},
        {"b", "", "", "ro*", "root>b cast LogDrop IO\n"},
        {"", "", "", "nobody*", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sim_close(&sim);
        open_sim(SYS_BODIES_OFF);
        wanted.actor = (char *)rows[i].actor;
        wanted.kind = (char *)rows[i].kind;
        wanted.message = (char *)rows[i].message;
        wanted.from = (char *)rows[i].from;
        play();
        cr_expect_str_eq(seen.text, rows[i].expected, "row %zu: %s", i, seen.text);
    }
}

Test(tap, does_not_look_at_itself) {
    play();
    cr_expect_null(strstr(seen.text, "Sys"), "%s", seen.text);
    cr_expect_null(strstr(seen.text, ">sys"));
}

Test(tap, is_sampled) {
    wanted.actor = "b";
    wanted.one_in = 3;
    sim_tell(sim, "eye", DO(ON));
    for (int i = 0; i < 9; i++)
        sim_tell(sim, "b", DO(99));
    sim_run(sim, 200 * MS);
    cr_expect_eq(seen.n, 3);
    cr_expect_eq(seen.matched, 9);
}

Test(tap, keeps_to_its_rate_and_counts_the_rest) {
    wanted.actor = "b";
    wanted.per_second = 5;
    sim_tell(sim, "eye", DO(ON));
    for (int i = 0; i < 20; i++)
        sim_tell(sim, "b", DO(99));
    sim_run(sim, 200 * MS);
    cr_expect_eq(seen.n, 5);
    cr_expect_eq(seen.matched, 20);
    cr_expect_eq(seen.skipped, 15);
    sim_run(sim, 1000 * MS);
    sim_tell(sim, "b", DO(99));
    sim_run(sim, 200 * MS);
    cr_expect_eq(seen.n, 6, "the next second has a rate of its own");
}

Test(tap, holds_no_more_than_it_may) {
    wanted.actor = "b";
    wanted.per_second = UINT32_MAX;
    sim_tell(sim, "eye", DO(ON));
    for (int i = 0; i < 1000; i++)
        sim_tell(sim, "b", DO(99));
    sim_run(sim, 200 * MS);
    cr_expect_eq(seen.n, 512);
    cr_expect_eq(seen.skipped, 488);
}

Test(tap, ends_after_its_number) {
    wanted.actor = "b";
    wanted.max = 2;
    play();
    for (int i = 0; i < 5; i++)
        sim_tell(sim, "b", DO(99));
    sim_run(sim, 300 * MS);
    cr_expect_eq(seen.n, 2);
    cr_expect(seen.over);
    cr_expect_eq(seen.status, STATUS_OK);
}

Test(tap, ends_after_its_time) {
    wanted.seconds = 2;
    sim_tell(sim, "eye", DO(ON));
    sim_run(sim, 1900 * MS);
    cr_expect_not(seen.over);
    sim_run(sim, 400 * MS);
    cr_expect(seen.over);
    cr_expect_eq(seen.status, STATUS_OK);
    sim_tell(sim, "b", DO(99));
    sim_run(sim, 1000 * MS);
    cr_expect_eq(seen.n, 0);
}

Test(tap, ends_when_it_is_cancelled) {
    wanted.actor = "b";
    sim_tell(sim, "eye", DO(ON));
    sim_tell(sim, "eye", DO(OFF));
    sim_run(sim, 200 * MS);
    cr_expect(seen.over);
    sim_tell(sim, "b", DO(99));
    sim_run(sim, 1000 * MS);
    cr_expect_eq(seen.n, 0);
}

static enum status tap_status(const SysTap *tap) {
    const ProtobufCMessage *reply = NULL;
    return sim_call(sim, "sys", &tap->base, 10000 * MS, &reply);
}

Test(tap, refuses_what_makes_no_sense) {
    uint8_t trace[3] = {1, 2, 3};
    char name[300];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    wanted.message = "NoSuchMessage";
    cr_expect_eq(tap_status(&wanted), STATUS_INVALID);
    sys_tap__init(&wanted);
    wanted.trace = (ProtobufCBinaryData){sizeof trace, trace};
    cr_expect_eq(tap_status(&wanted), STATUS_INVALID);
    sys_tap__init(&wanted);
    wanted.actor = name;
    cr_expect_eq(tap_status(&wanted), STATUS_INVALID);
    sys_tap__init(&wanted);
    wanted.bodies = true;
    cr_expect_eq(tap_status(&wanted), STATUS_DENIED);
    sys_tap__init(&wanted);
    wanted.whole = true;
    cr_expect_eq(tap_status(&wanted), STATUS_DENIED);
}

Test(tap, there_are_only_so_many) {
    for (int i = 0; i < 20; i++)
        sim_tell(sim, "eye", DO(ON));
    sim_run(sim, 10 * MS);
    cr_expect(seen.over);
    cr_expect_eq(seen.status, STATUS_QUOTA);
}

Test(tap, bodies_come_where_they_are_allowed) {
    sim_close(&sim);
    open_sim(SYS_BODIES_REDACTED);
    wanted.actor = "a";
    wanted.message = "LogDrop";
    wanted.bodies = true;
    sim_tell(sim, "eye", DO(ON));
    sim_tell(sim, "a", DO(99));
    sim_run(sim, 200 * MS);
    cr_expect_eq(seen.body, 3);
    seen.body = 0;
    sim_tell(sim, "a", DO(DEFERS)); /* handed on: its body went along */
    sim_run(sim, 200 * MS);
    cr_expect_eq(seen.body, 3);
    wanted.whole = true;
    cr_expect_eq(tap_status(&wanted), STATUS_DENIED);
}
