/* network: links between simulated nodes: delay, loss, cuts; order within a direction is kept, as
 * ZeroMQ keeps it. A cut is noticed after LINK_DEAD_MS: then both ends lose their peer, its number
 * is not used again, and a lookup after the healing connects anew. */
#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/link.h"
#include "runtime/memory.h"
#include "runtime/sim/world.h"
#include "runtime/turn_state.h"

enum {
    RETRY_MIN_US = 20 * 1000, /* doubled each time, as a link does */
    RETRY_MAX_US = 500 * 1000,
    PPM = 1000000,
};

enum event_kind { EVENT_ARRIVAL, EVENT_LOOKUP, EVENT_LOST, EVENT_WORK };

struct event {
    struct timer timer; /* first: a timer is its event */
    enum event_kind kind;
    struct sim_node *from;
    struct sim_node *to;
    struct parcel *parcel; /* owned; NULL for EVENT_LOST */
    uint16_t peer;         /* EVENT_ARRIVAL: the sender's number at the receiver */
    bool twin;             /* … it came before */
    uint64_t retry_us;     /* EVENT_LOOKUP: the pause before the next attempt */
};

static size_t pair(const struct sim *sim, const struct sim_node *a, const struct sim_node *b) {
    return (size_t)(a->number - 1) * sim->n_nodes + (b->number - 1);
}

void network_open(struct sim *sim) {
    size_t pairs = (size_t)sim->n_nodes * sim->n_nodes;
    sim->cut = mem_zero(pairs, sizeof *sim->cut);
    sim->last_at = mem_zero(pairs, sizeof *sim->last_at);
    sim->slow_us = mem_zero(pairs, sizeof *sim->slow_us);
    assert(sim->cut && sim->last_at && sim->slow_us);
}

void network_close(struct sim *sim) {
    struct timer *timer;
    while ((timer = timers_first(&sim->events))) {
        struct event *event = (struct event *)timer;
        timers_remove(&sim->events, timer);
        if (event->parcel)
            core_refuse(&event->from->core, NULL, event->parcel, STATUS_LOST_PEER, NULL);
        mem_free(event);
    }
    for (uint32_t i = 0; i < sim->n_nodes; i++)
        mem_free(sim->nodes[i].peers);
    mem_free(sim->cut);
    mem_free(sim->last_at);
    mem_free(sim->slow_us);
}

static void add_event(struct sim *sim, const struct event *event, uint64_t at_us) {
    struct event *added = mem_copy(event, sizeof *event);
    assert(added);
    timers_add(&sim->events, &added->timer, at_us);
}

static uint64_t delay(struct sim *sim) {
    const struct sim_options *options = &sim->options;
    if (options->delay_us_max <= options->delay_us_min) return options->delay_us_min;
    return options->delay_us_min +
           rng_below(&sim->rng, options->delay_us_max - options->delay_us_min + 1);
}

/* --- peers
 * ----------------------------------------------------------------------------------------- */

static uint16_t add_peer(struct sim_node *node, uint32_t other) {
    assert(node->n_peers < UINT16_MAX);
    node->peers = mem_resize(node->peers, (node->n_peers + 1) * sizeof *node->peers);
    assert(node->peers);
    node->peers[node->n_peers++] = (struct sim_peer){.node = other, .alive = true};
    return (uint16_t)node->n_peers;
}

/* The number of b at a, connecting the two when they are not. */
static uint16_t connect_nodes(struct sim_node *a, struct sim_node *b) {
    for (uint32_t i = 0; i < a->n_peers; i++)
        if (a->peers[i].node == b->number && a->peers[i].alive) return (uint16_t)(i + 1);
    uint16_t there = add_peer(a, b->number);
    uint16_t here = add_peer(b, a->number);
    a->peers[there - 1].number_there = here;
    b->peers[here - 1].number_there = there;
    return there;
}

static void lose(struct sim_node *node, uint32_t other) {
    sim_touch(node);
    for (uint32_t i = 0; i < node->n_peers; i++) {
        if (node->peers[i].node != other || !node->peers[i].alive) continue;
        node->peers[i].alive = false;
        credit_lost(&node->core, (uint16_t)(i + 1));
        core_lost(&node->core, node->core.lanes, (uint16_t)(i + 1));
    }
}

/* --- messages
 * -------------------------------------------------------------------------------------- */

/* A way that carries nothing now. */
static bool is_shut(const struct sim *sim, const struct sim_node *a, const struct sim_node *b) {
    return sim->cut[pair(sim, a, b)] || a->off || b->off;
}

