/* link: its life, sending, and time. What comes in is link_input.c's, lookups are link_lookup.c's.
 *
 * Peers die at one place only: link_fail marks, link_settle buries at the end of each public call.
 * So no code that holds a peer sees it vanish, whatever the host does in its callbacks. */
#include "runtime/link.h"

#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/handle.h"
#include "runtime/link_state.h"
#include "runtime/memory.h"
#include "runtime/text.h"

enum {
    READ_FRAMES = 64,     /* in one link_ready, some 4,000 messages */
    BAD_FRAMES_MAX = 16,  /* recent ones; a peer with more is cut */
    CUT_MS = 10 * 1000,   /* its frames are dropped unread that long */
    BLOCKED_RETRY_MS = 5, /* should ZeroMQ not tell that a connection moves again */
    PAUSE_MIN_MS = 20,    /* between attempts to connect, doubled each time */
    PAUSE_MAX_MS = 500,
};

uint64_t link_now(const struct link *link) {
    return link->host.now_us(link->host.node);
}

void link_sooner(struct link *link, uint64_t at_us) {
    if (at_us < link->due_us) link->due_us = at_us;
}

/* --- peers --- */

struct peer *link_new_peer(struct link *link) {
    if (link->n_peers == LINK_PEERS_MAX) return NULL;
    struct peer *peer = mem_zero(1, sizeof *peer);
    if (!peer) return NULL;
    do {
        link->last_number++; /* wraps at 2^16; 0 is this process */
    } while (link->last_number == 0 || link->table[link->last_number % LINK_PEERS_MAX]);
    peer->number = link->last_number;
    peer->pause_us = (uint64_t)PAUSE_MIN_MS * 1000;
    link->table[peer->number % LINK_PEERS_MAX] = peer;
    link->n_peers++;
    peer->next = link->peers;
    link->peers = peer;
    return peer;
}

static struct peer *find_peer(const struct link *link, uint16_t number) {
    struct peer *peer = link->table[number % LINK_PEERS_MAX];
    return peer && peer->number == number && peer->state == PEER_OPEN ? peer : NULL;
}

void link_mark_busy(struct link *link, struct peer *peer) {
    if (peer->busy) return;
    peer->busy = true;
    peer->next_busy = link->busy;
    link->busy = peer;
}

static void unmark_busy(struct link *link, struct peer *peer) {
    struct peer **at = &link->busy;
    while (*at && *at != peer)
        at = &(*at)->next_busy;
    if (*at) *at = peer->next_busy;
    peer->busy = false;
}

/* Past the queue, since there is no later; lost when the peer does not read. */
static void say_goodbye(struct peer *peer, const char *text) {
    unsigned char bytes[FRAME_SMALL_MAX];
    struct frame bye = {.kind = FRAME_BYE};
    snprintf(bye.text, sizeof bye.text, "%s", text);
    size_t size = frame_write(&bye, bytes);
    for (unsigned i = 0; i < PEER_CHANNELS; i++) {
        const struct channel *c = &peer->channels[i];
        if (!c->socket) continue;
        int more = ZMQ_SNDMORE | ZMQ_DONTWAIT;
        if (c->route && zmq_send(c->socket, c->route->id, c->route->size, more) < 0) continue;
        zmq_send(c->socket, bytes, size, ZMQ_DONTWAIT);
    }
}

void link_fail(struct link *link, struct peer *peer, const char *text) {
    if (peer->state == PEER_DEAD) return;
    if (text) say_goodbye(peer, text);
    peer->state = PEER_DEAD;
    link->n_dead++;
}

void link_attempt_failed(struct link *link, struct peer *peer) {
    if (peer->broken) return;
    peer->broken = true;
    peer->attempt_us = link_now(link) + peer->pause_us;
    peer->pause_us *= 2;
    if (peer->pause_us > (uint64_t)PAUSE_MAX_MS * 1000)
        peer->pause_us = (uint64_t)PAUSE_MAX_MS * 1000;
    link_sooner(link, 0);
}

void link_bad_frame(struct link *link, struct peer *peer) {
    peer->bad_frames++;
    if (++peer->bad_recent <= BAD_FRAMES_MAX || peer->state == PEER_DEAD) return;
    uint64_t until_us = link_now(link) + (uint64_t)CUT_MS * 1000;
    link_fail(link, peer, "too many bad frames");
    for (unsigned i = 0; i < PEER_CHANNELS; i++) {
        struct route *route = peer->channels[i].route;
        if (route) route_cut(&link->routes, route, until_us);
    }
}

static void forget_peer(struct link *link, struct peer *peer) {
    struct peer **at = &link->peers;
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    link->table[peer->number % LINK_PEERS_MAX] = NULL;
    link->n_peers--;
    unmark_busy(link, peer);
}

