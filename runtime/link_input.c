/* link_input: what peers say. All of it is from outside: a frame is sound or it is dropped and
 * counted, and a sound one is believed only where it makes sense (messages of an open peer, a hello
 * once). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/handle.h"
#include "runtime/link_state.h"

static void greet(struct link *link, struct peer *peer, unsigned i, const struct frame *theirs) {
    struct frame hello = {
        .kind = FRAME_HELLO,
        .incarnation = link->self.incarnation,
        .session = theirs->session,
        .class = theirs->class,
    };
    snprintf(hello.text, sizeof hello.text, "%s", link->self.name);
    snprintf(hello.link, sizeof hello.link, "%s", link->self.link);
    if (!channel_greet(&peer->channels[i], &hello)) peer->refused++; /* it tries again */
    link_mark_busy(link, peer);
}

/* To a connection that is no peer; lost when it does not read. */
static void turn_away(struct link *link, zmq_msg_t *id, const char *text) {
    unsigned char bytes[FRAME_SMALL_MAX];
    struct frame bye = {.kind = FRAME_BYE};
    snprintf(bye.text, sizeof bye.text, "%s", text);
    size_t size = frame_write(&bye, bytes);
    int flags = ZMQ_SNDMORE | ZMQ_DONTWAIT;
    if (zmq_send(link->router, zmq_msg_data(id), zmq_msg_size(id), flags) < 0) return;
    zmq_send(link->router, bytes, size, ZMQ_DONTWAIT);
}

/* The peer whose control connection said hello before. */
static struct peer *half_of(const struct link *link, const struct frame *hello, const char *key) {
    struct peer *peer = link->peers;
    for (; peer; peer = peer->next) {
        bool same = !peer->opened && !peer->single && peer->session == hello->session &&
                    peer->incarnation == hello->incarnation &&
                    guard_same_node(&link->guard, peer->key, key);
        if (same && peer->state == PEER_OPEN && !peer->channels[PEER_DATA].socket) return peer;
    }
    return NULL;
}

static struct peer *welcome(struct link *link, const struct frame *hello, const char *key) {
    if (hello->class == FRAME_DATA) return half_of(link, hello, key);
    struct peer *peer = link_new_peer(link);
    if (!peer) return NULL;
    peer->state = PEER_OPEN;
    peer->met = true;
    peer->single = hello->class == FRAME_BOTH;
    peer->session = hello->session;
    peer->incarnation = hello->incarnation;
    memcpy(peer->name, hello->text, sizeof peer->name);
    memcpy(peer->address, hello->link, sizeof peer->address);
    memcpy(peer->key, key, sizeof peer->key);
    return peer;
}

/* The first frame of a connection that somebody opened. */
static void
accept_hello(struct link *link, zmq_msg_t *id, zmq_msg_t *bytes, const struct frame *hello) {
    char key[KEY_TEXT + 1];
    if (!guard_admits(&link->guard, bytes, key)) {
        turn_away(link, id, "hello: your key is not allowed here");
        return;
    }
    if (hello->version != FRAME_VERSION) {
        turn_away(link, id, "hello: version 1 is spoken here");
        return;
    }
    struct route *route = route_add(&link->routes, zmq_msg_data(id), zmq_msg_size(id));
    unsigned i = hello->class == FRAME_DATA ? PEER_DATA : PEER_CONTROL;
    struct peer *peer = route ? welcome(link, hello, key) : NULL;
    if (!peer) {
        route_remove(&link->routes, route);
        turn_away(link, id,
                  i == PEER_DATA ? "hello: control comes before data" : "hello: too many peers");
        return;
    }
    route->peer = peer;
    route->channel = i;
    peer->channels[i].route = route;
    peer->channels[i].socket = link->router;
    peer->channels[i].greeted = true;
    peer->channels[i].heard_us = link_now(link);
    greet(link, peer, i, hello);
    if (i == PEER_DATA) link_widened(link, peer);
}

static void on_data_hello(struct link *link, struct peer *peer, const struct frame *hello) {
    bool same = hello->version == FRAME_VERSION && hello->session == peer->session &&
                hello->class == FRAME_DATA && hello->incarnation == peer->incarnation;
    peer->channels[PEER_DATA].greeted = true;
    if (same)
        link_widened(link, peer);
    else
        link_fail(link, peer, "hello: not whom control reached");
}

