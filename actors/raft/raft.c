/* raft: see the header. A peer is a process, by its link address:
 *
 *     unknown ─ lookup "raft" ─▶ found ─ its process is lost ─▶ unknown, and our replicas of the
 *         │                                                     groups that spoke to it hear so
 *         └───── not there: what waits is dropped, and for LOOK_AGAIN_US whatever comes ─────┘
 *
 * Frames are built as their messages come and leave behind what already waits on this lane. */
#include "actors/raft/raft.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/buffer.h"
#include "runtime/memory.h"
#include "runtime/turn.h"
#include "schemas/raft.pb-c.h"

#include "runtime/poison.h"

enum {
    ADDRESS_SIZE = 256,
    LOOKUP_US = 2 * 1000 * 1000,
    LOOK_AGAIN_US = 200 * 1000,
    TELL_AGAIN_US = 100 * 1000,
    NAME_SIZE = 64,
    GROUPS_MAX = 16384, /* told when a peer is lost */
    MAILBOX = 16384,    /* a message of each replica that speaks at the same moment */
};

struct piece {
    uint64_t group;
    size_t size; /* of its message in bytes, one behind the other */
};

struct peer {
    struct raft *raft;
    char address[ADDRESS_SIZE];
    actor_handle actor; /* 0: not found yet */
    uint64_t monitor;
    uint64_t quiet_until_us; /* nothing is taken for it before: it was not there */
    bool looking;
    struct buffer bytes;  /* of the frame to come */
    struct piece *pieces; /* owned */
    uint32_t n_pieces, room;
    uint64_t *groups; /* owned; ascending: that said something to it */
    uint32_t n_groups, groups_room;
    bool told; /* that it is lost, and will be once more if it is */
};

struct raft {
    struct raft_options options;
    struct peer **peers; /* owned */
    uint32_t n_peers;
    bool leaving; /* frames leave in a turn to come */
};

#define RAFT_ACCEPTS(X) \
    X(struct raft, RaftSend, raft_send, on_send) \
    X(struct raft, RaftFrame, raft_frame, on_frame)
ACTOR_HANDLERS(raft_handlers, RAFT_ACCEPTS);

/* --- peers ------------------------------------------------------------------------------------ */

static struct peer *peer_at(struct raft *self, const char *address) {
    for (uint32_t i = 0; i < self->n_peers; i++)
        if (strcmp(self->peers[i]->address, address) == 0) return self->peers[i];
    if (self->n_peers == RAFT_PEERS_MAX || strlen(address) >= ADDRESS_SIZE) return NULL;
    struct peer **peers = mem_resize(self->peers, (self->n_peers + 1) * sizeof(struct peer *));
    if (peers) self->peers = peers;
    struct peer *peer = peers ? mem_zero(1, sizeof *peer) : NULL;
    if (!peer) return NULL;
    peer->raft = self;
    snprintf(peer->address, sizeof peer->address, "%s", address);
    buffer_init(&peer->bytes);
    self->peers[self->n_peers++] = peer;
    return peer;
}

static void peer_forget(struct peer *peer) {
    buffer_clear(&peer->bytes);
    peer->n_pieces = 0;
}

static actor_handle replica_of(uint64_t group, struct turn *turn) {
    char name[NAME_SIZE];
    if (group == RAFT_GROUP_PD) return turn_find(turn, "pd");
    snprintf(name, sizeof name, "shard/%" PRIu64, group);
    return turn_find(turn, name);
}

/* Where it is among the groups that spoke to the peer, or would be. */
static uint32_t group_place(const struct peer *peer, uint64_t group) {
    uint32_t low = 0, high = peer->n_groups;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (peer->groups[middle] < group)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Groups that are gone here make room first. */
static bool group_room(struct peer *peer, struct turn *turn) {
    if (peer->n_groups < peer->groups_room) return true;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < peer->n_groups; i++)
        if (replica_of(peer->groups[i], turn) != 0) peer->groups[kept++] = peer->groups[i];
    peer->n_groups = kept;
    if (kept < peer->groups_room - peer->groups_room / 4) return true;
    uint32_t room = peer->groups_room ? 2 * peer->groups_room : 16;
    uint64_t *groups = room <= GROUPS_MAX ? mem_resize(peer->groups, room * sizeof *groups) : NULL;
    if (!groups) return kept < peer->groups_room;
    peer->groups = groups;
    peer->groups_room = room;
    return true;
}

