/* channel: queue, pack, send.
 *
 *     push, say ──▶ queue of parcels ──fill──▶ one frame ──push_frame──▶ ZeroMQ
 *
 * A frame that ZeroMQ did not take is kept and tried first the next time, so order holds. Small
 * frames of the link itself (hello, lookups, beats) wait in the same queue as parcels of a kind of
 * their own: their body is the frame. */
#include "runtime/channel.h"

#include <errno.h>

#include "runtime/assert.h"
#include "runtime/turn.h"

enum { PARCEL_FRAME = UINT8_MAX }; /* envelope.kind of a parcel whose body is a frame */

static_assert((int)PARCEL_FRAME >= (int)PARCEL_WIRE_COUNT, "no message is taken for a frame");
static_assert((int)LINK_PACK_MESSAGES == (int)FRAME_MESSAGES_MAX, "a frame holds a pack");

void channel_push(struct channel *channel, struct parcel *parcel) {
    parcel->next = NULL;
    if (channel->last)
        channel->last->next = parcel;
    else
        channel->first = parcel;
    channel->last = parcel;
    channel->queued_bytes += frame_cost(parcel);
}

static struct parcel *small(const struct frame *frame) {
    unsigned char bytes[FRAME_SMALL_MAX];
    size_t size = frame_write(frame, bytes);
    struct parcel *parcel = parcel_new(size);
    if (!parcel) return NULL;
    parcel->envelope.kind = PARCEL_FRAME;
    parcel->size = size;
    memcpy(parcel->body, bytes, size);
    return parcel;
}

bool channel_say(struct channel *channel, const struct frame *frame) {
    struct parcel *parcel = small(frame);
    if (parcel) channel_push(channel, parcel);
    return parcel;
}

bool channel_greet(struct channel *channel, const struct frame *hello) {
    struct parcel *parcel = small(hello);
    if (!parcel) return false;
    parcel->next = channel->first;
    channel->first = parcel;
    if (!channel->last) channel->last = parcel;
    channel->queued_bytes += frame_cost(parcel);
    return true;
}

static struct parcel *pop(struct channel *channel) {
    struct parcel *parcel = channel->first;
    channel->first = parcel->next;
    if (!channel->first) channel->last = NULL;
    parcel->next = NULL;
    channel->queued_bytes -= frame_cost(parcel);
    return parcel;
}

static bool is_late(const struct parcel *parcel, uint64_t now_us) {
    const struct envelope *e = &parcel->envelope;
    bool request = e->kind == PARCEL_CALL || e->kind == PARCEL_CAST;
    return request && e->deadline_us != NO_DEADLINE && e->deadline_us <= now_us;
}

static void refuse_late(struct channel *channel, const struct link_host *host, uint64_t now_us) {
    while (channel->first && is_late(channel->first, now_us))
        host->refuse(host->node, pop(channel), STATUS_EXPIRED);
}

/* The next frame out of the queue's head. False: the queue is empty, held, or there is no memory
 * now. */
static bool fill(struct channel *channel, const struct link_host *host, uint64_t now_us) {
    refuse_late(channel, host, now_us);
    struct parcel *parcel = channel->first;
    if (!parcel) return false;
    if (parcel->envelope.kind == PARCEL_FRAME) {
        if (zmq_msg_init_size(&channel->frame, parcel->size) != 0) return false;
        memcpy(zmq_msg_data(&channel->frame), parcel->body, parcel->size);
        channel->frame_bytes = parcel->size;
        parcel_free(pop(channel));
        return true;
    }
    if (channel->held) return false;
    struct frame_builder builder;
    frame_begin(&builder, now_us);
    for (; parcel && parcel->envelope.kind != PARCEL_FRAME; parcel = parcel->next) {
        bool fits = builder.count == 0 || builder.size + frame_cost(parcel) <= LINK_PACK_BYTES;
        if (!fits || is_late(parcel, now_us) || !frame_add(&builder, parcel)) break;
    }
    if (zmq_msg_init_size(&channel->frame, builder.size) != 0) return false;
    frame_build(&builder, zmq_msg_data(&channel->frame));
    channel->frame_bytes = builder.size;
    channel->sent += builder.count;
    for (uint32_t i = 0; i < builder.count; i++)
        parcel_free(pop(channel));
    return true;
}

/* One zmq_send that may not wait. EAGAIN can be stale for a millisecond (runtime.md 5.2) unless the
 * socket is asked for its events before the second try. */
static int send_now(struct channel *channel) {
    const struct route *route = channel->route;
    for (bool again = true;; again = false) {
        int rc;
        do {
            rc = route
                     ? zmq_send(channel->socket, route->id, route->size, ZMQ_SNDMORE | ZMQ_DONTWAIT)
                     : zmq_msg_send(&channel->frame, channel->socket, ZMQ_DONTWAIT);
        } while (rc < 0 && zmq_errno() == EINTR);
        if (rc >= 0) return 0;
        if (zmq_errno() != EAGAIN || !again) return zmq_errno();
        int events;
        size_t size = sizeof events;
        zmq_getsockopt(channel->socket, ZMQ_EVENTS, &events, &size);
    }
}

/* A ROUTER judges a message by its first part, the id; a message once begun must be ended. */
static enum channel_state push_frame(struct channel *channel) {
    int error = send_now(channel);
    if (error == EAGAIN) {
        channel->full++;
        return CHANNEL_BLOCKED;
    }
    if (error != 0) return CHANNEL_GONE;
    if (channel->route) {
        int rc;
        do {
            rc = zmq_msg_send(&channel->frame, channel->socket, ZMQ_DONTWAIT);
        } while (rc < 0 && zmq_errno() == EINTR);
        if (rc < 0) return CHANNEL_GONE;
    }
    channel->sent_bytes += channel->frame_bytes;
    channel->queued_bytes -= channel->frame_bytes;
    channel->frame_bytes = 0;
    return CHANNEL_CLEAR;
}

enum channel_state
channel_flush(struct channel *channel, const struct link_host *host, uint64_t now_us) {
    if (!channel->socket) {
        refuse_late(channel, host, now_us);
        return channel->first ? CHANNEL_BLOCKED : CHANNEL_CLEAR;
    }
    for (;;) {
        if (channel->frame_bytes == 0) {
            if (!fill(channel, host, now_us)) {
                return channel->first ? CHANNEL_BLOCKED : CHANNEL_CLEAR;
            }
            channel->queued_bytes += channel->frame_bytes;
        }
        enum channel_state state = push_frame(channel);
        if (state != CHANNEL_CLEAR) return state;
    }
}

void channel_drop(struct channel *channel, const struct link_host *host, enum status reason) {
    if (channel->frame_bytes) zmq_msg_close(&channel->frame);
    channel->queued_bytes -= channel->frame_bytes;
    channel->frame_bytes = 0;
    while (channel->first) {
        struct parcel *parcel = pop(channel);
        if (parcel->envelope.kind == PARCEL_FRAME)
            parcel_free(parcel);
        else
            host->refuse(host->node, parcel, reason);
    }
}