static void close_peer(struct link *link, struct peer *peer) {
    peer_disconnect(peer, &link->bells, &link->host);
    for (unsigned i = 0; i < PEER_CHANNELS; i++) {
        struct route *route = peer->channels[i].route;
        if (route && !route->cut_until_us) route_remove(&link->routes, route);
    }
}

static struct peer *first_dead(const struct link *link) {
    struct peer *peer = link->peers;
    while (peer->state != PEER_DEAD)
        peer = peer->next;
    return peer;
}

static void bury(struct link *link) {
    while (link->n_dead > 0) {
        struct peer *peer = first_dead(link);
        link->n_dead--;
        forget_peer(link, peer);
        close_peer(link, peer);
        link_names_lost(link, peer);
        if (peer->met) link->host.lost(link->host.node, peer->number);
        link_lookups_lost(link, peer);
        mem_free(peer);
    }
}

/* --- sending --- */

/* False: something is left to send. */
static bool flush_channel(struct link *link, struct peer *peer, unsigned i, uint64_t now_us) {
    struct channel *channel = &peer->channels[i];
    if (!channel->first && channel->frame_bytes == 0) return true;
    enum channel_state state = channel_flush(channel, &link->host, now_us);
    if (channel->socket) {
        doorbell_check(&link->bells, peer->opened ? &peer->dealers[i] : &link->router_bell);
    }
    if (state == CHANNEL_GONE) link_fail(link, peer, NULL);
    return state != CHANNEL_BLOCKED;
}

static bool flush_peer(struct link *link, struct peer *peer, uint64_t now_us) {
    bool clear = true;
    for (unsigned i = 0; i < PEER_CHANNELS && peer->state != PEER_DEAD && !peer->broken; i++) {
        if (!flush_channel(link, peer, i, now_us)) clear = false;
    }
    return clear;
}

/* What the host sends from within host.refuse makes its peer busy again, so there is a bound. A
 * peer that blocks counts as busy all along. */
static void flush_busy(struct link *link) {
    struct peer *blocked = NULL;
    uint64_t now_us = link->busy ? link_now(link) : 0;
    for (size_t budget = 2 * link->n_peers; budget > 0 && link->busy; budget--) {
        struct peer *peer = link->busy;
        link->busy = peer->next_busy;
        peer->busy = false;
        if (flush_peer(link, peer, now_us)) continue;
        unmark_busy(link, peer);
        peer->busy = true;
        peer->next_busy = blocked;
        blocked = peer;
        link_sooner(link, now_us + (uint64_t)BLOCKED_RETRY_MS * 1000);
    }
    if (link->busy) link_sooner(link, 0);
    while (blocked) {
        struct peer *next = blocked->next_busy;
        blocked->next_busy = link->busy;
        link->busy = blocked;
        blocked = next;
    }
}

/* Every call of the link ends here; not the calls that the host makes from its callbacks. */
void link_leave(struct link *link) {
    if (--link->inside > 0) return;
    link->inside++;
    flush_busy(link);
    bury(link);
    link->inside--;
}

void link_enter(struct link *link) {
    link->inside++;
}

bool link_flush(struct link *link) {
    bool busy = link->busy != NULL;
    link_enter(link);
    link_leave(link);
    return busy;
}

void link_say(struct link *link,
              struct peer *peer,
              struct channel *channel,
              const struct frame *frame) {
    bool room = peer_queued(peer) < (size_t)LINK_QUEUE_BYTES + LINK_QUEUE_RESERVE;
    if (!room || !channel_say(channel, frame)) peer->refused++;
    link_mark_busy(link, peer);
}

/* A credit is in no order with anything: where messages are about to leave by the data connection,
 * it rides with them, and wakes nobody once more. */
static struct channel *channel_for(struct peer *peer, const struct envelope *envelope) {
    struct channel *data = &peer->channels[PEER_DATA];
    bool leaves = data->socket && !data->held && data->first && data->frame_bytes == 0 &&
                  data->queued_bytes < LINK_PACK_BYTES;
    if (envelope->kind == PARCEL_CREDIT && leaves) return data;
    return peer_channel(peer, envelope->band);
}

