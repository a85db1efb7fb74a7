/* link_data: the second connection of a peer, for the data band when there is much of it.
 *
 *     control ══ hello ═ everything ═▶ 64 KiB of data ═══════════ fence ▶ ═ ◀ its answer ═ urgent
 *     data                             messages wait ── hello ──┤                 ├── messages
 *
 * Made at once, it would put a second handshake, which computes when there are keys, between a
 * first call and its answer; and most connections of tools never carry enough to hold up anything.
 * So the data band goes by the control connection until LINK_NARROW_BYTES of it did. From then on
 * it waits with the data connection, which the side that opened the first one makes; the other side
 * asks for it, by a beat with the stamp LINK_WIDEN. When its hello was exchanged a fence keeps the
 * order: one more beat on the control connection, behind the last message there; once that is
 * answered the peer had everything before it, and the data connection is let go. Each side fences
 * for itself. A second connection that cannot be made is tried again; one that breaks is the end of
 * the peer, as with the first. */
#include "runtime/link_state.h"

/* Other beats carry clocks, which never come so far. */
static const uint64_t LINK_WIDEN = UINT64_C(1) << 63;

static void hold(struct peer *peer, enum peer_way way) {
    peer->way = way;
    peer->channels[PEER_DATA].held = true;
}

static void want(struct link *link, struct peer *peer) {
    if (peer->widens || peer->channels[PEER_DATA].socket) return;
    peer->widens = true;
    peer->widen_us = 0;
    link_sooner(link, 0);
}

static void ask(struct link *link, struct peer *peer) {
    struct frame beat = {.kind = FRAME_BEAT, .token = LINK_WIDEN};
    link_say(link, peer, &peer->channels[PEER_CONTROL], &beat);
}

void link_count_data(struct link *link, struct peer *peer, size_t bytes) {
    peer->by_control += bytes;
    if (peer->single || peer->by_control < LINK_NARROW_BYTES) return;
    hold(peer, PEER_WAITING);
    if (peer->opened)
        want(link, peer);
    else
        ask(link, peer);
}

void link_asked_to_widen(struct link *link, struct peer *peer, uint64_t token) {
    if (token == LINK_WIDEN && peer->opened) want(link, peer);
}

void link_widen(struct link *link, struct peer *peer, uint64_t now_us) {
    if (now_us >= peer->widen_us) {
        if (peer_widen(peer, &link->self, &link->bells, now_us) == STATUS_OK) {
            peer->widens = false;
            link_mark_busy(link, peer);
            return;
        }
        peer->widen_us = now_us + (uint64_t)LINK_BEAT_MS * 1000;
    }
    link_sooner(link, peer->widen_us);
}

/* What could not be said for want of memory is said again. */
void link_widen_beat(struct link *link, struct peer *peer) {
    const struct channel *data = &peer->channels[PEER_DATA];
    if (peer->state != PEER_OPEN) return;
    if (data->greeted && peer->way < PEER_FENCED) link_widened(link, peer);
    if (!data->socket && !peer->opened && peer->way == PEER_WAITING) ask(link, peer);
}

void link_widened(struct link *link, struct peer *peer) {
    struct frame fence = {.kind = FRAME_BEAT, .token = LINK_WIDEN | link_now(link)};
    hold(peer, PEER_WAITING);
    if (!channel_say(&peer->channels[PEER_CONTROL], &fence)) return;
    link_mark_busy(link, peer);
    hold(peer, PEER_FENCED);
    peer->fence = fence.token;
}

bool link_fence_passed(struct link *link, struct peer *peer, uint64_t token) {
    if (!(token & LINK_WIDEN)) return false;
    if (peer->way == PEER_FENCED && token == peer->fence) {
        peer->way = PEER_BY_DATA;
        peer->channels[PEER_DATA].held = false;
        link_mark_busy(link, peer);
    }
    return true;
}