/* The answer to a hello of ours. Both connections must have reached the same life of the process.
 */
static void on_hello(struct link *link, struct peer *peer, unsigned i, const struct frame *hello) {
    struct channel *channel = &peer->channels[i];
    if (!peer->opened || channel->greeted) {
        link_bad_frame(link, peer);
        return;
    }
    if (i == PEER_DATA) {
        on_data_hello(link, peer, hello);
        return;
    }
    if (hello->version != FRAME_VERSION || hello->session != peer->session ||
        hello->class != FRAME_CONTROL) {
        link_attempt_failed(link, peer);
        return;
    }
    channel->greeted = true;
    peer->incarnation = hello->incarnation;
    memcpy(peer->name, hello->text, sizeof peer->name);
    peer->state = PEER_OPEN;
    peer->met = true;
    link_ask(link, peer);
}

static void on_messages(struct link *link, struct peer *peer, struct frame *frame) {
    uint64_t now_us = link_now(link);
    for (;;) {
        struct parcel *parcel;
        enum status s = frame_next(frame, now_us, &parcel, NULL);
        if (s == STATUS_NO_MEMORY) {
            peer->refused += frame->count / 2 + 1; /* not the peer's fault */
            return;
        }
        if (s != STATUS_OK) {
            link_bad_frame(link, peer);
            return;
        }
        if (!parcel) return;
        peer->received++;
        if (parcel->envelope.from) parcel->envelope.from |= (uint64_t)peer->number << 48;
        link->host.deliver(link->host.node, parcel);
    }
}

static void on_lookup(struct link *link, struct peer *peer, unsigned i, const struct frame *asked) {
    struct frame found = {.kind = FRAME_FOUND, .token = asked->token};
    found.handle = link->host.find(link->host.node, asked->text);
    found.status = found.handle ? STATUS_OK : STATUS_NOT_FOUND;
    link_say(link, peer, &peer->channels[i], &found);
}

/* Our own clock comes back; smoothed like TCP's. */
static void on_beaten(struct link *link, struct peer *peer, uint64_t stamp_us) {
    uint64_t now_us = link_now(link);
    if (stamp_us > now_us || now_us - stamp_us > (uint64_t)LINK_DEAD_MS * 1000) return;
    uint64_t rtt = now_us - stamp_us;
    peer->rtt_us = peer->rtt_us ? (7 * peer->rtt_us + rtt) / 8 : rtt;
}

static void on_frame(struct link *link, struct peer *peer, unsigned i, struct frame *frame) {
    struct frame answer = {.kind = FRAME_BEATEN, .token = frame->token};
    if (peer->state != PEER_OPEN && frame->kind != FRAME_HELLO && frame->kind != FRAME_BYE) {
        link_bad_frame(link, peer);
        return;
    }
    switch (frame->kind) {
    case FRAME_HELLO:
        on_hello(link, peer, i, frame);
        break;
    case FRAME_MESSAGES:
        on_messages(link, peer, frame);
        break;
    case FRAME_LOOKUP:
        on_lookup(link, peer, i, frame);
        break;
    case FRAME_FOUND:
        link_answered(link, peer, frame);
        break;
    case FRAME_BEAT:
        link_say(link, peer, &peer->channels[i], &answer);
        link_asked_to_widen(link, peer, frame->token);
        break;
    case FRAME_BEATEN:
        if (i == PEER_CONTROL && !link_fence_passed(link, peer, frame->token))
            on_beaten(link, peer, frame->token);
        break;
    case FRAME_REGISTER:
        link_register(link, peer, i, frame);
        break;
    case FRAME_REGISTERED: /* of what was never asked */
        link_bad_frame(link, peer);
        break;
    case FRAME_BYE:
        if (peer->state == PEER_CONNECTING)
            link_attempt_failed(link, peer);
        else
            link_fail(link, peer, NULL);
        break;
    }
}

static void on_peer_bytes(struct link *link, struct peer *peer, unsigned i, zmq_msg_t *bytes) {
    struct frame frame;
    size_t size = zmq_msg_size(bytes);
    peer->received_bytes += size;
    if (frame_read(zmq_msg_data(bytes), size, &frame, NULL) != STATUS_OK) {
        link_bad_frame(link, peer);
        return;
    }
    peer->channels[i].heard_us = link_now(link);
    on_frame(link, peer, i, &frame);
}

