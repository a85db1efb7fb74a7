/* Many actors on several lanes for some seconds under ThreadSanitizer: calls with every outcome,
 * spawning, stopping and crashing children, monitors, blocking work, names, calls from outside,
 * reports of sys. Each call must have had exactly one final outcome at the end.
 *
 *     race_runtime [SECONDS] */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/assert.h"
#include "runtime/log.h"
#include "runtime/node.h"
#include "schemas/log.pb-c.h"
#include "schemas/sys.pb-c.h"

enum { DRIVERS = 16, CHILDREN = 4, CALLS = 8, OUTSIDERS = 2 };

/* What LogDrop.store asks of a child. */
enum { ANSWER, DEFER, FAIL, CRASH, FORGET, BLOCK, FORWARD, WISHES };

static _Atomic bool over;
static _Atomic uint64_t asked, ended, answered;

/* --- the child: does what it is told
 * ---------------------------------------------------------------- */

struct child {
    struct promise owed[64];
    size_t n_owed;
};

#define CHILD_ACCEPTS(X) X(struct child, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(child_handlers, CHILD_ACCEPTS);

static void resolve_all(void *actor, void *context, struct turn *turn) {
    (void)context;
    struct child *self = actor;
    LogDrop done = LOG_DROP__INIT;
    for (size_t i = 0; i < self->n_owed; i++)
        if (turn_wanted(turn, &self->owed[i]))
            turn_resolve(turn, &self->owed[i], &done.base);
        else
            turn_reject(turn, &self->owed[i], STATUS_CANCELLED, "not wanted");
    self->n_owed = 0;
}

static enum status nap(void *context) {
    (void)context;
    nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    return STATUS_OK;
}

static void rested(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)outcome;
    resolve_all(actor, context, turn);
}

static enum status on_drop(struct child *self, const LogDrop *message, struct turn *turn) {
    switch (message->store % WISHES) {
    case DEFER:
    case BLOCK:
        if (self->n_owed == sizeof self->owed / sizeof *self->owed)
            return turn_fail(turn, STATUS_BUSY, "owing too much");
        self->owed[self->n_owed++] = turn_defer(turn);
        if (message->store % WISHES == DEFER)
            turn_timer(turn, 200, resolve_all, NULL);
        else
            turn_block(turn, &(struct block){.work = nap, .done = rested});
        return STATUS_OK;
    case FAIL:
        return turn_fail(turn, STATUS_IO, "as told");
    case CRASH:
        turn_exit(turn, message->store % 2 ? STATUS_IO : STATUS_OK, "as told");
        return STATUS_OK;
    case FORGET:
        (void)turn_defer(turn);
        return STATUS_OK;
    case FORWARD:
        turn_forward(turn, turn_find(turn, "answerer"));
        return STATUS_OK;
    default:
        turn_reply(turn, &message->base);
        return STATUS_OK;
    }
}

static const struct actor_type child_types[] = {
    {.kind = "child",
     .size = sizeof(struct child),
     .handlers = child_handlers,
     .lane = LANE_IO,
     .light = true},
    {.kind = "child",
     .size = sizeof(struct child),
     .handlers = child_handlers,
     .lane = LANE_COMPUTE},
};

/* --- the driver: keeps CALLS calls to its children open
 * ---------------------------------------------- */

struct driver {
    actor_handle children[CHILDREN];
    uint64_t last_call;
};

static const struct handler driver_handlers[] = {{NULL, NULL}};

static void ask(struct driver *self, struct turn *turn);

static void
on_outcome(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)context;
    assert(!outcome->more);
    atomic_fetch_add(&ended, 1);
    if (outcome->status == STATUS_OK) atomic_fetch_add(&answered, 1);
    ask(actor, turn);
}

static void spawn_child(struct driver *self, size_t i, struct turn *turn);

/* A child that is gone for good is replaced; one that restarted has a new handle nobody tells. */
static void on_down(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)outcome;
    struct driver *self = actor;
    if (!atomic_load(&over)) spawn_child(self, (size_t)(uintptr_t)context, turn);
}

static void spawn_child(struct driver *self, size_t i, struct turn *turn) {
    enum status s = turn_spawn(
        turn,
        &(struct spawn){.type = &child_types[turn_random(turn) % 2], .restart = RESTART_TEMPORARY},
        &self->children[i]);
    assert(s == STATUS_OK);
    turn_monitor(turn, self->children[i], on_down, (void *)(uintptr_t)i);
}