/* One for which there is no room waits for its timer, as with a silent process. */
static void group_note(struct peer *peer, uint64_t group, struct turn *turn) {
    uint32_t at = group_place(peer, group);
    if (at < peer->n_groups && peer->groups[at] == group) return;
    if (!group_room(peer, turn)) return;
    at = group_place(peer, group);
    memmove(peer->groups + at + 1, peer->groups + at, (peer->n_groups - at) * sizeof *peer->groups);
    peer->groups[at] = group;
    peer->n_groups++;
}

static void peer_look(struct peer *peer, struct turn *turn);
static void peer_send(struct peer *peer, struct turn *turn);

static void tell_lost(const struct peer *peer, struct turn *turn) {
    RaftReceive lost = RAFT_RECEIVE__INIT;
    lost.link = (char *)(uintptr_t)peer->address;
    lost.lost = true;
    for (uint32_t i = 0; i < peer->n_groups; i++) {
        actor_handle replica = replica_of(peer->groups[i], turn);
        if (replica != 0) turn_tell(turn, replica, &lost.base);
    }
}

/* What a process said before it ended may be read after the end of another connection to it: a
 * heartbeat that lay there brought its leaders back. */
static void look_again(void *actor, void *context, struct turn *turn) {
    struct peer *peer = context;
    (void)actor;
    peer->told = false;
    if (peer->actor == 0) tell_lost(peer, turn);
}

static void on_lost(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct peer *peer = context;
    (void)actor, (void)outcome;
    peer->actor = 0;
    peer->monitor = 0;
    tell_lost(peer, turn);
    if (peer->n_groups > 0) peer_look(peer, turn); /* a leader's voice must come soon */
    if (!peer->told) turn_timer(turn, TELL_AGAIN_US, look_again, peer);
    peer->told = true;
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct peer *peer = context;
    (void)actor;
    peer->looking = false;
    if (outcome->status != STATUS_OK) {
        turn_note(turn, "peer %s %s", peer->address, status_name(outcome->status));
        peer->quiet_until_us = turn_now_us(turn) + LOOK_AGAIN_US;
        peer_forget(peer);
        return;
    }
    peer->actor = outcome->handle;
    peer->monitor = turn_monitor(turn, peer->actor, on_lost, peer);
    peer_send(peer, turn);
}

static void peer_look(struct peer *peer, struct turn *turn) {
    if (peer->looking) return;
    peer->looking = true;
    turn_lookup(turn, &(struct lookup){.address = peer->address,
                                       .name = "raft",
                                       .done = on_found,
                                       .context = peer,
                                       .deadline_us = turn_now_us(turn) + LOOKUP_US});
}

/* What waits for the peer, as one frame. */
static void peer_send(struct peer *peer, struct turn *turn) {
    if (peer->n_pieces == 0) return;
    if (peer->actor == 0) {
        peer_look(peer, turn);
        return;
    }
    uint32_t n = peer->n_pieces;
    RaftFrame frame = RAFT_FRAME__INIT;
    RaftParcel *parcels = turn_alloc(turn, n * sizeof *parcels);
    frame.parcels = turn_alloc(turn, n * sizeof *frame.parcels);
    if (parcels && frame.parcels) {
        unsigned char *at = peer->bytes.data;
        for (uint32_t i = 0; i < n; i++) {
            raft_parcel__init(&parcels[i]);
            parcels[i].group = peer->pieces[i].group;
            parcels[i].message = (ProtobufCBinaryData){peer->pieces[i].size, at};
            at += peer->pieces[i].size;
            frame.parcels[i] = &parcels[i];
        }
        frame.n_parcels = n;
        frame.link = (char *)(uintptr_t)(peer->raft->options.link ? peer->raft->options.link : "");
        turn_tell(turn, peer->actor, &frame.base);
    }
    peer_forget(peer);
}

