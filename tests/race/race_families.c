/* Families of actors on several lanes under ThreadSanitizer: groups that restart together, links,
 * moves from lane to lane, light ones that fall asleep; asked from their own process and, with
 * credits between, from another. Each call must have had exactly one outcome at the end.
 *
 *     race_families [SECONDS] */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/assert.h"
#include "runtime/buffer.h"
#include "runtime/log.h"
#include "runtime/node.h"
#include "schemas/log.pb-c.h"

#ifdef __SANITIZE_THREAD__
/* libzmq's own threads synchronise in code that the sanitizer does not see. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
    return "called_from_lib:libzmq.so\nrace:libzmq.so\n";
}
#endif

enum { FAMILIES = 6, MEMBERS = 4, CALLERS = 6, CALLS = 8, MS = 1000, NAME_MAX_SIZE = 32 };

static _Atomic bool over;
static _Atomic uint64_t asked, ended, answered, moved, slept, opened;

/* --- a member of a family
 * ------------------------------------------------------------------------------------------- */

struct member {
    struct promise owed[32];
    size_t n_owed;
    uint64_t n; /* messages, also while it slept */
};

#define MEMBER_ACCEPTS(X) X(struct member, LogDrop, log_drop, on_drop)
ACTOR_HANDLERS(member_handlers, MEMBER_ACCEPTS);

static void resolve(void *actor, void *context, struct turn *turn) {
    struct member *self = actor;
    LogDrop done = LOG_DROP__INIT;
    (void)context;
    while (self->n_owed > 0) {
        self->n_owed--;
        if (turn_wanted(turn, &self->owed[self->n_owed]))
            turn_resolve(turn, &self->owed[self->n_owed], &done.base);
        else
            turn_reject(turn, &self->owed[self->n_owed], STATUS_CANCELLED, "not wanted");
    }
}

/* Somebody of any family. */
static actor_handle somebody(struct turn *turn) {
    char name[NAME_MAX_SIZE];
    snprintf(name, sizeof name, "f%d/%d", (int)(turn_random(turn) % FAMILIES),
             (int)(turn_random(turn) % MEMBERS));
    return turn_find(turn, name);
}

static enum status on_drop(struct member *self, const LogDrop *message, struct turn *turn) {
    self->n++;
    switch (turn_random(turn) % 400) {
    case 0:
        turn_exit(turn, STATUS_IO, "%s", "by chance");
        break;
    case 1:
    case 2:
        turn_link(turn, somebody(turn));
        break;
    case 3:
        turn_unlink(turn, somebody(turn));
        break;
    default:
        if (turn_random(turn) % 40 == 0) turn_move(turn, turn_self(turn), 0);
        break;
    }
    if (message->store % 3 == 0 && self->n_owed < sizeof self->owed / sizeof *self->owed) {
        self->owed[self->n_owed++] = turn_defer(turn);
        turn_timer(turn, turn_random(turn) % 1000, resolve, NULL);
        return STATUS_OK;
    }
    turn_reply(turn, &message->base);
    return STATUS_OK;
}

static enum status member_open(void *actor, const void *options, struct turn *turn) {
    (void)actor, (void)options, (void)turn;
    atomic_fetch_add(&opened, 1);
    return STATUS_OK;
}

static void member_moved(void *actor, struct turn *turn) {
    (void)actor, (void)turn;
    atomic_fetch_add(&moved, 1);
}

static enum status member_sleep(void *actor, struct buffer *kept, struct turn *turn) {
    (void)turn;
    atomic_fetch_add(&slept, 1);
    buffer_append(kept, actor, sizeof(struct member));
    return STATUS_OK;
}

static enum status
member_wake(void *actor, const void *options, const struct buffer *kept, struct turn *turn) {
    (void)options, (void)turn;
    memcpy(actor, kept->data, sizeof(struct member));
    return STATUS_OK;
}

static const struct actor_type member_types[] = {
    {.kind = "member",
     .size = sizeof(struct member),
     .handlers = member_handlers,
     .open = member_open,
     .moved = member_moved},
    {.kind = "light",
     .size = sizeof(struct member),
     .handlers = member_handlers,
     .open = member_open,
     .moved = member_moved,
     .passivate = member_sleep,
     .hydrate = member_wake,
     .idle_us = 300,
     .light = true,
     .lane = LANE_COMPUTE},
};

/* --- its supervisor: moves, too
 * ------------------------------------------------------------------------------------------- */

struct head {
    int family;
    actor_handle members[MEMBERS];
};

static void wander(void *actor, void *context, struct turn *turn) {
    const struct head *self = actor;
    (void)context;
    bool itself = turn_random(turn) % 4 == 0;
    turn_move(turn, itself ? turn_self(turn) : self->members[turn_random(turn) % MEMBERS], 0);
    if (!atomic_load(&over)) turn_timer(turn, 5 * MS, wander, NULL);
}

