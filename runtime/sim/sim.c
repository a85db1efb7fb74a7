/* sim: drives the cores of several nodes from one thread.
 *
 *   ready actors and blocking work ──nothing left──▶ the next timer or event moves the clock ──▶ …
 *
 * A node is a core with one or more lanes; between them runtime/sim/trunks.c. Blocking work is run
 * where the scheduler picks it; the network between nodes is runtime/sim/network.c. Everything
 * random comes from one seeded generator. */
#include "runtime/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/turn_state.h"

enum {
    PPM = 1000000,
    SIM_STARTS_US = 1000000,          /* time 0 stays free to mean "none" */
    SIM_RING = 4096,                  /* spans of a node */
    SIM_TURNS_MAX = 20 * 1000 * 1000, /* without the clock moving: an actor that never rests */
};
#define SIM_WALL_STARTS_MS UINT64_C(1767225600000) /* 2026-01-01 */

/* --- the driver
 * ------------------------------------------------------------------------------------ */

static struct sim *sim_of(const struct core *core) {
    return ((struct sim_node *)core->host)->sim;
}

static uint64_t said_at(const struct sim_node *node, uint64_t us) {
    int64_t passed = (int64_t)(us - node->drift_from_us);
    if (node->drift_ppm == 0) return node->drift_said_us + (uint64_t)passed;
    return node->drift_said_us + (uint64_t)(passed + passed * node->drift_ppm / PPM);
}

uint64_t sim_node_us(const struct sim_node *node) {
    return said_at(node, node->sim->now_us);
}

/* The moment from which on its clock says `us`. */
static uint64_t moment_of(const struct sim_node *node, uint64_t us) {
    if (us <= node->drift_said_us) return 0;
    uint64_t passed = us - node->drift_said_us;
    if (passed > UINT64_MAX / PPM) return UINT64_MAX;
    uint64_t at = node->drift_from_us + passed * PPM / (uint64_t)(PPM + node->drift_ppm);
    while (said_at(node, at) < us)
        at++;
    return at;
}

static uint64_t now_us(const struct core *core) {
    return sim_node_us(core->host);
}

static uint64_t wall_ms(const struct core *core) {
    const struct sim_node *node = core->host;
    return SIM_WALL_STARTS_MS + (uint64_t)node->skew_ms + (now_us(core) - SIM_STARTS_US) / 1000;
}

bool sim_full(struct sim *sim, const struct parcel *parcel) {
    uint8_t kind = parcel->envelope.kind;
    if (kind != PARCEL_CALL && kind != PARCEL_CAST) return false;
    return sim->options.full_ppm > 0 && rng_below(&sim->rng, PPM) < sim->options.full_ppm;
}

/* One thread: with one lane, whoever is not on it may just as well deliver. */
static bool post(struct core *core, struct lane *from, struct lane *to, struct parcel *parcel) {
    struct sim_node *node = core->host;
    if (core->n_lanes == 1) {
        lane_deliver(to, parcel);
        return true;
    }
    if (sim_full(node->sim, parcel)) return false;
    trunks_put(node, from, to, parcel);
    return true;
}

static bool block(struct core *core, struct parcel *parcel) {
    struct sim *sim = sim_of(core);
    struct sim_node *node = core->host;
    uint64_t us = sim->options.block_us + node->stall_us;
    node->n_working++;
    if (us > 0) {
        network_work(sim, node, parcel, us);
        return true;
    }
    parcel->next = NULL;
    parcel->home = NULL;
    struct sim_job *job = mem_alloc(sizeof *job);
    assert(job);
    *job = (struct sim_job){.node = core->host, .parcel = parcel};
    if (sim->last_job)
        sim->last_job->next = job;
    else
        sim->jobs = job;
    sim->last_job = job;
    sim->n_jobs++;
    return true;
}

static enum status watch(struct lane *lane, struct wait *wait, uint32_t events, bool again) {
    (void)lane, (void)wait, (void)events, (void)again;
    return STATUS_UNIMPLEMENTED; /* descriptors are not in the simulated world */
}

static void unwatch(struct lane *lane, struct wait *wait) {
    (void)lane, (void)wait;
}

static enum status bind_mailbox(struct cell *cell, const char **words) {
    (void)cell, (void)words;
    return STATUS_OK; /* and neither are foreign sockets */
}

static void unbind(struct cell *cell) {
    (void)cell;
}

static const char *endpoint(const struct cell *cell) {
    (void)cell;
    return "";
}

