/* crowd: many idle actors. A boss spawns them in steps, so that their first turns come between; the
 * million has bosses of its own, as children of connections and sessions have. */
#include <semaphore.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/runtime/ours.h"
#include "runtime/assert.h"
#include "schemas/log.pb-c.h"

enum {
    STEP = 64,
    BROOD = 500, /* children of one boss of the million */
    LIMIT = 1000,
};

struct crowding {
    const struct actor_type *type;
    uint32_t wanted; /* of one boss */
    uint32_t bosses;
    int lane; /* of the children; 0: any */
    bool ask; /* each child once */
    _Atomic uint32_t opened, answered, bosses_over;
    enum status refused; /* the spawn that was */
    sem_t over;
};

/* --- children
 * ------------------------------------------------------------------------------------- */

struct idle {
    char unused;
};
#define IDLE_ACCEPTS(X) X(struct idle, LogDrop, log_drop, on_ask)
ACTOR_HANDLERS(idle_handlers, IDLE_ACCEPTS);

static enum status on_ask(struct idle *self, const LogDrop *message, struct turn *turn) {
    (void)self, (void)message, (void)turn;
    return STATUS_OK;
}

static enum status idle_open(void *actor, const void *options, struct turn *turn) {
    struct crowding *crowding = (struct crowding *)options;
    (void)actor, (void)turn;
    if (++crowding->opened == crowding->wanted * crowding->bosses) sem_post(&crowding->over);
    return STATUS_OK;
}

static const struct actor_type light_type = {.kind = "idle-light",
                                             .size = sizeof(struct idle),
                                             .handlers = idle_handlers,
                                             .open = idle_open,
                                             .light = true};
static const struct actor_type component_type = {
    .kind = "idle", .size = sizeof(struct idle), .handlers = idle_handlers, .open = idle_open};

/* --- bosses
 * --------------------------------------------------------------------------------------- */

struct boss {
    struct crowding *crowding;
    uint32_t spawned, answered;
};

static void
on_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct boss *self = actor;
    (void)context;
    assert(outcome->status == STATUS_OK);
    if (++self->answered == self->crowding->wanted)
        turn_exit(turn, STATUS_OK, "done"); /* its children stop first */
}

static void ask_child(struct turn *turn, actor_handle child) {
    LogDrop ask = LOG_DROP__INIT;
    turn_call(turn, &(struct call){.to = child, .message = &ask.base, .done = on_answer});
}

static void spawn_step(void *actor, void *context, struct turn *turn) {
    struct boss *self = actor;
    struct crowding *crowding = self->crowding;
    for (int i = 0; i < STEP && self->spawned < crowding->wanted; i++) {
        actor_handle child = 0;
        enum status s = turn_spawn(turn,
                                   &(struct spawn){.type = crowding->type,
                                                   .options = crowding,
                                                   .lane = crowding->lane,
                                                   .restart = RESTART_TEMPORARY},
                                   &child);
        assert(s == STATUS_OK);
        self->spawned++;
        if (crowding->ask) ask_child(turn, child);
    }
    if (self->spawned < crowding->wanted) turn_later(turn, spawn_step, context);
}

static enum status boss_open(void *actor, const void *options, struct turn *turn) {
    struct boss *self = actor;
    self->crowding = (struct crowding *)options;
    turn_later(turn, spawn_step, NULL);
    return STATUS_OK;
}

static void boss_close(void *actor) {
    struct boss *self = actor;
    struct crowding *crowding = self->crowding;
    if (crowding->ask && ++crowding->bosses_over == crowding->bosses) sem_post(&crowding->over);
}

static const struct handler no_handlers[] = {{NULL, NULL}};
static const struct actor_type boss_type = {.kind = "boss",
                                            .size = sizeof(struct boss),
                                            .handlers = no_handlers,
                                            .open = boss_open,
                                            .close = boss_close,
                                            .light = true};

/* Seconds until all are there, or were asked and are gone. */
static double gather(struct node *node, struct crowding *crowding) {
    uint64_t began = measure_now_ns();
    sem_init(&crowding->over, 0, 0);
    for (uint32_t i = 0; i < crowding->bosses; i++) {
        actor_handle boss = 0;
        enum status s = node_spawn(
            node,
            &(struct spawn){.type = &boss_type, .options = crowding, .restart = RESTART_TEMPORARY},
            &boss);
        assert(s == STATUS_OK);
    }
    sem_wait(&crowding->over);
    if (crowding->ask) sem_wait(&crowding->over); /* opened, and gone */
    sem_destroy(&crowding->over);
    return (double)(measure_now_ns() - began) / 1e9;
}

/* --- the limit of descriptors
 * --------------------------------------------------------------------- */

/* Spawns component actors until one is refused; the node must still answer. */
static double meet_limit(struct node *node) {
    struct crowding crowding = {.wanted = UINT32_MAX, .bosses = 1};
    enum status s = STATUS_OK;
    actor_handle handle = 0;
    uint32_t n = 0;
    for (; s == STATUS_OK && n < 2 * LIMIT; n++)
        s = node_spawn(node,
                       &(struct spawn){.type = &component_type,
                                       .options = &crowding,
                                       .restart = RESTART_TEMPORARY},
                       &handle);
    ours_spawn(node, &light_type, "still-here", &crowding, 1);
    LogDrop ask = LOG_DROP__INIT;
    enum status answer =
        node_call(node, &(struct node_call){.name = "still-here", .message = &ask.base}, NULL);
    return s == STATUS_QUOTA && n > LIMIT / 2 && answer == STATUS_OK && *node_error();
}

/* --- in its own process
 * --------------------------------------------------------------------------- */

void ours_crowd(const char *kind, uint32_t actors, struct crowd *out) {
    bool limit = strcmp(kind, "limit") == 0, ask = strcmp(kind, "ask") == 0;
    struct crowding crowding = {
        .type = strcmp(kind, "component") == 0 ? &component_type : &light_type,
        .ask = ask,
        .bosses = actors > 100000 ? actors / BROOD : 1,
        .lane = actors > 100000 ? 0 : 1, /* on two, sockets wait for each other in libzmq */
    };
    crowding.wanted = actors / crowding.bosses;
    if (limit) setrlimit(RLIMIT_NOFILE, &(struct rlimit){LIMIT, LIMIT});
    struct node *node = ours_open(&(struct ours){.ring = -1});
    if (limit) {
        out->limit = meet_limit(node);
        node_close(node);
        return;
    }
    struct crowding first = {.type = crowding.type, .bosses = 1, .wanted = 1};
    gather(node, &first); /* what all share is there */
    double bytes = measure_rss_bytes(), files = measure_files();
    out->seconds = gather(node, &crowding);
    out->us = out->seconds * 1e6 / actors;
    out->bytes = (measure_rss_bytes() - bytes) / actors;
    out->files = (measure_files() - files) / actors;
    node_close(node);
}

static struct crowd of(const char *kind, const struct load *load) {
    struct crowd crowd = {0};
    measure_crowd(kind, load->actors, &crowd);
    return crowd;
}

double ours_light_bytes(const struct load *load) {
    return of("light", load).bytes;
}

double ours_light_spawn(const struct load *load) {
    return of("light", load).us;
}

double ours_light_seconds(const struct load *load) {
    return of("ask", load).seconds;
}

double ours_component_bytes(const struct load *load) {
    return of("component", load).bytes;
}

double ours_component_files(const struct load *load) {
    return of("component", load).files;
}

double ours_component_spawn(const struct load *load) {
    return of("component", load).us;
}

double ours_limit(const struct load *load) {
    return of("limit", load).limit;
}
