/* sys under load: reports, views, waits, taps, letters and profiles are asked for while actors of
 * all lanes call each other, fail and are refused. ThreadSanitizer judges. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/node.h"
#include "schemas/log.pb-c.h"
#include "schemas/sys.pb-c.h"

enum { ROUNDS = 40, ACTORS = 6 };

struct ping {
    actor_handle next;
    uint64_t n;
};

#define PING_ACCEPTS(X) X(struct ping, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(ping_handlers, PING_ACCEPTS);

static void ignore(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)outcome, (void)turn;
}

static enum status on_drop(struct ping *self, const LogDrop *message, struct turn *turn) {
    (void)message;
    if (++self->n % 5 == 0) return turn_fail(turn, STATUS_IO, "every fifth");
    return STATUS_OK;
}

static void go_on(void *self, void *context, struct turn *turn) {
    LogDrop drop = LOG_DROP__INIT;
    char name[16];
    snprintf(name, sizeof name, "ping/%u", (unsigned)(turn_random(turn) % (ACTORS + 1)));
    turn_call(turn, &(struct call){.to = turn_find(turn, name), /* one of them is nobody */
                                   .message = &drop.base,
                                   .done = ignore});
    turn_tell(turn, turn_find(turn, name), &drop.base);
    if (turn_random(turn) % 64 == 0) turn_raise(turn, "wobbly", "%s", "now and then");
    if (turn_random(turn) % 64 == 0) turn_clear(turn, "wobbly");
    turn_timer(turn, 200, go_on, context);
    (void)self;
}

static enum status ping_open(void *self, const void *options, struct turn *turn) {
    (void)options;
    go_on(self, NULL, turn);
    return STATUS_OK;
}

static const struct actor_type ping_type = {.kind = "ping",
                                            .size = sizeof(struct ping),
                                            .handlers = ping_handlers,
                                            .open = ping_open,
                                            .lane = LANE_COMPUTE};

static struct node *node;
static _Atomic uint32_t told;

static enum status ask(const ProtobufCMessage *message) {
    ProtobufCMessage *reply = NULL;
    enum status s = node_call(
        node, &(struct node_call){.name = "sys", .message = message, .timeout_ms = 30000}, &reply);
    node_reply_free(reply);
    return s;
}

/* What one lane alone can tell, sys waits for a second for; ThreadSanitizer on a machine with other
 * things to do takes longer now and then, and it is races that are looked for. */
static bool ask_lane(const ProtobufCMessage *message) {
    enum status s = ask(message);
    if (s == STATUS_OK) atomic_fetch_add(&told, 1);
    return s == STATUS_OK || s == STATUS_EXPIRED || s == STATUS_NOT_FOUND;
}

static void *look(void *context) {
    (void)context;
    SysAsk report = SYS_ASK__INIT;
    SysAskActor actor = SYS_ASK_ACTOR__INIT;
    SysAskWaits waits = SYS_ASK_WAITS__INIT;
    SysAskLetters letters = SYS_ASK_LETTERS__INIT;
    report.actors = true;
    actor.name = "ping/1";
    letters.bodies = true;
    for (int i = 0; i < ROUNDS; i++) {
        bool fine = ask(&report.base) == STATUS_OK && ask_lane(&actor.base) &&
                    ask(&waits.base) == STATUS_OK && ask(&letters.base) == STATUS_OK;
        assert(fine);
    }
    return NULL;
}

static void *tap(void *context) {
    (void)context;
    SysTap wanted = SYS_TAP__INIT;
    wanted.seconds = 1;
    wanted.bodies = true;
    for (int i = 0; i < 2; i++) {
        enum status s = ask(&wanted.base);
        assert(s == STATUS_OK);
    }
    return NULL;
}

static void *act(void *context) {
    (void)context;
    SysDo action = SYS_DO__INIT;
    SysProfile profile = SYS_PROFILE__INIT;
    action.actor = "ping/2";
    action.action = "migrate";
    for (int i = 0; i < 10; i++) {
        bool fine = ask_lane(&action.base); /* while it moves it is not found */
        assert(fine);
    }
    profile.kind = "allocation";
    profile.seconds = 1;
    enum status s = ask(&profile.base);
    assert(s == STATUS_OK);
    return NULL;
}

int main(void) {
    enum status s = node_open(&(struct node_options){.name = "race",
                                                     .compute_lanes = 3,
                                                     .bodies = SYS_BODIES_REDACTED,
                                                     .actions = SYS_ACTIONS_ON},
                              &node);
    assert(s == STATUS_OK);
    for (int i = 0; i < ACTORS; i++) {
        char name[16];
        actor_handle handle = 0;
        snprintf(name, sizeof name, "ping/%d", i);
        s = node_spawn(node, &(struct spawn){.type = &ping_type, .name = name}, &handle);
        assert(s == STATUS_OK);
    }
    void *(*const threads[])(void *) = {look, look, tap, act};
    pthread_t made[sizeof threads / sizeof *threads];
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        pthread_create(&made[i], NULL, threads[i], NULL);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        pthread_join(made[i], NULL);
    node_close(node);
    assert(told > 0);
    puts("looked on");
    return 0;
}
