/* bench_soak: a node under messages and births for a long time: 10^9 messages and 10^7 spawns
 * (--quick: 10^7 and 10^5), across lanes and within one. Memory and descriptors at the end beside
 * what they were after a fifth, when pools, rings and the table of actors (2^20 slots take turns)
 * had their size. The quick run is too short for the table, so it may grow by more.
 *
 *     bench_soak [--quick] [--only CASE]      prints JSON lines (bench/run soak)
 *     bench_soak --percent N                   so much of it, where there is not the time */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/runtime/measure.h"
#include "runtime/assert.h"
#include "runtime/log.h"
#include "runtime/node.h"
#include "schemas/log.pb-c.h"

enum {
    BURST = 64,
    CREDIT = 250,
    PAIRS = 3,            /* lane 1 → 2, 2 → 1, 1 → 1 */
    BROOD = 64,           /* children at a time of one keeper */
    KEEPERS = 2,          /* one a lane */
    COMPONENT_EVERY = 16, /* broods of component actors among those of light ones */
    BODY_MAX = 600,       /* by value and by pointer */
};

struct soak {
    uint64_t messages, spawns; /* wanted */
    double ratio;              /* the least that will do, of before to after */
    _Alignas(64) _Atomic uint64_t received[PAIRS * 8]; /* a cache line each */
    _Alignas(64) _Atomic uint64_t born[KEEPERS * 8];
};

static struct soak soak;

static uint64_t sum(_Atomic uint64_t *counts, int n) {
    uint64_t total = 0;
    for (int i = 0; i < n; i++)
        total += atomic_load_explicit(&counts[(size_t)i * 8], memory_order_relaxed);
    return total;
}

/* Only its own thread writes a count. */
static void count(_Atomic uint64_t *at) {
    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* --- pairs
 * ---------------------------------------------------------------------------------------- */

struct pair {
    int number;
    int sink_lane;
};

struct source {
    actor_handle sink;
    uint64_t on_the_way, sent;
    bool sleeping;
};

static void send_burst(void *actor, void *context, struct turn *turn) {
    static uint8_t payload[BODY_MAX];
    struct source *self = actor;
    LogEntry entry = LOG_ENTRY__INIT;
    entry.data.data = payload;
    for (int i = 0; i < BURST && self->on_the_way < WINDOW / 2; i++) {
        entry.data.len = ++self->sent % 16 ? BODY : BODY_MAX;
        self->on_the_way++;
        turn_tell(turn, self->sink, &entry.base);
    }
    self->sleeping = self->on_the_way >= WINDOW / 2;
    if (!self->sleeping) turn_later(turn, send_burst, context);
}

#define SOURCE_ACCEPTS(X) X(struct source, LogDrop, log_drop, on_credit)
ACTOR_HANDLERS(source_handlers, SOURCE_ACCEPTS);

static enum status on_credit(struct source *self, const LogDrop *credit, struct turn *turn) {
    self->on_the_way -= credit->store;
    if (self->sleeping) send_burst(self, NULL, turn);
    return STATUS_OK;
}

struct sink {
    const struct pair *pair;
    uint64_t received;
};
#define SINK_ACCEPTS(X) X(struct sink, LogEntry, log_entry, on_entry)
ACTOR_HANDLERS(sink_handlers, SINK_ACCEPTS);

static enum status on_entry(struct sink *self, const LogEntry *entry, struct turn *turn) {
    (void)entry;
    count(&soak.received[(size_t)self->pair->number * 8]);
    if (++self->received % CREDIT != 0) return STATUS_OK;
    LogDrop credit = LOG_DROP__INIT;
    credit.store = CREDIT;
    turn_tell(turn, turn_sender(turn), &credit.base);
    return STATUS_OK;
}

static enum status sink_open(void *actor, const void *options, struct turn *turn) {
    (void)turn;
    ((struct sink *)actor)->pair = options;
    return STATUS_OK;
}

static const struct actor_type sink_type = {.kind = "sink",
                                            .size = sizeof(struct sink),
                                            .handlers = sink_handlers,
                                            .open = sink_open,
                                            .mailbox_messages = WINDOW};

static enum status source_open(void *actor, const void *options, struct turn *turn) {
    struct source *self = actor;
    const struct pair *pair = options;
    struct spawn spawn = {.type = &sink_type, .options = pair, .lane = pair->sink_lane};
    enum status s = turn_spawn(turn, &spawn, &self->sink);
    if (s == STATUS_OK) turn_later(turn, send_burst, NULL);
    return s;
}

static const struct actor_type source_type = {.kind = "source",
                                              .size = sizeof(struct source),
                                              .handlers = source_handlers,
                                              .open = source_open,
                                              .mailbox_messages = WINDOW};

/* --- births
 * --------------------------------------------------------------------------------------- */

struct keeper {
    int number;
    uint64_t broods;
    uint32_t open;
    actor_handle children[BROOD];
};

struct child {
    char unused;
};
#define CHILD_ACCEPTS(X) X(struct child, LogDrop, log_drop, on_ask)
ACTOR_HANDLERS(child_handlers, CHILD_ACCEPTS);

static enum status on_ask(struct child *self, const LogDrop *message, struct turn *turn) {
    (void)self, (void)message, (void)turn;
    return STATUS_OK;
}

static const struct actor_type light_type = {
    .kind = "light", .size = sizeof(struct child), .handlers = child_handlers, .light = true};
static const struct actor_type component_type = {
    .kind = "component", .size = sizeof(struct child), .handlers = child_handlers};

static void spawn_brood(void *actor, void *context, struct turn *turn);

static void
on_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct keeper *self = actor;
    (void)context;
    /* EXPIRED: the process was stopped (SIGSTOP) for longer than a call lasts */
    assert(outcome->status == STATUS_OK || outcome->status == STATUS_EXPIRED);
    if (--self->open > 0) return;
    for (int i = 0; i < BROOD; i++)
        turn_stop(turn, self->children[i]);
    turn_timer(turn, 50, spawn_brood, NULL);
}