/* The same request once more, some time later. */
static void add_twin(struct sim *sim, const struct event *event, uint64_t at) {
    uint8_t kind = event->parcel->envelope.kind;
    if (kind != PARCEL_CALL && kind != PARCEL_CAST) return;
    if (event->from->twin_ppm == 0 || rng_below(&sim->rng, PPM) >= event->from->twin_ppm) return;
    struct event twin = *event;
    twin.twin = true;
    twin.parcel = parcel_new(event->parcel->size);
    assert(twin.parcel);
    memcpy(twin.parcel->body, event->parcel->body, event->parcel->size);
    twin.parcel->envelope = event->parcel->envelope;
    add_event(sim, &twin, at + rng_below(&sim->rng, SIM_TWIN_US));
}

static void transmit(struct core *core, struct lane *from, struct parcel *parcel) {
    struct sim_node *a = core->host;
    struct sim *sim = a->sim;
    uint16_t number = handle_peer(parcel->envelope.to);
    const struct sim_peer *peer = number <= a->n_peers ? &a->peers[number - 1] : NULL;
    if (!peer || !peer->alive) {
        core_refuse(core, from, parcel, STATUS_LOST_PEER, "the link to its process was lost");
        return;
    }
    struct sim_node *b = &sim->nodes[peer->node - 1];
    if (sim_full(sim, parcel)) {
        core_refuse(core, from, parcel, STATUS_BUSY, "the link to its process is full");
        return;
    }
    if (is_shut(sim, a, b) || rng_below(&sim->rng, PPM) < sim->options.drop_ppm) {
        parcel_free(parcel);
        return;
    }
    uint64_t at = sim->now_us + delay(sim) + sim->slow_us[pair(sim, a, b)];
    uint64_t *last = &sim->last_at[pair(sim, a, b)];
    if (at < *last && !sim->options.reorder) at = *last;
    *last = at;
    struct event event = {
        .kind = EVENT_ARRIVAL, .from = a, .to = b, .parcel = parcel, .peer = peer->number_there};
    add_event(sim, &event, at);
    add_twin(sim, &event, at);
}

/* As the link's lane does it (runtime/relay.c). */
void network_send(struct core *core, struct lane *from, struct parcel *parcel) {
    if (parcel->envelope.kind == PARCEL_CANCEL && credit_cancels(core, parcel)) return;
    if (credit_pays(core, parcel)) transmit(core, from, parcel);
}

void network_go(struct core *core, struct parcel *parcel) {
    transmit(core, core->lanes, parcel);
}

static void arrive(const struct event *event) {
    struct sim_node *b = event->to;
    struct parcel *parcel = event->parcel;
    sim_touch(b);
    if (!b->peers[event->peer - 1].alive || b->stopped || b->off) {
        parcel_free(parcel);
        return;
    }
    actor_handle from = handle_local(parcel->envelope.from);
    parcel->envelope.from = (uint64_t)event->peer << 48 | from;
    if (parcel->envelope.deadline_us != NO_DEADLINE)
        parcel->envelope.deadline_us += sim_node_us(b) - sim_node_us(event->from);
    parcel->envelope.to = handle_local(parcel->envelope.to);
    if (parcel->envelope.kind == PARCEL_CREDIT) {
        credit_take(&b->core, parcel);
        return;
    }
    if (!event->twin) credit_mark(parcel);
    core_send(&b->core, b->core.lanes, parcel);
}

/* --- lookups
 * --------------------------------------------------------------------------------------- */

static void answer_lookup(struct sim_node *node,
                          struct parcel *parcel,
                          enum status status,
                          actor_handle handle) {
    struct found found = {status, handle};
    struct parcel *answer = parcel_local(PARCEL_FOUND, parcel->envelope.from, &found, sizeof found);
    answer->envelope.correlation = parcel->envelope.correlation;
    core_refuse(&node->core, NULL, parcel, status, NULL); /* frees what it carries */
    core_send(&node->core, node->core.lanes, answer);
}

void network_lookup(struct core *core, struct lane *from, struct parcel *parcel) {
    (void)from;
    struct sim_node *a = core->host;
    struct sim *sim = a->sim;
    struct seek seek;
    unsigned number = 0;
    memcpy(&seek, parcel->room, sizeof seek);
    if (sscanf(seek.address, "sim://%u", &number) != 1 || number < 1 || number > sim->n_nodes) {
        answer_lookup(a, parcel, STATUS_INVALID, 0);
        return;
    }
    struct sim_node *b = &sim->nodes[number - 1];
    struct event event = {
        .kind = EVENT_LOOKUP, .from = a, .to = b, .parcel = parcel, .retry_us = RETRY_MIN_US};
    add_event(sim, &event, sim->now_us + delay(sim) + delay(sim));
}