/* Whoever forgot that we forgot it (we took it for dead) learns that it has to say hello again. */
static void on_stranger(struct link *link, zmq_msg_t *id, zmq_msg_t *bytes) {
    struct frame frame;
    if (frame_read(zmq_msg_data(bytes), zmq_msg_size(bytes), &frame, NULL) != STATUS_OK) {
        link->bad_frames++;
    } else if (frame.kind == FRAME_HELLO) {
        accept_hello(link, id, bytes, &frame);
    } else if (frame.kind != FRAME_BYE) {
        turn_away(link, id, "say hello first");
    }
}

/* Takes one message of at most two parts, `id` (of a ROUTER, else NULL) and `bytes`; more are
 * dropped. Returns the number of parts there were, 0 = nothing to read. */
static unsigned receive(void *socket, zmq_msg_t *id, zmq_msg_t *bytes) {
    unsigned parts = 0;
    zmq_msg_t rest;
    zmq_msg_init(&rest);
    for (bool more = true; more; parts++) {
        zmq_msg_t *part = parts == 0 && id ? id : parts == (id ? 1 : 0) ? bytes : &rest;
        int rc;
        do {
            rc = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
        } while (rc < 0 && zmq_errno() == EINTR);
        if (rc < 0) break;
        more = zmq_msg_more(part);
    }
    zmq_msg_close(&rest);
    return parts;
}

static bool read_router(struct link *link, unsigned *budget) {
    bool empty = false;
    zmq_msg_t id, bytes;
    zmq_msg_init(&id);
    zmq_msg_init(&bytes);
    while (*budget > 0) {
        unsigned parts = receive(link->router, &id, &bytes);
        empty = parts == 0;
        if (empty) break;
        --*budget;
        struct route *route = route_find(&link->routes, zmq_msg_data(&id), zmq_msg_size(&id));
        if (route && (!route->peer || route->peer->state == PEER_DEAD)) continue;
        if (parts != 2) {
            if (route)
                link_bad_frame(link, route->peer);
            else
                link->bad_frames++;
        } else if (route) {
            on_peer_bytes(link, route->peer, route->channel, &bytes);
        } else {
            on_stranger(link, &id, &bytes);
        }
    }
    zmq_msg_close(&id);
    zmq_msg_close(&bytes);
    return empty;
}

static bool read_dealer(struct link *link, struct doorbell *bell, unsigned *budget) {
    bool empty = false;
    struct peer *peer = bell->peer;
    zmq_msg_t bytes;
    zmq_msg_init(&bytes);
    while (*budget > 0 && peer->state != PEER_DEAD && !peer->broken) {
        unsigned parts = receive(bell->socket, NULL, &bytes);
        empty = parts == 0;
        if (empty) break;
        --*budget;
        if (parts == 1)
            on_peer_bytes(link, peer, bell->channel, &bytes);
        else
            link_bad_frame(link, peer);
    }
    zmq_msg_close(&bytes);
    return empty || peer->state == PEER_DEAD || peer->broken;
}

/* A failed handshake comes before the end of its connection: the first that is read counts, of both
 * channels. */
static void read_monitor(struct link *link, struct doorbell *bell) {
    struct peer *peer = bell->peer;
    struct guard_event event;
    while (guard_event(bell->socket, &event)) {
        if (peer->state == PEER_DEAD || peer->broken) continue;
        struct guard_attempt attempt = {NULL, peer->address, 0, link_now(link)};
        if (guard_failed(&link->guard, &event, &attempt, peer->key)) peer->denied = true;
        if (peer->state == PEER_CONNECTING)
            link_attempt_failed(link, peer);
        else
            link_fail(link, peer, NULL);
    }
}

bool link_read(struct link *link, struct doorbell *bell, unsigned *budget) {
    switch (bell->kind) {
    case DOORBELL_ROUTER:
        return read_router(link, budget);
    case DOORBELL_DEALER:
        return read_dealer(link, bell, budget);
    case DOORBELL_MONITOR:
        read_monitor(link, bell);
        return true;
    case DOORBELL_LISTENER:
        guard_look(&link->guard, link_now(link));
        return true;
    case DOORBELL_ZAP:
        return guard_zap(&link->guard, link_now(link));
    }
    return true;
}
