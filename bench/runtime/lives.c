/* lives: a search's codec, an actor's restart, the simulator's speed. */
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "bench/runtime/ours.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/sim/sim.h"
#include "schemas/log.pb-c.h"
#include "schemas/shard.pb-c.h"

/* --- a search
 * ------------------------------------------------------------------------------------- */

enum { DIMENSION = 768, SEARCH_ROOM = 4096 };

static float query[DIMENSION];

double ours_search_codec(const struct load *load) {
    ShardSearch search = SHARD_SEARCH__INIT;
    static unsigned char room[SEARCH_ROOM];
    struct arena arena;
    arena_init(&arena, 0);
    search.epoch = 3;
    search.k = 10;
    search.vector = query;
    search.n_vector = DIMENSION;
    uint64_t began = measure_now_ns();
    for (uint64_t i = 0; i < load->messages; i++) {
        size_t size = 0;
        ProtobufCMessage *read = NULL;
        enum status s = codec_measure(&search.base, &size);
        assert(s == STATUS_OK && size <= sizeof room);
        codec_write(&search.base, room);
        s = codec_decode(search.base.descriptor, room, size, &arena, &read, NULL);
        assert(s == STATUS_OK && ((ShardSearch *)read)->n_vector == DIMENSION);
        arena_settle(&arena);
    }
    uint64_t ns = measure_now_ns() - began;
    arena_free(&arena);
    return (double)ns / (double)load->messages;
}

double memcpy_search(const struct load *load) {
    static unsigned char room[SEARCH_ROOM];
    uint64_t began = measure_now_ns();
    for (uint64_t i = 0; i < load->messages; i++) {
        memcpy(room, query, sizeof query);
        __asm__ volatile("" : : "r"(room) : "memory");
    }
    return (double)(measure_now_ns() - began) / (double)load->messages;
}

/* --- a restart
 * ------------------------------------------------------------------------------------ */

struct fall {
    uint64_t fell_ns;
    uint64_t ns; /* until it was back */
    sem_t over;
};
struct faller {
    struct fall *fall;
};
#define FALLER_ACCEPTS(X) X(struct faller, LogDrop, log_drop, on_push)
ACTOR_HANDLERS(faller_handlers, FALLER_ACCEPTS);

static enum status on_push(struct faller *self, const LogDrop *message, struct turn *turn) {
    (void)message;
    self->fall->fell_ns = measure_now_ns();
    turn_exit(turn, STATUS_INTERNAL, "pushed");
    return STATUS_OK;
}

static enum status faller_open(void *actor, const void *options, struct turn *turn) {
    struct fall *fall = (struct fall *)options;
    (void)turn;
    ((struct faller *)actor)->fall = fall;
    if (fall->fell_ns) {
        fall->ns = measure_now_ns() - fall->fell_ns;
        sem_post(&fall->over);
    }
    return STATUS_OK;
}

/* With a mailbox socket of its own, which its next life has anew. */
static const struct actor_type faller_type = {.kind = "faller",
                                              .size = sizeof(struct faller),
                                              .handlers = faller_handlers,
                                              .open = faller_open};

double ours_restart(const struct load *load) {
    uint64_t *ns = mem_zero(load->messages, sizeof *ns);
    struct node *node = ours_open(&(struct ours){0});
    assert(ns);
    for (uint64_t i = 0; i < load->messages; i++) {
        struct fall fall = {0};
        LogDrop push = LOG_DROP__INIT;
        actor_handle handle = 0;
        char name[32];
        snprintf(name, sizeof name, "faller-%u", (unsigned)i);
        sem_init(&fall.over, 0, 0);
        enum status s = node_spawn(node,
                                   &(struct spawn){.type = &faller_type,
                                                   .name = name,
                                                   .options = &fall,
                                                   .lane = 1,
                                                   .restart = RESTART_PERMANENT},
                                   &handle);
        assert(s == STATUS_OK);
        s = node_call(node, &(struct node_call){.name = name, .message = &push.base}, NULL);
        sem_wait(&fall.over);
        ns[i] = fall.ns;
        sem_destroy(&fall.over);
    }
    node_close(node);
    double us = measure_us(ns, load->messages, load->percentile);
    mem_free(ns);
    return us;
}

/* --- the simulator
 * -------------------------------------------------------------------------------- */

enum { NODES = 5, BEAT_US = 10000, SECOND_US = 1000000 };

/* Every 10 ms each node's actor asks its neighbour's: 500 calls a second over the network. */
struct beater {
    actor_handle neighbour;
};

static void on_beat(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)actor, (void)context, (void)turn;
    assert(outcome->status == STATUS_OK);
}

static void beat(void *actor, void *context, struct turn *turn) {
    struct beater *self = actor;
    LogEntry entry = LOG_ENTRY__INIT;
    entry.data.data = (uint8_t *)query;
    entry.data.len = BODY;
    turn_call(turn, &(struct call){.to = self->neighbour, .message = &entry.base, .done = on_beat});
    turn_timer(turn, BEAT_US, beat, context);
}

static void
on_neighbour(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct beater *self = actor;
    assert(outcome->status == STATUS_OK);
    self->neighbour = outcome->handle;
    beat(actor, context, turn);
}

static enum status beater_open(void *actor, const void *options, struct turn *turn) {
    (void)actor;
    turn_lookup(turn, &(struct lookup){.address = options, .name = "echo", .done = on_neighbour});
    return STATUS_OK;
}

static const struct handler no_handlers[] = {{NULL, NULL}};
static const struct actor_type beater_type = {.kind = "beater",
                                              .size = sizeof(struct beater),
                                              .handlers = no_handlers,
                                              .open = beater_open,
                                              .quiet = true};

double ours_simulator(const struct load *load) {
    static const char *const addresses[NODES] = {"sim://2", "sim://3", "sim://4", "sim://5",
                                                 "sim://1"};
    struct actor_type echo = ours_echo_type;
    echo.quiet = true;
    struct sim *sim = sim_open(&(struct sim_options){
        .seed = 7, .nodes = NODES, .delay_us_min = 50, .delay_us_max = 500, .shuffle = true});
    for (uint32_t i = 1; i <= NODES; i++)
        sim_spawn_on(sim, i, "echo", &echo, NULL);
    for (uint32_t i = 1; i <= NODES; i++)
        sim_spawn_on(sim, i, "beater", &beater_type, addresses[i - 1]);
    uint64_t began = measure_now_ns();
    sim_run(sim, load->messages * SECOND_US);
    uint64_t ns = measure_now_ns() - began;
    sim_close(&sim);
    return (double)load->messages * 1e9 / (double)ns;
}
