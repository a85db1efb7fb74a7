/* The world around: several nodes, their network and its faults, and that a seed is the whole
 * story. */
#include <criterion/criterion.h>

#include "runtime/link.h"
#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, LOOKUP = 1000, WATCH };

static enum status answer(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self;
    if (what != 5)
        turn_reply(turn, DO(what));
    else
        (void)turn_defer(turn);
    return STATUS_OK;
}

static void found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct puppet *self = actor;
    self->other = outcome->handle;
    puppet_note_outcome(actor, context, outcome, turn);
}

/* Looks up "b" of node 2, then asks it what it is told. */
static enum status ask(struct puppet *self, uint64_t what, struct turn *turn) {
    switch (what) {
    case LOOKUP:
        turn_lookup(turn,
                    &(struct lookup){
                        .address = "sim://2", .name = "b", .done = found, .context = "lookup"});
        break;
    case WATCH:
        turn_monitor(turn, self->other, puppet_note_outcome, "down");
        break;
    default:
        puppet_ask(turn, self->other, what, 10000 * MS);
    }
    return STATUS_OK;
}
static const struct strings asking = {.act = ask}, answering = {.act = answer};

static struct sim *open_world(struct sim_options options) {
    options.nodes = 2;
    struct sim *sim = sim_open(&options);
    sim_spawn(sim, "a", &puppet_type, &asking);
    sim_spawn_on(sim, 2, "b", &puppet_type, &answering);
    return sim;
}

Test(world, calls_between_nodes_take_their_time) {
    struct sim *sim = open_world((struct sim_options){
        .seed = 1, .delay_us_min = 100, .delay_us_max = 100, .trace_time = true});
    sim_tell(sim, "a", DO(LOOKUP));
    sim_run(sim, MS);
    sim_tell(sim, "a", DO(7));
    sim_run(sim, MS);
    sim_expect(sim, "0 1:a < LogDrop store=1000\n"
                    "200 1:a   lookup: OK\n"
                    "1000 1:a < LogDrop store=7\n"
                    "1100 2:b < LogDrop store=7\n"
                    "1100 2:b > LogDrop store=7\n"
                    "1200 1:a   call: OK\n");
    sim_close(&sim);
}

Test(world, lookups_fail_with_a_reason) {
    struct sim *sim = open_world((struct sim_options){.seed = 1});
    sim_stop_on(sim, 2, "b");
    sim_tell(sim, "a", DO(LOOKUP));
    sim_run(sim, MS);
    sim_expect(sim, "1:a < LogDrop store=1000\n1:a   lookup: NOT_FOUND not found\n");
    sim_cut(sim, 1, 2);
    sim_tell(sim, "a", DO(LOOKUP));
    sim_run(sim, 6000 * MS);
    sim_expect(sim, "1:a < LogDrop store=1000\n1:a   lookup: EXPIRED deadline exceeded\n");
    sim_close(&sim);
}

/* A cut is noticed after LINK_DEAD_MS: open calls and monitors end; after the healing a lookup
 * connects anew. */
Test(world, a_cut_loses_the_peer) {
    struct sim *sim = open_world((struct sim_options){.seed = 1});
    sim_tell(sim, "a", DO(LOOKUP));
    sim_run(sim, MS);
    sim_tell(sim, "a", DO(WATCH));
    sim_tell(sim, "a", DO(5)); /* b owes the answer */
    sim_run(sim, MS);
    sim_trace_clear(sim);
    sim_cut(sim, 1, 2);
    sim_run(sim, LINK_DEAD_MS * MS - 1);
    sim_expect(sim, "");
    sim_run(sim, 1);
    sim_expect(sim, "1:a   down: LOST_PEER the link to its process was lost\n"
                    "1:a   call: LOST_PEER the link to its process was lost\n");
    sim_heal(sim, 1, 2);
    sim_tell(sim, "a", DO(7)); /* the old handle stays dead */
    sim_expect(sim, "1:a < LogDrop store=7\n"
                    "1:a   call: LOST_PEER the link to its process was lost\n");
    sim_tell(sim, "a", DO(LOOKUP));
    sim_run(sim, MS);
    sim_tell(sim, "a", DO(7));
    sim_run(sim, MS);
    sim_expect(sim, "1:a < LogDrop store=1000\n"
                    "1:a   lookup: OK\n"
                    "1:a < LogDrop store=7\n"
                    "2:b < LogDrop store=7\n"
                    "2:b > LogDrop store=7\n"
                    "1:a   call: OK\n");
    sim_close(&sim);
}

Test(world, a_short_cut_only_loses_messages) {
    struct sim *sim = open_world((struct sim_options){.seed = 1});
    sim_tell(sim, "a", DO(LOOKUP));
    sim_run(sim, MS);
    sim_cut(sim, 1, 2);
    sim_tell(sim, "a", DO(7));
    sim_run(sim, 1000 * MS);
    sim_heal(sim, 1, 2);
    sim_trace_clear(sim);
    sim_tell(sim, "a", DO(8));
    sim_run(sim, 10000 * MS);
    sim_expect(sim, "1:a < LogDrop store=8\n"
                    "2:b < LogDrop store=8\n"
                    "2:b > LogDrop store=8\n"
                    "1:a   call: OK\n"
                    "1:a   call: EXPIRED deadline exceeded\n");
    sim_close(&sim);
}

/* A busy world: delays, losses, a random scheduler; every call ends, and the seed decides all of
 * it. */
static char *story(uint64_t seed) {
    struct sim *sim = open_world((struct sim_options){.seed = seed,
                                                      .delay_us_min = 10,
                                                      .delay_us_max = 5000,
                                                      .drop_ppm = 100000,
                                                      .shuffle = true,
                                                      .trace_time = true});
    sim_tell(sim, "a", DO(LOOKUP));
    sim_run(sim, 100 * MS);
    for (uint64_t i = 0; i < 50; i++) {
        sim_tell(sim, "a", DO(10 + i));
        sim_run(sim, MS);
    }
    sim_run(sim, 20000 * MS);
    size_t ended = 0;
    for (const char *at = sim_trace(sim); (at = strstr(at, "call:")); at++)
        ended++;
    cr_assert_eq(ended, 50);
    char *copy = strdup(sim_trace(sim));
    sim_close(&sim);
    return copy;
}

Test(world, is_decided_by_its_seed) {
    char *first = story(1), *again = story(1), *other = story(2);
    cr_assert_str_eq(first, again);
    cr_assert_str_neq(first, other);
    free(first);
    free(again);
    free(other);
}

static enum status nap(void *context) {
    (void)context;
    return STATUS_OK;
}
static void rested(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)outcome;
    turn_note(turn, "rested");
}
static enum status block(struct puppet *self, uint64_t what, struct turn *turn) {
    (void)self, (void)what;
    turn_block(turn, &(struct block){.work = nap, .done = rested});
    return STATUS_OK;
}
static const struct strings blocking = {.act = block};

Test(world, blocking_work_may_take_virtual_time) {
    struct sim *sim =
        sim_open(&(struct sim_options){.seed = 1, .block_us = 300, .trace_time = true});
    sim_spawn(sim, "x", &puppet_type, &blocking);
    sim_tell(sim, "x", DO(1));
    sim_run(sim, MS);
    sim_expect(sim, "0 x < LogDrop store=1\n300 x   rested\n");
    sim_close(&sim);
}