static void trace(struct core *core, const char *line) {
    const struct sim_node *node = core->host;
    struct sim *sim = node->sim;
    if (sim->options.trace_time)
        buffer_printf(&sim->trace, "%" PRIu64 " ", sim->now_us - SIM_STARTS_US);
    if (sim->n_nodes > 1) buffer_printf(&sim->trace, "%u:", node->number);
    buffer_printf(&sim->trace, "%s\n", line);
}

static void stopped(struct core *core) {
    ((struct sim_node *)core->host)->stopped = true;
}

static void failed(struct core *core) {
    ((struct sim_node *)core->host)->failed = true;
}

static uint64_t wall_us(const struct core *core) {
    const struct sim_node *node = core->host;
    return (SIM_WALL_STARTS_MS + (uint64_t)node->skew_ms) * 1000 + (now_us(core) - SIM_STARTS_US);
}

static bool peer(struct core *core, size_t nth, struct link_peer *out) {
    (void)core, (void)nth, (void)out;
    return false;
}

static const char *own_link(const struct core *core) {
    return ((const struct sim_node *)core->host)->address;
}

static const struct driver sim_driver = {
    .now_us = now_us,
    .wall_ms = wall_ms,
    .wall_us = wall_us,
    .post = post,
    .remote = network_send,
    .block = block,
    .lookup = network_lookup,
    .watch = watch,
    .unwatch = unwatch,
    .bind = bind_mailbox,
    .unbind = unbind,
    .endpoint = endpoint,
    .trace = trace,
    .notice = trace,
    .stopped = stopped,
    .failed = failed,
    .peer = peer,
    .link = own_link,
};

/* --- the scheduler
 * --------------------------------------------------------------------------------- */

void sim_work(struct sim_node *node, struct parcel *parcel) {
    struct work work;
    sim_touch(node);
    memcpy(&work, parcel->room, sizeof work);
    work.status = work.block.work(work.block.context);
    memcpy(parcel->room, &work, sizeof work);
    node->n_working--;
    core_send(&node->core, NULL, parcel);
}

static void run_job(struct sim *sim) {
    struct sim_job *job = sim->jobs;
    sim->jobs = job->next;
    if (!sim->jobs) sim->last_job = NULL;
    sim->n_jobs--;
    sim_work(job->node, job->parcel);
    mem_free(job);
}

/* --- what is remembered of nodes
 *
 * Most of what happens happens at one node, and there are a dozen with two lanes each: what could
 * run next and when the next timer is due is counted anew for those alone that were touched. */

void sim_touch(struct sim_node *node) {
    if (node->told_us != node->fired_us) {
        node->told_us = node->fired_us;
        uint64_t now = said_at(node, node->fired_us);
        for (uint32_t i = 0; i < node->core.n_lanes; i++)
            node->core.lanes[i].now_us = now;
    }
    if (node->touched) return;
    node->touched = true;
    node->sim->n_touched++;
    node->sim->choices -= node->choices;
}

static void look_at(struct sim_node *node) {
    node->choices = node->n_waiting;
    node->timer_us = UINT64_MAX;
    for (uint32_t i = 0; i < node->core.n_lanes; i++) {
        const struct lane *lane = &node->core.lanes[i];
        uint64_t at = lane_next_us(lane);
        node->choices += lane->n_ready;
        if (at < node->timer_us) node->timer_us = at;
    }
    node->next_us = node->timer_us == UINT64_MAX ? UINT64_MAX : moment_of(node, node->timer_us);
    node->sim->choices += node->choices;
    node->touched = false;
}

static void look_again(struct sim *sim) {
    for (struct sim_node *node = sim->nodes; sim->n_touched > 0; node++) {
        if (!node->touched) continue;
        look_at(node);
        sim->n_touched--;
    }
}

/* --- the next thing to happen --- */

/* The nth of them moves: a message, or an actor by a batch. */
static void run_nth(struct sim_node *node, uint32_t nth) {
    sim_touch(node);
    if (nth < node->n_waiting) {
        trunks_move(node, nth);
        return;
    }
    nth -= node->n_waiting;
    struct lane *lane = node->core.lanes;
    for (; nth >= lane->n_ready; lane++)
        nth -= lane->n_ready;
    lane_run(lane, nth);
}

/* First ready, first run; nodes take turns, and disks are slower than actors. */
static void run_in_order(struct sim *sim) {
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        sim->next_node = (sim->next_node + 1) % sim->n_nodes;
        struct sim_node *node = &sim->nodes[sim->next_node];
        if (node->choices == 0) continue;
        run_nth(node, 0);
        return;
    }
    run_job(sim);
}

