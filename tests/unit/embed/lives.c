/* Lives of a program's actors: links, moves, sleep, groups, an end in peace. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/embed/tally.h"

/* --- links, moves, sleep --- */

static _Atomic unsigned exits, moves, put_away, woken;
static _Atomic int woken_with;

static void exited(void *state,
                   void *context,
                   const struct vectron_outcome *outcome,
                   struct vectron_turn *turn) {
    (void)state, (void)context, (void)turn;
    /* LOST_PEER: it had died before the link reached it */
    bool died = outcome->status == VECTRON_IO || outcome->status == VECTRON_LOST_PEER;
    if (died && outcome->handle) exits++;
}

static enum vectron_status
mortal_open(void *state, const void *options, struct vectron_turn *turn) {
    (void)state, (void)options;
    vectron_exit(turn, VECTRON_IO, "%s", "it was not to be");
    return VECTRON_OK;
}
static const struct vectron_actor_type mortal_type = {.size = sizeof(struct vectron_actor_type),
                                                      .kind = "mortal",
                                                      .open = mortal_open,
                                                      .flags = VECTRON_LIGHT};

/* Linked to one that dies at once, it lives on, and moves. */
static enum vectron_status
mourner_open(void *state, const void *options, struct vectron_turn *turn) {
    (void)state, (void)options;
    vectron_handle child = 0;
    struct vectron_spawn spawn = {
        .size = sizeof spawn, .type = &mortal_type, .restart = VECTRON_TEMPORARY};
    vectron_trap_exits(turn, exited, NULL);
    cr_assert_eq(vectron_spawn(turn, &spawn, &child), VECTRON_OK);
    vectron_link(turn, child);
    vectron_link(turn, vectron_self(turn) + 1);
    vectron_unlink(turn, vectron_self(turn) + 1);
    vectron_move(turn, vectron_self(turn), 2);
    return VECTRON_OK;
}

static void mourner_moved(void *state, struct vectron_turn *turn) {
    (void)state, (void)turn;
    moves++;
}
static const struct vectron_actor_type mourner_type = {.size = sizeof(struct vectron_actor_type),
                                                       .kind = "mourner",
                                                       .open = mourner_open,
                                                       .moved = mourner_moved,
                                                       .flags = VECTRON_LINKABLE};

static struct vectron_node *open_two_lanes(void) {
    struct vectron_node *node = NULL;
    struct vectron_node_options options = {
        .size = sizeof options, .io_lanes = 2, .compute_lanes = 1};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_OK);
    return node;
}

static void wait_until(_Atomic unsigned *count, unsigned wanted) {
    for (int tries = 0; *count < wanted && tries < 500; tries++)
        usleep(10000);
    cr_assert_geq(*count, wanted);
}

Test(embed, actors_are_linked_and_move) {
    struct vectron_node *node = open_two_lanes();
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &mourner_type};
    vectron_handle handle = 0;
    cr_assert_eq(vectron_node_spawn(node, &spawn, &handle), VECTRON_OK, "%s", vectron_error());
    wait_until(&exits, 1);
    wait_until(&moves, 1);
    cr_expect_not(vectron_node_failed(node));
    vectron_node_close(node);
}

static enum vectron_status
sleeper_add(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    return tally_add(state, message, turn);
}

static enum vectron_status
sleeper_passivate(void *state, struct vectron_kept *kept, struct vectron_turn *turn) {
    struct tally *self = state;
    static const char much[70000];
    (void)turn;
    cr_assert_eq(vectron_keep(kept, much, sizeof much), VECTRON_TOO_LARGE);
    cr_assert_eq(vectron_keep(kept, &self->sum, sizeof self->sum), VECTRON_OK);
    put_away++;
    return VECTRON_OK;
}