static void spawn_brood(void *actor, void *context, struct turn *turn) {
    struct keeper *self = actor;
    (void)context;
    if (sum(soak.born, KEEPERS) >= soak.spawns) return;
    bool component = ++self->broods % COMPONENT_EVERY == 0;
    for (int i = 0; i < BROOD; i++) {
        struct spawn spawn = {.type = component ? &component_type : &light_type,
                              .restart = RESTART_TEMPORARY};
        LogDrop ask = LOG_DROP__INIT;
        enum status s = turn_spawn(turn, &spawn, &self->children[i]);
        assert(s == STATUS_OK);
        turn_call(turn,
                  &(struct call){.to = self->children[i], .message = &ask.base, .done = on_answer});
        self->open++;
        count(&soak.born[(size_t)self->number * 8]);
    }
}

static enum status keeper_open(void *actor, const void *options, struct turn *turn) {
    struct keeper *self = actor;
    self->number = *(const int *)options;
    turn_later(turn, spawn_brood, NULL);
    return STATUS_OK;
}

static const struct handler no_handlers[] = {{NULL, NULL}};
static const struct actor_type keeper_type = {.kind = "keeper",
                                              .size = sizeof(struct keeper),
                                              .handlers = no_handlers,
                                              .open = keeper_open,
                                              .quiet = true};

/* --- the run
 * -------------------------------------------------------------------------------------- */

static const struct pair pairs[PAIRS] = {{0, 2}, {1, 1}, {2, 1}};
static const int source_lanes[PAIRS] = {1, 2, 1};
static const int keepers[KEEPERS] = {0, 1};

static struct node *start(void) {
    struct node *node = NULL;
    actor_handle handle;
    enum status s = node_open(
        &(struct node_options){
            .name = "soak", .io_lanes = 2, .compute_lanes = 1, .blocking = 1, .seed = 1},
        &node);
    for (int i = 0; i < PAIRS && s == STATUS_OK; i++)
        s = node_spawn(
            node,
            &(struct spawn){.type = &source_type, .options = &pairs[i], .lane = source_lanes[i]},
            &handle);
    for (int i = 0; i < KEEPERS && s == STATUS_OK; i++)
        s = node_spawn(node,
                       &(struct spawn){.type = &keeper_type, .options = &keepers[i], .lane = i + 1},
                       &handle);
    assert(s == STATUS_OK);
    return node;
}

/* Waits for this part of all messages and spawns. */
static void wait_for(double part) {
    while ((double)sum(soak.received, PAIRS) < part * (double)soak.messages ||
           (double)sum(soak.born, KEEPERS) < part * (double)soak.spawns)
        usleep(20000);
}

/* The least of a second's samples: what is on its way at the moment does not count. */
static double steady(double (*measure)(void)) {
    double least = measure();
    for (int i = 0; i < 50; i++) {
        usleep(20000);
        double now = measure();
        if (now < least) least = now;
    }
    return least;
}

static void print_row(const char *metric, const char *unit, double ours, double peer) {
    printf("{\"suite\":\"soak\",\"case\":\"drift\",\"metric\":\"%s\",\"unit\":\"%s\",\"ours\":%.6g,"
           "\"peer\":%.6g,\"peer_name\":\"after a fifth\",\"ratio\":%.4f,\"target\":%g,\"met\":%s}"
           "\n",
           metric, unit, ours, peer, peer / ours, soak.ratio,
           peer / ours >= soak.ratio ? "true" : "false");
}

int main(int argc, char **argv) {
    soak.messages = 1000 * 1000 * 1000;
    soak.spawns = 10 * 1000 * 1000;
    soak.ratio = 0.99;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--quick") == 0) {
            soak.messages /= 100;
            soak.spawns /= 100;
            soak.ratio = 0.9;
        } else if (strcmp(argv[i], "--percent") == 0 && i + 1 < argc) {
            uint64_t percent = strtoull(argv[++i], NULL, 10);
            soak.messages = soak.messages / 100 * percent;
            soak.spawns = soak.spawns / 100 * percent;
        }
    log_set(LOG_ERROR, false);
    uint64_t began = measure_now_ns();
    struct node *node = start();
    wait_for(0.2);
    double bytes = steady(measure_rss_bytes), files = steady(measure_files);
    wait_for(1);
    double bytes_end = steady(measure_rss_bytes), files_end = steady(measure_files);
    double seconds = (double)(measure_now_ns() - began) / 1e9;
    print_row("rss", "bytes", bytes_end, bytes);
    print_row("files", "fds", files_end, files);
    fprintf(stderr, "soak: %.4g messages, %.4g spawns in %.0f s\n",
            (double)sum(soak.received, PAIRS), (double)sum(soak.born, KEEPERS), seconds);
    node_close(node);
    return bytes < soak.ratio * bytes_end || files < soak.ratio * files_end;
}
