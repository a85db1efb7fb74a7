/* peer: the sockets of a connection that this process opens. */
#include "runtime/peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "runtime/assert.h"

enum {
    /* Frames that wait inside ZeroMQ on each side of a connection. Our own queue is where waiting
     * is counted; this only has to keep the wire busy, and bounds the memory to 32 frames of 64 KiB
     * (or 4 MiB, for giants). */
    FRAMES_IN_ZMQ = 32,
    CONNECT_TIMEOUT_MS = 1000,
    HANDSHAKE_TIMEOUT_MS = 2000,
    MONITORED = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
};

struct channel *peer_channel(struct peer *peer, enum parcel_band band) {
    bool data = band == BAND_DATA && peer->way != PEER_BY_CONTROL;
    return &peer->channels[data ? PEER_DATA : PEER_CONTROL];
}

size_t peer_queued(const struct peer *peer) {
    return peer->channels[PEER_CONTROL].queued_bytes + peer->channels[PEER_DATA].queued_bytes;
}

static void set(void *socket, int option, int value) {
    int rc = zmq_setsockopt(socket, option, &value, sizeof value);
    assert(rc == 0); /* constants of ours on a fresh socket */
}

void peer_configure(void *socket) {
    set(socket, ZMQ_LINGER, LINK_LINGER_MS);
    set(socket, ZMQ_SNDHWM, FRAMES_IN_ZMQ);
    set(socket, ZMQ_RCVHWM, FRAMES_IN_ZMQ);
    set(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_TIMEOUT_MS);
    int64_t frame_max = LINK_FRAME_MAX;
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max);
}

/* A DEALER that connects once: the frames of a broken connection may be lost, so a silent second
 * connection would be a hole in the order of messages. */
static void *new_dealer(void *zmq_context) {
    void *socket = zmq_socket(zmq_context, ZMQ_DEALER);
    if (!socket) return NULL;
    peer_configure(socket);
    set(socket, ZMQ_RECONNECT_IVL, -1);
    set(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS);
    return socket;
}

/* Monitors have a name in the context, so it must be one nobody else has. */
static void *new_monitor(const struct peer *peer, unsigned i, void *zmq_context) {
    char name[64];
    snprintf(name, sizeof name, "inproc://link-monitor-%" PRIx64 "-%u", peer->session, i);
    return guard_monitor(zmq_context, peer->channels[i].socket, name, MONITORED);
}

static enum status connect_channel(struct peer *peer,
                                   unsigned i,
                                   const struct peer_self *self,
                                   struct doorbells *bells) {
    struct channel *channel = &peer->channels[i];
    channel->socket = new_dealer(self->zmq_context);
    if (!channel->socket) return STATUS_NO_MEMORY;
    struct guard_attempt attempt = {channel->socket, peer->address, peer->attempts,
                                    peer->attempt_us};
    enum status s = guard_connect(self->guard, &attempt, peer->key);
    if (s != STATUS_OK) return s;
    void *monitor = new_monitor(peer, i, self->zmq_context);
    if (!monitor) return STATUS_NO_MEMORY;
    peer->monitors[i] = (struct doorbell){DOORBELL_MONITOR, monitor, peer, i, false, NULL};
    peer->dealers[i] = (struct doorbell){DOORBELL_DEALER, channel->socket, peer, i, false, NULL};
    s = endpoint_connect(channel->socket, peer->address);
    if (s == STATUS_OK) s = doorbell_add(bells, &peer->monitors[i]);
    if (s == STATUS_OK) s = doorbell_add(bells, &peer->dealers[i]);
    if (s != STATUS_OK) return s;
    struct frame hello = {
        .kind = FRAME_HELLO,
        .incarnation = self->incarnation,
        .session = peer->session,
        .class = i == PEER_CONTROL ? FRAME_CONTROL : FRAME_DATA,
    };
    snprintf(hello.text, sizeof hello.text, "%s", self->name);
    snprintf(hello.link, sizeof hello.link, "%s", self->link);
    return channel_greet(channel, &hello) ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status peer_connect(struct peer *peer,
                         const struct peer_self *self,
                         struct doorbells *bells,
                         uint64_t now_us) {
    peer->broken = false;
    peer->attempt_us = now_us;
    peer->attempts++;
    peer->key[0] = 0;
    if (getrandom(&peer->session, sizeof peer->session, 0) != sizeof peer->session)
        return STATUS_IO;
    return connect_channel(peer, PEER_CONTROL, self, bells);
}

static void disconnect_channel(struct peer *peer, unsigned i, struct doorbells *bells) {
    struct channel *channel = &peer->channels[i];
    if (channel->route) return; /* the socket is the ROUTER */
    void *monitor = peer->monitors[i].socket;
    doorbell_remove(bells, &peer->monitors[i]);
    doorbell_remove(bells, &peer->dealers[i]);
    if (channel->socket) {
        /* Else the I/O thread could tell of an event when nobody is there to take it. */
        zmq_socket_monitor(channel->socket, NULL, 0);
        zmq_close(channel->socket);
    }
    if (monitor) zmq_close(monitor);
    channel->socket = NULL;
    channel->greeted = false;
}

enum status peer_widen(struct peer *peer,
                       const struct peer_self *self,
                       struct doorbells *bells,
                       uint64_t now_us) {
    enum status s = connect_channel(peer, PEER_DATA, self, bells);
    if (s != STATUS_OK) disconnect_channel(peer, PEER_DATA, bells);
    peer->channels[PEER_DATA].heard_us = now_us;
    return s;
}

void peer_disconnect(struct peer *peer, struct doorbells *bells, const struct link_host *host) {
    for (unsigned i = 0; i < PEER_CHANNELS; i++) {
        channel_drop(&peer->channels[i], host, STATUS_LOST_PEER);
        disconnect_channel(peer, i, bells);
    }
}
