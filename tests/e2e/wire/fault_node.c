/* fault_node: processes for tests of faults (tests/e2e/test_faults.py).
 *
 *   fault_node serve ADDRESS [STALL_MS]        serves until its input closes; prints its address
 *   fault_node load ADDRESS SECONDS NAME       callers ask NAME there as fast as they may
 *   fault_node local SECONDS NAME              the same within one process, on other lanes
 *
 * A load prints one JSON line: how many calls were made, and how often each outcome came. It exits
 * with 0 only if every call had exactly one.
 *
 * Actors, all asked by RouterGet: echo answers, slow takes 1 ms for it, never owes the answer,
 * failing fails each 20th time and restarts, stuck never returns from its handler, crashing ends
 * its process. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/node.h"
#include "schemas/router.pb-c.h"

enum { CALLERS = 6, IN_FLIGHT = 24, DEADLINE_US = 400 * 1000, PAUSE_US = 20 * 1000, PAD = 3000 };

/* --- those who are asked
 * ------------------------------------------------------------------------------------------- */

struct server {
    const char *name;
    uint32_t asked;
    struct promise owed; /* the last one of never */
};

#define SERVER_ACCEPTS(X) X(struct server, RouterGet, router_get, on_get)
ACTOR_HANDLERS(server_handlers, SERVER_ACCEPTS);

static enum status on_get(struct server *self, const RouterGet *message, struct turn *turn) {
    RouterPoint *point = turn_new(turn, RouterPoint, router_point);
    volatile bool stuck = !strcmp(self->name, "stuck");
    self->asked++;
    if (!strcmp(self->name, "slow")) usleep(1000);
    if (!strcmp(self->name, "never")) {
        self->owed = turn_defer(turn);
        return STATUS_OK;
    }
    while (stuck) {
    }
    if (!strcmp(self->name, "crashing")) abort();
    if (!strcmp(self->name, "failing") && self->asked % 20 == 0)
        turn_exit(turn, STATUS_IO, "%s", "by chance");
    point->id = message->id;
    turn_reply(turn, &point->base);
    return STATUS_OK;
}

static enum status server_open(void *actor, const void *options, struct turn *turn) {
    (void)turn;
    ((struct server *)actor)->name = options;
    return STATUS_OK;
}

static const struct actor_type server_type = {.kind = "server",
                                              .size = sizeof(struct server),
                                              .handlers = server_handlers,
                                              .open = server_open,
                                              .lane = LANE_COMPUTE};

/* --- those who ask
 * ------------------------------------------------------------------------------------------- */

static const char *address = "", *wanted;
static atomic_bool ending;
static _Atomic uint64_t calls, open_calls, outcomes[STATUS_COUNT], disowned;

struct caller {
    actor_handle to;
    bool seeking;
    uint32_t in_flight;
    uint64_t newest;
};

static void ask(struct caller *self, struct turn *turn);
static void seek(void *actor, void *context, struct turn *turn);

static void answered(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct caller *self = actor;
    (void)context;
    atomic_fetch_add(&outcomes[outcome->status], 1);
    if (atomic_fetch_sub(&open_calls, 1) == 0) atomic_fetch_add(&disowned, 1);
    self->in_flight--;
    if (outcome->status == STATUS_LOST_PEER) self->to = 0;
    if (atomic_load(&ending)) return;
    if (self->to == 0 && !self->seeking) {
        self->seeking = true;
        turn_timer(turn, PAUSE_US, seek, NULL);
    }
    while (self->to && self->in_flight < IN_FLIGHT)
        ask(self, turn);
}

static void ask(struct caller *self, struct turn *turn) {
    static char pad[PAD];
    RouterGet message = ROUTER_GET__INIT;
    memset(pad, 'x', sizeof pad - 1);
    message.id = turn_random(turn) % 4 ? "some id" : pad;
    self->in_flight++;
    atomic_fetch_add(&calls, 1);
    atomic_fetch_add(&open_calls, 1);
    self->newest = turn_call(turn, &(struct call){.to = self->to,
                                                  .message = &message.base,
                                                  .done = answered,
                                                  .deadline_us = turn_now_us(turn) + DEADLINE_US});
    if (turn_random(turn) % 64 == 0) turn_cancel(turn, self->newest);
}