void link_send(struct link *link, struct parcel *parcel) {
    const struct envelope *e = &parcel->envelope;
    struct peer *peer = find_peer(link, handle_peer(e->to));
    enum status refusal = STATUS_OK;
    if (!peer) {
        refusal = STATUS_LOST_PEER;
    } else if (parcel->size > CODEC_MESSAGE_MAX) {
        refusal = STATUS_TOO_LARGE;
    } else {
        bool bulk = e->band == BAND_DATA && (e->kind == PARCEL_CALL || e->kind == PARCEL_CAST);
        size_t room = (size_t)LINK_QUEUE_BYTES + (bulk ? 0 : LINK_QUEUE_RESERVE);
        if (peer_queued(peer) + frame_cost(parcel) > room) refusal = STATUS_BUSY;
    }
    if (refusal != STATUS_OK) {
        if (peer) peer->refused++;
        link->host.refuse(link->host.node, parcel, refusal);
        return;
    }
    size_t cost = frame_cost(parcel);
    bool data = e->band == BAND_DATA;
    channel_push(channel_for(peer, e), parcel);
    link_mark_busy(link, peer);
    if (data && peer->way == PEER_BY_CONTROL) link_count_data(link, peer, cost);
}

/* --- receiving --- */

int link_fd(const struct link *link) {
    return link->bells.epoll;
}

bool link_ready(struct link *link) {
    link_enter(link);
    doorbells_poll(&link->bells);
    const struct doorbell *last = link->bells.last;
    struct doorbell *bell = NULL;
    for (unsigned budget = READ_FRAMES; bell != last && budget > 0;) {
        bell = doorbells_pop(&link->bells);
        if (!link_read(link, bell, &budget)) doorbell_list(&link->bells, bell);
    }
    link_leave(link);
    return link->bells.first != NULL;
}

/* --- time --- */

uint64_t link_due(const struct link *link) {
    return link->due_us;
}

static void beat_channel(struct link *link, struct peer *peer, unsigned i, uint64_t now_us) {
    struct channel *channel = &peer->channels[i];
    struct frame beat = {.kind = FRAME_BEAT, .token = now_us};
    if (!channel->socket) return;
    if (now_us - channel->heard_us > (uint64_t)LINK_DEAD_MS * 1000) {
        link_fail(link, peer, "you were silent for too long");
    } else if (channel->frame_bytes == 0) {
        link_say(link, peer, channel, &beat);
    }
}

static void beat(struct link *link, uint64_t now_us) {
    for (struct peer *peer = link->peers; peer; peer = peer->next) {
        peer->bad_recent /= 2;
        link_widen_beat(link, peer);
        for (unsigned i = 0; i < PEER_CHANNELS; i++) {
            if (peer->state == PEER_OPEN) beat_channel(link, peer, i, now_us);
        }
    }
    route_sweep(&link->routes, now_us);
}

/* This process, not its peers, was stopped or starved: what they said lies unread. */
static void forgive(struct link *link, uint64_t now_us) {
    uint64_t gap_us = now_us - link->tick_us;
    if (gap_us <= 2 * (uint64_t)LINK_BEAT_MS * 1000) return;
    for (struct peer *peer = link->peers; peer; peer = peer->next) {
        for (unsigned i = 0; i < PEER_CHANNELS; i++) {
            uint64_t *heard_us = &peer->channels[i].heard_us;
            *heard_us = now_us - *heard_us > gap_us ? *heard_us + gap_us : now_us;
        }
    }
}

static void attempt(struct link *link, struct peer *peer, uint64_t now_us) {
    if (!link_is_looked_up(link, peer)) {
        link_fail(link, peer, NULL);
        return;
    }
    uint64_t patience_us = peer->attempt_us + (uint64_t)LINK_HELLO_MS * 1000;
    if (!peer->broken && now_us >= patience_us) link_attempt_failed(link, peer);
    if (!peer->broken) {
        link_sooner(link, patience_us);
        return;
    }
    peer_disconnect(peer, &link->bells, &link->host);
    if (now_us < peer->attempt_us) {
        link_sooner(link, peer->attempt_us);
    } else if (peer_connect(peer, &link->self, &link->bells, now_us) != STATUS_OK) {
        link_attempt_failed(link, peer);
    } else {
        link_mark_busy(link, peer);
        link_sooner(link, now_us + (uint64_t)LINK_HELLO_MS * 1000);
    }
}

void link_tick(struct link *link) {
    uint64_t now_us = link_now(link), beat_every_us = (uint64_t)LINK_BEAT_MS * 1000;
    link_enter(link);
    forgive(link, now_us);
    link->tick_us = now_us;
    if (now_us >= link->beat_us) {
        link->beat_us = now_us + beat_every_us;
        beat(link, now_us);
    }
    link->due_us = link->beat_us;
    link_rebind(link, now_us);
    link_lookups_tick(link, now_us);
    for (struct peer *peer = link->peers; peer; peer = peer->next) {
        if (peer->state == PEER_CONNECTING) attempt(link, peer, now_us);
        if (peer->state == PEER_OPEN && peer->widens) link_widen(link, peer, now_us);
    }
    link_leave(link);
}

/* --- life --- */

