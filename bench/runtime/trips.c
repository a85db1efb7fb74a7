/* trips: calls to one actor, or to several at once, and back. */
#include <semaphore.h>

#include "bench/runtime/ours.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "schemas/log.pb-c.h"

static uint8_t payload[BODY];

struct trips {
    const char *address; /* of the echo's process; NULL: this one */
    actor_handle *echoes;
    uint32_t n_echoes;
    uint64_t *ns;
    uint64_t count, wanted;
    sem_t over;
};

struct caller {
    struct trips *trips;
    uint32_t open; /* calls without answer */
    uint64_t sent_ns;
};

static void call_all(struct caller *self, struct turn *turn);

static void
on_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)context;
    struct caller *self = actor;
    assert(outcome->status == STATUS_OK);
    if (--self->open > 0) return;
    struct trips *trips = self->trips;
    trips->ns[trips->count++] = measure_now_ns() - self->sent_ns;
    if (trips->count == trips->wanted)
        sem_post(&trips->over);
    else
        call_all(self, turn);
}

static void call_all(struct caller *self, struct turn *turn) {
    LogEntry entry = LOG_ENTRY__INIT;
    entry.data.data = payload;
    entry.data.len = sizeof payload;
    self->sent_ns = measure_now_ns();
    self->open = self->trips->n_echoes;
    for (uint32_t i = 0; i < self->trips->n_echoes; i++)
        turn_call(turn, &(struct call){.to = self->trips->echoes[i],
                                       .message = &entry.base,
                                       .done = on_answer});
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)context;
    struct caller *self = actor;
    assert(outcome->status == STATUS_OK);
    self->trips->echoes[0] = outcome->handle;
    call_all(self, turn);
}

static enum status caller_open(void *actor, const void *options, struct turn *turn) {
    struct caller *self = actor;
    self->trips = (struct trips *)options;
    measure_pin(0);
    if (self->trips->address)
        turn_lookup(turn, &(struct lookup){
                              .address = self->trips->address, .name = "echo", .done = on_found});
    else
        call_all(self, turn);
    return STATUS_OK;
}

static const struct handler no_handlers[] = {{NULL, NULL}};
static const struct actor_type caller_type = {
    .kind = "caller", .size = sizeof(struct caller), .handlers = no_handlers, .open = caller_open};

static double run(const struct load *load, uint32_t actors, const char *address) {
    int lane = load->lane ? load->lane : 2, core = lane - 1;
    struct trips trips = {.address = address, .wanted = load->messages, .n_echoes = actors};
    trips.ns = mem_zero(load->messages, sizeof *trips.ns);
    trips.echoes = mem_zero(actors, sizeof *trips.echoes);
    assert(trips.ns && trips.echoes);
    sem_init(&trips.over, 0, 0);
    struct node *node = ours_open(&(struct ours){.spin = load->spin});
    for (uint32_t i = 0; i < actors && !address; i++)
        trips.echoes[i] = ours_spawn(node, &ours_echo_type, NULL, &core, lane);
    ours_spawn(node, &caller_type, "caller", &trips, 1);
    sem_wait(&trips.over);
    node_close(node);
    sem_destroy(&trips.over);
    double us = measure_us(trips.ns, load->messages, load->percentile);
    mem_free(trips.ns);
    mem_free(trips.echoes);
    return us;
}

double ours_rtt(const struct load *load) {
    return run(load, load->actors ? load->actors : 1, NULL);
}

double machine_loop(const struct load *load) {
    uint64_t *ns = mem_zero(load->messages, sizeof *ns);
    assert(ns);
    measure_pin(0);
    for (uint64_t i = 0; i < load->messages; i++) {
        uint64_t a = i, b = 1, c = 2, d = 3, began = measure_now_ns();
        for (unsigned k = 0; k < 150; k++) {
            a += k, b ^= k, c += 3, d ^= k;
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
            a ^= 5, b += 7; /* with the loop's own three: nine */
        }
        __asm__ volatile("" : "+r"(a), "+r"(b));
        ns[i] = measure_now_ns() - began;
    }
    measure_pin(-1);
    double us = measure_us(ns, load->messages, load->percentile);
    mem_free(ns);
    return us;
}

double ours_rtt_one(const struct load *load) {
    return run(load, 1, NULL);
}

double ours_remote_rtt(const struct load *load) {
    struct server server;
    measure_start(&server, "ours", load->address);
    double us = run(load, 1, server.address);
    measure_end(&server);
    return us;
}
