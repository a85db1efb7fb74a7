/* Linked lives: a and b link, one ends, and the trace tells what becomes of the other. */
#include <criterion/criterion.h>

#include "runtime/link.h"
#include "tests/unit/runtime/puppet.h"

enum { MS = 1000, FAIL = 1, LEAVE, LINK, UNLINK, TRAP, FREE, LOOKUP, SAY };

static struct sim *sim;

static void note_exit(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context;
    turn_note(turn, "exit of %s: %s%s%s", outcome->handle ? "another" : "nobody",
              status_name(outcome->status), *outcome->text ? " " : "", outcome->text);
}

static void found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct puppet *self = actor;
    (void)context;
    self->other = outcome->handle;
    turn_link(turn, self->other);
}

static enum status act(struct puppet *self, uint64_t what, struct turn *turn) {
    if (!self->other) self->other = turn_find(turn, "b");
    switch (what) {
    case FAIL:
        turn_exit(turn, STATUS_IO, "disk %d", 7);
        break;
    case LEAVE:
        turn_exit(turn, STATUS_OK, "%s", "");
        break;
    case LINK:
        turn_link(turn, self->other);
        break;
    case UNLINK:
        turn_unlink(turn, self->other);
        break;
    case TRAP:
        turn_trap_exits(turn, note_exit, NULL);
        break;
    case FREE:
        turn_trap_exits(turn, NULL, NULL);
        break;
    case LOOKUP:
        turn_lookup(turn,
                    &(struct lookup){
                        .address = "sim://2", .name = "b", .done = found, .context = "lookup"});
        break;
    default:
        break;
    }
    return STATUS_OK;
}
static const struct strings acting = {.act = act};

/* Forgets the lines of what the test itself asked for. */
static void tell(const char *name, uint64_t what) {
    sim_tell(sim, name, DO(what));
    if (what != FAIL && what != LEAVE) sim_trace_clear(sim);
}

static void set_up(void) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    sim_spawn_as(sim, 1,
                 &(struct spawn){.type = &puppet_type,
                                 .name = "a",
                                 .options = &acting,
                                 .restart = RESTART_TRANSIENT,
                                 .intensity = 3});
    sim_spawn_as(sim, 1,
                 &(struct spawn){.type = &puppet_type,
                                 .name = "b",
                                 .options = &acting,
                                 .restart = RESTART_TRANSIENT,
                                 .intensity = 3});
    sim_trace_clear(sim);
}

static void tear_down(void) {
    sim_close(&sim);
}

TestSuite(links, .init = set_up, .fini = tear_down);

Test(links, take_the_other_along_in_both_directions) {
    tell("a", LINK);
    tell("b", FAIL);
    sim_expect(sim, "b < LogDrop store=1\n"
                    "b * failed IO disk 7\n"
                    "b * restarts\n"
                    "a * failed IO disk 7\n"
                    "a * restarts\n");
    tell("b", FAIL); /* the link was of a life: a stays */
    sim_expect(sim, "b < LogDrop store=1\nb * failed IO disk 7\nb * restarts\n");
}

Test(links, asked_for_by_one_bind_both) {
    tell("a", LINK);
    tell("a", FAIL);
    sim_expect(sim, "a < LogDrop store=1\n"
                    "a * failed IO disk 7\n"
                    "a * restarts\n"
                    "b * failed IO disk 7\n"
                    "b * restarts\n");
}

Test(links, let_go_of_who_leaves_normally) {
    tell("a", LINK);
    tell("b", LEAVE);
    tell("a", SAY);
    sim_expect(sim, "");
    cr_assert_not(sim_failed(sim));
}

/* Stopped by a supervisor is an end for both, but no failure. */
Test(links, follow_who_is_stopped) {
    tell("a", LINK);
    sim_stop(sim, "b");
    sim_expect(sim, "");
    sim_spawn(sim, "a", &puppet_type, &acting); /* its name is free: it went, for good */
    cr_assert_not(sim_failed(sim));
}

Test(links, can_be_undone_by_either_end) {
    tell("a", LINK);
    tell("a", LINK); /* twice is once */
    tell("a", UNLINK);
    tell("b", FAIL);
    sim_expect(sim, "b < LogDrop store=1\nb * failed IO disk 7\nb * restarts\n");
}

Test(links, tell_who_traps) {
    tell("a", LINK);
    tell("a", TRAP);
    tell("b", FAIL);
    sim_expect(sim, "b < LogDrop store=1\n"
                    "b * failed IO disk 7\n"
                    "b * restarts\n"
                    "a   exit of another: IO disk 7\n");
    tell("a", LINK); /* of the stale handle */
    sim_run(sim, 0);
    tell("a", LINK);
    sim_expect(sim, "");
}

Test(links, tell_who_traps_of_normal_ends_too) {
    tell("a", TRAP);
    tell("a", LINK);
    tell("b", LEAVE);
    sim_expect(sim, "b < LogDrop store=2\na   exit of another: OK\n");
}

Test(links, to_nobody_fail_at_once) {
    sim_tell(sim, "a", DO(LOOKUP)); /* there is no node 2: ends as a link to handle 0 */
    sim_expect(sim, "a < LogDrop store=7\n"
                    "a * failed LOST_PEER peer is unreachable\na * restarts\n");
}

Test(links, no_longer_trapped_do_harm_again) {
    tell("a", TRAP);
    tell("a", LINK);
    tell("a", FREE);
    tell("b", FAIL);
    sim_expect(sim, "b < LogDrop store=1\n"
                    "b * failed IO disk 7\n"
                    "b * restarts\n"
                    "a * failed IO disk 7\n"
                    "a * restarts\n");
}

/* --- between processes
 * ------------------------------------------------------------------------------------------- */

static struct sim *two_nodes(const struct actor_type *type) {
    struct sim *world = sim_open(&(struct sim_options){.seed = 1, .nodes = 2});
    sim_spawn(world, "a", &puppet_type, &acting);
    sim_spawn_on(world, 2, "b", type, &acting);
    sim_tell(world, "a", DO(LOOKUP));
    sim_run(world, MS);
    return world;
}

Test(links, between_processes_are_for_linkable_types) {
    struct sim *world = two_nodes(&puppet_type);
    sim_expect(world, "1:a < LogDrop store=7\n"
                      "1:a * failed DENIED it takes no links from other processes\n");
    sim_close(&world);
}

Test(links, between_processes_end_with_the_actor) {
    struct sim *world = two_nodes(&puppet_linkable_type);
    sim_trace_clear(world);
    sim_stop_on(world, 2, "b");
    sim_run(world, MS);
    sim_spawn(world, "a", &puppet_type, &acting); /* the first a went along */
    sim_expect(world, "");
    sim_close(&world);
}

Test(links, between_processes_end_with_the_network) {
    struct sim *world = two_nodes(&puppet_linkable_type);
    sim_trace_clear(world);
    sim_cut(world, 1, 2);
    sim_run(world, LINK_DEAD_MS * MS);
    sim_expect(world, "2:b * failed LOST_PEER the link to its process was lost\n"
                      "1:a * failed LOST_PEER the link to its process was lost\n");
    sim_close(&world);
}