/* Any of what could happen next on any node. */
static void run_by_chance(struct sim *sim, uint32_t choices) {
    uint32_t nth = (uint32_t)rng_below(&sim->rng, choices);
    struct sim_node *node = sim->nodes;
    for (; node < sim->nodes + sim->n_nodes; node++) {
        if (nth < node->choices) break;
        nth -= node->choices;
    }
    if (node == sim->nodes + sim->n_nodes) {
        run_job(sim);
        return;
    }
    if (node->core.n_lanes > 1)
        atomic_store(&node->core.next_lane[1], (uint32_t)rng_next(&sim->rng));
    run_nth(node, nth);
}

static bool run_one(struct sim *sim) {
    look_again(sim);
    uint32_t choices = sim->choices + (sim->jobs ? 1 : 0);
    if (choices == 0) return false;
    if (sim->options.shuffle)
        run_by_chance(sim, choices);
    else
        run_in_order(sim);
    return true;
}

static void fire_due(struct sim *sim) {
    for (struct sim_node *node = sim->nodes; node < sim->nodes + sim->n_nodes; node++) {
        node->fired_us = sim->now_us;
        if (!node->touched && node->timer_us > sim_node_us(node)) continue;
        sim_touch(node);
        for (uint32_t i = 0; i < node->core.n_lanes; i++)
            lane_fire(&node->core.lanes[i]);
    }
    network_fire(sim);
}

static void settle(struct sim *sim) {
    for (uint64_t turns = 0; run_one(sim); turns++) {
        assert(turns < SIM_TURNS_MAX);
        if (!sim->spent) continue;
        sim->spent = false;
        fire_due(sim);
    }
}

/* Whoever drives it may have touched anything. */
void sim_settle(struct sim *sim) {
    for (uint32_t i = 0; i < sim->n_nodes; i++)
        sim_touch(&sim->nodes[i]);
    settle(sim);
}

static uint64_t next_us(struct sim *sim) {
    struct timer *event = timers_first(&sim->events);
    uint64_t next = event ? event->at_us : UINT64_MAX;
    look_again(sim);
    for (uint32_t i = 0; i < sim->n_nodes; i++)
        if (sim->nodes[i].next_us < next) next = sim->nodes[i].next_us;
    return next;
}

/* Moves the clock to the next timer or event, at most to `until`; false: there was none. */
static bool advance(struct sim *sim, uint64_t until) {
    uint64_t next = next_us(sim);
    if (next > until) return false;
    if (next > sim->now_us) sim->now_us = next;
    fire_due(sim);
    settle(sim);
    return true;
}

void sim_run(struct sim *sim, uint64_t us) {
    uint64_t until = sim->now_us + us;
    sim_settle(sim);
    while (advance(sim, until)) {
    }
    if (sim->now_us < until) sim->now_us = until;
}

void sim_spend(struct sim *sim, uint64_t us) {
    sim->now_us += us;
    sim->spent = true;
}

uint64_t sim_now_us(const struct sim *sim) {
    return sim->now_us;
}

/* --- open and close
 * -------------------------------------------------------------------------------- */

struct sim *sim_open(const struct sim_options *options) {
    struct sim *sim = mem_zero(1, sizeof *sim);
    assert(sim);
    sim->options = *options;
    sim->n_nodes = options->nodes ? options->nodes : 1;
    sim->now_us = SIM_STARTS_US;
    sim->parcels_before = parcel_alive();
    rng_init(&sim->rng, options->seed);
    timers_init(&sim->events);
    buffer_init(&sim->trace);
    buffer_init(&sim->reply_body);
    arena_init(&sim->reply_arena, 0);
    sim->nodes = mem_zero(sim->n_nodes, sizeof(struct sim_node));
    assert(sim->nodes);
    network_open(sim);
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        char name[32];
        snprintf(name, sizeof name, "node%u", i + 1);
        node->sim = sim;
        node->number = i + 1;
        snprintf(node->address, sizeof node->address, "sim://%u", i + 1);
        enum status s = core_open(&node->core, &(struct core_options){
                                                   .name = name,
                                                   .seed = rng_next(&sim->rng),
                                                   .io_lanes = options->lanes ? options->lanes : 1,
                                                   .tracing = !options->quiet,
                                                   .bodies = options->bodies,
                                                   .actions = options->actions,
                                                   .linting = options->linting,
                                                   .ring_records = SIM_RING,
                                                   .driver = &sim_driver,
                                                   .host = node,
                                               });
        bool opened = s == STATUS_OK; /* else there is no memory */
        assert(opened);
        trunks_make(node);
        node->core.credits.go = network_go;
        node->fired_us = node->told_us = sim->now_us;
        sim_touch(node);
    }
    sim_settle(sim);
    return sim;
}