static void found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct caller *self = actor;
    (void)context;
    self->seeking = false;
    if (atomic_load(&ending)) return;
    if (outcome->status != STATUS_OK) {
        self->seeking = true;
        turn_timer(turn, PAUSE_US, seek, NULL);
        return;
    }
    self->to = outcome->handle;
    while (self->in_flight < IN_FLIGHT)
        ask(self, turn);
}

static void seek(void *actor, void *context, struct turn *turn) {
    (void)context;
    ((struct caller *)actor)->seeking = true;
    turn_lookup(turn, &(struct lookup){.address = address, .name = wanted, .done = found});
}

static enum status caller_open(void *actor, const void *options, struct turn *turn) {
    (void)options;
    seek(actor, NULL, turn);
    return STATUS_OK;
}

static const struct actor_type caller_type = {
    .kind = "caller", .size = sizeof(struct caller), .open = caller_open};

/* --- main
 * ------------------------------------------------------------------------------------------- */

static struct node *node;

static int open_node(const struct node_options *options) {
    if (node_open(options, &node) == STATUS_OK) return 0;
    fprintf(stderr, "fault_node: %s\n", node_error());
    return 1;
}

static int start(const struct actor_type *type, const char *name, const void *options) {
    actor_handle handle;
    struct spawn spawn = {
        .type = type, .name = name, .options = options, .intensity = 1000, .period_s = 1};
    if (node_spawn(node, &spawn, &handle) == STATUS_OK) return 0;
    fprintf(stderr, "fault_node: %s: %s\n", name, node_error());
    return 1;
}

static int start_servers(void) {
    static const char *const names[] = {"echo", "slow", "never", "failing", "stuck", "crashing"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (start(&server_type, names[i], names[i])) return 1;
    return 0;
}

static int serve(const char *at, const char *stall_ms) {
    struct node_options options = {.name = "server", .link = at, .compute_lanes = 2};
    if (stall_ms) options.stall_limit_ms = (uint32_t)atoi(stall_ms);
    char byte;
    if (open_node(&options) || start_servers()) return 1;
    printf("%s\n", node_link(node));
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    node_close(node);
    return 0;
}

static void sleep_ms(uint64_t ms) {
    nanosleep(
        &(struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000},
        NULL);
}

/* Calls end at their deadlines at the latest. */
static int report(void) {
    atomic_store(&ending, true);
    for (int i = 0; i < 50 && atomic_load(&open_calls) > 0; i++)
        sleep_ms(100);
    uint64_t told = 0, made = atomic_load(&calls);
    printf("{\"calls\": %" PRIu64, made);
    for (int i = 0; i < STATUS_COUNT; i++) {
        uint64_t n = atomic_load(&outcomes[i]);
        if (n) printf(", \"%s\": %" PRIu64, status_name((enum status)i), n);
        told += n;
    }
    printf("}\n");
    fflush(stdout);
    return told == made && atomic_load(&disowned) == 0 ? 0 : 3;
}

static int load(int seconds, const char *name, bool local) {
    wanted = name;
    struct node_options options = {.name = "load", .io_lanes = 2, .compute_lanes = 2};
    if (open_node(&options) || (local && start_servers())) return 1;
    for (int i = 0; i < CALLERS; i++) {
        char text[16];
        snprintf(text, sizeof text, "caller/%d", i);
        if (start(&caller_type, text, NULL)) return 1;
    }
    sleep_ms((uint64_t)seconds * 1000);
    int code = report();
    node_close(node);
    return code;
}

int main(int count, char **arguments) {
    if (count >= 3 && !strcmp(arguments[1], "serve"))
        return serve(arguments[2], count > 3 ? arguments[3] : NULL);
    if (count == 5 && !strcmp(arguments[1], "load")) {
        address = arguments[2];
        return load(atoi(arguments[3]), arguments[4], false);
    }
    if (count == 4 && !strcmp(arguments[1], "local"))
        return load(atoi(arguments[2]), arguments[3], true);
    fputs("fault_node serve ADDRESS [STALL_MS] | load ADDRESS SECONDS NAME | local SECONDS NAME\n",
          stderr);
    return 2;
}