/* False: no room, the message is lost. */
static bool peer_add(struct peer *peer, const RaftOut *out) {
    if (peer->actor == 0 && peer->bytes.size + out->message.len > RAFT_WAITING_BYTES) return false;
    if (peer->n_pieces == RAFT_FRAME_PARCELS) return false;
    if (peer->n_pieces == peer->room) {
        uint32_t room = peer->room ? 2 * peer->room : 16;
        struct piece *pieces = mem_resize(peer->pieces, room * sizeof *pieces);
        if (!pieces) return false;
        peer->pieces = pieces;
        peer->room = room;
    }
    void *at = buffer_reserve(&peer->bytes, out->message.len);
    if (!at) {
        peer->bytes.failed = false;
        return false;
    }
    if (out->message.len > 0) memcpy(at, out->message.data, out->message.len);
    peer->bytes.size += out->message.len;
    peer->pieces[peer->n_pieces++] = (struct piece){out->group, out->message.len};
    return true;
}

/* --- out and in ------------------------------------------------------------------------------- */

static void leave(void *actor, void *context, struct turn *turn) {
    struct raft *self = actor;
    (void)context;
    self->leaving = false;
    for (uint32_t i = 0; i < self->n_peers; i++)
        peer_send(self->peers[i], turn);
}

static enum status on_send(struct raft *self, const RaftSend *msg, struct turn *turn) {
    for (size_t i = 0; i < msg->n_messages; i++) {
        const RaftOut *out = msg->messages[i];
        struct peer *peer = peer_at(self, out->address);
        if (!peer || turn_now_us(turn) < peer->quiet_until_us) continue;
        bool full = peer->bytes.size + out->message.len > RAFT_FRAME_BYTES ||
                    peer->n_pieces == RAFT_FRAME_PARCELS;
        if (full && peer->actor != 0) peer_send(peer, turn);
        group_note(peer, out->group, turn);
        if (!peer_add(peer, out)) turn_note(turn, "no room for %s", peer->address);
    }
    if (self->leaving) return STATUS_OK;
    self->leaving = true;
    turn_later(turn, leave, NULL);
    return STATUS_OK;
}

/* Messages for one group that stand behind each other are handed on as one. */
static enum status on_frame(struct raft *self, const RaftFrame *msg, struct turn *turn) {
    (void)self;
    ProtobufCBinaryData *bytes = turn_alloc(turn, (msg->n_parcels + 1) * sizeof *bytes);
    if (!bytes) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < msg->n_parcels;) {
        uint64_t group = msg->parcels[i]->group;
        RaftReceive receive = RAFT_RECEIVE__INIT;
        receive.link = msg->link;
        receive.messages = bytes;
        for (; i < msg->n_parcels && msg->parcels[i]->group == group; i++)
            bytes[receive.n_messages++] = msg->parcels[i]->message;
        actor_handle replica = replica_of(group, turn);
        if (replica != 0) turn_tell(turn, replica, &receive.base);
    }
    return STATUS_OK;
}

/* --- open and close --------------------------------------------------------------------------- */

static enum status raft_open(void *actor, const void *options, struct turn *turn) {
    struct raft *self = actor;
    (void)turn;
    self->options = *(const struct raft_options *)options;
    return STATUS_OK;
}

static void raft_close(void *actor) {
    struct raft *self = actor;
    for (uint32_t i = 0; i < self->n_peers; i++) {
        buffer_free(&self->peers[i]->bytes);
        mem_free(self->peers[i]->pieces);
        mem_free(self->peers[i]->groups);
        mem_free(self->peers[i]);
    }
    mem_free(self->peers);
}

const struct actor_type raft_type = {
    .kind = "raft",
    .size = sizeof(struct raft),
    .handlers = raft_handlers,
    .open = raft_open,
    .close = raft_close,
    .lane = LANE_IO,
    .mailbox_messages = MAILBOX,
    .mailbox_bytes = 64 * 1024 * 1024,
};