void sim_close(struct sim **taken) {
    struct sim *sim = *taken;
    *taken = NULL;
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        sim_touch(node);
        core_stop(&node->core, node->core.lanes);
        sim_settle(sim);
        while (!node->stopped) {
            bool moved = advance(sim, UINT64_MAX - 1);
            assert(moved); /* an actor that cannot stop */
        }
    }
    sim_settle(sim);
    network_close(sim);
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        trunks_free(&sim->nodes[i]);
        core_close(&sim->nodes[i].core);
    }
    assert(parcel_alive() == sim->parcels_before);
    timers_free(&sim->events);
    buffer_free(&sim->trace);
    buffer_free(&sim->reply_body);
    arena_free(&sim->reply_arena);
    mem_free(sim->nodes);
    mem_free(sim);
}

/* --- orders from the test
 * --------------------------------------------------------------------------- */

/* Runs fn in a turn of the node's root, and what follows at this instant. */
static void order(struct sim *sim, struct sim_node *node, turn_fn fn, void *context) {
    sim_touch(node);
    core_order(&node->core, node->core.lanes, fn, context);
    settle(sim);
}

static struct sim_node *node_at(struct sim *sim, uint32_t number) {
    assert(number >= 1 && number <= sim->n_nodes);
    return &sim->nodes[number - 1];
}

/* The actor a test names; a test that names nobody is wrong. */
static actor_handle named_on(struct sim *sim, uint32_t node, const char *name) {
    actor_handle handle = registry_find(&node_at(sim, node)->core.registry, name);
    if (handle == 0) {
        fprintf(stderr, "sim: node %u has no actor \"%s\"\n", node, name);
        abort();
    }
    return handle;
}

static actor_handle named(struct sim *sim, const char *name) {
    return named_on(sim, 1, name);
}

struct spawning {
    struct spawn spawn;
    actor_handle handle;
    enum status status;
    bool over;
};

static void
spawn_opened(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)turn;
    struct spawning *spawning = context;
    spawning->over = true;
    spawning->status = outcome->status;
}

static void spawn_now(void *self, void *context, struct turn *turn) {
    (void)self;
    struct spawning *spawning = context;
    spawning->status = turn_spawn(turn, &spawning->spawn, &spawning->handle);
    if (spawning->status != STATUS_OK) spawning->over = true;
}

actor_handle sim_spawn_as(struct sim *sim, uint32_t node, const struct spawn *spawn) {
    struct spawning spawning = {.spawn = *spawn};
    spawning.spawn.opened = spawn_opened;
    spawning.spawn.context = &spawning;
    order(sim, node_at(sim, node), spawn_now, &spawning);
    assert(spawning.over);
    return spawning.status == STATUS_OK ? spawning.handle : 0;
}

actor_handle sim_spawn_on(struct sim *sim,
                          uint32_t node,
                          const char *name,
                          const struct actor_type *type,
                          const void *options) {
    return sim_spawn_as(
        sim, node,
        &(struct spawn){
            .type = type, .name = name, .options = options, .restart = RESTART_TEMPORARY});
}

actor_handle
sim_spawn(struct sim *sim, const char *name, const struct actor_type *type, const void *options) {
    return sim_spawn_on(sim, 1, name, type, options);
}

static void stop_now(void *self, void *context, struct turn *turn) {
    (void)self;
    turn_stop(turn, *(actor_handle *)context);
}

void sim_stop_on(struct sim *sim, uint32_t number, const char *name) {
    struct sim_node *node = node_at(sim, number);
    actor_handle handle = registry_find(&node->core.registry, name);
    order(sim, node, stop_now, &handle);
}

void sim_stop(struct sim *sim, const char *name) {
    actor_handle handle = named(sim, name);
    order(sim, &sim->nodes[0], stop_now, &handle);
}

struct telling {
    actor_handle to;
    const ProtobufCMessage *message;
};

static void tell_now(void *self, void *context, struct turn *turn) {
    (void)self;
    const struct telling *telling = context;
    turn_tell(turn, telling->to, telling->message);
}

void sim_tell(struct sim *sim, const char *name, const ProtobufCMessage *message) {
    struct telling telling = {named(sim, name), message};
    order(sim, &sim->nodes[0], tell_now, &telling);
}

struct calling {
    struct sim *sim;
    actor_handle to;
    const ProtobufCMessage *message;
    uint64_t timeout_us;
    bool over;
    enum status status;
};