static enum vectron_status sleeper_hydrate(void *state,
                                           const void *options,
                                           const struct vectron_kept *kept,
                                           struct vectron_turn *turn) {
    struct tally *self = state;
    size_t size = 0;
    const void *bytes = vectron_kept_bytes(kept, &size);
    (void)options, (void)turn;
    cr_assert_eq(size, sizeof self->sum);
    memcpy(&self->sum, bytes, size);
    woken_with = (int)self->sum;
    woken++;
    return VECTRON_OK;
}
static const struct vectron_handler sleeper_handlers[] = {{&tally__add__descriptor, sleeper_add},
                                                          {NULL, NULL}};
static const struct vectron_actor_type sleeper_type = {.size = sizeof(struct vectron_actor_type),
                                                       .kind = "sleeper",
                                                       .state_size = sizeof(struct tally),
                                                       .handlers = sleeper_handlers,
                                                       .flags = VECTRON_LIGHT,
                                                       .shed_us = 1000000,
                                                       .idle_us = 20000,
                                                       .passivate = sleeper_passivate,
                                                       .hydrate = sleeper_hydrate};

Test(embed, idle_actors_sleep_and_remember) {
    struct vectron_node *node = open_two_lanes();
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &sleeper_type, .name = "sleeper"};
    vectron_handle handle = 0;
    Tally__Add add = TALLY__ADD__INIT;
    add.by = 42;
    cr_assert_eq(vectron_node_spawn(node, &spawn, &handle), VECTRON_OK, "%s", vectron_error());
    cr_assert_eq(vectron_node_tell(node, "sleeper", &add.base), VECTRON_OK);
    for (unsigned i = 1; i < 100 && woken_with == 0; i++) {
        wait_until(&put_away, i);
        cr_assert_eq(vectron_node_tell(node, "sleeper", &add.base), VECTRON_OK);
        wait_until(&woken, i);
    }
    cr_expect(woken_with > 0 && woken_with % 42 == 0, "%d", woken_with);
    vectron_node_close(node);
}

/* --- groups, and an end in peace --- */

static _Atomic unsigned stops;

static void last_words(void *state, void *context, struct vectron_turn *turn) {
    (void)state, (void)context;
    stops++;
    vectron_exit(turn, VECTRON_OK, "done");
}

static void family_stop(void *state, struct vectron_turn *turn) {
    (void)state;
    vectron_timer(turn, 30000, last_words, NULL);
}

static enum vectron_status
family_open(void *state, const void *options, struct vectron_turn *turn) {
    (void)state, (void)options;
    enum vectron_status s = vectron_supervise(turn, VECTRON_ONE_FOR_ALL, 3, 10);
    for (int i = 0; s == VECTRON_OK && i < 2; i++) {
        struct vectron_spawn spawn = {
            .size = sizeof spawn, .type = &tally_type, .name = i == 0 ? "tally" : "sister"};
        vectron_handle child;
        s = vectron_spawn(turn, &spawn, &child);
    }
    return s;
}

static const struct vectron_actor_type family_type = {.size = sizeof(struct vectron_actor_type),
                                                      .kind = "family",
                                                      .open = family_open,
                                                      .stop = family_stop};

Test(embed, children_restart_as_a_group_and_stops_are_waited_for) {
    struct vectron_node *node = NULL;
    struct vectron_node_options options = {.size = sizeof options, .compute_lanes = 1};
    vectron_log(VECTRON_LOG_ERROR, no_log, NULL);
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_OK);
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &family_type, .name = "family"};
    cr_assert_eq(vectron_node_spawn(node, &spawn, NULL), VECTRON_OK, "%s", vectron_error());
    for (int tries = 0; tries < 300 && tally_lives < 2; tries++)
        usleep(10000);
    Tally__Break end = TALLY__BREAK__INIT;
    cr_assert_eq(vectron_node_tell(node, "sister", &end.base), VECTRON_OK);
    for (int tries = 0; tries < 300 && tally_lives < 4; tries++)
        usleep(10000);
    cr_assert_eq(tally_lives, 4, "both opened anew");
    vectron_node_close(node);
    cr_assert_eq(stops, 1, "the end waited for the family's own");
    cr_assert_eq(tally_gone, 4);
}