static enum status head_open(void *actor, const void *options, struct turn *turn) {
    struct head *self = actor;
    self->family = (int)(intptr_t)options;
    struct policy policy = {
        .strategy = (enum strategy)(self->family % 3), .intensity = 20, .period_s = 1};
    enum status s = turn_supervise(turn, &policy);
    for (int i = 0; i < MEMBERS && s == STATUS_OK; i++) {
        char name[NAME_MAX_SIZE];
        snprintf(name, sizeof name, "f%d/%d", self->family, i);
        s = turn_spawn(turn, &(struct spawn){.type = &member_types[i % 2], .name = name},
                       &self->members[i]);
    }
    turn_timer(turn, 5 * MS, wander, NULL);
    return s;
}

static const struct actor_type head_type = {
    .kind = "head", .size = sizeof(struct head), .open = head_open};

/* --- who asks
 * ------------------------------------------------------------------------------------------- */

struct caller {
    const char *address; /* of the families' process; NULL: its own */
    uint64_t last;
};

static void ask(struct caller *self, struct turn *turn);

static void
on_outcome(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)context;
    atomic_fetch_add(&ended, 1);
    if (outcome->status == STATUS_OK) atomic_fetch_add(&answered, 1);
    ask(actor, turn);
}

static void call(struct caller *self, actor_handle to, struct turn *turn) {
    LogDrop message = LOG_DROP__INIT;
    message.store = turn_random(turn);
    uint64_t made = turn_call(turn, &(struct call){.to = to,
                                                   .message = &message.base,
                                                   .done = on_outcome,
                                                   .deadline_us = turn_now_us(turn) + 20 * MS});
    if (turn_random(turn) % 37 == 0) turn_cancel(turn, self->last);
    self->last = made;
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)context;
    call(actor, outcome->handle, turn); /* 0: nobody, LOST_PEER */
}

static void ask(struct caller *self, struct turn *turn) {
    if (atomic_load(&over)) return;
    atomic_fetch_add(&asked, 1);
    if (!self->address) {
        call(self, somebody(turn), turn);
        return;
    }
    const char *name = turn_printf(turn, "f%d/%d", (int)(turn_random(turn) % FAMILIES),
                                   (int)(turn_random(turn) % MEMBERS));
    turn_lookup(turn, &(struct lookup){.address = self->address, .name = name, .done = on_found});
}

static enum status caller_open(void *actor, const void *options, struct turn *turn) {
    struct caller *self = actor;
    self->address = options;
    for (int i = 0; i < CALLS; i++)
        ask(self, turn);
    return STATUS_OK;
}

static const struct actor_type caller_type = {
    .kind = "caller", .size = sizeof(struct caller), .open = caller_open};

/* --- main
 * ------------------------------------------------------------------------------------------- */

static struct node *open_node(const char *name, const char *link) {
    struct node *node = NULL;
    enum status s = node_open(
        &(struct node_options){.name = name, .link = link, .io_lanes = 3, .compute_lanes = 3},
        &node);
    assert(s == STATUS_OK);
    return node;
}

static void start(struct node *node, const struct actor_type *type, const void *options) {
    actor_handle handle;
    struct spawn spawn = {.type = type, .options = options, .intensity = 1000};
    enum status s = node_spawn(node, &spawn, &handle);
    assert(s == STATUS_OK);
}

int main(int argc, char **argv) {
    int seconds = argc > 1 ? atoi(argv[1]) : 5;
    log_set(LOG_ERROR, false); /* members fail by the hundred */
    struct node *home = open_node("home", "tcp://127.0.0.1:*");
    struct node *away = open_node("away", NULL);
    for (intptr_t i = 0; i < FAMILIES; i++)
        start(home, &head_type, (const void *)i);
    for (int i = 0; i < CALLERS; i++) {
        start(home, &caller_type, NULL);
        start(away, &caller_type, node_link(home));
    }
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    atomic_store(&over, true);
    for (int i = 0; i < 600 && atomic_load(&ended) < atomic_load(&asked); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    printf("%" PRIu64 " calls, %" PRIu64 " outcomes, %" PRIu64 " replies, %" PRIu64
           " lives, %" PRIu64 " moves, %" PRIu64 " sleeps\n",
           atomic_load(&asked), atomic_load(&ended), atomic_load(&answered), atomic_load(&opened),
           atomic_load(&moved), atomic_load(&slept));
    assert(atomic_load(&asked) == atomic_load(&ended) && atomic_load(&answered) > 0);
    assert(atomic_load(&moved) > 0 && atomic_load(&slept) > 0);
    assert(!node_failed(home) && !node_failed(away));
    node_close(away);
    node_close(home);
    return 0;
}