/* Keeps the answer beyond its turn. */
static void call_done(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)turn;
    struct calling *calling = context;
    struct sim *sim = calling->sim;
    calling->status = outcome->status;
    calling->over = !outcome->more;
    snprintf(sim->words, sizeof sim->words, "%s", outcome->text);
    if (!outcome->message) return;
    arena_reset(&sim->reply_arena);
    buffer_clear(&sim->reply_body);
    enum status s = codec_encode(outcome->message, &sim->reply_body);
    assert(s == STATUS_OK);
    s = codec_decode(outcome->message->descriptor, sim->reply_body.data, sim->reply_body.size,
                     &sim->reply_arena, &sim->reply, NULL);
    assert(s == STATUS_OK);
}

static void call_now(void *self, void *context, struct turn *turn) {
    (void)self;
    struct calling *calling = context;
    turn_call(turn, &(struct call){
                        .to = calling->to,
                        .message = calling->message,
                        .done = call_done,
                        .context = calling,
                        .deadline_us = turn_now_us(turn) + calling->timeout_us,
                    });
}

enum status sim_call(struct sim *sim,
                     const char *name,
                     const ProtobufCMessage *message,
                     uint64_t timeout_us,
                     const ProtobufCMessage **reply) {
    return sim_call_on(sim, 1, name, message, timeout_us, reply);
}

enum status sim_call_on(struct sim *sim,
                        uint32_t node,
                        const char *name,
                        const ProtobufCMessage *message,
                        uint64_t timeout_us,
                        const ProtobufCMessage **reply) {
    struct calling calling = {
        .sim = sim, .to = named_on(sim, node, name), .message = message, .timeout_us = timeout_us};
    sim->reply = NULL;
    order(sim, node_at(sim, node), call_now, &calling);
    while (!calling.over) {
        bool moved = advance(sim, UINT64_MAX - 1);
        assert(moved);
    }
    if (reply) *reply = calling.status == STATUS_OK ? sim->reply : NULL;
    return calling.status;
}

void sim_order(struct sim *sim, turn_fn fn, void *context) {
    order(sim, &sim->nodes[0], fn, context);
}

void sim_order_on(struct sim *sim, uint32_t node, turn_fn fn, void *context) {
    order(sim, node_at(sim, node), fn, context);
}

const char *sim_words(const struct sim *sim) {
    return sim->words;
}

void sim_stall(struct sim *sim, uint32_t node, uint64_t us) {
    node_at(sim, node)->stall_us = us;
}

uint32_t sim_working(const struct sim *sim, uint32_t node) {
    return sim->nodes[node - 1].n_working;
}

void sim_drift(struct sim *sim, uint32_t node, int32_t ppm) {
    struct sim_node *it = node_at(sim, node);
    sim_touch(it); /* by the clock as it was */
    it->drift_said_us = sim_node_us(it);
    it->drift_from_us = sim->now_us;
    it->drift_ppm = ppm;
}

void sim_skew(struct sim *sim, uint32_t node, int64_t ms) {
    node_at(sim, node)->skew_ms = ms;
}

bool sim_failed(const struct sim *sim) {
    for (uint32_t i = 0; i < sim->n_nodes; i++)
        if (sim->nodes[i].failed) return true;
    return false;
}

/* --- the trace
 * -------------------------------------------------------------------------------------- */

const char *sim_trace(struct sim *sim) {
    char *end = buffer_reserve(&sim->trace, 1);
    assert(end && !sim->trace.failed);
    *end = '\0';
    return (const char *)sim->trace.data;
}

void sim_trace_clear(struct sim *sim) {
    buffer_clear(&sim->trace);
}

static size_t line_size(const char *text) {
    const char *end = strchr(text, '\n');
    return end ? (size_t)(end - text) + 1 : strlen(text);
}

static void print_lines(const char *sign, const char *text, size_t from) {
    for (size_t i = 0; *text; i++, text += line_size(text))
        fprintf(stderr, "%s %.*s", i >= from ? sign : " ", (int)line_size(text), text);
}

void sim_expect(struct sim *sim, const char *expected) {
    const char *traced = sim_trace(sim);
    if (strcmp(traced, expected) == 0) {
        sim_trace_clear(sim);
        return;
    }
    size_t same = 0;
    const char *a = expected, *b = traced;
    while (*a && *b && line_size(a) == line_size(b) && memcmp(a, b, line_size(a)) == 0) {
        a += line_size(a);
        b += line_size(b);
        same++;
    }
    fprintf(stderr, "sim: the trace differs (seed %" PRIu64 ") after %zu lines\n",
            sim->options.seed, same);
    fprintf(stderr, "--- expected\n");
    print_lines("-", expected, same);
    fprintf(stderr, "+++ traced\n");
    print_lines("+", traced, same);
    abort();
}