/* Asks again while the way is cut, until the asker's deadline ends its lookup. */
static void look_up(struct sim *sim, const struct event *event) {
    struct sim_node *a = event->from, *b = event->to;
    struct seek seek;
    sim_touch(a);
    memcpy(&seek, event->parcel->room, sizeof seek);
    if (is_shut(sim, a, b) || is_shut(sim, b, a) || b->stopped) {
        struct event again = *event;
        again.retry_us = 2 * event->retry_us < RETRY_MAX_US ? 2 * event->retry_us : RETRY_MAX_US;
        if (sim_node_us(a) < seek.deadline_us)
            add_event(sim, &again, sim->now_us + event->retry_us);
        else
            core_refuse(&a->core, NULL, event->parcel, STATUS_LOST_PEER, NULL);
        return;
    }
    actor_handle handle = registry_find(&b->core.registry, seek.name);
    if (handle != 0 && a != b) handle |= (uint64_t)connect_nodes(a, b) << 48;
    answer_lookup(a, event->parcel, handle ? STATUS_OK : STATUS_NOT_FOUND, handle);
}

/* --- faults and events
 * ------------------------------------------------------------------------------ */

static struct sim_node *end(struct sim *sim, uint32_t number) {
    assert(number >= 1 && number <= sim->n_nodes);
    return &sim->nodes[number - 1];
}

void sim_cut_way(struct sim *sim, uint32_t a, uint32_t b) {
    struct event event = {.kind = EVENT_LOST, .from = end(sim, a), .to = end(sim, b)};
    sim->cut[pair(sim, event.from, event.to)] = true;
    add_event(sim, &event, sim->now_us + LINK_DEAD_MS * 1000);
}

void sim_cut(struct sim *sim, uint32_t a, uint32_t b) {
    sim->cut[pair(sim, end(sim, b), end(sim, a))] = true;
    sim_cut_way(sim, a, b);
}

void sim_heal(struct sim *sim, uint32_t a, uint32_t b) {
    sim->cut[pair(sim, end(sim, a), end(sim, b))] = false;
    sim->cut[pair(sim, end(sim, b), end(sim, a))] = false;
}

void sim_slow(struct sim *sim, uint32_t a, uint32_t b, uint64_t us) {
    sim->slow_us[pair(sim, end(sim, a), end(sim, b))] = us;
}

void sim_drop(struct sim *sim, uint32_t ppm) {
    sim->options.drop_ppm = ppm;
}

void sim_twin(struct sim *sim, uint32_t number, uint32_t ppm) {
    end(sim, number)->twin_ppm = ppm;
}

static void lose_each_other(struct sim_node *a, struct sim_node *b) {
    lose(a, b->number);
    lose(b, a->number);
}

void sim_snap(struct sim *sim, uint32_t a, uint32_t b) {
    lose_each_other(end(sim, a), end(sim, b));
}

void sim_off(struct sim *sim, uint32_t number) {
    struct sim_node *node = end(sim, number);
    node->off = true;
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        if (&sim->nodes[i] == node) continue;
        struct event event = {.kind = EVENT_LOST, .from = node, .to = &sim->nodes[i]};
        add_event(sim, &event, sim->now_us + LINK_DEAD_MS * 1000);
    }
}

void sim_on(struct sim *sim, uint32_t number) {
    struct sim_node *node = end(sim, number);
    for (uint32_t i = 0; i < sim->n_nodes; i++)
        if (&sim->nodes[i] != node) lose_each_other(node, &sim->nodes[i]);
    node->off = false;
}

void network_work(struct sim *sim, struct sim_node *node, struct parcel *parcel, uint64_t us) {
    struct event event = {.kind = EVENT_WORK, .from = node, .to = node, .parcel = parcel};
    add_event(sim, &event, sim->now_us + us);
}

void network_fire(struct sim *sim) {
    struct timer *timer;
    while ((timer = timers_first(&sim->events)) && timer->at_us <= sim->now_us) {
        struct event event = *(struct event *)timer;
        timers_remove(&sim->events, timer);
        mem_free(timer);
        event.timer.place = 0;
        switch (event.kind) {
        case EVENT_ARRIVAL:
            arrive(&event);
            break;
        case EVENT_LOOKUP:
            look_up(sim, &event);
            break;
        case EVENT_WORK:
            sim_work(event.from, event.parcel);
            break;
        case EVENT_LOST:
            if (is_shut(sim, event.from, event.to)) lose_each_other(event.from, event.to);
        }
    }
}
