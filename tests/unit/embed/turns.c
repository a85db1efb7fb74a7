/* What a turn can do besides answering: descriptors, blocking work, monitors, cancelled calls. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/embed/tally.h"

struct probe {
    int fd;
    _Atomic unsigned events, worked, laters, downs, cancelled;
};
static struct probe probe;

static void on_event(void *state, void *context, uint32_t events, struct vectron_turn *turn) {
    (void)context, (void)events;
    const struct probe *const *self = state;
    uint64_t count;
    if (read((*self)->fd, &count, sizeof count) == sizeof count) probe.events++;
    vectron_unwatch(turn, (*self)->fd);
}

static enum vectron_status work(void *context) {
    (void)context;
    return VECTRON_DENIED;
}

static void worked(void *state,
                   void *context,
                   const struct vectron_outcome *outcome,
                   struct vectron_turn *turn) {
    (void)state, (void)context, (void)turn;
    if (outcome->status == VECTRON_DENIED) probe.worked++;
}

static void later(void *state, void *context, struct vectron_turn *turn) {
    (void)state, (void)context, (void)turn;
    probe.laters++;
}

static void
down(void *state, void *context, const struct vectron_outcome *outcome, struct vectron_turn *turn) {
    (void)state, (void)context, (void)turn;
    if (outcome->status == VECTRON_OK) probe.downs++;
}

static void called(void *state,
                   void *context,
                   const struct vectron_outcome *outcome,
                   struct vectron_turn *turn) {
    (void)state, (void)context, (void)turn;
    if (outcome->status == VECTRON_CANCELLED) probe.cancelled++;
}

static enum vectron_status probe_open(void *state, const void *options, struct vectron_turn *turn) {
    (void)options;
    *(struct probe **)state = &probe;
    cr_assert_eq(vectron_watch(turn, probe.fd, EPOLLIN, on_event, NULL), VECTRON_OK);
    vectron_block(turn, &(struct vectron_block){
                            .size = sizeof(struct vectron_block), .work = work, .done = worked});
    vectron_later(turn, later, NULL);
    vectron_timer_cancel(turn, vectron_timer(turn, 1, later, NULL));
    vectron_handle child = 0;
    struct vectron_spawn spawn = {
        .size = sizeof spawn, .type = &tally_type, .restart = VECTRON_TEMPORARY};
    cr_assert_eq(vectron_spawn(turn, &spawn, &child), VECTRON_OK);
    uint64_t silent = vectron_monitor(turn, child, down, NULL);
    vectron_unmonitor(turn, silent);
    vectron_monitor(turn, child, down, NULL);
    Tally__Wait wait = TALLY__WAIT__INIT;
    wait.us = 60000000;
    uint64_t call = vectron_call(turn, &(struct vectron_call){.size = sizeof(struct vectron_call),
                                                              .to = child,
                                                              .message = &wait.base,
                                                              .done = called});
    vectron_cancel(turn, call);
    vectron_stop(turn, child);
    cr_assert_eq(vectron_find(turn, "tally"), 0);
    cr_assert_neq(vectron_self(turn), 0);
    cr_assert_eq(vectron_sender(turn), 0);
    cr_assert_eq(vectron_deadline_us(turn), UINT64_MAX);
    cr_assert_neq(vectron_now_us(turn), 0);
    cr_assert_not_null(vectron_alloc(turn, 1000));
    return VECTRON_OK;
}

static const struct vectron_actor_type probe_type = {.size = sizeof(struct vectron_actor_type),
                                                     .kind = "probe",
                                                     .state_size = sizeof(struct probe *),
                                                     .open = probe_open,
                                                     .flags = VECTRON_LIGHT};

Test(embed, turns_watch_block_monitor_and_cancel) {
    probe.fd = eventfd(1, EFD_NONBLOCK);
    struct vectron_node *node = NULL;
    struct vectron_node_options options = {.size = sizeof options, .compute_lanes = 1};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_OK);
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &probe_type};
    vectron_handle handle = 0;
    cr_assert_eq(vectron_node_spawn(node, &spawn, &handle), VECTRON_OK, "%s", vectron_error());
    for (int tries = 0; tries < 300; tries++) {
        if (probe.events && probe.worked && probe.laters && probe.downs && probe.cancelled) break;
        usleep(10000);
    }
    cr_assert_eq(probe.events, 1);
    cr_assert_eq(probe.worked, 1);
    cr_assert_eq(probe.laters, 1, "the timer was cancelled");
    cr_assert_eq(probe.downs, 1, "one monitor was ended before");
    cr_assert_eq(probe.cancelled, 1);
    vectron_node_stop(node, handle);
    vectron_node_close(node);
    close(probe.fd);
}