static void ask(struct driver *self, struct turn *turn) {
    if (atomic_load(&over)) return;
    LogDrop message = LOG_DROP__INIT;
    uint64_t dice = turn_random(turn) % 1000;
    message.store = dice < 900 ? (uint64_t[]){ANSWER, DEFER, FAIL, BLOCK, FORWARD}[dice % 5] : dice;
    size_t i = turn_random(turn) % CHILDREN;
    atomic_fetch_add(&asked, 1);
    uint64_t call = turn_call(turn, &(struct call){
                                        .to = self->children[i],
                                        .message = &message.base,
                                        .done = on_outcome,
                                        .deadline_us = turn_now_us(turn) + 20000,
                                    });
    if (dice % 37 == 0) turn_cancel(turn, self->last_call);
    if (dice % 101 == 0) turn_stop(turn, self->children[i]);
    self->last_call = call;
}

static enum status driver_open(void *actor, const void *options, struct turn *turn) {
    (void)options;
    struct driver *self = actor;
    for (size_t i = 0; i < CHILDREN; i++)
        spawn_child(self, i, turn);
    for (size_t i = 0; i < CALLS; i++)
        ask(self, turn);
    return STATUS_OK;
}

static const struct actor_type driver_types[] = {
    {.kind = "driver",
     .size = sizeof(struct driver),
     .handlers = driver_handlers,
     .open = driver_open,
     .lane = LANE_IO},
    {.kind = "driver",
     .size = sizeof(struct driver),
     .handlers = driver_handlers,
     .open = driver_open,
     .lane = LANE_COMPUTE},
};

/* --- outside
 * ----------------------------------------------------------------------------------------- */

static void *call_from_outside(void *context) {
    struct node *node = context;
    SysAsk message = SYS_ASK__INIT;
    message.actors = 1;
    while (!atomic_load(&over)) {
        ProtobufCMessage *reply = NULL;
        enum status s =
            node_call(node, &(struct node_call){.name = "sys", .message = &message.base}, &reply);
        assert(s == STATUS_OK && ((SysReport *)reply)->n_lanes == 5);
        node_reply_free(reply);
        reply = NULL;
        SysAskTraces traces = SYS_ASK_TRACES__INIT;
        s = node_call(node, &(struct node_call){.name = "traces", .message = &traces.base}, &reply);
        assert(s == STATUS_OK);
        node_reply_free(reply);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    return NULL;
}

int main(int argc, char **argv) {
    int seconds = argc > 1 ? atoi(argv[1]) : 5;
    log_set(LOG_ERROR, false); /* children crash by the hundred */
    struct node *node = NULL;
    enum status s = node_open(
        &(struct node_options){.name = "race", .io_lanes = 2, .compute_lanes = 3, .spin = true},
        &node);
    assert(s == STATUS_OK);
    actor_handle handle = 0;
    s = node_spawn(node,
                   &(struct spawn){.type = &child_types[1],
                                   .name = "answerer",
                                   .restart = RESTART_PERMANENT,
                                   .intensity = 1000},
                   &handle);
    assert(s == STATUS_OK);
    for (int i = 0; i < DRIVERS; i++) {
        s = node_spawn(node, &(struct spawn){.type = &driver_types[i % 2]}, &handle);
        assert(s == STATUS_OK);
    }
    pthread_t outsiders[OUTSIDERS];
    for (int i = 0; i < OUTSIDERS; i++)
        pthread_create(&outsiders[i], NULL, call_from_outside, node);
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    atomic_store(&over, true);
    for (int i = 0; i < OUTSIDERS; i++)
        pthread_join(outsiders[i], NULL);
    for (int i = 0; i < 200 && atomic_load(&ended) < atomic_load(&asked); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    printf("%" PRIu64 " calls, %" PRIu64 " outcomes, %" PRIu64 " replies\n", atomic_load(&asked),
           atomic_load(&ended), atomic_load(&answered));
    assert(atomic_load(&asked) == atomic_load(&ended) && atomic_load(&answered) > 0);
    assert(!node_failed(node));
    node_close(node);
    return 0;
}