static enum status open_router(struct link *link, const char *address) {
    link->router = zmq_socket(link->self.zmq_context, ZMQ_ROUTER);
    if (!link->router) return STATUS_NO_MEMORY;
    peer_configure(link->router);
    int mandatory = 1; /* else what cannot be delivered vanishes */
    zmq_setsockopt(link->router, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory);
    enum status s = guard_listen(&link->guard, link->router, address);
    if (s == STATUS_OK) s = guard_watch(&link->guard, link->router);
    if (s == STATUS_OK) s = endpoint_bind(link->router, address, link->bound, sizeof link->bound);
    if (s != STATUS_OK) return s;
    guard_address(&link->guard, link->bound, link->address);
    link->router_bell = (struct doorbell){.kind = DOORBELL_ROUTER, .socket = link->router};
    return doorbell_add(&link->bells, &link->router_bell);
}

enum status
link_open(const struct link_options *options, const struct link_host *host, struct link **out) {
    struct link *link = mem_zero(1, sizeof *link);
    if (!link) {
        keyring_free(options->keyring);
        return STATUS_NO_MEMORY;
    }
    link->host = *host;
    size_t size = strnlen(options->name, FRAME_NAME_MAX + 1);
    if (size > FRAME_NAME_MAX) size = text_cut(options->name, FRAME_NAME_MAX);
    memcpy(link->name, options->name, size);
    link->self = (struct peer_self){
        .zmq_context = options->zmq_context,
        .guard = &link->guard,
        .name = link->name,
        .incarnation = options->incarnation,
        .link = link->address,
    };
    link->routes.seed = options->incarnation;
    link->tick_us = link_now(link);
    enum status s = doorbells_open(&link->bells);
    if (s != STATUS_OK) {
        keyring_free(options->keyring);
        mem_free(link);
        return s;
    }
    link->guard = (struct guard){
        .zmq_context = options->zmq_context,
        .bells = &link->bells,
        .insecure = options->insecure,
        .tell = host->alarm,
        .node = host->node,
    };
    s = guard_open(&link->guard, options->keyring);
    if (s == STATUS_OK && options->address) s = open_router(link, options->address);
    if (s != STATUS_OK) {
        link_close(link);
        return s;
    }
    *out = link;
    return STATUS_OK;
}

void link_close(struct link *link) {
    if (!link) return;
    while (link->peers) {
        struct peer *peer = link->peers;
        if (peer->state == PEER_OPEN) say_goodbye(peer, "closed");
        peer->state = PEER_DEAD; /* what the host sends to it from refuse comes back */
        forget_peer(link, peer);
        close_peer(link, peer);
        link_names_lost(link, peer);
        mem_free(peer);
    }
    link_lookups_free(link);
    route_clear(&link->routes);
    doorbell_remove(&link->bells, &link->router_bell);
    if (link->router) {
        zmq_socket_monitor(link->router, NULL, 0); /* as in peer_disconnect */
        zmq_close(link->router);
    }
    guard_close(&link->guard);
    doorbells_close(&link->bells);
    mem_free(link);
}

const char *link_address(const struct link *link) {
    return link->address;
}

bool link_keeps_ledger(const struct link *link, uint16_t number) {
    const struct peer *peer = find_peer(link, number);
    return peer && !peer->single;
}

static void add_failures(const struct rebuffs *rebuffs, struct link_peer *out) {
    const struct rebuff *last = rebuffs_last(rebuffs, false, out->address);
    if (!last) return;
    out->failures = rebuffs_count(rebuffs, false, out->address);
    out->failed_us = last->last_us;
    out->failure = rebuff_cause_name(last->cause);
}

bool link_peer(const struct link *link, size_t nth, struct link_peer *out) {
    const struct peer *peer = link->peers;
    while (peer && nth-- > 0)
        peer = peer->next;
    if (!peer) return false;
    const struct channel *control = &peer->channels[PEER_CONTROL];
    const struct channel *data = &peer->channels[PEER_DATA];
    *out = (struct link_peer){
        .number = peer->number,
        .sent = control->sent + data->sent,
        .received = peer->received,
        .sent_bytes = control->sent_bytes + data->sent_bytes,
        .received_bytes = peer->received_bytes,
        .rtt_us = peer->rtt_us,
        .queued_bytes = peer_queued(peer),
        .refused = peer->refused,
        .bad_frames = peer->bad_frames,
        .full = control->full + data->full,
        .connected = peer->state == PEER_OPEN,
        .curve = peer->key[0] != 0,
        .opened = peer->opened,
    };
    memcpy(out->name, peer->name, sizeof peer->name);
    memcpy(out->address, peer->address, sizeof peer->address);
    const char *node = peer->key[0] ? keyring_who(link->guard.keyring, peer->key) : NULL;
    if (node) snprintf(out->node, sizeof out->node, "%s", node);
    if (peer->opened) add_failures(&link->guard.rebuffs, out);
    return true;
}
